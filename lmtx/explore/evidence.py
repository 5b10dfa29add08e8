"""What in a text meets a search: where its words stand, and the stretch to show of a long text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lmtx.journal.fulltext import query_words, searchable

Span = tuple[int, int]

SNIPPET = 240
"""Characters of a snippet."""
_LEAD = 60  # characters before the first match that are shown with it
_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 3  # letters from which on a word also means those that begin with it, as the search has it


def query_spans(text: str, query: str) -> list[Span]:
    """Where the words of a query stand in a text, by the rules that the search by words finds them by.

    Case and accents are folded; a word of three letters or more also means words that begin with it.

    Returns
    -------
    list of (start, end)
        Ordered, not overlapping.
    """
    phrases = query_words(query)
    words = {phrase[0] for phrase in phrases if len(phrase) == 1}
    # Of scripts without spaces the search knows characters one by one; here their run is looked for.
    runs = ["".join(phrase) for phrase in phrases if len(phrase) > 1]
    spans: list[Span] = []
    if words:
        starts = tuple(w for w in words if len(w) >= _SHORTEST or not w.isascii())
        for match in _WORD.finditer(text):
            folded = searchable(match.group()).strip()
            if folded in words or (starts and folded.startswith(starts)):
                spans.append(match.span())
    for run in runs:
        spans += [m.span() for m in re.finditer(re.escape(run), text)]
    spans.sort()
    return [s for i, s in enumerate(spans) if i == 0 or s[0] >= spans[i - 1][1]]


def snippet(text: str, spans: Sequence[Span], length: int = SNIPPET) -> tuple[str, list[Span]]:
    """Cut a text to a stretch around its first marked words.

    Parameters
    ----------
    text : str
    spans : sequence of (start, end)
        Ordered; the stretch begins a little before the first, at a word, or at the beginning.
    length : int
        Characters, at most; an ellipsis stands where something is left out.

    Returns
    -------
    str
        In one line.
    list of (start, end)
        The marked words that are in it, in its own positions.
    """
    start = 0
    if spans and spans[0][0] > length // 2:
        start = spans[0][0] - _LEAD
        space = text.find(" ", start, spans[0][0])
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + length)
    if end < len(text):
        space = text.rfind(" ", start + length // 2, end)
        end = space if space > 0 else end
    lead = "…" if start else ""
    shown = re.sub(r"\s", " ", text[start:end])
    marks = [
        (max(a, start) - start + len(lead), min(b, end) - start + len(lead))
        for a, b in spans
        if a < end and b > start
    ]
    return f"{lead}{shown}{'…' if end < len(text) else ''}", marks


__all__ = ["SNIPPET", "query_spans", "snippet"]
