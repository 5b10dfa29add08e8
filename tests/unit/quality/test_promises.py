"""What is said as a promise holds at all looks; how many answers that takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from lmtx.errors import InputError
from lmtx.quality.promises import (
    STEPS,
    answers_needed,
    log_evidence,
    lower_bound,
    promised_threshold,
    verdicts,
)


@pytest.mark.parametrize(("s", "n", "target"), [(8, 10, 0.5), (3, 20, 0.8), (0, 7, 0.3), (30, 30, 0.9)])
def test_evidence_is_the_mixture_over_the_likelihood_at_the_target(s: int, n: int, target: float) -> None:
    def likelihood(p: float) -> float:
        return p**s * (1 - p) ** (n - s)

    above, below = log_evidence(s, n, target)
    for found, low, high in ((above, target, 1.0), (below, 0.0, target)):
        mean = integrate.quad(likelihood, low, high, epsabs=0)[0] / (high - low)
        assert float(found) == pytest.approx(math.log(mean / likelihood(target)), abs=1e-6)


def test_nothing_said_is_no_evidence_and_much_is_finite_on_its_side() -> None:
    above, below = log_evidence([0, 9_000], [0, 10_000], 0.5)
    assert (above[0], below[0]) == pytest.approx((0.0, 0.0))
    assert above[1] > 1000 > 0 > below[1]
    assert verdicts([9_000, 1_000, 6, 0], [10_000, 10_000, 10, 0], 0.5) == ["meets", "misses", "", ""]
    with pytest.raises(InputError, match="target"):
        log_evidence(1, 2, 1.0)


@given(n=st.integers(0, 300), share=st.floats(0, 1), target=st.floats(0.05, 0.95))
def test_a_share_never_meets_and_misses_at_once(n: int, share: float, target: float) -> None:
    above, below = log_evidence(round(share * n), n, target)
    assert min(float(above), float(below)) < math.log(20)


def test_a_badge_is_seldom_wrong_though_one_looks_all_the_time() -> None:
    rng = np.random.default_rng(0)
    n = np.arange(10, 601, 10)
    false = plain = 0
    for _ in range(400):
        s = np.cumsum(rng.random(600) < 0.8)[n - 1]
        false += "meets" in verdicts(s, n, 0.8)
        false += "misses" in verdicts(s, n, 0.8)
        p = s / n
        plain += bool((p - 1.96 * np.sqrt(p * (1 - p) / n) > 0.8).any())
    assert false <= 0.05 * 800
    assert plain > 0.1 * 400


def test_promises_are_kept_however_often_one_looks() -> None:
    rng = np.random.default_rng(5)
    proxy = rng.random(20_000)
    right = (rng.random(20_000) < proxy).astype(np.float64)
    true = {step: right[proxy >= step].mean() for step in STEPS}
    made = broken = 0
    for _ in range(150):
        audit = rng.permutation(20_000)[:800]
        found = [promised_threshold(proxy[audit[:n]], right[audit[:n]], 0.8) for n in range(100, 801, 100)]
        thresholds = [x.threshold for x in found if x.threshold is not None]
        made += bool(thresholds)
        broken += any(true[x] < 0.8 for x in thresholds)
    assert made > 120
    assert broken <= 0.05 * 150


def test_a_promise_says_what_it_rests_on() -> None:
    proxy = np.r_[np.full(200, 0.9), np.full(200, 0.2)]
    right = np.r_[np.ones(195), np.zeros(5), np.ones(40), np.zeros(160)]
    found = promised_threshold(proxy, right, 0.8, population=np.r_[np.full(100, 0.95), np.full(300, 0.1)])
    assert (found.threshold, found.n, found.right, found.kept) == (0.25, 200, 195, 0.25)
    assert found.needed is None
    # The same answers of a fifth of the documents are worth less, and unequal weights too.
    alike = promised_threshold(proxy, right, 0.95, document=np.arange(400) // 20)
    assert alike.threshold is None
    everything = promised_threshold(np.full(90, 0.1), np.ones(90), 0.8)
    assert (everything.threshold, everything.kept) == (0.0, 1.0)


def test_what_cannot_be_promised_says_how_many_answers_it_takes() -> None:
    rng = np.random.default_rng(6)
    proxy = rng.random(60)
    right = (rng.random(60) < 0.3 + 0.65 * proxy).astype(np.float64)
    found = promised_threshold(proxy, right, 0.8)
    assert (found.threshold, found.n, found.right, found.kept) == (None, 60, right.sum(), 0.0)
    assert found.needed is not None
    assert found.needed > 60
    assert not found.too_few
    hopeless = promised_threshold(proxy, np.zeros(60), 0.8)
    assert (hopeless.needed, hopeless.too_few) == (None, False)
    with pytest.raises(InputError, match="target"):
        promised_threshold(proxy, right, 80)


@pytest.mark.parametrize("seed", range(6))
def test_with_so_many_answers_of_the_same_kind_there_is_a_promise_and_not_with_far_fewer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proxy = rng.random(150)
    right = (rng.random(150) < 0.25 + 0.62 * proxy).astype(np.float64)
    steps = [0.75, 0.5, 0.25, 0.0]  # each with enough answers to have a share of its own
    found = promised_threshold(proxy, right, 0.75, steps=steps)

    def promised(k: int) -> bool:
        more = promised_threshold(np.repeat(proxy, k), np.repeat(right, k), 0.75, steps=steps)
        return more.threshold is not None

    made = [150 * k for k in range(1, 200) if promised(k)]
    assert found.threshold is None
    if found.needed is None:
        assert not made
    else:
        assert found.needed > 150
        assert found.needed <= made[0] * 1.05
        assert found.needed > made[0] - 150 - 0.05 * made[0]


def test_the_best_threshold_alone_does_not_say_how_many_it_takes() -> None:
    # Of all tags it would take 425. With so many the order begins above, where too few are right, and ends.
    proxy = np.r_[np.full(60, 0.95), np.full(100, 0.5)]
    right = np.r_[np.ones(45), np.zeros(15), np.ones(92), np.zeros(8)]
    assert answers_needed(137 / 160, 0.8) == 425
    found = promised_threshold(proxy, right, 0.8, steps=[0.95, 0.5])
    assert (found.threshold, found.needed, found.too_few) == (None, None, False)
    for k in range(2, 30):
        more = promised_threshold(np.repeat(proxy, k), np.repeat(right, k), 0.8, steps=[0.95, 0.5])
        assert more.threshold is None


@pytest.mark.parametrize("n", [0, 1, 12, 29])
def test_few_answers_say_nothing_of_what_could_be_promised(n: int) -> None:
    for right in (np.zeros(n), np.arange(n) % 2.0):
        found = promised_threshold(np.full(n, 0.9), right, 0.8)
        assert (found.threshold, found.needed, found.too_few) == (None, None, True)
    found = promised_threshold(np.full(40, 0.1), np.ones(40), 0.8, steps=[0.9, 0.5])
    assert (found.threshold, found.needed, found.too_few) == (None, None, True)


def test_a_few_lucky_answers_at_the_top_do_not_shorten_the_way() -> None:
    proxy = np.r_[np.full(3, 0.97), np.full(97, 0.5)]
    right = np.r_[np.ones(3), np.ones(58), np.zeros(39)]
    assert promised_threshold(proxy, right, 0.8).needed is None


@given(share=st.floats(0.82, 1.0))
def test_so_many_answers_are_enough_and_one_fewer_is_not(share: float) -> None:
    n = answers_needed(share, 0.8)
    assert n is not None
    assert (
        float(log_evidence(share * n, n, 0.8)[0])
        >= math.log(20)
        > float(log_evidence(share * (n - 1), n - 1, 0.8)[0])
    )
    assert answers_needed(share, 0.8, worth=0.5) == pytest.approx(2 * n, abs=1)


def test_no_number_of_answers_shows_what_is_not_so() -> None:
    assert answers_needed(0.8, 0.8) is None
    assert answers_needed(0.1, 0.8) is None


def test_at_one_look_it_is_the_exact_bound() -> None:
    assert lower_bound(29, 29) >= 0.9 > lower_bound(28, 28)
    assert lower_bound(0, 5) == lower_bound(0, 0) == 0.0
    exact = stats.binomtest(40, 50, alternative="greater").proportion_ci(0.95, "exact").low
    assert lower_bound(40, 50) == pytest.approx(exact)
