"""What decisions taught and how far the review is, on a real workspace with real trainings."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from lmtx.quality.reviews import reviews_needed
from lmtx.review import pair_number
from lmtx.types import Decision, Run, now
from lmtx.workspace import Workspace
from lmtx.workspace.population import FILE as _POPULATION


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory, encoded_demo: Path) -> Iterator[Workspace]:
    """The demo with an evidence run, forty documents completed by gold, and a run on these."""
    folder = Path(shutil.copytree(encoded_demo, tmp_path_factory.mktemp("watching") / "w"))
    with Workspace.open(folder, own_index=False) as made:
        made.update_settings(goal_predictions=3)
        made.cycle("evidence", rounds=1)
        complete(made, 40)
        made.train()
        yield made


def complete(workspace: Workspace, n: int) -> None:
    view, gold = workspace.journal.corpus(), workspace.journal.gold("train")
    done = workspace.journal.completed()
    ids = [view.documents[int(i)].id for i in view.rows("train")]
    for i in [i for i in ids if i not in done][:n]:
        workspace.complete(i, "ann", accepted=gold[i])


def put_run(workspace: Workspace, **metrics: object) -> Run:
    run = Run(uuid.uuid4().hex, now(), "train", {}, "f", "runs/none", metrics)
    workspace.journal.put_run(run)
    return run


def test_it_is_time_to_train_after_so_many_training_decisions(reviewed: Workspace) -> None:
    view = reviewed.journal.corpus()
    (newest, *_) = reviewed.journal.runs()
    assert reviewed.learning_state().newest == newest
    assert reviewed.learning_state().n_new == 0
    reviewed.update_settings(retrain_every=3)
    reserve, train = (view.documents[int(view.rows(role)[-1])].id for role in ("reserve", "train"))
    some = [x.id for x in view.labels[:3]]
    reviewed.decide([Decision(reserve, x, "reject", "ann") for x in some])
    assert reviewed.learning_state().n_new == 0  # what is said of the reserve trains nothing
    reviewed.decide([Decision(train, x, "reject", "ann") for x in some[:2]])
    state = reviewed.learning_state()
    assert (state.n_new, state.every, state.due, state.job_id) == (2, 3, False, None)
    reviewed.decide([Decision(train, some[2], "reject", "ann")])
    assert reviewed.learning_state().due

    job = reviewed.journal.job_put("waits", "train", {})
    with reviewed._parts.job_store.alive_as(job.id):
        state = reviewed.learning_state()
        assert (state.due, state.job_id) == (False, "waits")
    assert reviewed.learning_state().due  # its process is gone, so it counts no more
    reviewed.journal.job_update("waits", state="failed")
    assert not reviewed.learning_state().due  # a training that fails is not tried again at every click
    reviewed.update_settings(retrain_every=0)
    assert not reviewed.learning_state().due
    for _ in range(3):
        reviewed.undo("ann")


def test_without_a_run_all_training_decisions_are_new(tmp_path: Path, demo_folder: Path) -> None:
    with Workspace.create(tmp_path / "w", retrain_every=1) as made:
        made._parts._own_index = False
        assert made.learning_state().n_new == 0
        assert not made.learning_state().due
        assert made.gains() == []
        assert made.changes() == []
        made.import_demo()
        complete(made, 1)
        state = made.learning_state()
        assert state.due
        assert state.n_new >= 1
        assert state.newest is None
        assert made.review_progress().n_labels == 0


def test_gains_are_of_each_run_on_what_people_completed(reviewed: Workspace) -> None:
    first, second = reviewed.gains()
    assert (first.quality, first.start, first.n_completed) == (None, None, 0)  # evidence proves nothing
    assert first.promoted
    run = reviewed.journal.run(second.run_id)
    gate = run.metrics["gate"]
    assert isinstance(gate, dict)
    assert (second.quality, second.start, second.se) == (gate["tagger"], gate["zero_shot"], gate["se"])
    assert second.quality > second.start  # type: ignore[operator]
    assert second.n_completed == 40
    assert second.n_decisions == run.metrics["n_decisions"] > 40


def test_changes_name_the_decisions_behind_them(reviewed: Workspace) -> None:
    found = reviewed.changes()
    assert 0 < len(found) <= 10
    names = {x.name for x in reviewed.journal.labels()}
    view = reviewed.journal.corpus()
    n_behind = 0
    for change in found:
        assert change.title == view.documents[view.document_idx[change.document_id]].title
        assert {name for _, name, _ in [*change.before, *change.after]} <= names
        moved = {i for i, _, _ in change.before} ^ {i for i, _, _ in change.after}
        assert moved or change.before != change.after
        assert len(change.behind) <= 5
        n_behind += len(change.behind)
        for decision in change.behind:
            assert decision.label_id in moved
            assert decision.action in ("accept", "reject")
            assert view.roles[view.document_idx[decision.document_id]] == "train"
        own = [d.document_id == change.document_id for d in change.behind]
        assert own == sorted(own, reverse=True)  # those on the document itself come first
    assert n_behind > 0
    assert reviewed.changes() is found  # read once
    evidence = reviewed.journal.runs()[-1]
    assert reviewed.changes(evidence.id) == []


def test_progress_counts_what_the_audit_says_of_labels_that_are_predicted(reviewed: Workspace) -> None:
    run = reviewed.journal.promoted()
    assert run is not None
    body = json.loads((reviewed.folder / run.folder / _POPULATION).read_text(encoding="utf-8"))
    view = reviewed.journal.corpus()
    reserve = [view.documents[int(i)].id for i in view.rows("reserve")]
    assert set(body["tags"]) == set(reserve)
    expected = {
        i: [t.label_id for t in reviewed.predict([view.documents[view.document_idx[i]]], top_k=5)[0]]
        for i in reserve[:5]
    }
    assert {i: [x for x, _ in body["tags"][i]] for i in expected} == expected
    sizes: dict[str, list[str]] = {}
    for i, tags in body["tags"].items():
        for label, _ in tags:
            sizes.setdefault(label, []).append(i)
    enough = {x: ids for x, ids in sizes.items() if len(ids) >= 3}
    n_corpus = sum(role != "test" for role in view.roles)

    def left(right: int, n: int, ids: list[str]) -> int:
        """Audited decisions that a label still needs, no more than the reserve has."""
        population = round(len(ids) * n_corpus / len(reserve))
        return min(max(1, reviews_needed(right, n, population, 0.25)), len(ids) - n)

    reviewed.update_settings(goal_points=25.0)
    before = reviewed.review_progress()
    assert before.n_labels == len(enough) > 0
    assert before.n_known == 0
    assert before.n_left == sum(left(0, 0, ids) for ids in enough.values())

    label, ids = max(enough.items(), key=lambda item: (len(item[1]), item[0]))
    ids = sorted(ids, key=lambda i: pair_number(i, label, reviewed.settings.seed, "audit"))
    other = next(i for i in reserve if i not in ids)
    chosen = reviewed.decide([Decision(i, label, "accept", "bob", "default") for i in ids])
    assert reviewed.review_progress().n_left == before.n_left  # not drawn by the audit: it measures nothing
    reviewed.journal.retract("bob", seqs=chosen)
    reviewed.decide(
        [Decision(other, label, "reject", "bob", "audit_pair")]
    )  # a label that is not given there
    assert reviewed.review_progress().n_left == before.n_left
    reviewed.decide([Decision(ids[0], label, "accept", "bob", "audit_pair")])
    one = reviewed.review_progress()
    assert one.n_left == before.n_left - left(0, 0, ids) + left(1, 1, ids)
    reviewed.decide([Decision(i, label, "accept", "bob", "audit_pair") for i in ids[1:]])
    done = reviewed.review_progress()
    assert done.n_known == 1
    assert done.n_left == before.n_left - left(0, 0, ids)
    assert done.by_label[label][0] >= len(ids)
    assert len(done.by_label) <= 10
    report = reviewed.precision_report()
    assert report is not None
    row = report.labels.set_index("label_id").loc[label]  # the Precision screen says the same
    assert (row["n"], row["right"], row["known"] <= 0.25) == (len(ids), len(ids), True)

    (seq,) = reviewed.decide([Decision(ids[0], label, "reject", "bob", "audit_pair")])
    reviewed.journal.retract("bob", seqs=[seq])
    assert reviewed.review_progress() == replace(done, by_label=reviewed.review_progress().by_label)
    (retract,) = [d for d in reviewed.journal.decisions(after_seq=seq, limit=None) if d.retracts == seq]
    reviewed.journal.retract("bob", seqs=[retract.seq])  # so the rejection stands again
    fresh = Workspace.open(reviewed.folder, own_index=False)
    assert reviewed.review_progress() == fresh.review_progress()
    fresh.close()
    everything = [
        d.seq
        for d in reviewed.journal.decisions(reviewer="bob", standing=True, limit=None)
        if d.action != "retract"
    ]
    reviewed.journal.retract("bob", seqs=everything)
    assert reviewed.review_progress().n_left == before.n_left


def test_looking_is_cheap(reviewed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked at every click reads no model and no corpus."""
    reviewed.review_progress()

    def forbidden(*arguments: object, **names: object) -> None:
        raise AssertionError("a click must not load or read this")

    monkeypatch.setattr("lmtx.tagger.Tagger.load", forbidden)
    monkeypatch.setattr("lmtx.tagger.Tagger.predict", forbidden)
    monkeypatch.setattr(type(reviewed.journal), "pairs_frame", forbidden)
    train = reviewed.journal.corpus().documents[int(reviewed.journal.corpus().rows("train")[-1])]
    reviewed.decide([Decision(train.id, reviewed.journal.labels()[0].id, "reject", "eve")])
    assert reviewed.learning_state().n_new >= 1
    reviewed.review_progress()
    assert len(reviewed.gains()) == 2
    reviewed.undo("eve")


def test_only_the_runs_that_are_shown_are_read(reviewed: Workspace) -> None:
    """Each has its metrics: a click must not read those of every training there was."""
    for _ in range(60):
        put_run(reviewed, n_decisions=1)
    asked: list[int] = []

    @event.listens_for(reviewed.journal._engine, "before_cursor_execute")
    def note(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "FROM run_records" in statement:
            asked.append(len(conn.connection.cursor().execute(statement, parameters).fetchall()))

    try:
        reviewed.learning_state()
        assert asked == [1]
        reviewed.gains()
        assert asked == [1, 50]
    finally:
        event.remove(reviewed.journal._engine, "before_cursor_execute", note)


def test_many_runs_make_no_long_list(reviewed: Workspace) -> None:
    for _ in range(60):
        put_run(reviewed, n_decisions=1)
    assert len(reviewed.gains()) == 50
    ids = [g.run_id for g in reviewed.gains()]
    assert ids[-1] == reviewed.journal.runs()[0].id  # the newest come last
