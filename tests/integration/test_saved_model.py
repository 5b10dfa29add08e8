"""A saved student loads with plain sentence-transformers and gives the app's scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder, load_encoder
from lmtx.errors import ShapeError
from lmtx.student import Adapter, AdapterConfig, save_sentence_transformer
from lmtx.types import FloatArray, Pairs

N_DOCS = 60


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return load_encoder("minilm", "cpu")  # as the app does, in whatever precision suits the machine


@pytest.fixture(scope="module")
def texts(demo_folder: Path) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines][:N_DOCS]
    lines = (demo_folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line) for line in lines]
    row = {x["id"]: i for i, x in enumerate(labels)}
    wanted = [(i, row[x]) for i, d in enumerate(documents) for x in d["labels"] if x in row]
    names = [x["name"] for x in labels]
    names[-1] = names[wanted[0][1]]  # a second label of the same name
    return [f"{d.get('title', '')}\n{d['text']}" for d in documents], names, wanted


@pytest.fixture(scope="module")
def student(
    encoder: SentenceEncoder, texts: tuple[list[str], list[str], list[tuple[int, int]]]
) -> tuple[Adapter, FloatArray]:
    documents, names, wanted = texts
    label_vectors = encoder.encode(names, role="label")
    rows, columns = np.array(wanted, dtype=np.int32).T
    ones = np.ones(len(rows), dtype=np.float32)
    adapter = Adapter.fit(
        encoder.encode(documents),
        label_vectors,
        Pairs(rows, columns, ones, ones),
        config=AdapterConfig(epochs=20, threads=1),
        label_ids=[f"L{i}" for i in range(len(names))],
        encoder_key=encoder.key,
    )
    assert np.abs(adapter.offset).sum(axis=1).max() > 1  # it has learned something that must be kept
    return adapter, label_vectors


def test_plain_sentence_transformers_give_the_same_scores(
    encoder: SentenceEncoder,
    texts: tuple[list[str], list[str], list[tuple[int, int]]],
    student: tuple[Adapter, FloatArray],
    tmp_path: Path,
) -> None:
    from sentence_transformers import SentenceTransformer

    documents, names, _ = texts
    adapter, label_vectors = student
    save_sentence_transformer(adapter, encoder, tmp_path / "student", label_vectors)
    plain = SentenceTransformer(str(tmp_path / "student"), device="cpu")
    new = [*documents, "A short text that was not trained on: bridges over the river in winter."]
    theirs = plain.encode_query(new) @ plain.encode_document(names).T
    tried = np.vstack([encoder.encode([text]) for text in new])
    ours = adapter.project_documents(tried) @ adapter.project_labels(label_vectors).T
    assert np.abs(theirs - ours).max() < 1e-3

    unknown = ["Something that is no label of this set"]
    projected = adapter.project_labels(encoder.encode(unknown, role="label"), np.array([-1], np.int32))
    assert np.abs(plain.encode_document(unknown) - projected).max() < 1e-3
    facts = json.loads((tmp_path / "student" / "lmtx.json").read_text(encoding="utf-8"))
    assert facts["encoder"] == encoder.key
    assert len(facts["label_ids"]) == len(names)


def test_vectors_computed_in_bfloat16_come_close(
    texts: tuple[list[str], list[str], list[tuple[int, int]]],
    student: tuple[Adapter, FloatArray],
    tmp_path: Path,
) -> None:
    from sentence_transformers import SentenceTransformer

    documents, names, _ = texts
    adapter, _ = student
    fast = load_encoder("minilm", "cpu", precision="bf16")
    label_vectors = fast.encode(names, role="label")
    save_sentence_transformer(adapter, fast, tmp_path / "student", label_vectors)
    plain = SentenceTransformer(str(tmp_path / "student"), device="cpu")
    theirs = plain.encode_query(documents) @ plain.encode_document(names).T
    ours = adapter.project_documents(fast.encode(documents)) @ adapter.project_labels(label_vectors).T
    assert np.abs(theirs - ours).max() < 0.02


def test_vectors_of_another_encoder_are_refused(student: tuple[Adapter, FloatArray], tmp_path: Path) -> None:
    adapter, label_vectors = student
    with pytest.raises(ShapeError, match="expected"):
        save_sentence_transformer(adapter, "minilm", tmp_path / "s", label_vectors[:, :10])
