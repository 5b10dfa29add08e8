"""What predicts: a blend of zero-shot, lexical, student and ridge scores, standardised per document."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lmtx.encoder import EmbeddingCache
from lmtx.errors import DAMAGED, EncoderError, ShapeError, StorageError
from lmtx.shortlist import (
    LexicalIndex,
    TermCounts,
    Tokenizer,
    collect,
    dense_scores,
    hub_correction,
    row_blocks,
    row_standardised,
)
from lmtx.student import Adapter, Tower
from lmtx.tagger.calibration import Calibration
from lmtx.tagger.inputs import Findings, TeacherKind, TrainingInputs
from lmtx.tagger.ridge import KernelRidge
from lmtx.tagger.weights import LEXICAL_PARTS, PARTS, ZERO_SHOT_PARTS, Weights
from lmtx.types import FloatArray, Label, Progress, Scored, no_progress

_TOWER = "tower"
_RIDGES = ("ridge", "reviewed", "linear")
_WEAKEST_WORD = 0.1  # of the strength of the strongest, to be shown
_FORM = {
    "bm25_document": "label_as_document",
    "bm25_query": "label_as_query",
    "tfidf": "tfidf",
}

FIXED_WEIGHTS: dict[TeacherKind, Weights] = {
    "none": {"dense": 0.45, "bm25_document": 0.55},
    "evidence": {"dense": 0.12, "bm25_document": 0.27, "student": 0.53, "ridge": 0.08},
    "teacher": {"bm25_document": 0.08, "tfidf": 0.07, "student": 0.45, "ridge": 0.40},
}
"""Weights where nobody completed documents, by who gave the verdicts.

Chosen on 1,500 train documents each of debtags and congress (none of them among the 4,000
that were judged) answered by the simulated reviewer, for both corpora together; benchmarks
measure them on test.
"""


@dataclass(frozen=True)
class TextRows:
    """Documents counted once, for all parts."""

    texts: Sequence[str]
    doc_vectors: FloatArray
    counts: TermCounts

    def rows(self, rows: slice) -> TextRows:
        """Return some of the documents."""
        return TextRows(self.texts[rows], self.doc_vectors[rows], self.counts.rows(rows))

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Tagger:
    """Scores labels by a weighted sum of parts, each standardised over the labels of a document.

    Attributes
    ----------
    label_ids : tuple of str
        Columns of all results.
    label_vectors : float32 (n_labels, dim)
        The encoder's.
    lexical : LexicalIndex
    centre : float32 (n_labels,) or None
        Hub correction of the dense part.
    student : Adapter or None
    tower, tower_labels : Tower or None, float32 (n_labels, tower's dim) or None
        The student's own encoder and its vectors of the labels; None where the student reads the
        workspace's vectors.
    ridge, reviewed : KernelRidge or None
        Over all judged documents, and over completed documents alone.
    linear : KernelRidge or None
        Linear heads over the words of completed documents.
    label_text : Adapter or None
        On completed documents alone; reads the workspace's vectors.
    prior : float32 (n_labels,) or None
        How often labels are given, as a logarithm.
    weights : dict
        Part -> weight >= 0, summing to 1; see `lmtx.tagger.weights.PARTS`.
    calibration : Calibration or None
        None where there is nothing to calibrate on: then there are scores, and no probabilities.
    teacher : {"teacher", "evidence", "none"}
        Who gave the verdicts.
    basis : str
        What the weights rest on, for the user.
    encoder_key : str
    validation : dict
        Where weights were cross-validated: ranking quality ("tagger", "zero_shot"), the standard error
        of their difference ("se") and the number of completed documents ("n_docs"); else empty.
    findings : Findings or None
        What the training found out about its own documents; None where nothing was learned, and not kept.
    """

    label_ids: tuple[str, ...]
    label_vectors: FloatArray
    lexical: LexicalIndex
    centre: FloatArray | None
    student: Adapter | None = None
    tower: Tower | None = None
    tower_labels: FloatArray | None = None
    ridge: KernelRidge | None = None
    reviewed: KernelRidge | None = None
    linear: KernelRidge | None = None
    label_text: Adapter | None = None
    prior: FloatArray | None = None
    weights: Weights = field(default_factory=dict)
    calibration: Calibration | None = None
    teacher: TeacherKind = "none"
    basis: str = ""
    encoder_key: str = ""
    validation: dict[str, float] = field(default_factory=dict)
    findings: Findings | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.label_ids) != len(self.label_vectors):
            raise ShapeError(f"{len(self.label_ids)} label ids, {len(self.label_vectors)} label vectors.")
        projected = None
        if self.student is not None:
            names = self.label_vectors if self.tower_labels is None else self.tower_labels
            projected = self.student.project_labels(names, self.student.rows_of(self.label_ids))
        object.__setattr__(self, "student_labels", projected)
        settled = None
        if self.label_text is not None:
            settled = self.label_text.project_labels(
                self.label_vectors, self.label_text.rows_of(self.label_ids)
            )
        object.__setattr__(self, "settled_labels", settled)

    student_labels: FloatArray | None = field(init=False, repr=False, default=None)
    settled_labels: FloatArray | None = field(init=False, repr=False, default=None)

    # Making

    @classmethod
    def zero_shot(
        cls,
        labels: Sequence[Label],
        label_vectors: FloatArray,
        doc_vectors: FloatArray,
        texts: Sequence[str],
        encoder_key: str = "",
        lexical: LexicalIndex | None = None,
    ) -> Tagger:
        """Make the blend that has learned nothing: dense and BM25.

        Parameters
        ----------
        labels, label_vectors
            Of n_labels.
        doc_vectors, texts
            Of documents over which hubs and word frequencies are measured.
        lexical : LexicalIndex, optional
            Made already over these labels.
        """
        return cls(
            label_ids=tuple(x.id for x in labels),
            label_vectors=label_vectors,
            lexical=lexical or LexicalIndex(labels, texts),
            centre=hub_correction(doc_vectors, label_vectors),
            weights=dict(FIXED_WEIGHTS["none"]),
            basis="Fixed weights: nothing was learned yet.",
            encoder_key=encoder_key,
        )

    @classmethod
    def fit(cls, inputs: TrainingInputs, progress: Progress = no_progress) -> Tagger:
        """Train all parts and choose their weights; see `lmtx.tagger.fitting.fit_tagger`."""
        from lmtx.tagger.fitting import fit_tagger

        return fit_tagger(inputs, progress)

    # Scoring

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that have weight, in the order of `PARTS`."""
        return tuple(p for p in PARTS if self.weights.get(p, 0.0) > 0)

    def count(self, doc_vectors: FloatArray, texts: Sequence[str]) -> TextRows:
        """Prepare documents for scoring.

        Raises
        ------
        ShapeError
            If there are not as many vectors as texts, or they are of another encoder.
        """
        if len(doc_vectors) != len(texts):
            raise ShapeError(f"{len(doc_vectors)} document vectors, {len(texts)} texts; expected as many.")
        if len(texts) and doc_vectors.shape[1] != self.label_vectors.shape[1]:
            raise ShapeError(
                f"document vectors have length {doc_vectors.shape[1]}, expected "
                f"{self.label_vectors.shape[1]}. "
                "Encode by the encoder that the tagger was trained with, or train again."
            )
        return TextRows(texts, doc_vectors, self.lexical.count(texts))

    def part_scores(self, part: str, rows: TextRows) -> FloatArray:
        """Standardised scores of one part, float32 (n_docs, n_labels); for one block of documents."""
        return row_standardised(self._raw(part, rows))

    def _raw(self, part: str, rows: TextRows) -> FloatArray:
        if part == "dense":
            return dense_scores(rows.doc_vectors, self.label_vectors, self.centre)
        if part in LEXICAL_PARTS:
            scores = self.lexical.scores(rows.counts, _FORM[part])  # type: ignore[arg-type]
            return np.asarray(scores.toarray(), dtype=np.float32)
        if part == "student" and self.student is not None and self.student_labels is not None:
            own = rows.doc_vectors if self.tower is None else self.tower.vectors(rows.texts)
            projected = self.student.project_documents(own)
            return np.asarray(projected @ self.student_labels.T, dtype=np.float32)
        if part == "label_text" and self.label_text is not None and self.settled_labels is not None:
            projected = self.label_text.project_documents(rows.doc_vectors)
            return np.asarray(projected @ self.settled_labels.T, dtype=np.float32)
        if part == "prior" and self.prior is not None:
            return np.repeat(self.prior[None, :], len(rows), axis=0)
        ridge = self._ridge(part)
        if ridge is not None:
            return ridge.scores(list(rows.texts), rows.doc_vectors)
        return np.zeros((len(rows), len(self.label_ids)), dtype=np.float32)

    def has(self, part: str) -> bool:
        """Whether a part can score: zero-shot ones always, the others once they were trained."""
        if part in ZERO_SHOT_PARTS:
            return True
        return getattr(self, part) is not None

    def _ridge(self, part: str) -> KernelRidge | None:
        return {"ridge": self.ridge, "reviewed": self.reviewed, "linear": self.linear}.get(part)

    def scores(self, doc_vectors: FloatArray, texts: Sequence[str]) -> Iterator[tuple[slice, FloatArray]]:
        """Scores of all labels, some documents at a time.

        Parameters
        ----------
        doc_vectors : float32 (n_docs, dim)
            Unit rows of the tagger's encoder.
        texts : sequence of str
            `Document.full_text` of the same documents.

        Yields
        ------
        rows : slice
        scores : float32 (n_rows, n_labels)
        """
        counted = self.count(doc_vectors, texts)
        for rows in row_blocks(len(counted), len(self.label_ids)):
            yield rows, self._blend(counted.rows(rows))

    def _blend(self, rows: TextRows) -> FloatArray:
        total = np.zeros((len(rows), len(self.label_ids)), dtype=np.float32)
        for part in self.parts:
            total += np.float32(self.weights[part]) * self.part_scores(part, rows)
        return total

    def predict(self, doc_vectors: FloatArray, texts: Sequence[str], top_k: int = 5) -> Scored:
        """Best labels of each document.

        Returns
        -------
        Scored
            (n_docs, top_k); -1 and -inf pad where there are fewer labels.
        """
        return collect(self.scores(doc_vectors, texts), top_k)

    def probability(self, score: FloatArray) -> FloatArray | None:
        """Probability that a label with this score is right, or None where nothing calibrates it."""
        return None if self.calibration is None else self.calibration.probability(score)

    # Explaining

    def explain(self, doc_vector: FloatArray, text: str, label_idx: Sequence[int]) -> list[dict[str, float]]:
        """List what each part adds to the scores of some labels of one document.

        Parameters
        ----------
        doc_vector : float32 (dim,)
        text : str
        label_idx : sequence of int
            Rows of `label_ids`.

        Returns
        -------
        list of dict
            One a label: part -> contribution; they sum to the score.
        """
        rows = self.count(np.asarray(doc_vector, dtype=np.float32)[None, :], [text])
        chosen = np.asarray(label_idx, dtype=np.int64)
        by_part = {p: self.weights[p] * self.part_scores(p, rows)[0, chosen] for p in self.parts}
        return [{p: float(values[i]) for p, values in by_part.items()} for i in range(len(chosen))]

    def words(self, text: str, label_idx: int, n: int = 8) -> list[tuple[str, float]]:
        """Words of a text that speak for a label, strongest first, with strengths that sum to 1 at most.

        Half from the words shared with the label's name and description, half from what the
        ridge learned on judged documents, as far as these have weight. Left out, because they tell a
        reader nothing: words that a good part of the documents hold, unless they name the label, and
        words much weaker than the strongest one.
        """
        lexical = [(w, v) for w, v in self.lexical.matches(text, label_idx) if v > 0]
        learned: dict[str, float] = {}
        for part in _RIDGES:
            ridge, weight = self._ridge(part), self.weights.get(part, 0.0)
            if ridge is not None and weight > 0:
                for word, value in ridge.word_contributions(text, label_idx):
                    learned[word] = learned.get(word, 0.0) + weight * value
        strength: dict[str, float] = {}
        for found in (lexical, [(w, v) for w, v in learned.items() if v > 0]):
            total = sum(v for _, v in found)
            for word, value in found:
                strength[word] = strength.get(word, 0.0) + 0.5 * value / total
        ordered = sorted(strength.items(), key=lambda pair: -pair[1])
        weakest = _WEAKEST_WORD * ordered[0][1] if ordered else 0.0
        kept = (p for p in ordered if p[1] >= weakest and not self.lexical.is_common(p[0], label_idx))
        return list(islice(kept, n))

    @property
    def tokenizer(self) -> Tokenizer:
        """How texts become the words of `words`."""
        return self.lexical.tokenizer

    # Keeping

    def save(self, folder: Path) -> None:
        """Write the tagger into a folder; `load` needs nothing else."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {"label_vectors": self.label_vectors.astype(np.float16)}
        if self.centre is not None:
            arrays["centre"] = self.centre
        self.lexical.save(folder / "lexical.npz")
        if self.student is not None:
            self.student.save(folder / "student")
        if self.label_text is not None:
            self.label_text.save(folder / "label_text")
        if self.prior is not None:
            arrays["prior"] = self.prior
        if self.tower is not None and self.tower_labels is not None:
            arrays["tower_labels"] = self.tower_labels.astype(np.float16)
            if self.tower.folder != folder / _TOWER:
                shutil.copytree(self.tower.folder, folder / _TOWER, dirs_exist_ok=True)
        for part in _RIDGES:
            ridge = self._ridge(part)
            if ridge is not None:
                ridge.save(folder / part)
        with (folder / "vectors.npz").open("wb") as file:
            np.savez(file, **arrays)
        facts = {
            "format": 1,
            "label_ids": list(self.label_ids),
            "weights": self.weights,
            "calibration": [self.calibration.slope, self.calibration.intercept] if self.calibration else None,
            "teacher": self.teacher,
            "basis": self.basis,
            "encoder_key": self.encoder_key,
            "validation": self.validation,
            "parts": {
                "student": self.student is not None,
                "tower": self.tower is not None,
                "ridge": self.ridge is not None,
                "reviewed": self.reviewed is not None,
                "linear": self.linear is not None,
                "label_text": self.label_text is not None,
            },
        }
        (folder / "tagger.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, cache: EmbeddingCache | None = None) -> Tagger:
        """Read what `save` wrote. Needs neither torch nor the encoder.

        Parameters
        ----------
        folder : Path
        cache : EmbeddingCache, optional
            Where vectors of the student's own encoder are kept, if it has one.

        Raises
        ------
        StorageError
            If files are missing or damaged.
        """
        try:
            facts = json.loads((folder / "tagger.json").read_text(encoding="utf-8"))
            with np.load(folder / "vectors.npz", allow_pickle=False) as data:
                vectors = data["label_vectors"].astype(np.float32)
                centre = data.get("centre")
                tower_labels = data.get("tower_labels")
                prior = data.get("prior")
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            has = {p for p, there in facts["parts"].items() if there}
            own = "tower" in has
            calibration = facts["calibration"]
            return cls(
                label_ids=tuple(facts["label_ids"]),
                label_vectors=vectors,
                lexical=LexicalIndex.load(folder / "lexical.npz"),
                centre=centre,
                student=Adapter.load(folder / "student") if "student" in has else None,
                tower=Tower(folder / _TOWER, cache) if own else None,
                tower_labels=tower_labels.astype(np.float32) if own else None,
                ridge=KernelRidge.load(folder / "ridge") if "ridge" in has else None,
                reviewed=KernelRidge.load(folder / "reviewed") if "reviewed" in has else None,
                linear=KernelRidge.load(folder / "linear") if "linear" in has else None,
                label_text=Adapter.load(folder / "label_text") if "label_text" in has else None,
                prior=prior,
                weights={str(p): float(w) for p, w in facts["weights"].items()},
                calibration=Calibration(*calibration) if calibration else None,
                teacher=facts["teacher"],
                basis=facts["basis"],
                encoder_key=facts["encoder_key"],
                validation=facts["validation"],
            )
        except (*DAMAGED, AttributeError, EncoderError) as error:  # the last two: without its own encoder
            raise StorageError(f"{folder}: no readable tagger there: {error}. Train again.") from error
