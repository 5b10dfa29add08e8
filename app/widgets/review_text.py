"""The text of a document under review: long ones fold around the evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

from app.widgets import words
from app.widgets.inert import escape, marked
from lmtx.review import sentences
from lmtx.types import Document

HEIGHT = 560
"""Pixels of the place where a text is read."""
ROOM = 1180
"""Characters that fit there, without a title; what is longer folds."""
_FEWEST = 450
_TITLE = 1.5  # a title is set larger
_LINE = 28  # what a line break costs, and a gap
_OPENING = 300
_SMALL_GAP = 90
_PIECE = 260
_LISTED = re.compile(r"(?<=[;:]) +(?=\(?\w)")

Span = tuple[int, int]


def folded(text: str, evidence: Sequence[Span], room: int = ROOM) -> list[Span]:
    """Stretches of a long text that show: how it begins, and sentences with evidence and their neighbours.

    Parameters
    ----------
    text : str
    evidence : sequence of (start, end)
        Where the evidence lies, what says most first.
    room : int
        Characters that there is room for.

    Returns
    -------
    list of (start, end)
        Ordered and apart; the whole text where it fits.
    """
    parts = _pieces(text)
    if _size(text) <= room or len(parts) < 4:
        return [(0, len(text))]
    hit = [i for s, e in evidence for i, (a, b) in enumerate(parts) if s < b and e > a]
    first = [i for i, (start, _) in enumerate(parts) if i > 0 and start < _OPENING]
    near = [i + step for step in (1, -1) for i in hit]
    keep, left = {0}, room - _size(text[slice(*parts[0])])
    for i in [*hit, *first, *near]:
        size = _size(text[slice(*parts[min(max(i, 0), len(parts) - 1)])]) + _LINE
        if 0 <= i < len(parts) and i not in keep and (size <= left or i in hit[:1]):
            keep.add(i)
            left -= size
    spans: list[Span] = []
    for i in sorted(keep):
        start, end = parts[i]
        if spans and start - spans[-1][1] <= _SMALL_GAP:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(text) - spans[-1][1] <= _SMALL_GAP:
        spans[-1] = (spans[-1][0], len(text))
    return spans


def _size(text: str) -> int:
    return len(text) + _LINE * text.count("\n")


def _pieces(text: str) -> list[Span]:
    """Sentences; of a very long one, the members of what it lists."""
    out: list[Span] = []
    for start, end in sentences(text):
        cuts = [start]
        if end - start > _PIECE:
            cuts += [m.start() for m in _LISTED.finditer(text, start, end)]
        out += list(pairwise([*cuts, end]))
    return out


def draw(document: Document, words_: Sequence[Span], sentence: Span | None, *, whole: bool) -> bool:
    """Draw title and text with the evidence marked.

    Parameters
    ----------
    document : Document
    words_ : sequence of (start, end)
        Matching words.
    sentence : (start, end) or None
        The sentence nearest in meaning.
    whole : bool
        Whether to show all of a long text.

    Returns
    -------
    bool
        Whether the text is one that folds.
    """
    text = document.text
    evidence = [*([sentence] if sentence else []), *words_]
    room = max(_FEWEST, ROOM - round(_TITLE * len(document.title)))
    short = folded(text, evidence, room)
    spans = [(0, len(text))] if whole else short
    pieces: list[str] = []
    if spans and spans[0][0] > 0:
        pieces.append(_gap(text[: spans[0][0]]))
    for number, (start, end) in enumerate(spans):
        pieces.append(f'<div dir="auto">{_stretch(text, start, end, words_, sentence)}</div>')
        after = spans[number + 1][0] if number + 1 < len(spans) else len(text)
        if after - end > 1:
            pieces.append(_gap(text[end:after]))
    head = f'<div class="lx-doc-title" dir="auto">{escape(document.title)}</div>' if document.title else ""
    st.html(f'<article class="lx-doc" data-key="{escape(document.id)}">{head}{"".join(pieces)}</article>')
    return short != [(0, len(text))]


def _stretch(text: str, start: int, end: int, marks: Sequence[Span], sentence: Span | None) -> str:
    edges = sorted({start, end, *(x for x in sentence or () if start < x < end)})
    out = []
    for a, b in pairwise(edges):
        inside = [(s - a, e - a) for s, e in marks if s < b and e > a]
        piece = marked(text[a:b], inside).replace("\n", "<br>")
        near = sentence is not None and sentence[0] <= a and b <= sentence[1]
        out.append(f'<span class="lx-near">{piece}</span>' if near else piece)
    return "".join(out)


def _gap(text: str) -> str:
    number = len(sentences(text))
    what = words.many(number, "sentence") if number > 1 else "some words"
    return f'<div class="lx-gap">{what} folded · E shows all</div>' if number else ""
