"""The geometry of a label set: how volume spreads over it, and which labels are near one another.

Documents and labels are row numbers; `given` is a sparse matrix of documents by labels, 1 where a document
is given a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Relation = Literal["", "broader", "narrower", "siblings"]
"""How the first of two labels stands to the second."""

_BLOCK = 1024
Z = 1.96
"""Standard errors to either side that make an interval of 95 %."""


def given_matrix(label_idx: IntArray, keep: BoolArray, n_labels: int) -> csr_matrix:
    """Return documents by labels, 1 where `keep`.

    Parameters
    ----------
    label_idx : int32 (n_docs, k)
        Labels of each document, each at most once; -1 pads.
    keep : bool (n_docs, k)
        Which of them count.
    n_labels : int

    Returns
    -------
    csr_matrix of int32, shape (n_docs, n_labels)
    """
    from scipy import sparse

    rows, places = np.nonzero(keep & (label_idx >= 0))
    ones = np.ones(len(rows), dtype=np.int32)
    shape = (len(label_idx), n_labels)
    return sparse.csr_matrix((ones, (rows, label_idx[rows, places])), shape=shape)


# ---- labels together ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelPairs:
    """Pairs of labels that share documents; a < b.

    Attributes
    ----------
    a, b : int64 (n_pairs,)
        Rows of labels.
    n_both, n_a, n_b : int64 (n_pairs,)
        Documents that are given both, and each.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    n_both: NDArray[np.int64]
    n_a: NDArray[np.int64]
    n_b: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.a)

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> LabelPairs:
        """Return some of the pairs, by bool (n_pairs,) or by row."""
        return LabelPairs(self.a[keep], self.b[keep], self.n_both[keep], self.n_a[keep], self.n_b[keep])

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """Of the documents that are given either, the share that is given both."""
        either = np.maximum(self.n_a + self.n_b - self.n_both, 1)
        return np.asarray(self.n_both / either, dtype=np.float64)

    def lift(self, n_documents: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """How many times as often they come together as by chance, with an interval of 95 %.

        The interval is Wald's on the logarithm, as for a risk ratio (Katz et al., 1978); it takes the
        documents for a sample, and how often each label is given for known. `n_both` is 1 or more.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = self.n_both * n_documents / (self.n_a.astype(np.float64) * self.n_b)
        error = np.sqrt(np.maximum(1 / self.n_both - 1 / max(n_documents, 1), 0))
        return lift, lift * np.exp(-Z * error), lift * np.exp(Z * error)


def counted_pairs(given: csr_matrix, least: int = 1) -> LabelPairs:
    """Return all pairs of labels that at least so many documents are given together."""
    from scipy import sparse

    counts = sparse.coo_matrix(given.T @ given)
    n = np.asarray(given.sum(axis=0)).ravel().astype(np.int64)
    keep = (counts.row < counts.col) & (counts.data >= least)
    a, b = counts.row[keep].astype(np.int64), counts.col[keep].astype(np.int64)
    return LabelPairs(a, b, counts.data[keep].astype(np.int64), n[a], n[b])


def matrix_of(pairs: LabelPairs, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Documents that some labels share, int64 (n_chosen, n_chosen), symmetric; 0 on the diagonal."""
    place = {int(x): i for i, x in enumerate(chosen)}
    out = np.zeros((len(chosen), len(chosen)), dtype=np.int64)
    here = np.isin(pairs.a, chosen) & np.isin(pairs.b, chosen)
    for a, b, n in zip(
        pairs.a[here].tolist(), pairs.b[here].tolist(), pairs.n_both[here].tolist(), strict=True
    ):
        out[place[a], place[b]] = out[place[b], place[a]] = n
    return out


def side_by_side(together: NDArray[np.int64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order labels so that those that share documents stand side by side.

    Parameters
    ----------
    together : int64 (n, n)
        Documents that are given both.
    given : int64 (n,)
        Documents that are given each.

    Returns
    -------
    int64 (n,)
        The order: leaves of average linkage over the Jaccard distance.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(given) < 3:
        return np.arange(len(given))
    either = np.maximum(given[:, None] + given[None, :] - together, 1)
    distance = 1 - together / either
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    order = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))
    return np.asarray(order, dtype=np.int64)


# ---- meaning and names ----------------------------------------------------------------------------


def nearest(vectors: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the nearest other labels of each by cosine.

    Parameters
    ----------
    vectors : float32 (n_labels, dim)
        Of unit length.
    k : int
        How many; fewer where there are not so many.

    Returns
    -------
    rows : int32 (n_labels, k), nearest first
    cosine : float32 (n_labels, k)
    """
    n = len(vectors)
    k = max(0, min(k, n - 1))
    rows = np.zeros((n, k), dtype=np.int32)
    cosine = np.zeros((n, k), dtype=np.float32)
    if not k:
        return rows, cosine
    for start in range(0, n, _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        here = np.arange(len(block))
        block[here, here + start] = -np.inf
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(block, best, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        rows[start : start + len(block)] = np.take_along_axis(best, order, axis=1)
        cosine[start : start + len(block)] = np.take_along_axis(value, order, axis=1)
    return rows, cosine


def cosine_of(vectors: FloatArray, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosine of pairs of rows, float64 (n_pairs,), in blocks, as there may be millions."""
    out = np.zeros(len(a), dtype=np.float64)
    for start in range(0, len(a), 8 * _BLOCK):
        part = slice(start, start + 8 * _BLOCK)
        out[part] = np.einsum("ij,ij->i", vectors[a[part]], vectors[b[part]])
    return out


def name_likeness(a: str, b: str) -> float:
    """Likeness of two names in [0, 1]: Dice's coefficient of their letter triples, case aside."""
    left, right = _triples(a), _triples(b)
    if not left or not right:
        return float(a.casefold().strip() == b.casefold().strip())
    return 2 * len(left & right) / (len(left) + len(right))


def _triples(name: str) -> frozenset[str]:
    text = f"  {' '.join(name.casefold().split())} "
    return frozenset(text[i : i + 3] for i in range(len(text) - 2)) if text.strip() else frozenset()


# ---- hierarchy ------------------------------------------------------------------------------------


def ancestors(parents: Sequence[Sequence[int]]) -> list[frozenset[int]]:
    """All broader labels of each, by all of its parents; a cycle in the file ends there."""
    found: list[frozenset[int]] = []
    for start in range(len(parents)):
        seen: set[int] = set()
        todo = list(parents[start])
        while todo:
            label = todo.pop()
            if label != start and label not in seen:
                seen.add(label)
                todo += parents[label]
        found.append(frozenset(seen))
    return found


def relation(a: int, b: int, parents: Sequence[Sequence[int]], above: Sequence[frozenset[int]]) -> Relation:
    """How label `a` stands to label `b`; "siblings" share a parent."""
    if a in above[b]:
        return "broader"
    if b in above[a]:
        return "narrower"
    return "siblings" if set(parents[a]) & set(parents[b]) else ""


# ---- taking too much ------------------------------------------------------------------------------


def skewness(counts: NDArray[np.int64]) -> float:
    """Skewness of how often labels are given: 0 where all are given alike, great where a few take most.

    References
    ----------
    Radovanović, Nanopoulos and Ivanović, Hubs in space, JMLR 2010: the skewness of k-occurrence.
    """
    if not len(counts):
        return 0.0
    values = counts.astype(np.float64)
    spread = float(values.std())
    return float(((values - values.mean()) ** 3).mean() / spread**3) if spread > 0 else 0.0


def at_least_as_often(
    given: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many times as often labels are given as wanted, and how many times at least.

    The second is with 97.5 % confidence, the wanted taken for a Poisson count (exact limits, Garwood 1936),
    so that a label that is wanted seldom is not called a hub by chance.
    """
    from scipy.stats import chi2

    most = chi2.ppf(0.975, 2 * (wanted + 1)) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(wanted > 0, given / np.maximum(wanted, 1), np.where(given > 0, np.inf, np.nan))
    return ratio.astype(np.float64), np.asarray(given / most, dtype=np.float64)


__all__ = [
    "LabelPairs",
    "Relation",
    "ancestors",
    "at_least_as_often",
    "cosine_of",
    "counted_pairs",
    "given_matrix",
    "matrix_of",
    "name_likeness",
    "nearest",
    "relation",
    "side_by_side",
    "skewness",
]
