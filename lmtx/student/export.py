"""A trained student as a standard sentence-transformers model, loadable without this program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import SentenceEncoder, load_encoder
from lmtx.errors import ShapeError
from lmtx.student.adapter import SAME_TEXT, Adapter
from lmtx.types import FloatArray

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Dense

_OWN_COSINE = 0.997  # a label's text against its cached vector, whatever the precision: 0.9999 measured
_MAX_COMPARED = 20_000


def save_sentence_transformer(
    adapter: Adapter,
    encoder: SentenceEncoder | str,
    folder: Path,
    label_vectors: FloatArray,
    label_ids: Sequence[str] | None = None,
) -> None:
    """Write a model that `SentenceTransformer(folder)` loads.

    `encode_query(texts)` and `encode_document(label texts)` give vectors whose dot product is the
    student's score. The free vector of each trained label is found again by the label's own
    text: one wide layer compares a text with all trained labels and adds the offset of the one
    that it is. A label unknown to the training gets none, as in the student itself.

    The model is written in float32, which is what the app computes labels and single texts in. Vectors of
    many documents may have been computed in bfloat16; scores from them differ by a few 1e-3.

    Parameters
    ----------
    adapter : Adapter
    encoder : SentenceEncoder or str
        The encoder that the adapter was trained on, frozen or the student's own, or its name.
    folder : Path
        Made if missing.
    label_vectors : float32 (n_labels, dim)
        The encoder's vectors of the labels.
    label_ids : sequence of str, optional
        Their ids; None: the adapter's own, in order.

    Raises
    ------
    ShapeError
        If vectors, ids and adapter disagree.
    EncoderError
        If the encoder can't be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Router

    ids = list(adapter.label_ids if label_ids is None else label_ids)
    if len(ids) != len(label_vectors) or label_vectors.shape[1] != adapter.dim:
        raise ShapeError(
            f"{len(ids)} label ids, label vectors {label_vectors.shape}, adapter of length {adapter.dim}; "
            "expected (n_labels, dim) of the encoder the student was trained with."
        )
    exact = load_encoder(encoder, "cpu") if isinstance(encoder, str) else encoder
    identity = np.eye(adapter.dim, dtype=np.float32)
    rows = adapter.rows_of(ids)
    trained = np.flatnonzero((rows >= 0) & (np.abs(adapter.offset[rows]).sum(axis=1) > 0))
    keys, offsets = _merged(label_vectors[trained], adapter.offset[rows[trained]])
    routes = Router(
        {
            "query": [_linear(identity + adapter.document_map), Normalize()],
            "document": [*_lookup(keys, offsets, identity + adapter.label_map, label_vectors), Normalize()],
        },
        default_route="query",
    )
    model = SentenceTransformer(modules=[*exact.model, routes], device=exact.device)
    model.prompts = dict(exact.model.prompts or {})
    folder.mkdir(parents=True, exist_ok=True)
    model.save(str(folder), create_model_card=False)
    facts = {
        "format": 1,
        "encoder": exact.key,
        "use": "score = encode_query(texts) @ encode_document(label texts).T",
        "label_ids": ids,
    }
    (folder / "lmtx.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def _linear(matrix: FloatArray) -> Dense:
    """Dense layer v -> v @ matrix."""
    import torch
    from sentence_transformers.base.modules import Dense

    return Dense(
        matrix.shape[0],
        matrix.shape[1],
        bias=False,
        activation_function=torch.nn.Identity(),
        init_weight=torch.from_numpy(np.ascontiguousarray(matrix.T)),
    )


def _lookup(
    keys: FloatArray, offsets: FloatArray, matrix: FloatArray, label_vectors: FloatArray
) -> list[Dense]:
    """Dense layers v -> v @ matrix + offset of the key that v is, if any."""
    import torch
    from sentence_transformers.base.modules import Dense

    if not len(keys):
        return [_linear(matrix)]
    dim = matrix.shape[0]
    half_width = (_OWN_COSINE - _nearest(keys, label_vectors)) / 2
    # Hardtanh leaves a unit vector's values alone, and gives +1 for the label itself, -1 for others.
    compare = np.concatenate([np.eye(dim, dtype=np.float32), keys / half_width])
    threshold = np.zeros(len(compare), dtype=np.float32)
    threshold[dim:] = -(_OWN_COSINE - half_width) / half_width
    add = np.concatenate([matrix.T, offsets.T / 2], axis=1)
    layers = []
    for weight, bias, activation in (
        (compare, threshold, torch.nn.Hardtanh()),
        (add, offsets.sum(axis=0) / 2, torch.nn.Identity()),
    ):
        layers.append(
            Dense(
                weight.shape[1],
                weight.shape[0],
                activation_function=activation,
                init_weight=torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32)),
                init_bias=torch.from_numpy(np.ascontiguousarray(bias, dtype=np.float32)),
            )
        )
    return layers


def _merged(keys: FloatArray, offsets: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One key for labels whose texts can't be told apart; their offsets are equal."""
    if not 1 < len(keys) <= _MAX_COMPARED:
        return keys, offsets
    group = np.arange(len(keys))
    for i, similar in _neighbours(keys, SAME_TEXT):
        if group[i] == i:
            later = similar[(similar > i) & (group[similar] == similar)]
            group[later] = i
    firsts, position, sizes = np.unique(group, return_inverse=True, return_counts=True)
    total = np.zeros((len(firsts), offsets.shape[1]), dtype=np.float32)
    np.add.at(total, position, offsets)
    return keys[firsts], np.asarray(total / sizes[:, None], dtype=np.float32)


def _neighbours(keys: FloatArray, cosine: float) -> list[tuple[int, NDArray[np.int64]]]:
    found: list[tuple[int, NDArray[np.int64]]] = []
    for start in range(0, len(keys), 1024):
        near = keys[start : start + 1024] @ keys.T > cosine
        found += [(start + i, np.flatnonzero(near[i])) for i in np.flatnonzero(near.sum(axis=1) > 1).tolist()]
    return found


def _nearest(keys: FloatArray, label_vectors: FloatArray) -> float:
    """Highest cosine of a key to a label of another text, trained or not."""
    highest = 0.9  # texts that are no label at all may be as near
    size = max(16, 4_000_000 // len(label_vectors))
    for start in range(0, len(keys), size):
        similarity = keys[start : start + size] @ label_vectors.T
        highest = max(highest, float(np.where(similarity > SAME_TEXT, 0, similarity).max()))
    return highest
