"""Verbs that run other people's methods on this workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, settings_of
from lmtx.cli.teach import BaseUrl, Tokens, with_base_url

if TYPE_CHECKING:
    from lmtx.types import Run

Writer = Annotated[
    str | None,
    typer.Option(help="'transformers:MODEL' or 'openai:MODEL,base_url=URL'; default: the teacher last used."),
]

Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Setting, e.g. shots=5 (demonstrations of a document)."),
]


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(icxml)


def icxml(
    context: typer.Context,
    teacher: Writer = None,
    base_url: BaseUrl = None,
    limit_docs: Annotated[int, typer.Option(min=1, help="Only the first so many documents.")] = 20,
    variant: Annotated[
        Literal["content", "label"],
        typer.Option(help="Demonstrations: near documents, or near labels."),
    ] = "content",
    document: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="A document to label; default: test documents with gold labels."),
    ] = None,
    budget_tokens: Tokens = None,
    option: Setting = None,
    as_json: Json = False,
) -> None:
    """Let a language model label documents by ICXML: it writes labels, which are mapped to yours and ranked.

    Nothing is trained. Started again, it goes on where it was stopped and asks nothing twice.
    """
    spec = with_base_url(teacher, base_url)
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        run = workspace.icxml(
            spec,
            limit_docs,
            variant,
            document_ids=document,
            budget_tokens=budget_tokens,
            progress=progress,
            **settings_of(option),
        )
        progress.end()
        answer(run, as_json, lambda: _text(run))


def _text(run: Run) -> str:
    found = run.metrics
    lines = [
        f"{run.id}: {found['n_documents']} of {found['n_asked_for']} documents labelled. "
        f"`lmtx evaluate --system {run.id}` measures them where they have gold labels.",
        f"{found['calls']} answers behind that ({found['calls_new']} new), {found['tokens']:,} tokens "
        f"({found['tokens_new']:,} new), {found['seconds']} s.",
    ]
    if found["stopped"]:
        lines.append("The budget of tokens was used up. Start again, and it goes on from there.")
    if found["n_problems"]:
        lines.append(f"{found['n_problems']} requests were not answered; the last: {found['problem']}")
    return "\n".join(lines)
