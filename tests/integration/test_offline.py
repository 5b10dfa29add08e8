"""The default path needs no network: nothing that a verb starts looks beyond loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Runs at the start of every Python process, whatever starts it. The hook sees also what libraries
# do in C through Python's socket module, and name look-ups, which go before any connection.
_GUARD = """
import os, sys

def _guard(event, args):
    if event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            _left("connect", address)
    elif event == "socket.getaddrinfo":
        host = args[0]
        if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", b"localhost"):
            _left("look up", host)
    elif event == "socket.sendto" and isinstance(args[1], tuple):
        if not str(args[1][0]).startswith(("127.", "::1")):
            _left("send to", args[1])

def _left(what, where):
    with open(os.environ["LMTX_TEST_LEFT"], "a") as file:
        file.write(f"{os.getpid()} {sys.argv[:3]} {what} {where}\\n")

sys.addaudithook(_guard)
"""


def in_namespace() -> list[str]:
    """Command that runs another where there is only loopback, or nothing if that is not allowed here."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    for options in (["-n"], ["-rn"]):
        command = [unshare, *options, "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh"]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return []


# What the app starts: a warm process, given a job.
_JOB = """
import sys
from pathlib import Path
from lmtx.jobs import WarmPool
from lmtx.workspace import Workspace

workspace = Workspace.create(Path(sys.argv[1]))
pool = WarmPool(1)
assert pool.wait_ready(200)
job = workspace._parts.job_store.wait(workspace.start_job("demo", {}, pool), 300)
assert job.state == "done", job.error
pool.close()
workspace.sync_index()
workspace.close()
"""


def test_nothing_tries_to_leave(tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(_GUARD)
    left = tmp_path / "left.txt"
    left.touch()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("HF_HUB_OFFLINE", "LMTX_WORKSPACE", "TRANSFORMERS_OFFLINE")
    }
    environment |= {
        "PYTHONPATH": str(tmp_path / "guard"),
        "LMTX_TEST_LEFT": str(left),
        "LMTX_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),  # no cache of models to fall back on
        "HF_HOME": str(tmp_path / "hf"),
    }
    namespace = in_namespace()

    def python(code: str, *arguments: object) -> None:
        done = subprocess.run(
            [*namespace, sys.executable, "-c", code, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr

    # The guard itself works: what leaves is written down.
    probe = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 9))"
    subprocess.run([sys.executable, "-c", probe], env=environment, check=False, capture_output=True)
    assert "192.0.2.1" in left.read_text()
    left.write_text("")

    python(_JOB, tmp_path / "home" / "demo")  # import, embed, cycle, evaluate, index
    for verb in (
        ("demo", "--json"),
        ("train", "--json"),
        ("export", "corpus", tmp_path / "corpus.csv", "--json"),
        ("export", "model", tmp_path / "model", "--json"),
        ("doctor", "--json"),
    ):
        python("from lmtx.cli import main; main()", *verb)
    assert left.read_text() == ""
