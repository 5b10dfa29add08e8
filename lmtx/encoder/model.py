"""The sentence encoder: sentence-transformers, fast on a CPU, modest with memory."""

from __future__ import annotations

import copy
import importlib.util
import math
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmtx.encoder import identity
from lmtx.encoder.precision import choose_precision
from lmtx.errors import EncoderError
from lmtx.types import FloatArray, Progress, no_progress

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

EXACT_TEXTS = 16
"""So many texts at most are computed in float32 whatever the machine: what people try one by one then
agrees with the exported model, and many take the faster precision."""

_BATCH = 64
_BATCH_TOKENS = {"cpu": 4096, "cuda": 65536, "mps": 16384}
_TOKENISE = 2048


def load_encoder(
    name: str = identity.PACKAGED,
    device: str = "auto",
    *,
    max_length: int | None = None,
    cache_folder: Path | None = None,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
) -> SentenceEncoder:
    """Make an encoder by name; the model itself is loaded when first needed.

    Parameters
    ----------
    name : str
        "minilm" (packaged, never touches the network), a hub name, optionally with
        "@revision", or the folder of a saved model.
    device : str
        "auto" (CUDA, then MPS, then CPU) or a torch device.
    max_length : int or None
        Tokens read of a text; None: 256 for the packaged model, else the model's own, at most 512.
    cache_folder : Path or None
        Where the answer of the precision probe is kept (the embedding cache's folder).
        None probes once in each process.
    precision : {"auto", "fp32", "bf16"}
        "auto" computes in bfloat16 where a probe says that it is faster and agrees.

    Raises
    ------
    EncoderError
        If the name means nothing or the packaged model is not installed.
    """
    return SentenceEncoder(
        name, device, max_length=max_length, cache_folder=cache_folder, precision=precision
    )


class SentenceEncoder:
    """Texts to unit vectors. Made by `load_encoder`; safe to share between threads.

    Attributes
    ----------
    name : str
        As given.
    key : str
        `encoder_key` of the model: what its vectors are cached under.
    english_only : bool
        Whether the model is known to read English alone.
    """

    def __init__(
        self,
        name: str,
        device: str = "auto",
        *,
        max_length: int | None = None,
        cache_folder: Path | None = None,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> None:
        identity.check_name(name)
        if identity.is_packaged(name):
            identity.packaged_folder()
        self.name = name
        self.key = identity.encoder_key(name, max_length)
        self.english_only = identity.is_english_only(name)
        self.max_length = identity.max_length_of(name, max_length)
        self._wanted_device = device
        self._cache_folder = cache_folder
        self._wanted_precision = precision
        self._device = ""
        self._model: SentenceTransformer | None = None
        # For many texts: a copy in bfloat16, or the model itself. Decided when it is first needed.
        self._bulk: SentenceTransformer | None = None
        self._routed = False
        self._lock = threading.RLock()

    @property
    def dim(self) -> int:
        """Length of a vector. Known at once for the packaged model, else the model is loaded."""
        if self._model is None and identity.is_packaged(self.name):
            return identity.PACKAGED_DIM
        return int(self.model.get_embedding_dimension() or 0)

    @property
    def device(self) -> str:
        """Device that computes; loads the model."""
        self.load()
        return self._device

    @property
    def precision(self) -> str:
        """What computes many documents, "fp32" or "bf16"; loads the model."""
        self.load()
        with self._lock:
            return "fp32" if self._bulk_model() is self._model else "bf16"

    @property
    def model(self) -> SentenceTransformer:
        """The sentence-transformers model, in float32; loads it."""
        self.load()
        assert self._model is not None
        return self._model

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._model is not None

    def load(self) -> None:
        """Load the model now.

        Raises
        ------
        EncoderError
            If weights are missing, damaged, not reachable or don't fit the device.
        """
        with self._lock:
            if self._model is not None:
                return
            model = _read_model(self.name)
            own = model.max_seq_length
            if own is None or math.isfinite(own):  # static encoders read all of a text
                model.max_seq_length = min(self.max_length, own) if own else self.max_length
            self._routed = any(type(module).__name__ == "Router" for module in model)
            self._device = _choose_device(self._wanted_device)
            self._model = self._place(model)

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Literal["document", "label"] = "document",
        progress: Progress = no_progress,
    ) -> FloatArray:
        """Vectors of texts.

        Parameters
        ----------
        texts : sequence of str, length n
            Longer texts are cut at `max_length` tokens. Up to `EXACT_TEXTS` of them, and labels always,
            are computed in float32; more may be computed in bfloat16 (`precision`).
        role : {"document", "label"}
            Which side reads them. A model with routes (a saved student) takes documents by its
            "query" and labels by its "document" route; others read both alike.
        progress : callable
            Called with (texts done, n, message) after each batch; may raise `JobCancelled`.

        Returns
        -------
        ndarray of float32, shape (n, dim)
            Rows of unit length, in the order of `texts`.

        Raises
        ------
        EncoderError
            If the model can't be loaded, or one text alone does not fit into memory.
        """
        if not len(texts):
            return np.zeros((0, self.dim), dtype=np.float32)
        with self._lock:
            self.load()
            out = np.zeros((len(texts), self.dim), dtype=np.float32)
            done = 0
            exact = role == "label" or len(texts) <= EXACT_TEXTS
            for batch, vectors in self._batches(texts, self._token_counts(texts), role, exact):
                out[batch] = vectors
                done += len(batch)
                progress(done, len(texts), f"Encoding {role}s")
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        return np.asarray(out / np.maximum(norms, 1e-12), dtype=np.float32)

    def _batches(
        self,
        texts: Sequence[str],
        lengths: np.ndarray[Any, np.dtype[np.int64]],
        role: Literal["document", "label"],
        exact: bool,
    ) -> Iterator[tuple[list[int], FloatArray]]:
        # Longest first: memory trouble shows in the first batch, and padding stays small.
        order = np.argsort(-lengths, kind="stable")
        budget = _BATCH_TOKENS.get(self._device.split(":")[0], 4096)
        start = 0
        while start < len(order):
            size = max(1, min(_BATCH, budget // max(1, int(lengths[order[start]]))))
            batch = [int(i) for i in order[start : start + size]]
            try:
                vectors = self._forward([texts[i] for i in batch], role, exact)
            except (RuntimeError, MemoryError) as error:
                if not _out_of_memory(error):
                    raise
                budget = self._shrink(len(batch), int(lengths[order[start]]), error)
                continue
            yield batch, vectors
            start += len(batch)

    def _shrink(self, size: int, length: int, error: Exception) -> int:
        """Token budget to go on with after a batch did not fit; moves to the CPU below one text."""
        if size > 1:
            _free(self._device)
            return size // 2 * length
        if self._device == "cpu":
            raise EncoderError(
                f"encoder {self.name!r}: one text of {length} tokens does not fit into memory ({error}). "
                "Choose a smaller encoder or a lower max_length."
            ) from error
        _free(self._device)
        self._device = "cpu"
        assert self._model is not None
        self._model, self._bulk = self._model.to("cpu"), None
        return _BATCH_TOKENS["cpu"]

    def _place(self, model: SentenceTransformer) -> SentenceTransformer:
        try:
            return model.to(self._device).eval()
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error) or self._device == "cpu":
                raise EncoderError(
                    f"encoder {self.name!r}: can't run on device {self._device!r} ({error}). "
                    "Set the device to 'cpu' or choose a smaller encoder."
                ) from error
            _free(self._device)
            self._device = "cpu"
            return model.to("cpu").eval()

    def _bulk_model(self) -> SentenceTransformer:
        assert self._model is not None
        if self._bulk is None:
            self._bulk = self._model
            chosen = choose_precision(
                self._model, self.key, self._device, self._wanted_precision, self._cache_folder
            )
            if chosen == "bf16":
                self._bulk = copy.deepcopy(self._model).bfloat16()
        return self._bulk

    def _forward(self, texts: list[str], role: Literal["document", "label"], exact: bool) -> FloatArray:
        assert self._model is not None
        model = self._model if exact else self._bulk_model()
        options: dict[str, Any] = {
            "batch_size": len(texts),
            "show_progress_bar": False,
            "convert_to_tensor": True,
        }
        if self._routed:
            encode = model.encode_query if role == "document" else model.encode_document
        else:
            encode = model.encode
            prompt = identity.prompt_of(self.name, role)
            if prompt is not None:
                options["prompt"] = prompt
        tensor: torch.Tensor = encode(texts, **options)
        return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)

    def _token_counts(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        assert self._model is not None
        tokenizer = getattr(self._model, "tokenizer", None)
        own = self._model.max_seq_length or self.max_length
        limit = int(own) if math.isfinite(own) else self.max_length
        # A text of n characters has at most about n tokens: no need to tokenise a whole book.
        cut = [t[: limit * 16] for t in texts]
        if not callable(tokenizer):
            return np.array([min(limit, len(t) // 3 + 2) for t in cut], dtype=np.int64)
        counts: list[int] = []
        for start in range(0, len(cut), _TOKENISE):
            ids = tokenizer(cut[start : start + _TOKENISE], add_special_tokens=True, truncation=True,
                            max_length=limit, return_attention_mask=False)["input_ids"]  # fmt: skip
            counts.extend(len(row) for row in ids)
        return np.array(counts, dtype=np.int64)


def _read_model(name: str) -> SentenceTransformer:
    if importlib.util.find_spec("sentence_transformers") is None:
        raise EncoderError(
            f"encoder {name!r}: sentence-transformers is not installed. "
            "Run `pip install sentence-transformers`."
        )
    options: dict[str, Any] = {"device": "cpu", "model_kwargs": {"dtype": "float32"}}
    if identity.is_packaged(name):
        folder = identity.packaged_folder()
        identity.verify_packaged(folder)
        return _construct(name, str(folder), {**options, "local_files_only": True})
    if identity.is_local(name):
        path = str(Path(name).expanduser().resolve())
        return _construct(name, path, {**options, "local_files_only": True})
    repository, _, revision = name.partition("@")
    if revision:
        options["revision"] = revision
    try:  # what is on this machine already is taken as it is, without asking the hub
        return _construct(name, repository, {**options, "local_files_only": True})
    except EncoderError:
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
            raise
    return _construct(name, repository, options)


def _construct(name: str, source: str, options: dict[str, Any]) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    import lmtx.encoder.assembly.gru_model  # noqa: F401  (makes it known to transformers)

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return _tolerant(SentenceTransformer(source, **options))
    except Exception as error:  # the loaders raise a dozen unrelated types
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EncoderError(
            f"encoder {name!r}: can't be loaded ({first_line}). Give a sentence-transformers "
            "model: a folder, a hub name that is reachable or already downloaded, or "
            f"{identity.PACKAGED!r}, which needs no network."
        ) from error
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _tolerant(model: SentenceTransformer) -> SentenceTransformer:
    """Let word embeddings be told a route or a length, as their tokeniser refuses to be (as of 6.2)."""
    for module in model:
        tokenise = getattr(getattr(module, "tokenizer", None), "tokenize", None)
        if type(module).__name__ == "WordEmbeddings" and callable(tokenise):
            module.tokenizer.tokenize = lambda text, _plain=tokenise, **ignored: _plain(text)
    return model


def _choose_device(wanted: str) -> str:
    import torch

    if wanted != "auto":
        try:
            torch.zeros(1, device=wanted)
        except (RuntimeError, AssertionError) as error:
            raise EncoderError(
                f"device {wanted!r}: not usable here ({str(error).splitlines()[0]}). "
                "Set it to 'auto' or 'cpu'."
            ) from error
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _out_of_memory(error: Exception) -> bool:
    import torch

    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "cannot allocate memory")
    )


def _free(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device.startswith("mps"):
        torch.mps.empty_cache()
