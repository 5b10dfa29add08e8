"""Random segments: two segments of a document are nearer than those of others.

Zhang et al., Structural Contrastive Representation Learning for Zero-shot Multi-label Text Classification,
Findings of EMNLP 2022 (tonyzhang617/structural-contrastive-representation-learning); all of the method is in
`lmtx.baselines.rts`.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lmtx.baselines.segments import LONGEST, SHORTEST, segments
from lmtx.pretrain.objectives.base import Objective, Rows, pairs_loss


class Segments(Objective):
    """Two segments of a text of 40 to 80 words; shorter ones where the text has not so many."""

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        drawn = [self._drawn(int(i), rng) for i in rows]
        return pairs_loss(self.reader, [a for a, _ in drawn], [b for _, b in drawn], as_labels=False)

    def _drawn(self, row: int, rng: np.random.Generator) -> tuple[str, str]:
        text = self.corpus.texts[row]
        half = max(1, len(text.split()) // 3)
        found = segments(text, rng, min(SHORTEST, half), min(LONGEST, 2 * half))
        if len(found) < 2:
            return self.corpus.titles[row] or text, text
        first, second = rng.choice(len(found), 2, replace=False).tolist()
        return found[first], found[second]
