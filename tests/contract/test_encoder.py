"""What every encoder promises, whichever model computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import EmbeddingCache, SentenceEncoder, embed, encoder_key, load_encoder

TEXTS = ["Goats on a farm", "", "tax law " * 400, "图书馆", "Goats on a farm", "a\x00b ‮ <b>"]


@pytest.fixture(scope="module", params=["packaged", "packaged fp32", "packaged short", "folder"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    folder = tmp_path_factory.mktemp("encoders")
    if request.param == "packaged":
        return load_encoder(device="cpu", cache_folder=folder)
    if request.param == "packaged fp32":
        return load_encoder(device="cpu", precision="fp32")
    if request.param == "packaged short":
        return load_encoder(device="cpu", max_length=32, cache_folder=folder)
    load_encoder(device="cpu", precision="fp32").model.save_pretrained(str(folder / "model"))
    return load_encoder(str(folder / "model"), device="cpu", cache_folder=folder)


@pytest.mark.parametrize("role", ["document", "label"])
def test_unit_rows_in_order(encoder: SentenceEncoder, role: str) -> None:
    vectors = encoder.encode(TEXTS, role=role)  # type: ignore[arg-type]
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[4] > 0.999
    assert vectors[0] @ vectors[1] < 0.9
    backwards = encoder.encode(TEXTS[::-1], role=role)[::-1]  # type: ignore[arg-type]
    assert (vectors * backwards).sum(axis=1).min() > 0.995


def test_no_texts(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_key_is_known_without_the_model_and_names_the_model(encoder: SentenceEncoder) -> None:
    default = 256 if encoder.name == "minilm" else 512
    length = None if encoder.max_length == default else encoder.max_length
    assert encoder_key(encoder.name, length) == encoder.key
    fresh = load_encoder(encoder.name, max_length=length)
    assert fresh.key == encoder.key
    assert not fresh.loaded


def test_cached_vectors_are_the_encoders(encoder: SentenceEncoder, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "c.db")
    hashes = [str(hash(t)) for t in TEXTS]
    vectors = embed(encoder, cache, hashes, TEXTS)
    assert (vectors * encoder.encode(TEXTS)).sum(axis=1).min() > 0.995
    np.testing.assert_array_equal(embed(encoder, cache, hashes, TEXTS), vectors)


def test_similar_texts_are_nearer(encoder: SentenceEncoder) -> None:
    cat, kitten, tax = encoder.encode(["a cat sleeps", "a kitten is sleeping", "income tax of companies"])
    assert cat @ kitten > cat @ tax + 0.2
