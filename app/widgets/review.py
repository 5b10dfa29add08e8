"""The frame of the review: the way to work, the queue, the keys; and what all ways of working share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app import reviewing, services, state
from app.reviewing import MODES, REASONS, Target, View
from app.widgets import errors, layout, livesearch, review_keys, words
from app.widgets.inert import escape, markdown, shorten
from lmtx.errors import LmtxError, NotFoundError
from lmtx.review import NAMES
from lmtx.review import REASONS as WHY_QUEUE
from lmtx.review.models import PairItem, ReviewItem
from lmtx.types import Label
from lmtx.workspace import Workspace

_HALF = 3.0
"""Score, in standard deviations over all labels, at which the bar of an uncalibrated student is half full."""
_STYLE = Path(__file__).with_name("review.css")
KEYS = [
    ("A  X", "right, wrong: the selected label, the pair, the selected row, or all that are marked"),
    ("S  U", "skip · undo the last step, again for the one before"),
    ("J  K", "next, previous: label, pair or row"),
    ("1 – 9", "label or row of that number: right; again: wrong; again: taken back"),
    (
        "F  /",
        "find: add a missing label; in Pair and Label, choose the label. Enter takes the first, Esc leaves",
    ),
    ("T", "why it is wrong (1 – 5), or a note in your words; Enter saves, Esc leaves"),
    ("W", "the rest is wrong: all that are shown and undecided"),
    ("Enter", "complete the document; decide the marked at once"),
    ("E", "show all of a folded text"),
    ("M  L", "in Label: mark the row · mark the page, then all that wait, then none"),
    ("N  B", "next page, page back; leave a batch"),
    ("G", "more like this: near documents for the same label"),
    ("V  Q", "next way to work · next queue"),
    ("P  H", "progress and what was learned · these keys, and away again"),
]


def header(workspace: Workspace, view: View, action: Any) -> None:
    """Draw the choice of the way to work and of the queue."""
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")
    with action:
        st.session_state["review_mode"] = view.mode
        st.segmented_control(
            "Way to work",
            list(MODES),
            format_func=MODES.__getitem__,
            key="review_mode",
            required=True,
            label_visibility="collapsed",
            on_change=lambda: reviewing.switch_mode(st.session_state["review_mode"]),
        )
        if view.mode in ("document", "pair"):
            _queue(workspace, view)


def _queue(workspace: Workspace, view: View) -> None:
    name = NAMES[view.policy]
    with st.popover(markdown(shorten(name, 26)), key=f"review_queue_{view.policy}"):
        st.session_state["review_policy"] = view.policy
        st.radio(
            "Which ones come",
            list(NAMES),
            format_func=NAMES.__getitem__,
            captions=[markdown(WHY_QUEUE[p]) for p in NAMES],
            key="review_policy",
            on_change=lambda: reviewing.switch_queue(st.session_state["review_policy"]),
        )
        st.session_state["review_query"] = view.query
        st.text_input(
            "Only documents with these words",
            key="review_query",
            placeholder="any words",
            on_change=lambda: reviewing.narrow(
                view.label_id, st.session_state["review_query"].strip() or None
            ),
        )
        if view.mode == "document":
            _only_label(workspace, view)


def _only_label(workspace: Workspace, view: View) -> None:
    query = st.text_input(
        "Only documents where this label is proposed", key="review_only", placeholder="its name"
    )
    for label, n in workspace.labels_to_review(4, query) if query.strip() else []:
        st.button(
            f"{markdown(shorten(label.name, 40))} ({n})",
            key=f"only_{label.id}",
            type="tertiary",
            on_click=reviewing.narrow,
            args=(label.id, view.query or None),
        )


def scope(workspace: Workspace, view: View) -> None:
    """Draw what the queue is narrowed to, each with a way to widen it again."""
    if view.mode not in ("document", "pair") or not (view.label_id or view.query or view.set_id):
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_scope"):
        layout.note("Only")
        if view.label_id:
            label = workspace.journal.label(view.label_id)
            name = label.name if label else view.label_id
            chip(f"label “{name}”", "unlabel", reviewing.narrow, None, view.query or None)
        if view.query:
            chip(f"documents with “{view.query}”", "unquery", reviewing.narrow, view.label_id, None)
        if view.set_id:
            try:
                picked = words.many(len(workspace.saved_documents(view.set_id)), "document")
            except NotFoundError:  # what is drawn below says so; here is the way out
                picked = "documents"
            chip(f"{picked} that were picked", "unpick", reviewing.leave_set)


def chip(name: str, key_: str, do: Callable[..., None], *args: object) -> None:
    """Draw something that can be taken away by a click."""
    st.button(
        markdown(shorten(name, 60)),
        key=key_,
        icon=":material/close:",
        on_click=do,
        args=args,
        help="Take this away",
    )


# ---- what all ways share --------------------------------------------------------------------------


def key(
    label: str,
    name: str,
    letter: str | None,
    do: Callable[..., None],
    *args: object,
    main: bool = False,
    quiet: bool = False,
    **more: Any,
) -> None:
    """Draw a button that has a key."""
    kind: Literal["primary", "secondary", "tertiary"] = (
        "primary" if main else "tertiary" if quiet else "secondary"
    )
    st.button(label, key=name, shortcut=letter, type=kind, on_click=do, args=args, **more)


def frame_keys() -> None:
    """Draw the keys that work everywhere: the way to work, the queue, progress and help."""
    view = View.of_address()
    key("View", "view", "V", reviewing.switch_mode, quiet=True, help="Next way to work")
    if view.mode in ("document", "pair"):
        key("Queue", "queue", "Q", reviewing.switch_queue, quiet=True, help="Next queue")
    key("Progress", "progress", "P", reviewing.turn, state.REVIEW_PROGRESS, quiet=True)
    key("Keys", "help", "H", reviewing.turn, state.REVIEW_HELP, quiet=True)


def overlay() -> None:
    """Draw the keys over the screen, while they are asked for."""
    if state.REVIEW_HELP.get():
        with st.container(key="lx_keys_close"):
            key("Close", "help_close", "Esc", reviewing.turn, state.REVIEW_HELP, quiet=True)
        cells = "".join(f"<kbd>{escape(k)}</kbd><span>{escape(v)}</span>" for k, v in KEYS)
        st.html(f'<div class="lx-overlay" role="note"><div class="lx-keys">{cells}</div></div>')
    if message := state.REVIEW_ERROR.get():
        errors.show(LmtxError(message))


def reviewer(workspace: Workspace) -> None:
    """Make keys sure; where the session knows no reviewer, take the name that the browser remembers."""
    known = state.REVIEWER.get()
    remembered = review_keys.watch(known)
    if remembered and not known:
        state.REVIEWER.set(remembered[:80])
        st.rerun()


def reason(workspace: Workspace, selected: Target | None, names: Mapping[str, str] | None = None) -> None:
    """Draw the line for reasons and notes: of what was rejected just now, else of what is selected.

    `names`: document id -> what to call it, where the label is the same for all.
    """
    rejected = reviewing.just_rejected()
    target = rejected or selected
    if target is None:
        return
    name = (names or {}).get(target.document_id, target.name)
    about = f"“{shorten(name, 40)}”: why?" if rejected else "reason or note"
    review_keys.reason_line(
        about,
        asked=rejected is not None,
        reasons=REASONS,
        seed=f"{state.REVIEW_NOTES.get()} {target.document_id} {target.label_id}",
        draft=f"note {target.document_id} {target.label_id}",
        on_said=lambda why, note: reviewing.explain(workspace, target, why, note),
    )


def search(about: str, placeholder: str, on_enter: Callable[[str], None]) -> str:
    """Draw the search line that F goes to, and return what is in it."""
    return livesearch.line(
        "Find a label",
        seed=f"{state.REVIEW_SEARCH.get()} {about}",
        key="review_find",
        draft=f"find {about}",
        placeholder=placeholder,
        on_enter=on_enter,
    )


NOT_ASKED, NO_PERCENT = "not asked", "no % yet"


def bars(teacher: float | None, probability: float | None, score: float | None = None) -> str:
    """Two thin bars: the teacher's opinion and the student's; a dotted line where one has none."""
    said = NOT_ASKED if teacher is None else f"{100 * teacher:.0f} %"
    thinks = NO_PERCENT if probability is None else f"{100 * probability:.0f} %"
    return (
        f'<div title="teacher {said}, student {thinks}">'
        f"{bar('t', teacher)}{bar('s', strength(probability, score))}</div>"
    )


def bar(kind: str, share: float | None) -> str:
    """One of them: "t" the teacher's, "s" the student's."""
    if share is None:
        return '<div class="lx-bar lx-none"></div>'
    return f'<div class="lx-bar"><i class="{kind}" style="width:{100 * share:.0f}%"></i></div>'


def strength(probability: float | None, score: float | None) -> float | None:
    """How far the student's bar goes: its probability; uncalibrated, the further the higher its score.

    Of the score alone, so that a label's bar is as long in each way to work.
    """
    if probability is not None:
        return probability
    return None if score is None else max(0.0, score) / (max(0.0, score) + _HALF)


def marks(workspace: Workspace, item: ReviewItem | PairItem, *, before: bool = False) -> None:
    """Draw small badges below the queue: what is kept for measuring, blind, or was reviewed before."""
    found = [
        ("to measure", "Kept for measuring: what you say here never trains.")
        if reviewing.shows_reserve(workspace)
        else None,
        ("blind", "The machine’s opinion is hidden.") if item.blind else None,
        ("reviewed before", "Somebody has completed this document.") if before else None,
    ]
    badges = "".join(f'<span class="lx-badge" title="{x[1]}">{x[0]}</span>' for x in found if x)
    st.html(f'<div class="lx-marks">{badges}</div>')


def sign(decision: str | None, proposed: bool) -> tuple[str, str, str]:
    """Sign, class and word of a state."""
    if decision in ("accept", "accepted"):
        return "✓", "accepted", "right"
    if decision in ("reject", "rejected"):
        return "✗", "rejected", "wrong"
    if proposed:
        return "?", "proposed", "proposed"
    return "\u2007", "open", ""


def found(
    labels: Sequence[tuple[Label, str]],
    query: str,
    do: Callable[..., None],
    *args: object,
    after: tuple[object, ...] = (),
) -> None:
    """Draw what a search line finds over what is below it, so that nothing moves.

    Parameters
    ----------
    labels : sequence of (Label, note)
        The best first: that is the one which Enter takes.
    query : str
        What was typed; nothing is drawn where nothing was.
    do, args, after : callable, arguments
        What a click does; called with args, the label's id and name, and `after`.
    """
    if not query:
        return
    with st.container(key="lx_found"):
        for n, (label, note) in enumerate(labels):
            beside = " · ".join(x for x in (note, label.description) if x)
            st.button(
                f"{markdown(shorten(label.name, 60))} :gray[:small[{markdown(shorten(beside, 70))}]]",
                key=f"found_{label.id}",
                icon=":material/keyboard_return:" if n == 0 else ":material/add:",
                width="stretch",
                type="tertiary",
                help="Enter takes this one" if n == 0 else None,
                on_click=do,
                args=(*args, label.id, label.name, *after),
            )
        if not labels:
            layout.note("No label has these words.")


def card(
    name: str,
    path: tuple[str, ...],
    definition: str,
    aliases: tuple[str, ...],
    examples: list[tuple[str, str]],
) -> None:
    """Draw a label: name, place, definition, aliases, and documents where it was accepted."""
    place = " › ".join(path)
    also = ", ".join(aliases[:6])
    titles = "".join(
        f'<li dir="auto"><a href="corpus?document={escape(i)}" target="_self">'
        f"{escape(shorten(t or i, 70))}</a></li>"
        for i, t in examples
    )
    st.html(
        '<div class="lx-label">'
        + (f'<div class="lx-cand-path" dir="auto">{escape(place)}</div>' if place else "")
        + f'<div class="lx-label-name" dir="auto">{escape(name)}</div>'
        + (
            f'<div class="lx-label-text" dir="auto">{escape(shorten(definition, 320))}</div>'
            if definition
            else ""
        )
        + (f'<div class="lx-note" dir="auto">also: {escape(shorten(also, 140))}</div>' if also else "")
        + (
            f'<div class="lx-note">Accepted before:</div><ul class="lx-examples">{titles}</ul>'
            if titles
            else ""
        )
        + "</div>"
    )


def nothing_left(workspace: Workspace, what: str) -> None:
    """Draw why there is nothing to review, and what to do."""
    if not workspace.journal.counts().get("judged_pairs"):
        with layout.empty(
            "No document has been judged yet.",
            "Let a teacher propose labels first: reviewing is then a matter of a few keys a document.",
        ):
            layout.go_button("Ask the teacher", "teacher", main=True, key="review_teacher")
        return
    view = View.of_address()
    if view.label_id or view.query or view.set_id:
        why = "Everything in this part of the corpus is decided or skipped."
        if view.query and not workspace.journal.documents_page(query=view.query, page_size=1).total:
            why = f"No document has the words “{shorten(view.query, 60)}”."
        with layout.empty(f"No {what} is left here.", why):
            st.button("Widen to all", type="primary", key="review_widen", on_click=reviewing.widen)
        return
    with layout.empty(
        f"All done: every {what} of this queue is reviewed or skipped.",
        "Train to learn from it, or choose another queue (Q).",
    ):
        layout.go_button("Train", "train", main=True, key="review_train")


def today(workspace: Workspace) -> list[str]:
    """What this reviewer did today, in pieces of a line."""
    stats = workspace.review_stats(services.reviewer(workspace))
    return [
        words.many(int(stats.get("decisions_today", 0)), "decision") + " today",
        words.many(round(stats.get("per_minute", 0)), "step") + " a minute",
    ]
