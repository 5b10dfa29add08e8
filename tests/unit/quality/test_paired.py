"""Two systems on the same documents, against scipy and against the truth of a population."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from lmtx.errors import ShapeError
from lmtx.quality.paired import false_discoveries, mcnemar, paired_ratio


def paired_difference(old: ArrayLike, new: ArrayLike) -> tuple[float, float, float]:
    """Of figures that each document has once: the ratio with one a document below."""
    ones = np.ones(len(np.asarray(old)))
    return paired_ratio(old, ones, new, ones)


@given(gained=st.integers(0, 60), lost=st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert float(mcnemar(gained, lost)) == pytest.approx(expected)
    assert mcnemar([gained, 3], [lost, 3])[0] == pytest.approx(expected)


def test_what_stands_out_among_many_is_benjamini_hochbergs() -> None:
    p = np.array([0.001, 0.9, 0.012, 0.04, 0.5])
    assert false_discoveries(p).tolist() == [True, False, True, False, False]
    assert not false_discoveries(np.linspace(0.04, 1, 50)).any()  # two of fifty by chance
    assert false_discoveries([]).tolist() == []


def test_the_difference_of_means_is_students_interval() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random(40), rng.random(40)
    difference, low, high = paired_difference(old, new)
    expected = stats.ttest_rel(new, old).confidence_interval(0.95)
    assert difference == pytest.approx((new - old).mean())
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_the_difference_of_precisions_is_held_and_documents_are_the_unit() -> None:
    rng = np.random.default_rng(1)
    n_docs = 4000
    ease = rng.normal(0, 1.5, n_docs)
    given_old, given_new = rng.integers(1, 6, n_docs), rng.integers(1, 6, n_docs)
    chance = 1 / (1 + np.exp(-ease))
    hits_old, hits_new = (
        rng.binomial(given_old, chance),
        rng.binomial(given_new, np.clip(chance + 0.04, 0, 1)),
    )
    truth = hits_new.sum() / given_new.sum() - hits_old.sum() / given_old.sum()
    held, width, apart = [], [], []
    for _ in range(500):
        rows = rng.integers(0, n_docs, 80)
        difference, low, high = paired_ratio(hits_old[rows], given_old[rows], hits_new[rows], given_new[rows])
        assert low <= difference <= high
        held.append(low <= truth <= high)
        width.append(high - low)
        pooled = hits_new[rows].sum() / given_new[rows].sum()
        apart.append(4 * 1.96 * np.sqrt(pooled * (1 - pooled) / 80 / np.sqrt(2)))
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(width) < np.mean(apart)  # that both saw the same documents is used


def test_two_systems_that_nowhere_differ_are_not_known_to_be_alike() -> None:
    few, many = (paired_difference(np.ones(n), np.ones(n)) for n in (5, 500))
    assert few[0] == many[0] == 0.0
    assert few[2] - few[1] > 0.5
    assert 0 < many[2] - many[1] < 0.02


def test_too_little_says_nothing() -> None:
    for found in (paired_difference([1], [0]), paired_ratio([0, 0], [0, 0], [1, 1], [2, 2])):
        assert np.isnan(found[0])
        assert found[1:] == (-1.0, 1.0)
    with pytest.raises(ShapeError, match="one number a document"):
        paired_ratio([1, 1], [1, 1], [1], [1])
