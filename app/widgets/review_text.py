"""The text of a document under review: long ones fold around the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

from app.widgets import words
from app.widgets.inert import escape, marked
from lmtx.review import sentences
from lmtx.types import Document

LONG = 1600
"""Characters from which on a text folds."""
_OPENING = 320
_MOST = 1500
_SMALL_GAP = 160

Span = tuple[int, int]


def folded(text: str, evidence: Sequence[Span]) -> list[Span]:
    """Stretches of a long text that show: its first sentences, and those with evidence and their neighbours.

    Parameters
    ----------
    text : str
    evidence : sequence of (start, end)
        Where the evidence lies, in any order.

    Returns
    -------
    list of (start, end)
        Ordered and apart; the whole text where it is not long.
    """
    parts = sentences(text)
    if len(text) <= LONG or len(parts) < 4:
        return [(0, len(text))]
    keep = {i for i, (start, _) in enumerate(parts) if start < _OPENING}
    size = sum(parts[i][1] - parts[i][0] for i in keep)
    hit = [i for i, (a, b) in enumerate(parts) if any(s < b and e > a for s, e in evidence)]
    for i in hit:
        for near in (i, i - 1, i + 1):
            if 0 <= near < len(parts) and near not in keep and size < _MOST:
                keep.add(near)
                size += parts[near][1] - parts[near][0]
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
    evidence = [*words_, *([sentence] if sentence else [])]
    short = folded(text, evidence)
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
    return (
        f'<div class="lx-gap">{words.many(number, "sentence")} folded · E shows all</div>' if number else ""
    )
