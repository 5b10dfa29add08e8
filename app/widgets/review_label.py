"""Label mode: one label, the documents proposed for it, many decided at once."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import reviewing, state
from app import reviewing_label as doing
from app.reviewing import View
from app.reviewing_label import ROWS, Rows
from app.widgets import layout, review, review_text, words
from app.widgets.inert import escape, markdown, marked, shorten, word_spans
from lmtx.review import matching_words
from lmtx.review.models import BatchRow, Bulk
from lmtx.workspace import Workspace

_LONG_TITLE = 46
"""Characters of a title from which on it needs a second line."""


def draw(workspace: Workspace, view: View) -> None:
    """Draw the label to review, or the choice of one."""
    batch = state.REVIEW_BULK.get()
    if batch is not None:
        _batch(workspace, batch)
        return
    rows = doing.current(workspace, view)
    if rows is None:
        _choose(workspace)
        return
    left, right = st.columns([9, 12], gap="large")
    with left:
        review.card(
            rows.label.name, rows.path, rows.label.description, rows.label.aliases, list(rows.examples)
        )
        _search(workspace)
        row = doing.selected(rows)
    with right:
        _rows(workspace, rows)
        titles = {x.document_id: x.title or x.document_id for x in rows.rows}
        review.reason(workspace, doing.target_of(rows, row) if row is not None else None, titles)
    with left:
        _actions(workspace, rows)


# ---- choosing -------------------------------------------------------------------------------------


def _search(workspace: Workspace) -> None:
    query = review.search(
        "label", "F  Another label: any word of its name", lambda text: doing.choose_first(workspace, text)
    )
    found = reviewing.labels_to_choose(workspace, 5, query) if query else []
    review.found(
        [(label, _waiting(n)) for label, n in found], query, lambda label_id, _: doing.choose(label_id)
    )


def _choose(workspace: Workspace) -> None:
    query = review.search(
        "label", "F  Which label? Any word of its name", lambda text: doing.choose_first(workspace, text)
    )
    layout.note(
        "Enter opens the first; Esc shows all again."
        if query
        else "Labels with the most proposed documents that nobody has decided. A number opens one."
    )
    if not _labels(workspace, query):
        review.nothing_left(workspace, "proposed document") if not query else layout.note(
            "No label has these words."
        )
    review.key("Undo", "undo", "U", doing.undo, workspace, quiet=True)


def _waiting(n: int) -> str:
    return f"{words.count(n) if n else 'none'} waiting"


def _labels(workspace: Workspace, query: str) -> bool:
    found = reviewing.labels_to_choose(workspace, ROWS, query)
    for number, (label, n) in enumerate(found, start=1):
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"lx_pick_{number}"):
            st.button(
                markdown(shorten(label.name, 60)),
                key=f"pick_{label.id}",
                shortcut=None if query else str(number),
                icon=":material/keyboard_return:" if query and number == 1 else None,
                on_click=doing.choose,
                args=(label.id,),
            )
            st.html(
                f'<p class="lx-note lx-pick"><span>{_waiting(n)}</span>'
                f'<span dir="auto">{escape(shorten(label.description, 80))}</span></p>'
            )
    return bool(found)


# ---- rows -----------------------------------------------------------------------------------------


def _rows(workspace: Workspace, rows: Rows) -> None:
    stands = doing.standing(workspace, rows)
    marked_ids = set(state.REVIEW_MARKED.get())
    last, kind = rows.start + len(rows.rows), "nearest first" if rows.like else "surest first"
    some = f"{words.count(rows.start + 1)} – {words.count(last)} of {words.count(rows.total)}"
    waits = f"{some} waiting, {kind}" if rows.rows else ""
    with st.container(horizontal=True, vertical_alignment="center", key="lx_rows_head"):
        st.html(f'<p class="lx-note">{waits}</p>')
        if rows.like:
            near = workspace.journal.document(rows.like)
            title = near.title if near is not None else rows.like
            review.chip(f"near “{title}”", "unlike", doing.widen)
        elif waits:
            st.html(
                '<div class="lx-bars-key"><span class="lx-teacher">▬ teacher</span>'
                '<span class="lx-student">▬ student</span></div>'
            )
    if not rows.rows:
        with layout.empty(
            "No proposed document waits for this label.",
            "Choose another label (F), or see what was decided in History.",
        ):
            st.button("Choose another label", key="review_other", type="primary", on_click=reviewing.narrow)
        return
    with st.container(key="lx_candidates"):
        for number, row in enumerate(rows.rows, start=1):
            _row(workspace, rows, row, number, stands, row.document_id in marked_ids)


def _row(
    workspace: Workspace,
    rows: Rows,
    row: BatchRow,
    number: int,
    stands: Mapping[str, str | None],
    marked_: bool,
) -> None:
    sign, kind, word = review.sign(stands.get(row.document_id), row.state == "proposed")
    key, text = st.columns([1, 9], vertical_alignment="center", gap="small")
    key.button(
        sign,
        key=f"key_{number}_{kind}_{rows.label.id}_{row.document_id}",
        shortcut=str(number),
        width="stretch",
        on_click=doing.toggle,
        args=(workspace, rows, row, kind),
    )
    chosen = doing.selected(rows)
    selected = "sel" if chosen is not None and chosen.document_id == row.document_id else ""
    long = "lx-long" if len(row.title) > _LONG_TITLE else ""  # two lines of title, one of evidence
    evidence = shorten(row.evidence, 190)
    body = marked(evidence, word_spans(evidence, row.words))
    tick = '<span class="lx-tick" title="marked">■</span> ' if marked_ else ""
    text.html(
        f'<div class="lx-cand lx-row {kind} {selected} {long}"><div>'
        f'<div class="lx-cand-name" dir="auto">{tick}{escape(row.title or row.document_id)}</div>'
        f'<div class="lx-row-text" dir="auto">{body}</div></div>'
        f"{review.bars(row.teacher_probability, row.probability)}"
        f'<div class="lx-cand-said lx-{kind}">{word}</div></div>'
    )


def _actions(workspace: Workspace, rows: Rows) -> None:
    marked_ids = state.REVIEW_MARKED.get()
    row = doing.selected(rows)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_actions"):
        if marked_ids:
            n = words.count(len(marked_ids))
            review.key(
                f"✓ All {n} right", "accept_marked", "A", doing.propose, workspace, rows, "accept", main=True
            )
            review.key(f"✗ All {n} wrong", "reject_marked", "X", doing.propose, workspace, rows, "reject")
        elif row is not None:
            here = f"{rows.label.id}_{row.document_id}"
            args = (workspace, rows, row)
            review.key("✓ Right", f"accept_{here}", "A", doing.say, *args, "accept", main=True)
            review.key("✗ Wrong", f"reject_{here}", "X", doing.say, *args, "reject")
            review.key("Skip", f"skip_{here}", "S", doing.say, *args, "skip")
        applied = state.REVIEW_APPLIED.get()
        review.key("Undo the batch" if applied else "Undo", "undo", "U", doing.undo, workspace)
    with st.container(horizontal=True, gap="small", key="lx_moves"):
        if row is not None:
            here = f"{rows.label.id}_{row.document_id}"
            marked_now = row.document_id in marked_ids
            review.key(
                "Unmark" if marked_now else "Mark",
                f"mark_{here}_{marked_now}",
                "M",
                doing.mark,
                workspace,
                rows,
                row,
                quiet=True,
            )
            review.key(
                "Mark all",
                f"mark_all_{len(marked_ids)}",
                "L",
                doing.mark_many,
                workspace,
                rows,
                len(marked_ids),
                quiet=True,
                help="The page; again: all that wait; again: none",
            )
            review.key("Next", f"next_{here}", "J", doing.move, workspace, rows, 1, quiet=True)
            review.key("Previous", f"previous_{here}", "K", doing.move, workspace, rows, -1, quiet=True)
            review.key("Next page", f"page_{here}", "N", doing.page, workspace, rows, 1, quiet=True)
            review.key("Page back", f"page_back_{here}", "B", doing.page, workspace, rows, -1, quiet=True)
            review.key("Near documents", f"like_{here}", "G", doing.more_like, rows, row, quiet=True)


# ---- many at once ---------------------------------------------------------------------------------


def _batch(workspace: Workspace, batch: Bulk) -> None:
    label = workspace.journal.label(batch.label_id)
    name = label.name if label is not None else batch.label_id
    done, every = sum(i in batch.answers for i in batch.check), len(batch.check)
    n = words.count(len(batch.document_ids))
    what = "right" if batch.action == "accept" else "wrong"
    document_id = doing.asked(batch)
    document = workspace.journal.document(document_id) if document_id else None
    left, right = st.columns([11, 10], gap="large")
    folds = False
    with left:
        if batch.ready:
            layout.note("The spot check is passed. Nothing of the rest is decided before you say so.")
        if document is not None and label is not None and not (batch.ready or batch.refused):
            found = matching_words(document.text, label)
            whole = state.REVIEW_UNFOLDED.get() == document.id
            with st.container(height=review_text.HEIGHT, border=False, key="lx_reading"):
                folds = review_text.draw(document, word_spans(document.text, found), None, whole=whole)
    with right:
        st.html(
            f'<p class="lx-note">You are about to {batch.action} this label for <b>{n} documents</b>. '
            f"First a spot check of {words.count(every)} of them, drawn at random: is the label right?</p>"
        )
        if label is not None:
            review.card(name, (), label.description, label.aliases, [])
        st.html(
            '<div class="lx-track">'
            f'<div class="lx-fill" style="width:{100 * done / max(1, every):.0f}%"></div></div>'
            f'<p class="lx-note">{done} of {every} answered · {batch.misses} against the batch · '
            f"at most {batch.allowed} allowed</p>"
        )
        if batch.refused:
            st.html(
                '<div class="lx-error" role="alert">'
                f"{batch.misses} of the {done} checked are not {what}; a batch may have {batch.allowed}. "
                "Nothing of the rest was decided; your answers are saved. Decide these one by one, "
                "or mark fewer.</div>"
            )
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_actions"):
            if batch.ready:
                rest = len([i for i in batch.document_ids if i not in batch.answers])
                verb = "Accept" if batch.action == "accept" else "Reject"
                review.key(
                    f"{verb} the other {words.count(rest)}",
                    f"apply_{batch.id}",
                    "Enter",
                    doing.apply,
                    workspace,
                    batch,
                    main=True,
                )
            elif document_id is not None and not batch.refused:
                args = (workspace, batch, document_id, name)
                review.key(
                    "✓ Right here",
                    f"right_{batch.id}_{document_id}",
                    "A",
                    doing.answer,
                    *args,
                    True,
                    main=True,
                )
                review.key("✗ Wrong here", f"wrong_{batch.id}_{document_id}", "X", doing.answer, *args, False)
            review.key("Undo", "undo", "U", doing.undo, workspace)
            review.key(
                "Leave the batch", f"leave_{batch.id}", "B", doing.close, workspace, main=batch.refused
            )
            if folds:
                review.key(
                    "Whole text", f"unfold_{document_id}", "E", reviewing.unfold, document_id, quiet=True
                )
