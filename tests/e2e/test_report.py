"""The report opened from disk in a browser that reaches nothing, and the presentation by its keys."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lmtx.workspace import Workspace

pytestmark = pytest.mark.browser
EVIL = "<script>window.hit = 1</script> <img src=x onerror='window.hit=2'>"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A home with a small workspace that was taught, trained and reported; one title is hostile."""
    home = tmp_path_factory.mktemp("home")
    records = [
        json.loads(x) for x in (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    ]
    for record in records:
        record["title"] = f"{EVIL} {record['title']}"
    (home / "corpus.jsonl").write_text("\n".join(json.dumps(r) for r in records), encoding="utf-8")
    with Workspace.create(home / "library", name="Library") as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(home / "corpus.jsonl", labels_are="gold")
        workspace.cycle("evidence", rounds=1)
        workspace.report(home / "report.html")
    return home


@pytest.fixture
def disk(browser: Browser, home: Path) -> Iterator[Page]:
    """The report in a tab that is cut off from any network."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto((home / "report.html").as_uri())
    yield page
    context.close()
    assert asked == [(home / "report.html").as_uri()]
    assert not said


def test_the_report_opens_from_disk_and_its_table_is_searched_and_sorted(disk: Page, home: Path) -> None:
    expect(disk.get_by_role("heading", level=1)).to_have_text("Library")
    assert disk.evaluate("window.hit") is None
    rows = disk.locator("#table tbody tr")
    n = rows.count()
    with Workspace.open(home / "library", own_index=False) as workspace:
        assert n == workspace.status().counts["labels"]
    names = disk.locator("#table tbody tr:not([hidden]) td.name")
    first = names.first.evaluate("cell => cell.dataset.v")
    disk.get_by_role("searchbox").fill(first.upper())
    expect(disk.get_by_role("status")).to_contain_text(f"of {n}")
    assert 1 <= names.count() < n
    assert first in names.evaluate_all("cells => cells.map((cell) => cell.dataset.v)")
    disk.get_by_role("searchbox").fill("")
    assert names.count() == n
    head = disk.get_by_role("columnheader").filter(has_text="Label")
    disk.get_by_role("button", name="Label").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    up = names.evaluate_all("cells => cells.map((cell) => cell.dataset.v)")
    disk.get_by_role("button", name="Label").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names.evaluate_all("cells => cells.map((cell) => cell.dataset.v)") == up[::-1]
    assert sorted(up, key=str.casefold)[0] == up[0]
    disk.get_by_role("button", name="Proposed").click()
    values = disk.locator("#table tbody td:last-child").evaluate_all(
        "cells => cells.map((x) => +x.dataset.v)"
    )
    assert values == sorted(values, reverse=True)
    assert values[0] > 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 800), ("dark", 390)])
def test_it_fits_the_window_by_day_and_by_night(disk: Page, scheme: str, width: int) -> None:
    disk.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    disk.set_viewport_size({"width": width, "height": 800})
    assert disk.evaluate("document.documentElement.scrollWidth") <= width
    paper = disk.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 300) == (scheme == "dark")


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that are started from now on only show."""
    monkeypatch.setenv("LMTX_READ_ONLY", "1")


def test_arrow_keys_lead_through_the_presentation_of_a_read_only_server(
    page: Page, home: Path, read_only: None, app: Any
) -> None:
    folder = app.home / "library"
    shutil.copytree(home / "library", folder)
    before = (folder / "journal.db").stat().st_mtime_ns
    page.goto(f"{app.url}/present")
    for step in (1, 2, 3, 4):
        expect(page.locator(f'.lx-show[data-step="{step}"]')).to_be_visible()
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        page.wait_for_timeout(300)
        page.locator("body").press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    page.locator("body").press("ArrowLeft")
    expect(page.locator('.lx-show[data-step="3"]')).to_be_visible()
    assert "step=3" in page.url
    page.reload()
    expect(page.locator('.lx-show[data-step="3"]')).to_be_visible()
    page.get_by_role("button", name="End").click()
    expect(page.get_by_role("heading", level=1, name="Overview")).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_role("link", name="Review")).to_have_count(0)
    assert (folder / "journal.db").stat().st_mtime_ns == before
