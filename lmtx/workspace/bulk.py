"""Deciding many pairs of a label at once, after a spot check."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from lmtx.errors import InputError, NotFoundError
from lmtx.review import Bulk
from lmtx.types import Decision, content_hash, now, unit_hash
from lmtx.workspace import reviewing
from lmtx.workspace.parts import Parts

POLICY, CHECK_POLICY = "bulk", "spot-check"
_SAID = ("accept", "reject")


def propose(
    parts: Parts, label_id: str, document_ids: Sequence[str], action: Literal["accept", "reject"]
) -> Bulk:
    """See `Workspace.bulk`."""
    if action not in _SAID:
        raise InputError(f"A batch is accepted or rejected as a whole, got {action!r}.")
    if label_id not in parts.labels_by_id():
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    wanted = sorted(set(document_ids))
    found, left_out = _as_it_stands(
        parts, content_hash("bulk", label_id, action, *wanted), label_id, wanted, action
    )
    if not found.document_ids:
        why = ", ".join(f"{n} {what}" for what, n in left_out.most_common()) or "none was named"
        raise InputError(
            f"None of these {len(wanted)} documents can be decided in bulk: {why}. Choose others."
        )
    return found


def apply(parts: Parts, batch: Bulk, reviewer: str) -> list[int]:
    """See `Workspace.apply_bulk`."""
    if not reviewer:
        raise InputError("Bulk: who decides? Set a reviewer name first.")
    # As it stands now: somebody may have decided some of it since it was proposed.
    found, _ = _as_it_stands(parts, batch.id, batch.label_id, batch.document_ids, batch.action)
    if found.refused:
        raise InputError(
            f"{found.misses} of the {len(found.answers)} documents looked at speak against this batch; it "
            f"survives {found.allowed}. Nothing was recorded: choose a narrower batch, or decide one by one."
        )
    left = [x for x in found.check if x not in found.answers]
    if left:
        raise InputError(
            f"{len(left)} of the {len(found.check)} documents of the spot check are still to be judged. "
            "Nothing was recorded: judge them first."
        )
    step = f"{found.id}-{uuid.uuid4().hex[:8]}"  # the same batch may be taken back and decided again
    at = now()
    return reviewing.decide(
        parts,
        [
            Decision(
                document_id=x,
                label_id=found.label_id,
                action=found.action,
                reviewer=reviewer,
                policy=POLICY,
                note=found.id,
                batch=step,
                at=at,
            )
            for x in found.document_ids
            if x not in found.answers
        ],
    )


def _as_it_stands(
    parts: Parts, id: str, label_id: str, document_ids: Sequence[str], action: Literal["accept", "reject"]
) -> tuple[Bulk, Counter[str]]:
    """Return what is left of a batch with its spot check and answers, and counts of what is left out."""
    left_out: Counter[str] = Counter()
    rows = parts.journal.document_rows(document_ids)
    standing = parts.journal.standing_decisions(rows)
    kept: list[str] = []
    answers: dict[str, bool] = {}
    for document_id in document_ids:
        row = rows.get(document_id)
        said = [d for d in standing.get(document_id, ()) if d.label_id == label_id and d.action in _SAID]
        if row is None:
            left_out["not in this workspace"] += 1
        elif row.role in ("reserve", "test"):
            left_out["kept for measuring"] += 1
        elif row.completed:
            left_out["completed"] += 1
        elif said and (said[-1].policy, said[-1].note) != (CHECK_POLICY, id):
            left_out["decided already"] += 1
        else:
            kept.append(document_id)
            if said:
                answers[document_id] = said[-1].action == "accept"
    k = n_checked(len(kept))
    drawn = sorted(kept, key=lambda x: unit_hash(id, x))
    # What was answered stays in, also where others decided so much meanwhile that fewer are drawn now.
    check = [x for i, x in enumerate(drawn) if i < k or x in answers]
    return (
        Bulk(
            id=id,
            label_id=label_id,
            action=action,
            document_ids=tuple(kept),
            check=tuple(check),
            answers=answers,
            allowed=k // 10,
        ),
        left_out,
    )


def n_checked(n: int) -> int:
    """How many of n documents are judged one by one: all of up to 5, else 10, of more than 100 20."""
    if n <= 5:
        return n
    return min(n, 10 if n <= 100 else 20)
