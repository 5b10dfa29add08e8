"""Try it: paste a text, see its tags and the words that speak for them."""

from app.widgets import errors, gate, layout, trying

TITLE, SENTENCE = "Try it", "What would a text of yours be tagged with, and why?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.labels(workspace)
    with action:
        trying.example_button(workspace)
    trying.body(workspace)
