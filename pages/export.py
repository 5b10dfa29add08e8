"""Export: take the tagged corpus, the pairs, the decisions or the model away."""

from app.widgets import errors, exporting, gate, layout

TITLE, SENTENCE = "Export", "What can be taken elsewhere, and in which form?"

workspace = gate.workspace(TITLE, SENTENCE)
layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    exporting.panel(workspace)
