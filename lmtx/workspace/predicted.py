"""Runs that hold predictions for some documents and no model: what they say, and that they can't be used."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmtx.errors import DAMAGED, InputError, NothingToDoError, StorageError
from lmtx.types import Document, Run, Scored
from lmtx.workspace.parts import Parts

KIND = "icxml"
NO_MODEL = "Not for use: ICXML asks a language model about each document, and leaves no model behind."
_FILE = "predictions.json"


def refuse(run: Run) -> None:
    """Raise `InputError` where a run that holds predictions is to tag other texts."""
    if run.kind == KIND:
        raise InputError(
            f"Run {run.id} holds what ICXML predicted for {run.metrics.get('n_documents')} documents, and no "
            "model: it can't tag others. Train a model with `lmtx train`, or ask again with `lmtx icxml`; "
            f"`lmtx evaluate --system {run.id}` measures it."
        )


def write(folder: Path, record: dict[str, Any]) -> None:
    """Write the folder of a run, whole or not at all."""
    part = folder.with_name(f"{folder.name}.part")
    try:
        part.mkdir(parents=True)
        with (part / _FILE).open("w", encoding="utf-8") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder)
    except OSError as error:
        raise StorageError(
            f"{folder}: the run can't be written ({error}). Check that the disk is not full, and ask again: "
            "what was answered is kept."
        ) from error


def predictions(parts: Parts, run: Run) -> dict[str, list[tuple[str, float]]]:
    """Document id -> (label id, score), best first, of a run of ICXML.

    Raises
    ------
    StorageError
        If the run can't be read.
    """
    path = parts.folder / run.folder / _FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(i): [(str(label_id), float(score)) for label_id, score in labels]
            for i, labels in record["documents"].items()
        }
    except DAMAGED as error:
        raise StorageError(f"{path}: can't be read ({error}). Run `lmtx icxml` again.") from error


def ranked(
    parts: Parts, run: Run, documents: Sequence[Document], k: int
) -> tuple[tuple[str, ...], list[Document], Scored]:
    """Column ids, those of the documents that a run holds, and their ranking.

    Raises
    ------
    NothingToDoError
        If it holds none of them.
    """
    held = predictions(parts, run)
    asked = [d for d in documents if d.id in held]
    if not asked:
        raise NothingToDoError(
            f"Run {run.id} holds predictions for {len(held)} documents, and none of them has gold labels of "
            "the split test. Run `lmtx icxml` without naming documents."
        )
    ids = tuple(x.id for x in parts.corpus().labels)
    column = {label_id: j for j, label_id in enumerate(ids)}
    label_idx = np.full((len(asked), k), -1, dtype=np.int32)
    score = np.full((len(asked), k), -np.inf, dtype=np.float32)
    for i, document in enumerate(asked):
        known = [(column[x], value) for x, value in held[document.id] if x in column][:k]
        for j, (idx, value) in enumerate(known):
            label_idx[i, j], score[i, j] = idx, value
    return ids, asked, Scored(label_idx, score)
