"""How good a ranking is, against gold; whether probabilities hold, against decisions."""

from lmtx.quality.labels import cut_predictions, label_quality
from lmtx.quality.ranking import evaluate, ndcg_at_k, precision_at_k, recall_at_k, standard_error
from lmtx.quality.reliability import Bin, Reliability, reliability

__all__ = [
    "Bin",
    "Reliability",
    "cut_predictions",
    "evaluate",
    "label_quality",
    "ndcg_at_k",
    "precision_at_k",
    "recall_at_k",
    "reliability",
    "standard_error",
]
