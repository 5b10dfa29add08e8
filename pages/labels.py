"""Labels: bring a label set in, look at it, and the page of one label."""

import streamlit as st

from app import state
from app.widgets import browse, errors, gate, importing, layout, precision, reviewed
from app.widgets.inert import shorten

TITLE, SENTENCE = "Labels", "Which tags can a document get, and how well is each one known?"

workspace = gate.workspace(TITLE, SENTENCE)

with errors.shown():
    if (label_id := state.param("label")) is not None:
        label = workspace.journal.label(label_id)
        action = layout.header(
            shorten(label.name, 80) if label else "Label", "What does this label mean, and where is it right?"
        )
        with action:
            if st.button("All labels", icon=":material/arrow_back:"):
                state.go("labels")
        if label is None:
            layout.note("This label does not exist, or was deleted.")
        else:
            browse.label(workspace, workspace.label_detail(label_id))
            precision.of_label(workspace, label_id)
            reviewed.of_label(workspace, label_id)
        st.stop()

    action = layout.header(TITLE, SENTENCE)
    filled = bool(workspace.journal.counts().get("labels"))
    if not filled:
        if workspace.read_only:
            gate.labels(workspace)
        layout.section("No labels yet", "Upload a label set; names are enough, definitions help.")
        importing.panel(workspace, "labels")
        st.stop()
    view = "Browse"
    if not workspace.read_only:
        view = st.segmented_control(
            "View",
            ["Browse", "Upload"],
            default="Browse",
            required=True,
            key="labels_view",
            persist_state="session",
            label_visibility="collapsed",
        )
    if view == "Upload":
        importing.panel(workspace, "labels")
    else:
        importing.report(workspace, "import_labels")
        browse.labels(workspace)
