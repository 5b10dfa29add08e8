"""Trials on a real workspace: drawn from training documents, labelled blind, kept, paid for once."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import pytest

from lmtx.errors import InputError, JobCancelled, NotFoundError
from lmtx.teacher import Answered, SimulatedTeacher, TeacherRequest
from lmtx.workspace import Workspace
from lmtx.workspace.trials import TrialPair

GOOD, POOR = "simulated:recall=1,noise=0,seed=0", "simulated:recall=0.5,noise=0.5,seed=1"


@pytest.fixture
def workspace(tmp_path: Path, encoded_demo: Path) -> Iterator[Workspace]:
    shutil.copytree(encoded_demo, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as opened:
        yield opened


def test_two_teachers_are_compared_by_labels_given_blind(workspace: Workspace) -> None:
    trial = workspace.trial([GOOD, POOR], 20)
    assert (trial.n_pairs, trial.n_labelled) == (20, 0)
    assert {f.name for f in fields(TrialPair)} == {"document", "label"}
    view, gold = workspace.journal.corpus(), workspace.journal.gold("train")
    asked = set()
    while (pair := workspace.next_trial_pair(trial.id)) is not None:
        assert view.roles[view.document_idx[pair.document.id]] == "train"
        asked.add((pair.document.id, pair.label.id))
        wanted = pair.label.id in gold[pair.document.id]
        workspace.label_trial_pair(trial.id, pair.document.id, pair.label.id, wanted, "ann")
    assert len(asked) == 20
    found = workspace.trial_report(trial.id)
    good, poor = found.sides
    assert (found.n_pairs, found.n_labelled, good.n, good.n_right, good.n_unparsed) == (20, 20, 20, 20, 0)
    assert good.n_yes == good.n_yes_right == found.n_wanted
    assert poor.n_right < 20
    assert found.n_agree == poor.n_right
    assert found.n_both == 20
    assert found.n_only == (20 - poor.n_right, 0)
    assert found.p == pytest.approx(2 * 0.5 ** (20 - poor.n_right))
    assert workspace.trials()[0].n_labelled == 20
    (decision, *_) = workspace.journal.decisions()
    assert (decision.policy, decision.reviewer) == ("trial", "ann")


def test_what_was_tried_colours_nothing_until_the_teacher_is_taken_and_is_not_asked_again(
    workspace: Workspace,
) -> None:
    workspace.trial([GOOD], 15)
    assert workspace.journal.counts()["judgments"] == 0
    before = workspace.teach_preview(GOOD)
    report = workspace.teach(GOOD)
    assert report.n_judged == before.n_open - 15
    assert workspace.journal.counts()["judgments"] == before.n_open


def test_a_trial_that_was_cut_off_goes_on(workspace: Workspace) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("Asking about the pairs") and done >= 5:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        workspace.trial([GOOD, POOR], 12, progress=stop)
    (begun,) = workspace.trials()
    trial = workspace.trial([GOOD, POOR], 12)
    assert trial.id == begun.id
    answers = [body for _, body in workspace.journal.trials() if body["kind"] == "answer"]
    assert len(answers) == len({(a["side"], a["pair"]) for a in answers}) == 24
    assert workspace.trial([GOOD, POOR], 12).id != begun.id


def test_what_can_not_be_meant_is_refused(workspace: Workspace) -> None:
    for teachers, n in (([], 30), ([GOOD] * 3, 30), ([GOOD], 0), (["evidence"], 30)):
        with pytest.raises(InputError):
            workspace.trial(teachers, n)
    with pytest.raises(NotFoundError):
        workspace.trial_report("none")
    trial = workspace.trial([GOOD], 5)
    with pytest.raises(NotFoundError):
        workspace.label_trial_pair(trial.id, "no", "such", True)


def test_a_document_that_was_changed_leaves_the_trial(workspace: Workspace) -> None:
    trial = workspace.trial([GOOD], 6)
    pair = workspace.next_trial_pair(trial.id)
    assert pair is not None
    changed = replace(pair.document, text="Quite another text.")
    workspace.journal.put_documents([changed], lambda d: "train")
    assert workspace.trials()[0].n_pairs == 5
    while (pair := workspace.next_trial_pair(trial.id)) is not None:
        assert pair.document.id != changed.id
        workspace.label_trial_pair(trial.id, pair.document.id, pair.label.id, True, "ann")
    found = workspace.trial_report(trial.id)
    assert (found.n_pairs, found.n_labelled) == (5, 5)
    assert workspace.trial([GOOD], 6).id != trial.id  # what has left it does not keep it open


def test_what_was_asked_when_a_trial_is_cancelled_is_taken_in(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ahead(self: SimulatedTeacher, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        todo = iter(requests)
        while batch := list(islice(todo, 4)):  # four are under way at a time
            asked.extend(r.document.id for r in batch)
            yield None
            for request, answers in zip(batch, self._batch(batch), strict=True):
                yield Answered(request, tuple(answers))

    monkeypatch.setattr(SimulatedTeacher, "judge", ahead)

    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("Asking about the pairs") and done >= 5:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        workspace.trial([GOOD], 12, progress=stop)
    assert len(asked) == 8
    workspace.trial([GOOD], 12)
    assert len(asked) == len(set(asked)) == 12
