"""What takes a while to compute, kept until something changes: quality of systems and runs, costs.

Where it is quick, a screen computes it at once; else jobs or a thread do, and the screen shows what
there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from app import services
from app.measures import with_intervals
from lmtx.errors import LmtxError
from lmtx.types import Run
from lmtx.workspace import Status, TeachPreview, Workspace

if TYPE_CHECKING:
    from lmtx.journal import TeacherRow
    from lmtx.teacher.discovery import ConnectionReport, FoundServer

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
        workspace.settings.consented_hosts,
        workspace.settings.encoder,
    )
    return (str(workspace.folder), *arguments, *version)


def previewed(
    workspace: Workspace,
    teacher: str,
    top_k: int | None,
    limit_docs: int | None,
    rounds: int | None = None,
    only_changed: bool = False,
) -> bool:
    """Whether `teach_preview` answers at once."""
    return _preview_key(workspace, teacher, top_k, limit_docs, rounds, only_changed) in _previews()


def teach_preview(
    workspace: Workspace,
    teacher: str,
    top_k: int | None,
    limit_docs: int | None,
    rounds: int | None = None,
    only_changed: bool = False,
) -> TeachPreview:
    """Say what asking a teacher would cost; kept until something changes."""
    key = _preview_key(workspace, teacher, top_k, limit_docs, rounds, only_changed)
    if key not in _previews():
        found = workspace.teach_preview(teacher, top_k, limit_docs, rounds=rounds, only_changed=only_changed)
        if found.estimate is None:  # what is missing may be there a moment later
            return found
        _keep(_previews(), key, found)
    return _previews()[key]


# ---- teachers -----------------------------------------------------------------------------------


def find_servers() -> list[FoundServer]:
    """Look for servers of language models on this machine."""
    from lmtx.teacher.discovery import find_servers

    return find_servers()


@st.cache_data(ttl=20, show_spinner=False)
def models_at(base_url: str) -> list[str]:
    """List the models of a server on this machine; none where it does not say, or is another machine."""
    from lmtx.teacher.address import Address
    from lmtx.teacher.discovery import find_servers

    try:
        address = Address.of(base_url)
        port = urlsplit(address.url).port
    except (LmtxError, ValueError):
        return []
    if address.host or port is None:
        return []
    return [model for server in find_servers(0.3, [port]) for model in server.models]


def try_connection(workspace: Workspace, teacher: str) -> ConnectionReport:
    """Ask a teacher about one made-up pair; what goes wrong is in the report."""
    from lmtx.teacher import TeacherContext, load_teacher
    from lmtx.teacher.discovery import ConnectionReport, try_connection

    try:
        return try_connection(load_teacher(teacher, TeacherContext(prompts=workspace.folder / "prompts")))
    except LmtxError as error:
        return ConnectionReport(False, problem=str(error))


def n_changed(workspace: Workspace, teacher: str) -> int:
    """Count the pairs that a teacher judged under other texts than today's; kept until something changes."""
    row = next((t for t in workspace.journal.teachers() if t.spec == teacher and t.n_judgments), None)
    if row is None:
        return 0
    key = _preview_key(workspace, "changed", row.key)
    if key not in _changed():
        _keep(_changed(), key, len(workspace.journal.stale_pairs(row.key)))
    return _changed()[key]


@st.cache_resource(show_spinner=False)
def _changed() -> dict[K, int]:
    """Return numbers of pairs judged under other texts, by teacher and state."""
    return {}


@dataclass(frozen=True)
class Spent:
    """What a job has judged so far, and how quick it is.

    whole : whether it counts from the job's start; else over all that its teacher ever judged
    rate : pairs a second lately, None until it is known
    """

    n: int
    n_yes: int
    n_unparsed: int
    tokens: int
    tokens_out: int
    cost: float
    is_llm: bool
    whole: bool
    rate: float | None


@st.cache_resource(show_spinner=False)
def _before() -> dict[str, tuple[float, ...]]:
    """Return what had been judged before a job started, by job."""
    return {}


@st.cache_resource(show_spinner=False)
def _lately() -> dict[str, list[tuple[float, int]]]:
    """Return when how many pairs were judged, over the last half minute, by job."""
    return {}


def _sums(rows: Sequence[TeacherRow]) -> tuple[float, ...]:
    every = [(r.n_judgments, r.n_yes, r.n_unparsed, r.tokens, r.tokens_out, r.cost) for r in rows]
    return tuple(sum(column) for column in zip(*every, strict=True)) or (0.0,) * 6


def note_spent(workspace: Workspace, job_id: str) -> None:
    """Remember what had been judged when a job starts."""
    _before()[job_id] = _sums(workspace.journal.teachers())


def spent(workspace: Workspace, job_id: str) -> Spent | None:
    """What a job has judged so far; None before any teacher is known. One job judges at a time."""
    rows = workspace.journal.teachers()
    if not rows:
        return None
    before = _before().get(job_id)
    now = _sums(rows if before is not None else rows[-1:])
    found = [a - b for a, b in zip(now, before or (0.0,) * 6, strict=True)]
    seen, moment = _lately().setdefault(job_id, []), time.monotonic()
    seen.append((moment, int(found[0])))
    del seen[: next(i for i, (at, _) in enumerate(seen) if moment - at <= 30)]
    passed, n = moment - seen[0][0], seen[-1][1] - seen[0][1]
    judged, yes, unparsed, tokens, written = (int(x) for x in found[:5])
    return Spent(
        judged,
        yes,
        unparsed,
        tokens,
        written,
        cost=found[5],
        is_llm=bool(rows[-1].details.get("is_llm")),
        whole=before is not None,
        rate=n / passed if passed >= 2 and n > 0 else None,
    )


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
        if workspace.read_only:
            _measure_behind(workspace, key, system)
            return None
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


def _measure_behind(workspace: Workspace, key: K, system: str) -> None:
    """Measure in a thread, where no job may be started."""
    name = f"{workspace.folder} {system}"
    if name in _busy():
        return
    _busy().add(name)

    def work() -> None:
        try:
            ranking = workspace.evaluate(system=system)
            _keep(_measurements(), key, Measured(with_intervals(workspace.label_quality(system)), ranking))
        except LmtxError:
            return  # asked for again, it is tried again
        finally:
            _busy().discard(name)

    threading.Thread(target=work, name="lmtx-measure", daemon=True).start()


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
        if done is None and status.counts.get("gold_test", 0) > QUICK_TO_MEASURE:
            done = workspace.ranked_quality(run_id)  # where the documents are ranked already
        if done is not None:
            _keep(_rankings(), key, done)
        elif now and status.counts.get("gold_test", 0) <= QUICK_TO_MEASURE:
            _keep(_rankings(), key, workspace.evaluate(system=run_id))
    return _rankings().get(key)


def measure_soon(workspace: Workspace, status: Status, runs: Sequence[Run]) -> None:
    """Measure the newest runs in the background; screens show them from then on."""
    folder = str(workspace.folder)
    readable = [run for run in runs[:NEWEST_RUNS] if workspace.reads_with(run)]
    wanted = [r.id for r in readable if ranking_of(workspace, status, r.id, now=False) is None]
    if not wanted or not status.has_gold or folder in _busy():
        return
    if status.counts.get("gold_test", 0) > QUICK_TO_MEASURE:
        if workspace.read_only:  # many: what was measured before is shown, and no more
            return
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
        if job.verb == "switch_encoder" and run_id == "zero-shot":  # what came before was another encoder
            return None
        if job.verb == "evaluate" and job.params.get("system") == run_id:
            if job.state == "done" and isinstance(job.result, dict):
                return job.result
            if job.active:
                return None
    return None


def _gold_key(workspace: Workspace, status: Status) -> K:
    head = tuple(sorted(workspace.journal.head().items()))
    return (str(workspace.folder), status.counts.get("gold_test"), head, workspace.settings.encoder)
