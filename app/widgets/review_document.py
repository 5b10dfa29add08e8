"""Document mode: the document at the left, its candidate labels and keys at the right."""

from __future__ import annotations

import streamlit as st

from app import reviewing, state
from app import reviewing_document as doing
from app.reviewing import Target, View
from app.reviewing_document import Standing
from app.widgets import review, review_text, words
from app.widgets.inert import escape, markdown, shorten
from lmtx.review.models import Candidate, ReviewItem
from lmtx.workspace import Workspace


def draw(workspace: Workspace, view: View) -> None:
    """Draw the document to review."""
    item = doing.current(workspace, view)
    if item is None:
        review.nothing_left(workspace, "document")
        review.key("Undo", "undo", "U", doing.undo, workspace)
        return
    standing = doing.standing(workspace, item)
    review.marks(workspace, item, before=item.completed)
    left, right = st.columns([11, 10], gap="large")
    with left:
        folds = _document(item)
    with right:
        _candidates(workspace, item, standing)
        _actions(workspace, item, standing, folds)


def _document(item: ReviewItem) -> bool:
    label_id = doing.selected(item)
    chosen = state.REVIEW_SELECTED.get() is not None and not item.blind
    mine = [h for h in item.highlights if label_id in h.label_ids]
    marks = [(h.start, h.end) for h in mine if h.kind == "word"]
    near = next(((h.start, h.end) for h in mine if h.kind == "sentence" and chosen), None)
    whole = state.REVIEW_UNFOLDED.get() == item.document.id
    with st.container(height=review_text.HEIGHT, border=False, key="lx_reading"):
        folds = review_text.draw(item.document, marks, near, whole=whole)
    st.html(f'<p class="lx-note">{escape(item.reason)}</p>')
    return folds


def _candidates(workspace: Workspace, item: ReviewItem, standing: Standing) -> None:
    if not item.blind:
        st.html(
            '<div class="lx-bars-key"><span class="lx-teacher">▬ teacher</span>'
            '<span class="lx-student">▬ student</span></div>'
        )
    candidates = doing.shown(item)
    with st.container(key="lx_candidates"):
        for number, candidate in enumerate(candidates, start=1):
            _row(workspace, item, candidate, number, standing)
    _definition(workspace, item)
    selected = doing.selected(item)
    name = next((c.name for c in candidates if c.label_id == selected), "")
    review.reason(workspace, Target.of(item, selected, name) if selected and name else None)
    _add(workspace, item, standing)


def _row(
    workspace: Workspace, item: ReviewItem, candidate: Candidate, number: int, standing: Standing
) -> None:
    said = "accept" if candidate.label_id in standing.accepted else None
    said = "reject" if candidate.label_id in standing.rejected else said
    mark, kind, word = review.sign(said, candidate.verdict == "yes" and not item.blind)
    key, text = st.columns([1, 7], vertical_alignment="center", gap="small")
    # The key of the button holds what the press is about: one that comes before the screen has changed
    # finds no such button any more, and is not taken for a press on what is drawn next.
    key.button(
        mark,
        key=f"key_{number}_{kind}_{candidate.label_id}_{item.document.id}",
        shortcut=str(number),
        width="stretch",
        on_click=doing.toggle,
        args=(workspace, item, candidate.label_id, candidate.name, kind),
    )
    selected = "sel" if candidate.label_id == doing.selected(item) else ""
    opinion = (
        "<div></div>"
        if item.blind
        else review.bars(candidate.teacher_probability, candidate.probability, candidate.score)
    )
    why = "" if item.blind else candidate.why
    text.html(
        f'<div class="lx-cand {kind} {selected}" title="{escape(why)}"><div>'
        f'<div class="lx-cand-name" dir="auto">{escape(candidate.name)}</div>'
        f'<div class="lx-cand-path" dir="auto">{escape(" › ".join(candidate.path))}</div></div>'
        f'{opinion}<div class="lx-cand-said lx-{kind}">{word}</div></div>'
    )


def _definition(workspace: Workspace, item: ReviewItem) -> None:
    selected = doing.selected(item)
    found = next((c for c in item.candidates if c.label_id == selected), None)
    why = ""
    if found is not None:
        name, text, why = found.name, found.definition, "" if item.blind else found.why
    else:
        label = workspace.journal.label(selected) if selected else None
        name, text = (label.name, label.description) if label else ("", "")
    st.html(
        f'<div class="lx-definition"><div class="lx-clamp"><b><bdi>{escape(name)}</bdi></b> '
        f'<bdi>{escape(shorten(text, 220))}</bdi></div><div class="lx-note">{escape(why)}</div></div>'
    )


def _add(workspace: Workspace, item: ReviewItem, standing: Standing) -> None:
    query = review.search(
        item.document.id,
        "F  Add a missing label: any word of its name, alias or definition",
        lambda text: doing.add_first(workspace, item, text),
    )
    found = doing.find(workspace, item, query, 5) if query else []
    review.found([(label, "") for label in found], query, doing.add, workspace, item)
    if standing.added:
        with st.container(horizontal=True, gap="small", key="lx_added"):
            for label_id in standing.added[:8]:
                added = workspace.journal.label(label_id)
                name = added.name if added else label_id
                st.button(
                    markdown(shorten(name, 34)),
                    key=f"added_{label_id}",
                    icon=":material/close:",
                    help="Added. Click to take it back.",
                    on_click=doing.remove,
                    args=(workspace, item, label_id, name),
                )


def _actions(workspace: Workspace, item: ReviewItem, standing: Standing, folds: bool) -> None:
    candidates = doing.shown(item)
    n_accepted, n_rejected = len(standing.accepted), len({c.label_id for c in candidates} - standing.accepted)
    here = item.document.id
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_actions"):
        review.key(
            f"Complete: {words.count(n_accepted) if n_accepted else 'none'} right",
            f"complete_{here}",
            "Enter",
            doing.complete,
            workspace,
            item,
            main=True,
            help=f"{words.many(n_accepted, 'label')} right, the other {words.count(n_rejected)} shown wrong, "
            "none missing.",
        )
        undecided = sum(not standing.decided(c.label_id) for c in candidates)
        review.key(
            "Rest wrong",
            f"rest_{here}",
            "W",
            doing.reject_rest,
            workspace,
            item,
            help=f"Reject the {words.count(undecided)} that nobody has decided.",
        )
        review.key("Skip", f"skip_{here}", "S", doing.skip, workspace, item)
        review.key("Undo", "undo", "U", doing.undo, workspace)
    with st.container(horizontal=True, gap="small", key="lx_moves"):
        selected = doing.selected(item)
        chosen = next((c for c in candidates if c.label_id == selected), None)
        if chosen is not None:
            args = (workspace, item, chosen.label_id, chosen.name)
            review.key(
                "Right", f"accept_{chosen.label_id}_{here}", "A", doing.say, *args, "accept", quiet=True
            )
            review.key(
                "Wrong", f"reject_{chosen.label_id}_{here}", "X", doing.say, *args, "reject", quiet=True
            )
        review.key("Next", "next_label", "J", doing.move, item, 1, quiet=True)
        review.key("Previous", "previous_label", "K", doing.move, item, -1, quiet=True)
        if folds:
            review.key("Whole text", f"unfold_{here}", "E", reviewing.unfold, here, quiet=True)
