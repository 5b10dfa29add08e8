"""TSDAE: rebuild a text from the vector of what was left of it.

Wang, Reimers and Gurevych, TSDAE: Using Transformer-based Sequential Denoising Auto-Encoder for Unsupervised
Sentence Embedding Learning, Findings of EMNLP 2021. `DenoisingAutoEncoderLoss` of sentence-transformers ties
a decoder to a BERT; here one decoder layer of its own, on the encoder's word embeddings, serves any encoder.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import Objective, Rows, some, words_of
from lmtx.pretrain.reader import Reader, WordPrediction

LEFT_OUT = 0.6


class Rebuilt(Objective):
    """Six in ten words are left out; the whole text is decoded from the vector of the rest."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        _ = reader.tokeniser
        width = int(reader.words.shape[1])
        heads = next(h for h in (8, 4, 2, 1) if width % h == 0)
        self.bring = nn.Linear(int(reader.model.get_embedding_dimension() or 0), width)
        self.decode = nn.TransformerDecoderLayer(width, heads, 4 * width, batch_first=True, norm_first=True)
        self.predict = WordPrediction(reader, width)

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        texts = self.texts(rows)
        vectors = self.reader.vectors([_thinned(t, rng) for t in texts])  # (n, dim)
        features = self.reader.features(texts)
        ids = features["input_ids"]
        wanted = words_of(self.reader, features)
        wanted[:, 0] = False
        wanted = some(wanted, rng)
        if not bool(wanted.any()):
            return vectors.sum() * 0
        width = self.reader.words.shape[1]
        shown = self.reader.words[ids].float() * math.sqrt(width) + _places(ids.shape[1], width).to(
            ids.device
        )
        ahead = nn.Transformer.generate_square_subsequent_mask(ids.shape[1], device=ids.device)
        decoded = self.decode(shown, self.bring(vectors)[:, None, :], tgt_mask=ahead, tgt_is_causal=True)
        return self.predict(decoded[torch.roll(wanted, -1, dims=1)], ids[wanted])  # type: ignore[no-any-return]


def _thinned(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = [w for w, chance in zip(words, rng.random(len(words)), strict=True) if chance >= LEFT_OUT]
    return " ".join(kept) or (words[int(rng.integers(len(words)))] if words else text)


def _places(length: int, width: int) -> Tensor:
    """Sines and cosines of positions (Vaswani et al. 2017, section 3.5), (length, width)."""
    at = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.cat([at.sin(), at.cos()], dim=1)[:, :width]
