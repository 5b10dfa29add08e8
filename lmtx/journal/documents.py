"""Documents: records of every version, and the ones that live now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, exists, func, insert, literal, or_, select, update

from lmtx.errors import InputError
from lmtx.journal import schema as s
from lmtx.journal.decisions import Decisions
from lmtx.journal.fulltext import add_words, matches, query_words, remove_words
from lmtx.journal.rows import DocumentRow, ImportCounts, Page
from lmtx.journal.store import CHUNK, Transaction, chunks, group, micros_now
from lmtx.types import CorpusView, Decision, Document, Label, Role, Split, State

LabelsAre = Literal["gold", "completed", "none"]
IMPORTER = "import"
_SNIPPET = 240


class Documents(Decisions):
    """The part of the journal that keeps documents."""

    _corpus: tuple[tuple[int, int, bool], CorpusView] | None = None

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
            tx, {nums[x.id]: _list(y) if k == "gold" else [] for x, _, y, k in changed}, set(known)
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
            new: set[str | None] = {None, *_list(labels)} if kind == "completed" else set()
            said = before is not None and before.labels_are == "completed"
            old: set[str | None] = {None, *_list(before.labels)} if before is not None and said else set()
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

    # Reading. Labels from the file are never part of what is read here: only `gold` gives them.

    def document(self, id: str) -> Document | None:
        """Return a live document, or None. Its `labels` are None: see `gold`."""
        return self.documents_by_id([id]).get(id)

    def documents_by_id(self, ids: Iterable[str]) -> dict[str, Document]:
        """Return the live documents of these ids. Their `labels` are None: see `gold`."""
        found: dict[str, Document] = {}
        with self._read() as conn:
            for part in chunks(list(dict.fromkeys(ids)), CHUNK):
                rows = conn.execute(_documents().where(s.documents.c.id.in_(part)))
                found.update((row[0], _document(row)) for row in rows)
        return found

    def corpus(self, *, texts: bool = True) -> CorpusView:
        """Return all live documents and labels in row order: the order of their first mention.

        The view is kept until a document or label changes. Documents have `labels` None: see
        `gold`. With `texts` False their `text` is empty, so their `hash` and `full_text` mean
        nothing: take hashes from `corpus_hashes`.
        """
        with self._read() as conn:
            counters = self._counters(conn)
            key = (counters.get("content:documents", 0), counters.get("content:labels", 0), texts)
            if self._corpus is not None and self._corpus[0] == key:
                return self._corpus[1]
            d = s.documents.c
            documents: list[Document] = []
            roles: list[Role] = []
            if texts:
                statement = _documents().add_columns(d.role)
            else:
                statement = select(d.id, d.title, literal(""), d.split, d.language, d.role).where(d.live == 1)
            for row in conn.execute(statement.order_by(d.num)):
                documents.append(_document(row))
                roles.append(row[5])
            labels = read_labels(conn, s.labels.c.live == 1)
        view = CorpusView(documents, labels, roles)
        self._corpus = (key, view)
        return view

    def corpus_hashes(self) -> tuple[list[str], list[str]]:
        """Return the content hashes of live documents and of live labels, in row order of `corpus`."""
        with self._read() as conn:
            documents, labels = (
                list(
                    conn.scalars(
                        select(s.hashes.c.hash)
                        .join(table, table.c.hash_num == s.hashes.c.num)
                        .where(table.c.live == 1)
                        .order_by(table.c.num)
                    )
                )
                for table in (s.documents, s.labels)
            )
        return documents, labels

    def document_row(self, id: str) -> DocumentRow | None:
        """Return a live document as lists show it, or None."""
        d = s.documents.c
        with self._read() as conn:
            rows = self._rows(conn, [x for x in conn.scalars(select(d.num).where(d.id == id, d.live == 1))])
        return rows[0] if rows else None

    def documents_page(
        self,
        *,
        query: str = "",
        role: Role | None = None,
        label_id: str | None = None,
        state: State | None = None,
        completed: bool | None = None,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[DocumentRow]:
        """List one page of live documents.

        Parameters
        ----------
        query : str
            Words of title or text, all wanted, the beginning of a word is enough; or an id.
            With a query the best matches come first, otherwise row order.
        label_id, state
            Documents with a pair on this label, in this state, or both on one pair.
        """
        check_page(page, page_size)
        d, p = s.documents.c, s.pairs.c
        with self._read() as conn:
            conditions: list[Any] = [d.live == 1]
            if role is not None:
                conditions.append(d.role == role)
            if completed is not None:
                conditions.append(d.completed == int(completed))
            if label_id is not None:
                label_num = conn.scalar(select(s.labels.c.num).where(s.labels.c.id == label_id))
                wanted = [p.label_num == (-1 if label_num is None else label_num)]
                if state is not None:
                    wanted.append(p.state == s.STATES.index(state))
                conditions.append(d.num.in_(select(p.document_num).where(*wanted)))
            elif state is not None:
                conditions.append(s.documents.c[f"n_{state}"] > 0)
            order: tuple[Any, ...] = (d.num,)
            source: Any = s.documents
            if query.strip():
                exact = d.id == query.strip()
                if query_words(query):
                    found = matches(conn, "document", query)
                    source = s.documents.outerjoin(found, found.c.num == d.num)
                    by_id = conn.scalar(select(exists().where(exact)))
                    if by_id:
                        conditions.append(or_(found.c.num.is_not(None), exact))
                        order = (exact.desc(), found.c.rank, d.num)
                    else:
                        source = s.documents.join(found, found.c.num == d.num)
                        order = (found.c.rank, d.num)
                else:
                    conditions.append(exact)
            base = select(d.num).select_from(source).where(and_(*conditions))
            total = conn.scalar(base.with_only_columns(func.count())) or 0
            nums = list(conn.scalars(base.order_by(*order).offset(page * page_size).limit(page_size)))
            return Page(self._rows(conn, nums), total, page, page_size)

    def _rows(self, conn: Connection, nums: Sequence[int]) -> list[DocumentRow]:
        d, r = s.documents.c, s.document_records.c
        rows = conn.execute(
            select(
                d.num,
                d.id,
                d.title,
                func.substr(r.text, 1, _SNIPPET),
                d.split,
                d.role,
                d.language,
                d.n_accepted,
                d.n_rejected,
                d.n_proposed,
                d.n_declined,
                d.completed,
            )
            .join(s.document_records, r.seq == d.record_seq)
            .where(d.num.in_(nums))
        )
        by_num = {num: DocumentRow(*[*values, bool(completed)]) for num, *values, completed in rows}
        return [by_num[num] for num in nums]

    def gold(self, split: Split) -> dict[str, tuple[str, ...]]:
        """Return the labels that came with the corpus, of the live documents of a split.

        Only evaluation, the simulated teacher and the simulated reviewer may call this: whatever
        else reads gold makes every figure worthless. Labels that are not in the label set are
        left out, so a document may have none.
        """
        d, g, x = s.documents.c, s.gold.c, s.labels.c
        with self._read() as conn:
            where = (d.live == 1, d.has_gold == 1, d.split == split)
            ids = {num: id_ for num, id_ in conn.execute(select(d.num, d.id).where(*where).order_by(d.num))}
            rows = group(
                conn.execute(
                    select(g.document_num, x.id)
                    .join(s.documents, d.num == g.document_num)
                    .join(s.labels, x.num == g.label_num)
                    .where(*where, x.live == 1)
                    .order_by(g.document_num, g.label_num)
                )
            )
        return {id_: tuple(str(label) for label in rows.get(num, ())) for num, id_ in ids.items()}


def _document(row: Any) -> Document:
    id_, title, text, split, language = row[:5]
    return Document(id_, title, text, split, None, language)


def _documents() -> Any:
    d, r = s.documents.c, s.document_records.c
    return (
        select(d.id, d.title, r.text, d.split, d.language)
        .join(s.document_records, r.seq == d.record_seq)
        .where(d.live == 1)
    )


def read_labels(conn: Connection, *conditions: Any, order: Sequence[Any] = (s.labels.c.num,)) -> list[Label]:
    """Read the labels that meet conditions on the tables `labels` and `label_records`."""
    x, r = s.labels.c, s.label_records.c
    rows = conn.execute(
        select(x.id, r.name, r.description, r.aliases, r.parents)
        .join(s.label_records, r.seq == x.record_seq)
        .where(*conditions)
        .order_by(*order)
    )
    return [
        Label(id_, name, description, tuple(_list(aliases)), tuple(_list(parents)))
        for id_, name, description, aliases, parents in rows
    ]


def check_page(page: int, page_size: int) -> None:
    """Refuse pages that don't exist or are too large to show."""
    if page < 0 or not 1 <= page_size <= 5000:
        raise InputError(
            f"page={page}, page_size={page_size}: expected page >= 0 and page_size from 1 to 5000."
        )


def _labels(document: Document, labels_are: LabelsAre, before: Any) -> tuple[str | None, str | None]:
    """Labels (JSON) and what they are, by this import or else by the one before."""
    if labels_are == "none" or document.labels is None:
        return (None, None) if before is None else (before.labels, before.labels_are)
    kind = "gold" if document.split == "test" else labels_are
    return json.dumps(list(dict.fromkeys(document.labels)), ensure_ascii=False), kind


def _list(value: str | None) -> list[str]:
    return [] if not value or value == "[]" else [str(x) for x in json.loads(value)]
