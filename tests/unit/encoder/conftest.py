from __future__ import annotations

from pathlib import Path

import pytest

from lmtx.encoder import EmbeddingCache, SentenceEncoder, load_encoder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    """The packaged model, loaded once."""
    return load_encoder(device="cpu", cache_folder=tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "embeddings.db")
