"""Contrastive losses of the baselines, in the sense of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Groups = Callable[["SentenceTransformer", int], NDArray[np.int64] | None]
"""Called with the model and the step: the group of each item, or None where each is its own."""


def several_positives(scores: Tensor, positive: Tensor) -> Tensor:
    """InfoNCE with several positives: mean over rows of the mean of -log p over the row's positives.

    Parameters
    ----------
    scores : Tensor of shape (n, m)
        Similarities divided by the temperature.
    positive : bool Tensor of shape (n, m)
        At least one in each row.

    References
    ----------
    Xiong et al., Extreme Zero-Shot Learning for Extreme Text Classification, NAACL 2022, equations 2 and 4.
    """
    log_p = log_softmax(scores.float(), dim=1)
    return -((log_p * positive).sum(dim=1) / positive.sum(dim=1)).mean()


class GroupedPairs(nn.Module):
    """Each text against the partners of all texts of the batch; those of its group are right too.

    Where there are texts of labels, a second term wants a text nearer to itself, read under another dropout,
    than to a few labels drawn at random: label regularisation of MACLR, which keeps documents from crowding
    around labels that lie in their middle.

    Inputs: columns (partner, text); the column "label" holds the draw's number, which says by `items` what
    item it is, and by `batch` the step. So the loss keeps no state, and a training that was cut off goes on
    as it would have.

    Parameters
    ----------
    model : SentenceTransformer
    items : int array (n_draws,)
        Item of each draw, in the order of training.
    groups : callable
        See `Groups`; asked again whenever `due` has another answer.
    due : callable
        Step -> what the groups depend on.
    batch : int
        Draws a step.
    scale : float
        Inverse temperature of the cosine.
    labels : sequence of str
        Texts of labels for the second term; empty leaves it out.
    n_labels : int
        So many of them are drawn a step.
    label_prompt : str or None
        What the encoder wants before a label.
    seed : int
    """

    def __init__(
        self,
        model: SentenceTransformer,
        items: NDArray[np.int32],
        groups: Groups,
        due: Callable[[int], object],
        *,
        batch: int,
        scale: float,
        labels: Sequence[str] = (),
        n_labels: int = 0,
        label_prompt: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.items, self.groups, self.due = items, groups, due
        self.batch, self.scale, self.seed = batch, scale, seed
        self.labels, self.n_labels = labels, min(n_labels, len(labels))
        self.label_prompt = label_prompt
        self._known: tuple[object, NDArray[np.int64] | None] | None = None

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """Loss of a batch."""
        partner, text = sentence_features
        draws = labels.cpu().numpy()
        step = int(draws.min()) // self.batch
        same = self._same(step, draws).to(labels.device)
        again = dict(text)  # a forward pass writes into what it is given
        texts = self._vectors(text)
        loss = several_positives(self.scale * texts @ self._vectors(partner).T, same)
        if self.n_labels:
            others = torch.cat([self._vectors(again), self._vectors(self._drawn_labels(step, labels.device))])
            never = torch.zeros(len(same), self.n_labels, dtype=torch.bool, device=same.device)
            loss = loss + several_positives(self.scale * texts @ others.T, torch.cat([same, never], dim=1))
        return loss

    def _vectors(self, features: dict[str, Any]) -> Tensor:
        return normalize(self.model(features)["sentence_embedding"].float(), dim=1)

    def _same(self, step: int, draws: NDArray[np.int64]) -> Tensor:
        due = self.due(step)
        if self._known is None or self._known[0] != due:
            self._known = due, self.groups(self.model, step)
        items = self.items[draws]
        groups = items if self._known[1] is None else self._known[1][items]
        return torch.from_numpy(groups[:, None] == groups[None, :])

    def _drawn_labels(self, step: int, device: torch.device) -> dict[str, Any]:
        rng = np.random.default_rng([self.seed, step])
        drawn = rng.choice(len(self.labels), self.n_labels, replace=False)
        # As the trainer reads a column of labels: with the prompt of their side, and by their route.
        task = "document" if any(type(module).__name__ == "Router" for module in self.model) else None
        texts = [self.labels[int(i)] for i in drawn]
        features = self.model.preprocess(texts, prompt=self.label_prompt, task=task)
        if task is not None:
            features["task"] = task
        return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in features.items()}


def in_order(dataset: Any, batch_size: int, drop_last: bool, **others: Any) -> Any:
    """Batches in the order of the dataset, which was shuffled when it was laid out."""
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    del others
    return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)
