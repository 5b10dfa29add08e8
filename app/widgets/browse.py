"""Labels to look at, the detail of one, and tags and example documents wherever they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import mode, state
from app.widgets import defining, inert, layout, table, words
from app.widgets.inert import escape, shorten
from lmtx.types import Label
from lmtx.workspace import Example, LabelDetail, Tag, Workspace

SIGNS = {
    "accepted": ("✓", "accepted by a person"),
    "rejected": ("✗", "rejected by a person"),
    "proposed": ("?", "proposed by the teacher"),
    "declined": ("–", "declined by the teacher"),
    "unparsed": ("!", "the teacher's answer could not be read"),
}


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
        if mode.offers("review") and st.button(
            "Review this label", icon=":material/rate_review:", key=f"review_{item.id}"
        ):
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
