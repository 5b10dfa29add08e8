"""The verb that draws the map of the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, table

if TYPE_CHECKING:
    from lmtx.workspace.corpus_map import CorpusMap


def register(app: typer.Typer) -> None:
    """Add it."""
    app.command("map")(draw_map)


def draw_map(
    context: typer.Context,
    method: Annotated[
        str, typer.Option(help="umap (if installed), tsne, pca; auto takes the first that is there.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the arrangement and of the groups.")] = 0,
    show: Annotated[bool, typer.Option("--show", help="Print the map that was drawn last.")] = False,
    as_json: Json = False,
) -> None:
    """Draw the map of the corpus: documents on a plane, in groups with names, and tag the corpus."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        if not show:
            workspace.draw_map(method, seed, progress)  # type: ignore[arg-type]
        progress.end()
        drawn = workspace.corpus_map()
        if drawn is None:
            answer({"documents": 0, "parts": []}, as_json, lambda: "The map is not drawn yet.")
            return
        found = _facts(drawn)
        answer(found, as_json, lambda: _text(found))


def _facts(drawn: CorpusMap) -> dict[str, Any]:
    return {
        "documents": int(drawn.known.sum()),
        "documents_missing": drawn.n_missing,
        "method": drawn.method,
        "explained": drawn.explained,
        "made": drawn.made.isoformat(),
        "parts": [{"documents": r.n_documents, "terms": list(r.terms)} for r in drawn.regions],
    }


def _text(found: dict[str, Any]) -> str:
    rows = [{"documents": part["documents"], "words": ", ".join(part["terms"])} for part in found["parts"]]
    head = f"{found['documents']} documents, arranged by {found['method']}."
    return f"{head}\n{table(rows, ['documents', 'words'])}"
