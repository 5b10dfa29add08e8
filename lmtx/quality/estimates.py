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
from numpy.typing import ArrayLike
from scipy import special

from lmtx.quality.sampling import AuditedPairs, Flags, Numbers, Rows, Sample, sample_of

LEVEL = 0.95
FEW = 1.5
"""Up to so many answers of a kind Wilson's interval is mended; see `near_the_edge`."""


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
    """Intervals of the precision of labels: Wilson with finite-population correction, mended at the edges.

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
    low, high = near_the_edge(share, finite, *wilson(share * finite, finite))
    return np.where(complete, share, low), np.where(complete, share, high)


def near_the_edge(share: Numbers, size: Numbers, low: Numbers, high: Numbers) -> tuple[Numbers, Numbers]:
    """Widen Wilson's interval where all answers but one are alike: there it holds too seldom.

    Of five answers four are right: Wilson's interval ends at .964, and a label of .97 gives such answers one
    time in seven. With one of a kind, the bound on its side is that of a Poisson count. (One, as a size that
    knows of the finite population makes a little more of it.)

    Parameters
    ----------
    share, size, low, high : float64 (n_labels,)

    References
    ----------
    Brown, Cai, DasGupta, Interval estimation for a binomial proportion, Statistical Science 16, 2001, 4.1.1.
    """
    safe = np.maximum(size, 1e-12)
    few_right, few_wrong = share * size, (1 - share) * size
    least = special.gammaincinv(np.maximum(few_right, 1e-12), 1 - LEVEL) / safe
    most = 1 - special.gammaincinv(np.maximum(few_wrong, 1e-12), 1 - LEVEL) / safe
    some = size > 0
    return (
        np.where(some & (few_right <= FEW), np.minimum(low, least), low),
        np.where(some & (few_wrong <= FEW), np.maximum(high, most), high),
    )


def share_of(accepted: int, n: int, population: int) -> Interval:
    """Interval of one label, or of any uniform sample of pairs; see `label_estimates`."""
    low, high = label_estimates([accepted], [n], [population])
    value = accepted / n if n else None
    return Interval(value, float(low[0]), float(high[0]), n, population, exact=bool(n and n >= population))


def overall(pairs: AuditedPairs, sample: Sample | None = None) -> Interval:
    """Precision of all tags, by prediction-powered inference with Wilson's form.

    The estimate is the weighted mean of the answers, corrected by what the proxy says of the whole reserve:
    mean(right - w proxy) + w mean(proxy of the reserve), with the w that leaves least variance. The variance
    is that of both draws, with documents as clusters. What nothing was drawn of widens the interval by its
    whole share.

    Parameters
    ----------
    pairs : AuditedPairs
        All tags of the reserve.
    sample : Sample, optional
        Those that count; `sample_of(pairs)` where None.

    References
    ----------
    Angelopoulos, Duchi, Zrnic: PPI++: efficient prediction-powered inference. 2023.
    Särndal, Swensson, Wretman: Model assisted survey sampling, 1992, chapter 9 (two-phase sampling).
    """
    sample = sample or sample_of(pairs)
    n = len(sample.rows)
    corpus = round(len(pairs) / pairs.reserve_share) if pairs.reserve_share else len(pairs)
    y, f, document = pairs.right[sample.rows], pairs.proxy[sample.rows], pairs.document[sample.rows]
    clusters = len(np.unique(document))
    if clusters < 2:  # one document tells nothing of how much documents differ
        return Interval(None, 0.0, 1.0, n, corpus)
    # Figures of the part that something was drawn of; the rest widens the interval by all that it may be.
    proxy, of_document = pairs.proxy[sample.drawn], pairs.document[sample.drawn]
    total = len(proxy)
    share = sample.weight / sample.weight.sum()
    mean_f, mean_y = float(share @ f), float(share @ y)
    spread = float(share @ (f - mean_f) ** 2)
    slope = float(share @ ((f - mean_f) * (y - mean_y))) / spread if spread > 1e-12 else 0.0
    value = mean_y + slope * (float(proxy.mean()) - mean_f)
    residual = y - mean_y - slope * (f - mean_f)
    e = share * residual
    n_docs = int(pairs.document.max()) + 1
    in_sample = np.bincount(document, weights=e, minlength=n_docs)
    in_reserve = np.bincount(of_document, weights=slope * (proxy - proxy.mean()) / total, minlength=n_docs)
    # The sum of squares over documents pays for both draws, of pairs and of documents, whose pairs are alike.
    # What the reserve has used up of the corpus is no longer uncertain.
    drawn_of_corpus = n / total * (pairs.reserve_share or 1.0)
    single = float((e**2).sum())
    # A part of which few were drawn may show less spread than it has: it gets that of all.
    alike = float((share**2).sum()) * float(share @ residual**2)
    variance = float((in_sample**2).sum()) + max(0.0, alike - single)
    variance *= clusters / (clusters - 1) * (1 - drawn_of_corpus)
    if pairs.reserve_share:
        outside = 1 - pairs.reserve_share
        variance += outside * float((in_reserve**2).sum() + 2 * (in_sample * in_reserve).sum())
    variance = max(variance, single * 1e-3)
    found = _by_size(value, variance, n, clusters - 2, float(clusters) if single <= 1e-12 else None)
    low, high = _widened(found[0], found[1], float(sample.unknown[0]))
    # The best guess takes the rest for what its proxies say.
    value = mean_y + slope * (float(pairs.proxy.mean()) - mean_f)
    return Interval(min(high, max(low, round(value, 12))), low, high, n, corpus)


def _by_size(
    value: float, variance: float, n: float, freedom: int, size: float | None = None
) -> tuple[float, float]:
    """Interval by Wilson with the size of a simple sample that has such a variance.

    With few documents the variance is not well known itself: so by Student's t, which shrinks the size.
    """
    value = round(min(1.0, max(0.0, value)), 12)
    if size is None:
        inner = min(max(value, 0.5 / n), 1 - 0.5 / n)
        size = inner * (1 - inner) / max(variance, 1e-18)
        size *= (float(special.ndtri((1 + LEVEL) / 2)) / t_quantile(max(1, freedom))) ** 2
    low, high = wilson(value * size, size)
    return float(low), float(high)


def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t."""
    return float(special.stdtrit(freedom, (1 + level) / 2))


def _widened(low: float, high: float, unknown: float) -> tuple[float, float]:
    """Let a share of which nothing was drawn be anything."""
    return (1 - unknown) * low, (1 - unknown) * high + unknown


def weighted_share(
    right: Numbers, weight: Numbers, population: int, document: Rows | None = None, unknown: float = 0.0
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
    unknown : float
        Share of the group of which nothing was drawn.

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
    size = total**2 / float((weight**2).sum()) / likeness(right, weight, document)
    size = float(effective_size(min(size, population), population)) if n < population else math.inf
    if math.isinf(size):
        low, high = _widened(value, value, unknown)
        return Interval(value, low, high, n, population, exact=unknown <= 0)
    bounds = wilson(value * size, size)
    low, high = _widened(float(bounds[0]), float(bounds[1]), unknown)
    return Interval(value, low, high, n, population)


def likeness(right: Numbers, weight: Numbers, document: Rows | None) -> float:
    """By how much answers on one document are alike: the design effect of clusters, at least 1."""
    if document is None or not len(right):
        return 1.0
    e = weight * (right - float((weight * right).sum()) / float(weight.sum()))
    single = float((e**2).sum())
    if single <= 1e-12:  # all alike: nothing tells, so that each document counts as one
        return len(right) / len(np.unique(document))
    return max(1.0, float((np.bincount(document, weights=e) ** 2).sum()) / single)


@dataclass(frozen=True)
class LabelFigures:
    """Precision of every label, as arrays with a row a label.

    Attributes
    ----------
    right, n : int64 (n_labels,)
        Audited pairs that count: those that are right, and all.
    given : int64 (n_labels,)
        Reserved documents that carry the label.
    population : int64 (n_labels,)
        Documents of the corpus that carry it, about.
    value : float64 (n_labels,)
        Precision; NaN where nothing was audited.
    low, high : float64 (n_labels,)
    size : float64 (n_labels,)
        Answers with replacement that tell as much; inf where all are known.
    """

    right: Rows
    n: Rows
    given: Rows
    population: Rows
    value: Numbers
    low: Numbers
    high: Numbers
    size: Numbers


def by_label(pairs: AuditedPairs, n_labels: int, earlier: Flags | None = None) -> LabelFigures:
    """Precision of labels: Wilson with finite-population correction, nothing borrowed from other labels.

    A label counts what was audited of it in its own random order, so that one may be audited further than
    the others. `earlier` as for `sample_of`.
    """
    sample = sample_of(pairs, pairs.label, earlier, n_labels)
    label, y, w = pairs.label[sample.rows], pairs.right[sample.rows], sample.weight

    def summed(values: Numbers) -> Numbers:
        return np.bincount(label, weights=values, minlength=n_labels).astype(np.float64)

    n = np.bincount(label, minlength=n_labels)
    total = summed(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = summed(w * y) / total
        kish = total**2 / summed(w**2)
    given = np.bincount(pairs.label, minlength=n_labels)
    corpus = np.rint(given / (pairs.reserve_share or 1.0))
    population = np.maximum(corpus, n).astype(np.int64)
    some = n > 0
    size = np.where(some, effective_size(np.where(some, np.minimum(kish, population), 0.0), population), 0.0)
    done = some & np.isinf(size) & (sample.unknown <= 0)
    share = np.where(some, value, 0.0)
    finite = np.where(np.isinf(size), n, size)
    low, high = near_the_edge(share, finite, *wilson(share * finite, finite))
    known = 1 - sample.unknown
    low, high = low * known, high * known + sample.unknown
    return LabelFigures(
        right=summed(y).astype(np.int64),
        n=n,
        given=given,
        population=population,
        value=value,
        low=np.where(done, share, np.where(some, low, 0.0)),
        high=np.where(done, share, np.where(some, high, 1.0)),
        size=size,
    )


def macro(pairs: AuditedPairs, n_labels: int, earlier: Flags | None = None) -> Interval:
    """Mean of the precision of labels, over those that reserved documents are given.

    A pair counts one over the size of its label, so that also labels of which nothing was audited count:
    their pairs had their chance in the draw. So it is wide where many labels are rare. Labels that no
    document of the reserve is given are left out; they are the rarest.

    Returns
    -------
    Interval
        `population` are the labels.
    """
    sample = sample_of(pairs, earlier=earlier)
    given = np.bincount(pairs.label, minlength=n_labels)
    n_given = int((given > 0).sum())
    rows = sample.rows
    each = 1 / given[pairs.label]
    weight = sample.weight * each[rows]
    endless = len(pairs) * 1000
    unknown = float(each[~sample.drawn].sum()) / max(1, n_given)
    found = weighted_share(pairs.right[rows], weight, endless, pairs.document[rows], unknown)
    return Interval(found.value, found.low, found.high, found.n, n_given)


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
    if m >= n_documents:
        return Interval(value, value, value, m, n_documents, exact=True)
    squares = float(((hits - value * wanted) ** 2).sum())
    variance = (1 - m / n_documents) * m / (m - 1) * squares / total**2
    # Where all documents are alike nothing tells how much their tags are: each counts as one.
    size = float((wanted > 0).sum()) if squares <= 1e-12 else None
    low, high = _by_size(value, variance, total, m - 1, size)
    return Interval(value, low, high, m, n_documents)


def shares_of_documents(parts: Numbers, n_documents: int) -> list[Interval]:
    """Shares that add up to one, from documents that were audited as a whole.

    Parameters
    ----------
    parts : float64 (m, n_parts)
        Of each audited document: how many tags fell to each part.
    n_documents : int
        Documents of the corpus.
    """
    whole = parts.sum(axis=1)
    return [document_ratio(parts[:, j], whole, n_documents) for j in range(parts.shape[1])]
