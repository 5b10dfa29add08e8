"""Pair mode: what its keys do."""

from __future__ import annotations

from collections.abc import Collection, Hashable

from app import reviewing, services, state
from app.reviewing import Target, View, record, reported, saved
from app.reviewing_ahead import of_session
from lmtx.review.models import PairItem
from lmtx.types import Action
from lmtx.workspace import Workspace

_REMEMBERED = 200
"""Pairs that one can go back over."""


def current(workspace: Workspace, view: View) -> PairItem | None:
    """Return the pair to show: the one in the address, the open one, or the next of the queue."""
    pair = state.REVIEW_PAIR.get()
    named = (view.document_id, view.label_id)
    if view.document_id and view.label_id and (pair is None or _id(pair) != named):
        pair = workspace.pair_item(view.document_id, view.label_id, view.policy)
    reviewer = services.reviewer(workspace)
    promoted = workspace.journal.promoted()
    queue = ("pair", str(workspace.folder), view.policy, view.scope, reviewer, promoted and promoted.id)
    passed = {(document, label) for document, label, _ in state.REVIEW_TRAIL.get()}

    def fetch(n: int, after: Collection[Hashable]) -> list[PairItem]:
        return workspace.next_pairs(
            view.policy, reviewer, n, after=[x for x in after if isinstance(x, tuple)], scope=view.scope
        )

    ahead = of_session()
    if pair is None:
        found = ahead.take(queue, fetch, lambda x: said(workspace, x) is None, passed)  # type: ignore[arg-type]
        pair = found if isinstance(found, PairItem) else None
    state.REVIEW_PAIR.set(pair)
    if pair is not None:
        ahead.fill(queue, fetch, _id, {*passed, _id(pair)})  # type: ignore[arg-type]
    return pair


def said(workspace: Workspace, pair: object) -> str | None:
    """What stands decided of a pair now, whoever said it."""
    assert isinstance(pair, PairItem)
    states = workspace.journal.pair_states(pair.document.id)
    return next((p.decision for p in states if p.label_id == pair.candidate.label_id), None)


def target_of(pair: PairItem) -> Target:
    """The pair as what can be spoken of."""
    return Target.of(pair, pair.candidate.label_id, pair.candidate.name)


# ---- keys -----------------------------------------------------------------------------------------


@reported
def decide(workspace: Workspace, pair: PairItem, action: Action) -> None:
    """Accept or reject the pair, or put it aside; the next one shows."""
    if not _is_open(pair) or reviewing.too_early():
        return
    target = target_of(pair)
    word = "skipped" if action == "skip" else f"{action}ed"
    if action == "skip" or not reviewing.said_already(workspace, target, action):
        record(workspace, [target.decision(action)], f"{reviewing.short(target.name)} {word}")
    saved(f"{reviewing.short(target.name)} {word}", target if action == "reject" else None)
    forward(pair)


def forward(pair: PairItem) -> None:
    """Leave the pair as it is, and show the next."""
    if not _is_open(pair):
        return
    trail = state.REVIEW_TRAIL.get()
    here = (*_id(pair), pair.policy)
    state.REVIEW_TRAIL.set((*[x for x in trail if x[:2] != here[:2]], here)[-_REMEMBERED:])
    _leave()


@reported
def back(workspace: Workspace, pair: PairItem | None) -> None:
    """Show the pair before this one, with what was said of it."""
    if pair is not None and not _is_open(pair):
        return
    trail = list(state.REVIEW_TRAIL.get()) or _on_record(workspace, pair)
    if not trail:
        state.REVIEW_SAVED.set("There is none before this one")
        return
    document_id, label_id, policy = trail.pop()
    state.REVIEW_TRAIL.set(tuple(trail))
    _show(workspace, document_id, label_id, policy)


@reported
def undo(workspace: Workspace) -> None:
    """Take back the last step and show its pair."""
    undone = reviewing.undone(workspace)
    if not undone:
        return
    first = undone[0]
    if len(undone) == 1 and first.label_id is not None:
        trail = state.REVIEW_TRAIL.get()
        state.REVIEW_TRAIL.set(tuple(x for x in trail if x[:2] != (first.document_id, first.label_id)))
        _show(workspace, first.document_id, first.label_id, first.policy)


def more_like(pair: PairItem) -> None:
    """List documents near this one for the same label, to decide many at once."""
    reviewing.forget()
    reviewing.address(mode="label", label=pair.candidate.label_id, like=pair.document.id, document=None)


def _show(workspace: Workspace, document_id: str, label_id: str, policy: str) -> None:
    found = workspace.pair_item(document_id, label_id, reviewing.known_policy(policy))
    here = state.REVIEW_PAIR.get()
    if here is not None and _id(here) != _id(found):
        of_session().put_back(here)
    state.REVIEW_PAIR.set(found)
    reviewing.address(document=None)


def _on_record(workspace: Workspace, pair: PairItem | None) -> list[tuple[str, str, str]]:
    """The reviewer's last pairs, oldest first: a reload forgets the trail, the journal does not."""
    found: dict[tuple[str, str], str] = {}
    reviewer = services.reviewer(workspace)
    for d in workspace.journal.decisions(reviewer=reviewer, standing=True, newest_first=True, limit=100):
        if d.label_id is not None and d.action != "retract":
            found.setdefault((d.document_id, d.label_id), d.policy)
    if pair is not None:
        found.pop(_id(pair), None)
    return [(document, label, policy) for (document, label), policy in reversed(found.items())]


def _id(pair: object) -> tuple[str, str]:
    assert isinstance(pair, PairItem)
    return pair.document.id, pair.candidate.label_id


def _is_open(pair: PairItem) -> bool:
    now = state.REVIEW_PAIR.get()
    return now is not None and _id(now) == _id(pair)


def _leave() -> None:
    state.REVIEW_PAIR.set(None)
    state.REVIEW_UNFOLDED.set(None)
    reviewing.left()
    reviewing.address(document=None)
