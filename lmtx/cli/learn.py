"""Verbs that train, predict and export."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmtx.cli.common import (
    ConsoleProgress,
    Json,
    Set,
    System,
    answer,
    fields,
    index_in_step,
    jsonable,
    open_workspace,
    settings_of,
    table,
)
from lmtx.errors import InputError

if TYPE_CHECKING:
    from lmtx.ingest import Source
    from lmtx.types import Document
    from lmtx.workspace import Tag, Workspace
    from lmtx.workspace.thresholds import Threshold

Least = Annotated[
    float | None, typer.Option("--threshold", help="Only tags of at least this probability, e.g. 0.6.")
]
Promised = Annotated[
    bool,
    typer.Option("--promised", help="Only tags that keep the precision target, as the audit lets promise."),
]
ByGroup = Annotated[
    bool,
    typer.Option("--by-group", help="With --promised: by the promise of each label's group, none without."),
]

Student = Annotated[
    Literal["adapter", "finetune", "official", "maclr", "rts"],
    typer.Option(
        help="'adapter': a layer on the frozen encoder, seconds. 'finetune': the whole encoder, minutes. "
        "'official': that by the published procedure. 'maclr', 'rts': from texts and label names alone."
    ),
]

_BATCH = 256


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (train, predict, runs, promote, export):
        app.command()(verb)


def train(
    context: typer.Context, student: Student = "adapter", option: Set = None, as_json: Json = False
) -> None:
    """Train student and tagger on judgments and decisions; started again, a long training goes on."""
    config = settings_of(option)
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        run = workspace.train(progress, student, **config)
        index_in_step(workspace, progress)
        progress.end()
        answer(run, as_json, lambda: _run_text(run))


def predict(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="File of documents, or - for stdin (JSONL, or a text a line).")],
    top_k: Annotated[int, typer.Option(min=1, help="Labels for each document.")] = 5,
    system: System = "tagger",
    format: Annotated[Literal["jsonl", "csv"], typer.Option(help="Form of the answer.")] = "jsonl",
    threshold: Least = None,
    promised: Promised = False,
    by_group: ByGroup = False,
    as_json: Json = False,
) -> None:
    """Tag documents: a line each on stdout."""
    least = _least(threshold, promised, by_group)
    with open_workspace(context, own_index=False) as workspace:
        answers = _predictions(workspace, _source(file), top_k, system, least)
        if as_json:
            answer({"predictions": list(answers)}, True, "")
        elif format == "jsonl":
            for record in answers:
                print(json.dumps(record, ensure_ascii=False))
        else:
            from lmtx.export import safe_cell

            writer = csv.writer(sys.stdout)
            writer.writerow(["id", "label_id", "name", "score", "probability"])
            for record in answers:
                for tag in record["labels"]:
                    writer.writerow([
                        safe_cell(record["id"]),
                        safe_cell(tag["id"]),
                        safe_cell(tag["name"]),
                        tag["score"],
                        tag["probability"],
                    ])  # fmt: skip


def _least(threshold: float | None, promised: bool, by_group: bool) -> Threshold | None:
    if promised and threshold is not None:
        raise InputError("--threshold and --promised: give one of the two.")
    if by_group and not promised:
        raise InputError("--by-group says which promise is used: add --promised.")
    return threshold if not promised else "promised by group" if by_group else "promised"


def _source(file: str) -> Source:
    from lmtx.ingest import UploadedBytes

    if file != "-":
        return Path(file)
    data = sys.stdin.buffer.read()
    json_lines = data.lstrip()[:1] == b"{"
    return UploadedBytes("stdin.jsonl" if json_lines else "stdin.txt", data)


def _predictions(
    workspace: Workspace, source: Source, top_k: int, system: str, least: Threshold | None
) -> Iterator[dict[str, Any]]:
    from lmtx.ingest import read_documents
    from lmtx.ingest.records import stop_on_error

    batch: list[Document] = []
    for document in read_documents(source, None, on_issue=stop_on_error):
        batch.append(document)
        if len(batch) == _BATCH:
            yield from _tagged(workspace, batch, top_k, system, least)
            batch = []
    if batch:
        yield from _tagged(workspace, batch, top_k, system, least)


def _tagged(
    workspace: Workspace, documents: list[Document], top_k: int, system: str, least: Threshold | None
) -> Iterator[dict[str, Any]]:
    tags: list[Tag]
    found = workspace.predict(documents, top_k, system, words=False, threshold=least)
    for document, tags in zip(documents, found, strict=True):
        labels = [
            {"id": t.label_id, "name": t.name, "score": round(t.score, 5), "probability": t.probability}
            for t in tags
        ]
        yield jsonable({"id": document.id, "labels": labels})


def runs(context: typer.Context, as_json: Json = False) -> None:
    """List the trainings, newest first."""
    with open_workspace(context, own_index=False) as workspace:
        found = workspace.runs()
        rows = [
            {"run": r.id, "created": f"{r.created:%Y-%m-%d %H:%M}", "kind": r.kind, "promoted": r.promoted}
            for r in found
        ]
        answer({"runs": found}, as_json, lambda: table(rows, ["run", "created", "kind", "promoted"]))


def promote(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of the run, see `lmtx runs`.")],
    as_json: Json = False,
) -> None:
    """Let a run predict; an older one rolls back."""
    with open_workspace(context, own_index=False) as workspace:
        workspace.promote(run)
        answer({"promoted": run}, as_json, f"{run} predicts now.")


def export(
    context: typer.Context,
    what: Annotated[Literal["corpus", "pairs", "decisions", "model"], typer.Argument(help="What to write.")],
    out: Annotated[Path, typer.Argument(help="File to write; for the model a folder or a .zip.")],
    format: Annotated[
        Literal["csv", "jsonl", "parquet", "folder", "zip", "label-studio", "argilla", "prodigy"] | None,
        typer.Option(help="Default: by the name of OUT. The last three are for decisions."),
    ] = None,
    reviewer: Annotated[str | None, typer.Option(help="Only what this person decided.")] = None,
    threshold: Least = None,
    promised: Promised = False,
    by_group: ByGroup = False,
    as_json: Json = False,
) -> None:
    """Write the corpus with its tags, the pairs, the decisions, or the model."""
    least = _least(threshold, promised, by_group)
    by_name = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".zip": "zip"}
    chosen = format or by_name.get(out.suffix.lower()) or ("folder" if what == "model" else None)
    if chosen is None:
        raise InputError(f"{out}: which format? Add --format csv, jsonl or parquet, or a known ending.")
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        path = workspace.export(what, chosen, out, progress, reviewer=reviewer, threshold=least)
        progress.end()
        answer({"what": what, "format": chosen, "out": str(path)}, as_json, f"Wrote {path}.")


def _run_text(run: Any) -> str:
    promoted = "promoted" if run.promoted else "not promoted"
    return "\n".join([f"{run.id} ({promoted}) {run.note}".rstrip(), fields(run.metrics)])
