"""A real server with a real language model: `transformers serve`, on loopback."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from lmtx.journal import Journal
from lmtx.teacher import TeacherContext, TeacherRequest, ask, judge, load_teacher, preview
from lmtx.teacher.discovery import find_servers, try_connection
from lmtx.teacher.endpoint import EndpointTeacher
from lmtx.types import Document, Label

pytestmark = pytest.mark.slow

START_S = 60
N_DOCS, K = 25, 8
WATCHED = """
import os, runpy, sys, threading, time
parent = os.getppid()
def watch():
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program that does not outlive whoever started it: tests get killed too."""
WORDS = "birds taxes trees bread ships chess rivers law music bees paint stars"


@dataclass(frozen=True)
class Served:
    """A server and the name it gives its model."""

    port: int
    model: str

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def teacher(self, **more: object) -> EndpointTeacher:
        """Ask it."""
        values = "".join(f",{k}={v}" for k, v in {"timeout": 120, **more}.items())
        teacher = load_teacher(f"openai:{self.model},base_url={self.base_url}{values}", TeacherContext())
        assert isinstance(teacher, EndpointTeacher)
        return teacher


@pytest.fixture(scope="module")
def served(language_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        pytest.skip("fastapi and uvicorn, which `transformers serve` runs on, are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    log = tmp_path_factory.mktemp("serve") / "log"
    program = Path(sys.executable).parent / "transformers"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [
                sys.executable,
                "-c",
                WATCHED,
                program,
                "serve",
                str(language_model),
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
            ],
            # One thread: on a machine that does other things too, more wait for each other.
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "HF_HOME": str(log.parent / "no-hub"),
                "OMP_NUM_THREADS": "1",
            },
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + START_S
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield Served(port, str(language_model))
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def texts() -> tuple[list[Document], list[Label]]:
    """Short documents, since the server computes each question on its own."""
    rng = np.random.default_rng(0)
    names = WORDS.split()
    documents = [
        Document(f"d{i}", f"On {names[i % 12]}", f"All about {' and '.join(rng.choice(names, 3))}.", "train")
        for i in range(N_DOCS)
    ]
    return documents, [Label(f"l{i}", name.capitalize()) for i, name in enumerate(names)]


def few(n: int, k: int) -> list[TeacherRequest]:
    documents, labels = texts()
    asked = tuple(labels[:k])
    return [TeacherRequest(d, asked, tuple(range(k)), asked) for d in documents[:n]]


def test_the_server_is_found_and_can_be_tried(served: Served) -> None:
    (found,) = find_servers(timeout=5, ports=[served.port])
    assert (found.name, found.base_url) == ("transformers serve", served.base_url)
    report = try_connection(served.teacher())
    assert report.ok
    assert report.strategy == "questions"
    assert report.probability is not None


def test_two_hundred_pairs_at_eight_a_time(served: Served, tmp_path: Path) -> None:
    documents, labels = texts()
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}")
    journal.put_labels(labels)
    journal.put_documents(documents, lambda d: "train")
    view = journal.corpus()
    rows = np.arange(N_DOCS, dtype=np.int32)
    rng = np.random.default_rng(1)
    shortlist = np.array([rng.permutation(len(labels))[:K] for _ in rows], dtype=np.int32)
    teacher = served.teacher(concurrency=8)
    before = preview(journal, teacher, view, shortlist, rows)
    report = judge(journal, teacher, view, shortlist, rows)
    assert teacher.strategy == "questions"
    assert "strategy=questions" in teacher.spec
    assert (report.n_judged, report.n_failed, report.n_unparsed) == (N_DOCS * K, 0, 0)
    frame = journal.pairs_frame(teacher_key=teacher.key)
    assert len(frame) == N_DOCS * K
    assert frame["probability"].between(0, 1).all()
    assert frame["probability"].nunique() > 50
    assert 0.6 < before.estimate.tokens_in / report.tokens < 1.4
    assert judge(journal, teacher, view, shortlist, rows).n_judged == 0
    journal.close()


def test_lists_and_written_answers(served: Served) -> None:
    lists = ask(served.teacher(strategy="listwise", max_tokens=16), few(3, 5))
    assert all(a is not None and a.tokens > 0 and len(a.shown) == 5 for answers in lists for a in answers)
    written = ask(served.teacher(strategy="official", max_tokens=5), few(2, 3))
    assert all(a is not None and a.raw for answers in written for a in answers)
    assert {a.verdict for answers in written for a in answers if a} <= {"yes", "no", "unparsed"}


def test_a_model_that_it_does_not_serve_is_told(served: Served) -> None:
    report = try_connection(Served(served.port, "another").teacher(strategy="questions"))
    assert not report.ok
    assert "pinned" in report.problem
