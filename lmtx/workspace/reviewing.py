"""What a reviewer is shown next, and recording what people say."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lmtx.errors import InputError, NotFoundError
from lmtx.review import (
    AUDIT_PAIR,
    AUDITS,
    PAIR_REASONS,
    REASONS,
    Highlight,
    Pair,
    PairItem,
    Policy,
    ReviewItem,
    Scope,
    Unit,
    candidate,
    candidates,
    highlights,
    is_blind,
    sentences,
)
from lmtx.types import Decision, Document, FloatArray, Label, now
from lmtx.workspace.drawing import Drawn, draw
from lmtx.workspace.parts import Parts
from lmtx.workspace.proposing import Scores
from lmtx.workspace.queues import queues_of

_RANKED = 100  # enough to give the teacher's candidates their place in the tagger's order
_MOST_SENTENCES = 60
_KEPT_SENTENCES = 64  # documents
_AHEAD = 2  # items that are scored, and their sentences encoded, while one is looked at
_TITLE = 80

Span = tuple[int, int]


# ---- what comes next ------------------------------------------------------------------------------


def next_documents(
    parts: Parts, policy: Policy, reviewer: str | None, n: int, after: Collection[str], scope: Scope
) -> list[ReviewItem]:
    """See `Workspace.next_documents`."""
    passed = [(document_id, None) for document_id in after]
    drawn = _drawn(parts, "document", policy, reviewer, n, passed, scope)
    return [item for item in _items(parts, drawn, wait=n > 1) if not item.completed]


def next_pairs(
    parts: Parts, policy: Policy, reviewer: str | None, n: int, after: Collection[Pair], scope: Scope
) -> list[PairItem]:
    """See `Workspace.next_pairs`."""
    passed = [(document_id, label_id) for document_id, label_id in after]
    drawn = _drawn(parts, "pair", policy, reviewer, n, passed, scope)
    return _pair_items(parts, drawn, wait=n > 1)


def _drawn(
    parts: Parts,
    unit: Unit,
    policy: Policy,
    reviewer: str | None,
    n: int,
    after: Collection[tuple[str, str | None]],
    scope: Scope,
) -> list[Drawn]:
    queues, who = queues_of(parts), parts.settings.reviewer if reviewer is None else reviewer
    drawn = draw(parts, unit, policy, who, n, after, scope)
    if n == 1 and drawn:
        passed = [*after, (drawn[0].document_id, drawn[0].label_id)]

        def ahead() -> None:
            later = draw(parts, unit, policy, who, _AHEAD, passed, scope)
            documents = list(parts.journal.documents_by_id([x.document_id for x in later]).values())
            if documents:
                Scores(parts, queues.tagger(parts), documents)
            for document in documents:
                sentence_vectors(parts, document, wait=True)

        queues.soon(parts, "ahead", ahead)
    return drawn


def prepare(parts: Parts, policy: Policy, unit: Unit, scope: Scope) -> None:
    """See `Workspace.prepare_queue`."""
    queues_of(parts).prepare(parts, policy, unit, scope)


def review_item(parts: Parts, document_id: str, policy: Policy) -> ReviewItem:
    """See `Workspace.review_item`."""
    probability, reason = None, REASONS[policy]
    if policy == "audit":
        with queues_of(parts).now(parts) as (orders, _):
            probability = orders.probability(document_id)
    elif policy == "default":
        row = parts.journal.document_row(document_id)
        if row is not None and row.role == "reserve":
            reason = "Opened by hand; it is kept to measure, and what you say of it never trains."
    drawn = Drawn(document_id, None, policy, reason, probability)
    found = _items(parts, [drawn], wait=True)
    if not found:
        raise NotFoundError(f"Document {document_id!r} is not in this workspace. It may have been deleted.")
    return found[0]


def pair_item(parts: Parts, document_id: str, label_id: str, policy: Policy | str) -> PairItem:
    """See `Workspace.pair_item`."""
    if label_id not in parts.labels_by_id():
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    probability = None
    if policy in AUDITS:
        frame = queues_of(parts).frame(parts, must=False)
        probability = None if frame is None else frame.probability((document_id, label_id))
        drawn = Drawn(document_id, label_id, AUDIT_PAIR, PAIR_REASONS["audit"], probability)
    else:
        reason = {str(name): x for name, x in PAIR_REASONS.items()}[policy]
        drawn = Drawn(document_id, label_id, policy, reason)
    found = _pair_items(parts, [drawn], wait=True)
    if not found:
        raise NotFoundError(f"Document {document_id!r} is not in this workspace. It may have been deleted.")
    return found[0]


def _items(parts: Parts, drawn: Sequence[Drawn], *, wait: bool) -> list[ReviewItem]:
    ids = [x.document_id for x in drawn]
    documents = parts.journal.documents_by_id(ids)
    drawn = [x for x in drawn if x.document_id in documents]
    if not drawn:
        return []
    rows = parts.journal.document_rows(ids)
    pairs = parts.journal.pair_states_of(ids)
    labels, paths = parts.labels_by_id(), parts.label_paths()
    scores = Scores(parts, queues_of(parts).tagger(parts), list(documents.values()))
    settings = parts.settings
    items = []
    for x in drawn:
        document = documents[x.document_id]
        ranking = scores.ranked(document.id, _RANKED)
        shown = candidates(document, pairs[document.id], ranking, labels, paths)
        wanted = [labels[c.label_id] for c in shown]
        items.append(
            ReviewItem(
                document=document,
                candidates=shown,
                highlights=_highlights(parts, document, wanted, wait=wait),
                completed=document.id in rows and rows[document.id].completed,
                policy=x.policy,
                reason=x.reason,
                inclusion_probability=x.inclusion_probability,
                blind=is_blind(document.id, None, settings.seed, settings.blind_share),
            )
        )
    return items


def _pair_items(parts: Parts, drawn: Sequence[Drawn], *, wait: bool) -> list[PairItem]:
    ids = [x.document_id for x in drawn]
    documents = parts.journal.documents_by_id(ids)
    labels, paths = parts.labels_by_id(), parts.label_paths()
    drawn = [x for x in drawn if x.document_id in documents and x.label_id in labels]
    if not drawn:
        return []
    pairs = parts.journal.pair_states_of(ids)
    scores = Scores(parts, queues_of(parts).tagger(parts), list(documents.values()))
    settings = parts.settings
    items = []
    for x in drawn:
        assert x.label_id is not None
        document, label = documents[x.document_id], labels[x.label_id]
        said = scores.of(document.id, label.id)
        item, place = said if said is not None else (None, None)
        state = next((p for p in pairs[document.id] if p.label_id == label.id), None)
        items.append(
            PairItem(
                document=document,
                candidate=candidate(document, label, state, item, place, paths.get(label.id, ())),
                aliases=label.aliases,
                examples=examples(parts, label.id, but=document.id),
                highlights=_highlights(parts, document, [label], wait=wait),
                policy=x.policy,
                reason=x.reason,
                inclusion_probability=x.inclusion_probability,
                blind=is_blind(document.id, label.id, settings.seed, settings.blind_share),
            )
        )
    return items


def examples(parts: Parts, label_id: str, *, but: str | None = None, n: int = 2) -> list[tuple[str, str]]:
    """Documents where people accepted a label, with title or start of the text; at most n, never `but`."""
    page = parts.journal.label_pairs(label_id, "accepted", page_size=n + 1)
    found = [(row.document_id, row.title) for row in page if row.document_id != but][:n]
    untitled = parts.journal.documents_by_id([x for x, title in found if not title])
    return [(x, title or (untitled[x].text[:_TITLE] if x in untitled else x)) for x, title in found]


# ---- sentences ------------------------------------------------------------------------------------


def _highlights(parts: Parts, document: Document, labels: Sequence[Label], *, wait: bool) -> list[Highlight]:
    return highlights(document.text, labels, nearest_sentences(parts, document, labels, wait=wait))


def nearest_sentences(
    parts: Parts, document: Document, labels: Sequence[Label], *, wait: bool
) -> Mapping[str, Span]:
    """Label id -> sentence nearest in meaning, where the encoder is loaded already.

    Loading it takes seconds, which a reviewer must not wait; see `Workspace.preload`. Encoding the sentences
    of a document takes some 100 ms: without `wait`, only those that were encoded before are used.
    """
    if not labels:
        return {}
    found = sentence_vectors(parts, document, wait=wait)
    if found is None:
        return {}
    spans, vectors = found
    similarity = parts.label_vectors(labels) @ vectors.T
    return {label.id: spans[int(i)] for label, i in zip(labels, similarity.argmax(axis=1), strict=True)}


class _Sentences:
    """Sentence vectors of the documents looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[list[Span], FloatArray]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> tuple[list[Span], FloatArray] | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], found: tuple[list[Span], FloatArray]) -> None:
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT_SENTENCES:
                self._kept.popitem(last=False)


_sentences = _Sentences()  # by text and encoder, so one for all workspaces


def sentence_vectors(parts: Parts, document: Document, *, wait: bool) -> tuple[list[Span], FloatArray] | None:
    """Sentences of a text, the first sixty, and their unit vectors; None where there is one alone.

    Also None where the encoder is not loaded yet, or, without `wait`, they were not encoded before.
    """
    encoder = parts.encoder()
    if not encoder.loaded:
        return None
    key = (encoder.key, document.hash)
    found = _sentences.get(key)
    if found is None and wait:
        spans = sentences(document.text)[:_MOST_SENTENCES]
        if len(spans) < 2:
            return None
        vectors = encoder.encode([document.text[a:b] for a, b in spans], role="document")
        found = (spans, np.asarray(vectors, dtype=np.float32))
        _sentences.put(key, found)
    return found


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
    blind: bool,
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
            blind=blind,
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
    _named(reviewer)
    last = parts.journal.last_undoable(reviewer)
    if last is None:
        return []
    undone = parts.journal.retract(
        reviewer, seqs=() if last.batch else (last.seq,), batch=last.batch, note="undo"
    )
    parts.sync_soon()
    return undone


def undo_batch(parts: Parts, batch: str, reviewer: str) -> list[Decision]:
    """See `Workspace.undo_batch`."""
    _named(reviewer)
    if not batch:
        raise InputError("Undo of a batch: no batch was named. Take it from one of its decisions.")
    undone = parts.journal.retract(reviewer, batch=batch, note="undo")
    parts.sync_soon()
    return undone


def _named(reviewer: str) -> None:
    if not reviewer:
        raise InputError("Undo: who are you? Set a reviewer name first.")
