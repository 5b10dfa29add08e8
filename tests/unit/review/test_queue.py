from __future__ import annotations

import numpy as np
import pytest

from lmtx.review import (
    MIX,
    Frame,
    Orders,
    audit_is_due,
    inclusion_probability,
    is_blind,
    pair_inclusion_probability,
    pair_number,
    permanent_number,
    seeded_order,
    take_turns,
)
from lmtx.types import CorpusView, Document, Label

IDS = [f"d{i}" for i in range(60)]


def corpus(n: int) -> CorpusView:
    documents = [Document(x, "", x) for x in IDS[:n]]
    return CorpusView(documents, [Label("L", "L")], ["train" if i % 3 else "reserve" for i in range(n)])


def test_an_import_between_changes_no_order() -> None:
    few, many = corpus(30), corpus(60)
    before, after = Orders.make(few, 7, ()), Orders.make(many, 7, ())
    for name in ("train", "reserve"):
        kept = getattr(before, name)
        assert [x for x in getattr(after, name) if x in kept] == kept
    assert before.train != Orders.make(few, 8, ()).train
    assert set(before.train).isdisjoint(before.reserve)


def test_what_is_judged_comes_first_each_in_its_own_order() -> None:
    orders = Orders.make(corpus(60), 0, {"d1", "d2", "d3", "d50"})  # d3 is reserved
    assert orders.n_judged == 3
    assert orders.waiting[:3] == [x for x in orders.train if x in {"d1", "d2", "d50"}]
    assert orders.waiting[3:] == [x for x in orders.train if x not in {"d1", "d2", "d50"}]


def test_queue_and_audit_draw_apart() -> None:
    a = [permanent_number(x, 0, "default") for x in IDS]
    b = [permanent_number(x, 0, "audit") for x in IDS]
    assert len(set(a)) == len(set(b)) == len(IDS)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.4
    assert permanent_number("d1", 0, "uncertain") == permanent_number("d1", 0, "default")


def test_the_probability_of_a_document_is_its_place() -> None:
    orders = Orders.make(corpus(60), 3, ())
    n = len(orders.reserve)
    assert n == 20
    found = [orders.probability(x) for x in orders.reserve]
    assert found == [pytest.approx(inclusion_probability(i + 1, n)) for i in range(n)]
    assert found[-1] == 1.0
    assert orders.probability(orders.train[0]) is None


def test_the_probability_of_a_pair_is_what_repeated_draws_give() -> None:
    """Over many seeds, a pair is among the first r as often as is said, also where the frame is a part."""
    reserve, labels, r, in_frame = IDS[:12], ["a", "b", "c"], 4, 6
    told = pair_inclusion_probability(r, in_frame * len(labels), in_frame, len(reserve))
    hits, n_seeds = 0, 4000
    for seed in range(n_seeds):
        first = seeded_order(reserve, seed, "audit")[:in_frame]
        frame = Frame.make({x: labels for x in first}, seed, len(reserve))
        drawn = [pair for pair, rank in frame.rank.items() if rank <= r]
        assert frame.probability(drawn[-1]) == pytest.approx(told)
        hits += ("d3", "b") in drawn
    assert told == pytest.approx(4 / 36)
    assert hits / n_seeds == pytest.approx(told, abs=4 * np.sqrt(told * (1 - told) / n_seeds))


def test_a_frame_over_the_whole_reserve_is_a_simple_random_sample() -> None:
    frame = Frame.make({"d1": ["a", "b"], "d2": ["a"]}, 0, 2)
    assert sorted(frame.rank.values()) == [1, 2, 3]
    ordered = sorted(frame.rank, key=lambda pair: pair_number(*pair, 0, "audit"))
    assert [frame.probability(pair) for pair in ordered] == [pytest.approx(i / 3) for i in (1, 2, 3)]
    assert frame.probability(("d2", "b")) is None


def test_a_spread_draw_takes_pairs_of_a_label_as_often_as_it_says() -> None:
    """Pairs come in the order of number over weight, so a label of twice the weight comes twice as often."""
    best = {x: ["often", "rare"] if i % 4 == 0 else ["often"] for i, x in enumerate(IDS)}
    n_often, n_rare = len(IDS), sum("rare" in x for x in best.values())
    taken = {"often": 0, "rare": 0}
    for seed in range(400):
        frame = Frame.make(best, seed, len(IDS), lambda x: 2.0 if x == "rare" else 1.0)
        first = [pair for pair, rank in frame.rank.items() if rank <= 30]
        for _, label in first:
            taken[label] += 1
    ratio = (taken["rare"] / n_rare) / (taken["often"] / n_often)
    assert ratio == pytest.approx(2.0, rel=0.1)
    told = {label: frame.probability(pair) / frame.rank[pair] for pair in frame.rank for label in [pair[1]]}  # type: ignore[operator]
    assert told["rare"] == pytest.approx(2 * told["often"])
    mean = sum(frame.weight[x] for _, x in frame.rank) / len(frame.rank)
    assert mean == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("step", [1, 7])
def test_the_audit_keeps_its_share_throughout(share: float, step: int) -> None:
    n_audit = n_all = 0
    for _ in range(200):
        if audit_is_due(n_audit, n_all, share, step):
            n_audit += step
        n_all += step
        assert abs(n_audit - share * n_all) <= step


def test_the_audit_catches_up_after_others_took_many() -> None:
    n_audit, n_all, turns = 0, 100, 0
    while audit_is_due(n_audit, n_all, 0.3, 1):
        n_audit, n_all, turns = n_audit + 1, n_all + 1, turns + 1
    assert turns == pytest.approx(0.3 * 100 / 0.7, abs=1)


def test_a_share_is_blind_and_a_larger_share_holds_it() -> None:
    pairs = [(x, label) for x in IDS for label in "abcdefgh"]
    small = {p for p in pairs if is_blind(*p, 0, 0.2)}
    large = {p for p in pairs if is_blind(*p, 0, 0.6)}
    assert small < large
    assert len(small) / len(pairs) == pytest.approx(0.2, abs=0.06)
    assert not any(is_blind(x, None, 0, 0.0) for x in IDS)
    assert all(is_blind(x, None, 0, 1.0) for x in IDS)


def test_turns_repeat_after_a_hundred() -> None:
    turns = take_turns(300, MIX)
    assert turns[:100] == turns[100:200] == turns[200:]
    assert {name: turns.count(name) / 300 for name in MIX} == pytest.approx(dict(MIX))
