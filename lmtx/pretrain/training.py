"""Pre-training: draws of documents, the weighted sum of objectives, losses on record.

Runs through `lmtx.student.trainer.fit_encoder`, as every training of an encoder does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.baselines.segments import passes
from lmtx.encoder import SentenceEncoder
from lmtx.encoder.assembly import EncoderSpec
from lmtx.errors import InputError, NothingToDoError
from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives import check_objectives
from lmtx.student.tower import Tower
from lmtx.student.trainer import TrainerConfig, fit_encoder
from lmtx.types import Progress, content_hash, no_progress

if TYPE_CHECKING:
    from torch import Tensor, nn

MESSAGE = "Pre-training"
TOTAL = "total"
"""The weighted sum, among the losses on record."""


@dataclass(frozen=True)
class PretrainConfig(TrainerConfig):
    """How an encoder is pre-trained; what is not named here is in `TrainerConfig`.

    Attributes
    ----------
    max_documents : int or None
        Documents to read, drawn by the seed; None takes all.
    teacher : str or None
        Encoder that "distillation" learns from; None: the workspace's.
    """

    batch: int = 32
    max_length: int = 96
    max_documents: int | None = None
    teacher: str | None = None


def pretrain_config(spec: EncoderSpec, steps: int, **changes: Any) -> PretrainConfig:
    """Return a configuration for an encoder: what starts from random weights learns in larger steps.

    Raises
    ------
    InputError
        If there is no such setting, or its value can't be used.
    """
    known = {field.name for field in fields(PretrainConfig)} - {"epochs", "max_steps", "patience"}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise InputError(
            f"A pre-training has no setting {unknown[0]!r}. Its settings: {', '.join(sorted(known))}."
        )
    lr = 3e-5 if spec.encoder == "pretrained" else 1e-3
    return PretrainConfig(**{"lr": lr, **changes, "epochs": 1, "max_steps": max(1, steps)})


@dataclass(frozen=True)
class Pretrained:
    """What came of a pre-training.

    Attributes
    ----------
    tower : Tower
    first, last : dict of str to float
        Mean loss by objective, and of the weighted sum ("total"), over the first and the last tenth.
    seconds, cpu_seconds : float
        Of this call; a training that was cut off had others before.
    """

    tower: Tower
    first: dict[str, float]
    last: dict[str, float]
    seconds: float
    cpu_seconds: float


def pretrain(
    encoder: SentenceEncoder,
    corpus: Corpus,
    weights: Mapping[str, float],
    folder: Path,
    config: PretrainConfig,
    progress: Progress = no_progress,
    *,
    checkpoints: Path | None = None,
    losses: Path | None = None,
) -> Pretrained:
    """Train a copy of an encoder by objectives, and save it.

    Parameters
    ----------
    encoder : SentenceEncoder
        Assembled, or any other; stays as it is.
    corpus : Corpus
    weights : mapping of str to float
        Objective -> weight.
    folder : Path
        Where the model is written; whole or not at all.
    config : PretrainConfig
        `max_steps` steps are trained.
    progress : callable
        Called with (step, steps, "Pre-training: mlm 6.120, simcse 0.310"); may raise `JobCancelled`.
    checkpoints : Path, optional
        As for `fit_encoder`: where the same pre-training goes on.
    losses : Path, optional
        Lines of JSON with the losses of each step; read them with `read_losses`.

    Raises
    ------
    InputError
        If an objective does not exist or does not fit the encoder.
    NothingToDoError
        If there are no two documents.
    """
    from datasets import Dataset

    from lmtx.baselines.losses import in_order

    weights = check_objectives(weights)
    if len(corpus.texts) < 2:
        raise NothingToDoError(
            f"{len(corpus.texts)} training documents; expected 2 at least. Import documents first."
        )
    steps = int(config.max_steps or 1)
    draws = steps * config.batch
    items = passes(len(corpus.texts), draws, np.random.default_rng([config.seed, 0]))
    made: list[Mixed] = []

    def loss(model: Any) -> nn.Module:
        made.append(mixed(model, corpus, weights, items, config, _prompt(encoder)))
        return made[-1]

    record = _Record(losses)

    def told(step: int, total: int, _: str) -> None:
        said = made[-1].said()
        record.add(step, said)
        shown = ", ".join(f"{name} {value:.3f}" for name, value in said.items() if name != TOTAL)
        progress(step, total, f"{MESSAGE}: {shown}")

    started, cpu = time.perf_counter(), time.process_time()
    # The trainer wants texts; what is read is drawn by the objectives, from the number of the draw.
    dataset = Dataset.from_dict({"text": ["."] * draws, "label": np.arange(draws)})
    try:
        tower = fit_encoder(
            encoder, dataset, loss, folder, config, told, checkpoints=checkpoints, batch_sampler=in_order
        )
    finally:
        record.close()
    first, last = record.ends()
    return Pretrained(tower, first, last, time.perf_counter() - started, time.process_time() - cpu)


def mixed(
    model: Any,
    corpus: Corpus,
    weights: Mapping[str, float],
    items: Any,
    config: PretrainConfig,
    prompt: str | None = None,
) -> Mixed:
    """Return the loss that trains a model by objectives; see `Mixed`."""
    import torch

    from lmtx.pretrain.objectives import objective
    from lmtx.pretrain.reader import Reader

    reader = Reader(model, config.max_length, prompt)
    parts = {}
    for name in weights:
        with torch.random.fork_rng(devices=[]):  # the same weights, whatever other objectives there are
            torch.manual_seed(config.seed + _number(name))
            parts[name] = objective(name)(reader, corpus)
    return _mixed_class()(model, parts, weights, items, config.batch, config.seed)  # type: ignore[no-any-return]


if TYPE_CHECKING:

    class Mixed(nn.Module):
        """The weighted sum of objectives; see `_mixed_class`."""

        def said(self) -> dict[str, float]:
            """Losses of the last batch by objective, unweighted, and their weighted sum "total"."""

        def of(self, rows: Any, step: int) -> dict[str, Tensor]:
            """Return the losses of documents by objective, unweighted, as the step draws them."""


def _mixed_class() -> Any:
    """The loss as a module; made here, so that importing this needs no torch."""
    import torch
    from torch import nn

    class Mixed(nn.Module):
        """Sum of weight times loss over objectives, which all read the same documents."""

        def __init__(
            self, model: Any, parts: Any, weights: Mapping[str, float], items: Any, batch: int, seed: int
        ) -> None:
            super().__init__()
            self.model, self.parts = model, nn.ModuleDict(parts)
            self.weights, self.items, self.batch, self.seed = dict(weights), items, batch, seed
            self._said: dict[str, Tensor] = {}

        def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
            """Weighted sum for a batch; `labels` are numbers of draws."""
            del sentence_features
            draws = labels.cpu().numpy()
            with torch.autocast(labels.device.type, enabled=False):
                found = self.of(self.items[draws], int(draws.min()) // self.batch)
            total = torch.stack([self.weights[name] * value for name, value in found.items()]).sum()
            self._said = {**found, TOTAL: total}
            return total

        def of(self, rows: Any, step: int) -> dict[str, Tensor]:
            """Losses by objective."""
            return {
                # A generator of its own: what is drawn does not hang on which others there are.
                name: part(rows, np.random.default_rng([self.seed, step, _number(name)]))
                for name, part in self.parts.items()
            }

        def said(self) -> dict[str, float]:
            """Losses of the last batch."""
            return {name: float(value.detach()) for name, value in self._said.items()}

    return Mixed


def _number(name: str) -> int:
    return int(content_hash(name)[:8], 16)


def _prompt(encoder: SentenceEncoder) -> str | None:
    from lmtx.encoder.identity import prompt_of

    return prompt_of(encoder.name, "document")


class _Record:
    """Losses by step, on disk as they come; a step that is done again replaces what was said of it."""

    def __init__(self, path: Path | None) -> None:
        self.steps: dict[int, dict[str, float]] = {} if path is None else _read(path)
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)

    def add(self, step: int, losses: dict[str, float]) -> None:
        self.steps[step] = losses
        if self._file is not None:
            said = {k: round(v, 5) for k, v in losses.items()}
            self._file.write(json.dumps({"step": step, "losses": said}) + "\n")

    def ends(self) -> tuple[dict[str, float], dict[str, float]]:
        order = sorted(self.steps)
        tenth = max(1, len(order) // 10)
        return self._mean(order[:tenth]), self._mean(order[-tenth:] if order else [])

    def _mean(self, steps: list[int]) -> dict[str, float]:
        names = self.steps[steps[0]] if steps else {}
        return {n: round(float(np.mean([self.steps[s].get(n, np.nan) for s in steps])), 5) for n in names}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _read(path: Path) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            found[int(entry["step"])] = entry["losses"]
        except (ValueError, KeyError, TypeError):  # the last line of a process that was killed
            continue
    return found


def read_losses(path: Path) -> dict[int, dict[str, float]]:
    """Return the losses of a pre-training: step -> objective -> loss, in the order of steps."""
    found = _read(path)
    return {step: found[step] for step in sorted(found)}


__all__ = [
    "PretrainConfig",
    "Pretrained",
    "mixed",
    "pretrain",
    "pretrain_config",
    "read_losses",
]
