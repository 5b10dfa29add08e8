"""Opening the journal's database: SQLite or PostgreSQL, each with its way of one writer at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from lmtx.errors import StorageError

BUSY_MS: Final = 60_000
WRITE: Final = "lmtx_write"
_LOCK: Final = 5_495_824_001  # any number: PostgreSQL's advisory lock of writers


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """Open a database; `read_only` makes the database itself refuse what would change it.

    Raises
    ------
    StorageError
        If the address can't be used, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
            if not read_only:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                parsed, pool_size=8, max_overflow=32, connect_args={"timeout": BUSY_MS / 1000}
            )
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StorageError(
            f"The journal can't be opened at {shown_url(url)}: the database driver {error.name!r} is not "
            'installed. For PostgreSQL: pip install "psycopg[binary]", and begin the address with '
            "postgresql+psycopg://"
        ) from error
    except (ArgumentError, NoSuchModuleError, OSError, ValueError) as error:
        raise StorageError(
            f"The journal can't be opened at {shown_url(url)}: {error}. "
            "Expected sqlite:////path/journal.db or postgresql+psycopg://user@host/database."
        ) from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise StorageError(
            f"The journal can't be kept in {engine.dialect.name!r}. Use an SQLite file or PostgreSQL."
        )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite_to_read if read_only else _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
        if read_only:
            event.listen(engine, "begin", _only_read_postgresql)
    return engine


def shown_url(url: str) -> str:
    """Address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return "an address that can't be read"


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"busy_timeout = {BUSY_MS}",
        "cache_size = -65536",
        "temp_store = MEMORY",
        # Pages of indexes are written many times over; a longer log writes them home once.
        "wal_autocheckpoint = 16000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_sqlite_to_read(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_MS}", "cache_size = -65536", "query_only = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(WRITE) else "BEGIN")


def _begin_postgresql(conn: Connection) -> None:
    if conn.get_execution_options().get(WRITE):
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    else:
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _only_read_postgresql(conn: Connection) -> None:
    conn.exec_driver_sql("SET TRANSACTION READ ONLY")
