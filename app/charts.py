"""DataFrame -> plotly figure. One template by day and by night; colours mean one thing each.

Titles state the finding. Words from files are escaped, as plotly reads a little HTML.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import pandas as pd
import plotly.graph_objects as go

from app import measures

if TYPE_CHECKING:
    from lmtx.quality import Reliability

MEANING = {
    "accepted": ("#007a5a", "#3fc39a"),
    "rejected": ("#b84e00", "#f08a4b"),
    "proposed": ("#0072b2", "#6cb8ea"),
    "unsure": ("#9a6b00", "#e6b84d"),
    "teacher": ("#a3487f", "#dd9ac0"),
    "student": ("#2f7fb0", "#7cc4ee"),
    "quiet": ("#8f897b", "#8b887f"),
}
FIRM = 10
"""Tags behind a label's figure from which it is firm; with fewer it is drawn pale."""
_PARTS = ("student", "proposed", "accepted", "unsure", "teacher", "rejected")


def colour(meaning: str, dark: bool) -> str:
    """Colour of a meaning in a theme."""
    return MEANING[meaning][1 if dark else 0]


def plain(text: object) -> str:
    """Escape words from files, as plotly reads a little HTML."""
    return html.escape(str(text), quote=False)


def framed(figure: go.Figure, title: str, dark: bool, height: int) -> go.Figure:
    """Put a figure into the one template, with its finding as title and a height in pixels."""
    ink, line = ("#e6e3dc", "rgba(220,215,200,.16)") if dark else ("#28261f", "rgba(90,85,70,.16)")
    axis = {
        "gridcolor": line,
        "zeroline": False,
        "linecolor": line,
        "ticks": "",
        "automargin": True,
        "title": {"font": {"size": 13}},
    }
    figure.update_layout(
        title={"text": plain(title), "x": 0, "xanchor": "left", "font": {"size": 15}},
        font={"family": "Source Sans, sans-serif", "size": 13, "color": ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 24, "t": 44, "b": 40},
        height=height,
        showlegend=False,
        xaxis=axis,
        yaxis=axis,
        hoverlabel={"font": {"size": 13}},
        dragmode=False,
    )
    return figure


def forest(frame: pd.DataFrame, title: str, *, dark: bool = False) -> go.Figure:
    """Precision of labels with intervals, in the caller's order.

    Parameters
    ----------
    frame : DataFrame
        label_id, name, precision, low, high (fractions), n_predicted: known tags behind each; drawn from top
        to bottom. With fewer than ten a label is pale. Where there are pooled, pooled_low and pooled_high,
        they are drawn beside it as what they are: borrowed from other labels.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    rows = frame.iloc[::-1]
    places = list(range(len(rows)))
    pooled = "pooled" in rows and bool(rows["pooled"].notna().any())
    figure = go.Figure()
    if pooled:
        figure.add_scatter(
            x=100 * rows["pooled"],
            y=[y - 0.24 for y in places],
            mode="markers",
            marker={"symbol": "diamond-open", "color": colour("unsure", dark), "size": 8},
            error_x=_reach(
                rows["pooled"], rows["pooled_low"], rows["pooled_high"], colour("unsure", dark), 1
            ),
            customdata=[[i] for i in rows["label_id"]],
            hovertemplate="about %{x:.0f} %, borrowed from other labels<extra></extra>",
        )
    figure.add_scatter(
        x=100 * rows["precision"],
        y=places,
        mode="markers",
        marker={
            "color": colour("student", dark),
            "size": 8,
            "opacity": [1.0 if n >= FIRM else 0.4 for n in rows["n_predicted"]],
        },
        error_x=_reach(rows["precision"], rows["low"], rows["high"], colour("quiet", dark), 1.4),
        customdata=[
            [i, n, plain(name)]
            for i, n, name in zip(rows["label_id"], rows["n_predicted"], rows["name"], strict=True)
        ],
        hovertemplate="%{customdata[2]}: %{x:.1f} % of %{customdata[1]}<extra></extra>",
    )
    framed(figure, title, dark, 90 + (26 if pooled else 22) * max(len(rows), 4))
    borrowed = "; ◇ borrowed from other labels, not a 95 % interval" if pooled else ""
    pale = f"; pale: fewer than {FIRM} tags" if bool((rows["n_predicted"] < FIRM).any()) else ""
    figure.update_xaxes(title_text=f"precision, %{pale}{borrowed}", range=[-2, 102])
    figure.update_yaxes(
        tickvals=places,
        ticktext=[plain(n) if len(str(n)) < 34 else plain(str(n)[:32]) + "…" for n in rows["name"]],
        range=[-0.7, max(len(rows), 1) - 0.3],
        showgrid=False,
    )
    return figure


def _reach(
    value: pd.Series, low: pd.Series, high: pd.Series, line: str, thickness: float
) -> dict[str, object]:
    """Intervals of fractions as plotly wants them, in percent."""
    return {
        "type": "data",
        "symmetric": False,
        "array": 100 * (high - value),
        "arrayminus": 100 * (value - low),
        "color": line,
        "thickness": thickness,
        "width": 0,
    }


def volume(frame: pd.DataFrame, title: str, *, dark: bool = False, known: str = "audited") -> go.Figure:
    """Precision against how often a label is given, a point a label; `customdata` carries the label id.

    Parameters
    ----------
    frame : DataFrame
        label_id, name, precision, low, high (fractions), volume (tags given, above 0), n (tags behind the
        figure, by area). With fewer than ten a point is pale.
    title : str
        The finding.
    dark : bool
        Theme.
    known : str
        What `n` counts: "audited", or "compared" with gold.
    """
    rows = frame[(frame["volume"] > 0) & (frame["n"] > 0)].dropna(subset=["precision"])
    biggest = max(float(rows["n"].max()) if len(rows) else 1.0, 1.0)
    figure = go.Figure(
        go.Scatter(
            x=rows["volume"],
            y=100 * rows["precision"],
            mode="markers",
            marker={
                "size": rows["n"],
                "sizemode": "area",
                "sizeref": 2 * biggest / 26**2,
                "sizemin": 3,
                "color": colour("student", dark),
                "opacity": [0.75 if n >= FIRM else 0.35 for n in rows["n"]],
                "line": {"width": 0},
            },
            customdata=[
                [i, plain(name), f"[{100 * low:.0f}, {100 * high:.0f}]", n]
                for i, name, low, high, n in zip(
                    *(rows[c] for c in ("label_id", "name", "low", "high", "n")), strict=True
                )
            ],
            hovertemplate="%{customdata[1]}<br>%{y:.0f} % %{customdata[2]} of %{customdata[3]} "
            f"{plain(known)}, given %{{x:.0f}} times<extra></extra>",
        )
    )
    framed(figure, title, dark, 380)
    figure.update_xaxes(title_text=f"times given, log scale; area: tags {plain(known)}", type="log", dtick=1)
    figure.update_yaxes(title_text="precision, %", range=[-3, 103])
    return figure


def spread(frame: pd.DataFrame, title: str, *, dark: bool = False) -> go.Figure:
    """Precision against recall, a point a label, area by support; `customdata` carries the label id.

    Parameters
    ----------
    frame : DataFrame
        label_id, name, precision, recall (fractions), support.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    known = frame.dropna(subset=["precision", "recall"])
    biggest = max(float(known["support"].max()) if len(known) else 1.0, 1.0)
    figure = go.Figure(
        go.Scatter(
            x=100 * known["recall"],
            y=100 * known["precision"],
            mode="markers",
            marker={
                "size": known["support"],
                "sizemode": "area",
                "sizeref": 2 * biggest / 26**2,
                "sizemin": 3,
                "color": colour("student", dark),
                "opacity": 0.6,
                "line": {"width": 0},
            },
            customdata=[
                [i, plain(n), s]
                for i, n, s in zip(known["label_id"], known["name"], known["support"], strict=True)
            ],
            hovertemplate="%{customdata[1]}<br>precision %{y:.0f} %, recall %{x:.0f} %, "
            "%{customdata[2]} in gold<extra></extra>",
        )
    )
    framed(figure, title, dark, 380)
    figure.update_xaxes(title_text="recall, %", range=[-3, 103])
    figure.update_yaxes(title_text="precision, %", range=[-3, 103])
    return figure


def curve(
    frame: pd.DataFrame, title: str, *, metric: str, baseline: float | None = None, dark: bool = False
) -> go.Figure:
    """Metric of each run in order of time, the promoted one marked.

    Parameters
    ----------
    frame : DataFrame
        run (its number), value (fraction), promoted (bool), note.
    title : str
        The finding.
    metric : str
        Name on the axis.
    baseline : float, optional
        The same metric (fraction) where nothing is learned, drawn as a dotted line.
    dark : bool
        Theme.
    """
    values = 100 * frame["value"]
    promoted = frame["promoted"].astype(bool)
    figure = go.Figure()
    figure.add_scatter(
        x=frame["run"],
        y=values,
        mode="lines+markers",
        line={"color": colour("student", dark), "width": 2},
        marker={
            "size": [11 if p else 7 for p in promoted],
            "symbol": ["diamond" if p else "circle" for p in promoted],
        },
        customdata=[[plain(n)] for n in frame["note"]],
        hovertemplate="training %{x}: %{y:.1f} %<br>%{customdata[0]}<extra></extra>",
    )
    for run, value in zip(frame["run"][promoted], values[promoted], strict=True):
        figure.add_annotation(x=run, y=value, text="in use", showarrow=False, yshift=16)
    framed(figure, title, dark, 280)
    if baseline is not None:
        figure.add_hline(y=100 * baseline, line={"color": colour("quiet", dark), "width": 1.2, "dash": "dot"})
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=100 * baseline,
            text="nothing learned",
            showarrow=False,
            yshift=-9,  # below: above are the runs, which seldom do worse
        )
    figure.update_xaxes(title_text="training", dtick=max(1, len(frame) // 10), showgrid=False)
    figure.update_yaxes(title_text=f"{plain(metric)}, %", rangemode="tozero")
    return figure


def parts(names: Sequence[str], values: Sequence[float], title: str, *, dark: bool = False) -> go.Figure:
    """Draw what each part adds to a score, as bars left and right of zero."""
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=[plain(n) for n in names],
            orientation="h",
            marker={"color": [colour(_PARTS[i % len(_PARTS)], dark) for i in range(len(names))]},
            hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
        )
    )
    framed(figure, title, dark, 90 + 28 * max(len(names), 1))
    figure.update_xaxes(title_text="part of the score", zeroline=True)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def reliability(
    found: Reliability, dark: bool, *, of: Literal["teacher", "student"] = "teacher", title: str = ""
) -> go.Figure:
    """Share accepted against probability: groups with intervals, the fitted curve, and where both agree.

    A group's point holds its number of answers and its place.

    `of` says whose probabilities they are, by colour; `title` the finding, where it is not the usual one.
    """
    shares = [100 * b.share for b in found.bins]
    limits = [measures.wilson(b.share * b.size, b.size) for b in found.bins]
    side = ", too sure of yes" if found.lean < -0.05 else ", too cautious" if found.lean > 0.05 else ""
    quiet, mine = colour("quiet", dark), colour(of, dark)
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": quiet, "width": 1.2, "dash": "dot"},
        hoverinfo="skip",
    )
    grid = [i / 100 for i in range(1, 100)]
    fitted = found.fitted(grid)
    if fitted is not None:
        figure.add_scatter(
            x=[100 * p for p in grid],
            y=(100 * fitted).tolist(),
            mode="lines",
            line={"color": mine, "width": 1.5},
            hovertemplate="%{x:.0f} % sure: %{y:.0f} % by the fit<extra></extra>",
        )
    figure.add_scatter(
        x=[100 * b.probability for b in found.bins],
        y=shares,
        mode="markers",
        marker={"size": 9, "color": mine},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [100 * high - s for (_, high), s in zip(limits, shares, strict=True)],
            "arrayminus": [s - 100 * low for (low, _), s in zip(limits, shares, strict=True)],
            "color": quiet,
            "thickness": 1.4,
            "width": 0,
        },
        customdata=[[b.n, i] for i, b in enumerate(found.bins)],
        hovertemplate="%{x:.0f} % sure: %{y:.0f} % accepted of %{customdata[0]}<extra></extra>",
    )
    usual = f"Its probabilities are off by {100 * found.gap:.0f} points on average{side}"
    framed(figure, title or usual, dark, 340)
    figure.update_xaxes(title_text="probability it gave, %", range=[-3, 103])
    figure.update_yaxes(title_text="accepted by people, %", range=[-3, 103])
    return figure
