"""What is known of one document's labels, what in its text speaks for one, and which documents are near."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.explore.occlusion import Piece, drops
from lmtx.review import is_joining, sentences, word_spans
from lmtx.review.highlight import stem
from lmtx.types import Document, FloatArray, Label, State, Verdict
from lmtx.workspace import finding, reviewing, systems, tagging
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

Span = tuple[int, int]
Unit = Literal["sentence", "word"]

MOST_PIECES: dict[Unit, int] = {"sentence": 40, "word": 60}
"""Pieces of a text that are left out at most: each costs one encoding."""
_WORDS = 8
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class PairRow:
    """A label of a document, with what everybody says of it.

    Attributes
    ----------
    path : tuple of str
        Names of the broader labels, topmost first.
    state : state or None
        Of the pair; None where nobody said anything of it.
    verdict, teacher_probability, teacher_key
        What the teacher said, its probability of yes, and which teacher; None where it was not asked.
    decision, reviewer
        What stands decided, and by whom.
    place : int or None
        Among all labels by the tagger, from 1; None where it can't rank, as are the scores then.
    score, probability : float or None
        The tagger's; standardised within the document, and calibrated.
    student, bm25 : float or None
        Standardised scores of the student, and of the label's words in the text (a part of what learned
        nothing).
    """

    label_id: str
    name: str
    path: tuple[str, ...]
    state: State | None = None
    verdict: Verdict | None = None
    teacher_probability: float | None = None
    teacher_key: str | None = None
    decision: str | None = None
    reviewer: str | None = None
    place: int | None = None
    score: float | None = None
    probability: float | None = None
    student: float | None = None
    bm25: float | None = None


@dataclass(frozen=True, slots=True)
class TagEvidence:
    """What in a text speaks for a label.

    Attributes
    ----------
    title_words, words : list of (start, end)
        Words of title and text that it shares with the label, or by which the tagger knows it.
    sentences : list of ((start, end), float)
        The first sixty, each with its cosine with the label; empty where there is one sentence alone, or
        the encoder is not loaded yet.
    nearest : (start, end) or None
        The one nearest in meaning.
    spoken : list of str
        The words by which the tagger knows it, the most telling first.
    """

    label: Label
    title_words: list[Span]
    words: list[Span]
    sentences: list[tuple[Span, float]]
    nearest: Span | None
    spoken: list[str]


@dataclass(frozen=True, slots=True)
class Occlusion:
    """By how much a label's score drops without pieces of a text.

    Attributes
    ----------
    n_pieces : int
        Pieces that the text has; those beyond the first `MOST_PIECES` were not left out.
    score : float
        The tagger's score of the whole text.
    pieces : list of (Piece, float)
        In order, each with the drop of the score; below 0: the score rises without it.
    """

    label: Label
    unit: Unit
    n_pieces: int
    score: float
    pieces: list[tuple[Piece, float]]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A document near another in meaning; `shared` names the tags that both have, at most five."""

    document_id: str
    title: str
    snippet: str
    likeness: float
    shared: list[str]


# ---- one document ------------------------------------------------------------------------------------


def document(parts: Parts, document_id: str) -> Document:
    """Return a live document.

    Raises
    ------
    NotFoundError
        If there is none of that id.
    """
    found = parts.journal.document(document_id)
    if found is None:
        raise NotFoundError(f"Document {document_id!r} is not in this workspace. It may have been deleted.")
    return found


def pair_rows(parts: Parts, document_id: str, n_tags: int, also: Sequence[str]) -> list[PairRow]:
    """See `Workspace.document_pairs`."""
    item = document(parts, document_id)
    labels, paths = parts.labels_by_id(), parts.label_paths()
    pairs = {p.label_id: p for p in parts.journal.pair_states(document_id)}
    if not labels:
        return []
    tagger = tagging.tagger(parts)
    column = {x: i for i, x in enumerate(tagger.label_ids)}
    vectors, texts = parts.text_vectors([item]), [item.full_text]
    total = _scores(tagger, vectors, texts)[0]
    order = np.argsort(-total, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    best = [tagger.label_ids[int(i)] for i in order if tagger.label_ids[int(i)] in labels][:n_tags]
    rows = tagger.count(vectors, texts)
    parts_of: dict[str, FloatArray] = {
        part: tagger.part_scores(part, rows)[0] for part in ("student", "bm25_document") if tagger.has(part)
    }
    shown = dict.fromkeys([*best, *pairs, *(x for x in also if x in labels)])
    found = []
    for label_id in shown:
        pair, i = pairs.get(label_id), column.get(label_id)
        score = None if i is None else float(total[i])
        known = None if i is None else tagger.probability(total[i : i + 1])
        found.append(
            PairRow(
                label_id=label_id,
                name=labels[label_id].name if label_id in labels else label_id,
                path=paths.get(label_id, ()),
                state=pair.state if pair else None,
                verdict=pair.verdict if pair else None,
                teacher_probability=pair.probability if pair else None,
                teacher_key=pair.teacher_key if pair else None,
                decision=pair.decision if pair else None,
                reviewer=pair.reviewer if pair else None,
                place=None if i is None else int(place[i]),
                score=score,
                probability=None if known is None else float(known[0]),
                student=None if i is None or "student" not in parts_of else float(parts_of["student"][i]),
                bm25=None if i is None else float(parts_of["bm25_document"][i]),
            )
        )
    return sorted(found, key=lambda r: (r.place is None, r.place or 0))


def _scores(tagger: Tagger, vectors: FloatArray, texts: Sequence[str]) -> FloatArray:
    """Scores of all labels, float32 (n, n_labels); for few texts."""
    found = np.empty((len(texts), len(tagger.label_ids)), dtype=np.float32)
    for rows, block in tagger.scores(vectors, texts):
        found[rows] = block
    return found


# ---- evidence ----------------------------------------------------------------------------------------


def evidence(parts: Parts, text: Document | str, label_id: str, wait: bool) -> TagEvidence:
    """See `Workspace.evidence`."""
    item, label = _item(text), _label(parts, label_id)
    tagger = tagging.tagger(parts)
    spoken: list[str] = []
    if label_id in tagger.label_ids:
        full, i = item.full_text, tagger.label_ids.index(label_id)
        strong = [word for word, _ in tagger.words(full, i, 2 * _WORDS)]
        forms: dict[str, str] = {}
        for word, start, end in tagger.tokenizer.spans(full):
            forms.setdefault(word, full[start:end])
        spoken = [x for x in (forms.get(w, w) for w in strong) if not is_joining(x)][:_WORDS]
    near = reviewing.sentence_vectors(parts, item, wait=wait)
    found: list[tuple[Span, float]] = []
    if near is not None:
        likeness = near[1] @ parts.label_vectors([label])[0]
        found = list(zip(near[0], likeness.tolist(), strict=True))
    return TagEvidence(
        label=label,
        title_words=_marked(item.title, label, spoken),
        words=_marked(item.text, label, spoken),
        sentences=found,
        nearest=max(found, key=lambda x: x[1])[0] if found else None,
        spoken=spoken,
    )


def _marked(text: str, label: Label, spoken: Sequence[str]) -> list[Span]:
    """Where words shared with the label stand, and those by which the tagger knows it."""
    stems = {stem(word) for word in spoken}
    spans = {(a, b) for a, b, _ in word_spans(text, [label])}
    spans |= {m.span() for m in _WORD.finditer(text) if stem(m.group()) in stems}
    kept: list[Span] = []
    for span in sorted(spans):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def occlusion(parts: Parts, text: Document | str, label_id: str, unit: Unit, system: str) -> Occlusion:
    """See `Workspace.occlusion`."""
    if unit not in MOST_PIECES:
        raise InputError(f"unit: got {unit!r}. Known: {', '.join(MOST_PIECES)}.")
    item, label = _item(text), _label(parts, label_id)
    tagger = systems.tagger_of(parts, systems.system(parts, system))
    if label_id not in tagger.label_ids:
        raise InputError(f"“{label.name}” came after what tags here was trained. Train again.")
    column = tagger.label_ids.index(label_id)
    pieces = _sentence_pieces(item) if unit == "sentence" else _word_pieces(item)
    if len(pieces) < 2:
        raise NothingToDoError(f"The text is one {unit}: nothing is left without it.")

    def score(texts: list[tuple[str, str]]) -> FloatArray:
        full = [Document("", title, body).full_text for title, body in texts]
        vectors = parts.encoder().encode(full, role="document")
        return _scores(tagger, vectors, full)[:, column]

    left_out = pieces[: MOST_PIECES[unit]]
    whole, dropped = drops(item.title, item.text, left_out, score)
    return Occlusion(label, unit, len(pieces), whole, list(zip(left_out, dropped, strict=True)))


def _sentence_pieces(item: Document) -> list[Piece]:
    # A title that the text begins with is no piece of its own: without it the text would still say it.
    own = bool(item.title) and not item.text.startswith(item.title)
    title = [Piece(title=((0, len(item.title)),))] if own else []
    return title + [Piece(text=(span,)) for span in sentences(item.text)]


def _word_pieces(item: Document) -> list[Piece]:
    """Words that tell something, each with all places where it stands, in order of the first."""
    found: dict[str, tuple[list[Span], list[Span]]] = {}
    for number, text in enumerate((item.title, item.text)):
        for match in _WORD.finditer(text):
            if len(match.group()) > 1 and not is_joining(match.group()):
                found.setdefault(stem(match.group()), ([], []))[number].append(match.span())
    return [Piece(tuple(title), tuple(text)) for title, text in found.values()]


def _item(text: Document | str) -> Document:
    item = text if isinstance(text, Document) else Document("text", "", text)
    if not item.full_text.strip():
        raise NothingToDoError("There is no text to explain. Paste one.")
    return item


def _label(parts: Parts, label_id: str) -> Label:
    label = parts.labels_by_id().get(label_id)
    if label is None:
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    return label


# ---- neighbours --------------------------------------------------------------------------------------


def neighbours(parts: Parts, document_id: str, n: int) -> list[Neighbour]:
    """See `Workspace.neighbours`."""
    own = document(parts, document_id)
    view = parts.corpus()
    vectors, known = finding.matrix(parts)
    row = view.document_idx.get(document_id)
    if row is None or not known[row]:
        return []
    likeness = np.where(known, vectors @ vectors[row], -np.inf)
    likeness[row] = -np.inf
    near = [int(i) for i in finding.first(likeness, n) if np.isfinite(likeness[i])]
    documents = [own, *(view.documents[i] for i in near)]
    tags = _tags_of(parts, documents)
    labels = parts.labels_by_id()
    return [
        Neighbour(
            document_id=d.id,
            title=d.title,
            snippet=d.text[:240],
            likeness=float(likeness[i]),
            shared=[labels[x].name for x in tags[0] if x in tags[k] and x in labels][:TAGS],
        )
        for k, (i, d) in enumerate(zip(near, documents[1:], strict=True), start=1)
    ]


def _tags_of(parts: Parts, documents: Sequence[Document]) -> list[list[str]]:
    """Labels of documents: accepted by people, then proposed by the teacher, then the tagger's first."""
    stated = parts.journal.pair_states_of([d.id for d in documents])
    ranked = tagging.ranked(parts, documents, TAGS) if parts.labels_by_id() else [[] for _ in documents]
    found = []
    for d, tags in zip(documents, ranked, strict=True):
        of_state: dict[State, list[str]] = {}
        for pair in stated[d.id]:
            of_state.setdefault(pair.state, []).append(pair.label_id)
        said = [*of_state.get("accepted", []), *of_state.get("proposed", []), *(t.label_id for t in tags)]
        gone = set(of_state.get("rejected", []))
        found.append([x for x in dict.fromkeys(said) if x not in gone])
    return found


def document_of(parts: Parts, text: str) -> str | None:
    """See `Workspace.document_of_text`."""
    view = parts.corpus()
    whole = text.strip()

    def made() -> tuple[object, dict[int, list[int]]]:
        by_length: dict[int, list[int]] = {}
        for i, d in enumerate(view.documents):
            by_length.setdefault(len(d.full_text.strip()), []).append(i)
        return view, by_length

    rows: dict[int, list[int]] = parts.kept("documents by length", id(view), made)[1]
    for i in rows.get(len(whole), ()):
        if view.documents[i].full_text.strip() == whole:
            return view.documents[i].id
    return None
