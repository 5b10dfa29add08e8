"""Screens are tested on real workspaces: an empty one, and one that was taught and trained."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lmtx.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # the screens import the package `app`, which is not installed
    sys.path.insert(0, str(ROOT))
EVIL = "<script>window.hit = 1</script> **bold** _under_ [link](http://x.y) $x$ `code`"


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A folder with the first 90 records of the demo, one of them with a hostile title."""
    folder = tmp_path_factory.mktemp("small")
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:90]
    records = [json.loads(line) for line in lines]
    records[0]["title"] = EVIL
    records[0]["split"] = "train"
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps(r) for r in records), encoding="utf-8")
    labels = [json.loads(x) for x in (demo_folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    (folder / "labels.jsonl").write_text("\n".join(json.dumps(x) for x in labels), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, small_corpus: Path) -> Path:
    """A home whose one workspace was imported, judged, trained and measured for real."""
    home = tmp_path_factory.mktemp("taught")
    with Workspace.create(home / "library", name="Library") as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="gold")
        workspace.cycle("evidence", rounds=1)
        workspace.sync_index()
    return home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home without workspaces."""
    monkeypatch.setenv("LMTX_HOME", str(tmp_path))
    # Importing torch in a spare process for each test would take minutes; jobs start without one too.
    monkeypatch.setattr("app.services.warm_pool", lambda: None)
    monkeypatch.setattr("app.widgets.errors.unforeseen", nullcontext)  # bugs are to fail tests
    monkeypatch.setattr("app.reviewing.PAUSE_S", 0.0)  # tests need no time to read
    yield tmp_path
    st.cache_resource.clear()


@pytest.fixture
def empty(home: Path) -> Path:
    """A home with one empty workspace."""
    Workspace.create(home / "empty", name="Empty").close()
    return home


@pytest.fixture
def full(home: Path, taught: Path) -> Path:
    """A home with a copy of the taught workspace, which a test may change."""
    shutil.copytree(taught / "library", home / "library")
    return home


@pytest.fixture
def broken(home: Path) -> Path:
    """A home whose workspace has settings that can't be read."""
    (home / "broken").mkdir()
    (home / "broken" / "workspace.json").write_text("{not json", encoding="utf-8")
    return home


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Open a screen as a visitor would, by its name."""

    def open_one(name: str, **params: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60)
        app.run()
        for key, value in params.items():
            app.query_params[key] = value
        if name != "overview" or params:
            app.switch_page(f"../pages/{name}.py")
        return app.run()

    return open_one
