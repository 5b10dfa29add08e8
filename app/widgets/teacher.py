"""Choosing a teacher, what it will take, where it ends, and its start."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import actions
from app.widgets import layout, teacher_advanced, teacher_connect, teacher_cost
from app.widgets.inert import escape
from app.widgets.teacher_kinds import (
    ABOUT,
    ASK,
    CHOICE,
    EVIDENCE,
    EXPECT,
    LOCAL,
    NAMES,
    PROMPT,
    RERANKER,
    SAID,
    SERVER,
    SIMULATED,
    TRIAL,
    VIEW,
    Choice,
    composed,
    short,
)
from lmtx.errors import LmtxError
from lmtx.teacher import TeacherSpec, parse_spec
from lmtx.workspace import Workspace

_STYLE = Path(__file__).with_name("teacher.css")

BUDGETS = {
    "": "No limit",
    "tokens": "Tokens at most",
    "dollars": "Dollars at most",
    "minutes": "Minutes at most",
    "pairs": "Pairs at most",
}
_USUAL = {"tokens": 1_000_000, "dollars": 5.0, "minutes": 30, "pairs": 1000}


def views() -> str:
    """Draw the style of these screens and the choice between them; returns the chosen one."""
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")
    return str(
        st.segmented_control(
            "View",
            [ASK, TRIAL, PROMPT, SAID],
            default=ASK,
            required=True,
            key=VIEW,
            persist_state="session",
            label_visibility="collapsed",
        )
    )


# ---- who ----------------------------------------------------------------------------------------


def choose(workspace: Workspace) -> Choice:
    """Draw the choice of teacher and the fields that it needs."""
    last = _last_used(workspace)
    gold = workspace.status().has_gold
    known = [kind for kind in NAMES if kind != SIMULATED or gold]
    if last.kind in known:
        st.session_state.setdefault("teacher_kind", last.kind)
    teacher_advanced.seed(last)
    left, right = st.columns([3, 2], gap="large")
    with left:
        kind = str(
            st.radio(
                "Teacher",
                known,
                format_func=NAMES.__getitem__,
                captions=[ABOUT[k] for k in known],
                key="teacher_kind",
                persist_state="session",
            )
        )
    with right:
        layout.section("What to expect")
        st.markdown(EXPECT[kind])
    problem = missing = spec = ""
    try:
        with st.container(key="lx_fields"):
            model, values = _fields(workspace, kind, last)
        if kind in (SERVER, LOCAL, RERANKER) and not model:
            missing = "name the model."
            composed(kind, "model", values)
        else:
            spec = str(composed(kind, model, values))
        problem = _not_there(model) if kind in (LOCAL, RERANKER) else ""
    except LmtxError as error:
        problem, spec = str(error), ""
    if problem:
        st.html(f'<div class="lx-error" role="alert">{escape(problem)}</div>')
        spec = ""
    choice = Choice(kind, spec, workspace.settings.top_k, None, 1, None, problem, missing)
    if kind == SERVER:
        teacher_connect.connection(workspace, choice)
    elif kind in (LOCAL, RERANKER):
        with st.container(horizontal=True):
            teacher_connect.to_trial(disabled=not spec)
    return choice


def _last_used(workspace: Workspace) -> TeacherSpec:
    try:
        return parse_spec(workspace.settings.teacher)
    except LmtxError:
        return TeacherSpec(EVIDENCE)


def _fields(workspace: Workspace, kind: str, last: TeacherSpec) -> tuple[str, dict[str, object]]:
    if kind == SERVER:
        return teacher_connect.server(workspace)
    if kind in (LOCAL, RERANKER):
        return teacher_advanced.model(workspace, kind)
    if kind == SIMULATED:
        usual = {"recall": "0.85", "noise": "0.05", "seed": "0"}
        st.session_state.setdefault("teacher_bias", last.values.get("bias") == "label")
        biased = st.checkbox(
            "With habits of its own",
            key="teacher_bias",
            persist_state="session",
            help="Errors depend on the label, as those of real language models do.",
        )
        given = last.values if last.kind == SIMULATED else {}
        return "", {**usual, **given, "bias": "label" if biased else ""}
    return "", {}


def _not_there(model: str) -> str:
    """Why a path can't be used; empty where it can, or is no path."""
    if not model.startswith(("/", "./", "../", "~")) or Path(model).expanduser().exists():
        return ""
    return f"{model}: no folder or file of that name is on the machine where the app runs. Mend the path."


# ---- how much -----------------------------------------------------------------------------------


def amount(workspace: Workspace, choice: Choice) -> Choice:
    """Draw how much is asked and where it ends; returns the choice with it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state.setdefault("teacher_top_k", workspace.settings.top_k)
        top_k = st.number_input(
            "Candidates a document", 2, 100, key="teacher_top_k", persist_state="session", width=170
        )
        limit = st.number_input(
            "Documents at most",
            0,
            None,
            step=100,
            key="teacher_limit",
            persist_state="session",
            width=160,
            help="0: all documents that may be learned from.",
        )
        rounds, budget = 1, None
        if choice.kind != EVIDENCE:
            st.session_state.setdefault("teacher_rounds", workspace.settings.rounds)
            rounds = st.number_input(
                "Rounds",
                1,
                20,
                key="teacher_rounds",
                persist_state="session",
                width=120,
                help="Each asks about what the student brought up since, and ends early where it gains "
                "nothing.",
            )
            budget = _budget()
    made = Choice(
        choice.kind,
        teacher_connect.effective(choice.teacher) if choice.teacher else "",
        int(top_k),
        int(limit) or None,
        int(rounds),
        budget,
        choice.problem,
        choice.missing,
    )
    CHOICE.set(made)
    return made


def _budget() -> dict[str, float] | None:
    kind = st.selectbox(
        "Budget",
        list(BUDGETS),
        format_func=BUDGETS.__getitem__,
        key="teacher_budget",
        persist_state="session",
        width=180,
        help="It ends before the document that might exceed this. What was answered stays.",
    )
    if not kind:
        return None
    whole = kind != "dollars"
    most = st.number_input(
        "How many",
        0 if whole else 0.0,
        None,
        _USUAL[kind],
        step=1 if whole else 0.5,
        format="%d" if whole else "%.2f",
        key=f"teacher_budget_{kind}",
        persist_state="session",
        width=150,
    )
    return {kind: most}


# ---- going --------------------------------------------------------------------------------------


def start(workspace: Workspace, choice: Choice, place: DeltaGenerator, *, busy: bool) -> None:
    """Draw the buttons that let the teacher judge, in the header; and why they are off, if they are."""
    why = "" if busy else teacher_cost.why_not(workspace, choice)
    params = {"teacher": choice.teacher, "limit_docs": choice.limit_docs, "budget": choice.budget}
    with place:
        st.button(
            "Only teach",
            key="start_teach",
            disabled=busy or bool(why),
            help="Asks and records; nothing is trained.",
            on_click=actions.start_teach,
            args=(workspace, "teach", teacher_cost.what(choice)),
        )
        st.button(
            "Teach and train",
            type="primary",
            key="start_cycle",
            disabled=busy or bool(why),
            icon=":material/play_arrow:",
            on_click=actions.start_teach,
            args=(workspace, "cycle", {**params, "rounds": choice.rounds}, choice.top_k),
        )
    if why:
        layout.note(f"It can start once this is settled: {why}")


def chosen(workspace: Workspace) -> Choice:
    """Return what was chosen last in this session, or used last in this workspace."""
    found = CHOICE.get()
    if found is not None:
        return found
    last = _last_used(workspace)
    settings = workspace.settings
    return Choice(last.kind, str(last), settings.top_k, None, settings.rounds)


def who(workspace: Workspace) -> None:
    """Draw the line that says which teacher a view is about."""
    choice = chosen(workspace)
    name = short(choice.teacher) if choice.teacher else "none yet"
    st.html(
        f'<p class="lx-note">Teacher: <b>{escape(name)}</b> ({escape(NAMES[choice.kind])}), '
        f"as chosen in the view “{ASK}”.</p>"
    )
