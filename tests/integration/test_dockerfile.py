"""The Dockerfile's steps, run as a script in a copy-on-write chroot where no container engine runs.

The machine's own root, with this project's virtual environment on PATH, stands in for the base image:
packages that are installed already count as installed (a fresh installation is what `make app` in an
empty clone tries). Everything that the steps write goes into an overlay and is thrown away.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile as (name, arguments), comments gone and continuations joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def as_script(steps: list[tuple[str, str]], port: int) -> tuple[str, str, str]:
    """(build script run as root, command to start as the image's user, health check)."""
    build = ["set -euo pipefail"]
    start = health = ""
    user = "root"
    for name, rest in steps:
        match name:
            case "FROM" | "EXPOSE" | "VOLUME":
                pass
            case "ARG":
                build.append(f"export {rest.partition('=')[0]}=")  # no other index than this machine's
            case "ENV":
                build += [f"export {part}" for part in shlex.split(rest)]
            case "WORKDIR":
                build.append(f"mkdir -p {rest}; cd {rest}")
            case "COPY":
                *sources, target = rest.split()
                build.append(f"mkdir -p {target}")
                for source in sources:
                    inner = "/." if (ROOT / source).is_dir() else ""
                    build.append(f"cp -r {shlex.quote(str(ROOT / source))}{inner} {target}")
            case "RUN":
                assert user == "root"
                build.append(rest)
            case "USER":
                user = rest
            case "HEALTHCHECK":
                health = rest.partition("CMD ")[2]
            case "CMD":
                start = shlex.join(json.loads(rest))
            case _:
                raise AssertionError(f"Dockerfile: this test does not know the instruction {name}")
    build.append(f"export PORT={port}")
    # Not the user's own shell: only what the image sets may count.
    build.append(f"cd /srv/lmtx; exec setpriv --reuid {user} --regid {user} --clear-groups {start}")
    return "\n".join(build), start, health


@pytest.fixture
def overlay() -> Iterator[Path]:
    """An empty folder outside the checkout for the overlay's layers."""
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def can_isolate() -> str:
    """Why the steps can't be run here, or nothing."""
    if os.geteuid() != 0:
        return "needs root for a chroot"
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True)
    return "" if probe.returncode == 0 else "unshare is not allowed here"


@pytest.mark.slow
def test_the_steps_build_and_serve_as_an_ordinary_user(overlay: Path) -> None:
    if reason := can_isolate():
        pytest.skip(reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    build, start, health = as_script(instructions((ROOT / "Dockerfile").read_text()), port)
    assert start
    assert health
    (overlay / "build.sh").write_text(build)
    passages = {p for start in (ROOT, Path(sys.base_prefix)) for p in (start, *start.parents)} - {Path("/")}
    outer = f"""
        set -e
        mount -t tmpfs tmpfs {overlay}/layers
        mkdir {overlay}/layers/upper {overlay}/layers/work
        layers=upperdir={overlay}/layers/upper,workdir={overlay}/layers/work
        mount -t overlay overlay -o lowerdir=/,$layers {overlay}/root
        mount --bind /dev {overlay}/root/dev
        mount -t proc proc {overlay}/root/proc
        cp {overlay}/build.sh {overlay}/root/build.sh
        # An ordinary user may pass through the folders above the virtual environment, as in an image.
        chmod a+x {" ".join(f"{overlay}/root{parent}" for parent in passages)}
        exec chroot {overlay}/root bash /build.sh
    """
    (overlay / "layers").mkdir()
    (overlay / "root").mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PIP_CONFIG_FILE": os.environ.get("PIP_CONFIG_FILE", str(Path.home() / ".config/pip/pip.conf")),
    }
    log = (overlay / "log").open("w")
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", outer],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd="/",
    )
    try:
        deadline = time.monotonic() + 300
        healthy = False
        while time.monotonic() < deadline and process.poll() is None and not healthy:
            probe = subprocess.run(
                ["bash", "-c", health], env=environment | {"PORT": str(port)}, capture_output=True
            )
            healthy = probe.returncode == 0
            time.sleep(1)
        output = (overlay / "log").read_text()
        assert healthy, f"the image's command did not become healthy:\n{output[-3000:]}"
        served_by = {
            found.uids().real
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for found in [psutil.Process(connection.pid)]
        }
        assert served_by == {10001}
    finally:
        # The first process of the namespace takes the others with it. Its parent's death would not
        # reach it: changing the user forgets that signal.
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()
        log.close()
