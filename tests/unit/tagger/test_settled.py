"""Parts that learn from completed documents alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import LinearSVC

from lmtx.shortlist import Tokenizer
from lmtx.student import AdapterConfig
from lmtx.tagger import settled
from lmtx.tagger.settled import Settled, fit_settled, hinge_heads, prior
from lmtx.tagger.terms import TermVectors
from lmtx.types import IntArray

if TYPE_CHECKING:
    from tests.unit.tagger.conftest import World

SOME = np.arange(0, 60, dtype=np.int32)


@pytest.fixture(scope="module")
def fitted(world: World) -> Settled:
    return fit(world, SOME)


def fit(world: World, validated: IntArray, *, with_label_text: bool = True) -> Settled:
    inputs = world.inputs(
        completed=world.completed(range(60)), student_config=AdapterConfig(threads=1, batch=60)
    )
    return fit_settled(inputs, validated, Tokenizer(), with_label_text=with_label_text)


def test_heads_are_those_of_a_linear_machine(world: World) -> None:
    # The same objective: margins of 0 and 1 in place of -1 and 1 are half as wide, so a quarter of the norm,
    # and the constant of the kernel is the machine's intercept feature.
    _, rows = TermVectors.fit(world.texts[:60], Tokenizer())
    wanted = np.eye(5, dtype=np.float32)[world.truth[:60]]
    kernel = (rows @ rows.T).toarray() + 1
    found = kernel @ hinge_heads(kernel.astype(np.float32), wanted)
    design = sparse.hstack([rows, np.ones((60, 1))], format="csr")
    for label in range(5):
        objective = _objective(
            kernel, hinge_heads(kernel.astype(np.float32), wanted)[:, label], wanted[:, label]
        )
        machine = LinearSVC(C=1.0, fit_intercept=False, tol=1e-6, max_iter=100_000)
        machine.fit(design, wanted[:, label])
        other = machine.coef_[0] / 2  # scores from -1..1 to half the width
        score = design @ other
        assert np.corrcoef(score, found[:, label])[0, 1] > 0.97
        # It is a minimum: moving away costs.
        for step in np.random.default_rng(0).normal(size=(5, 60)):
            near = hinge_heads(kernel.astype(np.float32), wanted)[:, label] + 0.05 * step
            assert _objective(kernel, near, wanted[:, label]) > objective


def _objective(kernel: np.ndarray, coefficients: np.ndarray, wanted: np.ndarray) -> float:
    score = kernel @ coefficients
    margin = np.where(wanted > 0, np.maximum(0, 1 - score), np.maximum(0, score))
    return float(coefficients @ kernel @ coefficients / 2 + (margin**2).sum())


def test_each_part_knows_what_was_completed(world: World, fitted: Settled) -> None:
    rest = slice(100, 160)
    assert fitted.linear is not None
    assert fitted.label_text is not None
    by_words = fitted.linear.scores(world.texts[rest], world.doc_vectors[rest])
    names = fitted.label_text.project_labels(world.label_vectors)
    by_text = fitted.label_text.project_documents(world.doc_vectors[rest]) @ names.T
    for score in (by_words, by_text):
        assert (score.argmax(axis=1) == world.truth[rest]).mean() > 0.8
    count = np.bincount(world.truth[:60], minlength=8)
    assert (np.argsort(-fitted.prior, kind="stable") == np.argsort(-count, kind="stable")).all()


def test_left_out_scores_have_not_seen_the_document(world: World, fitted: Settled) -> None:
    """With other labels, a document is scored as before: it was not learned from for its own score."""
    truth = world.truth.copy()
    truth[7] = (truth[7] + 2) % 5
    other = fit(replace(world, truth=truth), SOME)
    for part, score in fitted.left_out.items():
        again = other.left_out[part]
        assert score is not None
        assert again is not None
        np.testing.assert_allclose(again[7], score[7], atol=1e-5, err_msg=part)
        assert not np.allclose(again, score, atol=1e-3), part  # others did learn from it


def test_label_text_is_left_to_a_student_that_learns_from_the_same(world: World) -> None:
    found = fit(world, SOME[:10], with_label_text=False)
    assert found.label_text is None
    assert set(found.left_out) == {"linear", "prior"}
    assert all(x is not None and x.shape == (10, 8) for x in found.left_out.values())


def test_with_many_documents_or_labels_the_words_of_the_most_frequent_are_learned(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "MAX_DOCUMENTS", 30)
    monkeypatch.setattr(settled, "MAX_WORK", 3 * 30**2)
    found = fit(world, SOME, with_label_text=False)
    assert found.linear is not None
    assert len(found.linear.term_rows.indptr) - 1 == 30
    assert len(found.linear.labels) == 3
    score = found.left_out["linear"]
    assert score is not None
    assert np.abs(score).sum(axis=1).all()  # documents beyond the thirty are scored too


def test_labels_of_a_single_document_teach_no_words(world: World) -> None:
    one = world.inputs(completed={0: np.array([0], np.int32), 1: np.array([1], np.int32)})
    found = fit_settled(one, np.array([0, 1], np.int32), Tokenizer(), with_label_text=False)
    assert found.linear is None


def test_a_label_given_by_nobody_has_half_a_document() -> None:
    wanted = sparse.csr_matrix(np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0]], np.float32))
    assert np.exp(prior(wanted)).tolist() == pytest.approx([3.5 / 4, 0.5 / 4, 1.5 / 4])
