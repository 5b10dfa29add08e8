"""The verb that writes the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(report)


def report(
    context: typer.Context,
    html: Annotated[
        Path, typer.Option("--html", metavar="OUT", help="File to write; replaced if it exists.")
    ],
    as_json: Json = False,
) -> None:
    """Write the report: one HTML file, without a request to anywhere, with how good the tags are."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        path = workspace.report(html, progress)
        progress.end()
        found = {"html": str(path), "bytes": path.stat().st_size}
        answer(found, as_json, lambda: f"{path} ({path.stat().st_size / 1e3:.0f} kB)")
