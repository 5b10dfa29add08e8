"""Bringing decisions in that were exported elsewhere (or here, before)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_args

from lmtx.errors import InputError
from lmtx.export import plain_cell
from lmtx.ingest import Issue, Source, read_rows
from lmtx.types import Action, Decision, Progress
from lmtx.workspace.models import ImportReport
from lmtx.workspace.parts import Parts

_NEEDED = ("document_id", "action")
_ACTIONS = frozenset(get_args(Action))
_SHOWN = 100

Identity = tuple[str, str | None, str, str, int]


def import_decisions(parts: Parts, source: Source, reviewer: str | None, progress: Progress) -> ImportReport:
    """See `Workspace.import_decisions`.

    A decision is the same as another if document, label, action, reviewer and time are. What the file
    itself takes back is left out together with its retract; what it takes back that stands here is
    retracted here.
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
    for number, cells in read_rows(source, on_issue=on_issue):
        try:
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
)
