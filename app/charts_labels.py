"""Plots of the label set: the tree, labels that come together, and how well the best label fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.charts import colour, framed, plain

if TYPE_CHECKING:
    from lmtx.workspace.label_relations import Together

Kind = Literal["treemap", "sunburst"]

UNKNOWN = ("#cfcabd", "#55534d")
"""Of what nothing is known of."""
_MIDDLE = ("#f1ede2", "#2b2a27")
_REACH = 0.35
"""Distance from the mean at which a colour is full."""
_LONGEST = 30
_BINS = 40


def shade(value: float, mean: float, dark: bool) -> str:
    """Colour of a precision: orange below the mean, blue above, grey where it is not known."""
    if value != value or mean != mean:
        return UNKNOWN[dark]
    part = float(np.clip((value - mean) / _REACH, -1, 1))
    return _mixed(_MIDDLE[dark], colour("proposed" if part > 0 else "rejected", dark), abs(part))


def _mixed(a: str, b: str, part: float) -> str:
    left, right = (tuple(int(x[i : i + 2], 16) for i in (1, 3, 5)) for x in (a, b))
    return "#" + "".join(f"{round(p + part * (q - p)):02x}" for p, q in zip(left, right, strict=True))


def label_tree(nodes: pd.DataFrame, kind: Kind, mean: float, title: str, *, dark: bool = False) -> go.Figure:
    """Labels by how often they are given (area) and how right they are (colour).

    Parameters
    ----------
    nodes : DataFrame
        See `LabelTree.nodes`; what is given nothing is left out. `customdata` carries the label id, the name
        and whether there is something within.
    kind : "treemap" or "sunburst"
    mean : float
        Precision where the colour turns; NaN where none is known.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    rows = nodes[nodes["total"] > 0]
    inside = set(rows["parent"])
    told = [
        f"{100 * p:.0f} % right, of {n:,} checked" if p == p else "not known how right"
        for p, n in zip(rows["precision"], rows["n"], strict=True)
    ]
    common = {
        "ids": [str(i) for i in rows["node"]],
        "labels": [plain(_short(str(x))) for x in rows["name"]],
        "parents": ["" if p < 0 else str(p) for p in rows["parent"]],
        "values": rows["own"],
        "branchvalues": "remainder",
        "sort": True,
        "customdata": [
            [i, plain(name), node in inside, f"{total:,}", f"{n_labels:,}", text]
            for i, name, node, total, n_labels, text in zip(
                *(rows[c] for c in ("label_id", "name", "node", "total", "n_labels")), told, strict=True
            )
        ],
        "hovertemplate": "<b>%{customdata[1]}</b><br>given %{customdata[3]} times"
        "<br>%{customdata[5]}<br>labels: %{customdata[4]}<extra></extra>",
    }
    marker = {
        "colors": [shade(p, mean, dark) for p in rows["precision"]],
        "line": {"width": 1, "color": _MIDDLE[dark]},
    }
    if kind == "sunburst":
        trace = go.Sunburst(**common, marker=marker, maxdepth=3, insidetextorientation="radial")
    else:
        trace = go.Treemap(
            **common,
            marker={**marker, "pad": {"t": 20, "l": 2, "r": 2, "b": 2}},
            maxdepth=4,
            tiling={"pad": 1},
            pathbar={"visible": True, "thickness": 22},
            root={"color": "rgba(0,0,0,0)"},
        )
    figure = go.Figure(trace)
    framed(figure, title, dark, 560)
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 40, "b": 4}, uniformtext={"minsize": 10, "mode": "hide"}
    )
    return figure


def together(found: Together, title: str, *, dark: bool = False) -> go.Figure:
    """Labels that come together: blue where more often than by chance, orange where less; grey where never.

    Parameters
    ----------
    found : Together
        Labels in the order to be drawn; `customdata` carries the two label ids.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    lift = found.lift
    with np.errstate(divide="ignore", invalid="ignore"):
        strength = np.clip(np.log2(lift), -4, 4)
    strength[found.both == 0] = np.nan
    names = [_short(x, 28) for x in found.names]
    places = list(range(len(names)))
    n = len(names)
    custom = np.empty((n, n, 6), dtype=object)
    for i in range(n):
        for j in range(n):
            custom[i, j] = (
                found.label_ids[i],
                found.label_ids[j],
                plain(found.names[i]),
                plain(found.names[j]),
                int(found.both[i, j]),
                "never" if not found.both[i, j] else f"{lift[i, j]:.2g} times as often as by chance",
            )
    low, middle, high = colour("rejected", dark), _MIDDLE[dark], colour("proposed", dark)
    figure = go.Figure(
        go.Heatmap(
            z=strength,
            x=places,
            y=places,
            customdata=custom,
            zmin=-4,
            zmax=4,
            colorscale=[[0, low], [0.5, middle], [1, high]],
            xgap=1,
            ygap=1,
            hoverongaps=False,
            colorbar={
                "tickvals": [-4, -2, 0, 2, 4],
                "ticktext": ["1/16", "1/4", "chance", "4×", "16×"],
                "thickness": 10,
                "outlinewidth": 0,
                "title": {"text": ""},
            },
            hovertemplate="%{customdata[2]}<br>%{customdata[3]}<br>%{customdata[4]} documents: "
            "%{customdata[5]}<extra></extra>",
        )
    )
    framed(figure, title, dark, max(320, 190 + 18 * n))
    figure.update_layout(plot_bgcolor="rgba(128,124,112,.10)")
    labels = [plain(x) for x in names]
    figure.update_xaxes(
        tickvals=places, ticktext=labels, tickangle=-60, showgrid=False, tickfont={"size": 11}
    )
    figure.update_yaxes(
        tickvals=places, ticktext=labels, autorange="reversed", showgrid=False, tickfont={"size": 11}
    )
    return figure


def fit(values: NDArray[np.float64], below: float, what: str, title: str, *, dark: bool = False) -> go.Figure:
    """How well the best label of each document fits, and the part that counts as fitting none.

    Parameters
    ----------
    values : float64 (n_documents,)
        Probability or score of the best label; NaN is left out.
    below : float
        The fit below which none fits.
    what : str
        Name of the axis.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    # The limit is an edge of a bin, so that no bar is of both kinds.
    width = max((high - low) / _BINS, 1e-9)
    first = below - width * np.ceil((below - low) / width) if below == below else low
    edges = first + width * np.arange(int(np.ceil((high - first) / width)) + 2)
    counts, _ = np.histogram(known, edges)
    middle = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure(
        go.Bar(
            x=middle,
            y=counts,
            width=width,
            marker={
                "color": [colour("rejected" if x < below else "quiet", dark) for x in middle],
                "line": {"width": 0},
            },
            customdata=[
                [f"{a:.2f} to {b:.2f}"] for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
            ],
            hovertemplate="%{customdata[0]}: %{y} documents<extra></extra>",
        )
    )
    framed(figure, title, dark, 210)
    figure.update_xaxes(title_text=what)
    figure.update_yaxes(title_text="documents", rangemode="tozero")
    figure.update_layout(bargap=0.06)
    return figure


def _short(name: str, longest: int = _LONGEST) -> str:
    """Cut a name; of "Games: Puzzle" the end says more than the beginning."""
    if len(name) > longest and ": " in name:
        name = f"… {name.rpartition(': ')[2]}"
    return name if len(name) <= longest else name[: longest - 1] + "…"
