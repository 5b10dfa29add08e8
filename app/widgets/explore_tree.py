"""A sunburst or treemap whose parts open labels: Streamlit passes on no clicks in these plots."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from app.widgets import downloads

_HTML = '<div class="tree-open"><span></span><button type="button" hidden></button></div>'
_CSS = """
.tree-open { display: flex; gap: .6rem; align-items: center; min-height: 1.9rem; font-size: .85rem; }
.tree-open span { color: var(--lx-quiet); }
.tree-open button { font: inherit; color: var(--st-text-color); background: transparent; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: .1rem .6rem; }
.tree-open button:focus-visible { outline: 2px solid var(--st-primary-color); }
"""
# A leaf opens its label at once. What has something within is gone into, as these plots do, and a button
# offers its label. The plot comes later than this script, and anew with another theme: hence the timer.
_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const line = parentElement.querySelector('span');
  const button = parentElement.querySelector('button');
  line.textContent = data.hint;
  const clicked = (event) => {
    const point = event.points && event.points[0];
    const found = point && point.customdata;
    if (!found) return;
    const [id, name, within] = found;
    const plain = new DOMParser().parseFromString(name, 'text/html').body.textContent;
    if (id && !within) { setTriggerValue('open', id); return false; }
    button.hidden = !id;
    button.textContent = id ? data.open.replace('{}', plain) : '';
    button.onclick = () => setTriggerValue('open', id);
    line.textContent = id ? '' : data.hint;
  };
  const attach = () => {
    const plot = document.querySelector(`.st-key-${CSS.escape(data.box)} .js-plotly-plot`);
    if (!plot || !plot.on || plot.lmtxTree === clicked) return;
    for (const name of ['plotly_sunburstclick', 'plotly_treemapclick']) {
      plot.removeAllListeners?.(name);
      plot.on(name, clicked);
    }
    plot.lmtxTree = clicked;
  };
  attach();
  const timer = setInterval(attach, 400);
  return () => clearInterval(timer);
}
"""
HINT = "Click a label to open it; click a group to go into it, and its name or the middle to come back."


def tree(figure: go.Figure, name: str, *, key: str) -> str | None:
    """Draw the plot and return the id of the label that was clicked, if any.

    Parameters
    ----------
    figure : Figure
        Made by `app.charts_labels.label_tree`.
    name : str
        Name of the file that it downloads as.
    key : str
        Widget key: letters, digits and underlines.
    """
    downloads.plot(figure, name, key=key)
    mount = st.components.v2.component("lmtx_label_tree", html=_HTML, css=_CSS, js=_JS)
    result = mount(
        data={"box": f"lx_plot_{key}", "hint": HINT, "open": "Open “{}”"},
        key=f"{key}_open",
        on_open_change=lambda: None,
    )
    return str(result.open) if result.open else None
