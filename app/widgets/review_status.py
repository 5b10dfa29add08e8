"""The line below the work, and the progress that P shows: the goal, the gains, what changed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, reviewing, services, state
from app import reviewing_learning as learning
from app.widgets import jobs, layout, review, training, words
from app.widgets.inert import escape, shorten
from lmtx.jobs import Job
from lmtx.types import Decision
from lmtx.workspace import Workspace
from lmtx.workspace.models import Gain, LearningState, ReviewProgress, TagChange


def strip(workspace: Workspace) -> None:
    """Draw the line: saved, who, how much, and when the next training comes."""
    found, job = learning.follow(workspace)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_foot_line"):
        saved = state.REVIEW_SAVED.get()
        parts = [
            f'<span class="lx-accepted lx-saved" role="status">✓ {escape(saved)}</span>'
            if saved.startswith("Saved")
            else '<span class="lx-saved" role="status">'
            f"{escape(saved or 'Every key is saved at once')}</span>",
            *(f"<span>{escape(x)}</span>" for x in review.today(workspace)),
        ]
        st.html(f'<div class="lx-status">{"".join(parts)}</div>')
        _watch(workspace, found, job)
        _who(workspace)
        review.frame_keys()


def _watch(workspace: Workspace, found: LearningState, job: Job | None) -> None:
    """Draw what is being learned, by itself while it is."""

    def look() -> None:
        now, running = (found, job) if job is None else learning.follow(workspace)
        st.html(
            f'<div class="lx-learning">{_learning(now, running, reviewing.shows_reserve(workspace))}</div>'
        )

    if job is None:
        look()
    else:
        st.fragment(look, run_every=1.5)()


def _learning(found: LearningState, job: Job | None, measuring: bool) -> str:
    trained = learning.TRAINED.get()
    if job is not None:
        share = f", {100 * job.done / job.total:.0f}{words.THIN}%" if job.total else ""
        return f'<span class="lx-student">Training on what you said{share}</span>'
    said = f"{escape(trained[:1].upper() + trained[1:])} · " if trained else ""
    if not found.every:
        return f"{said}{words.many(found.n_new, 'decision')} since the last training; none starts by itself"
    without = ", without this one" if measuring else ""
    return f"{said}{words.count(found.n_new)} of {words.count(found.every)} to the next training{without}"


def _who(workspace: Workspace) -> None:
    name = services.reviewer(workspace)
    known = state.REVIEWER.get() or workspace.settings.reviewer
    shown = shorten(name, 24) if known else "Your name?"
    with st.popover(shown, key="review_who", type="tertiary", help="Whose decisions these are"):
        st.text_input(
            "Your name, beside each decision",
            value=name if known else "",
            key=f"review_name_{name}",
            max_chars=80,
            on_change=lambda: state.REVIEWER.set(st.session_state[f"review_name_{name}"].strip()),
        )


# ---- progress -------------------------------------------------------------------------------------


def progress(workspace: Workspace) -> None:
    """Draw the goal, the gains, and what the last training changed."""
    review.key("Back to work (P)", "progress_back", None, state.REVIEW_PROGRESS.set, False)
    found = workspace.review_progress()
    left, right = st.columns([1, 1], gap="large")
    with left:
        layout.section("What the decisions have gained")
        _gains(workspace.gains())
        _train(workspace)
        layout.section("The goal", f"labels known to ±{workspace.settings.goal_points:g} points")
        _goal(workspace, found)
    with right:
        _changes(workspace)


def _goal(workspace: Workspace, found: ReviewProgress) -> None:
    pace = workspace.review_stats(services.reviewer(workspace)).get("per_minute", 0.0)
    if not found.n_labels:
        least = workspace.settings.goal_predictions
        layout.note(
            f"No label is given to {least} reserved documents or more, so none counts for the goal yet. "
            "A training tells how often each is given; Settings say how many count."
        )
        return
    share = 100 * found.n_known / found.n_labels
    time = (
        f" (about {words.duration(60 * found.n_left / pace)} at your pace)"
        if pace > 0.5 and found.n_left
        else ""
    )
    st.html(
        f'<div class="lx-track"><div class="lx-fill done" style="width:{share:.0f}%"></div></div>'
        f"<p>{words.count(found.n_known)} of {words.many(found.n_labels, 'label')} known; about "
        f"{words.many(found.n_left, 'audited decision')} left{escape(time)}.</p>"
    )
    if found.by_label:
        rows = "".join(
            f'<tr><td dir="auto">{escape(shorten(_name(workspace, i), 40))}</td>'
            f'<td class="lx-accepted">{a} right</td><td class="lx-rejected">{b} wrong</td></tr>'
            for i, (a, b) in found.by_label.items()
        )
        st.html(
            f'<p class="lx-note">What people said, labels with most</p><table class="lx-small">{rows}</table>'
        )


def _name(workspace: Workspace, label_id: str) -> str:
    label = workspace.journal.label(label_id)
    return label.name if label is not None else label_id


FEW = 12
"""Completed documents below which a quality says nothing: its standard error is ten points and more."""


def _gains(found: Sequence[Gain]) -> None:
    known = [g for g in found if g.quality is not None]
    if not known:
        layout.note(
            "Complete some documents and train: then it shows how much better the tagger ranks their labels."
        )
        return
    last = known[-1]
    if last.n_completed < FEW:
        layout.note(
            f"{words.many(last.n_completed, 'completed document')} can't tell yet what was gained; "
            f"from {FEW} on it is drawn here."
        )
        return
    start = f", from {words.percent(last.start)} without learning" if last.start is not None else ""
    st.html(
        f"<p>{words.percent(last.quality)} after {words.many(last.n_decisions, 'decision')}{escape(start)}. "
        '<span class="lx-badge" title="On the documents that people completed, '
        'each ranked without its own labels."'
        f">reviewed, {words.many(last.n_completed, 'document')}</span></p>"
    )
    st.plotly_chart(course(known), theme=None, key="review_course", config={"displayModeBar": False})


def course(found: Sequence[Gain]) -> go.Figure:
    """Quality over decisions: a point a training with its standard error, and what it is without learning.

    Parameters
    ----------
    found : sequence of Gain
        Trainings whose quality is known, oldest first.
    """
    frame = pd.DataFrame(
        {
            "run": [g.n_decisions for g in found],
            "value": [g.quality for g in found],
            "promoted": [g.promoted for g in found],
            "note": ["taken" if g.promoted else "not taken: no better" for g in found],
        }
    )
    starts = [g.start for g in found if g.start is not None]
    figure = charts.curve(
        frame, "", metric="quality", baseline=starts[-1] if starts else None, dark=layout.dark()
    )
    figure.update_traces(
        error_y={"array": [100 * (g.se or 0.0) for g in found], "thickness": 1.2, "width": 0},
        hovertemplate="after %{x} decisions: %{y:.1f} %<br>%{customdata[0]}<extra></extra>",
        selector={"type": "scatter"},
    )
    figure.layout.annotations = [a for a in figure.layout.annotations if a.text != "in use"]
    figure.update_layout(height=210, margin={"t": 14})
    figure.update_xaxes(title_text="decisions", dtick=None, rangemode="tozero", tickformat="d", nticks=6)
    return figure


def _train(workspace: Workspace) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        training.start(workspace, {}, main=False)
    jobs.panel(workspace, ["train"], history=1)


def _changes(workspace: Workspace) -> None:
    layout.section("What changed", "documents whose tags the last training changed most")
    found = workspace.changes()
    if not found:
        layout.note("No training has changed a document’s tags yet.")
    for change in found:
        st.html(_change(workspace, change))


def _change(workspace: Workspace, change: TagChange) -> str:
    old, new = {i for i, _, _ in change.before}, {i for i, _, _ in change.after}
    gone = "".join(
        f'<span class="lx-tag gone" dir="auto">{escape(n)}</span>'
        for i, n, _ in change.before
        if i not in new
    )
    come = "".join(
        f'<span class="lx-tag come" dir="auto">+ {escape(n)}</span>'
        for i, n, _ in change.after
        if i not in old
    )
    kept = ", ".join(n for i, n, _ in change.after if i in old)
    behind = "; ".join(_said(workspace, d) for d in change.behind[:3])
    notes = [
        f"kept: {shorten(kept, 90)}" if kept else "",
        f"because of: {shorten(behind, 160)}" if behind else "",
    ]
    link = f'<a href="corpus?document={escape(change.document_id)}" target="_self" dir="auto">'
    return (
        f'<div class="lx-change">{link}{escape(shorten(change.title or change.document_id, 80))}</a>'
        f"<div>{come}{gone}</div>"
        + "".join(f'<div class="lx-note" dir="auto">{escape(note)}</div>' for note in notes if note)
        + "</div>"
    )


def _said(workspace: Workspace, d: Decision) -> str:
    document = workspace.journal.document(d.document_id)
    title = shorten((document.title if document else "") or d.document_id, 40)
    what = {"accept": "right", "reject": "wrong", "complete": "completed"}.get(d.action, d.action)
    return f"{_name(workspace, d.label_id) if d.label_id else 'document'} {what} in “{title}” ({d.reviewer})"
