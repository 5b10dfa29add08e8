from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lmtx.encoder import EmbeddingCache
from lmtx.errors import ShapeError, StorageError


def _vectors(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    v = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def test_roundtrip_in_any_order_with_repeats_and_gaps(cache: EmbeddingCache) -> None:
    vectors = _vectors(3)
    cache.put("k", ["a", "b", "c"], vectors)
    got, known = cache.get("k", ["c", "x", "a", "c"])
    assert known.tolist() == [True, False, True, True]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, vectors[[2, 2, 0, 2]] * known[:, None], atol=5e-4)
    assert not got[1].any()
    assert cache.count("k") == 3
    assert cache.count("other") == 0


def test_rounding_costs_less_than_a_millionth_of_cosine(cache: EmbeddingCache) -> None:
    vectors = _vectors(200, 384)
    hashes = [str(i) for i in range(200)]
    cache.put("k", hashes, vectors)
    cosine = (cache.get("k", hashes)[0] * vectors).sum(axis=1)
    assert np.abs(1 - cosine).max() < 1e-4
    unit = cache.get("k", hashes)[0]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert 1 - (unit * vectors).sum(axis=1).min() < 1e-6


def test_encoders_do_not_mix(cache: EmbeddingCache) -> None:
    cache.put("one", ["a"], _vectors(1, 8))
    cache.put("two", ["a"], _vectors(1, 16))
    assert cache.get("one", ["a"])[0].shape == (1, 8)
    assert cache.get("two", ["a"])[0].shape == (1, 16)
    vectors, known = cache.get("three", ["a", "b"])
    assert vectors.shape == (2, 0)
    assert not known.any()
    with pytest.raises(ShapeError, match="has 8 dimensions here, got 16"):
        cache.put("one", ["b"], _vectors(1, 16))
    with pytest.raises(ShapeError, match="2 hashes"):
        cache.put("one", ["b", "c"], _vectors(1, 8))


def test_first_vector_of_a_hash_stays(cache: EmbeddingCache) -> None:
    cache.put("k", ["a"], _vectors(1, seed=1))
    first = cache.get("k", ["a"])[0]
    cache.put("k", ["a", "b"], _vectors(2, seed=2))
    np.testing.assert_array_equal(cache.get("k", ["a"])[0], first)
    assert cache.count("k") == 2


def test_more_hashes_than_sqlite_takes_parameters(cache: EmbeddingCache) -> None:
    hashes = [f"h{i}" for i in range(40_000)]
    vectors = _vectors(40_000, 4)
    cache.put("k", hashes, vectors)
    got, known = cache.get("k", hashes[::-1])
    assert known.all()
    np.testing.assert_allclose(got, vectors[::-1], atol=1e-3)


def test_forget_erases_under_every_encoder(cache: EmbeddingCache) -> None:
    cache.put("one", ["a", "b"], _vectors(2))
    cache.put("two", ["a"], _vectors(1))
    assert cache.forget(["a", "never"]) == 2
    assert not cache.get("one", ["a"])[1].any()
    assert cache.get("one", ["b"])[1].all()


def test_not_a_cache(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and quite long ones at that " * 20)
    with pytest.raises(StorageError, match=r"notes\.txt"):
        EmbeddingCache(tmp_path / "notes.txt")
    with pytest.raises(StorageError):
        EmbeddingCache(tmp_path / "notes.txt" / "deeper.db")


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from lmtx.encoder import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    hashes = [f"{sys.argv[2]}-{i}-{j}" for j in range(20)] + [f"shared-{i}"]
    cache.put("k", hashes, np.full((21, 4), i, np.float32))
    print(i, flush=True)
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), name, "15"], stdout=subprocess.DEVNULL)
        for name in ("x", "y", "z")
    ]
    assert [w.wait(timeout=120) for w in writers] == [0, 0, 0]
    assert EmbeddingCache(path).count("k") == 3 * 15 * 20 + 15


def test_a_kill_keeps_every_batch_that_was_put(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), "x", "1000000"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    last = -1
    start = time.monotonic()
    for line in writer.stdout:
        last = int(line)
        if last >= 30 or time.monotonic() - start > 60:
            break
    os.kill(writer.pid, signal.SIGKILL)
    last = max([last, *(int(x) for x in writer.stdout.read().split("\n")[:-1] if x)])
    writer.wait(timeout=30)
    writer.stdout.close()
    cache = EmbeddingCache(path)
    assert last >= 30
    assert cache.get("k", [f"x-{i}-{j}" for i in range(last + 1) for j in range(20)])[1].all()
    cache.put("k", ["after"], np.zeros((1, 4), np.float32))
