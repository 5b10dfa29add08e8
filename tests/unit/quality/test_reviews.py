"""Half widths against the textbook interval, numbers of reviews against trying them all."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from lmtx.errors import InputError
from lmtx.quality.reviews import half_width, reviews_needed


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 10), (40, 50), (180, 200)])
def test_in_an_endless_population_it_is_wilsons_interval(right: int, n: int) -> None:
    interval = binomtest(right, n).proportion_ci(method="wilson")
    assert half_width(right, n, 10**9) == pytest.approx((interval.high - interval.low) / 2, rel=1e-6)


def test_the_nearer_to_all_the_narrower_and_all_is_exact() -> None:
    widths = [half_width(8, 10, n) for n in (1000, 100, 20, 12, 11, 10)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == 0
    assert half_width(0, 0, 30) == 0.5
    assert half_width(1, 1, 1) == 0


def brute(share: float, n: int, population: int, half: float) -> int:
    """Smallest number of reviews, not below n, at which a share gives the half width."""
    return next(m for m in range(max(n, 1), population + 1) if half_width(share * m, m, population) <= half)


CASES = [
    (right, n, population)
    for right, n in ((0, 0), (0, 4), (3, 6), (7, 7), (24, 40))
    for population in (1, 7, 40, 400, 16_500)
    if n <= population
]


@pytest.mark.parametrize("half", [0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize(("right", "n", "population"), CASES)
def test_reviews_needed_are_the_fewest_that_do(right: int, n: int, population: int, half: float) -> None:
    found = reviews_needed(right, n, population, half)
    if half_width(right, n, population) <= half:
        assert found == 0
        return
    expected = brute((right + 2) / (n + 4), n, population, half)
    assert found == max(1, expected - n)


def test_figures_that_are_known() -> None:
    assert reviews_needed(0, 0, 10**9, 0.05) == 381  # z^2 (1/4 - h^2) / h^2 = 380.3
    assert reviews_needed(0, 0, 16_500, 0.05) == 372
    assert reviews_needed(30, 60, 10**9, 0.05) == 381 - 60


def test_what_does_not_fit_is_refused() -> None:
    for right, n, population in ((3, 2, 5), (1, 6, 5), (-1, 2, 5), (0, 0, 0)):
        with pytest.raises(InputError, match="no more reviewed"):
            half_width(right, n, population)
    for half in (0.0, 0.5, math.nan):
        with pytest.raises(InputError, match="between 0 and"):
            reviews_needed(1, 2, 5, half)
