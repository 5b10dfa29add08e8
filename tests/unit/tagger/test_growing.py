"""A trained tagger over labels that were added, reworded or deleted since."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import ShapeError
from lmtx.tagger import FIXED_WEIGHTS, Tagger
from lmtx.tagger.growing import GrownTagger, with_labels
from lmtx.types import Label

from .conftest import World, unit

LEARNED = ("dense", "student", "ridge", "reviewed", "linear", "label_text", "prior")
NEW = Label("new", "Violin making", "About violin making")


@pytest.fixture(scope="module")
def trained(world: World) -> Tagger:
    """Verdicts and completed documents, so both ridges are there."""
    return Tagger.fit(world.inputs(pairs=world.judged(range(160)), completed=world.completed(range(20))))


def grown(tagger: Tagger, world: World) -> tuple[Tagger, np.ndarray]:
    """The tagger with one more label, whose vector is near the documents of the topic violin."""
    vector = unit(world.doc_vectors[world.truth == 3].mean(axis=0)[None])
    return with_labels(tagger, [*world.labels, NEW], np.concatenate([world.label_vectors, vector])), vector[0]


def raw(tagger: Tagger, part: str, world: World) -> np.ndarray:
    return tagger._raw(part, tagger.count(world.doc_vectors, world.texts))


def test_the_same_labels_are_the_same_tagger(trained: Tagger, world: World, tmp_path: Path) -> None:
    assert with_labels(trained, world.labels, world.label_vectors) is trained
    trained.save(tmp_path / "t")
    loaded = Tagger.load(tmp_path / "t")  # vectors were rounded
    assert with_labels(loaded, world.labels, world.label_vectors) is loaded


def test_a_new_label_is_ranked_by_its_text_at_once(trained: Tagger, world: World) -> None:
    tagger, _ = grown(trained, world)
    assert tagger.label_ids == (*trained.label_ids, "new")
    text, vector = "violin making", unit(world.doc_vectors[world.truth == 3].mean(axis=0)[None])
    best = tagger.predict(vector, [text], 2).label_idx[0].tolist()
    assert tagger.label_ids.index("new") in best
    shares = tagger.explain(vector[0], text, [best[0]])[0]
    assert sum(shares.values()) == pytest.approx(tagger.predict(vector, [text], 1).score[0, 0], abs=1e-4)
    assert "violin" in dict(tagger.words(text, tagger.label_ids.index("new")))


def test_what_was_learned_stays_as_it_was(trained: Tagger, world: World) -> None:
    tagger, _ = grown(trained, world)
    n = len(world.labels)
    for part in LEARNED:
        np.testing.assert_allclose(raw(tagger, part, world)[:, :n], raw(trained, part, world), atol=1e-5)
    rows = trained.count(world.doc_vectors, world.texts)
    now = tagger._blend(tagger.count(world.doc_vectors, world.texts))[:, :n]
    assert (now.argmax(axis=1) == trained._blend(rows).argmax(axis=1)).mean() > 0.95


def test_the_student_reads_a_new_label_through_its_maps(trained: Tagger, world: World) -> None:
    tagger, vector = grown(trained, world)
    assert trained.student is not None
    assert tagger.student_labels is not None
    expected = unit((vector + vector @ trained.student.label_map)[None])[0]
    np.testing.assert_allclose(tagger.student_labels[-1], expected, atol=1e-6)


def test_a_new_label_is_not_held_back_by_parts_that_have_no_example_of_it(
    trained: Tagger, world: World
) -> None:
    """All weight on ridges: then a new label is ranked as it is before anything was learned."""
    tagger, vector = grown(replace(trained, weights={"ridge": 0.6, "reviewed": 0.4}), world)
    rows = tagger.count(vector[None], ["violin making"])
    start = replace(tagger, weights=FIXED_WEIGHTS["none"], n_new=0)
    assert tagger._blend(rows)[0, -1] == pytest.approx(start._blend(rows)[0, -1], abs=1e-5)
    assert not replace(tagger, n_new=0).part_scores("ridge", rows)[0, -1] > 0
    alone = replace(tagger, weights={"student": 1.0})  # whoever asks for the student gets it alone
    np.testing.assert_allclose(alone._blend(rows), alone.part_scores("student", rows), atol=1e-6)


def test_a_label_that_came_late_stays_new_when_more_come(trained: Tagger, world: World) -> None:
    tagger, vector = grown(trained, world)
    labels = [*world.labels, Label("newer", "Sundials", ""), NEW]
    again = with_labels(tagger, labels, np.concatenate([world.label_vectors, vector[None], vector[None]]))
    assert again.label_ids[-2:] == ("new", "newer")
    assert isinstance(again, GrownTagger)
    assert again.n_new == 2


def test_a_deleted_label_is_no_column_and_the_others_keep_theirs(trained: Tagger, world: World) -> None:
    left = [x for x in world.labels if x.id != "L1"]
    rows = [i for i, x in enumerate(world.labels) if x.id != "L1"]
    tagger = with_labels(trained, left[::-1], world.label_vectors[rows][::-1])  # in any order
    assert tagger.label_ids == tuple(x.id for x in left)
    for part in LEARNED:
        np.testing.assert_allclose(raw(tagger, part, world), raw(trained, part, world)[:, rows], atol=1e-5)


def test_a_reworded_label_is_found_by_its_new_words_and_keeps_what_it_learned(
    trained: Tagger, world: World
) -> None:
    labels = [replace(x, name="Sundial", description="") if x.id == "L0" else x for x in world.labels]
    vectors = world.label_vectors.copy()
    vectors[0] = vectors[7]
    tagger = with_labels(trained, labels, vectors)
    assert [w for w, _ in tagger.lexical.matches("an old sundial", 0)] == ["sundial"]
    assert not tagger.lexical.matches("hydrology", 0)
    np.testing.assert_allclose(raw(tagger, "ridge", world), raw(trained, "ridge", world), atol=1e-5)
    assert trained.student is not None
    expected = trained.student.project_labels(vectors[:1], np.zeros(1, np.int32))[0]
    assert tagger.student_labels is not None
    np.testing.assert_allclose(tagger.student_labels[0], expected, atol=1e-6)


def test_hub_correction_and_word_counts_are_those_of_the_training(trained: Tagger, world: World) -> None:
    corrected = replace(trained, centre=world.label_vectors @ world.doc_vectors.mean(axis=0))
    tagger, vector = grown(corrected, world)
    assert tagger.centre is not None
    assert tagger.centre[-1] == pytest.approx(float(vector @ world.doc_vectors.mean(axis=0)), abs=1e-4)
    df = tagger.lexical.document_frequency[tagger.lexical.terms["violin"]]
    assert df == pytest.approx(sum("violin" in text.split() for text in world.texts), abs=0.01)


def test_vectors_of_another_encoder_are_refused(trained: Tagger, world: World) -> None:
    with pytest.raises(ShapeError, match="Encode the labels"):
        with_labels(trained, world.labels, world.label_vectors[:, :4])
