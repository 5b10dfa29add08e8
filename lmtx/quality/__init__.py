"""How good a ranking is: against gold, over documents and per label."""

from lmtx.quality.labels import cut_predictions, label_quality
from lmtx.quality.ranking import evaluate, ndcg_at_k, precision_at_k, recall_at_k, standard_error

__all__ = [
    "cut_predictions",
    "evaluate",
    "label_quality",
    "ndcg_at_k",
    "precision_at_k",
    "recall_at_k",
    "standard_error",
]
