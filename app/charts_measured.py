"""Plots of what the audit found: where tags are lost, the course over runs, and two runs label by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from app.charts import colour, framed, plain

if TYPE_CHECKING:
    from lmtx.workspace.precision_models import FunnelStep

STEPS = {
    ("wanted", "found"): ("found", "accepted"),
    ("wanted", "shortlist"): ("lost by the shortlist", "quiet"),
    ("wanted", "teacher"): ("lost by the teacher", "teacher"),
    ("wanted", "student"): ("lost by the student", "student"),
    ("given", "right"): ("right", "accepted"),
    ("given", "teacher"): ("wrong by the teacher", "teacher"),
    ("given", "student"): ("wrong by the student", "student"),
}
"""Words and colour of the steps of the two bars."""
_ROOM = 0.13
"""Share of a bar from which its words fit into it."""


def funnel(
    wanted: Sequence[FunnelStep], given: Sequence[FunnelStep], title: str, *, dark: bool = False
) -> go.Figure:
    """What becomes of wanted tags, and where given ones come from: a stacked bar each.

    Parameters
    ----------
    wanted, given : sequences of FunnelStep
        Shares of each add up to one; either may be empty.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    figure = go.Figure()
    for bar, steps in (("wanted", wanted), ("given", given)):
        for step in steps:
            text, meaning = STEPS[(bar, step.name)]
            share = step.share.value or 0.0
            figure.add_bar(
                x=[100 * share],
                y=["Wanted tags" if bar == "wanted" else "Given tags"],
                orientation="h",
                marker={"color": colour(meaning, dark), "line": {"width": 0}},
                text=[f"{text}<br>{100 * share:.0f} %" if share >= _ROOM else f"{100 * share:.0f}"],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": "#1b1c1d" if dark or meaning == "quiet" else "#ffffff", "size": 12},
                hovertemplate=f"{text}: {step.n} tags, {100 * share:.1f} % "
                f"[{100 * step.share.low:.1f}, {100 * step.share.high:.1f}]<extra></extra>",
            )
    framed(figure, title, dark, 210 if wanted and given else 150)
    figure.update_layout(barmode="stack", bargap=0.3)
    figure.update_xaxes(title_text="share, %", range=[0, 100.5])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def trend(frame: pd.DataFrame, title: str, *, dark: bool = False) -> go.Figure:
    """Precision and recall of the runs that were in use, with intervals, in order of time.

    Parameters
    ----------
    frame : DataFrame
        run (its number), run_id, note, value, low, high, recall, recall_low, recall_high (fractions; NaN
        where nothing is known). A point holds the run's id and the name of its figure last.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    figure = go.Figure()
    places = list(range(len(frame)))
    lines = (
        ("precision", "value", "low", "high", colour("student", dark), "solid", 0.0),
        ("recall", "recall", "recall_low", "recall_high", colour("quiet", dark), "dot", 0.06),
    )
    for name, value, low, high, line, dash, aside in lines:
        percent = 100 * frame[value].astype(float).reset_index(drop=True)
        if not percent.notna().any():
            continue
        figure.add_scatter(
            x=[place + aside for place in places],
            y=percent,
            mode="lines+markers",
            line={"color": line, "width": 2 if dash == "solid" else 1.4, "dash": dash},
            marker={"size": 8, "color": line},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": 100 * frame[high].to_numpy() - percent,
                "arrayminus": percent - 100 * frame[low].to_numpy(),
                "color": line,
                "thickness": 1.4,
                "width": 0,
            },
            customdata=[
                [run, plain(note), f"[{100 * a:.1f}, {100 * b:.1f}]", run_id, name]
                for run, note, a, b, run_id in zip(
                    frame["run"], frame["note"], frame[low], frame[high], frame["run_id"], strict=True
                )
            ],
            hovertemplate=f"training %{{customdata[0]}}: {name} %{{y:.1f}} % %{{customdata[2]}}"
            "<br>%{customdata[1]}<extra></extra>",
        )
        last = int(percent[percent.notna()].index[-1])
        figure.add_annotation(
            x=last + aside,
            y=percent[last],
            text=name,
            showarrow=False,
            xanchor="left",
            xshift=10,
            font={"color": line},
        )
    framed(figure, title, dark, 300)
    figure.update_layout(margin={"r": 70})
    figure.update_xaxes(
        title_text="training, of those that were put to use",
        tickvals=places,
        ticktext=[str(run) for run in frame["run"]],
        range=[-0.4, max(len(places) - 1, 0) + 0.4],
        showgrid=False,
    )
    figure.update_yaxes(title_text="share, %", rangemode="tozero")
    return figure


def comparison(frame: pd.DataFrame, title: str, *, dark: bool = False) -> go.Figure:
    """Documents that each label lost and gained between two runs, a point to each side.

    Parameters
    ----------
    frame : DataFrame
        label_id, name, gained, lost (documents), got ("better", "worse" beyond chance, else ""); drawn from
        top to bottom. What may be chance is pale.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    rows = frame.iloc[::-1]
    places = list(range(len(rows)))
    names = [plain(n) if len(str(n)) < 34 else plain(str(n)[:32]) + "…" for n in rows["name"]]
    figure = go.Figure()
    for column, sign, meaning in (("lost", -1, "rejected"), ("gained", 1, "accepted")):
        some = [i for i, n in enumerate(rows[column]) if n]
        number = [int(rows[column].iloc[i]) for i in some]
        # Points with a stem, as a click on a bar does not reach the screen.
        figure.add_scatter(
            x=[sign * n for n in number],
            y=some,
            mode="markers+text",
            marker={
                "color": colour(meaning, dark),
                "size": 11,
                "opacity": [1.0 if rows["got"].iloc[i] else 0.5 for i in some],
            },
            text=number,
            textposition="middle right" if sign > 0 else "middle left",
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0 if sign > 0 else n for n in number],
                "arrayminus": [n if sign > 0 else 0 for n in number],
                "color": colour("quiet", dark),
                "thickness": 1.4,
                "width": 0,
            },
            customdata=[[rows["label_id"].iloc[i], names[i]] for i in some],
            hovertemplate=f"%{{customdata[1]}}: {column} %{{text}}<extra></extra>",
        )
    most = max([1, *rows["lost"], *rows["gained"]])
    framed(figure, title, dark, 100 + 22 * max(len(rows), 3))
    figure.update_xaxes(
        title_text="documents: lost to the left, gained to the right; pale: may be chance",
        range=[-1.2 * most, 1.2 * most],
        showticklabels=False,
        showgrid=False,
        zeroline=True,
    )
    figure.update_yaxes(
        tickvals=places, ticktext=names, range=[-0.7, max(len(rows), 1) - 0.3], showgrid=False
    )
    return figure
