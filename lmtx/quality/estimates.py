"""Estimates from audited decisions, with intervals that hold.

The audit draws pairs (a document, a tag it was given) at random from a reserve of whole documents, itself a
random part of the corpus. Every interval here is about the corpus that the reserve stands for, so two draws
are paid for: of the documents, and of the pairs among them. Nothing here may see decisions that were made
for another reason: a queue that looks for errors finds more of them than there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from lmtx.errors import InputError

LEVEL = 0.95
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A share with its interval.

    Attributes
    ----------
    value : float or None
        None where nothing honest can be said.
    low, high : float
        Interval of level `LEVEL`; (0, 1) where nothing is known.
    n : int
        Audited items behind it.
    population : int
        Items that it is about.
    exact : bool
        Whether all of them were reviewed: then low = value = high.
    """

    value: float | None
    low: float
    high: float
    n: int
    population: int
    exact: bool = False

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class PairAudit:
    """Audited pairs, and what is known of the reserve that they were drawn from, as arrays.

    Attributes
    ----------
    right : float64 (n,)
        1 where a person said that the tag is right, 0 where not.
    proxy : float64 (n,)
        Probability that the tag is right by a model that has not learned from the document.
    document : int64 (n,)
        Row of the reserve's documents.
    reserve_proxy : float64 (n_reserve,)
        The same probability of every pair of the reserve, audited or not.
    reserve_document : int64 (n_reserve,)
        Its document.
    reserve_share : float
        Documents of the reserve among those of the corpus.
    """

    right: Numbers
    proxy: Numbers
    document: NDArray[np.int64]
    reserve_proxy: Numbers
    reserve_document: NDArray[np.int64]
    reserve_share: float = 0.0


def wilson(successes: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[Numbers, Numbers]:
    """Wilson score interval of shares; arrays, n = 0 gives (0, 1). `n` may be an effective size.

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference. JASA 22, 1927.
    """
    s, m = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    z = float(special.ndtri((1 + level) / 2))
    safe = np.maximum(m, 1e-12)
    p = s / safe
    centre = (p + z * z / (2 * safe)) / (1 + z * z / safe)
    half = z * np.sqrt(np.maximum(p * (1 - p) / safe + z * z / (4 * safe * safe), 0)) / (1 + z * z / safe)
    low = np.where(m > 0, np.maximum(0.0, centre - half), 0.0)
    high = np.where(m > 0, np.minimum(1.0, centre + half), 1.0)
    return np.where(s <= 0, 0.0, low), np.where((s >= m) & (m > 0), 1.0, high)


def effective_size(n: ArrayLike, population: ArrayLike) -> Numbers:
    """Size of a sample with replacement that tells as much as `n` of `population` without: n (N-1)/(N-n).

    Infinite where everything was drawn.
    """
    m, total = np.asarray(n, dtype=np.float64), np.asarray(population, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > m, m * (total - 1) / np.maximum(total - m, 1e-12), np.inf))


def label_estimates(accepted: ArrayLike, n: ArrayLike, population: ArrayLike) -> tuple[Numbers, Numbers]:
    """Intervals of the precision of labels: Wilson with finite-population correction.

    Parameters
    ----------
    accepted, n, population : array-like (n_labels,)
        Audited pairs that are right, audited pairs, and pairs of the corpus that carry the label.

    Returns
    -------
    low, high : float64 (n_labels,)
        Equal where all were audited.
    """
    s, m = np.asarray(accepted, dtype=np.float64), np.asarray(n, dtype=np.float64)
    size = effective_size(m, population)
    share = np.divide(s, m, out=np.zeros_like(s), where=m > 0)
    complete = np.isinf(size) & (m > 0)
    finite = np.where(np.isinf(size), 0.0, size)
    low, high = wilson(share * finite, finite)
    return np.where(complete, share, low), np.where(complete, share, high)


def share_of(accepted: int, n: int, population: int) -> Interval:
    """Interval of one label, or of any uniform sample of pairs; see `label_estimates`."""
    low, high = label_estimates([accepted], [n], [population])
    value = accepted / n if n else None
    return Interval(value, float(low[0]), float(high[0]), n, population, exact=bool(n and n >= population))


def overall(audit: PairAudit) -> Interval:
    """Precision of all tags, by prediction-powered inference with Wilson's form.

    The estimate is the mean of `right` on the audited pairs, corrected by what the proxy says of the whole
    reserve: mean(right - w proxy) + w mean(proxy of the reserve), with the w that leaves least variance. The
    variance is that of both draws, with documents as clusters.

    References
    ----------
    Angelopoulos, Duchi, Zrnic: PPI++: efficient prediction-powered inference. 2023.
    Särndal, Swensson, Wretman: Model assisted survey sampling, 1992, chapter 9 (two-phase sampling).
    """
    y, f = audit.right, audit.proxy
    n, total = len(y), len(audit.reserve_proxy)
    corpus = round(total / audit.reserve_share) if audit.reserve_share else total
    if n < 2:
        return Interval(None, 0.0, 1.0, n, corpus)
    drawn = n / total
    spread = float(np.var(f, ddof=1))
    weight = float(np.cov(y, f)[0, 1]) / spread if spread > 1e-12 else 0.0
    proxies = audit.reserve_proxy - audit.reserve_proxy.mean()
    e = y - weight * f
    value = float(e.mean() + weight * audit.reserve_proxy.mean())
    e = e - e.mean()
    n_docs = int(audit.reserve_document.max()) + 1
    in_sample = np.bincount(audit.document, weights=e, minlength=n_docs)
    in_reserve = np.bincount(audit.reserve_document, weights=weight * proxies, minlength=n_docs)
    # The sum of squares over documents pays for both draws, of pairs and of documents, whose pairs are alike.
    # What the reserve has used up of the corpus is no longer uncertain.
    drawn_of_corpus = drawn * (audit.reserve_share or 1.0)
    clustered = float((in_sample**2).sum()) / n**2 * n / (n - 1)
    variance = clustered * (1 - drawn_of_corpus)
    if audit.reserve_share:
        outside = 1 - audit.reserve_share
        variance += outside * float((in_reserve**2).sum()) / total**2
        variance += 2 * outside * float((in_sample * in_reserve).sum()) / (n * total)
    single = float((e**2).sum()) / n**2
    variance = max(variance, single * 1e-3)
    value = min(1.0, max(0.0, value))
    inner = min(max(value, 0.5 / n), 1 - 0.5 / n)
    # Where all answers are alike nothing tells how much pairs of one document are: each counts as one.
    size = inner * (1 - inner) / variance if single > 1e-12 else float(len(np.unique(audit.document)))
    low, high = wilson(value * size, size)
    return Interval(value, float(low), float(high), n, corpus)


def weighted_share(
    right: Numbers, weight: Numbers, population: int, document: NDArray[np.int64] | None = None
) -> Interval:
    """Precision of a group of labels: Hájek's ratio with Kish's effective size and Wilson's form.

    Parameters
    ----------
    right, weight : float64 (n,)
        Answers, and one over each pair's inclusion probability.
    population : int
        Pairs of the corpus in the group.
    document : int64 (n,), optional
        Rows of documents: then the likeness of pairs of one document widens the interval.

    References
    ----------
    Hájek, Comment on "An essay on the logical foundations of survey sampling", 1971.
    Kish, Survey sampling, 1965.
    """
    n = len(right)
    if not n:
        return Interval(None, 0.0, 1.0, 0, population)
    total = float(weight.sum())
    value = float((weight * right).sum()) / total
    size = total**2 / float((weight**2).sum())
    if document is not None and 0 < value < 1:
        e = weight * (right - value)
        clustered = float((np.bincount(document, weights=e) ** 2).sum())
        size /= max(1.0, clustered / max(float((e**2).sum()), 1e-12))
    size = float(effective_size(min(size, population), population)) if n < population else math.inf
    if math.isinf(size):
        return Interval(value, value, value, n, population, exact=True)
    low, high = wilson(value * size, size)
    return Interval(value, float(low), float(high), n, population)


def document_ratio(hits: Numbers, wanted: Numbers, n_documents: int) -> Interval:
    """Share of wanted tags with some property, from documents that were audited as a whole.

    Parameters
    ----------
    hits, wanted : float64 (m,)
        Of each audited document: wanted tags that have the property, and all wanted tags.
    n_documents : int
        Documents of the corpus.
    """
    m, total = len(wanted), float(wanted.sum()) if len(wanted) else 0.0
    if m < 2 or total <= 0:
        return Interval(None, 0.0, 1.0, m, n_documents)
    value = float(hits.sum()) / total
    e = hits - value * wanted
    variance = max(0.0, 1 - m / n_documents) * m / (m - 1) * float((e**2).sum()) / total**2
    if m >= n_documents:
        return Interval(value, value, value, m, n_documents, exact=True)
    inner = min(max(value, 0.5 / total), 1 - 0.5 / total)
    size = inner * (1 - inner) / variance if variance > 0 else total
    low, high = wilson(value * min(size, total), min(size, total))
    return Interval(value, float(low), float(high), m, n_documents)


# ---- promises -------------------------------------------------------------------------------------


def confidence_sequence(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a share that holds at all times at once, however often and whenever one looks.

    It has the shares whose likelihood is not beaten by a uniform mixture by more than 1 / (1 - level); pairs
    may be drawn without replacement.

    References
    ----------
    Robbins, Statistical methods related to the law of the iterated logarithm, 1970.
    Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021.
    """
    if not 0 <= successes <= n:
        raise InputError(f"confidence_sequence: {successes} successes of {n}. Give 0 <= successes <= n.")
    if n == 0:
        return 0.0, 1.0
    bound = float(special.betaln(1 + successes, 1 + n - successes)) + math.log(1 - level)
    share = successes / n

    def inside(p: float) -> bool:
        return bool(special.xlogy(successes, p) + special.xlog1py(n - successes, -p) > bound)

    def edge(outer: float) -> float:
        near, far = share, outer
        if inside(far):
            return far
        for _ in range(60):
            middle = (near + far) / 2
            near, far = (middle, far) if inside(middle) else (near, middle)
        return near

    return edge(0.0), edge(1.0)


def lower_bound(successes: int, n: int, level: float = LEVEL) -> float:
    """One-sided lower bound of a share by Clopper and Pearson, exact at one look."""
    if n == 0 or successes == 0:
        return 0.0
    return float(special.betaincinv(successes, n - successes + 1, 1 - level))


def promised_threshold(
    probability: Numbers, right: Numbers, target: float, steps: ArrayLike, level: float = LEVEL
) -> float | None:
    """Lowest threshold whose tags are right with at least `target`, promised with `level`.

    Thresholds are tested in a fixed order, the highest first, and the first that can't be promised ends it:
    so looking at many costs nothing. Those with too few pairs to be promised whatever the answers are left
    out, which does not look at answers.

    Parameters
    ----------
    probability, right : float64 (n,)
        Of audited pairs drawn uniformly: the tagger's probability, and whether a person said it is right.
    target : float
    steps : array-like
        Thresholds to try, set before anything was looked at.

    Returns
    -------
    float or None
        None where not even the highest can be promised.

    References
    ----------
    Bauer, Multiple testing in clinical trials, 1991 (fixed sequences). Clopper, Pearson, 1934.
    """
    promised: float | None = None
    for step in sorted({float(x) for x in np.asarray(steps, dtype=np.float64)}, reverse=True):
        above = probability >= step
        n = int(above.sum())
        if lower_bound(n, n, level) < target:
            continue
        if lower_bound(int(right[above].sum()), n, level) < target:
            break
        promised = step
    return promised
