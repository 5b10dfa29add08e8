"""Open pairs as a file that is judged elsewhere, and the verdicts as a file that comes back.

Both are JSON lines; the first is a header with the teacher, its key, its prompt and its examples, so that
another machine asks the same. A file of requests has a line a label, then a line a document; a file of
verdicts a line a pair. Texts count by their hashes, as in the journal. No file holds a key of a service.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from lmtx import __version__
from lmtx.errors import InputError, TeacherError
from lmtx.ingest.records import Source
from lmtx.teacher.base import Teacher, TeacherRequest
from lmtx.teacher.lines import (
    Hash,
    Issues,
    Line,
    Strict,
    line_of,
    parse,
    read_lines,
    storable,
    written_whole,
)
from lmtx.teacher.prompts import FewShot, Prompt
from lmtx.teacher.registry import parse_spec
from lmtx.teacher.spec import TeacherSpec
from lmtx.types import (
    Document,
    Judgment,
    Label,
    Progress,
    Verdict,
    content_hash,
    no_progress,
    now,
)

VERSION = 1
WHERE = frozenset(
    {"base_url", "device", "dtype", "mode", "concurrency", "timeout", "key_env", "price_in", "price_out"}
)
"""Parameters of a teacher that say where and how quickly it runs.

None but the address is part of a key; for that see `lmtx.teacher.elsewhere.teacher_of`.
"""

Kind = Literal["lmtx_requests", "lmtx_verdicts", "lmtx_map"]
FileKind = Literal[Kind, "batch-requests", "batch-output", ""]
_KINDS: dict[Kind, str] = {
    "lmtx_requests": "requests, as `lmtx export-requests` writes them",
    "lmtx_verdicts": "verdicts, as `lmtx judge` writes them",
    "lmtx_map": "a map, as `lmtx export-requests --format openai-batch` writes it beside the requests",
}
_SHOWN_KINDS: dict[FileKind, str] = {
    "lmtx_requests": _KINDS["lmtx_requests"],
    "lmtx_verdicts": _KINDS["lmtx_verdicts"],
    "lmtx_map": _KINDS["lmtx_map"],
    "batch-requests": "a file of requests for a batch service, which runs them itself",
    "batch-output": "the output of a batch service",
    "": "neither that nor anything else known here",
}
_AT_HOME = {
    "evidence": "It judges by this workspace's own vectors",
    "simulated": "It judges by this workspace's gold labels",
}
_LABEL_LINE = re.compile(rb'\s*\{\s*"label"\s*:')
_PROMPT_NAME = re.compile(r"[a-z0-9-]{1,61}\.v[0-9]{1,4}")
_FEW_SHOT_NAME = re.compile(r"[a-z0-9-]{1,61}")


# ---- lines --------------------------------------------------------------------------------------


class PromptText(Strict):
    """A prompt template, whole."""

    name: str = Field(pattern=f"^{_PROMPT_NAME.pattern}$")
    text: str


class FewShotText(Strict):
    """A frozen set of examples, whole."""

    name: str = Field(pattern=f"^{_FEW_SHOT_NAME.pattern}$")
    examples: list[dict[str, Any]]


class Header(Strict):
    """First line of a file.

    id : of the export
    teacher, key : specification and key
    journal : id of the journal that the pairs are from
    parts : what the key is made of, in words, to say what differs where keys do
    """

    id: Hash
    teacher: str = Field(max_length=5000)
    key: Hash
    journal: str = Field(max_length=100)
    created: AwareDatetime
    parts: dict[str, str] = Field(default_factory=dict)
    prompt: PromptText | None = None
    few_shot: FewShotText | None = None
    n_documents: int = 0
    n_labels: int = 0
    n_pairs: int = 0


class LabelLine(Strict):
    """A label of a file of requests."""

    label: Hash
    id: str
    name: str
    description: str
    aliases: tuple[str, ...]


class DocumentLine(Strict):
    """A document of a file of requests: its shortlist by label id, and which of it are asked about."""

    document: Hash
    id: str
    title: str
    text: str
    shortlist: tuple[str, ...]
    asked: tuple[str, ...]
    ranks: tuple[int, ...]


class VerdictLine(Strict):
    """What a teacher said of a pair: hashes of document and label, their ids, and the answer."""

    document: Hash
    label: Hash
    document_id: str
    label_id: str
    verdict: Verdict
    probability: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    tokens: int = Field(default=0, ge=0, le=1_000_000_000)
    tokens_out: int = Field(default=0, ge=0, le=1_000_000_000)
    cost: float = Field(default=0.0, ge=0, le=1_000_000, allow_inf_nan=False)
    raw: str = ""
    shown: Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Field(max_length=1000)] = ()
    rank: int = Field(default=-1, ge=-1, le=1_000_000)
    at: AwareDatetime

    @classmethod
    def of(cls, judgment: Judgment) -> VerdictLine:
        """Line of a judgment."""
        p = judgment.probability
        return cls(
            document=judgment.document_hash,
            label=judgment.label_hash,
            document_id=judgment.document_id,
            label_id=judgment.label_id,
            verdict=judgment.verdict,
            probability=None if p is None or not math.isfinite(p) else min(1.0, max(0.0, float(p))),
            tokens=int(judgment.tokens),
            tokens_out=int(judgment.tokens_out),
            cost=float(judgment.cost),
            raw=storable(judgment.raw),
            shown=judgment.shown,
            rank=judgment.rank,
            at=judgment.at,
        )

    def judgment(self, teacher_key: str) -> Judgment:
        """Judgment of a line; a time that is still to come becomes the present."""
        return Judgment(
            document_id=self.document_id,
            label_id=self.label_id,
            verdict=self.verdict,
            probability=self.probability,
            teacher_key=teacher_key,
            document_hash=self.document,
            label_hash=self.label,
            rank=self.rank,
            tokens=self.tokens,
            tokens_out=self.tokens_out,
            cost=self.cost,
            raw=storable(self.raw),
            shown=self.shown,
            at=min(self.at, now()),
        )


def kind_of(line: bytes) -> FileKind:
    """What a file is, by its first line; "" where it is nothing known."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        return ""
    for kind in _KINDS:
        if kind in record:
            return kind
    if "custom_id" in record:
        return "batch-requests" if "body" in record else "batch-output"
    return ""


def read_header(source: Source, kind: Kind, first: Line | None) -> Header:
    """Read the first line of a file; `InputError` where the file is another kind."""
    found = kind_of(first.data) if first else ""
    if first is None or found != kind:
        raise InputError(f"{source.name}: expected {_KINDS[kind]}; this is {_SHOWN_KINDS[found]}.")
    try:
        version = json.loads(first.data)[kind]
        if version != VERSION:
            raise ValueError(
                f"version {str(version)[:20]}, known is {VERSION}. Use the same release on both sides."
            )
        return parse(Header, first.data)
    except ValueError as error:
        raise InputError(f"{source.name} line 1: the header is not usable: {error}") from error


def header_line(kind: Kind, header: Header) -> bytes:
    """A header as a line."""
    return line_of({kind: VERSION, **header.model_dump(mode="json", exclude_none=True)})


# ---- requests -----------------------------------------------------------------------------------


def header_of(teacher: Teacher, journal_id: str, requests: Sequence[TeacherRequest]) -> Header:
    """Header for requests to a teacher.

    Raises
    ------
    TeacherError
        If the teacher can't run elsewhere.
    InputError
        If its model's files are named, but are not on this machine, so that they can't be in its key.
    """
    spec = parse_spec(teacher.spec)
    refuse_at_home(spec)
    if spec.kind != "openai" and _is_path(spec.model) and not Path(spec.model).expanduser().exists():
        raise InputError(
            f"teacher {spec}: no file or folder {spec.model!r} on this machine. Local files are part of the "
            "teacher's key by their content, so they are needed here too; or give the model's name on the "
            "hub, on both machines."
        )
    prompt, few_shot = getattr(teacher, "prompt", None), getattr(teacher, "few_shot", None)
    created = now()
    return Header(
        id=content_hash(journal_id, teacher.key, created.isoformat(), os.urandom(8).hex()),
        teacher=str(spec.with_values(key_env=None)),
        key=teacher.key,
        journal=journal_id,
        created=created,
        parts=key_parts(teacher),
        prompt=PromptText(name=prompt.name, text=prompt.text) if isinstance(prompt, Prompt) else None,
        few_shot=FewShotText(name=few_shot.name, examples=[asdict(x) for x in few_shot.examples])
        if isinstance(few_shot, FewShot)
        else None,
        n_documents=len(requests),
        n_labels=len({x.id for r in requests for x in r.shortlist}),
        n_pairs=sum(len(r.labels) for r in requests),
    )


def key_parts(teacher: Teacher) -> dict[str, str]:
    """What a key is made of, in words."""
    spec = parse_spec(teacher.spec)
    prompt, few_shot = getattr(teacher, "prompt", None), getattr(teacher, "few_shot", None)
    address = getattr(teacher, "address", None)
    if address is not None:
        model = f"{spec.model} at {address.identity}"
    else:
        from lmtx.teacher.local import model_identity

        model = model_identity(spec.model, spec.text("revision", ""))
    apart = {*WHERE, "prompt", "few_shot", "revision"}
    settings = ",".join(f"{n}={v}" for n, v in sorted(spec.values.items()) if n not in apart)
    return {
        "kind": spec.kind,
        "model": model,
        "prompt": content_hash(prompt.text)[:12] if isinstance(prompt, Prompt) else spec.text("prompt", ""),
        "few_shot": few_shot.hash[:12] if isinstance(few_shot, FewShot) else "",
        "settings": settings,
        "release": __version__,
    }


def refuse_at_home(spec: TeacherSpec) -> None:
    """Raise `TeacherError` for a teacher that needs the workspace.

    `InputError` for one whose server would have to be asked before its key is known.
    """
    if spec.kind in _AT_HOME:
        raise TeacherError(
            f"teacher {spec}: can't be asked elsewhere. {_AT_HOME[spec.kind]}; `lmtx teach` asks it here, "
            "which takes seconds. Name a language model, such as transformers:MODEL."
        )
    if spec.kind == "openai" and spec.text("strategy", "auto") == "auto":
        raise InputError(
            f"teacher {spec}: how it is asked is part of its key, and the server is not asked for it now. "
            "Name it: strategy=listwise (or logprobs, questions, official)."
        )


def write_requests(
    path: Path, header: Header, requests: Sequence[TeacherRequest], progress: Progress = no_progress
) -> None:
    """Write a file of requests, whole or not at all."""
    labels = {x.id: x for r in requests for x in r.shortlist}
    with written_whole(path) as file:
        file.write(header_line("lmtx_requests", header))
        for label in labels.values():
            file.write(line_of(label_record(label)))
        for i, request in enumerate(requests):
            if i % 200 == 0:
                progress(i, len(requests), "Writing requests")
            document = request.document
            record = {
                "document": document.hash,
                "id": document.id,
                "title": document.title,
                "text": document.text,
            }
            lists = {
                "shortlist": [x.id for x in request.shortlist],
                "asked": [x.id for x in request.labels],
                "ranks": request.ranks,
            }
            file.write(line_of({**record, **lists}))


def label_record(label: Label) -> dict[str, Any]:
    """A label as a line has it."""
    return {
        "label": label.hash,
        "id": label.id,
        "name": label.name,
        "description": label.description,
        "aliases": label.aliases,
    }


def read_label(data: bytes) -> Label | None:
    """Label of a line, None where the line is another kind; `ValueError` says what is wrong with it."""
    if not _LABEL_LINE.match(data):
        return None
    line = parse(LabelLine, data)
    label = Label(line.id, line.name, line.description, line.aliases)
    if label.hash != line.label:
        raise ValueError("the label's text is not the one that its hash is of.")
    return label


@dataclass(frozen=True)
class RequestsFile:
    """A file of requests as read.

    documents : with their texts
    labels : label id -> label
    shortlists : label ids of each document, best first
    open_pairs : (document hash, label hash) asked about
    """

    header: Header
    documents: list[Document]
    labels: dict[str, Label]
    shortlists: list[tuple[str, ...]]
    open_pairs: frozenset[tuple[str, str]]


def read_requests(source: Source) -> RequestsFile:
    """Read a file of requests; `InputError` names the lines that are not usable."""
    lines = read_lines(source)
    header = read_header(source, "lmtx_requests", next(lines, None))
    issues = Issues(source)
    labels: dict[str, Label] = {}
    documents: list[Document] = []
    shortlists: list[tuple[str, ...]] = []
    pairs: set[tuple[str, str]] = set()
    for number, data, _ in lines:
        try:
            label = read_label(data)
            if label is not None:
                labels[label.id] = label
                continue
            asked = parse(DocumentLine, data)
            document = Document(asked.id, asked.title, asked.text)
            if document.hash != asked.document:
                raise ValueError("the document's text is not the one that its hash is of")
            unknown = {*asked.shortlist, *asked.asked} - labels.keys() or set(asked.asked) - set(
                asked.shortlist
            )
            if unknown:
                raise ValueError(f"label {min(unknown)!r} is not defined above, or not on the shortlist")
        except ValueError as error:
            issues.add(number, error)
            continue
        documents.append(document)
        shortlists.append(asked.shortlist)
        pairs.update((asked.document, labels[x].hash) for x in asked.asked)
    issues.stop("nothing was asked. The file is cut off or changed: copy it again")
    if len(documents) != header.n_documents:
        raise InputError(
            f"{source.name}: {len(documents)} documents, the header says {header.n_documents}. The file is "
            "cut off: copy it again. Nothing was asked."
        )
    return RequestsFile(header, documents, labels, shortlists, frozenset(pairs))


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~"))
