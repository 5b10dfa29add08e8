"""What labels borrow from each other, against the truth they were drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lmtx.errors import ShapeError
from lmtx.quality.estimates import label_estimates
from lmtx.quality.pooling import _to_come, pooled


def drawn(rng: np.random.Generator, strength: float, n_labels: int = 400) -> tuple[np.ndarray, ...]:
    """Labels around prior means that lean by .1, and a few answers of each."""
    prior = rng.uniform(0.2, 0.9, n_labels)
    mean = np.clip(prior - 0.1, 0.05, 0.95)
    truth = rng.beta(strength * mean, strength * (1 - mean))
    n = rng.poisson(3, n_labels)
    return rng.binomial(n, truth), n, prior, truth


def test_it_is_nearer_to_the_truth_and_narrower_than_each_label_alone() -> None:
    rng = np.random.default_rng(0)
    right, n, prior, truth = drawn(rng, 12.0)
    value, low, high = pooled(right, n, prior)
    some = n > 0
    alone = right[some] / n[some]
    assert np.mean((value[some] - truth[some]) ** 2) < 0.3 * np.mean((alone - truth[some]) ** 2)
    wide_low, wide_high = label_estimates(right, n, np.full(len(n), 10**6))
    assert np.mean(high - low) < 0.75 * np.mean(wide_high - wide_low)
    assert np.mean((low <= truth) & (truth <= high)) > 0.9
    assert abs(np.mean(value - truth)) < 0.03  # though the prior leans by ten points


def test_labels_that_are_unlike_borrow_less() -> None:
    rng = np.random.default_rng(1)
    shifts = []
    for strength in (2.0, 60.0):
        right, n, prior, _ = drawn(rng, strength)
        value, _, _ = pooled(right, n, prior)
        some = n >= 3
        shifts.append(np.mean(np.abs(value[some] - right[some] / n[some])))
    assert shifts[0] < 0.6 * shifts[1]


def test_a_label_with_many_answers_keeps_its_own() -> None:
    right, n, prior = np.array([900, 1, 0]), np.array([1000, 2, 0]), np.array([0.5, 0.5, 0.5])
    value, low, high = pooled(right, n, prior)
    own = stats.beta(900, 100)
    assert value[0] == pytest.approx(0.9, abs=0.01)
    assert (low[0], high[0]) == pytest.approx((own.ppf(0.025), own.ppf(0.975)), abs=0.01)
    assert (high - low)[0] < 0.25 * (high - low)[1:].min()


def test_of_few_tags_all_or_none_may_be_right() -> None:
    right, n, prior = np.array([1, 0, 4, 3]), np.array([1, 0, 4, 30]), np.full(4, 0.5)
    population = np.array([3, 1, 4, 90])
    value, low, high = pooled(right, n, prior, population)
    _, endless_low, _ = pooled(right, n, prior)
    assert (low[1], high[1]) == (0.0, 1.0)  # the one tag is right or wrong
    assert low[2] == value[2] == high[2] == 1.0  # all four were answered
    assert low[0] == pytest.approx(1 / 3)
    assert high[0] == 1.0
    assert (low[:2] <= endless_low[:2] + 1 / 3).all()
    # The answers to come are beta-binomial: what the endless range implies for a label of 90 tags.
    big = pooled(right, n, prior, np.array([3, 1, 4, 10**7]))
    assert (big[1][3], big[2][3]) == pytest.approx((endless_low[3], pooled(right, n, prior)[2][3]), abs=1e-4)
    rest = np.array([20.0, 3.0])
    first, last = _to_come(rest, np.array([2.0, 0.4]), np.array([3.0, 1.2]), 0.025)
    for i in range(2):
        exact = stats.betabinom(int(rest[i]), [2.0, 0.4][i], [3.0, 1.2][i])
        assert (first[i], last[i]) == (exact.ppf(0.025), exact.ppf(0.975))


def test_with_no_answers_there_is_nothing_to_borrow() -> None:
    value, low, high = pooled([0, 0], [0, 0], [0.3, 0.9])
    assert np.isnan(value).all()
    assert low.tolist() == [0.0, 0.0]
    assert high.tolist() == [1.0, 1.0]
    value, low, high = pooled([1], [1], [np.nan])
    assert 0 < low[0] < value[0] < high[0] < 1
    for right in ([0, 0], [3, 4]):
        value, low, high = pooled(right, [3, 4], [0.0, 1.0])
        assert ((low <= value) & (value <= high) & (low < high)).all()
    with pytest.raises(ShapeError, match="one row a label"):
        pooled([1, 2], [3], [0.5])
