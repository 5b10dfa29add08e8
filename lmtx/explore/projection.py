"""Documents on a plane: near ones near each other, as far as two dimensions allow."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmtx.errors import InputError
from lmtx.types import BoolArray, FloatArray, Progress, no_progress

Method = Literal["auto", "umap", "tsne", "pca"]

LANDMARKS = 3_000
"""Means of a few like documents each that t-SNE arranges; documents are put between those nearest to them."""
FITTED = 20_000
"""Documents that UMAP or PCA is fitted on; the others are placed by what was found."""
NEAREST = 3
_BLOCK = 2_000
_SHARP = 0.02  # difference of cosine by which a landmark's pull falls to a third
_BLUR = 0.008
_PLAIN = 50  # dimensions that t-SNE reads


@dataclass(frozen=True)
class Projection:
    """Documents on a plane.

    xy : float32 (n_docs, 2), each axis in [-1, 1]
    method : what made it
    explained : share of the variance that both axes keep, in [0, 1], of "pca"; None otherwise
    """

    xy: FloatArray
    method: Literal["umap", "tsne", "pca"]
    explained: float | None


def has_umap() -> bool:
    """Whether UMAP is installed (`pip install umap-learn`)."""
    return importlib.util.find_spec("umap") is not None


def project(
    vectors: FloatArray, method: Method = "auto", seed: int = 0, progress: Progress = no_progress
) -> Projection:
    """Arrange documents on a plane.

    "auto" is UMAP where it is installed, and t-SNE otherwise. Distances far apart mean
    little in either; PCA keeps these and mixes what is near.

    Parameters
    ----------
    vectors : float32 (n_docs, dim)
        Of unit length.
    method : {"auto", "umap", "tsne", "pca"}
    seed : int
    progress : callable

    Raises
    ------
    InputError
        If the method is not known, or UMAP is asked for and not installed.

    Notes
    -----
    UMAP: McInnes, Healy, Melville (2018). t-SNE: van der Maaten and Hinton (2008), as scikit-learn has it, of
    at most `LANDMARKS` means; documents stand at the weighted mean of the `NEAREST` of them, as in landmark
    variants of multidimensional scaling (de Silva and Tenenbaum, 2004). `benchmarks/explore_map.py` prints
    how well each keeps neighbours together.
    """
    if method not in ("auto", "umap", "tsne", "pca"):
        raise InputError(f"Map method {method!r} does not exist. Known: auto, umap, tsne, pca.")
    if method == "umap" and not has_umap():
        raise InputError("UMAP is not installed. Run `pip install umap-learn`, or take another method.")
    if len(vectors) < 10:  # too few to arrange by neighbours
        method = "pca"
    elif method == "auto":
        method = "umap" if has_umap() else "tsne"
    rng = np.random.default_rng(seed)
    explained = None
    if method == "umap":
        xy = _umap(vectors, rng, seed, progress)
    elif method == "tsne":
        xy = _tsne(vectors, rng, seed, progress)
    else:
        xy, explained = _pca(vectors, rng, seed)
    return Projection(_scaled(xy), method, explained)


def _sample(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(n, most, replace=False)) if n > most else np.arange(n)


def _umap(vectors: FloatArray, rng: np.random.Generator, seed: int, progress: Progress) -> FloatArray:
    from umap import UMAP

    rows = _sample(len(vectors), FITTED, rng)
    progress(0, len(vectors), "Arranging documents")
    reducer = UMAP(n_components=2, metric="cosine", n_neighbors=15, min_dist=0.1, random_state=seed)
    xy = np.zeros((len(vectors), 2), dtype=np.float32)
    xy[rows] = reducer.fit_transform(vectors[rows])
    rest = np.setdiff1d(np.arange(len(vectors)), rows)
    for start in range(0, len(rest), _BLOCK):
        progress(len(rows) + start, len(vectors), "Arranging documents")
        block = rest[start : start + _BLOCK]
        xy[block] = reducer.transform(vectors[block])
    return xy


def _tsne(vectors: FloatArray, rng: np.random.Generator, seed: int, progress: Progress) -> FloatArray:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    progress(0, len(vectors), "Arranging documents")
    marks = vectors[_sample(len(vectors), LANDMARKS, rng)]
    if len(marks) < len(vectors):
        # Two steps of k-means bring them to where documents are: that keeps neighbours better.
        marks = KMeans(len(marks), init=marks, n_init=1, max_iter=2).fit(vectors).cluster_centers_
        marks /= np.maximum(np.linalg.norm(marks, axis=1, keepdims=True), 1e-9)
    n_plain = min(_PLAIN, *marks.shape)
    plain = PCA(n_plain, svd_solver="randomized", random_state=seed).fit_transform(marks)
    perplexity = float(min(30, (len(marks) - 1) / 3))
    maker = TSNE(2, init="pca", perplexity=perplexity, max_iter=500, random_state=seed)
    placed: FloatArray = maker.fit_transform(plain).astype(np.float32)
    if len(marks) == len(vectors):
        return placed
    xy = np.zeros((len(vectors), 2), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        progress(start, len(vectors), "Arranging documents")
        cosine = vectors[start : start + _BLOCK] @ marks.T
        near = np.argpartition(-cosine, NEAREST - 1, axis=1)[:, :NEAREST]
        pull = np.take_along_axis(cosine, near, axis=1)
        pull = np.exp((pull - pull.max(axis=1, keepdims=True)) / _SHARP)
        pull /= pull.sum(axis=1, keepdims=True)
        xy[start : start + _BLOCK] = (placed[near] * pull[:, :, None]).sum(axis=1)
    # Several that stand nearest to one landmark alone would be one point.
    xy += rng.normal(0, _BLUR * float(placed.std()), xy.shape).astype(np.float32)
    return xy


def _pca(vectors: FloatArray, rng: np.random.Generator, seed: int) -> tuple[FloatArray, float | None]:
    from sklearn.decomposition import PCA

    n = min(2, *vectors.shape)
    xy = np.zeros((len(vectors), 2), dtype=np.float32)
    if n < 1 or len(vectors) < 2:
        return xy, None
    fitted = PCA(n, svd_solver="randomized", random_state=seed).fit(
        vectors[_sample(len(vectors), FITTED, rng)]
    )
    xy[:, :n] = fitted.transform(vectors)
    return xy, float(fitted.explained_variance_ratio_.sum())


def _scaled(xy: FloatArray) -> FloatArray:
    """Put both axes into [-1, 1]; the shape stays."""
    if not len(xy):
        return xy.astype(np.float32)
    middle = (xy.max(axis=0) + xy.min(axis=0)) / 2
    half = max(float((xy.max(axis=0) - xy.min(axis=0)).max()) / 2, 1e-9)
    scaled: FloatArray = ((xy - middle) / half).astype(np.float32)
    return scaled


def inside(xy: FloatArray, x: Sequence[float], y: Sequence[float]) -> BoolArray:
    """Which points lie within an outline, by how often a ray from each crosses it.

    Parameters
    ----------
    xy : float32 (n, 2)
        NaN lies nowhere.
    x, y : sequences of float
        Corners of the outline in order; it closes by itself.
    """
    found = np.zeros(len(xy), dtype=bool)
    if len(x) < 3:
        return found
    ends = zip(x, y, [*x[1:], x[0]], [*y[1:], y[0]], strict=True)
    for x0, y0, x1, y1 in ends:
        if y0 == y1:
            continue
        between = (xy[:, 1] > min(y0, y1)) & (xy[:, 1] <= max(y0, y1))
        found ^= between & (xy[:, 0] < x0 + (xy[:, 1] - y0) * (x1 - x0) / (y1 - y0))
    return found


__all__ = ["FITTED", "LANDMARKS", "Method", "Projection", "has_umap", "inside", "project"]
