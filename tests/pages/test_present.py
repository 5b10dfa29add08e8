"""What an audience sees: the four screens, and every screen of a server that only shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app import mode
from app.widgets import present
from lmtx.workspace import Workspace

Open = Callable[..., AppTest]
ROOT = Path(__file__).resolve().parents[2]
SHOWN = sorted(p.stem for p in (ROOT / "pages").glob("*.py") if p.stem not in mode.CHANGING)


def text(at: AppTest) -> str:
    return "".join(h.body for h in at.main.get("html"))


@pytest.fixture(scope="module")
def fuller(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The taught workspace with a reviewer, a decision and figures against gold."""
    home = tmp_path_factory.mktemp("fuller")
    shutil.copytree(taught / "library", home / "library")
    with Workspace.open(home / "library", own_index=False) as workspace:
        workspace.update_settings(reviewer="Ada Private")
        item = workspace.next_documents("default", "Ada Private")[0]
        workspace.complete(item.document.id, "Ada Private", {item.candidates[0].label_id}, set(), item.policy)
        workspace.presentation()
    return home


@pytest.fixture
def shown(home: Path, fuller: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that a server started read-only looks at."""
    shutil.copytree(fuller / "library", home / "library")
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    yield home
    st.cache_resource.clear()


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.name.endswith(("-wal", "-shm"))
    }


def test_four_steps_follow_each_other_and_end(full: Path, open_page: Open) -> None:
    at = open_page("present")
    for step in range(1, len(present.STEPS) + 1):
        assert not at.exception
        assert f'data-step="{step}"' in text(at)
        assert at.button(key="present_back").disabled == (step == 1)
        assert at.button(key="present_next").disabled == (step == len(present.STEPS))
        if step < len(present.STEPS):
            at.button(key="present_next").click().run()
    at.button(key="present_back").click().run()
    assert 'data-step="3"' in text(at)
    at.button(key="present_end").click().run()
    assert at.title[0].value == "Overview"


def test_every_figure_says_its_truth_and_interval(full: Path, open_page: Open) -> None:
    shown = text(open_page("present", step="4"))
    assert "test documents" in shown
    assert ">gold</span> compared with the labels that came with the corpus" in shown
    assert shown.count("95 % interval") == shown.count("lx-show-figure") == 3
    assert "Without learning" in shown


def test_three_documents_and_one_of_them_with_a_wrong_tag(full: Path, open_page: Open) -> None:
    shown = text(open_page("present", step="3"))
    assert shown.count("lx-show-doc") == 3
    assert "✓ right" in shown
    assert "✗ wrong" in shown
    assert "no random sample" in shown


@pytest.mark.parametrize("step", ["", "0", "9", "x", "²"])
def test_an_address_that_names_no_step_is_the_first(step: str) -> None:
    assert present.step_of(step) == 1


def test_missing_stages_say_so(home: Path, small_corpus: Path, open_page: Open) -> None:
    with Workspace.create(home / "raw", name="Raw") as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="none")
    said = {}
    for step in range(1, 5):
        at = open_page("present", step=str(step))
        assert not at.exception
        said[step] = text(at)
    assert "No teacher has judged anything yet" in said[2]
    assert "Nothing is trained yet" in said[3]
    assert "nothing to measure" in said[4]


@pytest.mark.parametrize("name", SHOWN)
def test_a_visitor_looks_at_every_screen_and_nothing_changes(shown: Path, open_page: Open, name: str) -> None:
    before = files(shown)
    with Workspace.open(shown / "library", read_only=True) as workspace:
        seq, document = workspace.journal.head_seq(), workspace.documents_page(page_size=1).items[0].id
        label = workspace.labels_page(page_size=1).items[0].id
    addresses: list[dict[str, str]] = [{}]
    addresses += [{"document": document}] if name == "corpus" else []
    addresses += [{"label": label}] if name == "labels" else []
    if name == "precision":
        views = ("overview", "labels", "errors", "runs", "probabilities", "plan")
        addresses += [{"truth": "reviewed", "view": view} for view in views]
    if name == "explore":
        addresses += [{"view": view} for view in ("map", "labels", "gaps")]
    if name == "present":
        addresses += [{"step": str(step)} for step in range(2, 5)]
    for address in addresses:
        at = open_page(name, **address)
        assert not at.exception, address
        assert 'class="lx-error"' not in text(at), address
        assert name != "present" or "Ada Private" not in text(at)
        assert not [b.label for b in at.button if b.label.startswith(("Review", "Audit", "Upload", "Train"))]
        # "Try it" reads a file into its box, which keeps nothing.
        assert not [u for u in at.get("file_uploader") if u.key != "try_file"]
    with Workspace.open(shown / "library", read_only=True) as workspace:
        assert workspace.journal.head_seq() == seq
    assert files(shown) == before


def test_screens_that_change_things_are_not_there(shown: Path, open_page: Open) -> None:
    at = open_page("overview")
    links = {link.proto.page for link in at.sidebar.get("page_link")}
    assert "present" in links
    assert not links & mode.CHANGING
    side = "".join(h.body for h in at.sidebar.get("html"))
    assert "Read-only" in side
    assert "Ada" not in side
    assert not [b for b in at.button if b.key == "next_step"]


def test_a_read_only_server_without_a_workspace_says_what_to_do(
    home: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    at = open_page("overview")
    assert not at.exception
    assert "There is no workspace to show." in text(at)
    assert not at.button
    assert not list(home.iterdir())


def test_the_overview_names_the_best_step_and_two_more(full: Path, open_page: Open) -> None:
    at = open_page("overview")
    assert not at.exception
    assert at.button(key="next_step").label == "Review documents"
    shown = text(at)
    assert "Complete 40 documents" in shown
    assert "measured on two other corpora" in shown  # where it is not of this workspace
    assert [b.key for b in at.button if (b.key or "").startswith("then_")] == ["then_1", "then_2"]
    at.button(key="then_1").click().run()
    assert not at.exception
