"""Judging elsewhere: open pairs leave as a file of requests, and verdicts come back under the same key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from lmtx.errors import InputError, NothingToDoError
from lmtx.types import CorpusView, IntArray, Judgment, Progress
from lmtx.workspace import teaching
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from collections.abc import Container

    from lmtx.ingest import Source
    from lmtx.teacher import TeacherRequest, TeacherSpec
    from lmtx.teacher.requests_file import Header, VerdictLine

RequestsFormat = Literal["lmtx", "openai-batch"]

_JUDGED_ROLES = ("train", "held_out")
_BATCH_REQUESTS, _BATCH_BYTES = 50_000, 200_000_000
"""What services of batches take in one file."""


@dataclass(frozen=True, slots=True)
class RequestsReport:
    """What was written for judging elsewhere.

    path, map_path : the file of requests, and for a batch service the map that its output is read with
    teacher, key : under which the verdicts will be filed
    n_documents, n_pairs : asked about
    n_requests : lines for the service, or documents
    n_bytes : of the file of requests
    """

    path: Path
    map_path: Path | None
    format: str
    teacher: str
    key: str
    n_documents: int
    n_pairs: int
    n_requests: int
    n_bytes: int
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class VerdictsReport:
    """What bringing verdicts in did; each pair of the file is counted in one of these.

    n_imported : recorded now; of these n_yes and n_unparsed
    n_known : this teacher had judged these texts before
    n_duplicates : a second time in the file
    n_changed : the text of document or label is another now; `teach` asks again
    n_unknown : document or label is not in this workspace
    n_reserved : of documents that teachers are not asked about here (test, or reserved for measuring)
    n_failed : the service gave no answer; they stay open
    n_missing : asked about in the map of the batch, but not in this file of its output
    tokens, tokens_out, cost : of those recorded now
    """

    source: str
    teacher: str
    key: str
    n_imported: int
    n_yes: int
    n_unparsed: int
    n_known: int
    n_duplicates: int
    n_changed: int
    n_unknown: int
    n_reserved: int
    n_failed: int
    n_missing: int
    tokens: int
    tokens_out: int
    cost: float
    warnings: list[str]
    seconds: float


# ---- out ----------------------------------------------------------------------------------------


def export_requests(
    parts: Parts,
    path: Path,
    teacher: str | None,
    top_k: int | None,
    limit_docs: int | None,
    *,
    format: str,
    only_changed: bool,
    progress: Progress,
) -> RequestsReport:
    """See `Workspace.export_requests`."""
    from lmtx.teacher import parse_spec
    from lmtx.teacher.lines import check_folder
    from lmtx.teacher.requests_file import header_of, refuse_at_home, write_requests
    from lmtx.workspace.trials import adopt_answers

    if format not in get_args(RequestsFormat):
        known = ", ".join(get_args(RequestsFormat))
        raise InputError(f"Format {format!r} does not exist for requests. Known: {known}.")
    check_folder(path)
    refuse_at_home(parse_spec(teacher or parts.settings.teacher))
    teaching.needs(parts.corpus())
    loaded = teaching.load(parts, teacher, asking=False)
    header_of(loaded, parts.journal.id, [])  # says at once where it can't be asked elsewhere
    if format == "openai-batch":
        from lmtx.teacher.batch_file import strategy_of

        strategy_of(loaded)
    parts.embed_all(progress)
    _register(parts, loaded.key, loaded.spec, loaded.description)
    adopt_answers(parts, loaded)
    view, rows, shortlist = teaching.open_pairs(
        parts, loaded, top_k, limit_docs, only_changed=only_changed, progress=progress
    )
    judged = parts.journal.known_verdicts(loaded.key, [view.documents[int(i)].hash for i in rows])
    requests = open_requests(view, rows, shortlist, judged)
    if not requests:
        raise NothingToDoError(
            f"No pair is open for {loaded.spec}: all on these shortlists are judged. Raise --top-k or the "
            "number of documents, or name another teacher."
        )
    header = header_of(loaded, parts.journal.id, requests)
    warnings: list[str] = []
    map_path: Path | None = None
    n_requests = len(requests)
    if format == "lmtx":
        write_requests(path, header, requests, progress)
    else:
        from lmtx.teacher.batch_file import map_path_of, write_batch

        map_path = map_path_of(path)
        n_requests = write_batch(path, map_path, header, loaded, requests, progress)
        if n_requests > _BATCH_REQUESTS or path.stat().st_size > _BATCH_BYTES:
            warnings.append(
                f"{n_requests} requests, {path.stat().st_size / 1e6:.0f} MB: services take at most "
                f"{_BATCH_REQUESTS} requests and {_BATCH_BYTES // 1_000_000} MB a file. Cut it between "
                "lines, for example with `split -l`; the map serves all parts."
            )
    progress(len(requests), len(requests), "Written")
    return RequestsReport(
        path=path,
        map_path=map_path,
        format=format,
        teacher=loaded.spec,
        key=loaded.key,
        n_documents=len(requests),
        n_pairs=header.n_pairs,
        n_requests=n_requests,
        n_bytes=path.stat().st_size,
        warnings=warnings,
    )


def open_requests(
    view: CorpusView, rows: IntArray, shortlist: IntArray, known: Container[tuple[str, str]]
) -> list[TeacherRequest]:
    """What is still to be asked, a request a document; the same texts once."""
    from lmtx.teacher import TeacherRequest

    label_hash: dict[int, str] = {}
    asked: set[tuple[str, str]] = set()
    requests = []
    for row, candidates in zip(rows.tolist(), shortlist.tolist(), strict=True):
        document = view.documents[row]
        document_hash = document.hash
        candidates = [i for i in candidates if i >= 0]
        ranks = []
        for rank, label_idx in enumerate(candidates):
            if label_idx not in label_hash:
                label_hash[label_idx] = view.labels[label_idx].hash
            pair = (document_hash, label_hash[label_idx])
            if pair not in known and pair not in asked:
                asked.add(pair)
                ranks.append(rank)
        if ranks:
            labels = tuple(view.labels[i] for i in candidates)
            requests.append(TeacherRequest(document, tuple(labels[r] for r in ranks), tuple(ranks), labels))
    return requests


def _register(parts: Parts, key: str, spec: str, description: str) -> None:
    """Record what a key stands for, where that is not known yet."""
    if key not in {t.key for t in parts.journal.teachers() if t.spec}:
        parts.journal.teacher_put(key, spec, {"is_llm": True, "description": description})


def import_verdicts(
    parts: Parts, source: Source, map_file: Source | None, progress: Progress
) -> VerdictsReport:
    """See `Workspace.import_verdicts`."""
    from lmtx.teacher.lines import read_lines
    from lmtx.teacher.requests_file import kind_of

    began = time.monotonic()
    first = next(read_lines(source), None)
    warnings: list[str] = []
    n_failed = n_missing = 0
    if first is not None and kind_of(first.data) == "batch-output":
        from lmtx.teacher.batch_file import read_batch

        batch = read_batch(source, map_file, progress)
        header, lines, n_failed, n_missing = batch.header, batch.lines, batch.n_failed, batch.n_missing
        if n_failed:
            warnings.append(f"{n_failed} pairs were not answered and stay open; the last: {batch.problem}")
    else:
        header, lines = _read_verdicts(source, warnings, progress)
    spec = _checked(parts, source, header, warnings)
    counts, new = _sorted_out(parts, header, lines)
    progress(len(lines), len(lines), "Recording")
    if new:
        _register(parts, header.key, str(spec), f"{spec}, asked elsewhere.")
        parts.journal.append_judgments(new)
        parts.sync_soon()
    progress(len(lines), len(lines), "Imported")
    return VerdictsReport(
        source=source.name,
        teacher=header.teacher,
        key=header.key,
        n_imported=len(new),
        n_yes=sum(j.verdict == "yes" for j in new),
        n_unparsed=sum(j.verdict == "unparsed" for j in new),
        n_known=counts["known"],
        n_duplicates=counts["duplicates"],
        n_changed=counts["changed"],
        n_unknown=counts["unknown"],
        n_reserved=counts["reserved"],
        n_failed=n_failed,
        n_missing=n_missing,
        tokens=sum(j.tokens for j in new),
        tokens_out=sum(j.tokens_out for j in new),
        cost=sum(j.cost for j in new),
        warnings=warnings,
        seconds=time.monotonic() - began,
    )


def _read_verdicts(
    source: Source, warnings: list[str], progress: Progress
) -> tuple[Header, list[VerdictLine]]:
    from lmtx.teacher.lines import Issues, parse, read_lines
    from lmtx.teacher.requests_file import VerdictLine, read_header

    lines = read_lines(source)
    header = read_header(source, "lmtx_verdicts", next(lines, None))
    issues = Issues(source)
    found: list[VerdictLine] = []
    for number, data, torn in lines:
        try:
            found.append(parse(VerdictLine, data))
        except ValueError as error:
            if torn:  # the judging was ended in the middle of a line: all before it is whole
                warnings.append(
                    f"line {number} is cut off and was left out; judge the file again to complete it."
                )
            else:
                issues.add(number, error)
        if number % 2000 == 0:
            progress(number, 0, f"Reading {source.name}")
    issues.stop("nothing was imported")
    return header, found


def _checked(parts: Parts, source: Source, header: Header, warnings: list[str]) -> TeacherSpec:
    """Specification of a header; refuses what would be filed under a key that stands for something else."""
    from lmtx.teacher import parse_spec
    from lmtx.teacher.requests_file import refuse_at_home

    spec = parse_spec(header.teacher)
    refuse_at_home(spec)
    known = {t.key: t.spec for t in parts.journal.teachers() if t.spec}
    here = known.get(header.key)
    if here is not None and here.partition(":")[0] != spec.kind:
        raise InputError(
            f"{source.name}: verdicts of {header.teacher}, but here the key {header.key} is that of {here}. "
            "Nothing was imported."
        )
    if here is None and header.journal == parts.journal.id:
        raise InputError(
            f"{source.name}: verdicts under the key {header.key}, for which this workspace has exported no "
            f"requests (those of {spec} have another). The header was changed. Nothing was imported."
        )
    if here is None:
        warnings.append(
            f"The requests are from another workspace; verdicts on the same texts count here as those of "
            f"{spec}."
        )
    return spec


def _sorted_out(
    parts: Parts, header: Header, lines: Sequence[VerdictLine]
) -> tuple[dict[str, int], list[Judgment]]:
    """Judgments to record, and how many lines were left out for what reason."""
    view = parts.corpus()
    known = parts.journal.known_verdicts(header.key, sorted({line.document for line in lines}))
    label_hash: dict[str, str] = {}
    counts = dict.fromkeys(("known", "duplicates", "changed", "unknown", "reserved"), 0)
    taken: set[tuple[str, str]] = set()
    new: list[Judgment] = []
    last, document_hash = "", ""
    for line in lines:
        row, column = view.document_idx.get(line.document_id), view.label_idx.get(line.label_id)
        if row is None or column is None:
            counts["unknown"] += 1
            continue
        if line.document_id != last:
            last, document_hash = line.document_id, view.documents[row].hash
        if line.label_id not in label_hash:
            label_hash[line.label_id] = view.labels[column].hash
        pair = (line.document, line.label)
        if pair != (document_hash, label_hash[line.label_id]):
            counts["changed"] += 1
        elif view.roles[row] not in _JUDGED_ROLES:
            counts["reserved"] += 1
        elif pair in taken:
            counts["duplicates"] += 1
        elif pair in known:
            counts["known"] += 1
        else:
            taken.add(pair)
            new.append(line.judgment(header.key))
    return counts, new
