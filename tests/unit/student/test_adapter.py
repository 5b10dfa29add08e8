"""The adapter: what it learns, what it leaves alone, and that it comes back from disk."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import InputError, JobCancelled, NothingToDoError, ShapeError, StorageError
from lmtx.student import Adapter, AdapterConfig
from lmtx.types import FloatArray, Pairs

DIM, N_LABELS, N_DOCS = 24, 12, 300
CONFIG = AdapterConfig(epochs=8, batch=32, threads=1)


def unit(vectors: np.ndarray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="module")
def world() -> tuple[FloatArray, FloatArray, np.ndarray, Pairs]:
    """Documents near a hidden point of their label, which has little to do with the label's own vector."""
    rng = np.random.default_rng(0)
    labels = unit(rng.normal(size=(N_LABELS, DIM)))
    hidden = unit(rng.normal(size=(N_LABELS, DIM)))
    truth = rng.integers(0, N_LABELS - 2, N_DOCS)  # two labels never occur
    documents = unit(hidden[truth] + 0.15 * rng.normal(size=(N_DOCS, DIM)))
    rows = np.repeat(np.arange(N_DOCS), 3)
    columns = np.stack([truth, (truth + 1) % (N_LABELS - 2), (truth + 5) % (N_LABELS - 2)], axis=1).ravel()
    target = np.tile(np.array([1, 0, 0], np.float32), N_DOCS)
    pairs = Pairs(rows.astype(np.int32), columns.astype(np.int32), target, np.ones(len(rows), np.float32))
    return documents, labels, truth, pairs


def accuracy(student: Adapter, documents: FloatArray, labels: FloatArray, truth: np.ndarray) -> float:
    scores = student.project_documents(documents) @ student.project_labels(labels).T
    return float((scores.argmax(axis=1) == truth).mean())


def test_it_learns_what_the_vectors_do_not_say(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs],
) -> None:
    documents, labels, truth, pairs = world
    student = Adapter.fit(documents, labels, pairs, N_DOCS, CONFIG)
    assert float((documents @ labels.T).argmax(axis=1).__eq__(truth).mean()) < 0.4
    assert accuracy(student, documents, labels, truth) > 0.9


def test_the_same_seed_gives_the_same_student(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs],
) -> None:
    documents, labels, _, pairs = world
    one, two = (Adapter.fit(documents, labels, pairs, config=replace(CONFIG, epochs=1)) for _ in range(2))
    np.testing.assert_array_equal(one.offset, two.offset)
    other = Adapter.fit(documents, labels, pairs, config=replace(CONFIG, epochs=1, seed=1))
    assert np.abs(one.offset - other.offset).max() > 0


def test_labels_nobody_judged_get_no_offset(world: tuple[FloatArray, FloatArray, np.ndarray, Pairs]) -> None:
    documents, labels, _, pairs = world
    student = Adapter.fit(documents, labels, pairs, config=CONFIG)
    assert not student.offset[-2:].any()
    assert student.offset[:-2].any(axis=1).all()


def test_a_decision_outweighs_a_judgment() -> None:
    rng = np.random.default_rng(1)
    document, labels = unit(rng.normal(size=(1, DIM))), unit(rng.normal(size=(2, DIM)))
    scores = {}
    for weight in (1.0, 3.0):
        weighted = Pairs(
            np.zeros(2, np.int32),
            np.array([0, 1], np.int32),
            np.array([1, 0], np.float32),
            np.array([weight, 1], np.float32),
        )
        student = Adapter.fit(document, labels, weighted, config=replace(CONFIG, epochs=3))
        scores[weight] = float((student.project_documents(document) @ student.project_labels(labels).T)[0, 0])
    assert scores[3.0] >= scores[1.0]


def test_targets_may_be_probabilities(world: tuple[FloatArray, FloatArray, np.ndarray, Pairs]) -> None:
    """A pair that is wanted with probability a half ends between one that is wanted and one that is not."""
    documents, labels, truth, pairs = world
    doubtful = replace(pairs, target=np.where(pairs.label_idx == 3, pairs.target / 2, pairs.target))
    own = documents[truth == 3]
    means = []
    for said in (pairs, doubtful):
        student = Adapter.fit(documents, labels, said, config=CONFIG)
        scores = student.project_documents(own) @ student.project_labels(labels).T
        means.append((float(scores[:, 3].mean()), float(scores[:, [4, 8]].mean())))
    assert means[1][1] < means[1][0] < means[0][0] - 0.02


def test_settings_of_the_loss_reach_it(world: tuple[FloatArray, FloatArray, np.ndarray, Pairs]) -> None:
    documents, labels, _, pairs = world

    def mean_score(**changes: float) -> float:
        student = Adapter.fit(documents, labels, pairs, config=replace(CONFIG, **changes))
        scores = student.project_documents(documents) @ student.project_labels(labels).T
        return float(scores[pairs.document_idx, pairs.label_idx][pairs.target > 0.5].mean())

    usual = mean_score()
    assert mean_score(cosine_offset=0.0) < usual  # a cosine above it is a yes
    assert abs(mean_score(cosine_scale=0.2) - usual) > 0.01
    assert mean_score(yes_weight=4.0) > usual
    assert mean_score(smoothing=0.2) < usual
    assert mean_score(unjudged_weight=0.0) > usual


def test_maps_learn_more_where_free_vectors_are_left_out(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs],
) -> None:
    documents, labels, truth, pairs = world
    without: dict[float, float] = {}
    for share in (0.0, 0.5):
        student = Adapter.fit(documents, labels, pairs, config=replace(CONFIG, label_dropout=share))
        maps_alone = replace(student, offset=np.zeros_like(student.offset))
        without[share] = accuracy(maps_alone, documents, labels, truth)
    assert without[0.5] > without[0.0]
    plain, held = (
        Adapter.fit(documents, labels, pairs, config=replace(CONFIG, map_decay=x)) for x in (0.0, 1.0)
    )
    assert np.abs(held.document_map).sum() < np.abs(plain.document_map).sum()


def test_labels_of_the_same_text_share_an_offset(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs],
) -> None:
    documents, labels, _, pairs = world
    twins = labels.copy()
    twins[-1] = twins[0]
    student = Adapter.fit(documents, twins, pairs, config=replace(CONFIG, epochs=1))
    np.testing.assert_array_equal(student.offset[-1], student.offset[0])


def test_many_labels_train_sparsely(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents, labels, truth, pairs = world
    monkeypatch.setattr("lmtx.student.adapter._SPARSE_ABOVE", 1)
    student = Adapter.fit(documents, labels, pairs, config=CONFIG)
    assert accuracy(student, documents, labels, truth) > 0.9


def test_saved_and_loaded_it_is_the_same(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs], tmp_path: Path
) -> None:
    documents, labels, _, pairs = world
    ids = [f"L{i}" for i in range(N_LABELS)]
    student = Adapter.fit(
        documents, labels, pairs, config=replace(CONFIG, epochs=1), label_ids=ids, encoder_key="e"
    )
    student.save(tmp_path / "s")
    loaded = Adapter.load(tmp_path / "s")
    assert (loaded.label_ids, loaded.encoder_key, loaded.dim) == (tuple(ids), "e", DIM)
    np.testing.assert_array_equal(loaded.project_labels(labels), student.project_labels(labels))
    np.testing.assert_array_equal(loaded.project_documents(documents), student.project_documents(documents))


def test_a_changed_label_set_is_followed_by_id(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs],
) -> None:
    documents, labels, _, pairs = world
    ids = [f"L{i}" for i in range(N_LABELS)]
    student = Adapter.fit(documents, labels, pairs, config=replace(CONFIG, epochs=1), label_ids=ids)
    rows = student.rows_of(["new", "L3"])
    assert rows.tolist() == [-1, 3]
    projected = student.project_labels(labels[[0, 3]], rows)
    np.testing.assert_allclose(projected[1], student.project_labels(labels)[3], rtol=1e-6)
    np.testing.assert_allclose(projected[0], unit(labels[:1] + labels[:1] @ student.label_map)[0], rtol=1e-5)


def test_a_cancelled_training_stops(world: tuple[FloatArray, FloatArray, np.ndarray, Pairs]) -> None:
    documents, labels, _, pairs = world
    seen = []

    def cancel(done: int, total: int, message: str) -> None:
        seen.append((done, total))
        if done == 3:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        Adapter.fit(documents, labels, pairs, config=CONFIG, progress=cancel)
    assert seen == [(1, 80), (2, 80), (3, 80)]


def test_what_is_wrong_is_said(
    world: tuple[FloatArray, FloatArray, np.ndarray, Pairs], tmp_path: Path
) -> None:
    documents, labels, _, pairs = world
    with pytest.raises(NothingToDoError, match="none of them wanted"):
        Adapter.fit(documents, labels, replace(pairs, target=np.zeros(len(pairs), np.float32)))
    with pytest.raises(ShapeError, match="differ in length"):
        Adapter.fit(documents[:, :5], labels, pairs)
    with pytest.raises(ShapeError, match="document row"):
        Adapter.fit(documents[:10], labels, pairs)
    with pytest.raises(ShapeError, match="label ids"):
        Adapter.fit(documents, labels, pairs, label_ids=["one"])
    with pytest.raises(ShapeError, match="n_docs"):
        Adapter.fit(documents, labels, pairs, 3)
    with pytest.raises(InputError, match="threads"):
        Adapter.fit(documents, labels, pairs, config=replace(CONFIG, threads=0))
    with pytest.raises(StorageError, match="Train again"):
        Adapter.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("epochs", "x"), ("epochs", 2.5), ("batch", -1), ("lr", 0.0), ("lr", float("nan")),
     ("decision_weight", "3"), ("unjudged_weight", -1.0), ("seed", None), ("threads", True),
     ("yes_weight", 0), ("smoothing", 0.5), ("cosine_scale", 0.0), ("cosine_offset", 1.0),
     ("label_dropout", 1.0), ("map_decay", -0.1)],
)  # fmt: skip
def test_a_setting_that_no_training_can_use_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"{name}: got"):
        AdapterConfig(**{name: value})  # type: ignore[arg-type]


def test_training_imports_no_sentence_transformers() -> None:
    code = "import sys, lmtx.cycle; print({'sentence_transformers', 'chromadb'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
