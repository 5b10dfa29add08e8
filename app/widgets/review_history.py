"""History: who said what, when, through which queue; and going back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import reviewing_history as doing
from app import services, state
from app.reviewing import REASONS, View
from app.widgets import layout, review, table, words
from app.widgets.inert import escape, shorten
from lmtx.review import RECORDED
from lmtx.types import Action, Decision
from lmtx.workspace import Workspace

ACTIONS: Mapping[Action, str] = {
    "accept": "right",
    "reject": "wrong",
    "complete": "complete",
    "skip": "skipped",
    "retract": "taken back",
}
QUEUES: dict[str, str] = {
    **RECORDED,
    "audit": "Random documents to measure",
    "label": "Label mode",
    "bulk": "Many at once",
    "spot-check": "Spot check",
    "trial": "Trial of a teacher",
    "import": "Import",
}
_PARAMS = {"Reviewer": "who", "Said": "said", "Queue": "through"}
"""Filter -> its name in the address."""
_UNNAMED = "-"
"""Of a filter in the address: decisions that came through no queue."""
PAGE_SIZE = 9


def draw(workspace: Workspace, view: View) -> None:
    """Draw the decisions, newest first."""
    filters = _filters(workspace, view)
    total = workspace.decisions_page(**filters, page=0, page_size=1).total
    if not total:
        with layout.empty(
            "Nothing was decided here yet.", "Decisions of everybody are listed here, the newest first."
        ):
            st.button("Show all decisions", key="history_all", type="primary", on_click=doing.show)
        review.key("Undo", "undo", "U", doing.undo, workspace, quiet=True)
        return
    number = table.pager(total, key="history", page_size=PAGE_SIZE, what="decision")
    page = workspace.decisions_page(**filters, page=number, page_size=PAGE_SIZE)
    _table(workspace, list(page.items))


def _filters(workspace: Workspace, view: View) -> dict[str, Any]:
    reviewers = sorted(workspace.journal.decision_counts("reviewer"))
    policies = sorted(workspace.journal.decision_counts("policy"))
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_history_filters"):
        who = _select("Reviewer", "anybody", reviewers, {})
        action = _select("Said", "anything", list(ACTIONS), ACTIONS)
        policy = _select("Queue", "any queue", policies, QUEUES)
        st.session_state["history_standing"] = state.param("standing") is not None
        stands = st.toggle(
            "Only what stands",
            key="history_standing",
            on_change=lambda: state.address(standing="1" if st.session_state["history_standing"] else None),
        )
        layout.go_button("Download", "export", icon=":material/download:", key="history_export")
    if view.document_id or view.label_id:
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_scope"):
            layout.note("Only")
            if view.document_id:
                document = workspace.journal.document(view.document_id)
                title = document.title if document is not None and document.title else view.document_id
                review.chip(f"document “{title}”", "undocument", doing.show, None, view.label_id)
            if view.label_id:
                label = workspace.journal.label(view.label_id)
                review.chip(
                    f"label “{label.name if label else view.label_id}”",
                    "unlabel",
                    doing.show,
                    view.document_id,
                    None,
                )
    return {
        "document_id": view.document_id,
        "label_id": view.label_id,
        "reviewer": who,
        "action": action,
        "policy": policy,
        "standing": True if stands else None,
    }


def _select(name: str, every: str, options: list[Any], names: Mapping[Any, str]) -> Any:
    """Draw a filter; what it is set to is in the address, so that a figure can link to its decisions."""
    key, param = f"history_{name}", _PARAMS[name]
    wanted = state.param(param)
    known = {x or _UNNAMED: x for x in options}
    st.session_state[key] = known.get(wanted) if wanted else None

    def changed() -> None:
        value = st.session_state[key]
        state.address(**{param: _UNNAMED if value == "" else value})

    return st.selectbox(
        name,
        options,
        index=None,
        on_change=changed,
        placeholder=f"{name}: {every}",
        format_func=lambda x: names.get(x, x) or "none",
        key=key,
        label_visibility="collapsed",
        width=230 if name == "Queue" else 190,
    )


def _table(workspace: Workspace, found: list[Decision]) -> None:
    documents = workspace.journal.documents_by_id({d.document_id for d in found})
    rows = []
    for d in found:
        document = documents.get(d.document_id)
        rows.append(
            {
                "Number": d.seq,
                "When": words.ago(d.at),
                "Who": d.reviewer,
                "Said": ACTIONS.get(d.action, d.action),
                "Label": _name(workspace, d.label_id),
                "Document": (document.title or d.document_id) if document is not None else d.document_id,
                "Queue": QUEUES.get(d.policy, d.policy) + (", blind" if d.blind else ""),
                "Why": " · ".join(x for x in (REASONS.get(d.reason, d.reason), d.note) if x),
            }
        )
    chosen = table.table(
        rows,
        [str(d.seq) for d in found],
        key="history_table",
        columns={
            "Number": st.column_config.NumberColumn(width=70),
            "When": st.column_config.TextColumn(width=95),
            "Document": st.column_config.TextColumn(width=270),
            "Label": st.column_config.TextColumn(width=170),
        },
    )
    decision = next((d for d in found if str(d.seq) == chosen), None)
    if decision is None:
        layout.note("Choose a row to see its pair’s history, or to go back to that moment.")
    else:
        _one(workspace, decision)


def _name(workspace: Workspace, label_id: str | None) -> str:
    if label_id is None:
        return ""
    label = workspace.journal.label(label_id)
    return label.name if label is not None else label_id


def _one(workspace: Workspace, decision: Decision) -> None:
    label = _name(workspace, decision.label_id)
    document = workspace.journal.document(decision.document_id)
    title = document.title if document is not None and document.title else decision.document_id
    layout.section(label or "The document as a whole", shorten(title, 80))
    pair = workspace.decisions_page(
        document_id=decision.document_id, label_id=decision.label_id, page_size=12
    )
    whole = decision.label_id is None
    items = [d for d in pair.items if d.label_id is None or not whole]
    lines = "".join(_line(d) for d in items)
    st.html(f'<ol class="lx-pair-history">{lines}</ol>')
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Go back to here", key=f"back_to_{decision.seq}", on_click=doing.ask, args=(decision.seq,))
        if decision.batch:
            st.button(
                "Undo this batch",
                key=f"undo_batch_{decision.batch}",
                on_click=doing.undo_batch,
                args=(workspace, decision.batch),
                help="Takes back all that was decided in the same step.",
            )
        st.button(
            "All of this document",
            key="history_document",
            type="tertiary",
            on_click=doing.show,
            args=(decision.document_id, None),
        )
        if decision.label_id:
            st.button(
                "All of this label",
                key="history_label",
                type="tertiary",
                on_click=doing.show,
                args=(None, decision.label_id),
            )
    if doing.GO_BACK.get() == decision.seq:
        _confirm(workspace, decision.seq)


def _line(d: Decision) -> str:
    what = ACTIONS.get(d.action, d.action) + (f" ({d.retracts})" if d.retracts else "")
    kind = {"accept": "accepted", "reject": "rejected"}.get(d.action, "note")
    why = " · ".join(x for x in (REASONS.get(d.reason, d.reason), d.note) if x)
    how = QUEUES.get(d.policy, d.policy)
    return (
        f'<li><b class="lx-{kind}">{escape(what)}</b> {escape(d.reviewer)} <span class="lx-note">'
        f"{escape(' · '.join(x for x in (words.ago(d.at), how, why) if x))}</span></li>"
    )


def _confirm(workspace: Workspace, seq: int) -> None:
    me = services.reviewer(workspace)
    mine = st.toggle(f"Only what {me} said since", key="history_mine")
    only = me if mine else None
    n = doing.taken_back_by(workspace, seq, only)
    whose = f"by {escape(me)}" if mine else "by everybody"
    st.html(
        f"<p>Going back to decision {seq} takes back <b>{words.many(n, 'decision')}</b> {whose}. "
        "They stay in the history, and going back can itself be taken back there.</p>"
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Take back {words.many(n, 'decision')}",
            type="primary",
            key=f"go_back_{seq}",
            disabled=n == 0,
            on_click=doing.go_back,
            args=(workspace, seq, only),
        )
        st.button("Keep them", key="go_back_not", on_click=doing.ask, args=(None,))
