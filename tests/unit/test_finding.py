"""Finding documents: by meaning, words and facts, together and apart, page by page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmtx.cli import main
from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.explore.evidence import query_spans, snippet
from lmtx.types import Decision
from lmtx.workspace import Workspace
from lmtx.workspace.finding import DocumentQuery as Query


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, encoded_demo: Path) -> Path:
    """A workspace of 120 documents with some decisions, not trained."""
    made = tmp_path_factory.mktemp("finding")
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:120]
    (made / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with Workspace.create(made / "w") as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(made / "corpus.jsonl", labels_are="none")
        shutil.copy(encoded_demo / "vectors.db", made / "w")
        view = workspace.journal.corpus()
        label = view.labels[0].id
        decide = [Decision(d.id, label, "accept", "Ada") for d in view.documents[:6]]
        decide += [Decision(d.id, label, "reject", "Ada") for d in view.documents[6:10]]
        workspace.decide(decide)
    return made / "w"


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder, own_index=False) as opened:
        yield opened


def ids(workspace: Workspace, query: Query) -> list[str]:
    return workspace.find_document_ids(query)


def test_without_a_question_the_corpus_comes_in_its_order(workspace: Workspace) -> None:
    view = workspace.journal.corpus()
    page = workspace.find_documents(Query(), page=2, page_size=50)
    assert [x.row.id for x in page] == [d.id for d in view.documents[100:]]
    assert (page.total, page.n_pages) == (120, 3)


def test_words_must_all_be_there_and_are_marked(workspace: Workspace) -> None:
    found = workspace.find_documents(Query("harbour", by="words"), page_size=100)
    assert 0 < found.total < 120
    texts = workspace.journal.documents_by_id(x.row.id for x in found)
    for item in found:
        assert "harbour" in texts[item.row.id].full_text.casefold()
        marked = [item.snippet[a:b] for a, b in item.marks] + [
            item.row.title[a:b] for a, b in item.title_marks
        ]
        assert marked
        assert all(x.casefold().startswith("harbour") for x in marked)


def test_meaning_ranks_by_likeness(workspace: Workspace) -> None:
    found = workspace.find_documents(Query("vessels lost at sea", by="meaning"), page_size=120)
    likeness = [x.likeness for x in found if x.likeness is not None]
    assert len(likeness) == 120
    assert likeness == sorted(likeness, reverse=True)
    view = workspace.journal.corpus()
    asked = workspace._parts.encoder().encode(["vessels lost at sea"], role="document")[0]
    vectors = workspace._parts.document_vectors(view.documents)
    assert found.items[0].row.id == view.documents[int((vectors @ asked).argmax())].id


def test_both_puts_what_is_high_in_each_first(workspace: Workspace) -> None:
    query = Query("harbour", by="both")
    words, both = ids(workspace, replace(query, by="words")), ids(workspace, query)
    meaning = ids(workspace, replace(query, by="meaning"))

    def score(x: str) -> float:
        return sum(1 / (61 + found.index(x)) for found in (words, meaning) if x in found)

    assert set(both) == set(words) | set(meaning)
    assert [score(x) for x in both] == sorted(map(score, both), reverse=True)
    assert both[0] in words


def test_facts_narrow_every_way_of_searching(workspace: Workspace) -> None:
    view = workspace.journal.corpus()
    label = view.labels[0].id
    accepted = [d.id for d in view.documents[:6]]
    rejected = [d.id for d in view.documents[6:10]]
    assert ids(workspace, Query(label_id=label, state="accepted")) == accepted
    assert ids(workspace, Query(label_id=label, state="rejected")) == rejected
    assert set(ids(workspace, Query(label_id=label))) == {*accepted, *rejected}
    assert set(ids(workspace, Query(judged=True))) == {*accepted, *rejected}
    assert len(ids(workspace, Query(judged=False))) == 110
    assert ids(workspace, Query(completed=True)) == []
    by_role = [ids(workspace, Query(role=role)) for role in ("train", "held_out", "reserve", "test")]
    assert sum(map(len, by_role)) == 120
    assert ids(workspace, Query(split="test")) == by_role[3]
    near = ids(workspace, Query("the sea", by="meaning", label_id=label, state="accepted"))
    assert set(near) == set(accepted)
    everywhere = ids(workspace, Query("the sea", by="meaning"))
    assert near == [x for x in everywhere if x in set(accepted)]


def test_a_set_that_was_picked_narrows_and_goes_with_the_rest(workspace: Workspace) -> None:
    view = workspace.journal.corpus()
    picked = [d.id for d in view.documents[4:9]]
    set_id = workspace.save_documents(picked)
    label = view.labels[0].id
    assert ids(workspace, Query(set_id=set_id)) == picked
    assert ids(workspace, Query(set_id=set_id, label_id=label, state="accepted")) == picked[:2]
    assert set(ids(workspace, Query("sea", by="meaning", set_id=set_id))) == set(picked)
    with pytest.raises(NotFoundError, match="Pick the documents again"):
        ids(workspace, Query(set_id="0" * 16))


def test_documents_that_the_tagger_tags_are_found_once_it_has_tagged_them(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as workspace:
        tagged = Query(label_id=workspace.journal.corpus().labels[3].id, state="tagged")
        with pytest.raises(NothingToDoError, match="not tagged the corpus yet"):
            ids(workspace, tagged)
        tags = workspace.tag_corpus()
        has = (tags.label_idx[:, :5] == 3).any(axis=1)
        view = workspace.journal.corpus()
        assert set(ids(workspace, tagged)) == {d.id for d, x in zip(view.documents, has, strict=True) if x}
        test = ids(workspace, replace(tagged, role="test"))
        assert test == [x for x in ids(workspace, tagged) if view.roles[view.document_idx[x]] == "test"]


def test_what_is_not_known_is_said(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="Label 'nope'"):
        ids(workspace, Query(label_id="nope"))
    with pytest.raises(InputError, match="state: got 'odd'"):
        ids(workspace, Query(state="odd"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Choose a label too"):
        ids(workspace, Query(state="tagged"))
    with pytest.raises(InputError, match="page"):
        workspace.find_documents(Query(), page=-1)


def test_a_corpus_without_vectors_is_searched_by_words(tmp_path: Path, demo_folder: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "A red fox."}\n{"id": "b", "text": "A blue cat."}')
    with Workspace.create(tmp_path / "w") as workspace:
        workspace.import_corpus(tmp_path / "c.jsonl")
        assert ids(workspace, Query("fox")) == ["a"]
        with pytest.raises(NothingToDoError, match="search by words"):
            ids(workspace, Query("fox", by="meaning"))


def test_a_new_document_is_found_by_meaning_once_it_has_its_vector(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as workspace:
        query = Query("penguins on the ice of Antarctica", by="meaning")
        ids(workspace, query)
        (tmp_path / "new.jsonl").write_text(
            '{"id": "new", "text": "Penguins live on the ice of Antarctica."}'
        )
        workspace.import_corpus(tmp_path / "new.jsonl")
        assert "new" not in ids(workspace, query)
        workspace.embed()
        assert ids(workspace, query)[0] == "new"


def test_the_command_line_finds_the_same(
    workspace: Workspace, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = workspace.find_documents(Query("harbour", by="words"), page_size=3)
    args = ["--workspace", str(folder), "search", "harbour", "--by", "words", "--page-size", "3", "--json"]
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert [d["id"] for d in said["documents"]] == [x.row.id for x in found]
    assert said["total"] == found.total


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("The Harbours of Kiel", "harbour", ["Harbours"]),
        ("An art in art", "in", ["in"]),
        ("Cafés and a café", "cafe", ["Cafés", "café"]),
        ("海の港町の記録", "港町", ["港町"]),
        ("nothing here", "", []),
    ],
)
def test_words_are_marked_as_the_search_finds_them(text: str, query: str, marked: list[str]) -> None:
    assert [text[a:b] for a, b in query_spans(text, query)] == marked


def test_a_snippet_shows_the_first_match_of_a_long_text() -> None:
    text = f"{'word ' * 200}needle in a haystack. {'more ' * 200}"
    short, marks = snippet(text, query_spans(text, "needle"))
    assert [short[a:b] for a, b in marks] == ["needle"]
    assert short.startswith("…")
    assert short.endswith("…")
    assert len(short) <= 242
    assert snippet("short", []) == ("short", [])
