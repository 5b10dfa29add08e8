"""Losses on the cosines of a batch: they agree with sentence-transformers, and pull the right way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.losses import (
    DistillKLDivLoss,
    MarginMSELoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn
from torch.nn import functional

from lmtx.encoder import SentenceEncoder
from lmtx.student.adapter import COSINE_SCALE
from lmtx.student.losses import (
    LOSSES,
    TEMPERATURE,
    Judged,
    JudgedPairs,
    LabelLoss,
    infonce,
    listwise,
    margin_mse,
    triplet,
)
from lmtx.types import Pairs

Loss = Callable[[Tensor, Judged], Tensor]


def unit(*shape: int) -> Tensor:
    return functional.normalize(torch.randn(*shape), dim=-1)


def said(yes: Tensor, no: Tensor, probability: Tensor | None = None) -> Judged:
    return Judged(yes, no, yes.float() if probability is None else probability, torch.ones(yes.shape))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def batch() -> tuple[Tensor, Judged]:
    """Eight documents against twelve labels: some yes, some no, most unjudged, every document with a yes."""
    cosine = unit(8, 16) @ unit(12, 16).T
    yes = torch.rand(8, 12) < 0.2
    yes[torch.arange(8), torch.arange(8)] = True
    no = (torch.rand(8, 12) < 0.3) & ~yes
    return cosine.requires_grad_(), said(yes, no)


def test_infonce_is_the_ranking_loss_where_each_document_has_one_label() -> None:
    documents, labels = unit(6, 16), unit(6, 16)
    theirs = MultipleNegativesRankingLoss(nn.Identity(), scale=1 / TEMPERATURE)
    expected = theirs.compute_loss_from_embeddings([documents, labels], torch.zeros(6))
    yes = torch.eye(6, dtype=torch.bool)
    assert infonce(documents @ labels.T, said(yes, ~yes)) == pytest.approx(float(expected), abs=1e-5)


def test_listwise_is_the_distillation_loss_where_all_shortlists_are_as_long() -> None:
    documents, labels = unit(5, 16), unit(4, 16)
    probability = torch.rand(5, 4) * 0.9 + 0.05
    theirs = DistillKLDivLoss(nn.Identity(), student_temperature=TEMPERATURE)
    columns = [documents, *(labels[j].expand(5, -1) for j in range(4))]
    expected = theirs.compute_loss_from_embeddings(columns, torch.logit(probability)) / TEMPERATURE**2
    yes = probability > 0.5
    found = listwise(documents @ labels.T, said(yes, ~yes, probability))
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_margin_mse_is_the_margin_loss_over_every_wanted_and_unwanted_label() -> None:
    documents, labels = unit(3, 16), unit(5, 16)
    probability = torch.tensor([[0.9, 0.8, 0.3, 0.1, 0.2]]).expand(3, -1)
    yes = probability > 0.5
    theirs = MarginMSELoss(nn.Identity(), similarity_fct=lambda a, b: (a * b).sum(dim=1))
    each = []
    for i in (0, 1):
        for j in (2, 3, 4):
            columns = [documents, labels[i].expand(3, -1), labels[j].expand(3, -1)]
            margin = COSINE_SCALE * (torch.logit(probability[:, i]) - torch.logit(probability[:, j]))
            each.append(float(theirs.compute_loss_from_embeddings(columns, margin)))
    found = margin_mse(documents @ labels.T, said(yes, ~yes, probability))
    assert found == pytest.approx(np.mean(each), rel=1e-4)


def test_the_published_loss_weighs_the_hardest_negatives_that_others_drew() -> None:
    cosine = torch.tensor([[0.5, 0.4, 0.9], [0.1, 0.6, 0.5], [0.0, 0.2, 0.3]])
    # Each document draws its only label; the first one wants the third label as well, so that is no negative.
    yes = torch.eye(3, dtype=torch.bool)
    drawn = iter([torch.tensor([[0], [1], [2]])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "multinomial", lambda *_: next(drawn))
        yes[0, 2] = True
        found = float(triplet(cosine, said(yes, ~yes)))
    # violations of 0.3: 0.4-0.5 -> .2 | 0.5-0.6 -> .2, 0.1-0.6 -> 0 | 0.2-0.3 -> .2, 0.0-0.3 -> 0
    weight = [1.0, np.exp(5) / (np.exp(5) + 1), np.exp(2) / (np.exp(2) + 1)]
    filler = np.exp(4) / (np.exp(4) + 2)  # the places that the first row has no negative for count as 0
    filler_two, filler_three = (np.exp(x) / (np.exp(x) + 2) for x in (5, 2))
    assert weight[0] > filler
    assert found == pytest.approx(0.2 * (filler + filler_two + filler_three) / 5, abs=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_wanted_label_is_pulled_and_never_pushed(name: str, batch: tuple[Tensor, Judged]) -> None:
    cosine, judged = batch
    LOSSES[name](cosine, judged).backward()
    assert cosine.grad is not None
    assert float(cosine.grad[judged.yes].sum()) < 0 < float(cosine.grad[~judged.yes].sum())
    if name not in ("listwise", "margin_mse"):  # these want margins, not extremes
        assert float(cosine.grad[judged.yes].max()) <= 1e-7
    if name in ("infonce", "bce"):  # the weights of the published loss move its easy negatives the other way
        assert float(cosine.grad[~judged.yes].min()) >= -1e-7


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_any_negative_gives_no_gradient_that_is_not_a_number(name: str) -> None:
    cosine = (unit(2, 8) @ unit(2, 8).T).requires_grad_()
    yes = torch.ones(2, 2, dtype=torch.bool)
    LOSSES[name](cosine, said(yes, ~yes)).backward()
    assert cosine.grad is not None
    assert bool(torch.isfinite(cosine.grad).all())


def test_documents_and_labels_of_a_batch_keep_their_places(tiny_encoder: SentenceEncoder) -> None:
    texts = ["one " * n for n in (30, 2, 9)]
    names = ["a long name of a label that is read first", "b", "some words", "c d"]
    rows = np.array([0, 0, 1, 2, 2], dtype=np.int32)
    columns = np.array([3, 0, 1, 0, 2], dtype=np.int32)
    pairs = Pairs(rows, columns, np.array([1, 0, 1, 1, 0], np.float32), np.ones(5, np.float32))
    seen: list[tuple[Tensor, Judged]] = []

    def record(cosine: Tensor, judged: Judged) -> Tensor:
        seen.append((cosine, judged))
        return cosine.sum()

    model = tiny_encoder.model
    LabelLoss(model, names, JudgedPairs(pairs), record)([model.preprocess(texts)], torch.tensor([0, 1, 2]))
    cosine, judged = seen[0]
    expected = tiny_encoder.encode(texts) @ tiny_encoder.encode(names, role="label").T
    np.testing.assert_allclose(cosine.detach().numpy(), expected, atol=1e-4)
    assert judged.yes.nonzero().tolist() == [[0, 3], [1, 1], [2, 0]]
    assert judged.no.nonzero().tolist() == [[0, 0], [2, 2]]
