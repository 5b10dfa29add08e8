"""The kinds of student there are, and their settings. Imports neither torch nor sentence-transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from lmtx.errors import InputError
from lmtx.student.adapter import AdapterConfig
from lmtx.student.trainer import TrainerConfig

StudentKind = Literal["adapter", "finetune", "official", "maclr", "rts"]

KINDS: tuple[StudentKind, ...] = get_args(StudentKind)

WITHOUT_VERDICTS: tuple[StudentKind, ...] = ("maclr", "rts")
"""Kinds that learn from texts and label names alone."""

Loss = Literal["infonce", "bce", "listwise", "margin_mse", "triplet", "triplet_all"]


@dataclass(frozen=True)
class FinetuneConfig(TrainerConfig):
    """How a student is fine-tuned.

    What is not named here is in `TrainerConfig`.

    Attributes
    ----------
    loss : str
        A name of `lmtx.student.losses.LOSSES`.
    label_length : int
        Tokens that training reads of a label.
    adapter_on_top : bool
        Train an adapter on the vectors of the fine-tuned encoder.
    early_stopping : bool
        Keep the best epoch by the held-out judged documents, where there are enough.
    decision_weight : float
        How much a person's decision weighs against a judgment.
    """

    epochs: int = 2
    batch: int = 32
    lr: float = 1e-4
    loss: Loss = "infonce"
    label_length: int = 32
    adapter_on_top: bool = True
    early_stopping: bool = True
    decision_weight: float = 3.0

    def __post_init__(self) -> None:
        """Refuse values that no training can use."""
        super().__post_init__()
        if self.loss not in get_args(Loss):
            raise InputError(
                f"Training setting loss: got {self.loss!r}, expected one of {', '.join(get_args(Loss))}."
            )
        for name in ("adapter_on_top", "early_stopping"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"Training setting {name}: got {getattr(self, name)!r}, expected true or false."
                )
        AdapterConfig(decision_weight=self.decision_weight)  # the same bounds


OFFICIAL: Mapping[str, object] = {
    "loss": "triplet",
    "epochs": 1,
    "lr": 2e-4,
    "batch": 128,
    "warmup": 100,
    "weight_decay": 0.0,
    "eps": 1e-6,
    "clip": 0.0,
    "drop_last": True,
    "max_length": 430,
    "gradient_checkpointing": True,
    "adapter_on_top": False,
    "early_stopping": False,
    "decision_weight": 1.0,
}
"""What differs from `FinetuneConfig` in the published procedure (github.com/xmc-aalto/LMTX, train.sh and
src/train_biencoder.py). Gradient checkpointing changes no result; a batch of 128 needs the memory.

Faults can be mended one by one: warmup=0.1 (a share of the steps, as few documents never make a hundred),
loss=triplet_all (all wanted labels), early_stopping=true (on documents that were held out).
"""


def check_kind(kind: str) -> StudentKind:
    """Return the kind, or raise `InputError`."""
    if kind not in KINDS:
        raise InputError(f"Student {kind!r} does not exist. Known: {', '.join(KINDS)}.")
    return kind


def finetune_config(kind: StudentKind, seed: int, threads: int | None, **changes: Any) -> FinetuneConfig:
    """Return the configuration of a fine-tuned student, with other values changed.

    Raises
    ------
    InputError
        If there is no such setting, or its value can't be used.
    """
    check_settings(kind, changes)
    start: Mapping[str, Any] = OFFICIAL if kind == "official" else {}
    return FinetuneConfig(**{"seed": seed, "threads": threads, **start, **changes})


def check_settings(kind: StudentKind, settings: Mapping[str, object]) -> None:
    """Raise `InputError` where a kind that learns from verdicts has no setting of that name."""
    unknown = sorted(set(settings) - set(setting_names(kind)))
    if unknown:
        raise InputError(
            f"Student {kind!r} has no setting {unknown[0]!r}. Its settings: {', '.join(setting_names(kind))}."
        )


def setting_names(kind: StudentKind) -> list[str]:
    """Names of the settings of a kind that learns from verdicts."""
    return [field.name for field in fields(AdapterConfig if kind == "adapter" else FinetuneConfig)]


__all__ = [
    "KINDS",
    "OFFICIAL",
    "WITHOUT_VERDICTS",
    "FinetuneConfig",
    "Loss",
    "StudentKind",
    "check_kind",
    "check_settings",
    "finetune_config",
    "setting_names",
]
