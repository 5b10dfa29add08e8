"""A teacher that errs by label: which of its words count, and how little a good one is doubted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse

from lmtx.shortlist import LexicalIndex, Tokenizer
from lmtx.student import AdapterConfig
from lmtx.tagger import Tagger
from lmtx.tagger.ridges import Ridges
from lmtx.tagger.terms import TermVectors
from lmtx.tagger.trust import Trust
from lmtx.types import Pairs

if TYPE_CHECKING:
    from tests.unit.tagger.conftest import World

EAGER = 5  # "Stone carving", wanted by nobody
DONE = range(0, 100, 5)
TEST = slice(100, 160)


def eager(world: World) -> Pairs:
    """True verdicts, and one label more that the teacher gives to everything."""
    pairs = world.judged(range(100))
    document = np.arange(100, dtype=np.int32)
    return Pairs(
        np.concatenate([pairs.document_idx, document]),
        np.concatenate([pairs.label_idx, np.full(100, EAGER, np.int32)]),
        np.concatenate([pairs.target, np.ones(100, np.float32)]),
        np.concatenate([pairs.weight, np.ones(100, np.float32)]),
    )


def ridges(world: World, pairs: Pairs, validated: np.ndarray) -> Ridges:
    inputs = world.inputs(pairs=pairs, completed=world.completed(DONE))
    return Ridges(inputs, LexicalIndex(world.labels, world.texts), validated)


def test_a_label_given_to_everything_is_not_trusted_and_the_others_are(world: World) -> None:
    pairs = eager(world)
    trusted = ridges(world, pairs, np.array(DONE, np.int32)).trusted(pairs)
    done = np.isin(pairs.document_idx, list(DONE))
    wrong = (pairs.label_idx == EAGER) & ~done
    assert trusted.target[wrong].max() < 0.1  # twenty documents did not have it
    true = (pairs.target > 0) & (pairs.label_idx != EAGER) & ~done
    assert trusted.target[true].mean() > 0.8
    np.testing.assert_array_equal(trusted.target[done], pairs.target[done])


def test_a_good_teacher_is_hardly_doubted(world: World) -> None:
    pairs = world.judged(range(100))
    trusted = ridges(world, pairs, np.array(DONE, np.int32)).trusted(pairs)
    assert (trusted.target[pairs.target > 0] > 0.8).all()


def test_what_people_decided_needs_no_trust(world: World) -> None:
    pairs = eager(world)
    decided = replace(pairs, weight=np.full(len(pairs), 3, np.float32))
    assert ridges(world, decided, np.array(DONE, np.int32)).trusted(decided) is decided


def test_without_completed_documents_all_is_trusted(world: World) -> None:
    pairs = eager(world)
    inputs = world.inputs(pairs=pairs)
    found = Ridges(inputs, LexicalIndex(world.labels, world.texts), np.zeros(0, np.int32))
    assert found.trusted(pairs) is pairs


def test_people_who_complete_one_subject_do_not_discredit_the_others(world: World) -> None:
    one = np.flatnonzero(world.truth[:100] == 0).astype(np.int32)
    judged = np.setdiff1d(np.arange(100, dtype=np.int32), one[:12])
    said = sparse.lil_matrix((100, 8), dtype=np.float32)
    said[judged, world.truth[judged]] = 1
    given = sparse.lil_matrix((100, 8), dtype=np.float32)
    given[one[:12], 0] = 1
    _, rows = TermVectors.fit(world.texts[:100], Tokenizer())
    vectors = world.doc_vectors[:100]
    found = Trust(rows, vectors, said.tocsr(), judged, given.tocsr(), one[:12])
    trust = found.of_labels(one[:0])
    assert trust[0] == pytest.approx(1, abs=0.15)
    assert trust[1:5].min() > 0.4  # by shares among all documents it would be 1 / (1 + 12 / 5), below 0.3


def test_completed_documents_that_are_left_out_tell_nothing(world: World) -> None:
    found = ridges(world, eager(world), np.array(DONE, np.int32))
    pairs = eager(world)
    every = found.trusted(pairs, np.array(DONE, np.int32))
    assert every is pairs


def test_an_eager_label_does_not_reach_the_tags(world: World) -> None:
    longer = AdapterConfig(threads=1, epochs=60)
    inputs = world.inputs(pairs=eager(world), completed=world.completed(DONE), student_config=longer)
    tagger = Tagger.fit(inputs)
    for part in ("student", "ridge"):
        alone = replace(tagger, weights={part: 1.0})
        best = alone.predict(world.doc_vectors[TEST], world.texts[TEST], 1).label_idx[:, 0]
        assert (best == world.truth[TEST]).mean() > 0.8, part
        assert (best == EAGER).mean() < 0.1, part
