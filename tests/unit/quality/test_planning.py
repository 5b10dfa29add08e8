"""What a plan says is about what then comes true."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lmtx.errors import InputError
from lmtx.quality.estimates import Interval, by_label, overall, share_of
from lmtx.quality.planning import plan
from lmtx.quality.reviews import reviews_needed, widths_needed
from lmtx.quality.sampling import AuditedPairs, relative_inclusion

N_LABELS = 60


def reserve(rng: np.random.Generator) -> tuple[AuditedPairs, np.ndarray]:
    """Tags of a reserve, one a document, before anything was answered, and the truth."""
    size = np.round(1500 / np.arange(1, N_LABELS + 1)).astype(np.int64)
    label = np.repeat(np.arange(N_LABELS), size)
    right = (rng.random(len(label)) < rng.beta(6, 2, N_LABELS)[label]).astype(np.float64)
    n = len(label)
    none = np.zeros(n, dtype=np.bool_)
    proxy = np.clip(0.5 + 0.2 * (right - 0.5) + rng.normal(0, 0.2, n), 0.01, 0.99)
    pairs = AuditedPairs(
        np.arange(n), label, proxy, rng.random(n), np.ones(n), np.full(n, np.nan), none, none, none, 0.2
    )
    return pairs, right


def answered(
    pairs: AuditedPairs, right: np.ndarray, n: int, relative: np.ndarray | None = None
) -> AuditedPairs:
    """Answer the first n pairs of the order."""
    weight = np.ones(len(pairs)) if relative is None else relative[pairs.label]
    key = pairs.key / weight
    single = key <= np.sort(key)[n - 1]
    return AuditedPairs(
        pairs.document, pairs.label, pairs.proxy, key, weight, np.where(single, right, np.nan),
        pairs.whole, single, pairs.passed, pairs.reserve_share,
    )  # fmt: skip


@pytest.mark.parametrize("design", ["uniform", "labels"])
def test_what_the_plan_says_comes_true_about(design: str) -> None:
    rng = np.random.default_rng(0)
    pairs, right = reserve(rng)
    spread = relative_inclusion(np.bincount(pairs.label, minlength=N_LABELS))
    relative = {"uniform": np.ones(N_LABELS), "labels": spread}
    chosen = None if design == "uniform" else spread
    now = answered(pairs, right, 300, chosen)
    figures, found = by_label(now, N_LABELS), overall(now)
    for _, more, half, known in plan([500, 2000], [design], figures, relative, found):
        then = answered(pairs, right, 300 + more, chosen)
        after = by_label(then, N_LABELS)
        n_known = int(((after.n > 0) & ((after.high - after.low) / 2 <= 0.1)).sum())
        assert half == pytest.approx(overall(then).half_width, rel=0.2)
        assert known == pytest.approx(n_known, abs=4)


def test_more_answers_never_make_it_worse_and_all_designs_are_told() -> None:
    rng = np.random.default_rng(1)
    pairs, right = reserve(rng)
    now = answered(pairs, right, 200)
    relative = {"uniform": np.ones(N_LABELS), "labels": relative_inclusion(np.bincount(pairs.label))}
    extra = [0, 50, 100, 1000, 10**6]
    found = plan(extra, ["uniform", "labels"], by_label(now, N_LABELS), relative, overall(now))
    assert [(x[0], x[1]) for x in found] == [(d, k) for d in relative for k in extra]
    for design in relative:
        mine = [x for x in found if x[0] == design]
        assert (np.diff([x[2] for x in mine]) <= 1e-12).all()
        assert (np.diff([x[3] for x in mine]) >= 0).all()
        assert mine[0][2] == pytest.approx(overall(now).half_width, rel=0.02)
    # Spreading costs width of the figure of all tags.
    assert found[3][2] < found[8][2]


def test_nothing_known_yet_and_no_labels_at_all() -> None:
    rng = np.random.default_rng(2)
    pairs, _ = reserve(rng)
    nothing = Interval(None, 0.0, 1.0, 0, 5 * len(pairs))
    (found,) = plan([400], ["u"], by_label(pairs, N_LABELS), {"u": np.ones(N_LABELS)}, nothing)
    plain = share_of(200, 400, 5 * len(pairs))
    assert found[2] == pytest.approx(plain.half_width, rel=0.02)
    none = pairs.where(np.zeros(len(pairs), dtype=np.bool_))
    assert plan([10], ["u"], by_label(none, 0), {"u": np.ones(0)}, Interval(None, 0, 1, 0, 0))[0][3] == 0
    exact = Interval(0.5, 0.5, 0.5, 10, 10, exact=True)
    assert plan([10], ["u"], by_label(pairs, N_LABELS), {"u": np.ones(N_LABELS)}, exact)[0][2] == 0.0
    with pytest.raises(InputError, match="weights"):
        plan([10], ["u"], by_label(pairs, N_LABELS), {"u": np.zeros(N_LABELS)}, nothing)


def test_a_label_that_nobody_is_given_is_never_known() -> None:
    rng = np.random.default_rng(5)
    pairs, _ = reserve(rng)
    figures = by_label(pairs, N_LABELS + 40)
    nothing = Interval(None, 0.0, 1.0, 0, 5 * len(pairs))
    relative = {"u": np.ones(N_LABELS + 40)}
    more = [0, 10**6]
    found = plan(more, ["u"], figures, relative, nothing)
    without = plan(more, ["u"], by_label(pairs, N_LABELS), {"u": np.ones(N_LABELS)}, nothing)
    assert [x[3] for x in found] == [x[3] for x in without]
    assert found[0][3] == 0


def test_reviews_needed_are_the_same_for_many_labels_at_once() -> None:
    rng = np.random.default_rng(3)
    population = rng.integers(1, 400, 200)
    n = np.minimum(population, rng.integers(0, 60, 200))
    right = rng.binomial(n, 0.8)
    for half in (0.05, 0.1):
        one_by_one = [
            reviews_needed(int(a), int(b), int(c), half) for a, b, c in zip(right, n, population, strict=True)
        ]
        assert widths_needed(right, n, population, half).tolist() == one_by_one


def test_ten_thousand_labels_take_no_time() -> None:
    rng = np.random.default_rng(4)
    label = rng.choice(10_000, 60_000, p=(p := 1 / np.arange(1, 10_001)) / p.sum())
    n = len(label)
    none, key = np.zeros(n, dtype=np.bool_), rng.random(n)
    single = key < 0.1
    right = np.where(single, rng.random(n) < 0.7, np.nan)
    pairs = AuditedPairs(np.arange(n), label, key, key, np.ones(n), right, none, single, none, 0.2)
    figures, found = by_label(pairs, 10_000), overall(pairs)
    relative = {"uniform": np.ones(10_000), "labels": relative_inclusion(figures.given)}
    times = []
    for _ in range(3):
        began = time.process_time()
        plan([50, 100, 200, 500, 1000], ["uniform", "labels"], figures, relative, found)
        times.append(time.process_time() - began)
    assert min(times) < 0.5  # a slow machine; about a tenth of a second else
