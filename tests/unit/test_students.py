"""Students with an encoder of their own: trained, kept, gone on with, exported, compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from lmtx.config import role_of
from lmtx.cycle import CycleInputs, run_cycle, train_once, training_set
from lmtx.cycle.own_encoder import documents_to_learn_from
from lmtx.encoder import EmbeddingCache, SentenceEncoder, label_text
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.export.model import write_model
from lmtx.journal import Journal
from lmtx.tagger import Tagger
from lmtx.teacher import Teacher, TeacherContext, load_teacher
from lmtx.types import Decision, Document, FloatArray, Label, Run

QUICK = {"max_steps": 3, "batch": 8, "lr": 1e-3, "bf16": False}


@pytest.fixture(scope="module")
def corpus(demo_folder: Path) -> tuple[list[Document], list[Label]]:
    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(x) for x in (demo_folder / name).read_text(encoding="utf-8").splitlines()]

    documents = [
        Document(r["id"], r["title"], r["text"], r["split"], tuple(r["labels"]))  # type: ignore[arg-type]
        for r in rows("corpus.jsonl")
    ]
    return documents[::3], [Label(r["id"], r["name"]) for r in rows("labels.jsonl")]


@pytest.fixture
def inputs(
    corpus: tuple[list[Document], list[Label]], tiny_encoder: SentenceEncoder, tmp_path: Path
) -> CycleInputs:
    """The parts of a workspace, with a journal of its own and no verdict in it."""
    documents, labels = corpus
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}")
    journal.put_labels(labels)
    journal.put_documents(documents, lambda d: role_of(d.id, d.split, 0, 0.2, 0.2))

    def vectors(found: list[Document]) -> FloatArray:
        return tiny_encoder.encode([d.full_text for d in found])

    return CycleInputs(
        journal=journal,
        folder=tmp_path,
        encoder_key=tiny_encoder.key,
        document_vectors=vectors,  # type: ignore[arg-type]
        label_vectors=lambda found: tiny_encoder.encode([label_text(x) for x in found], role="label"),
        top_k=5,
        threads=1,
        encoder=lambda: tiny_encoder,
        cache=EmbeddingCache(tmp_path / "vectors.db"),
    )


def teacher_of(inputs: CycleInputs) -> Teacher:
    view = inputs.journal.corpus()
    context = TeacherContext(
        corpus=view,
        vectors=lambda: (inputs.document_vectors(view.documents), inputs.label_vectors(view.labels)),
        encoder_key=inputs.encoder_key,
        gold=lambda: inputs.journal.gold("train"),
    )
    return load_teacher("simulated:recall=0.9,noise=0.02,seed=0", context)


@pytest.fixture
def judged(inputs: CycleInputs) -> CycleInputs:
    """The same after a round of the simulated teacher."""
    run_cycle(inputs, teacher_of(inputs), 1, epochs=1)
    return inputs


def complete(inputs: CycleInputs, n: int) -> None:
    view, gold = inputs.journal.corpus(), inputs.journal.gold("train")
    for i in view.rows("train")[:n]:
        document = view.documents[int(i)].id
        decisions = [Decision(document, x, "accept", "ann", batch=document) for x in gold[document]]
        decisions.append(Decision(document, None, "complete", "ann", batch=document))
        inputs.journal.append_decisions(decisions)


def tagger_of(inputs: CycleInputs, run: Run) -> Tagger:
    return Tagger.load(inputs.folder / run.folder, inputs.cache)


def test_a_fine_tuned_student_is_a_run_like_any_other(judged: CycleInputs, tmp_path: Path) -> None:
    messages: list[str] = []
    shares: list[float] = []

    def progress(done: int, total: int, message: str) -> None:
        messages.append(message)
        shares.append(done / total)

    run = train_once(judged, progress, kind="finetune", **QUICK)
    assert (run.kind, run.config["student_kind"]) == ("finetune", "finetune")
    assert run.config["student"]["loss"] == "infonce"  # type: ignore[index]
    assert "Fine-tuning the student" in messages
    assert shares == sorted(shares)
    assert not (judged.folder / "training").exists()
    tagger = tagger_of(judged, run)
    assert tagger.tower is not None
    assert tagger.tower.folder == judged.folder / run.folder / "tower"
    assert float(np.abs(tagger.student.document_map).max()) > 0  # type: ignore[union-attr]
    view = judged.journal.corpus()
    documents = [view.documents[int(i)] for i in view.rows("test")[:6]]
    texts = [d.full_text for d in documents]
    vectors = judged.document_vectors(documents)
    found = tagger.predict(vectors, texts, 3)
    # A student alone, exported, gives plain sentence-transformers the same scores.
    made = write_model(
        tagger, judged.folder / run.folder, run, judged.own_encoder(), "folder", tmp_path / "m"
    )
    model = SentenceTransformer(str(made / "student"), device="cpu")
    alone = replace(tagger, weights={"student": 1.0})
    names = [label_text(x) for x in view.labels]
    scores = model.encode_query(texts) @ model.encode_document(names).T
    best = alone._raw("student", alone.count(vectors, texts))
    np.testing.assert_allclose(scores, best, atol=0.01)
    again = Tagger.load(made / "tagger")
    np.testing.assert_array_equal(again.predict(vectors, texts, 3).label_idx, found.label_idx)


def test_without_the_adapter_the_tower_is_the_student(judged: CycleInputs) -> None:
    run = train_once(judged, kind="official", **QUICK)
    tagger = tagger_of(judged, run)
    assert run.kind == "official"
    assert run.config["student"]["loss"] == "triplet"  # type: ignore[index]
    assert float(np.abs(tagger.student.document_map).max()) == 0  # type: ignore[union-attr]
    assert float(np.abs(tagger.student.offset).max()) == 0  # type: ignore[union-attr]
    np.testing.assert_allclose(tagger.student_labels, tagger.tower_labels, atol=1e-3)


def test_a_cancelled_fine_tuning_goes_on_and_leaves_nothing_behind(judged: CycleInputs) -> None:
    def stop(done: int, total: int, message: str) -> None:
        steps.append(message)
        if steps.count("Fine-tuning the student") == 2:
            raise JobCancelled("stop")

    steps: list[str] = []
    runs = len(judged.journal.runs())
    with pytest.raises(JobCancelled):
        train_once(judged, stop, kind="finetune", **QUICK)
    assert len(judged.journal.runs()) == runs
    assert list((judged.folder / "training").glob("finetune-*/checkpoints/checkpoint-2"))
    steps.clear()
    train_once(judged, lambda done, total, message: steps.append(message), kind="finetune", **QUICK)
    assert steps.count("Fine-tuning the student") == 1
    assert not (judged.folder / "training").exists()


@pytest.mark.parametrize("kind", ["maclr", "rts"])
def test_a_baseline_reads_no_verdict_and_is_not_put_in_use(kind: str, inputs: CycleInputs) -> None:
    settings = {"steps": 2, "self_steps": 1} if kind == "maclr" else {"max_steps": 2}
    run = train_once(inputs, kind=kind, batch=8, **settings)
    assert (run.kind, run.promoted) == (kind, False)
    assert run.metrics["weights"] == {"student": 1.0}
    assert run.metrics["gate"]["message"].startswith("Not put in use: it reads no verdicts")  # type: ignore[index]
    tagger = tagger_of(inputs, run)
    assert tagger.parts == ("student",)
    document = inputs.journal.corpus().documents[0]
    scored = tagger.predict(inputs.document_vectors([document]), [document.full_text], 3)
    assert (scored.label_idx >= 0).all()
    assert not (inputs.folder / "training").exists()


def test_weights_are_validated_on_documents_that_the_fine_tuning_has_not_seen(judged: CycleInputs) -> None:
    complete(judged, 30)
    training = training_set(judged.journal, judged.journal.corpus())
    rows, seen = documents_to_learn_from(training, 0)
    done = set(training.completed)
    # Fewer than a hundred other documents: two thirds of the completed ones are learned from too.
    assert len(seen) == 20
    assert set(seen.tolist()) == set(rows.tolist()) & done
    run = train_once(judged, kind="finetune", **QUICK)
    assert "cross-validated over 10 completed documents" in str(run.metrics["basis"])
    many = replace(training, completed={k: v for k, v in list(training.completed.items())[:3]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lmtx.cycle.own_encoder.MIN_OTHERS", 10)
        rows, seen = documents_to_learn_from(many, 0)
    assert not len(seen)
    assert not set(rows.tolist()) & set(many.completed)


def test_rounds_of_the_published_procedure_rank_with_the_encoder_alone(inputs: CycleInputs) -> None:
    told: list[str] = []
    report = run_cycle(
        inputs,
        teacher_of(inputs),
        2,
        progress=lambda done, total, message: told.append(message),
        kind="official",
        **QUICK,
    )
    assert len(report.rounds) == 2
    assert report.run.config["student_kind"] == "official"
    # Two rounds and, as nothing new was judged for training since, no third encoder.
    for number in (1, 2):
        assert f"Round {number}: Fine-tuning the student" in told
    assert told[-1] == "Done"
    assert tagger_of(inputs, report.run).tower is not None
    assert not (inputs.folder / "training").exists()


def test_a_cycle_with_a_fine_tuned_student_trains_it_at_the_end(inputs: CycleInputs) -> None:
    told: list[str] = []
    report = run_cycle(
        inputs,
        teacher_of(inputs),
        1,
        progress=lambda done, total, message: told.append(message),
        kind="finetune",
        **QUICK,
    )
    assert "Round 1: Fine-tuning the student" not in told
    assert "Fine-tuning the student" in told
    assert tagger_of(inputs, report.run).tower is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: train_once(x, kind="bert"), "Student 'bert' does not exist"),
        (lambda x: train_once(x, depth=3), "'adapter' has no setting 'depth'"),
        (lambda x: train_once(x, kind="maclr", depth=3), "maclr has no setting 'depth'"),
        (lambda x: run_cycle(x, teacher_of(x), kind="rts"), "needs no rounds"),
    ],
)
def test_what_does_not_exist_is_said(
    inputs: CycleInputs, call: Callable[[CycleInputs], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(inputs)


def test_without_a_wanted_pair_no_encoder_is_trained(inputs: CycleInputs) -> None:
    with pytest.raises(NothingToDoError, match="0 judged pairs, none of them wanted"):
        train_once(inputs, kind="finetune")
