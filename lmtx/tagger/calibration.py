"""From a blend's score to a probability: a logistic curve fitted on answers it has not been trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lmtx.types import FloatArray

MIN_ANSWERS = 50
"""Fewest answered pairs, of both kinds together, that a curve is fitted on."""


@dataclass(frozen=True)
class Calibration:
    """Probability = 1 / (1 + exp(-(slope * score + intercept)))."""

    slope: float
    intercept: float

    def probability(self, score: FloatArray) -> FloatArray:
        """Probabilities of scores, same shape; padded scores of -inf become 0."""
        logit = self.slope * np.asarray(score, dtype=np.float64) + self.intercept
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))), dtype=np.float32)

    @classmethod
    def fit(
        cls,
        score: NDArray[np.floating],
        wanted: NDArray[np.floating],
        weight: NDArray[np.floating] | None = None,
    ) -> Calibration | None:
        """Fit by Newton's method with Platt's smoothed targets; None where there is too little to fit on.

        Parameters
        ----------
        score : float (n,)
            Finite scores of answered pairs.
        wanted : float (n,)
            1 where the label is wanted.
        weight : float (n,), optional
            What each answer counts; only how they compare matters. All the same where left out.

        References
        ----------
        Platt, Probabilistic outputs for support vector machines, 1999; Lin, Lin and Weng, 2007.
        """
        x = np.asarray(score, dtype=np.float64)
        y = np.asarray(wanted, dtype=np.float64) > 0.5
        counts = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64) / np.mean(weight)
        n_yes, n_no = float(counts[y].sum()), float(counts[~y].sum())
        if len(x) < MIN_ANSWERS or not n_yes or not n_no:
            return None
        target = np.where(y, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))
        centre, scale = float(x.mean()), float(x.std()) or 1.0
        design = np.stack([(x - centre) / scale, np.ones_like(x)], axis=1)
        weights = np.array([1.0, np.log(n_yes / n_no)])
        for _ in range(50):
            share = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
            gradient = design.T @ (counts * (share - target)) + 1e-6 * weights
            curvature = (design * (counts * share * (1 - share))[:, None]).T @ design + 1e-6 * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            weights = weights - np.clip(step, -5, 5)
            if float(np.abs(step).max()) < 1e-8:
                break
        if weights[0] <= 0:  # a score that says nothing must not be turned around
            return None
        slope = float(weights[0] / scale)
        return cls(slope, float(weights[1] - slope * centre))
