"""Sentence prediction: whether the second text follows the first.

Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019, section 3.1, task 2. Both
texts are read as one pair of segments.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import Objective, Rows
from lmtx.pretrain.reader import Reader


class FollowingSentence(Objective):
    """Half of the pairs are a sentence and the next; in the others the second is of another document."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        dim = int(reader.model.get_embedding_dimension() or 0)
        _ = reader.tokeniser  # pairs need one
        self.decide = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, 2))

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        drawn = [self.corpus.two_sentences(int(i), rng) for i in rows]
        follows = rng.random(len(rows)) < 0.5
        first = [a for a, _ in drawn]
        others = [
            self.corpus.two_sentences(int(i), rng)[1]
            for i in rng.integers(0, len(self.corpus.texts), len(rows))
        ]
        second = [b if yes else other for (_, b), yes, other in zip(drawn, follows, others, strict=True)]
        vectors = self.reader.run(self.reader.features(first, second))["sentence_embedding"].float()
        wanted = torch.from_numpy(follows.astype(np.int64)).to(vectors.device)
        return cross_entropy(
            self.decide(nn.functional.normalize(vectors, dim=1) * vectors.shape[1] ** 0.5), wanted
        )
