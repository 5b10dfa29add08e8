from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from lmtx.errors import StorageError
from lmtx.journal import Journal, schema
from lmtx.journal.fulltext import query_words, searchable
from lmtx.journal.migrations import MIGRATIONS
from lmtx.journal.store import from_micros, to_micros
from lmtx.types import Decision, Document, Label


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    Journal(f"sqlite:///{tmp_path}/j.db").close()
    found = inspect(create_engine(f"sqlite:///{tmp_path}/j.db"))
    for name, table in schema.metadata.tables.items():
        assert {c["name"] for c in found.get_columns(name)} == set(table.c.keys()), name
        assert found.get_pk_constraint(name)["constrained_columns"] == [c.name for c in table.primary_key], (
            name
        )


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/j.db"
    first, second = Journal(url), Journal(url)
    assert first.id == second.id
    first.close()
    second.close()
    assert first.counts()["documents"] == 0  # a closed journal opens again


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    Journal(f"sqlite:///{tmp_path}/j.db").close()
    with sqlite3.connect(tmp_path / "j.db") as conn:
        conn.execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS) + 1,))
    with pytest.raises(StorageError, match="newer version"):
        Journal(f"sqlite:///{tmp_path}/j.db")


def test_a_missing_driver_is_named_with_its_remedy_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as where it is not installed
    with pytest.raises(StorageError, match=r'pip install "psycopg\[binary\]"') as found:
        Journal("postgresql+psycopg://ann:secret@localhost/lmtx")
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgresql+psycopg://a@localhost:port/x",
        "mysql://localhost/x",
        "sqlite:////proc/nowhere/j.db",
    ],
)
def test_a_journal_that_cannot_be_kept_there_is_told(url: str) -> None:
    with pytest.raises(StorageError, match="journal"):
        Journal(url)


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"hello " * 1000)
    with pytest.raises(StorageError, match="not a database"):
        Journal(f"sqlite:///{tmp_path}/j.db")


def test_sqlite_is_durable_and_waits(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/j.db")
    with journal._read() as conn:
        found = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 60_000}
    journal.close()


def test_a_read_sees_one_moment(tmp_path: Path) -> None:
    journal, other = (Journal(f"sqlite:///{tmp_path}/j.db") for _ in range(2))
    with journal._read() as conn:
        before = journal._counters(conn)
        other.put_labels([Label("a", "A")])
        assert journal._counters(conn) == before
    assert journal.counts()["labels"] == 1
    journal.close()
    other.close()


def _write_in_child(journal: Journal, name: str) -> None:
    for i in range(10):
        journal.append_decisions([Decision("d", "a", "accept" if i % 2 else "reject", name)])


@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_child_writes_on_connections_of_its_own(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/j.db")
    journal.put_documents([Document("d", "t", "x")], lambda d: "train")
    journal.put_labels([Label("a", "A")])
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_write_in_child, args=(journal, f"r{i}")) for i in range(3)]
    for child in children:
        child.start()
    _write_in_child(journal, "parent")
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert [d.seq for d in journal.decisions()] == list(range(1, 41))
    journal.close()


def test_several_processes_create_one_journal(tmp_path: Path) -> None:
    code = "import sys; from lmtx.journal import Journal; print(Journal(sys.argv[1]).id)"
    url = f"sqlite:///{tmp_path}/j.db"
    started = [
        subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    ids = {process.communicate()[0].strip() for process in started}
    assert len(ids) == 1
    assert all(process.returncode == 0 for process in started)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 6, 1, 12, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_moments_are_kept_to_the_microsecond(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Solar-power, ROOFS!", [["solar"], ["power"], ["roofs"]]),
        ("Café Ångström", [["cafe"], ["angstrom"]]),
        ("東京の喫茶店", [["東", "京", "の", "喫", "茶", "店"]]),
        ("GPT東京v2", [["gpt"], ["東", "京"], ["v2"]]),
        ("snake_case", [["snake"], ["case"]]),
        ("Ｆｕｌｌｗｉｄｔｈ ﬁne", [["fullwidth"], ["fine"]]),
        ("¿?! _", []),
        ("हिन्दी", [["ह"], ["न"], ["द"]]),
    ],
)
def test_query_words(text: str, found: list[list[str]]) -> None:
    assert query_words(text) == found


def test_searchable_is_frozen() -> None:
    # FTS5 forgets an old text only if it is shown exactly what it was given: see `fulltext`.
    assert searchable("Äpfel & Straße ½ 東京 İstanbul\x00") == "apfel & strasse 1⁄2  東  京  istanbul "


def test_writing_inside_a_write_is_refused_at_once(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/j.db")

    def documents() -> Iterator[Document]:
        yield Document("a", "", "a")
        journal.put_labels([Label("x", "X")])

    with pytest.raises(RuntimeError, match="inside one of its own"):
        journal.put_documents(documents(), lambda d: "train")
    assert journal.put_labels([Label("x", "X")]).added == 1
    assert journal.counts()["documents"] == 0


def as_of(version: int) -> list[list[str]]:
    """Migrations up to a version, with the column that labels are written with today; see `without_it`."""
    return [*MIGRATIONS[: version - 1], [*MIGRATIONS[version - 1], *MIGRATIONS[4]]]


def without_it(conn: sqlite3.Connection) -> None:
    """Take out again what the version did not have."""
    conn.execute("ALTER TABLE label_records DROP COLUMN after_decision")


def test_a_journal_of_the_first_version_is_brought_up_to_date_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    with monkeypatch.context() as patch:
        for module in ("migrations", "store"):
            patch.setattr(f"lmtx.journal.{module}.MIGRATIONS", as_of(1))
        old = Journal(url)
        old.put_documents([Document("d", "", "text")], lambda d: "train")
        old.put_labels([Label("l", "name")])
        old.close()
    document, label = Document("d", "", "text"), Label("l", "name")
    with sqlite3.connect(tmp_path / "j.db") as conn:
        without_it(conn)
        columns = [row[1] for row in conn.execute("PRAGMA table_info(judgments)")]
        assert "cost" not in columns
        conn.execute("INSERT INTO teachers (num, key, spec, details, at) VALUES (1, 'k', 's', '{}', 0)")
        hashes = dict(conn.execute("SELECT hash, num FROM hashes"))
        values = {
            "seq": 1, "document_num": 1, "label_num": 1, "teacher_num": 1, "verdict": 0, "probability": 0.9,
            "document_hash_num": hashes[document.hash], "label_hash_num": hashes[label.hash],
            "round": 1, "rank": 0, "tokens": 7, "raw": "yes", "at": 0,
        }  # fmt: skip
        assert set(values) == set(columns)
        names = ", ".join(values)
        conn.execute(
            f"INSERT INTO judgments ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()]
        )
    journal = Journal(url)
    (said,) = journal.recent_judgments()
    assert (said.document_id, said.label_id, said.tokens, said.tokens_out, said.cost) == ("d", "l", 7, 0, 0.0)
    assert (document.hash, label.hash) in journal.known_verdicts("k")
    journal.close()


def test_a_journal_of_the_second_version_keeps_its_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    with monkeypatch.context() as patch:
        for module in ("migrations", "store"):
            patch.setattr(f"lmtx.journal.{module}.MIGRATIONS", as_of(2))
        old = Journal(url)
        old.put_documents([Document("d", "", "text"), Document("e", "", "more")], lambda d: "train")
        old.put_labels([Label("l", "name")])
        old.close()
    with sqlite3.connect(tmp_path / "j.db") as conn:
        without_it(conn)
        columns = [row[1] for row in conn.execute("PRAGMA table_info(decisions)")]
        assert not {"reason", "blind"} & set(columns)
        for seq, (document, label, action, retracts) in enumerate(
            [
                (1, 1, "reject", None),
                (2, 1, "accept", None),
                (1, None, "complete", None),
                (2, 1, "retract", 2),
            ],
            start=1,
        ):
            row = (seq, document, label, action, "ann", "audit", 0.25, "why", "b", retracts, seq)
            conn.execute(
                "INSERT INTO decisions (seq, document_num, label_num, action, reviewer, policy, "
                f"inclusion_probability, note, batch, retracts, at) VALUES ({', '.join('?' * len(row))})",
                row,
            )
        conn.executemany("INSERT INTO standing VALUES (?)", [(1,), (3,), (4,)])
        pair = {"document_num": 1, "label_num": 1, "state": 1, "decision": 1, "decision_seq": 1}
        conn.execute(f"INSERT INTO pairs ({', '.join(pair)}) VALUES (1, 1, 1, 1, 1)")
        conn.execute("INSERT INTO counters VALUES ('decisions', 4)")
    journal = Journal(url)
    found = journal.decisions()
    assert [(d.seq, d.document_id, d.label_id, d.action, d.retracts) for d in found] == [
        (1, "d", "l", "reject", None),
        (2, "e", "l", "accept", None),
        (3, "d", None, "complete", None),
        (4, "e", "l", "retract", 2),
    ]
    assert {(d.policy, d.inclusion_probability, d.note, d.batch) for d in found} == {
        ("audit", 0.25, "why", "b")
    }
    assert {(d.reason, d.blind) for d in found} == {("", False)}
    assert [d.seq for d in journal.decisions(standing=True)] == [1, 3, 4]
    (seq,) = journal.append_decisions([Decision("e", "l", "reject", "bob", reason="unclear", blind=True)])
    (new,) = journal.decisions(after_seq=4)
    assert (seq, new.reason, new.blind) == (5, "unclear", True)
    assert journal.rejection_reasons("l") == {"": 1, "unclear": 1}
    journal.close()


def test_trials_keep_their_newest_record(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path}/j.db")
    journal.put_trial("a", {"n": 1})
    journal.put_trial("b", {"n": 2})
    journal.put_trial("a", {"n": 3})
    assert journal.trials() == [("b", {"n": 2}), ("a", {"n": 3})]
    journal.close()
