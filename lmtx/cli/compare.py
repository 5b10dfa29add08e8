"""The verb that compares systems on the same documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, table

if TYPE_CHECKING:
    from lmtx.quality.versus import Figure
    from lmtx.workspace.compared import SystemComparison

_DEFAULT = ("tagger", "zero-shot")
_DIFFERENCES = ("P@1", "R@10", "PSP@5")


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (compare, systems):
        app.command()(verb)


def compare(
    context: typer.Context,
    systems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SYSTEM...",
            help="tagger, student, zero-shot, dense, bm25_document, bm25_query, tfidf, the id of a run, or "
            "RUN/student; default: tagger and zero-shot. `lmtx systems` lists them.",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="SYSTEM", help="What differences are taken to; default: the first.")
    ] = None,
    limit_docs: Annotated[int | None, typer.Option(min=1, help="Only the first so many documents.")] = None,
    as_json: Json = False,
) -> None:
    """Compare systems on the test documents that have gold labels: fractions in [0, 1].

    Differences come with intervals of 95 % by the paired bootstrap over documents.
    """
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        found = workspace.compare(systems or _DEFAULT, against, limit_docs, progress)
        progress.end()
        answer(found, as_json, lambda: _text(found))


def systems(context: typer.Context, as_json: Json = False) -> None:
    """List the systems that can be compared."""
    with open_workspace(context, own_index=False) as workspace:
        rows = [{"system": x.id, "name": x.name, "kind": x.kind} for x in workspace.systems()]
        answer({"systems": rows}, as_json, lambda: table(rows, ["system", "name", "kind"]))


def _text(found: SystemComparison) -> str:
    of = next(x.name for x in found.systems if x.id == found.reference)
    head = (
        f"{found.n_docs} documents, {found.n_labels} labels, held against {found.truth}. Tail: "
        f"{found.n_tail} labels with at most {found.tail_most} gold documents each. Differences are to: {of}."
    )
    measures = list(found.systems[0].figures)
    figures = [{"system": x.id, **{name: x.figures[name].value for name in measures}} for x in found.systems]
    differences = [
        {"system": x.id, **{name: _difference(x.figures[name]) for name in _DIFFERENCES}}
        for x in found.systems
        if x.id != found.reference
    ]
    costs: list[dict[str, Any]] = [
        {
            "system": x.id,
            "training CPU s": x.train_cpu_s,
            "teacher pairs": x.teacher_pairs,
            "teacher tokens": x.teacher_tokens,
            "documents/s": None if x.docs_per_s is None else f"{x.docs_per_s:.3g}",
            "MB": None if x.model_bytes is None else f"{x.model_bytes / 1e6:.1f}",
        }
        for x in found.systems
    ]
    parts = [head, table(figures, list(figures[0]))]
    if differences:
        parts.append(table(differences, list(differences[0])))
    parts.append(table(costs, list(costs[0])))
    return "\n\n".join(parts)


def _difference(figure: Figure) -> str:
    value, low, high = figure.difference, figure.difference_low, figure.difference_high
    if value is None:
        return "-"
    return f"{value:+.3f}" if low is None or high is None else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
