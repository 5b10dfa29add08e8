from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import StorageError
from lmtx.shortlist import FORMS, LexicalIndex, Tokenizer
from lmtx.types import Label

LABELS = [
    Label("goats", "Goats", "Keeping goats on a farm", aliases=("Caprines",)),
    Label("tax", "Tax law", "Duties paid to the state"),
    Label("law", "Law"),
    Label("empty", "!!!"),
]
CORPUS = [
    "Goats eat grass. Many goats live on one farm.",
    "The state raises a tax, and duties are paid.",
    "Law of the sea, law of the air.",
    "Nothing at all.",
    "",
]


@pytest.fixture
def index() -> LexicalIndex:
    return LexicalIndex(LABELS, CORPUS)


def test_bm25_of_labels_as_documents_by_the_book(index: LexicalIndex) -> None:
    tokenize = Tokenizer()
    full = [tokenize(x.full_text) for x in LABELS]
    average = sum(map(len, full)) / len(full)
    df = {t: sum(t in x for x in full) for x in full for t in x}

    def idf(term: str) -> float:
        return math.log(1 + (len(full) - df[term] + 0.5) / (df[term] + 0.5))

    def score(text: str, label: list[str]) -> float:
        total = 0.0
        for term in set(tokenize(text)) & set(label):
            tf = label.count(term)
            total += idf(term) * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(label) / average))
        return total / math.sqrt(sum(idf(t) for t in set(label)) or 1)

    expected = [[score(text, label) for label in full] for text in CORPUS]
    got = index.scores(CORPUS, "label_as_document").toarray()
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_bm25_of_labels_as_queries_by_the_book(index: LexicalIndex) -> None:
    tokenize = Tokenizer()
    texts = [tokenize(t) for t in CORPUS]
    average = sum(map(len, texts)) / len(texts)

    def idf(term: str) -> float:
        df = sum(term in t for t in texts)
        return math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))

    def score(text: list[str], label: Label) -> float:
        name = set(tokenize(" ".join((label.name, *label.aliases))))
        total = 0.0
        for term in name & set(text):
            tf = text.count(term)
            total += idf(term) * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(text) / average))
        return total / math.sqrt(sum(idf(t) for t in name) or 1)

    expected = [[score(text, label) for label in LABELS] for text in texts]
    np.testing.assert_allclose(index.scores(CORPUS, "label_as_query").toarray(), expected, rtol=1e-5)


def test_tfidf_is_a_cosine_over_the_words_of_labels(index: LexicalIndex) -> None:
    scores = index.scores([*CORPUS, "law", "tax law"], "tfidf").toarray()
    assert scores.min() >= 0
    assert scores.max() <= 1 + 1e-6
    assert scores[-2, 2] == pytest.approx(1)
    assert scores[-1, 1] == pytest.approx(1)
    assert not scores[3:5].any()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_ranks_the_obvious_first(index: LexicalIndex, form: str) -> None:
    best = index.topk(CORPUS, 2, form).label_idx  # type: ignore[arg-type]
    assert best[:3, 0].tolist() == [0, 1, 2]
    assert best[4].tolist() == [-1, -1]
    assert 3 not in best  # a label without words is never found


def test_topk_pads_where_no_word_is_shared(index: LexicalIndex) -> None:
    found = index.topk(["goats"], 3)
    assert found.label_idx.tolist() == [[0, -1, -1]]
    assert np.isneginf(found.score[0, 1:]).all()
    assert index.topk([], 3).label_idx.shape == (0, 3)


def test_blocks_equal_the_whole_and_counts_are_reusable(index: LexicalIndex) -> None:
    counts = index.count(CORPUS)
    assert len(counts) == 5
    for form in FORMS:
        whole = index.scores(counts, form).toarray()
        parts = [s.toarray() for _, s in index.blocks(counts, form, block=2)]
        assert [len(p) for p in parts] == [2, 2, 1]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)
        np.testing.assert_allclose(index.scores(CORPUS, form).toarray(), whole, rtol=1e-6)


def test_matches_name_the_shared_words_best_first(index: LexicalIndex) -> None:
    words = index.matches("A farm with Goats and a state", 0)
    assert words[0][0] == "goat"
    assert {w for w, _ in words} >= {"goat", "farm"}
    assert "state" not in {w for w, _ in words}
    assert all(weight > 0 for _, weight in words)
    assert index.matches("nothing", 0) == []


def test_saved_and_loaded_scores_are_identical(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "lexical.npz")
    loaded = LexicalIndex.load(tmp_path / "lexical.npz")
    for form in FORMS:
        np.testing.assert_array_equal(
            loaded.scores(CORPUS, form).toarray(), index.scores(CORPUS, form).toarray()
        )
    assert loaded.matches("goats", 0) == index.matches("goats", 0)
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    for name in ("broken.npz", "missing.npz"):
        with pytest.raises(StorageError, match="Train again"):
            LexicalIndex.load(tmp_path / name)


def test_degenerate_inputs() -> None:
    for labels in ([], [Label("x", "")]):
        index = LexicalIndex(labels, [])
        for form in FORMS:
            scores = index.scores(["some text", ""], form)
            assert scores.shape == (2, len(labels))
            assert scores.nnz == 0


def test_other_languages() -> None:
    labels = [Label("a", "図書館"), Label("b", "Налоги"), Label("c", "कानून")]
    texts = ["国立図書館について", "закон: НАЛОГИ и сборы", "नया कानून"]
    index = LexicalIndex(labels, texts)
    for form in FORMS:
        assert index.topk(texts, 1, form).label_idx.ravel().tolist() == [0, 1, 2]
