"""How far to trust a teacher: its probabilities against decisions of people, and whether order moves it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import actions, charts, measures
from app.widgets import jobs, layout, words
from app.widgets.inert import escape
from app.widgets.teacher_kinds import RERANKER
from lmtx.journal import JudgedDecision, TeacherRow
from lmtx.quality import reliability
from lmtx.tagger.calibration import MIN_ANSWERS
from lmtx.teacher import parse_spec
from lmtx.teacher.cross_encoder import MIN_DECISIONS
from lmtx.workspace import Workspace


def panel(workspace: Workspace, row: TeacherRow | None) -> None:
    """Draw both, for one teacher."""
    layout.section("Can its probabilities be trusted?", truth="reviewed")
    if row is None:
        layout.note("Choose one teacher above.")
        return
    decided = workspace.judged_decisions(row.key)
    _reliability(decided)
    if parse_spec(row.spec).kind == RERANKER:
        _calibration(workspace, row, len(decided))
    if "strategy=listwise" in row.spec:
        _positions(workspace, row)


def _reliability(decided: Sequence[JudgedDecision]) -> None:
    """Draw the plot, or how many decisions are missing."""
    with_probability = [d for d in decided if d.probability is not None]
    if len(decided) >= MIN_ANSWERS and not with_probability:
        right = sum(d.accepted == (d.verdict == "yes") for d in decided if d.verdict != "unparsed")
        n = sum(d.verdict != "unparsed" for d in decided)
        share = words.percent(right / n, measures.wilson(right, n)) if n else "–"
        layout.note(
            f"It gives no probabilities. People decided as it did for {share} of {words.count(n)} pairs."
        )
        return
    accepted = [d.accepted for d in with_probability]
    found = reliability([d.probability or 0.0 for d in with_probability], accepted)
    if found is None:
        missing = MIN_ANSWERS - len(with_probability)
        layout.note(
            f"Shown from {MIN_ANSWERS} pairs that it gave a probability and people decided. There are "
            f"{words.count(len(with_probability))}: {words.many(missing, 'more decision')} in Review."
        )
        return
    st.plotly_chart(
        charts.reliability(found, layout.dark()),
        theme=None,
        key="reliability",
        config={"displayModeBar": False},
    )
    fit = " The line is fitted to the decisions." if found.curve is not None else ""
    layout.note(
        f"{words.count(found.n)} decided pairs in {len(found.bins)} groups of alike probability; bars are "
        "95 % intervals. On the dotted line, what it calls 80 % sure is accepted in 80 of 100 cases."
        f"{fit} These are the pairs that people happened to review, no random sample."
    )


def _calibration(workspace: Workspace, row: TeacherRow, n_decided: int) -> None:
    """Offer to fit where a reranker's yes begins."""
    missing = MIN_DECISIONS - n_decided
    busy = jobs.panel(workspace, ["calibrate"], history=1)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Calibrate by decisions",
            key="calibrate",
            disabled=missing > 0 or busy,
            on_click=actions.start,
            args=(workspace, "calibrate", {"teacher_key": row.key}),
            icon=":material/tune:",
        )
        layout.note(
            f"It orders labels, and can't know where yes begins: {words.many(missing, 'more decision')} on "
            "what it judged can tell."
            if missing > 0
            else "Fits where its yes begins to the decisions. What was judged is judged anew from the scores "
            "that were kept: the model is not asked again. It is the teacher in use then."
        )


def _positions(workspace: Workspace, row: TeacherRow) -> None:
    """Draw whether the order of a list moves the verdicts, and the button that finds out."""
    layout.section("Does the order of a list matter?")
    busy = jobs.panel(workspace, ["check_positions"], history=1)
    st.button(
        "Check the positions",
        key="check_positions",
        disabled=busy,
        help="Asks about some documents again with their candidates in other orders.",
        on_click=actions.start,
        args=(workspace, "check_positions", {"teacher": row.spec}),
    )
    job = next((j for j in workspace.jobs() if j.verb == "check_positions" and j.state == "done"), None)
    if job is not None and isinstance(job.result, dict):
        positions(job.result)


def positions(result: dict[str, object]) -> None:
    """Say how many verdicts changed with the order."""
    n, flipped = result.get("n_pairs"), result.get("n_flipped")
    if not isinstance(n, int) or not isinstance(flipped, int) or not n:
        return
    low, high = result.get("low"), result.get("high")
    both = (low, high) if isinstance(low, float) and isinstance(high, float) else measures.wilson(flipped, n)
    share = words.percent(flipped / n, both)
    st.html(f"<p>{escape(share)} of {escape(words.many(n, 'verdict'))} changed with the order alone.</p>")
