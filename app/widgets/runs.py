"""Trainings: their metrics, the curve over them, and the one in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import charts
from app.widgets import layout, words
from lmtx.types import Run
from lmtx.workspace import Status

METRIC = "P@1"


def metric(metrics: Mapping[str, Any], name: str = METRIC) -> tuple[float, str] | None:
    """Value of a ranking metric in a run's metrics and the truth it is measured by, if known."""
    for truth in ("test", "gold", "held_out", "completed", "teacher"):
        found = metrics.get(truth)
        if isinstance(found, Mapping) and isinstance(found.get(name), int | float):
            return float(found[name]), {"test": "gold"}.get(truth, truth)
    value = metrics.get(name)
    return (float(value), "gold") if isinstance(value, int | float) else None


def headline(status: Status) -> tuple[str, str]:
    """First-tag precision of the run in use, and what it is measured by."""
    found = metric(status.metrics)
    if found is None:
        return "–", "not measured yet"
    return words.percent(found[0]), {"gold": "against gold"}.get(
        found[1], f"against {found[1].replace('_', ' ')}"
    )


def frame(found: Sequence[Run]) -> pd.DataFrame:
    """Return runs in order of time with the metric, rows without one left out."""
    rows = []
    for number, run in enumerate(reversed(found), start=1):
        value = metric(run.metrics)
        if value is not None:
            rows.append(
                {
                    "run": number,
                    "value": value[0],
                    "truth": value[1],
                    "promoted": run.promoted,
                    "note": run.note or run.kind,
                }
            )
    return pd.DataFrame(rows, columns=["run", "value", "truth", "promoted", "note"])


def curve(found: Sequence[Run], height: int = 280) -> None:
    """Draw the metric over the trainings."""
    data = frame(found)
    if data.empty:
        layout.note("No training has been measured yet.")
        return
    first, last = words.percent(data["value"].iloc[0]), words.percent(data["value"].iloc[-1])
    title = (
        f"First tag right: {last}"
        if len(data) == 1
        else f"First tag right: from {first} to {last} over {len(data)} trainings"
    )
    figure = charts.curve(data, title, metric="first tag right", dark=layout.dark())
    figure.update_layout(height=height)
    st.plotly_chart(figure, theme=None, key="runs_curve", config={"displayModeBar": False})
