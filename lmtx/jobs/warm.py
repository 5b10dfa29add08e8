"""Spare processes that are ready for a job."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from lmtx.jobs.process import WORKER, worker_environment


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
            [*WORKER, "warm"],
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
