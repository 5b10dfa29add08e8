from __future__ import annotations

import numpy as np
import pytest

from lmtx.errors import ShapeError
from lmtx.shortlist import BM25_WEIGHT, FusedRanking, LexicalIndex, row_standardised
from lmtx.types import Label


def test_row_standardised_is_never_clipped_and_survives_flat_rows(rng: np.random.Generator) -> None:
    scores = rng.normal(size=(20, 1000)).astype(np.float32)
    scores[0, 0] = 1e4
    scores[1] = 3
    z = row_standardised(scores)
    assert z[0, 0] > 25
    np.testing.assert_allclose(z[2:].mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(z[2:].std(axis=1), 1, atol=1e-4)
    assert not z[1].any()


def test_fused_is_the_weighted_sum_and_blocks_do_not_matter(rng: np.random.Generator) -> None:
    words = [f"w{i}" for i in range(300)]
    labels = [Label(str(i), " ".join(rng.choice(words, 3))) for i in range(400)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(50)]
    doc_vectors, label_vectors = (rng.normal(size=(n, 16)).astype(np.float32) for n in (50, 400))
    lexical = LexicalIndex(labels, texts)
    fused = FusedRanking.build(lexical, doc_vectors, label_vectors)
    expected = row_standardised(doc_vectors @ label_vectors.T) + BM25_WEIGHT * row_standardised(
        lexical.scores(texts).toarray()
    )
    np.testing.assert_allclose(fused.scores(doc_vectors, texts), expected, atol=1e-4)
    best = fused.topk(doc_vectors, texts, 10)
    assert (best.label_idx[:, 0] == expected.argmax(axis=1)).all()
    alone = np.concatenate(
        [fused.topk(doc_vectors[i : i + 1], texts[i : i + 1], 10).label_idx for i in range(50)]
    )
    np.testing.assert_array_equal(best.label_idx, alone)


def test_shapes_must_agree() -> None:
    lexical = LexicalIndex([Label("a", "a")], ["a"])
    with pytest.raises(ShapeError, match="index of 1 labels, vectors of 2"):
        FusedRanking.build(lexical, np.zeros((1, 2), np.float32), np.zeros((2, 2), np.float32))
    fused = FusedRanking.build(lexical, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))
    with pytest.raises(ShapeError, match="1 vectors, 2 texts"):
        fused.scores(np.zeros((1, 2), np.float32), ["a", "b"])
