"""How precision went over the runs that were in use, by the audit as it is now."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from app import charts_measured
from app.widgets import downloads, layout, runs, words
from lmtx.types import Run
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import TrendPoint

FEW = 30
"""Audited tags below which a run's precision is not drawn."""


def panel(workspace: Workspace, points: Sequence[TrendPoint] | None = None) -> None:
    """Draw the course of precision and recall.

    `points` are those of `Workspace.precision_trend`, where the caller has them already.
    """
    layout.section("Precision over the runs in use", "all by the same audit, at five tags", truth="reviewed")
    frame = plot(workspace, points)
    if len(frame) < 2:
        return
    downloads.csv(frame, "precision-over-runs", key="measured_trend_csv")


def plot(
    workspace: Workspace, points: Sequence[TrendPoint] | None = None, *, height: int = 300
) -> pd.DataFrame:
    """Draw the plot alone, or why there is none; returns what is drawn."""
    found = workspace.precision_trend() if points is None else points
    frame = table_of(found, workspace.runs())
    if len(frame) < 2:
        layout.note(
            f"Drawn from two runs in use of which at least {FEW} tags each are audited."
            + (f" There is one: {words.percent(*_share(frame.iloc[0]))}." if len(frame) else "")
        )
        return frame
    figure = charts_measured.trend(frame, finding(frame), dark=layout.dark())
    figure.update_layout(height=height)
    downloads.plot(figure, "precision-over-runs", key="measured_trend")
    layout.note(
        "All runs are measured by the same answers, so their intervals don't tell whether they differ: "
        "“Two runs compared” does, on the page Precision under Runs."
    )
    return frame


def table_of(points: Sequence[TrendPoint], found: Sequence[Run]) -> pd.DataFrame:
    """Make the table of runs whose precision is known, the oldest first."""
    numbers = {run.id: (number, run) for number, run in runs.numbered(found)}
    rows = []
    for point in points:
        if point.run_id not in numbers or point.precision.value is None or point.precision.n < FEW:
            continue
        number, run = numbers[point.run_id]
        rows.append(
            {
                "run": number,
                "run_id": point.run_id,
                "note": run.note or words.ago(point.at),
                "value": point.precision.value,
                "low": point.precision.low,
                "high": point.precision.high,
                "n": point.precision.n,
                "recall": point.recall.value,
                "recall_low": point.recall.low,
                "recall_high": point.recall.high,
            }
        )
    return pd.DataFrame(rows)


def finding(frame: pd.DataFrame) -> str:
    """Say from where to where precision went; intervals by the same answers don't tell whether by chance."""
    first, last = frame.iloc[0], frame.iloc[-1]
    course = f"from {words.percent(first['value'])} to {words.percent(last['value'])}"
    return f"Precision {course} over {len(frame)} runs"


def _share(row: pd.Series) -> tuple[float, tuple[float, float]]:
    return float(row["value"]), (float(row["low"]), float(row["high"]))
