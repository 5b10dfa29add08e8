"""Long work in processes of its own: start, watch, cancel, resume.

A job is a row of the journal's jobs table and a process of `lmtx.worker`, in a session of its own, so
that it outlives a page reload and the app. Its progress is a small file, not a write to the journal: an
import holds the journal's one write lock while it counts. Whether it lives is told by an operating-system
lock on `jobs/<id>.lock` that its process holds: a crash frees the lock, and the job then reads
"interrupted".
Jobs that write wait for `jobs/writer.lock`, so one of them runs at a time.

Every verb is idempotent, so resuming a job is starting the same verb with the same parameters again:
what was committed is found there and not done twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, get_args

from filelock import FileLock, Timeout

from lmtx.errors import InputError, JobCancelled
from lmtx.journal import JobRow, Journal
from lmtx.types import Progress, now

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

VERBS: frozenset[str] = frozenset(
    {
        "cycle",
        "demo",
        "embed",
        "evaluate",
        "export",
        "import_corpus",
        "import_decisions",
        "import_labels",
        "label_quality",
        "teach",
        "train",
    }
)
"""What can run as a job: methods of the workspace that take `progress`."""

READERS: frozenset[str] = frozenset({"evaluate", "export", "label_quality"})
"""Verbs that write nothing to the journal and so wait for nobody."""

_STARTING_S = 60.0  # a process may take that long to come up and take its lock
_GRACE_S = 10.0  # from asking a job to stop to telling it
_UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work.

    `rate` is in items per second, None until it is known. `result` is what the verb returned, as JSON;
    `error` the message for the user where the job failed.
    """

    id: str
    verb: str
    params: dict[str, Any]
    state: JobState
    done: int = 0
    total: int = 0
    message: str = ""
    rate: float | None = None
    created: datetime = field(default_factory=now)
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    result: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """Whether it runs or waits to."""
        return self.state in _UNFINISHED

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the present rate, None where unknown."""
        if not self.active or not self.rate or self.total <= self.done:
            return None
        return (self.total - self.done) / self.rate


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
                [*_WORKER, "run", "--workspace", str(self.folder.resolve()), job_id],
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
        if record.state in _UNFINISHED and not self._alive(record.id):
            # The process may have ended between the two looks: its own last word counts.
            self.journal.job_update(record.id, if_state=_UNFINISHED, state="interrupted", ended=now())
            record = self.journal.job(record.id)
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
            rate=progress.get("rate") if record.state in _UNFINISHED else None,
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
        self.journal.job_update(job_id, if_state=_UNFINISHED, state="cancelled", ended=now())

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


def phase_of(message: str) -> str:
    """Return what of a progress message stays the same while it counts: up to a colon, comma or digit."""
    return re.split(r"[:,]|\d", message, maxsplit=1)[0].strip()


_WORKER = [sys.executable, "-m", "lmtx.worker"]


def spare_cores() -> int:
    """Cores that long work may use: one is left to the app."""
    return max(1, (os.cpu_count() or 2) - 1)


def worker_environment() -> dict[str, str]:
    """Environment of a job's process: one core is left to the app, nothing is fetched or reported."""
    threads = str(spare_cores())
    package = str(Path(__file__).resolve().parent.parent)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {
        **os.environ,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads),
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", threads),
        "MKL_NUM_THREADS": os.environ.get("MKL_NUM_THREADS", threads),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(p for p in (*paths, package) if p),
    }


def held(path: Path) -> bool:
    """Whether some process holds the lock file."""
    if not path.exists():
        return False
    lock = FileLock(path, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


class WarmPool:
    """Spare processes that have imported what training needs, so that a retrain starts at once.

    A spare ends by itself when this process does; one that was given a job goes on.

    Parameters
    ----------
    size : int
        Spares kept ready.
    """

    def __init__(self, size: int = 1) -> None:
        self._size = size
        self._spares: list[_Spare] = []
        self._lock = threading.Lock()
        self._closed = False
        self._refill(delay_s=0.0)

    def ready(self) -> bool:
        """Whether a spare has finished importing."""
        with self._lock:
            return any(spare.ready.is_set() for spare in self._spares)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until a spare is ready; False after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if self.ready():
                return True
            time.sleep(0.05)
        return self.ready()

    def hand_over(self, workspace: Path, job_id: str) -> bool:
        """Give a job to a spare; False where none is ready (start a new process then)."""
        with self._lock:
            self._spares = [s for s in self._spares if s.process.poll() is None]
            spare = next((s for s in self._spares if s.ready.is_set()), None)
            if spare is not None:
                self._spares.remove(spare)
        if spare is None:
            threading.Thread(target=self._refill, args=(0.5,), daemon=True, name="warm-pool").start()
            return False
        taken = spare.assign(workspace, job_id)
        threading.Thread(target=self._refill_after, args=(spare,), daemon=True, name="warm-pool").start()
        return taken

    def close(self) -> None:
        """End the spares that have no job."""
        with self._lock:
            self._closed = True
            spares, self._spares = self._spares, []
        for spare in spares:
            spare.end()

    def _refill_after(self, spare: _Spare) -> None:
        spare.process.wait()  # a new spare's imports would take the running job's core
        self._refill(delay_s=0.5)

    def _refill(self, delay_s: float) -> None:
        time.sleep(delay_s)
        with self._lock:
            while not self._closed and len(self._spares) < self._size:
                self._spares.append(_Spare())


class _Spare:
    """One warm process: it says "ready", reads one line of JSON, says "taken", and works."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*_WORKER, "warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=worker_environment(),
            text=True,
        )
        self.ready = threading.Event()
        self._taken = threading.Event()
        threading.Thread(target=self._listen, daemon=True, name="warm-spare").start()

    def assign(self, workspace: Path, job_id: str, timeout_s: float = 5.0) -> bool:
        line = json.dumps({"workspace": str(workspace.resolve()), "job": job_id})
        pipe = _pipe(self.process.stdin)
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except (BrokenPipeError, OSError, ValueError):
            return False
        if self._taken.wait(timeout_s):
            return True
        self.end(kill=True)  # it must not wake up later and run the job a second time
        return False

    def end(self, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        with contextlib.suppress(OSError, ValueError):
            _pipe(self.process.stdin).close()

    def _listen(self) -> None:
        for line in _pipe(self.process.stdout):
            if line.strip() == "ready":
                self.ready.set()
            elif line.strip() == "taken":
                self._taken.set()
                break
        self.process.wait()
        self.ready.clear()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None  # both ends were asked for
    return pipe
