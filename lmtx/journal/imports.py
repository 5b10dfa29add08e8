"""Bringing documents in and taking them out: every version is a record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update

from lmtx.journal import schema as s
from lmtx.journal.decisions import Decisions
from lmtx.journal.fulltext import add_words, remove_words
from lmtx.journal.rows import ImportCounts
from lmtx.journal.store import CHUNK, Transaction, chunks, group, micros_now
from lmtx.types import Decision, Document, Role

LabelsAre = Literal["gold", "completed", "none"]
IMPORTER = "import"


class DocumentImports(Decisions):
    """The part of the journal that takes documents in."""

    def put_documents(
        self,
        documents: Iterable[Document],
        role_of: Callable[[Document], Role],
        *,
        labels_are: LabelsAre = "gold",
        source: str = "",
    ) -> ImportCounts:
        """Add or update documents by id, all in one transaction.

        A document keeps its role unless its split changes. Its labels (which may name labels
        that are imported later) become gold, or, with "completed", accept decisions and a
        `complete` by the reviewer "import"; a later import appends only what differs, and
        retracts what it no longer says. Labels of the split "test" are always gold. A document
        without a label column keeps what an earlier import said of its labels.

        Parameters
        ----------
        role_of : callable
            Role of a new document, or of one whose split changed.
        source : str
            Where the documents came from, for the record.
        """
        counts = [0, 0, 0]
        with self._write() as tx:
            part: dict[str, Document] = {}
            for document in documents:
                if document.id in part or len(part) == CHUNK:
                    self._put_documents(tx, list(part.values()), role_of, labels_are, source, counts)
                    part = {}
                part[document.id] = document
            self._put_documents(tx, list(part.values()), role_of, labels_are, source, counts)
        return ImportCounts(*counts)

    def _put_documents(
        self,
        tx: Transaction,
        documents: Sequence[Document],
        role_of: Callable[[Document], Role],
        labels_are: LabelsAre,
        source: str,
        counts: list[int],
    ) -> None:
        d, r = s.documents.c, s.document_records.c
        known = {
            row.id: row
            for row in tx.conn.execute(
                select(
                    d.num,
                    d.id,
                    d.hash_num,
                    d.split,
                    d.role,
                    d.language,
                    d.live,
                    r.hash,
                    r.labels,
                    r.labels_are,
                )
                .join(s.document_records, r.seq == d.record_seq)
                .where(d.id.in_([x.id for x in documents]))
            )
        }
        changed: list[tuple[Document, str, str | None, str | None]] = []
        for document in documents:
            before = known.get(document.id)
            labels, kind = _labels(document, labels_are, before)
            hash_ = document.hash
            if (
                before is not None
                and before.live
                and (before.hash, before.split, before.language, before.labels, before.labels_are)
                == (hash_, document.split, document.language, labels, kind)
            ):
                counts[2] += 1
                continue
            counts[1 if before is not None and before.live else 0] += 1
            changed.append((document, hash_, labels, kind))
        if not changed:
            return
        tx.mark_content("documents")
        hash_nums, new_hashes = self._intern_hashes(tx, [hash_ for _, hash_, _, _ in changed])
        updated = [known[x.id] for x, _, _, _ in changed if x.id in known]
        retitled = {x.id for x, hash_, _, _ in changed if x.id in known and known[x.id].hash != hash_}
        self._forget_words(tx, [row.num for row in updated if row.live and row.id in retitled])
        first_seq = tx.take("document_records", len(changed))
        n_new = sum(x.id not in known for x, _, _, _ in changed)
        next_num = tx.take("documents", n_new) if n_new else 0
        at = micros_now()
        records, inserts, updates, words, again = [], [], [], [], []
        nums: dict[str, int] = {}
        for seq, (x, hash_, labels, kind) in enumerate(changed, start=first_seq):
            before = known.get(x.id)
            role = before.role if before is not None and before.split == x.split else role_of(x)
            values = {
                "record_seq": seq,
                "hash_num": hash_nums[hash_],
                "title": x.title,
                "split": x.split,
                "role": role,
                "language": x.language,
                "live": 1,
                "has_gold": int(labels is not None and kind == "gold"),
                "changed": tx.change,
            }
            if before is None:
                num, next_num = next_num, next_num + 1
                inserts.append({"num": num, "id": x.id, **values})
            else:
                num = before.num
                updates.append((num, values))
            nums[x.id] = num
            if before is None or not before.live or before.hash != hash_:
                words.append((num, x.title, x.text))
                if before is not None or hash_nums[hash_] not in new_hashes:
                    again.append(num)
            records.append(
                {
                    "seq": seq,
                    "document_num": num,
                    "kind": "put",
                    "hash": hash_,
                    "title": x.title,
                    "text": x.text,
                    "split": x.split,
                    "language": x.language,
                    "labels": labels,
                    "labels_are": kind,
                    "source": source,
                    "at": at,
                }
            )
        tx.conn.execute(insert(s.document_records), records)
        if inserts:
            tx.conn.execute(insert(s.documents), inserts)
        for num, values in updates:
            tx.conn.execute(update(s.documents).where(d.num == num).values(values))
        add_words(tx.conn, "document", words)
        self._put_gold(
            tx, {nums[x.id]: string_list(y) if k == "gold" else [] for x, _, y, k in changed}, set(known)
        )
        if tx.counters.get("judgments") or tx.counters.get("decisions"):
            self._apply_documents(tx, again)
        self._put_completed(tx, changed, known, nums)

    def _put_gold(self, tx: Transaction, wanted: dict[int, list[str]], known: set[str]) -> None:
        label_nums = self._intern_labels(tx, [x for labels in wanted.values() for x in labels])
        g = s.gold.c
        stored = (
            group(
                tx.conn.execute(select(g.document_num, g.label_num).where(g.document_num.in_(list(wanted))))
            )
            if known
            else {}
        )
        added, removed = [], []
        for num, labels in wanted.items():
            new, old = {label_nums[x] for x in labels}, set(stored.get(num, ()))
            added += [{"document_num": num, "label_num": x} for x in sorted(new - old)]
            removed += [(num, x) for x in sorted(old - new)]
        if added:
            tx.conn.execute(insert(s.gold), added)
        for num, label in removed:
            tx.conn.execute(delete(s.gold).where(g.document_num == num, g.label_num == label))
            tx.count_gold(label, -1)
        for row in added:
            tx.count_gold(row["label_num"], 1)

    def _put_completed(
        self,
        tx: Transaction,
        changed: Sequence[tuple[Document, str, str | None, str | None]],
        known: dict[str, Any],
        nums: dict[str, int],
    ) -> None:
        """Append the decisions by which this import's labels differ from the one before."""
        decisions: list[Decision] = []
        taken_back: dict[int, set[str | None]] = {}
        for x, _, labels, kind in changed:
            before = known.get(x.id)
            new: set[str | None] = {None, *string_list(labels)} if kind == "completed" else set()
            said = before is not None and before.labels_are == "completed"
            old: set[str | None] = (
                {None, *string_list(before.labels)} if before is not None and said else set()
            )
            decisions += [
                Decision(x.id, label, "complete" if label is None else "accept", IMPORTER, policy=IMPORTER)
                for label in sorted(new - old, key=lambda v: (v is None, v or ""))
            ]
            if old - new:
                taken_back[nums[x.id]] = old - new
        c = s.decisions.c
        for num, labels_ in taken_back.items():
            rows = tx.conn.execute(
                select(c.seq, s.labels.c.id)
                .join(s.standing, s.standing.c.seq == c.seq)
                .outerjoin(s.labels, s.labels.c.num == c.label_num)
                .where(c.document_num == num, c.reviewer == IMPORTER, c.action.in_(("accept", "complete")))
            )
            decisions += [
                Decision("", None, "retract", IMPORTER, policy=IMPORTER, retracts=seq)
                for seq, label in rows
                if label in labels_
            ]
        if decisions:
            self._intern_labels(tx, [x.label_id for x in decisions if x.label_id is not None])
            self._append_decisions(tx, decisions, any_label=True)

    def delete_documents(self, ids: Iterable[str]) -> int:
        """Delete documents, as far as they live; their records, judgments and decisions are kept.

        Imported again, a document has its role, place, judgments and decisions again.

        Returns
        -------
        int
            Number deleted.
        """
        d, g = s.documents.c, s.gold.c
        n = 0
        with self._write() as tx:
            for part in chunks(sorted(set(ids)), CHUNK):
                nums = list(tx.conn.scalars(select(d.num).where(d.id.in_(part), d.live == 1)))
                if not nums:
                    continue
                n += len(nums)
                tx.mark_content("documents")
                first, at = tx.take("document_records", len(nums)), micros_now()
                tx.conn.execute(
                    insert(s.document_records),
                    [
                        {"seq": first + i, "document_num": num, "kind": "delete", "at": at}
                        for i, num in enumerate(nums)
                    ],
                )
                self._forget_words(tx, nums)
                tx.conn.execute(
                    update(s.documents).where(d.num.in_(nums)).values(live=0, has_gold=0, changed=tx.change)
                )
                for label_num in tx.conn.scalars(select(g.label_num).where(g.document_num.in_(nums))):
                    tx.count_gold(label_num, -1)
                tx.conn.execute(delete(s.gold).where(g.document_num.in_(nums)))
                self._apply_documents(tx, nums)
        return n

    def _forget_words(self, tx: Transaction, nums: Sequence[int]) -> None:
        if nums:
            d, r = s.documents.c, s.document_records.c
            rows = tx.conn.execute(
                select(d.num, r.title, r.text)
                .join(s.document_records, r.seq == d.record_seq)
                .where(d.num.in_(nums))
            )
            remove_words(tx.conn, "document", [(num, title, text) for num, title, text in rows])


def _labels(document: Document, labels_are: LabelsAre, before: Any) -> tuple[str | None, str | None]:
    """Labels (JSON) and what they are, by this import or else by the one before."""
    if labels_are == "none" or document.labels is None:
        return (None, None) if before is None else (before.labels, before.labels_are)
    kind = "gold" if document.split == "test" else labels_are
    return json.dumps(list(dict.fromkeys(document.labels)), ensure_ascii=False), kind


def string_list(value: str | None) -> list[str]:
    """Read a JSON array of strings; none is an empty one."""
    return [] if not value or value == "[]" else [str(x) for x in json.loads(value)]
