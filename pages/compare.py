"""Compare: systems beside each other, on gold and on a text of one's own."""

from app.widgets import compared, compared_text, errors, gate, layout

TITLE, SENTENCE = "Compare", "Which system tags best, by how much, and at what cost?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    status = workspace.status()
    chosen, against = compared.choose(workspace)
    with errors.shown():
        compared.panel(workspace, status, chosen, against, action)
    compared_text.panel(workspace, chosen)
