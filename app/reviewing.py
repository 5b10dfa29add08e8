"""What the keys of the review do, whichever way one works: each records at once and says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Literal, ParamSpec, get_args

from app import services, state
from app.widgets.inert import shorten
from lmtx.errors import LmtxError
from lmtx.review import AUDIT_PAIR
from lmtx.review.models import PairItem, Policy, ReviewItem, Scope
from lmtx.types import Action, Decision, Label
from lmtx.workspace import Workspace

P = ParamSpec("P")
Mode = Literal["document", "pair", "label", "history"]
MODES: dict[Mode, str] = {"document": "Document", "pair": "Pair", "label": "Label", "history": "History"}
REASONS = {
    "unclear": "unclear",
    "too_broad": "too broad",
    "too_narrow": "too narrow",
    "off_topic": "off topic",
    "bad_text": "bad text",
}
"""Why a label is wrong, in words."""
_NAME = 36
"""Characters of a name in what was saved: what was done must show too."""
PAUSE_S = 0.4
"""Time in which nothing can have been read: a key that would settle it is a double press."""


@dataclass(frozen=True)
class View:
    """What the review is about: the way to work, the queue and its scope. All of it is in the address."""

    mode: Mode
    policy: Policy
    label_id: str | None
    query: str
    document_id: str | None
    like: str | None
    set_id: str | None = None

    @classmethod
    def of_address(cls) -> View:
        """Read it from the address; what is not known there is as if it were not there."""
        mode, policy = state.param("mode") or "document", state.param("queue") or "default"
        known_mode: Mode = mode if mode in MODES else "document"
        query = (state.param("query") or "").strip()
        return cls(
            known_mode,
            known_policy(policy),
            state.param("label"),
            query,
            state.param("document"),
            state.param("like"),
            state.param("set"),
        )

    @property
    def place(self) -> tuple[object, ...]:
        """What the frame around the work depends on."""
        return self.mode, self.policy, self.label_id, self.query, self.like, self.set_id

    @property
    def scope(self) -> Scope:
        """The part of the corpus that is asked about."""
        return Scope(label_id=self.label_id, query=self.query, set_id=self.set_id)


address = state.address
"""Change parts of the address; None takes one out."""


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


# ---- recording ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A pair that can be spoken of, and how it was drawn."""

    document_id: str
    label_id: str
    name: str
    policy: str
    inclusion_probability: float | None
    blind: bool

    @classmethod
    def of(cls, item: ReviewItem | PairItem, label_id: str, name: str) -> Target:
        """Pair of what is shown with one of its labels."""
        return cls(item.document.id, label_id, name, item.policy, item.inclusion_probability, item.blind)

    def decision(self, action: Action, *, batch: str = "", reason: str = "", note: str = "") -> Decision:
        """What this session's reviewer says of it; the reviewer is filled in by `record`."""
        return Decision(
            document_id=self.document_id,
            label_id=self.label_id,
            action=action,
            reviewer="",
            policy=self.policy,
            inclusion_probability=self.inclusion_probability,
            batch=batch,
            reason=reason,
            note=note,
            blind=self.blind,
        )


_LAST: state.Key[Target | None] = state.Key("lmtx.review.last", None)
"""The pair rejected by the last key: a reason is about it."""


def record(workspace: Workspace, decisions: Sequence[Decision], said: str) -> None:
    """Record, and say so once it is durable."""
    name = services.reviewer(workspace)
    workspace.decide([replace(d, reviewer=name) for d in decisions])
    saved(said)


def said_already(workspace: Workspace, target: Target, action: Action) -> bool:
    """Whether the newest word on a pair is this reviewer's and the same: a second press of the same key.

    What somebody else said does not count: each reviewer's word is on record.
    """
    found = workspace.journal.decisions(
        document_id=target.document_id, label_id=target.label_id, standing=True, newest_first=True
    )
    newest = next((d for d in found if d.action in ("accept", "reject")), None)
    return newest is not None and (newest.reviewer, newest.action) == (services.reviewer(workspace), action)


def say(workspace: Workspace, target: Target, action: Action, name: str) -> None:
    """Record one word on a pair, unless a key was pressed twice; a reason may follow a reject."""
    said = f"{name} {action}ed"
    if not said_already(workspace, target, action):
        record(workspace, [target.decision(action)], said)
    saved(said, target if action == "reject" else None)


def undone(workspace: Workspace) -> list[Decision]:
    """Take back this reviewer's last step, say so, and return what it was; nothing where there was none."""
    found = workspace.undo(services.reviewer(workspace))
    if found:
        saved(f"taken back: {reviewed_here(workspace, found)}")
    else:
        state.REVIEW_SAVED.set("Nothing to undo")
    return found


def known_policy(name: str) -> Policy:
    """The queue of that name, the recommended one where a decision or an address names no queue.

    People choose one audit, and what it asks of pairs is recorded under a name of its own.
    """
    if name == AUDIT_PAIR:
        return "audit"
    return name if name in get_args(Policy) else "default"  # type: ignore[return-value]


def short(name: str) -> str:
    """A name as the line below the work has room for it."""
    return shorten(name, _NAME)


def saved(said: str, rejected: Target | None = None, batch: str = "") -> None:
    """Say what the last key did.

    Parameters
    ----------
    said : str
        In words, after "Saved: ".
    rejected : Target, optional
        The pair that it rejected: a reason may follow.
    batch : str
        The batch that it decided: the next undo takes it back as a whole.
    """
    state.REVIEW_SAVED.set(f"Saved: {said}")
    state.REVIEW_APPLIED.set(batch)
    _LAST.set(rejected)


def just_rejected() -> Target | None:
    """The pair that the last key rejected."""
    return _LAST.get()


@reported
def explain(workspace: Workspace, target: Target, reason: str = "", note: str = "") -> None:
    """Say why a label is wrong, or write a note beside what was said.

    A reason rejects, once more where it was rejected already: an undo then leaves the reject as it was.
    A note repeats what stands decided with the note beside it, and decides nothing where nothing does.
    """
    standing = workspace.journal.decisions(
        document_id=target.document_id, label_id=target.label_id, standing=True, newest_first=True
    )
    before = next((d for d in standing if d.action in ("accept", "reject")), None)
    state.REVIEW_NOTES.set(state.REVIEW_NOTES.get() + 1)
    if reason:
        kept = before.note if before is not None and before.action == "reject" else ""
        made = target.decision("reject", reason=reason, note=note or kept)
        record(workspace, [made], f"{short(target.name)} is wrong: {REASONS.get(reason, reason)}")
    elif note:
        action: Action = before.action if before is not None else "skip"
        made = target.decision(action, reason=before.reason if before else "", note=note)
        record(workspace, [made], f"note on {short(target.name)}")


def reviewed_here(workspace: Workspace, undone: Sequence[Decision]) -> str:
    """What an undo took back, in words."""
    first = undone[0]
    if len(undone) > 1:
        complete = any(d.action == "complete" for d in undone)
        return "document complete" if complete else f"{len(undone)} decisions"
    label = workspace.journal.label(first.label_id) if first.label_id else None
    name = short(label.name) if label is not None else "document"
    return f"{name} {'skipped' if first.action == 'skip' else first.action + 'ed'}"


# ---- double presses -------------------------------------------------------------------------------


def too_early() -> bool:
    """Whether a key came before anybody could read what followed the one before; says so."""
    early = time.monotonic() - state.REVIEW_LEFT.get() < PAUSE_S
    if early and not state.REVIEW_SAVED.get().endswith(_TWICE):
        state.REVIEW_SAVED.set(state.REVIEW_SAVED.get() + _TWICE)
    return early


_TWICE = " · second press not counted"


def left() -> None:
    """Note that something was left, so that the next is drawn."""
    state.REVIEW_LEFT.set(time.monotonic())


# ---- what shows -----------------------------------------------------------------------------------


def shows_reserve(workspace: Workspace) -> bool:
    """Whether what is open is kept for measuring: what is said of it trains nothing."""
    mode = View.of_address().mode
    item: ReviewItem | PairItem | None = state.REVIEW_ITEM.get() if mode == "document" else None
    if mode == "pair":
        item = state.REVIEW_PAIR.get()
    row = workspace.journal.document_row(item.document.id) if item is not None else None
    return row is not None and row.role == "reserve"


def labels_to_choose(workspace: Workspace, limit: int, text: str) -> list[tuple[Label, int]]:
    """Labels that words find, with the number of documents that wait for each.

    The one of that very name comes first, then those with the most waiting, then those where none waits.
    """
    waiting = workspace.labels_to_review(limit, text)
    if not text.strip():
        return waiting
    known = {label.id: n for label, n in waiting}
    named = workspace.find_labels(text, limit)
    exact = [x for x in named if x.name.casefold() == text.strip().casefold()]
    found = list({x.id: x for x in (*exact, *(label for label, _ in waiting), *named)}.values())[:limit]

    def n_waiting(label: Label) -> int:
        if label.id in known:
            return known[label.id]
        return workspace.journal.undecided_documents(label.id, 0, 1).total

    return [(label, n_waiting(label)) for label in found]


def turn(key: state.Key[bool]) -> None:
    """Show or hide something."""
    key.set(not key.get())


def unfold(document_id: str) -> None:
    """Show a whole text, or fold it again."""
    state.REVIEW_UNFOLDED.set(None if state.REVIEW_UNFOLDED.get() == document_id else document_id)


def switch_mode(mode: str | None = None) -> None:
    """Work another way; without a name the next one."""
    names = list(MODES)
    now = View.of_address().mode
    wanted = mode or names[(names.index(now) + 1) % len(names)]
    forget()
    if now in ("label", "history") and wanted in ("document", "history"):
        address(label=None)  # it was chosen to be worked on there, not to narrow what comes next
    address(mode=None if wanted == "document" else wanted, document=None, like=None)


def switch_queue(policy: str | None = None) -> None:
    """Take another queue; without a name the next one."""
    names = list(get_args(Policy))
    wanted = policy or names[(names.index(View.of_address().policy) + 1) % len(names)]
    forget()
    address(queue=None if wanted == "default" else wanted, document=None)


def narrow(label_id: str | None = None, query: str | None = None) -> None:
    """Ask only about a label, or about documents that words find; nothing widens again."""
    forget()
    state.REVIEW_SEARCH.set(state.REVIEW_SEARCH.get() + 1)
    address(label=label_id, query=query, document=None, like=None)


def leave_set() -> None:
    """Ask about all documents again, not only about those that were picked."""
    forget()
    address(set=None, document=None, like=None)


def widen() -> None:
    """Ask about everything again."""
    narrow()
    leave_set()


def forget() -> None:
    """Close what is open; what was said is on record."""
    for key in (state.REVIEW_ITEM, state.REVIEW_PAIR, state.REVIEW_SELECTED, state.REVIEW_ROWS):
        key.pop()
    for key in (state.REVIEW_ROW, state.REVIEW_MARKED, state.REVIEW_BULK, state.REVIEW_PROGRESS):
        key.pop()
