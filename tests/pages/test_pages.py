"""Every screen in every state: no workspace, an empty one, a full one, a broken one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(p.stem for p in (ROOT / "pages").glob("*.py"))
Open = Callable[..., AppTest]


def text_of(app: AppTest) -> str:
    """All words on the screen."""
    found = [x for e in app.main for x in (getattr(e, "body", None), getattr(e, "value", None))]
    return "\n".join(x for x in found if isinstance(x, str))


def button(app: AppTest, start: str) -> Button:
    """The button whose key begins so; keys in the review name the document they are about."""
    return next(b for b in app.button if (b.key or "").startswith(start))


def test_pages_are_short() -> None:
    lengths = {p.name: len(p.read_text().splitlines()) for p in (ROOT / "pages").glob("*.py")}
    assert max(lengths.values()) < 150, lengths


@pytest.mark.parametrize("name", PAGES)
def test_without_a_workspace_it_offers_the_demo(home: Path, open_page: Open, name: str) -> None:
    at = open_page(name)
    assert not at.exception
    text = text_of(at)
    assert "No workspace yet" in text
    assert "no language model" in text
    assert at.button(key="load_demo")


@pytest.mark.parametrize("name", PAGES)
def test_empty_says_why_and_what_to_do(empty: Path, open_page: Open, name: str) -> None:
    at = open_page(name)
    assert not at.exception
    text = text_of(at)
    if name == "settings":
        assert "Workspaces" in text
    else:
        assert "empty" in text or "No documents yet" in text or "No labels yet" in text


@pytest.mark.parametrize("name", PAGES)
def test_full_draws(full: Path, open_page: Open, name: str) -> None:
    at = open_page(name)
    assert not at.exception
    assert 'role="alert"' not in text_of(at)


@pytest.mark.parametrize("name", PAGES)
def test_an_error_is_shown_without_a_traceback(broken: Path, open_page: Open, name: str) -> None:
    at = open_page(name)
    assert not at.exception
    assert 'role="alert"' in text_of(at)
    assert "workspace.json" in text_of(at)


def test_detail_of_a_document_and_of_a_label(full: Path, open_page: Open) -> None:
    from lmtx.workspace import Workspace

    with Workspace.open(full / "library", own_index=False) as workspace:
        document = workspace.documents_page(page_size=1).items[0].id
        label = workspace.labels_page(page_size=1).items[0].id
    at = open_page("corpus", document=document)
    assert not at.exception
    assert "Similar documents" in text_of(at)
    at = open_page("labels", label=label)
    assert not at.exception
    assert "Accepted" in text_of(at)
    at = open_page("corpus", document="nowhere")
    assert not at.exception
    assert "does not exist" in text_of(at)


def test_upload_previews_before_anything_is_written(empty: Path, open_page: Open) -> None:
    at = open_page("labels")
    at.file_uploader[0].upload("labels.csv", b"id,name\nL1,Ships\nL2,\nL3,Harbours\n", "text/csv").run()
    assert not at.exception
    text = text_of(at)
    assert "Preview" in text
    assert "labels.csv" in text
    assert "Rows that need a look" in text
    assert at.button(key="import_labels")


def test_upload_of_a_broken_file_is_an_error_message(empty: Path, open_page: Open) -> None:
    at = open_page("corpus")
    at.file_uploader[0].upload("corpus.parquet", b"PAR1 truncated", "application/octet-stream").run()
    assert not at.exception
    assert 'role="alert"' in text_of(at)


def test_a_fault_of_the_app_is_said_so(full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("LMTX_HOME", str(full))
    monkeypatch.setattr("app.services.warm_pool", lambda: None)
    monkeypatch.setattr("app.widgets.runs.headline", lambda *_: 1 / 0)
    at = open_page("overview")
    assert "It is a fault of the app" in text_of(at)
    assert "ZeroDivisionError" in text_of(at)


def test_nothing_is_left_to_ask_the_evidence_teacher(full: Path) -> None:
    from lmtx.workspace import Workspace

    with Workspace.open(full / "library", own_index=False) as workspace:
        assert workspace.teach_preview("evidence", None, None).n_open == 0
        assert workspace.teach("evidence").n_judged == 0
        report = workspace.cycle("evidence", rounds=1)
        assert report.n_judged == 0


def test_words_that_speak_for_a_tag_tell_something(full: Path) -> None:
    from lmtx.workspace import Workspace

    text = "What is this, and who was with them when the ships were lost? It is about one harbour in winter."
    with Workspace.open(full / "library", own_index=False) as workspace:
        shown = {w.casefold() for tag in workspace.predict([text], top_k=7)[0] for w in tag.words}
    assert shown
    assert not shown & {
        "what",
        "is",
        "this",
        "and",
        "who",
        "was",
        "with",
        "them",
        "when",
        "the",
        "about",
        "in",
    }


def test_a_failed_import_keeps_the_file_and_a_new_one_forgets_the_report(
    empty: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import state
    from lmtx.workspace import Workspace

    file = b"id,name\nL1,Ships\nL2,\n"
    at = open_page("labels")
    at.file_uploader[0].upload("labels.csv", file, "text/csv").run()
    at.button(key="import_labels").click().run()
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        for _ in range(600):
            if not any(job.active for job in workspace.jobs()):
                break
            time.sleep(0.1)
    at.run()
    assert "nothing was imported" in text_of(at)
    assert "Preview" in text_of(at)  # of the file that is kept: another choice is a click away
    assert at.session_state[state.UPLOADS["labels"].name].endswith("labels.csv")
    at.file_uploader[0].upload("other.csv", b"id,name\nL1,Ships\n", "text/csv").run()
    text = text_of(at)
    assert "nothing was imported" not in text
    assert "other.csv" in text


def test_try_it_tags_what_is_in_the_box(full: Path, open_page: Open) -> None:
    at = open_page("try_it")
    at.button(key="try_example").click().run()
    assert not at.exception
    assert 'class="lx-pred"' in text_of(at)
    assert "Why" in text_of(at)


def test_search_finds_by_words_and_by_meaning(full: Path, open_page: Open) -> None:
    at = open_page("corpus")
    at.text_input(key="find_query").set_value("ships that were lost").run()
    assert not at.exception
    assert len([b for b in at.button if str(b.key).startswith("find_open_")]) > 3
    at.segmented_control(key="find_by").set_value("words").run()
    at.text_input(key="find_query").set_value("harbour").run()
    assert not at.exception
    assert "<mark>" in text_of(at)


def test_precision_says_of_what_and_from_which_truth(full: Path, open_page: Open) -> None:
    at = open_page("precision")
    text = text_of(at)
    assert "Of the tags the tagger gives" in text
    assert ">gold</span>" in text
    assert len(at.get("plotly_chart")) == 2
    at.session_state["lmtx.precision.label"] = at.dataframe[0].value["Label"].index[0]
    at.selectbox(key="precision_system").set_value("zero-shot").run()
    assert not at.exception
    assert "likeness of names alone" in text_of(at)


def test_runs_are_listed_with_the_one_in_use(full: Path, open_page: Open) -> None:
    at = open_page("train")
    frame = next(d.value for d in at.dataframe if "In use" in d.value)
    assert list(frame["In use"]) == ["✓"]
    assert frame["P@1"].notna().all()


def test_hostile_titles_stay_words(full: Path, open_page: Open) -> None:
    at = open_page("corpus")
    at.text_input(key="find_query").set_value("bold").run()
    assert not at.exception
    for shown in (text_of(at), text_of(open_page("teacher"))):
        assert "<script>window.hit" not in shown


def test_what_was_found_can_be_reviewed(full: Path, open_page: Open) -> None:
    at = open_page("corpus")
    assert not any(b.key == "corpus_review" for b in at.button)
    at.segmented_control(key="find_by").set_value("words").run()
    at.text_input(key="find_query").set_value("harbour").run()
    at.button(key="corpus_review").click().run()
    assert not at.exception
    assert at.title[0].value == "Review"
    assert at.query_params["query"] in ("harbour", ["harbour"])
