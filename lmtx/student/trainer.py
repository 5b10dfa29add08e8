"""Training of a whole encoder through sentence-transformers: a copy learns, the original stays as it is."""

from __future__ import annotations

import copy
import json
import math
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmtx.encoder import SentenceEncoder
from lmtx.encoder.identity import BASE_FILE, base_of, prompt_of
from lmtx.errors import InputError, JobCancelled, NothingToDoError, StorageError
from lmtx.student.adapter import torch_threads
from lmtx.student.tower import Tower
from lmtx.types import FloatArray, Progress, no_progress

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from torch import nn

CHECKPOINT_S = 300.0
"""Seconds between two checkpoints; one is as large as three models."""

_LOSS_FILE = "loss.pt"
_STATE = "trainer_state.json"  # written last: a checkpoint without it was cut off


@dataclass(frozen=True)
class TrainerConfig:
    """How an encoder is trained.

    Attributes
    ----------
    epochs : int
        Passes over the dataset.
    max_steps : int or None
        At most this many steps, whatever the epochs.
    batch : int
        Rows a step.
    lr : float
        Highest learning rate of AdamW; it rises over the warm-up and then falls to zero linearly.
    warmup : int or float
        Below 1 a share of all steps, else a number of steps.
    weight_decay, eps : float
        Of AdamW.
    clip : float
        Largest norm of a gradient; 0 leaves it as it is.
    drop_last : bool
        Leave out the rows of an epoch that do not fill a batch, where there are more than a batch.
    max_length : int
        Tokens that training reads of a text. The saved model reads as many as the original.
    bf16 : bool or None
        Compute in bfloat16 by autocast; None: where it is faster (`lmtx.encoder.precision`).
    gradient_checkpointing : bool
        Compute activations again in the backward pass: less memory, a third more time.
    patience : int
        Stop after so many epochs in a row in which `evaluate` found nothing better.
    seed : int
    threads : int or None
        Torch threads; None leaves torch's setting alone.
    """

    epochs: int = 1
    max_steps: int | None = None
    batch: int = 64
    lr: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    eps: float = 1e-8
    clip: float = 1.0
    drop_last: bool = False
    max_length: int = 128
    bf16: bool | None = None
    gradient_checkpointing: bool = False
    patience: int = 2
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no training can use; they come from settings and the command line."""
        whole = {"epochs": 1, "batch": 1, "max_length": 8, "patience": 1, "seed": 0}
        whole |= {name: 1 for name in ("max_steps", "threads") if getattr(self, name) is not None}
        for name, least in whole.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"Training setting {name}: got {value!r}, expected {least} or more, whole.")
        for name in ("lr", "warmup", "weight_decay", "eps", "clip"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (name == "lr" and value == 0):
                least_said = "more than 0" if name == "lr" else "0 or more"
                raise InputError(f"Training setting {name}: got {value!r}, expected {least_said}.")
        for name in ("bf16", "gradient_checkpointing", "drop_last"):
            value = getattr(self, name)
            if not isinstance(value, bool) and not (name == "bf16" and value is None):
                raise InputError(f"Training setting {name}: got {value!r}, expected true or false.")


class Snapshot:
    """The model as it is in the middle of its training, for `evaluate`; encodes as `SentenceEncoder` does."""

    def __init__(self, model: SentenceTransformer, name: str, routed: bool) -> None:
        self.model, self._name, self._routed = model, name, routed

    def encode(self, texts: Sequence[str], *, role: Literal["document", "label"] = "document") -> FloatArray:
        """Vectors of texts, float32 (n_texts, dim), unit rows."""
        options: dict[str, Any] = {"show_progress_bar": False, "convert_to_tensor": True}
        if self._routed:
            encode = self.model.encode_query if role == "document" else self.model.encode_document
        else:
            encode = self.model.encode
            options["prompt"] = prompt_of(self._name, role)
        vectors = encode(list(texts), **options).float().cpu().numpy()
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def fit_encoder(
    encoder: SentenceEncoder,
    dataset: Dataset,
    loss: Callable[[SentenceTransformer], nn.Module],
    folder: Path,
    config: TrainerConfig,
    progress: Progress = no_progress,
    *,
    checkpoints: Path | None = None,
    evaluate: Callable[[Snapshot], float] | None = None,
    label_columns: Sequence[str] = (),
    batch_sampler: Any = None,
    message: str = "Training the encoder",
) -> Tower:
    """Train a copy of an encoder, and save it as a standard sentence-transformers model.

    Nothing is sent or fetched, and nobody but `progress` is told. Columns are encoded one after another: on
    a processor a short label must not be padded to the length of a document.

    Parameters
    ----------
    encoder : SentenceEncoder
        Its model is copied; it stays untouched. Also decides the device.
    dataset : datasets.Dataset
        Columns of texts in the order that the loss wants, and a column "label" of numbers where it wants
        one. A transform (`Dataset.set_transform`) may draw other texts in every epoch: let it draw by
        torch's generator, whose state the checkpoints keep.
    loss : callable
        Copy -> loss in the sense of sentence-transformers (`forward(sentence_features, labels)`).
    folder : Path
        Where the model is written; whole or not at all.
    config : TrainerConfig
    progress : callable
        Called after each step with (steps, all steps, message). Where it raises `JobCancelled`, a checkpoint
        is written and the error goes on.
    checkpoints : Path, optional
        Where training goes on if it was cut off, for the same dataset, loss and configuration: the caller
        names it after them. Removed when the model is saved. With it, a model that lies in `folder` already
        is taken as the end of an earlier call.
    evaluate : callable, optional
        Quality of a snapshot, more is better; called after each epoch. The best epoch is kept, and training
        stops after `patience` epochs without a better one.
    label_columns : sequence of str
        Columns that hold texts of labels; the others hold documents. For encoders with prompts or routes.
    batch_sampler : optional
        As in `SentenceTransformerTrainingArguments`: a value of `BatchSamplers`, or a callable.
    message : str
        Told to `progress`.

    Returns
    -------
    Tower

    Raises
    ------
    NothingToDoError
        If the dataset is empty.
    JobCancelled
        As `progress` raised it.
    StorageError
        If the folder can't be written.
    """
    if not len(dataset):
        raise NothingToDoError("Nothing to train an encoder on: the dataset is empty. Judge more documents.")
    if checkpoints is not None and folder.is_dir():
        return Tower(folder)
    with torch_threads(config.threads), quiet(), _work_folder(folder, checkpoints) as work:
        model = copy.deepcopy(encoder.model)
        own_length = model.max_seq_length
        limited = own_length is None or math.isfinite(own_length)  # static encoders read all of a text
        if limited:
            model.max_seq_length = min(config.max_length, own_length or config.max_length)
        run = _Run(encoder, model, config, work, keeps=checkpoints is not None)
        run.train(dataset, loss, progress, evaluate, label_columns, batch_sampler, message)
        if limited:
            model.max_seq_length = own_length
        _save(model, folder, base_of(encoder.name))
    if checkpoints is not None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return Tower(folder)


class _Run:
    """One training: arguments, callbacks, and the trainer of sentence-transformers."""

    def __init__(
        self,
        encoder: SentenceEncoder,
        model: SentenceTransformer,
        config: TrainerConfig,
        work: Path,
        keeps: bool,
    ) -> None:
        self.encoder, self.model, self.config, self.work, self.keeps = encoder, model, config, work, keeps
        self.routed = any(type(module).__name__ == "Router" for module in model)
        self.cancelled: JobCancelled | None = None

    def train(
        self,
        dataset: Dataset,
        loss: Callable[[SentenceTransformer], nn.Module],
        progress: Progress,
        evaluate: Callable[[Snapshot], float] | None,
        label_columns: Sequence[str],
        batch_sampler: Any,
        message: str,
    ) -> None:
        """Train the model in place; raises what `progress` raised."""
        from sentence_transformers.base.losses.merged_forward import column_merging_disabled
        from transformers import PrinterCallback

        columns = {c: "label" if c in label_columns else "document" for c in _text_columns(dataset)}
        trainer = _trainer_class()(
            model=self.model,
            args=self._arguments(columns, evaluate is not None, batch_sampler, len(dataset)),
            train_dataset=dataset,
            loss=loss,
            evaluator=None if evaluate is None else self._evaluator(evaluate),
            callbacks=self._callbacks(progress, message, evaluate is not None),
        )
        trainer.remove_callback(PrinterCallback)
        apart = column_merging_disabled() if self.encoder.device == "cpu" else nullcontext()
        with apart:
            trainer.train(resume_from_checkpoint=_last(self.work))
        if self.cancelled is not None:
            raise self.cancelled
        # What wraps the forward pass for autocast must not go with the model.
        original = self.model.__dict__.pop("_original_forward", None)
        if original is not None:
            self.model.__dict__.pop("forward", None)

    def _arguments(self, columns: dict[str, str], evaluates: bool, batch_sampler: Any, n_rows: int) -> Any:
        from sentence_transformers import SentenceTransformerTrainingArguments

        config, device = self.config, self.encoder.device
        prompts = {c: p for c, role in columns.items() if (p := self._prompt(role)) is not None}
        routes = {c: "query" if role == "document" else "document" for c, role in columns.items()}
        drop_last = config.drop_last and n_rows > config.batch
        steps = config.epochs * (n_rows // config.batch if drop_last else -(-n_rows // config.batch))
        options: dict[str, Any] = {} if batch_sampler is None else {"batch_sampler": batch_sampler}
        if evaluates:
            options |= {
                "eval_strategy": "epoch",
                "load_best_model_at_end": True,
                "metric_for_best_model": "eval_score",
                "greater_is_better": True,
            }
        return SentenceTransformerTrainingArguments(
            output_dir=str(self.work),
            num_train_epochs=config.epochs,
            max_steps=-1 if config.max_steps is None else min(config.max_steps, steps),
            per_device_train_batch_size=config.batch,
            learning_rate=config.lr,
            warmup_steps=config.warmup,
            weight_decay=config.weight_decay,
            adam_epsilon=config.eps,
            max_grad_norm=config.clip,
            dataloader_drop_last=drop_last,
            bf16=self._bf16(),
            activation_checkpointing=config.gradient_checkpointing,
            save_strategy="epoch" if evaluates or self.keeps else "no",
            save_total_limit=1,
            seed=config.seed,
            use_cpu=device == "cpu",
            prompts=prompts or None,
            router_mapping=routes if self.routed else None,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=device.startswith("cuda"),
            **options,
        )

    def _prompt(self, role: str) -> str | None:
        return None if self.routed else prompt_of(self.encoder.name, role)  # type: ignore[arg-type]

    def _bf16(self) -> bool:
        if self.config.bf16 is not None:
            return self.config.bf16
        import torch

        if self.encoder.device.startswith("cuda"):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        return self.encoder.device == "cpu" and self.encoder.precision == "bf16"

    def _evaluator(self, evaluate: Callable[[Snapshot], float]) -> Any:
        from sentence_transformers.base.evaluation import BaseEvaluator

        name, routed = self.encoder.name, self.routed

        class Evaluator(BaseEvaluator):
            def __call__(self, model: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
                return {"score": float(evaluate(Snapshot(model, name, routed)))}

        return Evaluator()

    def _callbacks(self, progress: Progress, message: str, evaluates: bool) -> list[Any]:
        from transformers import EarlyStoppingCallback, TrainerCallback

        run = self

        class Told(TrainerCallback):
            def __init__(self) -> None:
                self.saved = time.monotonic()

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                try:
                    progress(state.global_step, state.max_steps, message)
                except JobCancelled as stop:
                    run.cancelled = stop
                    control.should_training_stop = True
                    control.should_save = run.keeps
                if run.keeps and time.monotonic() - self.saved > CHECKPOINT_S:
                    control.should_save = True

            def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if run.cancelled is not None:  # no epoch has ended: nothing to measure or to keep
                    control.should_evaluate = control.should_save = False

            def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                self.saved = time.monotonic()

        early = [EarlyStoppingCallback(self.config.patience)] if evaluates else []
        return [Told(), *early]


def _trainer_class() -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainer

    class Trainer(SentenceTransformerTrainer):
        """Without a model card: making one encodes examples and may ask the hub."""

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            pass

        def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
            target = output_dir or self.args.output_dir
            os.makedirs(target, exist_ok=True)
            self.model.save(target, create_model_card=False)
            own = _own_weights(self.loss)
            if own:
                torch.save(own, Path(target) / _LOSS_FILE)

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            super()._load_from_checkpoint(checkpoint_path)
            kept = Path(checkpoint_path) / _LOSS_FILE
            if kept.is_file():
                self.loss.load_state_dict(torch.load(kept, weights_only=True), strict=False)

    return Trainer


def _own_weights(loss: nn.Module) -> dict[str, Any]:
    """Weights that a loss has beside the model's, such as what predicts words."""
    return {k: v for k, v in loss.state_dict().items() if not k.startswith("model.")}


def _text_columns(dataset: Dataset) -> list[str]:
    return [c for c in dataset.column_names if c not in ("label", "labels", "score", "scores")]


def _last(work: Path) -> str | None:
    """Newest whole checkpoint; those that were cut off are removed."""
    found = []
    for path in work.glob("checkpoint-*"):
        if (path / _STATE).is_file():
            found.append(path)
        else:
            shutil.rmtree(path, ignore_errors=True)
    return str(max(found, key=lambda p: int(p.name.rpartition("-")[2]))) if found else None


@contextmanager
def _work_folder(folder: Path, checkpoints: Path | None) -> Iterator[Path]:
    try:
        if checkpoints is not None:
            checkpoints.mkdir(parents=True, exist_ok=True)
            yield checkpoints
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
            yield Path(name)
    except OSError as error:
        raise StorageError(
            f"{folder}: a training can't be written there ({error}). Check space and rights, and train again."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars of the libraries, and how they call each other, out of logs and terminals."""
    from datasets.utils import logging as datasets_logging
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled(), datasets_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    datasets_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
            yield
    finally:
        if shown[0]:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
        if shown[1]:
            datasets_logging.enable_progress_bar()


def _save(model: SentenceTransformer, folder: Path, base: str) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)
    part.mkdir(parents=True)
    model.save(str(part), create_model_card=False)
    # What it was trained with, it must be read with: the prompts of a family hang on its name.
    (part / BASE_FILE).write_text(json.dumps({"encoder": base}), encoding="utf-8")
    part.rename(folder)


__all__ = ["Snapshot", "TrainerConfig", "fit_encoder"]
