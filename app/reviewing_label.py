"""Label mode: what its keys do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app import reviewing, services, state
from app.reviewing import Target, View, record, reported, saved
from app.reviewing_document import take_back
from lmtx.review.models import BatchRow, Bulk
from lmtx.types import Action, Label
from lmtx.workspace import Workspace

ROWS = 9
"""Rows of a page: those that a number key can reach."""
MOST = 500
"""Documents that can be marked at once."""
POLICY = "label"
"""Under which decisions of this mode are recorded: its order is the surest first, no random draw."""


@dataclass(frozen=True)
class Rows:
    """Proposed documents of a label as they stood when they were listed.

    Rows stay where they are while they are decided, so that a number key means what it meant.

    label_id, like : what was listed
    start : how many waiting documents come before the first row
    total : how many waited
    """

    label: Label
    path: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    like: str | None
    rows: tuple[BatchRow, ...]
    start: int
    total: int

    @property
    def ids(self) -> list[str]:
        """Ids of the documents."""
        return [row.document_id for row in self.rows]


def current(workspace: Workspace, view: View) -> Rows | None:
    """Return what is listed for the label in the address; None where it names none."""
    if view.label_id is None:
        return None
    rows: Rows | None = state.REVIEW_ROWS.get()
    if rows is None or (rows.label.id, rows.like) != (view.label_id, view.like):
        rows = listed(workspace, view.label_id, view.like, 0)
    return rows


def listed(workspace: Workspace, label_id: str, like: str | None, start: int) -> Rows:
    """List the documents that wait from a place on, and remember them."""
    page = start // ROWS
    found = workspace.label_batch(label_id, page=page, page_size=ROWS, like=like)
    if start >= found.total and found.total:  # the last ones were decided meanwhile
        start = (found.total - 1) // ROWS * ROWS
        page = start // ROWS
        found = workspace.label_batch(label_id, page=page, page_size=ROWS, like=like)
    rows = list(found.rows)
    if start % ROWS:  # decided rows have left the list, so pages no longer begin where they did
        more = workspace.label_batch(label_id, page=page + 1, page_size=ROWS, like=like)
        rows = [*rows, *more.rows][start % ROWS :][:ROWS]
    made = Rows(found.label, found.path, tuple(found.examples), like, tuple(rows), start, found.total)
    state.REVIEW_ROWS.set(made)
    state.REVIEW_ROW.set(rows[0].document_id if rows else None)
    return made


def standing(workspace: Workspace, rows: Rows) -> Mapping[str, str | None]:
    """What stands decided of each row now, whoever said it."""
    states = workspace.journal.pair_states_of(rows.ids)
    return {
        document_id: next((p.decision for p in pairs if p.label_id == rows.label.id), None)
        for document_id, pairs in states.items()
    }


def selected(rows: Rows) -> BatchRow | None:
    """The selected row."""
    chosen = state.REVIEW_ROW.get()
    return next((r for r in rows.rows if r.document_id == chosen), rows.rows[0] if rows.rows else None)


def target_of(rows: Rows, row: BatchRow) -> Target:
    """A row as what can be spoken of."""
    return Target(row.document_id, rows.label.id, rows.label.name, POLICY, None, False)


# ---- keys: rows -----------------------------------------------------------------------------------


@reported
def say(workspace: Workspace, rows: Rows, row: BatchRow, action: Action) -> None:
    """Accept, reject or skip the selected row, and select the next that nobody has decided."""
    chosen = selected(rows)
    if chosen is None or chosen.document_id != row.document_id:
        return
    stands = standing(workspace, rows)
    word = "skipped" if action == "skip" else f"{action}ed"
    title = reviewing.short(row.title or row.document_id)
    target = target_of(rows, row)
    if action == "skip" or not reviewing.said_already(workspace, target, action):
        record(workspace, [target.decision(action)], f"{title} {word}")
    saved(f"{title} {word}", target if action == "reject" else None)
    at = rows.ids.index(row.document_id)
    after = [r for r in rows.ids[at + 1 :] if stands.get(r) is None]
    state.REVIEW_ROW.set(after[0] if after else row.document_id)


@reported
def toggle(workspace: Workspace, rows: Rows, row: BatchRow, seen: str) -> None:
    """Accept a row; if accepted, reject; if rejected, take back. `seen` is what stood on the screen."""
    state.REVIEW_ROW.set(row.document_id)
    now = standing(workspace, rows).get(row.document_id)
    target, title = target_of(rows, row), reviewing.short(row.title or row.document_id)
    if seen == "rejected":
        if now == "reject":
            take_back(workspace, Target(target.document_id, target.label_id, title, POLICY, None, False))
        return
    reviewing.say(workspace, target, "reject" if seen == "accepted" else "accept", title)


@reported
def move(workspace: Workspace, rows: Rows, step: int) -> None:
    """Select the next or the previous row; past the last one comes the next page."""
    row = selected(rows)
    if row is None:
        return
    at = rows.ids.index(row.document_id) + step
    if 0 <= at < len(rows.ids):
        state.REVIEW_ROW.set(rows.ids[at])
    else:
        page(workspace, rows, step)


@reported
def page(workspace: Workspace, rows: Rows, step: int) -> None:
    """Show the next rows that wait, or the ones before."""
    if step > 0:
        stands = standing(workspace, rows)
        left = sum(stands.get(i) is None for i in rows.ids)
        decided = len(rows.ids) - left
        start = rows.start + left
        if start >= rows.total - decided:  # nothing comes after: the list closes up
            start = rows.start
            if not decided:
                state.REVIEW_SAVED.set("These are the last ones")
                return
    else:
        start = max(0, rows.start - ROWS)
    made = listed(workspace, rows.label.id, rows.like, start)
    if step < 0 and made.rows and rows.start > 0:
        state.REVIEW_ROW.set(made.ids[-1])


@reported
def undo(workspace: Workspace) -> None:
    """Take back the last step, a whole batch if it was one."""
    undone = reviewing.undone(workspace)
    if not undone:
        return
    rows: Rows | None = state.REVIEW_ROWS.get()
    here = set(rows.ids) if rows is not None else set()
    if rows is not None and len(undone) == 1 and undone[0].document_id in here:
        state.REVIEW_ROW.set(undone[0].document_id)
    elif rows is not None:
        listed(workspace, rows.label.id, rows.like, 0)
    batch = state.REVIEW_BULK.get()
    if batch is not None:  # it may have been an answer to its check
        state.REVIEW_BULK.set(workspace.bulk(batch.label_id, state.REVIEW_MARKED.get(), batch.action))


def choose(label_id: str) -> None:
    """Work on a label."""
    reviewing.narrow(label_id)


@reported
def choose_first(workspace: Workspace, text: str) -> None:
    """Work on the first label that the search line finds."""
    found = reviewing.labels_to_choose(workspace, 1, text)
    if found:
        choose(found[0][0].id)


def more_like(rows: Rows, row: BatchRow) -> None:
    """List documents near a row's instead; nothing widens again."""
    reviewing.forget()
    reviewing.address(like=None if rows.like else row.document_id)


def widen() -> None:
    """List all that wait again, not only what is near a document."""
    reviewing.forget()
    reviewing.address(like=None)


# ---- keys: many at once ---------------------------------------------------------------------------


@reported
def mark(workspace: Workspace, rows: Rows, row: BatchRow) -> None:
    """Mark a row to be decided with others, or no longer; the next one is selected."""
    marked = state.REVIEW_MARKED.get()
    if row.document_id in marked:
        state.REVIEW_MARKED.set(tuple(i for i in marked if i != row.document_id))
    elif len(marked) < MOST:
        state.REVIEW_MARKED.set((*marked, row.document_id))
    at = rows.ids.index(row.document_id)
    state.REVIEW_ROW.set(rows.ids[min(at + 1, len(rows.ids) - 1)])


@reported
def mark_many(workspace: Workspace, rows: Rows, seen: int) -> None:
    """Mark the page; if it is marked, all that wait; if they are, none. `seen` marked ones were shown."""
    if len(state.REVIEW_MARKED.get()) != seen:  # a second press before the screen has changed
        return
    stands = standing(workspace, rows)
    page = [i for i in rows.ids if stands.get(i) is None]
    marked = state.REVIEW_MARKED.get()
    if not set(page) <= set(marked):
        state.REVIEW_MARKED.set(tuple(dict.fromkeys([*marked, *page]))[:MOST])
        return
    every = waiting(workspace, rows)
    state.REVIEW_MARKED.set(
        () if set(every) <= set(marked) else tuple(dict.fromkeys([*marked, *every]))[:MOST]
    )


def waiting(workspace: Workspace, rows: Rows) -> list[str]:
    """Ids of the documents that wait for this label, the surest or nearest first, at most `MOST`."""
    if rows.like:
        found = workspace.label_batch(rows.label.id, page=0, page_size=100, like=rows.like)
        return [row.document_id for row in found.rows]
    page = workspace.journal.undecided_documents(rows.label.id, page=0, page_size=MOST)
    return [document_id for document_id, _, _ in page.items]


@reported
def propose(workspace: Workspace, rows: Rows, action: Literal["accept", "reject"]) -> None:
    """Propose to decide the marked ones at once: some of them are asked one by one first."""
    state.REVIEW_BULK.set(workspace.bulk(rows.label.id, state.REVIEW_MARKED.get(), action))
    reviewing.left()


def asked(batch: Bulk) -> str | None:
    """The document of the spot check that comes next."""
    return next((i for i in batch.check if i not in batch.answers), None)


@reported
def answer(workspace: Workspace, batch: Bulk, document_id: str, name: str, right: bool) -> None:
    """Answer one of the spot check: a decision like any other."""
    if reviewing.too_early() or asked(batch) != document_id:
        return
    target = Target(document_id, batch.label_id, name, "spot-check", None, False)
    # The note names the batch: the same one goes on where it was, also after a reload.
    decision = target.decision("accept" if right else "reject", note=batch.id)
    record(workspace, [decision], f"{reviewing.short(name)} {'right' if right else 'wrong'} here")
    state.REVIEW_BULK.set(workspace.bulk(batch.label_id, state.REVIEW_MARKED.get(), batch.action))
    state.REVIEW_UNFOLDED.set(None)
    reviewing.left()


@reported
def apply(workspace: Workspace, batch: Bulk) -> None:
    """Decide what is left of the batch, in one record."""
    seqs = workspace.apply_bulk(batch, services.reviewer(workspace))
    if seqs:
        done = workspace.journal.decisions(after_seq=min(seqs) - 1, limit=1)
        saved(f"{len(seqs)} {batch.action}ed as one batch", batch=done[0].batch)
    else:
        saved("all of them were decided one by one")
    close(workspace, keep_message=True)


def close(workspace: Workspace, keep_message: bool = False) -> None:
    """Go back to the list; what was answered stays on record."""
    state.REVIEW_BULK.set(None)
    state.REVIEW_MARKED.set(())
    state.REVIEW_ROWS.set(None)
    if not keep_message:
        state.REVIEW_SAVED.set("The batch was left; your answers are saved")
