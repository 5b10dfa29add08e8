"""What a label with few answers borrows from the others: a guess, drawn as such.

Labels differ, and a label's own interval is all that holds. But a label with two answers is more likely to be
like the others, and like what the tagger's probabilities say of it, than like either of its answers. The
range here says so; it is not a 95 % interval: on debtags it held 92 % of the labels with 30 tags or more from
1,000 audited pairs, and one that is unlike the others in 38 % of draws.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from lmtx.errors import ShapeError
from lmtx.quality.estimates import LEVEL
from lmtx.quality.sampling import Numbers

LEAST, MOST = 2.0, 500.0
"""Answers that the others may be worth to a label, before halving."""
FEW = 60
"""Up to so many tags without an answer they are counted, beyond they are a share."""
TYPICAL, SPREAD = math.log(10.0), 1.5
"""Where the answers say nothing of how alike labels are (one a label), about ten; the logarithm's spread."""


def pooled(
    right: ArrayLike, n: ArrayLike, prior_mean: ArrayLike, population: ArrayLike | None = None
) -> tuple[Numbers, Numbers, Numbers]:
    """Range of each label's precision, borrowed from all of them: beta-binomial, by empirical Bayes.

    A label's precision is taken as drawn around its prior mean, shifted on the logit scale so that it agrees
    with the answers on average. How near it is drawn is the most likely value over all labels, halved, which
    is safer. The range holds the middle 95 % of what is then believed.

    Parameters
    ----------
    right, n : array-like (n_labels,)
        Audited pairs that are right, and all.
    prior_mean : array-like (n_labels,)
        Mean probability of the label's tags, in [0, 1].
    population : array-like (n_labels,), optional
        Tags that the label has, at least n. A label of few tags may well be all right or all wrong: its
        range is that of the answers to come. Endless where None.

    Returns
    -------
    value, low, high : float64 (n_labels,)
        NaN, 0 and 1 for all labels where nothing was audited at all.

    Raises
    ------
    ShapeError
        If the lengths differ.

    References
    ----------
    Efron and Morris, Data analysis using Stein's estimator and its generalizations, JASA 1975.
    """
    s, m, mean = (np.asarray(x, dtype=np.float64) for x in (right, n, prior_mean))
    total = np.full(s.shape, np.inf) if population is None else np.asarray(population, dtype=np.float64)
    if len({s.shape, m.shape, mean.shape, total.shape}) > 1:
        shapes = ", ".join(str(x.shape) for x in (s, m, mean, total))
        raise ShapeError(f"pooled: shapes {shapes} differ; give one row a label.")
    if m.sum() <= 0:
        return np.full(s.shape, np.nan), np.zeros(s.shape), np.ones(s.shape)
    mean = _agreeing(s, m, np.nan_to_num(mean, nan=float(s.sum() / m.sum())))
    strength = _strength(s, m, mean) / 2
    a, b = strength * mean + s, strength * (1 - mean) + m - s
    value = a / (a + b)
    tail = (1 - LEVEL) / 2
    low, high = (np.asarray(special.betaincinv(a, b, x), dtype=np.float64) for x in (tail, 1 - tail))
    rest = np.maximum(total - m, 0.0)
    some = np.isfinite(total) & (total > 0)
    few = some & (rest <= FEW)
    with np.errstate(invalid="ignore"):
        value = np.where(some, (s + np.where(some, rest, 0.0) * value) / np.where(some, total, 1.0), value)
        least, most = (s + np.where(some, rest, 0.0) * x for x in (low, high))
        low, high = (
            np.where(some, x / np.where(some, total, 1.0), y) for x, y in ((least, low), (most, high))
        )
    if few.any():
        first, last = _to_come(rest[few], a[few], b[few], tail)
        low[few], high[few] = (s[few] + first) / total[few], (s[few] + last) / total[few]
    # Where all is near 0 or 1, the mean may lie outside.
    return np.clip(value, low, high), low, high


def _to_come(rest: Numbers, a: Numbers, b: Numbers, tail: float) -> tuple[Numbers, Numbers]:
    """How many of the answers to come will be right: the quantiles of a beta-binomial distribution."""
    k = np.arange(FEW + 1, dtype=np.float64)
    m, alpha, beta = rest[:, None], a[:, None], b[:, None]
    left = np.maximum(m - k, 0.0)
    ways = special.gammaln(m + 1) - special.gammaln(k + 1) - special.gammaln(left + 1)
    chance = np.exp(ways + special.betaln(k + alpha, left + beta) - special.betaln(alpha, beta))
    below = np.cumsum(np.where(k <= m, chance, 0.0), axis=1)
    first = (below >= tail).argmax(axis=1)
    last = np.where(below[:, -1] < 1 - tail, rest, (below >= 1 - tail).argmax(axis=1))
    return first.astype(np.float64), last.astype(np.float64)


def _agreeing(right: Numbers, n: Numbers, mean: Numbers) -> Numbers:
    """Shift prior means so that their mean over audited pairs is the share that is right."""
    # Half an answer of each kind more, so that no share is 0 or 1.
    share = (float(right.sum()) + 0.5) / (float(n.sum()) + 1)
    logit = special.logit(np.clip(mean, 1e-3, 1 - 1e-3))
    of = n / n.sum()

    def off(shift: float) -> float:
        return float(of @ special.expit(logit + shift)) - share

    shift = float(optimize.brentq(off, -30.0, 30.0))
    return np.clip(special.expit(logit + shift), 1e-3, 1 - 1e-3)


def _strength(right: Numbers, n: Numbers, mean: Numbers) -> float:
    """How many answers the prior mean is worth: the most likely, by a weak guess where nothing tells."""
    some = n > 0
    s, m, p = right[some], n[some], mean[some]

    def loss(log_strength: float) -> float:
        a = math.exp(log_strength) * p
        b = math.exp(log_strength) - a
        likely = float((special.betaln(a + s, b + m - s) - special.betaln(a, b)).sum())
        return ((log_strength - TYPICAL) / SPREAD) ** 2 / 2 - likely

    found = optimize.minimize_scalar(loss, bounds=(math.log(LEAST), math.log(MOST)), method="bounded")
    return math.exp(float(found.x))


__all__ = ["pooled"]
