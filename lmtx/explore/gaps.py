"""Documents that no label fits, in groups, each with the words that tell it from the corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmtx.shortlist.tokenizer import Tokenizer
from lmtx.types import FloatArray

SMALLEST = 5
"""Documents that make a group; fewer are strays."""
MOST_GROUPS = 40
TERMS = 6
READ = 1500
"""Characters of a text that are read for its words."""
_HUNDRED = 100


@dataclass(frozen=True)
class Group:
    """Documents that are alike.

    rows : int64 (n,), rows of what was grouped, the most typical first
    closeness : mean cosine of the documents to their centre, in [-1, 1]
    terms : words that tell them from the corpus, the most telling first
    shares : share of its documents in which each term occurs
    """

    rows: NDArray[np.int64]
    closeness: float
    terms: tuple[str, ...]
    shares: tuple[float, ...]


def grouped(vectors: FloatArray, seed: int = 0) -> list[tuple[NDArray[np.int64], float]]:
    """Put documents into groups of like ones, the closest first; what is left over is in none.

    Parameters
    ----------
    vectors : float32 (n_docs, dim)
        Of unit length.
    seed : int

    Returns
    -------
    list of (rows, closeness)
        Rows int64, the most typical first; mean cosine to the centre.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    n = len(vectors)
    if n < SMALLEST:
        return []
    # Groups of some thirty documents: small enough for one meaning, large enough for a label.
    k = int(np.clip(round(n / 30), 1, MOST_GROUPS))
    maker = MiniBatchKMeans if n > 5000 else KMeans
    found = maker(k, n_init=3, random_state=seed).fit_predict(vectors)
    out = []
    for group in range(k):
        rows = np.flatnonzero(found == group)
        if len(rows) < SMALLEST:
            continue
        centre = vectors[rows].mean(axis=0)
        cosine = vectors[rows] @ (centre / max(float(np.linalg.norm(centre)), 1e-9))
        out.append((rows[np.argsort(-cosine, kind="stable")], float(cosine.mean())))
    return sorted(out, key=lambda item: -item[1])


def terms_of(
    texts: Sequence[str],
    groups: Sequence[NDArray[np.int64]],
    background: Sequence[str],
    skip: Callable[[str], bool],
) -> list[list[tuple[str, float]]]:
    """Words that tell each group from the background, with the share of its documents that have them.

    A word counts by its documents, as its share in the group times the logarithm of how many times as
    frequent it is there: the word's part in the divergence of the group from the background (Kullback and
    Leibler, 1951). Smoothed by one half, so that a word of one document tells little.

    Parameters
    ----------
    texts : sequence of str
        What was grouped.
    groups : sequence of int64 arrays
        Rows of `texts`.
    background : sequence of str
        A sample of the corpus.
    skip : callable
        Says of a word that it tells a reader nothing.
    """
    tokenizer = Tokenizer()
    there = _frequencies(background, tokenizer)
    n_there = len(background)
    out = []
    for rows in groups:
        here = _frequencies([texts[int(i)] for i in rows], tokenizer)
        n = len(rows)
        least = max(2, round(0.1 * n))
        scored = []
        for word, count in here.items():
            if count < least or len(word) < 2 or word.isdigit() or skip(word):
                continue
            times = ((count + 0.5) / (n + 1)) / ((there.get(word, 0) + 0.5) / (n_there + 1))
            if times > 1.5:
                scored.append((count / n * float(np.log(times)), word, count / n))
        scored.sort(key=lambda item: (-item[0], item[1]))
        out.append([(word, share) for _, word, share in scored[:TERMS]])
    return out


def _frequencies(texts: Sequence[str], tokenizer: Tokenizer) -> Counter[str]:
    count: Counter[str] = Counter()
    for text in texts:
        count.update(set(tokenizer(text[:READ])))
    return count


def lowest(fit: NDArray[np.floating], share: float) -> float:
    """Return the fit below which so great a share of documents lies; NaN stands for not known."""
    known = fit[~np.isnan(fit)]
    return float(np.percentile(known, _HUNDRED * share)) if len(known) else float("nan")


__all__ = ["MOST_GROUPS", "SMALLEST", "Group", "grouped", "lowest", "terms_of"]
