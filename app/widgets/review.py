"""The review's screen: the document at the left, its candidate labels and keys at the right."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from app import reviewing, services, state
from app.reviewing import Standing
from app.widgets import errors, layout, livesearch, words
from app.widgets.inert import escape, markdown, reading, shorten
from lmtx.errors import LmtxError
from lmtx.review.models import Candidate, Policy, ReviewItem
from lmtx.workspace import Workspace

POLICIES: dict[Policy, str] = {
    "default": "Random documents",
    "uncertain": "Unsure documents",
    "audit": "Random sample to measure",
}
assert set(POLICIES) == set(get_args(Policy))
KEYS = [
    ("1 – 9", "accept a label; again: reject it; again: take it back"),
    ("J  K", "next, previous label: its definition shows"),
    ("/", "add a missing label: type a word, Enter takes the first that is found, Esc goes back"),
    ("Enter", "complete: the accepted are right, the others shown are not, none is missing"),
    ("S", "skip this document for now"),
    ("U", "undo the last step"),
    ("H", "show or hide these keys"),
]


def open_document(workspace: Workspace, policy: Policy, document_id: str | None) -> None:
    """Choose the document to show: the one in the address, the open one, or the next of the queue."""
    item = state.REVIEW_ITEM.get()
    if document_id is not None and (item is None or item.document.id != document_id):
        state.REVIEW_ITEM.set(workspace.review_item(document_id, policy))
        state.REVIEW_SELECTED.set(None)
    elif item is not None and document_id is None and item.policy != policy:
        reviewing.leave()


@st.fragment
def body(workspace: Workspace, policy: Policy) -> None:
    """Draw document and candidates; a key reruns only this."""
    with errors.shown():
        item = state.REVIEW_ITEM.get()
        if item is None:
            found = workspace.next_documents(policy, services.reviewer(workspace))
            item = found[0] if found else None
            state.REVIEW_ITEM.set(item)
        if item is None:
            _nothing_left(workspace)
            st.button("Undo", key="undo", shortcut="U", on_click=reviewing.undo, args=(workspace,))
            _status(workspace)
            return
        left, right = st.columns([11, 10], gap="large")
        with left:
            _document(item)
        with right:
            _candidates(workspace, item)
    if message := state.REVIEW_ERROR.get():
        errors.show(LmtxError(message))
    _status(workspace)


def _nothing_left(workspace: Workspace) -> None:
    judged = workspace.status().counts.get("judged_pairs")
    if not judged:
        with layout.empty(
            "No document has been judged yet.",
            "Let a teacher propose labels first: reviewing is then a matter of a few keys a document.",
        ):
            layout.go_button("Ask the teacher", "teacher", main=True, key="review_teacher")
        return
    with layout.empty(
        "All done: every document of this queue is reviewed or skipped.",
        "Train to learn from it, or choose another queue.",
    ):
        layout.go_button("Train", "train", main=True, key="review_train")


def _document(item: ReviewItem) -> None:
    chosen = state.REVIEW_SELECTED.get() is not None  # then the sentence nearest in meaning too
    marks = [h for h in item.highlights if _selected(item) in h.label_ids and (chosen or h.kind == "word")]
    spans = [(h.start, h.end) for h in marks]
    keys = state.REVIEW_HELP.get()
    with st.container(height=340 if keys else 590, border=False, key="lx_reading"):
        reading(item.document.title, item.document.text, spans, key=item.document.id)
    if keys:
        cells = "".join(f"<kbd>{escape(k)}</kbd><span>{escape(v)}</span>" for k, v in KEYS)
        st.html(f'<div class="lx-keys">{cells}</div>')
    layout.note(item.reason)


def _candidates(workspace: Workspace, item: ReviewItem) -> None:
    standing = Standing.of(item, workspace.journal.pair_states(item.document.id))
    st.html(
        '<div class="lx-bars-key"><span class="lx-teacher">▬ teacher</span>'
        '<span class="lx-student">▬ student</span></div>'
    )
    with st.container(key="lx_candidates"):
        for number, candidate in enumerate(reviewing.shown(item), start=1):
            _row(workspace, item, candidate, number, standing)
    _definition(workspace, item)
    _add(workspace, item, standing)
    _actions(workspace, item, standing)


def _row(
    workspace: Workspace, item: ReviewItem, candidate: Candidate, number: int, standing: Standing
) -> None:
    mark, kind, said = _state(candidate, standing)
    key, text = st.columns([1, 7], vertical_alignment="center", gap="small")
    # The key of the button holds what the press is about: one that comes before the screen has changed
    # finds no such button any more, and is not taken for a press on what is drawn next.
    key.button(
        mark,
        key=f"key_{number}_{kind}_{candidate.label_id}_{item.document.id}",
        shortcut=str(number),
        width="stretch",
        on_click=reviewing.toggle,
        args=(workspace, item, candidate.label_id, candidate.name, kind),
    )
    selected = "sel" if candidate.label_id == _selected(item) else ""
    teacher = 100 * (candidate.teacher_probability or 0)
    student = 100 * _strength(item, candidate)
    place = " › ".join(candidate.path)
    text.html(
        f'<div class="lx-cand {kind} {selected}" title="{escape(candidate.why)}"><div>'
        f'<div class="lx-cand-name" dir="auto">{escape(candidate.name)}</div>'
        f'<div class="lx-cand-path" dir="auto">{escape(place)}</div></div>'
        f'<div title="teacher {teacher:.0f} %, student {student:.0f} %">'
        f'<div class="lx-bar"><i class="t" style="width:{teacher:.0f}%"></i></div>'
        f'<div class="lx-bar"><i class="s" style="width:{student:.0f}%"></i></div></div>'
        f'<div class="lx-cand-said lx-{kind}">{said}</div></div>'
    )


def _strength(item: ReviewItem, candidate: Candidate) -> float:
    """Probability of the tagger, or its score against the best one where nothing calibrates it."""
    if candidate.probability is not None:
        return candidate.probability
    best = max((c.score or 0.0 for c in item.candidates), default=0.0)
    return max(0.0, (candidate.score or 0.0) / best) if best > 0 else 0.0


def _state(candidate: Candidate, standing: Standing) -> tuple[str, str, str]:
    """Sign, class and word of a candidate's state."""
    if candidate.label_id in standing.accepted:
        return "✓", "accepted", "right"
    if candidate.label_id in standing.rejected:
        return "✗", "rejected", "wrong"
    if candidate.verdict == "yes":
        return "?", "proposed", "proposed"
    return "\u2007", "open", ""


def _selected(item: ReviewItem) -> str | None:
    selected = state.REVIEW_SELECTED.get()
    candidates = reviewing.shown(item)
    return selected or (candidates[0].label_id if candidates else None)


def _definition(workspace: Workspace, item: ReviewItem) -> None:
    selected = _selected(item)
    found = next((c for c in item.candidates if c.label_id == selected), None)
    if found is not None:
        name, text = found.name, found.definition or found.why
    else:
        label = workspace.journal.label(selected) if selected else None
        name, text = (label.name, label.description) if label else ("", "")
    st.html(
        f'<div class="lx-definition"><b><bdi>{escape(name)}</bdi>.</b> '
        f"<bdi>{escape(shorten(text, 220))}</bdi></div>"
    )


def _add(workspace: Workspace, item: ReviewItem, standing: Standing) -> None:
    query = livesearch.line(
        "Add a label",
        seed=f"{state.REVIEW_SEARCH.get()} {item.document.id}",
        key="review_add",
        placeholder="/  Add a missing label: any word of its name, alias or definition",
        on_enter=lambda text: reviewing.add_first(workspace, item, text),
    )
    if query:
        found = workspace.find_labels(query, limit=5, document_id=item.document.id)
        with st.container(horizontal=True, gap="small", key="lx_found"):
            for label in found:
                st.button(
                    markdown(shorten(label.name, 34)),
                    key=f"found_{label.id}",
                    icon=":material/add:",
                    on_click=reviewing.add,
                    args=(workspace, item, label.id, label.name),
                )
        if not found:
            layout.note("No label has these words.")
    elif standing.added:
        with st.container(horizontal=True, gap="small", key="lx_added"):
            for label_id in standing.added[:8]:
                added = workspace.journal.label(label_id)
                name = added.name if added else label_id
                st.button(
                    markdown(shorten(name, 34)),
                    key=f"added_{label_id}",
                    icon=":material/close:",
                    help="Added. Click to take it back.",
                    on_click=reviewing.remove,
                    args=(workspace, item, label_id, name),
                )


def _actions(workspace: Workspace, item: ReviewItem, standing: Standing) -> None:
    shown = {c.label_id for c in reviewing.shown(item)}
    n_accepted, n_rejected = len(standing.accepted), len(shown - standing.accepted)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_actions"):
        st.button(
            "Complete",
            type="primary",
            key=f"complete_{item.document.id}",
            shortcut="Enter",
            on_click=reviewing.complete,
            args=(workspace, item),
            help=f"{words.many(n_accepted, 'label')} right, the other {words.count(n_rejected)} shown wrong, "
            "none missing.",
        )
        st.button(
            "Skip",
            key=f"skip_{item.document.id}",
            shortcut="S",
            on_click=reviewing.skip,
            args=(workspace, item),
        )
        st.button("Undo", key="undo", shortcut="U", on_click=reviewing.undo, args=(workspace,))
        with st.container(horizontal=True, gap="small", width="content", key="lx_moves"):
            st.button(
                ":material/keyboard_arrow_down:",
                key="next_label",
                shortcut="J",
                type="tertiary",
                help="Next label",
                on_click=reviewing.move,
                args=(item, 1),
            )
            st.button(
                ":material/keyboard_arrow_up:",
                key="previous_label",
                shortcut="K",
                type="tertiary",
                help="Previous label",
                on_click=reviewing.move,
                args=(item, -1),
            )
            st.button("Keys", key="help", shortcut="H", type="tertiary", on_click=reviewing.turn_help)


def _status(workspace: Workspace) -> None:
    reviewer = services.reviewer(workspace)
    stats = workspace.review_stats(reviewer)
    saved = state.REVIEW_SAVED.get()
    parts = [
        f'<span class="lx-accepted" role="status">✓ {escape(saved)}</span>'
        if saved
        else "<span>Every key is saved at once</span>",
        f"<span>{escape(reviewer)}</span>",
        f"<span>{words.many(int(stats.get('documents_today', 0)), 'document')} and "
        f"{words.many(int(stats.get('decisions_today', 0)), 'decision')} today</span>",
        f"<span>{words.many(round(stats.get('per_minute', 0)), 'step')} a minute</span>",
        f"<span>{words.many(int(stats.get('completed', 0)), 'document')} reviewed in all</span>",
    ]
    st.html(f'<div class="lx-status">{"".join(parts)}</div>')
