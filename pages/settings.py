"""Settings: the workspace's name, its reviewer, its encoder; more workspaces."""

from app.widgets import errors, gate, layout, settings

TITLE, SENTENCE = "Settings", "What does this workspace remember, and which others are there?"

workspace = gate.workspace(TITLE, SENTENCE)
layout.header(TITLE, SENTENCE)
with errors.shown():
    settings.form(workspace)
    settings.facts(workspace)
    settings.others(workspace)
