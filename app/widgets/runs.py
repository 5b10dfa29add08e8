"""Trainings: how good each is, the course over them, and the one in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import charts, computed
from app.widgets import layout, words
from lmtx.types import Run
from lmtx.workspace import Status, Workspace

METRIC = "P@1"
BASES = {"completed": "reviewed", "held-out": "teacher"}


def headline(workspace: Workspace, status: Status) -> tuple[str, str]:
    """Return how often the first tag of the run in use is right, and from which truth that is known."""
    if status.run_id is None:
        return "–", "nothing trained yet"
    found = computed.ranking_of(workspace, status, status.run_id, now=True)
    if found is None:
        return "–", "being measured" if status.has_gold else "no gold to measure against"
    return words.percent(found[METRIC], interval(found, METRIC)), "against gold"


def interval(found: Mapping[str, float], name: str) -> tuple[float, float] | None:
    """Return the 95 % interval of a metric where its standard error is known."""
    value, error = found.get(name), found.get(f"{name}_se")
    if value is None or error is None:
        return None
    return max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)


def rankings(workspace: Workspace, status: Status, found: Sequence[Run]) -> dict[str, Mapping[str, float]]:
    """Return the metrics of the runs that are measured already; the others are measured meanwhile."""
    computed.measure_soon(workspace, status, found)
    known = {
        run.id: computed.ranking_of(workspace, status, run.id, now=run.promoted or run is found[0])
        for run in found
    }
    return {run_id: metrics for run_id, metrics in known.items() if metrics is not None}


def course(workspace: Workspace, status: Status, found: Sequence[Run], *, height: int = 280) -> None:
    """Draw how the first tag's precision went over the trainings."""
    known = rankings(workspace, status, found)
    rows: list[dict[str, Any]] = [
        {
            "run": number,
            "value": known[run.id][METRIC],
            "promoted": run.promoted,
            "note": run.note or run.kind,
        }
        for number, run in numbered(found)[::-1]
        if run.id in known
    ]
    if not rows:
        layout.note(
            "Being measured; look again in a moment."
            if status.has_gold
            else "How good the trainings are can be drawn once test documents with gold labels are there."
        )
        return
    first, last = words.percent(rows[0]["value"]), words.percent(rows[-1]["value"])
    zero = computed.ranking_of(workspace, status, "zero-shot", now=True)
    baseline = zero.get(METRIC) if zero else None
    if len(rows) == 1:
        layout.note(
            f"One training so far: its first tag is right for {last} of the test documents; "
            f"without any learning it is for {words.percent(baseline)}."
        )
        return
    figure = charts.curve(
        pd.DataFrame(rows),
        f"First tag right: from {first} to {last} over {len(rows)} trainings",
        metric="first tag right",
        baseline=baseline,
        dark=layout.dark(),
    )
    figure.update_layout(height=height)
    st.plotly_chart(figure, theme=None, key="runs_course", config={"displayModeBar": False})


def numbered(found: Sequence[Run]) -> list[tuple[int, Run]]:
    """Return runs, newest first, with their numbers in order of time."""
    return [(len(found) - i, run) for i, run in enumerate(found)]


def why(run: Run) -> str:
    """Return the sentence that says why a run was or was not put to use."""
    gate: Any = run.metrics.get("gate")
    return str(gate.get("message") or "") if isinstance(gate, Mapping) else ""
