"""What decisions have taught, and how far the review is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmtx.errors import DAMAGED, StorageError
from lmtx.jobs.model import UNFINISHED
from lmtx.review import seeded_order
from lmtx.types import Decision, Run
from lmtx.workspace.models import Gain, LearningState, ReviewProgress, TagChange
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.cycle.changes import Change

_POPULATION = "reserve.json"
_AUDIT = "audit"
MOST_RESERVED = 2_000
"""Reserved documents that a run tags to see how often it gives each label, the first in the audit's order."""

_TAGS = 5
_TRAININGS = ("train", "cycle")
_MOST_GAINS = 50
_MOST_BEHIND = 5
_MOST_LISTED = 10
_PAGE = 5_000
_LOOKED_AT = 300  # decisions on a label among which the nearest are looked for


# ---- what waits to be learned ---------------------------------------------------------------------


def learning_state(parts: Parts) -> LearningState:
    """See `Workspace.learning_state`."""
    journal, every = parts.journal, parts.settings.retrain_every
    job_id = _training_job(parts)
    newest = _newest_run(parts)
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


def _newest_run(parts: Parts) -> Run | None:
    runs = parts.journal.runs(limit=1)
    return runs[0] if runs else None


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


def write_population(parts: Parts, run: Run) -> None:
    """Write down which labels a run gives to reserved documents, so that no click has to ask it.

    At most `MOST_RESERVED` of them, in the order in which the audit takes them.
    """
    from lmtx.tagger import Tagger

    view = parts.corpus()
    ids = seeded_order((view.documents[int(i)].id for i in view.rows("reserve")), parts.settings.seed, _AUDIT)
    documents = [view.documents[view.document_idx[i]] for i in ids[:MOST_RESERVED]]
    tagger = Tagger.load(parts.folder / run.folder)
    tags: dict[str, list[tuple[str, float | None]]] = {}
    if documents:
        scored = tagger.predict(
            parts.document_vectors(documents),
            [d.full_text for d in documents],
            min(_TAGS, len(tagger.label_ids)),
        )
        probability = tagger.probability(scored.score)
        for i, document in enumerate(documents):
            tags[document.id] = [
                (tagger.label_ids[j], None if probability is None else round(float(probability[i, k]), 5))
                for k, j in enumerate(scored.label_idx[i].tolist())
                if j >= 0
            ]
    path = parts.folder / run.folder / _POPULATION
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps({"n_reserve": len(ids), "tags": tags}, ensure_ascii=False), "utf-8")
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error


@dataclass(frozen=True)
class Population:
    """Tags that a run gives to reserved documents, in the audit's order.

    tags : document id -> label id -> probability, None where nothing calibrates it
    n_reserve : documents of the reserve, of which these are the first
    """

    tags: dict[str, dict[str, float | None]]
    n_reserve: int

    @classmethod
    def load(cls, folder: Path) -> Population:
        """Read what a training wrote; empty where it wrote none."""
        try:
            body = json.loads((folder / _POPULATION).read_text(encoding="utf-8"))
            return cls({i: dict(x) for i, x in body["tags"].items()}, int(body["n_reserve"]))
        except DAMAGED:  # of a run that was trained before there was one
            return cls({}, 0)

    def sizes(self) -> dict[str, int]:
        """Label id -> reserved documents that are given it, about, where only a part was looked at."""
        share = max(1.0, self.n_reserve / max(1, len(self.tags)))
        counts = Counter(label_id for tags in self.tags.values() for label_id in tags)
        return {label_id: round(n * share) for label_id, n in counts.items()}


@dataclass
class _Audited:
    """Audited decisions that stand, brought up to date by what is new since it was last looked at."""

    head: int = 0
    said: dict[int, tuple[str, str, bool]] = field(default_factory=dict)
    fallen: set[int] = field(default_factory=set)

    def follow(self, parts: Parts) -> None:
        head = parts.journal.head_seq()
        if not self.head or head - self.head > _PAGE or not self._add(parts):
            self._read(parts)
        self.head = head

    def _add(self, parts: Parts) -> bool:
        """Take in what is new; False where a retract was taken back, which only reading all can tell."""
        for d in parts.journal.decisions(after_seq=self.head, limit=None):
            if d.retracts in self.fallen:
                return False
            if d.retracts is not None:
                self.said.pop(d.retracts, None)
                self.fallen.add(d.seq)
            else:
                self._take([d])
        return True

    def _read(self, parts: Parts) -> None:
        self.said, self.fallen = {}, set()
        page = 0
        while True:
            found = parts.journal.decisions_page(policy=_AUDIT, standing=True, page=page, page_size=_PAGE)
            self._take(found.items)
            page += 1
            if page >= found.n_pages:
                return

    def _take(self, decisions: Iterable[Decision]) -> None:
        for d in decisions:
            if d.policy == _AUDIT and d.label_id is not None and d.action in ("accept", "reject"):
                self.said[d.seq] = (d.document_id, d.label_id, d.action == "accept")

    def pairs(self) -> dict[tuple[str, str], bool]:
        """Pair -> whether the newest decision that stands accepts it."""
        return {(i, x): right for _, (i, x, right) in sorted(self.said.items())}


def progress(parts: Parts) -> ReviewProgress:
    """See `Workspace.review_progress`."""
    run, settings = parts.journal.promoted(), parts.settings
    goal = (settings.goal_predictions, settings.goal_points)
    version = (parts.journal.head_seq(), run and run.id, goal)
    found: ReviewProgress = parts.kept("review progress", version, lambda: _progress(parts, run, *goal))
    return found


def population_of(parts: Parts, run: Run) -> Population:
    """Return the tags of reserved documents by a run, kept while it is the one asked for."""
    found: Population = parts.kept("reserve", run.id, lambda: Population.load(parts.folder / run.folder))
    return found


def _progress(parts: Parts, run: Run | None, least: int, points: float) -> ReviewProgress:
    from lmtx.quality.reviews import half_width, reviews_needed

    by_label = _most_decided(parts)
    if run is None:
        return ReviewProgress(0, 0, 0, by_label)
    population = population_of(parts, run)
    audited: _Audited = parts.kept("audited", None, _Audited)
    audited.follow(parts)
    right, n = Counter[str](), Counter[str]()
    for (document_id, label_id), accepted in audited.pairs().items():
        if label_id in population.tags.get(document_id, ()):
            n[label_id] += 1
            right[label_id] += accepted
    labels = parts.labels_by_id()
    sizes = {x: size for x, size in population.sizes().items() if size >= least and x in labels}
    half = min(points / 100, 0.499)
    known = [x for x, size in sizes.items() if n[x] and half_width(right[x], n[x], size) <= half]
    left = sum(reviews_needed(right[x], n[x], size, half) for x, size in sizes.items() if x not in set(known))
    return ReviewProgress(len(sizes), len(known), left, by_label)


def _most_decided(parts: Parts) -> dict[str, tuple[int, int]]:
    """The labels with the most decisions: accepted, rejected."""
    found = {}
    for sort in ("accepted", "rejected"):
        for row in parts.journal.labels_page(sort=sort, descending=True, page_size=3 * _MOST_LISTED):
            found[row.id] = (row.n_accepted, row.n_rejected)
    most = sorted(found.items(), key=lambda item: (-sum(item[1]), item[0]))[:_MOST_LISTED]
    return {label_id: counts for label_id, counts in most if sum(counts)}


__all__ = [
    "Population",
    "changes",
    "gains",
    "learning_state",
    "population_of",
    "progress",
    "write_population",
]
