"""The frame of every screen: styles, header, empty states, figures and badges."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import mode, state
from app.widgets.inert import escape

_STYLE = Path(__file__).with_name("style.css")

TRUTHS = {
    "gold": "Compared with the labels that came with the corpus (gold); training never sees them.",
    "reviewed": "Compared with what people decided.",
    "teacher": "Compared with the teacher's opinion, which has errors of its own.",
}


def dark() -> bool:
    """Whether the reader's theme is dark."""
    return getattr(st.context.theme, "type", None) == "dark"


def style() -> None:
    """Put the app's style sheet into the page."""
    shade = "dark" if dark() else "light"
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style><span class='lx-{shade}'></span>")


def header(title: str, sentence: str) -> DeltaGenerator:
    """Draw a screen's name and the sentence that says what it answers.

    Returns
    -------
    DeltaGenerator
        The place at the right for the main action.
    """
    with st.container(key="lx_header"):
        left, right = st.columns([4, 3], vertical_alignment="center", gap="small")
        with left:
            st.title(title, anchor=False)
            place = state.PLACE.get()
            where = f'<span class="lx-where" dir="auto">{escape(place)} · </span>' if place else ""
            st.html(f'<p class="lx-sentence">{where}{escape(sentence)}</p>')
        action = right.container(horizontal=True, horizontal_alignment="right", gap="small")
    if problem := state.PROBLEM.pop():
        st.html(f'<div class="lx-error" role="alert">{escape(problem)}</div>')
    if flash := state.FLASH.pop():
        st.html(f'<div class="lx-flash" role="status">{escape(flash)}</div>')
    return action


def section(title: str, note: str = "", *, truth: str = "") -> None:
    """Draw the name of a part of a screen, with a small note and the truth it is measured by."""
    badge = (
        f'<span class="lx-badge" title="{escape(TRUTHS.get(truth, ""))}">{escape(truth)}</span>'
        if truth
        else ""
    )
    detail = f'<span class="lx-note">{escape(note)}</span>' if note else ""
    st.html(f'<div class="lx-section"><h2>{escape(title)}</h2>{badge}{detail}</div>')


def note(text: str) -> None:
    """Draw a line of small grey text, shown as it is."""
    st.html(f'<p class="lx-note">{escape(text)}</p>')


def figures(items: list[tuple[str, str, str]]) -> None:
    """Draw a row of figures.

    Parameters
    ----------
    items : list of (name, value, detail)
        The detail is a short line under the value.
    """

    def value(text: str) -> str:
        share, bracket, interval = text.partition(" [")
        small = f'<span class="lx-interval"> [{escape(interval)}</span>' if bracket else ""
        return escape(share) + small

    cells = "".join(
        f'<div class="lx-figure"><div class="lx-figure-name">{escape(n)}</div>'
        f'<div class="lx-figure-value">{value(v)}</div><div class="lx-figure-detail">{escape(d)}</div></div>'
        for n, v, d in items
    )
    st.html(f'<div class="lx-figures">{cells}</div>')


def empty(why: str, detail: str = "") -> DeltaGenerator:
    """Draw the block of a screen that has nothing to show yet.

    Returns
    -------
    DeltaGenerator
        The place for the one thing to do.
    """
    box = st.container(key="lx_empty", border=True)
    with box:
        st.html(
            f'<div class="lx-empty"><div class="lx-empty-why">{escape(why)}</div>'
            f'<div class="lx-note">{escape(detail)}</div></div>'
        )
        return st.container(horizontal=True, horizontal_alignment="center")


def go_button(label: str, page: str, *, icon: str | None = None, key: str = "", main: bool = False) -> None:
    """Draw a button that opens a page, where this server has it; the label is ours or already escaped."""
    if not mode.offers(page):
        return
    if st.button(label, icon=icon, key=key or f"go_{page}_{label}", type="primary" if main else "secondary"):
        state.go(page)


def what_is(term: str, text: str) -> None:
    """Draw a popover that explains a term; the text is ours."""
    with st.popover(term, icon=":material/help:", type="tertiary"):
        st.markdown(text)


def flash(text: str) -> None:
    """Show a sentence once, after the coming rerun."""
    state.FLASH.set(text)
