"""Requests for batch services with the OpenAI interface, and the output that comes back from them.

A line a request, as such services take them. Beside it lies a map: the same header as a file of requests, the
labels, and for each request, by its `custom_id`, the pairs that it asks about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from lmtx.errors import InputError, TeacherError
from lmtx.ingest.records import Source
from lmtx.teacher.address import OPENAI_HOST
from lmtx.teacher.asking import Call, Strategy
from lmtx.teacher.base import Teacher, TeacherRequest
from lmtx.teacher.elsewhere import teacher_of
from lmtx.teacher.endpoint import EndpointTeacher
from lmtx.teacher.lines import Hash, Issues, Strict, line_of, parse, read_lines, storable, written_whole
from lmtx.teacher.requests_file import Header, VerdictLine, header_line, label_record, read_header, read_label
from lmtx.teacher.wire import Failure, Reply
from lmtx.types import Document, Label, Progress, no_progress, now

_URL = "/v1/chat/completions"
_CHATS = ("listwise", "logprobs", "official")
_OK = 200


class _CallLine(Strict):
    """A request of the map: which pairs it asks about, and the labels in the order shown."""

    custom_id: str = Field(max_length=64)
    document: Hash
    document_id: str
    asked: tuple[str, ...]
    ranks: tuple[int, ...]
    shown: tuple[str, ...] = ()


class _Response(Strict):
    status_code: int = _OK
    body: dict[str, Any] | None = None


class _OutputLine(Strict):
    """A line of the output of a service."""

    custom_id: str = Field(max_length=200)
    response: _Response | None = None
    error: Any = None


def map_path_of(path: Path) -> Path:
    """Where the map of a file of requests goes."""
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.map.jsonl")


def strategy_of(teacher: Teacher) -> Strategy:
    """How a teacher asks; `TeacherError` where that is no chat that a batch service runs."""
    if not isinstance(teacher, EndpointTeacher) or teacher.strategy not in _CHATS:
        raise TeacherError(
            f"teacher {teacher.spec}: not asked in chats, which batch services run. Name a teacher "
            f"openai:MODEL,strategy=..., with one of {', '.join(_CHATS)}; or leave the format out for "
            "`lmtx judge`."
        )
    strategy = teacher.asking
    if teacher.host == OPENAI_HOST:  # the newer name is taken by all its models, the older not by all
        strategy.dialect = replace(strategy.dialect, limit="max_completion_tokens")
    return strategy


def write_batch(
    path: Path,
    map_path: Path,
    header: Header,
    teacher: Teacher,
    requests: Sequence[TeacherRequest],
    progress: Progress = no_progress,
) -> int:
    """Write requests and their map, whole or not at all; returns the number of requests to the service."""
    strategy = strategy_of(teacher)
    n = 0
    with written_whole(map_path) as map_file, written_whole(path) as file:
        map_file.write(header_line("lmtx_map", header))
        for label in {x.id: x for r in requests for x in r.shortlist}.values():
            map_file.write(line_of(label_record(label)))
        for i, request in enumerate(requests):
            if i % 200 == 0:
                progress(i, len(requests), "Writing requests")
            document_hash = request.document.hash
            for call in strategy.calls(request):
                custom_id = f"{_prefix(header)}{n}"
                record = {
                    "custom_id": custom_id,
                    "method": "POST",
                    "url": _URL,
                    "body": _body(strategy, call),
                }
                file.write(line_of(record))
                map_file.write(
                    line_of(
                        {
                            "custom_id": custom_id,
                            "document": document_hash,
                            "document_id": request.document.id,
                            "asked": [request.labels[p].id for p in call.places],
                            "ranks": [request.ranks[p] for p in call.places],
                            "shown": [x.id for x in call.shown],
                        }
                    )
                )
                n += 1
    return n


def _prefix(header: Header) -> str:
    return f"lmtx-{header.id[:16]}-"


def _body(strategy: Strategy, call: Call) -> dict[str, Any]:
    """What the teacher itself would send."""
    sent: dict[str, Any] = {}

    def post(path: str, body: Mapping[str, Any]) -> Reply:
        sent.update(body)
        return Reply({})

    strategy.send(call, post)
    return sent


# ---- back ---------------------------------------------------------------------------------------


class BatchOutput:
    """What a service answered.

    header : of the map
    lines : verdicts
    n_failed : pairs of requests that failed, which stay open
    n_missing : pairs of requests that are not in the file
    problem : why requests failed, of the last one
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self.lines: list[VerdictLine] = []
        self.n_failed = self.n_missing = 0
        self.problem = ""


def read_batch(source: Source, map_file: Source | None, progress: Progress = no_progress) -> BatchOutput:
    """Read the output of a batch service with the map of its requests.

    Raises
    ------
    InputError
        If the map is not there or is of another batch, or lines are not usable.
    TeacherError
        If the teacher of the map has another key than it says.
    """
    found = map_file or _map_beside(source)
    header, labels, calls = _read_map(found)
    strategy = strategy_of(teacher_of(header))
    issues = Issues(source)
    out = BatchOutput(header)
    seen: set[str] = set()
    for number, data, torn in read_lines(source):
        if number % 2000 == 0:
            progress(number, 0, f"Reading {source.name}")
        try:
            output = parse(_OutputLine, data)
        except ValueError as error:
            issues.add(number, f"{error}{' The file is cut off.' if torn else ''}")
            continue
        asked = calls.get(output.custom_id)
        if asked is None:
            issues.add(number, f"custom_id {output.custom_id[:80]!r} is not in the map {found.name}.")
            continue
        seen.add(output.custom_id)
        verdicts = _verdicts(strategy, asked, labels, output)
        if isinstance(verdicts, Failure):
            out.n_failed += len(asked.asked)
            out.problem = storable(verdicts.problem)[:300]
        else:
            out.lines += verdicts
    issues.stop("nothing was imported")
    out.n_missing = sum(len(calls[x].asked) for x in calls.keys() - seen)
    return out


def _verdicts(
    strategy: Strategy, asked: _CallLine, labels: Mapping[str, Label], output: _OutputLine
) -> list[VerdictLine] | Failure:
    response = output.response
    if output.error is not None or response is None or response.status_code != _OK or response.body is None:
        body = response.body if response and response.body else {}
        said = output.error or body.get("error") or body or "no response"
        status = response.status_code if response else 0
        return Failure(f"status {status}: {said}" if status else str(said), status)
    wanted = tuple(labels[x] for x in asked.asked)
    shown = tuple(labels[x] for x in asked.shown)
    request = TeacherRequest(Document(asked.document_id, "", ""), wanted, asked.ranks, shown or wanted)
    answers = strategy.read(Call(request, tuple(range(len(wanted))), {}, shown), response.body)
    if isinstance(answers, Failure):
        return answers
    at = now()
    return [
        VerdictLine(
            document=asked.document,
            label=label.hash,
            document_id=asked.document_id,
            label_id=label.id,
            verdict=answer.verdict,
            probability=answer.probability,
            tokens=answer.tokens,
            tokens_out=answer.tokens_out,
            cost=answer.cost,
            raw=storable(answer.raw),
            shown=answer.shown,
            rank=rank,
            at=at,
        )
        for label, rank, answer in zip(wanted, asked.ranks, answers, strict=True)
    ]


def _map_beside(source: Source) -> Path:
    """The map in the folder of an output that its requests are from."""
    if isinstance(source, Path):
        first = next(read_lines(source), None)
        try:
            custom_id = parse(_OutputLine, first.data).custom_id if first else ""
        except ValueError:
            custom_id = ""
        for path in sorted(source.resolve().parent.glob("*.map.jsonl")):
            try:
                header = read_header(path, "lmtx_map", next(read_lines(path), None))
            except InputError:
                continue
            if custom_id.startswith(_prefix(header)):
                return path
    raise InputError(
        f"{source.name}: the output of a batch needs the map that was written beside its requests. Give the "
        "file that ends in .map.jsonl, too (--map)."
    )


def _read_map(source: Source) -> tuple[Header, dict[str, Label], dict[str, _CallLine]]:
    lines = read_lines(source)
    header = read_header(source, "lmtx_map", next(lines, None))
    issues = Issues(source)
    labels: dict[str, Label] = {}
    calls: dict[str, _CallLine] = {}
    for number, data, _ in lines:
        try:
            label = read_label(data)
            if label is not None:
                labels[label.id] = label
                continue
            call = parse(_CallLine, data)
            unknown = {*call.asked, *call.shown} - labels.keys()
            if unknown or len(call.asked) != len(call.ranks) or not call.asked:
                raise ValueError("labels are not defined above, or not one rank each.")
            if call.shown and not set(call.asked) <= set(call.shown):
                raise ValueError("a label that is asked about was not shown.")
        except ValueError as error:
            issues.add(number, error)
            continue
        calls[call.custom_id] = call
    issues.stop("nothing was imported. The map is cut off or changed: copy it again")
    return header, labels, calls
