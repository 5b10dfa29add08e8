"""Decisions in the forms of other annotation tools: Label Studio, Argilla, Prodigy.

A record is one document with what each reviewer decided on it and what machines propose for it. Label sets
can be large, so a record names only the labels of its document. Labels are written by name, as these tools
show and train on it; see `choices`.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from lmtx.errors import InputError
from lmtx.export.tables import whole_file
from lmtx.types import Document, Label

ANNOTATION_FORMATS: Final = ("label-studio", "argilla", "prodigy")
QUESTION: Final = "labels"
"""Name of the control (Label Studio) or question (Argilla) that asks for the labels."""

_REVIEWERS: Final = uuid.UUID("7d1c6c7e-0c5e-4d0e-9f6b-4f1f4a3f2b10")
_EVERY: Final = 1000

Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What one reviewer decided on a document and did not take back.

    `completed_at` is when the reviewer settled the document as a whole, None where that did not happen.
    """

    reviewer: str
    at: datetime
    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """What one machine proposes for a document: label ids, the best first, each with its probability."""

    by: str
    labels: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Annotated:
    """One document with what people decided and machines propose."""

    document: Document
    role: str
    said: Sequence[Said]
    proposed: Sequence[Proposed] = field(default=())

    def label_ids(self) -> list[str]:
        """All labels that anybody names for it, each once."""
        named = [x for one in self.said for x in (*one.accepted, *one.rejected)]
        return list(dict.fromkeys([*named, *(x for one in self.proposed for x, _ in one.labels)]))


def choices(labels: Iterable[Label]) -> dict[str, str]:
    """How each label is written: its name, with the id behind it where several have that name."""
    known = list(labels)
    n = Counter(label.name for label in known)
    return {x.id: x.name if x.name and n[x.name] == 1 else f"{x.name} [{x.id}]".strip() for x in known}


def label_studio(item: Annotated, shown: Mapping[str, str]) -> Iterator[Record]:
    """One task with an annotation for each reviewer and a prediction for each machine.

    To be imported into a project with this labelling interface, which offers each document its own labels:

        <View>
          <Header value="$title"/><Text name="text" value="$text"/>
          <Choices name="labels" toName="text" choice="multiple" value="$labels"/>
        </View>

    Label Studio refuses a `completed_by` that is not a member's address or number, so the reviewer stands in
    `reviewer`, with the time of completion and the rejected labels beside it; its import passes over these.
    A prediction's score is the mean over its labels; that of each label is in `data.labels`.

    References
    ----------
    https://labelstud.io/guide/task_format, https://labelstud.io/guide/predictions,
    https://labelstud.io/tags/choices (dynamic choices)
    """
    by = {one.by: dict(one.labels) for one in item.proposed}
    yield {
        "data": {
            "id": item.document.id,
            "title": item.document.title,
            "text": item.document.text,
            "role": item.role,
            "labels": [
                {
                    "value": shown.get(x, x),
                    "label_id": x,
                    **{name: found[x] for name, found in by.items() if found.get(x) is not None},
                }
                for x in item.label_ids()
            ],
        },
        "annotations": [
            {
                "result": _choices(item, one.reviewer, one.accepted, shown),
                "reviewer": one.reviewer,
                "rejected": [shown.get(x, x) for x in one.rejected],
                "completed_at": None if one.completed_at is None else one.completed_at.isoformat(),
                "created_at": one.at.isoformat(),
                "updated_at": one.at.isoformat(),
                "was_cancelled": False,
                "ground_truth": False,
            }
            for one in item.said
        ],
        "predictions": [
            {
                "model_version": one.by,
                "score": _mean([p for _, p in one.labels]),
                "result": _choices(item, one.by, [x for x, _ in one.labels], shown),
            }
            for one in item.proposed
            if one.labels
        ],
    }


def argilla(item: Annotated, shown: Mapping[str, str]) -> Iterator[Record]:
    """One record as `rg.Record.from_dict` and `Dataset.records.from_json` read it.

    For a dataset with the text fields "title" and "text" and the multi-label question "labels". There is one
    suggestion a question, so it is the last machine's (the tagger's where there is one). Argilla knows users
    by number, so a reviewer is one made of the name, always the same: map it to a user of the server, or
    leave it to `from_json`. A response is submitted where its reviewer completed the document, else a draft.

    References
    ----------
    https://docs.argilla.io/latest/reference/argilla/records/records
    """
    last = next((one for one in reversed(item.proposed) if one.labels), None)
    suggestions: Record = {}
    if last is not None:
        scores = [p for _, p in last.labels]
        suggestions[QUESTION] = {
            "value": [shown.get(x, x) for x, _ in last.labels],
            "score": None if None in scores else scores,
            "agent": last.by,
        }
    yield {
        "id": item.document.id,
        "fields": {"title": item.document.title, "text": item.document.text},
        "metadata": {
            "role": item.role,
            "split": item.document.split,
            "reviewers": [one.reviewer for one in item.said],
            "completed_by": [one.reviewer for one in item.said if one.completed_at is not None],
            "rejected": sorted({shown.get(x, x) for one in item.said for x in one.rejected}),
        },
        "suggestions": suggestions,
        "responses": {
            QUESTION: [
                {
                    "value": [shown.get(x, x) for x in one.accepted],
                    "user_id": reviewer_uuid(one.reviewer),
                    "status": "draft" if one.completed_at is None else "submitted",
                }
                for one in item.said
                if one.accepted or one.completed_at is not None
            ]
        },
        "vectors": {},
    }


def reviewer_uuid(reviewer: str) -> str:
    """Return the number that stands for a reviewer in Argilla's form."""
    return str(uuid.uuid5(_REVIEWERS, reviewer))


def prodigy(item: Annotated, shown: Mapping[str, str]) -> Iterator[Record]:
    """Lines for `prodigy db-in`: of a completed document one a reviewer, else one for each decided pair.

    The first are of the view "choice" with several answers, the second of "classification"; `label` and the
    options' ids are the labels' names, which `prodigy train --textcat-multilabel` makes its categories of.

    References
    ----------
    https://prodi.gy/docs/api-interfaces
    """
    text, p = item.document.full_text, _probabilities(item)
    for one in item.said:
        rest: Record = {"_annotator_id": one.reviewer, "_session_id": one.reviewer}
        if one.completed_at is not None:
            yield {
                "text": text,
                "options": [
                    {
                        "id": shown.get(x, x),
                        "text": shown.get(x, x),
                        "meta": {"label_id": x, **({} if p[x] is None else {"score": p[x]})},
                    }
                    for x in dict.fromkeys([*one.accepted, *one.rejected, *p])
                ],
                "accept": [shown.get(x, x) for x in one.accepted],
                "answer": "accept",
                "config": {"choice_style": "multiple"},
                "meta": {"document_id": item.document.id},
                "_timestamp": int(one.completed_at.timestamp()),
                "_view_id": "choice",
                **rest,
            }
            continue
        for answer, ids in (("accept", one.accepted), ("reject", one.rejected)):
            for x in ids:
                score = {} if p[x] is None else {"score": p[x]}
                yield {
                    "text": text,
                    "label": shown.get(x, x),
                    "answer": answer,
                    "meta": {"document_id": item.document.id, "label_id": x, **score},
                    "_timestamp": int(one.at.timestamp()),
                    "_view_id": "classification",
                    **rest,
                }


def write_annotations(
    items: Iterator[Annotated],
    labels: Iterable[Label],
    format: str,
    out: Path,
    on_written: Callable[[int], None] = lambda n: None,
) -> Path:
    """Write documents with their decisions, whole or not at all, holding one at a time.

    Parameters
    ----------
    items : iterator of Annotated
    labels : iterable of Label
        The label set, for the names.
    format : {"label-studio", "argilla", "prodigy"}
        The first two are one JSON array, the third JSON lines.
    out : Path
        Replaced if it exists.
    on_written : callable
        Called with the documents written so far, every thousand; may raise.

    Raises
    ------
    InputError
        If the format is unknown or the folder does not exist.
    StorageError
        If the file can't be written.
    """
    forms = {"label-studio": label_studio, "argilla": argilla, "prodigy": prodigy}
    if format not in forms:
        raise InputError(
            f"Format {format!r} is unknown for annotations. Known: {', '.join(ANNOTATION_FORMATS)}."
        )
    begin, between, end = ("", "\n", "\n") if format == "prodigy" else ("[\n", ",\n", "\n]\n")
    shown, first, done = choices(labels), True, 0
    with whole_file(out) as part, part.open("w", encoding="utf-8", errors="replace") as file:
        file.write(begin)
        for item in items:
            for record in forms[format](item, shown):
                file.write(("" if first else between) + json.dumps(record, ensure_ascii=False))
                first = False
            done += 1
            if done % _EVERY == 0:
                on_written(done)
        file.write("" if first and format == "prodigy" else end)
    on_written(done)
    return out


def _choices(item: Annotated, who: str, ids: Sequence[str], shown: Mapping[str, str]) -> list[Record]:
    return [
        {
            "id": uuid.uuid5(_REVIEWERS, f"{who}\n{item.document.id}").hex[:10],
            "from_name": QUESTION,
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [shown.get(x, x) for x in ids]},
        }
    ]


def _probabilities(item: Annotated) -> dict[str, float | None]:
    """Label -> the probability that the last machine which gives one has for it."""
    found: dict[str, float | None] = dict.fromkeys(item.label_ids())
    for one in item.proposed:
        found.update((x, p) for x, p in one.labels if p is not None)
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    known = [x for x in values if x is not None]
    return sum(known) / len(known) if known else None
