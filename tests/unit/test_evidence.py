"""One document: what everybody says of its labels, what speaks for one, which pieces matter, what is near."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.explore.occlusion import Piece, drops, without
from lmtx.types import Decision, Document
from lmtx.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, encoded_demo: Path) -> Path:
    """A workspace of 120 documents that the evidence teacher judged, trained."""
    made = tmp_path_factory.mktemp("evidence")
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:120]
    (made / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with Workspace.create(made / "w") as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(made / "corpus.jsonl", labels_are="none")
        shutil.copy(encoded_demo / "vectors.db", made / "w")
        workspace.cycle("evidence", rounds=1, epochs=2)
    return made / "w"


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder, own_index=False) as opened:
        opened._parts.encoder().load()
        yield opened


def judged(workspace: Workspace) -> Document:
    found = workspace.journal.document(workspace.journal.document_ids("train", judged=True)[0])
    assert found is not None
    return found


def test_a_document_lists_its_labels_with_what_everybody_says(workspace: Workspace) -> None:
    document = judged(workspace)
    rows = workspace.document_pairs(document.id, n_tags=5)
    ranked = workspace.predict([document], top_k=5)[0]
    assert [r.label_id for r in rows if r.place and r.place <= 5] == [t.label_id for t in ranked]
    best = rows[0]
    assert best.place == 1
    assert best.score == pytest.approx(ranked[0].score, abs=1e-4)
    assert best.student is not None
    pairs = {p.label_id: p for p in workspace.journal.pair_states(document.id)}
    assert set(pairs) <= {r.label_id for r in rows}
    for row in rows:
        pair = pairs.get(row.label_id)
        assert row.verdict == (pair.verdict if pair else None)
        assert row.state == (pair.state if pair else None)
    with pytest.raises(NotFoundError, match="'nowhere'"):
        workspace.document_pairs("nowhere")


def test_what_a_person_decides_and_a_label_that_is_asked_for_are_listed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as workspace:
        document = judged(workspace)
        known = {r.label_id for r in workspace.document_pairs(document.id)}
        far = next(x.id for x in reversed(workspace.journal.corpus().labels) if x.id not in known)
        row = next(r for r in workspace.document_pairs(document.id, also=[far]) if r.label_id == far)
        assert (row.state, row.decision, row.verdict) == (None, None, None)
        workspace.decide([Decision(document.id, far, "reject", "Ada")])
        row = next(r for r in workspace.document_pairs(document.id) if r.label_id == far)
        assert (row.state, row.decision, row.reviewer) == ("rejected", "reject", "Ada")


def test_words_and_the_nearest_sentence_speak_for_a_label(workspace: Workspace) -> None:
    label = next(x for x in workspace.journal.corpus().labels if x.name == "Ships and boats")
    text = "The bread was baked at dawn. Three ships lay in the bay. Nobody spoke."
    found = workspace.evidence(text, label.id)
    assert "ships" in [text[a:b] for a, b in found.words]
    assert found.nearest is not None
    assert text[slice(*found.nearest)] == "Three ships lay in the bay."
    assert next(text[a:b] for (a, b), _ in found.sentences) == "The bread was baked at dawn."
    assert workspace.evidence("Three ships.", label.id).sentences == []
    with pytest.raises(NothingToDoError, match="no text"):
        workspace.evidence(" ", label.id)
    with pytest.raises(NotFoundError):
        workspace.evidence(text, "nope")


def test_the_drop_is_that_of_the_tagger_without_the_piece(workspace: Workspace) -> None:
    document = Document(
        "x", "On the bay", "The bread was baked at dawn. Three ships lay there. Nobody spoke."
    )
    label = next(x for x in workspace.journal.corpus().labels if x.name == "Ships and boats")
    found = workspace.occlusion(document, label.id)
    assert found.n_pieces == 4
    title, *body = [p for p, _ in found.pieces]
    assert title == Piece(title=((0, 10),))
    assert [document.text[slice(*p.text[0])] for p in body][1] == "Three ships lay there."

    def score(item: Document) -> float:
        tags = workspace.predict([item], top_k=10_000, words=False)[0]
        return next(t.score for t in tags if t.label_id == label.id)

    assert found.score == pytest.approx(score(document), abs=1e-3)
    less = Document("x", document.title, "The bread was baked at dawn. Nobody spoke.")
    by_piece = dict(found.pieces)
    assert by_piece[body[1]] == pytest.approx(score(document) - score(less), abs=1e-2)
    assert by_piece[body[1]] == max(by_piece.values())


def test_words_are_left_out_everywhere_at_once_and_cost_is_bounded(workspace: Workspace) -> None:
    label = next(x for x in workspace.journal.corpus().labels if x.name == "Ships and boats")
    found = workspace.occlusion("The ship met a ship, and both ships sank.", label.id, "word")
    spans = {p.text: drop for p, drop in found.pieces}
    ship = next(k for k in spans if len(k) == 3)
    assert spans[ship] == max(spans.values())
    long = " ".join(f"Sentence number {i} is here." for i in range(60))
    found = workspace.occlusion(long, label.id)
    assert (found.n_pieces, len(found.pieces)) == (60, 40)
    with pytest.raises(NothingToDoError, match="one sentence"):
        workspace.occlusion("One sentence alone.", label.id)
    with pytest.raises(InputError, match="unit"):
        workspace.occlusion(long, label.id, "page")  # type: ignore[arg-type]


def test_neighbours_come_with_the_tags_that_both_have(workspace: Workspace) -> None:
    document = judged(workspace)
    found = workspace.neighbours(document.id, n=5)
    assert len(found) == 5
    assert document.id not in [x.document_id for x in found]
    likeness = [x.likeness for x in found]
    assert likeness == sorted(likeness, reverse=True)
    view = workspace.journal.corpus()
    vectors = workspace._parts.document_vectors(view.documents)
    exact = vectors @ vectors[view.document_idx[document.id]]
    exact[view.document_idx[document.id]] = -1
    assert found[0].document_id == view.documents[int(exact.argmax())].id
    names = {x.name: x.id for x in view.labels}
    own = {r.label_id for r in workspace.document_pairs(document.id, n_tags=5) if r.state != "rejected"}
    assert any(x.shared for x in found)
    assert all(names[n] in own for x in found for n in x.shared)


def test_a_text_is_known_again_as_the_document_it_is(workspace: Workspace) -> None:
    document = judged(workspace)
    assert workspace.document_of_text(f"  {document.full_text}\n") == document.id
    assert workspace.document_of_text(document.full_text + " and more") is None


def test_pieces_are_left_out_with_what_is_beside_them_kept_apart() -> None:
    assert without("One. Two. Three.", [(5, 9)]) == "One. Three."
    assert without("One. Two.", [(0, 4), (5, 9)]) == ""
    assert without("  as it is ", []) == "  as it is "

    def length(texts: list[tuple[str, str]]) -> np.ndarray:
        return np.array([len(t) + len(b) for t, b in texts], dtype=np.float32)

    whole, found = drops("abc", "de fgh", [Piece(title=((0, 3),)), Piece(text=((0, 2),))], length)
    assert (whole, found) == (9.0, [3.0, 3.0])
