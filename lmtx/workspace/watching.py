"""What decisions have taught, and how far the review is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.jobs.model import UNFINISHED
from lmtx.types import Decision, Run
from lmtx.workspace.audited import label_figures
from lmtx.workspace.models import Gain, LearningState, ReviewProgress, TagChange
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.cycle.changes import Change

_TRAININGS = ("train", "cycle")
_MOST_GAINS = 50
_MOST_BEHIND = 5
_MOST_LISTED = 10
_LOOKED_AT = 300  # decisions on a label among which the nearest are looked for


# ---- what waits to be learned ---------------------------------------------------------------------


def learning_state(parts: Parts) -> LearningState:
    """See `Workspace.learning_state`."""
    journal, every = parts.journal, parts.settings.retrain_every
    job_id = _training_job(parts)
    newest = parts.journal.newest_training()
    n_new = journal.n_training_decisions(_learned_until(parts, newest))
    # Who could not train (nothing is wanted yet, the disk is full) is not asked again at the next click.
    waits = every * (1 + _n_failed(parts, newest))
    return LearningState(n_new, every, every > 0 and n_new >= waits and job_id is None, job_id, newest)


def _training_job(parts: Parts) -> str | None:
    for row in parts.journal.jobs(20, states=UNFINISHED):
        if row.verb in _TRAININGS and parts.job_store.get(row.id).active:
            return row.id
    return None


def _n_failed(parts: Parts, newest: Run | None) -> int:
    failed = parts.journal.jobs(20, states=("failed",))
    return sum(row.verb in _TRAININGS and (newest is None or row.created > newest.created) for row in failed)


def _learned_until(parts: Parts, run: Run | None) -> int:
    """Number of the last decision that a run may have read; older runs have none on record."""
    if run is None:
        return 0
    seq = run.metrics.get("decision_seq")
    return seq if isinstance(seq, int) else parts.journal.decision_seq_at(run.created)


# ---- what was gained ------------------------------------------------------------------------------


def gains(parts: Parts) -> list[Gain]:
    """See `Workspace.gains`."""
    promoted = {run_id for run_id, _ in parts.journal.promotions()}
    return [_gain(run, run.id in promoted) for run in parts.journal.runs(limit=_MOST_GAINS)[::-1]]


def _gain(run: Run, promoted: bool) -> Gain:
    gate: Any = run.metrics.get("gate")
    by_people = isinstance(gate, dict) and gate.get("basis") == "completed"
    quality, start, se = (gate.get(x) if by_people else None for x in ("tagger", "zero_shot", "se"))
    n_decisions, n_completed = (run.metrics.get(x) for x in ("n_decisions", "n_completed"))
    return Gain(
        run_id=run.id,
        at=run.created,
        n_decisions=n_decisions if isinstance(n_decisions, int) else 0,
        n_completed=n_completed if isinstance(n_completed, int) else 0,
        quality=quality,
        start=start,
        se=se,
        promoted=promoted,
    )


# ---- what changed ---------------------------------------------------------------------------------


def changes(parts: Parts, run_id: str | None) -> list[TagChange]:
    """See `Workspace.changes`."""
    run = parts.journal.promoted() if run_id is None else parts.journal.run(run_id)
    if run is None:
        return []
    found: list[TagChange] = parts.kept(
        "changes", (run.id, parts.journal.head_seq()), lambda: _changes(parts, run)
    )
    return found


def _changes(parts: Parts, run: Run) -> list[TagChange]:
    from lmtx.cycle.changes import Changes

    found = Changes.load(parts.folder / run.folder)
    if found is None:
        return []
    rows = parts.journal.document_rows(x.document_id for x in found.documents)
    labels = parts.labels_by_id()
    since, until = _between(parts, found.before, run)
    by_label: dict[str, list[Decision]] = {}

    def named(tags: Sequence[tuple[str, float]]) -> list[tuple[str, str, float]]:
        return [(i, labels[i].name if i in labels else i, value) for i, value in tags]

    out = []
    for change in found.documents:
        row = rows.get(change.document_id)
        if row is None:
            continue
        moved = {i for i, _ in change.before} ^ {i for i, _ in change.after}
        for label_id in moved - by_label.keys():
            by_label[label_id] = _decisions_on(parts, label_id, since, until)
        behind = _nearest(parts, change, [d for x in sorted(moved) for d in by_label[x]])
        out.append(
            TagChange(change.document_id, row.title, named(change.before), named(change.after), behind)
        )
    return out


def _between(parts: Parts, before: str, run: Run) -> tuple[int, int]:
    """Numbers of the last decisions that the run before, and this one, may have read."""
    earlier = next((r for r in parts.journal.runs() if r.id == before), None)
    return _learned_until(parts, earlier), _learned_until(parts, run)


def _decisions_on(parts: Parts, label_id: str, since: int, until: int) -> list[Decision]:
    found = parts.journal.decisions(
        label_id=label_id, after_seq=since, standing=True, newest_first=True, limit=_LOOKED_AT
    )
    found = [d for d in found if d.action in ("accept", "reject") and d.seq <= until]
    view = parts.corpus()
    rows = [view.document_idx.get(d.document_id) for d in found]
    # What was said of other documents taught nothing.
    return [d for d, i in zip(found, rows, strict=True) if i is not None and view.roles[i] == "train"]


def _nearest(parts: Parts, change: Change, decisions: Sequence[Decision]) -> list[Decision]:
    """Some decisions: those on the document itself, then those on the documents nearest to it."""
    view = parts.corpus()
    here = view.document_idx.get(change.document_id)
    if here is None or not decisions:
        return []
    ids = list(dict.fromkeys(d.document_id for d in decisions))
    vectors = parts.document_vectors(
        [view.documents[i] for i in (here, *(view.document_idx[x] for x in ids))]
    )
    near = dict(zip(ids, (vectors[1:] @ vectors[0]).tolist(), strict=True)) | {change.document_id: 2.0}
    return sorted(decisions, key=lambda d: (-near[d.document_id], -d.seq))[:_MOST_BEHIND]


# ---- how far the review is ------------------------------------------------------------------------


def progress(parts: Parts) -> ReviewProgress:
    """See `Workspace.review_progress`."""
    run, settings = parts.journal.promoted(), parts.settings
    goal = (settings.goal_predictions, settings.goal_points)
    version = (parts.journal.head_seq(), run and run.id, goal, id(parts.corpus()))
    found: ReviewProgress = parts.kept("review progress", version, lambda: _progress(parts, run, *goal))
    return found


def _progress(parts: Parts, run: Run | None, least: int, points: float) -> ReviewProgress:
    from lmtx.quality.reviews import widths_needed

    by_label = _most_decided(parts)
    found = None if run is None else label_figures(parts)
    if found is None:
        return ReviewProgress(0, 0, 0, by_label)
    tags, figures = found
    # Where the run looked at a part of the reserve only, it gives a label that much more often.
    times = max(1.0, tags.n_reserve / len(tags.document_ids))
    asked = np.rint(figures.given * times) >= least
    half = min(points / 100, 0.499)
    known = asked & (figures.n > 0) & ((figures.high - figures.low) / 2 <= half)
    needed = widths_needed(figures.right, figures.n, figures.population, half)
    # No more can be asked about than the reserve has.
    left = np.minimum(np.maximum(needed, 1), figures.given - figures.n)
    return ReviewProgress(int(asked.sum()), int(known.sum()), int(left[asked & ~known].sum()), by_label)


def _most_decided(parts: Parts) -> dict[str, tuple[int, int]]:
    """The labels with the most decisions: accepted, rejected."""
    found = {}
    for sort in ("accepted", "rejected"):
        for row in parts.journal.labels_page(sort=sort, descending=True, page_size=3 * _MOST_LISTED):
            found[row.id] = (row.n_accepted, row.n_rejected)
    most = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))[:_MOST_LISTED]
    return {label_id: counts for label_id, counts in most if sum(counts)}


__all__ = [
    "changes",
    "gains",
    "learning_state",
    "progress",
]
