"""Verbs that train, measure, predict and export."""

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
    answer,
    fields,
    index_in_step,
    jsonable,
    open_workspace,
    table,
)
from lmtx.errors import InputError

if TYPE_CHECKING:
    from lmtx.ingest import Source
    from lmtx.types import Document, Progress
    from lmtx.workspace import Tag, Workspace
    from lmtx.workspace.models import ReviewedPrecision

System = Annotated[
    str, typer.Option(help="'tagger' (the promoted run), 'student', 'zero-shot', or the id of a run.")
]

_BATCH = 256


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (train, evaluate, predict, precision, runs, promote, export):
        app.command()(verb)


def train(
    context: typer.Context,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Training setting, e.g. epochs=5.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train student and tagger on judgments and decisions."""
    config: dict[str, Any] = {}
    for item in option or []:
        name, equals, value = item.partition("=")
        if not equals:
            raise InputError(f"--set {item!r}: expected NAME=VALUE, e.g. --set epochs=5.")
        try:
            config[name] = json.loads(value)
        except ValueError:
            config[name] = value
    with open_workspace(context) as workspace, ConsoleProgress(context) as progress:
        run = workspace.train(progress, **config)
        index_in_step(workspace, progress)
        progress.end()
        answer(run, as_json, lambda: _run_text(run))


def evaluate(
    context: typer.Context,
    split: Annotated[Literal["test"], typer.Option(help="Documents with gold labels.")] = "test",
    system: System = "tagger",
    limit_docs: Annotated[int | None, typer.Option(min=1, help="Only the first so many documents.")] = None,
    as_json: Json = False,
) -> None:
    """Measure predictions against gold labels: fractions in [0, 1]."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        figures = workspace.evaluate(split, system, limit_docs, progress)
        progress.end()
        answer(figures, as_json, lambda: table([figures], list(figures)))


def predict(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="File of documents, or - for stdin (JSONL, or a text a line).")],
    top_k: Annotated[int, typer.Option(min=1, help="Labels for each document.")] = 5,
    system: System = "tagger",
    format: Annotated[Literal["jsonl", "csv"], typer.Option(help="Form of the answer.")] = "jsonl",
    as_json: Json = False,
) -> None:
    """Tag documents: a line each on stdout."""
    with open_workspace(context, own_index=False) as workspace:
        answers = _predictions(workspace, _source(file), top_k, system)
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


def _source(file: str) -> Source:
    from lmtx.ingest import UploadedBytes

    if file != "-":
        return Path(file)
    data = sys.stdin.buffer.read()
    json_lines = data.lstrip()[:1] == b"{"
    return UploadedBytes("stdin.jsonl" if json_lines else "stdin.txt", data)


def _predictions(workspace: Workspace, source: Source, top_k: int, system: str) -> Iterator[dict[str, Any]]:
    from lmtx.ingest import read_documents
    from lmtx.ingest.records import stop_on_error

    batch: list[Document] = []
    for document in read_documents(source, None, on_issue=stop_on_error):
        batch.append(document)
        if len(batch) == _BATCH:
            yield from _tagged(workspace, batch, top_k, system)
            batch = []
    if batch:
        yield from _tagged(workspace, batch, top_k, system)


def _tagged(
    workspace: Workspace, documents: list[Document], top_k: int, system: str
) -> Iterator[dict[str, Any]]:
    tags: list[Tag]
    for document, tags in zip(
        documents, workspace.predict(documents, top_k, system, words=False), strict=True
    ):
        labels = [
            {"id": t.label_id, "name": t.name, "score": round(t.score, 5), "probability": t.probability}
            for t in tags
        ]
        yield jsonable({"id": document.id, "labels": labels})


def precision(
    context: typer.Context,
    system: System = "tagger",
    cut: Annotated[int, typer.Option(min=1, help="Tags given to each document.")] = 5,
    as_json: Json = False,
) -> None:
    """How often tags are right, by audited documents, and by gold labels of the test split if it has any."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        reviewed = workspace.reviewed_precision() if system == "tagger" else None
        value: dict[str, Any] = {"reviewed": jsonable(reviewed)}
        if reviewed is None or workspace.status().has_gold:
            value |= _gold_precision(workspace, system, cut, progress)
        progress.end()
        columns = ["label_id", "name", "precision", "recall", "f1", "support", "n_predicted"]
        answer(value, as_json, lambda: _precision_text(reviewed) + table(value.get("labels", []), columns))


def _gold_precision(workspace: Workspace, system: str, cut: int, progress: Progress) -> dict[str, Any]:
    frame = workspace.label_quality(system, cut, progress)
    given = float(frame["n_predicted"].sum())
    hits = float((frame["precision"].fillna(0) * frame["n_predicted"]).sum())
    return {
        "truth": "gold, split test",
        "system": system,
        "cut": cut,
        "micro_precision": hits / given if given else None,
        "n_predicted": int(given),
        "labels": [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")],
    }


def _precision_text(found: ReviewedPrecision | None) -> str:
    if found is None or found.precision.value is None:
        return ""
    p, r = found.precision, found.recall
    recall = f", {100 * (r.value or 0):.1f} % of the wanted are found" if r.value is not None else ""
    return (
        f"By {found.n_documents} audited documents: {100 * (p.value or 0):.1f} % of the tags are right "
        f"[{100 * p.low:.1f}, {100 * p.high:.1f}]{recall} [{100 * r.low:.1f}, {100 * r.high:.1f}].\n"
    )


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
    as_json: Json = False,
) -> None:
    """Write the corpus with its tags, the pairs, the decisions, or the model."""
    by_name = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".zip": "zip"}
    chosen = format or by_name.get(out.suffix.lower()) or ("folder" if what == "model" else None)
    if chosen is None:
        raise InputError(f"{out}: which format? Add --format csv, jsonl or parquet, or a known ending.")
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        path = workspace.export(what, chosen, out, progress, reviewer=reviewer)
        progress.end()
        answer({"what": what, "format": chosen, "out": str(path)}, as_json, f"Wrote {path}.")


def _run_text(run: Any) -> str:
    promoted = "promoted" if run.promoted else "not promoted"
    return "\n".join([f"{run.id} ({promoted}) {run.note}".rstrip(), fields(run.metrics)])
