"""Plot of the losses of a pre-training."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from app.charts import colour, framed, plain

TOTAL = "total"
_COLOURS = ("student", "unsure", "accepted", "teacher", "rejected", "proposed")
_MOST_POINTS = 120
_DASHES = ("solid", "dash", "dot", "dashdot")


def losses(frame: pd.DataFrame, title: str, *, dark: bool = False) -> go.Figure:
    """Losses over steps, a line an objective, as shares of where each began.

    Losses of objectives are on scales of their own: what can be compared is how far each has fallen.

    Parameters
    ----------
    frame : DataFrame
        step, objective, loss. The objective "total" is drawn where there are several.
    title : str
        The finding.
    dark : bool
        Theme.
    """
    names = [x for x in dict.fromkeys(frame["objective"]) if x != TOTAL]
    lines = [*names, TOTAL] if len(names) > 1 and (frame["objective"] == TOTAL).any() else names
    figure = go.Figure()
    for i, name in enumerate(lines):
        line = binned(frame[frame["objective"] == name])
        begin = float(line["loss"].iloc[0]) or 1.0
        figure.add_scatter(
            x=line["step"],
            y=100 * line["loss"] / begin,
            mode="lines+markers" if len(line) < 3 else "lines",
            name=plain(name),
            customdata=line["loss"],
            line={
                "color": colour("quiet" if name == TOTAL else _COLOURS[i % len(_COLOURS)], dark),
                "width": 2,
                "dash": _DASHES[i % len(_DASHES)],
            },
            hovertemplate=f"{plain(name)}, step %{{x}}: %{{customdata:.3f}} (%{{y:.0f}} %)<extra></extra>",
        )
    framed(figure, title, dark, 300)
    if len(lines) > 1:
        figure.update_layout(
            showlegend=True,
            legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            margin={"l": 8, "r": 24, "t": 76, "b": 40},
            title={"y": 0.97, "yanchor": "top"},
        )
    figure.update_xaxes(title_text="step")
    figure.update_yaxes(title_text="loss, % of where it began", rangemode="tozero")
    return figure


def binned(line: pd.DataFrame) -> pd.DataFrame:
    """Mean loss over blocks of steps, at most 120 of them: single batches jump."""
    size = max(1, -(-len(line) // _MOST_POINTS), len(line) // 25)
    block = pd.Series(range(len(line)), index=line.index) // size
    return line.groupby(block)[["step", "loss"]].mean()


def finding(frame: pd.DataFrame) -> str:
    """Say how far the weighted sum of the losses has fallen."""
    total = frame[frame["objective"] == TOTAL]
    line = binned(total if len(total) else frame)
    first, last, steps = line["loss"].iloc[0], line["loss"].iloc[-1], int(frame["step"].max())
    if len(line) < 2:
        return f"Loss {first:.2f} after {steps} steps"
    verb = "fell" if last < first else "rose"
    return f"Loss {verb} from {first:.2f} to {last:.2f} in {steps} steps"
