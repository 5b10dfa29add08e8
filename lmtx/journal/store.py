"""The database behind the journal: engine, transactions, numbering, and the state of pairs.

Writers are serialised (SQLite: `BEGIN IMMEDIATE`; PostgreSQL: an advisory lock), and all
numbers come from the `counters` table inside the transaction. So numbers have no gaps and
become visible in their order: whoever has seen n has seen everything up to n.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from lmtx.errors import ReadOnlyError, StorageError
from lmtx.journal import schema as s
from lmtx.journal.engine import WRITE, open_engine, shown_url
from lmtx.journal.migrations import MIGRATIONS, migrate

T = TypeVar("T")

CHUNK: Final = 500


class PairValue(NamedTuple):
    """What counts for a pair: the newest judgment on the current texts, the newest standing decision."""

    verdict: int | None = None
    probability: float | None = None
    teacher_num: int | None = None
    round: int | None = None
    judgment_seq: int | None = None
    decision: int | None = None
    decision_seq: int | None = None

    @property
    def state(self) -> int:
        """Position in `schema.STATES`."""
        if self.decision is not None:
            return self.decision
        assert self.verdict is not None
        return 2 + self.verdict


PairKey = tuple[int, int]
_NO_PAIR: Final = PairValue()


class Transaction:
    """An open write transaction: numbers, pair updates, and what to do when it has committed."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        rows = conn.execute(select(s.counters.c.name, s.counters.c.n)).all()
        self._stored = {name: int(n) for name, n in rows}
        self.counters = dict(self._stored)
        self.change = self.counters.get("change", 0) + 1
        self.touched: set[int] = set()
        self._document_deltas: dict[int, list[int]] = {}
        self._label_deltas: dict[int, list[int]] = {}
        self._gold_deltas: dict[int, int] = {}
        self.on_commit: list[Callable[[], None]] = []

    def take(self, name: str, n: int = 1) -> int:
        """Reserve n numbers of a table; returns the first. Numbers start at 1."""
        last: int = self.counters.get(name, 0)
        self.counters[name] = last + n
        return last + 1

    def count(self, name: str, by: int) -> None:
        """Add to a counter."""
        if by:
            self.counters[name] = self.counters.get(name, 0) + by

    def count_gold(self, label_num: int, by: int) -> None:
        """Note that a label gained or lost gold documents."""
        self._gold_deltas[label_num] = self._gold_deltas.get(label_num, 0) + by

    def mark_content(self, kind: str) -> None:
        """Note that documents or labels themselves changed (their texts, not their pairs)."""
        self.counters[f"content:{kind}"] = self.change

    def set_pairs(self, old: dict[PairKey, PairValue], new: dict[PairKey, PairValue]) -> None:
        """Replace what is stored for pairs, where `_NO_PAIR` means none, and count.

        Parameters
        ----------
        old : dict
            What is stored for the pairs of `new` now; a pair that is not stored is left out.
        """
        inserts: list[Sequence[Any]] = []
        updates: list[Sequence[Any]] = []
        deletes: list[Sequence[Any]] = []
        states = [0] * len(s.STATES)
        judged = 0
        for key, value in new.items():
            before = old.get(key)
            if value == (before or _NO_PAIR):
                continue
            document_num, label_num = key
            self.touched.add(document_num)
            here = self._document_deltas.get(document_num)
            if here is None:
                here = self._document_deltas[document_num] = [0] * len(s.STATES)
            there = self._label_deltas.get(label_num)
            if there is None:
                there = self._label_deltas[label_num] = [0] * len(s.STATES)
            if before is not None:
                state = before.state
                here[state] -= 1
                there[state] -= 1
                states[state] -= 1
                judged -= before.verdict is not None
            if value.verdict is None and value.decision is None:
                deletes.append(key)
                continue
            state = value.state
            here[state] += 1
            there[state] += 1
            states[state] += 1
            judged += value.verdict is not None
            if before is None:
                inserts.append((*key, state, *value))
            else:
                updates.append((state, *value, *key))
        execute_many(self.conn, _INSERT_PAIR, inserts)
        execute_many(self.conn, _UPDATE_PAIR, updates)
        execute_many(self.conn, _DELETE_PAIR, deletes)
        for name, by in zip(s.STATES, states, strict=True):
            self.count(f"state:{name}", by)
        self.count("judged_pairs", judged)

    def flush(self) -> None:
        """Write the counts that were gathered; called once, before the commit."""
        none = [0] * len(s.STATES)
        execute_many(
            self.conn,
            _COUNT_DOCUMENT,
            [(self.change, *self._document_deltas.get(num, none), num) for num in sorted(self.touched)],
        )
        execute_many(
            self.conn, _COUNT_LABEL, [(*by, num) for num, by in sorted(self._label_deltas.items()) if any(by)]
        )
        execute_many(
            self.conn, _COUNT_GOLD, [(by, num) for num, by in sorted(self._gold_deltas.items()) if by]
        )
        self.counters["change"] = self.change
        changed = [{"name": name, "n": n} for name, n in self.counters.items() if self._stored.get(name) != n]
        if changed:
            self.conn.execute(_SET_COUNTER, changed)


def execute_many(conn: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a statement with `?` places for many rows, past SQLAlchemy's work for each parameter."""
    if rows:
        if conn.dialect.name != "sqlite":
            sql = sql.replace("?", "%s")
        conn.exec_driver_sql(sql, [tuple(row) for row in rows])


def insert_sql(table: str, columns: Sequence[str]) -> str:
    """INSERT of these columns with `?` places."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


_INSERT_PAIR: Final = insert_sql("pairs", ("document_num", "label_num", "state", *PairValue._fields))
_UPDATE_PAIR: Final = (
    f"UPDATE pairs SET {', '.join(f'{name} = ?' for name in ('state', *PairValue._fields))} "
    "WHERE document_num = ? AND label_num = ?"
)
_DELETE_PAIR: Final = "DELETE FROM pairs WHERE document_num = ? AND label_num = ?"
_PLUS: Final = ", ".join(f"{name} = {name} + ?" for name in s.STATE_COLUMNS)
_COUNT_DOCUMENT: Final = f"UPDATE documents SET changed = ?, {_PLUS} WHERE num = ?"
_COUNT_LABEL: Final = f"UPDATE labels SET {_PLUS} WHERE num = ?"
_COUNT_GOLD: Final = "UPDATE labels SET n_gold = n_gold + ? WHERE num = ?"
_SET_COUNTER: Final = text(
    "INSERT INTO counters (name, n) VALUES (:name, :n) ON CONFLICT (name) DO UPDATE SET n = excluded.n"
)


class Store:
    """Engine and transactions; the journal's parts build on it.

    Safe for several threads of a process and for several processes. After a fork the child
    gets connections of its own.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url = url
        self.read_only = read_only
        self._pid = os.getpid()
        self._writing = threading.Lock()
        self._writer: int | None = None
        self._engine = open_engine(url, read_only=read_only)
        # Numbers of ids and hashes never change, so what was once read may be kept.
        self._nums: dict[str, dict[str, int]] = {"documents": {}, "labels": {}, "hashes": {}, "teachers": {}}
        self._label_nums_by_hash: tuple[int, dict[int, list[int]]] | None = None
        self._migrate()

    def _migrate(self) -> None:
        try:
            with self._engine.connect() as conn, conn.begin():
                version = conn.execute(text("SELECT max(version) FROM schema_version")).scalar()
                if version == len(MIGRATIONS):
                    return
        except DBAPIError:
            pass  # no such table yet, or no connection, which the next statement reports
        if self.read_only:
            raise StorageError(
                f"The journal {shown_url(self.url)} can't be read, or was written by another version of this "
                "product. Open the workspace once without --read-only, which brings it to this version."
            )
        with self._guard(), self._connect(write=True) as conn, conn.begin():
            migrate(conn)

    def close(self) -> None:
        """Close all connections. A closed journal opens again when it is used."""
        self._engine.dispose()

    @property
    def id(self) -> str:
        """Random identity of this journal, made when it was created."""
        with self._read() as conn:
            return str(conn.execute(select(s.meta.c.value).where(s.meta.c.name == "journal_id")).scalar_one())

    def _connect(self, *, write: bool = False) -> Connection:
        if os.getpid() != self._pid:
            # The parent's connections must not be closed from here, only forgotten.
            self._engine.dispose(close=False)
            self._writing = threading.Lock()
            self._writer = None
            self._pid = os.getpid()
        return self._engine.connect().execution_options(**{WRITE: write})

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StorageError(
                f"The journal {shown_url(self.url)} can't be read or written: {error.orig}. {self._remedy()}"
            ) from error

    def _remedy(self) -> str:
        if self._engine.dialect.name == "sqlite":
            return (
                "Check that the disk is not full, the file is writable and no other program holds it; "
                "then repeat."
            )
        return "Check that the server runs, is reached from here and lets this user in; then repeat."

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """One consistent view of the journal."""
        with self._guard(), self._connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def _write(self) -> Iterator[Transaction]:
        """One transaction: when the block ends without error, it is durable."""
        if self.read_only:
            raise ReadOnlyError
        if self._writer == threading.get_ident():
            raise RuntimeError(
                "The journal was written to inside one of its own transactions (say, by the iterator of an "
                "import or its progress callback), which would wait for itself. Write before or after it."
            )
        # Threads of one process queue here, not in SQLite's slower busy handler.
        with self._guard(), self._writing:
            self._writer = threading.get_ident()
            try:
                with self._connect(write=True) as conn, conn.begin():
                    transaction = Transaction(conn)
                    yield transaction
                    transaction.flush()
            finally:
                self._writer = None
            for action in transaction.on_commit:
                action()

    def _counters(self, conn: Connection) -> dict[str, int]:
        return {name: int(n) for name, n in conn.execute(select(s.counters.c.name, s.counters.c.n))}

    # Numbers of ids and hashes

    def _lookup(self, conn: Connection, table: str, keys: Iterable[str]) -> dict[str, int]:
        """Look up the numbers of those keys that have one."""
        cache = self._nums[table]
        wanted = set(keys)
        found = {key: cache[key] for key in wanted if key in cache}
        columns = s.metadata.tables[table].c
        column = columns.hash if table == "hashes" else columns.key if table == "teachers" else columns.id
        for part in chunks(sorted(wanted - found.keys()), CHUNK):
            rows = conn.execute(select(column, columns.num).where(column.in_(part)))
            found.update((key, num) for key, num in rows)
        return found

    def _remember(self, tx: Transaction, table: str, nums: dict[str, int]) -> None:
        tx.on_commit.append(lambda: self._nums[table].update(nums))

    def _intern_hashes(self, tx: Transaction, hashes: Iterable[str]) -> tuple[dict[str, int], set[int]]:
        """Numbers of hashes, given where there was none; also returns the set of those given now."""
        wanted = list(dict.fromkeys(hashes))
        nums = self._lookup(tx.conn, "hashes", wanted)
        missing = [key for key in wanted if key not in nums]
        first = tx.take("hashes", len(missing)) if missing else 0
        new = {key: first + i for i, key in enumerate(missing)}
        if new:
            tx.conn.execute(insert(s.hashes), [{"num": num, "hash": key} for key, num in new.items()])
        nums.update(new)
        self._remember(tx, "hashes", nums)
        return nums, set(new.values())

    def _intern_labels(self, tx: Transaction, ids: Iterable[str]) -> dict[str, int]:
        """Numbers of label ids; an unknown one gets a row that is not live."""
        wanted = list(dict.fromkeys(ids))
        nums = self._lookup(tx.conn, "labels", wanted)
        missing = [key for key in wanted if key not in nums]
        if missing:
            first = tx.take("labels", len(missing))
            new = {key: first + i for i, key in enumerate(missing)}
            rows = [
                {"num": num, "id": key, "name": "", "name_key": "", "live": 0, "changed": 0}
                for key, num in new.items()
            ]
            tx.conn.execute(insert(s.labels), rows)
            nums.update(new)
        self._remember(tx, "labels", nums)
        return nums

    def _labels_by_hash(self, tx: Transaction) -> dict[int, list[int]]:
        """Map the number of a text hash to the numbers of the live labels with that text."""
        generation = tx.counters.get("content:labels", 0)
        cached = self._label_nums_by_hash
        if cached is not None and cached[0] == generation and generation != tx.change:
            return cached[1]
        by_hash = group(
            tx.conn.execute(select(s.labels.c.hash_num, s.labels.c.num).where(s.labels.c.live == 1))
        )
        if generation != tx.change:
            self._label_nums_by_hash = (generation, by_hash)
        return by_hash


def group(rows: Iterable[Any]) -> dict[int, list[int]]:
    """Group (key, value) rows by key."""
    grouped: dict[int, list[int]] = {}
    for key, value in rows:
        grouped.setdefault(key, []).append(value)
    return grouped


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Split a sequence into parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 of a moment; one without a time zone is taken as UTC."""
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return round(at.timestamp() * 1_000_000)


def from_micros(at: int) -> datetime:
    """Return the moment of microseconds since 1970, UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC)


def micros_now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def finite(value: float | None) -> float | None:
    """Return the number as a Python float, None where it is not a number."""
    return None if value is None or not math.isfinite(value) else float(value)
