"""Finding documents: by meaning, by words, or both; by label and state, use, split or set; page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lmtx.encoder import encoder_key
from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.explore.evidence import query_spans, snippet
from lmtx.review import is_joining
from lmtx.types import BoolArray, FloatArray, IntArray, Role, Split, State
from lmtx.workspace import document_sets
from lmtx.workspace.corpus_tags import corpus_tags
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS

if TYPE_CHECKING:
    from lmtx.journal import DocumentRow, Page

By = Literal["both", "meaning", "words"]
Stand = State | Literal["tagged"]
"""Where a label stands on a document: its pair's state, or that the run in use gives it."""

DEPTH = 1000
"""Documents that a search by meaning finds; a search by both takes as many of each."""
_FUSED = 60  # of reciprocal rank fusion: Cormack, Clarke & Büttcher, SIGIR 2009, section 2


@dataclass(frozen=True, slots=True)
class DocumentQuery:
    """Which documents are wanted: those that meet everything that is set.

    Attributes
    ----------
    text : str
        Words, a sentence or an id; "" leaves the order of the corpus.
    by : {"both", "meaning", "words"}
        "words": all words are in title or text. "meaning": the nearest in the encoder's space. "both": by
        the sum of the inverse places in the two.
    label_id : str or None
    state : state, "tagged" or None
        Of the pair with `label_id`; without a label, of any pair. "tagged": among the first five tags that
        the run in use gives, which needs a label. None with a label: any pair with it, or tagged with it.
    role, split : role or split, optional
    completed : bool or None
        Whether a person has settled the document as a whole.
    judged : bool or None
        Whether a teacher or a person has said anything of it.
    set_id : str or None
        Of `Workspace.save_documents`.
    """

    text: str = ""
    by: By = "both"
    label_id: str | None = None
    state: Stand | None = None
    role: Role | None = None
    split: Split | None = None
    completed: bool | None = None
    judged: bool | None = None
    set_id: str | None = None


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document that was found.

    Attributes
    ----------
    row : DocumentRow
        Its facts.
    snippet : str
        A stretch of its text, around the first words of the query that are in it.
    title_marks, marks : list of (start, end)
        Where the words of the query stand in title and snippet.
    likeness : float or None
        Cosine with the query; None where it was not asked for, or its vector is missing.
    """

    row: DocumentRow
    snippet: str
    title_marks: list[tuple[int, int]]
    marks: list[tuple[int, int]]
    likeness: float | None


def find(parts: Parts, query: DocumentQuery, page: int, page_size: int) -> Page[FoundDocument]:
    """See `Workspace.find_documents`."""
    from lmtx.journal import Page

    if page < 0 or not 1 <= page_size <= 1000:
        raise InputError(f"page={page}, page_size={page_size}: expected page >= 0, page_size 1 to 1000.")
    ids, likeness = _found(parts, query)
    shown = ids[page * page_size : (page + 1) * page_size]
    rows = parts.journal.document_rows(shown)
    texts = parts.journal.documents_by_id(shown)
    items = []
    for document_id in shown:
        if document_id not in rows or document_id not in texts:  # deleted since the corpus was read
            continue
        row, text = rows[document_id], texts[document_id].text
        short, marks = snippet(text, _telling(text, query.text))
        items.append(
            FoundDocument(row, short, _telling(row.title, query.text), marks, likeness.get(document_id))
        )
    return Page(items, len(ids), page, page_size)


def _telling(text: str, query: str) -> list[tuple[int, int]]:
    """Where the words of a query stand, without those that join others, unless the query has no other."""
    spans = query_spans(text, query)
    told = [word for word in query.split() if not is_joining(word)]
    return [(a, b) for a, b in spans if not is_joining(text[a:b])] if told else spans


def ids_of(parts: Parts, query: DocumentQuery) -> list[str]:
    """See `Workspace.find_document_ids`."""
    return _found(parts, query)[0]


def matrix(parts: Parts) -> tuple[FloatArray, BoolArray]:
    """Return vectors of all documents as far as they are known, in the rows of `Parts.corpus`.

    Kept in memory (1.5 kB a document at 384 dimensions) until documents or vectors change.

    Returns
    -------
    vectors : float32 (n_docs, dim)
    known : bool (n_docs,)
    """
    view, key = parts.corpus(), encoder_key(parts.settings.encoder)

    def read() -> tuple[object, FloatArray, BoolArray]:
        vectors, known = parts.cache.get(key, [d.hash for d in view.documents])
        return view, vectors, known

    found = parts.kept("document matrix", (id(view), key, parts.cache.count(key)), read)
    return found[1], found[2]


# ---- what is found -----------------------------------------------------------------------------------


def _found(parts: Parts, query: DocumentQuery) -> tuple[list[str], dict[str, float]]:
    """Ids of all documents that are found, in order, and the likeness of those that have one."""
    query = replace(query, text=query.text.strip())
    _check(parts, query)
    wanted = _filtered(parts, query)
    if not query.text:
        if wanted is None:
            return [d.id for d in parts.corpus().documents], {}
        return wanted, {}
    allowed = None if wanted is None else set(wanted)
    words: list[str] = []
    if query.by != "meaning":
        # More than so many of both can't be told apart by fusing; for words alone all are listed.
        words = parts.journal.document_ids(query=query.text)
        words = [x for x in words if allowed is None or x in allowed]
    if query.by == "words":
        return words, {}
    likeness = _by_meaning(parts, query, allowed)
    if query.by == "meaning":
        return list(likeness), likeness
    return _fuse(words[:DEPTH], list(likeness)), likeness


def _check(parts: Parts, query: DocumentQuery) -> None:
    known = (
        ("by", query.by, get_args(By)),
        ("state", query.state, (*get_args(State), "tagged")),
        ("role", query.role, get_args(Role)),
        ("split", query.split, get_args(Split)),
    )
    for name, value, values in known:
        if value is not None and value not in values:
            raise InputError(f"{name}: got {value!r}. Known: {', '.join(values)}.")
    if query.label_id is not None and query.label_id not in parts.labels_by_id():
        raise NotFoundError(f"Label {query.label_id!r} is not in this workspace. It may have been deleted.")
    if query.state == "tagged" and query.label_id is None:
        raise InputError("Documents that are tagged: tagged with what? Choose a label too.")


def _filtered(parts: Parts, query: DocumentQuery) -> list[str] | None:
    """Ids of the documents that meet all but the text, in order; None where nothing is asked."""
    chosen = query.label_id, query.state, query.role, query.split, query.completed, query.judged
    order: list[str] | None = None
    if any(x is not None for x in chosen):
        order = _by_facts(parts, query)
    if query.set_id is not None:
        picked = document_sets.saved(parts, query.set_id)
        kept = None if order is None else set(order)
        return [x for x in picked if kept is None or x in kept]
    return order


def _by_facts(parts: Parts, query: DocumentQuery) -> list[str]:
    def read(label_id: str | None, state: State | None) -> list[str]:
        return parts.journal.document_ids(
            query.role,
            completed=query.completed,
            judged=query.judged,
            split=query.split,
            label_id=label_id,
            state=state,
        )

    if query.label_id is None or query.state not in (None, "tagged"):
        return read(query.label_id, query.state)  # type: ignore[arg-type]
    tagged = _tagged(parts, query.label_id, must=query.state == "tagged")
    if query.state == "tagged":
        others = set(read(None, None))
        return [x for x in tagged if x in others]
    paired = read(query.label_id, None)
    if not tagged:
        return paired
    also, others = set(paired), set(read(None, None))
    return paired + [x for x in tagged if x in others and x not in also]


def _tagged(parts: Parts, label_id: str, *, must: bool) -> list[str]:
    """Documents that the run in use tags with a label, the surest first."""
    tags = corpus_tags(parts)
    if tags is None:
        if must:
            raise NothingToDoError(
                "The run in use has not tagged the corpus yet. Draw the map on the page Explore, "
                "which tags it."
            )
        return []
    view = parts.corpus()
    hit = tags.label_idx[:, :TAGS] == view.label_idx[label_id]
    rows = np.flatnonzero(hit.any(axis=1))
    score = np.where(hit[rows], tags.score[rows, :TAGS], -np.inf).max(axis=1)
    return [view.documents[int(i)].id for i in rows[np.argsort(-score, kind="stable")]]


def _by_meaning(parts: Parts, query: DocumentQuery, allowed: set[str] | None) -> dict[str, float]:
    """Document -> likeness, the nearest first, at most `DEPTH`."""
    vectors, known = matrix(parts)
    if not known.any():
        if query.by == "both":
            return {}
        raise NothingToDoError("No document has its vector yet. Run `lmtx embed`, or search by words.")
    view = parts.corpus()
    if allowed is not None:
        of = view.document_idx
        wanted = np.zeros(len(known), dtype=bool)
        wanted[[of[x] for x in allowed if x in of]] = True
        known = known & wanted
    rows = np.flatnonzero(known)
    likeness = vectors @ parts.encoder().encode([query.text], role="document")[0]
    near = rows[first(likeness[rows], DEPTH)]
    return {view.documents[int(i)].id: float(likeness[i]) for i in near}


def first(value: FloatArray, n: int) -> IntArray:
    """Places of the n largest, the largest first; of equal ones the first."""
    if len(value) > n:
        largest = np.argpartition(-value, n - 1)[:n]
        largest.sort()
    else:
        largest = np.arange(len(value))
    return largest[np.argsort(-value[largest], kind="stable")].astype(np.int32)


def _fuse(*lists: Sequence[str]) -> list[str]:
    """Reciprocal rank fusion."""
    score: dict[str, float] = {}
    for found in lists:
        for place, document_id in enumerate(found):
            score[document_id] = score.get(document_id, 0.0) + 1.0 / (_FUSED + 1 + place)
    return sorted(score, key=lambda x: -score[x])
