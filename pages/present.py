"""Present: four screens for an audience, in large type."""

from app import state
from app.widgets import errors, gate, present

workspace = gate.workspace("Present", "What is there to show?")
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    present.screen(workspace, present.step_of(state.param("step")))
