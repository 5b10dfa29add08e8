"""Parts of a map: documents in groups of like ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmtx.types import FloatArray

FEWEST, MOST = 6, 24


def n_clusters(n_docs: int) -> int:
    """Return so many groups that each is worth a name: about the sixth root times four, from 6 to 24."""
    return int(np.clip(round(4 * n_docs ** (1 / 6)), FEWEST, MOST)) if n_docs >= FEWEST else 1


def cluster(vectors: FloatArray, k: int | None = None, seed: int = 0) -> NDArray[np.int16]:
    """Group documents by meaning (k-means in mini-batches; Sculley, 2010), the largest group first.

    Parameters
    ----------
    vectors : float32 (n_docs, dim)
        Of unit length.
    k : int, optional
        Groups; `n_clusters` where None.
    seed : int

    Returns
    -------
    int16 (n_docs,)
        Group of each document.
    """
    from sklearn.cluster import MiniBatchKMeans

    if not len(vectors):
        return np.zeros(0, dtype=np.int16)
    k = min(k or n_clusters(len(vectors)), len(vectors))
    found = MiniBatchKMeans(k, n_init=3, batch_size=2048, random_state=seed).fit_predict(vectors)
    order = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    place = np.empty(k, dtype=np.int16)
    place[order] = np.arange(k)
    groups: NDArray[np.int16] = place[found]
    return groups


def centres(xy: FloatArray, groups: NDArray[np.int16], n: int) -> FloatArray:
    """Where to write the name of each group: the middle of its documents, float32 (n, 2)."""
    return np.array(
        [np.median(xy[groups == g], axis=0) if (groups == g).any() else (0.0, 0.0) for g in range(n)],
        dtype=np.float32,
    ).reshape(n, 2)
