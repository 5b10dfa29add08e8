"""Several systems on the same documents: measures by document, rare labels, and what chance explains."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from lmtx.errors import InputError, ShapeError
from lmtx.quality import evaluate
from lmtx.quality.ranking import inverse_propensities, propensity_gains
from lmtx.quality.versus import FEWEST, MEASURES, Tail, measured, versus
from lmtx.types import Scored


def made(n_docs: int = 120, n_labels: int = 30, seed: int = 0) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Gold with frequent and rare labels, and a ranking that is right for about half of it."""
    rng = np.random.default_rng(seed)
    share = 0.5 / (1 + np.arange(n_labels))
    gold = rng.random((n_docs, n_labels)) < share
    gold[np.arange(n_docs), rng.integers(0, n_labels, n_docs)] = True
    score = rng.random((n_docs, n_labels)) + 0.7 * gold
    ranked = np.argsort(-score, axis=1)[:, :12].astype(np.int32)
    return sparse.csr_matrix(gold.astype(np.int8)), ranked


def of(gold: sparse.csr_matrix, ranked: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    counts = np.asarray(gold.sum(axis=0), dtype=float).ravel()
    return measured(gold, ranked, counts, gold.shape[0])


def test_it_gives_what_evaluate_gives() -> None:
    gold, ranked = made()
    found = versus({"a": of(gold, ranked)}, "a")["a"]
    same = evaluate(Scored(ranked, np.zeros(ranked.shape, np.float32)), gold)
    assert set(found) == set(MEASURES)
    for name in ("P@1", "P@3", "P@5", "R@10", "nDCG@5"):
        assert found[name].value == pytest.approx(same[name])
        error = same[f"{name}_se"]
        assert found[name].low == pytest.approx(same[name] - 1.96 * error, abs=0.4 * error)
        assert found[name].high == pytest.approx(same[name] + 1.96 * error, abs=0.4 * error)


def test_propensities_are_those_of_the_paper() -> None:
    counts, n, a, b = np.array([0.0, 1, 10, 400]), 500, 0.55, 1.5
    c = (math.log(n) - 1) * (b + 1) ** a
    by_hand = [1 + c * math.exp(-a * math.log(x + b)) for x in counts]
    assert inverse_propensities(counts, n) == pytest.approx(by_hand)
    assert inverse_propensities(counts, 2) == pytest.approx(1.0)  # the constant is not let below zero


def test_a_hit_on_a_rare_label_counts_more_and_the_best_ranking_counts_one() -> None:
    gold = sparse.csr_matrix(np.array([[1, 1, 0, 0], [0, 1, 1, 0]]))
    weight = np.array([5.0, 1.0, 3.0, 1.0])
    gained, best = propensity_gains(gold, np.array([[0, 3], [1, -1]], np.int32), weight, 1)
    assert gained.tolist() == [5.0, 1.0]
    assert best.tolist() == [5.0, 3.0]
    gained, best = propensity_gains(gold, np.array([[0, 1], [2, 1]], np.int32), weight, 2)
    assert gained.tolist() == best.tolist() == [6.0, 4.0]


def test_the_tail_holds_no_more_than_a_fifth_of_the_tags() -> None:
    counts = np.array([0, 50, 30, 10, 5, 4, 4, 2, 1])
    tail = Tail.of(counts)
    assert tail.most == 5
    assert tail.labels.tolist() == [False, False, False, False, True, True, True, True, True]
    assert counts[tail.labels].sum() <= 0.2 * counts.sum() < counts[tail.labels].sum() + 10
    once = Tail.of(np.ones(5))
    assert (once.most, once.labels.sum()) == (1, 5)  # nothing is rarer than once


def test_rare_labels_count_apart() -> None:
    gold = np.zeros((20, 3))
    gold[:, 0] = 1
    gold[:3, 1] = 1
    gold[0, 2] = 1
    gold = sparse.csr_matrix(gold)
    head = np.tile(np.array([0, -1, -1], np.int32), (20, 1))
    all_found = np.tile(np.array([0, 1, 2], np.int32), (20, 1))
    found = versus({"head": of(gold, head), "all": of(gold, all_found)}, "head")
    assert found["head"]["P@1"].value == found["all"]["P@1"].value == 1.0
    assert found["head"]["R@10 tail"].value == 0.0
    assert found["all"]["R@10 tail"].value == found["all"]["R@10 macro"].value == pytest.approx(1.0)
    assert found["head"]["R@10 macro"].value == pytest.approx(1 / 3)


def test_what_is_hard_for_both_cancels_out_of_a_difference() -> None:
    rng = np.random.default_rng(2)
    n = 400
    hard = rng.random(n) < 0.5
    gold = sparse.csr_matrix(np.eye(3)[np.zeros(n, int)])
    one = np.where(hard, 1, 0)
    two = one.copy()
    easy = np.flatnonzero(~hard)[:12]
    two[easy] = 1  # worse on a few of the easy ones, the same elsewhere
    found = versus({x: of(gold, y[:, None].astype(np.int32)) for x, y in (("a", one), ("b", two))}, "a")
    figure = found["b"]["P@1"]
    assert figure.difference == pytest.approx(-12 / n)
    assert figure.beyond_chance
    assert figure.difference_high is not None
    assert figure.difference_high < 0
    assert found["a"]["P@1"].low is not None
    assert found["a"]["P@1"].low < found["b"]["P@1"].value  # the intervals of the two overlap by far
    assert found["a"]["P@1"].difference is None
    assert not found["a"]["P@1"].beyond_chance


def test_equal_systems_are_called_different_about_as_often_as_promised() -> None:
    named = 0
    for seed in range(60):
        gold, _ = made(80, seed=seed)
        rng = np.random.default_rng(1000 + seed)
        ranked = [np.argsort(rng.random(gold.shape), axis=1)[:, :10].astype(np.int32) for _ in range(2)]
        parts = {name: {"R@10": of(gold, x)["R@10"]} for name, x in zip("ab", ranked, strict=True)}
        named += versus(parts, "a", seed=seed, resamples=200)["b"]["R@10"].beyond_chance
    assert named <= 9  # one in twenty; ten or more of sixty: about once in a thousand


def test_few_documents_have_figures_and_no_intervals() -> None:
    gold, ranked = made(FEWEST - 1)
    found = versus({"a": of(gold, ranked), "b": of(gold, ranked[:, ::-1])}, "a")
    assert found["b"]["P@1"].value is not None
    assert found["b"]["P@1"].difference is not None
    assert found["b"]["P@1"].low is found["b"]["P@1"].difference_low is None


def test_the_same_seed_gives_the_same_intervals_and_wrong_use_is_refused() -> None:
    gold, ranked = made(50)
    parts = {"a": of(gold, ranked), "b": of(gold, ranked[:, ::-1])}
    assert versus(parts, "a", seed=3) == versus(parts, "a", seed=3)
    with pytest.raises(InputError, match="'c' is none of the systems: a, b"):
        versus(parts, "c")
    with pytest.raises(ShapeError, match=r"\[49, 50\] documents"):
        versus({**parts, "b": of(gold[:49], ranked[:49])}, "a")
