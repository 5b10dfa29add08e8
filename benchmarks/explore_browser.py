"""The map in a browser: seconds to its first paint, what the server sends, and the memory that it takes.

`python benchmarks/explore_browser.py WORKSPACE [--documents N]` with Chromium. The map of a copy is drawn,
the app started read-only on it, and the map opened at 1280 x 800 from another screen, in a new browser each
time, which has no script of the plots yet. "sent" is what comes through the socket; the heap is JavaScript's
after its garbage was collected; "process" is what the tab's process takes (PSS), with WebGL in software.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from explore_pages import grown
from playwright.sync_api import CDPSession, Page, sync_playwright

from lmtx.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
_LASSO = ((0.3, 0.3), (0.5, 0.28), (0.55, 0.5), (0.35, 0.55), (0.3, 0.3))


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start the app on a free port; returns its process and address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tempfile.mkdtemp()
    env = {**os.environ, "LMTX_HOME": home, "LMTX_WORKSPACE": str(folder.resolve()), "LMTX_READ_ONLY": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true", "--server.fileWatcherType=none"]
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
            return server, address
        except OSError:
            time.sleep(0.5)
    raise SystemExit("The app did not start within a minute.")


def heap(cdp: CDPSession) -> float:
    """Megabytes in use after collecting garbage."""
    cdp.send("HeapProfiler.collectGarbage")
    metrics = {m["name"]: m["value"] for m in cdp.send("Performance.getMetrics")["metrics"]}
    return float(metrics["JSHeapUsedSize"]) / 1e6


def process(since: set[int]) -> float:
    """Megabytes of the largest renderer that this program started."""
    sizes = [0.0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) in since or b"--type=renderer" not in (folder / "cmdline").read_bytes():
                continue
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes += [int(x.split()[1]) / 1e3 for x in lines if x.startswith("Pss:")]
    return max(sizes)


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)


def measure(address: str, n: int) -> None:
    """Open the map as a visitor does, and pick documents; print a row."""
    before = {int(p.name) for p in Path("/proc").glob("[0-9]*")}
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        cdp = page.context.new_cdp_session(page)
        cdp.send("Performance.enable")
        sent = 0

        def count(frame: str | bytes) -> None:
            nonlocal sent
            sent += len(frame)

        page.on("websocket", lambda ws: ws.on("framereceived", count))
        page.goto(f"{address}/labels")
        settled(page)
        page.wait_for_timeout(2000)
        empty, sent = heap(cdp), 0
        start = time.perf_counter()
        page.get_by_test_id("stSidebar").get_by_role("link", name="Explore", exact=True).click()
        page.locator(".js-plotly-plot .infolayer .annotation").first.wait_for(timeout=60_000)
        painted = time.perf_counter() - start
        settled(page)
        page.wait_for_timeout(1500)
        full, tab, on_open = heap(cdp), process(before), sent
        page.locator('.modebar-btn[data-title="Lasso Select"]').click()
        box = page.locator(".js-plotly-plot").first.bounding_box()
        assert box is not None
        corners = [(box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in _LASSO]
        page.mouse.move(*corners[0])
        page.mouse.down()
        for x, y in corners[1:]:
            page.mouse.move(x, y, steps=6)
        start = time.perf_counter()
        page.mouse.up()
        page.get_by_text("documents picked").wait_for(timeout=60_000)
        picked = time.perf_counter() - start
        print(
            f"| {n} | {painted:.1f} | {on_open / 1e6:.2f} | {empty:.0f} | {full:.0f} | {tab:.0f} "
            f"| {picked:.1f} | {(sent - on_open) / 1e6:.2f} |",
            flush=True,
        )
        browser.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--documents", type=int, help="Measure a copy that has so many.")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if asked.documents:
        folder = grown(asked.workspace, asked.documents)
    else:
        folder = Path(tempfile.mkdtemp()) / "copy"
        shutil.copytree(asked.workspace, folder, ignore=shutil.ignore_patterns("chroma"))
    with Workspace.open(folder, own_index=False) as workspace:
        start = time.perf_counter()
        made = workspace.draw_map()
        n = int(made["n_documents"])
        print(f"{n} documents drawn by {made['method']} in {time.perf_counter() - start:.0f} s\n")
    print(
        "| documents | first paint s | sent MB | heap of another screen MB | of the map MB | process MB "
        "| a lasso s | sent after MB |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    server, address = serve(folder)
    try:
        for _ in range(asked.repeats):
            measure(address, n)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
