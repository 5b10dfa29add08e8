"""A large text box whose tags follow the typing."""

from __future__ import annotations

import streamlit as st

from app import actions, charts, state
from app.widgets import browse, errors, layout, livetext
from app.widgets.inert import reading, word_spans
from lmtx.workspace import Tag, Workspace

PARTS = {
    "dense": "likeness of meaning",
    "bm25_document": "words of the label in the text",
    "bm25_query": "the text against the label",
    "tfidf": "words of the name",
    "student": "the student",
    "ridge": "similar documents judged",
    "reviewed": "similar documents reviewed",
    "linear": "words of documents reviewed",
    "label_text": "label texts, by documents reviewed",
    "prior": "how often the label is given",
}
"""What the tagger blends, in words."""


def example_button(workspace: Workspace) -> None:
    """Draw the button that fills the box with a document of the test split, or any."""
    st.button(
        "Use an example",
        key="try_example",
        icon=":material/article:",
        on_click=actions.use_example,
        args=(workspace,),
    )


@st.fragment
def body(workspace: Workspace) -> None:
    """Draw the box and the tags of what is in it."""
    left, right = st.columns([6, 5], gap="large")
    with left:
        text = livetext.area(
            state.TRY_TEXT.get(),
            seed=state.TRY_SEED.get(),
            key="try_text",
            placeholder="Paste or type a text …",
        )
        state.TRY_TEXT.set(text)
    with right, errors.shown():
        if not text.strip():
            layout.note("Its tags appear here while you type. Or use an example.")
            return
        compare = st.toggle("Compare with names alone", key="try_compare")
        found = workspace.predict([text], top_k=7)[0]
        if compare:
            one, two = st.columns(2)
            with one:
                browse.tags(found, title="Tagger")
            with two:
                browse.tags(workspace.predict([text], top_k=7, system="zero-shot")[0], title="Names alone")
        else:
            browse.tags(found, title="Tags")
    if text.strip() and found:
        _why(text, found)


def _why(text: str, found: list[Tag]) -> None:
    layout.section("Why")
    names = {tag.label_id: tag.name for tag in found}
    chosen = st.selectbox("Label", list(names), format_func=names.__getitem__, key="try_why", width=360)
    tag = next((t for t in found if t.label_id == chosen), found[0])
    left, right = st.columns([6, 5], gap="large")
    with left:
        reading("", text[:1500], word_spans(text[:1500], browse.telling(tag)))
    with right:
        if tag.parts:
            order = sorted(((PARTS.get(n, n), v) for n, v in tag.parts.items()), key=lambda p: -abs(p[1]))
            title = f"Most of the score comes from {order[0][0]}"
            figure = charts.parts([p[0] for p in order], [p[1] for p in order], title, dark=layout.dark())
            st.plotly_chart(figure, theme=None, key="try_parts", config={"displayModeBar": False})
