"""Train: let the student learn from what is known now, and choose the run in use."""

import streamlit as st

from app.widgets import encoders, errors, gate, jobs, layout, training

TITLE, SENTENCE = "Train", "What has the student learned, and is the newest run better than the one in use?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    status = workspace.status()
    if not status.counts.get("judged_pairs") and not status.counts.get("completed") and not status.n_runs:
        busy = jobs.panel(workspace, ["teach", "cycle", "demo", "train"], history=1)
        if not busy:
            with layout.empty(
                "Nothing to learn from yet.",
                "Let a teacher judge the documents, or review some yourself; then the student learns.",
            ):
                layout.go_button("Ask the teacher", "teacher", main=True, key="train_teacher")
                layout.go_button("Review", "review", key="train_review")
            training.without_verdicts(workspace)
        encoders.section(workspace)
        st.stop()
    training.facts(workspace, status)
    params = training.settings(workspace)
    with action:
        training.start(workspace, params)
    jobs.panel(workspace, ["train", "cycle", "icxml"], history=1)
    training.course(workspace, status)
    training.runs_table(workspace, status)
    encoders.section(workspace)
