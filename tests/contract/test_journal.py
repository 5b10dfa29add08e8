"""What the journal promises, on every database it can be kept in.

SQLite always; PostgreSQL where LMTX_TEST_POSTGRES is the URL of a database in which schemas may
be created, say `postgresql+psycopg://user@127.0.0.1:5432/test`.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, text

from lmtx.errors import InputError, NotFoundError
from lmtx.journal import Journal
from lmtx.types import Action, Decision, Document, Judgment, Label, Role, Run, now

Make = Callable[[], Journal]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/journal.db"
        return
    server = os.environ.get("LMTX_TEST_POSTGRES")
    if not server:
        pytest.skip("LMTX_TEST_POSTGRES is not set")
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(text(f"CREATE SCHEMA {name}"))
    yield (
        make_url(server)
        .update_query_dict({"options": f"-csearch_path={name}"})
        .render_as_string(hide_password=False)
    )
    with engine.connect() as conn:
        conn.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@pytest.fixture
def journal(url: str) -> Iterator[Journal]:
    opened = Journal(url)
    yield opened
    opened.close()


def role_of(document: Document) -> Role:
    return "test" if document.split == "test" else "train"


DOCUMENTS = [
    Document("d0", "Solar panels", "How to mount solar panels on a roof.", labels=("energy", "home")),
    Document("d1", "Café culture", "Espresso in Naïve style, 東京の喫茶店", labels=("food",)),
    Document("d2", "Wind", "Turbines and the grid", labels=()),
    Document("d3", "Tax law", "Levies on energy", split="test", labels=("law", "energy")),
]
LABELS = [
    Label("energy", "Energy", "Power and fuels", ("power supply",)),
    Label("food", "Food", "What people eat"),
    Label("home", "Home improvement", "", (), ("life",)),
    Label("law", "Law"),
    Label("life", "Life"),
]


@pytest.fixture
def filled(journal: Journal) -> Journal:
    journal.put_documents(DOCUMENTS, role_of)
    journal.put_labels(LABELS)
    return journal


def judgment(document: str, label: str, verdict: str = "yes", *, key: str = "t1", **more: object) -> Judgment:
    documents, labels = {d.id: d for d in DOCUMENTS}, {x.id: x for x in LABELS}
    values: dict[str, object] = {
        "document_hash": documents[document].hash,
        "label_hash": labels[label].hash,
        "probability": 0.75,
        **more,
    }
    return Judgment(document, label, verdict, teacher_key=key, **values)  # type: ignore[arg-type]


def accept(document: str, label: str, reviewer: str = "ann", **more: object) -> Decision:
    return Decision(document, label, "accept", reviewer, **more)  # type: ignore[arg-type]


def reject(document: str, label: str, reviewer: str = "ann", **more: object) -> Decision:
    return Decision(document, label, "reject", reviewer, **more)  # type: ignore[arg-type]


def retract(seq: int, reviewer: str = "ann") -> Decision:
    return Decision("", None, "retract", reviewer, retracts=seq)


def state(journal: Journal, document: str, label: str) -> str | None:
    return {p.label_id: p.state for p in journal.pair_states(document)}.get(label)


def check_counts(journal: Journal) -> None:
    """Every count that is kept equals the count of what is there."""
    frame = journal.pairs_frame()
    by_state = frame["state"].value_counts().to_dict()
    assert {k: n for k, n in journal.pair_counts().items() if n} == by_state
    assert journal.counts()["judged_pairs"] == int(frame["verdict"].notna().sum())
    for row in journal.documents_page(page_size=5000):
        mine = frame[frame.document_id == row.id]["state"].value_counts()
        found = (row.n_accepted, row.n_rejected, row.n_proposed, row.n_declined)
        assert found == tuple(mine.get(k, 0) for k in ("accepted", "rejected", "proposed", "declined"))
    gold = [x for split in ("train", "test") for labels in journal.gold(split).values() for x in labels]
    for label in journal.labels_page(page_size=5000):
        mine = frame[frame.label_id == label.id]["state"].value_counts()
        found = (label.n_accepted, label.n_rejected, label.n_proposed, label.n_declined)
        assert found == tuple(mine.get(k, 0) for k in ("accepted", "rejected", "proposed", "declined"))
        assert label.n_gold == gold.count(label.id)


# Documents


def test_documents_are_added_updated_and_left(journal: Journal) -> None:
    counts = journal.put_documents(DOCUMENTS, role_of, source="a.csv")
    assert (counts.added, counts.updated, counts.unchanged) == (4, 0, 0)
    changed = replace(DOCUMENTS[1], text="Tea")
    counts = journal.put_documents([DOCUMENTS[0], changed], role_of)
    assert (counts.added, counts.updated, counts.unchanged) == (0, 1, 1)
    assert journal.document("d1") == replace(changed, labels=None)
    assert [d.id for d in journal.corpus().documents] == ["d0", "d1", "d2", "d3"]
    assert journal.corpus().roles == ["train", "train", "train", "test"]


def test_an_empty_import_changes_nothing(journal: Journal) -> None:
    head = journal.head()
    assert journal.put_documents([], role_of).added == 0
    assert journal.put_labels([]).added == 0
    assert journal.delete_documents([]) == journal.delete_labels(["nothing"]) == 0
    assert journal.append_decisions([]) == []
    assert journal.append_judgments([]) == 0
    assert journal.head() == head
    assert journal.pairs_frame().empty
    assert journal.counts()["documents"] == 0


def test_the_same_id_twice_in_one_import_is_an_update(journal: Journal) -> None:
    counts = journal.put_documents([DOCUMENTS[0], replace(DOCUMENTS[0], title="B")], role_of)
    assert (counts.added, counts.updated) == (1, 1)
    document = journal.document("d0")
    assert document is not None
    assert document.title == "B"


def test_a_failing_import_leaves_nothing(journal: Journal) -> None:
    def documents() -> Iterator[Document]:
        for i in range(1200):
            yield Document(f"x{i}", "t", f"text {i}", labels=("new",))
        raise RuntimeError("row 1201 is broken")

    with pytest.raises(RuntimeError, match="1201"):
        journal.put_documents(documents(), role_of)
    assert journal.counts()["documents"] == 0
    assert journal.documents_page(query="text").total == 0
    journal.put_documents([Document("x0", "t", "text 0", labels=("new",))], role_of)
    journal.put_labels([Label("new", "New")])
    assert journal.gold("train") == {"x0": ("new",)}


def test_role_is_kept_unless_the_split_changes(journal: Journal) -> None:
    journal.put_documents(DOCUMENTS, lambda d: "reserve")
    journal.put_documents([replace(DOCUMENTS[0], text="new"), replace(DOCUMENTS[1], split="test")], role_of)
    assert journal.corpus().roles == ["reserve", "test", "reserve", "reserve"]


def test_deleted_documents_are_gone_and_come_back_as_they_were(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    filled.append_decisions([accept("d0", "home")])
    assert filled.delete_documents(["d0", "unknown"]) == 1
    assert filled.delete_documents(["d0"]) == 0
    assert filled.document("d0") is None
    assert filled.document_row("d0") is None
    assert filled.documents_page(query="solar").total == 0
    assert filled.pairs_frame().empty
    assert "d0" not in filled.gold("train")
    check_counts(filled)
    with pytest.raises(NotFoundError, match="d0"):
        filled.append_decisions([accept("d0", "home")])
    assert filled.put_documents([DOCUMENTS[0]], role_of).added == 1
    assert (state(filled, "d0", "energy"), state(filled, "d0", "home")) == ("proposed", "accepted")
    assert [d.id for d in filled.corpus().documents] == ["d0", "d1", "d2", "d3"]
    assert filled.documents_page(query="solar").total == 1
    check_counts(filled)


def test_corpus_is_kept_until_it_changes(filled: Journal, url: str) -> None:
    view = filled.corpus()
    filled.append_judgments([judgment("d0", "energy")])
    filled.append_decisions([accept("d0", "energy")])
    assert filled.corpus() is view
    other = Journal(url)
    other.put_labels([Label("x", "X")])
    other.close()
    assert len(filled.corpus().labels) == len(view.labels) + 1
    assert filled.corpus(texts=False).documents[0].text == ""
    assert filled.corpus().documents[0].text == DOCUMENTS[0].text


def test_corpus_hashes_are_in_row_order(filled: Journal) -> None:
    view = filled.corpus()
    assert filled.corpus_hashes() == ([d.hash for d in view.documents], [x.hash for x in view.labels])


def test_reading_documents_shows_no_gold(filled: Journal) -> None:
    assert all(d.labels is None for d in filled.corpus().documents)
    assert filled.documents_by_id(["d3", "nope"]) == {"d3": replace(DOCUMENTS[3], labels=None)}


# Gold and completed documents


def test_gold_by_split(filled: Journal) -> None:
    assert filled.gold("train") == {"d0": ("energy", "home"), "d1": ("food",), "d2": ()}
    assert filled.gold("test") == {"d3": ("energy", "law")}
    check_counts(filled)


def test_gold_knows_only_labels_that_exist(journal: Journal) -> None:
    journal.put_documents(DOCUMENTS, role_of)
    assert journal.gold("train") == {"d0": (), "d1": (), "d2": ()}
    assert journal.corpus().labels == []
    journal.put_labels([LABELS[0]])
    assert journal.gold("train")["d0"] == ("energy",)
    journal.delete_labels(["energy"])
    assert journal.gold("train")["d0"] == ()


def test_an_update_without_labels_keeps_gold(filled: Journal) -> None:
    filled.put_documents([replace(DOCUMENTS[0], text="new", labels=None)], role_of)
    assert filled.gold("train")["d0"] == ("energy", "home")
    filled.put_documents([replace(DOCUMENTS[0], text="new", labels=("food",))], role_of, labels_are="none")
    assert filled.gold("train")["d0"] == ("energy", "home")
    filled.put_documents([replace(DOCUMENTS[0], text="new", labels=("food",))], role_of)
    assert filled.gold("train")["d0"] == ("food",)
    check_counts(filled)


def test_completed_documents_are_decisions_of_the_import(journal: Journal) -> None:
    journal.put_labels(LABELS)
    journal.put_documents(DOCUMENTS, role_of, labels_are="completed")
    assert journal.completed() == {"d0": ("energy", "home"), "d1": ("food",), "d2": ()}
    assert journal.gold("train") == {}
    assert journal.gold("test") == {"d3": ("energy", "law")}  # a test split measures, whatever was said
    assert {d.reviewer for d in journal.decisions()} == {"import"}
    n = len(journal.decisions())
    journal.put_documents(DOCUMENTS, role_of, labels_are="completed")
    assert len(journal.decisions()) == n
    check_counts(journal)


def test_a_person_outlasts_a_repeated_import(journal: Journal) -> None:
    journal.put_labels(LABELS)
    journal.put_documents(DOCUMENTS, role_of, labels_are="completed")
    journal.append_decisions([reject("d0", "home")])
    journal.put_documents([replace(DOCUMENTS[0], text="new")], role_of, labels_are="completed")
    assert journal.completed()["d0"] == ("energy",)


def test_an_import_takes_back_what_it_no_longer_says(journal: Journal) -> None:
    journal.put_labels(LABELS)
    journal.put_documents(DOCUMENTS, role_of, labels_are="completed")
    journal.put_documents([replace(DOCUMENTS[0], labels=("energy", "law"))], role_of, labels_are="completed")
    assert journal.completed()["d0"] == ("energy", "law")
    journal.put_documents([DOCUMENTS[0]], role_of, labels_are="gold")
    assert "d0" not in journal.completed()
    assert state(journal, "d0", "energy") is None
    assert journal.gold("train") == {"d0": ("energy", "home")}
    check_counts(journal)


def test_completed_documents_may_come_before_their_labels(journal: Journal) -> None:
    journal.put_documents(DOCUMENTS, role_of, labels_are="completed")
    assert journal.completed()["d0"] == ()
    journal.put_labels(LABELS)
    assert journal.completed()["d0"] == ("energy", "home")
    check_counts(journal)


# Labels


def test_labels_are_added_updated_and_deleted(filled: Journal) -> None:
    counts = filled.put_labels([LABELS[0], replace(LABELS[1], description="new"), Label("x", "X")])
    assert (counts.added, counts.updated, counts.unchanged) == (1, 1, 1)
    assert filled.label("food") == replace(LABELS[1], description="new")
    assert filled.delete_labels(["x"]) == 1
    assert filled.label("x") is None
    assert filled.label_row("x") is None
    assert filled.labels_by_id(["x", "law"]) == {"law": LABELS[3]}


def test_labels_that_came_after_decisions_are_known(filled: Journal) -> None:
    filled.put_documents([Document("a", "", "text")], role_of)
    filled.put_labels([Label("old", "Old"), Label("gone", "Gone")])
    assert filled.labels_added() == {}
    (seq,) = filled.append_decisions([Decision("a", "old", "accept", "Ada")])
    filled.put_labels([Label("old", "Old, renamed"), Label("new", "New")])
    filled.delete_labels(["gone"])
    (later,) = filled.append_decisions([Decision("a", None, "complete", "Ada")])
    filled.put_labels([Label("gone", "Gone"), Label("new", "New", "with a definition")])
    assert filled.labels_added() == {"new": seq, "gone": later}


def test_parents_and_children(filled: Journal) -> None:
    assert filled.children("life") == [LABELS[2]]
    assert [row.id for row in filled.labels_page(parent="life")] == ["home"]
    assert [row.id for row in filled.labels_page(parent="")] == ["energy", "food", "law", "life"]
    row = filled.label_row("life")
    assert row is not None
    assert row.n_children == 1
    filled.put_labels([replace(LABELS[2], parents=())])
    assert filled.children("life") == []
    filled.put_labels([LABELS[2]])
    filled.delete_labels(["life"])
    assert [row.id for row in filled.labels_page(parent="")] == ["energy", "food", "home", "law"]


def test_labels_page_sorts_and_pages(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "law"), judgment("d1", "law"), judgment("d2", "food")])
    assert [r.id for r in filled.labels_page(sort="proposed", descending=True, page_size=2)] == [
        "law",
        "food",
    ]
    page = filled.labels_page(sort="name", page=1, page_size=2)
    assert ([r.id for r in page], page.total, page.n_pages) == (["home", "law"], 5, 3)
    assert filled.labels_page(sort="name", descending=True).items[0].id == "life"
    assert filled.labels_page(sort="gold", descending=True).items[0].id == "energy"
    assert [r.id for r in filled.labels_page(query="eat")] == ["food"]
    with pytest.raises(InputError, match="page_size"):
        filled.labels_page(page_size=0)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ener", ["energy"]),
        ("Home", ["home"]),
        ("improvement home", ["home"]),
        ("power", ["energy"]),
        ("supply fuels", ["energy"]),
        ("people", ["food"]),
        ("law", ["law"]),
        ("L", ["law", "life"]),
        ("zzz", []),
        ("food zzz", ["food"]),
        ('" OR * (', []),
    ],
)
def test_find_labels(filled: Journal, query: str, found: list[str]) -> None:
    assert [x.id for x in filled.find_labels(query)] == found


def test_find_labels_puts_names_first(journal: Journal) -> None:
    journal.put_labels(
        [
            Label("1", "Renewable energy"),
            Label("2", "Energy policy"),
            Label("3", "Energy"),
            Label("4", "Fuel", "a kind of energy"),
            Label("5", "Ökologie"),
            Label("6", "再生可能エネルギー"),
        ]
    )
    assert [x.id for x in journal.find_labels("energy")] == ["3", "2", "1", "4"]
    assert [x.id for x in journal.find_labels("energy", limit=2)] == ["3", "2"]
    assert [x.id for x in journal.find_labels("okolog")] == ["5"]
    assert [x.id for x in journal.find_labels("可能")] == ["6"]
    assert [x.id for x in journal.find_labels("", limit=3)] == ["3", "2", "4"]
    journal.put_labels([Label("3", "Heat")])
    assert [x.id for x in journal.find_labels("energy")] == ["2", "1", "4"]


# Judgments and states


def test_judgments_propose_and_decline(filled: Journal) -> None:
    last = filled.append_judgments(
        [
            judgment("d0", "energy", round=2, rank=1, tokens=9, raw="yes"),
            judgment("d0", "food", "no", probability=0.1),
            judgment("d0", "law", "unparsed", probability=None, raw="perhaps"),
        ]
    )
    assert last == 3
    assert [(p.label_id, p.state, p.probability) for p in filled.pair_states("d0")] == [
        ("energy", "proposed", 0.75),
        ("food", "declined", 0.1),
        ("law", "unparsed", None),
    ]
    check_counts(filled)


def test_the_newest_judgment_counts(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "law"), judgment("d0", "law", "no", key="t2")])
    assert state(filled, "d0", "law") == "declined"
    filled.append_judgments([judgment("d0", "law", "yes", key="t2")])
    assert state(filled, "d0", "law") == "proposed"
    assert filled.counts()["judged_pairs"] == 1
    assert filled.counts()["judgments"] == 3
    check_counts(filled)


def test_a_judgment_counts_while_its_texts_are_current(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy"), judgment("d1", "energy", "no")])
    filled.append_decisions([accept("d0", "law")])
    filled.put_documents([replace(DOCUMENTS[0], text="other")], role_of)
    assert state(filled, "d0", "energy") is None
    assert state(filled, "d0", "law") == "accepted"
    check_counts(filled)
    filled.append_judgments([judgment("d0", "energy", "no")])  # about the old text, arriving late
    assert state(filled, "d0", "energy") is None
    filled.put_documents([DOCUMENTS[0]], role_of)
    assert state(filled, "d0", "energy") == "declined"
    filled.put_labels([replace(LABELS[0], description="other")])
    assert state(filled, "d0", "energy") is None
    assert state(filled, "d1", "energy") is None
    check_counts(filled)
    filled.put_labels([LABELS[0]])
    assert state(filled, "d0", "energy") == "declined"
    check_counts(filled)


def test_documents_with_one_text_share_its_judgments(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    filled.put_documents([replace(DOCUMENTS[0], id="twin")], role_of)
    assert state(filled, "twin", "energy") == "proposed"
    filled.append_judgments([judgment("d0", "food", "no")])
    assert state(filled, "twin", "food") == "declined"
    filled.append_decisions([reject("twin", "energy")])
    assert state(filled, "d0", "energy") == "proposed"
    check_counts(filled)


def test_a_deleted_label_takes_its_pairs_along(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy"), judgment("d0", "law")])
    filled.append_decisions([accept("d1", "energy")])
    filled.delete_labels(["energy"])
    assert [p.label_id for p in filled.pair_states("d0")] == ["law"]
    assert filled.pair_states("d1") == []
    filled.append_judgments([judgment("d2", "energy")])
    check_counts(filled)
    filled.put_labels([LABELS[0]])
    assert [state(filled, f"d{i}", "energy") for i in range(3)] == ["proposed", "accepted", "proposed"]
    check_counts(filled)


@pytest.mark.parametrize(
    "broken", [{"document_id": "nope"}, {"label_id": "nope"}, {"verdict": "maybe"}, {"teacher_key": ""}]
)
def test_a_broken_judgment_stops_its_batch(filled: Journal, broken: dict[str, str]) -> None:
    good = judgment("d0", "energy")
    with pytest.raises(InputError):
        filled.append_judgments([good, replace(good, **broken)])  # type: ignore[arg-type]
    assert filled.counts()["judgments"] == 0
    assert filled.pair_states("d0") == []
    assert filled.append_judgments([good]) == 1


def test_known_verdicts(filled: Journal) -> None:
    filled.append_judgments(
        [judgment("d0", "energy"), judgment("d1", "food", "unparsed"), judgment("d2", "law", key="t2")]
    )
    known = filled.known_verdicts("t1")
    d, x = DOCUMENTS, LABELS
    assert (d[0].hash, x[0].hash) in known
    assert (d[0].hash, x[1].hash) not in known
    assert ("nope", x[0].hash) not in known
    assert set(known) == {(d[0].hash, x[0].hash), (d[1].hash, x[1].hash)}
    assert len(known) == 2
    assert known.contains([d[0].hash, d[2].hash], [x[0].hash, x[3].hash]).tolist() == [True, False]
    assert len(filled.known_verdicts("t1", [d[0].hash, "nope"])) == 1
    assert len(filled.known_verdicts("never heard of")) == 0


def test_teachers(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy"), judgment("d0", "food", key="t2")])
    filled.teacher_put("t1", "simulated:recall=0.85", {"seed": 0})
    assert {t.key: (t.spec, t.details, t.n_judgments) for t in filled.teachers()} == {
        "t1": ("simulated:recall=0.85", {"seed": 0}, 1),
        "t2": ("", {}, 1),
    }
    assert filled.teachers()[-1].key == "t1"


# Decisions


def test_a_decision_beats_any_judgment(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    seqs = filled.append_decisions(
        [reject("d0", "energy", policy="random", inclusion_probability=0.5, note="n")]
    )
    filled.append_judgments([judgment("d0", "energy", "yes", key="t2")])
    pair = filled.pair_states("d0")[0]
    assert (pair.state, pair.verdict, pair.decision, pair.reviewer) == ("rejected", "yes", "reject", "ann")
    assert pair.teacher_key == "t2"
    found = filled.decisions()[0]
    assert (found.policy, found.inclusion_probability, found.note, found.seq) == ("random", 0.5, "n", seqs[0])
    filled.append_decisions([retract(seqs[0])])
    assert state(filled, "d0", "energy") == "proposed"
    check_counts(filled)


def test_a_skip_sets_no_state(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    filled.append_decisions([Decision("d0", "energy", "skip", "ann"), Decision("d0", "law", "skip", "ann")])
    assert state(filled, "d0", "energy") == "proposed"
    assert state(filled, "d0", "law") is None
    filled.append_decisions([accept("d0", "energy"), Decision("d0", "energy", "skip", "bob")])
    assert state(filled, "d0", "energy") == "accepted"


def test_two_reviewers_on_one_pair(filled: Journal) -> None:
    filled.append_decisions([accept("d0", "energy", "ann")])
    (bobs,) = filled.append_decisions([reject("d0", "energy", "bob")])
    assert state(filled, "d0", "energy") == "rejected"
    assert [d.reviewer for d in filled.decisions(document_id="d0", label_id="energy")] == ["ann", "bob"]
    filled.append_decisions([retract(bobs, "ann")])
    assert (state(filled, "d0", "energy"), filled.pair_states("d0")[0].reviewer) == ("accepted", "ann")


def test_retracts_of_retracts(filled: Journal) -> None:
    (a,) = filled.append_decisions([accept("d0", "energy")])
    (r1,) = filled.append_decisions([retract(a)])
    assert state(filled, "d0", "energy") is None
    (r2,) = filled.append_decisions([retract(r1)])
    assert state(filled, "d0", "energy") == "accepted"
    (r3,) = filled.append_decisions([retract(a, "bob")])
    assert state(filled, "d0", "energy") is None
    (r4,) = filled.append_decisions([retract(r2)])  # r1 stands again beside r3
    assert state(filled, "d0", "energy") is None
    filled.append_decisions([retract(r3)])  # r1 still stands
    assert state(filled, "d0", "energy") is None
    filled.append_decisions([retract(r4)])  # r2 stands, r1 falls, nothing retracts a
    assert state(filled, "d0", "energy") == "accepted"
    stored = filled.decisions()
    assert [(d.document_id, d.label_id) for d in stored] == [("d0", "energy")] * len(stored)
    check_counts(filled)


def test_retracting_twice_is_refused_as_a_whole(filled: Journal) -> None:
    a, b = filled.append_decisions([accept("d0", "energy"), accept("d0", "law")])
    filled.append_decisions([retract(a)])
    with pytest.raises(InputError, match="no longer stands"):
        filled.append_decisions([retract(b), retract(a)])
    assert state(filled, "d0", "law") == "accepted"
    with pytest.raises(NotFoundError, match="99"):
        filled.append_decisions([retract(99)])


def test_a_batch_is_retracted_at_once(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    (early,) = filled.append_decisions([reject("d2", "law", batch="other")])
    batch = [
        reject("d0", "energy", batch="b"),
        accept("d1", "energy", batch="b"),
        accept("d2", "law", batch="b"),
    ]
    seqs = filled.append_decisions([*batch, Decision("d2", None, "complete", "ann", batch="b")])
    filled.retract("ann", seqs=[seqs[1]])
    undone = filled.retract("ann", batch="b")
    assert [d.seq for d in undone] == [seqs[3], seqs[2], seqs[0]]
    assert [state(filled, "d0", "energy"), state(filled, "d1", "energy")] == ["proposed", None]
    assert state(filled, "d2", "law") == "rejected"
    assert filled.completed() == {}
    assert filled.retract("ann", batch="b") == []
    last = filled.last_undoable("ann")
    assert last is not None
    assert last.seq == early
    assert len(filled.decisions(batch="b")) == 4
    check_counts(filled)


def test_last_undoable_is_ones_own_and_stands(filled: Journal) -> None:
    assert filled.last_undoable("ann") is None
    first, second = filled.append_decisions([accept("d0", "energy"), accept("d0", "law")])
    filled.append_decisions([accept("d1", "law", "bob")])
    for expected in (second, first):
        found = filled.last_undoable("ann")
        assert found is not None
        assert found.seq == expected
        filled.append_decisions([retract(expected)])
    assert filled.last_undoable("ann") is None


def test_completion_stands_until_retracted(filled: Journal) -> None:
    seqs = filled.append_decisions([accept("d0", "home"), Decision("d0", None, "complete", "ann")])
    again = filled.append_decisions([Decision("d0", None, "complete", "bob")])
    filled.put_documents([replace(DOCUMENTS[0], text="changed")], role_of)
    assert filled.completed() == {"d0": ("home",)}
    assert [r.id for r in filled.documents_page(completed=True)] == ["d0"]
    filled.append_decisions([retract(seqs[1])])
    assert filled.completed() == {"d0": ("home",)}
    assert filled.n_completed() == 1
    filled.append_decisions([retract(again[0])])
    assert filled.completed() == {}
    assert filled.counts()["completed"] == filled.n_completed() == 0


@pytest.mark.parametrize(
    "broken",
    [
        accept("nope", "law"),
        accept("d0", "nope"),
        Decision("d0", None, "accept", "ann"),
        Decision("d0", "law", "complete", "ann"),
        Decision("d0", "law", "retract", "ann"),
        accept("d0", "law", retracts=1),
        accept("d0", "law", ""),
        accept("d0", "law", inclusion_probability=0.0),
        Decision("d0", "law", "destroy", "ann"),  # type: ignore[arg-type]
        reject("d0", "law", reason="ugly"),
        accept("d0", "law", reason="unclear"),
    ],
)
def test_a_broken_decision_stops_its_batch(filled: Journal, broken: Decision) -> None:
    with pytest.raises(InputError):
        filled.append_decisions([accept("d0", "energy"), broken])
    assert filled.decisions() == []
    assert filled.append_decisions([accept("d0", "energy")]) == [1]


def test_decisions_are_listed_by_what_they_are_about(filled: Journal) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    seqs = filled.append_decisions(
        [
            accept("d0", "energy", at=at),
            reject("d1", "energy", "bob"),
            accept("d1", "law"),
            accept("d2", "law"),
        ]
    )
    filled.append_decisions([retract(seqs[2])])
    assert filled.decisions(limit=1)[0].at == at
    assert [d.seq for d in filled.decisions(label_id="energy")] == seqs[:2]
    assert [d.document_id for d in filled.decisions(reviewer="bob")] == ["d1"]
    assert [d.seq for d in filled.decisions(after_seq=seqs[2], limit=1)] == [seqs[3]]
    assert [d.seq for d in filled.decisions(document_id="d1", standing=True)] == [seqs[1], seqs[3] + 1]
    assert [d.seq for d in filled.decisions(newest_first=True, limit=2)] == [5, 4]
    assert filled.decisions(document_id="nope") == []


def test_reason_and_blindness_are_kept(filled: Journal) -> None:
    filled.append_decisions([reject("d0", "law", reason="too_broad", blind=True), reject("d1", "law")])
    found = filled.decisions()
    assert [(d.reason, d.blind) for d in found] == [("too_broad", True), ("", False)]
    with pytest.raises(InputError, match=r"'ugly'.*unclear, too_broad, too_narrow, off_topic, bad_text"):
        filled.append_decisions([reject("d0", "law", reason="ugly")])
    with pytest.raises(InputError, match="only a reject has a reason"):
        filled.append_decisions([Decision("d0", "law", "skip", "ann", reason="unclear")])


# Looking back


def test_decisions_page_filters_and_pages(filled: Journal) -> None:
    filled.append_decisions(
        [
            accept("d0", "energy", policy="audit"),  # 1
            reject("d1", "energy", "bob", policy="mix"),  # 2
            accept("d1", "law", policy="mix"),  # 3
            Decision("d1", None, "complete", "bob", policy="audit"),  # 4
        ]
    )
    filled.append_decisions([retract(3, "bob")])  # 5

    def seqs(**filters: object) -> list[int]:
        page = filled.decisions_page(**filters)  # type: ignore[arg-type]
        assert page.total == len(page.items)
        return [d.seq for d in page]

    assert seqs() == [5, 4, 3, 2, 1]
    assert seqs(standing=True) == [5, 4, 2, 1]
    assert seqs(standing=False) == [3]
    assert seqs(document_id="d1") == [5, 4, 3, 2]
    assert seqs(document_id="d1", standing=False) == [3]
    assert seqs(document_id="d1", standing=True) == [5, 4, 2]
    assert seqs(label_id="law") == [5, 3]
    assert seqs(reviewer="bob") == [5, 4, 2]
    assert seqs(reviewer="bob", policy="audit") == [4]
    assert seqs(reviewer="ann", standing=False) == [3]
    assert seqs(reviewer="ann", standing=True) == [1]
    assert seqs(action="accept", standing=True) == [1]
    assert seqs(policy="mix") == [3, 2]
    assert seqs(document_id="nope") == seqs(policy="nope") == []
    second = filled.decisions_page(page=1, page_size=2)
    assert ([d.seq for d in second], second.total, second.n_pages) == ([3, 2], 5, 3)
    assert filled.decisions_page(page=9).items == []
    filled.append_decisions([retract(5)])  # the accept stands again, its retract does not
    assert seqs(standing=False) == [5]
    assert seqs(action="accept", standing=True) == [3, 1]


def test_the_number_at_a_moment(filled: Journal) -> None:
    def at(day: int) -> datetime:
        return datetime(2026, 1, day, tzinfo=UTC)

    assert (filled.decision_seq_at(at(1)), filled.head_seq()) == (0, 0)
    # The third is imported: made long before it was recorded.
    filled.append_decisions([accept(f"d{i}", "law", at=at(day)) for i, day in enumerate((5, 10, 2, 20))])
    assert filled.head_seq() == 4
    assert [filled.decision_seq_at(at(day)) for day in (1, 3, 5, 9, 10, 19, 20, 25)] == [
        0, 0, 1, 1, 3, 3, 4, 4,
    ]  # fmt: skip


def test_reasons_of_a_label_count_what_stands(filled: Journal) -> None:
    seqs = filled.append_decisions(
        [
            reject("d0", "law", reason="unclear"),
            reject("d1", "law", reason="off_topic"),
            reject("d2", "law", reason="off_topic"),
            reject("d3", "law"),
            reject("d0", "energy", reason="bad_text"),
            accept("d1", "food"),
        ]
    )
    assert filled.rejection_reasons("law") == {"off_topic": 2, "": 1, "unclear": 1}
    assert list(filled.rejection_reasons("law")) == ["off_topic", "", "unclear"]
    filled.append_decisions([retract(seqs[0])])
    assert filled.rejection_reasons("law") == {"off_topic": 2, "": 1}
    assert filled.rejection_reasons("nope") == {}


def test_of_a_pair_the_newest_reason_counts(filled: Journal) -> None:
    seqs = filled.append_decisions(
        [
            reject("d0", "law"),
            reject("d0", "law", reason="off_topic"),
            reject("d1", "law", "bob", reason="unclear"),
            accept("d1", "law"),
            reject("d2", "law", reason="unclear"),
            reject("d2", "law", "bob"),
        ]
    )
    assert filled.rejection_reasons("law") == {"": 1, "off_topic": 1}
    filled.append_decisions([retract(seqs[1]), retract(seqs[3]), retract(seqs[5])])
    assert filled.rejection_reasons("law") == {"unclear": 2, "": 1}
    filled.delete_documents(["d2"])
    assert filled.rejection_reasons("law") == {"": 1, "unclear": 1}


def test_a_reason_or_a_note_decides_nothing_a_second_time(filled: Journal) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    (first, _) = filled.append_decisions([reject("d0", "law", at=noon), accept("d1", "law", "bob", at=noon)])
    head = filled.head_seq()
    late = noon + timedelta(hours=1)
    (why, *_) = filled.append_decisions(
        [
            reject("d0", "law", reason="unclear", at=late),
            reject("d0", "law", reason="off_topic", at=late),
            accept("d1", "law", "bob", note="see the title", at=late),
        ]
    )

    def counts(**more: object) -> tuple[dict[str, int], ...]:
        return tuple(filled.decision_counts(by, **more) for by in ("action", "label", "reviewer"))  # type: ignore[arg-type]

    once = ({"reject": 1, "accept": 1}, {"law": 2}, {"ann": 1, "bob": 1})
    assert counts() == once
    assert counts(after_seq=head) == counts(since=late) == ({}, {}, {})
    assert counts(roles=["train"]) == once
    assert (filled.n_training_decisions(), filled.n_training_decisions(head)) == (2, 0)
    assert filled.decision_counts("action", records=True) == {"reject": 3, "accept": 2}
    assert filled.decision_counts("action", records=True, after_seq=head) == {"reject": 2, "accept": 1}
    # Of another reviewer, or after somebody said otherwise, it is a word of its own.
    (bobs,) = filled.append_decisions([reject("d0", "law", "bob", reason="unclear")])
    assert filled.n_training_decisions() == 3
    (otherwise, _) = filled.append_decisions(
        [accept("d0", "law", "bob"), reject("d0", "law", reason="off_topic")]
    )
    assert (filled.n_training_decisions(), filled.n_training_decisions(bobs)) == (5, 2)
    filled.append_decisions([retract(otherwise)])  # so the reason only added to what stood
    assert filled.n_training_decisions() == 3
    # The first taken back: what added to it is what was said.
    filled.append_decisions([retract(first)])
    assert counts() == ({"reject": 2, "accept": 1}, {"law": 3}, {"ann": 1, "bob": 2})
    assert filled.n_training_decisions(head) == 2
    filled.append_decisions([retract(why)])
    assert filled.decision_counts("reviewer") == {"ann": 1, "bob": 2}


def counted(journal: Journal) -> dict[str, int]:
    """Standing accepts and rejects by reviewer, told from the record one by one."""
    found: dict[str, int] = {}
    said: dict[tuple[str, str | None], list[Decision]] = {}
    for d in journal.decisions(standing=True, limit=None):
        if d.action not in ("accept", "reject"):
            continue
        before = said.setdefault((d.document_id, d.label_id), [])
        same = []
        for earlier in reversed(before):
            if earlier.action != d.action:
                break
            same.append(earlier.reviewer)
        if not (d.reason or d.note) or d.reviewer not in same:
            found[d.reviewer] = found.get(d.reviewer, 0) + 1
        before.append(d)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_said_and_taken_back_is_counted_once(filled: Journal, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        standing = filled.decisions(standing=True, limit=None)
        if standing and rng.random() < 0.25:
            filled.append_decisions([retract(rng.choice(standing).seq)])
        else:
            action = rng.choice(["accept", "reject"])
            reason = rng.choice(["", "unclear"]) if action == "reject" else ""
            said = Decision(
                rng.choice(["d0", "d1"]), "law", action, rng.choice(["ann", "bob"]),  # type: ignore[arg-type]
                reason=reason, note=rng.choice(["", "a note"]),
            )  # fmt: skip
            filled.append_decisions([said])
        assert filled.decision_counts("reviewer") == counted(filled)


def test_counts_of_decisions(filled: Journal) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    seqs = filled.append_decisions(
        [
            accept("d0", "energy", policy="audit", at=noon - timedelta(hours=1)),
            reject("d1", "energy", policy="mix", at=noon),
            accept("d2", "law", "bob", policy="mix", at=noon),
            accept("d3", "law", policy="mix", at=noon),  # a test document
            Decision("d1", "law", "skip", "ann", policy="mix", at=noon),
            Decision("d1", None, "complete", "ann", policy="mix", at=noon),
        ]
    )
    (taken,) = filled.append_decisions([accept("d0", "home", policy="rare", at=noon)])
    filled.append_decisions([retract(taken)])
    assert filled.decision_counts("policy") == {"audit": 1, "mix": 3}
    assert filled.decision_counts("policy", since=noon) == {"mix": 3}
    assert filled.decision_counts("policy", after_seq=seqs[2]) == {"mix": 1}
    assert filled.decision_counts("policy", reviewer="bob") == {"mix": 1}
    assert filled.decision_counts("reviewer") == {"ann": 3, "bob": 1}
    assert filled.decision_counts("label") == {"energy": 2, "law": 2}
    assert filled.decision_counts("label", since=noon, reviewer="ann") == {"energy": 1, "law": 1}
    assert filled.decision_counts("action") == {"accept": 3, "reject": 1, "skip": 1, "complete": 1}
    assert filled.decision_counts("action", roles=["test"]) == {"accept": 1}
    assert filled.decision_counts("action", roles=["test"], after_seq=1) == {"accept": 1}
    assert filled.decision_counts("policy", roles=["train", "test"]) == {"audit": 1, "mix": 3}
    assert filled.decision_counts("policy", roles=[]) == {}
    assert filled.n_training_decisions() == 4
    assert filled.n_training_decisions(seqs[1]) == 2
    assert filled.n_training_decisions(filled.head_seq()) == 0
    filled.append_decisions([retract(taken + 1)])
    assert filled.decision_counts("policy") == {"audit": 1, "mix": 3, "rare": 1}
    assert filled.n_training_decisions() == 5


def test_counts_that_are_kept_follow_all_that_happens(filled: Journal, url: str) -> None:
    """Counts over all decisions are added to, and made anew after an undo or a change of the documents."""
    other = Journal(url)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def check() -> None:
        fresh = Journal(url)
        for by in ("policy", "reviewer", "label", "action"):
            for more in (
                {},
                {"reviewer": "ann"},
                {"roles": ["test"]},
                {"roles": ["train", "test"]},
                {"since": noon},
                {"since": noon, "reviewer": "ann"},
                {"records": True},
            ):
                assert filled.decision_counts(by, **more) == fresh.decision_counts(by, **more)  # type: ignore[arg-type]
        assert filled.n_training_decisions() == fresh.n_training_decisions()
        fresh.close()

    check()
    (first,) = filled.append_decisions([accept("d0", "law", policy="a")])
    check()
    other.append_decisions(
        [reject("d3", "energy", "bob", policy="b"), Decision("d3", None, "complete", "bob")]
    )
    check()
    assert filled.decision_counts("policy") == {"a": 1, "b": 1}
    other.append_decisions([accept("d0", "food", at=noon - timedelta(days=1), policy="a")])  # imported
    other.append_decisions([reject("d3", "energy", "bob", policy="b", reason="unclear")])
    check()
    assert filled.decision_counts("policy") == {"a": 2, "b": 1}
    assert filled.decision_counts("policy", since=noon) == {"a": 1, "b": 1}
    other.append_decisions([accept("d1", "law"), retract(first)])
    check()
    other.append_decisions([accept("d2", "law")])
    check()
    other.put_documents([replace(DOCUMENTS[3], split="train")], role_of)
    check()
    assert filled.decision_counts("action", roles=["train"]) == {"accept": 3, "reject": 1, "complete": 1}
    other.restore(0, "ann")
    check()
    assert filled.decision_counts("policy") == {}
    other.close()


def test_steps_are_what_one_undo_takes_back(filled: Journal) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert filled.n_steps("ann", noon) == (0, None)
    seqs = filled.append_decisions(
        [
            accept("d0", "law", at=noon - timedelta(seconds=1)),
            accept("d0", "energy", at=noon + timedelta(seconds=1)),
            *(accept(f"d{i}", "home", batch="b", at=noon + timedelta(seconds=2)) for i in range(3)),
            accept("d1", "law", "bob", at=noon),
            accept("d2", "law", at=noon + timedelta(seconds=3)),
        ]
    )
    assert filled.n_steps("ann", noon) == (3, noon + timedelta(seconds=1))
    filled.append_decisions([replace(retract(seqs[1]), at=noon + timedelta(seconds=4))])
    assert filled.n_steps("ann", noon) == (2, noon + timedelta(seconds=2))


def test_undecided_documents_of_a_label(journal: Journal) -> None:
    documents = [Document(f"d{i}", "", f"text {i}") for i in range(9)]
    roles: dict[str, Role] = {"d6": "reserve", "d7": "held_out"}
    journal.put_documents(documents, lambda d: roles.get(d.id, "train"))
    journal.put_labels(LABELS)
    law = LABELS[3]
    probabilities = {"d0": 0.5, "d1": 0.9, "d2": None, "d3": 0.9, "d4": 0.8, "d5": 0.99, "d6": 0.9, "d7": 0.6}
    journal.append_judgments(
        [
            Judgment(d.id, "law", "yes", probabilities[d.id], "t", d.hash, law.hash)
            for d in documents
            if d.id in probabilities
        ]
        + [Judgment("d8", "law", "no", 0.1, "t", documents[8].hash, law.hash)]
    )
    journal.append_decisions([reject("d4", "law"), Decision("d5", None, "complete", "ann")])
    page = journal.undecided_documents("law", page_size=4)
    assert page.items == [("d1", "yes", 0.9), ("d3", "yes", 0.9), ("d7", "yes", 0.6), ("d0", "yes", 0.5)]
    assert page.total == 5
    assert journal.undecided_documents("law", page=1, page_size=4).items == [("d2", "yes", None)]
    assert journal.undecided_documents("nope").total == 0


def test_undecided_documents_of_many_labels_are_counted_at_once(journal: Journal) -> None:
    documents = [Document(f"d{i}", "", f"text {i}") for i in range(40)]
    roles: tuple[Role, ...] = ("train", "held_out", "reserve", "test")
    journal.put_documents(documents, lambda d: roles[int(d.id[1:]) % 4])
    labels = [Label(f"l{i}", f"name {i}") for i in range(600)]
    journal.put_labels(labels)
    rng = random.Random(3)
    journal.append_judgments(
        [
            Judgment(d.id, x.id, rng.choice(["yes", "yes", "no"]), 0.5, "t", d.hash, x.hash)  # type: ignore[arg-type]
            for d in documents
            for x in labels[:: rng.randint(1, 9)]
        ]
    )
    journal.append_decisions(
        [reject("d0", "l0"), accept("d1", "l0"), Decision("d4", None, "complete", "ann")]
    )
    journal.delete_documents(["d8"])
    ids = [x.id for x in labels] + ["nope"]
    assert journal.undecided_counts(ids) == {x: journal.undecided_documents(x).total for x in ids}
    assert sum(journal.undecided_counts(ids).values()) > 600
    assert journal.undecided_counts([]) == {}


def test_what_stands_of_documents(filled: Journal) -> None:
    seqs = filled.append_decisions(
        [
            accept("d2", "law"),
            reject("d0", "law", "bob"),
            Decision("d0", None, "complete", "ann"),
            Decision("d1", "law", "skip", "ann"),
            accept("d3", "law"),
        ]
    )
    filled.append_decisions([retract(seqs[0]), accept("d2", "energy")])
    filled.delete_documents(["d3"])
    assert filled.decided_documents() == ["d0", "d2"]
    assert filled.decided_documents("bob") == ["d0"]
    found = filled.standing_decisions(["d2", "d0", "d1", "nope"])
    assert {id_: [d.seq for d in said] for id_, said in found.items()} == {
        "d2": [7], "d0": [2, 3], "d1": [4], "nope": [],
    }  # fmt: skip


# Going back


def projection(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that the journal shows of pairs and of how many there are."""
    states = "n_accepted, n_rejected, n_proposed, n_declined, n_unparsed"
    engine = create_engine(url)
    with engine.connect() as conn:
        found = {
            "pairs": conn.execute(text("SELECT * FROM pairs ORDER BY document_num, label_num")),
            "documents": conn.execute(text(f"SELECT num, completed, {states} FROM documents ORDER BY num")),
            "labels": conn.execute(text(f"SELECT num, {states} FROM labels ORDER BY num")),
            "counters": conn.execute(
                text("SELECT * FROM counters WHERE name LIKE 'state:%' AND n > 0 ORDER BY name")
            ),
        }
        rows = {name: [tuple(row) for row in result] for name, result in found.items()}
    engine.dispose()
    return rows


def digest(url: str) -> str:
    return hashlib.sha256(repr(projection(url)).encode()).hexdigest()


def test_a_batch_of_500_undone_leaves_all_as_it_was(journal: Journal, url: str) -> None:
    documents = [Document(f"d{i}", "", f"text {i}") for i in range(600)]
    journal.put_documents(documents, role_of)
    journal.put_labels(LABELS)
    law = LABELS[3]
    journal.append_judgments(
        [
            Judgment(d.id, "law", ("yes", "no", "unparsed")[i % 3], 0.5, "t", d.hash, law.hash)  # type: ignore[arg-type]
            for i, d in enumerate(documents[:400])
        ]
    )
    journal.append_decisions([reject(f"d{i}", "law", "bob") for i in range(0, 600, 7)])
    journal.append_decisions([accept("d0", "law", "ann"), accept("d1", "energy", "ann", batch="other")])
    before = digest(url)
    journal.append_decisions([accept(f"d{i}", "law", batch="bulk") for i in range(50, 550)])
    assert digest(url) != before
    last = journal.last_undoable("ann")
    assert last is not None
    assert last.batch == "bulk"
    assert len(journal.retract("ann", batch=last.batch)) == 500
    assert digest(url) == before
    check_counts(journal)
    journal.append_decisions([accept(f"d{i}", "law", batch="again") for i in range(50, 550)])
    assert len(journal.restore(journal.head_seq() - 500, "ann")) == 500
    assert digest(url) == before


def test_restore_and_restore_of_it(filled: Journal, url: str) -> None:
    filled.append_judgments([judgment("d0", "energy")])
    a, b = filled.append_decisions([accept("d0", "energy"), reject("d1", "law", "bob")])
    filled.append_decisions([retract(a, "bob")])
    then, after = filled.head_seq(), digest(url)
    filled.append_decisions([retract(a + 2), reject("d0", "energy"), Decision("d2", None, "complete", "ann")])
    filled.append_decisions([retract(b)])
    late, latest = filled.head_seq(), digest(url)
    back = filled.restore(then, "eve", note="restore to 3", batch="r")
    assert [d.seq for d in back] == [late, late - 1, late - 2, late - 3]
    assert digest(url) == after
    written = filled.decisions(after_seq=late)
    assert {(d.reviewer, d.action, d.note, d.batch) for d in written} == {
        ("eve", "retract", "restore to 3", "r")
    }
    filled.restore(late, "eve")
    assert digest(url) == latest
    assert filled.restore(filled.head_seq(), "eve") == []
    filled.restore(0, "eve")
    assert filled.decision_counts("action") == {}
    assert state(filled, "d0", "energy") == "proposed"
    check_counts(filled)


def test_restoring_one_reviewer_leaves_the_others(filled: Journal) -> None:
    filled.append_decisions([accept("d0", "law", "ann")])
    (bobs,) = filled.append_decisions([accept("d0", "energy", "bob")])
    mine = filled.append_decisions([reject("d0", "energy", "ann"), accept("d1", "law", "ann")])
    filled.append_decisions([retract(bobs, "ann"), accept("d2", "law", "bob"), retract(mine[1], "bob")])
    filled.restore(1, "ann", only="ann")
    assert (state(filled, "d0", "law"), state(filled, "d0", "energy")) == ("accepted", "accepted")
    assert (state(filled, "d1", "law"), state(filled, "d2", "law")) == (None, "accepted")
    filled.restore(1, "ann", only="bob")  # bob's retract too, so what ann had said before she restored
    assert state(filled, "d0", "energy") is None
    assert state(filled, "d2", "law") is None


def test_what_one_retract_raises_another_of_the_same_step_takes_back(filled: Journal) -> None:
    (a,) = filled.append_decisions([accept("d0", "law", "ann")])
    (b,) = filled.append_decisions([retract(a, "ann")])
    (c,) = filled.append_decisions([retract(b, "bob")])
    (d,) = filled.append_decisions([retract(c, "ann")])
    # Without d, bob's c stands again, so b falls and a rises, which is ann's too.
    assert [x.seq for x in filled.restore(0, "eve", only="ann")] == [d, a]
    assert state(filled, "d0", "law") is None
    assert {x.seq for x in filled.decisions(standing=True)} == {c, 5, 6}
    filled.append_decisions([retract(6, "eve")])
    assert state(filled, "d0", "law") == "accepted"
    (e,) = filled.append_decisions([retract(a)])
    filled.append_decisions([retract(e), retract(a)])
    assert state(filled, "d0", "law") is None
    check_counts(filled)


def test_a_restore_that_makes_no_sense_is_refused(filled: Journal) -> None:
    filled.append_decisions([accept("d0", "law")])
    for seq in (-1, 2):
        with pytest.raises(InputError, match=f"no decision {seq}.*0 to 1"):
            filled.restore(seq, "ann")
    with pytest.raises(InputError, match="reviewer"):
        filled.restore(0, "")
    assert len(filled.decisions()) == 1


# Lists


def test_documents_page_filters(filled: Journal) -> None:
    filled.append_judgments([judgment("d0", "energy"), judgment("d1", "energy", "no"), judgment("d2", "law")])
    filled.append_decisions([reject("d0", "law")])

    def ids(**filters: object) -> list[str]:
        page = filled.documents_page(**filters)  # type: ignore[arg-type]
        assert page.total == len(page.items)
        return [row.id for row in page]

    assert ids() == ["d0", "d1", "d2", "d3"]
    assert ids(role="test") == ["d3"]
    assert ids(label_id="energy") == ["d0", "d1"]
    assert ids(label_id="energy", state="declined") == ["d1"]
    assert ids(state="proposed") == ["d0", "d2"]
    assert ids(state="rejected", completed=False) == ["d0"]
    assert ids(label_id="nope") == []
    assert ids(query="turbines grid") == ["d2"]
    assert ids(query="cafe naive") == ["d1"]
    assert ids(query="喫茶") == ["d1"]
    assert ids(query="茶喫") == []
    assert ids(query="d2") == ["d2"]
    assert ids(query="energy", role="train") == []
    assert sorted(ids(query="panel")) == ["d0"]
    assert ids(query="***") == []
    page = filled.documents_page(page=1, page_size=3)
    assert ([r.id for r in page], page.total) == (["d3"], 4)


def test_label_pairs(filled: Journal) -> None:
    filled.append_judgments(
        [
            judgment("d0", "law", probability=0.2),
            judgment("d1", "law", probability=0.9),
            judgment("d2", "law", "no"),
        ]
    )
    filled.append_decisions([accept("d3", "law")])
    page = filled.label_pairs("law")
    assert [(p.document_id, p.state) for p in page] == [
        ("d0", "proposed"),
        ("d1", "proposed"),
        ("d2", "declined"),
        ("d3", "accepted"),
    ]
    assert (page.items[3].title, page.items[3].reviewer, page.items[3].role) == ("Tax law", "ann", "test")
    by_probability = filled.label_pairs("law", sort="probability", descending=True)
    assert [p.document_id for p in by_probability] == ["d1", "d2", "d0", "d3"]
    assert [p.document_id for p in filled.label_pairs("law", "proposed", page=1, page_size=1)] == ["d1"]
    assert filled.label_pairs("nope").total == 0


def test_pairs_frame(filled: Journal) -> None:
    filled.append_judgments([judgment("d1", "law", "no", round=3), judgment("d0", "energy")])
    filled.append_judgments([judgment("d0", "energy", "no", key="t2", probability=None)])
    filled.append_decisions([accept("d1", "food"), reject("d0", "energy")])
    frame = filled.pairs_frame()
    rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    assert rows == [
        ["d0", "energy", "rejected", "no", None, "t2", 0, "reject", "ann"],
        ["d1", "food", "accepted", None, None, None, -1, "accept", "ann"],
        ["d1", "law", "declined", "no", 0.75, "t1", 3, None, None],
    ]
    one = filled.pairs_frame(teacher_key="t1")
    assert one["verdict"].tolist()[0] == "yes"
    assert one["state"].tolist() == ["rejected", "accepted", "declined"]
    other = filled.pairs_frame(teacher_key="t2")
    assert other["document_id"].tolist() == ["d0", "d1"]
    assert other["state"].tolist() == ["rejected", "accepted"]
    assert filled.pairs_frame(teacher_key="t3")["state"].tolist() == ["rejected", "accepted"]
    newest = filled.counts()["judgments"]
    early = filled.pairs_frame(until=(newest - 3, 0))  # without the judgment of round 3
    assert early["document_id"].tolist() == ["d0", "d1"]
    assert early["teacher_key"].tolist()[0] == "t2"
    assert filled.pairs_frame(until=(newest, 0)).equals(frame)
    assert filled.pairs_frame(until=(0, 3)).equals(frame)


def test_ids_labels_and_languages_without_texts(filled: Journal) -> None:
    filled.append_judgments([judgment("d1", "law")])
    filled.append_decisions([Decision("d0", None, "complete", "ann")])
    view = filled.corpus()
    every = [d.id for d in view.documents]
    assert filled.document_ids() == every
    assert filled.document_ids(completed=True) == ["d0"]
    assert filled.document_ids(judged=True) == ["d1"]
    assert filled.document_ids(completed=False, judged=False) == [i for i in every if i not in ("d0", "d1")]
    for role in ("train", "held_out", "reserve", "test"):
        assert filled.document_ids(role) == [
            d.id for d, r in zip(view.documents, view.roles, strict=True) if r == role
        ]
    assert filled.labels() == view.labels
    assert sum(filled.languages().values()) == len(every)
    filled.delete_documents(["d1"])
    assert "d1" not in filled.document_ids()
    stated = {i: labels for i, labels, _ in filled.stated_labels()}
    assert stated == {d.id: d.labels for d in DOCUMENTS if d.labels and d.id != "d1"}


# Runs and jobs


def run(id_: str, **more: object) -> Run:
    return Run(id_, now(), "adapter", {"epochs": 5}, "f", f"runs/{id_}", {"P@1": 0.5}, **more)  # type: ignore[arg-type]


def test_runs_and_promotions(journal: Journal) -> None:
    assert journal.promoted() is None
    journal.put_run(run("r1"))
    journal.put_run(run("r2", note="second"))
    assert [r.id for r in journal.runs(limit=1)] == ["r2"]
    assert [r.id for r in journal.runs()] == ["r2", "r1"]
    journal.promote("r2")
    journal.promote("r1")  # roll back
    assert [(r.id, r.promoted) for r in journal.runs()] == [("r2", False), ("r1", True)]
    promoted = journal.promoted()
    assert promoted is not None
    assert (promoted.id, promoted.promoted) == ("r1", True)
    assert [run_id for run_id, _ in journal.promotions()] == ["r2", "r1"]
    journal.put_run(replace(journal.run("r1"), metrics={"P@1": 0.75}))
    assert journal.run("r1").metrics == {"P@1": 0.75}
    assert len(journal.runs()) == 2
    with pytest.raises(NotFoundError, match="r9"):
        journal.promote("r9")


def test_a_run_that_only_compares_is_no_newest_training(journal: Journal) -> None:
    assert journal.newest_training() is None
    journal.put_run(run("r1"))
    for kind in ("maclr", "rts", "icxml"):
        journal.put_run(replace(run(f"r-{kind}"), kind=kind))
    found = journal.newest_training()
    assert found is not None
    assert found.id == "r1"


def test_jobs(journal: Journal) -> None:
    job = journal.job_put("j1", "teach", {"teacher": "evidence"})
    assert (job.state, job.params, job.done, job.result) == ("queued", {"teacher": "evidence"}, 0, None)
    journal.job_put("j2", "train", {})
    assert journal.job_update("j1", state="running", started=now(), pid=7, done=3, total=9, rate=1.5)
    assert not journal.job_update("j1", if_state=["queued"], state="cancelled")
    assert journal.job_update("j1", if_state=["running"], state="done", result={"n": 9}, ended=now())
    job = journal.job("j1")
    assert (job.state, job.done, job.total, job.pid, job.result) == ("done", 3, 9, 7, {"n": 9})
    assert job.started is not None
    assert job.heartbeat is not None
    assert job.heartbeat >= job.started
    assert [j.id for j in journal.jobs()] == ["j2", "j1"]
    assert [j.id for j in journal.jobs(states=["done"])] == ["j1"]
    with pytest.raises(InputError, match="speed"):
        journal.job_update("j1", speed=1)
    with pytest.raises(InputError, match="exists"):
        journal.job_put("j1", "teach", {})
    with pytest.raises(NotFoundError):
        journal.job("j9")
    with pytest.raises(NotFoundError):
        journal.job_update("j9", done=1)


# Following


def test_changes_name_everything_once(filled: Journal) -> None:
    first = filled.changes_after({}, limit=3)
    assert (first.documents, first.labels, first.more) == (
        ["d0", "d1", "d2"],
        ["energy", "home", "food"],
        True,
    )
    second = filled.changes_after(first.cursor, limit=3)
    assert (second.documents, second.labels, second.more) == (["d3"], ["law", "life"], False)
    assert second.cursor == filled.head()
    assert len(filled.changes_after(second.cursor)) == 0
    filled.append_judgments([judgment("d1", "law")])
    filled.append_decisions([accept("d1", "law"), Decision("d2", None, "complete", "ann")])
    filled.delete_documents(["d0"])
    filled.delete_labels(["law"])
    assert filled.pending_changes(second.cursor) == 4
    third = filled.changes_after(second.cursor)
    assert third.documents == ["d2", "d1"]
    assert (third.deleted_documents, third.labels, third.deleted_labels) == (["d0"], [], ["law"])


def test_ids_are_any_text(journal: Journal) -> None:
    ids = ["a|b", "ü/ñ 😀", "'; DROP TABLE documents; --", "%s ? :x", " "]
    journal.put_documents([Document(i, i, i, labels=(i,)) for i in ids], role_of)
    journal.put_labels([Label(i, i, i, (i,)) for i in ids])
    journal.append_decisions([accept(i, i) for i in ids])
    assert [d.id for d in journal.corpus().documents] == ids
    assert journal.gold("train") == {i: (i,) for i in ids}
    assert [p.state for i in ids for p in journal.pair_states(i)] == ["accepted"] * 5
    assert journal.documents_page(query="DROP TABLE").total == 1
    assert journal.documents_page(query="%s ? :x").total >= 1


# Several writers


def test_threads_and_journals_write_together(filled: Journal, url: str) -> None:
    other = Journal(url)
    failures: list[BaseException] = []

    def work(journal: Journal, reviewer: str) -> None:
        try:
            for i in range(20):
                label = LABELS[i % 5].id
                journal.append_judgments([judgment(f"d{i % 4}", label, key=reviewer)])
                journal.append_decisions([accept(f"d{i % 4}", label, reviewer)])
                found = journal.last_undoable(reviewer)
                assert found is not None
                if i % 3 == 0:
                    journal.retract(reviewer, seqs=[found.seq])
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(opened, f"r{i}")) for i, opened in enumerate([filled, other] * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert failures == []
    assert filled.counts()["judgments"] == 80
    seqs = [d.seq for d in filled.decisions()]
    assert seqs == list(range(1, 80 + 28 + 1))
    check_counts(filled)


def _append_a_hundred(url: str, reviewer: str, started: str) -> None:
    journal = Journal(url)
    Path(started, reviewer).touch()
    while len(os.listdir(started)) < 2:
        time.sleep(0.001)
    action: Action = "accept" if reviewer == "ann" else "reject"
    for i in range(100):
        # Twenty pairs are decided by both.
        document = f"both{i}" if i < 20 else f"{reviewer}{i}"
        journal.append_decisions([Decision(document, "law", action, reviewer)])
    journal.close()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_two_reviewers_decide_at_the_same_time(journal: Journal, url: str, kind: str, tmp_path: Path) -> None:
    names = [f"both{i}" for i in range(20)] + [f"{who}{i}" for who in ("ann", "bob") for i in range(20, 100)]
    journal.put_documents([Document(name, "", name) for name in names], role_of)
    journal.put_labels(LABELS)
    started = tmp_path / "started"
    started.mkdir()
    work: list[threading.Thread | multiprocessing.process.BaseProcess] = []
    for who in ("ann", "bob"):
        given = {"target": _append_a_hundred, "args": (url, who, str(started))}
        spawn = multiprocessing.get_context("spawn").Process
        work.append(threading.Thread(**given) if kind == "threads" else spawn(**given))  # type: ignore[arg-type]
    for one in work:
        one.start()
    for one in work:
        one.join()
    history = journal.decisions(limit=None)
    assert [d.seq for d in history] == list(range(1, 201))
    for who in ("ann", "bob"):
        said = [d.document_id for d in history if d.reviewer == who]
        assert said == [f"both{i}" if i < 20 else f"{who}{i}" for i in range(100)]
    newest = {d.document_id: d for d in history}
    for name, pairs in journal.pair_states_of(names).items():
        (pair,) = pairs
        assert (pair.decision, pair.reviewer) == (newest[name].action, newest[name].reviewer)
    check_counts(journal)


# Against a model: whatever happens, states are what the records amount to


actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("judge"),
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(["yes", "no", "unparsed"]),
            st.integers(0, 1),
            st.integers(0, 1),
        ),
        st.tuples(
            st.just("decide"),
            st.integers(0, 2),
            st.integers(0, 2),
            st.sampled_from(["accept", "reject", "skip"]),
        ),
        st.tuples(st.just("retract"), st.integers(0, 30)),
        st.tuples(st.just("document"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("label"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("drop document"), st.integers(0, 2)),
        st.tuples(st.just("drop label"), st.integers(0, 2)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=actions)
def test_states_are_what_the_records_amount_to(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[object, ...]]
) -> None:
    def document(i: int, version: int) -> Document:
        return Document(f"d{i}", f"title {i}", f"text {i} {version}")

    def label(i: int, version: int) -> Label:
        return Label(f"l{i}", f"name {i}", f"version {version}")

    journal = Journal(f"sqlite:///{tmp_path_factory.mktemp('j')}/j.db")
    journal.put_documents([document(i, 0) for i in range(3)], role_of)
    journal.put_labels([label(i, 0) for i in range(3)])
    texts: dict[str, dict[int, int | None]] = {
        "d": dict.fromkeys(range(3), 0),
        "l": dict.fromkeys(range(3), 0),
    }
    judged: list[tuple[int, int, int, int, str]] = []
    decided: dict[int, tuple[int, int, str]] = {}
    retracts: dict[int, int] = {}

    def stands(seq: int) -> bool:
        return not any(target == seq and stands(r) for r, target in retracts.items())

    for name, *a in actions:
        i: int = a[0]  # type: ignore[assignment]
        if name == "judge":
            _, x, verdict, dv, lv = a
            journal.append_judgments(
                [Judgment(f"d{i}", f"l{x}", verdict, 0.5, "k", document(i, dv).hash, label(x, lv).hash)]  # type: ignore[arg-type]
            )
            judged.append((i, x, dv, lv, verdict))  # type: ignore[arg-type]
        elif name == "decide":
            _, x, action = a
            if texts["d"][i] is None or texts["l"][x] is None:  # type: ignore[index]
                continue
            (seq,) = journal.append_decisions([Decision(f"d{i}", f"l{x}", action, "r")])  # type: ignore[arg-type]
            decided[seq] = (i, x, action)  # type: ignore[assignment]
        elif name == "retract":
            known = sorted({*decided, *retracts})
            if not known or not stands(known[i % len(known)]):
                continue
            (seq,) = journal.append_decisions([retract(known[i % len(known)])])
            retracts[seq] = known[i % len(known)]
        elif name == "document":
            journal.put_documents([document(i, a[1])], role_of)  # type: ignore[arg-type]
            texts["d"][i] = a[1]  # type: ignore[assignment]
        elif name == "label":
            journal.put_labels([label(i, a[1])])  # type: ignore[arg-type]
            texts["l"][i] = a[1]  # type: ignore[assignment]
        elif name == "drop document":
            journal.delete_documents([f"d{i}"])
            texts["d"][i] = None
        else:
            journal.delete_labels([f"l{i}"])
            texts["l"][i] = None

    expected: dict[tuple[str, str], str] = {}
    for i, x, dv, lv, verdict in judged:
        if texts["d"][i] == dv and texts["l"][x] == lv:
            expected[f"d{i}", f"l{x}"] = {"yes": "proposed", "no": "declined", "unparsed": "unparsed"}[
                verdict
            ]
    for seq, (i, x, action) in decided.items():
        if action != "skip" and stands(seq) and texts["d"][i] is not None and texts["l"][x] is not None:
            expected[f"d{i}", f"l{x}"] = f"{action}ed"
    frame = journal.pairs_frame()
    found = {(d, x): s for d, x, s in zip(frame.document_id, frame.label_id, frame.state, strict=True)}
    assert found == expected
    check_counts(journal)
    journal.close()


steps = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["accept", "reject", "skip", "complete"]),
            st.integers(0, 2),
            st.integers(0, 1),
            st.sampled_from(["ann", "bob"]),
        ),
        st.tuples(st.just("retract"), st.integers(0, 60), st.sampled_from(["ann", "bob"])),
        st.tuples(st.just("batch"), st.integers(1, 3), st.integers(0, 1), st.sampled_from(["ann", "bob"])),
        st.tuples(st.just("undo"), st.sampled_from(["ann", "bob"])),
        st.tuples(st.just("restore"), st.integers(0, 60)),
    ),
    max_size=25,
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_a_restore_brings_back_what_stood(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('j')}/j.db"
    journal = Journal(url)
    journal.put_documents([Document(f"d{i}", "", f"text {i}") for i in range(3)], role_of)
    journal.put_labels([Label(f"l{i}", f"name {i}") for i in range(2)])

    def shown() -> tuple[object, ...]:
        found = journal.decisions(standing=True, limit=None)
        return {d.seq for d in found if d.action != "retract"}, projection(url)

    seen = {0: shown()}
    for number, (name, *a) in enumerate(steps):
        head = journal.head_seq()
        if name == "retract":
            stand = journal.decisions(standing=True, limit=None)
            if stand:
                target = stand[a[0] % len(stand)]  # type: ignore[operator]
                journal.append_decisions([retract(target.seq, a[1])])  # type: ignore[arg-type]
        elif name == "batch":
            n, label, who = a
            found = [accept(f"d{i}", f"l{label}", who, batch=f"b{number}") for i in range(n)]  # type: ignore[arg-type,call-overload]
            journal.append_decisions([*found, Decision("d0", None, "complete", who, batch=f"b{number}")])  # type: ignore[arg-type]
        elif name == "undo":
            last = journal.last_undoable(a[0])  # type: ignore[arg-type]
            if last is not None:
                seqs = () if last.batch else (last.seq,)
                journal.retract(last.reviewer, seqs=seqs, batch=last.batch)
        elif name == "restore":
            moments = sorted(seen)
            moment = moments[a[0] % len(moments)]  # type: ignore[operator]
            journal.restore(moment, "eve")
            assert shown() == seen[moment]
        else:
            i, x, who = a
            label_id = None if name == "complete" else f"l{x}"
            journal.append_decisions([Decision(f"d{i}", label_id, name, who)])  # type: ignore[arg-type]
        if journal.head_seq() > head:
            seen[journal.head_seq()] = shown()
    for moment in sorted(seen, reverse=True)[::5]:
        journal.restore(moment, "eve")
        assert shown() == seen[moment]
    check_counts(journal)
    journal.close()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps, share=st.floats(0, 1))
def test_restoring_one_reviewer_is_the_walk_back_of_what_that_one_said(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]], share: float
) -> None:
    folder = tmp_path_factory.mktemp("j")
    journal = Journal(f"sqlite:///{folder}/j.db")
    journal.put_documents([Document(f"d{i}", "", f"text {i}") for i in range(3)], role_of)
    journal.put_labels([Label(f"l{i}", f"name {i}") for i in range(2)])
    for name, *a in steps:
        if name == "retract":
            stand = journal.decisions(standing=True, limit=None)
            if stand:
                journal.append_decisions([retract(stand[a[0] % len(stand)].seq, a[1])])  # type: ignore[operator,arg-type]
        elif name in ("accept", "reject", "skip"):
            journal.append_decisions([Decision(f"d{a[0]}", f"l{a[1]}", name, a[2])])  # type: ignore[arg-type]
    seq = int(share * journal.head_seq())
    # One by one, from the newest to the oldest, whatever stands at its turn.
    history = journal.decisions(after_seq=seq, reviewer="ann", limit=None, newest_first=True)
    journal.close()
    shutil.copy(folder / "j.db", folder / "walked.db")
    walked = Journal(f"sqlite:///{folder}/walked.db")
    for decision in history:
        if decision.seq in {d.seq for d in walked.decisions(standing=True, limit=None)}:
            walked.append_decisions([retract(decision.seq, "eve")])
    walked.close()
    journal.restore(seq, "eve", only="ann")
    found = [
        {d.seq for d in opened.decisions(standing=True, limit=None) if d.action != "retract"}
        for opened in (journal, walked)
    ]
    assert found[0] == found[1]
    assert projection(journal.url) == projection(walked.url)
    journal.close()
    walked.close()
