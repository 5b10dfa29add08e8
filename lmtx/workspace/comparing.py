"""Two runs on the same documents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import InputError
from lmtx.types import Run
from lmtx.workspace import tagging
from lmtx.workspace.audit_answers import title_of
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import (
    Cut,
    Difference,
    DocumentDifference,
    LabelDifference,
    RunComparison,
)

if TYPE_CHECKING:
    from lmtx.cycle.completed import Completed

MIN_COMMON = 10
"""Fewer documents than this compare nothing."""


@dataclass(frozen=True)
class _Found:
    """Documents of both runs: of each the labels that are wanted, and those that the runs give."""

    ids: Sequence[str] = ()
    wanted: Sequence[set[str]] = ()
    old: Sequence[set[str]] = ()
    new: Sequence[set[str]] = ()


def compare_runs(
    parts: Parts, new: str | None, old: str | None, basis: Literal["completed", "audit"]
) -> RunComparison | None:
    """See `Workspace.compare_runs`."""
    if basis not in ("completed", "audit"):
        raise InputError(f"basis: got {basis!r}. Known: completed, audit.")
    first = parts.journal.newest_training() if new is None else parts.journal.run(new)
    if first is None:
        return None
    second = _before(parts, first) if old is None else parts.journal.run(old)
    if second is None or first.id == second.id:
        return None
    found = _completed(parts, first, second) if basis == "completed" else _audited(parts, first, second)
    wanted, before, after = found.wanted, found.old, found.new
    if len(wanted) < MIN_COMMON:
        return None
    return RunComparison(
        new=first.id,
        old=second.id,
        basis=basis,
        n_documents=len(wanted),
        precision=_difference(_hits(before, wanted), _sizes(before), _hits(after, wanted), _sizes(after)),
        recall=_difference(_hits(before, wanted), _sizes(wanted), _hits(after, wanted), _sizes(wanted)),
        labels=_labels(parts, found),
        documents=_documents(parts, found),
    )


def _before(parts: Parts, run: Run) -> Run | None:
    """Return the run that was in use when a run was trained."""
    promotions: list[tuple[str, datetime]] = parts.journal.promotions()
    earlier = [run_id for run_id, at in promotions if run_id != run.id and at <= run.created]
    return parts.journal.run(earlier[-1]) if earlier else None


def _completed(parts: Parts, new: Run, old: Run) -> _Found:
    """Documents outside the reserve of which people say the same as when either run was trained."""
    from lmtx.cycle.completed import truth_of

    ours, theirs = _kept(parts, new), _kept(parts, old)
    if ours is None or theirs is None:
        return _Found()
    said = parts.journal.completed()
    ids = [i for i in ours.tagged_in_common(theirs) if i in said and truth_of(said[i]) == ours.truth[i]]
    wanted, before, after = ([of[i] for i in ids] for of in (said, theirs.tags, ours.tags))
    return _live(parts, ids, wanted, before, after)


def _kept(parts: Parts, run: Run) -> Completed | None:
    from lmtx.cycle.completed import Completed

    found: Completed | None = parts.kept(
        f"completed {run.id}", run.folder, lambda: Completed.load(tagging.run_folder(parts, run))
    )
    return found


def _audited(parts: Parts, new: Run, old: Run) -> _Found:
    """Documents that were completed in the audit, which neither run has learned from."""
    from lmtx.workspace.audited import kept_audit
    from lmtx.workspace.population import population_of, run_tags

    tags = run_tags(parts, new)
    if tags is None:
        return _Found()
    ours, theirs = population_of(parts, new).tags, population_of(parts, old).tags
    audit = kept_audit(parts, tags, Cut())
    rows = [d for d in audit.settled.tolist() if tags.document_ids[d] in theirs]
    # Labels that came after a document was completed are neither right nor wrong there.
    before, after = ([audit.told(d, of[tags.document_ids[d]]) for d in rows] for of in (theirs, ours))
    ids = [tags.document_ids[d] for d in rows]
    return _live(parts, ids, [audit.wanted(d) for d in rows], before, after)


def _live(
    parts: Parts,
    ids: Sequence[str],
    wanted: Sequence[Collection[str]],
    old: Sequence[Collection[str]],
    new: Sequence[Collection[str]],
) -> _Found:
    """Leave out labels that were deleted since."""
    labels = parts.labels_by_id()
    a, b, c = ([{x for x in found if x in labels} for found in each] for each in (wanted, old, new))
    return _Found(ids, a, b, c)


def _hits(given: Sequence[set[str]], wanted: Sequence[set[str]]) -> NDArray[np.float64]:
    return np.array([len(a & b) for a, b in zip(given, wanted, strict=True)], dtype=np.float64)


def _sizes(found: Sequence[Collection[str]]) -> NDArray[np.float64]:
    return np.array([len(x) for x in found], dtype=np.float64)


def _difference(
    hits_old: NDArray[np.float64],
    of_old: NDArray[np.float64],
    hits_new: NDArray[np.float64],
    of_new: NDArray[np.float64],
) -> Difference:
    from lmtx.quality.paired import paired_ratio

    _, low, high = paired_ratio(hits_old, of_old, hits_new, of_new)
    old, new = (float(a.sum() / max(1.0, b.sum())) for a, b in ((hits_old, of_old), (hits_new, of_new)))
    return Difference(old, new, low, high)


def _labels(parts: Parts, found: _Found) -> list[LabelDifference]:
    from lmtx.cycle.by_label import label_changes

    labels = parts.labels_by_id()
    changes = label_changes(found.wanted, found.old, found.new)
    return [LabelDifference(name=labels[x.label_id].name, **asdict(x)) for x in changes]


def _documents(parts: Parts, found: _Found) -> list[DocumentDifference]:
    """Documents on which the runs differ: what `_labels` counts, the worst first."""
    view = parts.corpus()
    out = []
    for i, truth, before, after in zip(found.ids, found.wanted, found.old, found.new, strict=True):
        apart = before ^ after
        if not apart:
            continue
        gained = frozenset(x for x in apart if (x in after) == (x in truth))
        out.append(
            DocumentDifference(
                document_id=i,
                title=title_of(view, i),
                gained=gained,
                lost=frozenset(apart - gained),
                wanted=frozenset(apart & truth),
            )
        )
    return sorted(out, key=lambda d: (len(d.gained) - len(d.lost), -len(d.lost), d.document_id))
