"""Small statistics that screens show beside a count."""

from __future__ import annotations

import math

import pandas as pd


def wilson(correct: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    Parameters
    ----------
    correct, n : float
        Successes and trials; n = 0 gives (0, 1).
    z : float
        Quantile; 1.96 for 95 %.

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference. JASA 22, 1927.
    """
    if n <= 0:
        return 0.0, 1.0
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def with_intervals(quality: pd.DataFrame) -> pd.DataFrame:
    """Add `low` and `high` (fractions) of precision and `n_correct` to a table of labels.

    Parameters
    ----------
    quality : DataFrame
        precision, n_predicted; a row a label.
    """
    frame = quality.copy()
    if "n_correct" not in frame:
        frame["n_correct"] = (frame["precision"].fillna(0.0) * frame["n_predicted"]).round()
    pairs = [wilson(c, n) for c, n in zip(frame["n_correct"], frame["n_predicted"], strict=True)]
    frame["low"] = [p[0] for p in pairs]
    frame["high"] = [p[1] for p in pairs]
    return frame


def known_within(frame: pd.DataFrame, points: float = 0.1) -> int:
    """Count the labels whose precision is known to plus or minus `points` (a fraction)."""
    half = (frame["high"] - frame["low"]) / 2
    return int(((half <= points) & (frame["n_predicted"] > 0)).sum())
