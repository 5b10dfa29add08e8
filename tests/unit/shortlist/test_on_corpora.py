"""The fixed constants still hold on the real corpora (train documents; gold is read by the test alone)."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import EmbeddingCache, embed_documents, embed_labels
from lmtx.shortlist import FORMS, FusedRanking, LexicalIndex, dense_topk, union
from lmtx.types import Document, IntArray, Label

pytestmark = [pytest.mark.corpus, pytest.mark.slow]

N_DOCS = 400


def _read(folder: Path) -> tuple[list[Document], list[Label]]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [r for r in map(json.loads, file) if r["split"] == "train"]
    chosen = np.random.default_rng(0).permutation(len(rows))[:N_DOCS]
    documents = [
        Document(r["id"], r["title"], r["text"], "train", tuple(r["labels"]))
        for r in (rows[i] for i in chosen)
    ]
    with gzip.open(folder / "labels.jsonl.gz", "rt", encoding="utf-8") as file:
        labels = [Label(r["id"], r["name"], r.get("description") or "") for r in map(json.loads, file)]
    return documents, labels


@pytest.mark.parametrize(("name", "least_p1"), [("debtags", 0.25), ("congress", 0.55)])
def test_the_fused_ranking_beats_its_parts(
    name: str, least_p1: float, data_folder: Path, tmp_path: Path
) -> None:
    documents, labels = _read(data_folder / name)
    cache = EmbeddingCache(tmp_path / "embeddings.db")
    doc_vectors = embed_documents("minilm", cache, documents)
    label_vectors = embed_labels("minilm", cache, labels)
    texts = [d.full_text for d in documents]
    lexical = LexicalIndex(labels, texts)
    fused = FusedRanking.build(lexical, doc_vectors, label_vectors)

    def measure(label_idx: IntArray) -> tuple[float, float]:
        p1, recall = [], []
        for document, row in zip(documents, label_idx.tolist(), strict=True):
            gold = set(document.labels or ())
            found = [labels[j].id in gold for j in row if j >= 0]
            p1.append(bool(found) and found[0])
            recall.append(sum(found) / max(1, len(gold)))
        return float(np.mean(p1)), float(np.mean(recall))

    dense = dense_topk(doc_vectors, label_vectors, 10, fused.centre)
    parts = [measure(lexical.topk(texts, 10, form).label_idx) for form in FORMS]
    parts.append(measure(dense.label_idx))
    p1, recall = measure(fused.topk(doc_vectors, texts, 10).label_idx)
    assert p1 >= least_p1
    assert p1 >= max(x[0] for x in parts)
    assert recall >= max(x[1] for x in parts)
    assert recall >= measure(union(lexical.topk(texts, 10), dense, 10))[1]
    assert (fused.centre is not None) is (name == "congress")
