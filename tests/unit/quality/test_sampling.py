"""Which audited pairs count, and what they stand for: against brute force, and for any order of answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtx.quality.sampling import (
    LEFT_OPEN,
    AuditedPairs,
    best_earlier,
    last_in_order,
    relative_inclusion,
    sample_of,
)

N_LABELS = 4


def frame(seed: int, n_docs: int = 30, tags: int = 3, spread: bool = False) -> AuditedPairs:
    """Tags of reserved documents, some settled, some answered one by one, some put off."""
    rng = np.random.default_rng(seed)
    document = np.repeat(np.arange(n_docs), tags)
    label = rng.integers(0, N_LABELS, len(document))
    counts = np.bincount(label, minlength=N_LABELS)
    relative = relative_inclusion(counts)[label] if spread else np.ones(len(label))
    key = rng.random(len(document)) / relative
    whole = (rng.random(n_docs) < rng.choice([0.0, 0.3]))[document]
    asked = key <= np.quantile(key, rng.random())
    passed = asked & (rng.random(len(key)) < 0.2)
    single = asked & ~passed & (rng.random(len(key)) < rng.choice([1.0, 0.97]))
    right = np.where(whole | single, rng.integers(0, 2, len(key)), np.nan)
    proxy = rng.random(len(key))
    return AuditedPairs(document, label, proxy, key, relative, right, whole, single, passed, 0.2)


def by_hand(key: np.ndarray, answered: np.ndarray, passed: np.ndarray) -> float:
    """Walk through the order as the rule says."""
    last, done, open_ = -np.inf, 0, 0
    for i in np.argsort(key):
        done += bool(answered[i])
        open_ += not (answered[i] or passed[i])
        if answered[i] and open_ <= 1 + LEFT_OPEN * done:
            last = float(key[i])
    return np.inf if open_ == 0 and done else last


@given(seed=st.integers(0, 10**6))
def test_an_order_counts_up_to_where_few_are_left_open(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    key, group = rng.random(n), rng.integers(0, 3, n)
    answered = rng.random(n) < rng.choice([0.5, 0.95, 1.0])
    passed = ~answered & (rng.random(n) < 0.5)
    found = last_in_order(key, answered, passed, group)
    for g in range(int(group.max()) + 1):
        mine = group == g
        assert found[g] == by_hand(key[mine], answered[mine], passed[mine])


@given(seed=st.integers(0, 10**6), spread=st.booleans())
def test_weights_sum_to_the_sizes_of_the_strata(seed: int, spread: bool) -> None:
    pairs = frame(seed, spread=spread)
    earlier = np.random.default_rng(seed).random(len(pairs)) < 0.7
    found = sample_of(pairs, pairs.label, earlier, N_LABELS)
    stratum = pairs.label * 2 + earlier
    size = np.bincount(stratum, minlength=2 * N_LABELS)
    stands_for = np.bincount(stratum[found.rows], weights=found.weight, minlength=2 * N_LABELS)
    drawn = stands_for > 0
    np.testing.assert_allclose(stands_for[drawn], size[drawn])
    np.testing.assert_array_equal(found.drawn, drawn[stratum])
    lost = np.where(drawn, 0, size).reshape(N_LABELS, 2).sum(axis=1)
    np.testing.assert_allclose(found.unknown * np.bincount(pairs.label, minlength=N_LABELS), lost)


@given(seed=st.integers(0, 10**6))
def test_answers_never_change_which_pairs_count(seed: int) -> None:
    pairs = frame(seed)
    other = replace(pairs, right=np.where(np.isnan(pairs.right), np.nan, 1 - pairs.right))
    earlier = np.random.default_rng(seed).random(len(pairs)) < 0.7
    for group in (None, pairs.label):
        a, b = (sample_of(x, group, earlier, N_LABELS) for x in (pairs, other))
        np.testing.assert_array_equal(a.rows, b.rows)
        np.testing.assert_array_equal(a.weight, b.weight)
    chosen = [best_earlier(x, [earlier]) is None for x in (pairs, other)]
    assert chosen[0] == chosen[1]


@given(seed=st.integers(0, 10**6))
def test_a_pair_that_was_put_off_leaves_no_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = frame(seed)
    asked = pairs.single | pairs.passed
    put_off = replace(pairs, single=asked & (rng.random(len(asked)) < 0.5), passed=asked)
    put_off = replace(put_off, passed=asked & ~put_off.single)
    answered = replace(pairs, single=asked, passed=np.zeros(len(asked), dtype=np.bool_))
    # What is put off does not count, and takes away no other pair that would count.
    kept = set(sample_of(answered).rows.tolist()) & set(np.flatnonzero(put_off.single | pairs.whole).tolist())
    assert sample_of(put_off).n_left_open <= sample_of(answered).n_left_open
    if sample_of(answered).n_left_open == 0:
        assert set(sample_of(put_off).rows.tolist()) == kept


@given(seed=st.integers(0, 10**6))
def test_a_pair_that_both_audits_saw_counts_once(seed: int) -> None:
    pairs = frame(seed)
    twice = replace(pairs, single=pairs.single | pairs.whole)
    a, b = sample_of(pairs), sample_of(twice)
    np.testing.assert_array_equal(a.rows, b.rows)
    np.testing.assert_allclose(a.weight, b.weight)
    assert len(np.unique(b.rows)) == len(b.rows)


def test_nothing_answered_is_all_unknown_and_everything_answered_stands_for_itself() -> None:
    pairs = frame(3)
    none = np.zeros(len(pairs), dtype=np.bool_)
    nothing = sample_of(replace(pairs, whole=none, single=none))
    assert (len(nothing.rows), nothing.unknown[0]) == (0, 1.0)
    everything = sample_of(replace(pairs, whole=none, single=~none, passed=none))
    assert everything.weight == pytest.approx(np.ones(len(pairs)))
    no_pairs = pairs.where(none)
    assert len(sample_of(no_pairs).rows) == 0
    assert last_in_order(no_pairs.key, none[:0], none[:0]).tolist() == [-np.inf]


@pytest.mark.parametrize("spread", [False, True])
def test_weighted_by_both_ways_in_the_share_is_that_of_all(spread: bool) -> None:
    rng = np.random.default_rng(1)
    n_docs, tags = 400, 3
    document = np.repeat(np.arange(n_docs), tags)
    label = rng.choice(30, len(document), p=(p := 1 / np.arange(1, 31)) / p.sum())
    right = (rng.random(len(document)) < 0.3 + 0.6 * (label > 5)).astype(np.float64)  # rare labels are better
    relative = relative_inclusion(np.bincount(label))[label] if spread else np.ones(len(label))
    none = np.zeros(len(label), dtype=np.bool_)
    error, plain = [], []
    for _ in range(500):
        key = rng.random(len(label)) / relative
        whole = (rng.random(n_docs) < 0.05)[document]
        single = ~whole & (key <= np.sort(key[~whole])[150])
        pairs = AuditedPairs(document, label, right, key, relative, right, whole, single, none, 0.2)
        found = sample_of(pairs)
        error.append(np.average(right[found.rows], weights=found.weight) - right.mean())
        plain.append(right[found.rows].mean() - right.mean())
    noise = np.std(error) / np.sqrt(len(error))
    assert abs(np.mean(error)) < 4 * noise + 0.002
    assert not spread or abs(np.mean(plain)) > 0.02  # without weights it is wrong


def test_new_pairs_are_a_part_of_their_own() -> None:
    rng = np.random.default_rng(2)
    n = 400
    key = rng.random(n)
    old = rng.random(n) < 0.8
    none = np.zeros(n, dtype=np.bool_)
    told = old & (key < 0.5)
    base = AuditedPairs(
        np.arange(n), np.zeros(n, dtype=np.int64), key, key, np.ones(n),
        np.where(told, 1.0, np.nan), none, told, none, 0.2,
    )  # fmt: skip
    # Nothing new was asked: the order of all stops at the first new pairs, that of the old ones goes on.
    assert len(sample_of(base).rows) < 60
    chosen = best_earlier(base, [rng.random(n) < 0.5, old])
    assert chosen is old
    found = sample_of(base, earlier=chosen)
    assert len(found.rows) == told.sum()
    assert found.unknown[0] == pytest.approx((~old).mean())
    assert not found.drawn[~old].any()
    # As soon as all was asked up to the same place, they are one again.
    done = replace(base, single=key < 0.5, right=np.where(key < 0.5, 1.0, np.nan))
    assert best_earlier(done, [old]) is None or sample_of(done, earlier=old).unknown[0] == 0


def test_rare_labels_are_asked_more_but_none_less_than_half() -> None:
    counts = np.array([1000, 100, 10, 1, 0])
    found = relative_inclusion(counts)
    assert found.min() == 0.5
    assert (np.diff(found) >= 0).all()
    assert found[3] == found[4]  # a label that is not given yet is as one that is given once
    assert relative_inclusion(np.full(9, 7)) == pytest.approx(np.ones(9) / 2, rel=1.01)
