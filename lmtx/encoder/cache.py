"""Vectors by content hash, in one SQLite file that several processes may share."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lmtx.errors import ShapeError, StorageError
from lmtx.types import BoolArray, FloatArray

_SCHEMA = """
CREATE TABLE IF NOT EXISTS encoders (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS vectors (
    encoder INTEGER NOT NULL REFERENCES encoders (id), hash TEXT NOT NULL, vector BLOB NOT NULL,
    UNIQUE (encoder, hash)
);
"""
_PAGE = 5000
_STORED = np.dtype("<f2")


class EmbeddingCache:
    """Vectors keyed by (encoder key, content hash).

    Stored as float16: half the bytes, and the rounding (cosine error about 1e-7 on unit
    vectors) is far below that of computing in bfloat16. What `get` returns is float32 and
    the same every time, also for the call that computed it (`lmtx.encoder.embed`).

    Each `put` is one transaction, so a killed process keeps every batch it had put. Several
    processes may read and write; a second writer of the same vector is ignored.

    Parameters
    ----------
    path : Path
        SQLite file; made with its folder if missing.
    read_only : bool
        Whether the file stays as it is: what is put then lives in memory, as long as this object.

    Raises
    ------
    StorageError
        If the file can't be opened or is no such cache.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._read_only = read_only
        self._fresh: dict[tuple[str, str], FloatArray] = {}
        try:
            if read_only:
                self._db = self._open_to_read()
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA busy_timeout = 60000")
            self._db.execute("PRAGMA journal_mode = WAL")
            # Vectors can be computed again: a power cut may cost the newest batches, never the file.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"embedding cache {self.path}: {error}. Check the folder's rights and free space; "
                "the file may be deleted, its vectors are computed again when needed."
            ) from error

    def _open_to_read(self) -> sqlite3.Connection:
        there = self.path.is_file()
        name = f"{self.path.resolve().as_uri()}?mode=ro" if there else ":memory:"
        db = sqlite3.connect(name, timeout=60, isolation_level=None, check_same_thread=False, uri=there)
        if not there:
            db.executescript(_SCHEMA)
        return db

    @property
    def folder(self) -> Path:
        """Where the file lies; machine facts about encoders are kept beside it."""
        return self.path.parent

    def get(self, encoder_key: str, hashes: Sequence[str]) -> tuple[FloatArray, BoolArray]:
        """Vectors that are known.

        Parameters
        ----------
        encoder_key : str
            `lmtx.encoder.encoder_key`.
        hashes : sequence of str, length n
            Content hashes; repeats are fine.

        Returns
        -------
        vectors : ndarray of float32, shape (n, dim)
            Zeros where unknown; dim is 0 if the encoder never stored anything.
        known : ndarray of bool, shape (n,)
        """
        known = np.zeros(len(hashes), dtype=np.bool_)
        with self._lock:
            row = self._execute("SELECT id, dim FROM encoders WHERE key = ?", (encoder_key,)).fetchone()
            if row is None:
                return self._with_fresh(encoder_key, hashes, np.zeros((len(hashes), 0), np.float32), known)
            encoder, dim = int(row[0]), int(row[1])
            vectors = np.zeros((len(hashes), dim), dtype=np.float32)
            for start in range(0, len(hashes), _PAGE):
                # json_each carries any number of hashes in one parameter and gives the position back;
                # CROSS keeps SQLite from scanning it once for each stored vector.
                found = self._execute(
                    "SELECT wanted.key, vectors.vector FROM json_each(?) AS wanted CROSS "
                    "JOIN vectors ON vectors.encoder = ? AND vectors.hash = wanted.value",
                    (json.dumps(list(hashes[start : start + _PAGE])), encoder),
                ).fetchall()
                if not found:
                    continue
                rows = np.fromiter((start + int(r[0]) for r in found), dtype=np.int64, count=len(found))
                vectors[rows] = np.frombuffer(b"".join(r[1] for r in found), dtype=_STORED).reshape(-1, dim)
                known[rows] = True
        return self._with_fresh(encoder_key, hashes, vectors, known)

    def _with_fresh(
        self, encoder_key: str, hashes: Sequence[str], vectors: FloatArray, known: BoolArray
    ) -> tuple[FloatArray, BoolArray]:
        """Add what was put while the file is only read."""
        for i, h in enumerate(hashes) if self._fresh else ():
            fresh = self._fresh.get((encoder_key, h))
            if fresh is not None and not known[i]:
                if not vectors.shape[1]:
                    vectors = np.zeros((len(hashes), len(fresh)), dtype=np.float32)
                vectors[i], known[i] = fresh, True
        return vectors, known

    def put(self, encoder_key: str, hashes: Sequence[str], vectors: FloatArray) -> None:
        """Store vectors in one transaction.

        Parameters
        ----------
        encoder_key : str
            `lmtx.encoder.encoder_key`.
        hashes : sequence of str, length n
        vectors : ndarray of float32, shape (n, dim)

        Raises
        ------
        ShapeError
            If counts differ, or dim is not that of this encoder's earlier vectors.
        StorageError
            If the file can't be written.
        """
        if vectors.ndim != 2 or len(vectors) != len(hashes):
            raise ShapeError(
                f"embedding cache: {len(hashes)} hashes and vectors of shape {vectors.shape}, expected "
                f"({len(hashes)}, dim). Pass one row a hash."
            )
        if not len(hashes):
            return
        stored = np.ascontiguousarray(vectors, dtype=_STORED)
        dim = stored.shape[1]
        if self._read_only:
            self._fresh.update(((encoder_key, h), stored[i].astype(np.float32)) for i, h in enumerate(hashes))
            return
        with self._lock:
            self._execute("BEGIN IMMEDIATE")
            try:
                self._execute(
                    "INSERT INTO encoders (key, dim) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
                    (encoder_key, dim),
                )
                encoder, known_dim = self._execute(
                    "SELECT id, dim FROM encoders WHERE key = ?", (encoder_key,)
                ).fetchone()
                if known_dim != dim:
                    raise ShapeError(
                        f"embedding cache {self.path}: encoder {encoder_key!r} has {known_dim} dimensions "
                        f"here, got {dim}. Another model bears the same key; delete the file to start anew."
                    )
                self._db.executemany(
                    "INSERT INTO vectors (encoder, hash, vector) VALUES (?, ?, ?) "
                    "ON CONFLICT (encoder, hash) DO NOTHING",
                    ((encoder, h, stored[i].tobytes()) for i, h in enumerate(hashes)),
                )
                self._execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._failed(error) from error
                raise

    def forget(self, hashes: Sequence[str]) -> int:
        """Erase the vectors of these content hashes under every encoder; returns how many went."""
        removed = 0
        with self._lock:
            encoders = self._execute("SELECT id FROM encoders").fetchall()
            for start in range(0, len(hashes), _PAGE):
                page = json.dumps(list(hashes[start : start + _PAGE]))
                for (encoder,) in encoders:  # one by one, so that the index on both columns serves
                    removed += self._execute(
                        "DELETE FROM vectors WHERE encoder = ? AND hash IN (SELECT value FROM json_each(?))",
                        (encoder, page),
                    ).rowcount
        return removed

    def count(self, encoder_key: str) -> int:
        """How many vectors an encoder has here."""
        with self._lock:
            row = self._execute(
                "SELECT COUNT(*) FROM vectors JOIN encoders ON encoders.id = vectors.encoder "
                "WHERE encoders.key = ?",
                (encoder_key,),
            ).fetchone()
        return int(row[0])

    def version(self) -> object:
        """Return a value that changes when any process puts or forgets vectors."""
        with self._lock:
            changed = self._execute("PRAGMA data_version").fetchone()[0]
            return (changed, self._db.total_changes, len(self._fresh))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _execute(self, sql: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(sql, parameters)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StorageError:
        return StorageError(
            f"embedding cache {self.path}: {error}. Check free space and rights, or that no other program "
            "holds the file; it may be deleted, its vectors are computed again when needed."
        )
