"""Try it: texts and files, tags over a threshold, systems side by side, and what becomes of a wrong tag."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lmtx.workspace import Workspace

Open = Callable[..., AppTest]
TEXT = "The lifeboat crew rowed out to the wreck. All hands were saved. Bread was baked ashore."


def text_of(app: AppTest) -> str:
    found = [getattr(e, "body", None) or getattr(e, "value", None) for e in app.main]
    return "\n".join(x for x in found if isinstance(x, str))


@pytest.fixture(scope="module")
def calibrated(taught: Path, small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose workspace has probabilities: people completed forty documents, and it trained on them."""
    home = tmp_path_factory.mktemp("calibrated")
    shutil.copytree(taught / "library", home / "library")
    lines = (small_corpus / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    gold = {r["id"]: r["labels"] for r in map(json.loads, lines)}
    with Workspace.open(home / "library", own_index=False) as workspace:
        known = set(workspace.journal.document_ids("train"))
        for document_id in [x for x in gold if x in known][:40]:
            workspace.complete(document_id, "Ada", gold[document_id])
        workspace.promote(workspace.train(epochs=2).id)
    return home


@pytest.fixture
def likely(home: Path, calibrated: Path, open_page: Open) -> AppTest:
    shutil.copytree(calibrated / "library", home / "library")
    at = open_page("try_it")
    at.session_state["lmtx.try.text"] = TEXT
    return at.run()


@pytest.fixture
def trying(full: Path, open_page: Open) -> AppTest:
    at = open_page("try_it")
    at.session_state["lmtx.try.text"] = TEXT
    return at.run()


def test_tags_come_with_why_and_the_runners_up(trying: AppTest, full: Path) -> None:
    assert not trying.exception
    with Workspace.open(full / "library", own_index=False) as workspace:
        found = workspace.predict([TEXT], top_k=8)[0]
    text = text_of(trying)
    assert text.count('class="lx-pred"') == 8
    assert "5 given" in text
    assert "Runners-up" in text
    assert all(t.name in text for t in found)
    assert list(trying.selectbox(key="try_why").options) == [t.name for t in found]
    assert "<mark>" in text


def test_the_threshold_leaves_less_and_says_what_is_expected(likely: AppTest, home: Path) -> None:
    with Workspace.open(home / "library", own_index=False) as workspace:
        found = workspace.predict([TEXT], top_k=5)[0]
    p = [t.probability or 0.0 for t in found]
    assert "Expected" in text_of(likely)
    likely.slider(key="try_threshold").set_value(95).run()
    assert not likely.exception
    assert f"{sum(x >= 0.95 for x in p)} given" in text_of(likely)
    least = int(100 * max(p) // 5 * 5)
    likely.slider(key="try_threshold").set_value(least).run()
    kept = [x for x in p if x >= least / 100]
    assert f"{len(kept)} given" in text_of(likely)
    assert f"{100 * sum(kept) / len(kept):.1f}" in text_of(likely)
    assert "Audit" not in text_of(likely)  # nobody audited anything


def test_without_probabilities_there_is_no_threshold(trying: AppTest) -> None:
    assert not trying.slider


def test_several_systems_stand_side_by_side(trying: AppTest) -> None:
    box = next(m for m in trying.multiselect if str(m.key).startswith("try_systems_"))
    box.set_value([box.value[0], "zero-shot", "bm25_document"]).run()
    assert not trying.exception
    text = text_of(trying)
    assert "lx-versus" in text
    assert "Nothing learned" in text
    box = next(m for m in trying.multiselect if str(m.key).startswith("try_systems_"))
    box.set_value(["zero-shot"]).run()
    assert not trying.exception
    assert 'class="lx-pred"' in text_of(trying)


def test_wrong_on_a_document_of_the_corpus_opens_its_pair(full: Path, open_page: Open) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        document = workspace.journal.documents_by_id(workspace.journal.document_ids("train")[:1])
        document_id, item = next(iter(document.items()))
        label_id = workspace.predict([item.full_text], top_k=1)[0][0].label_id
        before = workspace.journal.head_seq()
        at = open_page("try_it")
        at.session_state["lmtx.try.text"] = item.full_text
        at.run()
        at.button(key=f"try_wrong_{label_id}").click().run()
        assert not at.exception
        assert at.title[0].value == "Review"
        assert at.query_params["document"] in (document_id, [document_id])
        assert at.query_params["label"] in (label_id, [label_id])
        assert workspace.journal.head_seq() == before


def test_wrong_on_a_pasted_text_records_nothing_until_it_is_added(trying: AppTest, full: Path) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        label_id = workspace.predict([TEXT], top_k=1)[0][0].label_id
        n = workspace.journal.counts()["documents"]
        trying.button(key=f"try_wrong_{label_id}").click().run()
        assert "nothing was recorded" in text_of(trying)
        assert workspace.journal.counts()["documents"] == n
        trying.button(key="try_add").click().run()
        assert not trying.exception
        assert trying.title[0].value == "Review"
        assert workspace.journal.counts()["documents"] == n + 1
        document_id = workspace.document_of_text(TEXT)
        assert document_id is not None
        assert document_id.startswith("pasted-")


def test_a_row_of_a_file_goes_into_the_box(full: Path, open_page: Open) -> None:
    at = open_page("try_it")
    rows = b"id,title,text\n1,Fish,All about herring nets.\n2,Bread,How loaves are baked.\n"
    at.file_uploader(key="try_file").upload("rows.csv", rows, "text/csv").run()
    assert not at.exception
    assert at.session_state["lmtx.try.text"] == "Fish\nAll about herring nets."
    assert 'class="lx-pred"' in text_of(at)
    box = next(s for s in at.selectbox if str(s.key).startswith("try_row_"))
    box.set_value(1).run()
    assert at.session_state["lmtx.try.text"] == "Bread\nHow loaves are baked."


def test_a_text_file_and_a_broken_one(full: Path, open_page: Open) -> None:
    at = open_page("try_it")
    at.file_uploader(key="try_file").upload("a.txt", "Über Häfen und Schiffe.".encode(), "text/plain").run()
    assert at.session_state["lmtx.try.text"] == "Über Häfen und Schiffe."
    at = open_page("try_it")
    at.file_uploader(key="try_file").upload("a.jsonl", b"{broken", "application/json").run()
    assert not at.exception
    assert 'role="alert"' in text_of(at) or "No text was found" in text_of(at)


def test_read_only_has_no_button_that_changes_something(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    at = open_page("try_it")
    at.session_state["lmtx.try.text"] = TEXT
    at.run()
    assert not at.exception
    assert 'class="lx-pred"' in text_of(at)
    assert not any(str(b.key).startswith("try_wrong_") for b in at.button)
