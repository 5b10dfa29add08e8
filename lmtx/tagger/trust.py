"""How far a teacher's yes is trusted, label by label, by what people said of completed documents.

A teacher errs by label: some labels it gives to every second document, whatever their definition. A few dozen
completed documents show which, long before they teach what to give instead.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from lmtx.tagger.ridge import kernel
from lmtx.types import FloatArray, IntArray

NEAR = 100
"""Judged documents near a completed one that show what the teacher would have said of it.

Near ones, since people may complete documents of one subject alone: of other labels that says nothing.
"""

_SHARE = 0.05  # of all judged documents, where these are few

PRIOR = 1.0
"""A label is trusted like all labels together, as if that were so many of its yes seen."""

MAX_COMPARED = 1_000
"""Most completed documents that are compared."""


class Trust:
    """Compares completed documents with what the teacher said of documents near them.

    Parameters
    ----------
    term_rows : csr (n_rows, n_words)
    vectors : float32 (n_rows, dim)
        Documents, as the kernel ridge reads them.
    said : csr (n_rows, n_labels)
        The teacher's yes on documents that were not completed.
    judged : int (n_judged,)
        Their rows.
    given : csr (n_rows, n_labels)
        Labels of completed documents.
    completed : int (n_completed,)
        Their rows.
    """

    def __init__(
        self,
        term_rows: sparse.csr_matrix,
        vectors: FloatArray,
        said: sparse.csr_matrix,
        judged: IntArray,
        given: sparse.csr_matrix,
        completed: IntArray,
    ) -> None:
        step = -(-len(completed) // MAX_COMPARED) if len(completed) else 1
        self._rows = completed[::step]
        self._n_labels = int(said.shape[1])
        self._given = given[self._rows]
        self._expected: sparse.csr_matrix | None = None
        if not len(self._rows) or not len(judged):
            return
        words = term_rows[judged].T.tocsr()
        near = kernel(term_rows[self._rows], vectors[self._rows], words, vectors[judged])
        k = min(NEAR, max(1, round(_SHARE * len(judged))))
        column = np.argpartition(-near, k - 1, axis=1)[:, :k]
        ends = np.arange(0, column.size + 1, k)
        share = np.full(column.size, 1 / k, dtype=np.float32)
        mean = sparse.csr_matrix((share, column.ravel(), ends), shape=near.shape)
        self._expected = sparse.csr_matrix(mean @ said[judged])

    def of_labels(self, without: IntArray) -> FloatArray:
        """Trust in each label's yes, in (0, 1], float32 (n_labels,).

        The share of the yes expected on completed documents that people gave, at most 1.

        Parameters
        ----------
        without : int (n,)
            Rows of completed documents that are left out: theirs are the scores to be cross-validated.
        """
        keep = np.flatnonzero(~np.isin(self._rows, without))
        if self._expected is None or not len(keep):
            return np.ones(self._n_labels, dtype=np.float32)
        expected = np.asarray(self._expected[keep].sum(axis=0)).ravel()
        given = np.asarray(self._given[keep].sum(axis=0)).ravel()
        all_labels = given.sum() / max(float(expected.sum()), 1e-9)
        share = (given + PRIOR * all_labels) / (expected + PRIOR)
        return np.asarray(np.minimum(share, 1), dtype=np.float32)
