"""Weights and calibration on made-up candidates."""

from __future__ import annotations

import numpy as np
import pytest

from lmtx.tagger.calibration import Calibration
from lmtx.tagger.weights import Candidates, choose, normalised, ranking_quality

PARTS = ("good", "noise", "copy")


def candidates(n: int = 80, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    wanted = (rng.random((n, 20)) < 0.15).astype(np.float32)
    wanted[:, 0] = 1
    good = 2 * wanted + rng.normal(size=wanted.shape)
    z = np.stack([good, rng.normal(size=wanted.shape), good + 0.1 * rng.normal(size=wanted.shape)], axis=2)
    return Candidates(z.astype(np.float32), wanted, np.ones(wanted.shape, np.bool_), wanted.sum(axis=1))


def test_a_part_that_does_not_help_gets_next_to_nothing() -> None:
    weights = choose(candidates(), PARTS, {"good": 1 / 3, "noise": 1 / 3, "copy": 1 / 3})
    assert weights["noise"] < 0.1
    assert sum(weights.values()) == pytest.approx(1)


def test_few_documents_stay_near_the_prior_and_none_give_it() -> None:
    prior = {"good": 0.0, "noise": 1.0, "copy": 0.0}
    assert choose(candidates(0), PARTS, prior) == prior
    few, many = (choose(candidates(n), PARTS, prior)["noise"] for n in (5, 200))
    assert few > 0.5 > many


def test_quality_is_one_for_a_perfect_ranking_and_ignores_the_unknown() -> None:
    wanted = np.array([[1, 1, 0, 0]], np.float32)
    z = np.array([[[4.0], [3.0], [2.0], [99.0]]], np.float32)
    known = np.array([[True, True, True, False]])
    found = ranking_quality(Candidates(z, wanted, known, np.array([2.0], np.float32)), np.array([1.0]))
    assert found.tolist() == pytest.approx([1.0])


def test_normalised_drops_what_is_tiny_or_negative() -> None:
    assert normalised({"a": 3.0, "b": 0.01, "c": -1.0}) == {"a": 1.0, "b": 0.0, "c": 0.0}


def test_calibration_recovers_a_logistic_curve() -> None:
    rng = np.random.default_rng(1)
    score = rng.normal(2, 3, 20_000)
    wanted = rng.random(len(score)) < 1 / (1 + np.exp(-(0.8 * score - 1.5)))
    found = Calibration.fit(score, wanted)
    assert found is not None
    assert found.slope == pytest.approx(0.8, abs=0.05)
    assert found.intercept == pytest.approx(-1.5, abs=0.1)
    assert found.probability(np.array([-np.inf, 1.875], np.float32)).tolist() == pytest.approx(
        [0, 0.5], abs=0.02
    )


def test_calibration_needs_answers_of_both_kinds_that_the_score_tells_apart() -> None:
    score = np.linspace(0, 1, 100)
    assert Calibration.fit(score, np.ones(100)) is None
    assert Calibration.fit(score[:10], score[:10] > 0.05) is None
    assert Calibration.fit(score, score < 0.5) is None
