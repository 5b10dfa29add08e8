"""Documents and labels as items of a Chroma collection.

A document is one item: its text, its vector, and as metadata the label ids of its pairs by
state (arrays, to be searched with `$contains`) and all its pairs as JSON. Chroma merges
metadata on update, refuses empty arrays, and deletes a key that is set to None: so what a
document no longer has is written as None.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, get_args

from lmtx.types import Document, Label, PairState, Role, State

STATES: Final[tuple[State, ...]] = get_args(State)
Metadata = dict[str, Any]


def document_metadata(
    document: Document, role: Role, completed: bool, pairs: Sequence[PairState]
) -> Metadata:
    """Metadata of a document's item; None stands for a key that must not be there."""
    by_state: dict[str, list[str] | None] = {state: None for state in STATES}
    for pair in pairs:
        by_state[pair.state] = [*(by_state[pair.state] or ()), pair.label_id]
    return {
        "title": document.title,
        "role": role,
        "split": document.split,
        "language": document.language,
        "hash": document.hash,
        "completed": completed,
        **by_state,
        "pairs": json.dumps([_pair(pair) for pair in pairs], ensure_ascii=False) if pairs else None,
    }


def label_metadata(label: Label) -> Metadata:
    """Metadata of a label's item; None stands for a key that must not be there."""
    return {
        "name": label.name,
        "description": label.description,
        "hash": label.hash,
        "aliases": list(label.aliases) or None,
        "parents": list(label.parents) or None,
    }


def same_metadata(wanted: Metadata, stored: Metadata) -> bool:
    """Tell whether an item has the metadata that is wanted."""
    return {key: value for key, value in wanted.items() if value is not None} == stored


def read_metadata(stored: Metadata) -> Metadata:
    """Metadata as callers read it: every state has its list, and the pairs are parsed."""
    return {
        **stored,
        **{state: list(stored.get(state) or ()) for state in STATES},
        "pairs": json.loads(stored.get("pairs") or "[]"),
    }


def _pair(pair: PairState) -> dict[str, Any]:
    return {
        "label": pair.label_id,
        "state": pair.state,
        "verdict": pair.verdict,
        "probability": pair.probability,
        "teacher": pair.teacher_key,
        "decision": pair.decision,
        "reviewer": pair.reviewer,
    }
