"""Small statistics that screens show beside a count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class GoldFigures:
    """How good a system's tags are against gold; fractions, None where nothing is defined.

    precision, recall, f1 : of all tags together (micro)
    macro_precision : mean over labels that are given; macro_recall, macro_f1: over labels in gold
    interval, macro_interval : 95 % intervals of the two precisions, test documents taken as a random sample
    given, right, support : tags given, those that are right, and those in gold
    """

    precision: float | None
    interval: tuple[float, float] | None
    macro_precision: float | None
    macro_interval: tuple[float, float] | None
    recall: float | None
    macro_recall: float | None
    f1: float | None
    macro_f1: float | None
    given: int
    right: int
    support: int


def gold_figures(quality: pd.DataFrame, ranking: Mapping[str, float], k: int = 5) -> GoldFigures:
    """Sum a table of labels up.

    The interval of all tags is from the spread between documents (the standard error of P@k). That of the
    mean over labels adds up the labels' binomial variances, shares taken as (right + 2) / (n + 4) so that a
    label of few tags is not taken as certain, and widens them by what documents make of all tags: tags of
    one document are right or wrong together.

    Parameters
    ----------
    quality : DataFrame
        precision, recall, n_predicted, n_correct, support; a row a label.
    ranking : mapping
        "P@k" and "P@k_se" of the same tags, "n_docs".
    k : int
        Tags a document.
    """
    given, right = int(quality["n_predicted"].sum()), int(quality["n_correct"].sum())
    support = int(quality["support"].sum())
    p = right / given if given else None
    interval = macro_interval = None
    rows = quality[quality["n_predicted"] > 0]
    if p is not None and (error := ranking.get(f"P@{k}_se")) is not None:
        error *= k * float(ranking.get("n_docs", 0)) / given  # fewer than k labels: some places stay empty
        interval = _around(p, error)
        alike = error**2 * given / (p * (1 - p)) if 0 < p < 1 else 1.0
        n = rows["n_predicted"]
        smooth = (rows["n_correct"] + 2) / (n + 4)
        variance = float((smooth * (1 - smooth) / n).sum()) / len(rows) ** 2
        macro_interval = _around(float(rows["precision"].mean()), (max(alike, 1.0) * variance) ** 0.5)
    wanted = quality[quality["support"] > 0]
    return GoldFigures(
        precision=p,
        interval=interval,
        macro_precision=float(rows["precision"].mean()) if len(rows) else None,
        macro_interval=macro_interval,
        recall=right / support if support else None,
        macro_recall=float(wanted["recall"].mean()) if len(wanted) else None,
        f1=2 * right / (given + support) if given + support else None,
        macro_f1=float(wanted["f1"].mean()) if len(wanted) else None,
        given=given,
        right=right,
        support=support,
    )


def _around(value: float, error: float) -> tuple[float, float]:
    return max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)
