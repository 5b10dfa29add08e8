"""Verbs that measure: against gold labels, and by what the audit drew and people answered."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lmtx.cli.common import ConsoleProgress, Json, System, answer, jsonable, open_workspace, table
from lmtx.errors import NothingToDoError, StorageError
from lmtx.workspace.precision_models import TAGS, Cut

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.quality.estimates import Interval
    from lmtx.types import Progress
    from lmtx.workspace import Workspace
    from lmtx.workspace.precision_models import PrecisionReport

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add these verbs."""
    for verb in (evaluate, precision):
        app.command()(verb)


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


def precision(
    context: typer.Context,
    system: System = "tagger",
    cut: Annotated[int, typer.Option(min=1, help="Tags given to each document.")] = 5,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Only tags of at least this probability, below 1.")
    ] = 0.0,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table of labels to a file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """How often tags are right: by the audit of the reserve, and by gold labels of the test split if any.

    Two truths, never mixed: "reviewed" are estimates with intervals of 95 %, from what was drawn at random
    and people answered; "gold" are exact counts.
    """
    with open_workspace(context, own_index=False) as workspace, ConsoleProgress(context) as progress:
        has_gold = workspace.status().has_gold
        asked = cut <= TAGS or not has_gold  # the audit asks about no more
        report = workspace.precision_report(system, Cut(cut, threshold)) if asked else None
        gold = _gold(workspace, system, cut, threshold, progress) if has_gold else None
        progress.end()
        if report is None and gold is None:
            raise NothingToDoError(
                "Nothing can be measured: no run in use has tagged the reserve, and no document has gold "
                "labels. Train with `lmtx train` or `lmtx cycle`, then audit on the page Review."
            )
        funnel = workspace.error_funnel() if report is not None and system == "tagger" else None
        value: dict[str, Any] = {"reviewed": None if report is None else _reviewed(report)}
        missing = "" if report is not None else _missing(system, cut, asked=asked)
        if missing:
            value["reviewed_missing"] = missing
        if funnel is not None:
            value["funnel"] = jsonable(funnel)
        if gold is not None:
            value["gold"] = gold
        if csv is not None:
            frame = report.labels if report is not None else _frame(value["gold"]["labels"])
            _write(frame, csv)
        answer(value, as_json, lambda: _text(report, gold, missing))


def _reviewed(report: PrecisionReport) -> dict[str, Any]:
    """All of a report as plain values, the labels as a list."""
    value = {field.name: getattr(report, field.name) for field in fields(report) if field.name != "labels"}
    value |= {"truth": "reviewed", "n_labels": report.n_labels, "n_known": report.n_known()}
    found: dict[str, Any] = jsonable(value)
    found["labels"] = jsonable(report.labels.to_dict("records"))
    return found


def _gold(
    workspace: Workspace, system: str, cut: int, threshold: float, progress: Progress
) -> dict[str, Any]:
    frame = workspace.label_quality(system, threshold or cut, progress)
    given = float(frame["n_predicted"].sum())
    hits = float((frame["precision"].fillna(0) * frame["n_predicted"]).sum())
    some = frame.loc[frame["n_predicted"] > 0, "precision"]
    return {
        "truth": "gold, split test",
        "system": system,
        "cut": {"threshold": threshold} if threshold else {"k": cut},
        "micro_precision": hits / given if given else None,
        "macro_precision": float(some.mean()) if len(some) else None,
        "n_predicted": int(given),
        "labels": [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")],
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows)


def _write(frame: pd.DataFrame, path: Path) -> None:
    from lmtx.export import safe_cell

    frame = frame.copy()
    for column in frame.columns:
        if column == "trend":
            frame[column] = [" ".join(f"{x:.4f}" for x in values) for values in frame[column]]
        elif frame[column].dtype == object:
            frame[column] = [safe_cell(x) if isinstance(x, str) else x for x in frame[column]]
    try:
        frame.to_csv(path, index=False)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error}). Check the folder and its rights.") from error


def _missing(system: str, cut: int, *, asked: bool) -> str:
    """Say why there is no reviewed part."""
    if not asked:
        return (
            f"The audit asks about no more than {TAGS} tags a document, and --cut is {cut}. "
            f"Ask for --cut {TAGS} or fewer."
        )
    if system == "tagger":
        return "No run in use has tagged the reserve. Train with `lmtx train` or `lmtx cycle`."
    return f"System {system!r} has not tagged the reserve, or no run in use has."


def _text(report: PrecisionReport | None, gold: dict[str, Any] | None, missing: str) -> str:
    found = [f"Nothing reviewed. {missing}" if report is None else _report_text(report)]
    if gold is not None:
        micro, macro = gold["micro_precision"], gold["macro_precision"]
        figures = "nothing is given" if micro is None else f"{_percent(micro)} micro, {_percent(macro)} macro"
        of = f"{gold['system']}, {_cut_text(**gold['cut'])}"
        found.append(f"Gold labels of the split test, {of}: precision {figures}.")
        columns = ["label_id", "name", "precision", "recall", "f1", "support", "n_predicted"]
        found.append(table(gold["labels"][:_SHOWN], columns))
    return "\n\n".join(found)


def _report_text(report: PrecisionReport) -> str:
    cut = _cut_text(report.cut.k, report.cut.threshold)
    of = f"Reviewed, {report.system} ({report.run_id or 'nothing learned'}), {cut}"
    lines = [
        f"{of}. {report.n_pairs} audited tags count; {report.n_documents} documents are audited as a whole."
    ]
    if report.precision.value is None:
        lines.append("Not enough reviews for any figure. Audit pairs or documents on the page Review.")
    else:
        lines.append(
            f"{_share(report.precision)} of the tags are right; {report.n_known()} of {report.n_labels} "
            "labels are known to ±10 points."
        )
        lines.append(f"Mean over labels: {_share(report.macro)}. Wanted tags found: {_share(report.recall)}.")
    lines.append(_promise_text(report))
    rows = [
        {
            "label_id": row["label_id"],
            "name": row["name"],
            "precision": _percent(row["value"]) if row["n"] else "",
            "interval": f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if row["n"] else "",
            "right/audited": f"{row['right']}/{row['n']}",
            "corpus": row["population"],
            "needed for ±10": row["need_10"],
            "target": row["badge"],
        }
        for row in report.labels.head(_SHOWN).to_dict("records")
    ]
    return "\n".join(lines) + ("\n\n" + table(rows, list(rows[0])) if rows else "")


def _cut_text(k: int | None = None, threshold: float = 0.0) -> str:
    """Name a cut: by the number of tags, by probability, or by both."""
    tags = "all tags" if k is None else f"{k} {'tag' if k == 1 else 'tags'} a document"
    return f"{tags} of probability {threshold:g} or more" if threshold else tags


def _promise_text(report: PrecisionReport) -> str:
    promise, target = report.promise, f"{100 * report.target:g} %"
    if promise is None:
        return "No threshold can be promised: the system has no probabilities."
    if promise.threshold is not None:
        which = f"Tags of probability {promise.threshold:g} or more" if promise.threshold else "All tags"
        return (
            f"{which} are right {target} of the time or more, promised with 95 % confidence; that keeps "
            f"{_percent(promise.kept)} of the tags."
        )
    return promise.missing


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _share(found: Interval) -> str:
    if found.value is None:
        return "not enough reviews"
    return f"{_percent(found.value)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"
