"""Words of documents and labels, searched by SQL: FTS5 on SQLite, tsvector on PostgreSQL.

Both are given the same words: folded case, without accents, and Chinese, Japanese and Korean
characters one by one, so that part of an unspaced text is found as a phrase.

`searchable` must stay as it is: FTS5 forgets an old text by being shown its words again.
Changing it needs a migration that rebuilds both tables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, Literal

from sqlalchemy import CTE, Connection, Select, func, literal_column, select, text

_UNSPACED: Final = re.compile(
    "[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_WORD: Final = re.compile(r"[^\W_]+")
_LONGEST: Final = 200_000  # characters of a text that are searched; PostgreSQL bounds a tsvector at 1 MB

Table = Literal["document", "label"]


def searchable(value: str) -> str:
    """Fold a text to what is indexed and searched."""
    value = value[:_LONGEST]
    if value.isascii():
        return value.lower().replace("\x00", " ")
    value = unicodedata.normalize("NFKC", value).casefold()
    value = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", value)))
    return _UNSPACED.sub(r" \g<0> ", value).replace("\x00", " ")


def query_words(query: str) -> list[list[str]]:
    """Split a query into phrases: a word is a phrase of one, an unspaced run one of many."""
    phrases: list[list[str]] = []
    for chunk in query.split():
        words = _WORD.findall(searchable(chunk))
        run: list[str] = []
        for word in words:
            if _UNSPACED.match(word):
                run.append(word)
            else:
                if run:
                    phrases.append(run)
                    run = []
                phrases.append([word])
        if run:
            phrases.append(run)
    return phrases[:32]


def matches(
    conn: Connection,
    table: Table,
    query: str,
    *,
    any_word: bool = False,
    names: bool = False,
    ranked: bool = False,
) -> CTE:
    """Select (num, rank) of items that hold the words of a query, or words that begin with them.

    Parameters
    ----------
    any_word : bool
        One word is enough; otherwise all are wanted.
    names : bool
        Look in the names of labels alone.
    ranked : bool
        Compute the rank, small for a good match; otherwise it is 0. It costs a multiple of
        the search where many items match.
    """
    phrases = query_words(query)
    shortest = 3 if table == "document" else 1
    statement: Select[Any]
    if conn.dialect.name == "sqlite":
        terms = ['"' + " ".join(phrase) + '"' + "*" * _extends(phrase, shortest) for phrase in phrases]
        expression = (" OR " if any_word else " AND ").join(terms) or '""'
        if names:
            expression = f"name : ({expression})"
        name = f"{table}_words"
        statement = (
            select(_number("rowid", "num"), _number("rank" if ranked else "0", "rank"))
            .select_from(text(name))
            .where(text(f"{name} MATCH :words").bindparams(words=expression))
        )
        return statement.cte("found").prefix_with("MATERIALIZED")
    terms = [
        "(" + " <-> ".join([*phrase[:-1], phrase[-1] + ":*" * _extends(phrase, shortest)]) + ")"
        for phrase in phrases
    ]
    column: Any = literal_column("name" if names else "words")
    wanted = func.to_tsquery("simple", (" | " if any_word else " & ").join(terms))
    rank = (-func.ts_rank(column, wanted)) if ranked else literal_column("0")
    statement = (
        select(_number("num", "num"), rank.label("rank"))
        .select_from(text(f"{table}_words"))
        .where(column.op("@@")(wanted))
    )
    return statement.cte("found").prefix_with("MATERIALIZED")


def _extends(phrase: list[str], shortest: int) -> bool:
    """Tell whether a phrase also means words that begin with its last one.

    In texts, one or two letters begin so many words that the search would take seconds.
    """
    return len(phrase) > 1 or len(phrase[0]) >= shortest or bool(_UNSPACED.match(phrase[0]))


def add_words(conn: Connection, table: Table, rows: Sequence[tuple[int, str, str]]) -> None:
    """Index (num, first, second): title and text of documents, name and the rest of labels."""
    if not rows:
        return
    first, second = _columns(table)
    if conn.dialect.name == "sqlite":
        statement = f"INSERT INTO {table}_words (rowid, {first}, {second}) VALUES (:num, :first, :second)"
        conn.execute(
            text(statement),
            [{"num": n, "first": searchable(a), "second": searchable(b)} for n, a, b in rows],
        )
        return
    columns, values = "num, words", ":num, to_tsvector('simple', :both)"
    if table == "label":
        columns = "num, name, words"
        values = ":num, to_tsvector('simple', :first), to_tsvector('simple', :both)"
    conn.execute(
        text(f"INSERT INTO {table}_words ({columns}) VALUES ({values})"),
        [{"num": n, "first": _plain(a), "both": _plain(f"{a} {b}")} for n, a, b in rows],
    )


def remove_words(conn: Connection, table: Table, rows: Sequence[tuple[int, str, str]]) -> None:
    """Forget items, given exactly as they were indexed."""
    if not rows:
        return
    first, second = _columns(table)
    if conn.dialect.name == "sqlite":
        name = f"{table}_words"
        conn.execute(
            text(
                f"INSERT INTO {name} ({name}, rowid, {first}, {second}) "
                "VALUES ('delete', :num, :first, :second)"
            ),
            [{"num": n, "first": searchable(a), "second": searchable(b)} for n, a, b in rows],
        )
        return
    conn.execute(text(f"DELETE FROM {table}_words WHERE num = :num"), [{"num": n} for n, _, _ in rows])


def _number(expression: str, name: str) -> Any:
    return literal_column(expression).label(name)


def _columns(table: Table) -> tuple[str, str]:
    return ("title", "body") if table == "document" else ("name", "rest")


def _plain(value: str) -> str:
    # PostgreSQL's parser would make one token of a path or an address.
    return " ".join(_WORD.findall(searchable(value)))
