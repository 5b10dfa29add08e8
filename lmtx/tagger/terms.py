"""TF-IDF vectors of texts, over the words of the training documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from lmtx.shortlist.tokenizer import Tokenizer
from lmtx.types import FloatArray

MAX_TERMS = 200_000
_MIN_DOCUMENTS = 2


class TermVectors:
    """Unit TF-IDF rows, 1 + log(tf), smoothed idf; words of a single document are left out.

    Parameters
    ----------
    words : sequence of str
        Columns.
    idf : float32 (n_words,)
    tokenizer : Tokenizer
    """

    def __init__(self, words: Sequence[str], idf: FloatArray, tokenizer: Tokenizer) -> None:
        self.words = list(words)
        self.idf = idf
        self.tokenizer = tokenizer
        self._column = {word: i for i, word in enumerate(self.words)}

    @classmethod
    def fit(cls, texts: Sequence[str], tokenizer: Tokenizer) -> tuple[TermVectors, sparse.csr_matrix]:
        """Learn words and idf; returns the vectoriser and the texts' own rows (n_docs, n_words)."""
        column: dict[str, int] = {}
        counts = _count(texts, tokenizer, column, grow=True)
        df = np.bincount(counts.indices, minlength=len(column))
        keep = np.flatnonzero(df >= min(_MIN_DOCUMENTS, max(1, len(texts))))
        if len(keep) > MAX_TERMS:
            keep = np.sort(keep[np.argsort(-df[keep], kind="stable")[:MAX_TERMS]])
        every = list(column)
        words = [every[i] for i in keep.tolist()]
        idf = (np.log((1 + len(texts)) / (1 + df[keep])) + 1).astype(np.float32)
        vectors = cls(words, idf, tokenizer)
        return vectors, vectors._weigh(counts[:, keep])

    def transform(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Rows of texts, float32 (n_docs, n_words)."""
        return self._weigh(_count(texts, self.tokenizer, self._column, grow=False))

    def _weigh(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        rows = sparse.csr_matrix(counts, dtype=np.float32)
        rows.data = (1 + np.log(rows.data)) * self.idf[rows.indices]
        norm = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        rows.data /= np.repeat(np.maximum(norm, 1e-12), np.diff(rows.indptr)).astype(np.float32)
        return rows

    def save(self, path: Path) -> None:
        """Write to one .npz file."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                words=np.frombuffer(json.dumps(self.words).encode(), dtype=np.uint8),
                idf=self.idf,
                fold_plurals=np.array(self.tokenizer.fold_plurals),
            )

    @classmethod
    def load(cls, path: Path) -> TermVectors:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            words = json.loads(data["words"].tobytes())
            return cls(words, data["idf"], Tokenizer(fold_plurals=bool(data["fold_plurals"])))


def _count(
    texts: Sequence[str], tokenizer: Tokenizer, column: dict[str, int], *, grow: bool
) -> sparse.csr_matrix:
    indices: list[int] = []
    ends = [0]
    for text in texts:
        tokens = tokenizer(text)
        if grow:
            indices.extend(column.setdefault(token, len(column)) for token in tokens)
        else:
            indices.extend(i for token in tokens if (i := column.get(token)) is not None)
        ends.append(len(indices))
    counts = sparse.csr_matrix(
        (np.ones(len(indices), dtype=np.float32), np.array(indices, dtype=np.int32), ends),
        shape=(len(texts), len(column)),
    )
    counts.sum_duplicates()
    return counts
