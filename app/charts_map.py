"""The map of the corpus as a plotly figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.charts import colour, framed, plain
from lmtx.workspace.corpus_map import By, Colours, CorpusMap

HEIGHT = 620
MOST_DRAWN = 40_000
"""Points that are drawn; of more, a random part. An outline picks all documents within."""
_QUIET = ("rgba(120,115,100,.2)", "rgba(190,186,175,.16)")
_WHEEL = {  # Okabe and Ito's colours, for the classes that have no meaning of their own
    False: ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#5b4fa8"),
    True: ("#6cb8ea", "#f08a4b", "#3fc39a", "#dd9ac0", "#e6b84d", "#9bd3f5", "#d4c06a", "#a79be8"),
}
_LINE, _LETTER = 0.06, 0.0105  # height of a line, half the width of a letter, on the map
_MARKS = ("circle", "diamond", "square", "cross", "triangle-up")
_MEANT: dict[By, tuple[str, ...]] = {
    "state": ("quiet", "teacher", "accepted"),
    "label": ("quiet", "student", "unsure", "teacher", "rejected", "accepted"),
}
_SHADES = {False: ((0.0, "#cfe3f2"), (1.0, "#b84e00")), True: ((0.0, "#24465c"), (1.0, "#f08a4b"))}


def drawn(found: CorpusMap, colours: Colours, seed: int = 0) -> NDArray[np.int64]:
    """Rows of the documents that are drawn: all, or a random part with every rare class whole."""
    rows = np.flatnonzero(found.known)
    if len(rows) <= MOST_DRAWN:
        return rows
    rng = np.random.default_rng(seed)
    counts = np.bincount(colours.code[rows], minlength=max(len(colours.classes), 1))
    rare = rows[counts[colours.code[rows]] <= MOST_DRAWN // 20] if colours.classes else rows[:0]
    rest = np.setdiff1d(rows, rare)
    some = rng.choice(rest, min(len(rest), MOST_DRAWN - len(rare)), replace=False)
    return np.sort(np.concatenate([rare, some]))


def corpus_map(
    found: CorpusMap,
    by: By,
    colours: Colours,
    titles: Sequence[str],
    region: int | None = None,
    *,
    dark: bool = False,
) -> go.Figure:
    """Documents on the plane; `customdata` is not set, traces hold the rows of `drawn` class by class.

    Parameters
    ----------
    found : CorpusMap
    by : By
        What the colours mean.
    colours : Colours
    titles : sequence of str
        Of all documents, escaped and short.
    region : int, optional
        The part to show alone; the others are pale.
    dark : bool
        Theme.
    """
    rows = drawn(found, colours)
    figure = go.Figure()
    shown = rows if region is None else rows[found.region[rows] == region]
    if region is not None:
        _dots(figure, found, rows[found.region[rows] != region], titles, _QUIET[dark], "", 3)
    size = 4 if len(shown) > 8_000 else 6 if len(shown) > 1_000 else 8
    if colours.value is not None:
        _shaded(figure, found, colours, shown, titles, size, dark)
    for code, name in enumerate(colours.classes):
        here = shown[colours.code[shown] == code]
        ink = _ink(by, code, len(colours.classes), dark)
        quiet = ink == _QUIET[dark]
        mark = "circle" if quiet or by == "cluster" else _MARKS[code % len(_MARKS)]
        _dots(figure, found, here, titles, ink, name, size - 1 if quiet else size, mark)
    for number in _named(found, region):
        part = found.regions[number]
        figure.add_annotation(
            x=part.centre[0],
            y=part.centre[1],
            text=plain(part.name),
            showarrow=False,
            font={"size": 12, "color": "#ffffff" if dark else "#1c1b17"},
            bgcolor="rgba(27,28,29,.62)" if dark else "rgba(252,251,248,.68)",
            borderpad=1,
        )
    framed(figure, colours.finding, dark, HEIGHT)
    figure.update_layout(
        dragmode="pan", hovermode="closest", uirevision="map", margin={"l": 0, "r": 0, "b": 0}
    )
    bar = {
        "orientation": "v",  # beside the title: above it, it would cover a long one on a narrow screen
        "bgcolor": "rgba(0,0,0,0)",
        "color": colour("quiet", dark),
        "activecolor": colour("student", dark),
    }
    figure.update_layout(modebar=bar)
    figure.update_xaxes(visible=False, range=[-1.05, 1.05])
    figure.update_yaxes(visible=False, range=[-1.05, 1.05], scaleanchor="x")
    if len([c for c in colours.classes if c]) > 1 and by != "cluster":
        figure.update_layout(
            showlegend=True,
            legend={"orientation": "h", "y": -0.01, "x": 0, "itemsizing": "constant", "font": {"size": 13}},
            margin={"b": 44},
        )
    return figure


def _named(found: CorpusMap, region: int | None) -> list[int]:
    """Parts whose names have room on the map, the largest first; one alone where one is chosen."""
    if region is not None:
        return [region]
    named: list[int] = []
    for number, part in enumerate(found.regions):
        x, y = part.centre
        others = [found.regions[other] for other in named]
        apart = (
            abs(y - other.centre[1]) > _LINE
            or abs(x - other.centre[0]) > _LETTER * (len(part.name) + len(other.name))
            for other in others
        )
        if all(apart):
            named.append(number)
    return named


def _ink(by: By, code: int, n: int, dark: bool) -> str:
    if by in _MEANT:
        return (
            _QUIET[dark] if code == 0 and n > 1 else colour(_MEANT[by][min(code, len(_MEANT[by]) - 1)], dark)
        )
    if by in ("tag", "round"):
        return _QUIET[dark] if code == 0 else _WHEEL[dark][(code - 1) % len(_WHEEL[dark])]
    return _WHEEL[dark][code % len(_WHEEL[dark])]


def _dots(
    figure: go.Figure,
    found: CorpusMap,
    rows: NDArray[np.int64],
    titles: Sequence[str],
    ink: str,
    name: str,
    size: int,
    mark: str = "circle",
) -> None:
    figure.add_scattergl(
        x=found.xy[rows, 0],
        y=found.xy[rows, 1],
        mode="markers",
        name=plain(name),
        showlegend=bool(name) and len(rows) > 0,
        text=[titles[i] for i in rows.tolist()],
        hovertemplate="%{text}<extra>" + plain(name) + "</extra>",
        marker={"color": ink, "size": size, "symbol": mark, "line": {"width": 0}},
    )


def _shaded(
    figure: go.Figure,
    found: CorpusMap,
    colours: Colours,
    rows: NDArray[np.int64],
    titles: Sequence[str],
    size: int,
    dark: bool,
) -> None:
    assert colours.value is not None
    value = colours.value[rows]
    _dots(figure, found, rows[np.isnan(value)], titles, _QUIET[dark], "", size - 1)
    rows = rows[~np.isnan(value)]
    figure.add_scattergl(
        x=found.xy[rows, 0],
        y=found.xy[rows, 1],
        mode="markers",
        showlegend=False,
        text=[titles[i] for i in rows.tolist()],
        hovertemplate="%{text}<extra>differ on %{marker.color:.0f} %</extra>",
        marker={
            "color": 100 * colours.value[rows],
            "cmin": 0,
            "cmax": 100,
            "size": size,
            "colorscale": list(_SHADES[dark]),
            "colorbar": {"title": {"text": "differ on, %"}, "thickness": 10, "len": 0.5},
        },
    )


def rows_of_points(
    found: CorpusMap, colours: Colours, region: int | None, points: Sequence[tuple[int, int]]
) -> list[int]:
    """Rows of clicked points, given as (trace, place in it): the order in which `corpus_map` adds them."""
    rows = drawn(found, colours)
    traces: list[NDArray[np.int64]] = []
    shown = rows if region is None else rows[found.region[rows] == region]
    if region is not None:
        traces.append(rows[found.region[rows] != region])
    if colours.value is not None:
        value = colours.value[shown]
        traces += [shown[np.isnan(value)], shown[~np.isnan(value)]]
    traces += [shown[colours.code[shown] == code] for code in range(len(colours.classes))]
    return [int(traces[t][i]) for t, i in points if t < len(traces) and i < len(traces[t])]
