from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmtx.journal import Journal
from lmtx.teacher import TeacherContext
from lmtx.types import CorpusView, Document, FloatArray, Label

N_DOCS, N_LABELS = 300, 40


def made_up(n_docs: int = N_DOCS, n_labels: int = N_LABELS) -> tuple[list[Document], list[Label]]:
    """Documents that speak of their labels, with three gold labels each."""
    rng = np.random.default_rng(0)
    labels = [Label(f"l{i}", f"topic{i}", f"All about subject{i}") for i in range(n_labels)]
    documents = []
    for i in range(n_docs):
        gold = rng.choice(n_labels, 3, replace=False)
        words = [f"topic{j}" for j in gold[:2]] + [f"word{w}" for w in rng.integers(0, 200, 20)]
        split = "test" if i % 10 == 9 else "train"
        documents.append(
            Document(f"d{i}", f"Title {i}", " ".join(words), split, tuple(f"l{j}" for j in gold))
        )
    return documents, labels


@pytest.fixture
def corpus() -> CorpusView:
    documents, labels = made_up()
    return CorpusView(documents, labels, ["test" if d.split == "test" else "train" for d in documents])


@pytest.fixture
def vectors(corpus: CorpusView) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(1)
    pair = [rng.normal(size=(n, 16)).astype(np.float32) for n in (len(corpus.documents), len(corpus.labels))]
    docs, labels = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in pair)
    return docs, labels


@pytest.fixture
def context(corpus: CorpusView, vectors: tuple[FloatArray, FloatArray]) -> TeacherContext:
    def gold() -> dict[str, tuple[str, ...]]:
        return {d.id: d.labels or () for d in corpus.documents if d.split == "train"}

    return TeacherContext(corpus, vectors=lambda: vectors, encoder_key="made-up", gold=gold)


@pytest.fixture
def journal(corpus: CorpusView, tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}")
    journal.put_labels(corpus.labels)
    journal.put_documents(
        (replace(d) for d in corpus.documents), lambda d: "test" if d.split == "test" else "train"
    )
    yield journal
    journal.close()
