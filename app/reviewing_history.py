"""History: going back, by further records."""

from __future__ import annotations

from app import reviewing, services, state
from app.reviewing import reported, saved
from lmtx.workspace import Workspace

GO_BACK: state.Key[int | None] = state.Key("lmtx.review.go_back", None)
"""Number of the decision that was asked to go back to, until that is confirmed."""


def taken_back_by(workspace: Workspace, seq: int, only: str | None) -> int:
    """How many decisions would no longer stand after going back to one."""
    counts = workspace.journal.decision_counts("action", after_seq=seq, reviewer=only, records=True)
    return sum(counts.values())


def ask(seq: int | None) -> None:
    """Ask whether to go back to a decision; None: no longer."""
    GO_BACK.set(seq)


@reported
def go_back(workspace: Workspace, seq: int, only: str | None) -> None:
    """Go back to what stood after a decision."""
    undone = workspace.restore(seq, services.reviewer(workspace), only)
    GO_BACK.set(None)
    reviewing.forget()
    saved(f"{len(undone)} decision{'' if len(undone) == 1 else 's'} taken back")


@reported
def undo_batch(workspace: Workspace, batch: str) -> None:
    """Take back all of a batch that still stands."""
    undone = workspace.undo_batch(batch, services.reviewer(workspace))
    reviewing.forget()
    saved(f"{len(undone)} decisions of one batch taken back" if undone else "nothing of it stood any more")


def show(document: str | None = None, label: str | None = None) -> None:
    """Show the decisions on a document, a label, or a pair."""
    GO_BACK.set(None)
    reviewing.address(mode="history", document=document, label=label)


@reported
def undo(workspace: Workspace) -> None:
    """Take back the reviewer's last step."""
    if reviewing.undone(workspace):
        reviewing.forget()
