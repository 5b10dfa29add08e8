"""RTS: its four kinds of pairs, that it learns, and that it can be stopped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lmtx.baselines import BASELINES
from lmtx.baselines.losses import several_positives
from lmtx.baselines.rts import RtsConfig, pairs_dataset, pairs_of_a_pass, rts
from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.types import Document, Label

CONFIG = RtsConfig(epochs=1, max_steps=16, batch=16, lr=5e-3, max_length=48, threads=1)
LONG = " ".join(f"w{i}" for i in range(300))


def test_titles_and_labels_go_with_themselves_and_segments_with_title_and_each_other() -> None:
    pairs = pairs_of_a_pass([("T", LONG)], ["name: what"], np.random.default_rng(0), RtsConfig())
    assert pairs[:2] == [("T", "T"), ("name: what", "name: what")]
    with_title = [second for first, second in pairs[2:] if first == "T"]
    assert " ".join(with_title) == LONG
    segments = [pair for pair in pairs[2:] if pair[0] != "T"]
    times = Counter(segment for pair in segments for segment in pair)
    assert sum(len(s.split()) for s in times) == 300
    assert all(first != second for first, second in segments)
    assert (
        sum(n - 1 for n in times.values()) == len(times) % 2
    )  # one is left over where there is an odd number


def test_each_pass_cuts_anew_and_the_same_seed_gives_the_same_pairs() -> None:
    documents = [Document("a", "T", LONG), Document("b", "U", LONG)]
    config = RtsConfig(epochs=2)
    rows = pairs_dataset(documents, [], config)[:]
    assert rows == pairs_dataset(documents[::-1], [], config)[:]
    with_title = [s for f, s in zip(rows["first"], rows["second"], strict=True) if f == "T" and s != "T"]
    assert sum(len(s.split()) for s in with_title) == 600
    assert len(set(with_title)) == len(with_title)
    assert rows != pairs_dataset(documents, [], replace(config, seed=1))[:]


def test_no_more_pairs_are_made_than_are_trained_on() -> None:
    documents = [Document(str(i), f"T{i}", LONG) for i in range(20)]
    assert len(pairs_dataset(documents, [], RtsConfig(max_steps=3, batch=8))) == 24


def test_a_document_without_a_title_lends_its_first_sentence() -> None:
    rows = pairs_dataset([Document("a", "", "Red fox. It ran.")], [Label("x", "fox")], RtsConfig(epochs=1))[:]
    assert ("Red fox.", "Red fox.") in set(zip(rows["first"], rows["second"], strict=True))


def test_nothing_to_pair_is_said() -> None:
    with pytest.raises(NothingToDoError, match="0 training documents and 1 labels give 1 pairs"):
        pairs_dataset([], [Label("x", "fox")], RtsConfig())
    with pytest.raises(InputError, match="longest"):
        RtsConfig(shortest=10, longest=5)


def test_a_few_steps_lower_the_loss_and_the_model_loads_without_this_program(
    tiny_encoder: SentenceEncoder, demo_documents: list[Document], demo_labels: list[Label], tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    told: list[tuple[int, int, str]] = []
    settings = {**vars(CONFIG), "size": "published"}
    tower = BASELINES["rts"](
        tiny_encoder, demo_documents, demo_labels, tmp_path / "m", settings, lambda *x: told.append(x), None
    )
    assert told[-1][:2] == (16, 16)
    pairs = pairs_dataset(demo_documents, demo_labels, replace(CONFIG, seed=1))[:64]

    def loss(encode: object) -> float:
        first, second = (torch.from_numpy(encode(pairs[c])) for c in ("first", "second"))  # type: ignore[operator]
        return float(several_positives(20 * first @ second.T, torch.eye(64, dtype=torch.bool)))

    assert loss(tower.vectors) < loss(tiny_encoder.encode) - 0.1
    plain = SentenceTransformer(str(tower.folder), device="cpu").encode(["a herring boat"])
    np.testing.assert_allclose(plain, tower.vectors(["a herring boat"]), atol=1e-5)


def test_it_stops_when_asked_and_leaves_no_model(
    tiny_encoder: SentenceEncoder, demo_documents: list[Document], demo_labels: list[Label], tmp_path: Path
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done == 2:
            raise JobCancelled("asked to stop")

    with pytest.raises(JobCancelled):
        rts(tiny_encoder, demo_documents, demo_labels, tmp_path / "m", CONFIG, stop)
    assert not list(tmp_path.iterdir())
