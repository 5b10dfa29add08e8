"""Ranking metrics against scikit-learn and hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import ndcg_score, precision_recall_fscore_support

from lmtx.errors import InputError, ShapeError
from lmtx.quality import (
    cut_predictions,
    evaluate,
    label_quality,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    standard_error,
)
from lmtx.types import Scored

N_DOCS, N_LABELS = 60, 30


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray, Scored]:
    """Truth, dense scores without ties, and their full ranking."""
    rng = np.random.default_rng(7)
    truth = (rng.random((N_DOCS, N_LABELS)) < 0.15).astype(np.int8)
    truth[0] = 0  # a document without labels
    truth[1] = 1  # and one with all
    scores = rng.permuted(np.tile(np.arange(N_LABELS, dtype=np.float32), (N_DOCS, 1)), axis=1)
    order = np.argsort(-scores, axis=1).astype(np.int32)
    return truth, scores, Scored(order, np.take_along_axis(scores, order, axis=1))


def test_precision_and_recall_equal_scikit_learn(case: tuple[np.ndarray, np.ndarray, Scored]) -> None:
    truth, _, scored = case
    precision = precision_at_k(sparse.csr_matrix(truth), scored.label_idx, 10)
    recall = recall_at_k(sparse.csr_matrix(truth), scored.label_idx, 10)
    for k in (1, 3, 5, 10):
        predicted = cut_predictions(scored, N_LABELS, top_k=k).toarray()
        p, r, _, _ = precision_recall_fscore_support(truth, predicted, average="samples", zero_division=0)
        assert precision[k - 1] == pytest.approx(p, abs=1e-9)
        assert recall[k - 1] == pytest.approx(r, abs=1e-9)


def test_ndcg_equals_scikit_learn(case: tuple[np.ndarray, np.ndarray, Scored]) -> None:
    truth, scores, scored = case
    ndcg = ndcg_at_k(sparse.csr_matrix(truth), scored.label_idx, 10)
    for k in (1, 5, 10):
        assert ndcg[k - 1] == pytest.approx(ndcg_score(truth, scores, k=k), abs=1e-9)


@pytest.mark.parametrize("threshold", [None, 12.0])
def test_labels_equal_scikit_learn(
    case: tuple[np.ndarray, np.ndarray, Scored], threshold: float | None
) -> None:
    truth, _, scored = case
    predicted = cut_predictions(scored, N_LABELS, top_k=5, threshold=threshold)
    frame = label_quality(predicted, sparse.csr_matrix(truth))
    p, r, f, s = precision_recall_fscore_support(truth, predicted.toarray(), zero_division=np.nan)
    np.testing.assert_allclose(frame["precision"], p, atol=1e-9)
    np.testing.assert_allclose(frame["recall"], r, atol=1e-9)
    np.testing.assert_allclose(frame["f1"], f, atol=1e-9)
    np.testing.assert_array_equal(frame["support"], s)


def test_a_threshold_alone_cuts_by_score() -> None:
    scored = Scored(np.array([[2, 0, -1]], np.int32), np.array([[0.9, 0.4, -np.inf]], np.float32))
    assert cut_predictions(scored, 3, threshold=0.5).toarray().tolist() == [[0, 0, 1]]


def test_hand_computed_with_padding() -> None:
    truth = sparse.csr_matrix(np.array([[1, 0, 1, 0], [0, 1, 0, 0]]))
    ranked = np.array([[2, 1, -1], [0, 1, 3]], dtype=np.int32)
    assert precision_at_k(truth, ranked, 3).tolist() == pytest.approx([0.5, 0.5, 1 / 3])
    assert recall_at_k(truth, ranked, 3).tolist() == pytest.approx([0.25, 0.75, 0.75])
    second = 1 / np.log2(3)
    assert ndcg_at_k(truth, ranked, 2)[1] == pytest.approx((1 / (1 + second) + second) / 2)


def test_evaluate_leaves_out_documents_without_gold(case: tuple[np.ndarray, np.ndarray, Scored]) -> None:
    truth, _, scored = case
    found = evaluate(scored, sparse.csr_matrix(truth))
    labelled = truth.sum(axis=1) > 0
    assert found["n_docs"] == labelled.sum()
    assert found["n_labels"] == N_LABELS
    top = np.take_along_axis(truth, scored.label_idx[:, :1], axis=1)[labelled, 0]
    assert found["P@1"] == pytest.approx(top.mean())
    assert found["P@1_se"] == pytest.approx(top.std(ddof=1) / np.sqrt(len(top)))
    five = np.take_along_axis(truth, scored.label_idx[:, :5], axis=1)[labelled].mean(axis=1)
    assert found["P@5_se"] == pytest.approx(five.std(ddof=1) / np.sqrt(len(five)))
    dense = np.full(truth.shape, -1e9)
    np.put_along_axis(dense, scored.label_idx, -np.arange(scored.label_idx.shape[1], dtype=float)[None], 1)
    each = np.array(
        [ndcg_score([t], [s], k=5) for t, s in zip(truth[labelled], dense[labelled], strict=True)]
    )
    assert found["nDCG@5"] == pytest.approx(each.mean())
    assert found["nDCG@5_se"] == pytest.approx(each.std(ddof=1) / np.sqrt(len(each)))


def test_evaluate_counts_missing_columns_as_misses() -> None:
    truth = sparse.csr_matrix(np.array([[1, 1, 0]]))
    found = evaluate(Scored(np.array([[0, 1]], np.int32), np.array([[2.0, 1.0]], np.float32)), truth)
    assert (found["P@1"], found["P@5"], found["R@10"]) == (1.0, 0.4, 1.0)


def test_no_documents_give_zeros() -> None:
    truth = sparse.csr_matrix((0, 4))
    found = evaluate(Scored(np.zeros((0, 10), np.int32), np.zeros((0, 10), np.float32)), truth)
    assert (found["P@1"], found["n_docs"]) == (0.0, 0)
    assert standard_error(np.array([1.0])) == 0.0


def test_a_label_nobody_predicted_has_no_precision() -> None:
    nothing = sparse.csr_matrix((2, 1), dtype=np.int8)
    frame = label_quality(nothing, nothing, ["a"], ["A"])
    assert frame.loc[0, "name"] == "A"
    assert frame[["precision", "recall", "f1"]].isna().all(axis=None)


def test_wrong_shapes_are_named() -> None:
    truth = sparse.csr_matrix((2, 3))
    with pytest.raises(ShapeError, match="at least k=5"):
        precision_at_k(truth, np.zeros((2, 3), np.int32), 5)
    with pytest.raises(ShapeError, match="expected"):
        recall_at_k(truth, np.zeros((3, 5), np.int32), 5)
    with pytest.raises(ShapeError, match="rankings"):
        evaluate(Scored(np.zeros((3, 5), np.int32), np.zeros((3, 5), np.float32)), truth)
    with pytest.raises(ShapeError, match="gold"):
        label_quality(truth, sparse.csr_matrix((2, 4)))
    with pytest.raises(InputError, match="neither"):
        cut_predictions(Scored(np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)), 1)
