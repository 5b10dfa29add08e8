"""Editing a label, and trying a definition on reviewed pairs, on real workspaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import to_jsonable_python

from lmtx.errors import ConsentError, InputError, JobCancelled, NotFoundError, NothingToDoError
from lmtx.jobs import READERS, VERBS
from lmtx.types import Decision, Document, Label
from lmtx.worker import call_verb
from lmtx.workspace import Workspace

SIMULATED = "simulated:recall=0.9,noise=0.05,seed=0"
LABELS = [
    Label("bread", "Nourishment", "", ("food",), ("top",)),
    Label("boats", "Boats", "Ships, sailing and rivers."),
    Label("top", "Everything"),
    *(Label(f"x{i}", name) for i, name in enumerate(["Astronomy", "Law", "Cattle", "Music", "Stones"])),
]
BAKING = "The baker kneads dough of rye flour and bakes sourdough loaves in a hot oven number {}."
SAILING = "The sailor steers his ship along the river, with sails and oars, harbour number {}."


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "w", reserve_share=0.3, held_out_share=0.1) as made:
        made._parts._own_index = False
        made.journal.put_labels(LABELS)
        documents = [
            Document(f"{kind}{i}", f"{kind} {i}", text.format(i), labels=(label,))
            for kind, label, text in (("baking", "bread", BAKING), ("sailing", "boats", SAILING))
            for i in range(15)
        ]
        made.journal.put_documents(documents, lambda d: made.settings.role_of(d.id, d.split))
        yield made


def review(workspace: Workspace) -> set[str]:
    """Accept "bread" where bread is baked, reject it elsewhere, in the reserve too; returns the reserve."""
    view = workspace.journal.corpus()
    workspace.decide(
        [
            Decision(d.id, "bread", "accept" if d.id.startswith("baking") else "reject", "ann", "audit")
            for d in view.documents
        ]
    )
    return {view.documents[int(i)].id for i in view.rows("reserve")}


def test_an_edit_changes_the_text_and_keeps_decisions_and_place(workspace: Workspace) -> None:
    workspace.teach(SIMULATED, 8)
    review(workspace)
    judged = [p for p in workspace.journal.label_pairs("bread", page_size=200) if p.verdict is not None]
    assert judged
    label = workspace.edit_label(
        "bread", name="  Baking ", description=" Bread. ", aliases=["loaf", "", "Baking"]
    )
    assert label == Label("bread", "Baking", "Bread.", ("loaf",), ("top",))
    assert workspace.journal.label("bread") == label
    assert workspace._parts.labels_by_id()["bread"] == label
    pairs = list(workspace.journal.label_pairs("bread", page_size=200))
    assert len(pairs) == 30
    assert {p.state for p in pairs} == {"accepted", "rejected"}
    assert not [p for p in pairs if p.verdict is not None]  # judgments of the old text have lapsed
    workspace.edit_label("bread", name="Nourishment", description="", aliases=["food"])
    again = [p for p in workspace.journal.label_pairs("bread", page_size=200) if p.verdict is not None]
    assert len(again) == len(judged)  # and count again when it returns


def test_an_edit_that_can_not_be_meant_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="name is empty"):
        workspace.edit_label("bread", name="  ", description="")
    with pytest.raises(InputError, match="that of label 'boats' already"):
        workspace.edit_label("bread", name="bOATS", description="")
    with pytest.raises(NotFoundError, match="'nothing' is not in this workspace"):
        workspace.edit_label("nothing", name="x", description="")
    workspace.journal.put_labels([Label("twin", "Boats")])
    workspace._parts.after_import()
    assert workspace.edit_label("twin", name="Boats", description="new").description == "new"


def test_the_evidence_teacher_says_more_under_a_definition_with_the_words_of_the_texts(
    workspace: Workspace,
) -> None:
    reserve = review(workspace)
    seen: list[tuple[int, int]] = []
    found = workspace.try_definition(
        "bread",
        "Baking",
        "Dough, flour, oven and loaves: what a baker bakes.",
        teacher="evidence",
        limit=10,
        progress=lambda done, total, _: seen.append((done, total)),
    )
    assert len(found.rows) == 10
    assert sum(r.wanted for r in found.rows) == 5
    assert not reserve & {r.document_id for r in found.rows}
    assert all(r.title for r in found.rows)
    gain = {
        wanted: [r.new - r.old for r in found.rows if r.wanted is wanted]  # type: ignore[operator]
        for wanted in (True, False)
    }
    assert min(gain[True]) > 0.1 > max(gain[False])
    assert found.n_right_new == 10 > found.n_right_old
    assert found.n_pairs_open == 0  # it has judged nothing yet
    assert seen[-1] == (20, 20)
    assert workspace.journal.counts()["judgments"] == 0
    assert workspace.journal.label("bread") == LABELS[0]
    assert not workspace.journal.teachers()


def test_what_a_teacher_said_already_is_not_asked_again(workspace: Workspace) -> None:
    workspace.teach(SIMULATED, 8)
    review(workspace)
    judged = {
        p.document_id: p
        for p in workspace.journal.label_pairs("bread", page_size=200)
        if p.verdict is not None and p.role in ("train", "held_out")
    }
    before = workspace.journal.counts()["judgments"]
    found = workspace.try_definition("bread", "Bread", "What is baked.", limit=100)
    assert found.teacher == SIMULATED
    assert len(found.rows) == len([d for d in workspace.journal.corpus().roles if d in ("train", "held_out")])
    for row in found.rows:
        if row.document_id in judged:
            assert row.old == (1.0 if judged[row.document_id].verdict == "yes" else 0.0)
        assert row.new == row.old  # it answers by gold, whatever the text
    assert found.n_right_old == found.n_right_new > 0.8 * len(found.rows)
    assert found.n_pairs_open == len(judged) > 0
    assert workspace.journal.counts()["judgments"] == before
    same = workspace.try_definition("bread", "Nourishment", "", ["food"], limit=4)
    assert same.n_pairs_open == 0  # nothing would change


def test_it_runs_as_a_job_beside_others_and_its_answer_is_json(workspace: Workspace) -> None:
    assert "try_definition" in VERBS & READERS
    review(workspace)
    params = {
        "label_id": "bread",
        "name": "Bread",
        "description": "Baked.",
        "teacher": "evidence",
        "limit": 4,
    }
    said = to_jsonable_python(call_verb(workspace, "try_definition", params, lambda *_: None))
    assert len(said["rows"]) == 4
    assert {"document_id", "title", "wanted", "old", "new"} == set(said["rows"][0])


def test_what_can_not_be_tried_is_said(workspace: Workspace) -> None:
    with pytest.raises(NothingToDoError, match="Nobody has accepted or rejected"):
        workspace.try_definition("bread", "Bread", "", teacher="evidence")
    review(workspace)
    remote = "openai:some-model,base_url=https://llm.example.org/v1,strategy=listwise"
    with pytest.raises(ConsentError, match=r"would be sent to llm\.example\.org. Nothing was sent"):
        workspace.try_definition("bread", "Bread", "", teacher=remote)
    with pytest.raises(InputError, match="limit: got 0"):
        workspace.try_definition("bread", "Bread", "", limit=0)

    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("Asking"):
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        workspace.try_definition("bread", "Bread", "", teacher="evidence", progress=stop)
