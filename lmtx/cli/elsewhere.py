"""Verbs that judge elsewhere: requests out, judging without a workspace, verdicts in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, fields, index_in_step, open_workspace
from lmtx.cli.teach import (
    BaseUrl,
    Dollars,
    LimitDocs,
    Minutes,
    Pairs,
    Teacher,
    Tokens,
    budget_of,
    with_base_url,
)

if TYPE_CHECKING:
    from lmtx.teacher.elsewhere import FileReport
    from lmtx.workspace.elsewhere import RequestsReport, VerdictsReport


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command("export-requests")(export_requests)
    app.command()(judge)
    app.command("import-verdicts")(import_verdicts)


def export_requests(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="File to write, .jsonl.")],
    teacher: Teacher = None,
    base_url: BaseUrl = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Labels of a document to ask about.")] = None,
    limit_docs: LimitDocs = None,
    format: Annotated[
        Literal["lmtx", "openai-batch"],
        typer.Option(help="For `lmtx judge` elsewhere, or for a batch service with the OpenAI interface."),
    ] = "lmtx",
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Only pairs it has judged whose texts have changed since.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write what the teacher would be asked to a file, to be judged on another machine."""
    spec = with_base_url(teacher, base_url)
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        report = workspace.export_requests(
            out, spec, top_k, limit_docs, format=format, only_changed=only_changed, progress=progress
        )
        progress.end()
        answer(report, as_json, lambda: _written(report))


def judge(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File of requests, as `lmtx export-requests` writes it.")],
    out: Annotated[
        Path | None, typer.Option(help="File of verdicts; default: FILE with the ending .verdicts.jsonl.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Where the teacher runs: 'device=cuda,dtype=bfloat16', 'base_url=URL,concurrency=32', or "
            "the whole specification where the model lies elsewhere here."
        ),
    ] = None,
    consent: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Machine that the file names and texts may be sent to."),
    ] = None,
    pairs: Pairs = None,
    tokens: Tokens = None,
    dollars: Dollars = None,
    minutes: Minutes = None,
    as_json: Json = False,
) -> None:
    """Judge a file of requests; needs no workspace. Started again, it goes on where it stopped."""
    from lmtx.teacher import Budget
    from lmtx.teacher.elsewhere import judge_file

    with ConsoleProgress(context) as progress:
        report = judge_file(
            file,
            out,
            override=teacher,
            hosts=tuple(host.strip().lower() for host in consent or ()),
            budget=Budget.of(budget_of(pairs, tokens, dollars, minutes)),
            progress=progress,
        )
        progress.end()
        answer(report, as_json, lambda: _judged(report))


def import_verdicts(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Verdicts of `lmtx judge`, or the output of a batch service.")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="Map of the batch; default: the .map.jsonl beside FILE that fits."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring verdicts in that were made elsewhere; all or nothing, those already there are left out."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        report = workspace.import_verdicts(file, map_file, progress=progress)
        index_in_step(workspace, progress)
        progress.end()
        answer(report, as_json, lambda: _imported(report))


def _written(report: RequestsReport) -> str:
    lines = [f"Wrote {report.path}: {report.n_pairs} pairs of {report.n_documents} documents."]
    if report.map_path is None:
        lines.append(f"Elsewhere: `lmtx judge {report.path.name}`; then here `lmtx import-verdicts FILE`.")
    else:
        lines.append(f"Keep {report.map_path.name}: `lmtx import-verdicts OUTPUT --map ...` needs it.")
    return "\n".join([*lines, *(f"warning: {w}" for w in report.warnings)])


def _judged(report: FileReport) -> str:
    lines = [fields(report)]
    if report.n_open:
        lines.append(f"{report.n_open} pairs are still open: start it again to go on.")
    return "\n".join([*lines, f"Bring it back with `lmtx import-verdicts {report.out.name}`."])


def _imported(report: VerdictsReport) -> str:
    return "\n".join([fields(report), *(f"warning: {w}" for w in report.warnings)])
