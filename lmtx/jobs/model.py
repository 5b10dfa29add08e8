"""What a job is, and what can run as one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lmtx.types import now

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

VERBS: frozenset[str] = frozenset(
    {
        "calibrate",
        "check_positions",
        "compare",
        "compare_encoders",
        "cycle",
        "demo",
        "draw_map",
        "embed",
        "evaluate",
        "export",
        "export_requests",
        "icxml",
        "import_corpus",
        "import_decisions",
        "import_labels",
        "import_verdicts",
        "judge_audited",
        "label_quality",
        "pretrain",
        "report",
        "switch_encoder",
        "teach",
        "train",
        "trial",
        "try_definition",
    }
)
"""What can run as a job: methods of the workspace that take `progress`."""

READERS: frozenset[str] = frozenset(
    {
        "compare",
        "compare_encoders",
        "draw_map",
        "evaluate",
        "export",
        "label_quality",
        "pretrain",
        "report",
        "try_definition",
    }
)
"""Verbs that write nothing to the journal and so wait for nobody."""

UNFINISHED = ("queued", "running")


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
        return self.state in UNFINISHED

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at the present rate, None where unknown."""
        if not self.active or not self.rate or self.total <= self.done:
            return None
        return (self.total - self.done) / self.rate


def phase_of(message: str) -> str:
    """Return what of a progress message stays the same while it counts: up to a colon, comma or digit."""
    return re.split(r"[:,]|\d", message, maxsplit=1)[0].strip()
