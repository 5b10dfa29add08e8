"""Precision: how often a tag is right, for all labels and for each."""

from app.widgets import errors, gate, layout, precision, reviewed, reviewed_frame

TITLE, SENTENCE = "Precision", "How often is a tag right, and for which labels is that known?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    status = workspace.status()
    if reviewed_frame.truth(action, status) == "reviewed":
        reviewed.panel(workspace)
    else:
        precision.panel(workspace, status, action)
