"""Long work as people see it: what runs, how far it is, how long it takes, and a way to stop."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from app import services, state
from app.widgets import errors, words
from app.widgets.inert import escape
from lmtx.jobs import Job
from lmtx.workspace import Workspace

NAMES = {
    "import_corpus": "Import documents",
    "import_labels": "Import labels",
    "import_decisions": "Import decisions",
    "embed": "Encode",
    "teach": "Ask the teacher",
    "train": "Train",
    "icxml": "Ask by ICXML",
    "cycle": "Teach and train",
    "judge_audited": "Ask the teacher about audited documents",
    "evaluate": "Measure",
    "compare": "Rank for the comparison",
    "label_quality": "Measure the labels",
    "export": "Export",
    "draw_map": "Draw the map",
    "report": "Write the report",
    "pretrain": "Pre-train an encoder",
    "switch_encoder": "Switch the encoder",
    "compare_encoders": "Compare encoders",
    "demo": "Load the demo",
    "trial": "Try the teacher",
    "check_positions": "Check the positions",
    "calibrate": "Calibrate by decisions",
    "export_requests": "Write requests",
    "import_verdicts": "Import verdicts",
    "try_definition": "Try a definition",
}
STATES = {
    "queued": "waiting to start",
    "done": "done",
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "interrupted",
}


def watch(workspace: Workspace) -> None:
    """Show running jobs at the foot of the side, and rerun the screen when one ends."""
    active = services.active_jobs(workspace)
    ids = frozenset(job.id for job in active)
    if state.ACTIVE_JOBS.get() - ids:
        services.after(workspace)
    state.ACTIVE_JOBS.set(ids)

    def look() -> None:
        running = services.active_jobs(workspace)
        if frozenset(job.id for job in running) != ids:
            st.rerun()
        st.html("".join(_line(job) for job in running) or "<span></span>")

    st.fragment(look, run_every=1.0 if ids else None)()


def panel(workspace: Workspace, verbs: Collection[str], *, idle: str = "", history: int = 1) -> bool:
    """Show the jobs of these verbs with a way to stop or go on.

    Parameters
    ----------
    workspace : Workspace
        Whose jobs.
    verbs : collection of str
        Which jobs.
    idle : str
        What to say where there was none.
    history : int
        How many ended jobs to show while none runs.

    Returns
    -------
    bool
        Whether one of them runs or waits.
    """

    def mine() -> list[Job]:
        every = [job for job in workspace.jobs() if job.verb in verbs]
        running = [job for job in every if job.active]
        return running or every[:history]

    busy = any(job.active for job in mine())

    def look() -> None:
        shown = mine()
        if not shown and idle:
            st.html(f'<p class="lx-note">{escape(idle)}</p>')
        for job in shown:
            _detail(workspace, job)

    st.fragment(look, run_every=1.0 if busy else None)()
    return busy


def summary(job: Job) -> str:
    """State, done, total, rate and time left of a job in one line."""
    if job.state != "running":
        return STATES.get(job.state, job.state)
    parts = []
    if job.total:
        parts.append(f"{words.count(job.done)} of {words.count(job.total)}")
    if job.rate:
        parts.append(f"{words.count(job.rate)} a second" if job.rate >= 2 else f"{job.rate:.1f} a second")
    if (left := job.seconds_left) is not None:
        parts.append(f"{words.duration(left)} left")
    return " · ".join(parts) or "starting"


def _line(job: Job) -> str:
    name = NAMES.get(job.verb, job.verb)
    share = f"{100 * job.done / job.total:.0f}{words.THIN}%" if job.total else ""
    return (
        f'<div class="lx-job"><div class="lx-job-top"><span>{escape(name)}</span><span>{share}</span></div>'
        f'{_track(job)}<div class="lx-job-detail">{escape(job.message or summary(job))}</div></div>'
    )


def _track(job: Job) -> str:
    if job.state == "failed":
        return '<div class="lx-track"><div class="lx-fill failed" style="width:100%"></div></div>'
    if job.state == "running" and not job.total:
        return '<div class="lx-track"><div class="lx-fill unknown"></div></div>'
    if job.state == "done":
        return '<div class="lx-track"><div class="lx-fill done" style="width:100%"></div></div>'
    done = 100 * job.done / job.total if job.total else 0
    return f'<div class="lx-track"><div class="lx-fill" style="width:{min(done, 100):.1f}%"></div></div>'


def _detail(workspace: Workspace, job: Job) -> None:
    left, right = st.columns([5, 1], vertical_alignment="center")
    message = words.ago(job.ended) if job.state == "done" else job.message
    left.html(
        f'<div class="lx-job"><div class="lx-job-top"><span>{escape(NAMES.get(job.verb, job.verb))}</span>'
        f"<span>{escape(summary(job))}</span></div>{_track(job)}"
        f'<div class="lx-job-detail">{escape(message)}</div></div>'
    )
    with right:
        if workspace.read_only:
            pass
        elif job.active:
            if st.button("Stop", key=f"stop_{job.id}", width="stretch"):
                workspace.cancel_job(job.id)
                st.rerun()
        elif job.state in ("failed", "cancelled", "interrupted") and st.button(
            "Go on", key=f"resume_{job.id}", width="stretch"
        ):
            with errors.shown():
                services.resume(workspace, job.id)
            st.rerun()
    if job.state == "failed" and job.error:
        st.html(f'<div class="lx-error" role="alert">{escape(job.error)}</div>')
