"""The cycle on the demo corpus, with a real journal: what it reads, repeats, stops and promotes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.config import role_of
from lmtx.cycle import CycleInputs, run_cycle, seeded_rows, train_once, training_set
from lmtx.cycle.held_out import Gate, gate, improved, judged_quality
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.journal import Journal
from lmtx.tagger import HeldOut, Tagger
from lmtx.teacher import Teacher, TeacherContext, load_teacher
from lmtx.types import Decision, Document, FloatArray, Label, Pairs

SIMULATED = "simulated:recall=0.9,noise=0.02,seed=0"


def vectors(texts: Sequence[str]) -> FloatArray:
    """Hashed bags of words: vectors that mean something, at no cost."""
    out = np.zeros((len(texts), 64), dtype=np.float32)
    for i, text in enumerate(texts):
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
            out[i] += np.random.default_rng(seed).normal(size=64)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


@pytest.fixture(scope="module")
def corpus(demo_folder: Path) -> tuple[list[Document], list[Label]]:
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    documents = [
        Document(r["id"], r.get("title", ""), r["text"], r.get("split", "train"), tuple(r["labels"]))
        for r in rows
    ]
    lines = (demo_folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [
        Label(r["id"], r["name"], r.get("description", ""), tuple(r.get("aliases", ())))
        for r in map(json.loads, lines)
    ]
    return documents, labels


@pytest.fixture
def inputs(corpus: tuple[list[Document], list[Label]], tmp_path: Path) -> CycleInputs:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}")
    documents, labels = corpus
    journal.put_labels(labels)
    journal.put_documents(documents, lambda d: role_of(d.id, d.split, 0, 0.2, 0.2))
    return CycleInputs(
        journal=journal,
        folder=tmp_path,
        encoder_key="hashed",
        document_vectors=lambda found: vectors([d.full_text for d in found]),
        label_vectors=lambda found: vectors([x.name for x in found]),
        threads=1,
    )


def teacher_of(inputs: CycleInputs, spec: str = SIMULATED) -> Teacher:
    view = inputs.journal.corpus()
    context = TeacherContext(
        corpus=view,
        vectors=lambda: (inputs.document_vectors(view.documents), inputs.label_vectors(view.labels)),
        encoder_key=inputs.encoder_key,
        gold=lambda: inputs.journal.gold("train"),
    )
    return load_teacher(spec, context)


def judged(inputs: CycleInputs) -> set[str]:
    return set(inputs.journal.pairs_frame().query("verdict.notna()")["document_id"])


def settle(inputs: CycleInputs, documents: Sequence[Document]) -> None:
    for document in documents:
        decisions = [
            Decision(document.id, x, "accept", "ann", batch=document.id) for x in document.labels or ()
        ]
        decisions.append(Decision(document.id, None, "complete", "ann", batch=document.id))
        inputs.journal.append_decisions(decisions)


def test_it_judges_trains_measures_and_promotes(inputs: CycleInputs) -> None:
    seen: list[tuple[int, int]] = []
    report = run_cycle(
        inputs, teacher_of(inputs), 2, progress=lambda done, total, _: seen.append((done, total))
    )
    run = report.run
    assert run.promoted == run.metrics["gate"]["passed"]
    assert (len(report.rounds), run.kind) == (2, "cycle")
    assert report.rounds[0].n_yes > 0
    assert report.rounds[1].n_judged < report.rounds[1].n_pairs  # what was judged before is not asked again
    assert report.rounds[0].held_out is not None
    assert run.metrics["gate"]["basis"] == "held-out"
    assert [s[0] for s in seen] == sorted(s[0] for s in seen)
    assert seen[-1][0] == seen[-1][1] == 300
    tagger = Tagger.load(inputs.folder / run.folder)
    assert tagger.encoder_key == "hashed"
    assert len(tagger.label_ids) == len(inputs.journal.corpus().labels)


def test_reserve_and_test_documents_are_never_judged_and_held_out_ones_never_trained_on(
    inputs: CycleInputs,
) -> None:
    run_cycle(inputs, teacher_of(inputs), 1)
    view = inputs.journal.corpus()
    roles = {view.roles[view.document_idx[i]] for i in judged(inputs)}
    assert roles == {"train", "held_out"}
    training = training_set(inputs.journal, view)
    assert {view.roles[int(i)] for i in training.rows} == {"train"}
    assert {view.roles[int(i)] for i in training.held_out_rows} == {"held_out"}


def test_started_again_it_asks_nothing_twice(inputs: CycleInputs) -> None:
    run_cycle(inputs, teacher_of(inputs), 1)
    n = inputs.journal.counts()["judgments"]
    again = run_cycle(replace(inputs), teacher_of(inputs), 1)
    counts = inputs.journal.counts()
    assert counts["judgments"] == counts["judged_pairs"]  # no pair has two
    assert counts["judgments"] == n + again.n_judged
    assert again.rounds[0].n_judged < again.rounds[0].n_pairs
    assert len(inputs.journal.runs()) == 2


def test_cancelled_it_keeps_what_was_judged_and_makes_no_run(inputs: CycleInputs) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        if "Judging" in message and inputs.journal.counts()["judgments"] > 0:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        run_cycle(inputs, teacher_of(inputs), 2, progress=cancel)
    kept = inputs.journal.counts()["judgments"]
    assert kept > 0
    assert not inputs.journal.runs()
    report = run_cycle(inputs, teacher_of(inputs), 1)
    counts = inputs.journal.counts()
    assert counts["judgments"] == counts["judged_pairs"] == kept + report.n_judged


def judgments(inputs: CycleInputs) -> set[tuple[object, ...]]:
    frame = inputs.journal.pairs_frame()
    columns = ["document_id", "label_id", "verdict", "round"]
    return set(frame[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize("share", [0.03, 0.4, 0.55, 0.9])
def test_stopped_and_started_again_it_ends_as_if_it_had_not_been(
    inputs: CycleInputs, corpus: tuple[list[Document], list[Label]], tmp_path: Path, share: float
) -> None:
    whole = run_cycle(inputs, teacher_of(inputs), 3, limit_docs=60)
    journal = Journal(f"sqlite:///{tmp_path / 'other.db'}")
    documents, labels = corpus
    journal.put_labels(labels)
    journal.put_documents(documents, lambda d: role_of(d.id, d.split, 0, 0.2, 0.2))
    other = replace(inputs, journal=journal, folder=tmp_path / "other")
    other.folder.mkdir()

    def stop(done: int, total: int, message: str) -> None:
        if done >= share * total:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        run_cycle(other, teacher_of(other), 3, limit_docs=60, progress=stop)
    again = run_cycle(other, teacher_of(other), 3, limit_docs=60)
    assert judgments(other) == judgments(inputs)
    assert again.run.fingerprint == whole.run.fingerprint
    assert [r.held_out for r in again.rounds] == [r.held_out for r in whole.rounds]
    assert again.run.metrics["gate"] == whole.run.metrics["gate"]
    assert not list(other.folder.glob("cycle.*"))


def test_people_go_on_while_it_runs(inputs: CycleInputs) -> None:
    """A label is added and used, and held-out documents are reviewed, between the rounds."""
    view = inputs.journal.corpus()
    held = [view.documents[int(i)].id for i in view.rows("held_out")]
    train = view.documents[int(view.rows("train")[0])].id
    done = False

    def meanwhile(at: int, total: int, message: str) -> None:
        nonlocal done
        if message.startswith("Round 2") and not done:
            done = True
            inputs.journal.put_labels([Label("new", "newcomer")])
            inputs.journal.append_decisions(
                [
                    *(Decision(i, view.labels[0].id, "accept", "ann") for i in held),
                    Decision(train, "new", "accept", "ann"),
                    Decision(train, None, "complete", "ann"),
                ]
            )

    report = run_cycle(inputs, teacher_of(inputs), 2, limit_docs=40, progress=meanwhile)
    assert done
    assert len(report.rounds) == 2
    assert train in {
        view.documents[int(i)].id for i in training_set(inputs.journal, inputs.journal.corpus()).rows
    }


def test_a_limit_takes_a_seeded_prefix(inputs: CycleInputs) -> None:
    report = run_cycle(inputs, teacher_of(inputs), 1, limit_docs=20)
    assert report.n_documents == 20
    view = inputs.journal.corpus()
    short, long = seeded_rows(view, 0, 20), seeded_rows(view, 0, 40)
    assert long[: len(short)].tolist() == short.tolist()
    assert seeded_rows(view, 1, 20).tolist() != short.tolist()
    assert len(seeded_rows(view, 0, None)) == len(view.rows("train", "held_out"))
    assert len(seeded_rows(view, 0, 0)) == 0


def test_the_evidence_teacher_has_one_round_and_claims_nothing(inputs: CycleInputs) -> None:
    report = run_cycle(inputs, teacher_of(inputs, "evidence"), 4)
    assert len(report.rounds) == 1
    assert report.rounds[0].held_out is None
    assert report.run.metrics["gate"]["basis"] == "none"
    assert report.run.promoted
    view = inputs.journal.corpus()
    assert "held_out" not in {view.roles[view.document_idx[i]] for i in judged(inputs)}
    assert not Tagger.load(inputs.folder / report.run.folder).calibration


def test_decisions_override_judgments_and_weigh_more(inputs: CycleInputs) -> None:
    run_cycle(inputs, teacher_of(inputs), 1)
    view = inputs.journal.corpus()
    before = training_set(inputs.journal, view)
    wanted = int(np.flatnonzero(before.pairs.target > 0.5)[0])
    document = view.documents[int(before.rows[before.pairs.document_idx[wanted]])]
    label = view.labels[int(before.pairs.label_idx[wanted])]
    inputs.journal.append_decisions([Decision(document.id, label.id, "reject", "ann")])
    after = training_set(inputs.journal, view)
    assert after.n_yes == before.n_yes - 1
    assert after.pairs.target[wanted] == 0
    assert after.pairs.weight[wanted] == 3
    assert after.fingerprint() != before.fingerprint()
    assert (before.teacher, after.n_decisions) == ("teacher", 1)


def test_retraining_uses_completed_documents_and_says_so(inputs: CycleInputs) -> None:
    run_cycle(inputs, teacher_of(inputs, "evidence"), 1)
    view = inputs.journal.corpus()
    gold = inputs.journal.gold("train")
    chosen = [view.documents[int(i)] for i in view.rows("train")[:15]]
    reserved = [view.documents[int(i)] for i in view.rows("reserve")[:5]]
    settle(inputs, [replace(d, labels=gold[d.id]) for d in [*chosen, *reserved]])
    training = training_set(inputs.journal, view)
    assert len(training.completed) == 15  # the reserve's are for measuring
    run = train_once(inputs, note="after a review", epochs=2)
    assert run.metrics["n_completed"] == 15
    assert run.metrics["gate"]["basis"] == "completed"
    assert run.config["student"]["epochs"] == 2
    assert (run.kind, run.note) == ("train", "after a review")


def test_a_run_below_zero_shot_is_kept_but_not_promoted(
    inputs: CycleInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.cycle.training.gate", lambda *_: Gate(False, "held-out", "worse"))
    report = run_cycle(inputs, teacher_of(inputs), 1)
    assert not report.run.promoted
    assert inputs.journal.promoted() is None
    assert len(inputs.journal.runs()) == 1


def test_it_stops_when_rounds_bring_nothing(inputs: CycleInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmtx.cycle.rounds.improved", lambda new, best: best is None)
    monkeypatch.setattr("lmtx.cycle.rounds.MIN_DOCUMENTS", 1)
    report = run_cycle(inputs, teacher_of(inputs), 5, patience=1)
    assert len(report.rounds) == 2
    assert "Stopped after round 2" in report.stopped


def test_what_is_missing_is_said(inputs: CycleInputs, tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError, match="Nothing to train on"):
        train_once(inputs)
    with pytest.raises(InputError, match="rounds is 0"):
        run_cycle(inputs, teacher_of(inputs), 0)
    empty = replace(inputs, journal=Journal(f"sqlite:///{tmp_path / 'empty.db'}"))
    with pytest.raises(NothingToDoError, match="no labels"):
        run_cycle(empty, teacher_of(inputs), 1)


def test_judged_quality_ranks_the_judged_labels_alone() -> None:
    labels = [Label("a", "apple"), Label("b", "bread"), Label("c", "cake")]
    texts = ["apple bread", "cake"]
    tagger = Tagger.zero_shot(labels, vectors([x.name for x in labels]), vectors(texts), texts)
    pairs = Pairs(
        np.array([0, 0, 1], np.int32),
        np.array([0, 2, 0], np.int32),
        np.array([1, 0, 1], np.float32),
        np.ones(3, np.float32),
    )
    found = judged_quality(tagger, HeldOut(texts, vectors(texts), pairs))
    assert found.tolist() == pytest.approx([(1 + 1 / 3 + 1 / 5) / 3, (1 + 1 / 3 + 1 / 5) / 3])


def test_the_gate_compares_with_zero_shot_and_the_run_in_use() -> None:
    labels = [Label("a", "apple"), Label("b", "bread")]
    texts = ["apple"] * 30
    good = Tagger.zero_shot(labels, vectors([x.name for x in labels]), vectors(texts), texts)
    bad = replace(good, label_vectors=good.label_vectors[::-1], lexical=good.lexical, weights={"dense": 1.0})
    n = np.repeat(np.arange(30, dtype=np.int32), 2)
    target = np.tile(np.array([1, 0], np.float32), 30)
    pairs = Pairs(n, np.tile(np.array([0, 1], np.int32), 30), target, np.ones(60, np.float32))
    held = HeldOut(texts, vectors(texts), pairs)
    good, bad = replace(good, teacher="teacher"), replace(bad, teacher="teacher")
    assert gate(good, good, None, held).passed
    assert not gate(bad, good, None, held).passed
    assert not gate(bad, bad, good, held).passed
    assert gate(bad, good, None, None).basis == "none"
    worse = replace(good, validation={"tagger": 0.2, "zero_shot": 0.3, "se": 0.01, "n_docs": 9})
    assert not gate(worse, good, None, held).passed


def test_improvement_is_beyond_the_standard_error() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(100)
    assert improved(base, None)
    assert improved(base + 0.1 + 0.01 * rng.random(100), base)
    assert not improved(rng.permutation(base), base)
