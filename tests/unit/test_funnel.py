"""Where wanted tags are lost: on documents that the audit settled, with what a teacher said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lmtx.config import role_of
from lmtx.cycle import training_set
from lmtx.cycle.data import KeptVectors
from lmtx.cycle.state import CycleState
from lmtx.errors import ConsentError, NothingToDoError
from lmtx.jobs import READERS, VERBS
from lmtx.types import Document, no_progress
from lmtx.workspace import Workspace, funnel, teaching
from lmtx.workspace.population import population_of

TEACHER = "simulated:recall=0.8,noise=0.1,seed=0"

Copied = Callable[[], Workspace]


def said(workspace: Workspace, ids: list[str], key: str) -> dict[tuple[str, str], bool]:
    """Pair -> whether a teacher says yes, read from the journal."""
    frame = workspace.journal.pairs_frame(teacher_key=key)
    columns = (frame[name].tolist() for name in ("document_id", "label_id", "verdict"))
    return {(i, x): v == "yes" for i, x, v in zip(*columns, strict=True) if isinstance(v, str) and i in ids}


def key_of(workspace: Workspace, spec: str) -> str:
    return next(t.key for t in workspace.journal.teachers() if t.spec == spec)


def trained_on(workspace: Workspace) -> dict[str, Any]:
    """What a training makes of what is known: the set, the verdicts it is measured on, and its tags."""
    found = training_set(workspace.journal, workspace.journal.corpus())
    run = workspace.train()
    texts = [d.text for d in workspace.journal.corpus().documents[:40]]
    tags = workspace.predict(texts, system=run.id, words=False)
    return {
        "set": found.fingerprint(),
        "held out": (found.held_out_rows.tolist(), found.held_out_pairs.target.tolist()),
        "run": run.fingerprint,
        "weights": run.metrics["weights"],
        "tags": [[(t.label_id, t.score, t.probability) for t in row] for row in tags],
    }


def test_the_parts_are_what_counting_by_hand_gives_and_sum_to_the_whole(
    copied: Copied, audited_demo: SimpleNamespace
) -> None:
    workspace, ids = copied(), audited_demo.audited
    before = workspace.error_funnel()
    assert before is not None
    assert (before.n_documents, before.n_judged, before.teacher) == (40, 0, "")
    assert before.wanted == before.given == []
    workspace.update_settings(teacher=TEACHER)
    assert workspace.error_funnel().n_open == 40 * workspace.settings.top_k  # type: ignore[union-attr]
    report = workspace.judge_audited()
    assert report == {"documents": 40, "pairs": 40 * workspace.settings.top_k}
    found = workspace.error_funnel()
    assert found is not None
    assert (found.n_documents, found.n_judged, found.n_open, found.teacher) == (40, 40, 0, TEACHER)

    run = workspace.journal.promoted()
    assert run is not None
    tags = population_of(workspace._parts, run).tags
    gold = workspace.journal.gold("train")
    yes = said(workspace, ids, key_of(workspace, TEACHER))
    wanted = [(i, x) for i in ids for x in gold[i]]
    lost = [pair for pair in wanted if pair[1] not in tags[pair[0]]]
    assert {step.name: step.n for step in found.wanted} == {
        "found": len(wanted) - len(lost),
        "shortlist": sum(pair not in yes for pair in lost),
        "teacher": sum(yes.get(pair) is False for pair in lost),
        "student": sum(yes.get(pair) is True for pair in lost),
    }
    given = [(i, x) for i in ids for x in tags[i]]
    wrong = [pair for pair in given if pair[1] not in gold[pair[0]]]
    assert {step.name: step.n for step in found.given} == {
        "right": len(given) - len(wrong),
        "teacher": sum(yes.get(pair) is True for pair in wrong),
        "student": sum(yes.get(pair) is not True for pair in wrong),
    }
    assert min(step.n for step in found.wanted) > 0  # all parts are there to be told apart
    for steps, total in ((found.wanted, len(wanted)), (found.given, len(given))):
        assert sum(step.n for step in steps) == total
        assert sum(step.share.value or 0 for step in steps) == pytest.approx(1)
        for step in steps:
            assert step.share.low <= step.n / total <= step.share.high
            assert step.share.value == pytest.approx(step.n / total)
            assert len(step.pairs) == step.n
    assert sorted(p for step in found.wanted for p in step.pairs) == sorted(wanted)
    assert set(found.wanted[1].pairs) == {pair for pair in lost if pair not in yes}
    assert set(found.given[1].pairs) == {pair for pair in wrong if yes.get(pair) is True}
    recall = workspace.precision_report().recall.value  # type: ignore[union-attr]
    assert found.wanted[0].share.value == pytest.approx(recall)
    assert workspace.error_funnel() is not None
    assert workspace.judge_audited() == {"documents": 40, "pairs": 0}  # nothing is asked twice


def test_asking_about_audited_documents_trains_nothing(copied: Copied) -> None:
    workspace = copied()
    before, teacher = trained_on(workspace), workspace.settings.teacher
    assert workspace.judge_audited(TEACHER)["pairs"] > 0
    assert trained_on(workspace) == before
    assert workspace.settings.teacher == teacher  # what is taught with is not what measures


def test_a_text_that_is_trained_on_too_is_not_asked_about(
    copied: Copied, audited_demo: SimpleNamespace, tmp_path: Path
) -> None:
    workspace = copied()
    view = workspace.journal.corpus()
    shares = (workspace.settings.seed, workspace.settings.reserve_share, workspace.settings.held_out_share)
    original = view.documents[view.document_idx[audited_demo.audited[0]]]
    twin = next(f"twin-{i}" for i in range(99) if role_of(f"twin-{i}", "train", *shares) == "train")
    file = tmp_path / "twin.jsonl"
    file.write_text(json.dumps({"id": twin, "title": original.title, "text": original.text}), "utf-8")
    workspace.import_corpus(file)
    assert workspace.journal.corpus().roles[workspace.journal.corpus().document_idx[twin]] == "train"
    assert workspace.judge_audited(TEACHER)["documents"] == 39
    assert all(p.verdict is None for p in workspace.journal.pair_states(twin))
    found = workspace.error_funnel()
    assert found is not None
    assert (found.n_documents, found.n_judged) == (40, 39)


@pytest.mark.parametrize("spec", [TEACHER, "evidence"])
def test_the_shortlist_is_that_of_the_next_round(copied: Copied, spec: str) -> None:
    workspace = copied()
    parts, view = workspace._parts, workspace.journal.corpus()
    inputs = teaching.inputs(parts)
    inputs = replace(inputs, document_vectors=KeptVectors(inputs))
    rows = view.rows("train")
    teacher = teaching.load(parts, spec)
    cycle = CycleState(inputs, teacher, view, rows, no_progress, 1)
    documents = [view.documents[int(i)] for i in rows]
    found = funnel.shortlists(parts, documents, own=spec == "evidence")
    theirs = cycle._shortlist()
    same = [set(a) == set(b) for a, b in zip(found.tolist(), theirs.tolist(), strict=True)]
    # Words are counted on what was trained on, here; the cycle counts all documents for training.
    assert np.mean(same) > 0.9


def test_another_teachers_verdicts_hide_none(copied: Copied, audited_demo: SimpleNamespace) -> None:
    workspace = copied()
    workspace.update_settings(teacher=TEACHER)
    workspace.judge_audited()
    before = workspace.error_funnel()
    workspace.judge_audited("simulated:recall=0.3,noise=0.4,seed=1")
    assert workspace.error_funnel() == before  # still of the teacher that is taught with
    workspace.update_settings(teacher="simulated:recall=0.3,noise=0.4,seed=1")
    other = workspace.error_funnel()
    assert other is not None
    assert before is not None
    assert other.teacher == "simulated:recall=0.3,noise=0.4,seed=1"
    assert other.wanted[2].n > before.wanted[2].n  # it says no to more that is wanted


def test_after_a_training_documents_count_as_before_and_new_candidates_are_open(copied: Copied) -> None:
    workspace = copied()
    workspace.update_settings(teacher=TEACHER)
    workspace.judge_audited()
    other = next(run for run in workspace.runs() if not run.promoted)
    workspace.promote(other.id)
    found = workspace.error_funnel()
    assert found is not None
    assert (found.run_id, found.n_documents, found.n_judged) == (other.id, 40, 40)
    assert 0 < found.n_open < 40 * workspace.settings.top_k
    assert workspace.judge_audited()["pairs"] == found.n_open
    again = workspace.error_funnel()
    assert again is not None
    assert again.n_open == 0
    assert again.wanted[0] == found.wanted[0]
    assert again.wanted[1].n <= found.wanted[1].n  # what was asked in any round is not lost by the shortlist


def test_what_the_teacher_says_is_held_against_people(copied: Copied, audited_demo: SimpleNamespace) -> None:
    workspace = copied()
    assert [len(x) for x in funnel.teacher_answers(workspace._parts)] == [0, 0, 0]
    workspace.judge_audited("evidence")
    _, probability, accepted = funnel.teacher_answers(workspace._parts)
    gold = workspace.journal.gold("train")
    yes = said(workspace, audited_demo.audited, key_of(workspace, "evidence"))
    assert len(probability) == len(yes) == 400
    assert accepted.sum() == sum(x in gold[i] for i, x in yes)
    assert probability[accepted].mean() > probability[~accepted].mean() + 0.1
    workspace.update_settings(teacher=TEACHER)
    workspace.judge_audited()  # it answers yes or no, with no probability
    assert [len(x) for x in funnel.teacher_answers(workspace._parts)] == [0, 0, 0]


def test_it_says_what_is_missing(copied: Copied, audited_demo: SimpleNamespace, tmp_path: Path) -> None:
    assert "judge_audited" in VERBS - READERS
    workspace = copied()
    with pytest.raises(ConsentError, match=r"would be sent to llm\.example\.org. Nothing was sent"):
        workspace.judge_audited("openai:some-model,base_url=https://llm.example.org/v1,strategy=listwise")
    with Workspace.create(tmp_path / "new", reserve_share=0.4) as new:
        new.journal.put_labels(workspace.journal.corpus().labels)
        shares = (new.settings.seed, 0.4, 0.1)
        documents = [Document(f"d{i}", "", f"text {i}") for i in range(20)]
        new.journal.put_documents(documents, lambda d: role_of(d.id, d.split, *shares))
        assert new.error_funnel() is None
        with pytest.raises(NothingToDoError, match=r"Complete some documents of the audit"):
            new.judge_audited("evidence")
