"""What further audited pairs would buy, and how long they take."""

from __future__ import annotations

from statistics import median

import numpy as np
from numpy.typing import NDArray

from lmtx.review import AUDIT_PAIR
from lmtx.workspace.audit_design import frozen_weights, weights_now
from lmtx.workspace.audited import audit_in_use, label_figures
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import AuditPlan, Design

MORE = (50, 100, 200, 500, 1_000)
"""Further audited pairs that a plan is about."""

_DESIGNS: tuple[Design, ...] = ("uniform", "labels")
_LOOKED_AT = 500  # decisions of the audit of pairs from which the pace is taken
_PAUSE_S = 60.0  # who takes longer did something else
_FEWEST = 5


def audit_plan(parts: Parts) -> list[AuditPlan]:
    """See `Workspace.audit_plan`."""
    from lmtx.quality.estimates import overall
    from lmtx.quality.planning import plan

    found, by_label = audit_in_use(parts), label_figures(parts)
    if found is None or by_label is None:
        return []
    tags, figures = by_label
    relative: dict[Design, NDArray[np.float64]] = {
        "uniform": np.ones(len(tags.label_ids)),
        "labels": (frozen_weights(parts) or weights_now(tags)).of(tags.label_ids),
    }
    seconds = pace(parts)
    made = plan(MORE, _DESIGNS, figures, relative, overall(found.pairs, found.sample))
    return [
        AuditPlan(design, more, half, n_known, None if seconds is None else more * seconds / 60)
        for design, more, half, n_known in made
    ]


def pace(parts: Parts) -> float | None:
    """Seconds that an audited pair takes, the median of the last ones; None where too few tell."""
    rows = parts.journal.decisions_page(policy=AUDIT_PAIR, page_size=_LOOKED_AT)
    last: dict[str, float] = {}
    gaps = []
    for row in rows:  # the newest first
        at = row.at.timestamp()
        gap = last.get(row.reviewer, np.inf) - at
        last[row.reviewer] = at
        if 0 < gap < _PAUSE_S:
            gaps.append(gap)
    return median(gaps) if len(gaps) >= _FEWEST else None


__all__ = ["MORE", "audit_plan", "pace"]
