from __future__ import annotations

import numpy as np
import pytest

from lmtx.encoder import (
    EmbeddingCache,
    SentenceEncoder,
    embed,
    embed_documents,
    embed_labels,
    encoder_key,
    label_hashes,
    label_text,
)
from lmtx.errors import JobCancelled, ShapeError
from lmtx.types import Document, Label

DOCUMENTS = [
    Document("1", "Goat farming", "How to keep goats on a small farm, and what they eat."),
    Document("2", "", "Tax law of the federal states."),
    Document("3", "Goat farming", "How to keep goats on a small farm, and what they eat."),
]
LABELS = [Label("a", "Animals", "Farm animals of any kind"), Label("l", "Law")]


def test_first_and_second_call_return_the_same_bits(encoder: SentenceEncoder, cache: EmbeddingCache) -> None:
    first = embed_documents(encoder, cache, DOCUMENTS)
    assert cache.count(encoder.key) == 2  # two documents have the same text
    np.testing.assert_array_equal(first, embed_documents("minilm", cache, DOCUMENTS))
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    labels = embed_labels(encoder, cache, LABELS)
    assert (first[:2] @ labels.T).argmax(axis=1).tolist() == [0, 1]


def test_only_what_is_missing_is_encoded(encoder: SentenceEncoder, cache: EmbeddingCache) -> None:
    embed_documents(encoder, cache, DOCUMENTS[:1])
    told: list[tuple[int, int]] = []
    embed_documents(encoder, cache, DOCUMENTS, lambda done, total, message: told.append((done, total)))
    assert told == [(2, 3), (3, 3)]
    told.clear()
    embed_documents(encoder, cache, DOCUMENTS, lambda done, total, message: told.append((done, total)))
    assert told == []


def test_cancelling_keeps_what_was_encoded(
    encoder: SentenceEncoder, cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.encoder.vectors._COMMIT", 2)
    texts = [f"text number {i}" for i in range(6)]

    def stop(done: int, total: int, message: str) -> None:
        if done >= 4:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        embed(encoder, cache, texts, texts, stop)
    assert cache.count(encoder_key()) == 4
    assert embed(encoder, cache, texts, texts).shape == (6, 384)


def test_nothing_to_embed(encoder: SentenceEncoder, cache: EmbeddingCache) -> None:
    assert embed_documents(encoder, cache, []).shape == (0, 384)


def test_lengths_must_agree(encoder: SentenceEncoder, cache: EmbeddingCache) -> None:
    with pytest.raises(ShapeError, match="1 hashes and 2 texts"):
        embed(encoder, cache, ["a"], ["a", "b"])


def test_label_text_and_hashes() -> None:
    assert label_text(LABELS[0]) == "Animals: Farm animals of any kind"
    assert label_text(LABELS[0], with_description=False) == label_text(Label("x", "Animals"))
    assert label_hashes(LABELS[:1]) != label_hashes(LABELS[:1], with_description=False)
    assert label_hashes(LABELS[1:]) == label_hashes(LABELS[1:], with_description=False)
    # The id is no text: renaming it must not cost an encoding.
    assert label_hashes([Label("other", "Law")]) == label_hashes(LABELS[1:])
