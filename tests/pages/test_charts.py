"""Figures are built from tables, state their finding, and hold ids rather than positions."""

from __future__ import annotations

import pandas as pd
import pytest

from app import charts, measures


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
    assert "<b>" not in str(figure.data[0].y)
    spread = charts.spread(given, "x", dark=dark)
    assert [c[0] for c in spread.data[0].customdata] == ["L1", "L2"]
    runs = pd.DataFrame({"run": ["1", "2"], "value": [0.3, 0.4], "promoted": [False, True], "note": ["", ""]})
    assert charts.curve(runs, "x", metric="P@1", dark=dark).layout.annotations[0].text == "in use"
    assert len(charts.parts(["student"], [1.0], "x", dark=dark).data) == 1
