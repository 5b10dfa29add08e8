"""InfoNCE on verdicts.

van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018.
"""

from __future__ import annotations

from lmtx.pretrain.objectives.base import Verdicts
from lmtx.student.losses import infonce


class InfoNce(Verdicts):
    """A wanted label against all labels of the batch that are not wanted."""

    loss = staticmethod(infonce)
