from __future__ import annotations

import numpy as np
import pytest

from lmtx.errors import ShapeError
from lmtx.quality import reliability


def test_bins_hold_all_pairs_and_the_gap_is_that_of_the_bins() -> None:
    probability = [i / 100 for i in range(100)]
    found = reliability(probability, [i % 2 == 0 for i in range(100)])
    assert found is not None
    assert found.n == 100
    assert sum(b.n_accepted for b in found.bins) == 50
    assert [b.probability for b in found.bins] == sorted(b.probability for b in found.bins)
    by_hand = sum(b.n * abs(b.n_accepted / b.n - b.probability) for b in found.bins) / 100
    assert found.gap == pytest.approx(by_hand)
    assert found.lean == pytest.approx(0.5 - 0.495)
    assert found.curve is None or found.curve.slope < 0.2  # it says nothing of what is accepted


def test_a_teacher_that_is_too_sure_is_put_right() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 0.95, 4000)
    logit = np.log(true / (1 - true))
    said = 1 / (1 + np.exp(-(3 * logit + 1)))  # three times as sure, and leaning to yes
    accepted = rng.random(4000) < true
    found = reliability(said.tolist(), accepted.tolist())
    assert found is not None
    assert found.gap > 0.1
    assert found.lean < -0.05
    fitted = found.fitted(said)
    assert fitted is not None
    assert np.abs(fitted - true).mean() < 0.02
    again = reliability(fitted.tolist(), accepted.tolist())
    assert again is not None
    assert again.gap < 0.03


def test_too_few_or_one_kind_alone_fit_nothing() -> None:
    assert reliability([0.5] * 49, [True] * 49) is None
    found = reliability([0.9] * 50, [True] * 50)
    assert found is not None
    assert found.curve is None
    assert found.fitted([0.3]) is None
    with pytest.raises(ShapeError, match="50 probabilities, 49 decisions"):
        reliability([0.5] * 50, [True] * 49)


def test_weights_undo_a_draw_that_sees_rare_tags_more() -> None:
    """Rare tags are called right too often; a draw that is spread over labels asks about them most."""
    rng = np.random.default_rng(1)
    rare = np.arange(20_000) < 4_000
    said = rng.uniform(0.5, 0.95, len(rare))
    right = rng.random(len(rare)) < np.where(rare, said - 0.4, said)
    chance = np.where(rare, 0.2, 0.02)
    drawn = rng.random(len(rare)) < chance
    truth = reliability(said.tolist(), right.tolist())
    plain = reliability(said[drawn].tolist(), right[drawn].tolist())
    weighted = reliability(said[drawn].tolist(), right[drawn].tolist(), (1 / chance[drawn]).tolist())
    assert truth is not None
    assert plain is not None
    assert weighted is not None
    assert truth.lean == pytest.approx(-0.08, abs=0.01)
    assert weighted.lean == pytest.approx(truth.lean, abs=0.03)
    assert plain.lean < truth.lean - 0.1
    assert weighted.gap < truth.gap + 0.04 < plain.gap
    # The curve follows the weights too.
    fits = [float(np.abs(x.fitted(said) - truth.fitted(said)).mean()) for x in (weighted, plain)]  # type: ignore[operator]
    assert fits[0] < 0.05 < fits[1]
    assert sum(b.weight for b in weighted.bins) == pytest.approx(1)
    assert sorted(i for b in weighted.bins for i in b.rows) == list(range(int(drawn.sum())))
    assert all(1 <= b.size <= b.n for b in weighted.bins)


def test_equal_weights_are_as_none() -> None:
    rng = np.random.default_rng(0)
    said = rng.random(200)
    accepted = (rng.random(200) < said).tolist()
    plain, equal = reliability(said.tolist(), accepted), reliability(said.tolist(), accepted, [3.0] * 200)
    assert plain is not None
    assert equal is not None
    assert [b.share for b in equal.bins] == pytest.approx([b.n_accepted / b.n for b in plain.bins])
    assert [b.size for b in equal.bins] == pytest.approx([b.n for b in plain.bins])
    assert equal.gap == pytest.approx(plain.gap)
    assert equal.curve is not None
    assert plain.curve is not None
    assert equal.curve.slope == pytest.approx(plain.curve.slope)
    with pytest.raises(ShapeError, match="200 probabilities, 2 weights"):
        reliability(said.tolist(), accepted, [1.0, 2.0])
