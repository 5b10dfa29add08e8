"""How precision went over the runs that were in use, by the audit as it is now."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import charts_measured, state
from app.widgets import downloads, layout, runs, table, words
from app.widgets import reviewed_behind as behind
from lmtx.types import Run
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Figure, TrendPoint

FEW = 30
"""Audited tags below which a run's precision is not drawn."""
FIGURES = {"precision": "Precision", "recall": "Recall"}


def panel(workspace: Workspace, points: Sequence[TrendPoint] | None = None) -> None:
    """Draw the course of precision and recall, a row a run, and what the figures of one rest on.

    `points` are those of `Workspace.precision_trend`, where the caller has them already.
    """
    layout.section(
        "Precision over the runs in use",
        "all by the same audit, at five tags; a point or a row lists its audited tags",
        truth="reviewed",
    )
    frame = _frame(workspace, points)
    if frame.empty:
        _say(frame)
        return
    with st.grid(min_column_width=400, gap="medium"):
        with st.container():
            chosen = _plot(frame) if len(frame) > 1 else None
            _say(frame)
        with st.container():
            row = table.table(
                view(frame),
                list(frame["run_id"])[::-1],
                key="measured_trend_table",
                opens=True,
                columns={
                    "Run": st.column_config.NumberColumn(width=45, help="Number of the training"),
                    "Precision": st.column_config.NumberColumn(format="percent", width=75),
                    "95 % interval": st.column_config.TextColumn(width=90),
                    "Audited": st.column_config.NumberColumn(
                        format="localized", width=70, help="Audited tags that it gives"
                    ),
                    "Recall": st.column_config.NumberColumn(format="percent", width=65),
                },
            )
            downloads.csv(frame, "precision-over-runs", key="measured_trend_csv")
    if row:
        chosen = f"precision.{row}"
    if chosen:
        behind.open_list(chosen)
    _behind(workspace, frame)


def plot(
    workspace: Workspace, points: Sequence[TrendPoint] | None = None, *, height: int = 300
) -> pd.DataFrame:
    """Draw the plot alone, or why there is none; returns what is drawn. A point opens the panel's list."""
    frame = _frame(workspace, points)
    chosen = _plot(frame, height=height) if len(frame) > 1 else None
    _say(frame)
    if chosen:
        state.go("precision", truth="reviewed", view="runs", behind=chosen)
    return frame


def _frame(workspace: Workspace, points: Sequence[TrendPoint] | None) -> pd.DataFrame:
    found = workspace.precision_trend() if points is None else points
    return table_of(found, workspace.runs())


def _plot(frame: pd.DataFrame, *, height: int = 300) -> str | None:
    """Draw the plot; returns what the point that was clicked rests on, as the address names it."""
    figure = charts_measured.trend(frame, finding(frame), dark=layout.dark())
    figure.update_layout(height=height)
    point = behind.picked(figure, "precision-over-runs", key="measured_trend")
    return f"{point[-1]}.{point[-2]}" if point else None


def _say(frame: pd.DataFrame) -> None:
    if len(frame) > 1:
        layout.note(
            "All runs are measured by the same answers, so their intervals don't tell whether they differ: "
            "“Two runs compared” does, on the page Precision under Runs."
        )
    else:
        layout.note(
            f"Drawn from two runs in use of which at least {FEW} tags each are audited."
            + (f" There is one: {words.percent(*_share(frame.iloc[0]))}." if len(frame) else "")
        )


def _behind(workspace: Workspace, frame: pd.DataFrame) -> None:
    """Draw the audited tags that the figure of a run rests on, where the address names one."""
    figure, _, run_id = (state.param("behind") or "").partition(".")
    named = frame[frame["run_id"] == run_id]
    if figure not in FIGURES or named.empty:
        return
    row = named.iloc[0]
    behind.head(f"Behind the {figure} of training {row['run']}", key="trend")
    st.segmented_control(
        "Figure",
        list(FIGURES),
        format_func=FIGURES.__getitem__,
        default=figure,
        required=True,
        key=f"trend_figure_{run_id}_{figure}",
        label_visibility="collapsed",
        on_change=_other_figure,
        args=(run_id, figure),
    )
    of: Figure = "recall" if figure == "recall" else "precision"
    found = workspace.audited_tags(run_id, figure=of)
    layout.note(behind.said(found, of))
    behind.answers(found, key=f"{figure}_{run_id}", name=f"audited-{figure}")


def _other_figure(run_id: str, figure: str) -> None:
    chosen = st.session_state[f"trend_figure_{run_id}_{figure}"] or figure
    state.address(behind=f"{chosen}.{run_id}")


def view(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as they are shown, the newest run first."""
    rows = frame.iloc[::-1]
    return pd.DataFrame(
        {
            "Run": rows["run"],
            "Precision": rows["value"].round(3),
            "95 % interval": [
                f"[{100 * a:.0f}, {100 * b:.0f}]" for a, b in zip(rows["low"], rows["high"], strict=True)
            ],
            "Audited": rows["n"],
            "Recall": rows["recall"].astype(float).round(3),
            "Note": rows["note"],
        }
    )


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
                # A moment, not how long ago: a plot whose words change forgets which point was clicked.
                "note": run.note or f"{point.at.astimezone():%d %b %Y, %H:%M}",
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
