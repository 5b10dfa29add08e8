from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder, load_encoder, packaged_folder
from lmtx.encoder.model import EXACT_TEXTS
from lmtx.encoder.precision import PROBE_FILE
from lmtx.errors import EncoderError, JobCancelled

LONG = "sheep graze on green hills near the river " * 200
TEXTS = ["a cat", LONG, "", "taxes and law " * 30, "图书馆", "a cat"]


def test_vectors_do_not_depend_on_their_neighbours(encoder: SentenceEncoder) -> None:
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([t]) for t in TEXTS])
    assert together.shape == (6, 384)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together * alone).sum(axis=1).min() > 0.995
    assert encoder.encode([]).shape == (0, 384)


def test_agrees_with_plain_sentence_transformers(encoder: SentenceEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(packaged_folder()), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert (encoder.encode(TEXTS) * plain).sum(axis=1).min() > 0.995
    exact = load_encoder(device="cpu", precision="fp32")
    assert exact.precision == "fp32"
    np.testing.assert_allclose(exact.encode(TEXTS), plain, atol=1e-5)


def test_progress_counts_texts_and_may_cancel(encoder: SentenceEncoder) -> None:
    told: list[int] = []
    encoder.encode(["x"] * 130, progress=lambda done, total, message: told.append(done))
    assert told == [64, 128, 130]

    def stop(done: int, total: int, message: str) -> None:
        raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        encoder.encode(["x"], progress=stop)


def test_probe_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmtx.encoder.precision._answers", {})
    encoder = load_encoder(device="cpu", cache_folder=tmp_path)
    assert encoder.precision in {"fp32", "bf16"}
    answers = json.loads((tmp_path / PROBE_FILE).read_text())
    (facts,) = answers.values()
    assert facts["precision"] == encoder.precision
    if facts["precision"] == "bf16":
        assert facts["cosine"] >= 0.995
        assert facts["speedup"] >= 1.1


def test_kept_probe_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmtx.encoder.precision._answers", {})
    assert load_encoder(device="cpu", cache_folder=tmp_path).precision in {"fp32", "bf16"}
    file = tmp_path / PROBE_FILE
    answers = {k: {**v, "precision": "fp32"} for k, v in json.loads(file.read_text()).items()}
    file.write_text(json.dumps(answers))
    monkeypatch.setattr("lmtx.encoder.precision._answers", {})
    assert load_encoder(device="cpu", cache_folder=tmp_path).precision == "fp32"
    file.write_text("broken")
    monkeypatch.setattr("lmtx.encoder.precision._answers", {})
    assert load_encoder(device="cpu", cache_folder=tmp_path).precision in {"fp32", "bf16"}
    assert json.loads(file.read_text())


def test_labels_and_few_texts_are_exact_whatever_many_are_computed_in() -> None:
    exact = load_encoder(device="cpu", precision="fp32")
    fast = load_encoder(device="cpu", precision="bf16")
    few = [f"text {i}" for i in range(EXACT_TEXTS)]
    many = [*few, "one more"]
    np.testing.assert_allclose(fast.encode(few), exact.encode(few), atol=1e-6)
    np.testing.assert_allclose(fast.encode(many, role="label"), exact.encode(many, role="label"), atol=1e-6)
    assert 1e-6 < np.abs(fast.encode(many) - exact.encode(many)).max() < 0.02
    assert next(fast.model.parameters()).dtype.itemsize == 4


def test_out_of_memory_takes_smaller_batches_then_gives_up_with_a_remedy(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    forward = encoder._forward

    def scarce(texts: list[str], role: str, exact: bool) -> np.ndarray:
        sizes.append(len(texts))
        if len(texts) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate too much")
        return forward(texts, role, exact)

    expected = encoder.encode([f"text {i}" for i in range(20)])
    monkeypatch.setattr(encoder, "_forward", scarce)
    got = encoder.encode([f"text {i}" for i in range(20)])
    assert (got * expected).sum(axis=1).min() > 0.995
    assert sizes[:3] == [20, 10, 5]
    assert max(sizes[3:]) <= 3

    def none(texts: list[str], role: str, exact: bool) -> np.ndarray:
        raise MemoryError("no room")

    monkeypatch.setattr(encoder, "_forward", none)
    with pytest.raises(EncoderError, match=r"does not fit into memory.*smaller encoder"):
        encoder.encode(["a", "b"])

    def bug(texts: list[str], role: str, exact: bool) -> np.ndarray:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(encoder, "_forward", bug)
    with pytest.raises(RuntimeError, match="multiplied"):
        encoder.encode(["a"])


def test_an_accelerator_without_room_for_one_text_gives_way_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    moved = load_encoder(device="cpu", cache_folder=tmp_path)
    expected = moved.encode(TEXTS)
    forward = moved._forward
    sizes: list[int] = []

    def full(texts: list[str], role: str, exact: bool) -> np.ndarray:
        if moved._device == "cuda":
            sizes.append(len(texts))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(texts, role, exact)

    monkeypatch.setattr(moved, "_device", "cuda")
    monkeypatch.setattr(moved, "_forward", full)
    assert (moved.encode(TEXTS) * expected).sum(axis=1).min() > 0.99
    assert sizes == [6, 3, 1]
    assert moved.device == "cpu"


def test_unusable_device_and_missing_models_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="Set it to 'auto' or 'cpu'"):
        load_encoder(device="cuda:99").load()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EncoderError, match=r"folder, a hub name.*minilm"):
        load_encoder(str(empty)).load()
    with pytest.raises(EncoderError, match="minilm"):
        load_encoder("no-one/no-such-model-here").load()


def test_a_saved_model_loads_by_path_and_keeps_its_vectors(encoder: SentenceEncoder, tmp_path: Path) -> None:
    exact = load_encoder(device="cpu", precision="fp32")
    exact.model.save_pretrained(str(tmp_path / "saved"))
    saved = load_encoder(str(tmp_path / "saved"), device="cpu", precision="fp32")
    assert saved.key != encoder.key
    assert saved.dim == 384
    np.testing.assert_allclose(saved.encode(TEXTS[:2]), exact.encode(TEXTS[:2]), atol=1e-5)


def test_routes_of_a_student_are_taken_by_role(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Router

    base = load_encoder(device="cpu", precision="fp32").model
    routes = {}
    for name in ("query", "document"):
        dense = Dense(384, 16, bias=False, activation_function=torch.nn.Identity())
        torch.nn.init.normal_(dense.linear.weight)
        routes[name] = [dense, Normalize()]
    student = SentenceTransformer(modules=[*base, Router(routes, default_route="query")], device="cpu")
    student.save_pretrained(str(tmp_path / "student"))
    loaded = load_encoder(str(tmp_path / "student"), device="cpu", precision="fp32")
    texts = ["goats on a farm", "tax law"]
    assert loaded.dim == 16
    np.testing.assert_allclose(loaded.encode(texts), student.encode_query(texts), atol=1e-5)
    np.testing.assert_allclose(loaded.encode(texts, role="label"), student.encode_document(texts), atol=1e-5)


def test_threads_share_one_encoder(encoder: SentenceEncoder) -> None:
    expected = encoder.encode(["a", "b"])
    got: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: got.append(encoder.encode(["a", "b"]))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 4
    assert all((g * expected).sum(axis=1).min() > 0.999 for g in got)


def test_packaged_model_never_opens_a_connection(tmp_path: Path) -> None:
    program = """
import os, socket, sys
from pathlib import Path
os.environ.pop("HF_HUB_OFFLINE", None)
def refuse(*args, **kwargs):
    raise AssertionError(f"network: {args}")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from lmtx.encoder import load_encoder
assert load_encoder(device="cpu", cache_folder=Path(sys.argv[1])).encode(["text"]).shape == (1, 384)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Loading" not in done.stderr
