"""In which order documents come to review.

Completing random documents as a whole, kept apart from the teacher's verdicts, teaches the tagger
more than single uncertain pairs do, so `default` is a seeded random order. Judged documents come
first, because there the teacher's proposals save typing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lmtx.types import FloatArray, unit_hash

REASONS: Mapping[str, str] = {
    "default": "Next in a random order: random documents teach the tagger most, and most evenly.",
    "uncertain": "The tagger is least sure of this one among the next in the random order.",
    "audit": "Drawn at random from the reserve, to measure; what you say here never trains.",
}


def seeded_order(ids: Iterable[str], seed: int, policy: str) -> list[str]:
    """Order documents by their permanent random numbers.

    The order of two documents never depends on what else is in the corpus, so an import in between
    changes nothing for those that were there.
    """
    return sorted(ids, key=lambda i: permanent_number(i, seed, policy))


def permanent_number(document_id: str, seed: int, policy: str) -> float:
    """Random number in [0, 1) that a document keeps for good, other for the audit than for the queue."""
    return unit_hash(str(seed), "audit" if policy == "audit" else "queue", document_id)


def inclusion_probability(rank: int, n_reserve: int) -> float:
    """Probability that a document is among the first `rank` of the reserve's random order.

    An audit that has taken `rank` documents in that order is a simple random sample of the reserve;
    each of its documents was drawn with this probability. What is recorded with a document is the state
    of the audit when it came: an estimate takes for all of them the greatest that was recorded, never
    each its own.

    Parameters
    ----------
    rank : int
        Place in the order, from 1.
    n_reserve : int
        Documents in the reserve, at least `rank`.
    """
    return rank / n_reserve


def uncertainty(score: FloatArray, probability: FloatArray | None) -> FloatArray:
    """How unsure the tagger is of each document.

    Parameters
    ----------
    score : float32 (n_docs, k)
        Scores of its best labels, best first, -inf where padded.
    probability : float32 (n_docs, k) or None
        Calibrated probabilities of the same labels.

    Returns
    -------
    float32 (n_docs,)
        Mean binary entropy of the calibrated probabilities; without them, the negated spread of the
        scores (labels that score alike are hard to tell apart). Comparable within one call only.
    """
    finite = np.isfinite(score)
    if probability is not None:
        p = np.clip(np.where(finite, probability, 0.0), 1e-6, 1 - 1e-6)
        entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
        return np.asarray((entropy * finite).sum(1) / np.maximum(finite.sum(1), 1), dtype=np.float32)
    known = np.where(finite, score, np.nan)
    with np.errstate(invalid="ignore"):
        spread = np.nanmax(known, axis=1, initial=-np.inf) - np.nanmean(known, axis=1)
    return np.asarray(-np.nan_to_num(spread), dtype=np.float32)


def most_uncertain(ids: Sequence[str], score: FloatArray, probability: FloatArray | None) -> list[str]:
    """Order documents, the tagger's least sure first; ties keep the order given."""
    order = np.argsort(-uncertainty(score, probability), kind="stable")
    return [ids[int(i)] for i in order]
