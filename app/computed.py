"""What takes a while to compute, kept until something changes: quality of systems and runs, costs.

Where it is quick, a screen computes it at once; else jobs or a thread do, and the screen shows what
there is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
import streamlit as st

from app import services
from app.measures import with_intervals
from lmtx.errors import LmtxError
from lmtx.types import Run
from lmtx.workspace import Status, TeachPreview, Workspace

K = tuple[object, ...]
V = TypeVar("V")
MOST_KEPT = 60
"""Values of each kind kept in memory."""
QUICK_TO_MEASURE = 1500
"""Test documents up to which a screen measures at once."""
NEWEST_RUNS = 8
"""Runs that are measured so that their course can be drawn."""


@dataclass(frozen=True)
class Measured:
    """Figures of a system against gold: of each label with intervals, and of the rankings."""

    labels: pd.DataFrame
    ranking: Mapping[str, float]


@st.cache_resource(show_spinner=False)
def _measurements() -> dict[K, Measured | tuple[str, str]]:
    """Return what was measured, or the two jobs that measure it, by system and state."""
    return {}


@st.cache_resource(show_spinner=False)
def _rankings() -> dict[K, Mapping[str, float]]:
    """Return ranking metrics against gold, by run and state."""
    return {}


@st.cache_resource(show_spinner=False)
def _busy() -> set[str]:
    """Return the folders whose runs are being measured now."""
    return set()


@st.cache_resource(show_spinner=False)
def _previews() -> dict[tuple[object, ...], TeachPreview]:
    """Return what teachers would cost, by what was asked and what is known."""
    return {}


def _preview_key(workspace: Workspace, *arguments: object) -> tuple[object, ...]:
    counts, promoted = workspace.journal.counts(), workspace.journal.promoted()
    version = (
        counts.get("judgments"),
        promoted and promoted.id,
        tuple(sorted(workspace.journal.head().items())),
    )
    return (str(workspace.folder), *arguments, *version)


def previewed(workspace: Workspace, teacher: str, top_k: int, limit_docs: int | None) -> bool:
    """Whether `teach_preview` answers at once."""
    return _preview_key(workspace, teacher, top_k, limit_docs) in _previews()


def teach_preview(workspace: Workspace, teacher: str, top_k: int, limit_docs: int | None) -> TeachPreview:
    """Say what asking a teacher would cost; kept until something changes."""
    key = _preview_key(workspace, teacher, top_k, limit_docs)
    if key not in _previews():
        _keep(_previews(), key, workspace.teach_preview(teacher, top_k, limit_docs))
    return _previews()[key]


def _keep(kept: dict[tuple[object, ...], V], key: tuple[object, ...], value: V) -> None:
    """Keep a value, and forget the oldest of many."""
    kept[key] = value
    for old in list(kept)[:-MOST_KEPT]:
        kept.pop(old, None)


def measure(workspace: Workspace, status: Status, system: str) -> Measured | None:
    """Measure a system against gold: here where that is quick, else by jobs.

    Returns
    -------
    Measured or None
        None while the jobs run.

    Raises
    ------
    LmtxError
        If the system can't be measured.
    """
    key = (system, status.run_id, *_gold_key(workspace, status))
    kept = _measurements().get(key)
    if isinstance(kept, Measured):
        return kept
    if kept is None and status.counts.get("gold_test", 0) > QUICK_TO_MEASURE:
        params = {"system": system}
        kept = (
            services.start(workspace, "label_quality", params),
            services.start(workspace, "evaluate", params),
        )
        _measurements()[key] = kept
    if kept is None:
        ranking: Mapping[str, float] = workspace.evaluate(system=system)
    else:
        jobs = [workspace.job(job_id) for job_id in kept]
        if any(job.active for job in jobs):
            return None
        failed = next((job for job in jobs if job.state != "done"), None)
        if failed is not None:
            del _measurements()[key]
            raise LmtxError(failed.error or "Measuring was stopped. Open this screen again to measure.")
        ranking = dict(jobs[1].result or {})
    found = Measured(with_intervals(workspace.label_quality(system)), ranking)
    _keep(_measurements(), key, found)
    return found


def ranking_of(workspace: Workspace, status: Status, run_id: str, *, now: bool) -> Mapping[str, float] | None:
    """Return a run's ranking metrics against gold, None where there is no gold or they are not known yet.

    Parameters
    ----------
    workspace, status : Workspace, Status
        Whose run.
    run_id : str
        The run.
    now : bool
        Whether to measure it here, where that is quick.
    """
    if not status.has_gold:
        return None
    key = (run_id, *_gold_key(workspace, status))
    if key not in _rankings():
        done = _evaluated(workspace, run_id)
        if done is not None:
            _keep(_rankings(), key, done)
        elif now and status.counts.get("gold_test", 0) <= QUICK_TO_MEASURE:
            _keep(_rankings(), key, workspace.evaluate(system=run_id))
    return _rankings().get(key)


def measure_soon(workspace: Workspace, status: Status, runs: Sequence[Run]) -> None:
    """Measure the newest runs in the background; screens show them from then on."""
    folder = str(workspace.folder)
    wanted = [r.id for r in runs[:NEWEST_RUNS] if ranking_of(workspace, status, r.id, now=False) is None]
    if not wanted or not status.has_gold or folder in _busy():
        return
    if status.counts.get("gold_test", 0) > QUICK_TO_MEASURE:
        services.start(workspace, "evaluate", {"system": wanted[0]})  # the others when this is done
        return
    _busy().add(folder)

    def work() -> None:
        try:
            for run_id in wanted:
                ranking_of(workspace, status, run_id, now=True)
        except LmtxError:
            return  # the screen that asks for this run says why
        finally:
            _busy().discard(folder)

    threading.Thread(target=work, name="lmtx-measure", daemon=True).start()


def _evaluated(workspace: Workspace, run_id: str) -> Mapping[str, float] | None:
    for job in workspace.jobs(100):
        if job.verb == "evaluate" and job.params.get("system") == run_id:
            if job.state == "done" and isinstance(job.result, dict):
                return job.result
            if job.active:
                return None
    return None


def _gold_key(workspace: Workspace, status: Status) -> K:
    head = tuple(sorted(workspace.journal.head().items()))
    return (str(workspace.folder), status.counts.get("gold_test"), head)
