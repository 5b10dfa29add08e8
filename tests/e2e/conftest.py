"""A real server and a real browser on loopback."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
expect.set_options(timeout=30_000)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


class App:
    """The app's server, which a test can stop and start again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.home / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "LMTX_HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )
        for _ in range(120):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2),
            ):
                return
            time.sleep(0.5)
        raise TimeoutError((self.home / "server.log").read_text())

    def stop(self) -> None:
        """Kill the server, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _bring_up_loopback() -> None:
    """Set the flag IFF_UP of `lo`, as `ip link set lo up` does."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(s, get_flags, asked))[1]
        fcntl.ioctl(s, set_flags, struct.pack("16sH14x", b"lo", flags | up))


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Run server, jobs and browser in a network namespace that has only loopback, where that is allowed.

    Without the right to make one, what is left is the check of each request in `page`.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    new_network = 0x40000000  # CLONE_NEWNET
    outside = os.open("/proc/self/ns/net", os.O_RDONLY) if Path("/proc/self/ns/net").exists() else None
    if outside is None or libc.unshare(new_network) != 0:
        yield
        return
    try:
        _bring_up_loopback()
        with (
            pytest.raises(OSError, match="unreachable"),
            socket.create_connection(("192.0.2.1", 80), timeout=2),
        ):
            pass
        yield
    finally:
        libc.setns(outside, new_network)
        os.close(outside)


@pytest.fixture(scope="session")
def browser(loopback_only: None) -> Iterator[Browser]:
    """Chromium of the system, else Playwright's own."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def new_app() -> type[App]:
    """Make the server of a home; it is not started yet."""
    return App


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """A running app with an empty home."""
    server = App(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser tab at home size."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(60_000)
    page = context.new_page()
    left: list[str] = []
    hosts = {"127.0.0.1", ""}  # "": data and blob addresses
    page.on("request", lambda r: None if (urlsplit(r.url).hostname or "") in hosts else left.append(r.url))
    yield page
    context.close()
    assert not left, f"The page asked for what is not on this machine: {left[:5]}"
