from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lmtx.errors import InputError, JobCancelled, NotFoundError
from lmtx.jobs import Job, JobProgress, WarmPool, held, phase_of
from lmtx.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("LMTX_HOME", str(tmp_path))
    with Workspace.create(tmp_path / "w") as made:
        yield made


def corpus_file(folder: Path, n: int = 20, name: str = "corpus.jsonl") -> Path:
    path = folder / name
    with path.open("w") as file:
        for i in range(n):
            file.write(
                json.dumps({"id": f"d{i}", "title": f"Title {i}", "text": f"Some text {i} " * 20}) + "\n"
            )
    return path


def done(workspace: Workspace, job_id: str, timeout_s: float = 90) -> Job:
    return workspace._parts.job_store.wait(job_id, timeout_s)


def test_a_job_runs_and_reports(workspace: Workspace, tmp_path: Path) -> None:
    job_id = workspace.start_job("import_corpus", {"source": str(corpus_file(tmp_path))})
    assert workspace.job(job_id).active
    job = done(workspace, job_id)
    assert job.state == "done", job.error
    assert job.result is not None
    assert job.result["added"] == 20
    assert job.started is not None
    assert job.ended is not None
    assert workspace.journal.counts()["documents"] == 20
    assert [j.id for j in workspace.jobs()] == [job_id]


def test_an_error_is_told_not_traced(workspace: Workspace) -> None:
    job = done(workspace, workspace.start_job("import_corpus", {"source": "/nowhere/x.csv"}))
    assert job.state == "failed"
    assert "/nowhere/x.csv" in job.error
    assert "Traceback" not in job.error


def test_wrong_parameters_are_told(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="Known"):
        workspace.start_job("format_disk")
    with pytest.raises(InputError, match="JSON"):
        workspace.start_job("embed", {"x": object()})
    job = done(workspace, workspace.start_job("embed", {"speed": 3}))
    assert job.state == "failed"
    assert "speed" in job.error
    with pytest.raises(NotFoundError):
        workspace.job("none")


def test_cancel_keeps_nothing_half_done_and_resume_finishes(workspace: Workspace, tmp_path: Path) -> None:
    source = corpus_file(tmp_path, 60_000)
    job_id = workspace.start_job("import_corpus", {"source": str(source)})
    while workspace.job(job_id).active and not workspace.job(job_id).done:
        time.sleep(0.02)
    workspace.cancel_job(job_id)
    assert done(workspace, job_id).state == "cancelled"
    assert workspace.journal.counts()["documents"] == 0
    corpus_file(tmp_path, 30)
    assert workspace.resume_job(job_id) == job_id
    assert done(workspace, job_id).state == "done"
    assert workspace.journal.counts()["documents"] == 30
    with pytest.raises(InputError, match="done"):
        workspace.resume_job(job_id)


def test_a_killed_job_reads_interrupted_and_resumes(workspace: Workspace, tmp_path: Path) -> None:
    source = corpus_file(tmp_path, 60_000)
    job_id = workspace.start_job("import_corpus", {"source": str(source)})
    while workspace.job(job_id).active and not workspace.job(job_id).done:
        time.sleep(0.02)
    with pytest.raises(InputError, match="running"):
        workspace.resume_job(job_id)
    pid = workspace.journal.job(job_id).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert done(workspace, job_id, 20).state == "interrupted"
    assert workspace.journal.counts()["documents"] == 0
    corpus_file(tmp_path, 30)
    workspace.resume_job(job_id)
    assert done(workspace, job_id).state == "done"


def test_writers_wait_for_each_other_in_order(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.start_job("import_corpus", {"source": str(corpus_file(tmp_path, 20_000))})
    while workspace.job(first).active and not workspace.job(first).done:
        time.sleep(0.02)
    later = [
        workspace.start_job("import_corpus", {"source": str(corpus_file(tmp_path, 5, f"{i}.jsonl"))})
        for i in range(2)
    ]
    assert workspace.job(later[0]).state == "queued"
    ended = [done(workspace, job_id) for job_id in (first, *later)]
    assert [j.state for j in ended] == ["done"] * 3
    times = [(j.started, j.ended) for j in ended]
    assert all(a[1] is not None and b[0] is not None and a[1] <= b[0] for a, b in pairwise(times))


def test_a_queued_job_can_be_cancelled(workspace: Workspace, tmp_path: Path) -> None:
    first = workspace.start_job("import_corpus", {"source": str(corpus_file(tmp_path, 60_000))})
    while workspace.job(first).active and not workspace.job(first).done:
        time.sleep(0.02)
    second = workspace.start_job("embed")
    workspace.cancel_job(second)
    assert done(workspace, second).state == "cancelled"
    ended = done(workspace, first).state
    assert ended == "done"
    workspace.cancel_job(first)  # ended already: nothing happens
    assert workspace.job(first).state == ended


def test_a_job_outlives_who_started_it(workspace: Workspace, tmp_path: Path) -> None:
    source = corpus_file(tmp_path, 5000)
    code = (
        "import sys; from lmtx.workspace import Workspace\n"
        "w = Workspace.open(sys.argv[1]); print(w.start_job('import_corpus', {'source': sys.argv[2]}))"
    )
    started = subprocess.run(
        [sys.executable, "-c", code, str(workspace.folder), str(source)],
        capture_output=True,
        text=True,
        check=True,
    )
    job_id = started.stdout.strip()
    assert done(workspace, job_id).state == "done"
    assert workspace.journal.counts()["documents"] == 5000


def test_a_job_that_never_came_up_reads_interrupted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.journal.job_put("lost", "embed", {})
    assert workspace.job("lost").state == "interrupted"


@pytest.mark.slow
def test_a_warm_process_takes_a_job_at_once_and_a_new_one_comes(workspace: Workspace, tmp_path: Path) -> None:
    pool = WarmPool(1)
    try:
        assert pool.wait_ready(120)
        began = time.monotonic()
        job_id = workspace.start_job("import_corpus", {"source": str(corpus_file(tmp_path))}, warm=pool)
        assert time.monotonic() - began < 5
        assert done(workspace, job_id).state == "done"
        assert pool.wait_ready(120)
        assert "import_corpus" in workspace.job_log(job_id)
    finally:
        pool.close()


@pytest.mark.slow
def test_a_spare_ends_with_its_owner(tmp_path: Path) -> None:
    code = (
        "from lmtx.jobs import WarmPool; import sys\n"
        "p = WarmPool(1); p.wait_ready(120); print(p._spares[0].process.pid, flush=True)\n"
        "import os; os._exit(9)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(found.stdout)
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        if "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            break
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{pid}").exists()


def test_progress_is_throttled_and_stops_when_asked(workspace: Workspace) -> None:
    store = workspace._parts.job_store
    workspace.journal.job_put("j", "embed", {})
    (workspace.folder / "jobs").mkdir(exist_ok=True)
    progress = JobProgress(store, "j", every_s=60)
    for i in range(1000):
        progress(i, 1000, "Working")
    assert store.read_progress("j")["done"] == 0
    progress(1000, 1000, "Working")
    assert store.read_progress("j")["done"] == 1000
    (workspace.folder / "jobs" / "j.cancel").touch()
    with pytest.raises(JobCancelled):
        progress(0, 10, "Other phase")


def test_phase_of_a_message() -> None:
    assert phase_of("Judging, 640 pairs asked") == "Judging"
    assert phase_of("Round 2: training") == "Round"


def test_a_lock_is_free_when_nobody_holds_it(tmp_path: Path) -> None:
    assert not held(tmp_path / "x.lock")
    (tmp_path / "x.lock").touch()
    assert not held(tmp_path / "x.lock")
