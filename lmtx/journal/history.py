"""What was decided, looked at: pages, counts, and going back to an earlier moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, exists, func, select

from lmtx.errors import InputError
from lmtx.journal import schema as s
from lmtx.journal.decisions import Decisions, number_of, select_decisions
from lmtx.journal.rows import Page
from lmtx.journal.store import CHUNK, chunks, from_micros, to_micros
from lmtx.types import Action, Decision, Role

CountBy = Literal["policy", "reviewer", "label", "action"]

_TALLIES: Final = 64
_REVIEWED: Final[tuple[Role, ...]] = ("train", "held_out")


class History(Decisions):
    """The part of the journal that looks back at decisions."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        # What was counted over all decisions: newest number then, version of the documents, counts.
        self._tallies: dict[Any, tuple[int, int, dict[Any, int]]] = {}

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
                conditions.append(_stands() if standing else ~_stands() if few else _fallen())
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

    def rejection_reasons(self, label_id: str) -> dict[str, int]:
        """Count the standing rejections of a label by reason, "" where none was given; most first."""
        c = s.decisions.c
        with self._read() as conn:
            rows = conn.execute(
                select(c.reason, func.count())
                .where(
                    c.label_num == number_of(conn, s.labels, label_id),
                    _as_is(c.action) == "reject",
                    _stands(),
                )
                .group_by(c.reason)
            ).all()
        return dict(sorted(((reason, n) for reason, n in rows), key=lambda item: (-item[1], item[0])))

    def decision_counts(
        self,
        by: CountBy,
        *,
        since: datetime | None = None,
        after_seq: int = 0,
        reviewer: str | None = None,
        roles: Collection[Role] | None = None,
    ) -> dict[str, int]:
        """Count the accepts and rejects that stand; by "action" all that stands except retracts.

        Parameters
        ----------
        by : {"policy", "reviewer", "label", "action"}
            What the keys of the answer are (of labels their ids).
        since : datetime, optional
            Only those made at that moment or later.
        after_seq : int
            Only those with a greater number.
        reviewer : str, optional
            Only theirs.
        roles : collection of Role, optional
            Only those on documents that have one of these roles now.
        """
        c = s.decisions.c
        column = c.label_num if by == "label" else c[by]
        actions = _said(c.action) if by == "action" else _as_is(c.action).in_(("accept", "reject"))
        conditions = [*_window(since, after_seq, reviewer), actions]
        with self._read() as conn:
            if since is not None or after_seq > 0:
                counts = _count(conn, column, conditions, roles, few=True)
            else:
                counts = self._tally(conn, (by, reviewer), column, conditions, roles)
            if by != "label":
                return counts
            named: dict[str, int] = {}
            for part in chunks(sorted(counts), CHUNK):
                rows = conn.execute(select(s.labels.c.id, s.labels.c.num).where(s.labels.c.num.in_(part)))
                named.update((id_, counts[num]) for id_, num in rows)
        return named

    def n_training_decisions(self, after_seq: int = 0) -> int:
        """Count the accepts, rejects and completions that stand, on documents of role train."""
        c = s.decisions.c
        conditions = [*_window(after_seq=after_seq), _as_is(c.action).in_(("accept", "reject", "complete"))]
        train: tuple[Role, ...] = ("train",)
        with self._read() as conn:
            if after_seq > 0:
                counts = _count(conn, c.action, conditions, train, few=True)
            else:
                counts = self._tally(conn, "training", c.action, conditions, train)
        return sum(counts.values())

    def n_completed(self) -> int:
        """Count the live documents that people have completed."""
        d = s.documents.c
        with self._read() as conn:
            where = select(func.count()).select_from(s.documents).where(d.completed == 1, d.live == 1)
            return int(conn.scalar(where) or 0)

    def n_steps(self, reviewer: str, since: datetime) -> tuple[int, datetime | None]:
        """Count what a reviewer has settled since a moment in steps that one undo takes back.

        Returns
        -------
        int, datetime or None
            Number of steps that stand, and when the first of them was made.
        """
        c = s.decisions.c
        found = (
            select(
                func.count(func.distinct(func.nullif(c.batch, ""))),
                func.count().filter(c.batch == ""),
                func.min(c.at),
            )
            .select_from(s.decisions)
            .where(*_window(since=since, reviewer=reviewer), _said(c.action), _stands())
        )
        with self._read() as conn:
            batches, single, first = conn.execute(found).one()
        return int(batches) + int(single), None if first is None else from_micros(first)

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
                .where(
                    p.label_num == number_of(conn, s.labels, label_id),
                    *s.listed("proposed"),
                    d.live == 1,
                    d.role.in_(_REVIEWED),
                    d.completed == 0,
                )
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
            *_window(reviewer=reviewer),
            _as_is(c.action).in_(("accept", "reject", "complete")),
        ]
        nums = select(c.document_num).where(*conditions, _stands())
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
                conditions = [c.document_num.in_(nums), _said(c.action), _stands()]
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

    def _tally(
        self, conn: Connection, name: Any, column: Any, conditions: list[Any], roles: Collection[Role] | None
    ) -> dict[Any, int]:
        """Count over all decisions; what was counted before is added to, unless something was taken back."""
        counters = self._counters(conn)
        head, content = counters.get("decisions", 0), counters.get("content:documents", 0)
        key = (name, None if roles is None else frozenset(roles))
        c = s.decisions.c
        kept = self._tallies.get(key)
        if kept is not None and kept[1] == content:
            newer = c.seq > kept[0]
            if conn.scalar(select(c.seq).where(c.action == "retract", newer).limit(1)) is None:
                counts = dict(kept[2])
                for value, n in _count(conn, column, [*conditions, newer], roles, few=True).items():
                    counts[value] = counts.get(value, 0) + n
                self._tallies[key] = (head, content, counts)
                return dict(counts)
        counts = _count(conn, column, conditions, roles, few=False)
        if len(self._tallies) >= _TALLIES:
            self._tallies.clear()
        self._tallies[key] = (head, content, counts)
        return dict(counts)


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


def _window(since: datetime | None = None, after_seq: int = 0, reviewer: str | None = None) -> list[Any]:
    c = s.decisions.c
    conditions: list[Any] = []
    if since is not None:
        conditions.append(c.at >= to_micros(since))
    if after_seq > 0:
        conditions.append(c.seq > after_seq)
    if reviewer is not None:
        conditions.append(c.reviewer == reviewer)
    return conditions


def _stands() -> Any:
    return exists().where(s.standing.c.seq == s.decisions.c.seq)


def _fallen() -> Any:
    """Not standing, read from the retracts that stand: there are far fewer than decisions."""
    r = s.decisions.alias("r")
    stands = exists().where(s.standing.c.seq == r.c.seq)
    return s.decisions.c.seq.in_(select(r.c.retracts).where(r.c.retracts.is_not(None), stands))


def _said(action: Any) -> Any:
    """All but retracts."""
    return _as_is(action) != "retract"


def _as_is(column: Any) -> Any:
    """Keep a condition or a grouping from choosing the index, which then would be read whole."""
    return column + 0 if column.type.python_type is int else column.concat("")


def _count(
    conn: Connection, column: Any, conditions: Sequence[Any], roles: Collection[Role] | None, *, few: bool
) -> dict[Any, int]:
    """Count what stands by a column, of `few` records or of all."""
    c, d = s.decisions.c, s.documents.c
    conditions = list(conditions)
    if roles is not None:
        wanted = d.role.in_(sorted(set(roles)))
        if few:
            conditions.append(exists().where(d.num == c.document_num, wanted))
        else:  # gathered once, from the index of roles
            conditions.append(_as_is(c.document_num).in_(select(d.num).where(wanted)))
    key = _as_is(column).label("key")
    if few:
        statement = select(key, func.count()).where(*conditions, _stands()).group_by(key)
        return {value: int(n) for value, n in conn.execute(statement)}
    every = select(column, func.count()).where(*conditions).group_by(column)
    counts = {value: int(n) for value, n in conn.execute(every)}
    for value, n in conn.execute(select(key, func.count()).where(*conditions, _fallen()).group_by(key)):
        counts[value] -= int(n)
    return {value: n for value, n in counts.items() if n}


def _n_matching(conn: Connection, conditions: Sequence[Any], standing: bool | None, *, few: bool) -> int:
    """Count decisions, of `few` records or of all."""

    def n(*more: Any) -> int:
        return int(conn.scalar(select(func.count()).select_from(s.decisions).where(*conditions, *more)) or 0)

    if standing is None:
        return n()
    if few:
        return n(_stands() if standing else ~_stands())
    fallen = n(_fallen())
    return n() - fallen if standing else fallen
