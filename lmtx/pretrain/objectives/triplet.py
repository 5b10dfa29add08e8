"""Triplet loss on verdicts, as LMTX was published.

Zhang, Ullah and Babbar, Large Language Model as a Teacher for Zero-shot Tagging at Extreme Scales, COLING
2025, section 3.3.
"""

from __future__ import annotations

from lmtx.pretrain.objectives.base import Verdicts
from lmtx.student.losses import triplet_all


class Triplet(Verdicts):
    """A wanted label is nearer than the hardest labels of others, by a margin."""

    loss = staticmethod(triplet_all)
