"""A search line for the keyboard alone: F or / goes there, Enter takes what is found first, Esc goes back."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_HTML = '<input class="lx-search" type="search" dir="auto" autocomplete="off" spellcheck="false">'
_CSS = """
.lx-search {
  width: 100%; box-sizing: border-box; height: 2.4rem; padding: 0 .8rem; font: inherit; font-size: .93rem;
  color: var(--st-text-color); background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius);
}
.lx-search:focus { outline: 2px solid var(--st-primary-color); outline-offset: -1px; }
"""
# What is typed must not reach the page, where letters and digits are keys. A new seed means that something
# was taken: the line is empty again and gives the keyboard back.
_JS = """
export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const line = parentElement.querySelector('input');
  line.placeholder = data.placeholder;
  line.setAttribute('aria-label', data.label);
  const store = 'lmtx.draft.' + data.draft;
  const keep = () => { try {
    if (line.value) sessionStorage.setItem(store, line.value); else sessionStorage.removeItem(store);
  } catch (error) { /* a browser that keeps nothing */ } };
  const say = () => setStateValue('query', { seed: data.seed, value: line.value });
  if (line.dataset.seed !== String(data.seed)) {
    const first = line.dataset.seed === undefined;
    line.dataset.seed = String(data.seed);
    if (!first) { line.value = ''; line.blur(); }
    // What was typed when the page or the server went away is there again.
    let kept = '';
    try { kept = sessionStorage.getItem(store) || ''; } catch (error) { /* none */ }
    if (first && kept) { line.value = kept; say(); }
  }
  line.oninput = () => { keep(); clearTimeout(line.lmtxTimer); line.lmtxTimer = setTimeout(say, 150); };
  line.onkeyup = (event) => event.stopPropagation();
  line.onkeydown = (event) => {
    event.stopPropagation();
    if (event.isComposing) return;
    if (event.key === 'Enter' && line.value.trim()) {
      clearTimeout(line.lmtxTimer);
      setTriggerValue('enter', { seed: data.seed, value: line.value });
      try { sessionStorage.removeItem(store); } catch (error) { /* none */ }
    } else if (event.key === 'Escape') {
      clearTimeout(line.lmtxTimer);
      line.value = '';
      keep();
      line.blur();
      say();
    }
  };
  const typing = (at) => at && (at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName));
  const slash = (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat;
    if (/^[/fF]$/.test(event.key) && plain && !typing(event.composedPath?.()[0])) {
      event.preventDefault();
      line.focus();
    }
  };
  document.addEventListener('keydown', slash);
  return () => document.removeEventListener('keydown', slash);
}
"""


def line(
    label: str,
    *,
    seed: str,
    key: str,
    draft: str = "",
    placeholder: str = "",
    on_enter: Callable[[str], None] | None = None,
) -> str:
    """Draw the line and return what is in it.

    Parameters
    ----------
    label : str
        Its name for screen readers.
    seed : str
        Change it to empty the line.
    key : str
        Widget key.
    draft : str
        Under which name the browser keeps what is typed, until it is taken.
    placeholder : str
        Shown while it is empty.
    on_enter : callable
        Called with the text when Enter is pressed, before the screen is drawn.
    """

    def entered() -> None:
        given = st.session_state[key].get("enter")
        if given and given["seed"] == seed and on_enter is not None:
            on_enter(str(given["value"]))

    mount = st.components.v2.component("lmtx_livesearch", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)
    result = mount(
        data={"label": label, "seed": seed, "placeholder": placeholder, "draft": draft or key},
        key=key,
        on_query_change=lambda: None,
        on_enter_change=entered,
    )
    typed = result.query
    return str(typed["value"]).strip() if typed and typed["seed"] == seed else ""
