"""Numbered migrations of the journal. Append only: a released one is never edited.

Each is a list of SQL statements for SQLite and PostgreSQL. `{key}` is the type of an integer
primary key, `{clustered}` stores a table by its primary key (SQLite). Statements marked for
one dialect run there alone.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy import Connection, text

from lmtx.errors import StorageError

_STATES: Final = (
    "n_accepted INTEGER NOT NULL DEFAULT 0, n_rejected INTEGER NOT NULL DEFAULT 0, "
    "n_proposed INTEGER NOT NULL DEFAULT 0, n_declined INTEGER NOT NULL DEFAULT 0, "
    "n_unparsed INTEGER NOT NULL DEFAULT 0"
)

_ONE: Final = [
    "CREATE TABLE counters (name TEXT PRIMARY KEY, n BIGINT NOT NULL) {clustered}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) {clustered}",
    "CREATE TABLE hashes (num {key}, hash TEXT NOT NULL UNIQUE)",
    "CREATE TABLE document_records (seq {key}, document_num BIGINT NOT NULL, kind TEXT NOT NULL, hash TEXT, "
    "title TEXT, split TEXT, language TEXT, labels TEXT, labels_are TEXT, source TEXT, at BIGINT NOT NULL, "
    "text TEXT)",
    "CREATE TABLE documents (num {key}, id TEXT NOT NULL UNIQUE, record_seq BIGINT NOT NULL, "
    "hash_num BIGINT NOT NULL, title TEXT NOT NULL, split TEXT NOT NULL, role TEXT NOT NULL, "
    "language TEXT NOT NULL, live SMALLINT NOT NULL, has_gold SMALLINT NOT NULL DEFAULT 0, "
    f"completed SMALLINT NOT NULL DEFAULT 0, {_STATES}, changed BIGINT NOT NULL)",
    "CREATE INDEX documents_hash ON documents (hash_num)",
    "CREATE INDEX documents_changed ON documents (changed, num)",
    # Not by `live`: without statistics SQLite would take such an index for every look-up of some ids.
    "CREATE INDEX documents_completed ON documents (completed, role)",
    "CREATE INDEX documents_counts ON documents (role, split, has_gold, completed, live)",
    "CREATE TABLE gold (document_num BIGINT NOT NULL, label_num BIGINT NOT NULL, "
    "PRIMARY KEY (document_num, label_num)) {clustered}",
    "CREATE TABLE label_records (seq {key}, label_num BIGINT NOT NULL, kind TEXT NOT NULL, hash TEXT, "
    "name TEXT, "
    "description TEXT, aliases TEXT, parents TEXT, source TEXT, at BIGINT NOT NULL)",
    "CREATE TABLE labels (num {key}, id TEXT NOT NULL UNIQUE, record_seq BIGINT, hash_num BIGINT, "
    f"name TEXT NOT NULL, name_key TEXT NOT NULL, live SMALLINT NOT NULL, n_gold INTEGER NOT NULL DEFAULT 0, "
    f"{_STATES}, changed BIGINT NOT NULL)",
    "CREATE INDEX labels_hash ON labels (hash_num)",
    "CREATE INDEX labels_changed ON labels (changed, num)",
    "CREATE INDEX labels_name ON labels (live, name_key)",
    "CREATE TABLE label_parents (label_num BIGINT NOT NULL, parent_num BIGINT NOT NULL, "
    "PRIMARY KEY (label_num, parent_num)) {clustered}",
    "CREATE INDEX label_parents_parent ON label_parents (parent_num)",
    "CREATE TABLE teachers (num {key}, key TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, details TEXT NOT NULL, "
    "at BIGINT NOT NULL)",
    "CREATE TABLE judgments (seq {key}, document_num BIGINT NOT NULL, label_num BIGINT NOT NULL, "
    "teacher_num BIGINT NOT NULL, document_hash_num BIGINT NOT NULL, label_hash_num BIGINT NOT NULL, "
    "verdict SMALLINT NOT NULL, probability DOUBLE PRECISION, round INTEGER NOT NULL, rank INTEGER NOT NULL, "
    "tokens INTEGER NOT NULL, raw TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX judgments_hashes ON judgments (document_hash_num, label_hash_num)",
    "CREATE TABLE decisions (seq {key}, document_num BIGINT NOT NULL, label_num BIGINT, action TEXT NOT "
    "NULL, "
    "reviewer TEXT NOT NULL, policy TEXT NOT NULL, inclusion_probability DOUBLE PRECISION, note TEXT "
    "NOT NULL, "
    "batch TEXT NOT NULL, retracts BIGINT, at BIGINT NOT NULL)",
    "CREATE INDEX decisions_pair ON decisions (document_num, label_num)",
    "CREATE INDEX decisions_label ON decisions (label_num)",
    "CREATE INDEX decisions_reviewer ON decisions (reviewer, seq)",
    "CREATE INDEX decisions_batch ON decisions (batch) WHERE batch <> ''",
    "CREATE INDEX decisions_retracts ON decisions (retracts) WHERE retracts IS NOT NULL",
    "CREATE TABLE standing (seq {key})",
    "CREATE TABLE pairs (document_num BIGINT NOT NULL, label_num BIGINT NOT NULL, state SMALLINT NOT NULL, "
    "verdict SMALLINT, probability DOUBLE PRECISION, teacher_num BIGINT, round INTEGER, judgment_seq BIGINT, "
    "decision SMALLINT, decision_seq BIGINT, PRIMARY KEY (document_num, label_num)) {clustered}",
    # Without the declined, most of all pairs: every judgment of a batch is about another label, and
    # a page written for each would cost more than all the rest. See `schema.listed`.
    "CREATE INDEX pairs_label ON pairs (label_num, state) WHERE state <> 3",
    "CREATE TABLE run_records (seq {key}, id TEXT NOT NULL, created BIGINT NOT NULL, kind TEXT NOT NULL, "
    "config TEXT NOT NULL, fingerprint TEXT NOT NULL, folder TEXT NOT NULL, metrics TEXT NOT NULL, "
    "note TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX run_records_id ON run_records (id, seq)",
    "CREATE TABLE promotions (seq {key}, run_id TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, verb TEXT NOT NULL, params TEXT NOT NULL, state TEXT NOT NULL, "
    "done BIGINT NOT NULL, total BIGINT NOT NULL, message TEXT NOT NULL, rate DOUBLE PRECISION, pid INTEGER, "
    "created BIGINT NOT NULL, started BIGINT, ended BIGINT, heartbeat BIGINT, error TEXT NOT NULL, "
    "result TEXT)",
    "CREATE INDEX jobs_created ON jobs (created)",
    # Full text: see `fulltext`. Contentless tables keep the words but not the texts a second time.
    "sqlite: CREATE VIRTUAL TABLE document_words USING fts5 "
    "(title, body, content='', tokenize='unicode61 remove_diacritics 2')",
    "sqlite: CREATE VIRTUAL TABLE label_words USING fts5 "
    "(name, rest, content='', prefix='1 2 3', tokenize='unicode61 remove_diacritics 2')",
    "postgresql: CREATE TABLE document_words (num BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
    "postgresql: CREATE INDEX document_words_words ON document_words USING GIN (words)",
    "postgresql: CREATE TABLE label_words (num BIGINT PRIMARY KEY, name TSVECTOR NOT NULL, words "
    "TSVECTOR NOT NULL)",
    "postgresql: CREATE INDEX label_words_name ON label_words USING GIN (name)",
    "postgresql: CREATE INDEX label_words_words ON label_words USING GIN (words)",
]

# What language models as teachers add: what an answer cost, which candidates it was given with; trials.
_TWO: Final = [
    "ALTER TABLE judgments ADD COLUMN tokens_out INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE judgments ADD COLUMN cost DOUBLE PRECISION NOT NULL DEFAULT 0",
    "ALTER TABLE judgments ADD COLUMN shown TEXT NOT NULL DEFAULT ''",
    "CREATE TABLE trial_records (seq {key}, id TEXT NOT NULL, body TEXT NOT NULL, at BIGINT NOT NULL)",
    "CREATE INDEX trial_records_id ON trial_records (id, seq)",
]

# The review workbench: why a label was rejected, whether the machine's opinion was hidden; and what the
# history is filtered and counted by.
_THREE: Final = [
    "ALTER TABLE decisions ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE decisions ADD COLUMN blind SMALLINT NOT NULL DEFAULT 0",
    "CREATE INDEX decisions_at ON decisions (at, seq)",
    # With all that a count reads: a hundred thousand rows are counted without the table.
    "CREATE INDEX decisions_action ON decisions (action, seq)",
    "CREATE INDEX decisions_policy ON decisions (policy, seq, action)",
    "CREATE INDEX decisions_reviewer_at ON decisions (reviewer, at, action)",
    "DROP INDEX decisions_label",
    "CREATE INDEX decisions_label ON decisions (label_num, seq, action)",
]

# What only adds a reason or a note to what was said already is told from what says something new; and
# completed documents are counted without reading them.
_FOUR: Final = [
    # Of these alone: an index of all by both columns would be taken for looking up some ids.
    "CREATE INDEX documents_done ON documents (completed, live) WHERE completed = 1",
    "CREATE INDEX decisions_explained ON decisions (seq, at, action) WHERE reason <> '' OR note <> ''",
]

# What people settled before a label was there says nothing of it. Not by time: decisions may be imported.
_FIVE: Final = ["ALTER TABLE label_records ADD COLUMN after_decision BIGINT"]

MIGRATIONS: Final[list[list[str]]] = [_ONE, _TWO, _THREE, _FOUR, _FIVE]
"""Migration number n is entry n - 1."""


def migrate(conn: Connection) -> None:
    """Bring the database of an open write transaction to the newest schema.

    Raises
    ------
    StorageError
        If the database was written by a newer version of the product.
    """
    dialect = conn.dialect.name
    conn.execute(text("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"))
    version = int(conn.execute(text("SELECT coalesce(max(version), 0) FROM schema_version")).scalar_one())
    if version > len(MIGRATIONS):
        raise StorageError(
            f"The journal has schema version {version}, this program knows up to {len(MIGRATIONS)}. "
            "Open it with the newer version of LMTX Studio that wrote it."
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            for name in ("sqlite", "postgresql"):
                if statement.startswith(f"{name}: "):
                    statement = statement.removeprefix(f"{name}: ") if name == dialect else ""
            if statement:
                conn.exec_driver_sql(
                    statement.replace("{key}", _key(dialect)).replace("{clustered}", _clustered(dialect))
                )
        conn.execute(text("INSERT INTO schema_version (version) VALUES (:n)"), {"n": number})
    if version == 0:
        conn.execute(
            text("INSERT INTO meta (name, value) VALUES ('journal_id', :id)"), {"id": uuid.uuid4().hex}
        )


def _key(dialect: str) -> str:
    # Only the word INTEGER makes the column SQLite's row id.
    return "INTEGER PRIMARY KEY" if dialect == "sqlite" else "BIGINT PRIMARY KEY"


def _clustered(dialect: str) -> str:
    return "WITHOUT ROWID" if dialect == "sqlite" else ""
