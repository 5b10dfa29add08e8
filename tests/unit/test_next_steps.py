"""What is named as the next step, and what is said of its worth."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmtx.jobs import Job
from lmtx.workspace import Workspace, next_steps
from lmtx.workspace.next_steps import Known, first_step

EMPTY = {"documents": 0, "labels": 0, "judged_pairs": 0, "completed": 0}
FULL = {**EMPTY, "documents": 100, "labels": 9, "judged_pairs": 50}
README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.parametrize(
    ("known", "page", "action"),
    [
        (Known(EMPTY), "corpus", "Import a corpus"),
        (Known({**EMPTY, "documents": 5}), "labels", "Import a label set"),
        (Known({**FULL, "judged_pairs": 0}), "teacher", "Ask a teacher"),
        (Known({**FULL, "judged_pairs": 0}, running=True), "teacher", "Wait for the job"),
        (Known(FULL), "train", "Train"),
        (Known(FULL, has_run=True), "review", "Complete 40 documents"),
        (Known({**FULL, "completed": 39}, has_run=True), "review", "Complete 1 document"),
        (Known({**FULL, "completed": 40}, has_run=True), "review", "Go on reviewing"),
        (Known({**FULL, "completed": 40}, has_run=True, has_gold=True), "precision", "See how good it is"),
        (Known(FULL, has_run=True, n_new=50, due=50), "train", "Train on what is new"),
        (Known(FULL, has_run=True, n_new=49, due=50), "review", "Complete 40 documents"),
        (Known(FULL, has_run=True, n_new=60, due=50, running=True), "review", "Complete 40 documents"),
        (
            Known(FULL, stopped=Job("1", "teach", {}, "interrupted")),
            "teacher",
            "Go on with asking the teacher",
        ),
    ],
)
def test_the_first_step_follows_from_what_there_is(known: Known, page: str, action: str) -> None:
    step = first_step(known)
    assert (step.page, step.action) == (page, action)


def test_gains_measured_elsewhere_say_so_and_are_those_of_the_readme() -> None:
    rows = {
        "none": "| debtags, no teacher |",
        "evidence": "| debtags, teacher `evidence` (no LLM) |",
        "good": "| debtags, simulated good teacher |",
        "habits": "| debtags, teacher with habits of its own |",
    }
    lines = README.read_text(encoding="utf-8").splitlines()
    for name, begins in rows.items():
        for corpus, place in (("debtags", 0), ("congress", 1)):
            line = next(x for x in lines if x.startswith(begins.replace("debtags", corpus)))
            printed = [float(cell.split("/")[0]) for cell in line.strip("|").split("|")[1:]]
            assert printed == [next_steps._CURVES[name][n][place] for n in (0, 50, 200, 1000)]
    step = first_step(Known(FULL, has_run=True, teacher="evidence"))
    assert step.gain.startswith("Fifty of them: first tag right +12 to +17 points, measured on two other")
    assert first_step(Known(FULL, has_run=True, teacher="openai:m", is_llm=True)).gain.startswith(
        "Fifty of them: first tag right −1 to +31 points"
    )


def test_steps_of_a_reviewed_workspace_carry_its_own_figures(
    copied: Callable[[], Workspace], audited_demo: SimpleNamespace
) -> None:
    workspace = copied()
    steps = workspace.next_steps()
    assert steps[0] == workspace.status().next_step
    assert len({step.action for step in steps}) == len(steps)
    audit = next(s for s in steps if "audit" in s.action)
    report = workspace.precision_report()
    plan = next(p for p in workspace.audit_plan() if p.more == 100 and p.design == "uniform")
    assert report is not None
    assert f"±{100 * report.precision.half_width:.1f} points now" in audit.gain
    assert f"about ±{100 * plan.half_width:.1f} points after" in audit.gain
    assert plan.half_width < report.precision.half_width
    assert dict(audit.params) == {"mode": "pair", "queue": "audit"}


def test_what_was_cut_off_comes_first_until_it_is_done_again(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    workspace.journal.job_put("j1", "train", {}, state="failed")
    workspace.journal.job_update("j1", error="The disk was full.")
    step = workspace.next_steps()[0]
    assert (step.page, step.why) == ("train", "The disk was full.")
    workspace.journal.job_put("j2", "train", {}, state="done")
    assert "Go on with" not in workspace.next_steps()[0].action


def test_texts_without_a_vector_are_named_with_their_number(
    copied: Callable[[], Workspace], tmp_path: Path
) -> None:
    workspace = copied()
    assert not [s for s in workspace.next_steps() if s.verb]
    file = tmp_path / "more.csv"
    file.write_text("id,title,text\nnew1,A,One text\nnew2,B,Another text\n", encoding="utf-8")
    workspace.import_corpus(file)
    step = next(s for s in workspace.next_steps() if s.verb)
    assert (step.action, step.verb) == ("Encode 2 texts", "embed")
    workspace.embed()
    assert not [s for s in workspace.next_steps() if s.verb]


def test_labels_that_nothing_is_tagged_with_are_counted(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    assert not [s for s in workspace.next_steps() if s.page == "explore"]
    tags = workspace.tag_corpus()
    given = {int(j) for row in tags.label_idx[:, :5] for j in row if j >= 0}
    missing = len(workspace._parts.corpus().labels) - len(given)
    found = [s.action for s in workspace.next_steps() if s.page == "explore"]
    assert [int(re.findall(r"\d+", a)[0]) for a in found] == ([missing] if missing else [])
