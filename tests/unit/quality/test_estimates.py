"""Intervals against exact references, and against the truth of a finite population."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lmtx.errors import InputError
from lmtx.quality.estimates import (
    PairAudit,
    confidence_sequence,
    document_ratio,
    effective_size,
    label_estimates,
    lower_bound,
    overall,
    promised_threshold,
    share_of,
    weighted_share,
    wilson,
)


@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_wilson_is_that_of_scipy(n: int, share: float) -> None:
    k = round(share * n)
    low, high = wilson(k, n)
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert float(low) == pytest.approx(expected.low, abs=1e-9)
    assert float(high) == pytest.approx(expected.high, abs=1e-9)


def test_nothing_drawn_says_nothing_and_everything_drawn_is_exact() -> None:
    low, high = label_estimates([0, 3, 3], [0, 4, 4], [10, 4, 400])
    assert (low[0], high[0]) == (0.0, 1.0)
    assert low[1] == high[1] == 0.75
    assert low[2] < 0.75 < high[2]
    assert share_of(3, 4, 4).exact
    assert share_of(0, 0, 4).value is None


@given(n=st.integers(1, 99), share=st.floats(0, 1))
def test_a_sample_of_a_small_population_tells_more(n: int, share: float) -> None:
    k = round(share * n)
    small, large = share_of(k, n, 100), share_of(k, n, 10**9)
    assert small.half_width <= large.half_width + 1e-9
    assert effective_size(n, 100) >= n - 1e-9


def finite_population(rng: np.random.Generator, n_docs: int, tags: int) -> tuple[np.ndarray, ...]:
    """Tags of documents that are alike within a document, and a proxy that knows something of them."""
    ease = rng.normal(0, 1.2, n_docs)
    document = np.repeat(np.arange(n_docs), tags)
    logit = ease[document] + rng.normal(0, 1.0, len(document))
    right = (rng.random(len(document)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return document, right, 1 / (1 + np.exp(-logit))


def test_the_overall_interval_holds_and_is_narrower_than_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    document, right, proxy = finite_population(rng, 3000, 3)
    truth = right.mean()
    held, plain_held, width, plain_width, error = [], [], [], [], []
    for _ in range(400):
        reserved = rng.random(3000) < 0.2
        place = np.cumsum(reserved) - 1
        inside = np.flatnonzero(reserved[document])
        audit = rng.permutation(inside)[:600]
        found = overall(
            PairAudit(right[audit], proxy[audit], place[document[audit]], proxy[inside],
                      place[document[inside]], float(reserved.mean()))
        )  # fmt: skip
        plain = share_of(int(right[audit].sum()), len(audit), len(right))
        assert found.value is not None
        held.append(found.low <= truth <= found.high)
        plain_held.append(plain.low <= truth <= plain.high)
        width.append(found.half_width)
        plain_width.append(plain.half_width)
        error.append(found.value - truth)
    assert 0.92 <= np.mean(held) <= 0.98
    assert abs(np.mean(error)) < 0.004
    assert np.mean(width) < np.mean(plain_width) * 1.1  # it also pays for the draw of documents
    assert np.mean(plain_held) < np.mean(held) + 0.02


def test_a_proxy_that_knows_nothing_costs_nothing() -> None:
    rng = np.random.default_rng(1)
    document = np.arange(500)
    right = (rng.random(500) < 0.7).astype(np.float64)
    everywhere = np.full(2000, 0.5)
    found = overall(PairAudit(right, everywhere[:500], document, everywhere, np.arange(2000), 0.0))
    plain = share_of(int(right.sum()), 500, 2000)
    assert found.value == pytest.approx(right.mean())
    assert found.half_width == pytest.approx(plain.half_width, rel=0.02)


def test_answers_that_are_all_alike_count_by_document() -> None:
    document = np.repeat(np.arange(10), 3)
    proxy = np.linspace(0.3, 0.9, 30)
    found = overall(PairAudit(np.ones(30), proxy, document, proxy, document, 0.2))
    assert found.value == 1.0
    assert found.low == pytest.approx(float(wilson(10, 10)[0]), abs=1e-6)


def test_groups_weigh_pairs_by_how_likely_they_were_drawn() -> None:
    rng = np.random.default_rng(2)
    right = np.r_[np.ones(4000), np.zeros(1000)]
    chance = np.r_[np.full(4000, 0.02), np.full(1000, 0.2)]  # wrong ones ten times as often
    held, error = [], []
    for _ in range(400):
        drawn = rng.random(5000) < chance
        found = weighted_share(right[drawn], 1 / chance[drawn], 5000)
        assert found.value is not None
        held.append(found.low <= 0.8 <= found.high)
        error.append(found.value - 0.8)
    assert abs(np.mean(error)) < 0.01
    assert np.mean(held) > 0.92
    assert weighted_share(np.zeros(0), np.zeros(0), 9).value is None
    assert weighted_share(np.ones(3), np.ones(3), 3).exact


def test_recall_from_whole_documents_holds() -> None:
    rng = np.random.default_rng(3)
    wanted = rng.poisson(3, 2000).astype(np.float64)
    hits = rng.binomial(wanted.astype(int), rng.beta(2, 1.5, 2000)).astype(np.float64)
    truth = hits.sum() / wanted.sum()
    held = []
    for _ in range(400):
        drawn = rng.permutation(2000)[:100]
        found = document_ratio(hits[drawn], wanted[drawn], 2000)
        held.append(found.low <= truth <= found.high)
    assert 0.91 <= np.mean(held) <= 0.98
    assert document_ratio(hits, wanted, 2000).exact
    assert document_ratio(hits[:1], wanted[:1], 2000).value is None


def test_a_confidence_sequence_holds_at_all_looks_at_once() -> None:
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(300):
        sums = np.cumsum(rng.random(300) < 0.8)
        for n in range(5, 301, 5):
            low, high = confidence_sequence(int(sums[n - 1]), n)
            if not low <= 0.8 <= high:
                missed += 1
                break
    assert missed <= 15  # at most 5 %
    assert confidence_sequence(0, 0) == (0.0, 1.0)
    low, high = confidence_sequence(50, 50)
    assert high == 1.0
    assert low == pytest.approx((0.05 / 51) ** (1 / 50), abs=1e-6)  # the uniform mixture by hand
    with pytest.raises(InputError, match="successes"):
        confidence_sequence(3, 2)


def test_promises_are_kept() -> None:
    rng = np.random.default_rng(5)
    proxy = rng.random(20_000)
    right = (rng.random(20_000) < proxy).astype(np.float64)
    steps = np.linspace(0.05, 0.95, 19)
    made = broken = 0
    for _ in range(300):
        audit = rng.permutation(20_000)[:800]
        found = promised_threshold(proxy[audit], right[audit], 0.8, steps)
        if found is not None:
            made += 1
            broken += right[proxy >= found].mean() < 0.8
    assert made > 250
    assert broken <= 0.05 * 300 + 2 * np.sqrt(0.05 * 0.95 * 300)
    assert promised_threshold(proxy[:20], right[:20], 0.99, steps) is None
    assert lower_bound(29, 29) >= 0.9 > lower_bound(28, 28)
    assert lower_bound(0, 5) == lower_bound(0, 0) == 0.0
