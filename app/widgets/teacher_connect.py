"""Connecting a language model: finding servers, trying one, keys by name only, and consent."""

from __future__ import annotations

import shlex

import streamlit as st

from app import actions, computed
from app.state import Key
from app.widgets import layout, teacher_advanced, words
from app.widgets.inert import escape, markdown, shorten
from app.widgets.teacher_kinds import (
    HOW_ASKED,
    LOCAL_URL,
    SERVER,
    TRIAL,
    VIEW,
    Choice,
    key_problem,
)
from lmtx.teacher.address import Address
from lmtx.teacher.discovery import PORTS, ConnectionReport, FoundServer
from lmtx.workspace import Workspace

FOUND: Key[list[FoundServer] | None] = Key("lmtx.teacher.found", None)
"""Servers found at the last look; None where nobody has looked yet."""
TRIED: Key[dict[str, ConnectionReport]] = Key("lmtx.teacher.tried", {})
"""What came of trying connections, by specification."""


# ---- a server -----------------------------------------------------------------------------------


def look() -> None:
    """Look for servers on this machine; the only one found is filled in."""
    found = computed.find_servers()
    FOUND.set(found)
    if len(found) == 1:
        use(found[0])


def use(server: FoundServer) -> None:
    """Fill in a server that was found."""
    st.session_state["teacher_base_url"] = server.base_url
    if st.session_state.get(f"teacher_model_{SERVER}") not in server.models:
        st.session_state[f"teacher_model_{SERVER}"] = server.models[0] if server.models else None


def server(workspace: Workspace) -> tuple[str, dict[str, object]]:
    """Draw the fields of a server; returns the model and the other values."""
    st.button(
        "Look for a local server",
        key="look_for_servers",
        icon=":material/search:",
        on_click=look,
        help="Asks the usual ports of this machine who is there. Sends no text and no key.",
    )
    _found()
    left, right = st.columns(2, gap="small", vertical_alignment="bottom")
    with left:
        base_url = st.text_input(
            "Address",
            key="teacher_base_url",
            persist_state="session",
            placeholder=LOCAL_URL,
            help="Ends in /v1. Of OpenAI: https://api.openai.com/v1",
        )
    base_url = (base_url or "").strip() or LOCAL_URL
    with right:
        model = st.selectbox(
            "Model",
            _models(base_url),
            key=f"teacher_model_{SERVER}",
            persist_state="session",
            accept_new_options=True,
            placeholder="Choose, or type its name",
        )
    values = teacher_advanced.advanced(workspace, SERVER)
    return model or "", {"base_url": base_url, **values}


def _models(base_url: str) -> list[str]:
    known = [m for s in FOUND.get() or [] if s.base_url == base_url for m in s.models]
    chosen = st.session_state.get(f"teacher_model_{SERVER}")
    models = known or computed.models_at(base_url)
    return [*models, *([chosen] if chosen and chosen not in models else [])]


def _found() -> None:
    found = FOUND.get()
    if found is None:
        return
    if not found:
        ports = ", ".join(f"{name} on {port}" for port, name in PORTS.items())
        layout.note(
            f"No server answers on this machine (looked for {ports}). Start one, for example Ollama with an "
            "instruction-tuned model of 7 to 14 billion parameters, and look again; or type an address below."
        )
        return
    for place in found:
        models = words.many(len(place.models), "model") if place.models else "it does not list its models"
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=_key(place)):
            st.html(
                f'<span class="lx-accepted">✓</span> {escape(place.name)} '
                f'<span class="lx-note">{escape(Address.of(place.base_url).name)} · {escape(models)}</span>'
            )
            if len(found) > 1:
                st.button("Use it", key=f"use_{place.base_url}", on_click=use, args=(place,))


def _key(place: FoundServer) -> str:
    return "lx_found_" + "".join(c if c.isalnum() else "_" for c in place.base_url)


# ---- trying it, and what it comes to ------------------------------------------------------------


def effective(spec: str) -> str:
    """Return the specification with the strategy that trying the connection found, where it was tried."""
    tried = TRIED.get().get(spec)
    return tried.spec if tried is not None and tried.ok and tried.spec else spec


def connection(workspace: Workspace, choice: Choice) -> None:
    """Draw the button that tries a server, and what came of it."""
    with st.container(horizontal=True, gap="small"):
        tested = st.button(
            "Test the connection",
            key="test_connection",
            icon=":material/network_check:",
            disabled=not choice.teacher,
            help="Asks about one made-up pair. No text of yours is sent.",
        )
        to_trial(disabled=not choice.teacher)
    if not choice.teacher:
        return
    if tested:
        with st.spinner("Asking about a made-up pair …"):
            TRIED.set({**TRIED.get(), choice.teacher: computed.try_connection(workspace, choice.teacher)})
    report = TRIED.get().get(choice.teacher)
    if report is not None:
        _report(report)
    elif problem := key_problem(choice.teacher):
        st.html(f'<div class="lx-error" role="alert">{escape(problem)}</div>')


def to_trial(*, disabled: bool) -> None:
    """Draw the button that leads to the trial."""
    st.button(
        "Try it on 30 pairs",
        key="to_trial",
        icon=":material/labs:",
        disabled=disabled,
        on_click=lambda: st.session_state.update({VIEW: TRIAL}),
    )


def _report(report: ConnectionReport) -> None:
    if not report.ok:
        st.html(f'<div class="lx-error" role="alert">{escape(report.problem)}</div>')
        return
    sure = f", {words.percent(report.probability)} sure of yes" if report.probability is not None else ""
    wrong = "" if report.verdict == "yes" else " It should have said yes: try a larger model."
    text = (
        f"It answers, within {report.seconds:.1f} s. Asked whether “Birds” fits a text on feeding garden "
        f"birds, it said {report.verdict}{sure}.{wrong}"
    )
    how = (
        f"Asked for {HOW_ASKED.get(report.strategy, report.strategy)}; {words.many(report.tokens, 'token')}."
    )
    st.html(
        f'<div class="lx-flash" role="status">{escape(text)} <span class="lx-note">{escape(how)}</span></div>'
    )


def as_line(spec: str) -> None:
    """Draw the specification as one would write it on the command line."""
    st.html('<p class="lx-note">The same on the command line:</p>')
    with st.container(key="lx_spec"):
        st.code(f"lmtx teach --teacher {shlex.quote(spec)}", language=None, wrap_lines=True)


def consent(workspace: Workspace, choice: Choice, n_documents: int) -> bool:
    """Draw what would leave the machine and the button that allows it.

    Returns
    -------
    bool
        Whether texts may be sent, or none would be.
    """
    host = choice.host
    if not host:
        return True
    if host in workspace.settings.consented_hosts:
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_consented"):
            text = f"Texts of this workspace may be sent to {host}."
            st.html(f'<p class="lx-note">{escape(text)}</p>', width="content")
            st.button(
                "Withdraw",
                key="withdraw",
                type="tertiary",
                on_click=actions.consent,
                args=(workspace, host, True),
            )
        return True
    with st.container(border=True, key="lx_consent"):
        most = words.many(min(choice.limit_docs or n_documents, n_documents), "document")
        st.html(
            f"<div><b>Texts would leave this machine.</b> Titles and texts of up to {escape(most)}, "
            f"with names and "
            f"definitions of their candidate labels, would be sent to <b>{escape(host)}</b>. Whoever "
            f"runs it can "
            "read them.</div>"
        )
        st.button(
            f"Texts may be sent to {markdown(shorten(host, 60))}",
            key="consent",
            on_click=actions.consent,
            args=(workspace, host, False),
        )
        layout.note("Asked once a workspace. Until then nothing is sent.")
    return False
