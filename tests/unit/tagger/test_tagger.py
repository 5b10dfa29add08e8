"""The tagger: what it scores, how its weights come about, what it explains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lmtx.errors import ShapeError, StorageError
from lmtx.tagger import FIXED_WEIGHTS, PARTS, HeldOut, Tagger
from lmtx.tagger.fitting import landmarks
from lmtx.types import Pairs

if TYPE_CHECKING:
    from tests.unit.tagger.conftest import World

TEST = slice(100, 160)


def right(tagger: Tagger, world: World) -> float:
    found = tagger.predict(world.doc_vectors[TEST], world.texts[TEST], 1).label_idx[:, 0]
    return float((found == world.truth[TEST]).mean())


def zero_shot(world: World) -> Tagger:
    return Tagger.zero_shot(world.labels, world.label_vectors, world.doc_vectors, world.texts)


def test_verdicts_teach_it_what_names_do_not_say(world: World) -> None:
    tagger = Tagger.fit(world.inputs())
    assert right(zero_shot(world), world) < 0.5
    assert right(tagger, world) > 0.8
    assert tagger.teacher == "teacher"
    assert tagger.calibration is None  # nobody completed anything, nothing was held out
    assert tagger.probability(np.zeros((1, 1), np.float32)) is None


def test_completed_documents_choose_weights_and_calibrate(world: World) -> None:
    wrong = world.judged(range(100), wrong=0.4)
    tagger = Tagger.fit(world.inputs(pairs=wrong, completed=world.completed(range(0, 100, 2))))
    assert "cross-validated over 50" in tagger.basis
    assert right(tagger, world) >= right(Tagger.fit(world.inputs(pairs=wrong)), world)
    assert tagger.validation["n_docs"] == 50
    assert tagger.validation["tagger"] > tagger.validation["zero_shot"]
    scored = tagger.predict(world.doc_vectors[TEST], world.texts[TEST], 8)
    probability = tagger.probability(scored.score)
    assert probability is not None
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability, axis=1) <= 0).all()


def test_completed_documents_alone_are_enough(world: World) -> None:
    done = world.completed(range(60))
    rows = np.arange(60, dtype=np.int32)
    pairs = Pairs(
        rows, world.truth[:60].astype(np.int32), np.ones(60, np.float32), np.full(60, 3, np.float32)
    )
    tagger = Tagger.fit(world.inputs(pairs=pairs, completed=done, teacher="none"))
    assert right(tagger, world) > 0.8


def test_without_anything_learned_it_is_the_zero_shot_ranking(world: World) -> None:
    empty = np.zeros(0, np.int32)
    nothing = Pairs(empty, empty, np.zeros(0, np.float32), np.zeros(0, np.float32))
    tagger = Tagger.fit(world.inputs(pairs=nothing, teacher="none"))
    assert tagger.student is None
    expected = zero_shot(world).predict(world.doc_vectors, world.texts, 3)
    np.testing.assert_array_equal(
        tagger.predict(world.doc_vectors, world.texts, 3).label_idx, expected.label_idx
    )


def test_the_evidence_teacher_has_fixed_weights_whatever_is_held_out(world: World) -> None:
    held = HeldOut(world.texts[TEST], world.doc_vectors[TEST], world.judged(range(60)))
    tagger = Tagger.fit(world.inputs(teacher="evidence", held_out=held))
    fixed = FIXED_WEIGHTS["evidence"]
    assert tagger.weights["dense"] / tagger.weights["bm25_document"] == pytest.approx(
        fixed["dense"] / fixed["bm25_document"]
    )
    assert tagger.weights["student"] < fixed["student"]  # a hundred documents are few
    assert tagger.calibration is None


def test_held_out_verdicts_choose_the_lexical_weight_and_calibrate(world: World) -> None:
    judged = world.judged(range(100, 160))
    held = HeldOut(
        world.texts[TEST], world.doc_vectors[TEST], replace(judged, document_idx=judged.document_idx - 100)
    )
    tagger = Tagger.fit(world.inputs(held_out=held))
    assert "60 held-out judged documents" in tagger.basis
    assert tagger.calibration is not None
    assert sum(tagger.weights.values()) == pytest.approx(1)


def test_contributions_sum_to_the_score(world: World) -> None:
    tagger = Tagger.fit(world.inputs(completed=world.completed(range(20))))
    scored = tagger.predict(world.doc_vectors[:1], world.texts[:1], 4)
    found = tagger.explain(world.doc_vectors[0], world.texts[0], scored.label_idx[0].tolist())
    assert set(found[0]) == set(tagger.parts) <= set(PARTS)
    assert [sum(f.values()) for f in found] == pytest.approx(scored.score[0].tolist(), rel=1e-4)


def test_words_speak_for_what_was_learned(world: World) -> None:
    tagger = Tagger.fit(world.inputs())
    found = dict(tagger.words("violin and the river", 3))
    assert max(found, key=lambda w: found[w]) == "violin"
    assert "river" not in found
    assert dict(zero_shot(world).words("stone carving", 5)).keys() == {"stone", "carving"}


def test_blocks_and_single_documents_agree(world: World) -> None:
    tagger = Tagger.fit(world.inputs())
    together = tagger.predict(world.doc_vectors, world.texts, 3)
    alone = tagger.predict(world.doc_vectors[7:8], world.texts[7:8], 3)
    np.testing.assert_array_equal(together.label_idx[7], alone.label_idx[0])
    np.testing.assert_allclose(together.score[7], alone.score[0], rtol=1e-4)


def test_saved_and_loaded_it_ranks_alike(world: World, tmp_path: Path) -> None:
    tagger = Tagger.fit(world.inputs(completed=world.completed(range(20)), encoder_key="e"))
    tagger.save(tmp_path / "t")
    loaded = Tagger.load(tmp_path / "t")
    assert (loaded.weights, loaded.calibration, loaded.basis) == (
        tagger.weights,
        tagger.calibration,
        tagger.basis,
    )
    assert (loaded.encoder_key, loaded.validation) == ("e", tagger.validation)
    ours, theirs = (t.predict(world.doc_vectors, world.texts, 3) for t in (tagger, loaded))
    assert (
        ours.label_idx[:, 0] == theirs.label_idx[:, 0]
    ).mean() > 0.98  # vectors are kept in half precision
    np.testing.assert_allclose(ours.score[:, 0], theirs.score[:, 0], atol=0.02)


def test_a_cut_off_file_is_a_storage_error(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "t"
    Tagger.fit(world.inputs(completed=world.completed(range(20)))).save(folder)
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert {p.name for p in files} >= {"tagger.json", "vectors.npz", "lexical.npz", "ridge.npz", "terms.npz"}
    for path in files:
        data = path.read_bytes()
        for left in (0, 20, len(data) * 9 // 10):
            path.write_bytes(data[:left])
            with pytest.raises(StorageError, match="Train again"):
                Tagger.load(folder)
        path.write_bytes(data)
    Tagger.load(folder)


def test_landmarks_are_capped_validated_and_completed_ones_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.tagger.ridges.MAX_LANDMARKS", 12)
    inputs = world.inputs(completed=world.completed(range(50, 60)))
    chosen = landmarks(inputs, np.array([55], np.int32))
    assert len(chosen) == 12
    assert set(range(50, 60)) <= set(chosen.tolist())


def test_wrong_shapes_are_named(world: World) -> None:
    tagger = zero_shot(world)
    with pytest.raises(ShapeError, match="expected as many"):
        tagger.predict(world.doc_vectors[:2], world.texts[:1])
    with pytest.raises(ShapeError, match="train again"):
        tagger.predict(world.doc_vectors[:1, :4], world.texts[:1])
    with pytest.raises(ShapeError, match="training documents"):
        Tagger.fit(world.inputs(completed={999: np.array([0], np.int32)}))


def test_verdicts_are_doubted_by_a_student_that_has_not_seen_them(world: World) -> None:
    right_pairs, pairs = world.judged(range(100)), world.judged(range(100), wrong=0.1)
    findings = Tagger.fit(world.inputs(pairs=pairs)).findings
    assert findings is not None
    assert findings.pairs.tolist() == list(range(len(pairs)))
    assert ((findings.left_out >= 0) & (findings.left_out <= 1)).all()
    doubt = np.abs(findings.left_out - pairs.target)
    wrong = right_pairs.target != pairs.target
    first = np.argsort(-doubt, kind="stable")[: int(wrong.sum())]
    assert wrong[first].mean() > 4 * wrong.mean()
    assert len(findings.validated) == len(findings.quality) == 0  # nobody completed anything


def test_each_completed_document_has_its_own_quality(world: World) -> None:
    tagger = Tagger.fit(world.inputs(completed=world.completed(range(0, 100, 2))))
    assert tagger.findings is not None
    assert tagger.findings.validated.tolist() == list(range(0, 100, 2))
    assert tagger.findings.quality.mean() == pytest.approx(tagger.validation["tagger"])


def test_the_tags_of_completed_documents_are_those_that_their_quality_is_of(world: World) -> None:
    said = {i: (world.truth[i] + (i % 3 == 0)) % 5 for i in range(0, 100, 2)}  # some are surprising
    completed = {i: np.array([x], dtype=np.int32) for i, x in said.items()}
    findings = Tagger.fit(world.inputs(completed=completed)).findings
    assert findings is not None
    assert findings.tags.shape == (50, 5)
    assert all(len(set(row)) == 5 and min(row) >= 0 for row in findings.tags.tolist())
    hit = findings.tags == np.array([said[int(i)] for i in findings.validated])[:, None]
    # One label is wanted, so the best possible gain is 1; all eight labels are in the first ten.
    gain = (hit / np.log2(np.arange(2, 7))).sum(axis=1)
    assert findings.quality == pytest.approx((hit[:, 0] + gain + 1) / 3)
    assert 0 < hit[:, 0].mean() < 1
    nothing = Tagger.fit(world.inputs()).findings
    assert nothing is not None
    assert nothing.tags.shape == (0, 5)


def test_of_very_many_completed_documents_the_same_are_validated_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.tagger.fitting.MAX_VALIDATED", 20)
    few, more = (Tagger.fit(world.inputs(completed=world.completed(range(n)))).findings for n in (60, 66))
    assert few is not None
    assert more is not None
    assert len(few.validated) == len(more.validated) == 20
    assert len(np.intersect1d(few.validated, more.validated)) >= 14  # at chance, six
