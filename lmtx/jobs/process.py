"""Processes of jobs: their command, environment and locks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout

WORKER = [sys.executable, "-m", "lmtx.worker"]


def spare_cores() -> int:
    """Cores that long work may use: one is left to the app."""
    return max(1, (os.cpu_count() or 2) - 1)


def worker_environment() -> dict[str, str]:
    """Environment of a job's process: one core is left to the app, nothing is fetched or reported."""
    threads = str(spare_cores())
    package = str(Path(__file__).resolve().parents[2])
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
