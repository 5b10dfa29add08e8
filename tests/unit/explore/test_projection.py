"""Documents on a plane, in groups."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from lmtx.errors import InputError
from lmtx.explore.clusters import centres, cluster, n_clusters
from lmtx.explore.projection import has_umap, inside, project
from lmtx.types import FloatArray


def blobs(n_each: int, k: int, dim: int = 32, seed: int = 0) -> tuple[FloatArray, np.ndarray]:
    """Unit vectors around k directions, and which each is near to."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(k, dim))
    group = np.repeat(np.arange(k), n_each)
    found = middles[group] + 0.35 * rng.normal(size=(len(group), dim))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), group


def test_what_is_alike_lies_together_also_where_only_some_are_arranged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, _ = blobs(60, 8)
    all_arranged = project(vectors, "tsne")
    monkeypatch.setattr("lmtx.explore.projection.LANDMARKS", 120)
    by_means = project(vectors, "tsne")
    flat = project(vectors, "pca")
    arranged = all_arranged, by_means, flat
    good, fair, poor = (trustworthiness(vectors, p.xy, n_neighbors=10) for p in arranged)
    assert good > 0.9
    assert fair > 0.85
    assert poor < fair
    for found in arranged:
        assert found.xy.shape == (480, 2)
        assert found.xy.dtype == np.float32
        assert np.abs(found.xy).max() == pytest.approx(1.0, abs=1e-4)
    assert all_arranged.explained is None
    assert flat.explained is not None
    assert 0 < flat.explained < 1


def test_the_same_seed_gives_the_same_map() -> None:
    vectors, _ = blobs(20, 4)
    assert np.array_equal(project(vectors, "tsne", 3).xy, project(vectors, "tsne", 3).xy)


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_few_documents_have_a_map_too(n: int) -> None:
    vectors = blobs(9, 1)[0][:n]
    found = project(vectors)
    assert found.xy.shape == (n, 2)
    assert np.isfinite(found.xy).all()
    assert cluster(vectors).shape == (n,)


def test_a_method_that_is_not_there_is_told() -> None:
    vectors = blobs(9, 1)[0]
    with pytest.raises(InputError, match="does not exist"):
        project(vectors, "isomap")  # type: ignore[arg-type]
    if not has_umap():
        with pytest.raises(InputError, match="umap-learn"):
            project(vectors, "umap")


def test_groups_are_those_that_are_there_the_largest_first() -> None:
    vectors, group = blobs(40, 6)
    vectors, group = vectors[:220], group[:220]  # the last one is half as large
    found = cluster(vectors, 6)
    sizes = np.bincount(found)
    assert list(sizes) == sorted(sizes, reverse=True)
    pure = sum(np.bincount(group[found == g]).max() for g in range(6)) / len(group)
    assert pure > 0.9
    assert n_clusters(28_000) > n_clusters(300) >= 6
    xy = np.stack([np.cos(group), np.sin(group)], axis=1).astype(np.float32)
    middle = centres(xy, found, 6)
    assert middle.shape == (6, 2)
    assert np.allclose(middle, [np.median(xy[found == g], axis=0) for g in range(6)])


def test_an_outline_picks_what_lies_within() -> None:
    xy = np.array([[0, 0], [0.5, 0.5], [0.9, 0.1], [2, 0], [np.nan, np.nan]], dtype=np.float32)
    assert inside(xy, [-1, 1, 1, -1], [-1, -1, 1, 1]).tolist() == [True, True, True, False, False]
    # The outline of an L leaves its notch out.
    x, y = [-1, 1, 1, 0.3, 0.3, -1], [-1, -1, 0.3, 0.3, 1, 1]
    assert inside(xy, x, y).tolist() == [True, False, True, False, False]
    assert not inside(xy, [0, 1], [0, 1]).any()
