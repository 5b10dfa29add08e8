"""Whether an encoder computes in bfloat16: only where a probe says that it is faster and agrees."""

from __future__ import annotations

import copy
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmtx.types import content_hash

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

AGREEMENT = 0.995
"""Lowest cosine between a probe text's bfloat16 and float32 vectors that is accepted."""

SPEEDUP = 1.1
"""Least gain in speed that is worth a change of precision."""

PROBE_FILE = "encoder-precision.json"

_SENTENCE = (
    "library record of the national archive describes a method for reading large tables quickly and safely "
    "while people in many towns ask how water energy law music health and trade are shared between them"
)
_N_TEXTS = 12
_N_WORDS = 90

_answers: dict[str, str] = {}


def choose_precision(
    model: SentenceTransformer,
    key: str,
    device: str,
    wanted: Literal["auto", "fp32", "bf16"],
    folder: Path | None,
) -> Literal["fp32", "bf16"]:
    """Choose the precision that a model shall compute many texts in.

    Parameters
    ----------
    model : SentenceTransformer
        In float32, on its device.
    key : str
        Encoder key.
    device : str
    wanted : {"auto", "fp32", "bf16"}
    folder : Path or None
        Where the probe's answer is kept, one JSON file for all encoders and machines that share it.

    Returns
    -------
    {"fp32", "bf16"}
    """
    if wanted == "auto":
        question = content_hash(_machine(), device, key)
        answer = _answers.get(question) or _read(folder).get(question, {}).get("precision")
        if answer not in {"fp32", "bf16"}:
            facts = _probe(model)
            answer = str(facts["precision"])
            _write(folder, question, {**facts, "encoder": key, "device": device})
        _answers[question] = answer
        return "bf16" if answer == "bf16" else "fp32"
    return wanted


def _probe(model: SentenceTransformer) -> dict[str, object]:
    """Encode the same texts in both precisions; about two seconds on one core for a small model."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(_SENTENCE.split(), _N_WORDS)) for _ in range(_N_TEXTS)]
    exact, exact_s = _timed(model, texts)
    try:
        fast, fast_s = _timed(copy.deepcopy(model).bfloat16(), texts)
    except (RuntimeError, MemoryError, TypeError):  # no bfloat16 kernels, or no room for a second copy
        return {"precision": "fp32", "reason": "bfloat16 does not run here"}
    cosine = float((exact * fast).sum(axis=1).min())
    good = cosine >= AGREEMENT and exact_s >= SPEEDUP * fast_s
    return {
        "precision": "bf16" if good else "fp32",
        "cosine": round(cosine, 5),
        "speedup": round(exact_s / fast_s, 2),
    }


def _timed(
    model: SentenceTransformer, texts: list[str]
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float32]], float]:
    from sentence_transformers import SentenceTransformer as Base

    def run() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        tensor = Base.encode(
            model, texts, batch_size=len(texts), show_progress_bar=False, convert_to_tensor=True
        )
        vectors = tensor.float().cpu().numpy()
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))

    vectors = run()  # warms kernels up
    best = np.inf
    for _ in range(2):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return vectors, best


def _machine() -> str:
    import torch

    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        # Model name alone is hidden by some hypervisors; the flags tell AMX and AVX-512 apart.
        processor = next((line for line in lines if line.startswith("model name")), processor)
        processor += next((line for line in lines if line.startswith("flags")), "")
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return f"{platform.system()} {platform.machine()} {processor} {accelerator} torch {torch.__version__}"


def _read(folder: Path | None) -> dict[str, dict[str, object]]:
    if folder is None:
        return {}
    try:
        content = json.loads((folder / PROBE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(folder: Path | None, question: str, facts: dict[str, object]) -> None:
    if folder is None:
        return
    content = {**_read(folder), question: facts}
    target = folder / PROBE_FILE
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(part, target)
    except OSError:  # a read-only folder costs a probe at the next start, nothing else
        part.unlink(missing_ok=True)
