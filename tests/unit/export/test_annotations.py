"""Other tools' forms of decisions: what is in a record, and that they are written one by one."""

from __future__ import annotations

import json
import tracemalloc
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lmtx.errors import InputError
from lmtx.export import Annotated, Proposed, Said, choices, write_annotations
from lmtx.export.annotations import reviewer_uuid
from lmtx.types import Document, Label

LABELS = [Label("l1", "Owls"), Label("l2", "Gardens"), Label("l3", "Owls"), Label("l4", "Ships")]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, tzinfo=UTC)
ITEM = Annotated(
    Document("d1", "A title", "An owl, 東京."),
    "train",
    [
        Said("ann", LATER, accepted=("l1",), rejected=("l2",), completed_at=LATER),
        Said("bob", AT, accepted=("l3",), rejected=("l2",)),
    ],
    [
        Proposed("evidence", (("l2", None), ("l1", 0.75))),
        Proposed("lmtx run", (("l1", 0.5), ("l4", 0.25))),
    ],
)


def written(tmp_path: Path, format: str, items: list[Annotated]) -> list[dict[str, Any]]:
    out = write_annotations(iter(items), LABELS, format, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    text = out.read_text(encoding="utf-8")
    assert "東京" in text or not items
    return [json.loads(x) for x in text.splitlines()] if format == "prodigy" else json.loads(text)


def test_labels_are_written_by_name_unless_several_have_it() -> None:
    assert choices([*LABELS, Label("l5", "")]) == {
        "l1": "Owls [l1]",
        "l2": "Gardens",
        "l3": "Owls [l3]",
        "l4": "Ships",
        "l5": "[l5]",
    }


def test_label_studio(tmp_path: Path) -> None:
    (task,) = written(tmp_path, "label-studio", [ITEM])
    assert {k: task["data"][k] for k in ("id", "title", "text", "role")} == {
        "id": "d1", "title": "A title", "text": "An owl, 東京.", "role": "train",
    }  # fmt: skip
    assert task["data"]["labels"] == [
        {"value": "Owls [l1]", "label_id": "l1", "evidence": 0.75, "lmtx run": 0.5},
        {"value": "Gardens", "label_id": "l2"},
        {"value": "Owls [l3]", "label_id": "l3"},
        {"value": "Ships", "label_id": "l4", "lmtx run": 0.25},
    ]
    ann, bob = task["annotations"]
    (result,) = ann["result"]
    assert (result["from_name"], result["to_name"], result["type"]) == ("labels", "text", "choices")
    assert result["value"] == {"choices": ["Owls [l1]"]}
    assert (ann["reviewer"], ann["completed_at"]) == ("ann", LATER.isoformat())
    assert (bob["reviewer"], bob["completed_at"], bob["rejected"]) == ("bob", None, ["Gardens"])
    assert bob["result"][0]["id"] != result["id"]
    assert "completed_by" not in ann  # Label Studio refuses the whole file for one it does not know
    offered = {x["value"] for x in task["data"]["labels"]}
    for part in (*task["annotations"], *task["predictions"]):
        assert set(part["result"][0]["value"]["choices"]) <= offered
    assert [(p["model_version"], p["score"]) for p in task["predictions"]] == [
        ("evidence", 0.75),
        ("lmtx run", 0.375),
    ]


def test_argilla(tmp_path: Path) -> None:
    (record,) = written(tmp_path, "argilla", [ITEM])
    assert set(record) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
    assert record["fields"] == {"title": "A title", "text": "An owl, 東京."}
    assert record["suggestions"] == {
        "labels": {"value": ["Owls [l1]", "Ships"], "score": [0.5, 0.25], "agent": "lmtx run"}
    }
    ann, bob = record["responses"]["labels"]
    # `Record.from_dict` passes each of these to `Response(question_name=..., **one)`.
    assert set(ann) == {"value", "user_id", "status"}
    assert (ann["value"], ann["status"]) == (["Owls [l1]"], "submitted")
    assert (bob["value"], bob["status"]) == (["Owls [l3]"], "draft")
    assert uuid.UUID(ann["user_id"]) != uuid.UUID(bob["user_id"])
    assert ann["user_id"] == reviewer_uuid("ann")
    assert record["metadata"] == {
        "role": "train",
        "split": "train",
        "reviewers": ["ann", "bob"],
        "completed_by": ["ann"],
        "rejected": ["Gardens"],
    }


def test_argilla_gives_no_half_scores_and_no_empty_drafts(tmp_path: Path) -> None:
    item = Annotated(
        ITEM.document,
        "train",
        [Said("bob", AT, rejected=("l2",))],
        [Proposed("t", (("l2", None), ("l1", 1.0)))],
    )
    (record,) = written(tmp_path, "argilla", [item])
    assert record["suggestions"]["labels"]["score"] is None
    assert record["responses"] == {"labels": []}


def test_prodigy(tmp_path: Path) -> None:
    whole, yes, no = written(tmp_path, "prodigy", [ITEM])
    assert whole["text"] == yes["text"] == "A title\nAn owl, 東京."
    assert (whole["_view_id"], whole["_annotator_id"], whole["answer"]) == ("choice", "ann", "accept")
    assert whole["accept"] == ["Owls [l1]"]
    assert [o["id"] for o in whole["options"]] == ["Owls [l1]", "Gardens", "Owls [l3]", "Ships"]
    assert whole["options"][0] == {
        "id": "Owls [l1]", "text": "Owls [l1]", "meta": {"label_id": "l1", "score": 0.5},
    }  # fmt: skip
    assert whole["config"] == {"choice_style": "multiple"}
    assert [(x["label"], x["answer"], x["_annotator_id"]) for x in (yes, no)] == [
        ("Owls [l3]", "accept", "bob"),
        ("Gardens", "reject", "bob"),
    ]
    assert no["meta"] == {"document_id": "d1", "label_id": "l2"}
    assert no["_timestamp"] == int(AT.timestamp())


@pytest.mark.parametrize("format", ["label-studio", "argilla", "prodigy"])
def test_nothing_is_an_empty_file_of_its_kind(tmp_path: Path, format: str) -> None:
    assert written(tmp_path, format, []) == []


def test_an_unknown_format_is_told_with_the_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'doccano'.*label-studio, argilla, prodigy"):
        write_annotations(iter([ITEM]), LABELS, "doccano", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["label-studio", "argilla", "prodigy"])
def test_records_are_written_one_by_one_and_whole_or_not_at_all(tmp_path: Path, format: str) -> None:
    def items(n: int) -> Iterator[Annotated]:
        for i in range(n):
            yield Annotated(Document(f"d{i}", "", "x" * 2000), "train", ITEM.said, ITEM.proposed)

    told: list[int] = []
    tracemalloc.start()
    write_annotations(items(2500), LABELS, format, tmp_path / "out", told.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == [1000, 2000, 2500]
    assert (tmp_path / "out").stat().st_size > 5_000_000
    assert peak < 2_000_000
    (tmp_path / "out").write_text("before")

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_annotations(items(1500), LABELS, format, tmp_path / "out", stop)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "before"
