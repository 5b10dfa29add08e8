"""Documents as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, literal, or_, select

from lmtx.errors import InputError
from lmtx.journal import schema as s
from lmtx.journal.fulltext import matches, query_words
from lmtx.journal.imports import DocumentImports, string_list
from lmtx.journal.rows import DocumentRow, Page
from lmtx.journal.store import CHUNK, chunks, group
from lmtx.types import CorpusView, Document, Label, Role, Split, State

_SNIPPET = 240
_RANKED = 5000


class Documents(DocumentImports):
    """The part of the journal that shows documents.

    Labels from the file are never part of what is read here: only `gold` gives them.
    """

    _corpus: tuple[tuple[int, int, bool], CorpusView] | None = None

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

    def document_ids(
        self,
        role: Role | None = None,
        *,
        completed: bool | None = None,
        judged: bool | None = None,
        query: str = "",
        label_id: str | None = None,
        state: State | None = None,
        split: Split | None = None,
        limit: int | None = None,
    ) -> list[str]:
        """List the ids of live documents; their texts are not read.

        Parameters
        ----------
        role : role, optional
            Only documents of this role.
        completed : bool, optional
            Only those whose completion stands (True) or does not (False).
        judged : bool, optional
            Only those that have (True) or have not (False) a judged or decided pair.
        query, label_id, state, split
            As for `documents_page`.
        limit : int, optional
            Only the first so many.

        Returns
        -------
        list of str
            In the order of `documents_page`.
        """
        with self._read() as conn:
            conditions = _conditions(conn, role, label_id, state, completed, judged, split)
            found, order = _search(conn, query.strip())
            if query.strip():
                total = conn.scalar(found.with_only_columns(func.count()).where(*conditions)) or 0
                found, order = _search(conn, query.strip(), ranked=total <= _RANKED)
            found = found.with_only_columns(s.documents.c.id).where(*conditions).order_by(*order)
            return [str(x) for x in conn.scalars(found.limit(limit))]

    def labels(self) -> list[Label]:
        """List all live labels in row order, without reading documents."""
        with self._read() as conn:
            return read_labels(conn, s.labels.c.live == 1)

    def languages(self) -> dict[str, int]:
        """Count the live documents of each language, "" where it was not guessed."""
        d = s.documents.c
        statement = select(d.language, func.count()).where(d.live == 1).group_by(d.language)
        with self._read() as conn:
            return {str(language): int(n) for language, n in conn.execute(statement)}

    def stated_labels(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Labels of documents as they stand in the record, found in the label set or not.

        For resolving names against a label set that came later; nothing that trains may call it.

        Yields
        ------
        document_id, labels, what they are ("gold" or "completed")
        """
        d, r = s.documents.c, s.document_records.c
        statement = (
            select(d.id, r.labels, r.labels_are)
            .join(s.document_records, r.seq == d.record_seq)
            .where(d.live == 1, r.labels.is_not(None), r.labels != "[]")
        )
        with self._read() as conn:
            rows = conn.execute(statement).all()
        for document_id, labels, kind in rows:
            yield document_id, tuple(string_list(labels)), kind

    def document_row(self, id: str) -> DocumentRow | None:
        """Return a live document as lists show it, or None."""
        return self.document_rows([id]).get(id)

    def document_rows(self, ids: Iterable[str]) -> dict[str, DocumentRow]:
        """Return the live documents of these ids as lists show them."""
        d = s.documents.c
        rows: list[DocumentRow] = []
        with self._read() as conn:
            for part in chunks(list(dict.fromkeys(ids)), CHUNK):
                nums = list(conn.scalars(select(d.num).where(d.id.in_(part), d.live == 1)))
                rows += self._rows(conn, nums)
        return {row.id: row for row in rows}

    def documents_page(
        self,
        *,
        query: str = "",
        role: Role | None = None,
        label_id: str | None = None,
        state: State | None = None,
        completed: bool | None = None,
        judged: bool | None = None,
        split: Split | None = None,
        page: int = 0,
        page_size: int = 50,
    ) -> Page[DocumentRow]:
        """List one page of live documents.

        Parameters
        ----------
        query : str
            Words of title or text, all wanted, three letters of a word are enough; or an id.
            The best matches come first; without a query, or with more than
            5000 matches, it is row order.
        label_id, state
            Documents with a pair on this label, in this state, or both on one pair.
        judged
            Those that have, or have not, a judged or decided pair.
        split
            Those of this split of the file.
        """
        check_page(page, page_size)
        with self._read() as conn:
            conditions = _conditions(conn, role, label_id, state, completed, judged, split)
            query = query.strip()
            found, order = _search(conn, query)
            total = conn.scalar(found.with_only_columns(func.count()).where(*conditions)) or 0
            # Ranking all of many matches takes seconds and tells them apart little.
            if query and total <= _RANKED:
                found, order = _search(conn, query, ranked=True)
            found = found.where(*conditions).order_by(*order)
            nums = list(conn.scalars(found.offset(page * page_size).limit(page_size)))
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
        Label(id_, name, description, tuple(string_list(aliases)), tuple(string_list(parents)))
        for id_, name, description, aliases, parents in rows
    ]


def check_page(page: int, page_size: int) -> None:
    """Refuse pages that don't exist or are too large to show."""
    if page < 0 or not 1 <= page_size <= 5000:
        raise InputError(
            f"page={page}, page_size={page_size}: expected page >= 0 and page_size from 1 to 5000."
        )


def _conditions(
    conn: Connection,
    role: Role | None,
    label_id: str | None,
    state: State | None,
    completed: bool | None,
    judged: bool | None,
    split: Split | None,
) -> list[Any]:
    """Conditions on `documents`: those of the live ones that a list is about."""
    d, p = s.documents.c, s.pairs.c
    conditions: list[Any] = [d.live == 1]
    if role is not None:
        conditions.append(d.role == role)
    if split is not None:
        conditions.append(d.split == split)
    if completed is not None:
        conditions.append(d.completed == int(completed))
    if judged is not None:
        n_pairs = d.n_accepted + d.n_rejected + d.n_proposed + d.n_declined + d.n_unparsed
        conditions.append(n_pairs > 0 if judged else n_pairs == 0)
    if label_id is not None:
        label_num = conn.scalar(select(s.labels.c.num).where(s.labels.c.id == label_id))
        wanted: list[Any] = [p.label_num == (-1 if label_num is None else label_num)]
        wanted += s.listed(state)
        conditions.append(d.num.in_(select(p.document_num).where(*wanted)))
    elif state is not None:
        conditions.append(s.documents.c[f"n_{state}"] > 0)
    return conditions


def _search(conn: Connection, query: str, *, ranked: bool = False) -> tuple[Select[Any], tuple[Any, ...]]:
    """Numbers of the documents that a query finds, and their order."""
    d = s.documents.c
    numbers = select(d.num)
    if not query:
        return numbers, (d.num,)
    exact = conn.scalar(select(d.num).where(d.id == query))
    if not query_words(query):
        return numbers.where(d.num == (-1 if exact is None else exact)), (d.num,)
    found = matches(conn, "document", query, ranked=ranked)
    if exact is None:
        return numbers.join(found, found.c.num == d.num), (found.c.rank, d.num)
    is_exact = d.num == exact
    numbers = numbers.outerjoin(found, found.c.num == d.num).where(or_(found.c.num.is_not(None), is_exact))
    return numbers, (is_exact.desc(), found.c.rank, d.num)
