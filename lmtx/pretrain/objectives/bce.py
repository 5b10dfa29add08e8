"""Binary cross-entropy on verdicts: each pair on its own."""

from __future__ import annotations

from lmtx.pretrain.objectives.base import Verdicts
from lmtx.student.losses import bce


class Bce(Verdicts):
    """Each (document, label) pair of the batch is wanted or not; see `Adapter.fit`."""

    loss = staticmethod(bce)
