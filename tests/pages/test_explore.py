"""The map on the Explore screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lmtx.workspace import Workspace
from lmtx.workspace.corpus_map import BYS

Open = Callable[..., AppTest]


def text_of(at: AppTest) -> str:
    """All that is written on a screen as HTML."""
    return " ".join(h.body for h in at.get("html"))


@pytest.fixture(scope="module")
def with_map(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The taught workspace with its map."""
    folder = tmp_path_factory.mktemp("with_map") / "library"
    shutil.copytree(taught / "library", folder)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.draw_map()
    return folder


@pytest.fixture
def drawn(home: Path, with_map: Path) -> Path:
    shutil.copytree(with_map, home / "library")
    return home


def test_a_map_that_is_not_drawn_says_why_and_offers_to(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr("app.services.start", lambda w, verb, params: started.append(verb))
    at = open_page("explore")
    assert not at.exception
    assert "not drawn yet" in text_of(at)
    at.button(key="draw_map").click().run()
    assert started == ["draw_map"]


def test_a_workspace_without_documents_is_sent_to_the_upload(empty: Path, open_page: Open) -> None:
    at = open_page("explore")
    assert not at.exception
    assert "No documents yet" in text_of(at)


def test_each_colour_has_a_picture_and_an_address(drawn: Path, open_page: Open) -> None:
    at = open_page("explore")
    for by in BYS:
        at.query_params["by"] = by
        at.run()
        assert not at.exception
        assert at.get("plotly_chart"), by
        assert 'class="lx-error"' not in text_of(at)
        assert "90 documents" in text_of(at)


def test_a_label_of_the_address_colours_and_a_wrong_one_does_not_break(drawn: Path, open_page: Open) -> None:
    with Workspace.open(drawn / "library", own_index=False) as workspace:
        label = workspace.labels_page(sort="proposed", descending=True).items[0]
    at = open_page("explore", view="map", by="label", label=label.id)
    assert not at.exception
    assert label.name in at.button(key="map_open_label").label.replace("\\", "")
    at = open_page("explore", view="map", by="label", label="nosuch", region="99")
    assert not at.exception
    assert at.get("plotly_chart")


def test_a_part_of_the_address_is_picked_and_can_be_reviewed(drawn: Path, open_page: Open) -> None:
    with Workspace.open(drawn / "library", own_index=False) as workspace:
        found = workspace.corpus_map()
        assert found is not None
        rows = np.flatnonzero(found.region == 0)
        ids = [workspace.journal.corpus().documents[int(i)].id for i in rows]
    at = open_page("explore", view="map", region="0")
    assert f"{len(ids)} documents picked" in text_of(at)
    at.button(key="map_see").click().run()
    assert not at.exception
    with Workspace.open(drawn / "library", own_index=False) as workspace:
        assert workspace.saved_documents(at.query_params["set"]) == ids


def test_titles_are_shown_as_they_are(drawn: Path, open_page: Open) -> None:
    at = open_page("explore")
    spec = at.get("plotly_chart")[0].proto.spec
    assert "<script>" not in spec
    assert "&lt;script&gt;" in spec


def test_read_only_offers_nothing_that_changes(
    drawn: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMTX_READ_ONLY", "1")
    at = open_page("explore", view="map", region="0")
    assert not at.exception
    keys = {b.key for b in at.button}
    assert "map_see" in keys
    assert not keys & {"map_review", "draw_map"}


def test_documents_that_were_picked_are_what_the_review_asks_about(full: Path, open_page: Open) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        ids = workspace.journal.document_ids(role="train", completed=False)[-3:]
        set_id = workspace.save_documents(ids)
        titles = [
            workspace.journal.corpus().documents[workspace.journal.corpus().document_idx[i]].title
            for i in ids
        ]
    at = open_page("review", set=set_id)
    assert not at.exception
    assert "3 documents that were picked" in at.button(key="unpick").label
    assert any(title in text_of(at) for title in titles)
    at.button(key="unpick").click().run()
    assert not at.exception
    assert "set" not in at.query_params


def test_a_set_that_is_not_there_is_told_with_a_way_out(full: Path, open_page: Open) -> None:
    at = open_page("review", set="0" * 16)
    assert not at.exception
    assert "no set of documents" in text_of(at)
    at.button(key="unpick").click().run()
    assert "no set of documents" not in text_of(at)
