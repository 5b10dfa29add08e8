"""What was decided: figures of today, and going back to an earlier state."""

from __future__ import annotations

import uuid
from datetime import timedelta

from lmtx.types import Decision, now
from lmtx.workspace.parts import Parts

_RECENT = timedelta(minutes=10)


def restore(parts: Parts, seq: int, reviewer: str, only: str | None) -> list[Decision]:
    """See `Workspace.restore`."""
    taken_back = parts.journal.restore(
        seq, reviewer, only=only, note=f"restore to {seq}", batch=uuid.uuid4().hex
    )
    if taken_back:
        parts.sync_soon()
    return taken_back


def stats(parts: Parts, reviewer: str) -> dict[str, float]:
    """See `Workspace.review_stats`."""
    moment = now()
    midnight = moment.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    today = parts.journal.decision_counts("action", since=midnight, reviewer=reviewer)
    steps, first = parts.journal.n_steps(reviewer, moment - _RECENT)
    minutes = max(1.0, (moment - first).total_seconds() / 60) if first is not None else 1.0
    return {
        "decisions_today": today.get("accept", 0) + today.get("reject", 0),
        "documents_today": today.get("complete", 0),
        "per_minute": steps / minutes,
        "completed": parts.journal.n_completed(),
    }
