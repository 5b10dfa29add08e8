"""What is reviewed next, and recording what people say."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Sequence
from datetime import timedelta

import numpy as np

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.review import (
    REASONS,
    Candidate,
    Policy,
    ReviewItem,
    candidates,
    highlights,
    inclusion_probability,
    most_uncertain,
    seeded_order,
    sentences,
)
from lmtx.types import Decision, Document, Role, now
from lmtx.workspace import tagging
from lmtx.workspace.parts import Parts

_RANKED = 100  # enough to give the teacher's candidates their place in the tagger's order
_POOL = 200  # documents among which "uncertain" looks
_REFRESH_S = 20
_MOST_SENTENCES = 60
_POLICIES = ("default", "uncertain", "audit")


def next_documents(
    parts: Parts, policy: Policy, reviewer: str | None, n: int, after: Sequence[str]
) -> list[ReviewItem]:
    """See `Workspace.next_documents`."""
    if policy not in _POLICIES:
        raise InputError(f"Policy {policy!r} does not exist. Known: {', '.join(_POLICIES)}.")
    if not parts.journal.counts()["labels"]:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    passed = set(after) | _skipped(parts, reviewer or parts.settings.reviewer)
    waiting = [i for i in _order(parts, policy) if i not in passed]
    chosen: list[str] = []
    for document_id in waiting:  # the order is some seconds old: what was completed since falls out
        if len(chosen) == n:
            break
        row = parts.journal.document_row(document_id)
        if row is not None and not row.completed:
            chosen.append(document_id)
    return _items(parts, chosen, policy)


def review_item(parts: Parts, document_id: str, policy: Policy) -> ReviewItem:
    """See `Workspace.review_item`."""
    found = _items(parts, [document_id], policy)
    if not found:
        raise NotFoundError(f"Document {document_id!r} is not in this workspace. It may have been deleted.")
    return found[0]


def _order(parts: Parts, policy: Policy) -> list[str]:
    """Ids that wait under a policy, in its order; at most some seconds old."""
    moment = int(now().timestamp() // _REFRESH_S)

    def queue() -> list[str]:
        if policy == "audit":
            waiting = set(parts.journal.document_ids("reserve", completed=False))
            return [i for i in _whole_order(parts, "reserve") if i in waiting]
        whole = _whole_order(parts, "train")
        judged = set(parts.journal.document_ids("train", completed=False, judged=True))
        rest = set(parts.journal.document_ids("train", completed=False, judged=False))
        return [i for i in whole if i in judged] + [i for i in whole if i in rest]

    kind = "audit" if policy == "audit" else "queue"
    order: list[str] = parts.kept(f"order {kind}", moment, queue)
    return _unsure(parts, order[:_POOL]) + order[_POOL:] if policy == "uncertain" else order


def _whole_order(parts: Parts, role: Role) -> list[str]:
    """All documents of a role in the order of review, completed or not; made anew with the corpus."""
    view = parts.corpus()
    policy = "audit" if role == "reserve" else "default"

    def make() -> tuple[object, list[str]]:
        ids = (view.documents[int(i)].id for i in view.rows(role))
        return view, seeded_order(ids, parts.settings.seed, policy)  # the view too: its id is the version

    order: list[str] = parts.kept(f"whole order {role}", id(view), make)[1]
    return order


def _unsure(parts: Parts, ids: list[str]) -> list[str]:
    promoted = parts.journal.promoted()

    def make() -> list[str]:
        documents = list(parts.journal.documents_by_id(ids).values())
        if not documents:
            return []
        found = tagging.tagger(parts)
        scored = found.predict(
            parts.document_vectors(documents),
            [d.full_text for d in documents],
            min(5, len(found.label_ids)),
        )
        return most_uncertain([d.id for d in documents], scored.score, found.probability(scored.score))

    order: list[str] = parts.kept("order uncertain", (promoted and promoted.id, tuple(ids)), make)
    return order


def _skipped(parts: Parts, reviewer: str) -> set[str]:
    """Documents that this reviewer passed over as a whole, and did not take up again."""
    if not reviewer:
        return set()
    found: set[str] = set()
    for decision in parts.journal.decisions(reviewer=reviewer, standing=True, limit=None):
        if decision.action == "skip" and decision.label_id is None:
            found.add(decision.document_id)
    return found


def _items(parts: Parts, ids: Sequence[str], policy: Policy) -> list[ReviewItem]:
    documents = parts.journal.documents_by_id(ids)
    present = [documents[i] for i in ids if i in documents]
    if not present:
        return []
    pairs = parts.journal.pair_states_of([d.id for d in present])
    rankings = tagging.ranked(parts, present, _RANKED)
    labels, paths = parts.labels_by_id(), parts.label_paths()
    items = []
    for document, ranking in zip(present, rankings, strict=True):
        row = parts.journal.document_row(document.id)
        role: Role = row.role if row is not None else "train"
        shown = candidates(document, pairs[document.id], ranking, labels, paths)
        wanted = [labels[c.label_id] for c in shown]
        items.append(
            ReviewItem(
                document=document,
                candidates=shown,
                highlights=highlights(document.text, wanted, _nearest_sentences(parts, document, shown)),
                completed=row is not None and row.completed,
                policy=policy,
                reason=REASONS[policy],
                inclusion_probability=_drawn_with(parts, document.id, role, policy),
            )
        )
    return items


def _drawn_with(parts: Parts, document_id: str, role: Role, policy: Policy) -> float | None:
    if policy != "audit" or role != "reserve":
        return None
    order = _whole_order(parts, "reserve")
    return inclusion_probability(order.index(document_id) + 1, len(order)) if document_id in order else None


def _nearest_sentences(
    parts: Parts, document: Document, shown: Sequence[Candidate]
) -> dict[str, tuple[int, int]]:
    """Label id -> sentence nearest in meaning, where the encoder is loaded already.

    Loading it takes seconds, which a reviewer must not wait; see `Workspace.preload`.
    """
    encoder = parts.encoder()
    spans = sentences(document.text)[:_MOST_SENTENCES]
    if not encoder.loaded or len(spans) < 2 or not shown:
        return {}
    labels = parts.labels_by_id()

    def make() -> tuple[list[tuple[int, int]], object]:
        return spans, encoder.encode([document.text[a:b] for a, b in spans], role="document")

    _, vectors = parts.kept("sentences", document.hash, make)
    wanted = [labels[c.label_id] for c in shown]
    similarity = parts.label_vectors(wanted) @ np.asarray(vectors).T
    return {label.id: spans[int(i)] for label, i in zip(wanted, similarity.argmax(axis=1), strict=True)}


# ---- recording ------------------------------------------------------------------------------------


def decide(parts: Parts, decisions: Sequence[Decision]) -> list[int]:
    """See `Workspace.decide`."""
    seqs = parts.journal.append_decisions(decisions)
    parts.sync_soon()
    return seqs


def complete(
    parts: Parts,
    document_id: str,
    reviewer: str,
    accepted: Collection[str],
    rejected: Collection[str],
    policy: str,
    probability: float | None,
) -> list[int]:
    """See `Workspace.complete`."""
    both = sorted(set(accepted) & set(rejected))
    if both:
        raise InputError(f"Label {both[0]!r} is both accepted and rejected. Choose one.")
    batch = uuid.uuid4().hex
    at = now()

    def made(action: str, label_id: str | None) -> Decision:
        return Decision(
            document_id=document_id,
            label_id=label_id,
            action=action,  # type: ignore[arg-type]
            reviewer=reviewer,
            policy=policy,
            inclusion_probability=probability,
            batch=batch,
            at=at,
        )

    # What stands decided as it is to be is not said a second time.
    stands = {p.label_id: p.decision for p in parts.journal.pair_states(document_id)}
    decisions = [made("accept", x) for x in sorted(accepted) if stands.get(x) != "accept"]
    decisions += [made("reject", x) for x in sorted(rejected) if stands.get(x) != "reject"]
    # A label accepted before and now in neither list was taken off.
    gone = [x for x, said in stands.items() if said == "accept" and x not in accepted and x not in rejected]
    decisions += [made("reject", x) for x in sorted(gone)]
    return decide(parts, [*decisions, made("complete", None)])


def undo(parts: Parts, reviewer: str) -> list[Decision]:
    """See `Workspace.undo`."""
    if not reviewer:
        raise InputError("Undo: who are you? Set a reviewer name first.")
    last = parts.journal.last_undoable(reviewer)
    if last is None:
        return []
    undone = parts.journal.retract(
        reviewer, seqs=() if last.batch else (last.seq,), batch=last.batch, note="undo"
    )
    parts.sync_soon()
    return undone


_stats_lock = threading.Lock()


def stats(parts: Parts, reviewer: str) -> dict[str, float]:
    """See `Workspace.review_stats`."""
    moment = now()
    midnight = moment.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    with _stats_lock:
        recent = parts.journal.decisions(reviewer=reviewer, standing=True, newest_first=True, limit=5000)
    today = [d for d in recent if d.at >= midnight and d.action != "retract"]
    window = timedelta(minutes=10)
    late = [d for d in today if d.at >= moment - window]
    minutes = max(1.0, (moment - min(d.at for d in late)).total_seconds() / 60) if late else 1.0
    steps = {d.batch or d.seq for d in late}  # what one key settles is one step
    return {
        "decisions_today": sum(d.action in ("accept", "reject") for d in today),
        "documents_today": sum(d.action == "complete" for d in today),
        "per_minute": len(steps) / minutes,
        "completed": parts.journal.counts()["completed"],
    }
