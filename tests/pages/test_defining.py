"""A label's definition on its page: reasons of rejections, editing, and what the teacher says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from lmtx.types import Decision
from lmtx.workspace import Workspace


def text_of(at: AppTest) -> str:
    """Everything that the screen says in HTML."""
    return " ".join(str(x.proto.body) for x in at.get("html"))


def decided(folder: Path) -> tuple[str, str]:
    """Decide three pairs of a label that the teacher judged; returns its id and definition."""
    with Workspace.open(folder, own_index=False) as workspace:
        frame = workspace.journal.pairs_frame()
        view = workspace.journal.corpus()
        train = {view.documents[int(i)].id for i in view.rows("train")}
        label = frame[frame["document_id"].isin(train)]["label_id"].value_counts().index[0]
        ids = [i for i in frame[frame["label_id"] == label]["document_id"] if i in train][:3]
        actions = ["accept", "reject", "reject"]
        reasons = ["", "too_broad", ""]
        workspace.decide(
            [
                Decision(i, label, action, "Ada", reason=reason)  # type: ignore[arg-type]
                for i, action, reason in zip(ids, actions, reasons, strict=True)
            ]
        )
        found = workspace.journal.label(label)
        assert found is not None
        return label, found.description


def test_a_definition_is_tried_then_saved(full: Path, open_page: Callable[..., AppTest]) -> None:
    label_id, before = decided(full / "library")
    at = open_page("labels", label=label_id)
    assert "2 rejections: 1 too broad, 1 no reason given" in text_of(at)
    assert find(at, "Save").disabled  # nothing was changed yet
    at.text_area[0].set_value(f"{before} And whatever else is said about it.").run()
    find(at, "Try it").click().run()
    assert not at.exception
    with Workspace.open(full / "library", own_index=False) as workspace:
        job = workspace.jobs()[0]
        assert job.verb == "try_definition"
        job = workspace._parts.job_store.wait(job.id, 120)
        assert job.state == "done", job.error
    at.run()
    assert "The teacher agrees with people on" in text_of(at)
    find(at, "Save").click().run()
    assert not at.exception
    assert "new definition" in text_of(at)
    with Workspace.open(full / "library", own_index=False) as workspace:
        label = workspace.journal.label(label_id)
        assert label is not None
        assert label.description.endswith("whatever else is said about it.")
        assert sum(d.action == "reject" for d in workspace.journal.decisions(label_id=label_id)) == 2


def test_an_empty_name_is_refused_in_words(full: Path, open_page: Callable[..., AppTest]) -> None:
    label_id, _ = decided(full / "library")
    at = open_page("labels", label=label_id)
    at.text_input[0].set_value("  ").run()
    find(at, "Save").click().run()
    assert not at.exception
    assert "name" in text_of(at).lower()
    with Workspace.open(full / "library", own_index=False) as workspace:
        label = workspace.journal.label(label_id)
        assert label is not None
        assert label.name.strip()


def find(at: AppTest, name: str) -> Any:
    """Button whose words begin so."""
    return next(b for b in at.button if b.label.startswith(name))
