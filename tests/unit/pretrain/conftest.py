"""A few documents of the demo corpus, and verdicts on them: labels whose names occur in a text."""

from __future__ import annotations

import numpy as np
import pytest

from lmtx.pretrain import Corpus
from lmtx.types import Document, Label, Pairs
from lmtx.workspace.importing import demo_folder

N_DOCS = 48


def _lines(name: str) -> list[dict[str, str]]:
    import json

    text = (demo_folder() / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


@pytest.fixture(scope="session")
def demo_documents() -> list[Document]:
    found = [
        Document(id=str(x["id"]), title=x.get("title") or "", text=x["text"])
        for x in _lines("corpus.jsonl")
        if x.get("split", "train") == "train"
    ]
    return found[:N_DOCS]


@pytest.fixture(scope="session")
def demo_labels() -> list[Label]:
    return [Label(id=str(x["id"]), name=x["name"]) for x in _lines("labels.jsonl")]


@pytest.fixture(scope="session")
def demo_corpus(demo_documents: list[Document], demo_labels: list[Label]) -> Corpus:
    from lmtx.student.losses import JudgedPairs

    said = [
        (i, j, label.name.lower() in document.full_text.lower())
        for i, document in enumerate(demo_documents)
        for j, label in enumerate(demo_labels)
        if (i + j) % 5 == 0 or label.name.lower() in document.full_text.lower()
    ]
    rows, columns, wanted = (np.array(x) for x in zip(*said, strict=True))
    pairs = Pairs(
        rows.astype(np.int32),
        columns.astype(np.int32),
        wanted.astype(np.float32),
        np.ones(len(rows), dtype=np.float32),
    )
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(demo_documents) + len(demo_labels), 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Corpus.of(
        demo_documents,
        [x.name for x in demo_labels],
        JudgedPairs(pairs),
        lambda documents, labels: vectors[[*documents, *(len(demo_documents) + j for j in labels)]],
    )
