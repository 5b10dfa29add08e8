"""Documents to find: by meaning and words, by label, use and state, or a set; all of it in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pandas as pd
import streamlit as st

from app import mode, services, state
from app.widgets import downloads, layout, table, words
from app.widgets.inert import escape, markdown, marked, shorten
from lmtx.errors import InputError, NothingToDoError
from lmtx.types import Role, Split
from lmtx.workspace import Workspace
from lmtx.workspace.finding import DEPTH, By, DocumentQuery, FoundDocument

BY = {"both": "meaning and words", "meaning": "meaning", "words": "words"}
STATES = {
    "accepted": "accepted",
    "proposed": "proposed by the teacher",
    "rejected": "rejected",
    "declined": "declined by the teacher",
    "unparsed": "answer not read",
    "tagged": "tagged by the tagger",
}
_ADDRESS = ("query", "by", "label", "state", "use", "split", "reviewed", "judged", "set", "page")
_YES = {"yes": True, "no": False}
_LISTED = 1500  # labels that a list to choose from holds; of more, those that words find
_REVIEWED = 5000  # documents that a review is narrowed to at most


def of_address() -> DocumentQuery:
    """Read what is looked for from the address; what is not known there is told when it is looked for."""
    chosen: Any = {
        "by": state.param("by") or "both",
        "state": state.param("state"),
        "role": state.param("use"),
        "split": state.param("split"),
    }
    return DocumentQuery(
        text=(state.param("query") or "").strip(),
        label_id=state.param("label"),
        completed=_YES.get(state.param("reviewed") or ""),
        judged=_YES.get(state.param("judged") or ""),
        set_id=state.param("set"),
        **chosen,
    )


def body(workspace: Workspace) -> None:
    """Draw the search line, the filters, and what they find."""
    query = of_address()
    _line(query)
    _filters(workspace, query)
    _picked(workspace, query)
    page = _page()
    try:
        found = workspace.find_documents(query, page, table.PAGE_SIZE)
        if page >= found.n_pages:  # an address of when there were more
            page = found.n_pages - 1
            found = workspace.find_documents(query, page, table.PAGE_SIZE)
    except (InputError, NothingToDoError) as error:
        st.html(f'<div class="lx-error" role="alert">{escape(error)}</div>')
        with st.container(horizontal=True, gap="small"):
            st.button("All documents", key="find_all", icon=":material/arrow_back:", on_click=clear)
            if isinstance(error, NothingToDoError) and query.state == "tagged":
                layout.go_button("Draw the map", "explore", icon=":material/travel_explore:")
        return
    if not found.total:
        layout.note("Nothing found.")
        if query != DocumentQuery():
            st.button("All documents", key="find_all", icon=":material/arrow_back:", on_click=clear)
        return
    _above(workspace, query, found.total)
    for number, item in enumerate(found.items):
        _hit(number, item)
    _pages(found.n_pages, page)


def clear() -> None:
    """Look at all documents again."""
    state.address(**dict.fromkeys(_ADDRESS))


# ---- what is asked for -------------------------------------------------------------------------------


def _line(query: DocumentQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="lx_find"):
        _bound("query", query.text, "", lambda key, changed: st.text_input(
            "Find documents", key=key, type="search", width=430, on_change=changed,
            placeholder="Words, or a sentence that says what they are about",
        ))  # fmt: skip
        by = query.by if query.by in get_args(By) else "both"
        _bound("by", by, "both", lambda key, changed: st.segmented_control(
            "By", list(BY), format_func=BY.__getitem__, key=key, required=True, on_change=changed,
        ))  # fmt: skip


def _filters(workspace: Workspace, query: DocumentQuery) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="lx_find_filters"):
        _label(workspace, query)
        _choice("state", query.state, "In state", STATES, width=190)
        _choice("use", query.role, "Used", {r: services.ROLES[r] for r in get_args(Role)}, width=140)
        _choice("reviewed", state.param("reviewed"), "Reviewed", {"yes": "yes", "no": "no"}, width=100)
        _choice("judged", state.param("judged"), "Judged", {"yes": "yes", "no": "no"}, width=100)
        _choice("split", query.split, "Split", {s: s for s in get_args(Split)}, width=100)


def _label(workspace: Workspace, query: DocumentQuery) -> None:
    labels = {x.id: x for x in workspace.journal.corpus().labels}
    if not labels:
        return
    listed = list(labels)
    if len(labels) > _LISTED:
        typed = st.text_input("Words of a label", key="find_label_words", width=150, placeholder="its name")
        listed = [x.id for x in workspace.find_labels(typed, 50)] if typed.strip() else []
    else:
        listed.sort(key=lambda x: labels[x].name.casefold())
    if query.label_id in labels and query.label_id not in listed:
        listed.insert(0, query.label_id)
    _choice(
        "label", query.label_id, "With label", {x: shorten(labels[x].name, 60) for x in listed}, width=260
    )


def _choice(name: str, now: str | None, title: str, values: dict[str, str], *, width: int) -> None:
    """Draw one filter; nothing chosen means any."""
    _bound(name, now if now in values else None, None, lambda key, changed: st.selectbox(
        title, list(values), format_func=lambda x: values.get(x, x), key=key, width=width,
        on_change=changed, index=None, placeholder="any",
    ))  # fmt: skip


def _bound(name: str, now: object, usual: object, draw: Callable[[str, Callable[[], None]], object]) -> None:
    """Draw a widget whose value is in the address; another value begins at the first page."""
    key = f"find_{name}"
    st.session_state[key] = now

    def changed() -> None:
        value = st.session_state[key]
        state.address(**{name: None if value == usual else str(value or ""), "page": None})

    draw(key, changed)


def _picked(workspace: Workspace, query: DocumentQuery) -> None:
    if query.set_id is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_find_set"):
        try:
            n = len(workspace.saved_documents(query.set_id))
        except InputError:
            return  # said below, with the way back
        layout.note(f"{words.many(n, 'document')} picked.")
        st.button(
            "Not only these", key="find_unpick", type="tertiary", icon=":material/close:",
            on_click=state.address, kwargs={"set": None, "page": None},
        )  # fmt: skip


# ---- what is found -----------------------------------------------------------------------------------


def _above(workspace: Workspace, query: DocumentQuery, total: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_found_row"):
        deep = query.text and query.by == "meaning" and total == DEPTH
        found = f"The {words.count(total)} nearest documents" if deep else words.many(total, "document")
        layout.note(f"{found}, nearest first" if query.text and query.by != "words" else found)
        offered = query != DocumentQuery() and mode.offers("review") and not workspace.read_only
        if offered and st.button("Review these", key="corpus_review", icon=":material/rate_review:"):
            state.go("review", **_review_address(workspace, query))
        downloads.csv(lambda: _frame(workspace, query), "documents", key="find_csv", label="Download as CSV")
        st.download_button(
            "Download the ids",
            lambda: "\n".join(workspace.find_document_ids(query)).encode(),
            file_name="documents.txt",
            mime="text/plain",
            key="find_ids",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
        )


def _review_address(workspace: Workspace, query: DocumentQuery) -> dict[str, str]:
    """Narrow the review to what was found: by its words or its set where these say it all, else by a set."""
    if query == DocumentQuery(text=query.text, by="words"):
        return {"query": query.text}
    if query == DocumentQuery(set_id=query.set_id) and query.set_id:
        return {"set": query.set_id}
    return {"set": workspace.save_documents(workspace.find_document_ids(query)[:_REVIEWED])}


def _frame(workspace: Workspace, query: DocumentQuery) -> pd.DataFrame:
    ids = workspace.find_document_ids(query)
    rows = workspace.journal.document_rows(ids)
    return pd.DataFrame(
        [
            {
                "id": row.id,
                "title": row.title,
                "used": row.role,
                "split": row.split,
                "reviewed": row.completed,
                "accepted": row.n_accepted,
                "rejected": row.n_rejected,
                "proposed": row.n_proposed,
            }
            for row in (rows[i] for i in ids if i in rows)
        ]
    )


def _hit(number: int, item: FoundDocument) -> None:
    row = item.row
    facts = [services.ROLES.get(row.role, row.role)]
    if item.likeness is not None:
        facts.insert(0, f"likeness {item.likeness:.2f}")
    facts += [f"{n} {what}" for n, what in ((row.n_accepted, "accepted"), (row.n_proposed, "proposed")) if n]
    if row.completed:
        facts.append("reviewed")
    title = row.title or shorten(item.snippet, 60) or row.id
    with st.container(gap=None, key=f"lx_hit_{number}"):
        st.button(
            markdown(shorten(title, 110)),
            key=f"find_open_{number}",
            type="tertiary",
            on_click=state.turn_to,
            kwargs={"document": row.id},
        )
        st.html(
            f'<div class="lx-hit"><div dir="auto">{marked(item.snippet, item.marks)}</div>'
            f'<div class="lx-note">{escape(" · ".join(facts))}</div></div>'
        )


def _page() -> int:
    text = state.param("page") or "1"
    return max(0, int(text) - 1) if text.isdecimal() and len(text) < 8 else 0


def _pages(n: int, now: int) -> None:
    if n == 1:
        return
    key = f"find_page_{n}_{now}"  # a widget of its own: one with a default can't be set by the address

    def changed() -> None:
        chosen = int(st.session_state[key])
        state.address(page=str(chosen) if chosen > 1 else None)

    with st.container(horizontal=True, horizontal_alignment="right"):
        st.pagination(n, default=min(now, n - 1) + 1, key=key, max_visible_pages=7, on_change=changed)
