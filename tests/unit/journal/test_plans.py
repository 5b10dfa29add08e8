"""What is done for every batch and every click must not read whole tables."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event

from lmtx.journal import Journal
from lmtx.types import Decision, Document, Judgment, Label, now

DOCUMENTS = [Document(f"d{i}", f"title {i}", f"text {i}", labels=("l0",)) for i in range(30)]
LABELS = [Label(f"l{i}", f"name {i}") for i in range(5)]
WHOLE = (
    "SCAN documents",
    "SCAN document_records",
    "SCAN pairs",
    "SCAN judgments",
    "SCAN decisions",
    "SCAN standing",
)


def judgment(document: Document, label: Label) -> Judgment:
    return Judgment(document.id, label.id, "yes", 0.5, "k", document.hash, label.hash)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(f"sqlite:///{tmp_path}/j.db")
    journal.put_documents(DOCUMENTS, lambda d: "train")
    journal.put_labels(LABELS)
    journal.append_judgments(
        [Judgment(d.id, x.id, "yes", 0.5, "k", d.hash, x.hash) for d in DOCUMENTS for x in LABELS]
    )
    journal.append_decisions([Decision("d1", "l1", "accept", "ann", batch="b")])
    return journal


@pytest.mark.parametrize(
    "action",
    [
        lambda j: j.append_judgments(
            [Judgment(d.id, LABELS[0].id, "no", 0.5, "k", d.hash, LABELS[0].hash) for d in DOCUMENTS[:9]]
        ),
        lambda j: j.append_decisions(
            [Decision("d2", "l1", "accept", "ann"), Decision("d2", None, "complete", "ann")]
        ),
        lambda j: j.retract("ann", batch="b"),
        lambda j: j.last_undoable("ann"),
        lambda j: j.decisions(document_id="d1", standing=True),
        lambda j: j.decisions(reviewer="ann"),
        lambda j: j.pair_states("d1"),
        lambda j: j.documents_by_id(["d1", "d2"]),
        lambda j: j.document_row("d1"),
        lambda j: j.label_pairs("l1", "proposed"),
        lambda j: j.label_row("l1"),
        lambda j: j.pair_counts(),
        lambda j: j.changes_after(j.head()),
        lambda j: j.known_verdicts("k", [DOCUMENTS[0].hash]),
        lambda j: j.documents_page(completed=True),
        lambda j: j.decisions_page(reviewer="ann", standing=True),
        lambda j: j.decisions_page(policy="audit", action="accept"),
        lambda j: j.decisions_page(standing=False, page=1),
        lambda j: j.decision_seq_at(now()),
        lambda j: j.rejection_reasons("l1"),
        *(
            partial(Journal.decision_counts, by=by, since=now(), reviewer=who, roles=roles)
            for by in ("policy", "reviewer", "label", "action")
            for who in (None, "ann")
            for roles in (None, ["reserve"])
        ),
        lambda j: j.decision_counts("policy", after_seq=1),
        lambda j: j.n_training_decisions(1),
        lambda j: j.n_steps("ann", now()),
        lambda j: j.undecided_documents("l1"),
        lambda j: j.undecided_counts(["l1", "l2"]),
        lambda j: j.n_completed(),
        lambda j: j.restore(1, "ann"),
    ],
)
def test_nothing_is_read_whole(journal: Journal, action: Callable[[Journal], object]) -> None:
    plans: dict[str, list[str]] = {}

    @event.listens_for(journal._engine, "before_cursor_execute")
    def explain(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if statement.startswith(("SELECT", "WITH", "UPDATE", "DELETE")) and not many:
            rows = conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans[statement] = [row[3] for row in rows]

    action(journal)
    assert plans
    for statement, plan in plans.items():
        whole = [step for step in plan if step.startswith(WHOLE) and "USING" not in step]
        assert not whole, f"{statement}\n{plan}"


def test_counting_since_a_moment_reads_only_what_is_newer(journal: Journal) -> None:
    """Whoever counts today's decisions reads the index of times, whatever else is asked."""
    statements: list[tuple[str, object]] = []

    @event.listens_for(journal._engine, "before_cursor_execute")
    def note(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "FROM decisions" in statement:
            rows = conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            statements.append((statement, [row[3] for row in rows]))

    for by in ("policy", "reviewer", "label", "action"):
        journal.decision_counts(by, since=now())  # type: ignore[arg-type]
        journal.decision_counts(by, since=now(), reviewer="ann", roles=["train"])  # type: ignore[arg-type]
    assert len(statements) == 8
    for i, (statement, plan) in enumerate(statements):
        index = "decisions_reviewer_at (reviewer=? AND at>?)" if i % 2 else "decisions_at (at>?)"
        assert any(step.endswith(f"INDEX {index}") for step in plan), f"{statement}\n{plan}"


def test_what_was_explained_is_found_by_its_own_index(journal: Journal) -> None:
    """A count looks for repeated decisions among the few with a reason or a note, and at each one's pair."""
    plans: list[list[str]] = []

    @event.listens_for(journal._engine, "before_cursor_execute")
    def note(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "new_.reason" in statement:
            rows = conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            plans.append([row[3] for row in rows])

    journal.decision_counts("policy")
    journal.decision_counts("policy")  # what is newer than the first
    journal.decision_counts("action", since=now(), reviewer="ann")
    journal.n_training_decisions(1)
    assert len(plans) == 4
    for plan in plans:
        assert any(step.startswith("SEARCH new_ USING INDEX decisions_explained (seq>?)") for step in plan)
        assert any("before_ USING INDEX decisions_pair (document_num=? AND label_num=?" in x for x in plan)
        assert any("other_ USING INDEX decisions_pair (document_num=? AND label_num=?" in x for x in plan)


def test_completed_documents_are_counted_without_reading_them(journal: Journal) -> None:
    with journal._read() as conn:
        plan = conn.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT count(*) FROM documents WHERE completed = 1 AND live = 1"
        ).all()
    assert "COVERING INDEX documents_done" in plan[0][3]
