"""A small encoder with random weights over the packaged vocabulary, and the demo corpus as documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lmtx.encoder import SentenceEncoder, load_encoder, packaged_folder
from lmtx.types import Document, Label


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    """Two narrow layers, mean of the tokens: all that is computed is computed, in milliseconds."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder())
    size = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
    )
    BertModel(size).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    model = SentenceTransformer(
        modules=[Transformer(str(folder / "bert")), Pooling(32), Normalize()], device="cpu"
    )
    model.max_seq_length = 64
    model.save(str(folder / "model"), create_model_card=False)
    return load_encoder(str(folder / "model"), "cpu", precision="fp32")


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def demo_documents(demo_folder: Path) -> list[Document]:
    """Training documents of the demo corpus."""
    rows = _rows(demo_folder / "corpus.jsonl")
    return [Document(r["id"], r["title"], r["text"]) for r in rows if r["split"] == "train"]  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def demo_labels(demo_folder: Path) -> list[Label]:
    """Labels of the demo corpus."""
    return [
        Label(r["id"], r["name"], r["description"])  # type: ignore[arg-type]
        for r in _rows(demo_folder / "labels.jsonl")
    ]
