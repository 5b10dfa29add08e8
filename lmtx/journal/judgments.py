"""What teachers said: appended in batches, and the pairs as they stand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

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
from lmtx.types import Judgment

if TYPE_CHECKING:
    pass

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


def _verdict_code(judgment: Judgment) -> int:
    code = _VERDICT_CODES.get(judgment.verdict)
    if code is None:
        raise InputError(f"Unknown verdict {judgment.verdict!r}. Expected one of {', '.join(s.VERDICTS)}.")
    return code
