"""Title and content: find the text that a title belongs to.

Xiong et al., Extreme Zero-Shot Learning for Extreme Text Classification, NAACL 2022, section 4.1;
`lmtx.baselines.maclr` has all of the method.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lmtx.baselines.segments import without_title
from lmtx.pretrain.objectives.base import Objective, Rows, pairs_loss

KEPT = 0.1


class TitleAndContent(Objective):
    """A title, or the first sentence, against the text; nine times in ten it is taken out of there."""

    def forward(self, rows: Rows, rng: np.random.Generator) -> Tensor:
        """Loss of a batch."""
        titles = [self.corpus.titles[int(i)] for i in rows]
        contents = [
            without_title(self.corpus.sentences[int(i)], title, KEPT, rng)
            for i, title in zip(rows, titles, strict=True)
        ]
        return pairs_loss(self.reader, titles, contents)
