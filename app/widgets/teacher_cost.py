"""What asking a teacher would take, and what has to be settled before."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import actions, computed
from app.state import Key
from app.widgets import errors, layout, words
from app.widgets.inert import escape
from app.widgets.teacher_kinds import EVIDENCE, Choice, key_problem
from lmtx.errors import LmtxError
from lmtx.workspace import TeachPreview, Workspace

SLOW_FROM = 3000
"""Documents from which the cost is computed only when asked for."""
FEW_PAIRS = 50
"""Pairs that are asked to measure how quick a teacher is."""
_SEEN: Key[str] = Key("lmtx.teacher.cost_of", "")
"""Whose cost was asked for: a language model's, whatever the settings; on a large corpus, these settings'."""
_FAILED: Key[tuple[str, str]] = Key("lmtx.teacher.cost_failed", ("", ""))
"""Teacher whose cost could not be told, and why."""


def cost(workspace: Workspace, choice: Choice) -> None:
    """Draw what the teacher would be asked; where that takes seconds or a server, only when asked for."""
    if not choice.teacher:
        return
    rounds = choice.rounds if choice.kind != EVIDENCE else None
    arguments = (choice.teacher, choice.top_k, choice.limit_docs, rounds)
    large = workspace.journal.counts().get("documents", 0) > SLOW_FROM
    seen = str(arguments) if large else choice.teacher
    if (large or choice.is_llm) and _SEEN.get() != seen and not computed.previewed(workspace, *arguments):
        _offer_cost(choice, seen)
        return
    try:
        with st.spinner("Choosing candidate labels …"):
            preview = computed.teach_preview(workspace, *arguments)
    except LmtxError as error:
        _SEEN.set("")
        _FAILED.set((choice.teacher, str(error)))
        _offer_cost(choice, seen)
        return
    _figures(preview)
    _unknown(workspace, choice, preview)


def _offer_cost(choice: Choice, seen: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "See what it would take",
            key="see_cost",
            icon=":material/calculate:",
            on_click=_see,
            args=(seen,),
        )
        _inline("Pairs, tokens, money and time, before anything is asked.")
    spec, why = _FAILED.get()
    if spec == choice.teacher:
        st.html(f'<div class="lx-error" role="alert">{escape(why)}</div>')


def _see(seen: str) -> None:
    _FAILED.set(("", ""))
    _SEEN.set(seen)


def _inline(text: str) -> None:
    """Draw a line of small grey text beside what follows."""
    st.html(f'<p class="lx-note">{escape(text)}</p>', width="content")


def _figures(preview: TeachPreview) -> None:
    time = _time(preview)
    of = f"of {words.many(preview.n_documents, 'document')}"
    found = [
        ("Pairs", words.count(preview.n_pairs), of),
        ("Answered already", words.count(preview.n_cached), "kept, never asked twice"),
        ("To ask", words.count(preview.n_open), time or ("nothing new" if not preview.n_open else "")),
    ]
    estimate = preview.estimate
    if preview.is_llm and estimate is not None and preview.n_open:
        how = "counted" if estimate.exact else "estimated"
        found += [
            ("Tokens to read", words.count(estimate.tokens_in), how),
            ("Tokens to write", _range(estimate.tokens_out_low, estimate.tokens_out_high), "fewest to most"),
        ]
        if estimate.cost_high:
            found.append(("Dollars", _money(estimate.cost_low, estimate.cost_high), "at the prices given"))
    layout.figures(found)
    if preview.n_later and preview.is_llm:
        most = words.count(preview.later.tokens_in + preview.later.tokens_out_high)
        money = f", {preview.later.cost_high:.2f} dollars" if preview.later.cost_high else ""
        slow = preview.seconds_later
        last = f", {words.duration(slow)}" if slow and slow >= 1 else ""
        layout.note(
            f"Later rounds and held-out documents add 0 to {words.count(preview.n_later)} pairs: at "
            f"most {most} "
            f"tokens{money}{last}."
        )


def _time(preview: TeachPreview) -> str:
    if not preview.n_open:
        return ""
    if preview.seconds is None:
        return "time not measured yet"
    return f"about {words.duration(preview.seconds)}" if preview.seconds >= 1 else "under a second"


def _range(low: int, high: int) -> str:
    return words.count(low) if low == high else f"{words.count(low)}–{words.count(high)}"


def _money(low: float, high: float) -> str:
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f}–{high:.2f}"


def _unknown(workspace: Workspace, choice: Choice, preview: TeachPreview) -> None:
    """Say what is not known yet and how it gets known."""
    if not preview.is_llm or not preview.n_open:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if preview.estimate is None and preview.consented:
            _inline("Tokens are known once the texts are encoded, which chooses the candidates.")
            st.button("Encode now", key="start_embed", on_click=actions.start, args=(workspace, "embed", {}))
        elif preview.estimate is None:
            _inline("Tokens are known once texts may be sent there.")
        elif preview.seconds is None and preview.consented:
            _inline(f"How long it takes is known after {FEW_PAIRS} pairs. Their answers are kept.")
            st.button(
                f"Ask {FEW_PAIRS} pairs first",
                key="start_few",
                disabled=bool(key_problem(choice.teacher)),
                on_click=actions.start_teach,
                args=(workspace, "teach", {**what(choice), "budget": {"pairs": FEW_PAIRS}}),
            )


def changed(workspace: Workspace, choice: Choice) -> None:
    """Draw the pairs that this teacher judged under texts that have changed since, where there are any."""
    if not choice.teacher:
        return
    n = computed.n_changed(workspace, choice.teacher)
    if not n:
        return
    with st.container(border=True, key="lx_changed"):
        many = words.many(n, "pair was", "pairs were")
        st.html(
            f"<div>{escape(many)} judged under other texts: a label's name or definition, or a "
            f"document, has changed "
            "since. What was said of them counts no more.</div>"
        )
        arguments = (choice.teacher, choice.top_k, choice.limit_docs, None, True)
        if computed.previewed(workspace, *arguments):
            _figures(computed.teach_preview(workspace, *arguments))
        with st.container(horizontal=True):
            if not computed.previewed(workspace, *arguments) and st.button(
                "See what asking again takes", key="see_changed"
            ):
                with errors.shown(), st.spinner("Counting …"):
                    computed.teach_preview(workspace, *arguments)
                    st.rerun()
            st.button(
                "Ask these again",
                key="start_changed",
                disabled=bool(why_not(workspace, choice)),
                on_click=actions.start_teach,
                args=(workspace, "teach", {**what(choice), "only_changed": True}),
            )


def what(choice: Choice) -> dict[str, Any]:
    """Parameters of a job that asks."""
    return {
        "teacher": choice.teacher,
        "top_k": choice.top_k,
        "limit_docs": choice.limit_docs,
        "budget": choice.budget,
    }


def why_not(workspace: Workspace, choice: Choice) -> str:
    """Why this teacher can't be asked now; empty where it can."""
    if not choice.teacher:
        return choice.missing or "mend what is said above."
    if choice.host and choice.host not in workspace.settings.consented_hosts:
        return f"texts would be sent to {choice.host}, which nobody has allowed yet."
    return key_problem(choice.teacher)
