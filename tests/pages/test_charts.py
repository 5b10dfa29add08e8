"""Figures are built from tables, state their finding, and hold ids rather than positions."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from app import charts, charts_measured, measures
from app.widgets import downloads


@pytest.fixture
def quality() -> pd.DataFrame:
    return measures.with_intervals(
        pd.DataFrame(
            {
                "label_id": ["L1", "L2", "L3"],
                "name": ["<b>Ships</b>", "Ports", "Never given"],
                "precision": [0.8, 0.5, float("nan")],
                "recall": [0.4, 0.5, 0.0],
                "f1": [0.53, 0.5, 0.0],
                "support": [10, 4, 3],
                "n_predicted": [5, 4, 0],
            }
        )
    )


def test_intervals_hold_the_share(quality: pd.DataFrame) -> None:
    known = quality[quality["n_predicted"] > 0]
    assert (known["low"] <= known["precision"]).all()
    assert (known["high"] >= known["precision"]).all()
    # Wilson by hand: 8 of 10 gives [0.490, 0.943].
    assert measures.wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)
    assert measures.wilson(0, 0) == (0.0, 1.0)
    assert measures.known_within(quality, 0.5) == 2


@pytest.mark.parametrize("dark", [False, True])
def test_figures(quality: pd.DataFrame, dark: bool) -> None:
    given = quality[quality["n_predicted"] > 0]
    figure = charts.forest(given, "A <finding>", dark=dark)
    assert figure.layout.title.text == "A &lt;finding&gt;"
    assert figure.layout.yaxis.ticktext == ("Ports", "&lt;b&gt;Ships&lt;/b&gt;")  # drawn from below
    assert [c[0] for c in figure.data[0].customdata] == ["L2", "L1"]
    spread = charts.spread(given, "x", dark=dark)
    assert [c[0] for c in spread.data[0].customdata] == ["L1", "L2"]
    runs = pd.DataFrame({"run": ["1", "2"], "value": [0.3, 0.4], "promoted": [False, True], "note": ["", ""]})
    assert charts.curve(runs, "x", metric="P@1", dark=dark).layout.annotations[0].text == "in use"
    assert len(charts.parts(["student"], [1.0], "x", dark=dark).data) == 1


def test_labels_of_few_tags_are_pale_and_borrowed_values_hollow(quality: pd.DataFrame) -> None:
    given = quality[quality["n_predicted"] > 0].assign(n_predicted=[10, 9])
    figure = charts.forest(given, "x")
    assert list(figure.data[0].marker.opacity) == [0.4, 1.0]
    assert "pale: fewer than 10" in figure.layout.xaxis.title.text
    pooled = given.assign(pooled=[0.7, 0.6], pooled_low=[0.5, 0.3], pooled_high=[0.8, 0.9])
    borrowed, own = charts.forest(pooled, "x").data
    assert borrowed.marker.symbol == "diamond-open"
    assert list(borrowed.error_x.array) == pytest.approx([30, 10])
    assert list(own.x) == [50, 80]
    assert "not a 95 % interval" in charts.forest(pooled, "x").layout.xaxis.title.text


def test_two_labels_of_one_name_are_two_rows(quality: pd.DataFrame) -> None:
    same = quality[quality["n_predicted"] > 0].assign(name="Ports")
    assert len(set(charts.forest(same, "x").data[0].y)) == 2


def test_volume_leaves_out_what_is_never_given_or_not_known(quality: pd.DataFrame) -> None:
    frame = quality.assign(volume=[500, 20, 0], n=[12, 0, 0])
    figure = charts.volume(frame, "x")
    assert [c[0] for c in figure.data[0].customdata] == ["L1"]
    assert figure.layout.xaxis.type == "log"
    assert not charts.volume(frame.iloc[2:], "x").data[0].x.size


def test_the_course_draws_recall_only_where_it_is_known() -> None:
    frame = pd.DataFrame(
        {
            "run": [1, 3],
            "run_id": ["r1", "r3"],
            "note": ["", ""],
            **{"value": [0.5, 0.6], "low": [0.4, 0.5], "high": [0.6, 0.7]},
            **{key: [None, None] for key in ("recall", "recall_low", "recall_high")},
        }
    )
    figure = charts_measured.trend(frame, "x")
    assert [a.text for a in figure.layout.annotations] == ["precision"]
    assert list(figure.data[0].error_y.array) == pytest.approx([10, 10])
    assert figure.layout.xaxis.ticktext == ("1", "3")
    known = frame.assign(recall=[0.2, 0.3], recall_low=[0.1, 0.2], recall_high=[0.3, 0.4])
    figure = charts_measured.trend(known, "x")
    assert [a.text for a in figure.layout.annotations] == ["precision", "recall"]
    points = [point[-2:] for line in figure.data for point in line.customdata]
    assert points == [["r1", "precision"], ["r3", "precision"], ["r1", "recall"], ["r3", "recall"]]


def test_gold_figures_by_hand() -> None:
    quality = pd.DataFrame(
        {
            "precision": [0.8, 0.25, float("nan")],
            "recall": [0.4, 0.5, 0.0],
            "f1": [0.533, 0.333, 0.0],
            "support": [10, 2, 3],
            "n_predicted": [5, 4, 0],
            "n_correct": [4, 1, 0],
        }
    )
    found = measures.gold_figures(quality, {"P@5": 0.5, "P@5_se": 0.1, "n_docs": 1.8}, 5)
    assert found.precision == pytest.approx(5 / 9)
    assert found.macro_precision == pytest.approx(0.525)
    assert found.recall == pytest.approx(5 / 15)
    assert found.f1 == pytest.approx(10 / 24)
    assert found.macro_f1 == pytest.approx((0.533 + 0.333) / 3)
    assert found.interval == pytest.approx((5 / 9 - 0.196, 5 / 9 + 0.196))
    assert found.macro_interval is not None
    low, high = found.macro_interval
    assert low < 0.525 < high
    empty = measures.gold_figures(quality.iloc[2:], {}, 5)
    assert (empty.precision, empty.interval, empty.macro_precision) == (None, None, None)


def test_the_macro_interval_holds_the_mean_over_labels() -> None:
    rng = np.random.default_rng(1)
    n_docs, n_labels, k = 150, 60, 5
    given = np.stack([rng.choice(n_labels, k, replace=False) for _ in range(n_docs)])
    truth = rng.beta(4, 3, n_labels)
    held = 0
    for _ in range(400):
        right = rng.random((n_docs, k)) < truth[given]
        n = np.bincount(given.ravel(), minlength=n_labels)
        correct = np.bincount(given.ravel(), weights=right.ravel(), minlength=n_labels)
        quality = pd.DataFrame(
            {"n_predicted": n, "n_correct": correct, "support": n, "precision": correct / n}
        )
        quality["recall"] = quality["f1"] = quality["precision"]
        of_documents = right.mean(axis=1)
        error = of_documents.std(ddof=1) / n_docs**0.5
        interval = measures.gold_figures(quality, {"P@5_se": error, "n_docs": n_docs}).macro_interval
        assert interval is not None
        held += interval[0] <= truth.mean() <= interval[1]
    assert held / 400 >= 0.93


def test_a_csv_holds_all_rows_as_they_are_and_no_formula() -> None:
    frame = pd.DataFrame(
        {
            "name": ["=HYPERLINK(1)", "Ships, boats", "-2 °C"],
            "value": [0.123456789, None, -1.5],
            "trend": [[0.1, None, 0.3], [], [0.2]],
        }
    )
    back = pd.read_csv(io.BytesIO(downloads.as_csv(frame)), keep_default_na=False)
    assert list(back["name"]) == ["'=HYPERLINK(1)", "Ships, boats", "'-2 °C"]
    assert list(back["value"]) == ["0.123456789", "", "-1.5"]
    assert list(back["trend"]) == ["0.1||0.3", "", "0.2"]
