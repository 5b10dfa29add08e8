"""The jobs of a workspace: start, watch, cancel, resume."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from filelock import FileLock, Timeout

from lmtx.errors import InputError, JobCancelled, ReadOnlyError
from lmtx.jobs.model import READERS, UNFINISHED, VERBS, Job, JobState, phase_of
from lmtx.jobs.process import WORKER, held, worker_environment
from lmtx.jobs.warm import WarmPool
from lmtx.journal import JobRow, Journal
from lmtx.types import Progress, now

_STARTING_S = 60.0  # a process may take that long to come up and take its lock
_GRACE_S = 10.0  # from asking a job to stop to telling it


class JobStore:
    """The jobs of one workspace.

    Parameters
    ----------
    folder : Path
        The workspace's folder; locks and logs go to `jobs/` in it.
    journal : Journal
        Where the jobs table is.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.journal = journal
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._mine: set[str] = set()

    # ---- starting -----------------------------------------------------------------------------

    def start(self, verb: str, params: dict[str, Any], warm: WarmPool | None = None) -> str:
        """Start a job; returns its id. A warm process takes it at once where the pool has one."""
        if verb not in VERBS:
            raise InputError(f"Job {verb!r} does not exist. Known: {', '.join(sorted(VERBS))}.")
        self._must_write()
        try:
            json.dumps(params)
        except TypeError as error:
            raise InputError(f"Job {verb!r}: parameters must be JSON values: {error}.") from error
        job_id = f"{now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.journal.job_put(job_id, verb, params)
        self._launch(job_id, warm)
        return job_id

    def resume(self, job_id: str, warm: WarmPool | None = None) -> str:
        """Start a job again that was interrupted, cancelled or failed; the same id."""
        self._must_write()
        job = self.get(job_id)
        if job.active:
            raise InputError(f"Job {job_id} ({job.verb}) is {job.state}: nothing to resume. Cancel it first.")
        if job.state == "done":
            raise InputError(f"Job {job_id} ({job.verb}) is done: start a new one instead.")
        self.journal.job_update(
            job_id,
            state="queued",
            pid=None,
            started=None,
            ended=None,
            error="",
            result=None,
        )
        self._launch(job_id, warm)
        return job_id

    def _must_write(self) -> None:
        if self.journal.read_only:
            raise ReadOnlyError("A job")

    def _launch(self, job_id: str, warm: WarmPool | None) -> None:
        self._jobs_folder().mkdir(exist_ok=True)
        for path in (self._cancel_path(job_id), self._progress_path(job_id)):
            path.unlink(missing_ok=True)
        # Written before the process exists: whoever looks meanwhile sees a job that is coming up.
        (self._jobs_folder() / f"{job_id}.starting").touch()
        if warm is not None and warm.hand_over(self.folder, job_id):
            return
        with (self._jobs_folder() / f"{job_id}.log").open("ab") as log:
            self._children[job_id] = subprocess.Popen(
                [*WORKER, "run", "--workspace", str(self.folder.resolve()), job_id],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=worker_environment(),
                text=True,
            )

    # ---- watching -----------------------------------------------------------------------------

    def recent(self, limit: int = 20) -> list[Job]:
        """Jobs, newest first."""
        return [self._seen(record) for record in self.journal.jobs(limit)]

    def get(self, job_id: str) -> Job:
        """One job; `NotFoundError` where there is none of that id."""
        return self._seen(self.journal.job(job_id))

    def wait(self, job_id: str, timeout_s: float | None = None, poll_s: float = 0.2) -> Job:
        """Wait until a job no longer runs or waits; `TimeoutError` after `timeout_s`."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = self.get(job_id)
            if not job.active:
                return job
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"Job {job_id} still {job.state} after {timeout_s} s.")
            time.sleep(poll_s)

    def log(self, job_id: str, tail: int = 4000) -> str:
        """Return the last `tail` bytes of a job's log as text, empty where it has written none."""
        try:
            with (self._jobs_folder() / f"{Path(job_id).name}.log").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - tail))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _seen(self, record: JobRow) -> Job:
        if record.state in UNFINISHED and not self._alive(record.id):
            # The process may have ended between the two looks: its own last word counts.
            if not self.journal.read_only:
                self.journal.job_update(record.id, if_state=UNFINISHED, state="interrupted", ended=now())
            record = self.journal.job(record.id)
            if self.journal.read_only and record.state in UNFINISHED:
                record = replace(record, state="interrupted")
        progress = self.read_progress(record.id)
        state: JobState = record.state if record.state in get_args(JobState) else "failed"  # type: ignore[assignment]
        return Job(
            id=record.id,
            verb=record.verb,
            params=record.params,
            state=state,
            done=int(progress.get("done") or 0),
            total=int(progress.get("total") or 0),
            message=str(progress.get("message") or ""),
            rate=progress.get("rate") if record.state in UNFINISHED else None,
            created=record.created,
            started=record.started,
            ended=record.ended,
            error=record.error,
            result=record.result,
        )

    def _alive(self, job_id: str) -> bool:
        if job_id in self._mine:
            return True
        child = self._children.get(job_id)
        if child is not None:
            if child.poll() is None:
                return True
            del self._children[job_id]
            return held(self.lock_path(job_id))
        if held(self.lock_path(job_id)):
            return True
        starting = self._jobs_folder() / f"{job_id}.starting"
        with contextlib.suppress(FileNotFoundError):
            return time.time() - starting.stat().st_mtime < _STARTING_S
        return False

    # ---- stopping -----------------------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; after a grace of ten seconds its process is told to."""
        self._must_write()
        job = self.get(job_id)
        if not job.active:
            return
        self._cancel_path(job_id).touch()
        threading.Thread(target=self._insist, args=(job_id,), daemon=True, name=f"cancel-{job_id}").start()

    def _insist(self, job_id: str) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + _GRACE_S
            while time.monotonic() < end:
                time.sleep(0.3)
                if not self._alive(job_id):
                    return
            record = self.journal.job(job_id)
            if record.pid is None or not held(self.lock_path(job_id)):
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(record.pid, sign)
        self.journal.job_update(job_id, if_state=UNFINISHED, state="cancelled", ended=now())

    # ---- files --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def alive_as(self, job_id: str) -> Iterator[None]:
        """Show the job as alive; for the process that does it."""
        # Whoever looks whether the lock is held may hold it for an instant.
        with FileLock(self.lock_path(job_id), is_singleton=False).acquire(timeout=10):
            self._mine.add(job_id)
            (self._jobs_folder() / f"{job_id}.starting").unlink(missing_ok=True)
            try:
                yield
            finally:
                self._mine.discard(job_id)

    def lock_path(self, job_id: str) -> Path:
        """Lock that the job's process holds while it lives."""
        return self._jobs_folder() / f"{job_id}.lock"

    @contextlib.contextmanager
    def turn(self, job_id: str, progress: Progress) -> Iterator[None]:
        """Be the one job that writes: wait for it, first come first served, looking out for a cancel."""
        lock = FileLock(self._jobs_folder() / "writer.lock", is_singleton=False)
        while True:
            progress(0, 0, "Waiting for another job")
            if not self.queued_before(job_id):
                try:
                    lock.acquire(timeout=0)
                    break
                except Timeout:
                    pass
            time.sleep(0.2)
        try:
            yield
        finally:
            lock.release()

    def queued_before(self, job_id: str) -> list[str]:
        """Ids of the live jobs that write and were started before this one and still wait."""
        jobs = self.recent(limit=100)  # newest first
        place = next((i for i, job in enumerate(jobs) if job.id == job_id), len(jobs))
        return [j.id for j in jobs[place + 1 :] if j.state == "queued" and j.verb not in READERS]

    def cancel_asked(self, job_id: str) -> bool:
        """Whether the user asked the job to stop. A file, because it is looked for often."""
        return self._cancel_path(job_id).exists()

    def write_progress(self, job_id: str, **fields: Any) -> None:
        """Write how far a job is; for the process that does it."""
        path = self._progress_path(job_id)
        part = path.with_suffix(".part")
        with contextlib.suppress(OSError):  # a full disk must not stop work over a figure on a screen
            part.write_text(json.dumps(fields), encoding="utf-8")
            part.replace(path)

    def read_progress(self, job_id: str) -> dict[str, Any]:
        """How far a job is: done, total, message, rate; empty where nothing is known."""
        try:
            found = json.loads(self._progress_path(job_id).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _progress_path(self, job_id: str) -> Path:
        return self._jobs_folder() / f"{job_id}.progress"

    def _cancel_path(self, job_id: str) -> Path:
        return self._jobs_folder() / f"{job_id}.cancel"

    def _jobs_folder(self) -> Path:
        return self.folder / "jobs"


class JobProgress:
    """Progress callback of a running job: writes it down for whoever looks, and stops where asked to.

    Parameters
    ----------
    store : JobStore
    job_id : str
    every_s : float
        Shortest time between two writes.
    """

    def __init__(self, store: JobStore, job_id: str, every_s: float = 0.33) -> None:
        self._store, self._job_id, self._every_s = store, job_id, every_s
        self._last = float("-inf")
        self._phase: tuple[str, int] | None = None
        self._began = (time.monotonic(), 0)
        self.stop = threading.Event()

    def __call__(self, done: int, total: int, message: str) -> None:
        """Take note of progress; raises `JobCancelled` where the user asked to stop."""
        moment = time.monotonic()
        if self.stop.is_set():
            raise JobCancelled("Stopped as asked; what was committed is kept.")
        phase = (phase_of(message), total)
        if phase != self._phase or done < self._began[1]:
            self._phase, self._began = phase, (moment, done)
        elif moment - self._last < self._every_s and done < total:
            return
        self._last = moment
        seconds, items = moment - self._began[0], done - self._began[1]
        rate = items / seconds if seconds > 0.5 and items > 0 else None
        self._store.write_progress(self._job_id, done=done, total=total, message=message, rate=rate)
        if self._store.cancel_asked(self._job_id):
            raise JobCancelled("Stopped as asked; what was committed is kept.")
