"""Small statistics that screens show beside a count."""

from __future__ import annotations

import pandas as pd

from lmtx.quality import estimates


def wilson(correct: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share as plain numbers; n = 0 gives (0, 1)."""
    low, high = estimates.wilson(correct, n)
    return float(low), float(high)


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
    frame["low"], frame["high"] = estimates.wilson(frame["n_correct"], frame["n_predicted"])
    return frame


def known_within(frame: pd.DataFrame, points: float = 0.1) -> int:
    """Count the labels whose precision is known to plus or minus `points` (a fraction)."""
    half = (frame["high"] - frame["low"]) / 2
    return int(((half <= points) & (frame["n_predicted"] > 0)).sum())
