"""Review: what is right, what is missing; every key is saved at once."""

import streamlit as st

from app import state
from app.reviewing import View
from app.widgets import (
    errors,
    gate,
    layout,
    review,
    review_document,
    review_history,
    review_label,
    review_pair,
    review_status,
)
from lmtx.workspace import Workspace

TITLE, SENTENCE = "Review", "Which of these labels are right, and which are missing?"
MODES = {
    "document": review_document.draw,
    "pair": review_pair.draw,
    "label": review_label.draw,
    "history": review_history.draw,
}


@st.fragment
def body(workspace: Workspace, drawn: View) -> None:
    """Draw what is worked on; a key reruns only this."""
    view = View.of_address()
    if view.place != drawn.place:
        st.rerun()
    with errors.shown(), st.container(key="lx_work"):
        if state.REVIEW_PROGRESS.get():
            review_status.progress(workspace)
        else:
            MODES[view.mode](workspace, view)
    review.overlay()
    with errors.shown():
        review_status.strip(workspace)


workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    view = View.of_address()
    review.header(workspace, view, action)
    review.reviewer(workspace)
    review.scope(workspace, view)
    body(workspace, view)
