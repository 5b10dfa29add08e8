"""What an objective is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lmtx.baselines.losses import several_positives
from lmtx.errors import InputError, NothingToDoError
from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.reader import Reader
from lmtx.student.losses import Judged

Rows = NDArray[np.int64]

SCALE = 20.0
"""Cosines are multiplied by it before a softmax, as sentence-transformers does by default."""

MOST_WORDS = 512
"""Words that are predicted a step at most, drawn at random: a vocabulary is wide."""


class Objective(nn.Module):
    """One thing to learn: (rows of documents, generator) -> loss, a number.

    All chance comes from the generator, which is made of seed, step and objective, and from dropout: so a
    training that was cut off goes on as it would have.
    """

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__()
        self.reader, self.corpus = reader, corpus

    def texts(self, rows: Rows) -> list[str]:
        """Whole texts of documents."""
        return [self.corpus.texts[int(i)] for i in rows]


def pairs_loss(reader: Reader, short: list[str], long: list[str], *, as_labels: bool = True) -> Tensor:
    """InfoNCE of pairs against the other pairs of the batch; the same text twice is right both times.

    Parameters
    ----------
    reader : Reader
    short, long : list of str
        As many.
    as_labels : bool
        Whether the short ones are read as labels are, where these have a tower of their own.
    """
    left = reader.vectors(short, "label" if as_labels else "document")
    right = reader.vectors(long)
    same = torch.tensor([[a == b for b in short] for a in short], device=left.device)
    return several_positives(SCALE * left @ right.T, same)


class Verdicts(Objective):
    """Documents with a wanted label against all labels that were judged in the batch."""

    @staticmethod
    def loss(cosine: Tensor, said: Judged) -> Tensor:
        """Loss of cosines (n_docs, n_labels), one of `lmtx.student.losses`."""
        raise NotImplementedError

    def __init__(self, reader: Reader, corpus: Corpus) -> None:
        super().__init__(reader, corpus)
        found = [] if corpus.judged is None else corpus.judged.with_yes()
        if not found:
            raise NothingToDoError(
                "This objective learns from verdicts, and no training document has a wanted label yet. Let a "
                "teacher judge documents first, or choose another objective."
            )
        self._wanted = np.array(found, dtype=np.int64)

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Draw as many judged documents as there are rows."""
        assert self.corpus.judged is not None
        drawn = rng.choice(self._wanted, min(len(rows), len(self._wanted)), replace=False)
        columns, said = self.corpus.judged.take([int(i) for i in drawn])
        documents = self.reader.vectors(self.texts(drawn))
        labels = self.reader.vectors([self.corpus.labels[i] for i in columns], "label")
        moved = (x.to(documents.device) for x in (said.yes, said.no, said.probability, said.weight))
        return type(self).loss(documents @ labels.T, Judged(*moved))


def some(wanted: Tensor, rng: np.random.Generator) -> Tensor:
    """Keep at most `MOST_WORDS` of the true places of a mask (n, length)."""
    places = np.flatnonzero(wanted.cpu().numpy())
    if len(places) <= MOST_WORDS:
        return wanted
    kept = torch.zeros(wanted.numel(), dtype=torch.bool)
    kept[torch.from_numpy(rng.choice(places, MOST_WORDS, replace=False))] = True
    return kept.view(wanted.shape).to(wanted.device)


def words_of(reader: Reader, features: dict[str, Tensor]) -> Tensor:
    """Mask (n, length) of the tokens that stand for text."""
    special = torch.tensor(reader.tokeniser.all_special_ids, device=features["input_ids"].device)
    return (features["attention_mask"] > 0) & ~torch.isin(features["input_ids"], special)


__all__ = ["InputError", "Objective", "Rows", "Verdicts", "pairs_loss", "some", "words_of"]
