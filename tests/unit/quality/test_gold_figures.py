"""Figures by gold equal scikit-learn's on a real corpus, with a real ranking."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import precision_recall_fscore_support, precision_score, recall_score

from lmtx.quality import cut_predictions, evaluate, label_quality
from lmtx.shortlist import LexicalIndex
from lmtx.types import Label, Scored

pytestmark = pytest.mark.corpus
N_DOCS = 1500

Case = tuple[sparse.csr_matrix, Scored, list[str]]


@pytest.fixture(scope="module")
def case(data_folder: Path) -> Case:
    """Gold of test documents of debtags, and what BM25 ranks first."""
    with gzip.open(data_folder / "debtags" / "labels.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    labels = [Label(x["id"], x["name"], x.get("description") or "") for x in rows]
    column = {x.id: i for i, x in enumerate(labels)}
    texts, pairs = [], []
    with gzip.open(data_folder / "debtags" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["split"] == "test" and len(texts) < N_DOCS:
                pairs += [(len(texts), column[x]) for x in set(row["labels"]) if x in column]
                texts.append(f"{row['title']}\n{row['text']}")
    place = tuple(np.array(pairs).T)
    gold = sparse.csr_matrix((np.ones(len(pairs), np.int8), place), (len(texts), len(labels)))
    return gold, LexicalIndex(labels, texts).topk(texts, 10), [x.id for x in labels]


def test_labels_equal_scikit_learn_on_debtags(case: Case) -> None:
    gold, scored, ids = case
    predicted = cut_predictions(scored, len(ids), top_k=5)
    found = label_quality(predicted, gold, ids)
    expected = precision_recall_fscore_support(gold.toarray(), predicted.toarray(), zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-9)
    assert 0.02 < found["precision"].mean() < 0.9  # a real ranking, neither empty nor perfect
    micro = found["n_correct"].sum() / found["n_predicted"].sum()
    truth, given = gold.toarray(), predicted.toarray()
    assert micro == pytest.approx(precision_score(truth, given, average="micro"), abs=1e-9)
    given_labels = found["n_predicted"] > 0
    macro = precision_score(truth[:, given_labels], given[:, given_labels], average="macro")
    assert found["precision"].mean() == pytest.approx(macro, abs=1e-9)


def test_rankings_equal_scikit_learn_on_debtags(case: Case) -> None:
    gold, scored, ids = case
    found = evaluate(scored, gold)
    labelled = np.asarray(gold.sum(axis=1)).ravel() > 0
    truth = gold[labelled].toarray()
    for name, k, score in (("P@1", 1, precision_score), ("R@10", 10, recall_score)):
        cut = cut_predictions(scored, len(ids), top_k=k).toarray()[labelled]
        expected = score(truth, cut, average="samples", zero_division=0)
        assert found[name] == pytest.approx(float(expected), abs=1e-9)
