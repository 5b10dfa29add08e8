"""Training, and the cycle of asking and training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lmtx.errors import InputError
from lmtx.jobs import spare_cores
from lmtx.types import Progress, Run
from lmtx.workspace import importing, measuring, predicted, tagging
from lmtx.workspace.parts import Parts
from lmtx.workspace.teaching import EVIDENCE, inputs, needs, ready

if TYPE_CHECKING:
    from lmtx.cycle import CycleReport


@contextmanager
def _modest() -> Iterator[None]:
    """Leave a core to the app: small matrices gain nothing from the last one, and waiting for it burns it."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(spare_cores()):
        yield


def train(parts: Parts, progress: Progress, student: str, config: dict[str, Any]) -> Run:
    """See `Workspace.train`."""
    from lmtx.cycle import train_once

    parts.must_write("A training")
    needs(parts.corpus())
    with _modest():
        return train_once(inputs(parts), progress, kind=student, **config)


def cycle(
    parts: Parts,
    teacher: str | None,
    rounds: int | None,
    limit_docs: int | None,
    seed: int | None,
    *,
    budget: Mapping[str, float | None] | None,
    student: str = "adapter",
    settings: Mapping[str, Any] | None = None,
    progress: Progress,
) -> CycleReport:
    """See `Workspace.cycle`."""
    from lmtx.cycle import run_cycle
    from lmtx.teacher import Budget

    parts.must_write("A cycle")
    needs(parts.corpus())
    limits = Budget.of(budget)
    loaded = ready(parts, teacher, progress)
    with _modest():
        return run_cycle(
            inputs(parts),
            loaded,
            rounds=rounds or parts.settings.rounds,
            limit_docs=limit_docs,
            seed=seed,
            progress=progress,
            budget=limits,
            kind=student,
            **(settings or {}),
        )


def promote(parts: Parts, run_id: str) -> None:
    """See `Workspace.promote`."""
    run = parts.journal.run(run_id)
    predicted.refuse(run)
    if not tagging.reads_with(parts, run):
        raise InputError(
            f"Run {run_id} was trained with another encoder than {parts.settings.encoder!r}, the one in use. "
            "Switch to its encoder, on the Train page or with `lmtx switch-encoder`: that trains a new run."
        )
    parts.journal.promote(run_id)


def demo(parts: Parts, progress: Progress) -> dict[str, float]:
    """See `Workspace.demo`."""
    importing.import_demo(parts, progress)
    parts.embed_all(progress)
    if parts.journal.promoted() is None:
        cycle(parts, EVIDENCE, 1, None, None, budget=None, progress=progress)
    return measuring.evaluate(parts, "test", "tagger", None, progress)
