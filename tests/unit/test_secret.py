"""A key of a model server is in nothing that a workspace keeps, shows or exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtx.ingest import UploadedBytes
from lmtx.types import Decision
from lmtx.worker import run_job
from lmtx.workspace import Workspace
from tests.unit.teacher.misbehaving import Misbehaving

KEY = "sk-planted-Yx7/ab+Qe52md9"
N = 20


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    rows = [
        {"id": f"d{i}", "title": f"Title {i}", "text": f"{'ship' if i % 2 else 'tree'} number {i}"}
        for i in range(N)
    ]
    labels = [{"id": name, "name": name} for name in ("ship", "tree", "stone")]
    with Workspace.create(tmp_path / "w", "Secret") as made:
        for kind, found in (("corpus", rows), ("labels", labels)):
            file = UploadedBytes(f"{kind}.jsonl", "\n".join(map(json.dumps, found)).encode())
            getattr(made, f"import_{kind}")(file)
        yield made


@pytest.mark.parametrize("what", ["ok", "echo", "echo error"])
def test_a_planted_key_is_in_no_file_of_a_workspace_and_in_no_export(
    what: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMTX_API_KEY", KEY)
    with Misbehaving(lambda asked: what if asked.n > 4 else "ok") as server:
        spec = f"openai:m,base_url={server.base_url},strategy=listwise"
        job_id = "20260101-000000-planted"
        workspace.journal.job_put(job_id, "teach", {"teacher": spec, "top_k": 3})
        (workspace.folder / "jobs").mkdir(exist_ok=True)
        run_job(workspace.folder, job_id)  # as a job: its row, log and progress are searched too
        asked = server.chats()
    assert {x.headers["authorization"] for x in asked} == {f"Bearer {KEY}"}
    assert workspace.journal.counts()["judgments"] > 0
    workspace.decide([Decision("d1", "ship", "accept", "Ada")])
    workspace.update_settings(teacher=spec)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("corpus", "pairs", "decisions"):
        for form in ("csv", "jsonl", "parquet"):
            workspace.export(name, form, out / f"{name}.{form}")  # type: ignore[arg-type]
    workspace.export_requests(out / "requests.jsonl", "openai:m,strategy=logprobs")
    shown = repr(
        [workspace.job(job_id), workspace.status(), workspace.journal.teachers(), workspace.settings]
    )
    shown += repr(workspace.journal.recent_judgments(100))
    for form in (KEY, KEY[3:], json.dumps(KEY)[1:-1].replace("/", r"\/")):
        assert form not in shown
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert form.encode() not in path.read_bytes(), path
