"""Intervals against exact references, and against the truth of a finite population."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lmtx.quality.estimates import (
    by_label,
    document_ratio,
    effective_size,
    label_estimates,
    macro,
    overall,
    share_of,
    shares_of_documents,
    weighted_share,
    wilson,
)
from lmtx.quality.sampling import AuditedPairs, sample_of


def audited(
    right: np.ndarray,
    proxy: np.ndarray,
    document: np.ndarray,
    answered: np.ndarray,
    *,
    label: np.ndarray | None = None,
    key: np.ndarray | None = None,
    whole: np.ndarray | None = None,
    reserve_share: float = 0.2,
) -> AuditedPairs:
    """Tags of a reserve of which some were answered one by one, or by whole documents."""
    n = len(right)
    none = np.zeros(n, dtype=np.bool_)
    whole = none if whole is None else whole
    return AuditedPairs(
        document=document,
        label=np.zeros(n, dtype=np.int64) if label is None else label,
        proxy=proxy,
        key=np.where(answered, 0.0, 1.0) + np.arange(n) / (2 * n) if key is None else key,
        relative=np.ones(n),
        right=np.where(answered | whole, right, np.nan),
        whole=whole,
        single=answered & ~whole,
        passed=none,
        reserve_share=reserve_share,
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


def drawn(
    rng: np.random.Generator, population: tuple[np.ndarray, ...], n: int, documents: int = 0
) -> AuditedPairs:
    """Reserve a fifth of the documents, settle some of them, and answer n single pairs."""
    document, right, proxy = population
    n_docs = int(document.max()) + 1
    reserved = rng.random(n_docs) < 0.2
    inside = reserved[document]
    settled = np.zeros(n_docs, dtype=np.bool_)
    settled[rng.permutation(np.flatnonzero(reserved))[:documents]] = True
    whole = settled[document[inside]]
    key = rng.random(int(inside.sum()))
    answered = ~whole & (key <= np.sort(key[~whole])[n - 1]) if n else np.zeros(len(key), dtype=np.bool_)
    place = (np.cumsum(reserved) - 1)[document[inside]]
    return audited(
        right[inside],
        proxy[inside],
        place,
        answered,
        key=key,
        whole=whole,
        reserve_share=float(reserved.mean()),
    )


@pytest.mark.parametrize(
    ("n", "documents", "low", "high"),
    [
        (600, 0, 0.925, 0.975),
        (0, 60, 0.92, 0.98),
        (200, 40, 0.92, 0.98),
        (12, 0, 0.92, 1.0),
        (0, 6, 0.92, 1.0),
    ],
)
def test_the_overall_interval_holds_however_it_was_audited(
    n: int, documents: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(n + documents)
    population = finite_population(rng, 3000, 3)
    truth = population[1].mean()
    held, error, width = [], [], []
    for _ in range(400):
        found = overall(drawn(rng, population, n, documents))
        assert found.value is not None
        held.append(found.low <= truth <= found.high)
        error.append(found.value - truth)
        width.append(found.half_width)
    assert low <= np.mean(held) <= high
    assert abs(np.mean(error)) < 4 * np.std(error) / np.sqrt(400) + 0.002
    if n == 600:
        plain = share_of(round(truth * n), n, len(population[1]))
        assert np.mean(width) < plain.half_width * 1.1  # it also pays for the draw of documents


def test_a_proxy_that_knows_nothing_costs_nothing() -> None:
    rng = np.random.default_rng(1)
    right = (rng.random(2000) < 0.7).astype(np.float64)
    found = overall(
        audited(right, np.full(2000, 0.5), np.arange(2000), np.arange(2000) < 500, reserve_share=0)
    )
    plain = share_of(int(right[:500].sum()), 500, 2000)
    assert found.value == pytest.approx(right[:500].mean())
    assert found.half_width == pytest.approx(plain.half_width, rel=0.02)


def test_a_proxy_that_knows_much_makes_it_narrow_but_not_from_two_answers() -> None:
    rng = np.random.default_rng(1)
    right = (rng.random(2000) < 0.7).astype(np.float64)
    proxy = np.clip(0.1 + 0.8 * right + rng.normal(0, 0.1, 2000), 0, 1)
    many = overall(audited(right, proxy, np.arange(2000), np.arange(2000) < 500, reserve_share=1))
    assert many.half_width < 0.4 * share_of(int(right[:500].sum()), 500, 2000).half_width
    unlike = np.isin(np.arange(2000), [int(right.argmin()), int(right.argmax())])
    two = overall(audited(right, proxy, np.arange(2000), unlike, reserve_share=1))
    assert two.half_width > 0.3


def test_answers_that_are_all_alike_count_by_document() -> None:
    document = np.repeat(np.arange(10), 3)
    proxy = np.linspace(0.3, 0.9, 30)
    everything = np.ones(30, dtype=np.bool_)
    found = overall(audited(np.ones(30), proxy, document, ~everything, whole=everything))
    assert found.value == 1.0
    assert found.low == pytest.approx(float(wilson(10, 10)[0]), abs=1e-6)


def test_one_document_or_none_says_nothing_of_all() -> None:
    document = np.repeat(np.arange(10), 3)
    for whole in (np.zeros(30, dtype=np.bool_), document == 4):
        found = overall(
            audited(np.ones(30), np.full(30, 0.5), document, np.zeros(30, dtype=np.bool_), whole=whole)
        )
        assert (found.value, found.low, found.high, found.n) == (None, 0.0, 1.0, int(whole.sum()))


def test_what_nothing_was_drawn_of_may_be_anything() -> None:
    rng = np.random.default_rng(2)
    n = 1000
    right = np.r_[(rng.random(800) < 0.9), np.zeros(200)].astype(np.float64)  # all new tags are wrong
    old = np.arange(n) < 800
    key = rng.random(n)
    pairs = audited(right, np.where(old, 0.9, 0.1), np.arange(n), old & (key < 0.5), key=key)
    found = overall(pairs, sample_of(pairs, earlier=old))
    assert found.low <= right.mean() <= found.high
    assert found.high - found.low >= 0.2
    assert found.value is not None
    assert found.low <= found.value <= found.high
    of_label = by_label(pairs, 1, earlier=old)
    assert of_label.low[0] <= right.mean() <= of_label.high[0]
    assert of_label.high[0] - of_label.low[0] >= 0.2


def test_labels_are_estimated_each_from_its_own_answers() -> None:
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1, 2, 3], [300, 60, 10, 5])
    right = (rng.random(375) < np.array([0.9, 0.5, 1.0, 0.2])[label]).astype(np.float64)
    answered = (rng.random(375) < 0.3) & (label < 3)
    key = np.where(answered, 0.0, 0.5) + 0.4 * rng.random(375)
    found = by_label(audited(right, np.full(375, 0.5), np.arange(375), answered, label=label, key=key), 5)
    for j in range(3):
        mine = answered & (label == j)
        low, high = label_estimates(right[mine].sum(), mine.sum(), round((label == j).sum() / 0.2))
        assert (found.n[j], found.right[j]) == (mine.sum(), right[mine].sum())
        assert (found.low[j], found.high[j]) == pytest.approx((float(low), float(high)))
        assert found.value[j] == pytest.approx(right[mine].mean())
    assert found.given.tolist() == [300, 60, 10, 5, 0]
    assert found.population.tolist() == [1500, 300, 50, 25, 0]
    for j in (3, 4):
        assert np.isnan(found.value[j])
        assert (found.low[j], found.high[j]) == (0.0, 1.0)


def test_a_label_that_is_reviewed_whole_is_exact_where_the_reserve_is_the_corpus() -> None:
    right = np.array([1.0, 0.0, 1.0, 1.0])
    everything = np.ones(4, dtype=np.bool_)
    whole = by_label(audited(right, right, np.arange(4), everything, reserve_share=1), 1)
    assert (whole.low[0], whole.value[0], whole.high[0]) == (0.75, 0.75, 0.75)
    part = by_label(audited(right, right, np.arange(4), everything, reserve_share=0.5), 1)
    assert part.low[0] < 0.75 < part.high[0]


@pytest.mark.parametrize("truth", [0.03, 0.2, 0.5, 0.8, 0.97])
def test_a_label_is_held_with_few_answers_also_at_the_edge(truth: float) -> None:
    n = np.arange(1, 16)
    chance = []
    for m in n.tolist():
        k = np.arange(m + 1)
        low, high = label_estimates(k, np.full(m + 1, m), np.full(m + 1, 10**6))
        held = (low <= truth) & (truth <= high)
        chance.append(float(stats.binom.pmf(k, m, truth)[held].sum()))
    assert np.mean(chance) >= 0.93
    assert min(chance) >= 0.87


def test_the_mean_over_labels_counts_each_alike() -> None:
    rng = np.random.default_rng(4)
    size = np.r_[np.full(5, 400), np.full(45, 20)]
    label = np.repeat(np.arange(50), size)
    truth = np.r_[np.full(5, 0.9), np.full(45, 0.4)]
    right = (rng.random(len(label)) < truth[label]).astype(np.float64)
    wanted = np.mean([right[label == j].mean() for j in range(50)])
    held, error = [], []
    for _ in range(200):
        key = rng.random(len(label))
        pairs = audited(right, key, np.arange(len(label)), key < 0.15, label=label, key=key)
        found = macro(pairs, 60)
        assert found.value is not None
        assert found.population == 50
        held.append(found.low <= wanted <= found.high)
        error.append(found.value - wanted)
    assert np.mean(held) >= 0.92
    assert abs(np.mean(error)) < 0.01 < abs(right.mean() - wanted)


def test_the_mean_over_labels_pays_for_all_labels_of_which_nothing_was_drawn() -> None:
    # Of a common label all is known; another run gives thirty rare ones, of which nothing was asked yet.
    label = np.r_[np.zeros(90, dtype=np.int64), np.arange(1, 31)]
    earlier = label == 0
    right = np.where(earlier, 1.0, 0.0)
    pairs = audited(right, np.full(120, 0.5), np.arange(120), earlier.copy(), label=label)
    found = macro(pairs, 31, earlier)
    assert found.low <= 1 / 31 <= found.high


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


def test_parts_of_documents_add_up_and_hold() -> None:
    rng = np.random.default_rng(5)
    parts = rng.multinomial(4, [0.5, 0.3, 0.15, 0.05], 1500).astype(np.float64)
    truth = parts.sum(axis=0) / parts.sum()
    held = np.zeros(4)
    for _ in range(300):
        found = shares_of_documents(parts[rng.permutation(1500)[:80]], 1500)
        assert sum(x.value or 0.0 for x in found) == pytest.approx(1.0)
        held += [x.low <= t <= x.high for x, t in zip(found, truth, strict=True)]
    assert (held / 300 >= 0.91).all()
    assert all(x.value is None for x in shares_of_documents(np.zeros((5, 4)), 9))
    alike = shares_of_documents(np.tile([3.0, 0.0], (8, 1)), 1000)
    assert alike[0].low == pytest.approx(float(wilson(8, 8)[0]))  # eight documents, not 24 tags
