"""How far to trust a teacher: its probabilities against decisions of people, and whether order moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go
import streamlit as st

from app import actions, charts, measures
from app.widgets import jobs, layout, words
from app.widgets.inert import escape
from lmtx.journal import JudgedDecision, TeacherRow
from lmtx.workspace import Workspace

ENOUGH = 50
"""Decided pairs from which the plot tells something."""
_IN_A_BIN = 15
_MOST_BINS = 8


@dataclass(frozen=True)
class Bin:
    """Decided pairs whose probabilities are alike: the mean of these, and how many people accepted."""

    probability: float
    n: int
    n_accepted: int


def panel(workspace: Workspace, row: TeacherRow | None) -> None:
    """Draw both, for one teacher."""
    layout.section("Can its probabilities be trusted?", truth="reviewed")
    if row is None:
        layout.note("Choose one teacher above.")
        return
    reliability(workspace.journal.judged_decisions(row.key))
    if "strategy=listwise" in row.spec:
        _positions(workspace, row)


def reliability(decided: Sequence[JudgedDecision]) -> None:
    """Draw the plot, or how many decisions are missing."""
    with_probability = [d for d in decided if d.probability is not None]
    if len(decided) >= ENOUGH and not with_probability:
        right = sum(d.accepted == (d.verdict == "yes") for d in decided if d.verdict != "unparsed")
        n = sum(d.verdict != "unparsed" for d in decided)
        share = words.percent(right / n, measures.wilson(right, n)) if n else "–"
        layout.note(
            f"It gives no probabilities. People decided as it did for {share} of {words.count(n)} pairs."
        )
        return
    missing = ENOUGH - len(with_probability)
    if missing > 0:
        layout.note(
            f"Shown from {ENOUGH} pairs that it gave a probability and people decided. There are "
            f"{words.count(len(with_probability))}: {words.many(missing, 'more decision')} in Review."
        )
        return
    bins = binned(with_probability)
    st.plotly_chart(
        figure(bins, dark=layout.dark()), theme=None, key="reliability", config={"displayModeBar": False}
    )
    layout.note(
        f"{words.count(len(with_probability))} decided pairs in {len(bins)} groups of alike probability; "
        "bars are 95 % intervals. On the line, what it calls 80 % sure is accepted in 80 of 100 cases. These "
        "are the pairs that people happened to review, no random sample."
    )


def binned(decided: Sequence[JudgedDecision]) -> list[Bin]:
    """Group decided pairs by probability, as many in each group as can be."""
    ordered = sorted((d.probability or 0.0, d.accepted) for d in decided)
    n_bins = max(1, min(_MOST_BINS, len(ordered) // _IN_A_BIN))
    cuts = [round(len(ordered) * i / n_bins) for i in range(n_bins + 1)]
    groups = [ordered[a:b] for a, b in pairwise(cuts)]
    return [Bin(sum(p for p, _ in g) / len(g), len(g), sum(a for _, a in g)) for g in groups if g]


def figure(bins: Sequence[Bin], *, dark: bool = False) -> go.Figure:
    """Share accepted against probability, with intervals and the line where both are the same."""
    shares = [100 * b.n_accepted / b.n for b in bins]
    limits = [measures.wilson(b.n_accepted, b.n) for b in bins]
    apart = sum(b.n * abs(b.n_accepted / b.n - b.probability) for b in bins) / sum(b.n for b in bins)
    lean = sum(b.n_accepted - b.n * b.probability for b in bins) / sum(b.n for b in bins)
    side = ", too sure of yes" if lean < -0.05 else ", too cautious" if lean > 0.05 else ""
    title = f"Its probabilities are off by {100 * apart:.0f} points on average{side}"
    found = go.Figure()
    found.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": charts.colour("quiet", dark), "width": 1.2, "dash": "dot"},
        hoverinfo="skip",
    )
    found.add_scatter(
        x=[100 * b.probability for b in bins],
        y=shares,
        mode="markers+lines",
        line={"color": charts.colour("teacher", dark), "width": 1.5},
        marker={"size": 9},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [100 * high - s for (_, high), s in zip(limits, shares, strict=True)],
            "arrayminus": [s - 100 * low for (low, _), s in zip(limits, shares, strict=True)],
            "color": charts.colour("quiet", dark),
            "thickness": 1.4,
            "width": 0,
        },
        customdata=[b.n for b in bins],
        hovertemplate="%{x:.0f} % sure: %{y:.0f} % accepted of %{customdata}<extra></extra>",
    )
    charts._frame(found, title, dark, 340)
    found.update_xaxes(title_text="probability it gave, %", range=[-3, 103])
    found.update_yaxes(title_text="accepted by people, %", range=[-3, 103])
    return found


def _positions(workspace: Workspace, row: TeacherRow) -> None:
    """Draw whether the order of a list moves the verdicts, and the button that finds out."""
    layout.section("Does the order of a list matter?")
    busy = jobs.panel(workspace, ["check_positions"], history=1)
    st.button(
        "Check the positions",
        key="check_positions",
        disabled=busy,
        help="Asks about some documents again with their candidates in other orders.",
        on_click=actions.start,
        args=(workspace, "check_positions", {"teacher": row.spec}),
    )
    job = next((j for j in workspace.jobs() if j.verb == "check_positions" and j.state == "done"), None)
    if job is not None and isinstance(job.result, dict):
        positions(job.result)


def positions(result: dict[str, object]) -> None:
    """Say how many verdicts changed with the order."""
    n, flipped = result.get("n_pairs"), result.get("n_flipped")
    if not isinstance(n, int) or not isinstance(flipped, int) or not n:
        return
    low, high = result.get("low"), result.get("high")
    both = (low, high) if isinstance(low, float) and isinstance(high, float) else measures.wilson(flipped, n)
    share = words.percent(flipped / n, both)
    st.html(f"<p>{escape(share)} of {escape(words.many(n, 'verdict'))} changed with the order alone.</p>")
