"""Systems that this one is compared with, rebuilt from their papers.

MACLR and RTS pre-train an encoder on texts and label names, without a verdict. Importing this package needs
neither torch nor sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError
from lmtx.student.tower import Tower
from lmtx.types import CorpusView, Document, Label, Progress, no_progress

PUBLISHED, SMALL = "published", "small"
"""Sizes of a pre-training: as in the paper, or what ends within minutes on a processor."""

Pretrain = Callable[
    [SentenceEncoder, Sequence[Document], Sequence[Label], Path, Mapping[str, object], Progress, Path | None],
    Tower,
]
"""(encoder, training documents, labels, folder, settings, progress, checkpoints) -> tower."""


def train_documents(view: CorpusView) -> list[Document]:
    """Return the documents that a baseline may read: those of role train."""
    return [view.documents[int(i)] for i in view.rows("train")]


def _maclr(
    encoder: SentenceEncoder,
    documents: Sequence[Document],
    labels: Sequence[Label],
    folder: Path,
    settings: Mapping[str, object],
    progress: Progress = no_progress,
    checkpoints: Path | None = None,
) -> Tower:
    from lmtx.baselines.maclr import MaclrConfig, maclr

    config = _configured("maclr", MaclrConfig, settings)
    return maclr(encoder, documents, labels, folder, config, progress, checkpoints=checkpoints)


def _rts(
    encoder: SentenceEncoder,
    documents: Sequence[Document],
    labels: Sequence[Label],
    folder: Path,
    settings: Mapping[str, object],
    progress: Progress = no_progress,
    checkpoints: Path | None = None,
) -> Tower:
    from lmtx.baselines.rts import RtsConfig, rts

    config = _configured("rts", RtsConfig, settings)
    return rts(encoder, documents, labels, folder, config, progress, checkpoints=checkpoints)


def _configured(kind: str, config: Any, settings: Mapping[str, object]) -> Any:
    """Return the configuration of a size, "small" unless `size` says else, with other fields changed."""
    values = dict(settings)
    size = values.pop("size", SMALL)
    if size not in (SMALL, PUBLISHED):
        raise InputError(f"{kind} setting size: got {size!r}, expected {SMALL!r} or {PUBLISHED!r}.")
    known = {field.name for field in fields(config)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"{kind} has no setting {unknown[0]!r}. Its settings: size, {', '.join(sorted(known))}."
        )
    return replace(config.small() if size == SMALL else config(), **values)


BASELINES: dict[str, Pretrain] = {"maclr": _maclr, "rts": _rts}
"""Kinds of student that learn from texts and label names alone. A setting `size` takes the published size."""

__all__ = ["BASELINES", "PUBLISHED", "SMALL", "Pretrain", "train_documents"]
