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
    """Pairs of alike probability: the mean of these, how many there are, how many people accepted."""

    probability: float
    n: int
    n_accepted: int


@dataclass(frozen=True)
class Reliability:
    """Probabilities against decisions.

    bins : as many pairs in each as can be, by rising probability
    gap : expected calibration error: mean distance of a bin's share accepted from its probability, by size
    lean : mean of accepted minus mean of probability; below 0 it is too sure of yes
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


def reliability(probability: Sequence[float], accepted: Sequence[bool]) -> Reliability | None:
    """Hold probabilities against decisions; None with fewer than `MIN_ANSWERS` of them.

    What comes out describes these pairs, each counted once: others as far as they are alike, so all tags only
    where the pairs were drawn alike at random.

    Raises
    ------
    ShapeError
        If there is not one decision a probability.
    """
    if len(probability) != len(accepted):
        raise ShapeError(f"reliability: {len(probability)} probabilities, {len(accepted)} decisions.")
    if len(probability) < MIN_ANSWERS:
        return None
    order = np.argsort(probability, kind="stable")
    p, yes = np.asarray(probability, np.float64)[order], np.asarray(accepted, np.float64)[order]
    parts = np.array_split(np.arange(len(p)), max(1, min(_MOST_BINS, len(p) // _IN_A_BIN)))
    bins = tuple(Bin(float(p[i].mean()), len(i), int(yes[i].sum())) for i in parts)
    gap = sum(abs(b.n_accepted - b.n * b.probability) for b in bins) / len(p)
    return Reliability(bins, gap, float(yes.mean() - p.mean()), Calibration.fit(_logit(p), yes))


def _logit(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    cut = np.clip(np.asarray(probability, np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(cut / (1 - cut)))
