"""A static encoder: a vector for each word piece, taken out of another encoder.

Each piece is read by the encoder as a text of its own; what all pieces have in common is taken off, rare
pieces weigh more, and the direction that all documents share goes. Tulkens and van Dongen, Model2Vec: Fast
State-of-the-Art Static Embeddings, 2024 (MinishLab/model2vec); weights and direction as in Arora, Liang and
Ma, A Simple but Tough-to-Beat Baseline for Sentence Embeddings, ICLR 2017, with the corpus at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.errors import InputError
from lmtx.types import FloatArray, Progress, no_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

RARE = 1e-2
"""A piece of frequency p weighs RARE / (RARE + p): Arora et al., section 3. Chosen among 1e-1 to 3e-4 on
training documents of debtags. The shared direction matters more: without it, R@10 by cosine halves."""

MESSAGE = "Distilling word vectors"
_PIECES = 512
_MOST_TEXTS = 2_000  # that the shared direction is found on


def distil_static(
    base: SentenceTransformer,
    texts: Sequence[str],
    width: int | None = None,
    progress: Progress = no_progress,
) -> SentenceTransformer:
    """Make a static encoder out of another one.

    Parameters
    ----------
    base : SentenceTransformer
        With a tokeniser of transformers. Where it reads labels by a route of their own, so does what is made.
    texts : sequence of str
        The corpus, for how often pieces occur.
    width : int, optional
        Length of the vectors; below the base's, its first principal components are kept. None: the base's.
    progress : callable
        Called with (pieces, all pieces, message); may raise `JobCancelled`.

    Raises
    ------
    InputError
        If the base has no such tokeniser, or shorter vectors than `width`.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding

    tokeniser = getattr(base, "tokenizer", None)
    tokeniser = getattr(tokeniser, "tokenizer", tokeniser)
    if not callable(tokeniser):
        raise InputError("The encoder to distil has no tokeniser of transformers; it may be static already.")
    dim = int(base.get_embedding_dimension() or 0)
    if width is not None and width > dim:
        raise InputError(f"Encoder setting width: got {width}, expected {dim} or less, as the encoder has.")
    pieces = _pieces(tokeniser, texts)
    weight = _weights(tokeniser, pieces)
    routes = ["query", "document"] if any(type(m).__name__ == "Router" for m in base) else [None]
    tables = [_table(base, tokeniser, route, progress) for route in routes]
    centre, turn = _components(tables[0], weight, None if width in (None, dim) else width)
    weighted = [(t - centre) * weight[:, None] for t in tables]
    shared = _shared(weighted[0], pieces[:_MOST_TEXTS])
    towers = [
        [
            StaticEmbedding(tokeniser, embedding_weights=_float32((t - np.outer(t @ shared, shared)) @ turn)),
            Normalize(),
        ]
        for t in weighted
    ]
    if len(towers) == 1:
        return SentenceTransformer(modules=towers[0], device="cpu")
    router = Router({"query": towers[0], "document": towers[1]}, default_route="query")
    return SentenceTransformer(modules=[router], device="cpu")


def _pieces(tokeniser: Any, texts: Sequence[str]) -> list[list[int]]:
    """Numbers of the pieces of each text."""
    found: list[list[int]] = []
    for start in range(0, len(texts), _PIECES):
        batch = list(texts[start : start + _PIECES])
        found += tokeniser(batch, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def _weights(tokeniser: Any, pieces: Sequence[Sequence[int]]) -> FloatArray:
    """Weight of each piece, float32 (n_pieces,); zero for those that stand for no text."""
    counts = np.zeros(len(tokeniser), dtype=np.float64)
    for ids in pieces:
        np.add.at(counts, ids, 1)
    weight = RARE / (RARE + (counts + 1) / (counts.sum() + len(counts)))
    weight[list(tokeniser.all_special_ids)] = 0
    return np.asarray(weight, dtype=np.float32)


def _shared(table: FloatArray, pieces: Sequence[Sequence[int]]) -> FloatArray:
    """First principal direction of the documents' unit vectors, float32 (dim,); zeros without documents."""
    sums = np.array([table[ids].sum(axis=0) for ids in pieces if len(ids)], dtype=np.float32)
    if not len(sums):
        return np.zeros(table.shape[1], dtype=np.float32)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    _, vectors = np.linalg.eigh(sums.T @ sums)
    return np.asarray(vectors[:, -1], dtype=np.float32)


def _table(base: SentenceTransformer, tokeniser: Any, route: str | None, progress: Progress) -> FloatArray:
    """Vectors of all pieces, float32 (n_pieces, dim)."""
    import torch

    n_pieces = len(tokeniser)
    found = []
    was = base.training
    base.eval()
    with torch.inference_mode():
        for start in range(0, n_pieces, _PIECES):
            rows = [
                tokeniser.build_inputs_with_special_tokens([i])
                if hasattr(tokeniser, "build_inputs_with_special_tokens")
                else [tokeniser.cls_token_id, i, tokeniser.sep_token_id]
                for i in range(start, min(start + _PIECES, n_pieces))
            ]
            ids = torch.tensor(rows, device=base.device)
            features = {
                "input_ids": ids,
                "attention_mask": torch.ones_like(ids),
                "token_type_ids": torch.zeros_like(ids),
                "sentence_lengths": torch.full((len(ids),), ids.shape[1]),
            }
            task = {} if route is None else {"task": route}
            found.append(base(features, **task)["sentence_embedding"].float().cpu().numpy())
            progress(min(start + _PIECES, n_pieces), n_pieces, MESSAGE)
    base.train(was)
    return np.concatenate(found)


def _components(table: FloatArray, weight: FloatArray, width: int | None) -> tuple[FloatArray, FloatArray]:
    """Mean of the pieces that stand for text, and what turns a vector into its first components."""
    used = table[weight > 0]
    centre = used.mean(axis=0)
    if width is None:  # as they are: so that they can go on learning from the encoder's own vectors
        return centre, np.eye(table.shape[1], dtype=np.float32)
    _, vectors = np.linalg.eigh(np.cov((used - centre).T))
    return centre, np.asarray(vectors[:, ::-1][:, :width], dtype=np.float32)


def _float32(values: Any) -> FloatArray:
    return np.ascontiguousarray(values, dtype=np.float32)
