"""Kernel ridge over TF-IDF and dense vectors: the strongest single part on judged documents.

Closed form: (K + D) A = Y, where K is the joint kernel of the landmark documents, D the
diagonal ridge / weight of each, and Y who is wanted (verdicts, overridden by decisions).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg, sparse

from lmtx.errors import NothingToDoError
from lmtx.tagger.terms import TermVectors
from lmtx.types import FloatArray, IntArray

RIDGE = 1.0
TERM_SHARE = 0.5
CONSTANT = 1.0
"""Kernel: TERM_SHARE * TF-IDF cosine + (1 - TERM_SHARE) * dense cosine + CONSTANT (the labels' means).

Chosen on train documents answered by the simulated reviewer, on debtags and congress; the
result is flat around them.
"""

MAX_LANDMARKS = 8_000
"""Most documents in the kernel: n * n float32, twice while solving (0.5 GB at 8,000)."""

COMPLETED_WEIGHT = 4.0
"""How much a completed document weighs against one that a teacher judged."""

_BLOCK = 512


@dataclass(frozen=True)
class KernelRidge:
    """A fitted ridge.

    Attributes
    ----------
    terms : TermVectors
    term_rows : csr float32 (n_landmarks, n_words)
    vectors : float32 (n_landmarks, dim)
    labels : int32 (n_known,)
        Labels with a wanted landmark; all others score 0.
    coefficients : float32 (n_landmarks, n_known), or None
    inverse, targets : float32 (n_landmarks, n_landmarks) and csr (n_landmarks, n_known), or None
        In place of the coefficients where there are more labels than landmarks.
    n_labels : int
    inverse_diagonal : float32 (n_landmarks,) or None
        Of the inverse of the system; where it was asked for, and not kept on disk.
    term_share : float
        Share of the words in the kernel; with 1 there are no vectors, shape (n_landmarks, 0).
    """

    terms: TermVectors
    term_rows: sparse.csr_matrix
    vectors: FloatArray
    labels: IntArray
    coefficients: FloatArray | None
    inverse: FloatArray | None
    targets: sparse.csr_matrix | None
    n_labels: int
    inverse_diagonal: FloatArray | None = None
    term_share: float = TERM_SHARE

    @classmethod
    def fit(
        cls,
        terms: TermVectors,
        term_rows: sparse.csr_matrix,
        vectors: FloatArray,
        wanted: sparse.csr_matrix,
        weight: FloatArray,
        leave_out: IntArray | None = None,
        *,
        diagonal: bool = False,
        instead: Sequence[tuple[IntArray, sparse.csr_matrix]] = (),
    ) -> tuple[KernelRidge, FloatArray | None]:
        """Solve for all labels at once.

        Parameters
        ----------
        terms : TermVectors
        term_rows : csr (n_landmarks, n_words)
        vectors : float32 (n_landmarks, dim)
        wanted : csr (n_landmarks, n_labels)
            1 where the label is wanted (targets in [0, 1]).
        weight : float32 (n_landmarks,)
            How much each landmark counts.
        leave_out : int32 (m,), optional
            Landmark rows for which leave-one-out scores are returned.
        diagonal : bool
            Whether `left_out_pairs` will be called.
        instead : sequence of (int32 (n,), csr (n_landmarks, n_labels))
            Places in `leave_out`, and what was wanted as far as could be known without those documents.
            Labels that `wanted` lacks are not scored.

        Returns
        -------
        ridge : KernelRidge
        left_out : float32 (m, n_labels) or None
            What the ridge would score for those documents had it not seen them, exactly.

        Raises
        ------
        NothingToDoError
            If no label is wanted anywhere.

        References
        ----------
        Leave-one-out: Rasmussen and Williams, Gaussian Processes for Machine Learning, eq. 5.12.
        """
        wanted = sparse.csr_matrix(wanted, dtype=np.float32)
        wanted.eliminate_zeros()
        labels = np.unique(wanted.indices).astype(np.int32)
        if not len(labels):
            raise NothingToDoError("Kernel ridge: no wanted pair among its documents. Judge or review some.")
        targets = wanted[:, labels]
        n = len(vectors)
        system = kernel(term_rows, vectors, _across(term_rows), vectors)
        system[np.diag_indices(n)] += RIDGE / np.asarray(weight, dtype=np.float32)
        factor = linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        left_out = None
        if leave_out is not None:
            left_out = np.zeros((len(leave_out), wanted.shape[1]), dtype=np.float32)
            for at, known in instead or [(np.arange(len(leave_out), dtype=np.int32), wanted)]:
                left_out[np.ix_(at, labels)] = _left_out(factor, known[:, labels], leave_out[at])
        inverse: FloatArray | None = None
        coefficients: FloatArray | None = None
        if len(labels) > n:
            inverse = _solve(factor, np.eye(n, dtype=np.float32))
        else:
            coefficients = _solve(factor, targets.toarray())
        ridge = cls(
            terms,
            term_rows,
            vectors,
            labels,
            coefficients,
            inverse,
            targets if coefficients is None else None,
            int(wanted.shape[1]),
            _inverse_diagonal(factor, inverse) if diagonal else None,
        )
        return ridge, left_out

    def left_out_pairs(self, wanted: sparse.csr_matrix, rows: IntArray, labels: IntArray) -> FloatArray:
        """Leave-one-out scores of some pairs of its landmarks: each as if its document had not been seen.

        Parameters
        ----------
        wanted : csr (n_landmarks, n_labels)
            As given to `fit`.
        rows, labels : int (n_pairs,)
            Landmark rows, and labels.

        Returns
        -------
        float32 (n_pairs,)
            Exact, whatever the landmark's own targets are; 0 for labels that no landmark wants.

        Raises
        ------
        NothingToDoError
            If it was fitted without `diagonal`, or loaded.
        """
        if self.inverse_diagonal is None:
            raise NothingToDoError("Kernel ridge: fitted without `diagonal`, so nothing can be left out.")
        targets = sparse.csc_matrix(wanted)[:, self.labels]
        out = np.zeros(len(rows), dtype=np.float32)
        place = np.searchsorted(self.labels, labels)
        place[place == len(self.labels)] = 0
        known = np.flatnonzero(self.labels[place] == labels)
        order = known[np.argsort(place[known], kind="stable")]
        columns = place[order]
        # Some labels at a time: with more labels than landmarks the product is as large as the kernel.
        for start in range(0, len(self.labels), _BLOCK):
            some = order[np.searchsorted(columns, start) : np.searchsorted(columns, start + _BLOCK)]
            if not len(some):
                continue
            block = slice(start, start + _BLOCK)
            own = targets[:, block].toarray()
            if self.coefficients is not None:
                solved = self.coefficients[:, block]
            else:
                assert self.inverse is not None
                solved = np.asarray((targets[:, block].T @ self.inverse).T, dtype=np.float32)
            at, column = rows[some], place[some] - start
            out[some] = own[at, column] - solved[at, column] / self.inverse_diagonal[at]
        return out

    @cached_property
    def _words(self) -> sparse.csr_matrix:
        """`term_rows` by word; made once, for one document it would take as long as its scores."""
        return _across(self.term_rows)

    def scores(self, texts: list[str], doc_vectors: FloatArray) -> FloatArray:
        """Scores of all labels, float32 (n_docs, n_labels); pass a block of documents at a time."""
        out = np.zeros((len(texts), self.n_labels), dtype=np.float32)
        out[:, self.labels] = self.known_scores(self.terms.transform(texts), doc_vectors)
        return out

    def known_scores(self, term_rows: sparse.csr_matrix, doc_vectors: FloatArray) -> FloatArray:
        """Scores of the labels in `labels` alone, float32 (n_docs, n_known)."""
        own = doc_vectors[:, : self.vectors.shape[1]]
        near = kernel(term_rows, own, self._words, self.vectors, self.term_share)
        if self.coefficients is not None:
            return np.asarray(near @ self.coefficients, dtype=np.float32)
        assert self.inverse is not None
        assert self.targets is not None
        return np.asarray((self.targets.T @ (near @ self.inverse).T).T, dtype=np.float32)

    def word_contributions(self, text: str, label_idx: int) -> list[tuple[str, float]]:
        """List what each word of a text adds to the ridge's score of a label, largest first.

        Empty for a label that no landmark wants.
        """
        position = int(np.searchsorted(self.labels, label_idx))
        if position >= len(self.labels) or self.labels[position] != label_idx:
            return []
        if self.coefficients is not None:
            column = self.coefficients[:, position]
        else:
            assert self.inverse is not None
            assert self.targets is not None
            column = self.inverse @ self.targets[:, position].toarray().ravel()
        row = self.terms.transform([text])
        per_word = self.term_share * (self._words[row.indices] @ column) * row.data
        found = [(self.terms.words[t], float(v)) for t, v in zip(row.indices, per_word, strict=True)]
        return sorted(found, key=lambda pair: -pair[1])

    def save(self, folder: Path) -> None:
        """Write `ridge.npz` and `terms.npz` into the folder; vectors and coefficients in half precision."""
        folder.mkdir(parents=True, exist_ok=True)
        self.terms.save(folder / "terms.npz")
        facts = {"n_labels": self.n_labels, "term_share": self.term_share}
        arrays: dict[str, Any] = {
            "vectors": self.vectors.astype(np.float16),
            "labels": self.labels,
            "facts": np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8),
            **_parts("rows", self.term_rows),
        }
        if self.coefficients is not None:
            arrays["coefficients"] = self.coefficients.astype(np.float16)
        else:
            assert self.inverse is not None
            arrays["inverse"] = self.inverse
            assert self.targets is not None
            arrays |= _parts("targets", self.targets)
        with (folder / "ridge.npz").open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, folder: Path) -> KernelRidge:
        """Read what `save` wrote."""
        with np.load(folder / "ridge.npz", allow_pickle=False) as data:
            facts = json.loads(data["facts"].tobytes())
            has_coefficients = "coefficients" in data
            return cls(
                TermVectors.load(folder / "terms.npz"),
                _csr("rows", data),
                data["vectors"].astype(np.float32),
                data["labels"],
                data["coefficients"].astype(np.float32) if has_coefficients else None,
                None if has_coefficients else data["inverse"],
                None if has_coefficients else _csr("targets", data),
                int(facts["n_labels"]),
                term_share=float(facts.get("term_share", TERM_SHARE)),
            )


def _solve(factor: tuple[FloatArray, bool], right: FloatArray) -> FloatArray:
    return np.asarray(linalg.cho_solve(factor, right, overwrite_b=True, check_finite=False), dtype=np.float32)


def _inverse_diagonal(factor: tuple[FloatArray, bool], inverse: FloatArray | None) -> FloatArray:
    """Diagonal of the inverse; spends the factor."""
    if inverse is not None:
        return np.diagonal(inverse).copy()
    lower, problem = linalg.lapack.strtri(factor[0], lower=1, overwrite_c=1)
    assert problem == 0  # a Cholesky factor has no zero on its diagonal
    n = len(lower)
    out = np.empty(n, dtype=np.float32)
    for start in range(0, n, _BLOCK):
        end = min(n, start + _BLOCK)
        square = np.tril(lower[start:end, start:end])  # above it, LAPACK leaves what was there
        below = lower[end:, start:end]
        out[start:end] = np.einsum("ij,ij->j", square, square) + np.einsum("ij,ij->j", below, below)
    return out


def _left_out(factor: tuple[FloatArray, bool], targets: sparse.csr_matrix, rows: IntArray) -> FloatArray:
    """Leave-one-out scores of some landmarks: y - [inverse y] / [inverse] at the landmark itself."""
    units = np.zeros((targets.shape[0], len(rows)), dtype=np.float32)
    units[rows, np.arange(len(rows))] = 1
    columns = _solve(factor, units)  # the inverse's columns of these rows
    own = np.asarray((targets.T @ columns).T, dtype=np.float32)
    diagonal = columns[rows, np.arange(len(rows))]
    return np.asarray(targets[rows].toarray() - own / diagonal[:, None], dtype=np.float32)


def _across(term_rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """Transpose, csr (n_words, n_documents)."""
    return term_rows.T.tocsr()


def kernel(
    term_rows: sparse.csr_matrix,
    vectors: FloatArray,
    other_words: sparse.csr_matrix,
    other: FloatArray,
    term_share: float = TERM_SHARE,
) -> FloatArray:
    """Joint kernel, float32 (n, n_landmarks); `other_words` are the landmarks' rows, transposed."""
    joint = np.asarray((1 - term_share) * (vectors @ other.T) + CONSTANT, dtype=np.float32)
    # A row block at a time: the sparse product is nearly full, so its indices would cost as much again.
    for start in range(0, len(joint), 1024):
        joint[start : start + 1024] += term_share * (term_rows[start : start + 1024] @ other_words).toarray()
    return joint


def _parts(name: str, matrix: sparse.csr_matrix) -> dict[str, Any]:
    shape = np.array(matrix.shape)
    return {
        f"{name}_data": matrix.data,
        f"{name}_indices": matrix.indices,
        f"{name}_indptr": matrix.indptr,
        f"{name}_shape": shape,
    }


def _csr(name: str, data: Any) -> sparse.csr_matrix:
    parts = (data[f"{name}_data"], data[f"{name}_indices"], data[f"{name}_indptr"])
    shape = data[f"{name}_shape"]
    return sparse.csr_matrix(parts, shape=(int(shape[0]), int(shape[1])))
