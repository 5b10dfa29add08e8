"""Overview: how far this workspace is, and what to do next."""

import streamlit as st

from app import mode, services
from app.widgets import errors, gate, jobs, layout, overview

TITLE, SENTENCE = "Overview", "How far is this workspace, and what is the next best step?"
if mode.read_only():
    SENTENCE = "What is in this workspace, and how good is it?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    status = workspace.status()
    if not status.counts.get("documents") and not status.counts.get("labels"):
        busy = jobs.panel(workspace, ["demo", "import_corpus", "import_labels"], history=0)
        if not busy:
            overview.first_steps(workspace)
        st.stop()
    with action:
        if workspace.read_only:
            layout.go_button("Present", "present", icon=":material/slideshow:")
        layout.go_button("Try it", "try_it", icon=":material/edit_note:")
    overview.figures(workspace, status)
    overview.path(status)
    overview.next_step(workspace, status)
    overview.warnings(status)
    if services.active_jobs(workspace) and not workspace.read_only:
        layout.section("Running now")
        jobs.panel(workspace, jobs.NAMES)
    overview.last_runs(workspace, status)
