"""Tables of the journal as SQLAlchemy sees them; `migrations` creates them.

Records (`document_records`, `label_records`, `judgments`, `decisions`, `run_records`,
`promotions`, `trial_records`) are only ever appended to. The other tables are projections: what the records
amount to now, kept up in the same transaction, and derivable from the records.

Users' ids and content hashes are strings of any length; rows refer to each other by small
integers (`_num`) so that a million pairs stay small. A number is never used twice.
"""

from __future__ import annotations

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    literal_column,
)

from lmtx.types import State, Verdict

metadata = MetaData()

# A code is the position in these tuples. State = decision code, or 2 + verdict code.
STATES: Final[tuple[State, ...]] = get_args(State)
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
DECISIONS: Final = ("accept", "reject")
STATE_COLUMNS: Final = tuple(f"n_{state}" for state in STATES)
assert STATES == ("accepted", "rejected", "proposed", "declined", "unparsed")
assert VERDICTS == ("yes", "no", "unparsed")

counters = Table("counters", metadata, Column("name", Text, primary_key=True), Column("n", BigInteger))

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text))

hashes = Table(
    "hashes",
    metadata,
    Column("num", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Text),
)

document_records = Table(
    "document_records",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("document_num", BigInteger),
    Column("kind", Text),  # put | delete
    Column("hash", Text),
    Column("title", Text),
    Column("text", Text),
    Column("split", Text),
    Column("language", Text),
    Column("labels", Text),  # JSON array, null: the file said nothing
    Column("labels_are", Text),
    Column("source", Text),
    Column("at", BigInteger),  # microseconds since 1970, UTC
)

documents = Table(
    "documents",
    metadata,
    Column("num", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text),
    Column("record_seq", BigInteger),
    Column("hash_num", BigInteger),
    Column("title", Text),
    Column("split", Text),
    Column("role", Text),
    Column("language", Text),
    Column("live", SmallInteger),
    Column("has_gold", SmallInteger),
    Column("completed", SmallInteger),
    *(Column(name, Integer) for name in STATE_COLUMNS),
    Column("changed", BigInteger),
)

gold = Table(
    "gold",
    metadata,
    Column("document_num", BigInteger, primary_key=True, autoincrement=False),
    Column("label_num", BigInteger, primary_key=True, autoincrement=False),
)

label_records = Table(
    "label_records",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("label_num", BigInteger),
    Column("kind", Text),
    Column("hash", Text),
    Column("name", Text),
    Column("description", Text),
    Column("aliases", Text),
    Column("parents", Text),
    Column("source", Text),
    Column("at", BigInteger),
    Column("after_decision", BigInteger),  # where the label was not there before; null else
)

labels = Table(
    "labels",
    metadata,
    Column("num", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text),
    Column("record_seq", BigInteger),  # null: mentioned by a document or a child, not in the label set
    Column("hash_num", BigInteger),
    Column("name", Text),
    Column("name_key", Text),
    Column("live", SmallInteger),
    Column("n_gold", Integer),
    *(Column(name, Integer) for name in STATE_COLUMNS),
    Column("changed", BigInteger),
)

label_parents = Table(
    "label_parents",
    metadata,
    Column("label_num", BigInteger, primary_key=True, autoincrement=False),
    Column("parent_num", BigInteger, primary_key=True, autoincrement=False),
)

teachers = Table(
    "teachers",
    metadata,
    Column("num", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Text),
    Column("spec", Text),
    Column("details", Text),
    Column("at", BigInteger),
)

judgments = Table(
    "judgments",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("document_num", BigInteger),
    Column("label_num", BigInteger),
    Column("teacher_num", BigInteger),
    Column("document_hash_num", BigInteger),
    Column("label_hash_num", BigInteger),
    Column("verdict", SmallInteger),
    Column("probability", Float),
    Column("round", Integer),
    Column("rank", Integer),
    Column("tokens", Integer),
    Column("raw", Text),
    Column("at", BigInteger),
    Column("tokens_out", Integer),
    Column("cost", Float),  # dollars
    Column("shown", Text),  # JSON array of label ids, empty where a pair was judged by itself
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("document_num", BigInteger),
    Column("label_num", BigInteger),
    Column("action", Text),
    Column("reviewer", Text),
    Column("policy", Text),
    Column("inclusion_probability", Float),
    Column("note", Text),
    Column("batch", Text),
    Column("retracts", BigInteger),
    Column("at", BigInteger),
    Column("reason", Text),
    Column("blind", SmallInteger),
)

standing = Table("standing", metadata, Column("seq", BigInteger, primary_key=True, autoincrement=False))

pairs = Table(
    "pairs",
    metadata,
    Column("document_num", BigInteger, primary_key=True, autoincrement=False),
    Column("label_num", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger),
    Column("verdict", SmallInteger),
    Column("probability", Float),
    Column("teacher_num", BigInteger),
    Column("round", Integer),
    Column("judgment_seq", BigInteger),
    Column("decision", SmallInteger),
    Column("decision_seq", BigInteger),
)


def listed(state: State | None) -> list[ColumnElement[bool]]:
    """Conditions on `pairs` for one state (or any), worded so that the index of labels is used.

    It holds no declined pairs: those are found by reading all pairs, a tenth of a second a million.
    """
    if state is None:
        return []
    code = STATES.index(state)
    conditions: list[ColumnElement[bool]] = [pairs.c.state == code]
    if state != "declined":
        conditions.append(pairs.c.state != literal_column("3"))
    return conditions


run_records = Table(
    "run_records",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text),
    Column("created", BigInteger),
    Column("kind", Text),
    Column("config", Text),
    Column("fingerprint", Text),
    Column("folder", Text),
    Column("metrics", Text),
    Column("note", Text),
    Column("at", BigInteger),
)

promotions = Table(
    "promotions",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", Text),
    Column("at", BigInteger),
)

trial_records = Table(
    "trial_records",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text),
    Column("body", Text),
    Column("at", BigInteger),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("verb", Text),
    Column("params", Text),
    Column("state", Text),
    Column("done", BigInteger),
    Column("total", BigInteger),
    Column("message", Text),
    Column("rate", Float),
    Column("pid", Integer),
    Column("created", BigInteger),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("heartbeat", BigInteger),
    Column("error", Text),
    Column("result", Text),
)
