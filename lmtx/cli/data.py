"""Verbs that make a workspace, bring data in and look after it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, index_in_step, open_workspace, report_text, table
from lmtx.errors import InputError, LmtxError

File = Annotated[Path, typer.Argument(help="File to read: see the README for the formats.")]
OnBad = Annotated[
    Literal["stop", "skip"], typer.Option(help="At a bad row: import nothing, or leave it out.")
]
DeleteMissing = Annotated[bool, typer.Option("--delete-missing", help="Delete what the file does not have.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show how the file would be read.")]
Column = Annotated[str | None, typer.Option(help="Name of the column; guessed by default, '' for none.")]
Separator = Annotated[str, typer.Option(help="What parts several labels in a cell; guessed by default.")]

importer = typer.Typer(no_args_is_help=True, help="Bring a file into the workspace.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command()(init)
    app.add_typer(importer, name="import")
    for verb in (status, embed, doctor, rebuild, demo):
        app.command()(verb)


def init(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Name shown in the app; default: the folder's.")] = "",
    encoder: Annotated[
        str, typer.Option(help="'minilm' (packaged), a model's name, or a folder.")
    ] = "minilm",
    seed: Annotated[int, typer.Option(help="Seed of document roles, queues and training.")] = 0,
    reserve_share: Annotated[float, typer.Option(help="Share of documents kept for measuring.")] = 0.2,
    held_out_share: Annotated[float, typer.Option(help="Share of the rest judged but not trained on.")] = 0.1,
    as_json: Json = False,
) -> None:
    """Make a workspace in the folder named by --workspace."""
    from lmtx.config import home
    from lmtx.workspace import Workspace

    folder = context.obj.workspace or (home() / name if name else None)
    if folder is None:
        raise InputError("Which folder? `lmtx --workspace DIR init`, or `lmtx init --name NAME`.")
    settings: dict[str, Any] = {
        "encoder": encoder,
        "seed": seed,
        "reserve_share": reserve_share,
        "held_out_share": held_out_share,
    }
    with Workspace.create(folder, name, **settings) as workspace:
        value = {"folder": str(workspace.folder), **workspace.settings.model_dump()}
    answer(value, as_json, f"Made workspace {value['name']} in {value['folder']}.")


@importer.command("corpus")
def import_corpus(
    context: typer.Context,
    file: File,
    id_column: Column = None,
    title_column: Column = None,
    text_column: Column = None,
    split_column: Column = None,
    labels_column: Column = None,
    label_separator: Separator = "",
    labels_are: Annotated[
        Literal["gold", "completed", "none"],
        typer.Option(help="Labels in the file: for evaluation only, settled by people, or to be ignored."),
    ] = "gold",
    on_bad: OnBad = "stop",
    delete_missing: DeleteMissing = False,
    create_labels: Annotated[
        bool, typer.Option("--create-labels", help="Make labels of names that no label has.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import documents; again to add, update by id, or delete."""
    from lmtx.ingest import ColumnMap

    columns = ColumnMap(
        id=id_column,
        title=title_column,
        text=text_column,
        split=split_column,
        labels=labels_column,
        label_separator=label_separator,
    )
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        if dry_run:
            _show_preview(workspace.preview(file, "corpus", columns), as_json)
            return
        report = workspace.import_corpus(
            file,
            columns,
            labels_are=labels_are,
            on_bad=on_bad,
            delete_missing=delete_missing,
            create_labels=create_labels,
            progress=progress,
        )
        progress.end()
        answer(report, as_json, lambda: report_text(report))


@importer.command("labels")
def import_labels(
    context: typer.Context,
    file: File,
    id_column: Column = None,
    name_column: Column = None,
    description_column: Column = None,
    aliases_column: Column = None,
    parents_column: Column = None,
    label_separator: Separator = "",
    on_bad: OnBad = "stop",
    delete_missing: DeleteMissing = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Import a label set; again to add, update by id, or delete."""
    from lmtx.ingest import ColumnMap

    columns = ColumnMap(
        id=id_column,
        name=name_column,
        description=description_column,
        aliases=aliases_column,
        parents=parents_column,
        label_separator=label_separator,
    )
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        if dry_run:
            _show_preview(workspace.preview(file, "labels", columns), as_json)
            return
        report = workspace.import_labels(
            file, columns, on_bad=on_bad, delete_missing=delete_missing, progress=progress
        )
        progress.end()
        answer(report, as_json, lambda: report_text(report))


@importer.command("decisions")
def import_decisions(
    context: typer.Context,
    file: File,
    reviewer: Annotated[str | None, typer.Option(help="Reviewer, in place of the file's.")] = None,
    as_json: Json = False,
) -> None:
    """Import decisions as `lmtx export decisions` writes them; those already there are left out."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        report = workspace.import_decisions(file, reviewer, progress)
        index_in_step(workspace, progress)
        progress.end()
        answer(report, as_json, lambda: report_text(report))


def status(context: typer.Context, as_json: Json = False) -> None:
    """Say what the workspace holds and what to do next."""
    with open_workspace(context, own_index=False) as workspace:
        state = workspace.status()

    def text() -> str:
        counts = state.counts
        lines = [
            f"{state.name} ({state.folder})",
            f"  documents  {counts['documents']} ({counts['train']} train, {counts['held_out']} held out, "
            f"{counts['reserve']} reserved for measuring, {counts['test']} test)",
            f"  labels     {counts['labels']}",
            f"  judged     {counts['judged_pairs']} pairs by {state.teacher}"
            f"{'' if state.is_llm else ' (no LLM)'}",
            f"  reviewed   {counts['decisions']} decisions, {counts['completed']} documents completed",
            f"  model      {state.run_id or 'none yet'}",
        ]
        lines += [f"  warning: {w}" for w in [state.language_warning, *state.warnings] if w]
        lines.append(f"next: {state.next_step.action} ({state.next_step.why})")
        return "\n".join(lines)

    answer(state, as_json, text)


def embed(context: typer.Context, as_json: Json = False) -> None:
    """Encode documents and labels that have no vector yet."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        n = workspace.embed(progress)
        index_in_step(workspace, progress)
        progress.end()
        answer({"embedded": n}, as_json, f"{n} documents and labels have their vectors.")


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check the installation and the workspace; exit code 1 where something is wrong."""
    from lmtx.workspace.health import check

    try:
        workspace = open_workspace(context)
    except LmtxError:
        workspace = None
    try:
        checks = check(workspace)
    finally:
        if workspace is not None:
            workspace.close()
    good = all(x.good for x in checks)
    answer(
        {"good": good, "checks": checks},
        as_json,
        lambda: "\n".join(f"{'ok   ' if x.good else 'WRONG'} {x.name}: {x.found}" for x in checks),
    )
    if not good:
        raise typer.Exit(1)


def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Build the search index anew from the journal."""
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        n = workspace.rebuild_index(progress)
        progress.end()
        answer({"indexed": n}, as_json, f"{n} documents and labels are in the index.")


def demo(context: typer.Context, as_json: Json = False) -> None:
    """Make the demo workspace: a library catalogue, judged, trained and measured."""
    from lmtx.cli.serve import make_demo
    from lmtx.config import home

    with ConsoleProgress(context) as progress:
        value = make_demo(context.obj.workspace or home() / "demo", progress)
        progress.end()
    answer(value, as_json, f"The demo is in {value['folder']}. See it with `lmtx app`.")


def _show_preview(preview: Any, as_json: bool) -> None:
    def text() -> str:
        guessed = {k: v for k, v in preview.guessed.model_dump().items() if v}
        rows = [{k: str(v) for k, v in row.items()} for row in preview.rows[:5]]
        lines = [
            f"{preview.format}, {preview.encoding}, {preview.n_rows or 'unknown number of'} rows",
            f"columns: {guessed}",
            table(rows, preview.columns),
        ]
        return "\n".join([*lines, *(f"{x.severity}: {x}" for x in preview.issues[:10])])

    answer(preview, as_json, text)
