"""What a tagger is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import ShapeError
from lmtx.student import Adapter, AdapterConfig, Tower
from lmtx.types import FloatArray, IntArray, Label, Pairs

TeacherKind = Literal["teacher", "evidence", "none"]
"""Whose verdicts: a teacher's (a language model or the simulated one), the fused ranking's, nobody's."""


TAGS = 5
"""Labels of a validated document that are kept."""


@dataclass(frozen=True)
class HeldOut:
    """Documents that no training sees, with the verdicts on them.

    texts, doc_vectors : rows
    pairs : Pairs
        Judged pairs of those rows; the pooled best labels of the systems compared are among them.
    """

    texts: Sequence[str]
    doc_vectors: FloatArray
    pairs: Pairs


@dataclass(frozen=True)
class Findings:
    """What a training found out about its own documents, each scored as if it had not been seen.

    Attributes
    ----------
    validated : int32 (n_validated,)
        Rows of the completed documents over which weights were cross-validated, ascending.
    quality : float64 (n_validated,)
        How well the blend ranks each of them by what people said of it: `ranking_quality`.
    tags : int32 (n_validated, TAGS)
        Their best labels by the blend, best first, -1 pads.
    pairs : int64 (n_left_out,)
        Which of the training pairs have a left-out probability.
    left_out : float32 (n_left_out,)
        Probability that the pair is wanted by a ridge that has seen no verdict on its document.
    """

    validated: IntArray
    quality: NDArray[np.float64]
    tags: IntArray
    pairs: NDArray[np.int64]
    left_out: FloatArray


@dataclass(frozen=True)
class OwnEncoder:
    """The student's own encoder, trained already.

    Attributes
    ----------
    tower : Tower
    doc_vectors : float32 (n_docs, tower's dim)
        Its vectors of the training documents.
    label_vectors : float32 (n_labels, tower's dim)
    seen : int32 (n_seen,)
        Completed documents that it has learned from: no weights are validated on them.
    adapter_on_top : bool
        Whether an adapter is trained on its vectors; else they are scored as they are.
    """

    tower: Tower
    doc_vectors: FloatArray
    label_vectors: FloatArray
    seen: IntArray
    adapter_on_top: bool


@dataclass(frozen=True)
class TrainingInputs:
    """Everything `Tagger.fit` reads.

    Attributes
    ----------
    labels : sequence of Label, length n_labels
    label_vectors : float32 (n_labels, dim)
    texts : sequence of str, length n_docs
        Training documents: judged or completed ones, never of the reserve or the test split.
    doc_vectors : float32 (n_docs, dim)
    pairs : Pairs
        What teacher and people said of them, decisions before judgments.
    completed : mapping of int to int32 array
        Row of a completed document -> all its labels.
    teacher : {"teacher", "evidence", "none"}
        Who gave the judgments; decides the fixed weights.
    held_out : HeldOut or None
        Read for BM25's weight and for calibration, where the teacher is not "evidence".
    student : Adapter or None
        Trained on `pairs` already; None: trained here.
    student_config : AdapterConfig
    own_encoder : OwnEncoder or None
        What the student reads in place of `doc_vectors` and `label_vectors`.
    encoder_key : str
    lexical_texts : sequence of str or None
        Texts whose word frequencies the lexical parts use; None: `texts`.
    centre_vectors : float32 (n, dim) or None
        Documents over which hub labels are measured; None: `doc_vectors`.
    seed : int
    """

    labels: Sequence[Label]
    label_vectors: FloatArray
    texts: Sequence[str]
    doc_vectors: FloatArray
    pairs: Pairs
    completed: Mapping[int, IntArray] = field(default_factory=dict)
    teacher: TeacherKind = "none"
    held_out: HeldOut | None = None
    student: Adapter | None = None
    student_config: AdapterConfig = field(default_factory=AdapterConfig)
    own_encoder: OwnEncoder | None = None
    encoder_key: str = ""
    lexical_texts: Sequence[str] | None = None
    centre_vectors: FloatArray | None = None
    seed: int = 0

    @property
    def student_vectors(self) -> tuple[FloatArray, FloatArray]:
        """Vectors of documents and of labels that the student reads."""
        own = self.own_encoder
        return (self.doc_vectors, self.label_vectors) if own is None else (own.doc_vectors, own.label_vectors)

    def check(self) -> None:
        """Raise `ShapeError` where rows don't belong together."""
        if len(self.labels) != len(self.label_vectors):
            raise ShapeError(
                f"{len(self.labels)} labels, {len(self.label_vectors)} label vectors; embed again."
            )
        if len(self.texts) != len(self.doc_vectors):
            raise ShapeError(
                f"{len(self.texts)} texts, {len(self.doc_vectors)} document vectors; embed again."
            )
        rows = [*self.completed, *([int(self.pairs.document_idx.max())] if len(self.pairs) else [])]
        if rows and max(rows) >= len(self.texts):
            raise ShapeError(f"row {max(rows)} is named, but there are {len(self.texts)} training documents.")
