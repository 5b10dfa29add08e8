"""The process of a job: `python -m lmtx.worker run --workspace DIR JOB_ID`.

`python -m lmtx.worker warm` is a spare: it imports what training needs, says "ready", waits for one line
of JSON that names a workspace and a job, says "taken" and does the job; it ends when its input does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic_core import to_jsonable_python

from lmtx.errors import InputError, JobCancelled, LmtxError
from lmtx.jobs import READERS, VERBS, JobProgress, JobStore, spare_cores
from lmtx.types import Progress, now
from lmtx.workspace import Workspace

_NICENESS = 5
_log = logging.getLogger("lmtx.worker")

EXIT_DONE, EXIT_FAILED, EXIT_CANCELLED = 0, 1, 3


def run_job(folder: Path, job_id: str, on_locked: Callable[[], None] = lambda: None) -> int:
    """Do a job of the jobs table in this process, and record how it ended.

    Parameters
    ----------
    folder : Path
        The workspace's folder.
    job_id : str
        Row of its jobs table.
    on_locked : callable
        Called once the job's lock is held, that is, once others see the job alive.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 3 cancelled.
    """
    with Workspace.open(folder, own_index=False) as workspace:
        store = JobStore(folder, workspace.journal)
        with store.alive_as(job_id):
            on_locked()
            return _run_alive(workspace, store, job_id)


def _run_alive(workspace: Workspace, store: JobStore, job_id: str) -> int:
    progress = JobProgress(store, job_id)
    _stop_on_signal(progress)
    _be_polite()
    job = store.get(job_id)
    end: dict[str, Any] = {}
    code = EXIT_FAILED
    try:
        store.journal.job_update(job_id, pid=os.getpid())
        with contextlib.nullcontext() if job.verb in READERS else store.turn(job_id, progress):
            store.journal.job_update(job_id, state="running", started=now())
            workspace.keep_encoder()
            _log.info("job %s: %s", job_id, job.verb)
            result = to_jsonable_python(call_verb(workspace, job.verb, job.params, progress), fallback=str)
        end = {"state": "done", "result": result if isinstance(result, dict) else {"value": result}}
        code = EXIT_DONE
    except JobCancelled:
        end, code = {"state": "cancelled"}, EXIT_CANCELLED
    except LmtxError as error:
        _log.warning("job %s failed: %s", job_id, error)
        end = {"state": "failed", "error": str(error)}
    except Exception as error:
        traceback.print_exc()
        message = f"Internal error ({type(error).__name__}: {error}). Details are in jobs/{job_id}.log."
        end = {"state": "failed", "error": message}
    store.journal.job_update(job_id, ended=now(), **end)
    return code


def call_verb(workspace: Workspace, verb: str, params: dict[str, Any], progress: Progress) -> Any:
    """Call a verb of the workspace with parameters that came as JSON.

    Raises
    ------
    InputError
        If the verb or one of the parameters does not exist.
    """
    if verb not in VERBS:
        raise InputError(f"Job {verb!r} does not exist. Known: {', '.join(sorted(VERBS))}.")
    arguments = dict(params)
    if "source" in arguments:
        arguments["source"] = Path(arguments["source"])
    if arguments.get("columns") is not None:
        from lmtx.ingest import ColumnMap

        arguments["columns"] = ColumnMap.model_validate(arguments["columns"])
    method = getattr(workspace, verb)
    try:
        return method(**arguments, progress=progress)
    except TypeError as error:
        if f"{verb}() " in str(error):  # the call itself, not something inside it
            raise InputError(f"Job {verb!r}: {error}.") from error
        raise


def _stop_on_signal(progress: JobProgress) -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        if progress.stop.is_set():  # told twice: wherever it is, it ends now
            raise JobCancelled("Stopped as asked; what was committed is kept.")
        progress.stop.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)


def _be_polite() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    if "torch" in sys.modules:  # a job that never trains must not pay for importing it
        sys.modules["torch"].set_num_threads(spare_cores())


def _warm() -> int:
    """Import what training needs, then wait for one job."""
    import numpy as np

    import lmtx.cycle
    import lmtx.tagger.fitting  # noqa: F401
    from lmtx.student import Adapter
    from lmtx.types import Pairs

    # Making the first optimizer imports another thousand modules of torch.
    rows, vectors = np.arange(4, dtype=np.int32), np.eye(4, 8, dtype=np.float32)
    ones = np.ones(4, dtype=np.float32)
    Adapter.fit(vectors, vectors, Pairs(rows, rows, ones, ones))
    print("ready", flush=True)
    line = sys.stdin.readline()
    if not line.strip():
        return EXIT_DONE
    order = json.loads(line)
    folder, job_id = Path(order["workspace"]), str(order["job"])

    def taken() -> None:
        print("taken", flush=True)
        log = os.open(folder / "jobs" / f"{job_id}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for stream in (1, 2):  # the pool's pipe may be gone before this job ends
            os.dup2(log, stream)

    return run_job(folder, job_id, taken)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `python -m lmtx.worker`."""
    parser = argparse.ArgumentParser(prog="python -m lmtx.worker", description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    run = modes.add_parser("run", help="do one job of the jobs table")
    run.add_argument("--workspace", type=Path, required=True)
    run.add_argument("job_id")
    modes.add_parser("warm", help="wait as a spare process")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if options.mode == "warm":
        return _warm()
    return run_job(options.workspace, options.job_id)


if __name__ == "__main__":
    sys.exit(main())
