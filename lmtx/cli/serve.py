"""The verb that starts the app, and the demo that it starts with."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lmtx.cli.common import ConsoleProgress
from lmtx.errors import InputError, LmtxError
from lmtx.types import Progress

ROOT = Path(__file__).resolve().parents[2]  # of the clone


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command("app")(start)


def start(
    context: typer.Context,
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="Port to serve on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to bind; anything but loopback lets others in, without a login.")
    ] = "127.0.0.1",
    read_only: Annotated[
        bool,
        typer.Option("--read-only", help="Only show: nothing of a workspace can be changed by a visitor."),
    ] = False,
    with_demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Make the demo where there is no workspace.")
    ] = True,
) -> None:
    """Start the app; from a clone of the project. Makes the demo first where there is no workspace."""
    from lmtx.config import find_workspace, home
    from lmtx.workspace import Workspace

    page = ROOT / "app" / "main.py"
    if not page.is_file():
        raise InputError(
            f"{ROOT}: the app is not there. `lmtx app` works from a clone of the project; the package "
            "alone has the library and the other commands."
        )
    os.environ["LMTX_HOME"] = str(home().resolve())
    if context.obj.workspace is not None:
        os.environ["LMTX_WORKSPACE"] = str(find_workspace(context.obj.workspace).resolve())
    elif with_demo and not read_only and not Workspace.list_workspaces(home()):
        try:
            with ConsoleProgress(context) as progress:
                make_demo(home() / "demo", progress)
        except LmtxError as error:  # the app is of use without the demo
            print(f"lmtx: the demo could not be made: {error}", file=sys.stderr)
    if read_only:
        os.environ["LMTX_READ_ONLY"] = "1"
    os.chdir(ROOT)  # where streamlit looks for .streamlit/config.toml
    arguments = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(page),
        f"--server.port={port}",
        f"--server.address={address}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
    ]
    sys.stdout.flush()
    os.execv(sys.executable, arguments)  # signals and the exit code are then the server's own


def make_demo(folder: Path, progress: Progress) -> dict[str, Any]:
    """Make the demo workspace, or finish one that was stopped; returns its folder and figures."""
    from lmtx.config import SETTINGS_FILE
    from lmtx.workspace import Workspace

    exists = (folder / SETTINGS_FILE).exists()
    with (
        Workspace.open(folder)
        if exists
        else Workspace.create(folder, "Library catalogue (demo)") as workspace
    ):
        figures = workspace.demo(progress)
        workspace.sync_index(progress)
        return {"folder": str(workspace.folder), **figures}
