"""Several systems on the same documents: what each reaches, and by how much it differs from one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lmtx.errors import InputError, ShapeError
from lmtx.quality.estimates import LEVEL
from lmtx.quality.ranking import (
    Float64,
    hits,
    inverse_propensities,
    of_documents,
    padded,
    propensity_gains,
)
from lmtx.types import IntArray

MEASURES = (
    "P@1",
    "P@3",
    "P@5",
    "R@10",
    "nDCG@5",
    "PSP@1",
    "PSP@3",
    "PSP@5",
    "R@10 tail",
    "R@10 macro",
)
"""What is measured; see `measured`."""

TAIL_SHARE = 0.2
"""Share of all gold tags that the tail's labels hold at most."""
RESAMPLES = 1000
FEWEST = 10
"""Documents from which there are intervals."""
_BLOCK = 50  # resamples at a time, so that many documents fit into memory


@dataclass(frozen=True)
class Tail:
    """The rarest labels, which together hold no more than a fifth of the gold tags.

    labels : bool (n_labels,)
    most : int
        Most gold documents that one of them has.
    """

    labels: np.ndarray[tuple[int], np.dtype[np.bool_]]
    most: int

    @classmethod
    def of(cls, n_relevant: Float64) -> Tail:
        """Find it by how many documents have each label; labels of one document are always in it."""
        counts = np.asarray(n_relevant, dtype=np.int64)
        tags = np.bincount(counts[counts > 0], minlength=2) * np.arange(max(2, counts.max(initial=0) + 1))
        within = np.flatnonzero((tags > 0) & (tags.cumsum() <= TAIL_SHARE * counts.sum()))
        most = int(within[-1]) if len(within) else 1
        return cls((counts > 0) & (counts <= most), most)


@dataclass(frozen=True)
class Figure:
    """A measure of a system with its 95 % interval, and its difference to the reference with one.

    Fractions. None where nothing is known: intervals below `FEWEST` documents; all of a measure that no
    document has anything to say of; the difference of the reference itself.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval of the difference leaves out zero."""
        low, high = self.difference_low, self.difference_high
        return low is not None and high is not None and (low > 0 or high < 0)


Parts = dict[str, tuple[Float64, Float64]]
"""Measure -> of each document what counts and out of how much: the measure is the ratio of the sums."""


def measured(gold: sparse.csr_matrix, ranked: IntArray, n_relevant: Float64, n_docs: int) -> Parts:
    """Take the measures of one system apart by document.

    - P@k, R@10, nDCG@5: means over documents, as `lmtx evaluate` gives them.
    - PSP@k: propensity-scored precision, a share of the best that k labels could gather (Jain et al. 2016).
    - R@10 tail: of the rarest labels that a document has, the share among its first ten, averaged over the
      documents that have any.
    - R@10 macro: share of a label's documents where it is among the first ten, each label counting once.

    Parameters
    ----------
    gold : csr_matrix of shape (n_docs compared, n_labels)
        Binary truth; every document has a label.
    ranked : ndarray of int32, shape (n_docs compared, k)
        Best first; -1 pads.
    n_relevant, n_docs
        How many of all `n_docs` gold documents have each label, (n_labels,): how rare a label is does not
        depend on which of them are compared.

    Returns
    -------
    dict
        Measure -> (counts, out of), each float64 (n_docs compared,).
    """
    gold = sparse.csr_matrix(gold)
    ranked = padded(ranked, 10)
    one = np.ones(gold.shape[0])
    found: Parts = {name: (values, one) for name, values in of_documents(gold, ranked).items()}
    weight = inverse_propensities(n_relevant, n_docs)
    for k in (1, 3, 5):
        found[f"PSP@{k}"] = propensity_gains(gold, ranked, weight, k)
    hit, columns = hits(gold, ranked), np.maximum(ranked, 0)
    tail = Tail.of(n_relevant).labels
    n_tail = np.asarray(gold @ tail.astype(np.float64)).ravel()
    share = (hit * tail[columns]).sum(axis=1) / np.maximum(n_tail, 1)
    found["R@10 tail"] = (share, (n_tail > 0).astype(np.float64))
    here = np.asarray(gold.sum(axis=0), dtype=np.float64).ravel()
    each = 1 / np.maximum(here, 1)
    found["R@10 macro"] = ((hit * each[columns]).sum(axis=1), np.asarray(gold @ each).ravel())
    return found


def versus(
    systems: Mapping[str, Parts], reference: str, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, dict[str, Figure]]:
    """Compare systems with one of them by the paired bootstrap over documents.

    The same documents are drawn, with replacement, for all systems: what makes a document hard for all of
    them cancels out of a difference. The intervals speak of other documents like these; that another
    training would come out a little differently is not in them.

    Parameters
    ----------
    systems : mapping
        Name -> its measures by document (`measured`), of the same documents in the same order.
    reference : str
        The one that differences are taken to.
    seed, resamples : int

    Returns
    -------
    dict
        System -> measure -> `Figure`, intervals at the percentiles.

    Raises
    ------
    InputError
        If the reference is not among the systems.
    ShapeError
        If the systems have different numbers of documents.

    References
    ----------
    Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    if reference not in systems:
        raise InputError(f"Reference {reference!r} is none of the systems: {', '.join(systems)}.")
    columns = [(name, measure) for name, parts in systems.items() for measure in parts]
    pairs = [systems[name][measure] for name, measure in columns]
    sizes = {len(x) for pair in pairs for x in pair}
    if len(sizes) != 1:
        raise ShapeError(f"The systems have {sorted(sizes)} documents; give the same documents of each.")
    n = sizes.pop()
    top, bottom = (np.stack([pair[side] for pair in pairs], axis=1) for side in (0, 1))
    value = _ratio(top.sum(axis=0), bottom.sum(axis=0))
    each = np.concatenate([_ratio(w @ top, w @ bottom) for w in _drawn(n, resamples, seed)])
    place = {column: i for i, column in enumerate(columns)}
    found: dict[str, dict[str, Figure]] = {name: {} for name in systems}
    for i, (name, measure) in enumerate(columns):
        base = place[reference, measure]
        low, high = _middle(each[:, i])
        if name == reference or np.isnan(value[i]):
            found[name][measure] = Figure(_known(value[i]), low, high)
            continue
        between = _middle(each[:, i] - each[:, base])
        found[name][measure] = Figure(_known(value[i]), low, high, _known(value[i] - value[base]), *between)
    return found


def _drawn(n: int, resamples: int, seed: int) -> Iterator[Float64]:
    """Yield how often each document is drawn, (some resamples, n); none for too few documents."""
    rng = np.random.default_rng(seed)
    yield np.zeros((0, n))
    for start in range(0, resamples if n >= FEWEST else 0, _BLOCK):
        rows = range(start, min(start + _BLOCK, resamples))
        drawn = [np.bincount(rng.integers(0, n, n), minlength=n) for _ in rows]
        yield np.stack(drawn).astype(np.float64)


def _ratio(top: Float64, bottom: Float64) -> Float64:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan), dtype=np.float64)


def _middle(values: Float64) -> tuple[float | None, float | None]:
    """Return the middle 95 % of what the resamples give."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


__all__ = ["MEASURES", "Figure", "Tail", "measured", "versus"]
