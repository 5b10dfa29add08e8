"""Texts cut into what the baselines pair: titles, sentences and segments of random length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lmtx.types import Document

SHORTEST, LONGEST = 40, 80
"""Words of a segment (RTS, section 3.2)."""

_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*)(?=\s)|[。！？]+|\n+")


def sentences(text: str) -> list[str]:
    """Sentences of a text in their order; a line break ends one too."""
    found, start = [], 0
    for match in _END.finditer(text):
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def title_and_content(document: Document) -> tuple[str, str]:
    """Return what stands for a document's title, and its text.

    A document without a title lends its first sentence, which stays in the text: taking it out there is what
    the inverse cloze task does.
    """
    content = document.text.strip()
    title = document.title.strip()
    if not title:
        title = next(iter(sentences(content)), "")
    return title, content


def without_title(content: Sequence[str], title: str, keep: float, rng: np.random.Generator) -> str:
    """Join sentences after taking the title out of them, each kept as it is with probability `keep`.

    Inverse cloze of MACLR (section 4.1): a content that repeats its title would teach no more than to find
    equal words. Where nothing would be left, the content stays whole.

    Parameters
    ----------
    content : sequence of str
        Sentences.
    title : str
    keep : float
        In [0, 1].
    rng : Generator
    """
    untouched = rng.random(len(content)) < keep
    rest = [s if kept else s.replace(title, "") for s, kept in zip(content, untouched, strict=True)]
    return " ".join(x for x in (s.strip() for s in rest) if x) or " ".join(content)


def segments(
    text: str, rng: np.random.Generator, shortest: int = SHORTEST, longest: int = LONGEST
) -> list[str]:
    """Cut a text into consecutive segments of a random number of words.

    Random text segmentation of RTS, as its published code does it: a text of up to `shortest` words is one
    segment; what is left at the end stands alone from half of `shortest` words on, else it joins the segment
    before. Words are what white space divides, so a text of a script without spaces is one segment.

    Parameters
    ----------
    text : str
    rng : Generator
    shortest, longest : int
        Words, `1 <= shortest <= longest`; both may be drawn.
    """
    words = text.split()
    if not words:
        return []
    if len(words) <= shortest:
        return [" ".join(words)]
    ends = [0]
    while ends[-1] < len(words):
        ends.append(ends[-1] + int(rng.integers(shortest, longest + 1)))
    ends[-1] = len(words)
    if len(ends) > 2 and ends[-1] - ends[-2] < shortest // 2:
        del ends[-2]
    return [" ".join(words[a:b]) for a, b in pairwise(ends)]


def passes(n: int, total: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Row numbers below n, shuffled anew for each pass, until there are `total` of them; int32 (total,)."""
    return np.concatenate(list(_passes(n, total, rng)) or [np.zeros(0, dtype=np.int32)])


def _passes(n: int, total: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    for start in range(0, total, max(1, n)):
        yield rng.permutation(n)[: total - start].astype(np.int32)
