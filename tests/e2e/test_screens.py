"""Every screen of a taught workspace, wide and narrow, light and dark: drawn whole, nothing cut off.

With `LMTX_SHOTS=FOLDER` the pictures are kept there, to be looked at; `LMTX_SHOTS_OF=WORKSPACE` takes those
of a copy of another workspace, say one of 28,000 documents (its map has to be drawn: `lmtx map`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from lmtx.workspace import Workspace

pytestmark = pytest.mark.browser

LOOKS = [(1280, 800, "light"), (800, 900, "dark")]
ADDRESSES = {
    "overview": "",
    "corpus": "corpus",
    "corpus_search": "corpus?query={word}",
    "document": "corpus?document={document}",
    "labels": "labels",
    "label": "labels?label={label}",
    "teacher": "teacher",
    "review": "review",
    "review_pair": "review?mode=pair",
    "review_label": "review?mode=label&label={label}",
    "train": "train",
    "precision": "precision",
    "compare": "compare",
    "explore_map": "explore?view=map",
    "explore_labels": "explore?view=labels",
    "explore_gaps": "explore?view=gaps",
    "try_it": "try_it",
    "present_1": "present?step=1",
    "present_2": "present?step=2",
    "present_3": "present?step=3",
    "present_4": "present?step=4",
    "export": "export",
    "settings": "settings",
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, encoded_demo: Path) -> Path:
    """A home with a workspace in which everything was done once."""
    home = tmp_path_factory.mktemp("seen")
    other = os.environ.get("LMTX_SHOTS_OF")
    shutil.copytree(other or encoded_demo, home / "seen", ignore=shutil.ignore_patterns("*.lock"))
    if not other:
        with Workspace.open(home / "seen") as workspace:
            workspace.cycle("evidence", rounds=1)
            gold = workspace.journal.gold("train")
            for document in workspace.documents_page(role="train", page_size=12).items:
                judged = {p.label_id for p in workspace.journal.pair_states(document.id)}
                right = set(gold.get(document.id, ()))
                workspace.complete(document.id, "Ada", right, judged - right)
            workspace.train()
            workspace.draw_map()
            workspace.sync_index()
    return home


@pytest.fixture(scope="module")
def served(seen: Path, new_app: Callable[[Path], Any]) -> Iterator[Any]:
    """The app that shows it."""
    server = new_app(seen)
    server.start()
    yield server
    server.stop()


def places(home: Path) -> dict[str, str]:
    """A document, a label and a word to look for."""
    with Workspace.open(home / "seen", own_index=False) as workspace:
        document = workspace.documents_page(role="train", page_size=1).items[0]
        label = workspace.labels_page(sort="proposed", descending=True, page_size=1).items[0]
        word = max((document.title or document.snippet).split(), key=len)
    return {"document": document.id, "label": label.id, "word": word}


def drawn(page: Page) -> None:
    """Wait until the screen has been drawn, and stays."""
    app = page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    for _ in range(2):
        app.wait_for()
        page.wait_for_timeout(300)
    app.wait_for()


@pytest.mark.parametrize(("width", "height", "scheme"), LOOKS)
def test_every_screen_is_whole(
    browser: Browser, served: Any, seen: Path, width: int, height: int, scheme: Any
) -> None:
    known = places(seen)
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(60_000)
    page = context.new_page()
    shots = os.environ.get("LMTX_SHOTS")
    wrong = []
    for name, address in ADDRESSES.items():
        page.goto(f"{served.url}/{address.format(**known)}")
        drawn(page)
        if shots:
            page.wait_for_timeout(1500)
            Path(shots).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(shots) / f"{name}_{width}_{scheme}.png")
        if page.get_by_test_id("stException").count() or page.locator(".lx-error").count():
            wrong.append(f"{name}: shows an error")
        over = page.evaluate(
            "() => { const m = document.querySelector('[data-testid=stMain]');"
            " return Math.max(m.scrollWidth - m.clientWidth,"
            " document.documentElement.scrollWidth - innerWidth); }"
        )
        if over > 1:
            wrong.append(f"{name}: {over} px wider than the window")
    context.close()
    assert not wrong, wrong
