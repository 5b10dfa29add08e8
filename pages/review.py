"""Review: one document at a time, every key saved at once."""

import streamlit as st

from app import state
from app.widgets import errors, gate, layout, review, training

TITLE, SENTENCE = "Review", "Which of these labels are right, and which are missing?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    with action:
        training.start(workspace, {}, main=False)
        policy = st.selectbox(
            "Queue",
            list(review.POLICIES),
            format_func=review.POLICIES.__getitem__,
            key="review_policy",
            label_visibility="collapsed",
            width=180,
        )
    review.open_document(workspace, policy, state.param("document"))
    review.body(workspace, policy)
