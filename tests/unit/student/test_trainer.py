"""Training of a copy of an encoder: what it leaves alone, cancelling, going on, the best epoch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from torch import nn

from lmtx.encoder import EmbeddingCache, SentenceEncoder
from lmtx.encoder.identity import base_of, prompt_of
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.student import Tower
from lmtx.student.losses import LOSSES, JudgedPairs, LabelLoss
from lmtx.student.trainer import Snapshot, TrainerConfig, fit_encoder
from lmtx.types import Pairs, content_hash

CONFIG = TrainerConfig(epochs=2, batch=4, lr=1e-3, threads=1, bf16=False)
TEXTS = [f"{('red', 'blue', 'green')[i % 3]} house number {i}" for i in range(16)]
NAMES = ["warm", "cold", "fresh"]

Loss = Callable[[SentenceTransformer], nn.Module]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return Dataset.from_dict({"document": TEXTS, "label": list(range(len(TEXTS)))})


@pytest.fixture(scope="module")
def loss() -> Loss:
    """The published loss: it draws labels at random, so going on must restore the generator too."""
    rows = np.repeat(np.arange(16), 2).astype(np.int32)
    columns = np.stack([np.arange(16) % 3, (np.arange(16) + 1) % 3], axis=1).ravel().astype(np.int32)
    target = np.tile(np.array([1, 1], np.float32), 16)
    target[1::4] = 0
    judged = JudgedPairs(Pairs(rows, columns, target, np.ones(32, np.float32)))
    return lambda model: LabelLoss(model, NAMES, judged, LOSSES["triplet"])


def stop_at(step: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, message: str) -> None:
        if done == step:
            raise JobCancelled("stop")

    return progress


@pytest.fixture(scope="module")
def whole(tiny_encoder: SentenceEncoder, dataset: Dataset, loss: Loss, tmp_path_factory) -> Tower:
    return fit_encoder(tiny_encoder, dataset, loss, tmp_path_factory.mktemp("whole") / "tower", CONFIG)


def test_a_copy_learns_and_is_saved_as_a_standard_model(tiny_encoder: SentenceEncoder, whole: Tower) -> None:
    again = SentenceTransformer(str(whole.folder), device="cpu")
    assert again.max_seq_length == tiny_encoder.model.max_seq_length  # not that of the training
    vectors = whole.vectors(TEXTS)
    np.testing.assert_allclose(again.encode(TEXTS), vectors, atol=1e-4)
    before = SentenceTransformer(tiny_encoder.name, device="cpu").encode(TEXTS)
    np.testing.assert_array_equal(tiny_encoder.model.encode(TEXTS), before)
    assert np.abs(vectors - before).max() > 0.01
    assert whole.key != tiny_encoder.key
    assert [p.name for p in whole.folder.parent.iterdir()] == ["tower"]  # no checkpoint, no card of its own
    assert not list(whole.folder.rglob("README.md"))


def test_a_cancelled_training_goes_on_to_the_same_weights(
    tiny_encoder: SentenceEncoder, dataset: Dataset, loss: Loss, whole: Tower, tmp_path: Path
) -> None:
    folder, kept = tmp_path / "tower", tmp_path / "kept"
    with pytest.raises(JobCancelled):
        fit_encoder(tiny_encoder, dataset, loss, folder, CONFIG, stop_at(3), checkpoints=kept)
    assert not folder.exists()
    cut_off = kept / "checkpoint-5"  # killed while it was written
    cut_off.mkdir()
    (cut_off / "model.safetensors").write_bytes(b"half")
    steps: list[int] = []
    tower = fit_encoder(
        tiny_encoder,
        dataset,
        loss,
        folder,
        CONFIG,
        lambda done, total, message: steps.append(done),
        checkpoints=kept,
    )
    assert steps == [4, 5, 6, 7, 8]
    np.testing.assert_array_equal(tower.vectors(TEXTS), whole.vectors(TEXTS))
    assert not kept.exists()
    # Asked for again, what is there is taken: nothing is trained twice.
    again = fit_encoder(tiny_encoder, dataset, loss, folder, CONFIG, stop_at(1), checkpoints=kept)
    assert again.key == tower.key


def test_the_best_epoch_is_kept_and_training_stops_without_a_better_one(
    tiny_encoder: SentenceEncoder, dataset: Dataset, loss: Loss, tmp_path: Path
) -> None:
    quality = iter([0.3, 0.5, 0.4, 0.2, 0.9])
    seen: list[np.ndarray] = []

    def evaluate(snapshot: Snapshot) -> float:
        seen.append(snapshot.encode(TEXTS))
        return next(quality)

    config = replace(CONFIG, epochs=5, patience=2)
    tower = fit_encoder(tiny_encoder, dataset, loss, tmp_path / "tower", config, evaluate=evaluate)
    assert len(seen) == 4
    np.testing.assert_allclose(tower.vectors(TEXTS), seen[1], atol=1e-4)
    assert np.abs(seen[3] - seen[1]).max() > 1e-3


def test_gradient_checkpointing_and_bfloat16_train_too(
    tiny_encoder: SentenceEncoder, dataset: Dataset, loss: Loss, whole: Tower, tmp_path: Path
) -> None:
    config = replace(CONFIG, gradient_checkpointing=True)
    same = fit_encoder(tiny_encoder, dataset, loss, tmp_path / "less", config)
    np.testing.assert_allclose(same.vectors(TEXTS), whole.vectors(TEXTS), atol=1e-3)
    half = fit_encoder(tiny_encoder, dataset, loss, tmp_path / "half", replace(CONFIG, bf16=True))
    assert json.loads((half.folder / "config.json").read_text())["dtype"] == "float32"
    assert float((half.vectors(TEXTS) * whole.vectors(TEXTS)).sum(axis=1).min()) > 0.98


def test_a_step_limit_ends_training(
    tiny_encoder: SentenceEncoder, dataset: Dataset, loss: Loss, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    config = replace(CONFIG, max_steps=2)
    fit_encoder(
        tiny_encoder,
        dataset,
        loss,
        tmp_path / "t",
        config,
        lambda done, total, _: steps.append((done, total)),
    )
    assert steps == [(1, 2), (2, 2)]


def test_nothing_to_train_on_and_settings_that_mean_nothing_are_said(
    tiny_encoder: SentenceEncoder, loss: Loss, tmp_path: Path
) -> None:
    with pytest.raises(NothingToDoError, match="dataset is empty"):
        fit_encoder(tiny_encoder, Dataset.from_dict({"document": []}), loss, tmp_path / "t", CONFIG)
    with pytest.raises(InputError, match="epochs: got 0, expected 1 or more"):
        TrainerConfig(epochs=0)
    with pytest.raises(InputError, match="lr: got 0, expected more than 0"):
        TrainerConfig(lr=0)
    with pytest.raises(InputError, match="bf16: got 'yes', expected true or false"):
        TrainerConfig(bf16="yes")  # type: ignore[arg-type]


def test_a_model_is_read_with_the_prompts_of_its_family(whole: Tower, tmp_path: Path) -> None:
    assert json.loads((whole.folder / "lmtx.json").read_text())["encoder"]
    assert prompt_of(str(whole.folder), "document") is None
    tower = tmp_path / "tower"
    shutil.copytree(whole.folder, tower)
    (tower / "lmtx.json").write_text(json.dumps({"encoder": base_of("intfloat/multilingual-e5-small")}))
    assert prompt_of(str(tower), "document") == "query: "


def test_typed_texts_leave_no_trace_in_the_cache(whole: Tower, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "vectors.db")
    tower = Tower(whole.folder, cache)
    secret = tower.vectors(["a text that somebody typed"])
    np.testing.assert_allclose(tower.vectors(["a text that somebody typed"]), secret)
    many = [f"document {i}" for i in range(17)]
    np.testing.assert_array_equal(tower.vectors(many), tower.vectors(many))
    hashes = [content_hash("tower", "document", text) for text in ["a text that somebody typed", *many]]
    assert cache.get(tower.key, hashes)[1].tolist() == [False] + [True] * 17
