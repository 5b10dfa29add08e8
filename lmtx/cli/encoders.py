"""Verbs on the encoder in use: switch to another one, and compare some."""

from __future__ import annotations

from typing import Annotated

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, table

Encoder = Annotated[
    str, typer.Argument(help="'minilm' (packaged), the name or folder of a sentence-transformers model.")
]


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (switch_encoder, compare_encoders):
        app.command()(verb)


def switch_encoder(context: typer.Context, encoder: Encoder, as_json: Json = False) -> None:
    """Use another encoder: encode all texts with it and train a run. Verdicts and decisions stay."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        found = workspace.switch_encoder(encoder, progress)
        progress.end()
    answer(found, as_json, f"{found['encoder']} is in use. {found['message']}".strip())


def compare_encoders(
    context: typer.Context,
    encoders: Annotated[list[str], typer.Argument(help="Encoders, as for switch-encoder.")],
    limit_docs: Annotated[int, typer.Option(help="At most so many documents.")] = 1000,
    as_json: Json = False,
) -> None:
    """Rank the labels of some documents with each encoder, without any learning, and measure."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        found = workspace.compare_encoders(encoders, limit_docs, progress)
        progress.end()
    columns = ["encoder", "P@1", "P@1_se", "P@5", "R@10", "documents_per_second"]
    said = f"{found['n_docs']} documents, by {found['truth']}"
    answer(found, as_json, lambda: f"{table(found['encoders'], columns)}\n{said}")
