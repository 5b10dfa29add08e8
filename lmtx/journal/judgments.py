"""What teachers said: appended in batches, and the pairs as they stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, insert, select

from lmtx.errors import InputError, NotFoundError
from lmtx.journal import schema as s
from lmtx.journal.labels import Labels
from lmtx.journal.rows import KnownVerdicts, TeacherRow
from lmtx.journal.store import (
    CHUNK,
    Transaction,
    chunks,
    execute_many,
    finite,
    from_micros,
    insert_sql,
    micros_now,
    to_micros,
)
from lmtx.types import Judgment, PairState, State

_INSERT = insert_sql("judgments", s.judgments.c.keys())
_VERDICT_CODES = {verdict: code for code, verdict in enumerate(s.VERDICTS)}


class Judgments(Labels):
    """The part of the journal that keeps judgments."""

    def append_judgments(self, judgments: Sequence[Judgment]) -> int:
        """Append judgments in one transaction; when it returns they are durable.

        A judgment on texts that are not current is kept, and counts when they are.

        Returns
        -------
        int
            Sequence number of the last judgment in the journal.

        Raises
        ------
        NotFoundError
            If a document or label was never imported.
        InputError
            If a verdict is unknown or a teacher key is empty.
        """
        with self._write() as tx:
            if judgments:
                self._append_judgments(tx, judgments)
            return int(tx.counters.get("judgments", 0))

    def _append_judgments(self, tx: Transaction, judgments: Sequence[Judgment]) -> None:
        documents = self._known(tx, "documents", {j.document_id for j in judgments})
        labels = self._known(tx, "labels", {j.label_id for j in judgments})
        teachers = {key: self._teacher_num(tx, key) for key in {j.teacher_key for j in judgments}}
        hashes, _ = self._intern_hashes(
            tx, [*{j.document_hash for j in judgments}, *{j.label_hash for j in judgments}]
        )
        first = tx.take("judgments", len(judgments))
        rows = []
        counting = []
        for seq, j in enumerate(judgments, start=first):
            verdict, probability = _verdict_code(j), finite(j.probability)
            teacher, round_ = teachers[j.teacher_key], int(j.round)
            texts = (hashes[j.document_hash], hashes[j.label_hash])
            pair = (documents[j.document_id], labels[j.label_id])
            said = (verdict, probability, round_, int(j.rank), int(j.tokens), j.raw, to_micros(j.at))
            rows.append((seq, *pair, teacher, *texts, *said))
            counting.append((texts, (verdict, probability, teacher, round_, seq)))
        execute_many(tx.conn, _INSERT, rows)
        for teacher_num, n in Counter(row[3] for row in rows).items():
            tx.count(f"teacher:{teacher_num}", n)
        self._apply_judgments(tx, counting)

    def _known(self, tx: Transaction, table: str, ids: set[str]) -> dict[str, int]:
        nums = self._lookup(tx.conn, table, ids)
        missing = sorted(ids - nums.keys())
        if missing:
            raise NotFoundError(
                f"A judgment names {table.removesuffix('s')} {missing[0]!r}, which was never imported "
                f"({len(missing)} of {len(ids)}). Import it first. Nothing was recorded."
            )
        self._remember(tx, table, nums)
        return nums

    def _teacher_num(self, tx: Transaction, key: str) -> int:
        if not key:
            raise InputError("A judgment has no teacher key. Use the `key` of the teacher that made it.")
        nums = self._lookup(tx.conn, "teachers", [key])
        if key not in nums:
            nums = {key: tx.take("teachers")}
            row = {"num": nums[key], "key": key, "spec": "", "details": "{}", "at": micros_now()}
            tx.conn.execute(insert(s.teachers), [row])
        self._remember(tx, "teachers", nums)
        return nums[key]

    def teacher_put(self, key: str, spec: str, details: dict[str, object]) -> None:
        """Register what a teacher key stands for (model, prompt, decoding, a name to show)."""
        with self._write() as tx:
            num = self._teacher_num(tx, key)
            tx.conn.execute(
                s.teachers.update()
                .where(s.teachers.c.num == num)
                .values(
                    spec=spec, details=json.dumps(details, ensure_ascii=False, default=str), at=micros_now()
                )
            )

    def teachers(self) -> list[TeacherRow]:
        """List the teachers that were registered or have judged, the latest registered last."""
        t = s.teachers.c
        with self._read() as conn:
            counters = self._counters(conn)
            rows = conn.execute(select(t.num, t.key, t.spec, t.details, t.at).order_by(t.at, t.num)).all()
        return [
            TeacherRow(key, spec, json.loads(details), from_micros(at), counters.get(f"teacher:{num}", 0))
            for num, key, spec, details, at in rows
        ]

    def known_verdicts(self, teacher_key: str, document_hashes: Sequence[str] | None = None) -> KnownVerdicts:
        """Tell which (document hash, label hash) a teacher has judged, unparsed answers included.

        Parameters
        ----------
        document_hashes : sequence of str, optional
            Look only at these texts.
        """
        j, h = s.judgments.c, s.hashes.c
        with self._read() as conn:
            teacher_num = conn.scalar(select(s.teachers.c.num).where(s.teachers.c.key == teacher_key))
            if teacher_num is None:
                return KnownVerdicts({}, {}, set())
            key = j.document_hash_num * 2**32 + j.label_hash_num
            pair = select(key).where(j.teacher_num == teacher_num)
            keys: set[int] = set()
            if document_hashes is None:
                keys.update(conn.scalars(pair.execution_options(yield_per=50_000)))
            else:
                nums = sorted(self._lookup(conn, "hashes", document_hashes).values())
                for part in chunks(nums, CHUNK):
                    keys.update(conn.scalars(pair.where(j.document_hash_num.in_(part))))
            documents = {key >> 32 for key in keys}
            labels = {key & 0xFFFFFFFF for key in keys}
            names: dict[int, str] = {}
            if len(documents) + len(labels) > 20_000:
                names = {num: hash_ for num, hash_ in conn.execute(select(h.num, h.hash))}
            else:
                for part in chunks(sorted(documents | labels), CHUNK):
                    names.update(
                        (num, hash_)
                        for num, hash_ in conn.execute(select(h.num, h.hash).where(h.num.in_(part)))
                    )
        return KnownVerdicts(
            {names[num]: num for num in documents},
            {names[num]: num for num in labels},
            keys,
        )

    # Pairs as they stand

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
            roles = {
                role: (int(n), int(completed or 0))
                for role, n, completed in conn.execute(
                    select(d.role, func.count(), func.sum(d.completed)).where(d.live == 1).group_by(d.role)
                )
            }
            gold = {
                split: int(n)
                for split, n in conn.execute(
                    select(d.split, func.count()).where(d.live == 1, d.has_gold == 1).group_by(d.split)
                )
            }
            labels = conn.scalar(select(func.count()).select_from(s.labels).where(s.labels.c.live == 1)) or 0
        return {
            "documents": sum(n for n, _ in roles.values()),
            **{role: roles.get(role, (0, 0))[0] for role in ("train", "held_out", "reserve", "test")},
            "completed": sum(n for _, n in roles.values()),
            "gold_train": gold.get("train", 0),
            "gold_test": gold.get("test", 0),
            "labels": labels,
            "judged_pairs": counters.get("judged_pairs", 0),
            "judgments": counters.get("judgments", 0),
            "decisions": counters.get("decisions", 0),
        }

    def pairs_frame(self, *, teacher_key: str | None = None) -> pd.DataFrame:
        """Return all live pairs, in row order of document and label.

        Parameters
        ----------
        teacher_key : str, optional
            Let only this teacher's judgments count; decisions stay.

        Returns
        -------
        DataFrame
            document_id, label_id, state, verdict, probability, teacher_key, round, decision,
            reviewer; missing where a pair has no judgment or no decision (round: -1).
        """
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
            others = [key for key in teacher_keys.values() if key != teacher_key]
            if teacher_key is not None and others:
                table = self._only_teacher(conn, table, teacher_key)
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

    def _only_teacher(self, conn: Connection, table: list[Any], teacher_key: str) -> list[Any]:
        """Put the newest judgments of one teacher in the place of the newest of all."""
        j = s.judgments.c
        teacher_num = conn.scalar(select(s.teachers.c.num).where(s.teachers.c.key == teacher_key))
        names = ["document_hash", "label_hash", "verdict", "probability", "round"]
        judged = pd.DataFrame(
            dict(
                zip(
                    names,
                    _columns(
                        conn,
                        select(j.document_hash_num, j.label_hash_num, j.verdict, j.probability, j.round)
                        .where(j.teacher_num == (-1 if teacher_num is None else teacher_num))
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
        judged["teacher"] = float(teacher_num or -1)
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


def _verdict_code(judgment: Judgment) -> int:
    code = _VERDICT_CODES.get(judgment.verdict)
    if code is None:
        raise InputError(f"Unknown verdict {judgment.verdict!r}. Expected one of {', '.join(s.VERDICTS)}.")
    return code


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
