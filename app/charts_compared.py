"""Plot of several systems against one of them."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from app.charts import colour, framed, plain

_LONGEST = 40


def differences(frame: pd.DataFrame, title: str, of: str, *, dark: bool = False) -> go.Figure:
    """Differences of systems to a reference, with intervals, from top to bottom.

    Parameters
    ----------
    frame : DataFrame
        name, difference, low, high (fractions; low and high NaN where not known). What may be chance is
        grey; else its colour says better or worse.
    title : str
        The finding.
    of : str
        Name of the reference.
    dark : bool
        Theme.
    """
    rows = frame.iloc[::-1]
    places = list(range(len(rows)))
    points, low, high = (100 * rows[name].astype(float) for name in ("difference", "low", "high"))
    meaning = [
        "accepted" if a > 0 else "rejected" if b < 0 else "quiet" for a, b in zip(low, high, strict=True)
    ]
    names = [_short(str(x)) for x in rows["name"]]
    figure = go.Figure()
    for i in places:
        figure.add_scatter(
            x=[points.iloc[i]],
            y=[i],
            mode="markers",
            marker={"size": 10, "color": colour(meaning[i], dark)},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high.iloc[i] - points.iloc[i]],
                "arrayminus": [points.iloc[i] - low.iloc[i]],
                "color": colour(meaning[i], dark),
                "thickness": 1.6,
                "width": 0,
            },
            customdata=[[names[i], f"[{low.iloc[i]:+.1f}, {high.iloc[i]:+.1f}]"]],
            hovertemplate="%{customdata[0]}: %{x:+.1f} points %{customdata[1]}<extra></extra>",
        )
    reach = 1.1 * max([1.0, *points.abs().dropna(), *low.abs().dropna(), *high.abs().dropna()])
    framed(figure, title, dark, 110 + 30 * max(len(rows), 2))
    figure.add_vline(x=0, line={"color": colour("quiet", dark), "width": 1.2})
    figure.update_xaxes(
        title_text=f"points more or fewer than {plain(_short(of))}; grey: may be chance",
        range=[-reach, reach],
    )
    figure.update_yaxes(
        tickvals=places, ticktext=names, range=[-0.7, max(len(rows), 1) - 0.3], showgrid=False
    )
    return figure


def _short(name: str) -> str:
    return plain(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…")
