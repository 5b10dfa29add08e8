"""What was decided, looked at: pages of it, and going back to an earlier moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from lmtx.errors import InputError
from lmtx.journal import schema as s
from lmtx.journal.counts import Counts, as_is, but_retracts, in_window, that_fell, that_stands, undecided
from lmtx.journal.decisions import number_of, select_decisions
from lmtx.journal.rows import Page
from lmtx.journal.store import CHUNK, chunks, to_micros
from lmtx.types import Action, Decision


class History(Counts):
    """The part of the journal that looks back at decisions."""

    def head_seq(self) -> int:
        """Return the number of the newest decision, 0 where there is none."""
        with self._read() as conn:
            return self._counters(conn).get("decisions", 0)

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
        """One page of the decisions that match all filters, the newest first.

        Parameters
        ----------
        standing : bool, optional
            Only those that stand (True), or only those that were taken back (False).
        """
        c = s.decisions.c
        conditions: list[Any] = []
        with self._read() as conn:
            if document_id is not None:
                conditions.append(c.document_num == number_of(conn, s.documents, document_id))
            if label_id is not None:
                conditions.append(c.label_num == number_of(conn, s.labels, label_id))
            for column, wanted in ((c.reviewer, reviewer), (c.action, action), (c.policy, policy)):
                if wanted is not None:
                    conditions.append(column == wanted)
            few = document_id is not None or label_id is not None
            total = _n_matching(conn, conditions, standing, few=few)
            if standing is not None:
                conditions.append(that_stands() if standing else ~that_stands() if few else that_fell())
            # Of the pages before this one only numbers are read.
            numbers = select(c.seq).where(*conditions).order_by(c.seq.desc())
            shown = list(conn.scalars(numbers.limit(page_size).offset(page * page_size)))
            items = select_decisions(conn, c.seq.in_(shown), newest_first=True) if shown else []
        return Page(items, total, page, page_size)

    def decision_seq_at(self, moment: datetime) -> int:
        """Return the number of the last decision before the first that was made after a moment.

        Imported decisions keep the time when they were made elsewhere, so times need not ascend: what was
        recorded after a later one does not count as earlier.
        """
        c = s.decisions.c
        with self._read() as conn:
            later = conn.scalar(select(func.min(c.seq + 0)).where(c.at > to_micros(moment)))
            return self._counters(conn).get("decisions", 0) if later is None else int(later) - 1

    def undecided_documents(
        self, label_id: str, page: int = 0, page_size: int = 50
    ) -> Page[tuple[str, str | None, float | None]]:
        """One page of the documents that a label is proposed for and nobody has decided, the surest first.

        Live documents of role train or held_out that nobody has completed.

        Returns
        -------
        Page of (document id, verdict, teacher's probability)
        """
        p, d = s.pairs.c, s.documents.c
        with self._read() as conn:
            statement = (
                select(d.id, p.verdict, p.probability)
                .join(s.documents, d.num == p.document_num)
                .where(p.label_num == number_of(conn, s.labels, label_id), *undecided())
            )
            total = conn.scalar(select(func.count()).select_from(statement.subquery())) or 0
            rows = conn.execute(
                statement.order_by(p.probability.desc().nulls_last(), d.id)
                .limit(page_size)
                .offset(page * page_size)
            ).all()
        items = [
            (id_, None if v is None else str(s.VERDICTS[v]), probability) for id_, v, probability in rows
        ]
        return Page(items, int(total), page, page_size)

    def decided_documents(self, reviewer: str | None = None) -> list[str]:
        """Ids of the live documents with an accept, reject or completion that stands, in row order."""
        c, d = s.decisions.c, s.documents.c
        conditions = [
            *in_window(reviewer=reviewer),
            as_is(c.action).in_(("accept", "reject", "complete")),
        ]
        nums = select(c.document_num).where(*conditions, that_stands())
        with self._read() as conn:
            return list(conn.scalars(select(d.id).where(d.num.in_(nums), d.live == 1).order_by(d.num)))

    def standing_decisions(self, document_ids: Iterable[str]) -> dict[str, list[Decision]]:
        """Return what stands of each of these documents, retracts left out, in the order it was recorded."""
        ids = list(dict.fromkeys(document_ids))
        found: dict[str, list[Decision]] = {id_: [] for id_ in ids}
        c, d = s.decisions.c, s.documents.c
        with self._read() as conn:
            for part in chunks(ids, CHUNK):
                nums = list(conn.scalars(select(d.num).where(d.id.in_(part))))
                conditions = [c.document_num.in_(nums), but_retracts(c.action), that_stands()]
                for decision in select_decisions(conn, *conditions):
                    found[decision.document_id].append(decision)
        return found

    def restore(
        self, seq: int, reviewer: str, *, only: str | None = None, note: str = "", batch: str = ""
    ) -> list[Decision]:
        """Let stand again exactly what stood after decision `seq`, by retracts in one transaction.

        Parameters
        ----------
        seq : int
            Number of the last decision that is to count; 0: none.
        reviewer : str
            Who restores.
        only : str, optional
            Take back only what this reviewer recorded since; what others did stays.
        note, batch : str
            Of the retracts.

        Returns
        -------
        list of Decision
            What was taken back, newest first.

        Raises
        ------
        InputError
            If there is no such number yet, or no reviewer.
        """
        if not reviewer:
            raise InputError("Restore: who are you? Set a reviewer name first.")
        c = s.decisions.c
        with self._write() as tx:
            head = tx.counters.get("decisions", 0)
            if not 0 <= seq <= head:
                raise InputError(f"There is no decision {seq}. Expected a number from 0 to {head}.")
            since = tx.conn.execute(
                select(c.seq, c.retracts, c.reviewer).where(c.seq > seq).order_by(c.seq.desc())
            ).all()
            wanted = _to_retract([(row[0], row[1], only is None or row[2] == only) for row in since])
            found = {
                d.seq: d for part in chunks(wanted, CHUNK) for d in select_decisions(tx.conn, c.seq.in_(part))
            }
            targets = [found[number] for number in wanted]
            self._append_decisions(
                tx,
                [
                    Decision(
                        d.document_id, d.label_id, "retract", reviewer, note=note, batch=batch, retracts=d.seq
                    )
                    for d in targets
                ],
            )
        return targets


def _to_retract(since: Sequence[tuple[int, int | None, bool]]) -> list[int]:
    """Choose which of the newest records to take back, newest first, so that nothing of them counts.

    Parameters
    ----------
    since : sequence of (number, number that it retracts, whether it is to be taken back)
        Newest first. A record is retracted by newer ones only, so when its turn comes it is settled whether
        it stands.
    """
    ours = {number for number, _, take in since if take}
    held: set[int] = set()
    wanted = []
    for number, target, take in since:
        if number in held:
            continue
        # What was recorded and taken back since is gone already: the retract that did it may stay.
        if take and target not in ours:
            wanted.append(number)
        elif target is not None:
            held.add(target)
    return wanted


def _n_matching(conn: Connection, conditions: Sequence[Any], standing: bool | None, *, few: bool) -> int:
    """Count decisions, of `few` records or of all."""

    def n(*more: Any) -> int:
        return int(conn.scalar(select(func.count()).select_from(s.decisions).where(*conditions, *more)) or 0)

    if standing is None:
        return n()
    if few:
        return n(that_stands() if standing else ~that_stands())
    fallen = n(that_fell())
    return n() - fallen if standing else fallen
