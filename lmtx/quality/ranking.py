"""Ranking metrics over documents. Fractions in [0, 1] everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lmtx.errors import ShapeError
from lmtx.types import IntArray, Scored

Float64 = NDArray[np.float64]


def hits(relevant: sparse.csr_matrix, ranked: IntArray) -> Float64:
    """Which ranked labels are relevant.

    Parameters
    ----------
    relevant : csr_matrix of shape (n_docs, n_labels)
        Binary truth.
    ranked : ndarray of int32, shape (n_docs, k)
        Label indices, best first; -1 pads and never hits.

    Returns
    -------
    ndarray of float64, shape (n_docs, k)
        1 where the label at that rank is relevant, else 0.

    Raises
    ------
    ShapeError
        If the row counts differ.
    """
    ranked = np.asarray(ranked)
    if ranked.ndim != 2 or relevant.shape[0] != ranked.shape[0]:
        raise ShapeError(
            f"ranked has shape {ranked.shape}, expected ({relevant.shape[0]}, k): a row per row of relevant."
        )
    if ranked.size == 0:
        return np.zeros(ranked.shape)
    relevant = sparse.csr_matrix(relevant)
    rows = np.repeat(np.arange(ranked.shape[0]), ranked.shape[1])
    columns = np.where(ranked < 0, 0, ranked).ravel()
    found = np.asarray(relevant[rows, columns]).reshape(ranked.shape)
    result: Float64 = ((found > 0) & (ranked >= 0)).astype(np.float64)
    return result


def _prefix(relevant: sparse.csr_matrix, ranked: IntArray, k: int) -> Float64:
    if k < 1 or np.asarray(ranked).shape[1] < k:
        raise ShapeError(
            f"ranked has {np.asarray(ranked).shape[1]} columns, expected at least k={k} (k >= 1). "
            "Rank more labels or pad with -1."
        )
    return hits(relevant, np.asarray(ranked)[:, :k])


def precision_at_k(relevant: sparse.csr_matrix, ranked: IntArray, k: int = 5) -> Float64:
    """Precision at cut-offs 1..k, averaged over documents.

    Parameters
    ----------
    relevant : csr_matrix of shape (n_docs, n_labels)
        Binary truth. A document without labels scores 0.
    ranked : ndarray of int32, shape (n_docs, >= k)
        Label indices, best first; -1 pads.
    k : int
        The largest cut-off.

    Returns
    -------
    ndarray of float64, shape (k,)
        Fractions in [0, 1].

    Raises
    ------
    ShapeError
        If row counts differ or `ranked` has fewer than k columns.

    References
    ----------
    Bhatia et al., The Extreme Classification Repository, 2016.
    """
    found = _prefix(relevant, ranked, k)
    if not len(found):
        return np.zeros(k)
    result: Float64 = found.cumsum(axis=1).mean(axis=0) / np.arange(1, k + 1)
    return result


def recall_at_k(relevant: sparse.csr_matrix, ranked: IntArray, k: int = 10) -> Float64:
    """Recall at cut-offs 1..k, averaged over documents.

    Parameters and errors as in `precision_at_k`; a document without labels scores 0.

    Returns
    -------
    ndarray of float64, shape (k,)
        Fractions in [0, 1].
    """
    found = _prefix(relevant, ranked, k)
    if not len(found):
        return np.zeros(k)
    n_relevant = _n_relevant(relevant)
    result: Float64 = (found.cumsum(axis=1) / np.maximum(n_relevant, 1)[:, None]).mean(axis=0)
    return result


def ndcg_at_k(relevant: sparse.csr_matrix, ranked: IntArray, k: int = 5) -> Float64:
    """Normalised discounted cumulative gain at cut-offs 1..k, averaged over documents.

    Binary gains, discount log2(rank + 1), ideal over all relevant labels.
    Parameters and errors as in `precision_at_k`; a document without labels scores 0.

    Returns
    -------
    ndarray of float64, shape (k,)
        Fractions in [0, 1].

    References
    ----------
    Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    found = _prefix(relevant, ranked, k)
    if not len(found):
        return np.zeros(k)
    result: Float64 = _ndcg(found, _n_relevant(relevant)).mean(axis=0)
    return result


def _ndcg(found: Float64, n_relevant: Float64) -> Float64:
    """NDCG of each document at each cut-off, from the hits by rank."""
    k = found.shape[1]
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal_prefix = np.concatenate([[0.0], discount.cumsum()])
    ideal = ideal_prefix[np.minimum(n_relevant.astype(int)[:, None], np.arange(1, k + 1)[None, :])]
    gain = (found * discount).cumsum(axis=1)
    return np.where(ideal > 0, gain / np.maximum(ideal, 1e-300), 0.0)


def _n_relevant(relevant: sparse.csr_matrix) -> Float64:
    matrix = sparse.csr_matrix(relevant)
    return np.asarray((matrix > 0).sum(axis=1), dtype=np.float64).ravel()


def inverse_propensities(n_relevant: Float64, n_docs: int, a: float = 0.55, b: float = 1.5) -> Float64:
    """How much a hit on a label counts in propensity-scored metrics: more, the rarer the label.

    Parameters
    ----------
    n_relevant : ndarray of shape (n_labels,)
        Documents that have each label.
    n_docs : int
        Of how many.
    a, b : float
        The paper's constants for corpora without ones of their own.

    Returns
    -------
    ndarray of float64, shape (n_labels,)
        1 / propensity, at least 1.

    References
    ----------
    Jain, Prabhu and Varma, Extreme multi-label loss functions for recommendation, tagging, ranking and
    other missing label applications, KDD 2016, section 5.
    """
    c = max(0.0, np.log(max(n_docs, 1)) - 1) * (b + 1) ** a
    result: Float64 = 1 + c * (np.asarray(n_relevant, dtype=np.float64) + b) ** -a
    return result


def propensity_gains(
    relevant: sparse.csr_matrix, ranked: IntArray, weight: Float64, k: int
) -> tuple[Float64, Float64]:
    """Weight that the first k labels of each document gather, and the most that k labels could.

    Propensity-scored precision at k is the sum of the first over the sum of the second.

    Parameters
    ----------
    relevant, ranked, k
        As in `precision_at_k`.
    weight : ndarray of float64, shape (n_labels,)
        Of `inverse_propensities`.

    Returns
    -------
    gained, best : ndarray of float64, shape (n_docs,)
    """
    found = _prefix(relevant, ranked, k)
    of_label = np.where(np.asarray(ranked)[:, :k] < 0, 0.0, weight[np.asarray(ranked)[:, :k]])
    best = np.zeros(len(found))
    relevant = sparse.csr_matrix(relevant)
    for row in range(len(found)):
        labels = relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]]
        best[row] = np.sort(weight[labels])[::-1][:k].sum()
    gained: Float64 = (found * of_label).sum(axis=1)
    return gained, best


def standard_error(values: Float64) -> float:
    """Return the standard error of a mean over documents; 0 for fewer than two values."""
    values = np.asarray(values, dtype=np.float64)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def padded(ranked: IntArray, k: int) -> IntArray:
    """First k columns of a ranking, padded with -1 where it has fewer."""
    ranked = np.asarray(ranked)[:, :k]
    return np.pad(ranked, ((0, 0), (0, k - ranked.shape[1])), constant_values=-1)


def of_documents(gold: sparse.csr_matrix, ranked: IntArray) -> dict[str, Float64]:
    """Compute P@1, P@3, P@5, R@10 and nDCG@5 of each document.

    Parameters
    ----------
    gold : csr_matrix of shape (n_docs, n_labels)
        Binary truth; every document should have a label.
    ranked : ndarray of int32, shape (n_docs, k)
        Label indices, best first; -1 pads, and fewer than ten columns count as misses beyond them.

    Returns
    -------
    dict of name to ndarray of float64, shape (n_docs,)
    """
    found, n_relevant = hits(gold, padded(ranked, 10)), _n_relevant(gold)
    return {
        "P@1": found[:, 0],
        "P@3": found[:, :3].mean(axis=1),
        "P@5": found[:, :5].mean(axis=1),
        "R@10": found.sum(axis=1) / np.maximum(n_relevant, 1),
        "nDCG@5": _ndcg(found[:, :5], n_relevant)[:, 4],
    }


def evaluate(scored: Scored, gold: sparse.csr_matrix) -> dict[str, float]:
    """Compute the figures of `lmtx evaluate`.

    Documents without any gold label are left out: nothing can be right there, so
    they would measure the corpus, not the ranking.

    Parameters
    ----------
    scored : Scored
        Rankings of the documents; fewer than ten columns count as misses beyond them.
    gold : csr_matrix of shape (n_docs, n_labels)
        Binary truth in the same rows.

    Returns
    -------
    dict
        P@1, P@3, P@5, R@10, nDCG@5; the standard error of each over documents (P@1_se and so on);
        n_docs, n_labels (labels that occur in the gold of these documents).

    Raises
    ------
    ShapeError
        If the row counts differ.
    """
    gold = sparse.csr_matrix(gold)
    ranked = np.asarray(scored.label_idx)
    if ranked.shape[0] != gold.shape[0]:
        raise ShapeError(f"{ranked.shape[0]} rankings for {gold.shape[0]} rows of gold; expected as many.")
    has_gold = _n_relevant(gold) > 0
    gold = gold[has_gold]
    figures = of_documents(gold, ranked[has_gold])
    return {
        **{name: float(values.mean()) if len(values) else 0.0 for name, values in figures.items()},
        **{f"{name}_se": standard_error(values) for name, values in figures.items()},
        "n_docs": int(gold.shape[0]),
        "n_labels": len(np.unique(gold.indices)),
    }
