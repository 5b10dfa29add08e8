"""A trained tagger over the label set as it is now: labels added, reworded or deleted after its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import label_text
from lmtx.errors import ShapeError
from lmtx.student.adapter import SAME_TEXT
from lmtx.tagger.ridge import KernelRidge
from lmtx.tagger.tagger import FIXED_WEIGHTS, Tagger, TextRows
from lmtx.tagger.weights import PARTS, ZERO_SHOT_PARTS, Weights
from lmtx.types import FloatArray, IntArray, Label

TEXT_PARTS = (*ZERO_SHOT_PARTS, "student", "label_text")
"""Parts that rank a label by its text; all others know a label by its examples alone."""

ZERO_SHOT_SHARE = 0.5
"""Share of the zero-shot ranking in the score of a label that came after the training.

What was learned from other labels helps with new ones on some corpora and not on others; with this share they
are ranked about as well as by what has learned nothing, or better, on both debtags and congress. Chosen on
train documents that took no part in training (`benchmarks/unseen_labels.py`).
"""


@dataclass(frozen=True)
class GrownTagger(Tagger):
    """A tagger whose last labels came after its training.

    Parts that learn from examples give such a label nothing, however well it fits: so its score is made of
    the other parts, their weights brought up to 1, and of the zero-shot ranking.

    Attributes
    ----------
    n_new : int
        How many labels, the last ones, came after the training.
    """

    n_new: int = 0

    def _of_new(self) -> Weights:
        """Weights of the parts for labels that came after the training."""
        weights = {p: w for p, w in self.weights.items() if p in TEXT_PARTS and w > 0}
        if super().parts == ("student",):  # the student alone was asked for
            return weights
        total, start = sum(weights.values()), FIXED_WEIGHTS["none"]
        share = ZERO_SHOT_SHARE if total else 1.0
        return {
            p: share * start.get(p, 0.0) + (1 - share) * weights.get(p, 0.0) / (total or 1.0)
            for p in {**weights, **start}
        }

    def _shares(self, part: str, rows: TextRows) -> FloatArray:
        """Return what a part adds to the scores of all labels, float32 (n_docs, n_labels)."""
        n_old = len(self.label_ids) - self.n_new
        weight = np.full(len(self.label_ids), self.weights.get(part, 0.0), dtype=np.float32)
        weight[n_old:] = self._of_new().get(part, 0.0)
        return self.part_scores(part, rows) * weight

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that have weight for some label, in the order of `PARTS`."""
        return tuple(p for p in PARTS if self.weights.get(p, 0.0) > 0 or (self.n_new and p in self._of_new()))

    def _blend(self, rows: TextRows) -> FloatArray:
        total = np.zeros((len(rows), len(self.label_ids)), dtype=np.float32)
        for part in self.parts:
            total += self._shares(part, rows)
        return total

    def explain(self, doc_vector: FloatArray, text: str, label_idx: Sequence[int]) -> list[dict[str, float]]:
        """List what each part adds to the scores of some labels of one document; see `Tagger.explain`."""
        rows = self.count(np.asarray(doc_vector, dtype=np.float32)[None, :], [text])
        by_part = {p: self._shares(p, rows)[0] for p in self.parts}
        return [{p: float(values[i]) for p, values in by_part.items()} for i in label_idx]


def with_labels(tagger: Tagger, labels: Sequence[Label], label_vectors: FloatArray) -> Tagger:
    """Let a tagger rank the labels there are now, without training.

    What was learned of a label stays with its id, also where its text has changed since. A label that
    came later has what its text gives: dense and lexical scores, and the student's maps for labels
    without examples. A deleted label is no longer a column.

    Parameters
    ----------
    tagger : Tagger
    labels : sequence of Label
        All labels there are now.
    label_vectors : float32 (n_labels, dim)
        Theirs, by the tagger's encoder.

    Returns
    -------
    Tagger
        The tagger itself where no label and no text of one has changed; else columns are the labels that
        it knew, in its order, then the new ones.

    Raises
    ------
    ShapeError
        If there are not as many vectors as labels, or they are of another encoder.
    """
    if label_vectors.shape != (len(labels), tagger.label_vectors.shape[1]):
        raise ShapeError(
            f"label vectors {label_vectors.shape}, expected "
            f"({len(labels)}, {tagger.label_vectors.shape[1]}). "
            "Encode the labels by the encoder that the tagger was trained with."
        )
    before = {label_id: i for i, label_id in enumerate(tagger.label_ids)}
    place = sorted(range(len(labels)), key=lambda i: before.get(labels[i].id, len(before) + i))
    labels, label_vectors = [labels[i] for i in place], label_vectors[place]
    ids = tuple(x.id for x in labels)
    rows = np.array([before.get(label_id, -1) for label_id in ids], dtype=np.int64)
    known = rows >= 0
    # Vectors are kept in half precision, and come again a little different from a cache made anew.
    same = known.copy()
    same[known] = np.einsum("ij,ij->i", label_vectors[known], tagger.label_vectors[rows[known]]) > SAME_TEXT
    lexical = tagger.lexical.over(labels, _Frequencies(tagger))
    if ids == tagger.label_ids and same.all() and lexical.same_words(tagger.lexical):
        return tagger
    vectors = np.where(same[:, None], tagger.label_vectors[rows], label_vectors).astype(np.float32)
    changes: dict[str, Any] = {
        "label_ids": ids,
        "label_vectors": vectors,
        "lexical": lexical,
        "centre": _centre(tagger, vectors, rows, same),
        "tower_labels": _tower_labels(tagger, labels, rows, same),
        "ridge": _over(tagger.ridge, rows),
        "reviewed": _over(tagger.reviewed, rows),
        "linear": _over(tagger.linear, rows),
        "prior": _prior(tagger, rows),
        "findings": None,
    }
    values = {f.name: getattr(tagger, f.name) for f in fields(Tagger) if f.init}
    return GrownTagger(**{**values, **changes}, n_new=int((~known).sum()) + _n_new(tagger, ids))


def _n_new(tagger: Tagger, ids: Sequence[str]) -> int:
    """How many of the labels had come after the training already."""
    if not isinstance(tagger, GrownTagger):
        return 0
    before = tagger.label_ids[len(tagger.label_ids) - tagger.n_new :]
    return len(set(before) & set(ids))


class _Frequencies:
    """How many documents hold a word that no label had when the tagger was trained.

    From the words of the ridge, over the same documents or an even part of them. Words of a single document
    are not kept there and count as of none.
    """

    def __init__(self, tagger: Tagger) -> None:
        ridge = tagger.ridge
        self._of: dict[str, float] = {}
        if ridge is not None:
            n = len(ridge.vectors)
            # `TermVectors` has idf = log((1 + n) / (1 + df)) + 1.
            found = (1 + n) / np.exp(ridge.terms.idf.astype(np.float64) - 1) - 1
            scale = tagger.lexical.n_docs / max(1, n)
            self._of = dict(zip(ridge.terms.words, (found * scale).tolist(), strict=True))

    def __call__(self, word: str) -> float:
        return max(0.0, self._of.get(word, 0.0))


def _centre(
    tagger: Tagger, vectors: FloatArray, rows: NDArray[np.int64], same: NDArray[np.bool_]
) -> FloatArray | None:
    """Hub correction: each label's mean cosine over the documents of the training."""
    if tagger.centre is None:
        return None
    if tagger.ridge is None:
        new = np.full(len(vectors), tagger.centre.mean(), dtype=np.float32)
    else:
        new = vectors @ tagger.ridge.vectors.mean(axis=0)
    return np.where(same, tagger.centre[rows], new).astype(np.float32)


def _tower_labels(
    tagger: Tagger, labels: Sequence[Label], rows: NDArray[np.int64], same: NDArray[np.bool_]
) -> FloatArray | None:
    """Vectors by the student's own encoder; only what is new or reworded is encoded."""
    if tagger.tower is None or tagger.tower_labels is None:
        return None
    vectors: FloatArray = tagger.tower_labels[rows].copy()
    new = np.flatnonzero(~same)
    if len(new):
        vectors[new] = tagger.tower.vectors([label_text(labels[i]) for i in new.tolist()], role="label")
    return vectors


def _prior(tagger: Tagger, rows: NDArray[np.int64]) -> FloatArray | None:
    """How often labels are given; one that came later counts as a label that nobody gave."""
    if tagger.prior is None:
        return None
    return np.where(rows >= 0, tagger.prior[rows], tagger.prior.min()).astype(np.float32)


def _over(ridge: KernelRidge | None, rows: NDArray[np.int64]) -> KernelRidge | None:
    """Return a ridge whose labels are numbered anew; of those it does not know it says nothing."""
    if ridge is None:
        return None
    now = np.full(ridge.n_labels, -1, dtype=np.int32)
    now[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    labels: IntArray = now[ridge.labels]
    kept = np.flatnonzero(labels >= 0)  # in the order there was, so ascending still
    return replace(
        ridge,
        labels=labels[kept],
        coefficients=None if ridge.coefficients is None else ridge.coefficients[:, kept],
        targets=None if ridge.targets is None else ridge.targets[:, kept],
        n_labels=len(rows),
    )


__all__ = ["with_labels"]
