"""Which pieces of a text matter for a score: leave one out after the other, and see how far it drops.

Occlusion after Zeiler & Fergus, ECCV 2014 (section 4.2), and for texts Li, Monroe & Jurafsky,
arXiv:1612.08220 ("representation erasure"). It explains any scorer, at the cost of scoring the text once a
piece. Pieces that say the same thing hide each other: leaving one of two out changes little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lmtx.types import FloatArray

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Stretches of title and text that are left out together.

    Attributes
    ----------
    title, text : tuple of (start, end)
        Ordered, not overlapping.
    """

    title: tuple[Span, ...] = ()
    text: tuple[Span, ...] = ()


def without(text: str, spans: Sequence[Span]) -> str:
    """Return a text without stretches of it; a space stands where words would else run together."""
    kept: list[str] = []
    at = 0
    for start, end in [*spans, (len(text), len(text))]:
        kept.append(text[at:start].strip() if spans else text[at:start])
        at = end
    return " ".join(x for x in kept if x)


def drops(
    title: str,
    text: str,
    pieces: Sequence[Piece],
    score: Callable[[list[tuple[str, str]]], FloatArray],
) -> tuple[float, list[float]]:
    """Score a text whole, and once without each piece.

    Parameters
    ----------
    title, text : str
    pieces : sequence of Piece
    score : callable
        Takes (title, text) of several and returns a score of each, shape (n,). Called once.

    Returns
    -------
    float
        Score of the whole.
    list of float
        By how much it drops without each piece; negative where the piece speaks against.
    """
    asked = [(title, text)]
    asked += [(without(title, p.title), without(text, p.text)) for p in pieces]
    found = score(asked)
    whole = float(found[0])
    return whole, [whole - float(x) for x in found[1:]]


__all__ = ["Piece", "drops", "without"]
