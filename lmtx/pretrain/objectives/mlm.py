"""Masked language modelling: predict words that were hidden.

Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019, section 3.1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import Objective, Rows, some, words_of
from lmtx.pretrain.reader import Reader, WordPrediction

SHARE = 0.15


class MaskedWords(Objective):
    """Of 15 % of the word pieces, 8 in 10 become the mask, 1 another piece, 1 stays."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        self.predict = WordPrediction(reader, reader.token_width())

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch; zero where no word was drawn."""
        features = self.reader.features(self.texts(rows))
        ids = features["input_ids"]
        chance, kind = (torch.from_numpy(rng.random(ids.shape)).to(ids.device) for _ in range(2))
        wanted = some(words_of(self.reader, features) & (chance < SHARE), rng)
        other = torch.from_numpy(rng.integers(0, len(self.reader.words), ids.shape)).to(ids.device)
        shown = torch.where(wanted & (kind < 0.8), self.reader.tokeniser.mask_token_id, ids)
        features["input_ids"] = torch.where(wanted & (kind >= 0.9), other, shown)
        tokens = self.reader.tokens(features)
        if not bool(wanted.any()):
            return tokens.sum() * 0
        return self.predict(tokens[wanted], ids[wanted])  # type: ignore[no-any-return]
