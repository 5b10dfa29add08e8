"""Training of a tagger: parts, then weights, then calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import NothingToDoError
from lmtx.shortlist import LexicalIndex, hub_correction, row_blocks, row_standardised, top_k
from lmtx.student import Adapter
from lmtx.tagger.calibration import Calibration
from lmtx.tagger.inputs import TAGS, Findings, HeldOut, TeacherKind, TrainingInputs
from lmtx.tagger.ridges import Ridges, landmarks
from lmtx.tagger.settled import fit_settled
from lmtx.tagger.tagger import FIXED_WEIGHTS, Tagger, TextRows
from lmtx.tagger.weights import (
    LEXICAL_PARTS,
    MIN_COMPLETED,
    PARTS,
    ZERO_SHOT_PARTS,
    Candidates,
    Weights,
    choose,
    normalised,
    ranking_quality,
)
from lmtx.types import FloatArray, IntArray, Pairs, Progress, no_progress, unit_hash

MAX_VALIDATED = 1_000
"""Most completed documents over which weights are cross-validated; more hardly move them."""

FEW_DOCUMENTS = 600
"""The learned parts have half their fixed weight with this many documents judged by the evidence teacher.

Chosen as the fixed weights were, by cycles over 50 to 1,000 documents.
"""

SOME_DECISIONS: Weights = {"dense": 0.34, "bm25_document": 0.33, "student": 0.25, "ridge": 0.08}
"""Weights where people decided something, and hardly any document is completed."""

BESIDE: Mapping[TeacherKind, Weights] = {
    "evidence": {**SOME_DECISIONS, "reviewed": 0.25},
    "teacher": {"reviewed": 0.05},
    "none": {"student": 0.3, "ridge": 1.0},
}
"""What stands beside the fixed weights, or in their place, where documents are completed.

Cross-validated weights are drawn to them. Chosen on train documents that took no part in training,
answered by the simulated reviewer.
"""

_MAX_SCORES = 25_000_000  # cross-validated scores of one part that are held at once (100 MB)
_TOP_A_PART = 30
_FOLDS = 3
_LEXICAL_FACTORS = (1.0, 0.0, 0.5, 2.0)  # the fixed weights first
_STUDENT_SHARES = (0.3, 0.6, 1.0)  # of a student with an encoder of its own, which may beat all the rest
_ZERO_SHOT_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def fit_tagger(inputs: TrainingInputs, progress: Progress = no_progress) -> Tagger:
    """Train all parts, choose their weights, calibrate.

    With at least `MIN_COMPLETED` completed documents a teacher's yes counts as far as they confirm it
    (`Trust`), parts are learned from them alone, and the weights are cross-validated over them:
    the ridge's scores are its exact leave-one-out scores, the student's come from students that
    have seen neither verdicts nor decisions on the documents they score. Else the weights are
    fixed, except that BM25's and the zero-shot share are chosen on held-out judged documents, unless
    the verdicts are the evidence teacher's, whose own opinion BM25 is.

    Parameters
    ----------
    inputs : TrainingInputs
    progress : callable
        Called with (done, total, message); may raise `JobCancelled`.

    Raises
    ------
    ShapeError
        If rows don't belong together.
    """
    inputs.check()
    progress(0, 5, "Counting words")
    texts = inputs.lexical_texts if inputs.lexical_texts is not None else inputs.texts
    centred = inputs.centre_vectors if inputs.centre_vectors is not None else inputs.doc_vectors
    lexical = LexicalIndex(inputs.labels, texts)
    tagger = Tagger(
        label_ids=tuple(x.id for x in inputs.labels),
        label_vectors=inputs.label_vectors,
        lexical=lexical,
        centre=hub_correction(centred, inputs.label_vectors),
        weights=dict(FIXED_WEIGHTS["none"]),
        teacher=inputs.teacher,
        basis="Fixed weights: nothing was learned yet.",
        encoder_key=inputs.encoder_key,
    )
    if not (inputs.pairs.target > 0.5).any():
        return tagger
    progress(1, 5, "Fitting the ridge")
    validated = _validated(inputs)
    ridges = Ridges(inputs, lexical, validated)
    progress(2, 5, "Training the student")
    pairs = ridges.trusted(inputs.pairs)
    student = inputs.student if pairs is inputs.pairs else None
    student = student or _fit_student(inputs, pairs) or _fit_student(inputs, inputs.pairs)
    if student is None:
        return tagger
    own = inputs.own_encoder
    tagger = replace(
        tagger,
        student=student,
        tower=None if own is None else own.tower,
        tower_labels=None if own is None else own.label_vectors,
    )
    instead = dict(ridges.left_out)
    tagger = replace(tagger, ridge=ridges.ridge, reviewed=ridges.reviewed)
    if len(validated):
        progress(2, 5, "Learning from completed documents")
        apart = ridges.reviewed is not None
        settled = fit_settled(inputs, validated, lexical.tokenizer, with_label_text=apart)
        tagger = replace(tagger, linear=settled.linear, label_text=settled.label_text, prior=settled.prior)
        instead |= settled.left_out
    progress(3, 5, "Choosing weights")
    tagger, quality, tags = _weigh(tagger, inputs, validated, instead, ridges, progress)
    told, left_out = ridges.left_out_pairs(inputs.pairs)
    tagger = replace(tagger, findings=Findings(validated, quality, tags, told, left_out))
    progress(5, 5, "Trained")
    return tagger


def _fit_student(inputs: TrainingInputs, pairs: Pairs) -> Adapter | None:
    doc_vectors, label_vectors = inputs.student_vectors
    own, ids = inputs.own_encoder, [x.id for x in inputs.labels]
    if own is not None and not own.adapter_on_top:
        return Adapter.identity(ids, label_vectors.shape[1], own.tower.key)
    try:
        return Adapter.fit(
            doc_vectors,
            label_vectors,
            pairs,
            config=inputs.student_config,
            label_ids=ids,
            encoder_key=inputs.encoder_key if own is None else own.tower.key,
        )
    except NothingToDoError:
        return None


def _validated(inputs: TrainingInputs) -> IntArray:
    """Completed documents that weights are chosen on, ascending; none where there are too few."""
    rows = np.array(sorted(r for r, labels in inputs.completed.items() if len(labels)), dtype=np.int32)
    if inputs.own_encoder is not None:  # it would score them as one that has seen the answers
        rows = np.setdiff1d(rows, inputs.own_encoder.seen)
    if len(rows) < MIN_COMPLETED:
        return rows[:0]
    most = max(MIN_COMPLETED, min(MAX_VALIDATED, _MAX_SCORES // len(inputs.labels)))
    if len(rows) > most:
        # By the documents themselves, so that the next training takes the same ones and can be compared.
        number = [unit_hash(str(inputs.seed), "validated", inputs.texts[int(r)]) for r in rows]
        rows = np.sort(rows[np.argsort(number, kind="stable")[:most]])
    return rows


# Weights


@dataclass(frozen=True)
class Gathered(Candidates):
    """Candidates that are known by name.

    label_idx : int64 (n_docs, n_candidates), 0 where padded
    """

    label_idx: NDArray[np.int64]

    def best(self, weights: NDArray[np.floating], k: int) -> IntArray:
        """Return the k best labels of each document under these weights, shape (n_docs, k), -1 pads."""
        score = self.z @ weights.astype(np.float32)
        score[~self.known] = -np.inf
        place = top_k(score, k).label_idx
        found = np.take_along_axis(self.label_idx, np.maximum(place, 0), axis=1)
        there = (place >= 0) & np.take_along_axis(self.known, np.maximum(place, 0), axis=1)
        return np.where(there, found, -1).astype(np.int32)


def _weigh(
    tagger: Tagger,
    inputs: TrainingInputs,
    validated: IntArray,
    left_out: Mapping[str, FloatArray | None],
    ridges: Ridges,
    progress: Progress,
) -> tuple[Tagger, NDArray[np.float64], IntArray]:
    """Return the tagger with its weights, and its quality and tags on the validated documents."""
    kind, unknown = inputs.teacher, (np.zeros(0), np.zeros((0, TAGS), dtype=np.int32))
    parts = tuple(p for p in PARTS if tagger.has(p))
    fixed = normalised({p: w for p, w in FIXED_WEIGHTS[kind].items() if p in parts})
    if len(validated):
        prior = normalised({p: w for p, w in {**fixed, **BESIDE[kind]}.items() if p in parts})
        cross = _validation_scores(inputs, validated, ridges, progress)
        candidates = gather(
            tagger,
            _rows(tagger, inputs, validated),
            parts,
            {int(i): inputs.completed[int(r)] for i, r in enumerate(validated)},
            {**left_out, "student": cross},
        )
        weights = choose(candidates, parts, prior, inputs.seed)
        basis = f"Weights cross-validated over {len(validated)} completed documents."
        score, wanted = _answers(candidates, parts, weights)
        quality, validation = _validation(candidates, parts, weights)
        tagger = replace(
            tagger,
            weights=weights,
            basis=basis,
            calibration=Calibration.fit(score, wanted),
            validation=validation,
        )
        return tagger, quality, candidates.best(np.array([weights.get(p, 0.0) for p in parts]), TAGS)
    if kind == "none":
        # Some decisions, hardly any completed document: what was learned stands beside zero-shot.
        weights = dict(SOME_DECISIONS)
        basis = f"Fixed weights; from {MIN_COMPLETED} completed documents on they are cross-validated."
        return replace(tagger, weights=weights, basis=basis), *unknown
    basis = "Fixed weights: no held-out verdicts to choose them on."
    if kind == "evidence":
        weights = _cautious(fixed, len(np.unique(inputs.pairs.document_idx)))
        return replace(tagger, weights=weights, basis=basis), *unknown
    if inputs.held_out is None or not len(inputs.held_out.pairs):
        return replace(tagger, weights=fixed, basis=basis), *unknown
    weights, basis, calibration = _weigh_on_held_out(tagger, inputs.held_out, parts, fixed)
    return replace(tagger, weights=weights, basis=basis, calibration=calibration), *unknown


def _cautious(fixed: Weights, n_docs: int) -> Weights:
    """Give what was learned less weight where it was learned from few documents."""
    share = n_docs / (n_docs + FEW_DOCUMENTS)
    return normalised({p: w * (1.0 if p in ZERO_SHOT_PARTS else share) for p, w in fixed.items()})


def _validation(
    candidates: Candidates, parts: Sequence[str], weights: Weights
) -> tuple[NDArray[np.float64], dict[str, float]]:
    """Quality of the blend on each completed document, and how it compares with the zero-shot ranking."""
    blend, start = (
        ranking_quality(candidates, np.array([w.get(p, 0.0) for p in parts]))
        for w in (weights, FIXED_WEIGHTS["none"])
    )
    n = len(candidates)
    error = float((blend - start).std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    facts = {"tagger": float(blend.mean()), "zero_shot": float(start.mean()), "se": error, "n_docs": n}
    return blend, facts


def _weigh_on_held_out(
    tagger: Tagger, held_out: HeldOut, parts: Sequence[str], fixed: Weights
) -> tuple[Weights, str, Calibration | None]:
    """Choose BM25's weight, and how much the zero-shot ranking keeps, on held-out verdicts.

    The fixed weights stand unless others are better by more than the standard error: on 400
    held-out documents they mostly stand, with some dozens of training documents they do not.
    """
    candidates = judged_candidates(tagger, held_out, parts)
    best, basis = fixed, "Fixed weights"
    if len(candidates):
        tried = list(_alternatives(fixed))
        if tagger.tower is not None:
            tried += _more_of_the_student(fixed)
        vectors = [np.array([w.get(p, 0.0) for p in parts]) for w, _ in tried]
        quality = [ranking_quality(candidates, v) for v in vectors]
        i = int(np.argmax([q.mean() for q in quality]))
        gain = quality[i] - quality[0]
        if gain.mean() > gain.std() / np.sqrt(len(gain)):
            best, basis = tried[i]
    score, wanted = _answers(candidates, parts, best)
    said = f"{basis}, chosen on {len(candidates)} held-out judged documents."
    return best, said, Calibration.fit(score, wanted)


def _alternatives(fixed: Weights) -> Iterator[tuple[Weights, str]]:
    """Weights to try, the fixed ones first."""
    zero_shot = FIXED_WEIGHTS["none"]
    for share in _ZERO_SHOT_SHARES:
        for factor in _LEXICAL_FACTORS:
            learned = {p: w * (factor if p in LEXICAL_PARTS else 1.0) for p, w in fixed.items()}
            mixed = {
                p: (1 - share) * learned.get(p, 0.0) + share * zero_shot.get(p, 0.0)
                for p in {**learned, **zero_shot}
            }
            said = "Fixed weights" if factor == 1 else f"Fixed weights with BM25's times {factor:g}"
            yield normalised(mixed), f"{said}, zero-shot share {share:g}" if share else said


def _more_of_the_student(fixed: Weights) -> Iterator[tuple[Weights, str]]:
    """Weights to try where the fixed ones were chosen for another kind of student."""
    for share in _STUDENT_SHARES:
        mixed = {p: (1 - share) * w for p, w in fixed.items()}
        mixed["student"] = mixed.get("student", 0.0) + share
        yield normalised(mixed), f"Fixed weights, and a share of {share:g} more for the student"


def judged_candidates(tagger: Tagger, held_out: HeldOut, parts: Sequence[str]) -> Candidates:
    """Judged pairs of held-out documents that have a wanted label, as candidates."""
    pairs = held_out.pairs
    yes = {int(d) for d in pairs.document_idx[pairs.target > 0.5]}
    documents = np.array(sorted(yes), dtype=np.int64)
    rows = tagger.count(held_out.doc_vectors[documents], [held_out.texts[int(i)] for i in documents])
    by_document: dict[int, list[int]] = {}
    for i, document in enumerate(pairs.document_idx.tolist()):
        by_document.setdefault(document, []).append(i)
    columns = [pairs.label_idx[by_document[int(d)]] for d in documents]
    targets = [pairs.target[by_document[int(d)]] for d in documents]
    return _fill(tagger, rows, parts, columns, targets, [float((t > 0.5).sum()) for t in targets], {})


def gather(
    tagger: Tagger,
    rows: TextRows,
    parts: Sequence[str],
    truth: Mapping[int, IntArray],
    instead: Mapping[str, FloatArray | None],
) -> Gathered:
    """Candidates of completed documents: the best of each part, and what is wanted.

    Parameters
    ----------
    tagger : Tagger
    rows : TextRows
        The documents.
    parts : sequence of str
    truth : mapping of int to int32 array
        Row -> wanted labels.
    instead : mapping of str to float32 (n_docs, n_labels)
        Cross-validated raw scores that take a part's place.
    """
    best: list[IntArray] = []
    for block in row_blocks(len(rows), len(tagger.label_ids)):
        some = rows.rows(block)
        tops = [top_k(_part(tagger, p, some, block, instead), _TOP_A_PART).label_idx for p in parts]
        best.extend(np.concatenate(tops, axis=1))
    columns, targets = [], []
    for i, found in enumerate(best):
        labels = np.unique(np.concatenate([found[found >= 0], truth[i]]))
        columns.append(labels.astype(np.int32))
        targets.append(np.isin(labels, truth[i]).astype(np.float32))
    n_wanted = [float(len(truth[i])) for i in range(len(best))]
    return _fill(tagger, rows, parts, columns, targets, n_wanted, instead)


def _fill(
    tagger: Tagger,
    rows: TextRows,
    parts: Sequence[str],
    columns: Sequence[IntArray],
    targets: Sequence[FloatArray],
    n_wanted: Sequence[float],
    instead: Mapping[str, FloatArray | None],
) -> Gathered:
    width = max((len(c) for c in columns), default=1)
    n = len(columns)
    label_idx = np.zeros((n, width), dtype=np.int64)
    known = np.zeros((n, width), dtype=np.bool_)
    wanted = np.zeros((n, width), dtype=np.float32)
    for i, (column, target) in enumerate(zip(columns, targets, strict=True)):
        label_idx[i, : len(column)] = column
        known[i, : len(column)] = True
        wanted[i, : len(column)] = target > 0.5
    z = np.zeros((n, width, len(parts)), dtype=np.float32)
    for block in row_blocks(n, len(tagger.label_ids)):
        some = rows.rows(block)
        for j, part in enumerate(parts):
            z[block, :, j] = np.take_along_axis(
                _part(tagger, part, some, block, instead), label_idx[block], axis=1
            )
    return Gathered(z, wanted, known, np.maximum(np.array(n_wanted, dtype=np.float32), 1), label_idx)


def _part(
    tagger: Tagger, part: str, rows: TextRows, block: slice, instead: Mapping[str, FloatArray | None]
) -> FloatArray:
    other = instead.get(part)
    return tagger.part_scores(part, rows) if other is None else row_standardised(other[block])


def _rows(tagger: Tagger, inputs: TrainingInputs, rows: IntArray) -> TextRows:
    return tagger.count(inputs.doc_vectors[rows], [inputs.texts[int(i)] for i in rows])


def _validation_scores(
    inputs: TrainingInputs, validated: IntArray, ridges: Ridges, progress: Progress
) -> FloatArray:
    """Scores of the validated documents by students that have not learned from them."""
    done = np.array(sorted(inputs.completed), dtype=np.int32)
    documents = np.unique(inputs.pairs.document_idx)
    others = np.setdiff1d(documents, done)
    # Students without any completed document will do where those are few: one, or two where the documents
    # also tell how far the teacher is trusted.
    are_few = len(others) >= 2 * len(done)
    doubted = ridges.trusted(inputs.pairs) is not inputs.pairs
    n_folds = (2 if doubted else 1) if are_few else _FOLDS
    fold = np.random.default_rng(inputs.seed).permutation(len(validated)) % n_folds
    scores = np.zeros((len(validated), len(inputs.labels)), dtype=np.float32)
    for i in range(n_folds):
        progress(3, 5, f"Cross-validating the student {i + 1}/{n_folds}")
        unseen = validated[fold == i]
        keep = ~np.isin(inputs.pairs.document_idx, done if are_few else unseen)
        student = _fit_student(inputs, ridges.trusted(inputs.pairs.where(keep), unseen))
        if student is None:
            continue
        doc_vectors, label_vectors = inputs.student_vectors
        projected = student.project_documents(doc_vectors[unseen])
        scores[fold == i] = projected @ student.project_labels(label_vectors).T
    return scores


def _answers(candidates: Candidates, parts: Sequence[str], weights: Weights) -> tuple[FloatArray, FloatArray]:
    """Blend scores and truth of all known candidates, flat."""
    vector = np.array([weights.get(p, 0.0) for p in parts], dtype=np.float32)
    score = candidates.z @ vector
    return score[candidates.known], candidates.wanted[candidates.known]


__all__ = ["ZERO_SHOT_PARTS", "fit_tagger", "gather", "judged_candidates", "landmarks"]
