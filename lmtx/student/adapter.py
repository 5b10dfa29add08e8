"""A residual layer on documents, one on labels and a free vector per label, over a frozen encoder.

The encoder runs once per text; training and scoring work on its cached vectors, so a
retraining takes seconds on a processor. Imports torch, never sentence-transformers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import NothingToDoError, ShapeError, StorageError
from lmtx.student.config import COSINE_OFFSET, COSINE_SCALE, AdapterConfig
from lmtx.types import FloatArray, IntArray, Pairs, Progress, no_progress

SAME_TEXT = 0.99
"""Labels nearer than this cosine have, to an encoder, the same text: they share one offset."""

_WEIGHTS = "adapter.safetensors"
_CONFIG = "adapter.json"
_SPARSE_ABOVE = 8_192  # judged labels; beyond, a dense Adam step costs more than the batch itself


@dataclass(frozen=True)
class Adapter:
    """A trained student.

    The student's score of a document and a label is the dot product of
    `project_documents` and `project_labels`, a cosine.

    Attributes
    ----------
    label_ids : tuple of str, length n_labels
        Labels of the training's corpus view, in row order.
    encoder_key : str
        The encoder whose vectors this adapter reads.
    document_map, label_map : float32 (dim, dim)
        Residual maps; a vector v becomes v + v @ map, normalised.
    offset : float32 (n_labels, dim)
        Added to a label's vector before normalising; zero for a label nobody judged.
    """

    label_ids: tuple[str, ...]
    encoder_key: str
    document_map: FloatArray
    label_map: FloatArray
    offset: FloatArray

    @classmethod
    def fit(
        cls,
        doc_vectors: FloatArray,
        label_vectors: FloatArray,
        pairs: Pairs,
        n_docs: int | None = None,
        config: AdapterConfig | None = None,
        progress: Progress = no_progress,
        *,
        label_ids: Sequence[str] = (),
        encoder_key: str = "",
    ) -> Adapter:
        """Train from zero on judged and in-batch pairs.

        The loss is binary cross-entropy on the logits (cosine - 0.35) / 0.07, summed over
        the labels that were judged in a batch and averaged over its documents. Targets may be
        probabilities. `docs/adr/0009-adapter-search.md` says how the settings were chosen.

        Parameters
        ----------
        doc_vectors : float32 (n_docs, dim)
            Unit rows; only rows that occur in `pairs` are read.
        label_vectors : float32 (n_labels, dim)
            Unit rows.
        pairs : Pairs
            Judged pairs; `document_idx` and `label_idx` are rows of the two arrays.
        n_docs : int, optional
            Checked against `doc_vectors` where given.
        config : AdapterConfig, optional
        progress : callable
            Called once a step with (steps done, steps, message).
        label_ids : sequence of str
            Ids of the rows of `label_vectors`; row numbers as text where left out.
        encoder_key : str

        Raises
        ------
        ShapeError
            If row numbers and arrays disagree.
        NothingToDoError
            If there is no wanted pair.

        References
        ----------
        Zhang, Ullah and Babbar, Large Language Model as a Teacher for Zero-shot Tagging at
        Extreme Scales, COLING 2025, section 3 (a bi-encoder on pseudo labels). Loss and
        frozen encoder differ; `docs/adr/0002-frozen-encoder-and-adapter.md` says why.
        """
        config = config or AdapterConfig()
        _check(doc_vectors, label_vectors, pairs, n_docs)
        ids = tuple(label_ids) or tuple(str(i) for i in range(len(label_vectors)))
        if len(ids) != len(label_vectors):
            raise ShapeError(
                f"{len(ids)} label ids for {len(label_vectors)} label vectors; expected as many."
            )
        with torch_threads(config.threads):
            document_map, label_map, offset = _train(doc_vectors, label_vectors, pairs, config, progress)
        return cls(ids, encoder_key, document_map, label_map, offset)

    @classmethod
    def identity(cls, label_ids: Sequence[str], dim: int, encoder_key: str) -> Adapter:
        """Return a student that scores an encoder's vectors as they are: by their cosine."""
        nothing = np.zeros((dim, dim), dtype=np.float32)
        offset = np.zeros((len(label_ids), dim), dtype=np.float32)
        return cls(tuple(label_ids), encoder_key, nothing, nothing, offset)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.document_map.shape[0])

    def project_documents(self, vectors: FloatArray) -> FloatArray:
        """Documents as the student sees them: float32 (n, dim), unit rows."""
        return _unit(vectors + vectors @ self.document_map)

    def project_labels(self, vectors: FloatArray, label_idx: IntArray | None = None) -> FloatArray:
        """Labels as the student sees them.

        Parameters
        ----------
        vectors : float32 (n, dim)
            Encoder vectors of the labels.
        label_idx : int32 (n,), optional
            Their rows in `label_ids`, -1 for labels unknown to this student; None: all, in order.

        Returns
        -------
        float32 (n, dim)
            Unit rows.

        Raises
        ------
        ShapeError
            If the lengths differ.
        """
        if label_idx is None:
            label_idx = np.arange(len(self.label_ids), dtype=np.int32)
        if len(label_idx) != len(vectors):
            raise ShapeError(f"{len(label_idx)} label rows for {len(vectors)} vectors; expected as many.")
        projected = vectors + vectors @ self.label_map
        known = label_idx >= 0
        projected[known] += self.offset[label_idx[known]]
        return _unit(projected)

    def rows_of(self, label_ids: Sequence[str]) -> IntArray:
        """Rows of these labels in `label_ids`, -1 where unknown: for a label set that has changed."""
        row = {label_id: i for i, label_id in enumerate(self.label_ids)}
        return np.array([row.get(label_id, -1) for label_id in label_ids], dtype=np.int32)

    def save(self, folder: Path) -> None:
        """Write `adapter.safetensors` and `adapter.json` into the folder."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        # Labels nobody judged have no offset; with large label sets they are most.
        rows = np.flatnonzero(np.abs(self.offset).sum(axis=1) > 0).astype(np.int32)
        save_file(
            {
                "document_map": np.ascontiguousarray(self.document_map),
                "label_map": np.ascontiguousarray(self.label_map),
                "offset_rows": rows,
                "offset": np.ascontiguousarray(self.offset[rows]),
            },
            str(folder / _WEIGHTS),
        )
        facts = {"format": 1, "encoder_key": self.encoder_key, "label_ids": list(self.label_ids)}
        (folder / _CONFIG).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Adapter:
        """Read what `save` wrote.

        Raises
        ------
        StorageError
            If files are missing or damaged.
        """
        from safetensors.numpy import load_file

        try:
            facts = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
            weights = load_file(str(folder / _WEIGHTS))
            offset = np.zeros((len(facts["label_ids"]), weights["label_map"].shape[0]), dtype=np.float32)
            offset[weights["offset_rows"]] = weights["offset"]
            return cls(
                tuple(facts["label_ids"]),
                facts["encoder_key"],
                weights["document_map"],
                weights["label_map"],
                offset,
            )
        except Exception as error:
            raise StorageError(f"{folder}: no readable student there: {error}. Train again.") from error


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch use this many threads inside; None changes nothing."""
    if threads is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _unit(vectors: FloatArray) -> FloatArray:
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


def _check(doc_vectors: FloatArray, label_vectors: FloatArray, pairs: Pairs, n_docs: int | None) -> None:
    if doc_vectors.ndim != 2 or label_vectors.ndim != 2 or doc_vectors.shape[1] != label_vectors.shape[1]:
        raise ShapeError(
            f"document vectors {doc_vectors.shape} and label vectors {label_vectors.shape} differ in length; "
            "expected both from one encoder. Embed again."
        )
    if n_docs is not None and n_docs != len(doc_vectors):
        raise ShapeError(f"n_docs is {n_docs}, but there are {len(doc_vectors)} document vectors.")
    if not len(pairs) or not bool((pairs.target > 0.5).any()):
        raise NothingToDoError(
            f"Nothing to train on: {len(pairs)} judged pairs, none of them wanted. "
            "Let a teacher judge more documents, or review some."
        )
    if int(pairs.document_idx.max()) >= len(doc_vectors) or int(pairs.label_idx.max()) >= len(label_vectors):
        raise ShapeError(
            f"pairs name document row {int(pairs.document_idx.max())} and label row "
            f"{int(pairs.label_idx.max())}; there are {len(doc_vectors)} and {len(label_vectors)} vectors."
        )


def _train(
    doc_vectors: FloatArray,
    label_vectors: FloatArray,
    pairs: Pairs,
    config: AdapterConfig,
    progress: Progress,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(config.seed)
    batches = _Batches(pairs, config)
    judged = np.unique(pairs.label_idx)  # offsets exist for these alone
    dim = doc_vectors.shape[1]
    document_map = torch.zeros(dim, dim, requires_grad=True)
    label_map = torch.zeros(dim, dim, requires_grad=True)
    is_sparse = len(judged) > _SPARSE_ABOVE
    offset = torch.nn.Embedding(len(judged), dim, sparse=is_sparse)
    torch.nn.init.zeros_(offset.weight)
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.Adam(
            [document_map, label_map] if is_sparse else [document_map, label_map, offset.weight], lr=config.lr
        )
    ]
    if is_sparse:
        optimisers.append(torch.optim.SparseAdam([offset.weight], lr=config.lr))
    per_epoch = -(-len(batches.documents) // config.batch)
    done, total = 0, per_epoch * config.epochs
    for _ in range(config.epochs):
        order = rng.permutation(len(batches.documents))
        for start in range(0, len(order), config.batch):
            documents, labels, target, weight = batches.take(order[start : start + config.batch])
            docs = torch.from_numpy(doc_vectors[documents])  # (b, dim)
            names = torch.from_numpy(label_vectors[labels])  # (l, dim)
            rows = torch.from_numpy(np.searchsorted(judged, labels))
            docs = functional.normalize(docs + docs @ document_map, dim=1)
            own = offset(rows)
            if config.label_dropout:
                kept = rng.random(len(labels), dtype=np.float32) >= config.label_dropout
                own = own * torch.from_numpy(kept)[:, None]
            names = functional.normalize(names + names @ label_map + own, dim=1)
            logits = (docs @ names.T - config.cosine_offset) / config.cosine_scale  # (b, l)
            loss = functional.binary_cross_entropy_with_logits(
                logits, torch.from_numpy(target), weight=torch.from_numpy(weight), reduction="sum"
            ) / len(documents)
            if config.map_decay:
                loss = loss + config.map_decay * (document_map.square().sum() + label_map.square().sum())
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            for optimiser in optimisers:
                optimiser.step()
            done += 1
            progress(done, total, "Training the student")
    full = np.zeros((len(label_vectors), dim), dtype=np.float32)
    full[judged] = offset.weight.detach().numpy()
    _share(full, judged, label_vectors)
    return document_map.detach().numpy(), label_map.detach().numpy(), full


def _share(offset: FloatArray, judged: IntArray, label_vectors: FloatArray) -> None:
    """Give labels of the same text the mean of their offsets, in place.

    A bi-encoder can't tell them apart, so a saved model could not either.
    """
    is_judged = np.zeros(len(offset), dtype=np.bool_)
    is_judged[judged] = True
    seen = np.zeros(len(offset), dtype=np.bool_)
    size = max(16, 4_000_000 // len(offset))
    for start in range(0, len(judged), size):
        block = judged[start : start + size]
        near = label_vectors[block] @ label_vectors.T > SAME_TEXT
        for i in np.flatnonzero(near.sum(axis=1) > 1):
            same = np.flatnonzero(near[i] & ~seen)
            if seen[block[i]] or len(same) < 2:
                continue
            seen[same] = True
            offset[same] = offset[same[is_judged[same]]].mean(axis=0)


class _Batches:
    """Judged pairs grouped by document."""

    def __init__(self, pairs: Pairs, config: AdapterConfig) -> None:
        order = np.argsort(pairs.document_idx, kind="stable")
        self.documents, starts = np.unique(pairs.document_idx[order], return_index=True)
        self._starts = np.append(starts, len(order))
        self._label = pairs.label_idx[order].astype(np.int64)
        self._target = config.smoothing + (1 - 2 * config.smoothing) * pairs.target[order]
        self._weight = pairs.weight[order].copy()
        self._weight[pairs.target[order] > 0.5] *= config.yes_weight
        self._unjudged = config.unjudged_weight

    def take(
        self, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], FloatArray, FloatArray]:
        """Documents (b,), labels judged in them (l,), targets and weights (b, l)."""
        sizes = self._starts[positions + 1] - self._starts[positions]
        row = np.repeat(np.arange(len(positions)), sizes)
        inside = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        pair = np.repeat(self._starts[positions], sizes) + inside
        labels, column = np.unique(self._label[pair], return_inverse=True)
        target = np.zeros((len(positions), len(labels)), dtype=np.float32)
        weight = np.full(target.shape, self._unjudged, dtype=np.float32)
        target[row, column] = self._target[pair]
        weight[row, column] = self._weight[pair]
        return self.documents[positions], labels, target, weight


__all__ = ["COSINE_OFFSET", "COSINE_SCALE", "SAME_TEXT", "Adapter", "AdapterConfig", "torch_threads"]
