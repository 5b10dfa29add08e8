"""What people said and still stands, kept in memory: a click must not read a hundred thousand decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from lmtx.journal import Journal
from lmtx.review import AUDITS, Pair
from lmtx.types import Decision

_PAGE = 5000
_MANY = 50  # documents with retracts; beyond, skips are read again as a whole
_NOT_ASKED = ("bulk", "import")

Skip = tuple[str, str | None]
"""(document id, label id or None for the document as a whole)."""


class Standing:
    """Follows the decisions of a journal, whoever makes them; not safe for threads by itself.

    `follow` reads what was recorded since the last call. What a retract brings back is looked up, so the
    sets are exact after it.

    Attributes
    ----------
    completed : set of str
        Documents whose completion stands.
    touched : set of str
        Documents on which something was decided since this was made, or since `forget_touched`.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seq = self._counted = journal.head_seq()
        self.completed = set(journal.document_ids(completed=True))
        self.touched: set[str] = set()
        self._watched: set[str] = set()
        self._decided: set[Pair] = set()
        self._skips: dict[str, set[Skip]] = {}
        self._counts: Counter[str] = Counter(journal.decision_counts("policy"))
        self.counts_are_old = False

    @property
    def seq(self) -> int:
        """Number of the last decision that was followed."""
        return self._seq

    def follow(self) -> None:
        """Take up what was recorded since the last call."""
        while True:
            rows = self._journal.decisions(after_seq=self._seq, limit=_PAGE)
            if rows:
                self._take(rows)
                self._seq = rows[-1].seq
            if len(rows) < _PAGE:
                return

    def _take(self, rows: Sequence[Decision]) -> None:
        retracts = []
        for row in rows:
            document_id, label_id = row.document_id, row.label_id
            if row.action == "retract":
                retracts.append(row)
            elif row.action == "complete":
                self.completed.add(document_id)
            elif row.action == "skip":
                if row.reviewer in self._skips:
                    self._skips[row.reviewer].add((document_id, label_id))
            elif label_id is not None:
                self.touched.add(document_id)
                if document_id in self._watched:
                    self._decided.add((document_id, label_id))
                if row.seq > self._counted:
                    if row.reason or row.note:  # it may add that alone, which only the journal can tell
                        self.counts_are_old = True
                    else:
                        self._counts[row.policy] += 1
        if retracts:
            self._look_up(retracts)

    def _look_up(self, retracts: Sequence[Decision]) -> None:
        """Read again what retracts are about: what stood before may stand again, or nothing."""
        self.counts_are_old = True
        whole = {row.document_id for row in retracts if row.label_id is None}
        if whole:
            rows = self._journal.document_rows(whole)
            done = {i for i, row in rows.items() if row.completed}
            self.completed = (self.completed - whole) | done
        pairs = {(row.document_id, row.label_id) for row in retracts if row.label_id is not None}
        known = {document_id for document_id, _ in pairs if document_id in self._watched}
        if known:
            stands = {
                (pair.document_id, pair.label_id)
                for found in self._journal.pair_states_of(sorted(known)).values()
                for pair in found
                if pair.decision is not None
            }
            self._decided = {pair for pair in self._decided if pair[0] not in known} | stands
        self._look_up_skips({row.document_id for row in retracts})

    def _look_up_skips(self, documents: set[str]) -> None:
        if not self._skips:
            return
        if len(documents) > _MANY:
            self._skips.clear()  # read as a whole when next asked for
            return
        standing = self._journal.standing_decisions(documents)
        for reviewer, skips in self._skips.items():
            skips -= {skip for skip in skips if skip[0] in documents}
            skips |= {
                (row.document_id, row.label_id)
                for rows in standing.values()
                for row in rows
                if row.action == "skip" and row.reviewer == reviewer
            }

    # ---- asking -------------------------------------------------------------------------------

    def watch(self, documents: Collection[str], decided: Collection[Pair], seq: int) -> None:
        """Follow the pairs of documents.

        Parameters
        ----------
        documents : collection of str
        decided : collection of pairs
            Those of the documents that were decided at a moment after decision `seq`.
        seq : int
            Everything after it is taken up again with the next `follow`.
        """
        self._watched.update(documents)
        self._decided.update(decided)
        self._seq = min(self._seq, seq)

    def is_decided(self, pair: Pair) -> bool:
        """Whether a decision stands on a pair of a watched document."""
        return pair in self._decided

    def skipped(self, reviewer: str) -> set[Skip]:
        """What this reviewer passed over, and did not take back."""
        if not reviewer:
            return set()
        if reviewer not in self._skips:
            found: set[Skip] = set()
            page, n_pages = 0, 1
            while page < n_pages:
                rows = self._journal.decisions_page(
                    reviewer=reviewer, action="skip", standing=True, page=page, page_size=_PAGE
                )
                found.update((row.document_id, row.label_id) for row in rows)
                page, n_pages = page + 1, rows.n_pages
            self._skips[reviewer] = found
        return self._skips[reviewer]

    def counts(self) -> tuple[int, int]:
        """Standing decisions of the audit, and all that a queue asked for; bulk and imports are neither."""
        n_all = sum(n for policy, n in self._counts.items() if policy not in _NOT_ASKED)
        return sum(self._counts[policy] for policy in AUDITS), n_all

    def count_again(self, seq: int, counts: dict[str, int]) -> None:
        """Replace the counts by those read from the journal after decision `seq`."""
        self._counts, self._counted = Counter(counts), seq
        self.counts_are_old = False

    def forget_touched(self) -> None:
        """Begin to gather `touched` anew."""
        self.touched = set()
