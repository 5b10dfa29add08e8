"""Trainings: how good each is, the course over them, and the one in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from app import charts, computed
from app.widgets import downloads, layout, words
from lmtx.types import Run
from lmtx.workspace import Status, Workspace

METRIC, OF_TAGS = "P@1", "P@5"
FEWEST, FIRM = 30, 200
"""Audited tags from which a figure is shown, and from which it is more than a first impression."""
BASES = {"completed": "reviewed", "held-out": "teacher"}


def name(number: int, run: Run) -> str:
    """Return what a run is called in a choice: its number, its age, and whether it is in use."""
    return f"Training {number}, {words.ago(run.created)}{', in use' if run.promoted else ''}"


def headline(workspace: Workspace, status: Status) -> tuple[str, str]:
    """Return the precision of the run in use at five tags, and of which truth it is.

    Gold where there is any, else the audit's answers; with too few of these, what is missing.
    """
    if status.run_id is None:
        return "–", "nothing trained yet"
    if not status.has_gold:
        return _audited(workspace)
    found = computed.ranking_of(workspace, status, status.run_id, now=True)
    if found is None:
        return "–", "gold, not measured yet" if workspace.read_only else "gold, being measured"
    return words.percent(found[OF_TAGS], interval(found, OF_TAGS)), "gold, of five tags a document"


def _audited(workspace: Workspace) -> tuple[str, str]:
    found = workspace.precision_report()
    if found is None:
        return "–", "the reserve has no tags yet: train"
    figure = found.precision
    if figure.value is None or found.n_pairs < FEWEST:
        return "–", f"{words.many(found.n_pairs, 'audited tag')}, not enough reviews"
    firm = "" if found.n_pairs >= FIRM else ", a first impression"
    by = words.many(found.n_pairs, "audited tag")
    return words.percent(figure.value, (figure.low, figure.high)), f"reviewed, by {by}{firm}"


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
        if workspace.reads_with(run)
    }
    return {run_id: metrics for run_id, metrics in known.items() if metrics is not None}


def course(workspace: Workspace, status: Status, found: Sequence[Run], *, height: int = 280) -> None:
    """Draw how the first tag's precision against gold went over the trainings."""
    known = rankings(workspace, status, found)
    rows: list[dict[str, Any]] = [
        {
            "run": number,
            "value": known[run.id][METRIC],
            "promoted": run.promoted,
            "note": run.note or run.kind,
        }
        for number, run in numbered(found)[::-1]
        if run.id in known and not run.to_compare
    ]
    if not rows:
        layout.note("Not measured yet." if workspace.read_only else "Being measured; look again in a moment.")
        return
    first, last = words.percent(rows[0]["value"]), words.percent(rows[-1]["value"])
    zero = computed.ranking_of(workspace, status, "zero-shot", now=True)
    baseline = zero.get(METRIC) if zero else None
    if len(rows) == 1:
        so_far = "so far" if len(found) == 1 else "is measured so far"
        layout.note(
            f"One training {so_far}: its first tag is right for {last} of the test documents; "
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
    downloads.plot(figure, "first-tag-over-trainings", key="runs_course")


def numbered(found: Sequence[Run]) -> list[tuple[int, Run]]:
    """Return runs, newest first, with their numbers in order of time."""
    return [(len(found) - i, run) for i, run in enumerate(found)]


def why(run: Run) -> str:
    """Return the sentence that says why a run was or was not put to use."""
    gate: Any = run.metrics.get("gate")
    return str(gate.get("message") or "") if isinstance(gate, Mapping) else ""
