"""What people do in a workspace: review, in bulk, take back, look at what was said and what it taught."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from lmtx.review.models import Bulk, PairItem, Policy, ReviewItem, Scope, Unit
from lmtx.types import Action, Decision, Label, Progress, no_progress
from lmtx.workspace import batches, bulk, defining, history, reviewing, watching
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.journal import Page
    from lmtx.workspace.models import (
        DefinitionTrial,
        Gain,
        LabelBatch,
        LearningState,
        ReviewProgress,
        TagChange,
    )


class ReviewMethods:
    """The part of `Workspace` that is about people's decisions."""

    _parts: Parts

    # ---- what comes next ----------------------------------------------------------------------

    def next_documents(
        self,
        policy: Policy = "default",
        reviewer: str | None = None,
        n: int = 1,
        after: Collection[str] = (),
        scope: Scope | None = None,
    ) -> list[ReviewItem]:
        """Return the next documents to review.

        A policy whose order is still being made, or has nothing to look at, gives the random order
        meanwhile; the item's policy and reason say so. One call at a time needs no preparation, several
        items (n > 1) are for a thread that fetches ahead: their sentences are encoded first.

        Parameters
        ----------
        policy : Policy
            In which order. "default" asks for `Settings.audit_share` of the decisions on the reserve, but
            not in a scope.
        reviewer : str, optional
            Whose skipped documents are passed over; the workspace's usual reviewer where None.
        n : int
            How many.
        after : collection of str
            Documents to pass over (seen, or about to be shown).
        scope : Scope, optional
            Only part of the corpus.
        """
        return reviewing.next_documents(self._parts, policy, reviewer, n, after, scope or Scope())

    def next_pairs(
        self,
        policy: Policy = "default",
        reviewer: str | None = None,
        n: int = 1,
        after: Collection[tuple[str, str]] = (),
        scope: Scope | None = None,
    ) -> list[PairItem]:
        """Return the next pairs to review; as for `next_documents`, with `after` of (document, label)."""
        return reviewing.next_pairs(self._parts, policy, reviewer, n, after, scope or Scope())

    def prepare_queue(
        self, policy: Policy = "default", unit: Unit = "document", scope: Scope | None = None
    ) -> None:
        """Make what a queue needs, where it is missing or old; takes seconds, so for a thread."""
        reviewing.prepare(self._parts, policy, unit, scope or Scope())

    def review_item(self, document_id: str, policy: Policy = "default") -> ReviewItem:
        """One document as `next_documents` shows it."""
        return reviewing.review_item(self._parts, document_id, policy)

    def pair_item(self, document_id: str, label_id: str, policy: Policy = "default") -> PairItem:
        """One pair as `next_pairs` shows it."""
        return reviewing.pair_item(self._parts, document_id, label_id, policy)

    def label_batch(
        self, label_id: str, page: int = 0, page_size: int = 20, like: str | None = None
    ) -> LabelBatch:
        """Return documents that a label is proposed for and nobody has decided, the surest first.

        With `like`, a document: those near it in meaning instead, the nearest first. Never of the reserve.
        """
        return batches.label_batch(self._parts, label_id, page, page_size, like)

    def labels_to_review(self, limit: int = 50, query: str = "") -> list[tuple[Label, int]]:
        """List labels with the number of their proposed documents that nobody has decided, most first.

        The numbers are some seconds old at most; `LabelBatch.total` is exact.
        """
        return batches.labels_to_review(self._parts, limit, query)

    # ---- recording ----------------------------------------------------------------------------

    def decide(self, decisions: Sequence[Decision]) -> list[int]:
        """Record decisions, all or none; durable when this returns. Returns sequence numbers."""
        return reviewing.decide(self._parts, decisions)

    def complete(
        self,
        document_id: str,
        reviewer: str,
        accepted: Collection[str] = (),
        rejected: Collection[str] = (),
        policy: str = "default",
        inclusion_probability: float | None = None,
        blind: bool = False,
    ) -> list[int]:
        """Settle a document as a whole: its accepted and rejected labels, and that none is missing.

        One atomic record, undone as one.
        """
        return reviewing.complete(
            self._parts, document_id, reviewer, accepted, rejected, policy, inclusion_probability, blind
        )

    def bulk(
        self,
        label_id: str,
        document_ids: Sequence[str],
        action: Literal["accept", "reject"],
    ) -> Bulk:
        """Propose a batch of pairs of a label to be accepted or rejected at once, with its spot check.

        Answers to the check are decisions of policy "spot-check" on its documents, recorded by `decide`.

        Raises
        ------
        InputError
            If nothing of it is left that may be decided in bulk.
        """
        return bulk.propose(self._parts, label_id, document_ids, action)

    def apply_bulk(self, batch: Bulk, reviewer: str) -> list[int]:
        """Accept or reject what is left of a batch, in one record that one undo takes back.

        Raises
        ------
        InputError
            If its spot check is not finished, or speaks against it; nothing is recorded then.
        """
        return bulk.apply(self._parts, batch, reviewer)

    def undo(self, reviewer: str) -> list[Decision]:
        """Take back the reviewer's newest standing step; returns the decisions taken back."""
        return reviewing.undo(self._parts, reviewer)

    def undo_batch(self, batch: str, reviewer: str) -> list[Decision]:
        """Take back what still stands of a batch, whoever made it; returns the decisions taken back.

        `batch` is that of its decisions; they are found by policy "bulk".
        """
        return reviewing.undo_batch(self._parts, batch, reviewer)

    # ---- what was said ------------------------------------------------------------------------

    def decisions_page(
        self,
        *,
        document_id: str | None = None,
        label_id: str | None = None,
        reviewer: str | None = None,
        action: Action | None = None,
        policy: str | None = None,
        standing: bool | None = None,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[Decision]:
        """One page of decisions that match all filters, the newest first."""
        return self._parts.journal.decisions_page(
            document_id=document_id,
            label_id=label_id,
            reviewer=reviewer,
            action=action,
            policy=policy,
            standing=standing,
            page=page,
            page_size=page_size,
        )

    def restore(self, seq: int, reviewer: str, only: str | None = None) -> list[Decision]:
        """Go back to what stood after decision `seq` (0: before any), by further records in one step.

        Parameters
        ----------
        seq : int
            Sequence number of the last decision that is to count.
        reviewer : str
            Who restores.
        only : str, optional
            Take back only what this reviewer said since.

        Returns
        -------
        list of Decision
            What no longer stands, newest first. The restore itself can be taken back by `restore` to the
            number before it.
        """
        return history.restore(self._parts, seq, reviewer, only)

    def seq_at(self, moment: datetime) -> int:
        """Sequence number of the last decision before the first one made after a moment, 0 where none is."""
        return self._parts.journal.decision_seq_at(moment)

    def rejection_reasons(self, label_id: str) -> dict[str, int]:
        """Rejected pairs of a label by the reason given last, "" where there is none."""
        return self._parts.journal.rejection_reasons(label_id)

    def review_stats(self, reviewer: str) -> dict[str, float]:
        """Return "decisions_today", "documents_today", "per_minute" (last ten minutes), "completed"."""
        return history.stats(self._parts, reviewer)

    def review_progress(self) -> ReviewProgress:
        """How far the review is to the workspace's goal, and what is left."""
        return watching.progress(self._parts)

    # ---- what it taught -----------------------------------------------------------------------

    def learning_state(self) -> LearningState:
        """Say how many training decisions no run has seen yet, and whether it is time to train."""
        return watching.learning_state(self._parts)

    def gains(self) -> list[Gain]:
        """What the decisions have gained: quality of each run on what people completed, oldest first."""
        return watching.gains(self._parts)

    def changes(self, run_id: str | None = None) -> list[TagChange]:
        """Return the documents whose tags changed most by a run (default: the promoted one)."""
        return watching.changes(self._parts, run_id)

    # ---- definitions --------------------------------------------------------------------------

    def edit_label(self, label_id: str, *, name: str, description: str, aliases: Sequence[str] = ()) -> Label:
        """Change name, definition and aliases of a label; decisions stay, judgments of the old text lapse."""
        return defining.edit(self._parts, label_id, name, description, aliases)

    def try_definition(
        self,
        label_id: str,
        name: str,
        description: str,
        aliases: Sequence[str] = (),
        teacher: str | None = None,
        limit: int = 40,
        progress: Progress = no_progress,
    ) -> DefinitionTrial:
        """Ask the teacher about a label's reviewed pairs under another definition; nothing is recorded.

        Raises
        ------
        NothingToDoError
            If no pair of the label was decided outside the reserve.
        ConsentError
            If texts would be sent to a machine that `consent` was not given for.
        """
        return defining.trial(self._parts, label_id, name, description, aliases, teacher, limit, progress)
