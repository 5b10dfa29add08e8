"""Make the screenshots of the documentation: the demo, some documents reviewed and audited, trained again.

`python docs/screenshots/make.py` from a clone; needs Chromium, or Playwright's own
(`playwright install chromium`). The reviewer answers what the demo's gold labels say.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from lmtx.cli.serve import make_demo
from lmtx.types import Decision, no_progress
from lmtx.workspace import Workspace

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REVIEWED, AUDITED, PAIRS = 30, 15, 60
DOCUMENT = "hq-0002"
TEXT = (
    "The harbour master kept this diary through the winter of 1911, when the great surge broke the sea wall "
    "and two hundred houses stood in water. He notes the weather, the ships that came in and those that did "
    "not, and what the lifeboat crew ate for breakfast. With maps by his daughter."
)


def prepare(home: Path) -> None:
    """Build the demo, review, and train again."""
    make_demo(home / "demo", no_progress)
    lines = (ROOT / "demo" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    gold = {r["id"]: set(r["labels"]) for r in map(json.loads, lines)}
    with Workspace.open(home / "demo") as workspace:
        workspace.update_settings(reviewer="Ada")
        workspace.predict(["warm"], top_k=1)
        for policy, n in (("default", REVIEWED), ("audit", AUDITED)):
            for item in workspace.next_documents(policy, "Ada", n=n):
                shown = {c.label_id for c in item.candidates}
                right = gold[item.document.id]
                drawn = item.policy, item.inclusion_probability
                workspace.complete(item.document.id, "Ada", right, shown - right, *drawn)
        workspace.train()
        for pair in workspace.next_pairs("audit", "Ada", n=PAIRS):
            label_id = pair.candidate.label_id
            action = "accept" if label_id in gold[pair.document.id] else "reject"
            drawn = pair.policy, pair.inclusion_probability
            workspace.decide([Decision(pair.document.id, label_id, action, "Ada", *drawn)])
        workspace.judge_audited()
        workspace.draw_map()
        workspace.compare([x.id for x in workspace.systems()])
        workspace.sync_index()


def settle(page: Page, seconds: float = 0.4) -> None:
    """Wait until the app has drawn what it was asked for."""
    for _ in range(2):
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        page.wait_for_timeout(1000 * seconds)


def visit(page: Page, name: str) -> None:
    """Open a screen by the navigation."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    settle(page)


def shoot(page: Page, name: str) -> None:
    """Write one picture, with a palette: flat colours need no more."""
    page.mouse.move(1270, 790)
    settle(page)
    path = HERE / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def tour(page: Page, url: str) -> None:
    """Take the pictures."""
    settle(page, 3)
    visit(page, "Train")
    settle(page, 3)  # the runs are measured meanwhile
    for name in ("overview", "train", "precision", "teacher"):
        visit(page, name.capitalize())
        settle(page, 1.5)
        shoot(page, name)
    visit(page, "Review")
    for key in ("1", "j"):
        page.keyboard.press(key)
        settle(page)
    shoot(page, "review")
    page.keyboard.press("v")  # the next way to work
    settle(page, 1)
    shoot(page, "review_pair")
    page.keyboard.press("v")
    settle(page, 1)
    shoot(page, "review_label")
    visit(page, "Precision")
    page.get_by_text("Audited by people", exact=True).click()
    settle(page, 1.5)
    shoot(page, "precision_reviewed")
    for view in ("Labels", "Errors"):
        page.get_by_role("radio", name=view, exact=True).click()
        settle(page, 1.5)
        shoot(page, f"precision_{view.lower()}")
    visit(page, "Compare")
    settle(page, 2)
    shoot(page, "compare")
    for view, name in ((None, "explore_map"), ("Labels", "explore_labels"), ("Gaps", "explore_gaps")):
        visit(page, "Explore")
        if view:
            page.get_by_role("radio", name=view, exact=True).click()
        settle(page, 2.5)
        shoot(page, name)
    visit(page, "Corpus")
    page.get_by_label("Find documents").fill("storm at sea")
    page.keyboard.press("Enter")
    settle(page, 2)
    shoot(page, "search")
    page.goto(f"{url}/corpus?document={DOCUMENT}")
    settle(page, 3)
    shoot(page, "document")
    for step in (1, 4):
        page.goto(f"{url}/present?step={step}")
        settle(page, 2)
        shoot(page, f"present_{step}")
    page.goto(url)
    settle(page, 3)
    visit(page, "Try it")
    page.locator("textarea").fill(TEXT)
    settle(page, 1.5)
    shoot(page, "try_it")


def main() -> None:
    """Serve the demo on a free port of loopback and go round it."""
    home = Path(tempfile.mkdtemp())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    prepare(home)
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "LMTX_HOME": str(home)})
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(60):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        with sync_playwright() as playwright:
            found = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
            page.goto(url)
            tour(page, url)
            browser.close()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
