"""Dense rankings: exact, by blocks, corrected for hub labels."""

from __future__ import annotations

import numpy as np

from lmtx.errors import ShapeError
from lmtx.types import FloatArray, IntArray, Scored

HUB_SHARE = 0.15
"""Share of top places from which hub correction is used.

Below it correction costs a little, above it gains much; `benchmarks/debtags.py` and `congress.py`, one on
each side, print the share and the ranking with and without correction.
"""

_SAMPLE = 2000


def hub_share(
    doc_vectors: FloatArray, label_vectors: FloatArray, k: int = 10, top_share: float = 0.01
) -> float:
    """Share of all top-k places that the most frequent labels take.

    A few labels that are near to everything ("hubs") can fill every list. Where the share is
    `HUB_SHARE` or more, subtracting `hub_centre` helps; where it is low, it costs a little.

    Parameters
    ----------
    doc_vectors : ndarray of float32, shape (n_docs, dim)
        An even sample of 2,000 rows is used of more.
    label_vectors : ndarray of float32, shape (n_labels, dim)
    k : int
        Length of the lists.
    top_share : float
        Which labels count as the most frequent: this fraction of them, at least one.

    Returns
    -------
    float
        In [0, 1]; 0 without documents or labels.
    """
    _check(doc_vectors, label_vectors)
    n_labels = len(label_vectors)
    if not len(doc_vectors) or not n_labels:
        return 0.0
    sample = doc_vectors[:: max(1, -(-len(doc_vectors) // _SAMPLE))]
    places = dense_topk(sample, label_vectors, min(k, n_labels)).label_idx
    counts = np.sort(np.bincount(places.ravel(), minlength=n_labels))[::-1]
    n_top = max(1, round(top_share * n_labels))
    return float(counts[:n_top].sum() / counts.sum())


def hub_centre(doc_vectors: FloatArray, label_vectors: FloatArray) -> FloatArray:
    """Mean cosine of each label over documents, float32 (n_labels,): what to subtract from its scores."""
    _check(doc_vectors, label_vectors)
    if not len(doc_vectors):
        return np.zeros(len(label_vectors), dtype=np.float32)
    # The mean of dot products is the dot product with the mean.
    return np.asarray(label_vectors @ doc_vectors.mean(axis=0), dtype=np.float32)


def hub_correction(doc_vectors: FloatArray, label_vectors: FloatArray) -> FloatArray | None:
    """Return `hub_centre` where `hub_share` calls for it, else None."""
    if hub_share(doc_vectors, label_vectors) < HUB_SHARE:
        return None
    return hub_centre(doc_vectors, label_vectors)


def dense_scores(
    doc_vectors: FloatArray, label_vectors: FloatArray, centre: FloatArray | None = None
) -> FloatArray:
    """Cosines, less each label's centre: float32 (n_docs, n_labels). For one block of documents."""
    _check(doc_vectors, label_vectors)
    scores = doc_vectors @ label_vectors.T
    if centre is not None:
        scores -= centre
    return np.asarray(scores, dtype=np.float32)


def dense_topk(
    doc_vectors: FloatArray, label_vectors: FloatArray, k: int, centre: FloatArray | None = None
) -> Scored:
    """Best labels by cosine, exactly, a block of documents at a time.

    Parameters
    ----------
    doc_vectors : ndarray of float32, shape (n_docs, dim)
        Unit rows.
    label_vectors : ndarray of float32, shape (n_labels, dim)
        Unit rows.
    k : int
        Columns of the result; -1 pads where there are fewer labels.
    centre : ndarray of float32, shape (n_labels,), or None
        Subtracted from the scores (`hub_centre`).

    Returns
    -------
    Scored
        label_idx and score of shape (n_docs, k).

    Raises
    ------
    ShapeError
        If dimensions disagree.
    """
    _check(doc_vectors, label_vectors)
    n_docs, n_labels = len(doc_vectors), len(label_vectors)
    label_idx = np.full((n_docs, k), -1, dtype=np.int32)
    score = np.full((n_docs, k), -np.inf, dtype=np.float32)
    size = max(16, min(2048, 4_000_000 // max(1, n_labels)))
    for start in range(0, n_docs, size):
        best = top_k(dense_scores(doc_vectors[start : start + size], label_vectors, centre), k)
        label_idx[start : start + size], score[start : start + size] = best.label_idx, best.score
    return Scored(label_idx, score)


def top_k(scores: FloatArray, k: int) -> Scored:
    """Best k columns of each row, best first, ties by column; -1 pads where there are fewer."""
    n_docs, n_labels = scores.shape
    k_found = min(k, n_labels)
    label_idx = np.full((n_docs, k), -1, dtype=np.int32)
    score = np.full((n_docs, k), -np.inf, dtype=np.float32)
    if k_found and n_docs:
        if k_found < n_labels:
            found = np.sort(np.argpartition(scores, n_labels - k_found, axis=1)[:, -k_found:], axis=1)
        else:
            found = np.broadcast_to(np.arange(n_labels), scores.shape)
        values = np.take_along_axis(scores, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        label_idx[:, :k_found] = np.take_along_axis(found, order, axis=1)
        score[:, :k_found] = np.take_along_axis(values, order, axis=1)
    return Scored(label_idx, score)


def union(lexical: Scored, dense: Scored, k: int) -> IntArray:
    """Shortlist of k labels: up to half from the lexical ranking, the rest dense, no label twice.

    Where one ranking runs out, the other fills up. The lexical labels come first.

    Parameters
    ----------
    lexical, dense : Scored
        Same documents; at least k columns each, or -1 pads may remain.
    k : int

    Returns
    -------
    ndarray of int32, shape (n_docs, k)
        -1 pads.
    """
    if len(lexical.label_idx) != len(dense.label_idx):
        raise ShapeError(
            f"union: lexical ranking of {len(lexical.label_idx)} documents, dense of {len(dense.label_idx)}. "
            "Rank the same documents by both."
        )
    half = k // 2
    joined = np.concatenate(
        [lexical.label_idx[:, :half], dense.label_idx, lexical.label_idx[:, half:]], axis=1
    )
    return first_distinct(joined, k)


def first_distinct(label_idx: IntArray, k: int) -> IntArray:
    """First k distinct labels of each row, in order; negative ones are skipped, -1 pads."""
    n_docs, width = label_idx.shape
    order = np.argsort(label_idx, axis=1, kind="stable")
    ordered = np.take_along_axis(label_idx, order, axis=1)
    fresh = np.ones((n_docs, width), dtype=np.bool_)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    keep = np.empty_like(fresh)
    np.put_along_axis(keep, order, fresh & (ordered >= 0), axis=1)
    place = np.cumsum(keep, axis=1) - 1
    out = np.full((n_docs, k), -1, dtype=np.int32)
    rows, columns = np.nonzero(keep & (place < k))
    out[rows, place[rows, columns]] = label_idx[rows, columns]
    return out


def _check(doc_vectors: FloatArray, label_vectors: FloatArray) -> None:
    if doc_vectors.ndim != 2 or label_vectors.ndim != 2 or doc_vectors.shape[1] != label_vectors.shape[1]:
        raise ShapeError(
            f"dense ranking: document vectors {doc_vectors.shape}, label vectors {label_vectors.shape}; "
            "expected (n_docs, dim) and (n_labels, dim). Embed both by the same encoder."
        )
