"""Learning while one works: a training starts by itself when it is time, and the queue follows."""

from __future__ import annotations

import threading

from app import services, state
from lmtx.jobs import Job
from lmtx.workspace import Workspace
from lmtx.workspace.models import LearningState

_starting = threading.Lock()  # two reviewers must not start two trainings
_FOLLOWED: state.Key[str] = state.Key("lmtx.review.followed", "")
"""The training that this session waits for."""
TRAINED: state.Key[str] = state.Key("lmtx.review.trained", "")
"""What the last training came to, in words."""


def follow(workspace: Workspace) -> tuple[LearningState, Job | None]:
    """Start a training where one is due, and take up what an ended one has learned.

    Returns
    -------
    LearningState
    Job or None
        The training that runs or waits.
    """
    found = workspace.learning_state()
    if found.due and found.job_id is None and not _stopped(workspace):
        with _starting:
            found = workspace.learning_state()
            if found.due and found.job_id is None:
                services.start(workspace, "train", {"note": "review"})
                found = workspace.learning_state()
    followed = _FOLLOWED.get()
    if followed and followed != found.job_id:
        ended = workspace.job(followed)
        services.after(workspace)
        state.ACTIVE_JOBS.set(state.ACTIVE_JOBS.get() - {followed})
        _say(ended, found)
    _FOLLOWED.set(found.job_id or "")
    return found, workspace.job(found.job_id) if found.job_id else None


def _say(job: Job, found: LearningState) -> None:
    if job.state != "done":
        TRAINED.set("the training did not finish: see Train")
    elif found.newest is not None and not found.newest.promoted:
        TRAINED.set("trained; the old tagger stays, the new one is no better")
    else:
        TRAINED.set("trained: the queue follows")


def _stopped(workspace: Workspace) -> bool:
    """Whether somebody stopped the newest training: then none starts by itself."""
    last = next((job for job in workspace.jobs() if job.verb == "train"), None)
    return last is not None and last.state in ("cancelled", "interrupted")
