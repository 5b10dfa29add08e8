"""Bringing decisions in that were exported elsewhere (or here, before)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from lmtx.errors import InputError
from lmtx.export import choices, plain_cell
from lmtx.ingest import Issue, Source, read_rows
from lmtx.types import Action, Decision, Progress, Reason
from lmtx.workspace.models import ImportReport
from lmtx.workspace.parts import Parts

_NEEDED = ("document_id", "action")
_ACTIONS = frozenset(get_args(Action))
_REASONS = get_args(Reason)
_YES, _NO = ("true", "1", "yes"), ("", "false", "0", "no")
_SHOWN = 100

Identity = tuple[str, str | None, str, str, int]


def import_decisions(parts: Parts, source: Source, reviewer: str | None, progress: Progress) -> ImportReport:
    """See `Workspace.import_decisions`.

    A decision is the same as another if document, label, action, reviewer and time are. What the file
    itself takes back is left out together with its retract; what it takes back that stands here is
    retracted here. A JSON export of Label Studio is known by its "annotations".
    """
    began = time.monotonic()
    issues: list[Issue] = []
    n_issues = 0

    def on_issue(issue: Issue) -> None:
        nonlocal n_issues
        n_issues += 1
        if len(issues) < _SHOWN:
            issues.append(issue)

    given: dict[int, Decision] = {}
    retracts: list[tuple[int, Decision]] = []
    named = _label_names(parts)
    for number, cells in read_rows(source, on_issue=on_issue):
        try:
            if "annotations" in cells and "data" in cells:
                for chosen in _label_studio(cells, reviewer, named):
                    given[-1 - len(given)] = chosen
                continue
            decision, seq = _decision(cells, number, reviewer)
        except ValueError as error:
            on_issue(Issue(file=source.name, row=number, message=str(error)))
            continue
        if decision.action == "retract":
            retracts.append((number, decision))
        else:
            given[seq] = decision
        if number % 500 == 0:
            progress(number, 0, f"Reading {source.name}")
    if n_issues:
        listed = "\n".join(f"- {issue}" for issue in issues[:5])
        raise InputError(f"{source.name}: {n_issues} rows are not usable; nothing was imported.\n{listed}")
    if not given and not retracts:
        raise InputError(f"{source.name}: no decision in it. Export decisions to see the form.")
    taken_back = _taken_back(given, retracts)
    here: dict[Identity, list[Decision]] = {}
    standing = {d.seq for d in parts.journal.decisions(standing=True, limit=None)}
    for known in parts.journal.decisions(limit=None):
        here.setdefault(_identity(known), []).append(known)
    new = [d for seq, d in given.items() if seq not in taken_back and _identity(d) not in here]
    back: list[Decision] = []
    for seq, retract in taken_back.items():
        for known in here.get(_identity(given[seq]), []):
            if known.seq in standing:
                back.append(Decision(known.document_id, known.label_id, "retract", retract.reviewer,
                                     note="import", retracts=known.seq, at=retract.at))  # fmt: skip
    parts.journal.append_decisions([*new, *back])
    progress(len(given), len(given), "Imported")
    parts.sync_soon()
    return ImportReport(
        kind="decisions",
        added=len(new),
        updated=0,
        unchanged=len(given) - len(new) - len(taken_back),
        deleted=len(back),
        skipped=len(taken_back),
        n_issues=0,
        issues=[],
        warnings=[],
        seconds=time.monotonic() - began,
    )


def _label_names(parts: Parts) -> dict[str, str]:
    """Label id of an id, of a label as exports write it, and of a name that only one label has."""
    labels = parts.corpus().labels
    found = {shown: id_ for id_, shown in choices(labels).items()}
    found.update((label.id, label.id) for label in labels)
    return found


def _label_studio(
    cells: Mapping[str, str], reviewer: str | None, named: Mapping[str, str]
) -> Iterator[Decision]:
    """Decisions of one task; `ValueError` says what is wrong.

    What is chosen is accepted. What is not chosen is left open, as the file does not tell whether it was
    looked at; only files that were exported here name the rejected and say what is complete.

    References
    ----------
    https://labelstud.io/guide/task_format
    """
    try:
        data, annotations = json.loads(cells["data"] or "{}"), json.loads(cells["annotations"] or "[]")
    except ValueError as error:
        raise ValueError("'data' or 'annotations' is no JSON. Use the format JSON, not JSON-MIN.") from error
    if not isinstance(data, dict) or not isinstance(annotations, list):
        raise ValueError("'data' is no object or 'annotations' no list. Use Label Studio's format JSON.")
    document_id = str(data.get("id") or data.get("document_id") or "")
    if not document_id:
        raise ValueError("The task's data has no 'id', so its document is not known. Add it to the tasks.")
    for annotation in annotations:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        who = reviewer or _annotator(annotation)
        at = _moment(annotation.get("updated_at") or annotation.get("created_at"))
        chosen = [
            label
            for region in annotation.get("result") or []
            for label in (region.get("value") or {}).get("choices") or []
        ]
        said: list[tuple[Action, Any]] = [("accept", x) for x in chosen]
        said += [("reject", x) for x in annotation.get("rejected") or []]
        for action, name in said:
            label_id = named.get(str(name))
            if label_id is None:
                raise ValueError(f"No label has the id or name {str(name)!r}. Import the label set first.")
            yield Decision(document_id, label_id, action, who, policy="label-studio", at=at)
        if annotation.get("completed_at"):
            at = _moment(annotation["completed_at"])
            yield Decision(document_id, None, "complete", who, policy="label-studio", at=at)


def _annotator(annotation: Mapping[str, Any]) -> str:
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    who = annotation.get("reviewer") or (f"label-studio {by}" if isinstance(by, int) else by)
    if not who:
        raise ValueError("An annotation names no annotator. Name a reviewer for the whole file.")
    return str(who)


def _moment(value: object) -> datetime:
    if not value:
        return datetime.now(UTC)
    at = datetime.fromisoformat(str(value))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _taken_back(given: Mapping[int, Decision], retracts: list[tuple[int, Decision]]) -> dict[int, Decision]:
    """Numbers of the decisions that the file takes back in the end."""
    back: dict[int, Decision] = {}
    by_seq = {d.seq: d for _, d in retracts}
    fallen: set[int] = set()
    for seq in sorted(by_seq, reverse=True):  # a retract can only be retracted by a later one
        if seq in fallen:
            continue
        target = by_seq[seq].retracts or 0
        if target in by_seq:
            fallen.add(target)
        elif target in given:
            back[target] = by_seq[seq]
    return back


def _identity(decision: Decision) -> Identity:
    at = round(decision.at.timestamp() * 1000)
    return decision.document_id, decision.label_id, decision.action, decision.reviewer, at


def _decision(cells: Mapping[str, str], number: int, reviewer: str | None) -> tuple[Decision, int]:
    """Decision of a row and its number in the file; `ValueError` says what is wrong."""
    row = {name: plain_cell(cells.get(name) or "") for name in _COLUMNS}
    for name in _NEEDED:
        if not row[name]:
            raise ValueError(
                f"Column {name!r} is missing or empty. Use the columns of an export of decisions."
            )
    action = row["action"]
    if action not in _ACTIONS:
        raise ValueError(f"Action {action!r} is unknown. Known: {', '.join(sorted(_ACTIONS))}.")
    who = reviewer or row["reviewer"]
    if not who:
        raise ValueError("No reviewer. Fill the column 'reviewer', or name one for the whole file.")
    if action in ("accept", "reject") and not row["label_id"]:
        raise ValueError(f"{action!r} names no label. Fill the column 'label_id'.")
    if action == "retract" and not row["retracts"]:
        raise ValueError("A retract names the number of the decision that it takes back, in 'retracts'.")
    try:
        at = datetime.fromisoformat(row["at"]) if row["at"] else datetime.now(UTC)
        probability = float(row["inclusion_probability"]) if row["inclusion_probability"] else None
        retracts = int(float(row["retracts"])) if row["retracts"] else None
        seq = int(float(row["seq"])) if row["seq"] else -number
    except ValueError as error:
        raise ValueError(f"{error}. Times are ISO 8601, numbers plain.") from error
    if probability is not None and not (math.isfinite(probability) and 0 < probability <= 1):
        raise ValueError(f"inclusion_probability {probability} is not above 0 and at most 1.")
    reason, blind = row["reason"], row["blind"].lower()
    if reason and (reason not in _REASONS or action != "reject"):
        raise ValueError(
            f"Reason {reason!r} with {action!r}. Only a reject has one, of {', '.join(_REASONS)}."
        )
    if blind not in (*_YES, *_NO):
        raise ValueError(f"blind is {row['blind']!r}. Write true or false, or leave it empty.")
    decision = Decision(
        document_id=row["document_id"],
        label_id=row["label_id"] or None,
        action=action,  # type: ignore[arg-type]
        reviewer=who,
        policy=row["policy"],
        inclusion_probability=probability,
        note=row["note"],
        batch=row["batch"],
        retracts=retracts if action == "retract" else None,
        at=at if at.tzinfo else at.replace(tzinfo=UTC),
        seq=seq,
        reason=reason,
        blind=blind in _YES,
    )
    return decision, seq


_COLUMNS = (
    "seq",
    "document_id",
    "label_id",
    "action",
    "reviewer",
    "at",
    "policy",
    "inclusion_probability",
    "note",
    "batch",
    "retracts",
    "reason",
    "blind",
)
