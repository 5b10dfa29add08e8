"""The cycle on the demo corpus, with a real journal: what it reads, repeats, stops and promotes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.config import role_of
from lmtx.cycle import (
    Active,
    CycleInputs,
    left_out,
    preview_cycle,
    run_cycle,
    seeded_rows,
    state,
    train_once,
    training_set,
    usefulness,
)
from lmtx.cycle.changes import Changes, difference
from lmtx.cycle.completed import Completed
from lmtx.cycle.gate import Before, Gate, gate
from lmtx.cycle.held_out import improved, judged_quality
from lmtx.errors import InputError, JobCancelled, NothingToDoError, ShapeError
from lmtx.journal import Journal
from lmtx.tagger import HeldOut, Tagger
from lmtx.teacher import (
    Answer,
    Answered,
    Budget,
    Estimate,
    Teacher,
    TeacherContext,
    TeacherRequest,
    load_teacher,
)
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


def read_corpus(folder: Path) -> tuple[list[Document], list[Label]]:
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    documents = [
        Document(r["id"], r.get("title", ""), r["text"], r.get("split", "train"), tuple(r["labels"]))
        for r in rows
    ]
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [
        Label(r["id"], r["name"], r.get("description", ""), tuple(r.get("aliases", ())))
        for r in map(json.loads, lines)
    ]
    return documents, labels


@pytest.fixture(scope="module")
def corpus(demo_folder: Path) -> tuple[list[Document], list[Label]]:
    return read_corpus(demo_folder)


def inputs_of(folder: Path, documents: Sequence[Document], labels: Sequence[Label]) -> CycleInputs:
    """A workspace's parts in a folder of its own."""
    folder.mkdir(exist_ok=True)
    journal = Journal(f"sqlite:///{folder / 'journal.db'}")
    if not journal.counts()["documents"]:
        journal.put_labels(labels)
        journal.put_documents(documents, lambda d: role_of(d.id, d.split, 0, 0.2, 0.2))
    return CycleInputs(
        journal=journal,
        folder=folder,
        encoder_key="hashed",
        document_vectors=lambda found: vectors([d.full_text for d in found]),
        label_vectors=lambda found: vectors([x.name for x in found]),
        threads=1,
    )


@pytest.fixture
def inputs(corpus: tuple[list[Document], list[Label]], tmp_path: Path) -> CycleInputs:
    return inputs_of(tmp_path, *corpus)


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
    assert gate(good, good, Before(), held).passed
    assert not gate(bad, good, Before(), held).passed
    refused = gate(bad, bad, Before(good), held)
    assert not refused.passed
    assert refused.message.startswith("Not promoted. On 30 held-out documents")
    assert "use it all the same" in refused.message
    assert gate(bad, good, Before(), None).basis == "none"
    worse = replace(good, validation={"tagger": 0.2, "zero_shot": 0.3, "se": 0.01, "n_docs": 9})
    assert not gate(worse, good, Before(), held, Completed({}, {})).passed


def test_improvement_is_beyond_the_standard_error() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(100)
    assert improved(base, None)
    assert improved(base + 0.1 + 0.01 * rng.random(100), base)
    assert not improved(rng.permutation(base), base)


# ---- what it asks and what it saves --------------------------------------------------------------


class Metered:
    """The simulated teacher, with tokens as a language model would take; may kill its own process.

    asked : requests of each call, a call a round and a set of documents
    kill_at : documents after which the process dies before it answers more; 0: never
    """

    is_llm, host = False, ""

    def __init__(self, inputs: CycleInputs, kill_at: int = 0) -> None:
        self.inner = teacher_of(inputs)
        self.key, self.spec, self.description = self.inner.key, self.inner.spec, self.inner.description
        self.asked: list[list[TeacherRequest]] = []
        self.kill_at = kill_at

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Answer one request at a time."""
        self.asked.append([])
        for request in requests:
            if self.kill_at and sum(map(len, self.asked)) >= self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.asked[-1].append(request)
            (answered,) = (a for a in self.inner.judge([request]) if a is not None)
            tokens = self.estimate([request]).tokens_in
            answers = [a for a in answered.answers if a is not None]
            rest = [0] * (len(answers) - 1)
            yield Answered(
                request,
                tuple(Answer(a.verdict, tokens=n) for a, n in zip(answers, [tokens, *rest], strict=True)),
            )

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """A token a word of the document and four a letter of the labels."""
        return Estimate(
            sum(len(r.document.full_text.split()) + 4 * sum(len(x.name) for x in r.labels) for r in requests)
        )


@pytest.mark.parametrize("min_open", [1, 2, 3])
def test_four_rounds_save_most_calls_of_an_uncached_run(inputs: CycleInputs, min_open: int) -> None:
    report = run_cycle(inputs, teacher_of(inputs), 4, patience=4, min_open=min_open)
    assert len(report.rounds) == 4
    uncached = sum(r.n_pairs for r in report.rounds)  # every round would ask its whole shortlist
    assert uncached == 4 * report.rounds[0].n_pairs
    saved = 1 - sum(r.n_judged for r in report.rounds) / uncached
    assert saved >= 0.6
    assert all(r.n_judged > 0 for r in report.rounds[:2])


def test_documents_with_few_new_candidates_wait(inputs: CycleInputs, tmp_path: Path) -> None:
    teacher = Metered(inputs)
    run_cycle(inputs, teacher, 3, patience=3, min_open=3, limit_docs=60)
    first, second, third = teacher.asked[0], teacher.asked[2], teacher.asked[4]
    assert len(first) == 60
    assert 0 < len(second) < 60
    assert min(len(r.labels) for r in [*second, *third]) >= 3
    held_out = [r for call in teacher.asked[1::2] for r in call]
    assert min(len(r.labels) for r in held_out) < 3  # held-out documents never wait
    with pytest.raises(InputError, match="min_open 0"):
        run_cycle(inputs, teacher, 3, min_open=0)


KILLED = """
import sys
from pathlib import Path

import lmtx.teacher.judging as judging
from lmtx.cycle import run_cycle, state

tests, demo, folder, kill_at, min_open, active, state.MIN_EARLY = *sys.argv[1:7], int(sys.argv[7])
sys.path.insert(0, tests)
import test_cycle

judging._COMMIT_DOCS = 1  # each answer is committed before the next is drawn
inputs = test_cycle.inputs_of(Path(folder), *test_cycle.read_corpus(Path(demo)))
teacher = test_cycle.Metered(inputs, int(kill_at))
share = float(active) or None
run_cycle(inputs, teacher, 3, patience=3, limit_docs=60, min_open=int(min_open), active=share)
print("done")
"""


@pytest.mark.parametrize(
    ("min_open", "active", "min_early"), [(1, 0.0, 100), (3, 0.0, 100), (2, 0.6, 100), (1, 0.0, 10)]
)
def test_killed_and_started_again_it_makes_the_calls_of_one_that_was_not(
    corpus: tuple[list[Document], list[Label]],
    demo_folder: Path,
    tmp_path: Path,
    min_open: int,
    active: float,
    min_early: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "MIN_EARLY", min_early)
    options = {"patience": 3, "limit_docs": 60, "min_open": min_open, "active": active or None}
    whole = inputs_of(tmp_path / "whole", *corpus)
    teacher = Metered(whole)
    expected = run_cycle(whole, teacher, 3, **options)
    # In the middle of the second round, with its predecessor and that one's held-out documents before it;
    # with early students in the last part of the first round.
    first = len(teacher.asked[0]) + len(teacher.asked[1])
    kill_at = first + len(teacher.asked[2]) // 2
    folder = tmp_path / "killed"
    arguments = [str(x) for x in (Path(__file__).parent, demo_folder, folder, kill_at, min_open, active)]
    arguments.append(str(min_early))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    inputs = inputs_of(folder, *corpus)
    before = inputs.journal.counts()["judgments"]
    assert 0 < before < expected.n_judged
    again = Metered(inputs)
    report = run_cycle(inputs, again, 3, **options)
    assert judgments(inputs) == judgments(whole)
    assert before + report.n_judged == expected.n_judged
    counts = inputs.journal.counts()
    assert counts["judgments"] == counts["judged_pairs"]  # no pair was asked twice

    def asked(calls: list[list[TeacherRequest]]) -> list[tuple[str, tuple[str, ...]]]:
        return [(r.document.id, tuple(x.id for x in r.labels)) for call in calls for r in call]

    assert asked(again.asked) == asked(teacher.asked)[kill_at:]
    assert report.run.fingerprint == expected.run.fingerprint


def train_ids(inputs: CycleInputs) -> set[str]:
    view = inputs.journal.corpus()
    return {view.documents[int(i)].id for i in view.rows("train")}


def test_a_first_student_saves_a_second_reading(
    inputs: CycleInputs,
    corpus: tuple[list[Document], list[Label]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "EARLY", ())
    without = Metered(inputs)
    run_cycle(inputs, without, 2, patience=2, min_open=1)
    monkeypatch.setattr(state, "EARLY", (0.25, 0.5))
    monkeypatch.setattr(state, "MIN_EARLY", 20)
    other = inputs_of(tmp_path / "other", *corpus)
    early = Metered(other)
    run_cycle(other, early, 2, patience=2, min_open=1)
    train = train_ids(other)
    read = [sum(r.document.id in train for call in t.asked for r in call) for t in (without, early)]
    assert len(early.asked) == len(without.asked) + 2
    assert read[1] < read[0]


def test_a_long_text_is_not_read_again_for_one_question(
    inputs: CycleInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = int(np.median([len(d.full_text) for d in inputs.journal.corpus().documents]))
    monkeypatch.setattr(state, "LONG_TEXT", length)
    teacher = Metered(inputs)
    run_cycle(inputs, teacher, 3, patience=3)
    train = train_ids(inputs)
    later = [r for call in teacher.asked[1:] for r in call if r.document.id in train]
    alone = {len(r.document.full_text) >= length for r in later if len(r.labels) == 1}
    assert alone == {False}
    assert any(len(r.document.full_text) >= length for r in later)


def test_a_budget_ends_it_and_what_was_answered_is_trained_on(inputs: CycleInputs) -> None:
    whole = preview_cycle(inputs, Metered(inputs), 3).next
    budget = whole.estimate.tokens_in // 2
    report = run_cycle(inputs, Metered(inputs), 3, budget=Budget(tokens=budget))
    assert "budget of tokens" in report.stopped
    assert len(report.rounds) == 1
    assert 0 < report.rounds[0].n_judged < whole.n_open
    assert report.rounds[0].n_held_out_judged > 0  # some was left for these
    assert report.tokens <= budget
    assert report.run.metrics["tokens"] == report.tokens


@pytest.mark.parametrize("active", [None, 0.4])
def test_a_preview_says_what_the_rounds_then_ask(inputs: CycleInputs, active: float | None) -> None:
    teacher = Metered(inputs)
    said = preview_cycle(inputs, teacher, 3, 50, active=active)
    assert not teacher.asked
    assert inputs.journal.counts()["judgments"] == 0
    report = run_cycle(inputs, teacher, 3, 50, patience=3, active=active)
    assert said.next.n_open == report.rounds[0].n_judged
    used = teacher.estimate(teacher.asked[0]).tokens_in
    assert said.next.estimate.tokens_in == pytest.approx(used, rel=0.01)
    later = report.tokens - used
    assert later == sum(teacher.estimate(call).tokens_in for call in teacher.asked[1:])
    assert 0 < later <= said.later.tokens_in
    assert 0 < report.n_judged - said.next.n_open <= said.n_later
    assert preview_cycle(inputs, teacher, 1, 50).next.n_cached > 0


def test_a_preview_of_the_evidence_teacher_has_one_round(inputs: CycleInputs) -> None:
    said = preview_cycle(inputs, teacher_of(inputs, "evidence"), 4, 30)
    assert (said.next.n_documents, said.n_later, said.later.tokens_in) == (30, 0, 0)


def test_active_judging_asks_a_share_of_the_pairs(inputs: CycleInputs) -> None:
    teacher = Metered(inputs)
    report = run_cycle(inputs, teacher, 2, 60, active=0.5)
    n = len(teacher.asked[0][0].shortlist)
    assert report.rounds[0].n_judged == pytest.approx(60 * 10 / 2, abs=1)
    assert n < 10  # what is left out is not on the shortlist that a teacher compares
    assert report.rounds[1].n_judged < report.rounds[0].n_judged
    assert report.run.config["active"] == 0.5
    for share in (0.0, 1.5):
        with pytest.raises(InputError, match="active is"):
            run_cycle(inputs, teacher, 2, active=share)


def test_a_share_is_of_what_comes_up_for_the_first_time() -> None:
    active = Active(0.5, 10)
    first = np.array([[0, 1, 2, -1], [3, 4, 5, -1]], np.int32)
    value = np.array([[0.9, 0.1, 0.2, 5], [0.8, 0.7, 0.0, 5]], np.float32)
    assert active.choose(first, value).tolist() == [[0, -1, -1, -1], [3, 4, -1, -1]]
    # Two new pairs, so one more is chosen: the best of those and of what was left out before.
    second = np.array([[0, 1, 2, 6], [3, 4, 5, 7]], np.int32)
    value = np.array([[0.0, 0.9, 0.2, 0.3], [0.0, 0.0, 0.1, 0.4]], np.float32)
    assert active.choose(second, value).tolist() == [[0, 1, -1, -1], [3, 4, -1, -1]]
    assert active.choose(second, value).tolist() == [[0, 1, -1, -1], [3, 4, -1, -1]]  # nothing is new
    with pytest.raises(ShapeError, match="values of shape"):
        active.choose(second, value[:, :2])
    assert Active(1.0, 10).choose(second, value).tolist() == second.tolist()


def test_what_two_rankings_disagree_on_is_most_useful() -> None:
    shortlist = np.array([[4, 7, 2, -1]], np.int32)
    lexical = np.array([[3.0, 2.0, 1.0, 9.0]], np.float32)
    alike = usefulness(shortlist, lexical, np.array([[0.9, 0.6, 0.1, 9.0]], np.float32), trained=False)
    assert alike.tolist() == [[0, 0, 0, 0]]
    other = usefulness(shortlist, lexical, np.array([[0.1, 0.6, 0.9, 9.0]], np.float32), trained=False)
    assert other.tolist() == [[1, 0, 1, 0]]
    unsure = usefulness(shortlist, lexical, np.array([[0.9, 0.35, 0.1, 0.35]], np.float32), trained=True)
    assert unsure[0].argmax() == 1
    assert unsure[0, 1] == pytest.approx(1)
    assert unsure[0, 3] == 0
    ties = usefulness(shortlist, np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32), trained=False)
    assert ties.tolist() == [[0, 0, 0, 0]]


# ---- what is kept beside a run ----------------------------------------------------------------------------


def test_left_out_probabilities_are_kept_and_doubt_the_teachers_errors(inputs: CycleInputs) -> None:
    run = run_cycle(inputs, teacher_of(inputs, "simulated:recall=0.9,noise=0.1,seed=0"), 2).run
    frame = left_out.read(inputs.folder / run.folder)
    assert frame is not None
    assert frame.columns.tolist() == ["document_id", "label_id", "probability"]
    judged_pairs = inputs.journal.pairs_frame()
    view = inputs.journal.corpus()
    in_train = [view.roles[view.document_idx[i]] == "train" for i in judged_pairs["document_id"]]
    judged_pairs = judged_pairs[in_train]
    assert len(frame) == len(judged_pairs)
    both = judged_pairs.merge(frame, on=["document_id", "label_id"], suffixes=("_said", "")).dropna(
        subset="verdict"
    )
    assert len(both) == len(frame)
    gold = inputs.journal.gold("train")
    said = (both["verdict"] == "yes").to_numpy()
    true = np.array([x in gold[i] for i, x in zip(both["document_id"], both["label_id"], strict=True)])
    doubt = np.abs(both["probability"].to_numpy() - said)
    first = np.argsort(-doubt, kind="stable")[:50]
    assert (said != true)[first].mean() > 1.5 * (said != true).mean()
    assert left_out.read(inputs.folder) is None
    (inputs.folder / run.folder / left_out.FILE).write_bytes(b"cut off")
    assert left_out.read(inputs.folder / run.folder) is None


def test_a_run_says_up_to_which_decision_it_knows_and_what_it_changed(inputs: CycleInputs) -> None:
    first = run_cycle(inputs, teacher_of(inputs, "evidence"), 1).run
    assert first.metrics["decision_seq"] == 0
    assert Changes.load(inputs.folder / first.folder) is None  # nothing was in use before
    view, gold = inputs.journal.corpus(), inputs.journal.gold("train")
    chosen = [view.documents[int(i)] for i in view.rows("train")[:30]]
    settle(inputs, [replace(d, labels=gold[d.id]) for d in chosen])
    head = inputs.journal.head_seq()
    said = False

    def meanwhile(done: int, total: int, message: str) -> None:
        nonlocal said
        if not said and message == "Counting words":
            said = True
            inputs.journal.append_decisions([Decision(chosen[0].id, view.labels[0].id, "reject", "bob")])

    run = train_once(inputs, meanwhile)
    assert said
    assert run.metrics["decision_seq"] == head < inputs.journal.head_seq()
    kept = Completed.load(inputs.folder / run.folder)
    assert kept is not None
    assert set(kept.truth) == set(kept.quality) == {d.id for d in chosen}
    found = Changes.load(inputs.folder / run.folder)
    assert found is not None
    assert found.before == first.id
    assert 0 < len(found.documents) <= 10
    roles = {view.roles[view.document_idx[x.document_id]] for x in found.documents}
    assert roles == {"train"}
    change = [difference([i for i, _ in x.before], [i for i, _ in x.after]) for x in found.documents]
    assert change == sorted(change, reverse=True)
    old, new = (Tagger.load(inputs.folder / r.folder) for r in (first, run))
    top = found.documents[0]
    document = view.documents[view.document_idx[top.document_id]]
    for tagger, tags in ((old, top.before), (new, top.after)):
        ranked = tagger.predict(inputs.document_vectors([document]), [document.full_text], 5).label_idx[0]
        assert [i for i, _ in tags] == [tagger.label_ids[int(j)] for j in ranked]


def test_the_first_places_weigh_most_in_a_difference() -> None:
    assert difference("abcde", "abcde") == 0
    assert difference("abc", "xyz") == 1
    assert difference([], []) == 0
    assert difference("abcde", "bacde") > difference("abcde", "abced") > 0
    assert difference("abcde", "xbcde") > difference("abcde", "abcdx")
    assert difference("ab", "abcde") == difference("abcde", "ab") > 0


def test_people_decide_while_a_training_runs(inputs: CycleInputs) -> None:
    """Training holds no lock: another connection that would wait for nothing writes at each of its steps."""
    run_cycle(inputs, teacher_of(inputs, "evidence"), 1)
    view = inputs.journal.corpus()
    documents = [view.documents[int(i)].id for i in view.rows("train")]
    other = sqlite3.connect(inputs.folder / "journal.db", timeout=0, isolation_level=None)
    steps: list[str] = []

    def decide(done: int, total: int, message: str) -> None:
        other.execute("BEGIN IMMEDIATE")  # fails at once where anybody holds the lock
        other.execute("COMMIT")
        inputs.journal.append_decisions([Decision(documents[len(steps)], view.labels[0].id, "reject", "ann")])
        steps.append(message)

    train_once(inputs, decide)
    other.close()
    assert {"Reading the journal", "Training the student", "Choosing weights", "Writing the run"} <= set(
        steps
    )
    assert inputs.journal.counts()["decisions"] == len(steps)
