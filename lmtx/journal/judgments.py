"""What teachers said: appended in batches, and the pairs as they stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, or_, select

from lmtx.errors import InputError, NotFoundError
from lmtx.journal import schema as s
from lmtx.journal.labels import Labels
from lmtx.journal.rows import JudgedDecision, JudgmentRow, KnownVerdicts, TeacherRow
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
from lmtx.types import Judgment

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
            shown = json.dumps(j.shown, ensure_ascii=False) if j.shown else ""
            rows.append((seq, *pair, teacher, *texts, *said, int(j.tokens_out), finite(j.cost) or 0.0, shown))
            counting.append((texts, (verdict, probability, teacher, round_, seq)))
        execute_many(tx.conn, _INSERT, rows)
        self._count_spent(tx, teachers, judgments)
        self._apply_judgments(tx, counting)

    def _count_spent(self, tx: Transaction, teachers: dict[str, int], judgments: Sequence[Judgment]) -> None:
        for key, num in teachers.items():
            mine = [j for j in judgments if j.teacher_key == key]
            tx.count(f"teacher:{num}", len(mine))
            tx.count(f"teacher:{num}:tokens", sum(int(j.tokens) for j in mine))
            tx.count(f"teacher:{num}:tokens_out", sum(int(j.tokens_out) for j in mine))
            # Counters are whole numbers: millionths of a dollar, of each batch rounded once.
            tx.count(f"teacher:{num}:micro_dollars", round(1e6 * sum(finite(j.cost) or 0.0 for j in mine)))
            for verdict, n in Counter(j.verdict for j in mine).items():
                tx.count(f"teacher:{num}:{verdict}", n)

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
        """Register what a teacher key stands for; details that are not given stay as they were."""
        t = s.teachers.c
        with self._write() as tx:
            num = self._teacher_num(tx, key)
            before = json.loads(tx.conn.scalar(select(t.details).where(t.num == num)) or "{}")
            merged = json.dumps({**before, **details}, ensure_ascii=False, default=str)
            tx.conn.execute(
                s.teachers.update().where(t.num == num).values(spec=spec, details=merged, at=micros_now())
            )

    def teachers(self) -> list[TeacherRow]:
        """List the teachers that were registered or have judged, the latest registered last."""
        t = s.teachers.c
        with self._read() as conn:
            counters = self._counters(conn)
            rows = conn.execute(select(t.num, t.key, t.spec, t.details, t.at).order_by(t.at, t.num)).all()
        return [
            TeacherRow(
                key,
                spec,
                json.loads(details),
                from_micros(at),
                counters.get(f"teacher:{num}", 0),
                n_yes=counters.get(f"teacher:{num}:yes", 0),
                n_unparsed=counters.get(f"teacher:{num}:unparsed", 0),
                tokens=counters.get(f"teacher:{num}:tokens", 0),
                tokens_out=counters.get(f"teacher:{num}:tokens_out", 0),
                cost=counters.get(f"teacher:{num}:micro_dollars", 0) / 1e6,
            )
            for num, key, spec, details, at in rows
        ]

    def judged_before(self, moment: datetime) -> tuple[int, int]:
        """Count the judgments that were there at a moment, and the tokens read and written for them."""
        j = s.judgments.c
        counted = select(func.count(), func.coalesce(func.sum(j.tokens), 0))
        with self._read() as conn:
            n, tokens = conn.execute(counted.where(j.at <= to_micros(moment))).one()
        return int(n), int(tokens)

    def recent_judgments(self, limit: int = 20, teacher_key: str | None = None) -> list[JudgmentRow]:
        """List the newest judgments, the newest first, with titles and names for the screen."""
        j, d, x, t = s.judgments.c, s.documents.c, s.labels.c, s.teachers.c
        statement = (
            select(
                j.seq, d.id, d.title, x.id, x.name, t.key, j.verdict, j.probability, j.round, j.tokens,
                j.tokens_out, j.cost, j.raw, j.at,
            )
            .join(s.documents, d.num == j.document_num)
            .join(s.labels, x.num == j.label_num)
            .join(s.teachers, t.num == j.teacher_num)
            .order_by(j.seq.desc())
            .limit(limit)
        )  # fmt: skip
        if teacher_key is not None:
            statement = statement.where(t.key == teacher_key)
        with self._read() as conn:
            rows = conn.execute(statement).all()
        return [
            JudgmentRow(*said[:6], s.VERDICTS[said[6]], *said[7:13], from_micros(said[13]))  # type: ignore[call-arg]
            for said in (tuple(row) for row in rows)
        ]

    def judgments_of(self, teacher_key: str, after_seq: int = 0, limit: int = 5000) -> dict[int, Judgment]:
        """Return judgments of a teacher by sequence number, in order, `shown` left out.

        Only those on texts that are current.
        """
        j, d, x, t = s.judgments.c, s.documents.c, s.labels.c, s.teachers.c
        texts, names = s.hashes.alias(), s.hashes.alias()
        statement = (
            select(
                j.seq, d.id, x.id, j.verdict, j.probability, texts.c.hash, names.c.hash, j.round, j.rank,
                j.tokens, j.tokens_out, j.cost, j.raw, j.at,
            )
            .join(s.documents, and_(d.num == j.document_num, d.hash_num == j.document_hash_num))
            .join(s.labels, and_(x.num == j.label_num, x.hash_num == j.label_hash_num))
            .join(s.teachers, t.num == j.teacher_num)
            .join(texts, texts.c.num == j.document_hash_num)
            .join(names, names.c.num == j.label_hash_num)
            .where(t.key == teacher_key, j.seq > after_seq)
            .order_by(j.seq)
            .limit(limit)
        )  # fmt: skip
        with self._read() as conn:
            rows = [tuple(row) for row in conn.execute(statement)]
        return {
            row[0]: Judgment(
                document_id=row[1],
                label_id=row[2],
                verdict=s.VERDICTS[row[3]],
                probability=row[4],
                teacher_key=teacher_key,
                document_hash=row[5],
                label_hash=row[6],
                round=row[7],
                rank=row[8],
                tokens=row[9],
                tokens_out=row[10],
                cost=row[11],
                raw=row[12],
                at=from_micros(row[13]),
            )
            for row in rows
        }

    def verdicts_on(
        self, teacher_key: str, document_ids: Iterable[str]
    ) -> dict[str, dict[str, tuple[str, float | None]]]:
        """Return a teacher's verdicts on documents: document id -> label id -> verdict and probability.

        The newest of each pair, on texts that are current; documents without any are left out.
        """
        j, d, x = s.judgments.c, s.documents.c, s.labels.c
        found: dict[str, dict[str, tuple[str, float | None]]] = {}
        with self._read() as conn:
            num = conn.scalar(select(s.teachers.c.num).where(s.teachers.c.key == teacher_key))
            for part in chunks(list(dict.fromkeys(document_ids)), CHUNK):
                statement = (
                    select(d.id, x.id, j.verdict, j.probability)
                    .select_from(s.judgments)
                    .join(s.documents, and_(d.hash_num == j.document_hash_num, d.live == 1))
                    .join(s.labels, and_(x.hash_num == j.label_hash_num, x.live == 1))
                    .where(j.teacher_num == num, d.id.in_(part))
                    .order_by(j.seq)
                )
                for document_id, label_id, verdict, probability in conn.execute(statement):
                    found.setdefault(document_id, {})[label_id] = (s.VERDICTS[verdict], probability)
        return found

    def stale_pairs(self, teacher_key: str) -> list[tuple[str, str]]:
        """List (document id, label id) of live pairs that a teacher judged under other texts than today's.

        Pairs that it has judged under today's texts too are left out.
        """
        j, d, x, t = s.judgments.c, s.documents.c, s.labels.c, s.teachers.c
        now_judged = s.judgments.alias()
        answered = (
            select(now_judged.c.seq)
            .where(
                now_judged.c.document_hash_num == d.hash_num,
                now_judged.c.label_hash_num == x.hash_num,
                now_judged.c.teacher_num == j.teacher_num,
            )
            .exists()
        )
        statement = (
            select(d.id, x.id)
            .select_from(s.judgments)
            .join(s.documents, d.num == j.document_num)
            .join(s.labels, x.num == j.label_num)
            .join(s.teachers, t.num == j.teacher_num)
            .where(
                t.key == teacher_key,
                d.live == 1,
                x.live == 1,
                or_(d.hash_num != j.document_hash_num, x.hash_num != j.label_hash_num),
                ~answered,
            )
            .distinct()
        )
        with self._read() as conn:
            return [(row[0], row[1]) for row in conn.execute(statement)]

    def judged_decisions(self, teacher_key: str) -> list[JudgedDecision]:
        """List the pairs of a teacher's current verdicts that people accepted or rejected.

        Documents of the audit reserve are left out: nothing may be fitted to them.
        """
        j, d, x, t, p = s.judgments.c, s.documents.c, s.labels.c, s.teachers.c, s.pairs.c
        statement = (
            select(d.id, x.id, j.verdict, j.probability, p.decision)
            .select_from(s.judgments)
            .join(s.teachers, t.num == j.teacher_num)
            .join(s.documents, and_(d.hash_num == j.document_hash_num, d.live == 1))
            .join(s.labels, and_(x.hash_num == j.label_hash_num, x.live == 1))
            .join(s.pairs, and_(p.document_num == d.num, p.label_num == x.num))
            .where(t.key == teacher_key, p.decision.is_not(None), d.role != "reserve")
            .order_by(j.seq)
        )
        with self._read() as conn:
            rows = conn.execute(statement).all()
        newest = {
            (document, label): JudgedDecision(
                document, label, s.VERDICTS[verdict], probability, s.DECISIONS[decision] == "accept"
            )
            for document, label, verdict, probability, decision in rows
        }
        return list(newest.values())

    def put_trial(self, id: str, body: Mapping[str, object]) -> None:
        """Record a trial, or a newer version of one; see `lmtx.workspace.trials`."""
        with self._write() as tx:
            row = {
                "seq": tx.take("trial_records"),
                "id": id,
                "body": json.dumps(body, ensure_ascii=False, default=str),
                "at": micros_now(),
            }
            tx.conn.execute(insert(s.trial_records), [row])

    def trials(self) -> list[tuple[str, dict[str, Any]]]:
        """List the trials as (id, newest record), the newest trial first."""
        c = s.trial_records.c
        newest = select(func.max(c.seq)).group_by(c.id)
        first = select(c.id, func.min(c.seq).label("first")).group_by(c.id).subquery()
        statement = (
            select(c.id, c.body)
            .join(first, first.c.id == c.id)
            .where(c.seq.in_(newest))
            .order_by(first.c.first.desc())
        )
        with self._read() as conn:
            return [(row[0], json.loads(row[1])) for row in conn.execute(statement)]

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


def _verdict_code(judgment: Judgment) -> int:
    code = _VERDICT_CODES.get(judgment.verdict)
    if code is None:
        raise InputError(f"Unknown verdict {judgment.verdict!r}. Expected one of {', '.join(s.VERDICTS)}.")
    return code
