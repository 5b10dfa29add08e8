"""Pre-training of an encoder on a corpus: any objectives at once, with weights.

The idea is UER's (Zhao et al., UER: An Open-Source Toolkit for Pre-training Models, EMNLP-IJCNLP 2019).
Importing this package needs neither torch nor sentence-transformers.
"""

from lmtx.pretrain.corpus import Corpus
from lmtx.pretrain.objectives import OBJECTIVES, READ_VERDICTS, check_objectives
from lmtx.pretrain.training import PretrainConfig, Pretrained, pretrain, pretrain_config, read_losses

__all__ = [
    "OBJECTIVES",
    "READ_VERDICTS",
    "Corpus",
    "PretrainConfig",
    "Pretrained",
    "check_objectives",
    "pretrain",
    "pretrain_config",
    "read_losses",
]
