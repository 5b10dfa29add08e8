"""`kill -9` of running judging and cycles: what was committed stays, and is not asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtx.jobs import Job
from lmtx.review import sentences
from lmtx.workspace import Workspace

pytestmark = pytest.mark.slow

N_KILLS = 10


@pytest.fixture
def workspace(tmp_path: Path, demo_folder: Path) -> Iterator[Workspace]:
    """The demo's sentences as documents: many, so that judging takes a while, and quick to encode."""
    corpus = tmp_path / "sentences.jsonl"
    with (demo_folder / "corpus.jsonl").open(encoding="utf-8") as source, corpus.open("w") as out:
        for line in source:
            record = json.loads(line)
            for i, (start, end) in enumerate(sentences(record["text"])):
                row = {"id": f"{record['id']}-{i}", "text": record["text"][start:end], "split": "train"}
                out.write(json.dumps({**row, "labels": record["labels"]}) + "\n")
    with Workspace.create(tmp_path / "w", reserve_share=0.1) as made:
        made._parts._own_index = False
        made.import_labels(demo_folder / "labels.jsonl")
        made.import_corpus(corpus, on_bad="skip")
        made.embed()
        yield made


def judgments(folder: Path) -> list[tuple[int, int, int]]:
    """(document hash, label hash, teacher) of every judgment, in order, read past the product."""
    with sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True) as db:
        return list(
            db.execute("SELECT document_hash_num, label_hash_num, teacher_num FROM judgments ORDER BY seq")
        )


def wait_until_it_works(workspace: Workspace, job_id: str, before: int) -> None:
    """Wait until the job has started; a third of the time, until it has judged something new."""
    end = time.monotonic() + 120
    wanted = random.random() < 0.5
    while workspace.job(job_id).active and time.monotonic() < end:
        started = workspace.job(job_id).state == "running"
        if started and (not wanted or len(judgments(workspace.folder)) > before):
            return
        time.sleep(0.01)


def test_ten_kills_lose_nothing_and_repeat_nothing(workspace: Workspace) -> None:
    random.seed(7)
    store = workspace._parts.job_store
    interrupted = 0
    for n in range(N_KILLS):
        before = judgments(workspace.folder)
        teacher = f"simulated:recall=0.85,noise=0.05,seed={n}"
        if n % 2:
            job_id = workspace.start_job("cycle", {"teacher": teacher, "rounds": 2})
        else:
            job_id = workspace.start_job("teach", {"teacher": teacher})
        wait_until_it_works(workspace, job_id, len(before))
        time.sleep(random.uniform(0, 1.5 if n % 2 else 0.3))
        pid = workspace.journal.job(job_id).pid
        if pid is not None and workspace.job(job_id).active:
            os.kill(pid, signal.SIGKILL)
        job: Job = store.wait(job_id, 120)
        assert job.state in ("interrupted", "done"), job.error
        committed = judgments(workspace.folder)
        assert committed[: len(before)] == before
        with Workspace.open(workspace.folder, own_index=False) as opened:
            assert opened.status().counts["judgments"] == len(committed)
        if job.state == "interrupted":
            interrupted += 1
            workspace.resume_job(job_id)
            job = store.wait(job_id, 300)
        assert job.state == "done", job.error
        after = judgments(workspace.folder)
        assert after[: len(committed)] == committed, "a committed judgment was lost"
        assert len(set(after)) == len(after), "a pair was judged twice"
        assert len(after) > len(before)
    assert interrupted >= N_KILLS // 2, "too few kills came in time to show anything"
    assert workspace.status().run_id is not None
    assert workspace.predict(["a lighthouse by the sea"])[0]
