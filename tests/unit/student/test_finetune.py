"""The fine-tuned student: it learns from verdicts what texts do not say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError, NothingToDoError, ShapeError
from lmtx.student import FinetuneConfig, Tower
from lmtx.student.finetune import JudgedTexts, finetune, judged_precision
from lmtx.student.kinds import OFFICIAL, check_kind, finetune_config
from lmtx.types import Pairs

NAMES = ["iron", "velvet", "harbour", "lantern"]
WORDS = ["apple pear plum", "river lake sea", "violin flute drum", "wolf fox bear"]
CONFIG = FinetuneConfig(epochs=4, batch=16, lr=5e-3, threads=1, bf16=False, early_stopping=False)


def documents(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts of one of four topics; which label a topic has, only verdicts say."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 4, n)
    texts = [" ".join(rng.choice([*WORDS[t].split(), "the", "a", "of"], 8)) for t in topic]
    return texts, topic


def judged(topic: np.ndarray) -> Pairs:
    """Every document with its label, and two others that are not wanted."""
    rows = np.repeat(np.arange(len(topic)), 3).astype(np.int32)
    columns = np.stack([topic, (topic + 1) % 4, (topic + 2) % 4], axis=1).ravel().astype(np.int32)
    target = np.tile(np.array([1, 0, 0], np.float32), len(topic))
    return Pairs(rows, columns, target, np.ones(len(rows), np.float32))


@pytest.fixture(scope="module")
def world() -> JudgedTexts:
    texts, topic = documents(96, 0)
    return JudgedTexts(texts, judged(topic))


def precision_at_1(tower: Tower | SentenceEncoder) -> float:
    texts, topic = documents(60, 1)
    if isinstance(tower, Tower):
        scores = tower.vectors(texts) @ tower.vectors(NAMES, role="label").T
    else:
        scores = tower.encode(texts) @ tower.encode(NAMES, role="label").T
    return float((scores.argmax(axis=1) == topic).mean())


@pytest.mark.parametrize("loss", ["infonce", "bce"])
def test_it_learns_from_verdicts_and_tags_texts_it_never_saw(
    loss: str, world: JudgedTexts, tiny_encoder: SentenceEncoder, tmp_path: Path
) -> None:
    config = replace(CONFIG, loss=loss, epochs=6)
    tower = finetune(tiny_encoder, world, NAMES, tmp_path / "tower", config)
    assert precision_at_1(tiny_encoder) < 0.6
    assert precision_at_1(tower) > 0.9


@pytest.mark.parametrize("loss", ["listwise", "margin_mse", "triplet", "triplet_all"])
def test_every_loss_trains(
    loss: str, world: JudgedTexts, tiny_encoder: SentenceEncoder, tmp_path: Path
) -> None:
    tower = finetune(
        tiny_encoder, world, NAMES, tmp_path / "tower", replace(CONFIG, loss=loss, max_steps=2, warmup=0)
    )
    texts, _ = documents(10, 1)
    moved = np.abs(tower.vectors(texts) - tiny_encoder.encode(texts)).max()
    assert 1e-3 < moved < 2


def test_held_out_documents_stop_it_where_there_are_enough(
    world: JudgedTexts, tiny_encoder: SentenceEncoder, tmp_path: Path
) -> None:
    steps: list[int] = []

    def train(held_out: JudgedTexts, name: str) -> int:
        config = replace(CONFIG, early_stopping=True, patience=1, epochs=5)
        steps.clear()
        finetune(
            tiny_encoder,
            world,
            NAMES,
            tmp_path / name,
            config,
            lambda done, total, message: steps.append(done),
            held_out=held_out,
        )
        return len(steps)

    texts, topic = documents(40, 2)
    # Verdicts that contradict those it learns from: no epoch is better than the first for long.
    against = JudgedTexts(texts, judged((topic + 2) % 4))
    assert train(against, "many") < 5 * 6
    few = JudgedTexts(texts[:4], judged((topic[:4] + 2) % 4))
    assert train(few, "few") == 5 * 6


def test_judged_precision_ranks_only_what_was_judged() -> None:
    document = np.array([0, 0, 0, 2, 2])
    wanted = np.array([True, False, True, False, True])
    score = np.array([0.1, 0.5, 0.9, 0.8, 0.2], np.float32)
    # first document: right, wrong, right; third: wrong, right; the second has no verdict
    expected = [(1 + 2 / 3 + 2 / 5) / 3, 0, (0 + 1 / 3 + 1 / 5) / 3]
    np.testing.assert_allclose(judged_precision(document, wanted, score, 3), expected)


def test_what_can_not_be_trained_on_is_said(tiny_encoder: SentenceEncoder, tmp_path: Path) -> None:
    pairs = Pairs(
        np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.float32), np.ones(1, np.float32)
    )
    with pytest.raises(NothingToDoError, match="1 judged pairs, none of them wanted"):
        finetune(tiny_encoder, JudgedTexts(["a"], pairs), NAMES, tmp_path / "t")
    with pytest.raises(ShapeError, match="label row 0; there are 0 label texts"):
        finetune(tiny_encoder, JudgedTexts(["a"], pairs), [], tmp_path / "t")


def test_kinds_and_settings_are_checked_by_name() -> None:
    with pytest.raises(InputError, match=r"Student 'bert' does not exist\. Known: adapter, finetune"):
        check_kind("bert")
    with pytest.raises(InputError, match="'finetune' has no setting 'depth'"):
        finetune_config("finetune", 0, None, depth=3)
    with pytest.raises(InputError, match="loss: got 'hinge', expected one of infonce"):
        finetune_config("finetune", 0, None, loss="hinge")
    official = finetune_config("official", 7, 1)
    assert {name: getattr(official, name) for name in OFFICIAL} == dict(OFFICIAL)
    assert (official.lr, official.batch, official.warmup, official.epochs) == (2e-4, 128, 100, 1)
    mended = finetune_config("official", 7, 1, warmup=0.1, loss="triplet_all", early_stopping=True)
    assert (mended.warmup, mended.batch) == (0.1, 128)
