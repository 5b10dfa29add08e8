"""Teacher: choose who proposes labels, see what it costs, and let it judge."""

import streamlit as st

from app.widgets import errors, gate, jobs, layout, teacher

TITLE, SENTENCE = "Teacher", "Who proposes the labels, what will it cost, and what did it say?"

workspace = gate.workspace(TITLE, SENTENCE)
layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    left, right = st.columns([3, 2], gap="large")
    with left:
        choice = teacher.choose(workspace)
        busy = jobs.panel(workspace, ["teach", "cycle", "demo"], history=1)
        if not busy:
            teacher.cost(workspace, choice)
        teacher.start(workspace, choice, busy=busy)
    with right:
        teacher.honest(workspace)
    layout.section("What it said last")
    teacher.verdicts(workspace)
