"""A trial: some pairs, labelled without seeing what the teachers said, then all of it side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import actions, reviewing, services
from app.state import Key
from app.widgets import errors, jobs, layout, teacher, teacher_cost, words
from app.widgets.inert import escape, reading, shorten
from app.widgets.teacher_kinds import ASK, EVIDENCE, LOCAL, SERVER, Choice, short
from app.widgets.teacher_report import report
from lmtx.errors import LmtxError
from lmtx.teacher import parse_spec
from lmtx.teacher.prompts import Prompt
from lmtx.types import Document, Label
from lmtx.workspace import Workspace
from lmtx.workspace.trials import Trial

_LONG = 1200
"""Characters from which a document scrolls within its place, so that the keys stay where they are."""
N_PAIRS = 30
"""Pairs of a trial: ten minutes of labelling."""
_LEFT: Key[float] = Key("lmtx.trial.left", 0.0)
"""When a pair was last answered, by the monotonic clock."""
_BACK: Key[tuple[tuple[str, str, str], ...]] = Key("lmtx.trial.back", ())
"""Pairs answered in this session, as (trial, document, label) ids, the newest last."""
_AGAIN: Key[tuple[str, str, str] | None] = Key("lmtx.trial.again", None)
"""The pair that is answered once more."""
_NEW: Key[bool] = Key("lmtx.trial.new", False)
"""Whether another trial is to be begun."""
_SAVED: Key[str] = Key("lmtx.trial.saved", "")
"""What the last key did, in words."""
_PROBLEM: Key[str] = Key("lmtx.trial.problem", "")
"""Why the last key did nothing."""


def screen(workspace: Workspace, place: DeltaGenerator) -> None:
    """Draw the trial that is under way, its report, or the start of one."""
    busy = jobs.panel(workspace, ["trial"], history=1)
    found = workspace.trials()
    if busy:
        layout.note(
            "The teachers are asked first. Then you label the same pairs, without seeing what they said."
        )
        return
    if not found or _NEW.get():
        _begin(workspace, place, cancel=bool(found))
        return
    trial = _chosen(found)
    if trial.n_labelled < trial.n_pairs:
        _label(workspace, trial.id)
        return
    with place:
        st.button("Another trial", key="trial_new", on_click=lambda: _NEW.set(True))
    report(workspace.trial_report(trial.id))


def _chosen(found: Sequence[Trial]) -> Trial:
    if len(found) == 1:
        return found[0]
    names = {
        t.id: f"{len(found) - i}. {' and '.join(map(short, t.teachers))} · "
        + ("labelled" if t.n_labelled >= t.n_pairs else f"{t.n_labelled} of {t.n_pairs} labelled")
        for i, t in enumerate(found)
    }
    chosen = st.selectbox("Trial", list(names), format_func=names.__getitem__, key="trial_id", width=520)
    return next(t for t in found if t.id == chosen)


# ---- beginning ----------------------------------------------------------------------------------


def _begin(workspace: Workspace, place: DeltaGenerator, *, cancel: bool) -> None:
    choice = teacher.chosen(workspace)
    st.markdown(
        "**How often is a teacher right on your documents?** It judges some pairs, drawn at random from "
        "those "
        "that it would be asked about. You then say of each whether the label fits, without seeing what it "
        "said. Ten minutes, and you know, before anything large is spent. A second teacher, or another "
        "prompt, "
        "is tried on the same pairs."
    )
    teacher.who(workspace)
    others = _others(workspace, choice)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        second = st.selectbox(
            "Compare with",
            ["", *others],
            format_func=lambda s: others.get(s, "nobody"),
            key="trial_second",
            width=420,
        )
        n = st.number_input("Pairs", 10, 200, N_PAIRS, step=10, key="trial_n", width=130)
    why = teacher_cost.why_not(workspace, choice)
    if choice.kind == EVIDENCE:
        why = "a trial is for language models; the evidence teacher only compares words and meanings."
    if not why and second:
        why = teacher_cost.why_not(workspace, Choice(parse_spec(second).kind, second, 0, None, 1))
    with place:
        if cancel:
            st.button("Back to the last one", key="trial_cancel", on_click=lambda: _NEW.set(False))
        st.button(
            "Start the trial",
            type="primary",
            key="start_trial",
            icon=":material/labs:",
            disabled=bool(why),
            on_click=_start,
            args=(workspace, [choice.teacher, *([second] if second else [])], int(n)),
        )
    if why:
        layout.note(f"It can start once this is settled in the view “{ASK}”: {why}")


def _start(workspace: Workspace, teachers: list[str], n: int) -> None:
    _NEW.set(False)
    actions.start(workspace, "trial", {"teachers": teachers, "n": n})


def _others(workspace: Workspace, choice: Choice) -> dict[str, str]:
    """Return what may be tried beside it: its own other prompts, and teachers that have judged."""
    found: dict[str, str] = {}
    if choice.teacher and choice.kind in (SERVER, LOCAL):
        now = parse_spec(choice.teacher)
        for prompt in workspace.prompts():
            if prompt.name != now.values.get("prompt") and (choice.kind == SERVER or prompt.form == "pair"):
                spec = str(
                    parse_spec(
                        str(now.with_values(prompt=prompt.name, strategy=_strategy(prompt, now.values)))
                    )
                )
                found[spec] = f"the same with the prompt {prompt.name}"
    for row in reversed(workspace.journal.teachers()):
        if row.spec and row.spec not in (EVIDENCE, choice.teacher, *found):
            found[row.spec] = short(row.spec)
    return found


def _strategy(prompt: Prompt, values: object) -> str:
    """Return the way of asking that a prompt goes with, where the present one does not."""
    now = values.get("strategy", "") if isinstance(values, dict) else ""
    if prompt.form == "list":
        return "listwise"
    return "" if now == "listwise" else str(now)


# ---- labelling ----------------------------------------------------------------------------------


@st.fragment
def _label(workspace: Workspace, trial_id: str) -> None:
    """Draw a pair and its two keys; a key reruns only this."""
    trial = next(t for t in workspace.trials() if t.id == trial_id)
    found = _open_pair(workspace, trial_id)
    if found is None:
        st.rerun()
    document, label = found
    st.progress(
        trial.n_labelled / trial.n_pairs,
        text=f"{trial.n_labelled} of {words.many(trial.n_pairs, 'pair')} labelled",
    )
    left, right = st.columns([11, 10], gap="large")
    long = len(document.full_text) > _LONG
    with left, st.container(height=480 if long else "content", border=False, key="lx_reading"):
        reading(document.title, document.text, key=document.id)
    with right:
        also = f'<div class="lx-note">also: {escape(", ".join(label.aliases))}</div>' if label.aliases else ""
        st.html(
            f'<div class="lx-asked"><div class="lx-note">Does this label fit the document?</div>'
            f'<div class="lx-asked-name" dir="auto">{escape(label.name)}</div>{also}'
            f'<div class="lx-asked-about" dir="auto">{escape(shorten(label.description, 500))}</div></div>'
        )
        _keys(workspace, trial_id, document, label)
    if problem := _PROBLEM.get():
        errors.show(LmtxError(problem))
    saved = _SAVED.get()
    said = (
        f'<span class="lx-accepted" role="status">✓ {escape(saved)}</span>'
        if saved
        else "<span>Every key is saved at once</span>"
    )
    st.html(
        f'<div class="lx-status">{said}<span>{escape(services.reviewer(workspace))}</span>'
        "<span>What the teachers said shows when all pairs are labelled</span></div>"
    )


def _keys(workspace: Workspace, trial_id: str, document: Document, label: Label) -> None:
    # As in the review, the key of a button holds what the press is about: one that comes before the screen
    # has changed finds no such button any more, and is not taken for an answer about the next pair.
    about = f"{document.id}_{label.id}"
    with st.container(horizontal=True, gap="small", key="lx_trial_keys"):
        for key, text, wanted in (("1", "It fits", True), ("2", "It does not", False)):
            st.button(
                text,
                key=f"trial_{key}_{about}",
                shortcut=key,
                width=150,
                on_click=_answer,
                args=(workspace, trial_id, document.id, label.id, wanted),
            )
        st.button(
            "Undo",
            key="trial_undo",
            shortcut="U",
            type="tertiary",
            disabled=not any(x[0] == trial_id for x in _BACK.get()[-1:]),
            on_click=_back,
        )


def _open_pair(workspace: Workspace, trial_id: str) -> tuple[Document, Label] | None:
    again = _AGAIN.get()
    if again is not None and again[0] == trial_id:
        document, label = workspace.journal.document(again[1]), workspace.journal.label(again[2])
        if document is not None and label is not None:
            return document, label
    pair = workspace.next_trial_pair(trial_id)
    return (pair.document, pair.label) if pair is not None else None


def _answer(workspace: Workspace, trial_id: str, document_id: str, label_id: str, wanted: bool) -> None:
    """Record an answer; one that comes too soon to have read the pair is a double press."""
    moment = time.monotonic()
    if moment - _LEFT.get() < reviewing.PAUSE_S:
        return
    _SAVED.set("")
    _PROBLEM.set("")
    try:
        workspace.label_trial_pair(trial_id, document_id, label_id, wanted, services.reviewer(workspace))
    except LmtxError as error:
        _PROBLEM.set(str(error))
        return
    _LEFT.set(moment)
    _AGAIN.set(None)
    _BACK.set((*_BACK.get(), (trial_id, document_id, label_id)))
    _SAVED.set("Saved: it fits" if wanted else "Saved: it does not fit")


def _back() -> None:
    """Show the pair before once more; what is said then replaces what was said."""
    *before, last = _BACK.get()
    _BACK.set(tuple(before))
    _AGAIN.set(last)
    _SAVED.set("")
