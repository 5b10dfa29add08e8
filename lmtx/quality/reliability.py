"""Whether probabilities hold: what was called so sure, against what people then accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import ShapeError
from lmtx.tagger.calibration import MIN_ANSWERS, Calibration

_IN_A_BIN = 15
_MOST_BINS = 8
_EDGE = 1e-4
"""Nearer to 0 or 1 a probability is cut before its logit is taken."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of alike probability, and how many of them people accepted.

    probability, share : means, by weight, of what was said and of what people accepted
    n, n_accepted : answers, and those that accept
    size : answers that would tell as much were they drawn alike (Kish); `n` where all weigh the same
    weight : its part of all that the answers stand for
    rows : places of its pairs in what was given
    """

    probability: float
    n: int
    n_accepted: int
    share: float
    size: float
    weight: float
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reliability:
    """Probabilities against decisions.

    bins : as many pairs in each as can be, by rising probability
    gap : expected calibration error: mean distance of a bin's share accepted from its probability, by weight
    lean : mean of accepted minus mean of probability, by weight; below 0 it is too sure of yes
    curve : fit of logit(probability) to the decisions; None with fewer than 50, of one kind only, or where
        a higher probability does not go with more acceptance
    """

    bins: tuple[Bin, ...]
    gap: float
    lean: float
    curve: Calibration | None

    @property
    def n(self) -> int:
        """Pairs in all."""
        return sum(b.n for b in self.bins)

    def fitted(self, probability: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float32] | None:
        """What the curve makes of probabilities; None where there is no curve."""
        if self.curve is None:
            return None
        return self.curve.probability(_logit(np.asarray(probability)).astype(np.float32))


def reliability(
    probability: Sequence[float], accepted: Sequence[bool], weight: Sequence[float] | None = None
) -> Reliability | None:
    """Hold probabilities against decisions; None with fewer than `MIN_ANSWERS` of them.

    Without weights what comes out describes these pairs, each counted once: others as far as they are alike,
    so all tags only where the pairs were drawn alike at random. With weights of one over each pair's chance
    to be drawn it describes all that they were drawn from (Hájek's ratios).

    Parameters
    ----------
    probability : sequence of float
    accepted : sequence of bool
        The decision on each.
    weight : sequence of float, optional
        Pairs that each stands for, above 0; only how they compare matters.

    Raises
    ------
    ShapeError
        If there is not one decision, or one weight, a probability.
    """
    if len(probability) != len(accepted):
        raise ShapeError(f"reliability: {len(probability)} probabilities, {len(accepted)} decisions.")
    if weight is not None and len(probability) != len(weight):
        raise ShapeError(f"reliability: {len(probability)} probabilities, {len(weight)} weights.")
    if len(probability) < MIN_ANSWERS:
        return None
    order = np.argsort(probability, kind="stable")
    p, yes = np.asarray(probability, np.float64)[order], np.asarray(accepted, np.float64)[order]
    w = np.ones(len(p)) if weight is None else np.asarray(weight, np.float64)[order]
    w = w / w.sum()
    parts = np.array_split(np.arange(len(p)), max(1, min(_MOST_BINS, len(p) // _IN_A_BIN)))
    bins = tuple(_bin(p[i], yes[i], w[i], order[i]) for i in parts)
    gap = sum(b.weight * abs(b.share - b.probability) for b in bins)
    return Reliability(bins, gap, float(w @ (yes - p)), Calibration.fit(_logit(p), yes, w))


def _bin(
    p: NDArray[np.float64], yes: NDArray[np.float64], w: NDArray[np.float64], rows: NDArray[np.intp]
) -> Bin:
    total = float(w.sum())
    return Bin(
        probability=float(w @ p) / total,
        n=len(p),
        n_accepted=int(yes.sum()),
        share=float(w @ yes) / total,
        size=total**2 / float(w @ w),
        weight=total,
        rows=tuple(rows.tolist()),
    )


def _logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    cut = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(cut / (1 - cut)))
