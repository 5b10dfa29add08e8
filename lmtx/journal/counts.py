"""Decisions counted: kept where all of them are, so that a click reads only what is new."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, TextualSelect, exists, func, select, text

from lmtx.journal import schema as s
from lmtx.journal.decisions import Decisions, number_of
from lmtx.journal.store import CHUNK, chunks, from_micros, to_micros
from lmtx.types import Role

CountBy = Literal["policy", "reviewer", "label", "action"]

_TALLIES: Final = 64
_REVIEWED: Final[tuple[Role, ...]] = ("train", "held_out")

# The same reviewer said the same of the pair before, that stands, and nothing that stands said otherwise
# since. Few records have a reason or a note; `decisions_explained` is the index of those that do. Written
# out, since it is a part of every count: building it of expressions would take longer than most counts.
_AGAIN: Final = text(
    """
    SELECT new_.seq FROM decisions AS new_
    WHERE (new_.reason <> '' OR new_.note <> '') AND new_.seq > :again_after
    AND new_.at + 0 >= :again_since AND new_.action || '' IN ('accept', 'reject')
    AND EXISTS (SELECT * FROM standing WHERE standing.seq = new_.seq)
    AND EXISTS (
        SELECT * FROM decisions AS before_
        WHERE before_.document_num = new_.document_num AND before_.label_num = new_.label_num
        AND before_.seq < new_.seq AND before_.action || '' = new_.action
        AND before_.reviewer || '' = new_.reviewer
        AND EXISTS (SELECT * FROM standing WHERE standing.seq = before_.seq)
        AND NOT EXISTS (
            SELECT * FROM decisions AS other_
            WHERE other_.document_num = new_.document_num AND other_.label_num = new_.label_num
            AND other_.seq > before_.seq AND other_.seq < new_.seq
            AND other_.action || '' IN ('accept', 'reject') AND other_.action || '' <> new_.action
            AND EXISTS (SELECT * FROM standing WHERE standing.seq = other_.seq)
        )
    )
    """
)


class Counts(Decisions):
    """The part of the journal that counts decisions, and what is left to decide."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        super().__init__(url, read_only=read_only)
        # What was counted over all decisions: newest number then, version of the documents, counts.
        self._tallies: dict[Any, tuple[int, int, dict[Any, int]]] = {}

    def rejection_reasons(self, label_id: str) -> dict[str, int]:
        """Count the rejected pairs of a label by the reason given last, "" where there is none; most first.

        Of a pair the newest decision that stands counts, and nothing else.
        """
        p, c = s.pairs.c, s.decisions.c
        with self._read() as conn:
            label_num = number_of(conn, s.labels, label_id)
            rows = conn.execute(
                select(c.reason, func.count())
                .join(s.pairs, p.decision_seq == c.seq)
                .where(p.label_num == label_num, *s.listed("rejected"))
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
        records: bool = False,
    ) -> dict[str, int]:
        """Count the accepts and rejects that stand; by "action" all that stands except retracts.

        What only adds a reason or a note to what the same reviewer said of the pair is not counted again.

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
        records : bool
            Count every record, what only adds a reason or a note too.
        """
        c = s.decisions.c
        column = c.label_num if by == "label" else c[by]
        actions = but_retracts(c.action) if by == "action" else as_is(c.action).in_(("accept", "reject"))
        said = [*in_window(reviewer=reviewer), actions]
        with self._read() as conn:
            if after_seq > 0:
                again = None if records else _again(since, after_seq)
                conditions = [*in_window(since, after_seq), *said]
                counts = _count(conn, column, conditions, roles, again, few=True)
            else:
                name = (by, reviewer, records)
                counts = self._tally(conn, name, column, said, roles, since=since, records=records)
            if by != "label":
                return counts
            named: dict[str, int] = {}
            for part in chunks(sorted(counts), CHUNK):
                rows = conn.execute(select(s.labels.c.id, s.labels.c.num).where(s.labels.c.num.in_(part)))
                named.update((id_, counts[num]) for id_, num in rows)
        return named

    def n_training_decisions(self, after_seq: int = 0) -> int:
        """Count the accepts, rejects and completions that stand, on documents of role train.

        What only adds a reason or a note to what the same reviewer said of the pair teaches nothing new.
        """
        c = s.decisions.c
        conditions = [*in_window(after_seq=after_seq), as_is(c.action).in_(("accept", "reject", "complete"))]
        train: tuple[Role, ...] = ("train",)
        with self._read() as conn:
            if after_seq > 0:
                counts = _count(conn, c.action, conditions, train, _again(after_seq=after_seq), few=True)
            else:
                counts = self._tally(conn, "training", c.action, conditions, train)
        return sum(counts.values())

    def n_completed(self) -> int:
        """Count the live documents that people have completed."""
        done = text(
            "SELECT count(*) FROM documents WHERE completed = 1 AND live = 1"
        )  # as its index is worded
        with self._read() as conn:
            return int(conn.scalar(done) or 0)

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
            .where(*in_window(since=since, reviewer=reviewer), but_retracts(c.action), that_stands())
        )
        with self._read() as conn:
            batches, single, first = conn.execute(found).one()
        return int(batches) + int(single), None if first is None else from_micros(first)

    def undecided_counts(self, label_ids: Iterable[str]) -> dict[str, int]:
        """Count what `undecided_documents` lists, for several labels at once.

        Returns
        -------
        dict
            Every label id that was given -> number of documents; 0 for one that is unknown.
        """
        ids = list(dict.fromkeys(label_ids))
        found = dict.fromkeys(ids, 0)
        p, x = s.pairs.c, s.labels.c
        with self._read() as conn:
            for part in chunks(ids, CHUNK):
                nums = {num: id_ for id_, num in conn.execute(select(x.id, x.num).where(x.id.in_(part)))}
                rows = conn.execute(
                    select(p.label_num, func.count())
                    .join(s.documents, s.documents.c.num == p.document_num)
                    .where(p.label_num.in_(list(nums)), *undecided())
                    .group_by(p.label_num)
                )
                found.update((nums[num], int(n)) for num, n in rows)
        return found

    def _tally(
        self,
        conn: Connection,
        name: Any,
        column: Any,
        conditions: list[Any],
        roles: Collection[Role] | None,
        *,
        since: datetime | None = None,
        records: bool = False,
    ) -> dict[Any, int]:
        """Count all decisions (since a moment); what was counted before is added to.

        It is counted anew after something was taken back. What is added changes no count of what was there:
        `_again` looks back only.
        """
        counters = self._counters(conn)
        head, content = counters.get("decisions", 0), counters.get("content:documents", 0)
        key = (name, since, None if roles is None else frozenset(roles))
        c = s.decisions.c
        kept = self._tallies.get(key)
        if kept is not None and kept[1] == content:
            newer = c.seq > kept[0]
            if conn.scalar(select(c.seq).where(c.action == "retract", newer).limit(1)) is None:
                counts = dict(kept[2])
                again = None if records else _again(since, kept[0])
                late = [] if since is None else [as_is(c.at) >= to_micros(since)]
                added = _count(conn, column, [*conditions, *late, newer], roles, again, few=True)
                for value, n in added.items():
                    counts[value] = counts.get(value, 0) + n
                self._tallies[key] = (head, content, counts)
                return dict(counts)
        again = None if records else _again(since)
        window = [*in_window(since), *conditions]
        counts = _count(conn, column, window, roles, again, few=since is not None)
        if len(self._tallies) >= _TALLIES:
            self._tallies.clear()
        self._tallies[key] = (head, content, counts)
        return dict(counts)


def in_window(since: datetime | None = None, after_seq: int = 0, reviewer: str | None = None) -> list[Any]:
    """Conditions on decisions: made since a moment, with a greater number, by a reviewer."""
    c = s.decisions.c
    conditions: list[Any] = []
    if since is not None:
        conditions.append(c.at >= to_micros(since))
    if after_seq > 0:
        conditions.append(c.seq > after_seq)
    if reviewer is not None:
        conditions.append(c.reviewer == reviewer)
    return conditions


def undecided() -> list[Any]:
    """Conditions on pairs and documents for what nobody has decided and somebody may be asked."""
    d = s.documents.c
    return [*s.listed("proposed"), d.live == 1, d.role.in_(_REVIEWED), d.completed == 0]


def that_stands(decisions: Any = s.decisions) -> Any:
    """What nobody has taken back."""
    return exists().where(s.standing.c.seq == decisions.c.seq)


def _again(since: datetime | None = None, after_seq: int = 0) -> TextualSelect:
    """Numbers of standing accepts and rejects that only add a reason or a note to what was said before."""
    moment = -(2**62) if since is None else to_micros(since)
    return _AGAIN.bindparams(again_since=moment, again_after=after_seq).columns(s.decisions.c.seq)


def that_fell() -> Any:
    """What was taken back, read from the retracts that stand: there are far fewer than decisions."""
    r = s.decisions.alias("r")
    stands = exists().where(s.standing.c.seq == r.c.seq)
    return s.decisions.c.seq.in_(select(r.c.retracts).where(r.c.retracts.is_not(None), stands))


def but_retracts(action: Any) -> Any:
    """All but retracts."""
    return as_is(action) != "retract"


def as_is(column: Any) -> Any:
    """Keep a condition or a grouping from choosing the index, which then would be read whole."""
    return column + 0 if column.type.python_type is int else column.concat("")


def _count(
    conn: Connection,
    column: Any,
    conditions: Sequence[Any],
    roles: Collection[Role] | None,
    again: TextualSelect | None,
    *,
    few: bool,
) -> dict[Any, int]:
    """Count what stands by a column, of `few` records or of all, without the numbers of `again`."""
    c, d = s.decisions.c, s.documents.c
    conditions = list(conditions)
    if roles is not None:
        wanted = d.role.in_(sorted(set(roles)))
        if few:
            conditions.append(exists().where(d.num == c.document_num, wanted))
        else:  # gathered once, from the index of roles
            conditions.append(as_is(c.document_num).in_(select(d.num).where(wanted)))
    key = as_is(column).label("key")
    if few:
        if again is not None:
            conditions.append(c.seq.not_in(again))
        statement = select(key, func.count()).where(*conditions, that_stands()).group_by(key)
        return {value: int(n) for value, n in conn.execute(statement)}
    every = select(column, func.count()).where(*conditions).group_by(column)
    counts = {value: int(n) for value, n in conn.execute(every)}
    # `_again` numbers what stands, so nothing is taken off twice.
    for not_counted in [that_fell()] + ([] if again is None else [c.seq.in_(again)]):
        for value, n in conn.execute(select(key, func.count()).where(*conditions, not_counted).group_by(key)):
            counts[value] -= int(n)
    return {value: n for value, n in counts.items() if n}
