"""What the keys of the review do: each records at once and says so."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import ParamSpec

import streamlit as st

from app import services, state
from lmtx.errors import LmtxError
from lmtx.review.models import Candidate, Policy, ReviewItem
from lmtx.types import Action, Decision, PairState
from lmtx.workspace import Workspace

P = ParamSpec("P")
KEYS = 9
"""Candidates that a number key can reach."""
PAUSE_S = 0.4
"""Time in which a document can't have been read: a key that would settle it is a double press."""


def reported(do: Callable[P, None]) -> Callable[P, None]:
    """Keep the message of an `LmtxError` for the screen: callbacks can't draw."""

    @wraps(do)
    def safely(*args: P.args, **kwargs: P.kwargs) -> None:
        state.REVIEW_ERROR.set("")
        try:
            do(*args, **kwargs)
        except LmtxError as error:
            state.REVIEW_SAVED.set("")
            state.REVIEW_ERROR.set(str(error))

    return safely


def shown(item: ReviewItem) -> list[Candidate]:
    """Return the candidates that have a number key: what was said yes to or decided, then the best ranked."""
    said = [c for c in item.candidates if c.verdict == "yes" or c.decision is not None]
    rest = [c for c in item.candidates if c.verdict != "yes" and c.decision is None]
    kept = {c.label_id for c in [*said, *rest][:KEYS]}
    return [c for c in item.candidates if c.label_id in kept]


@dataclass(frozen=True)
class Standing:
    """What stands of the open document's labels.

    accepted, rejected : ids of labels decided by people
    added : ids of accepted labels that have no number key
    """

    accepted: frozenset[str]
    rejected: frozenset[str]
    added: tuple[str, ...]

    @classmethod
    def of(cls, item: ReviewItem, pairs: list[PairState]) -> Standing:
        """Read it from the pairs of the document."""
        accepted = frozenset(p.label_id for p in pairs if p.decision == "accept")
        return cls(
            accepted,
            frozenset(p.label_id for p in pairs if p.decision == "reject"),
            tuple(sorted(accepted - {c.label_id for c in shown(item)})),
        )


def _decision(workspace: Workspace, item: ReviewItem, label_id: str | None, action: Action) -> Decision:
    return Decision(
        document_id=item.document.id,
        label_id=label_id,
        action=action,
        reviewer=services.reviewer(workspace),
        policy=item.policy,
        inclusion_probability=item.inclusion_probability,
    )


@reported
def toggle(workspace: Workspace, item: ReviewItem, label_id: str, name: str, seen: str) -> None:
    """Accept; if accepted, reject; if rejected, take back.

    Parameters
    ----------
    workspace, item, label_id, name : Workspace, ReviewItem, str, str
        Which label of which document.
    seen : str
        What stood on the screen when the key was pressed: "accepted", "rejected" or anything else.
        A second press that comes before the screen has changed means the same as the first one.
    """
    standing = Standing.of(item, workspace.journal.pair_states(item.document.id))
    if _is_open(item):
        state.REVIEW_SELECTED.set(label_id)
    if seen == "rejected":
        if label_id in standing.rejected:
            _retract(workspace, item, label_id, name)
        return
    action: Action = "reject" if seen == "accepted" else "accept"
    if label_id not in (standing.rejected if action == "reject" else standing.accepted):
        workspace.decide([_decision(workspace, item, label_id, action)])
    state.REVIEW_SAVED.set(f"Saved: {name} {action}ed")


@reported
def add(workspace: Workspace, item: ReviewItem, label_id: str, name: str) -> None:
    """Accept a label that was missing among the candidates."""
    workspace.decide([_decision(workspace, item, label_id, "accept")])
    state.REVIEW_SELECTED.set(label_id)
    state.REVIEW_SEARCH.set(state.REVIEW_SEARCH.get() + 1)
    state.REVIEW_SAVED.set(f"Saved: {name} added")


def add_first(workspace: Workspace, item: ReviewItem, text: str) -> None:
    """Accept the first label that the search line finds; nothing where it finds none."""
    found = workspace.find_labels(text, limit=1, document_id=item.document.id)
    if found:
        add(workspace, item, found[0].id, found[0].name)


@reported
def remove(workspace: Workspace, item: ReviewItem, label_id: str, name: str) -> None:
    """Take back a label that was added."""
    _retract(workspace, item, label_id, name)


@reported
def complete(workspace: Workspace, item: ReviewItem) -> None:
    """Settle the document: what is accepted is right, the other candidates are not, none is missing."""
    if _too_early(item):
        return
    standing = Standing.of(item, workspace.journal.pair_states(item.document.id))
    rejected = {c.label_id for c in shown(item)} - standing.accepted
    workspace.complete(
        item.document.id,
        services.reviewer(workspace),
        accepted=set(standing.accepted),
        rejected=rejected,
        policy=item.policy,
        inclusion_probability=item.inclusion_probability,
    )
    number = len(standing.accepted)
    state.REVIEW_SAVED.set(f"Saved: document complete with {number} label{'' if number == 1 else 's'}")
    leave()


@reported
def skip(workspace: Workspace, item: ReviewItem) -> None:
    """Put the document aside; nothing is learned from a skip."""
    if _too_early(item):
        return
    workspace.decide([_decision(workspace, item, None, "skip")])
    state.REVIEW_SAVED.set("Saved: skipped")
    leave()


@reported
def undo(workspace: Workspace) -> None:
    """Take back the last step and show its document."""
    undone = workspace.undo(services.reviewer(workspace))
    if not undone:
        state.REVIEW_SAVED.set("Nothing to undo")
        return
    document_id = undone[0].document_id
    current = state.REVIEW_ITEM.get()
    if current is None or current.document.id != document_id:
        policy = undone[0].policy
        known: Policy = "uncertain" if policy == "uncertain" else "audit" if policy == "audit" else "default"
        state.REVIEW_ITEM.set(workspace.review_item(document_id, known))
    state.REVIEW_SAVED.set("Saved: last step taken back")


@reported
def move(item: ReviewItem, step: int) -> None:
    """Select the next or the previous candidate."""
    ids = [c.label_id for c in shown(item)]
    if not ids:
        return
    selected = state.REVIEW_SELECTED.get()
    at = ids.index(selected) if selected in ids else 0
    state.REVIEW_SELECTED.set(ids[(at + step) % len(ids)])


def _is_open(item: ReviewItem) -> bool:
    current = state.REVIEW_ITEM.get()
    return current is not None and current.document.id == item.document.id


def _too_early(item: ReviewItem) -> bool:
    """Whether a key that leaves a document came again before anybody could read the one that followed."""
    return not _is_open(item) or time.monotonic() - state.REVIEW_LEFT.get() < PAUSE_S


def turn_help() -> None:
    """Show or hide the keys."""
    state.REVIEW_HELP.set(not state.REVIEW_HELP.get())


def leave() -> None:
    """Close the open document, so that the next one is drawn."""
    state.REVIEW_ITEM.set(None)
    state.REVIEW_SELECTED.set(None)
    state.REVIEW_LEFT.set(time.monotonic())
    st.query_params.pop("document", None)


def _retract(workspace: Workspace, item: ReviewItem, label_id: str, name: str) -> None:
    # Taking back one decision restores the one before it, so a label goes back to nobody's
    # word only when all that stand are taken back, in one step.
    standing = workspace.journal.decisions(document_id=item.document.id, label_id=label_id, standing=True)
    deciding = sorted((d for d in standing if d.action in ("accept", "reject")), key=lambda d: -d.seq)
    if not deciding:
        return
    batch = uuid.uuid4().hex
    plain = _decision(workspace, item, label_id, "retract")
    workspace.decide([replace(plain, retracts=d.seq, batch=batch) for d in deciding])
    state.REVIEW_SAVED.set(f"Saved: {name} taken back")
