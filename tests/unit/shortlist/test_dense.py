from __future__ import annotations

import numpy as np
import pytest

from lmtx.errors import ShapeError
from lmtx.shortlist import (
    HUB_SHARE,
    dense_topk,
    first_distinct,
    hub_centre,
    hub_correction,
    hub_share,
    top_k,
    union,
)
from lmtx.shortlist.dense import dense_scores
from lmtx.types import Scored


def _unit(rng: np.random.Generator, n: int, dim: int = 32) -> np.ndarray:
    v = rng.normal(size=(n, dim)).astype(np.float32)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def _scored(rows: list[list[int]]) -> Scored:
    label_idx = np.array(rows, dtype=np.int32)
    return Scored(label_idx, np.where(label_idx >= 0, 1.0, -np.inf).astype(np.float32))


def test_topk_equals_a_full_sort_across_blocks(rng: np.random.Generator) -> None:
    docs, labels = _unit(rng, 2500), _unit(rng, 3000)  # more than one block
    centre = rng.normal(size=3000).astype(np.float32)
    got = dense_topk(docs, labels, 7, centre)
    scores = docs @ labels.T - centre
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    np.testing.assert_allclose(got.score, np.take_along_axis(scores, expected, axis=1), atol=1e-5)
    assert (got.label_idx == expected).mean() > 0.999
    assert got.label_idx.dtype == np.int32


def test_ties_go_to_the_first_label_and_short_lists_are_padded() -> None:
    found = top_k(np.array([[1, 1, 0], [0, 2, 2]], dtype=np.float32), 5)
    assert found.label_idx.tolist() == [[0, 1, 2, -1, -1], [1, 2, 0, -1, -1]]
    assert np.isneginf(found.score[:, 3:]).all()
    assert top_k(np.zeros((2, 0), np.float32), 2).label_idx.tolist() == [[-1, -1], [-1, -1]]


def test_hub_share_finds_hubs_and_centring_removes_them(rng: np.random.Generator) -> None:
    docs, labels = _unit(rng, 400), _unit(rng, 1000)
    assert hub_share(docs, labels) < HUB_SHARE
    assert hub_correction(docs, labels) is None
    # A common direction of all documents, which ten labels share, makes these ten win everywhere.
    common = _unit(rng, 1)
    docs = docs + 2 * common
    docs /= np.linalg.norm(docs, axis=1, keepdims=True)
    labels[:10] = labels[:10] * 0.3 + common
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    share = hub_share(docs, labels)
    assert share > 0.9
    centre = hub_correction(docs, labels)
    assert centre is not None
    np.testing.assert_allclose(centre, (docs @ labels.T).mean(axis=0), atol=1e-5)
    places = dense_topk(docs, labels, 10, centre).label_idx
    assert np.isin(places, np.arange(10)).mean() < 0.2


def test_hub_share_bounds() -> None:
    same = np.tile(np.eye(4, dtype=np.float32)[0], (50, 1))
    assert hub_share(same, np.eye(4, dtype=np.float32), k=1) == 1.0
    assert hub_share(np.zeros((0, 4), np.float32), np.eye(4, dtype=np.float32)) == 0.0
    assert hub_share(same, np.zeros((0, 4), np.float32)) == 0.0
    assert hub_centre(np.zeros((0, 4), np.float32), np.eye(4, dtype=np.float32)).tolist() == [0, 0, 0, 0]


def test_union_takes_up_to_half_from_the_lexical_ranking() -> None:
    lexical = _scored([[1, 2, 3, 4], [7, -1, -1, -1], [-1] * 4, [1, 2, 3, 4]])
    dense = _scored([[9, 8, 1, 7], [9, 8, 7, 6], [9, 8, 7, 6], [-1] * 4])
    assert union(lexical, dense, 4).tolist() == [[1, 2, 9, 8], [7, 9, 8, 6], [9, 8, 7, 6], [1, 2, 3, 4]]
    assert union(lexical, dense, 3).tolist()[0] == [1, 9, 8]
    # No label twice, and both rankings fill up what the other lacks.
    assert union(lexical, dense, 8).tolist()[0] == [1, 2, 3, 4, 9, 8, 7, -1]
    with pytest.raises(ShapeError, match="4 documents, dense of 1"):
        union(lexical, _scored([[1]]), 4)


def test_first_distinct_against_a_plain_loop(rng: np.random.Generator) -> None:
    rows = rng.integers(-1, 12, size=(300, 15)).astype(np.int32)
    for row, got in zip(rows.tolist(), first_distinct(rows, 6).tolist(), strict=True):
        expected = list(dict.fromkeys(x for x in row if x >= 0))[:6]
        assert got == expected + [-1] * (6 - len(expected))


def test_dimensions_must_agree() -> None:
    with pytest.raises(ShapeError, match="same encoder"):
        dense_scores(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.float32))
