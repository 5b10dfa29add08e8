"""The whole path in a browser: upload, teach, review, retrain, precision, export; and a restart."""

from __future__ import annotations

import contextlib
import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lmtx.workspace import Workspace

pytestmark = pytest.mark.browser
EVIL = "<script>window.hit = 1</script> **bold** <img src=x onerror='window.hit=2'> $x$ `code`"
JOB = 150_000  # ms that a job may take on a slow machine


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A corpus of 80 records, the first with a hostile title, and a label set."""
    folder = tmp_path_factory.mktemp("files")
    records = [
        json.loads(x) for x in (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[:80]
    ]
    records[0] |= {"title": EVIL, "split": "train"}
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps(r) for r in records), encoding="utf-8")
    (folder / "labels.jsonl").write_bytes((demo_folder / "labels.jsonl").read_bytes())
    return folder


def settle(page: Page) -> None:
    """Wait until the app has drawn what it was asked for."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(250)
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def visit(page: Page, name: str) -> None:
    """Open a screen by the navigation."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    settle(page)


def press(page: Page, key: str, said: str) -> None:
    """Press a key of the review and wait until it is said to be saved.

    One that comes while the screen is drawn anew counts for nothing: a person sees that, and presses again.
    """
    for timeout in (8_000, 8_000, 30_000):
        page.locator("body").press(key)
        with contextlib.suppress(AssertionError):
            expect(page.locator(".lx-status")).to_contain_text(said, timeout=timeout)
            settle(page)
            return
    raise AssertionError(f"{key!r}: nothing said {said!r} after three presses.")


def only_workspace(home: Path) -> Path:
    """Folder of the one workspace."""
    found = [p.parent for p in home.glob("*/workspace.json")]
    assert len(found) == 1
    return found[0]


def standing(home: Path) -> list[Any]:
    """Decisions that stand, as a second process reads them."""
    with Workspace.open(only_workspace(home), own_index=False) as workspace:
        return workspace.journal.decisions(standing=True)


def test_whole_path(app: Any, page: Page, files: Path) -> None:
    page.goto(app.url)
    page.get_by_role("button", name="New workspace").click()
    page.get_by_label("Name").fill("Library")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("This workspace is empty")).to_be_visible()

    # Upload: preview first, then import.
    visit(page, "Labels")
    page.locator("input[type=file]").set_input_files(files / "labels.jsonl")
    expect(page.get_by_role("heading", name="Preview")).to_be_visible()
    page.get_by_role("button", name="Import labels").click()
    expect(page.get_by_text("Import done")).to_be_visible(timeout=JOB)
    visit(page, "Corpus")
    page.locator("input[type=file]").set_input_files(files / "corpus.jsonl")
    expect(page.get_by_text("The labels in this file are")).to_be_visible()
    page.get_by_role("button", name="Import documents").click()
    expect(page.get_by_text("80 documents")).to_be_visible(timeout=JOB)

    # Teach and train.
    visit(page, "Teacher")
    expect(page.get_by_text("no language model").first).to_be_visible()
    page.get_by_role("button", name="Teach and train").click()
    expect(page.get_by_text("To ask")).to_be_visible()
    with_runs(page, 1)

    # Review by keys: each is saved before the next.
    visit(page, "Review")
    press(page, "1", "accepted")
    assert [d.action for d in standing(app.home)] == ["accept"]
    press(page, "1", "rejected")
    press(page, "1", "taken back")
    press(page, "2", "accepted")
    page.locator("body").press("/")
    page.keyboard.type("ships u1", delay=30)  # letters and digits that are keys elsewhere
    settle(page)
    expect(page.locator(".lx-status")).to_contain_text("accepted")
    for _ in " u1":
        page.keyboard.press("Backspace")
    expect(page.locator('[class*="st-key-found_"] button').first).to_be_visible()
    settle(page)
    page.keyboard.press("Enter")
    expect(page.locator(".lx-status")).to_contain_text("added")
    settle(page)
    expect(page.get_by_placeholder(re.compile("Add a missing label"))).to_have_value("")
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".lx-status")).to_contain_text("document complete with 2 labels")
    settle(page)
    press(page, "u", "taken back")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # twice by mistake: the next document is not settled unread
    expect(page.locator(".lx-status")).to_contain_text("document complete with 2 labels")
    settle(page)
    press(page, "s", "skipped")
    before = standing(app.home)
    assert sum(d.action == "complete" for d in before) == 1
    assert sum(d.action == "accept" for d in before) >= 2

    # Retrain, measure, export.
    visit(page, "Train")
    page.get_by_role("button", name="Train now").click()
    with_runs(page, 2)
    visit(page, "Precision")
    expect(page.get_by_text("Of the tags the tagger gives")).to_be_visible(timeout=JOB)
    visit(page, "Export")
    page.get_by_role("button", name="Write the file").click()
    with page.expect_download(timeout=JOB) as download:
        page.get_by_role("button", name="Download corpus.csv").click(timeout=JOB)
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 81

    # A crash and a new start: all decisions stand.
    app.stop()
    app.start()
    assert [d.seq for d in standing(app.home)] == [d.seq for d in before]
    page.goto(app.url)
    settle(page)
    expect(page.locator(".lx-figure", has_text="Reviewed documents")).to_contain_text("1")

    # Words from files are inert.
    with Workspace.open(only_workspace(app.home), own_index=False) as workspace:
        document = next(d for d in workspace.journal.corpus().documents if d.title == EVIL).id
    for address in (f"corpus?document={document}", f"review?document={document}"):
        page.goto(f"{app.url}/{address}")
        settle(page)
        expect(page.locator(".lx-doc-title")).to_have_text(EVIL)
    visit(page, "Corpus")
    assert page.evaluate("window.hit") is None

    # What was found is in the address. A document opens; back leads to what was found, and the button to all.
    page.get_by_label("Find documents").fill("the harbour")
    page.keyboard.press("Enter")
    settle(page)
    found = page.url
    assert "query=the+harbour" in found
    page.locator(".st-key-find_open_1 button").click()
    expect(page.get_by_role("heading", level=1, name="Document")).to_be_visible()
    settle(page)
    assert "document=" in page.url
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Corpus")).to_be_visible()
    settle(page)
    assert page.url == found
    expect(page.get_by_label("Find documents")).to_have_value("the harbour")
    page.locator(".st-key-find_open_1 button").click()
    expect(page.get_by_role("heading", level=1, name="Document")).to_be_visible()
    settle(page)
    page.get_by_role("button", name="All documents").click()
    expect(page.get_by_role("heading", level=1, name="Corpus")).to_be_visible()
    settle(page)
    expect(page.get_by_role("heading", level=1, name="Corpus")).to_be_visible()
    assert page.evaluate("window.hit") is None


def with_runs(page: Page, n: int) -> None:
    """Wait on the Train screen until there are so many runs."""
    settle(page)
    visit(page, "Train")
    expect(page.locator(".lx-runs")).to_have_attribute("data-runs", str(n), timeout=JOB)
    settle(page)
