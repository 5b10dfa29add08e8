"""SimCSE: a text read twice is nearer to itself than to others.

Gao, Yao and Chen, SimCSE: Simple Contrastive Learning of Sentence Embeddings, EMNLP 2021. What differs
between the two readings is dropout; an encoder without dropout reads nine in ten words, drawn twice.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import SCALE, Objective, Rows
from lmtx.pretrain.reader import Reader

KEPT = 0.9


class TwiceRead(Objective):
    """Each text against its second reading, and the second readings of the others."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        self._drops = any(isinstance(m, nn.Dropout) and m.p > 0 for m in reader.model.modules())

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        import torch

        from lmtx.baselines.losses import several_positives

        texts = self.texts(rows)
        twice = [texts, texts] if self._drops else [[_thinned(t, rng) for t in texts] for _ in range(2)]
        first, second = (self.reader.vectors(x) for x in twice)
        same = torch.tensor([[a == b for b in texts] for a in texts], device=first.device)
        return several_positives(SCALE * first @ second.T, same)


def _thinned(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = [w for w, chance in zip(words, rng.random(len(words)), strict=True) if chance < KEPT]
    return " ".join(kept) or text
