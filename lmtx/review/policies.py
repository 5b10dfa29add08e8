"""Review policies: which pairs, and which documents, teach most when a person looks at them next.

A policy is a score of pairs, highest first; a document's score is the mean of its best three pairs. The
measured gain of each is printed by `benchmarks/review_gain.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmtx.review.models import Policy
from lmtx.types import FloatArray, IntArray

NAMES: Mapping[Policy, str] = {
    "default": "Recommended",
    "uncertain": "Unsure",
    "disagreement": "Teacher and student differ",
    "teacher_errors": "Likely teacher errors",
    "rare": "Rare labels",
    "unseen": "Not yet seen by anybody",
    "mix": "A mix of all",
    "audit": "Random sample to measure",
}

AUDIT_PAIR = "audit_pair"
"""Policy that is recorded with single pairs that the audit drew; with whole documents it is "audit"."""

AUDITS = ("audit", AUDIT_PAIR)
"""What is recorded with decisions that the audit asked for."""

RECORDED: Mapping[str, str] = {
    **{str(policy): name for policy, name in NAMES.items()},
    AUDIT_PAIR: "Random pairs to measure",
}
"""Names of all policies that a queue records."""

REASONS: Mapping[Policy, str] = {
    "default": "Next in a random order: random documents teach the tagger most, and most evenly.",
    "uncertain": "The tagger is less sure here than elsewhere.",
    "disagreement": "Teacher and student say different things here.",
    "teacher_errors": "A student that has not seen the teacher's answer here expects another one.",
    "rare": "Its labels are rare among what is known so far.",
    "unseen": "Next in a random order among what neither a teacher nor a person has judged.",
    "mix": "Drawn in turn from the other queues.",
    "audit": "Drawn at random from the reserve, to measure; what you say here never trains.",
}

PAIR_REASONS: Mapping[Policy, str] = {
    **REASONS,
    "default": "Next in a random order of what teacher or tagger propose.",
    "rare": "This label is rare among what is known so far.",
    "unseen": "Next in a random order of what the tagger proposes and neither a teacher nor a person judged.",
}
"""As `REASONS`, of a pair."""

SCORED: tuple[Policy, ...] = ("uncertain", "disagreement", "teacher_errors", "rare")
"""Policies that look at a pool; the others are random orders."""

MIX: Mapping[Policy, float] = {"default": 0.4, "uncertain": 0.2, "teacher_errors": 0.2, "rare": 0.2}
"""Shares of the policies in a mix."""

_BEST = 3


@dataclass(frozen=True)
class PairPool:
    """Pairs among which a policy looks, as arrays of shape (n_pairs,).

    Attributes
    ----------
    document, label : int32
        Row numbers; of the documents asked about, and of the tagger's labels.
    probability : float32
        The tagger's probability, or a score mapped to [0, 1] where nothing calibrates it.
    left_out : float32
        Probability by a student that has not seen the verdicts on this document; NaN where unknown.
    verdict : float32
        The teacher's probability of yes, or 1 and 0 for its verdicts; NaN where it was not asked.
    label_count : int32
        Documents that carry the pair's label so far, by teacher or people.
    number : float64
        Permanent random numbers in [0, 1).
    """

    document: IntArray
    label: IntArray
    probability: FloatArray
    left_out: FloatArray
    verdict: FloatArray
    label_count: IntArray
    number: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.document)


def pair_scores(policy: Policy, pool: PairPool) -> NDArray[np.float64]:
    """Score of each pair under a policy, the highest first to be reviewed; -inf where it has no say.

    `default`, `unseen` and `audit` are random orders: minus the permanent random number.
    """
    p = pool.probability.astype(np.float64)
    verdict = pool.verdict.astype(np.float64)
    if policy == "uncertain":
        q = np.clip(p, 1e-6, 1 - 1e-6)
        return np.asarray(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)))
    if policy == "disagreement":
        return np.where(np.isnan(verdict), -np.inf, np.abs(p - np.nan_to_num(verdict)))
    if policy == "teacher_errors":
        left_out = pool.left_out.astype(np.float64)
        unknown = np.isnan(verdict) | np.isnan(left_out)
        return np.where(unknown, -np.inf, np.abs(np.nan_to_num(left_out) - np.nan_to_num(verdict)))
    if policy == "rare":
        return np.asarray(p / np.log2(2.0 + pool.label_count))
    return -pool.number


def document_scores(
    policy: Policy, pool: PairPool, n_documents: int, number: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Score of each document under a policy: the mean of its best three pairs.

    Parameters
    ----------
    pool : PairPool
        Pairs of the documents.
    n_documents : int
    number : float64 (n_documents,)
        Permanent random numbers of the documents, which random orders follow.
    """
    if policy in ("default", "unseen", "audit", "mix"):
        return -number
    score = pair_scores(policy, pool)
    out = np.full(n_documents, -np.inf)
    order = np.lexsort((-score, pool.document))
    document = pool.document[order]
    starts = np.searchsorted(document, np.arange(n_documents))
    ends = np.searchsorted(document, np.arange(n_documents), side="right")
    for i, (a, b) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        best = score[order[a : min(b, a + _BEST)]]
        best = best[np.isfinite(best)]
        if len(best):
            out[i] = best.mean()
    return out


def take_turns(n: int, shares: Mapping[Policy, float], start: int = 0) -> list[Policy]:
    """Whose turn it is for items `start` to `start + n` of a mix, so that each keeps its share throughout."""
    names = list(shares)
    taken = dict.fromkeys(names, 0)
    turns: list[Policy] = []
    for i in range(start + n):
        name = max(names, key=lambda x: shares[x] * (i + 1) - taken[x])
        taken[name] += 1
        turns.append(name)
    return turns[start:]
