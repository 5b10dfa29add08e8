"""Teacher: choose who proposes labels, see what it takes, try it, and let it judge."""

from app.widgets import (
    errors,
    gate,
    layout,
    teacher,
    teacher_connect,
    teacher_cost,
    teacher_elsewhere,
    teacher_prompt,
    teacher_quality,
    teacher_said,
    teacher_trial,
)
from app.widgets.teacher_kinds import PROMPT, SAID, TRIAL

TITLE, SENTENCE = "Teacher", "Who proposes the labels, what will it take, and what did it say?"

workspace = gate.workspace(TITLE, SENTENCE)
action = layout.header(TITLE, SENTENCE)
with errors.shown():
    gate.documents(workspace)
    gate.labels(workspace)
    view = teacher.views()
    if view == TRIAL:
        teacher_trial.screen(workspace, action)
    elif view == PROMPT:
        teacher_prompt.screen(workspace)
    elif view == SAID:
        row = teacher_said.page(workspace)
        if teacher_said.any_judged(workspace):
            teacher_quality.panel(workspace, row)
            teacher_said.recent(workspace, row, busy=teacher_said.is_busy(workspace))
    else:
        busy = teacher_said.panel(workspace)
        teacher_said.running(workspace, busy=busy)
        if not busy:
            teacher_said.outcome(workspace)
        choice = teacher.choose(workspace)
        layout.section("What it will take")
        choice = teacher.amount(workspace, choice)
        counts = workspace.journal.counts()
        teacher_connect.consent(workspace, choice, counts.get("train", 0) + counts.get("held_out", 0))
        if not busy:
            teacher_cost.cost(workspace, choice)
            teacher_cost.changed(workspace, choice)
        teacher.start(workspace, choice, action, busy=busy)
        if choice.teacher and choice.is_llm:
            teacher_connect.as_line(choice.teacher)
        teacher_elsewhere.panel(workspace, choice)
        if not busy:
            teacher_said.last(workspace)
