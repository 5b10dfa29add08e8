"""Labels: records of every version, the label set that lives now, and finding one in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, and_, delete, func, insert, not_, or_, select, update

from lmtx.journal import schema as s
from lmtx.journal.documents import Documents, check_page, read_labels
from lmtx.journal.fulltext import add_words, matches, query_words, remove_words
from lmtx.journal.rows import ImportCounts, LabelRow, Page, PairRow
from lmtx.journal.store import CHUNK, Transaction, chunks, micros_now
from lmtx.types import Label, State

LabelSort = Literal["name", "id", "children", "gold", "accepted", "rejected", "proposed", "declined"]
PairSort = Literal["document", "probability"]
# Worded so that SQLite looks up the few labels that another condition names, not all live ones.
_LIVE = s.labels.c.live + 0 == 1


class Labels(Documents):
    """The part of the journal that keeps labels."""

    def put_labels(self, labels: Iterable[Label], source: str = "") -> ImportCounts:
        """Add or update labels by id, all in one transaction.

        Pairs of a label whose name, description or aliases change are judged anew: judgments
        on the old text stop counting, and count again if it returns.
        """
        counts = [0, 0, 0]
        again: set[int] = set()
        with self._write() as tx:
            part: dict[str, Label] = {}
            for label in labels:
                if label.id in part or len(part) == CHUNK:
                    again |= self._put_labels(tx, list(part.values()), source, counts)
                    part = {}
                part[label.id] = label
            again |= self._put_labels(tx, list(part.values()), source, counts)
            if again:
                self._apply_labels(tx, again)
        return ImportCounts(*counts)

    def _put_labels(
        self, tx: Transaction, labels: Sequence[Label], source: str, counts: list[int]
    ) -> set[int]:
        """Put labels; returns those (numbers) whose pairs must be derived again."""
        x, r = s.labels.c, s.label_records.c
        known = {
            row.id: row
            for row in tx.conn.execute(
                select(x.num, x.id, x.live, x.record_seq, r.hash, r.parents)
                .outerjoin(s.label_records, r.seq == x.record_seq)
                .where(x.id.in_([label.id for label in labels]))
            )
        }
        changed: list[tuple[Label, str, str]] = []
        for label in labels:
            before = known.get(label.id)
            hash_, parents = label.hash, _json(label.parents)
            if before is not None and before.live and (before.hash, before.parents) == (hash_, parents):
                counts[2] += 1
                continue
            counts[1 if before is not None and before.live else 0] += 1
            changed.append((label, hash_, parents))
        if not changed:
            return set()
        tx.mark_content("labels")
        hash_nums, new_hashes = self._intern_hashes(tx, [hash_ for _, hash_, _ in changed])
        self._forget_label_words(
            tx,
            [
                known[y.id].num
                for y, h, _ in changed
                if y.id in known and known[y.id].live and known[y.id].hash != h
            ],
        )
        # Numbers first: a parent may be named before it has a row of its own.
        nums = self._intern_labels(tx, [y.id for y, _, _ in changed])
        parent_nums = self._intern_labels(tx, [parent for y, _, _ in changed for parent in y.parents])
        first, at = tx.take("label_records", len(changed)), micros_now()
        records, words, parents_rows, again = [], [], [], set()
        for seq, (label, hash_, parents) in enumerate(changed, start=first):
            before, num = known.get(label.id), nums[label.id]
            tx.conn.execute(
                update(s.labels)
                .where(x.num == num)
                .values(
                    record_seq=seq,
                    hash_num=hash_nums[hash_],
                    name=label.name,
                    name_key=label.name.casefold(),
                    live=1,
                    changed=tx.change,
                )
            )
            if before is None or not before.live or before.hash != hash_:
                words.append((num, label.name, _rest(label.id, label.description, label.aliases)))
                if before is not None or hash_nums[hash_] not in new_hashes:
                    again.add(num)
            parents_rows += [
                {"label_num": num, "parent_num": parent_nums[p]} for p in dict.fromkeys(label.parents)
            ]
            records.append(
                {
                    "seq": seq,
                    "label_num": num,
                    "kind": "put",
                    "hash": hash_,
                    "name": label.name,
                    "description": label.description,
                    "aliases": _json(label.aliases),
                    "parents": parents,
                    "source": source,
                    "at": at,
                    "after_decision": None
                    if before is not None and before.live
                    else tx.counters.get("decisions", 0),
                }
            )
        tx.conn.execute(insert(s.label_records), records)
        tx.conn.execute(
            delete(s.label_parents).where(
                s.label_parents.c.label_num.in_([nums[y.id] for y, _, _ in changed])
            )
        )
        if parents_rows:
            tx.conn.execute(insert(s.label_parents), parents_rows)
        add_words(tx.conn, "label", words)
        return again

    def labels_added(self) -> dict[str, int]:
        """Return the labels that came after some decision: label id -> number of the last one before.

        Labels that were there from the first on are left out, and those of a journal of an older version.
        """
        r, x = s.label_records.c, s.labels.c
        statement = (
            select(x.id, func.max(r.after_decision))
            .join(s.labels, x.num == r.label_num)
            .where(r.after_decision > 0, x.live == 1)
            .group_by(x.id)
        )
        with self._read() as conn:
            return {label_id: int(seq) for label_id, seq in conn.execute(statement)}

    def delete_labels(self, ids: Iterable[str]) -> int:
        """Delete labels, as far as they live; their records, judgments and decisions are kept.

        Returns
        -------
        int
            Number deleted.
        """
        x = s.labels.c
        gone: list[int] = []
        with self._write() as tx:
            for part in chunks(sorted(set(ids)), CHUNK):
                nums = list(tx.conn.scalars(select(x.num).where(x.id.in_(part), x.live == 1)))
                if not nums:
                    continue
                gone += nums
                tx.mark_content("labels")
                first, at = tx.take("label_records", len(nums)), micros_now()
                tx.conn.execute(
                    insert(s.label_records),
                    [
                        {"seq": first + i, "label_num": num, "kind": "delete", "at": at}
                        for i, num in enumerate(nums)
                    ],
                )
                self._forget_label_words(tx, nums)
                tx.conn.execute(update(s.labels).where(x.num.in_(nums)).values(live=0, changed=tx.change))
            if gone:
                self._apply_labels(tx, gone)
        return len(gone)

    def _forget_label_words(self, tx: Transaction, nums: Sequence[int]) -> None:
        if nums:
            x, r = s.labels.c, s.label_records.c
            rows = tx.conn.execute(
                select(x.num, x.id, r.name, r.description, r.aliases)
                .join(s.label_records, r.seq == x.record_seq)
                .where(x.num.in_(nums))
            )
            remove_words(
                tx.conn,
                "label",
                [
                    (num, name, _rest(id_, text, json.loads(aliases)))
                    for num, id_, name, text, aliases in rows
                ],
            )

    # Reading

    def label(self, id: str) -> Label | None:
        """Return a live label, or None."""
        with self._read() as conn:
            found = read_labels(conn, s.labels.c.id == id, s.labels.c.live == 1)
        return found[0] if found else None

    def labels_by_id(self, ids: Iterable[str]) -> dict[str, Label]:
        """Return the live labels of these ids; others are left out."""
        with self._read() as conn:
            return {
                label.id: label
                for part in chunks(list(dict.fromkeys(ids)), CHUNK)
                for label in read_labels(conn, s.labels.c.id.in_(part), s.labels.c.live == 1)
            }

    def children(self, id: str) -> list[Label]:
        """List the live labels that name this one as a parent, by name."""
        x = s.labels.c
        parent = select(x.num).where(x.id == id).scalar_subquery()
        under = select(s.label_parents.c.label_num).where(s.label_parents.c.parent_num == parent)
        with self._read() as conn:
            return read_labels(conn, _LIVE, x.num.in_(under), order=(x.name_key, x.num))

    def labels_page(
        self,
        *,
        query: str = "",
        parent: str | None = None,
        sort: LabelSort = "name",
        descending: bool = False,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[LabelRow]:
        """List one page of live labels.

        Parameters
        ----------
        query : str
            Words of id, name, aliases or description, all wanted, the beginning of a word is enough.
        parent : str, optional
            Children of this label only; "" for labels without a live parent.
        """
        check_page(page, page_size)
        x, up = s.labels.c, s.label_parents.c
        above = s.labels.alias("above")
        has_parent = (
            select(up.parent_num)
            .join(above, above.c.num == up.parent_num)
            .where(up.label_num == x.num, above.c.live == 1)
            .correlate(s.labels)
            .exists()
        )
        with self._read() as conn:
            few = bool(parent) or bool(query.strip())
            conditions: list[Any] = [_LIVE if few else x.live == 1]
            if parent == "":
                conditions.append(not_(has_parent))
            elif parent is not None:
                parent_num = select(x.num).where(x.id == parent).scalar_subquery()
                conditions.append(x.num.in_(select(up.label_num).where(up.parent_num == parent_num)))
            if query.strip():
                conditions.append(x.num.in_(select(matches(conn, "label", query).c.num)))
            total = conn.scalar(select(func.count()).select_from(s.labels).where(*conditions)) or 0
            key: Any = x.name_key
            if sort == "id":
                key = x.id
            elif sort == "children":
                key = _n_children()
            elif sort != "name":
                key = s.labels.c[f"n_{sort}"]
            tie = (x.name_key, x.num)
            nums = list(
                conn.scalars(
                    select(x.num)
                    .where(*conditions)
                    .order_by(key.desc() if descending else key, *(tie if sort != "name" else (x.num,)))
                    .offset(page * page_size)
                    .limit(page_size)
                )
            )
            items = _rows(conn, nums)
        return Page(items, total, page, page_size)

    def label_row(self, id: str) -> LabelRow | None:
        """Return a live label as lists show it, or None."""
        x = s.labels.c
        with self._read() as conn:
            rows = _rows(conn, list(conn.scalars(select(x.num).where(x.id == id, x.live == 1))))
        return rows[0] if rows else None

    def find_labels(self, query: str, limit: int = 20) -> list[Label]:
        """Find labels for what someone is typing: by words, the beginning of each is enough.

        First the name that equals the query, then names that begin with it, names with all its
        words, labels with all its words in name, aliases, description or id, and labels with any
        of them; each by length of the name. An empty query gives the first labels by name.
        """
        x = s.labels.c
        key = query.strip().casefold()
        with self._read() as conn:
            if not query_words(query):
                nums = list(
                    conn.scalars(select(x.num).where(x.live == 1).order_by(x.name_key, x.num).limit(limit))
                )
            else:
                after = key[:-1] + chr(min(ord(key[-1]) + 1, 0x10FFFF))
                begins = and_(x.name_key >= key, x.name_key < after)
                shortest = (func.length(x.name), x.name_key, x.num)
                nums = list(
                    conn.scalars(
                        select(x.num)
                        .where(x.live == 1, or_(begins, x.id == query.strip()))
                        .order_by(*shortest)
                        .limit(limit)
                    )
                )
                for names, any_word in ((True, False), (False, False), (False, True)):
                    if len(nums) >= limit:
                        break
                    found = matches(conn, "label", query, names=names, any_word=any_word)
                    more = conn.scalars(
                        select(x.num)
                        .join(found, found.c.num == x.num)
                        .where(x.live == 1, x.num.not_in(nums))
                        .order_by(*shortest)
                        .limit(limit - len(nums))
                    )
                    nums += list(more)
            by_id = {
                num: label
                for num, label in zip(
                    conn.scalars(select(x.num).where(x.num.in_(nums)).order_by(x.num)),
                    read_labels(conn, x.num.in_(nums)),
                    strict=True,
                )
            }
        return [by_id[num] for num in nums]

    def label_pairs(
        self,
        label_id: str,
        state: State | None = None,
        *,
        sort: PairSort = "document",
        descending: bool = False,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[PairRow]:
        """List one page of the pairs of a label, with the documents they belong to.

        Parameters
        ----------
        sort : {"document", "probability"}
            Row order, or what the teacher said; pairs without a probability come last.
        """
        check_page(page, page_size)
        p, d, t = s.pairs.c, s.documents.c, s.teachers.c
        with self._read() as conn:
            num = conn.scalar(select(s.labels.c.num).where(s.labels.c.id == label_id, s.labels.c.live == 1))
            conditions: list[Any] = [p.label_num == (-1 if num is None else num)]
            conditions += s.listed(state)
            total = conn.scalar(select(func.count()).select_from(s.pairs).where(*conditions)) or 0
            order: tuple[Any, ...] = (p.document_num.desc() if descending else p.document_num,)
            if sort == "probability":
                by = p.probability.desc() if descending else p.probability.asc()
                order = (by.nulls_last(), p.document_num)
            rows = conn.execute(
                select(
                    d.id,
                    d.title,
                    d.role,
                    p.state,
                    p.verdict,
                    p.probability,
                    t.key,
                    p.decision,
                    s.decisions.c.reviewer,
                )
                .select_from(s.pairs)
                .join(s.documents, d.num == p.document_num)
                .outerjoin(s.teachers, t.num == p.teacher_num)
                .outerjoin(s.decisions, s.decisions.c.seq == p.decision_seq)
                .where(*conditions)
                .order_by(*order)
                .offset(page * page_size)
                .limit(page_size)
            )
            items = [
                PairRow(
                    *row[:3],
                    state=s.STATES[row[3]],
                    verdict=None if row[4] is None else s.VERDICTS[row[4]],
                    probability=row[5],
                    teacher_key=row[6],
                    decision=None if row[7] is None else s.DECISIONS[row[7]],
                    reviewer=row[8],
                )
                for row in rows
            ]
        return Page(items, total, page, page_size)


def _n_children() -> Any:
    up, child = s.label_parents.c, s.labels.alias("child")
    return (
        select(func.count())
        .select_from(s.label_parents.join(child, child.c.num == up.label_num))
        .where(up.parent_num == s.labels.c.num, child.c.live == 1)
        .correlate(s.labels)
        .scalar_subquery()
    )


def _rows(conn: Connection, nums: Sequence[int]) -> list[LabelRow]:
    x, r = s.labels.c, s.label_records.c
    counts = (x.n_gold, x.n_accepted, x.n_rejected, x.n_proposed, x.n_declined)
    rows = conn.execute(
        select(x.num, x.id, x.name, r.description, _n_children(), *counts)
        .join(s.label_records, r.seq == x.record_seq)
        .where(x.num.in_(nums))
    )
    by_num = {num: LabelRow(*values) for num, *values in rows}
    return [by_num[num] for num in nums]


def _rest(id_: str, description: str, aliases: Sequence[str]) -> str:
    return " ".join((*aliases, description, id_))


def _json(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False)
