"""Precision: how often a tag is right, for all labels and for each."""

import streamlit as st

from app.widgets import errors, gate, layout, precision, reviewed

TITLE, SENTENCE = "Precision", "How often is a tag right, and for which labels is that known?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    status = workspace.status()
    truth = precision.choose_truth(action, status)
    if truth == "reviewed":
        reviewed.panel(workspace)
        st.stop()
    if not status.has_gold:
        precision.without_gold()
        st.stop()
    system = precision.choose_system(action, status)
    found = precision.measured(workspace, status, system)
    if found is None:
        st.stop()
    precision.sentence(found.labels, system, found.ranking)
    precision.ranking(found.ranking)
    precision.plots(found.labels)
    chosen = precision.table_of_labels(found.labels)
    if chosen:
        precision.drill_down(workspace, chosen, system, found.labels)
