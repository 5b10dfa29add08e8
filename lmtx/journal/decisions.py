"""What people said: appended, taken back by further records, never changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any, Final, get_args

from sqlalchemy import Connection, delete, exists, insert, select, update

from lmtx.errors import InputError, NotFoundError
from lmtx.journal import schema as s
from lmtx.journal.projection import Projection
from lmtx.journal.store import CHUNK, Transaction, chunks, finite, from_micros, group, to_micros
from lmtx.types import Action, Decision, Reason

_ACTIONS: Final = frozenset(get_args(Action))
_REASONS: Final = get_args(Reason)


class Decisions(Projection):
    """The part of the journal that keeps decisions."""

    def append_decisions(self, decisions: Sequence[Decision]) -> list[int]:
        """Append decisions, all or none; when it returns they are durable and count.

        `seq` of the arguments is ignored. A `retract` is stored with the document and label of
        the decision it takes back. A retract may itself be retracted.

        Returns
        -------
        list of int
            Sequence numbers, in the order given.

        Raises
        ------
        NotFoundError
            If a document or label was never imported or is deleted, or a retracted decision
            doesn't exist.
        InputError
            If an action or reason is unknown, a label is missing or superfluous, something other
            than a reject has a reason, or a decision is retracted that no longer stands.
        """
        if not decisions:
            return []
        for decision in decisions:
            _check(decision)
        with self._write() as tx:
            return self._append_decisions(tx, decisions)

    def retract(
        self, reviewer: str, *, seqs: Sequence[int] = (), batch: str = "", note: str = ""
    ) -> list[Decision]:
        """Take back decisions by number, or all of a batch that still stand, in one transaction.

        Returns
        -------
        list of Decision
            What was taken back, newest first.
        """
        with self._write() as tx:
            wanted = list(seqs)
            if batch:
                c = s.decisions.c
                wanted += tx.conn.scalars(
                    select(c.seq)
                    .join(s.standing, s.standing.c.seq == c.seq)
                    .where(c.batch == batch, c.batch != "", c.action != "retract")
                )
            wanted = sorted(set(wanted), reverse=True)
            found = {
                d.seq: d
                for part in chunks(wanted, CHUNK)
                for d in select_decisions(tx.conn, s.decisions.c.seq.in_(part))
            }
            for seq in wanted:
                if seq not in found:
                    raise NotFoundError(
                        f"Decision {seq} does not exist, so it can't be retracted. Reload the page."
                    )
            targets = [found[seq] for seq in wanted]
            self._append_decisions(
                tx,
                [
                    Decision(
                        target.document_id,
                        target.label_id,
                        "retract",
                        reviewer,
                        note=note,
                        retracts=target.seq,
                    )
                    for target in targets
                ],
            )
        return targets

    def _append_decisions(
        self, tx: Transaction, decisions: Sequence[Decision], *, any_label: bool = False
    ) -> list[int]:
        """Append checked decisions. `any_label`: labels that are not live are let in."""
        if not decisions:
            return []
        documents, labels = self._decision_nums(tx, decisions, any_label=any_label)
        targets = self._targets(tx, [d.retracts for d in decisions if d.retracts is not None])
        first = tx.take("decisions", len(decisions))
        rows = []
        for seq, decision in enumerate(decisions, start=first):
            if decision.retracts is not None:
                target = targets.get(decision.retracts)
                if target is None:
                    raise NotFoundError(
                        f"Decision {decision.retracts} does not exist, so it can't be retracted. "
                        "Reload the page."
                    )
                document_num, label_num = target["document_num"], target["label_num"]
            else:
                document_num = documents[decision.document_id]
                label_num = None if decision.label_id is None else labels[decision.label_id]
            rows.append(
                {
                    "seq": seq,
                    "document_num": document_num,
                    "label_num": label_num,
                    "action": decision.action,
                    "reviewer": decision.reviewer,
                    "policy": decision.policy,
                    "inclusion_probability": finite(decision.inclusion_probability),
                    "note": decision.note,
                    "batch": decision.batch,
                    "retracts": decision.retracts,
                    "at": to_micros(decision.at),
                    "reason": decision.reason,
                    "blind": int(decision.blind),
                }
            )
        tx.conn.execute(insert(s.decisions), rows)
        said = [{"seq": row["seq"]} for row in rows if row["retracts"] is None]
        if said:
            tx.conn.execute(insert(s.standing), said)
        self._take_back(
            tx,
            [
                (row["seq"], row["retracts"], targets[row["retracts"]]["retracts"])
                for row in rows
                if row["retracts"] is not None
            ],
        )
        keys = {(row["document_num"], row["label_num"]) for row in rows if row["label_num"] is not None}
        if keys:
            self._apply_decisions(tx, keys)
        whole = {row["document_num"] for row in rows if row["label_num"] is None}
        if whole:
            self._apply_completion(tx, whole)
        # A skip changes no pair, but whoever follows the documents sees that something was said.
        tx.touched.update(row["document_num"] for row in rows)
        return [row["seq"] for row in rows]

    def _decision_nums(
        self, tx: Transaction, decisions: Sequence[Decision], *, any_label: bool
    ) -> tuple[dict[str, int], dict[str, int]]:
        ids = {d.document_id for d in decisions if d.retracts is None}
        label_ids = {d.label_id for d in decisions if d.retracts is None and d.label_id is not None}
        found: list[dict[str, int]] = []
        for table, name, wanted in ((s.documents, "Document", ids), (s.labels, "Label", label_ids)):
            nums: dict[str, int] = {}
            for part in chunks(sorted(wanted), CHUNK):
                statement = select(table.c.id, table.c.num).where(table.c.id.in_(part))
                if not (any_label and table is s.labels):
                    statement = statement.where(table.c.live == 1)
                nums.update((id_, num) for id_, num in tx.conn.execute(statement))
            missing = sorted(wanted - nums.keys())
            if missing:
                raise NotFoundError(
                    f"{name} {missing[0]!r} is not in this workspace ({len(missing)} of {len(wanted)} "
                    "named are not). "
                    "It was deleted or never imported: reload, or import it first. Nothing was recorded."
                )
            found.append(nums)
        return found[0], found[1]

    def _targets(self, tx: Transaction, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
        c = s.decisions.c
        return {
            row.seq: {"document_num": row.document_num, "label_num": row.label_num, "retracts": row.retracts}
            for part in chunks(sorted(set(seqs)), CHUNK)
            for row in tx.conn.execute(
                select(c.seq, c.document_num, c.label_num, c.retracts).where(c.seq.in_(part))
            )
        }

    def _take_back(self, tx: Transaction, retracts: Sequence[tuple[int, int, int | None]]) -> None:
        """Let retracts stand and what they name fall, one after the other.

        Each is its number, the number that it names, and what that one names if it is a retract itself: only
        then does more move, so what lies between two of those falls in one statement.
        """
        for moves, found in groupby(retracts, key=lambda retract: retract[2] is not None):
            for part in chunks(list(found), 1 if moves else CHUNK):
                names = [name for _, name, _ in part]
                named = s.standing.c.seq.in_(names)
                stands = set(tx.conn.scalars(select(s.standing.c.seq).where(named)))
                if len(stands) < len(part):
                    gone = next(seq for seq in names if seq not in stands or names.count(seq) > 1)
                    raise InputError(
                        f"Decision {gone} no longer stands: it was retracted already. "
                        "Reload to see the newest state."
                    )
                tx.conn.execute(insert(s.standing), [{"seq": seq} for seq, _, _ in part])
                if moves:
                    self._fell(tx, names[0])
                else:
                    tx.conn.execute(delete(s.standing).where(named))

    def _fell(self, tx: Transaction, seq: int) -> None:
        """Let a decision fall, as far as it stands, and what it retracted rise."""
        if tx.conn.execute(delete(s.standing).where(s.standing.c.seq == seq)).rowcount == 0:
            return
        retracted = tx.conn.scalar(select(s.decisions.c.retracts).where(s.decisions.c.seq == seq))
        if retracted is not None:
            self._rose(tx, retracted)

    def _rose(self, tx: Transaction, seq: int) -> None:
        """Let a decision stand whose retract fell, unless another retract of it stands."""
        c = s.decisions.c
        still = tx.conn.scalar(
            select(c.seq).join(s.standing, s.standing.c.seq == c.seq).where(c.retracts == seq).limit(1)
        )
        there = tx.conn.scalar(select(s.standing.c.seq).where(s.standing.c.seq == seq))
        if still is not None or there is not None:
            return
        tx.conn.execute(insert(s.standing), [{"seq": seq}])
        retracted = tx.conn.scalar(select(c.retracts).where(c.seq == seq))
        if retracted is not None:
            self._fell(tx, retracted)

    def _apply_completion(self, tx: Transaction, nums: Collection[int]) -> None:
        c = s.decisions.c
        for part in chunks(sorted(nums), CHUNK):
            complete = set(
                tx.conn.scalars(
                    select(c.document_num)
                    .join(s.standing, s.standing.c.seq == c.seq)
                    .where(c.document_num.in_(part), c.action == "complete")
                )
            )
            for value in (0, 1):
                wanted = [num for num in part if (num in complete) == bool(value)]
                tx.conn.execute(
                    update(s.documents)
                    .where(s.documents.c.num.in_(wanted), s.documents.c.completed != value)
                    .values(completed=value)
                )
        tx.touched.update(nums)

    def decisions(
        self,
        *,
        document_id: str | None = None,
        label_id: str | None = None,
        reviewer: str | None = None,
        batch: str | None = None,
        after_seq: int = 0,
        limit: int | None = 1000,
        standing: bool = False,
        newest_first: bool = False,
    ) -> list[Decision]:
        """List decisions in the order in which they were recorded.

        Parameters
        ----------
        after_seq : int
            Only those with a greater sequence number.
        limit : int or None
            At most so many; None: all.
        standing : bool
            Only those that nobody has retracted (a retract that stands is one of them).
        """
        c = s.decisions.c
        conditions: list[Any] = [c.seq > after_seq]
        with self._read() as conn:
            if document_id is not None:
                conditions.append(c.document_num == number_of(conn, s.documents, document_id))
            if label_id is not None:
                conditions.append(c.label_num == number_of(conn, s.labels, label_id))
            if reviewer is not None:
                conditions.append(c.reviewer == reviewer)
            if batch is not None:
                conditions += [c.batch == batch, c.batch != ""]
            if standing:
                conditions.append(exists().where(s.standing.c.seq == c.seq))
            return select_decisions(conn, *conditions, limit=limit, newest_first=newest_first)

    def last_undoable(self, reviewer: str) -> Decision | None:
        """Return the newest decision of a reviewer, other than a retract, that still stands.

        If it has a `batch`, undo means `retract(reviewer, batch=decision.batch)`.
        """
        c = s.decisions.c
        with self._read() as conn:
            found = select_decisions(
                conn,
                c.reviewer == reviewer,
                c.action != "retract",
                exists().where(s.standing.c.seq == c.seq),
                limit=1,
                newest_first=True,
            )
        return found[0] if found else None

    def completed(self) -> dict[str, tuple[str, ...]]:
        """Return the accepted label ids of every document whose completion stands, in label order.

        Documents of every role are in it, also of the reserve: who trains filters them out.
        """
        d, p, x = s.documents.c, s.pairs.c, s.labels.c
        with self._read() as conn:
            ids = {
                num: id_
                for num, id_ in conn.execute(
                    select(d.num, d.id).where(d.completed == 1, d.live == 1).order_by(d.num)
                )
            }
            label_ids = {num: id_ for num, id_ in conn.execute(select(x.num, x.id).where(x.live == 1))}
            accepted = group(
                conn.execute(
                    select(p.document_num, p.label_num)
                    .join(s.documents, d.num == p.document_num)
                    .where(d.completed == 1, d.live == 1, p.state == 0)
                    .order_by(p.document_num, p.label_num)
                )
            )
        return {id_: tuple(label_ids[x] for x in accepted.get(num, ())) for num, id_ in ids.items()}


def _check(decision: Decision) -> None:
    if decision.action not in _ACTIONS:
        raise InputError(
            f"Unknown action {decision.action!r}. Expected one of {', '.join(sorted(_ACTIONS))}."
        )
    if not decision.reviewer:
        raise InputError(
            f"The decision on document {decision.document_id!r} names no reviewer. Set a reviewer name first."
        )
    if (decision.action == "retract") != (decision.retracts is not None):
        raise InputError(
            f"Action {decision.action!r} with retracts={decision.retracts}: "
            "a retract names the decision it takes back, and nothing else does."
        )
    if decision.action in s.DECISIONS and decision.label_id is None:
        raise InputError(f"{decision.action!r} on document {decision.document_id!r} names no label.")
    if decision.action == "complete" and decision.label_id is not None:
        raise InputError(
            f"'complete' is about document {decision.document_id!r}, not label {decision.label_id!r}."
        )
    if decision.reason and decision.reason not in _REASONS:
        raise InputError(
            f"Unknown reason {decision.reason!r} on document {decision.document_id!r}. "
            f"Expected one of {', '.join(_REASONS)}, or none."
        )
    if decision.reason and decision.action != "reject":
        raise InputError(
            f"Reason {decision.reason!r} with action {decision.action!r} on document "
            f"{decision.document_id!r}: only a reject has a reason. Leave it out."
        )
    p = decision.inclusion_probability
    if p is not None and not 0 < p <= 1:
        raise InputError(f"inclusion_probability is {p}, expected more than 0 and at most 1.")


def number_of(conn: Connection, table: Any, id_: str) -> int:
    """Look up the number of an id, -1 (which matches nothing) if it is unknown."""
    found = conn.scalar(select(table.c.num).where(table.c.id == id_))
    return -1 if found is None else int(found)


def select_decisions(
    conn: Connection,
    *conditions: Any,
    limit: int | None = None,
    offset: int | None = None,
    newest_first: bool = False,
) -> list[Decision]:
    """Decisions that meet all conditions, in the order of their numbers."""
    c = s.decisions.c
    statement = (
        select(
            s.documents.c.id,
            s.labels.c.id,
            c.action,
            c.reviewer,
            c.policy,
            c.inclusion_probability,
            c.note,
            c.batch,
            c.retracts,
            c.at,
            c.seq,
            c.reason,
            c.blind,
        )
        .join(s.documents, s.documents.c.num == c.document_num)
        .outerjoin(s.labels, s.labels.c.num == c.label_num)
        .where(*conditions)
        .order_by(c.seq.desc() if newest_first else c.seq)
        .limit(limit)
        .offset(offset)
    )
    return [
        Decision(*row[:9], at=from_micros(row[9]), seq=row[10], reason=row[11], blind=bool(row[12]))
        for row in conn.execute(statement)
    ]
