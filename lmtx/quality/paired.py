"""Two systems on the same documents: what differs, and whether it is more than chance.

Both were seen on the same documents, so a document that is hard for both says nothing about which is better.
Differences are taken document by document, and a document is the unit that was drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from lmtx.errors import ShapeError
from lmtx.quality.estimates import LEVEL, wilson
from lmtx.quality.sampling import Flags, Numbers

UNKNOWN = (math.nan, -1.0, 1.0)
"""Where fewer than two documents, or no tags, say nothing."""


def mcnemar(gained: ArrayLike, lost: ArrayLike) -> Numbers:
    """Probability of a split at least as uneven, were both systems equally good: McNemar's test, exact.

    Parameters
    ----------
    gained, lost : array-like
        Documents where the new system alone is right, and where the old one alone is. Any shape.

    Returns
    -------
    float64
        Two-sided p, of the same shape; 1 where the systems nowhere differ.

    References
    ----------
    McNemar, Note on the sampling error of the difference between correlated proportions, 1947.
    """
    a, b = np.broadcast_arrays(np.asarray(gained, dtype=np.float64), np.asarray(lost, dtype=np.float64))
    fewer, both = np.minimum(a, b), a + b
    return np.asarray(np.minimum(1.0, 2 * special.bdtr(fewer, both.astype(np.int64), 0.5)), dtype=np.float64)


def false_discoveries(p: ArrayLike, level: float = 0.05) -> Flags:
    """Which of many tests stand out, with at most `level` of those named named wrongly, on average.

    Parameters
    ----------
    p : array-like (n_tests,)
        Probabilities, as of `mcnemar`.

    Returns
    -------
    bool (n_tests,)

    References
    ----------
    Benjamini and Hochberg, Controlling the false discovery rate, 1995.
    """
    found = np.asarray(p, dtype=np.float64)
    if not found.size:
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(stats.false_discovery_control(found) <= level)


def paired_ratio(
    hits_old: ArrayLike, given_old: ArrayLike, hits_new: ArrayLike, given_new: ArrayLike
) -> tuple[float, float, float]:
    """Difference of two ratios of sums, such as precision or recall, on the same documents.

    The ratios are linearised, so that each document has one number and the interval is that of their mean, by
    Student's t.

    Parameters
    ----------
    hits_old, given_old, hits_new, given_new : array-like (n_docs,)
        Of each document, tags that count and all: right and given for precision, right and wanted for recall.

    Returns
    -------
    difference, low, high : float
        New minus old, in [-1, 1]; NaN, -1 and 1 with fewer than two documents or no tags.

    Raises
    ------
    ShapeError
        If the lengths differ.

    References
    ----------
    Cochran, Sampling techniques, 1977, section 6.
    """
    columns = [
        np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (hits_old, given_old, hits_new, given_new)
    ]
    if len({len(x) for x in columns}) != 1:
        lengths = ", ".join(str(len(x)) for x in columns)
        raise ShapeError(f"paired_ratio: lengths {lengths} differ; give one number a document in each.")
    old, of_old, new, of_new = columns
    n = len(old)
    if n < 2 or of_old.sum() <= 0 or of_new.sum() <= 0:
        return UNKNOWN
    before, after = float(old.sum() / of_old.sum()), float(new.sum() / of_new.sum())
    difference = after - before
    e = (new - after * of_new) / of_new.sum() - (old - before * of_old) / of_old.sum()
    squares = float((e**2).sum())
    if squares <= 1e-18:
        # No document tells how much they vary: as many as could go unseen in n may differ by all.
        half = float(wilson(0, n)[1])
    else:
        half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * math.sqrt(squares * n / (n - 1))
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


__all__ = ["false_discoveries", "mcnemar", "paired_ratio"]
