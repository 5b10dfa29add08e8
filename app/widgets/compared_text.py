"""Tags of several systems for a text that is pasted: what they have in common stands in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app import actions, state
from app.widgets import errors, layout, livetext, words
from app.widgets.inert import escape
from lmtx.workspace import Tag, Workspace
from lmtx.workspace.systems import System

_STYLE = Path(__file__).with_name("compared.css")
TAGS = 7
"""Tags of each system."""


@st.fragment
def panel(workspace: Workspace, chosen: Sequence[System]) -> None:
    """Draw the box and what each system would tag its text with."""
    layout.section(
        "On a text of yours",
        f"the first {TAGS} tags of each: their place, and how likely they are where that is known",
    )
    able = [x for x in chosen if x.reads_any_text]
    if len(able) < len(chosen):
        without = ", ".join(x.name for x in chosen if not x.reads_any_text)
        layout.note(f"Left out, as it predicted some documents and can't tag others: {without}.")
    left, right = st.columns([5, 1], vertical_alignment="top")
    with right:
        st.button(
            "Use an example",
            key="versus_example",
            on_click=actions.use_example,
            args=(workspace,),
            width="stretch",
        )
    with left:
        text = livetext.area(
            state.TRY_TEXT.get(),
            seed=state.TRY_SEED.get(),
            key="versus_text",
            placeholder="Paste or type a text …",
            height=130,
        )
    state.TRY_TEXT.set(text)
    if not text.strip() or not able:
        layout.note("Its tags appear here while you type." if able else "Choose the systems above.")
        return
    with errors.shown():
        found = workspace.side_by_side(text, [x.id for x in able], TAGS)
        st.html(table([x.name for x in able], found))


def style() -> None:
    """Put the style sheet of comparisons into the page."""
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")


def table(names: Sequence[str], found: Sequence[Sequence[Tag]]) -> str:
    """HTML of the tags: a row a tag, those that most systems give first, then by their best mean place."""
    place = [{tag.label_id: (i, tag) for i, tag in enumerate(tags)} for tags in found]
    every = {tag.label_id: tag for tags in found for tag in tags}

    def order(label_id: str) -> tuple[int, float]:
        places = [of[label_id][0] for of in place if label_id in of]
        return -len(places), sum(places) / len(places)

    rows = "".join(
        f'<tr><th scope="row" dir="auto">{escape(every[i].name)}{_path(every[i])}</th>'
        + "".join(_cell(of.get(i)) for of in place)
        + "</tr>"
        for i in sorted(every, key=order)
    )
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return (
        '<div class="lx-versus lx-tagged" role="region" aria-label="Tags of the systems" tabindex="0"><table>'
        f'<thead><tr><th scope="col">Tag</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _path(tag: Tag) -> str:
    return f"<small>{escape(' › '.join(tag.path))}</small>" if tag.path else ""


def _cell(found: tuple[int, Tag] | None) -> str:
    if found is None:
        return '<td class="none" aria-label="not among them">·</td>'
    place, tag = found
    likely = (
        f" <small>{escape(words.percent(tag.probability))}</small>" if tag.probability is not None else ""
    )
    return f"<td><b>{place + 1}</b>{likely}</td>"
