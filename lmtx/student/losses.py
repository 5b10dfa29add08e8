"""Losses of a fine-tuned student: documents of a batch against all labels that were judged in it.

The losses of sentence-transformers take a fixed number of texts a row; documents have as many judged
labels as it happens, and a label that ten documents share need be encoded only once. So each loss here reads
the cosines of a batch as one matrix. Where both apply, they agree with those of sentence-transformers
(`tests/unit/student/test_losses.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lmtx.student.adapter import COSINE_OFFSET, COSINE_SCALE
from lmtx.types import FloatArray, Pairs

TEMPERATURE = 0.05
"""Cosines are divided by it before a softmax, as sentence-transformers does by default (scale 20)."""

MARGIN, NEGATIVES, WEIGHT_TEMPERATURE = 0.3, 10, 0.1
"""Of the published triplet loss."""

_SURE = 0.98  # a hard yes or no, as a probability
_TEXTS_A_FORWARD = 32  # of like length: less padding, and less memory with gradient checkpointing


@dataclass(frozen=True)
class Judged:
    """What was said of the documents of a batch, as tensors (n_docs, n_labels).

    yes, no : bool
        Wanted, and judged as not wanted; both False where nobody judged.
    probability : float32
        P(yes) by the teacher, or the target; 0 where nobody judged.
    weight : float32
        Weight of the pair; 1 where nobody judged.
    """

    yes: Tensor
    no: Tensor
    probability: Tensor
    weight: Tensor

    @property
    def known(self) -> Tensor:
        """Pairs that were judged."""
        return self.yes | self.no


class JudgedPairs:
    """Judged pairs by document.

    Parameters
    ----------
    pairs : Pairs
    probability : float32 (n_pairs,), optional
        P(yes) of each pair; None: its target.
    """

    def __init__(self, pairs: Pairs, probability: FloatArray | None = None) -> None:
        order = np.argsort(pairs.document_idx, kind="stable")
        self._document = pairs.document_idx[order]
        self._label = pairs.label_idx[order].astype(np.int64)
        self._target = pairs.target[order]
        self._weight = pairs.weight[order]
        self._probability = self._target if probability is None else probability[order].astype(np.float32)

    def with_yes(self) -> list[int]:
        """Documents that have a wanted label, ascending."""
        return [int(i) for i in np.unique(self._document[self._target > 0.5])]

    def take(self, documents: Sequence[int]) -> tuple[list[int], Judged]:
        """Labels that were judged in these documents, and what was said of them."""
        starts = np.searchsorted(self._document, documents, side="left")
        ends = np.searchsorted(self._document, documents, side="right")
        pair = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)]).astype(np.int64)
        row = np.repeat(np.arange(len(documents)), ends - starts)
        labels, column = np.unique(self._label[pair], return_inverse=True)
        shape = (len(documents), len(labels))
        yes, no = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        probability, weight = np.zeros(shape, dtype=np.float32), np.ones(shape, dtype=np.float32)
        yes[row, column] = self._target[pair] > 0.5
        no[row, column] = self._target[pair] <= 0.5
        probability[row, column] = self._probability[pair]
        weight[row, column] = self._weight[pair]
        said = Judged(*(torch.from_numpy(x) for x in (yes, no, probability, weight)))
        return labels.tolist(), said


BatchLoss = Callable[[Tensor, Judged], Tensor]
"""(cosines (n_docs, n_labels), what was said) -> a number."""


def infonce(cosine: Tensor, said: Judged) -> Tensor:
    """Each wanted label against all labels of the batch that are not wanted.

    A document's other wanted labels are no negatives. Judged and unjudged ones both are; what a teacher said
    no to is near the document, so it weighs most by itself. Averaged over wanted labels by weight.

    References
    ----------
    van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding, 2018; several
    positives as in Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, equation 2.
    """
    logits = cosine / TEMPERATURE
    others = torch.logsumexp(logits.masked_fill(said.yes, -torch.inf), dim=1, keepdim=True)  # (n_docs, 1)
    each = functional.softplus(others - logits)  # -log p of a label against all negatives
    weight = said.weight * said.yes
    return (each * weight).sum() / weight.sum().clamp(min=1)


def bce(cosine: Tensor, said: Judged) -> Tensor:
    """Binary cross-entropy of every pair of the batch, as the adapter's; see `Adapter.fit`."""
    logits = (cosine - COSINE_OFFSET) / COSINE_SCALE
    total = functional.binary_cross_entropy_with_logits(
        logits, said.probability, weight=said.weight, reduction="sum"
    )
    return total / len(cosine)


def listwise(cosine: Tensor, said: Judged) -> Tensor:
    """Kullback-Leibler divergence of the student's softmax over a document's shortlist from the teacher's.

    The teacher's scores are the log odds of its P(yes). Documents with a single judged label say nothing.

    References
    ----------
    Lin, Yang and Lin, Distilling Dense Representations for Ranking using Tightly-Coupled Teachers, 2020
    (`DistillKLDivLoss` of sentence-transformers).
    """
    use = said.known.sum(dim=1) > 1
    known = said.known[use]
    student = (cosine[use] / TEMPERATURE).masked_fill(~known, -torch.inf)
    teacher = _log_odds(said.probability[use]).masked_fill(~known, -torch.inf)
    log_share = functional.log_softmax(student, dim=1).masked_fill(~known, 0)
    log_wanted = functional.log_softmax(teacher, dim=1).masked_fill(~known, 0)
    wanted = log_wanted.exp() * known
    return (wanted * (log_wanted - log_share)).sum() / use.sum().clamp(min=1)


def margin_mse(cosine: Tensor, said: Judged) -> Tensor:
    """Squared error of the margins between a document's wanted and unwanted labels.

    A probability p stands for the cosine 0.35 + 0.07 * logit(p), as in the adapter. Averaged over all pairs
    of a wanted and an unwanted label of the same document.

    References
    ----------
    Hofstätter et al., Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
    Distillation, 2020 (`MarginMSELoss` of sentence-transformers).
    """
    apart = cosine - COSINE_SCALE * _log_odds(said.probability)  # (n_docs, n_labels)
    yes, no = said.yes.float(), said.no.float()
    n_yes, n_no = yes.sum(dim=1), no.sum(dim=1)
    # sum over i, j of (a_i - b_j)^2, without the n_yes x n_no table
    total = (
        n_no * (apart.square() * yes).sum(dim=1)
        + n_yes * (apart.square() * no).sum(dim=1)
        - 2 * (apart * yes).sum(dim=1) * (apart * no).sum(dim=1)
    )
    return total.sum() / (n_yes * n_no).sum().clamp(min=1)


def triplet(cosine: Tensor, said: Judged) -> Tensor:
    """Compute the published loss: one random wanted label a document, against the hardest that others drew.

    The columns are the labels that the documents of the batch drew, a label as often as it was drawn;
    those that a document wants itself are left out. Margin 0.3; each violation is weighted by the softmax of
    the negatives' cosines over 0.1; the mean over all of them. Every document must have a wanted label.

    References
    ----------
    Zhang, Ullah and Babbar, Large Language Model as a Teacher for Zero-shot Tagging at Extreme Scales, COLING
    2025, section 3.3, with what the code (github.com/xmc-aalto/LMTX, src/util.py) adds to it.
    """
    drawn = torch.multinomial(said.yes.float().cpu(), 1)[:, 0].to(cosine.device)  # (n_docs,)
    columns = cosine[:, drawn]  # (n_docs, n_docs)
    positive = columns.diagonal()[:, None]
    own = said.yes[:, drawn]
    k = min(NEGATIVES, columns.shape[1])
    hardest = columns.masked_fill(own, -torch.inf).topk(k, dim=1)
    there = hardest.values > -torch.inf  # in a small batch there may be fewer
    negative = hardest.values.masked_fill(~there, 0)
    violation = functional.relu(negative - positive + MARGIN) * there
    # Not masked out of the softmax but set to zero in it, as published.
    weight = torch.softmax(negative / WEIGHT_TEMPERATURE * (violation != 0), dim=1)
    return (violation * weight).sum() / there.sum().clamp(min=1)


def triplet_all(cosine: Tensor, said: Judged) -> Tensor:
    """Compute `triplet` for all wanted labels of a document, against the hardest that others want.

    Mends two faults of the published loss: most verdicts of an epoch are not looked at, and the columns hold
    frequent labels many times.
    """
    wanted = said.yes.any(dim=0)
    cosine, yes, weight = cosine[:, wanted], said.yes[:, wanted], (said.weight * said.yes)[:, wanted]
    k = min(NEGATIVES, cosine.shape[1])
    hardest = cosine.masked_fill(yes, -torch.inf).topk(k, dim=1).values
    there = hardest > -torch.inf
    negative = hardest.masked_fill(~there, 0)[:, None, :]  # (n_docs, 1, k)
    violation = functional.relu(negative - cosine[:, :, None] + MARGIN) * there[:, None, :]
    share = torch.softmax(negative / WEIGHT_TEMPERATURE * (violation != 0), dim=2)
    each = (violation * share).sum(dim=2) / there.sum(dim=1, keepdim=True).clamp(min=1)
    return (each * weight).sum() / weight.sum().clamp(min=1)


LOSSES: dict[str, BatchLoss] = {
    "infonce": infonce,
    "bce": bce,
    "listwise": listwise,
    "margin_mse": margin_mse,
    "triplet": triplet,
    "triplet_all": triplet_all,
}


class LabelLoss(nn.Module):
    """Encodes the labels of a batch and applies a loss; what `fit_encoder` takes.

    The dataset has one column of texts and the column "label", the row of the document in `judged`.

    Parameters
    ----------
    model : SentenceTransformer
        The one that learns.
    texts : sequence of str
        Text of each label, with its prompt if the encoder has one.
    judged : JudgedPairs
    loss : callable
        One of `LOSSES`.
    label_length : int
        Tokens read of a label.
    routed : bool
        Whether labels take a route of their own.
    """

    def __init__(
        self,
        model: Any,
        texts: Sequence[str],
        judged: JudgedPairs,
        loss: BatchLoss,
        *,
        label_length: int = 32,
        routed: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self._texts, self._judged, self._loss = texts, judged, loss
        self._label_length = label_length
        self._task = {"task": "document"} if routed else {}

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are document rows, int64 (n_docs,)."""
        documents = self._documents(next(iter(sentence_features)))
        columns, said = self._judged.take(labels.tolist())
        names = self._names(columns, documents.device)
        moved = (x.to(documents.device) for x in (said.yes, said.no, said.probability, said.weight))
        with torch.autocast(documents.device.type, enabled=False):
            return self._loss(documents @ names.T, Judged(*moved))

    def _documents(self, features: dict[str, Any]) -> Tensor:
        """Vectors of documents, (n_docs, dim)."""
        mask = features.get("attention_mask")
        if not isinstance(mask, Tensor) or mask.device.type != "cpu":
            return self._embed(features, {})
        lengths = mask.sum(dim=1)
        order = torch.argsort(lengths, descending=True, stable=True)
        found = []
        for rows in torch.split(order, _TEXTS_A_FORWARD):
            longest = int(lengths[rows[0]])
            found.append(
                self._embed(
                    {
                        k: v[rows][:, :longest] if isinstance(v, Tensor) and v.shape == mask.shape else v
                        for k, v in features.items()
                    },
                    {},
                )
            )
        return torch.cat(found)[torch.argsort(order)]

    def _names(self, columns: Sequence[int], device: torch.device) -> Tensor:
        """Vectors of labels, (n_labels, dim)."""
        order = sorted(range(len(columns)), key=lambda i: len(self._texts[columns[i]]))
        found = []
        for start in range(0, len(order), _TEXTS_A_FORWARD):
            texts = [self._texts[columns[i]] for i in order[start : start + _TEXTS_A_FORWARD]]
            features = self.model.preprocess(texts, max_length=self._label_length, **self._task)
            features = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in features.items()}
            found.append(self._embed(features, self._task))
        return torch.cat(found)[torch.argsort(torch.tensor(order, device=device))]

    def _embed(self, features: dict[str, Any], task: dict[str, str]) -> Tensor:
        return functional.normalize(self.model(features, **task)["sentence_embedding"].float(), dim=1)


def _log_odds(probability: Tensor) -> Tensor:
    return torch.logit(probability, eps=1 - _SURE)


__all__ = [
    "LOSSES",
    "Judged",
    "JudgedPairs",
    "LabelLoss",
    "bce",
    "infonce",
    "listwise",
    "margin_mse",
    "triplet",
    "triplet_all",
]
