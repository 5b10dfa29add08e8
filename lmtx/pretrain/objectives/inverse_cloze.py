"""Inverse cloze: find the text that a sentence was taken out of.

Lee, Chang and Toutanova, Latent Retrieval for Weakly Supervised Open Domain Question Answering, ACL 2019,
section 4.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lmtx.pretrain.objectives.base import Objective, Rows, pairs_loss

KEPT = 0.1


class TakenOut(Objective):
    """A sentence against the rest of its document; one time in ten it stays in."""

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        drawn = [self._drawn(int(i), rng) for i in rows]
        return pairs_loss(self.reader, [a for a, _ in drawn], [b for _, b in drawn])

    def _drawn(self, row: int, rng: np.random.Generator) -> tuple[str, str]:
        parts = [self.corpus.titles[row], *self.corpus.sentences[row]]
        parts = list(dict.fromkeys(p for p in parts if p))
        if len(parts) < 2:  # a single sentence is cut in two
            return self.corpus.two_sentences(row, rng)
        at = int(rng.integers(len(parts)))
        rest = parts if rng.random() < KEPT else parts[:at] + parts[at + 1 :]
        return parts[at], " ".join(rest)
