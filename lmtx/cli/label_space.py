"""The verbs that show what stands out in a label set, and what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lmtx.cli.common import ConsoleProgress, Json, answer, open_workspace, table

if TYPE_CHECKING:
    import pandas as pd

_LISTED = 10


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    app.command("label-space")(label_space)
    app.command()(gaps)


def label_space(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="Rows of each list.")] = _LISTED,
    tag: Annotated[bool, typer.Option(help="Tag the documents that are not tagged yet first.")] = True,
    as_json: Json = False,
) -> None:
    """Show what stands out among the labels: near-duplicates, those never given, those that take too much.

    Counts are of documents of the corpus that the run in use gives a label.
    """
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        if tag and not workspace.read_only:
            workspace.tag_corpus(progress)
        progress.end()
        space = workspace.label_space()
        unused, greedy = workspace.unused_labels(), workspace.greedy_labels()
        found: dict[str, Any] = {
            "system": space.system,
            "counted": space.how,
            "threshold": space.threshold,
            "documents": space.n_documents,
            "documents_missing": space.n_missing,
            "labels": len(space.labels),
            "tags": space.n_given,
            "skewness": space.skew,
            "n_unused": len(unused),
            "n_greedy": int(greedy["hub"].sum()),
            "similar": _rows(workspace.similar_labels(), limit),
            "greedy": _rows(greedy[greedy["hub"]], limit),
            "unused": _rows(unused, limit),
            "together": _rows(workspace.pairs_together(), limit),
        }
        answer(found, as_json, lambda: _text(found))


def gaps(
    context: typer.Context,
    below: Annotated[
        float | None,
        typer.Option(help="Probability of the best label below which none fits; default: one half."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Groups that are shown.")] = _LISTED,
    tag: Annotated[bool, typer.Option(help="Tag the documents that are not tagged yet first.")] = True,
    as_json: Json = False,
) -> None:
    """Show documents that no label fits, in groups with the words they have in common."""
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        if tag and not workspace.read_only:
            workspace.tag_corpus(progress)
        progress.end()
        gaps = workspace.gaps(below)
        if gaps is None:
            answer({"documents": 0, "groups": []}, as_json, lambda: "The corpus is not tagged yet.")
            return
        found: dict[str, Any] = {
            "system": gaps.system,
            "calibrated": gaps.calibrated,
            "below": gaps.below,
            "documents": len(gaps),
            "of": gaps.n_documents,
            "by_role": gaps.n_by_role,
            "groups": [
                {
                    "documents": len(group),
                    "about": ", ".join(group.terms),
                    "label that may be meant": group.meant,
                    "closeness": group.closeness,
                    "document_ids": group.document_ids,
                }
                for group in gaps.groups[:limit]
            ],
        }
        answer(found, as_json, lambda: _gaps_text(found))


def _rows(frame: pd.DataFrame, limit: int) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.head(limit).to_dict("records")]


def _text(found: dict[str, Any]) -> str:
    lists = (
        ("Labels that may be one", "similar", ["a", "b", "likeness", "n_both", "reason"]),
        ("Labels that take too much", "greedy", ["name", "given", "relative", "reason"]),
        ("Labels that nothing is given", "unused", ["name", "within", "reason"]),
        ("Labels that come together", "together", ["a", "b", "n_both", "lift", "low", "high"]),
    )
    head = (
        f"{found['tags']} tags of {found['documents']} documents by {found['system'] or 'what was said'}; "
        f"{found['n_unused']} of {found['labels']} labels are given to nothing, {found['n_greedy']} take too "
        f"much."
    )
    parts = [head]
    for title, key, columns in lists:
        if found[key]:
            parts.append(f"{title}\n{table(found[key], columns)}")
    return "\n\n".join(parts)


def _gaps_text(found: dict[str, Any]) -> str:
    what = "probability" if found["calibrated"] else "score"
    head = (
        f"{found['documents']} of {found['of']} documents have no label of a {what} of {found['below']:.2f} "
        "or more."
    )
    if not found["groups"]:
        return head
    return (
        f"{head}\n\n{table(found['groups'], ['documents', 'about', 'label that may be meant', 'closeness'])}"
    )
