"""What can be taken away: any table as CSV, whole, and any plot as PNG or SVG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.widgets import layout
from lmtx.export import safe_cell

PAPER = ("#fcfbf8", "#1b1c1d")
"""Ground of a picture by day and by night; on the screen plots have none of their own."""
_HIDE = '<style>[class*="st-key-lx_plot_"] .modebar { display: none !important; }</style>'
_HTML = (
    '<div class="take"><span>Download the plot</span>'
    '<button type="button" data-format="png">PNG</button>'
    '<button type="button" data-format="svg">SVG</button></div>'
)
_CSS = """
.take { display: flex; gap: .5rem; justify-content: flex-end; font-size: .78rem; color: var(--lx-quiet); }
.take button { font: inherit; color: var(--st-text-color); background: transparent; cursor: pointer; }
.take button { border: 0; padding: 0 .1rem; text-decoration: underline; text-underline-offset: 2px; }
.take button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
# The plotting library of the page makes the picture, so nothing has to be installed or fetched. Its own
# button for that shows on hover only, and knows one format: it is pressed here, after it was told which.
# A picture has no fonts of the page, so the words are measured in one that is everywhere.
_JS = """
export default function (component) {
  const { data, parentElement } = component;
  const save = (format) => {
    const plot = document.querySelector(`.st-key-${CSS.escape(data.box)} .js-plotly-plot`);
    const button = plot?.querySelector('.modebar-btn[data-title^="Download"]');
    if (!button) return;
    plot._context.toImageButtonOptions = { format, filename: data.name, scale: format === 'png' ? 2 : 1 };
    const { paper_bgcolor, font } = plot.layout;
    Object.assign(plot.layout, { paper_bgcolor: data.paper, font: { ...font, family: 'sans-serif' } });
    button.click();
    Object.assign(plot.layout, { paper_bgcolor, font });
  };
  for (const button of parentElement.querySelectorAll('button'))
    button.onclick = () => save(button.dataset.format);
}
"""


def plot(
    figure: go.Figure,
    name: str,
    *,
    key: str,
    selects: bool = False,
    alt: str | None = None,
) -> list[dict[str, Any]]:
    """Draw a plot with links that download it as PNG or SVG.

    Parameters
    ----------
    figure : Figure
        Made by `app.charts` for the reader's theme.
    name : str
        Name of the file, without its ending.
    key : str
        Widget key: letters, digits and underlines.
    selects : bool
        Whether a click on a point is wanted.
    alt : str, optional
        The plot in words; its title where left out.

    Returns
    -------
    list of dict
        Points that are selected, each with its `customdata`.
    """
    box = f"lx_plot_{key}"
    selection: Literal["rerun", "ignore"] = "rerun" if selects else "ignore"
    with st.container(key=box, gap=None):
        event = st.plotly_chart(
            figure,
            theme=None,
            key=key,
            on_select=selection,
            selection_mode="points",
            alt=alt or str(figure.layout.title.text or name),
            config={"displayModeBar": "hover", "modeBarButtons": [["toImage"]], "displaylogo": False},
        )
        st.html(_HIDE)
        mount = st.components.v2.component("lmtx_take_plot", html=_HTML, css=_CSS, js=_JS)
        mount(data={"box": box, "name": name, "paper": PAPER[layout.dark()]}, key=f"{key}_take")
    selected: Any = event
    return [dict(point) for point in selected.selection.points] if selects and selected else []


def csv(
    frame: pd.DataFrame | Callable[[], pd.DataFrame],
    name: str,
    *,
    key: str = "",
    label: str = "Download all as CSV",
) -> None:
    """Draw the button that downloads a whole table; the file is made when it is pressed.

    Parameters
    ----------
    frame : DataFrame or callable that gives one
        All rows, whatever page or search shows.
    name : str
        Name of the file, without its ending.
    key : str
        Widget key; made from the name where left out.
    label : str
        What is on the button.
    """
    st.download_button(
        label,
        lambda: as_csv(frame() if callable(frame) else frame),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=key or f"csv_{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def as_csv(frame: pd.DataFrame) -> bytes:
    """Write a table as CSV in UTF-8: lists joined by "|", and no cell that a spreadsheet would run."""
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    return frame.assign(**{c: frame[c].map(_cell) for c in texts}).to_csv(index=False).encode()


def _cell(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return "|".join("" if x is None or x != x else str(x) for x in value)
    return safe_cell(value) if isinstance(value, str) else value
