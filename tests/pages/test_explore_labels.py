"""The screen Explore: the label set as a whole, and what no label fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import charts_labels
from app.widgets import explore_gaps, explore_labels
from lmtx.types import Document
from lmtx.workspace import Workspace
from lmtx.workspace.label_relations import Together

Open = Callable[..., AppTest]


def text_of(at: AppTest) -> str:
    """Everything that the screen says in HTML."""
    return " ".join(str(x.proto.body) for x in at.get("html"))


def explored(open_page: Open, **params: str) -> AppTest:
    """Open the screen, as a link does."""
    at = open_page("explore", **params)
    assert not at.exception
    assert 'role="alert"' not in text_of(at)
    return at


@pytest.fixture(scope="module")
def tagged_folder(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose corpus was tagged."""
    folder = tmp_path_factory.mktemp("explored") / "library"
    shutil.copytree(taught / "library", folder)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.tag_corpus()
    return folder


@pytest.fixture
def tagged(home: Path, tagged_folder: Path) -> Path:
    """A home with a copy of it."""
    shutil.copytree(tagged_folder, home / "library")
    return home


# ---- states ---------------------------------------------------------------------------------------------


def test_every_part_of_the_labels_shows_what_the_workspace_finds(tagged: Path, open_page: Open) -> None:
    with Workspace.open(tagged / "library", own_index=False) as workspace:
        space = workspace.label_space()
        n_unused, n_pairs = len(workspace.unused_labels()), len(workspace.pairs_together())
    at = explored(open_page, view="labels")
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert spec["data"][0]["type"] == "treemap"
    assert sum(_numbers(spec["data"][0]["values"])) == space.n_given
    said = {
        "alike": "may be one",
        "together": f"{n_pairs} pair" if n_pairs else "No pair",
        "unused": f"{n_unused} of {len(space.labels)} labels are given to no document",
        "greedy": "judged",
    }
    assert set(said) | {"tree"} == set(explore_labels.PARTS)
    for part, words in said.items():
        at.segmented_control(key="explore_part").set_value(part).run()
        assert not at.exception
        assert at.query_params["part"] == part
        assert words in text_of(at).replace(" ", " "), part


def _numbers(values: object) -> list[float]:
    """Values of a plot, which may be packed."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"]).tolist()  # type: ignore[no-any-return]
    return list(values)  # type: ignore[call-overload, no-any-return]


def test_a_link_opens_the_companions_of_one_label_and_a_button_all_of_them(
    tagged: Path, open_page: Open
) -> None:
    with Workspace.open(tagged / "library", own_index=False) as workspace:
        most = workspace.label_space().labels.nlargest(1, "given").iloc[0]
    at = explored(open_page, view="labels", label=str(most["label_id"]))
    assert at.button(key="together_all").label.startswith(str(most["name"])[:5])
    at.button(key="together_all").click().run()
    assert not at.exception
    assert "label" not in at.query_params
    at.text_input(key="explore_find").set_value(str(most["name"])).run()
    at.button(key=f"together_{most['label_id']}").click().run()
    assert at.query_params["label"] == str(most["label_id"])
    explored(open_page, view="labels", label="no such label")


def test_what_an_address_asks_for_and_does_not_exist_is_as_if_not_asked(
    tagged: Path, open_page: Open
) -> None:
    at = explored(
        open_page,
        view="labels",
        part="nothing",
        counted="never",
        truth="mine",
        sort="-",
        q="\\[",
        **{"as": "x"},
    )
    assert at.segmented_control(key="explore_part").value == "tree"
    explored(open_page, view="labels", part="unused", sort="zzz", q="(")
    explored(open_page, view="gaps", below="7")


def test_searching_a_table_leaves_the_labels_with_these_words(tagged: Path, open_page: Open) -> None:
    with Workspace.open(tagged / "library", own_index=False) as workspace:
        rows = workspace.unused_labels()
    word = str(rows["name"].iat[0])
    at = explored(open_page, view="labels", part="unused", q=word.upper())
    shown = at.dataframe[0].value
    assert word in shown["Label"].tolist()
    assert len(shown) < len(rows)


def test_gaps_list_groups_whose_documents_open(tagged: Path, open_page: Open) -> None:
    with Workspace.open(tagged / "library", own_index=False) as workspace:
        found = workspace.gaps()
    assert found is not None
    at = explored(open_page, view="gaps")
    text = text_of(at)
    if found.groups:
        assert ", ".join(found.groups[0].terms[:5]) in text
    assert ("no probability yet" in str(at.get("plotly_chart")[0].proto.spec)) is not found.calibrated
    frame = explore_gaps.as_csv(found)
    assert frame["document_id"].tolist() == found.document_ids
    assert frame["group"].notna().sum() == len(found) - found.n_strays


def test_what_was_not_tagged_offers_to_tag_it(full: Path, open_page: Open) -> None:
    at = explored(open_page, view="gaps")
    assert "No run has tagged the whole corpus yet" in text_of(at)
    assert at.button(key="explore_tag").proto.type == "primary"
    at = explored(open_page, view="labels")
    assert "what people accepted and a teacher proposed" in text_of(at)
    assert at.get("plotly_chart")


def test_documents_that_came_since_are_said_and_can_be_tagged(tagged: Path, open_page: Open) -> None:
    with Workspace.open(tagged / "library", own_index=False) as workspace:
        workspace.journal.put_documents(
            [Document("NEW", "A new arrival", "It came after the corpus was tagged.")], lambda _: "train"
        )
    for view in ("labels", "gaps"):
        at = explored(open_page, view=view)
        assert "1 document came or changed since and are not counted" in text_of(at)
        assert at.button(key="explore_tag").label == "Tag them too"


def test_a_server_that_only_shows_offers_nothing_that_changes(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    for view in ("labels", "gaps"):
        at = explored(open_page, view=view)
        assert not [b for b in at.button if b.key == "explore_tag"]


# ---- plots --------------------------------------------------------------------------------------------


def nodes(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "node": [0, 1, 2],
            "parent": [-1, 0, 0],
            "label_id": ["", "A", "B"],
            "name": ["<b>group</b>", "Alpha", "Beta"],
            "own": [0, 10, 0],
            "total": [10, 10, 0],
            "n_labels": [2, 1, 1],
            "precision": [0.9, 0.9, np.nan],
            "n": [20, 20, 0],
            "known": [1, 1, 0],
        }
    )
    return frame.assign(**changes)


@pytest.mark.parametrize("kind", ["treemap", "sunburst"])
def test_a_tree_escapes_names_leaves_out_what_is_empty_and_carries_ids(kind: charts_labels.Kind) -> None:
    figure = charts_labels.label_tree(nodes(), kind, 0.5, "Found")
    trace = figure.data[0]
    assert list(trace.labels) == ["&lt;b&gt;group&lt;/b&gt;", "Alpha"]
    assert [row[0] for row in trace.customdata] == ["", "A"]
    assert [row[2] for row in trace.customdata] == [True, False]
    assert list(trace.parents) == ["", "0"]


def test_colours_turn_at_the_mean_and_are_grey_where_nothing_is_known() -> None:
    for dark in (False, True):
        low, middle, high = (charts_labels.shade(x, 0.6, dark) for x in (0.2, 0.6, 1.0))
        assert len({low, middle, high, charts_labels.UNKNOWN[dark]}) == 4
        assert charts_labels.shade(float("nan"), 0.6, dark) == charts_labels.UNKNOWN[dark]
        assert charts_labels.shade(0.6, float("nan"), dark) == charts_labels.UNKNOWN[dark]
    red, green, blue = (int(charts_labels.shade(0.0, 0.6, False)[i : i + 2], 16) for i in (1, 3, 5))
    assert red > green > blue  # orange


def test_never_together_is_empty_and_by_chance_is_the_middle() -> None:
    found = Together(
        ["a", "b", "c"], ["A", "B", "<i>C</i>"], np.array([10, 10, 5]), np.zeros((3, 3), int), 100, None
    )
    found.both[0, 1] = found.both[1, 0] = 1  # 10 x 10 / 100
    figure = charts_labels.together(found, "Found")
    strength = np.array(figure.data[0].z, dtype=float)
    assert strength[0, 1] == 0
    assert np.isnan(strength[0, 2])
    assert np.isnan(strength[0, 0])
    assert figure.layout.xaxis.ticktext[2] == "&lt;i&gt;C&lt;/i&gt;"


def test_no_bar_of_the_fit_is_on_both_sides_of_the_limit() -> None:
    values = np.array([0.1, 0.2, 0.45, 0.49, 0.51, 0.9, np.nan])
    figure = charts_labels.fit(values, 0.5, "probability", "Found")
    bar = figure.data[0]
    half = bar.width / 2
    assert all(x + half <= 0.5 + 1e-9 or x - half >= 0.5 - 1e-9 for x in bar.x)
    assert sum(bar.y) == 6
    below = {c for x, c in zip(bar.x, bar.marker.color, strict=True) if x < 0.5}
    above = {c for x, c in zip(bar.x, bar.marker.color, strict=True) if x > 0.5}
    assert len(below) == len(above) == 1
    assert below != above
    assert sum(charts_labels.fit(np.full(3, np.nan), np.nan, "score", "None").data[0].y) == 0
