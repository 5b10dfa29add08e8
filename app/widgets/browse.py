"""Documents and labels to look at: filters, pages, search, and the detail of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import streamlit as st

from app import services, state
from app.widgets import defining, inert, layout, table, words
from app.widgets.inert import escape, shorten
from lmtx.types import Decision, Label, Role
from lmtx.workspace import Example, Hit, LabelDetail, PairDetail, Tag, Workspace

SIGNS = {
    "accepted": ("✓", "accepted by a person"),
    "rejected": ("✗", "rejected by a person"),
    "proposed": ("?", "proposed by the teacher"),
    "declined": ("–", "declined by the teacher"),
    "unparsed": ("!", "the teacher's answer could not be read"),
}
_ANY = "any"


def sign(kind: str) -> str:
    """HTML of a state: sign and words, coloured."""
    mark, text = SIGNS.get(kind, ("", kind))
    return f'<span class="lx-{escape(kind)}">{mark} {escape(text)}</span>'


def documents(workspace: Workspace) -> None:
    """Draw the documents with filters, paged on the server."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Words in title or text",
            key="corpus_query",
            persist_state="session",
            type="search",
            width=300,
        )
        role = st.selectbox(
            "Used",
            [_ANY, *get_args(Role)],
            format_func=lambda r: services.ROLES.get(r, r),
            key="corpus_role",
            persist_state="session",
            width=160,
        )
        reviewed = st.selectbox(
            "Reviewed", [_ANY, "yes", "no"], key="corpus_reviewed", persist_state="session", width=110
        )
        if query and st.button("Review these", key="corpus_review", icon=":material/rate_review:"):
            state.go("review", query=query)
    filters: dict[str, Any] = {
        "query": query or "",
        "role": None if role == _ANY else role,
        "completed": {"yes": True, "no": False}.get(reviewed),
        "page_size": table.PAGE_SIZE,
    }
    first = workspace.documents_page(**filters)
    page = table.pager(first.total, key=f"corpus_page_{query}_{role}_{reviewed}", what="document")
    rows = (workspace.documents_page(**filters, page=page) if page else first).items
    chosen = table.table(
        [
            {
                "Title": row.title or shorten(row.snippet, 60),
                "Text": row.snippet,
                "Used": services.ROLES.get(row.role, row.role),
                "Proposed": row.n_proposed,
                "Accepted": row.n_accepted,
                "Reviewed": row.completed,
            }
            for row in rows
        ],
        [row.id for row in rows],
        key=f"corpus_table_{page}",
        opens=True,
        columns={
            "Title": st.column_config.TextColumn(width="medium"),
            "Text": st.column_config.TextColumn(width="large"),
            "Proposed": table.number("Proposed"),
            "Accepted": table.number("Accepted"),
        },
    )
    if chosen:
        state.go("corpus", document=chosen)


def hits(found: Sequence[Hit], *, key: str) -> None:
    """Draw found documents; one opens its detail."""
    if not found:
        layout.note("Nothing found.")
        return
    chosen = table.table(
        [
            {
                "Title": h.title or shorten(h.snippet, 60),
                "Text": h.snippet,
                **({} if h.score is None else {"Likeness": h.score}),
            }
            for h in found
        ],
        [h.document_id for h in found],
        key=key,
        opens=True,
        columns={
            "Title": st.column_config.TextColumn(width="medium"),
            "Text": st.column_config.TextColumn(width="large"),
            "Likeness": table.share("Likeness", "Cosine of the meanings, 100 % the same"),
        },
    )
    if chosen:
        state.go("corpus", document=chosen)


def examples(found: Sequence[Example], *, key: str, none: str) -> None:
    """Draw example documents; one opens its detail."""
    if not found:
        layout.note(none)
        return
    chosen = table.table(
        [{"Title": e.title or shorten(e.snippet, 60), "Text": e.snippet} for e in found],
        [e.document_id for e in found],
        key=key,
        opens=True,
        columns={
            "Title": st.column_config.TextColumn(width="medium"),
            "Text": st.column_config.TextColumn(width="large"),
        },
    )
    if chosen:
        state.go("corpus", document=chosen)


def document(workspace: Workspace, document_id: str) -> None:
    """Draw one document with all that is known of its labels."""
    detail = workspace.document_detail(document_id)
    left, right = st.columns([6, 5], gap="large")
    with left:
        spoken = [w for tag in detail.predictions[:3] for w in telling(tag)[:3]]
        text = detail.document.text
        inert.reading(detail.document.title, text, inert.word_spans(text, spoken))
        facts = [
            f"id {detail.document.id}",
            f"used: {services.ROLES.get(detail.role, detail.role)}",
            "reviewed" if detail.completed else "not reviewed",
        ]
        layout.note(" · ".join(facts))
        _history(workspace, detail.history)
    with right:
        tags(detail.predictions, title="Tags by the tagger")
        layout.section("Judged labels")
        _pairs(detail.pairs)
    layout.section("Similar documents", "by meaning")
    hits(detail.similar, key="similar")


def _history(workspace: Workspace, history: Sequence[Decision]) -> None:
    """Draw what people decided of a document, newest first."""
    if not history:
        return
    layout.section("Decisions", "newest first")
    lines = []
    for decision in history[:8]:
        label = workspace.journal.label(decision.label_id) if decision.label_id else None
        what = label.name if label else decision.label_id or "the whole document"
        lines.append(
            f'<div class="lx-pred-top"><span dir="auto">{escape(decision.action)}: {escape(what)}</span>'
            f'<span class="lx-note">{escape(decision.reviewer)}, {escape(words.ago(decision.at))}</span>'
            "</div>"
        )
    st.html("".join(lines))


def tags(found: Sequence[Tag], *, title: str) -> None:
    """Draw predicted tags with their score and the words that speak for them."""
    layout.section(title)
    if not found:
        layout.note("None yet.")
        return
    top = max((t.score for t in found), default=1.0) or 1.0
    st.html("".join(tag_row(t, top) for t in found))


def telling(tag: Tag) -> list[str]:
    """Words that speak for a tag, without the little words of Latin scripts that tell a reader nothing."""
    return [w for w in tag.words if len(w) > 3 or not w.isascii()]


def tag_row(tag: Tag, top: float) -> str:
    """HTML of one predicted tag."""
    known = tag.probability is not None
    width = 100 * (tag.probability or 0.0) if known else max(4.0, 100 * tag.score / top if top > 0 else 4.0)
    value = words.percent(tag.probability) if known else f"{tag.score:.2f}"
    words_of = ", ".join(telling(tag)[:6])
    spoken = f'<span class="lx-note">{escape(words_of)}</span>' if words_of else ""
    place = f'<span class="lx-note" dir="auto">{escape(" › ".join(tag.path))}</span>' if tag.path else ""
    return (
        '<div class="lx-pred"><div class="lx-pred-top">'
        f'<span dir="auto"><b>{escape(tag.name)}</b> {place}</span>'
        f"<span>{escape(value)}</span></div>"
        f'<div class="lx-bar"><i class="s" style="width:{min(width, 100):.0f}%"></i></div>{spoken}</div>'
    )


def _pairs(pairs: Sequence[PairDetail]) -> None:
    if not pairs:
        layout.note("No teacher and no person has judged a label of this document yet.")
        return
    order = list(SIGNS)
    rows = sorted(
        pairs, key=lambda p: (order.index(p.state) if p.state in order else 9, -(p.probability or 0))
    )
    st.html(
        '<div class="lx-hits">'
        + "".join(
            f'<div class="lx-pred-top lx-hit"><span dir="auto">{escape(p.name)}</span>{sign(p.state)}</div>'
            for p in rows[:14]
        )
        + "</div>"
    )
    if len(rows) > 14:
        layout.note(f"and {len(rows) - 14} more")


def labels(workspace: Workspace) -> None:
    """Draw the label set, paged on the server."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Words in name, alias or definition",
            key="labels_query",
            persist_state="session",
            type="search",
            width=300,
        )
        sorts = {"name": "Name", "gold": "Gold", "accepted": "Accepted", "proposed": "Proposed"}
        sort = st.selectbox(
            "Sort by",
            list(sorts),
            format_func=sorts.__getitem__,
            key="labels_sort",
            persist_state="session",
            width=140,
        )
    filters: dict[str, Any] = {
        "query": query or "",
        "sort": sort,
        "descending": sort != "name",
        "page_size": table.PAGE_SIZE,
    }
    first = workspace.labels_page(**filters)
    page = table.pager(first.total, key=f"labels_page_{query}_{sort}", what="label")
    rows = (workspace.labels_page(**filters, page=page) if page else first).items
    chosen = table.table(
        [
            {
                "Name": row.name,
                "Definition": row.description,
                "Narrower": row.n_children,
                "Gold": row.n_gold,
                "Proposed": row.n_proposed,
                "Accepted": row.n_accepted,
                "Rejected": row.n_rejected,
            }
            for row in rows
        ],
        [row.id for row in rows],
        key=f"labels_table_{page}_{sort}",
        opens=True,
        columns={
            "Name": st.column_config.TextColumn(width="medium"),
            "Definition": st.column_config.TextColumn(width="large"),
            **{n: table.number(n) for n in ("Narrower", "Gold", "Proposed", "Accepted", "Rejected")},
        },
    )
    if chosen:
        state.go("labels", label=chosen)


def label(workspace: Workspace, detail: LabelDetail) -> None:
    """Draw a label's page."""
    item = detail.label
    left, right = st.columns([6, 5], gap="large")
    with left:
        if detail.path:
            st.html(f'<p class="lx-note" dir="auto">{escape(" › ".join(detail.path))}</p>')
        st.html(f'<div class="lx-doc" dir="auto">{escape(item.description or "No definition yet.")}</div>')
        if item.aliases:
            st.html(f'<p class="lx-note" dir="auto">Also called {escape(", ".join(item.aliases))}</p>')
        _linked("Broader", detail.parents)
        _linked("Narrower", detail.children)
        _linked("Near in meaning", [near for near, _ in detail.neighbours[:6]])
    with right:
        layout.figures(
            [
                (SIGNS[s][0] + " " + s, words.count(detail.counts.get(s, 0)), "")
                for s in ("accepted", "rejected", "proposed")
            ]
        )
        layout.note(f"id {item.id}")
        if st.button("Review this label", icon=":material/rate_review:", key=f"review_{item.id}"):
            state.go("review", mode="label", label=item.id)
    defining.panel(workspace, item)
    for title, found, none in (
        ("Accepted", detail.accepted, "No person has accepted it anywhere yet."),
        ("Proposed by the teacher", detail.proposed, "No teacher proposes it anywhere."),
        ("Rejected", detail.rejected, "No person has rejected it anywhere."),
    ):
        layout.section(title)
        examples(found, key=f"label_{title}", none=none)


def _linked(title: str, found: Sequence[Label]) -> None:
    if not found:
        return
    layout.note(title)
    with st.container(horizontal=True, gap="small", key=f"lx_linked_{title}"):
        for other in found[:24]:
            if st.button(
                inert.markdown(shorten(other.name, 40)), key=f"to_{title}_{other.id}", type="secondary"
            ):
                state.go("labels", label=other.id)
    if len(found) > 24:
        layout.note(f"and {len(found) - 24} more")
