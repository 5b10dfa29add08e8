"""The state of pairs, derived from judgments and decisions.

A judgment is about texts: it counts for every live pair whose document and label have those
texts now. So a changed text loses its judgments, finds them again when it returns, and two
documents with one text share them. A decision is about a pair, whatever its texts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from lmtx.journal import schema as s
from lmtx.journal.store import CHUNK, PairKey, PairValue, Store, Transaction, chunks, group

_VALUES = tuple(s.pairs.c[name] for name in PairValue._fields)


class Projection(Store):
    """Keeps the table `pairs` true."""

    def _apply_judgments(
        self, tx: Transaction, judged: Sequence[tuple[tuple[int, int], tuple[Any, ...]]]
    ) -> None:
        """Let new judgments, oldest first, count where their texts are current.

        Parameters
        ----------
        judged : sequence of ((document_hash_num, label_hash_num), first five of PairValue)
        """
        documents = self._documents_by_hash(tx.conn, {texts[0] for texts, _ in judged})
        labels = self._labels_by_hash(tx)
        newest = {
            (document, label): value
            for texts, value in judged
            for document in documents.get(texts[0], ())
            for label in labels.get(texts[1], ())
        }
        old = self._stored_pairs(tx.conn, newest)
        new = {key: PairValue(*(*value, *old.get(key, PairValue())[5:])) for key, value in newest.items()}
        tx.set_pairs(old, new)

    def _apply_decisions(self, tx: Transaction, keys: Collection[PairKey]) -> None:
        """Let the newest standing decisions of these pairs count."""
        live_documents = self._live(tx.conn, s.documents, {document for document, _ in keys})
        live_labels = self._live(tx.conn, s.labels, {label for _, label in keys})
        wanted = [key for key in keys if key[0] in live_documents and key[1] in live_labels]
        old = self._stored_pairs(tx.conn, wanted)
        newest = self._standing_decisions(tx.conn, wanted)
        new = {}
        for key in wanted:
            decision, seq = newest.get(key, (None, None))
            new[key] = old.get(key, PairValue())._replace(decision=decision, decision_seq=seq)
        tx.set_pairs(old, new)

    def _apply_documents(self, tx: Transaction, nums: Collection[int]) -> None:
        """Derive all pairs of documents again, after they changed, came back or went."""
        d = s.documents.c
        for part in chunks(sorted(nums), CHUNK):
            old = _pairs(tx.conn, select(s.pairs).where(s.pairs.c.document_num.in_(part)))
            new: dict[PairKey, PairValue] = dict.fromkeys(old, PairValue())
            documents = group(tx.conn.execute(select(d.hash_num, d.num).where(d.num.in_(part), d.live == 1)))
            if documents:
                judged = _judged(tx.conn, s.judgments.c.document_hash_num.in_(list(documents)))
                labels = self._labels_by_hash(tx)
                _place(new, judged, documents, labels)
                live = {num for nums_ in documents.values() for num in nums_}
                self._decide(tx, new, s.decisions.c.document_num.in_(sorted(live)), documents=live)
            tx.set_pairs(old, new)

    def _apply_labels(self, tx: Transaction, nums: Collection[int]) -> None:
        """Derive all pairs of labels again, after they changed, came back or went."""
        if not (tx.counters.get("judgments") or tx.counters.get("decisions")):
            return
        c = s.labels.c
        for part in chunks(sorted(nums), CHUNK * 10):
            old = _pairs(tx.conn, select(s.pairs).where(s.pairs.c.label_num.in_(part)))
            new: dict[PairKey, PairValue] = dict.fromkeys(old, PairValue())
            labels = group(tx.conn.execute(select(c.hash_num, c.num).where(c.num.in_(part), c.live == 1)))
            if labels:
                # No index on the label's hash: labels change rarely, judgments are appended all the time.
                judged = _judged(tx.conn, s.judgments.c.label_hash_num.in_(list(labels)))
                documents = self._documents_by_hash(tx.conn, {document for document, _ in judged})
                _place(new, judged, documents, labels)
                live = {num for nums_ in labels.values() for num in nums_}
                self._decide(tx, new, s.decisions.c.label_num.in_(sorted(live)), labels=live)
            tx.set_pairs(old, new)

    def _decide(
        self,
        tx: Transaction,
        new: dict[PairKey, PairValue],
        condition: Any,
        *,
        documents: set[int] | None = None,
        labels: set[int] | None = None,
    ) -> None:
        decided = dict(_newest_decisions(tx.conn, condition))
        if documents is None:
            documents = self._live(tx.conn, s.documents, {document for document, _ in decided})
        if labels is None:
            labels = self._live(tx.conn, s.labels, {label for _, label in decided})
        for key, (decision, seq) in decided.items():
            if key[0] in documents and key[1] in labels:
                new[key] = new.get(key, PairValue())._replace(decision=decision, decision_seq=seq)

    def _stored_pairs(self, conn: Connection, keys: Iterable[PairKey]) -> dict[PairKey, PairValue]:
        wanted = set(keys)
        stored: dict[PairKey, PairValue] = {}
        labels = sorted({label for _, label in wanted})
        for part in chunks(sorted({document for document, _ in wanted}), CHUNK):
            statement = select(s.pairs).where(s.pairs.c.document_num.in_(part))
            if len(labels) <= 8:
                statement = statement.where(s.pairs.c.label_num.in_(labels))
            stored.update((key, value) for key, value in _pairs(conn, statement).items() if key in wanted)
        return stored

    def _standing_decisions(
        self, conn: Connection, keys: Collection[PairKey]
    ) -> dict[PairKey, tuple[int, int]]:
        wanted = set(keys)
        found: dict[PairKey, tuple[int, int]] = {}
        for part in chunks(sorted({document for document, _ in wanted}), CHUNK):
            condition = s.decisions.c.document_num.in_(part)
            found.update(kv for kv in _newest_decisions(conn, condition) if kv[0] in wanted)
        return found

    def _live(self, conn: Connection, table: Any, nums: Iterable[int]) -> set[int]:
        live: set[int] = set()
        for part in chunks(sorted(nums), CHUNK):
            live.update(conn.scalars(select(table.c.num).where(table.c.num.in_(part), table.c.live == 1)))
        return live

    def _documents_by_hash(self, conn: Connection, hash_nums: Iterable[int]) -> dict[int, list[int]]:
        c = s.documents.c
        return group(
            row
            for part in chunks(sorted(hash_nums), CHUNK)
            for row in conn.execute(select(c.hash_num, c.num).where(c.hash_num.in_(part), c.live == 1))
        )


def _pairs(conn: Connection, statement: Select[Any]) -> dict[PairKey, PairValue]:
    statement = statement.with_only_columns(s.pairs.c.document_num, s.pairs.c.label_num, *_VALUES)
    return {(row[0], row[1]): PairValue(*row[2:]) for row in conn.execute(statement)}


def _judged(conn: Connection, condition: Any) -> dict[tuple[int, int], PairValue]:
    """Newest judgment of each pair of text hashes."""
    c = s.judgments.c
    statement = select(
        c.document_hash_num, c.label_hash_num, c.verdict, c.probability, c.teacher_num, c.round, c.seq
    )
    rows = conn.execute(statement.where(condition).order_by(c.seq))
    return {(row[0], row[1]): PairValue(*row[2:]) for row in rows}


def _place(
    new: dict[PairKey, PairValue],
    judged: Mapping[tuple[int, int], PairValue],
    documents: Mapping[int, list[int]],
    labels: Mapping[int, list[int]],
) -> None:
    for (document_hash, label_hash), value in judged.items():
        for document in documents.get(document_hash, ()):
            for label in labels.get(label_hash, ()):
                new[document, label] = value


def _newest_decisions(conn: Connection, condition: Any) -> Iterable[tuple[PairKey, tuple[int, int]]]:
    c = s.decisions.c
    statement = (
        select(c.document_num, c.label_num, c.action, c.seq)
        .join(s.standing, s.standing.c.seq == c.seq)
        .where(condition, c.action.in_(s.DECISIONS))
        .order_by(c.seq)
    )
    for document, label, action, seq in conn.execute(statement):
        yield (document, label), (s.DECISIONS.index(action), seq)
