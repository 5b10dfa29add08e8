"""Finding documents, and the page of one: all of it in the address."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lmtx.types import Decision
from lmtx.workspace import Workspace

Open = Callable[..., AppTest]


def text_of(app: AppTest) -> str:
    found = [getattr(e, "body", None) or getattr(e, "value", None) for e in app.main]
    return "\n".join(x for x in found if isinstance(x, str))


def titles(app: AppTest) -> list[str]:
    return [b.label for b in app.button if str(b.key).startswith("find_open_")]


def address(app: AppTest) -> dict[str, str]:
    return {k: v[0] if isinstance(v, list) else v for k, v in app.query_params.items()}


@pytest.fixture
def opened(full: Path) -> Workspace:
    with Workspace.open(full / "library", own_index=False) as workspace:
        yield workspace


def test_an_address_shows_what_its_filters_say(opened: Workspace, open_page: Open) -> None:
    at = open_page("corpus", query="harbour", by="words", use="train")
    n = len(opened.journal.document_ids("train", query="harbour"))
    assert 0 < n <= 25
    assert len(titles(at)) == n
    assert at.text_input(key="find_query").value == "harbour"
    assert at.segmented_control(key="find_by").value == "words"
    assert at.selectbox(key="find_use").value == "train"
    assert "<mark>" in text_of(at)


def test_every_choice_is_in_the_address_and_begins_at_the_first_page(full: Path, open_page: Open) -> None:
    at = open_page("corpus", page="3")
    assert len(titles(at)) == 25
    third = titles(at)
    at.selectbox(key="find_judged").set_value("yes").run()
    assert address(at) == {"judged": "yes"}
    at.text_input(key="find_query").set_value("the sea").run()
    at.segmented_control(key="find_by").set_value("meaning").run()
    assert address(at) == {"judged": "yes", "query": "the sea", "by": "meaning"}
    assert "likeness" in text_of(at)
    at.selectbox(key="find_judged").set_value(None).run()
    assert "judged" not in address(at)
    assert titles(at) != third


def test_a_found_document_opens_and_has_an_address(opened: Workspace, open_page: Open) -> None:
    at = open_page("corpus", query="harbour", by="words")
    at.button(key="find_open_0").click().run()
    assert not at.exception
    assert at.title[0].value == "Document"
    first = opened.documents_page(query="harbour").items[0].id
    assert address(at) == {"document": first}


def test_label_and_state_are_found_together(opened: Workspace, open_page: Open) -> None:
    view = opened.journal.corpus()
    label = view.labels[0].id
    opened.decide([Decision(view.documents[i].id, label, "accept", "Ada") for i in (2, 5)])
    at = open_page("corpus", label=label, state="accepted")
    assert len(titles(at)) >= 2
    assert at.selectbox(key="find_label").value == label
    assert "1 accepted" in text_of(at)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"label": "nope"}, "Label &#x27;nope&#x27; is not in this workspace"),
        ({"state": "odd"}, "state: got"),
        ({"use": "odd"}, "role: got"),
        ({"by": "odd", "query": "sea"}, "by: got"),
        ({"set": "0123456789abcdef"}, "Pick the documents again"),
        ({"set": "../../x"}, "Pick the documents again"),
        ({"state": "tagged"}, "Choose a label too"),
        ({"query": "qqqqzz", "by": "words"}, "Nothing found"),
    ],
)
def test_what_an_address_can_not_mean_is_said_with_a_way_back(
    full: Path, open_page: Open, params: dict[str, str], said: str
) -> None:
    at = open_page("corpus", **params)
    assert not at.exception
    assert said in text_of(at)
    at.button(key="find_all").click().run()
    assert len(titles(at)) == 25
    assert address(at) == {}


def test_a_page_beyond_the_last_and_a_page_that_is_no_number(full: Path, open_page: Open) -> None:
    for page in ("999", "-1", "x"):
        at = open_page("corpus", page=page)
        assert not at.exception
        assert titles(at), page


def test_a_picked_set_is_said_and_can_be_left_or_reviewed(opened: Workspace, open_page: Open) -> None:
    ids = opened.journal.document_ids("train")[:3]
    set_id = opened.save_documents(ids)
    at = open_page("corpus", set=set_id)
    assert "3 documents picked" in text_of(at)
    assert len(titles(at)) == 3
    at.button(key="corpus_review").click().run()
    assert at.title[0].value == "Review"
    assert address(at)["set"] == set_id
    assert "documents that were picked" in " ".join(b.label for b in at.button)
    item = at.session_state["lmtx.review.item"]
    assert item.document.id in ids
    at.button(key="unpick").click().run()
    assert "set" not in address(at)
    at = open_page("corpus", set=set_id)
    at.button(key="find_unpick").click().run()
    assert len(titles(at)) == 25


def test_what_was_found_by_meaning_is_reviewed_as_a_set(opened: Workspace, open_page: Open) -> None:
    at = open_page("corpus", query="ships", by="meaning", use="train")
    at.button(key="corpus_review").click().run()
    assert not at.exception
    found = opened.saved_documents(address(at)["set"])
    assert set(found) == set(opened.journal.document_ids("train"))


def test_a_document_shows_what_each_says_and_what_speaks_for_the_tag_in_its_address(
    opened: Workspace, open_page: Open
) -> None:
    document = opened.journal.document_ids("train", judged=True)[0]
    label = opened.document_pairs(document)[1]
    opened.decide([Decision(document, label.label_id, "reject", "Ada", note="no ship in it")])
    at = open_page("corpus", document=document, tag=label.label_id)
    assert not at.exception
    assert at.selectbox(key="document_tag").value == label.label_id
    frame = at.dataframe[0].value
    assert list(frame["Label"])[:2] == [r.name for r in opened.document_pairs(document)][:2]
    assert list(frame["People"])[1] == "✗ Ada"
    assert set(frame["Teacher"].str.split(",").str[0]) & {"yes", "no"}
    text = text_of(at)
    assert "History" in text
    assert "no ship in it" in text
    other = opened.document_pairs(document)[2].label_id
    at.selectbox(key="document_tag").set_value(other).run()
    assert address(at) == {"document": document, "tag": other}
    at.button(key="document_near_0").click().run()
    assert address(at) == {"document": opened.neighbours(document)[0].document_id}


def test_leaving_sentences_out_is_asked_for_and_kept(
    opened: Workspace, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = opened.journal.document_ids("train", judged=True)[0]
    at = open_page("corpus", document=document)
    assert "color-mix" in text_of(at) or "<mark>" in text_of(at)
    assert "Score" not in text_of(at)
    choice = f"document_occlusion_{document}"
    at.segmented_control(key=choice).set_value("sentence").run()
    assert not at.exception
    assert "so much it drops without this" in text_of(at)
    assert "without it the score" in text_of(at)
    monkeypatch.setattr(Workspace, "occlusion", lambda *_, **__: 1 / 0)  # what is kept is not made again
    at.segmented_control(key=choice).set_value(None).run()
    at.segmented_control(key=choice).set_value("sentence").run()
    assert not at.exception
    assert "so much it drops without this" in text_of(at)


def test_a_tag_that_does_not_exist_is_said(full: Path, opened: Workspace, open_page: Open) -> None:
    document = opened.journal.document_ids()[0]
    at = open_page("corpus", document=document, tag="nope")
    assert not at.exception
    assert "There is no label" in text_of(at)


def test_a_long_text_folds(full: Path, opened: Workspace, open_page: Open, tmp_path: Path) -> None:
    text = " ".join(f"This is sentence number {i} of it." for i in range(300))
    (tmp_path / "long.jsonl").write_text(f'{{"id": "long", "text": "{text}"}}')
    opened.import_corpus(tmp_path / "long.jsonl", labels_are="none")
    at = open_page("corpus", document="long")
    assert "number 299" not in text_of(at)
    at.toggle(key="document_whole").set_value(True).run()
    assert "number 299" in text_of(at)


def test_without_labels_or_vectors_a_document_still_shows(
    empty: Path, small_corpus: Path, open_page: Open
) -> None:
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="none")
        document = workspace.journal.document_ids()[3]
    at = open_page("corpus", document=document)
    assert not at.exception
    assert "There are no labels yet" in text_of(at)
    assert "no vector yet" in text_of(at)


def test_read_only_offers_no_review(full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    at = open_page("corpus", query="harbour", by="words")
    assert titles(at)
    assert not any(b.key in ("corpus_review", "corpus_upload") for b in at.button)
    shutil.rmtree(full / "library" / "chroma", ignore_errors=True)
    at.button(key="find_open_0").click().run()
    assert not at.exception
    assert not any(b.label == "Review it" for b in at.button)
