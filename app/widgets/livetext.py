"""A large text box that reports while one types, which Streamlit's own text area does not."""

from __future__ import annotations

import streamlit as st

_HTML = '<textarea dir="auto" aria-label="Text" spellcheck="false"></textarea>'
_CSS = """
textarea {
  width: 100%; resize: vertical; box-sizing: border-box; padding: .8rem 1rem;
  font: 1.02rem/1.55 "Source Serif", "Source Serif Pro", Georgia, serif; color: var(--st-text-color);
  background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius);
}
textarea:focus { outline: 2px solid var(--st-primary-color); outline-offset: -1px; }
"""
# The box is set only when the seed changes: what comes back from the server while one
# types must not move the cursor.
_JS = """
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const box = parentElement.querySelector('textarea');
  box.placeholder = data.placeholder;
  if (!box.style.height) box.style.height = data.height + 'px';  // once: people may drag it
  if (box.dataset.seed !== String(data.seed)) {
    box.value = data.text;
    box.dataset.seed = String(data.seed);
  }
  box.oninput = () => {
    clearTimeout(box.lmtxTimer);
    box.lmtxTimer = setTimeout(() => setStateValue('text', { seed: data.seed, value: box.value }), 250);
  };
}
"""


def area(text: str, *, seed: int, key: str, placeholder: str = "", height: int = 300) -> str:
    """Draw the box and return its text.

    Parameters
    ----------
    text : str
        What the box holds when `seed` changes.
    seed : int
        Change it to replace what was typed.
    key : str
        Widget key.
    placeholder : str
        Shown while the box is empty.
    height : int
        Pixels, until it is dragged.
    """
    mount = st.components.v2.component("lmtx_livetext", html=_HTML, css=_CSS, js=_JS)
    data = {"text": text, "seed": seed, "placeholder": placeholder, "height": height}
    result = mount(data=data, key=key, on_text_change=lambda: None)
    typed = result.text
    if typed and typed["seed"] == seed:
        return str(typed["value"])
    return text
