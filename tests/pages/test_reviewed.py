"""Precision by audited documents on its screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lmtx.workspace import Workspace


def text_of(at: AppTest) -> str:
    """Everything that the screen says in HTML."""
    return " ".join(str(x.proto.body) for x in at.get("html"))


def reviewed_screen(open_page: Callable[..., AppTest]) -> AppTest:
    """Open the screen and choose what people decided."""
    at = open_page("precision")
    at.segmented_control(key="precision_truth").set_value("reviewed").run()
    assert not at.exception
    return at


def test_without_audited_documents_it_says_what_to_do(full: Path, open_page: Callable[..., AppTest]) -> None:
    at = reviewed_screen(open_page)
    assert "No document of the audit has been completed yet" in text_of(at)
    assert any(b.label == "Audit documents" for b in at.button)


def test_audited_documents_give_figures(full: Path, open_page: Callable[..., AppTest]) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        gold = workspace.journal.gold("train")
        for _ in range(6):
            item = workspace.next_documents("audit", "Ada")[0]
            right = set(gold.get(item.document.id, ()))
            shown = {c.label_id for c in item.candidates}
            workspace.complete(item.document.id, "Ada", right, shown - right, item.policy, None)
        found = workspace.reviewed_precision()
        assert found is not None
    at = reviewed_screen(open_page)
    text = text_of(at)
    assert "6 audited documents" in text
    assert "first impression" in text
    assert f"{100 * (found.precision.value or 0):.1f}" in text
    table = at.dataframe[0].value
    assert set(table["Known"]) <= {"", "to ±10 points", "not enough reviews"}
    assert int(table["Audited"].sum()) > 0


def test_a_run_that_has_not_tagged_the_reserve_asks_for_a_training(
    full: Path, open_page: Callable[..., AppTest]
) -> None:
    for path in (full / "library" / "runs").glob("*/reserve.json"):
        path.unlink()
    at = reviewed_screen(open_page)
    assert "has tagged the reserve" in text_of(at)
