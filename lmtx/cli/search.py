"""The verb that finds documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, table

if TYPE_CHECKING:
    from lmtx.journal import Page
    from lmtx.workspace.finding import FoundDocument


def register(app: typer.Typer) -> None:
    """Add this verb."""
    app.command()(search)


def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Words, a sentence, or an id; none: all documents.")] = "",
    by: Annotated[
        Literal["both", "meaning", "words"], typer.Option(help="How documents are found.")
    ] = "both",
    label: Annotated[str | None, typer.Option(metavar="ID", help="Only with this label.")] = None,
    state: Annotated[
        Literal["accepted", "rejected", "proposed", "declined", "unparsed", "tagged"] | None,
        typer.Option(help="In this state; tagged: among the first five tags of the run in use."),
    ] = None,
    role: Annotated[
        Literal["train", "held_out", "reserve", "test"] | None, typer.Option(help="Only of this use.")
    ] = None,
    split: Annotated[
        Literal["train", "test"] | None, typer.Option(help="Only of this split of the file.")
    ] = None,
    reviewed: Annotated[
        bool | None, typer.Option("--reviewed/--not-reviewed", help="Settled by a person, or not.")
    ] = None,
    judged: Annotated[
        bool | None, typer.Option("--judged/--not-judged", help="Something was said of it, or not.")
    ] = None,
    documents: Annotated[
        str | None, typer.Option("--set", metavar="ID", help="Only of a set that was picked in the app.")
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Page of the list.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=1000, help="Documents of a page.")] = 20,
    as_json: Json = False,
) -> None:
    """Find documents by meaning, by words or both, by label and state; best first."""
    from lmtx.workspace.finding import DocumentQuery

    query = DocumentQuery(text, by, label, state, role, split, reviewed, judged, documents)
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        found = workspace.find_documents(query, page - 1, page_size)
        progress.end()
        value = {"total": found.total, "page": page, "documents": [_json(x) for x in found]}
        answer(value, as_json, lambda: _text(found))


def _json(item: FoundDocument) -> dict[str, object]:
    row = item.row
    return {
        "id": row.id,
        "title": row.title,
        "snippet": item.snippet,
        "likeness": None if item.likeness is None else round(item.likeness, 4),
        "role": row.role,
        "split": row.split,
        "accepted": row.n_accepted,
        "proposed": row.n_proposed,
        "reviewed": row.completed,
    }


def _text(found: Page[FoundDocument]) -> str:
    rows = [
        {
            "id": x.row.id,
            "likeness": "" if x.likeness is None else f"{x.likeness:.2f}",
            "title": x.row.title or x.snippet[:60],
        }
        for x in found
    ]
    head = f"{found.total} documents, page {found.page + 1} of {found.n_pages}"
    return f"{head}\n{table(rows, ['id', 'likeness', 'title'])}" if rows else "Nothing found."
