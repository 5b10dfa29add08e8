"""Decisions looked at, restored, taken elsewhere and back, through the facade and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lmtx.cli import main
from lmtx.errors import InputError
from lmtx.ingest import UploadedBytes
from lmtx.types import Decision, Document, Judgment, Label, now
from lmtx.workspace import Workspace

LABELS = [
    Label("L1", "Lighthouses", "Towers that guide ships."),
    Label("L2", "Gardens", "Growing plants."),
    Label("L3", "Owls"),
]
WORDS = ("a lighthouse guides ships at sea", "a garden with growing plants", "an owl hunts at night")
DOCUMENTS = [Document(f"d{i}", f"Title {i}", f"Text {i}: {WORDS[i % 3]}, said {i} times.") for i in range(30)]


def filled(folder: Path) -> Workspace:
    made = Workspace.create(folder, reviewer="ann")
    made._parts._own_index = False
    made.journal.put_labels(LABELS)
    made.journal.put_documents(DOCUMENTS, lambda d: "reserve" if d.id == "d29" else "train")
    made.journal.append_judgments(
        [
            Judgment(d.id, x.id, "yes" if i % 3 == j else "no", 0.75, "key", d.hash, x.hash)
            for i, d in enumerate(DOCUMENTS)
            for j, x in enumerate(LABELS)
        ]
    )
    return made


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with filled(tmp_path / "w") as made:
        yield made


def said(action: str, document: str, label: str | None, reviewer: str = "ann", **more: Any) -> Decision:
    return Decision(document, label, action, reviewer, **more)  # type: ignore[arg-type]


def upload(rows: object, name: str = "file.json") -> UploadedBytes:
    return UploadedBytes(name, json.dumps(rows).encode())


# ---- restoring and figures ------------------------------------------------------------------------


def test_restore_is_one_step_that_says_what_it_is(workspace: Workspace) -> None:
    workspace.decide([said("accept", "d0", "L1")])
    before = workspace.journal.pairs_frame()
    workspace.complete("d1", "bob", ["L2"], ["L1", "L3"])
    workspace.decide([said("reject", "d0", "L1", "bob")])
    head = workspace.journal.head_seq()
    back = workspace.restore(1, "ann")
    assert [d.seq for d in back] == [6, 5, 4, 3, 2]
    pd.testing.assert_frame_equal(workspace.journal.pairs_frame(), before)
    assert workspace.journal.completed() == {}
    written = workspace.journal.decisions(after_seq=head)
    assert {d.note for d in written} == {"restore to 1"}
    assert len({d.batch for d in written}) == 1
    assert written[0].batch
    workspace.restore(head, "ann")
    assert workspace.journal.completed() == {"d1": ("L2",)}
    assert workspace.restore(workspace.journal.head_seq(), "ann") == []


def test_restore_of_one_reviewer(workspace: Workspace) -> None:
    workspace.decide(
        [said("accept", "d0", "L1"), said("reject", "d0", "L1", "bob"), said("accept", "d1", "L1")]
    )
    back = workspace.restore(0, "eve", only="bob")
    assert [(d.seq, d.reviewer) for d in back] == [(2, "bob")]
    assert workspace.journal.pair_states("d0")[0].state == "accepted"


def test_a_moment_becomes_a_number(workspace: Workspace) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    workspace.decide([said("accept", f"d{i}", "L1", at=start + timedelta(hours=i)) for i in range(4)])
    assert [workspace.seq_at(start + timedelta(hours=h)) for h in (-1, 0, 1.5, 9)] == [0, 1, 2, 4]


def test_figures_of_today_count_what_stands_and_steps(workspace: Workspace) -> None:
    assert workspace.review_stats("ann") == {
        "decisions_today": 0, "documents_today": 0, "per_minute": 0.0, "completed": 0,
    }  # fmt: skip
    workspace.decide(
        [said("accept", "d9", "L1", at=now() - timedelta(days=2)), said("accept", "d8", "L1", "bob")]
    )
    midnight = now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    at = max(midnight, now() - timedelta(minutes=4))
    span = max(1.0, (now() - at).total_seconds() / 60)
    workspace.decide([said("accept", "d0", "L1", at=at)])
    workspace.decide([said("reject", f"d{i}", "L2", batch="bulk") for i in range(10)])
    workspace.complete("d1", "ann", ["L2"])
    workspace.decide([said("skip", "d5", None), said("accept", "d7", "L3")])
    workspace.undo("ann")
    found = workspace.review_stats("ann")
    assert (found["decisions_today"], found["documents_today"], found["completed"]) == (12, 1, 1)
    # The first, the batch, the completed document and the skipped one: four steps.
    assert found["per_minute"] == pytest.approx(4 / span, rel=0.2)
    assert workspace.review_stats("bob")["decisions_today"] == 1


def test_undo_takes_back_a_batch_and_goes_on_before_it(workspace: Workspace) -> None:
    workspace.decide([said("accept", "d0", "L1"), said("skip", "d1", None)])
    workspace.decide([said("reject", f"d{i}", "L2", batch="bulk") for i in range(10)])
    assert len(workspace.undo("ann")) == 10
    assert [d.action for d in workspace.undo("ann")] == ["skip"]
    assert [d.action for d in workspace.undo("ann")] == ["accept"]
    assert workspace.undo("ann") == []


# ---- out and in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_reason_and_blindness_travel(workspace: Workspace, tmp_path: Path, format: str) -> None:
    workspace.decide(
        [
            said(
                "reject",
                "d0",
                "L1",
                reason="off_topic",
                blind=True,
                policy="audit",
                inclusion_probability=0.5,
            ),
            said("accept", "d1", "L1"),
            said("reject", "d2", "L1", "bob"),
        ]
    )
    out = workspace.export("decisions", format, tmp_path / f"all.{format}")
    with filled(tmp_path / "other") as other:
        assert other.import_decisions(out).added == 3
        found = other.journal.decisions()
        assert [(d.reviewer, d.action, d.reason, d.blind) for d in found] == [
            ("ann", "reject", "off_topic", True),
            ("ann", "accept", "", False),
            ("bob", "reject", "", False),
        ]
        assert (found[0].policy, found[0].inclusion_probability) == ("audit", 0.5)
    out = workspace.export("decisions", format, tmp_path / f"bob.{format}", reviewer="bob")
    with filled(tmp_path / "third") as other:
        assert other.import_decisions(out).added == 1


def test_a_file_of_before_has_no_reasons(workspace: Workspace) -> None:
    rows = [{"seq": 1, "document_id": "d0", "label_id": "L1", "action": "reject", "reviewer": "ann"}]
    assert workspace.import_decisions(upload(rows)).added == 1
    assert workspace.journal.rejection_reasons("L1") == {"": 1}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"action": "reject", "reason": "ugly"}, "'ugly'.*unclear, too_broad"),
        ({"action": "accept", "reason": "unclear"}, "Only a reject"),
        ({"action": "accept", "blind": "perhaps"}, "blind is 'perhaps'"),
    ],
)
def test_bad_reasons_import_nothing(workspace: Workspace, more: dict[str, str], told: str) -> None:
    row = {"document_id": "d0", "label_id": "L1", "reviewer": "ann", **more}
    with pytest.raises(InputError, match=told):
        workspace.import_decisions(upload([row]))
    assert workspace.journal.decisions() == []


def reviewed(workspace: Workspace) -> None:
    workspace.decide([said("accept", "d0", "L1", "bob"), said("reject", "d0", "L2", "bob")])
    workspace.complete("d0", "ann", ["L1", "L3"], ["L2"])
    workspace.decide([said("accept", "d1", "L2"), said("skip", "d2", None), said("accept", "d3", "L1")])
    workspace.undo("ann")


def test_other_tools_get_documents_with_what_stands(workspace: Workspace, tmp_path: Path) -> None:
    reviewed(workspace)
    out = workspace.export("decisions", "label-studio", tmp_path / "tasks.json")
    tasks = json.loads(out.read_text(encoding="utf-8"))
    assert [t["data"]["id"] for t in tasks] == ["d0", "d1"]
    first = {a["reviewer"]: a for a in tasks[0]["annotations"]}
    chosen = {who: a["result"][0]["value"]["choices"] for who, a in first.items()}
    # Who completes takes over what stands already, although it is not recorded a second time.
    assert chosen == {"bob": ["Lighthouses"], "ann": ["Lighthouses", "Owls"]}
    assert first["ann"]["rejected"] == ["Gardens"]
    assert first["ann"]["completed_at"]
    assert first["bob"]["completed_at"] is None
    (teacher,) = tasks[0]["predictions"]  # nothing is trained yet
    assert (teacher["score"], teacher["result"][0]["value"]["choices"]) == (0.75, ["Lighthouses"])
    out = workspace.export("decisions", "prodigy", tmp_path / "lines.jsonl", reviewer="bob")
    lines = [json.loads(x) for x in out.read_text(encoding="utf-8").splitlines()]
    assert [(x["label"], x["answer"], x["_annotator_id"]) for x in lines] == [
        ("Lighthouses", "accept", "bob"),
        ("Gardens", "reject", "bob"),
    ]
    with pytest.raises(InputError, match=r"csv, jsonl, parquet, label-studio, argilla, prodigy"):
        workspace.export("decisions", "xml", tmp_path / "x")
    with pytest.raises(InputError, match="by reviewer"):
        workspace.export("pairs", "csv", tmp_path / "x", reviewer="ann")


def test_the_tagger_proposes_too_once_trained(workspace: Workspace, tmp_path: Path) -> None:
    reviewed(workspace)
    workspace.train()
    out = workspace.export("decisions", "argilla", tmp_path / "records.json")
    records = json.loads(out.read_text(encoding="utf-8"))
    assert [r["id"] for r in records] == ["d0", "d1"]
    run = workspace.journal.promoted()
    assert run is not None
    for record in records:
        suggestion = record["suggestions"]["labels"]
        assert suggestion["agent"] == f"lmtx {run.id}"
        assert set(suggestion["value"]) <= {"Lighthouses", "Gardens", "Owls"}
    out = workspace.export("decisions", "label-studio", tmp_path / "tasks.json")
    task = json.loads(out.read_text(encoding="utf-8"))[0]
    assert [p["model_version"] for p in task["predictions"]] == ["key", f"lmtx {run.id}"]


def test_label_studio_there_and_back(workspace: Workspace, tmp_path: Path) -> None:
    reviewed(workspace)
    out = workspace.export("decisions", "label-studio", tmp_path / "tasks.json")
    with filled(tmp_path / "other") as other:
        report = other.import_decisions(out)
        assert report.added == 7  # bob's two, ann's three and that it is complete, ann's on d1
        assert other.journal.completed() == workspace.journal.completed() == {"d0": ("L1", "L3")}
        mine, theirs = (x.journal.pairs_frame() for x in (workspace, other))
        assert list(mine["decision"]) == list(theirs["decision"])
        assert other.import_decisions(out).added == 0


def test_what_label_studio_exports_is_read(workspace: Workspace) -> None:
    def task(document: str, *annotations: dict[str, object]) -> dict[str, object]:
        return {
            "id": 7,
            "data": {"id": document, "text": "x"},
            "annotations": list(annotations),
            "drafts": [],
        }

    def chose(*names: str, **more: object) -> dict[str, object]:
        value = {
            "from_name": "labels",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": list(names)},
        }
        return {
            "id": 1,
            "result": [value],
            "was_cancelled": False,
            "updated_at": "2026-03-09T22:16:08Z",
            **more,
        }

    rows = [
        task("d0", chose("Lighthouses", "L3", completed_by={"id": 3, "email": "ann@example.org"})),
        task("d1", chose("Gardens", completed_by=5), chose("Owls", completed_by=6, was_cancelled=True)),
        task("d2"),
    ]
    report = workspace.import_decisions(upload(rows))
    assert report.added == 3
    found = workspace.journal.decisions()
    assert [(d.document_id, d.label_id, d.action, d.reviewer, d.policy) for d in found] == [
        ("d0", "L1", "accept", "ann@example.org", "label-studio"),
        ("d0", "L3", "accept", "ann@example.org", "label-studio"),
        ("d1", "L2", "accept", "label-studio 5", "label-studio"),
    ]
    assert found[0].at == datetime(2026, 3, 9, 22, 16, 8, tzinfo=UTC)
    assert workspace.import_decisions(upload(rows), "eve").added == 3
    with pytest.raises(InputError, match="'Ferns'"):
        workspace.import_decisions(upload([task("d0", chose("Ferns", completed_by=1))]))
    with pytest.raises(InputError, match="no annotator"):
        workspace.import_decisions(upload([task("d0", chose("Owls"))]))
    with pytest.raises(InputError, match="no 'id'"):
        workspace.import_decisions(upload([{"data": {"text": "x"}, "annotations": [chose("Owls")]}]))


# ---- the command line -----------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("LMTX_NO_INDEX", "1")

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in ("--workspace", tmp_path / "w", *arguments)])
        out, err = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 1 if code else 0), out, err

    return call


def as_json(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    assert out.count("\n") == 1
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_history_lists_and_filters(workspace: Workspace, run: Run) -> None:
    assert run("history")[1] == "No decisions.\n"
    workspace.decide(
        [
            said("accept", "d0", "L1", policy="audit"),
            said("reject", "d1", "L1", "bob", reason="unclear"),
            said("accept", "d1", "L2", "bob"),
        ]
    )
    workspace.undo("bob")
    found = as_json(run, "history")
    assert found["total"] == 4
    assert [(d["seq"], d["stands"]) for d in found["decisions"]] == [
        (4, True),
        (3, False),
        (2, True),
        (1, True),
    ]
    assert found["decisions"][2]["reason"] == "unclear"
    for options, seqs in (
        (("--document", "d1"), [4, 3, 2]),
        (("--label", "L1"), [2, 1]),
        (("--reviewer", "bob", "--action", "accept"), [3]),
        (("--policy", "audit"), [1]),
        (("--limit", "1"), [4]),
    ):
        assert [d["seq"] for d in as_json(run, "history", *options)["decisions"]] == seqs
    code, out, _ = run("history", "--limit", "2")
    assert code == 0
    assert "bob" in out
    assert "... and 2 older" in out
    code, out, err = run("history", "--action", "burn")
    assert (code, out) == (2, "")
    assert "accept, reject" in err


def test_restore_by_number_and_by_time(workspace: Workspace, run: Run) -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    workspace.decide([said("accept", f"d{i}", "L1", at=start + timedelta(hours=i)) for i in range(4)])
    code, out, _ = run("restore", "3")
    assert (code, out) == (0, "Back at decision 3: 1 taken back. To have them again: lmtx restore 4\n")
    assert as_json(run, "restore", "4") == {"seq": 4, "taken_back": 1, "undo_with": 5}
    when = (start + timedelta(hours=1)).astimezone().replace(tzinfo=None).isoformat()
    found = as_json(run, "restore", when, "--reviewer", "eve")
    assert (found["seq"], found["taken_back"]) == (2, 2)
    assert workspace.journal.decisions(newest_first=True, limit=1)[0].reviewer == "eve"
    assert workspace.journal.decision_counts("label") == {"L1": 2}
    assert as_json(run, "restore", 0, "--only", "bob")["taken_back"] == 0
    for wrong in ("yesterday", "99"):
        code, out, err = run("restore", wrong)
        assert (code, out) == (2, "")
        assert wrong in err
    workspace.update_settings(reviewer="")
    assert run("restore", "0")[0] == 2
    assert workspace.journal.decision_counts("label") == {"L1": 2}
