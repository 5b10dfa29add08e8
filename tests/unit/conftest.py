"""A workspace that was reviewed, trained twice and audited; several test files copy it, as it takes long."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmtx.encoder import SentenceEncoder, load_encoder, packaged_folder
from lmtx.workspace import Workspace


def complete(workspace: Workspace, n: int, policy: str, reviewer: str = "Ada") -> list[str]:
    """Let a person who knows gold complete the next documents of a queue."""
    gold = workspace.journal.gold("train")
    ids = []
    for _ in range(n):
        item = workspace.next_documents(policy, reviewer)[0]  # type: ignore[arg-type]
        right = set(gold[item.document.id])
        rest = {c.label_id for c in item.candidates} - right
        workspace.complete(item.document.id, reviewer, right, rest, item.policy, item.inclusion_probability)
        ids.append(item.document.id)
    return ids


@pytest.fixture(scope="session")
def audited_demo(tmp_path_factory: pytest.TempPathFactory, encoded_demo: Path) -> SimpleNamespace:
    """Folder of the workspace, and its documents: `folder`, `before`, `since`, `audited`.

    The evidence teacher's cycle, a training on the 30 documents `before`, one on the 20 `since` too, and 40
    documents settled by the audit.
    """
    folder = tmp_path_factory.mktemp("audited") / "w"
    with Workspace.create(folder, reserve_share=0.4, audit_share=0.0) as workspace:
        shutil.copy(encoded_demo / "vectors.db", folder)
        workspace.demo()
        before = complete(workspace, 30, "default")
        workspace.train()
        since = complete(workspace, 20, "default")
        workspace.train()
        audited = complete(workspace, 40, "audit")
    return SimpleNamespace(folder=folder, before=before, since=since, audited=audited)


@pytest.fixture
def copied(audited_demo: SimpleNamespace, tmp_path: Path) -> Iterator[Callable[[], Workspace]]:
    """Open a copy of it, closed after the test."""
    opened: list[Workspace] = []

    def copy() -> Workspace:
        folder = tmp_path / f"copy-{len(opened)}"
        shutil.copytree(audited_demo.folder, folder)
        opened.append(Workspace.open(folder))
        return opened[-1]

    yield copy
    for workspace in opened:
        workspace.close()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    """An encoder of two narrow layers with random weights: all is computed, in milliseconds."""
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
    modules = [Transformer(str(folder / "bert")), Pooling(32), Normalize()]
    model = SentenceTransformer(modules=modules, device="cpu")
    model.max_seq_length = 64
    model.save(str(folder / "model"), create_model_card=False)
    return load_encoder(str(folder / "model"), "cpu", precision="fp32")
