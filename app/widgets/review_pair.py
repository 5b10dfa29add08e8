"""Pair mode: one document, one label, yes or no."""

from __future__ import annotations

import streamlit as st

from app import reviewing, state
from app import reviewing_pair as doing
from app.reviewing import View
from app.widgets import review, review_text, words
from app.widgets.inert import escape
from lmtx.review.models import PairItem
from lmtx.workspace import Workspace


def draw(workspace: Workspace, view: View) -> None:
    """Draw the pair to review."""
    pair = doing.current(workspace, view)
    if pair is None:
        review.nothing_left(workspace, "pair")
        _search(workspace, view)
        with st.container(horizontal=True, gap="small"):
            review.key("Undo", "undo", "U", doing.undo, workspace)
            review.key("Previous", "previous_pair", "K", doing.back, workspace, None, quiet=True)
        return
    review.marks(workspace, pair)
    left, right = st.columns([11, 10], gap="large")
    with left:
        folds = _document(pair)
    with right:
        with st.container(height=350, border=False, key="lx_pair_label"):  # so that the buttons stay in place
            _label(workspace, pair)
        review.reason(workspace, doing.target_of(pair))
        _search(workspace, view)
        _actions(workspace, pair, folds)


def _document(pair: PairItem) -> bool:
    marks = [(h.start, h.end) for h in pair.highlights if h.kind == "word"]
    near = next(((h.start, h.end) for h in pair.highlights if h.kind == "sentence" and not pair.blind), None)
    whole = state.REVIEW_UNFOLDED.get() == pair.document.id
    with st.container(height=review_text.HEIGHT, border=False, key="lx_reading"):
        folds = review_text.draw(pair.document, marks, near, whole=whole)
    st.html(f'<p class="lx-note">{escape(pair.reason)}</p>')
    return folds


def _label(workspace: Workspace, pair: PairItem) -> None:
    candidate = pair.candidate
    review.card(candidate.name, candidate.path, candidate.definition, pair.aliases, pair.examples)
    if not pair.blind:
        st.html(
            '<div class="lx-meters">'
            + _meter("teacher", "t", candidate.teacher_probability, review.NOT_ASKED)
            + _meter("student", "s", candidate.probability, review.NO_PERCENT, candidate.score)
            + f'<div class="lx-note">{escape(candidate.why)}</div></div>'
        )
    said = doing.said(workspace, pair)
    if said is not None:
        sign, kind, word = review.sign(said, False)
        newest = workspace.journal.decisions(
            document_id=pair.document.id,
            label_id=candidate.label_id,
            standing=True,
            newest_first=True,
            limit=1,
        )
        who = f"{newest[0].reviewer}, {words.ago(newest[0].at)}" if newest else ""
        st.html(
            f'<p class="lx-said"><b class="lx-{kind}">{sign} {word}</b> '
            f'<span class="lx-note">{escape(who)}</span></p>'
        )


def _meter(name: str, kind: str, value: float | None, none: str, score: float | None = None) -> str:
    figure = f"{100 * value:.0f}{words.THIN}%" if value is not None else none
    return (
        f'<div class="lx-meter"><span class="lx-{name}">{name}</span>'
        f"{review.bar(kind, review.strength(value, score))}<span>{figure}</span></div>"
    )


def _search(workspace: Workspace, view: View) -> None:
    query = review.search(
        "pair", "F  Only one label: any word of its name", lambda text: _choose_first(workspace, view, text)
    )
    found = reviewing.labels_to_choose(workspace, 5, query) if query else []
    counted = [(label, f"{words.count(n) if n else 'none'} waiting") for label, n in found]
    review.found(counted, query, lambda label_id, _: reviewing.narrow(label_id, view.query or None))


def _choose_first(workspace: Workspace, view: View, text: str) -> None:
    found = reviewing.labels_to_choose(workspace, 1, text)
    if found:
        reviewing.narrow(found[0][0].id, view.query or None)


def _actions(workspace: Workspace, pair: PairItem, folds: bool) -> None:
    here = f"{pair.candidate.label_id}_{pair.document.id}"
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_actions"):
        review.key("✓ Right", f"accept_{here}", "A", doing.decide, workspace, pair, "accept", main=True)
        review.key("✗ Wrong", f"reject_{here}", "X", doing.decide, workspace, pair, "reject")
        review.key("Skip", f"skip_{here}", "S", doing.decide, workspace, pair, "skip")
        review.key("Undo", "undo", "U", doing.undo, workspace)
    with st.container(horizontal=True, gap="small", key="lx_moves"):
        review.key("Next", f"next_{here}", "J", doing.forward, pair, quiet=True)
        review.key("Previous", f"previous_{here}", "K", doing.back, workspace, pair, quiet=True)
        review.key("More like this", f"like_{here}", "G", doing.more_like, pair, quiet=True)
        if folds:
            review.key("Whole text", f"unfold_{here}", "E", reviewing.unfold, pair.document.id, quiet=True)
