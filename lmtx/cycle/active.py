"""Which pairs of a round to ask first: those that BM25 and the student see differently."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import InputError, ShapeError
from lmtx.shortlist import LexicalIndex, row_blocks
from lmtx.student.adapter import COSINE_OFFSET, COSINE_SCALE
from lmtx.types import FloatArray, IntArray


class Active:
    """Keeps a share of each round's pairs, over the rounds of one cycle.

    A round may ask about `share` times as many pairs as come up in it for the first time. What it left
    out may be chosen in a later round, when the student sees it otherwise. The choice depends on nothing but
    the rounds before, so a cycle that was killed and goes on chooses the same pairs again.

    Parameters
    ----------
    share : float
        Above 0, at most 1.
    n_labels : int

    Raises
    ------
    InputError
        If `share` is out of range.
    """

    def __init__(self, share: float, n_labels: int) -> None:
        if not 0 < share <= 1:
            raise InputError(f"active is {share}; expected a share above 0 and at most 1, or none.")
        self.share, self._n_labels = share, n_labels
        self._seen = self._chosen = np.zeros(0, dtype=np.int64)

    def choose(self, shortlist: IntArray, value: FloatArray) -> IntArray:
        """Choose the pairs of a round.

        Parameters
        ----------
        shortlist : int32 (n_docs, k)
            Label rows, -1 pads. The same documents in every round.
        value : float (n_docs, k)
            How useful an answer is, from `usefulness`.

        Returns
        -------
        int32 (n_docs, k)
            The shortlist with -1 for pairs that are not asked. Pairs chosen in an earlier round stay.
        """
        if shortlist.shape != value.shape:
            raise ShapeError(f"active: shortlist of shape {shortlist.shape}, values of shape {value.shape}.")
        key = np.arange(len(shortlist), dtype=np.int64)[:, None] * self._n_labels + shortlist
        valid = shortlist >= 0
        before = valid & np.isin(key, self._chosen)
        n = round(self.share * int((valid & ~np.isin(key, self._seen)).sum()))
        picked = self.pick(valid & ~before, value, n)
        self._seen = np.union1d(self._seen, key[valid])
        self._chosen = np.union1d(self._chosen, key[picked])
        return np.where(picked | before, shortlist, np.int32(-1))

    def pick(self, open_: NDArray[np.bool_], value: FloatArray, n: int) -> NDArray[np.bool_]:
        """Mark the n most useful pairs among the open ones; ties go to the first documents."""
        places = np.flatnonzero(open_)
        best = places[np.argsort(-value.ravel()[places], kind="stable")[:n]]
        picked = np.zeros(open_.size, dtype=np.bool_)
        picked[best] = True
        return picked.reshape(open_.shape)


def usefulness(shortlist: IntArray, lexical: FloatArray, cosine: FloatArray, trained: bool) -> FloatArray:
    """How much an answer would tell: how far two rankings disagree, and how unsure the student is.

    Parameters
    ----------
    shortlist : int32 (n_docs, k)
        -1 pads.
    lexical, cosine : float32 (n_docs, k)
        Scores of these pairs by BM25 and by the student, or by the encoder where there is no student.
    trained : bool
        Whether there is one: an encoder's cosine is no probability, so nothing is unsure then.

    Returns
    -------
    float32 (n_docs, k)
        In [0, 2]; 0 at pads.
    """
    valid = shortlist >= 0
    value = np.abs(standing(lexical, valid) - standing(cosine, valid))
    if trained:
        probability = 1 / (1 + np.exp(-(cosine.astype(np.float64) - COSINE_OFFSET) / COSINE_SCALE))
        value = value + 1 - np.abs(2 * probability - 1)
    return np.where(valid, value, 0).astype(np.float32)


def standing(scores: FloatArray, valid: NDArray[np.bool_]) -> FloatArray:
    """Place among a document's candidates: 1 the best, 0 the last; equal ones share their mean place."""
    out = np.full(scores.shape, 0.5, dtype=np.float32)
    n_docs, k = scores.shape
    for rows in row_blocks(n_docs, k * k):
        part, there = scores[rows], valid[rows]
        other = there[:, None, :]
        below = ((part[:, :, None] > part[:, None, :]) & other).sum(axis=2)
        equal = ((part[:, :, None] == part[:, None, :]) & other).sum(axis=2) - 1
        n = there.sum(axis=1, keepdims=True) - 1
        out[rows] = np.where(n > 0, (below + equal / 2) / np.maximum(n, 1), 0.5)
    return out


def pair_cosines(documents: FloatArray, labels: FloatArray, shortlist: IntArray) -> FloatArray:
    """Cosines of the shortlisted pairs: float32 (n_docs, k), any number at pads.

    Parameters
    ----------
    documents, labels : float32 (n_docs, dim), (n_labels, dim)
        Unit rows.
    shortlist : int32 (n_docs, k)
    """
    out = np.zeros(shortlist.shape, dtype=np.float32)
    for column in range(shortlist.shape[1]):
        out[:, column] = np.einsum("ij,ij->i", documents, labels[shortlist[:, column]])
    return out


def pair_lexical(lexical: LexicalIndex, texts: Sequence[str], shortlist: IntArray) -> FloatArray:
    """BM25 of the shortlisted pairs: float32 (n_docs, k), any number at pads."""
    out = np.zeros(shortlist.shape, dtype=np.float32)
    for rows, scores in lexical.blocks(texts):
        out[rows] = np.take_along_axis(
            scores.toarray(), np.maximum(shortlist[rows], 0).astype(np.int64), axis=1
        )
    return out
