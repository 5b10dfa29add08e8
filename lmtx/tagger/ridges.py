"""The two ridges of a tagger: over all judged documents, and over completed ones alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lmtx.errors import NothingToDoError
from lmtx.shortlist import LexicalIndex
from lmtx.tagger.calibration import Calibration
from lmtx.tagger.inputs import TrainingInputs
from lmtx.tagger.ridge import COMPLETED_WEIGHT, MAX_LANDMARKS, KernelRidge
from lmtx.tagger.terms import TermVectors
from lmtx.tagger.trust import Trust
from lmtx.types import FloatArray, IntArray, Pairs

_FOLDS = 10


def landmarks(inputs: TrainingInputs, first: IntArray) -> IntArray:
    """Documents of the ridge's kernel, at most `MAX_LANDMARKS`: `first`, then completed, then judged ones."""
    rng = np.random.default_rng(inputs.seed)
    completed = np.array(sorted(inputs.completed), dtype=np.int32)
    judged = np.unique(inputs.pairs.document_idx)
    rest = [np.setdiff1d(completed, first), np.setdiff1d(judged, completed)]
    order = np.concatenate([first, *(rng.permutation(x) for x in rest)]).astype(np.int32)
    return np.asarray(np.sort(order[:MAX_LANDMARKS]), dtype=np.int32)


class Ridges:
    """Both ridges and their leave-one-out scores on the validated documents.

    Where documents are completed, a teacher's yes counts as far as it is trusted: see `Trust`.
    """

    def __init__(self, inputs: TrainingInputs, lexical: LexicalIndex, validated: IntArray) -> None:
        rows = landmarks(inputs, validated)
        self._position = position = np.full(len(inputs.texts), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        done = position[sorted(inputs.completed)] if inputs.completed else np.zeros(0, dtype=np.int64)
        done = done[done >= 0]
        weight = np.ones(len(rows), dtype=np.float32)
        weight[done] = COMPLETED_WEIGHT
        terms, term_rows = TermVectors.fit([inputs.texts[i] for i in rows], lexical.tokenizer)
        vectors = inputs.doc_vectors[rows]
        targets = _Targets(inputs, position, len(rows))
        self.ridge: KernelRidge | None = None
        self.reviewed: KernelRidge | None = None
        self.left_out: dict[str, FloatArray | None] = {}
        self._wanted = targets.trusting(None)
        self._targets = targets
        self._trust: Trust | None = None
        out = position[validated].astype(np.int32) if len(validated) else None
        instead: list[tuple[IntArray, sparse.csr_matrix]] = []
        if out is not None and len(targets.judged):
            completed = done.astype(np.int32)
            trust = Trust(term_rows, vectors, targets.said, targets.judged, targets.given, completed)
            self._trust = trust
            self._wanted = targets.trusting(trust.of_labels(out[:0]))
            # A document must not tell how far to trust what it is scored by.
            fold = np.random.default_rng(inputs.seed).permutation(len(out)) % _FOLDS
            for i in range(min(_FOLDS, len(out))):
                at = np.flatnonzero(fold == i).astype(np.int32)
                instead.append((at, targets.trusting(trust.of_labels(out[at]))))
        try:
            self.ridge, self.left_out["ridge"] = KernelRidge.fit(
                terms, term_rows, vectors, self._wanted, weight, out, diagonal=True, instead=instead
            )
        except NothingToDoError:
            return
        if out is None or len(done) == len(rows):  # then both would be the same
            return
        # Words of their own: what is rare among all documents would drown what few documents can teach.
        terms, term_rows = TermVectors.fit([inputs.texts[i] for i in rows[done]], lexical.tokenizer)
        self.reviewed, self.left_out["reviewed"] = KernelRidge.fit(
            terms,
            term_rows,
            vectors[done],
            targets.given[done],
            np.ones(len(done), dtype=np.float32),
            np.searchsorted(done, out).astype(np.int32),
        )

    def trusted(self, pairs: Pairs, without: IntArray | None = None) -> Pairs:
        """Return pairs with a teacher's yes times the trust in it; the same ones where all is trusted.

        Parameters
        ----------
        pairs : Pairs
            Of the inputs, or some of them.
        without : int32 (n,), optional
            Completed documents, rows of the inputs, that tell nothing about the trust.
        """
        if self._trust is None:
            return pairs
        rows = np.zeros(0, dtype=np.int64) if without is None else self._position[without]
        trust = self._trust.of_labels(rows.astype(np.int32))
        doubted = self._targets.is_judged(pairs) & (trust[pairs.label_idx] < 1)
        if not doubted.any():
            return pairs
        target = np.where(doubted, pairs.target * trust[pairs.label_idx], pairs.target)
        return replace(pairs, target=np.asarray(target, dtype=np.float32))

    def left_out_pairs(self, pairs: Pairs) -> tuple[NDArray[np.int64], FloatArray]:
        """Which pairs lie on landmarks, and their probabilities without what was said of the document.

        The exact leave-one-out scores of the ridge, by a logistic curve fitted on what was said.
        """
        if self.ridge is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        there = np.flatnonzero(self._position[pairs.document_idx] >= 0)
        rows = self._position[pairs.document_idx[there]].astype(np.int32)
        score = self.ridge.left_out_pairs(self._wanted, rows, pairs.label_idx[there])
        curve = Calibration.fit(score, pairs.target[there])
        return there, np.clip(score, 0, 1) if curve is None else curve.probability(score)


class _Targets:
    """Who is wanted at the landmarks.

    given : csr (n_rows, n_labels)
        All labels of completed documents.
    said : csr (n_rows, n_labels)
        A teacher's yes on the others.
    judged : int32 (n_judged,)
        Rows of the others with a verdict.
    """

    def __init__(self, inputs: TrainingInputs, position: NDArray[np.int64], n_rows: int) -> None:
        shape = (n_rows, len(inputs.labels))
        self._is_done = np.zeros(len(position), dtype=np.bool_)
        self._is_done[list(inputs.completed)] = True
        pairs = inputs.pairs
        there = position[pairs.document_idx] >= 0
        open_ = there & ~self._is_done[pairs.document_idx]
        judged = there & self.is_judged(pairs)
        self.judged = np.unique(position[pairs.document_idx[judged]]).astype(np.int32)
        self.said = _csr(pairs, judged, position, shape)
        self._decided = _csr(pairs, open_ & ~judged, position, shape)
        done = [(position[i], labels) for i, labels in inputs.completed.items() if position[i] >= 0]
        row = np.repeat([i for i, _ in done], [len(x) for _, x in done]).astype(np.int64)
        column = np.concatenate([np.zeros(0, dtype=np.int64), *(x for _, x in done)])
        ones = np.ones(len(row), dtype=np.float32)
        self.given = sparse.csr_matrix((ones, (row, column)), shape=shape)

    def is_judged(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Which pairs are a teacher's word on a document that was not completed, bool (n_pairs,)."""
        by_teacher = pairs.weight == 1  # what people decided never weighs that
        return np.asarray(~self._is_done[pairs.document_idx] & by_teacher, dtype=np.bool_)

    def trusting(self, trust: FloatArray | None) -> sparse.csr_matrix:
        """Targets with the teacher's yes times the trust in it (n_labels,), csr float32."""
        said = self.said
        if trust is not None:
            said = said.copy()
            said.data *= trust[said.indices]
        return sparse.csr_matrix(self.given + self._decided + said, dtype=np.float32)


def _csr(
    pairs: Pairs, keep: NDArray[np.bool_], position: NDArray[np.int64], shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Wanted pairs among some, at the landmarks."""
    keep = keep & (pairs.target > 0)
    places = (position[pairs.document_idx[keep]], pairs.label_idx[keep])
    return sparse.csr_matrix((pairs.target[keep], places), shape=shape, dtype=np.float32)
