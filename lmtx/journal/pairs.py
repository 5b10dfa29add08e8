"""Pairs as they stand: of a document, in numbers, and all of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, func, or_, select

from lmtx.journal import schema as s
from lmtx.journal.judgments import Judgments
from lmtx.journal.store import CHUNK, chunks
from lmtx.types import PairState, State

if TYPE_CHECKING:
    import pandas as pd


class Pairs(Judgments):
    """The part of the journal that shows pairs."""

    def pair_states(self, document_id: str) -> list[PairState]:
        """List all pairs of a live document, in label order."""
        return self.pair_states_of([document_id])[document_id]

    def pair_states_of(self, document_ids: Iterable[str]) -> dict[str, list[PairState]]:
        """List all pairs of each of these documents, in label order; none for an unknown document."""
        ids = list(dict.fromkeys(document_ids))
        states: dict[str, list[PairState]] = {id_: [] for id_ in ids}
        p = s.pairs.c
        with self._read() as conn:
            for part in chunks(ids, CHUNK):
                rows = conn.execute(
                    select(
                        s.documents.c.id,
                        s.labels.c.id,
                        p.state,
                        p.verdict,
                        p.probability,
                        s.teachers.c.key,
                        p.decision,
                        s.decisions.c.reviewer,
                    )
                    .select_from(s.documents)
                    .join(s.pairs, p.document_num == s.documents.c.num)
                    .join(s.labels, s.labels.c.num == p.label_num)
                    .outerjoin(s.teachers, s.teachers.c.num == p.teacher_num)
                    .outerjoin(s.decisions, s.decisions.c.seq == p.decision_seq)
                    .where(s.documents.c.id.in_(part))
                    .order_by(p.document_num, p.label_num)
                )
                for document_id, label_id, state, verdict, probability, key, decision, reviewer in rows:
                    states[document_id].append(
                        PairState(
                            document_id,
                            label_id,
                            s.STATES[state],
                            None if verdict is None else s.VERDICTS[verdict],
                            probability,
                            key,
                            None if decision is None else s.DECISIONS[decision],
                            reviewer,
                        )
                    )
        return states

    def pair_counts(self) -> dict[State, int]:
        """Count the live pairs in each state."""
        with self._read() as conn:
            counters = self._counters(conn)
        return {state: counters.get(f"state:{state}", 0) for state in s.STATES}

    def counts(self) -> dict[str, int]:
        """Return the sizes of the workspace.

        Returns
        -------
        dict
            documents, train, held_out, reserve, test (live documents by role); completed,
            gold_train, gold_test (live documents); labels; judged_pairs (live pairs with a
            judgment that counts); judgments, decisions (records).
        """
        d = s.documents.c
        with self._read() as conn:
            counters = self._counters(conn)
            kinds = (d.role, d.split, d.has_gold, d.completed)
            # Every row of `documents_counts`, in its order, and nothing of the table.
            groups = conn.execute(select(*kinds, func.sum(d.live)).group_by(*kinds)).all()
            labels = conn.scalar(select(func.count()).select_from(s.labels).where(s.labels.c.live == 1)) or 0
        counts = Counter[str]()
        for role, split, has_gold, completed, n in groups:
            counts.update({"documents": n, role: n, "completed": n * completed})
            counts[f"gold_{split}"] += n * has_gold
        names = ("documents", "train", "held_out", "reserve", "test", "completed", "gold_train", "gold_test")
        return {
            **{name: int(counts[name]) for name in names},
            "labels": labels,
            "judged_pairs": counters.get("judged_pairs", 0),
            "judgments": counters.get("judgments", 0),
            "decisions": counters.get("decisions", 0),
        }

    def pairs_frame(
        self, *, teacher_key: str | None = None, until: tuple[int, int] | None = None
    ) -> pd.DataFrame:
        """Return all live pairs, in row order of document and label.

        Parameters
        ----------
        teacher_key : str, optional
            Let only this teacher's judgments count; decisions stay.
        until : (int, int), optional
            Sequence number and round: let no judgment count that is both newer and of a later round.

        Returns
        -------
        DataFrame
            document_id, label_id, state, verdict, probability, teacher_key, round, decision,
            reviewer; missing where a pair has no judgment or no decision (round: -1).
        """
        import pandas as pd  # here, as it takes longer to import than all the rest

        p = s.pairs.c
        names = [
            "document_num",
            "label_num",
            "verdict",
            "probability",
            "teacher_num",
            "round",
            "decision",
            "decision_seq",
        ]
        columns = [p[name] for name in names]
        with self._read() as conn:
            document_ids = _names(conn, s.documents)
            label_ids = _names(conn, s.labels)
            teacher_keys = {num: key for num, key in conn.execute(select(s.teachers.c.num, s.teachers.c.key))}
            reviewers = {
                seq: reviewer
                for seq, reviewer in conn.execute(
                    select(s.decisions.c.seq, s.decisions.c.reviewer).join(
                        s.pairs, p.decision_seq == s.decisions.c.seq
                    )
                )
            }
            table = _columns(conn, select(*columns).order_by(p.document_num, p.label_num), len(columns))
            j = s.judgments.c
            conditions: list[Any] = []
            if teacher_key is not None and any(key != teacher_key for key in teacher_keys.values()):
                nums = [num for num, key in teacher_keys.items() if key == teacher_key]
                conditions.append(j.teacher_num.in_(nums))
            if until is not None:
                conditions.append(or_(j.seq <= until[0], j.round <= until[1]))
            if conditions:
                table = self._only(conn, table, conditions)
        document, label, verdict, probability, teacher, round_, decision, decision_seq = table
        judged, decided = ~np.isnan(verdict), ~np.isnan(decision)
        state = np.where(decided, decision, verdict + 2).astype(np.int64)
        return pd.DataFrame(
            {
                "document_id": document_ids[document.astype(np.int64)],
                "label_id": label_ids[label.astype(np.int64)],
                "state": np.array(s.STATES, dtype=object)[state],
                "verdict": _decode(verdict, judged, s.VERDICTS),
                "probability": probability,
                "teacher_key": _decode(
                    teacher, judged, [teacher_keys.get(i) for i in range(max(teacher_keys, default=0) + 1)]
                ),
                "round": np.where(judged, round_, -1).astype(np.int32),
                "decision": _decode(decision, decided, s.DECISIONS),
                "reviewer": [None if np.isnan(seq) else reviewers[int(seq)] for seq in decision_seq]
                if decided.any()
                else np.full(len(document), None, dtype=object),
            }
        )

    def _only(self, conn: Connection, table: list[Any], conditions: Sequence[Any]) -> list[Any]:
        """Put the newest of some judgments in the place of the newest of all."""
        import pandas as pd

        j = s.judgments.c
        names = ["document_hash", "label_hash", "verdict", "probability", "teacher", "round"]
        judged = pd.DataFrame(
            dict(
                zip(
                    names,
                    _columns(
                        conn,
                        select(
                            j.document_hash_num,
                            j.label_hash_num,
                            j.verdict,
                            j.probability,
                            j.teacher_num,
                            j.round,
                        )
                        .where(*conditions)
                        .order_by(j.seq),
                        len(names),
                    ),
                    strict=True,
                )
            )
        ).drop_duplicates(["document_hash", "label_hash"], keep="last")
        for name, source in (("document", s.documents), ("label", s.labels)):
            nums = _columns(conn, select(source.c.num, source.c.hash_num).where(source.c.live == 1), 2)
            judged = judged.merge(pd.DataFrame({name: nums[0], f"{name}_hash": nums[1]}), on=f"{name}_hash")
        decided = ~np.isnan(table[6])
        decisions = pd.DataFrame(
            {
                "document": table[0][decided],
                "label": table[1][decided],
                "decision": table[6][decided],
                "decision_seq": table[7][decided],
            }
        )
        merged = judged.merge(decisions, on=["document", "label"], how="outer").sort_values(
            ["document", "label"]
        )
        order = [
            "document",
            "label",
            "verdict",
            "probability",
            "teacher",
            "round",
            "decision",
            "decision_seq",
        ]
        return [merged[name].to_numpy(dtype=np.float64) for name in order]


def _names(conn: Connection, table: Any) -> Any:
    """Ids by number, as an object array."""
    rows = conn.execute(select(table.c.num, table.c.id)).all()
    names = np.full(max((num for num, _ in rows), default=0) + 1, None, dtype=object)
    for num, id_ in rows:
        names[num] = id_
    return names


def _columns(conn: Connection, statement: Any, n: int) -> list[Any]:
    """Numbers of a query, column by column, float64 with NaN for null."""
    parts = [
        np.array([tuple(row) for row in rows], dtype=np.float64)
        for rows in conn.execution_options(yield_per=50_000).execute(statement).partitions()
    ]
    table = np.concatenate(parts) if parts else np.empty((0, n))
    return [table[:, i] for i in range(n)]


def _decode(codes: Any, known: Any, names: Sequence[str | None]) -> Any:
    """Names of codes, None where not known."""
    lookup = np.array([*names, None], dtype=object)
    return lookup[np.where(known, codes, len(names)).astype(np.int64)]
