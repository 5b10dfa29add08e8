"""Distillation: give the vectors of another encoder.

Reimers and Gurevych, Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation, EMNLP
2020, for vectors of the same length; for others the similarities of the batch are matched: Tung and Mori,
Similarity-Preserving Knowledge Distillation, ICCV 2019.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lmtx.errors import NothingToDoError
from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives.base import Objective, Rows
from lmtx.pretrain.reader import Reader

LABELS = 0.25  # labels a step, as a share of the documents


class SameVectors(Objective):
    """Squared distance from the teacher's unit vectors, of documents and some labels."""

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        if corpus.teacher is None:
            raise NothingToDoError("Distillation needs another encoder to learn from; none was given.")

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        assert self.corpus.teacher is not None
        n_labels = min(len(self.corpus.labels), round(LABELS * len(rows)))
        labels = (
            rng.choice(len(self.corpus.labels), n_labels, replace=False) if n_labels else np.zeros(0, int)
        )
        wanted = torch.from_numpy(self.corpus.teacher(rows.tolist(), labels.tolist()))
        found = self.reader.vectors(self.texts(rows))
        if n_labels:
            names = self.reader.vectors([self.corpus.labels[int(i)] for i in labels], "label")
            found = torch.cat([found, names])
        wanted = wanted.to(found.device)
        if wanted.shape[1] == found.shape[1]:
            return (found - wanted).square().sum(dim=1).mean()
        return (found @ found.T - wanted @ wanted.T).square().mean()
