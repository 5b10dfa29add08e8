"""Document mode: what its keys do."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace

from app import reviewing, services, state
from app.reviewing import Target, View, record, reported, saved
from app.reviewing_ahead import of_session
from lmtx.review.models import Candidate, ReviewItem
from lmtx.types import Action, Label, PairState
from lmtx.workspace import Workspace

KEYS = 9
"""Candidates that a number key can reach."""
_FOUND = 60
_RANKED = 200


def shown(item: ReviewItem) -> list[Candidate]:
    """Return the candidates that have a number key: what was said yes to or decided, then the best ranked.

    Of a blind item in the order of their names: the machine's order is its opinion too.
    """
    said = [c for c in item.candidates if c.verdict == "yes" or c.decision is not None]
    rest = [c for c in item.candidates if c.verdict != "yes" and c.decision is None]
    kept = {c.label_id for c in [*said, *rest][:KEYS]}
    found = [c for c in item.candidates if c.label_id in kept]
    return sorted(found, key=lambda c: c.name.casefold()) if item.blind else found


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

    def decided(self, label_id: str) -> bool:
        """Whether a person has said anything of it."""
        return label_id in self.accepted or label_id in self.rejected


def standing(workspace: Workspace, item: ReviewItem) -> Standing:
    """What stands now, whoever said it."""
    return Standing.of(item, workspace.journal.pair_states(item.document.id))


# ---- what is open ---------------------------------------------------------------------------------


def current(workspace: Workspace, view: View) -> ReviewItem | None:
    """Return the document to show: the one in the address, the open one, or the next of the queue."""
    item = state.REVIEW_ITEM.get()
    if view.document_id is not None and (item is None or item.document.id != view.document_id):
        state.REVIEW_SELECTED.set(None)
        item = workspace.review_item(view.document_id, view.policy)
    reviewer = services.reviewer(workspace)
    promoted = workspace.journal.promoted()
    queue = ("document", str(workspace.folder), view.policy, view.scope, reviewer, promoted and promoted.id)

    def fetch(n: int, after: Collection[Hashable]) -> list[ReviewItem]:
        return workspace.next_documents(
            view.policy, reviewer, n, after=[str(x) for x in after], scope=view.scope
        )

    def waits(found: object) -> bool:
        assert isinstance(found, ReviewItem)
        row = workspace.journal.document_row(found.document.id)
        return row is not None and not row.completed

    ahead = of_session()
    if item is None:
        found = ahead.take(queue, fetch, waits)  # type: ignore[arg-type]
        item = found if isinstance(found, ReviewItem) else None
    state.REVIEW_ITEM.set(item)
    if item is not None:
        ahead.fill(queue, fetch, _id, [item.document.id])  # type: ignore[arg-type]
    return item


def _id(item: object) -> str:
    assert isinstance(item, ReviewItem)
    return item.document.id


def selected(item: ReviewItem) -> str | None:
    """Id of the candidate whose definition shows."""
    chosen = state.REVIEW_SELECTED.get()
    candidates = shown(item)
    return chosen or (candidates[0].label_id if candidates else None)


# ---- keys -----------------------------------------------------------------------------------------


@reported
def say(workspace: Workspace, item: ReviewItem, label_id: str, name: str, action: Action) -> None:
    """Accept or reject the selected candidate, and go on to the next that nobody has decided."""
    if not _is_open(item) or selected(item) != label_id:
        return
    stands = standing(workspace, item)
    target = Target.of(item, label_id, name)
    reviewing.say(workspace, target, action, reviewing.short(name))
    ids = [c.label_id for c in shown(item)]
    if label_id in ids:
        at = ids.index(label_id)
        after = [x for x in [*ids[at + 1 :], *ids[:at]] if not stands.decided(x)]
        state.REVIEW_SELECTED.set(after[0] if after else label_id)


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
    stands = standing(workspace, item)
    if _is_open(item):
        state.REVIEW_SELECTED.set(label_id)
    target = Target.of(item, label_id, name)
    if seen == "rejected":
        if label_id in stands.rejected:
            take_back(workspace, target)
        return
    reviewing.say(workspace, target, "reject" if seen == "accepted" else "accept", reviewing.short(name))


@reported
def add(workspace: Workspace, item: ReviewItem, label_id: str, name: str) -> None:
    """Accept a label that was missing among the candidates."""
    record(workspace, [Target.of(item, label_id, name).decision("accept")], f"{reviewing.short(name)} added")
    state.REVIEW_SELECTED.set(label_id)
    state.REVIEW_SEARCH.set(state.REVIEW_SEARCH.get() + 1)


def find(workspace: Workspace, item: ReviewItem, text: str, limit: int) -> list[Label]:
    """Labels that words find and that are not accepted here yet.

    The one of that very name comes first, then those that the tagger ranks high for this document, then the
    others as they are found. Of a blind item the tagger has no say.
    """
    found = workspace.find_labels(text, limit if item.blind else _FOUND, document_id=item.document.id)
    if not item.blind and len(found) > 1:
        ranked = workspace.find_labels("", _RANKED, document_id=item.document.id)
        place = {label.id: n for n, label in enumerate(ranked)}
        exact = text.strip().casefold()
        found.sort(key=lambda x: (x.name.casefold() != exact, place.get(x.id, _RANKED)))
    return found[:limit]


def add_first(workspace: Workspace, item: ReviewItem, text: str) -> None:
    """Accept the first label that the search line finds; nothing where it finds none."""
    found = find(workspace, item, text, 1)
    if found:
        add(workspace, item, found[0].id, found[0].name)


@reported
def remove(workspace: Workspace, item: ReviewItem, label_id: str, name: str) -> None:
    """Take back a label that was added."""
    take_back(workspace, Target.of(item, label_id, name))


@reported
def reject_rest(workspace: Workspace, item: ReviewItem) -> None:
    """Reject all shown candidates that nobody has decided, in one step."""
    if not _is_open(item) or reviewing.too_early():
        return
    stands = standing(workspace, item)
    rest = [c for c in shown(item) if not stands.decided(c.label_id)]
    if not rest:
        state.REVIEW_SAVED.set("Nothing is left undecided")
        return
    batch = uuid.uuid4().hex
    decisions = [Target.of(item, c.label_id, c.name).decision("reject", batch=batch) for c in rest]
    record(
        workspace, decisions, f"the other {len(rest)} rejected" if len(rest) > 1 else "the other one rejected"
    )


@reported
def complete(workspace: Workspace, item: ReviewItem) -> None:
    """Settle the document: what is accepted is right, the other candidates are not, none is missing."""
    if not _is_open(item) or reviewing.too_early():
        return
    stands = standing(workspace, item)
    workspace.complete(
        item.document.id,
        services.reviewer(workspace),
        accepted=set(stands.accepted),
        rejected={c.label_id for c in shown(item)} - stands.accepted,
        policy=item.policy,
        inclusion_probability=item.inclusion_probability,
        blind=item.blind,
    )
    number = len(stands.accepted)
    saved(f"document complete with {number} label{'' if number == 1 else 's'}")
    leave()


@reported
def skip(workspace: Workspace, item: ReviewItem) -> None:
    """Put the document aside; nothing is learned from a skip."""
    if not _is_open(item) or reviewing.too_early():
        return
    plain = Target.of(item, "", "").decision("skip")
    record(workspace, [replace(plain, label_id=None)], "skipped")
    leave()


@reported
def undo(workspace: Workspace) -> None:
    """Take back the last step and show its document."""
    undone = reviewing.undone(workspace)
    documents = {d.document_id for d in undone}
    item = state.REVIEW_ITEM.get()
    if len(documents) == 1 and (item is None or item.document.id not in documents):
        if item is not None:
            of_session().put_back(item)
        known = reviewing.known_policy(undone[0].policy)
        state.REVIEW_ITEM.set(workspace.review_item(undone[0].document_id, known))
        state.REVIEW_SELECTED.set(None)
        reviewing.address(document=None)


def move(item: ReviewItem, step: int) -> None:
    """Select the next or the previous candidate."""
    ids = [c.label_id for c in shown(item)]
    if not ids:
        return
    chosen = selected(item)
    at = ids.index(chosen) if chosen in ids else -1 if step > 0 else 0
    state.REVIEW_SELECTED.set(ids[(at + step) % len(ids)])


def leave() -> None:
    """Close the open document, so that the next one is drawn."""
    state.REVIEW_ITEM.set(None)
    state.REVIEW_SELECTED.set(None)
    state.REVIEW_UNFOLDED.set(None)
    reviewing.left()
    reviewing.address(document=None)


def _is_open(item: ReviewItem) -> bool:
    now = state.REVIEW_ITEM.get()
    return now is not None and now.document.id == item.document.id


def take_back(workspace: Workspace, target: Target) -> None:
    """Take back all that people said of a pair, in one step."""
    # Taking back one decision restores the one before it, so a label goes back to nobody's
    # word only when all that stand are taken back.
    found = workspace.journal.decisions(
        document_id=target.document_id, label_id=target.label_id, standing=True
    )
    deciding = sorted((d for d in found if d.action in ("accept", "reject")), key=lambda d: -d.seq)
    if not deciding:
        return
    plain = target.decision("retract", batch=uuid.uuid4().hex)
    record(
        workspace,
        [replace(plain, retracts=d.seq) for d in deciding],
        f"{reviewing.short(target.name)} taken back",
    )
