"""Weights of the blend: fixed for a start, cross-validated once people have completed documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lmtx.types import FloatArray

Weights = dict[str, float]

ZERO_SHOT_PARTS = ("dense", "bm25_document", "bm25_query", "tfidf")
SETTLED_PARTS = ("reviewed", "linear", "label_text", "prior")
"""Parts that learn from completed documents alone."""

PARTS = (*ZERO_SHOT_PARTS, "student", "ridge", *SETTLED_PARTS)
"""Parts of the blend; `student` and `ridge` learn from verdicts and people."""

LEXICAL_PARTS = ("bm25_document", "bm25_query", "tfidf")

SMALLEST = 0.02
"""A part with less than this share of the weight does not help, and gets none."""

MIN_COMPLETED = 5
"""Completed documents from which weights are cross-validated."""

PRIOR_DOCUMENTS = 10.0
"""The fixed weights count as much as this many completed documents."""

CLEAR = 2.0
"""A gain on the fixed weights of so many standard errors is clear: then they count no more than that."""

ENOUGH = 30
"""Completed documents from which a part may stand alone; on fewer, the best one is best by luck."""

TOP = 10
"""Places of a ranking that quality looks at."""

_BAGS = 8
_STEPS = 20
_BAG_DOCUMENTS = 250


@dataclass(frozen=True)
class Candidates:
    """Standardised part scores of the labels worth ranking, a row a document.

    z : float32 (n_docs, n_candidates, n_parts), -1e6 where padded
    wanted : float32 (n_docs, n_candidates), 1 where the label is wanted, 0 elsewhere
    known : bool (n_docs, n_candidates), False where padded (or not judged)
    n_wanted : float32 (n_docs,), wanted labels of the document, at least 1
    """

    z: FloatArray
    wanted: FloatArray
    known: NDArray[np.bool_]
    n_wanted: FloatArray

    def rows(self, rows: NDArray[np.int64]) -> Candidates:
        """Return some of the documents."""
        return Candidates(self.z[rows], self.wanted[rows], self.known[rows], self.n_wanted[rows])

    def __len__(self) -> int:
        return len(self.z)


def ranking_quality(candidates: Candidates, weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what is maximised, of each document: mean of P@1, nDCG@5 and R@10 under these weights."""
    score = candidates.z @ weights.astype(np.float32)
    score[~candidates.known] = -np.inf
    k = min(TOP, score.shape[1])
    top = np.argpartition(-score, k - 1, axis=1)[:, :k]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(score, top, 1), axis=1, kind="stable"), 1)
    return top_quality(np.take_along_axis(candidates.wanted, top, axis=1), candidates.n_wanted)


def top_quality(hit: NDArray[np.floating], n_wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of P@1, nDCG@5 and R@10 of each document.

    Parameters
    ----------
    hit : float (n_docs, k)
        1 where the label at that place of the ranking is wanted, at most ten places.
    n_wanted : float (n_docs,)
        Wanted labels of the document.
    """
    hit = hit.astype(np.float64)
    discount = 1 / np.log2(np.arange(2, 7))
    ideal = np.concatenate([[0], discount.cumsum()])[np.minimum(n_wanted.astype(int), 5)]
    ndcg = (hit[:, :5] * discount[: hit[:, :5].shape[1]]).sum(axis=1) / np.maximum(ideal, 1e-9)
    recall = hit.sum(axis=1) / np.maximum(n_wanted, 1)
    quality: NDArray[np.float64] = (hit[:, 0] + ndcg + recall) / 3
    return quality


def choose(candidates: Candidates, parts: Sequence[str], prior: Weights, seed: int = 0) -> Weights:
    """Weights from completed documents.

    The mean of bagged greedy selection (Caruana et al., Ensemble selection, ICML 2004) on
    ranking quality and of nonnegative softmax stacking, drawn towards the fixed
    weights as if those were `PRIOR_DOCUMENTS` documents, and further as far as the gain on them is not clear:
    with a good teacher the fixed weights are hard to beat, and noise would cost what it brings elsewhere.
    Where a part alone is clearly better than all that, it stands alone.

    Parameters
    ----------
    candidates : Candidates
        Cross-validated scores: no part has seen what the document it scores has wanted.
    parts : sequence of str
        Names of the last axis of `candidates.z`.
    prior : dict
        Fixed weights.
    seed : int

    Returns
    -------
    dict
        Part -> weight, summing to 1; parts that don't help are 0.
    """
    if not len(candidates):
        return normalised(prior)
    chosen = (_greedy(candidates, seed) + _stack(candidates)) / 2
    start = normalised(prior)
    share = len(candidates) / (len(candidates) + PRIOR_DOCUMENTS)
    mixed = {
        p: share * float(w) + (1 - share) * start.get(p, 0.0) for p, w in zip(parts, chosen, strict=True)
    }
    mixed = normalised(mixed)
    fixed, blend = (_quality_of(candidates, parts, w) for w in (start, mixed))
    clear = _in_errors(blend - fixed) / CLEAR if len(candidates) > 1 else 1.0
    share = float(np.clip(clear, 0.0, 1.0))
    mixed = normalised({p: share * mixed[p] + (1 - share) * start.get(p, 0.0) for p in parts})
    blend = _quality_of(candidates, parts, mixed)
    alone = {p: _quality_of(candidates, parts, {p: 1.0}) for p in parts}
    best = max(parts, key=lambda p: float(alone[p].mean()))
    if len(candidates) >= ENOUGH and _in_errors(alone[best] - blend) > CLEAR:
        return {p: float(p == best) for p in parts}
    return mixed


def _quality_of(candidates: Candidates, parts: Sequence[str], weights: Weights) -> NDArray[np.float64]:
    return ranking_quality(candidates, np.array([weights.get(p, 0.0) for p in parts]))


def _in_errors(gain: NDArray[np.float64]) -> float:
    """Mean gain in standard errors; 0 where nothing is gained anywhere."""
    error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else 0.0
    return float(gain.mean() / error) if error > 0 else 0.0


def normalised(weights: Weights) -> Weights:
    """Weights that sum to 1, without those below `SMALLEST`."""
    for _ in range(2):
        total = sum(max(w, 0.0) for w in weights.values()) or 1.0
        weights = {p: max(w, 0.0) / total for p, w in weights.items()}
        weights = {p: w if w >= SMALLEST else 0.0 for p, w in weights.items()}
    total = sum(weights.values()) or 1.0
    return {p: w / total for p, w in weights.items()}


def _greedy(candidates: Candidates, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    n_parts = candidates.z.shape[2]
    total = np.zeros(n_parts)
    for _ in range(_BAGS):
        size = min(len(candidates), _BAG_DOCUMENTS)
        bag = candidates.rows(rng.choice(len(candidates), size, replace=True))
        counts = np.zeros(n_parts)
        best_counts, best = counts, -np.inf
        for _ in range(_STEPS):
            tried = []
            for part in range(n_parts):
                more = counts.copy()
                more[part] += 1
                tried.append(float(ranking_quality(bag, more).mean()))
            counts = counts.copy()
            counts[int(np.argmax(tried))] += 1
            if max(tried) > best:
                best, best_counts = max(tried), counts
        total += best_counts / best_counts.sum()
    result: NDArray[np.float64] = total / total.sum()
    return result


def _stack(candidates: Candidates) -> NDArray[np.float64]:
    """Weights >= 0 that make the wanted labels likely under a softmax over the candidates (convex)."""
    use = candidates.wanted.sum(axis=1) > 0
    n_parts = candidates.z.shape[2]
    if not use.any():
        return np.full(n_parts, 1 / n_parts)
    z = candidates.z[use].astype(np.float64)
    known = candidates.known[use]
    z[~known] = 0.0
    target = candidates.wanted[use] / candidates.wanted[use].sum(axis=1, keepdims=True)
    mean_target = np.einsum("dc,dcp->dp", target, z)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        score = z @ weights
        score[~known] = -np.inf
        top = score.max(axis=1, keepdims=True)
        share = np.exp(score - top)
        total = share.sum(axis=1, keepdims=True)
        share /= total
        value = float((np.log(total[:, 0]) + top[:, 0] - mean_target @ weights).mean())
        gradient = (np.einsum("dc,dcp->dp", share, z) - mean_target).mean(axis=0)
        return value, gradient

    found = minimize(
        loss,
        np.full(n_parts, 0.3),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * n_parts,
        options={"maxiter": 60},
    )
    weights = np.asarray(found.x, dtype=np.float64)
    total = weights.sum()
    return weights / total if total > 0 else np.full(n_parts, 1 / n_parts)
