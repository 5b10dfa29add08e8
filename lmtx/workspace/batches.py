"""Reviewing by label: one label, many documents."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from lmtx.encoder import encoder_key
from lmtx.errors import NotFoundError
from lmtx.review import BatchRow, matching_words, sentences, word_spans
from lmtx.types import Document, Label
from lmtx.workspace.models import LabelBatch
from lmtx.workspace.parts import Parts
from lmtx.workspace.proposing import Scores
from lmtx.workspace.queues import queues_of
from lmtx.workspace.reviewing import examples, nearest_sentences

_NEAR = 200  # training documents nearest to one, among which similar ones are offered
_FRESH_S = 5.0
_START = 240
_LOOKED_THROUGH = 20_000  # characters of a text in which evidence is looked for


def label_batch(parts: Parts, label_id: str, page: int, page_size: int, like: str | None) -> LabelBatch:
    """See `Workspace.label_batch`."""
    label = parts.labels_by_id().get(label_id)
    if label is None:
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    if like is None:
        found = parts.journal.undecided_documents(label_id, page, page_size)
        ids, total = [row[0] for row in found], found.total
    else:
        near = _near(parts, label_id, like)
        ids, total = near[page * page_size : (page + 1) * page_size], len(near)
    return LabelBatch(
        label=label,
        path=parts.label_paths().get(label_id, ()),
        examples=examples(parts, label_id),
        rows=_rows(parts, label, ids),
        total=total,
        page=page,
        page_size=page_size,
    )


def labels_to_review(parts: Parts, limit: int, query: str) -> list[tuple[Label, int]]:
    """See `Workspace.labels_to_review`."""
    moment = int(time.monotonic() // _FRESH_S)  # counting reads all that is proposed for the labels
    found: list[tuple[Label, int]] = parts.kept(
        "labels to review", (limit, query, moment), lambda: _labels_to_review(parts, limit, query)
    )
    return list(found)


def _labels_to_review(parts: Parts, limit: int, query: str) -> list[tuple[Label, int]]:
    labels = parts.labels_by_id()
    # The label's own count has documents that somebody completed too: it is the greatest it can be.
    rows = parts.journal.labels_page(query=query, sort="proposed", descending=True, page_size=limit)
    counts = parts.journal.undecided_counts(row.id for row in rows if row.n_proposed and row.id in labels)
    return sorted(((labels[x], n) for x, n in counts.items() if n), key=lambda pair: -pair[1])


def _rows(parts: Parts, label: Label, ids: Sequence[str]) -> list[BatchRow]:
    by_id = parts.journal.documents_by_id(ids)
    documents = [by_id[x] for x in ids if x in by_id]
    if not documents:
        return []
    states = parts.journal.pair_states_of(by_id)
    scores = Scores(parts, queues_of(parts).tagger(parts), documents)
    rows = []
    for document in documents:
        state = next((p for p in states[document.id] if p.label_id == label.id), None)
        said = scores.of(document.id, label.id)
        evidence = _evidence(parts, document, label)
        rows.append(
            BatchRow(
                document_id=document.id,
                title=document.title,
                evidence=evidence,
                words=matching_words(evidence, label),
                teacher_probability=state.probability if state else None,
                probability=said[0].probability if said else None,
                state=state.state if state else None,
                decision=state.decision if state else None,
            )
        )
    return rows


def _evidence(parts: Parts, document: Document, label: Label) -> str:
    """Return the sentence with the most words of the label, else the nearest in meaning, else the start."""
    text = document.text[:_LOOKED_THROUGH]
    spans = sentences(text)
    marks = [start for start, _, _ in word_spans(text, [label])]
    if marks and spans:
        starts = np.array([start for start, _ in spans])
        of = np.searchsorted(starts, marks, side="right") - 1
        first, end = spans[int(np.bincount(of, minlength=len(spans)).argmax())]
        return text[first:end]
    near = nearest_sentences(parts, document, [label], wait=False)
    if label.id in near:
        first, end = near[label.id]
        return document.text[first:end]
    start = text[: spans[0][1]] if spans else text
    return start.strip()[:_START]


def _near(parts: Parts, label_id: str, document_id: str) -> list[str]:
    """Train documents near one in meaning, neither completed nor decided on the label, the nearest first."""
    document = parts.journal.document(document_id)
    if document is None:
        raise NotFoundError(f"Document {document_id!r} is not in this workspace. It may have been deleted.")
    view = parts.corpus()
    near = [
        x
        for x in _nearest(parts, document, 2 * _NEAR)
        if x in view.document_idx and view.roles[view.document_idx[x]] == "train"
    ][:_NEAR]
    states = parts.journal.pair_states_of(near)
    rows = parts.journal.document_rows(near)

    def is_open(x: str) -> bool:
        decided = any(p.label_id == label_id and p.decision is not None for p in states.get(x, ()))
        return x in rows and not rows[x].completed and not decided

    return [x for x in near if is_open(x)]


def _nearest(parts: Parts, document: Document, n: int) -> list[str]:
    """Ids of the documents nearest to one, without itself: from the index where this process has it."""
    index = parts.index()
    if index is not None:
        found = index.similar_documents(document.id, n)
        if found:
            return [x for x, _ in found]
    view = parts.corpus()
    key = encoder_key(parts.settings.encoder)

    def read() -> tuple[object, object]:
        return view, parts.cache.get(key, [d.hash for d in view.documents])

    vectors, known = parts.kept("all vectors", (id(view), key), read)[1]
    similarity = np.where(known, vectors @ parts.document_vectors([document])[0], -np.inf)
    best = np.argsort(-similarity, kind="stable")[: n + 1]
    found_ids = [view.documents[int(i)].id for i in best if np.isfinite(similarity[i])]
    return [x for x in found_ids if x != document.id][:n]
