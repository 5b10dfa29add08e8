"""Kernel ridge: leave-one-out scores are exact, both ways of keeping it agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from lmtx.errors import NothingToDoError
from lmtx.shortlist import Tokenizer
from lmtx.tagger.ridge import KernelRidge
from lmtx.tagger.terms import TermVectors

WORDS = ["river", "castle", "bread", "violin", "engine", "stone", "the"]


def case(n: int = 30, n_labels: int = 6) -> tuple[list[str], np.ndarray, sparse.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(n)]
    vectors = rng.normal(size=(n, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    wanted = sparse.csr_matrix((rng.random((n, n_labels)) < 0.3).astype(np.float32))
    weight = np.where(np.arange(n) < 10, 4.0, 1.0).astype(np.float32)
    return texts, vectors, wanted, weight


@pytest.mark.parametrize("n_labels", [6, 50])  # fewer and more labels than landmarks
def test_leave_one_out_is_what_a_ridge_without_it_scores(n_labels: int) -> None:
    texts, vectors, wanted, weight = case(n_labels=n_labels)
    terms, rows = TermVectors.fit(texts, Tokenizer())
    out = np.array([2, 11], dtype=np.int32)
    _, scores = KernelRidge.fit(terms, rows, vectors, wanted, weight, out)
    assert scores is not None
    for position, left in enumerate(out):
        keep = np.setdiff1d(np.arange(len(texts)), [left])
        without, _ = KernelRidge.fit(terms, rows[keep], vectors[keep], wanted[keep], weight[keep])
        expected = without.scores([texts[left]], vectors[[left]])[0]
        known = np.intersect1d(without.labels, np.unique(wanted.indices))
        np.testing.assert_allclose(scores[position][known], expected[known], atol=2e-5)


@pytest.mark.parametrize("n_labels", [6, 50])
def test_pairs_are_left_out_exactly(n_labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmtx.tagger.ridge._BLOCK", 7)  # several blocks of landmarks and of labels
    texts, vectors, wanted, weight = case(n_labels=n_labels)
    wanted = sparse.hstack([wanted, sparse.csr_matrix((30, 2))], format="csr")  # two that nobody wants
    terms, term_rows = TermVectors.fit(texts, Tokenizer())
    every = np.arange(30, dtype=np.int32)
    ridge, scores = KernelRidge.fit(terms, term_rows, vectors, wanted, weight, every, diagonal=True)
    assert scores is not None
    rng = np.random.default_rng(4)
    rows, labels = rng.integers(0, 30, 200), rng.integers(0, n_labels + 2, 200)
    found = ridge.left_out_pairs(wanted, rows, labels)
    np.testing.assert_allclose(found, scores[rows, labels], atol=2e-5)
    assert not found[labels >= n_labels].any()
    plain, _ = KernelRidge.fit(terms, term_rows, vectors, wanted, weight)
    with pytest.raises(NothingToDoError, match="without `diagonal`"):
        plain.left_out_pairs(wanted, rows, labels)


def test_both_forms_score_alike(tmp_path: Path) -> None:
    texts, vectors, wanted, weight = case(n_labels=40)
    terms, rows = TermVectors.fit(texts, Tokenizer())
    wide, _ = KernelRidge.fit(terms, rows, vectors, wanted, weight)
    narrow, _ = KernelRidge.fit(terms, rows, vectors, wanted[:, :5], weight)
    assert wide.coefficients is None
    assert narrow.coefficients is not None
    np.testing.assert_allclose(wide.scores(texts, vectors)[:, :5], narrow.scores(texts, vectors), atol=1e-5)
    assert np.allclose(
        dict(wide.word_contributions(texts[0], 0))["castle" if "castle" in texts[0] else texts[0].split()[0]],
        dict(narrow.word_contributions(texts[0], 0))[
            "castle" if "castle" in texts[0] else texts[0].split()[0]
        ],
        atol=1e-5,
    )
    for ridge in (wide, narrow):
        ridge.save(tmp_path / str(ridge.n_labels))
        loaded = KernelRidge.load(tmp_path / str(ridge.n_labels))
        np.testing.assert_allclose(loaded.scores(texts, vectors), ridge.scores(texts, vectors), atol=5e-3)


@pytest.mark.parametrize("n_labels", [6, 50])
def test_what_is_kept_for_scoring_changes_no_score_and_no_file(tmp_path: Path, n_labels: int) -> None:
    texts, vectors, wanted, weight = case(n_labels=n_labels)
    terms, rows = TermVectors.fit(texts, Tokenizer())
    ridge, _ = KernelRidge.fit(terms, rows, vectors, wanted, weight)
    ridge.save(tmp_path / "before")
    first = ridge.scores(texts[:3], vectors[:3])
    kept = ridge._words
    again = ridge.scores(texts[:3], vectors[:3])
    assert ridge._words is kept  # not transposed anew for every document
    assert np.array_equal(first, again)
    # By the documents' rows themselves, without what is kept.
    products = terms.transform(texts[:3]) @ rows.T
    kernel = 0.5 * (vectors[:3] @ vectors.T) + 1 + 0.5 * products.toarray()
    solved = ridge.coefficients if ridge.targets is None else ridge.inverse @ ridge.targets
    np.testing.assert_allclose(first[:, ridge.labels], kernel @ solved, atol=1e-5)
    ridge.save(tmp_path / "after")
    for name in ("ridge.npz", "terms.npz"):
        before, after = np.load(tmp_path / "before" / name), np.load(tmp_path / "after" / name)
        assert before.files == after.files
        assert all(np.array_equal(before[x], after[x]) for x in before.files)


def test_labels_nobody_wants_score_zero() -> None:
    texts, vectors, wanted, weight = case()
    terms, rows = TermVectors.fit(texts, Tokenizer())
    wider = sparse.hstack([wanted, sparse.csr_matrix((30, 3))], format="csr")
    ridge, _ = KernelRidge.fit(terms, rows, vectors, wider, weight)
    assert not ridge.scores(texts, vectors)[:, 6:].any()
    assert ridge.word_contributions(texts[0], 8) == []
    with pytest.raises(NothingToDoError):
        KernelRidge.fit(terms, rows, vectors, sparse.csr_matrix((30, 3)), weight)


def test_a_heavier_document_is_fitted_closer() -> None:
    texts, vectors, wanted, _ = case()
    terms, rows = TermVectors.fit(texts, Tokenizer())
    errors = []
    for own in (1.0, 4.0):
        weight = np.ones(30, np.float32)
        weight[0] = own
        ridge, _ = KernelRidge.fit(terms, rows, vectors, wanted, weight)
        fitted = ridge.scores(texts[:1], vectors[:1])[0]
        errors.append(float(np.abs(fitted - wanted[0].toarray()[0]).sum()))
    assert errors[1] < errors[0]


def test_term_vectors_come_back_from_disk(tmp_path: Path) -> None:
    texts = ["Rivers and 図書館", "river and castles", "castle"]
    terms, rows = TermVectors.fit(texts, Tokenizer())
    assert set(terms.words) == {"river", "and", "castle"}  # words of one document alone are left out
    np.testing.assert_allclose(np.asarray(rows.multiply(rows).sum(axis=1)).ravel(), 1, rtol=1e-5)
    terms.save(tmp_path / "t.npz")
    loaded = TermVectors.load(tmp_path / "t.npz")
    np.testing.assert_allclose(loaded.transform(texts).toarray(), rows.toarray(), rtol=1e-6)
