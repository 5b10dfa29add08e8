"""One fixed ranking out of dense and lexical scores, for the first shortlist and the evidence teacher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lmtx.errors import ShapeError
from lmtx.shortlist.dense import dense_scores, hub_correction
from lmtx.shortlist.lexical import LexicalIndex, TermCounts, collect, row_blocks
from lmtx.types import FloatArray, Scored

BM25_WEIGHT = 1.0
"""Weight of row-standardised BM25 (labels as documents) beside the row-standardised cosine.

Fixed, since without people or a teacher nothing can choose it. Chosen on train documents of debtags and
congress, where weights around it do about as well, and "label as query" or TF-IDF beside it lose more
on one than they gain on the other.
"""

FUSED_VERSION = f"cosine+{BM25_WEIGHT:g}*bm25-1"


@dataclass(frozen=True)
class FusedRanking:
    """Sum of the hub-corrected cosine and BM25, each standardised over the labels of a document.

    Attributes
    ----------
    lexical : LexicalIndex
    label_vectors : ndarray of float32, shape (n_labels, dim)
    centre : ndarray of float32, shape (n_labels,), or None
        What hub correction subtracts.
    """

    lexical: LexicalIndex
    label_vectors: FloatArray
    centre: FloatArray | None

    @classmethod
    def build(cls, lexical: LexicalIndex, doc_vectors: FloatArray, label_vectors: FloatArray) -> FusedRanking:
        """Measure the hub share on these documents and correct for hubs where it is high."""
        if lexical.n_labels != len(label_vectors):
            raise ShapeError(
                f"fused ranking: index of {lexical.n_labels} labels, vectors of {len(label_vectors)}. "
                "Build both over the same labels."
            )
        return cls(lexical, label_vectors, hub_correction(doc_vectors, label_vectors))

    def scores(self, doc_vectors: FloatArray, texts: Sequence[str] | TermCounts) -> FloatArray:
        """Scores of all labels, float32 (n_docs, n_labels); for one block of documents."""
        if len(doc_vectors) != len(texts):
            raise ShapeError(
                f"fused ranking: {len(doc_vectors)} vectors, {len(texts)} texts. Pass the same rows."
            )
        fused = row_standardised(dense_scores(doc_vectors, self.label_vectors, self.centre))
        fused += BM25_WEIGHT * row_standardised(self.lexical.scores(texts).toarray())
        return fused

    def blocks(
        self, doc_vectors: FloatArray, texts: Sequence[str] | TermCounts
    ) -> Iterator[tuple[slice, FloatArray]]:
        """`scores` of a few rows at a time: (rows, scores of those rows)."""
        counts = texts if isinstance(texts, TermCounts) else self.lexical.count(texts)
        for rows in row_blocks(len(doc_vectors), len(self.label_vectors)):
            yield rows, self.scores(doc_vectors[rows], counts.rows(rows))

    def topk(self, doc_vectors: FloatArray, texts: Sequence[str] | TermCounts, k: int) -> Scored:
        """Best k labels of each document: a better first shortlist than `union` of BM25 and cosine."""
        return collect(self.blocks(doc_vectors, texts), k)


def row_standardised(scores: FloatArray) -> FloatArray:
    """Each row less its mean, divided by its standard deviation; rows without spread become zero.

    Never clipped: clipping would tie the top ranks.
    """
    mean = scores.mean(axis=1, keepdims=True, dtype=np.float64)
    std = scores.std(axis=1, keepdims=True, dtype=np.float64)
    safe = np.where(std > 1e-9, std, np.inf)
    return np.asarray((scores - mean) / safe, dtype=np.float32)
