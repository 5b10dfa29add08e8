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

from lmtx.jobs.model import READERS, VERBS, Job, JobState, phase_of
from lmtx.jobs.process import held, spare_cores, worker_environment
from lmtx.jobs.store import JobProgress, JobStore
from lmtx.jobs.warm import WarmPool

__all__ = [
    "READERS",
    "VERBS",
    "Job",
    "JobProgress",
    "JobState",
    "JobStore",
    "WarmPool",
    "held",
    "phase_of",
    "spare_cores",
    "worker_environment",
]
