"""Encoders of a student's own: what they are trained on, and where a training that was cut off goes on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from lmtx.baselines import BASELINES, train_documents
from lmtx.cycle.data import CycleInputs, Training
from lmtx.encoder import label_text
from lmtx.errors import NothingToDoError
from lmtx.student import FinetuneConfig, StudentKind, Tower
from lmtx.tagger import OwnEncoder
from lmtx.tagger.weights import MIN_COMPLETED
from lmtx.types import CorpusView, IntArray, Pairs, Progress, content_hash, no_progress, unit_hash

MIN_OTHERS = 100
"""With fewer judged documents that nobody completed, a fine-tuning learns from completed ones too."""

SEEN_SHARE = 2 / 3
"""Share of the completed documents that it then learns from; weights are validated on the others."""

FOLDER = "training"
_OLD_S = 7 * 24 * 3600.0  # a training that nobody went on with for a week is given up
_TOWER = "tower"


def work_folder(inputs: CycleInputs, kind: StudentKind, *identity: object) -> Path:
    """Make the folder of an unfinished training, the same for the same identity.

    Cancelled or killed, it stays: the same training goes on from its last checkpoint. Once its run is on
    record, `forget` it.
    """
    key = content_hash(json.dumps([kind, inputs.encoder_key, *identity], sort_keys=True, default=str))
    root = inputs.folder / FOLDER
    work = root / f"{kind}-{key[:16]}"
    for other in root.glob("*-*"):
        if other != work and time.time() - other.stat().st_mtime > _OLD_S:
            shutil.rmtree(other, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    return work


def forget(work: Path) -> None:
    """Remove the folder of a training that has ended."""
    shutil.rmtree(work, ignore_errors=True)
    if work.parent.is_dir() and not any(work.parent.iterdir()):
        work.parent.rmdir()


def fine_tuned(
    inputs: CycleInputs,
    training: Training,
    config: FinetuneConfig,
    work: Path,
    progress: Progress = no_progress,
) -> OwnEncoder:
    """Train an encoder on the verdicts of documents that nobody completed; see `documents_to_learn_from`.

    Parameters
    ----------
    inputs : CycleInputs
    training : Training
    config : FinetuneConfig
    work : Path
        From `work_folder`, for the same training set and configuration.
    progress : callable
        Called with (done, total, message) over training and encoding; may raise `JobCancelled`.

    Raises
    ------
    NothingToDoError
        If no document with a wanted label is left to learn from.
    """
    from lmtx.student.finetune import JudgedTexts, finetune

    rows, seen = documents_to_learn_from(training, inputs.seed)
    texts = [d.full_text for d in training.documents()]
    names = [label_text(x) for x in training.view.labels]
    keep = np.isin(training.pairs.document_idx, rows)
    held = [training.view.documents[int(i)].full_text for i in training.held_out_rows]
    tower = finetune(
        inputs.own_encoder(),
        JudgedTexts(texts, training.pairs.where(keep), training.probability[keep]),
        names,
        work / _TOWER,
        config,
        within(progress, 0, 80),
        held_out=JudgedTexts(held, training.held_out_pairs) if held else None,
        checkpoints=work / "checkpoints",
    )
    return _read(inputs, tower, texts, names, seen, config.adapter_on_top, within(progress, 80, 100))


def pretrained(
    inputs: CycleInputs,
    view: CorpusView,
    kind: StudentKind,
    settings: Mapping[str, object],
    work: Path,
    progress: Progress = no_progress,
) -> OwnEncoder:
    """Train an encoder on texts and label names alone, by a baseline; it reads no verdict."""
    documents = train_documents(view)
    if not documents:
        raise NothingToDoError("No document is there to train on. Import documents of the split 'train'.")
    tower = BASELINES[kind](
        inputs.own_encoder(),
        documents,
        view.labels,
        work / _TOWER,
        {"seed": inputs.seed, "threads": inputs.threads, **settings},
        within(progress, 0, 95),
        work / "checkpoints",
    )
    names = [label_text(x) for x in view.labels]
    return _read(inputs, tower, [], names, np.zeros(0, dtype=np.int32), False, within(progress, 95, 100))


def identity_of(training: Training, config: FinetuneConfig) -> list[object]:
    """Return what makes a fine-tuning the same one, for `work_folder`: all that it reads, and no more.

    Held-out verdicts that come after a round's training change nothing where they stop nothing.
    """
    none = np.zeros(0, dtype=np.int32)
    read = training
    if not config.early_stopping:
        empty = Pairs(none, none, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32))
        read = replace(training, held_out_rows=none, held_out_pairs=empty)
    held_out = [training.view.documents[int(i)].hash for i in read.held_out_rows]
    probability = content_hash(np.ascontiguousarray(training.probability).tobytes().hex())
    return [read.fingerprint(), probability, held_out, asdict(config)]


def documents_to_learn_from(training: Training, seed: int) -> tuple[IntArray, IntArray]:
    """Choose what a fine-tuning learns from, so that its quality can still be validated.

    Weights are cross-validated on completed documents, and nobody trains an encoder once a fold. So it
    learns from documents that were judged and not completed; where these are too few, from a seeded part of
    the completed ones too, and no weight is validated on that part.

    Returns
    -------
    rows : int32 (n_learned,)
        Rows of the training set, ascending.
    seen : int32 (n_seen,)
        The completed ones among them.
    """
    pairs = training.pairs
    done = np.array(sorted(training.completed), dtype=np.int32)
    others = np.setdiff1d(pairs.document_idx[pairs.target > 0.5], done).astype(np.int32)
    if not len(done) or len(others) >= max(MIN_OTHERS, len(done)):
        return others, done[:0]
    ids = [training.view.documents[int(training.rows[r])].id for r in done]
    order = np.argsort([unit_hash(str(seed), "fine-tune", i) for i in ids], kind="stable")
    n_seen = max(0, min(round(SEEN_SHARE * len(done)), len(done) - MIN_COMPLETED))
    seen = np.sort(done[order[:n_seen]]).astype(np.int32)
    return np.union1d(others, seen).astype(np.int32), seen


def _read(
    inputs: CycleInputs,
    tower: Tower,
    texts: list[str],
    names: list[str],
    seen: IntArray,
    adapter_on_top: bool,
    progress: Progress,
) -> OwnEncoder:
    """Encode the training documents and the labels."""
    tower = Tower(tower.folder, inputs.cache)
    label_vectors = tower.vectors(names, role="label")
    return OwnEncoder(tower, tower.vectors(texts, progress=progress), label_vectors, seen, adapter_on_top)


def within(progress: Progress, start: int, end: int) -> Progress:
    """Report a part of some work as (done, 100, message): it takes the share from start to end."""
    return lambda done, total, message: progress(start + (end - start) * done // max(1, total), 100, message)


__all__ = [
    "documents_to_learn_from",
    "fine_tuned",
    "forget",
    "identity_of",
    "pretrained",
    "within",
    "work_folder",
]
