"""A workspace that is open to be looked at: nothing in its folder changes, whatever is called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtx.encoder import EmbeddingCache
from lmtx.errors import ReadOnlyError, StorageError
from lmtx.jobs import Job
from lmtx.journal import Journal
from lmtx.types import Decision, Document
from lmtx.workspace import Workspace


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, but for what SQLite needs beside a database that is open."""
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.name.endswith(("-wal", "-shm"))
    }


@pytest.fixture(scope="module")
def trained(encoded_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "w"
    shutil.copytree(encoded_demo, folder)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.cycle("evidence", rounds=1)
        workspace.journal.job_put("left", "train", {}, state="running")  # its process is gone
    return folder


@pytest.fixture
def looked_at(trained: Path) -> Iterator[Workspace]:
    with Workspace.open(trained, read_only=True) as workspace:
        yield workspace


WRITES: dict[str, Callable[[Workspace], Any]] = {
    "a decision": lambda w: w.journal.append_decisions([Decision("d", "l", "accept", "Ada")]),
    "a setting": lambda w: w.update_settings(reviewer="Ada"),
    "consent": lambda w: w.consent("example.org"),
    "a job": lambda w: w.start_job("embed"),
    "an import": lambda w: w.import_demo(),
    "a training": lambda w: w.train(),
    "a cycle": lambda w: w.cycle("evidence", rounds=1),
    "teaching": lambda w: w.teach("evidence"),
    "a promotion": lambda w: w.promote(w.runs()[0].id),
    "a draw": lambda w: w.set_audit_design("labels"),
    "a prompt": lambda w: w.save_prompt("mine", "{{ document }}"),
    "examples": lambda w: w.few_shot_from_decisions("some", 2),
    "a new index": lambda w: w.rebuild_index(),
    "tags of all": lambda w: w.tag_corpus(),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_would_change_it_is_refused_with_the_remedy(looked_at: Workspace, what: str) -> None:
    with pytest.raises(ReadOnlyError, match="read-only"):
        WRITES[what](looked_at)


def test_looking_leaves_every_file_as_it_was(trained: Path) -> None:
    before = state(trained)
    with Workspace.open(trained, read_only=True) as workspace:
        seq = workspace.journal.head_seq()
        assert workspace.read_only
        status = workspace.status()
        assert status.index == "off"
        assert workspace.predict(["A text that nobody has seen"], top_k=3)[0]
        assert workspace.search("water", "semantic", n=3)
        ids = [row.id for row in workspace.documents_page(page_size=2)]
        workspace.document_detail(ids[0])
        workspace.precision_report()
        workspace.precision_report("zero-shot")
        workspace.label_quality()
        workspace.compare(["tagger", "zero-shot"], limit_docs=5)
        assert workspace.saved_documents(workspace.save_documents(ids)) == ids
        new = Document("new", "A title", "A text of no document")
        assert workspace._parts.document_vectors([new]).shape == (1, 384)
        workspace.jobs()
        assert workspace.journal.head_seq() == seq
    assert state(trained) == before


def test_a_job_whose_process_is_gone_shows_as_interrupted_and_stays_on_record(looked_at: Workspace) -> None:
    job: Job = looked_at.job("left")
    assert job.state == "interrupted"
    assert looked_at.journal.job("left").state == "running"


def test_others_may_work_on_it_meanwhile_and_are_seen(trained: Path, looked_at: Workspace) -> None:
    with Workspace.open(trained, own_index=True) as other:
        other.update_settings(name="Renamed")
        document = other.documents_page(page_size=1).items[0].id
        label = next(iter(other._parts.labels_by_id()))
        before = looked_at.journal.head_seq()
        other.journal.append_decisions([Decision(document, label, "accept", "Ada")])
    assert looked_at.settings.name == "Renamed"
    assert looked_at.journal.head_seq() > before


def test_the_database_itself_refuses(trained: Path) -> None:
    journal = Journal(f"sqlite:///{trained / 'journal.db'}", read_only=True)
    with pytest.raises(StorageError, match="readonly"), journal._read() as conn:
        conn.exec_driver_sql("DELETE FROM decisions")
    journal.close()


def test_a_journal_of_another_version_is_not_brought_to_this_one(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()
    with pytest.raises(StorageError, match="Open the workspace once without --read-only"):
        Journal(f"sqlite:///{tmp_path / 'journal.db'}", read_only=True)
    assert (tmp_path / "journal.db").stat().st_size == 0


@pytest.mark.parametrize("there", [True, False])
def test_vectors_that_are_put_live_in_memory(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "vectors.db"
    rows = np.eye(2, 4, dtype=np.float32)
    if there:
        first = EmbeddingCache(path)
        first.put("e", ["a"], rows[:1])
        first.close()
    cache = EmbeddingCache(path, read_only=True)
    cache.put("e", ["b"], rows[1:])
    found, known = cache.get("e", ["a", "b", "c"])
    assert known.tolist() == [there, True, False]
    assert found[1].tolist() == rows[1].tolist()
    cache.close()
    assert path.exists() == there
    if there:
        again = EmbeddingCache(path)
        assert again.get("e", ["a", "b"])[1].tolist() == [True, False]
        again.close()


def test_the_app_is_started_read_only_by_its_flag_and_makes_no_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmtx.cli.main import main

    started: list[str | None] = []
    monkeypatch.setenv("LMTX_READ_ONLY", "")
    monkeypatch.setenv("LMTX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # The real call replaces this process by the server's.
    monkeypatch.setattr("os.execv", lambda *_: started.append(os.environ["LMTX_READ_ONLY"]))
    with pytest.raises(SystemExit) as end:
        main(["app", "--read-only"])
    assert end.value.code == 0
    assert started == ["1"]
    assert not (tmp_path / "home" / "demo").exists()
