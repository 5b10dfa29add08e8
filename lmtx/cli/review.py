"""Verbs about decisions: what was said, and going back to an earlier moment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, get_args

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, index_in_step, open_workspace, table
from lmtx.errors import InputError
from lmtx.types import Action, Decision


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(history)
    app.command()(restore)


def history(
    context: typer.Context,
    document: Annotated[str | None, typer.Option(metavar="ID", help="Only on this document.")] = None,
    label: Annotated[str | None, typer.Option(metavar="ID", help="Only on this label.")] = None,
    reviewer: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this reviewer.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="P", help="Only through this queue.")] = None,
    action: Annotated[
        str | None, typer.Option(metavar="A", help=f"Only one of {', '.join(get_args(Action))}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """List decisions, the newest first: who said what, when, through which queue, and whether it stands."""
    if action is not None and action not in get_args(Action):
        raise InputError(f"--action {action!r} is unknown. Known: {', '.join(get_args(Action))}.")
    with open_workspace(context, own_index=False) as workspace:
        page = workspace.decisions_page(
            document_id=document,
            label_id=label,
            reviewer=reviewer,
            policy=policy,
            action=action,  # type: ignore[arg-type]
            page_size=limit,
        )
        taken_back = {
            d.seq
            for d in workspace.decisions_page(
                document_id=document,
                label_id=label,
                reviewer=reviewer,
                policy=policy,
                action=action,  # type: ignore[arg-type]
                standing=False,
                page_size=limit,
            )
        }
        rows = [{**_row(d), "stands": d.seq not in taken_back} for d in page]

    def text() -> str:
        if not rows:
            return "No decisions."
        columns = ["seq", "at", "reviewer", "action", "document_id", "label_id", "policy", "stands", "note"]
        shown = [{**row, "stands": "yes" if row["stands"] else "no"} for row in rows]
        more = page.total - len(rows)
        return table(shown, columns) + (f"\n... and {more} older" if more else "")

    answer({"decisions": rows, "total": page.total}, as_json, text)


def _row(decision: Decision) -> dict[str, object]:
    return {
        "seq": decision.seq,
        "at": decision.at.astimezone().isoformat(timespec="seconds"),
        **{
            name: getattr(decision, name)
            for name in (
                "reviewer",
                "action",
                "document_id",
                "label_id",
                "policy",
                "inclusion_probability",
                "reason",
                "blind",
                "note",
                "batch",
                "retracts",
            )
        },
    }


def restore(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Argument(
            metavar="SEQ|TIME",
            help="Number of the last decision that is to count (0: none), or a time like 2026-05-31T18:00.",
        ),
    ],
    reviewer: Annotated[
        str, typer.Option(metavar="NAME", help="Who restores; default: the workspace's reviewer.")
    ] = "",
    only: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take back only what this reviewer said since.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go back to what stood then. Nothing is lost: what is taken back stays in the history."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        seq = int(to) if to.isdecimal() else workspace.seq_at(_moment(to))
        before = workspace.journal.head_seq()
        back = workspace.restore(seq, reviewer or workspace.settings.reviewer, only)
        index_in_step(workspace, progress)
        progress.end()
        value = {"seq": seq, "taken_back": len(back), "undo_with": before}
    text = f"Back at decision {seq}: {len(back)} taken back."
    if back:
        text += f" To have them again: lmtx restore {before}"
    answer(value, as_json, text)


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()  # without a zone: the local time
    except ValueError as error:
        raise InputError(
            f"{text!r} is neither the number of a decision nor a time. Write 120, or 2026-05-31T18:00."
        ) from error
