"""MACLR: what it pairs, how it clusters, that it learns, and that it can be stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lmtx.baselines import BASELINES, train_documents
from lmtx.baselines.losses import GroupedPairs, several_positives
from lmtx.baselines.maclr import (
    PAIRS,
    SELF_TRAINING,
    MaclrConfig,
    TitledContent,
    clustered,
    maclr,
    pseudo_pairs,
)
from lmtx.baselines.segments import passes
from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.student.tower import Tower
from lmtx.student.trainer import Snapshot
from lmtx.types import CorpusView, Document, Label

CONFIG = MaclrConfig(
    steps=16, self_steps=8, batch=16, lr=5e-3, max_length=48, clusters=8, doublings=2, refits=1, threads=1
)


@pytest.fixture(scope="module")
def trained(
    tiny_encoder: SentenceEncoder,
    demo_documents: list[Document],
    demo_labels: list[Label],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Tower, list[tuple[int, int, str]]]:
    told: list[tuple[int, int, str]] = []
    folder = tmp_path_factory.mktemp("maclr") / "model"
    told_to = lambda *what: told.append(what)  # noqa: E731
    return maclr(tiny_encoder, demo_documents[:120], demo_labels, folder, CONFIG, told_to), told


def test_the_number_of_clusters_doubles_and_then_each_document_stands_for_itself() -> None:
    config = MaclrConfig(clusters=10)
    found = [config.clusters_at(step, 100_000) for step in range(0, 100_000, 10_000)]
    assert found == [10, 20, 40, 80, 160, None, None, None, None, None]
    assert config.clusters_at(9_999, 100_000) == 10
    assert MaclrConfig().clusters_at(0, 295_000) == 2500
    assert config.clusters_at(40_000, 160) is None  # no fewer than the documents


def test_a_draw_gives_the_same_text_again_and_drops_titles_as_often_as_asked() -> None:
    documents = [Document(str(i), "grey owl", "A grey owl sat. It flew.") for i in range(2)]
    corpus = TitledContent.of(documents, 10, 0)
    texts = [corpus.drawn(0, draw, MaclrConfig()) for draw in range(1000)]
    assert texts[:50] == [corpus.drawn(0, draw, MaclrConfig()) for draw in range(50)]
    assert 0.07 < np.mean(["grey owl" in text for text in texts]) < 0.13


def test_the_dataset_pairs_each_title_with_its_own_content(demo_documents: list[Document]) -> None:
    corpus = TitledContent.of(demo_documents, 30, 0)
    items = passes(len(corpus.documents), 70, np.random.default_rng(0))
    rows = corpus.dataset(items, replace(CONFIG, keep_title=1.0))[:]
    assert rows["label"] == list(range(70))
    by_title = {d.title: d.text for d in corpus.documents}
    assert all(by_title[t].split() == c.split() for t, c in zip(rows["title"], rows["content"], strict=True))


def test_texts_of_one_sentence_are_left_out_and_nothing_is_said_so() -> None:
    short = [Document("a", "T", "One sentence."), Document("b", "", "Only one.")]
    with pytest.raises(NothingToDoError, match="0 of 2 training documents"):
        TitledContent.of(short, 10, 0)


def test_several_positives_count_alike() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    positive = torch.tensor([[True, True, False], [False, False, True]])
    p = torch.softmax(scores, dim=1)
    expected = (-(p[0, 0].log() + p[0, 1].log()) / 2 - p[1, 2].log()) / 2
    assert float(several_positives(scores, positive)) == pytest.approx(float(expected))


def test_clusters_hold_texts_that_are_alike(tiny_encoder: SentenceEncoder) -> None:
    texts = ["boats and herring nets"] * 4 + ["a sonata for two pianos"] * 4
    tiny_encoder.model.train()
    found = clustered(Snapshot(tiny_encoder.model, "tiny", False), texts, 2, 0, lambda: None)
    assert tiny_encoder.model.training  # as it was
    tiny_encoder.model.eval()
    assert len(set(found[:4])) == len(set(found[4:])) == 1
    assert found[0] != found[4]


def test_self_training_takes_the_best_label_by_words_and_the_encoders_where_it_is_sure() -> None:
    labels = [Label("a", "herring"), Label("b", "pianos"), Label("c", "snow")]
    texts = ["herring boats", "pianos and strings", "nothing of these"]
    doc_vectors = np.array([[0.1, 0.9, 0], [0, 1, 0], [0.5, 0, 0.5]], np.float32)
    rows, columns = pseudo_pairs(
        texts, labels, doc_vectors, np.eye(3, dtype=np.float32), MaclrConfig(sure_share=0.67)
    )
    # The first by words, and by the encoder as another; the second by both as one; the third by nothing sure.
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 1), (0, 1)]


def test_documents_of_another_role_are_not_read() -> None:
    documents = [Document(str(i), "T", f"Text {i}.") for i in range(4)]
    view = CorpusView(documents, [], ["train", "held_out", "reserve", "test"])
    assert train_documents(view) == documents[:1]


def test_a_few_steps_find_more_titles_of_documents(
    tiny_encoder: SentenceEncoder,
    demo_documents: list[Document],
    trained: tuple[Tower, list[tuple[int, int, str]]],
) -> None:
    def loss(encode: object) -> float:
        titles = torch.from_numpy(encode([d.title for d in demo_documents[:120]], role="label"))  # type: ignore[operator]
        texts = torch.from_numpy(encode([d.text for d in demo_documents[:120]], role="document"))  # type: ignore[operator]
        return float(several_positives(20 * texts @ titles.T, torch.eye(len(texts), dtype=torch.bool)))

    assert loss(trained[0].vectors) < loss(tiny_encoder.encode) - 0.1


def test_progress_runs_through_both_stages(trained: tuple[Tower, list[tuple[int, int, str]]]) -> None:
    done = [d for d, _, _ in trained[1]]
    assert done == sorted(done)
    assert {total for _, total, _ in trained[1]} == {24}
    assert trained[1][-1] == (24, 24, SELF_TRAINING)
    assert (16, 24, PAIRS) in trained[1]


def test_the_model_loads_without_this_program(trained: tuple[Tower, list[tuple[int, int, str]]]) -> None:
    from sentence_transformers import SentenceTransformer

    vectors = SentenceTransformer(str(trained[0].folder), device="cpu").encode(["a herring boat"])
    np.testing.assert_allclose(vectors, trained[0].vectors(["a herring boat"]), atol=1e-5)
    assert list(trained[0].folder.parent.iterdir()) == [trained[0].folder]  # nothing is left beside it


def test_the_same_seed_gives_the_same_model(
    tiny_encoder: SentenceEncoder, demo_documents: list[Document], demo_labels: list[Label], tmp_path: Path
) -> None:
    config = replace(CONFIG, steps=3, self_steps=2)
    found = [
        maclr(tiny_encoder, documents, demo_labels, tmp_path / name, config).vectors(["herring"])
        for name, documents in (("one", demo_documents[:40]), ("two", demo_documents[:40][::-1]))
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_gold_labels_change_nothing(
    demo_documents: list[Document],
) -> None:
    marked = [replace(d, labels=("x",)) for d in demo_documents[:40]]
    one, two = (TitledContent.of(x, 40, 0) for x in (demo_documents[:40], marked))
    assert (one.titles, one.contents) == (two.titles, two.contents)


def test_a_cancelled_training_goes_on_where_it_stopped(
    tiny_encoder: SentenceEncoder, demo_documents: list[Document], demo_labels: list[Label], tmp_path: Path
) -> None:
    config = replace(CONFIG, steps=6, self_steps=4)
    seen: list[int] = []

    def stop(done: int, total: int, message: str) -> None:
        if done == 8:
            raise JobCancelled("asked to stop")

    with pytest.raises(JobCancelled):
        maclr(
            tiny_encoder,
            demo_documents[:40],
            demo_labels,
            tmp_path / "m",
            config,
            stop,
            checkpoints=tmp_path / "c",
        )
    assert not (tmp_path / "m").exists()
    again = maclr(
        tiny_encoder,
        demo_documents[:40],
        demo_labels,
        tmp_path / "m",
        config,
        lambda done, total, message: seen.append(done),
        checkpoints=tmp_path / "c",
    )
    assert min(x for x in seen if x > 6) == 9  # the first stage and two steps of the second were kept
    assert not (tmp_path / "c").exists()
    whole = maclr(tiny_encoder, demo_documents[:40], demo_labels, tmp_path / "w", config)
    np.testing.assert_allclose(again.vectors(["herring"]), whole.vectors(["herring"]), atol=1e-4)


def test_settings_that_mean_nothing_are_refused(
    tiny_encoder: SentenceEncoder, demo_documents: list[Document], demo_labels: list[Label], tmp_path: Path
) -> None:
    for settings, said in (
        ({"size": "large"}, "size"),
        ({"epochz": 1}, "no setting 'epochz'"),
        ({"keep_title": 2}, "keep_title"),
        ({"steps": 0}, "steps"),
    ):
        with pytest.raises(InputError, match=said):
            BASELINES["maclr"](
                tiny_encoder, demo_documents, demo_labels, tmp_path / "m", settings, lambda *_: None, None
            )


def test_a_loss_keeps_no_state_between_steps(tiny_encoder: SentenceEncoder) -> None:
    asked: list[int] = []

    def groups(model: object, step: int) -> None:
        asked.append(step)

    items = np.arange(8, dtype=np.int32)
    texts = [f"text {i}" for i in range(8)]
    values = []
    for start in (0, 4):
        loss = GroupedPairs(tiny_encoder.model, items, groups, lambda step: step // 2, batch=2, scale=20.0)
        for draw in range(start, 8, 2):
            features = [tiny_encoder.model.preprocess(texts[draw : draw + 2]) for _ in range(2)]
            values.append((draw, float(loss(features, torch.tensor([draw, draw + 1])).detach())))
    assert asked == [0, 2, 2]
    assert values[2:4] == values[4:6]
