"""Word vectors taken out of an encoder."""

from __future__ import annotations

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError
from lmtx.pretrain import Corpus
from lmtx.pretrain.static import RARE, distil_static


def test_a_static_vector_is_the_weighted_sum_of_its_pieces_as_the_encoder_reads_them(
    tiny_encoder: SentenceEncoder, demo_corpus: Corpus
) -> None:
    base = tiny_encoder.model
    static = distil_static(base, demo_corpus.texts)
    table = static[0].embedding.weight.detach().numpy()
    tokeniser = base.tokenizer
    ids = tokeniser("lifeboat crew", add_special_tokens=False)["input_ids"]

    counts = np.zeros(len(tokeniser))
    for row in tokeniser(demo_corpus.texts, add_special_tokens=False)["input_ids"]:
        np.add.at(counts, row, 1)
    share = (counts + 1) / (counts.sum() + len(counts))
    weight = RARE / (RARE + share)
    some = np.argsort(-counts, kind="stable")[20:40]
    said = np.stack([base.encode(tokeniser.decode([i])) for i in some if tokeniser.decode([i]).isalpha()])
    some = np.array([i for i in some if tokeniser.decode([i]).isalpha()])
    # What all pieces share was taken off, and one direction that all documents share; no more than that.
    kept = table[some] / weight[some, None]
    left = (kept - kept.mean(axis=0)) - (said - said.mean(axis=0))
    strength = np.linalg.svd(left, compute_uv=False)
    assert strength[1] < 1e-3 * strength[0]
    assert weight[tokeniser.convert_tokens_to_ids("the")] < 0.6 < weight[ids[0]]
    assert not table[tokeniser.all_special_ids].any()

    summed = table[ids].sum(axis=0)
    np.testing.assert_allclose(static.encode("lifeboat crew"), summed / np.linalg.norm(summed), atol=1e-5)


def test_shorter_static_vectors_keep_the_first_components(
    tiny_encoder: SentenceEncoder, demo_corpus: Corpus
) -> None:
    long, short = (distil_static(tiny_encoder.model, demo_corpus.texts, width) for width in (None, 8))
    assert short.get_embedding_dimension() == 8
    tables = [m[0].embedding.weight.detach().numpy() for m in (long, short)]
    lengths = np.linalg.norm(tables[0], axis=1)
    used = lengths > 0
    share = (np.linalg.norm(tables[1][used], axis=1) / lengths[used]) ** 2
    assert (share <= 1 + 1e-4).all()  # a part of the long vector
    assert share.mean() > 1.05 * 8 / 32  # and more than any eight directions of 32 hold: weights are random
    with pytest.raises(InputError, match="expected 32 or less"):
        distil_static(tiny_encoder.model, demo_corpus.texts, 33)
