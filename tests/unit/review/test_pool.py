"""The order of every policy on a few pairs whose scores can be seen."""

from __future__ import annotations

import numpy as np
import pytest

from lmtx.review import Pool, Proposed, pair_number, unit_interval
from lmtx.types import PairState

LIVE = {"a": 1, "b": 1, "c": 1, "d": 1}


def said(
    document_id: str, label_id: str, verdict: str, p: float | None, decision: str | None = None
) -> PairState:
    state = {"yes": "proposed", "no": "declined", "unparsed": "unparsed"}[verdict]
    if decision is not None:
        state = {"accept": "accepted", "reject": "rejected"}[decision]
    return PairState(document_id, label_id, state, verdict, p, "t", decision, None)  # type: ignore[arg-type]


PROPOSED = {
    "x": Proposed(("a", "b"), (0.9, 0.5), {"a": 0.2, "b": 0.6, "c": 0.9}),
    "y": Proposed(("a", "c"), (0.8, 0.4), {"a": 0.85}),
    "z": Proposed(("d", "gone"), (0.55, 0.5)),
}
STATES = {
    "x": [said("x", "a", "yes", 0.95), said("x", "b", "no", None), said("x", "c", "yes", None)],
    "y": [said("y", "a", "yes", 0.9), said("y", "c", "unparsed", None), said("y", "d", "no", 0.1, "accept")],
    "z": [],
}
COUNTS = {"a": 100, "b": 2, "c": 2, "d": 0}


@pytest.fixture
def pool() -> Pool:
    return Pool.build(["x", "y", "z"], PROPOSED, STATES, COUNTS, 0, live=LIVE)


def test_candidates_are_the_taggers_best_and_the_teachers_yes(pool: Pool) -> None:
    everything = {("x", "a"), ("x", "b"), ("x", "c"), ("y", "a"), ("y", "c"), ("z", "d")}
    assert set(pool.pair_order["default"]) == everything  # a label that is gone is none, nor a mere no
    numbers = [pair_number(*pair, 0, "default") for pair in pool.pair_order["default"]]
    assert numbers == sorted(numbers)
    assert pool.decided == {("y", "d")}


def test_the_least_sure_first(pool: Pool) -> None:
    order = pool.pair_order["uncertain"]
    assert order[0] == ("x", "b")  # 0.5
    assert order[1] == ("z", "d")  # 0.55
    assert order[-1] == ("x", "a")  # 0.9
    assert pool.document_order["uncertain"][0] == "z"  # the mean of its best; x has a 0.9 too


def test_disagreement_is_about_judged_pairs(pool: Pool) -> None:
    # |p - verdict|: x,c: below the tagger's best against yes; x,b: .5 against no; y,a: .1; x,a: .05.
    assert pool.pair_order["disagreement"] == [("x", "c"), ("x", "b"), ("y", "a"), ("x", "a")]
    assert pool.document_order["disagreement"] == ["x", "y"]


def test_likely_errors_are_those_that_a_left_out_student_contradicts(pool: Pool) -> None:
    # |left out - verdict|: x,a .75; x,b .6; x,c .1; y,a .05.
    assert pool.pair_order["teacher_errors"] == [("x", "a"), ("x", "b"), ("x", "c"), ("y", "a")]
    assert pool.document_order["teacher_errors"] == ["x", "y"]


def test_rare_labels_that_are_likely_come_first(pool: Pool) -> None:
    assert pool.pair_order["rare"][0] == ("z", "d")
    assert pool.pair_order["rare"].index(("x", "b")) < pool.pair_order["rare"].index(("x", "a"))


def test_unseen_pairs_are_those_no_teacher_answered(pool: Pool) -> None:
    assert pool.pair_order["unseen"] == [("z", "d")]


def test_a_pool_of_one_label() -> None:
    pool = Pool.build(["x", "y", "z"], PROPOSED, STATES, COUNTS, 0, only_label="c", live=LIVE)
    assert set(pool.pair_order["default"]) == {("x", "c"), ("y", "c")}
    assert set(pool.document_order["uncertain"]) == {"x", "y"}


def test_an_empty_pool_has_empty_orders() -> None:
    pool = Pool.build([], {}, {}, {}, 0, live=LIVE)
    assert not any(pool.pair_order.values())
    assert not any(pool.document_order.values())


def test_scores_without_probability_become_places() -> None:
    score = np.array([[3.0, 1.0], [2.0, 0.0]], dtype=np.float32)
    found = unit_interval(score)
    assert found.tolist() == [[0.8, 0.4], [0.6, 0.2]]
