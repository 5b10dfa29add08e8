"""Looking around in a workspace: its state, documents, labels, search."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmtx.config import SETTINGS_FILE
from lmtx.encoder import encoder_key, language_warning
from lmtx.errors import InputError, LmtxError, NotFoundError
from lmtx.journal import Journal
from lmtx.types import Label, PairState, State
from lmtx.workspace import next_steps, tagging
from lmtx.workspace.models import (
    DocumentDetail,
    Example,
    Hit,
    LabelDetail,
    NextStep,
    PairDetail,
    Status,
    WorkspaceInfo,
)
from lmtx.workspace.parts import Parts

_SNIPPET = 240
_EXAMPLES = 5
_NEIGHBOURS = 8
_SIMILAR = 5


def list_workspaces(root: Path) -> list[WorkspaceInfo]:
    """See `Workspace.list_workspaces`."""
    found = []
    for path in sorted(root.glob(f"*/{SETTINGS_FILE}")):
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            url = settings.get("journal_url") or f"sqlite:///{(path.parent / 'journal.db').resolve()}"
            journal = Journal(url, read_only=True)
            try:
                counts = journal.counts()
            finally:
                journal.close()
        except (LmtxError, OSError, ValueError, AttributeError):  # one damaged workspace hides no other
            counts, settings = {}, {}
        name = settings.get("name") or path.parent.name
        found.append(WorkspaceInfo(name, path.parent, counts.get("documents", 0), counts.get("labels", 0)))
    return sorted(found, key=lambda w: w.name.casefold())


def status(parts: Parts) -> Status:
    """See `Workspace.status`."""
    counts = dict(parts.journal.counts())
    counts.update({str(state): n for state, n in parts.journal.pair_counts().items()})
    promoted = parts.journal.promoted()
    runs = parts.journal.runs()
    teachers = [t for t in parts.journal.teachers() if t.n_judgments]
    used = teachers[-1] if teachers else None
    minute = int(time.monotonic() // 60)  # counting them reads every row of a large corpus
    spoken = parts.kept("languages", (counts["documents"], minute), parts.journal.languages)
    active = [job.id for job in parts.jobs(20) if job.active]
    is_llm = bool(used is not None and used.details.get("is_llm"))
    has_gold = counts.get("gold_test", 0) > 0
    return Status(
        name=parts.settings.name or parts.folder.name,
        folder=parts.folder,
        counts=counts,
        has_gold=has_gold,
        encoder=parts.settings.encoder,
        languages=spoken,
        language_warning=language_warning(parts.settings.encoder, spoken),
        teacher=used.spec if used is not None and used.spec else parts.settings.teacher,
        teacher_used=used is not None,
        is_llm=is_llm,
        run_id=promoted.id if promoted else None,
        run_kind=promoted.kind if promoted else None,
        metrics=dict(promoted.metrics) if promoted else {},
        n_runs=len(runs),
        index=parts.index_state(),
        running=active,
        next_step=next_steps.first_step(
            next_steps.known(parts, counts, has_gold=has_gold, running=bool(active))
        ),
        warnings=_warnings(counts),
    )


def further_steps(parts: Parts) -> list[NextStep]:
    """See `Workspace.next_steps`."""
    counts = {**parts.journal.counts(), **{str(s): n for s, n in parts.journal.pair_counts().items()}}
    running = any(job.active for job in parts.jobs(20))
    has_gold = counts.get("gold_test", 0) > 0
    known = next_steps.known(parts, counts, has_gold=has_gold, running=running)
    return next_steps.next_steps(parts, known)


def _warnings(counts: dict[str, int]) -> list[str]:
    warnings = []
    if counts["documents"] and not counts["train"]:
        warnings.append(
            "No document is there to learn from: all are test documents, held out or reserved. "
            "Import documents of the split 'train'."
        )
    return warnings


def document_detail(parts: Parts, document_id: str, *, predict: bool) -> DocumentDetail:
    """See `Workspace.document_detail`."""
    document = parts.journal.document(document_id)
    row = parts.journal.document_row(document_id)
    if document is None or row is None:
        raise NotFoundError(
            f"Document {document_id!r} is not in this workspace. It may have been deleted: look in Corpus."
        )
    similar: list[Hit] = []
    index = parts.index()
    if index is not None:
        found = index.similar_documents(document_id, _SIMILAR)
        similar = _hits(parts, found)
    has_labels = bool(parts.labels_by_id())
    return DocumentDetail(
        document=document,
        role=row.role,
        completed=row.completed,
        pairs=[_pair_detail(parts, pair) for pair in parts.journal.pair_states(document_id)],
        predictions=tagging.predict(parts, [document], 5, "tagger", True)[0]
        if predict and has_labels
        else [],
        history=parts.journal.decisions(document_id=document_id, limit=200, newest_first=True),
        similar=similar,
    )


def _pair_detail(parts: Parts, pair: PairState) -> PairDetail:
    label = parts.labels_by_id().get(pair.label_id)
    return PairDetail(
        label_id=pair.label_id,
        name=label.name if label else pair.label_id,
        path=parts.label_paths().get(pair.label_id, ()),
        state=pair.state,
        verdict=pair.verdict,
        probability=pair.probability,
        teacher_key=pair.teacher_key,
        decision=pair.decision,
        reviewer=pair.reviewer,
    )


def label_detail(parts: Parts, label_id: str) -> LabelDetail:
    """See `Workspace.label_detail`."""
    labels = parts.labels_by_id()
    label = labels.get(label_id)
    row = parts.journal.label_row(label_id)
    if label is None or row is None:
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    return LabelDetail(
        label=label,
        path=parts.label_paths().get(label_id, ()),
        parents=[labels[p] for p in label.parents if p in labels],
        children=parts.journal.children(label_id),
        counts={
            "gold": row.n_gold,
            "proposed": row.n_proposed,
            "declined": row.n_declined,
            "accepted": row.n_accepted,
            "rejected": row.n_rejected,
        },
        accepted=_examples(parts, label_id, "accepted"),
        rejected=_examples(parts, label_id, "rejected"),
        proposed=_examples(parts, label_id, "proposed"),
        neighbours=_neighbours(parts, label),
    )


def _examples(parts: Parts, label_id: str, state: State) -> list[Example]:
    page = parts.journal.documents_page(label_id=label_id, state=state, page_size=_EXAMPLES)
    return [Example(row.id, row.title, row.snippet, state) for row in page.items]


def _neighbours(parts: Parts, label: Label) -> list[tuple[Label, float]]:
    """Labels nearest in meaning, as far as their vectors are there already."""
    view = parts.corpus()
    if not parts.labels_have_vectors():
        return []
    vectors = parts.kept("label vectors", id(view), lambda: (view, parts.label_vectors(view.labels)))[1]
    similarity = vectors @ vectors[view.label_idx[label.id]]
    order = np.argsort(-similarity, kind="stable")[: _NEIGHBOURS + 1]
    return [(view.labels[int(i)], float(similarity[i])) for i in order if view.labels[int(i)].id != label.id][
        :_NEIGHBOURS
    ]


def search(
    parts: Parts, text: str, mode: str, n: int, *, label_id: str | None, state: State | None
) -> list[Hit]:
    """See `Workspace.search`."""
    if not text.strip():
        return []
    if mode == "keyword":
        page = parts.journal.documents_page(query=text, label_id=label_id, state=state, page_size=n)
        return [Hit(row.id, row.title, row.snippet, None) for row in page.items]
    if mode != "semantic":
        raise InputError(f"Search mode {mode!r} does not exist. Known: keyword, semantic.")
    vector = parts.encoder().encode([text], role="document")[0]
    index = parts.index()
    if index is not None and index.counts()["documents"]:
        filters: dict[str, Any] = {}
        if label_id is not None:
            filters = {str(state or "accepted"): label_id}
        return _hits(parts, index.search_documents(vector, n, **filters))
    return _exact_search(parts, vector, n, label_id, state)


def _exact_search(parts: Parts, vector: Any, n: int, label_id: str | None, state: State | None) -> list[Hit]:
    """Search the cached vectors, where another process owns the index."""
    view = parts.corpus()
    hashes = [d.hash for d in view.documents]
    vectors, known = parts.cache.get(encoder_key(parts.settings.encoder), hashes)
    if not known.any():
        return []
    similarity = np.where(known, vectors @ vector, -np.inf)
    wanted = None
    if label_id is not None:
        page = parts.journal.documents_page(label_id=label_id, state=state or "accepted", page_size=5000)
        wanted = {row.id for row in page.items}
    found: list[tuple[str, float]] = []
    for i in np.argsort(-similarity, kind="stable"):
        document = view.documents[int(i)]
        if not np.isfinite(similarity[i]) or len(found) == n:
            break
        if wanted is None or document.id in wanted:
            found.append((document.id, float(similarity[i])))
    return _hits(parts, found)


def _hits(parts: Parts, found: Sequence[tuple[str, float]]) -> list[Hit]:
    documents = parts.journal.documents_by_id([i for i, _ in found])
    return [
        Hit(i, documents[i].title, documents[i].text[:_SNIPPET], score)
        for i, score in found
        if i in documents
    ]


def find_labels(parts: Parts, query: str, limit: int, document_id: str | None) -> list[Label]:
    """See `Workspace.find_labels`."""
    if document_id is None:
        return parts.journal.find_labels(query, limit)
    accepted = {p.label_id for p in parts.journal.pair_states(document_id) if p.state == "accepted"}
    if query.strip():
        found = parts.journal.find_labels(query, limit + len(accepted))
        return [x for x in found if x.id not in accepted][:limit]
    document = parts.journal.document(document_id)
    if document is None:
        return []
    labels = parts.labels_by_id()
    ranking = tagging.ranked(parts, [document], limit + len(accepted))[0]
    return [labels[r.label_id] for r in ranking if r.label_id not in accepted][:limit]
