"""What all verbs share: the workspace, answers on stdout, progress on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmtx.errors import InputError
from lmtx.jobs import phase_of

if TYPE_CHECKING:
    from lmtx.workspace import Workspace

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]

System = Annotated[
    str,
    typer.Option(
        help="'tagger' (the promoted run), 'student', 'zero-shot', the id of a run, or that and '/student'."
    ),
]

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Setting of the training, e.g. epochs=5."),
]


def settings_of(option: list[str] | None) -> dict[str, Any]:
    """Settings that were given as NAME=VALUE, values read as JSON where they are JSON."""
    found: dict[str, Any] = {}
    for item in option or []:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--set {item!r}: expected NAME=VALUE, e.g. --set epochs=5.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


@dataclass
class Options:
    """Options that stand before the verb."""

    workspace: Path | None
    quiet: bool


def open_workspace(context: typer.Context, own_index: bool | None = None) -> Workspace:
    """Open the workspace that the user means; see `lmtx.config.find_workspace`."""
    from lmtx.config import find_workspace, remember_workspace
    from lmtx.workspace import Workspace

    folder = find_workspace(context.obj.workspace)
    workspace = Workspace.open(folder, own_index=own_index)
    remember_workspace(folder)
    return workspace


def answer(value: Any, as_json: bool, text: str | Callable[[], str]) -> None:
    """Print the answer of a verb: as one JSON object, or as text."""
    if as_json:
        record = jsonable(value)
        print(json.dumps(record if isinstance(record, dict) else {"value": record}, ensure_ascii=False))
    else:
        shown = text if isinstance(text, str) else text()
        if shown:
            print(shown)


def jsonable(value: Any) -> Any:
    """Value as JSON types; numbers that JSON has no form for become null."""
    from pydantic_core import to_jsonable_python

    def clean(item: Any) -> Any:
        if isinstance(item, float):
            return item if math.isfinite(item) else None
        if isinstance(item, dict):
            return {key: clean(x) for key, x in item.items()}
        return [clean(x) for x in item] if isinstance(item, list) else item

    return clean(to_jsonable_python(value, fallback=_fallback, inf_nan_mode="constants"))


def _fallback(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


class ConsoleProgress:
    """Progress on stderr: one line that is written over on a terminal, now and then a line elsewhere."""

    def __init__(self, context: typer.Context) -> None:
        self._quiet = bool(context.obj.quiet)
        self._terminal = sys.stderr.isatty()
        self._every_s = 0.1 if self._terminal else 5.0
        self._shown_s = float("-inf")
        self._message = ""
        self._width = 0

    def __call__(self, done: int, total: int, message: str) -> None:
        """Show progress."""
        if self._quiet:
            return
        moment = time.monotonic()
        phase = phase_of(message)
        if phase == self._message and moment - self._shown_s < self._every_s and not (0 < total == done):
            return
        if not self._terminal and phase == self._message and 0 < total == done and total < 2:
            return
        self._message, self._shown_s = phase, moment
        count = f" {done:,}/{total:,}" if total else f" {done:,}" if done else ""
        line = f"{message}{count.replace(',', ' ')}"
        if self._terminal:
            print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._width and not self._quiet:
            print(file=sys.stderr)
            self._width = 0

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Lay rows out as text, numbers to the right."""
    cells = [[_shown(row.get(name)) for name in columns] for row in rows]
    widths = [max([len(name), *(len(r[i]) for r in cells)]) for i, name in enumerate(columns)]
    number = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in columns]

    def line(parts: list[str]) -> str:
        return "  ".join(
            p.rjust(w) if right else p.ljust(w) for p, w, right in zip(parts, widths, number, strict=True)
        ).rstrip()

    return "\n".join([line(columns), *(line(r) for r in cells)])


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3f}"
    return " ".join(str(value).split())[:60]


def report_text(report: Any) -> str:
    """One import's report as text."""
    lines = [
        f"{report.kind}: {report.added} added, {report.updated} updated, {report.unchanged} unchanged, "
        f"{report.deleted} deleted, {report.skipped} rows left out ({report.seconds:.1f} s)"
    ]
    lines += [f"warning: {warning}" for warning in report.warnings]
    lines += [f"{issue.severity}: {issue}" for issue in report.issues[:10]]
    if report.n_issues > 10:
        lines.append(f"... and {report.n_issues - 10} more; --json lists the first hundred")
    return "\n".join(lines)


def index_in_step(workspace: Workspace, progress: ConsoleProgress) -> None:
    """Bring the search index up to date where no other process owns it (else its owner does)."""
    if os.environ.get("LMTX_NO_INDEX"):
        return
    workspace.sync_index(progress)


def fields(report: Any) -> str:
    """Return the plain fields of a report, a line each."""
    record = jsonable(report)
    flat = {k: v for k, v in record.items() if not isinstance(v, dict | list)}
    return "\n".join(f"{k}: {v}" for k, v in flat.items())
