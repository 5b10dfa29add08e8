"""Judging a file of requests on another machine: the same teacher, and a file of verdicts that grows.

Needs no workspace: all that is asked, and how, is in the file.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Collection, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from lmtx.errors import ConsentError, InputError, LockedError, StorageError, TeacherError
from lmtx.teacher.base import Teacher, TeacherContext
from lmtx.teacher.budget import NO_BUDGET, Budget, Stopped
from lmtx.teacher.judging import judge
from lmtx.teacher.lines import Issues, check_folder, line_of, parse, read_lines
from lmtx.teacher.registry import load_teacher, parse_spec
from lmtx.teacher.requests_file import (
    WHERE,
    Header,
    VerdictLine,
    header_line,
    key_parts,
    read_header,
    read_requests,
    refuse_at_home,
)
from lmtx.teacher.spec import TeacherSpec
from lmtx.types import CorpusView, Judgment, Progress, no_progress

# ---- the same teacher ---------------------------------------------------------------------------


def teacher_of(header: Header, override: str | None = None) -> Teacher:
    """Make the teacher of a header, with the prompt and the examples in it, and check that it is the same.

    A server's address is part of a key, since two servers may call different models by one name. Whoever
    says in `override` that the server is at another address here vouches for its model: the rest of the key
    is checked, and the verdicts count as those of the header's teacher.

    Parameters
    ----------
    header : Header
    override : str, optional
        Where it runs: a specification, or its parameters alone ("device=cuda,dtype=bfloat16"). The model may
        lie elsewhere; what is part of the key may be repeated, not changed.

    Raises
    ------
    TeacherError
        If its key is another, or it can't be made.
    """
    refuse_at_home(parse_spec(header.teacher))
    spec = _moved(parse_spec(header.teacher).with_values(key_env=None), override)
    with tempfile.TemporaryDirectory() as folder:
        if header.prompt:
            (Path(folder) / f"{header.prompt.name}.jinja").write_text(header.prompt.text, encoding="utf-8")
            spec = spec.with_values(prompt=header.prompt.name)
        if header.few_shot:
            examples = json.dumps(header.few_shot.examples)
            (Path(folder) / f"{header.few_shot.name}.examples.json").write_text(examples, encoding="utf-8")
        context = TeacherContext(prompts=Path(folder))
        at_home = parse_spec(header.teacher).text("base_url", "")
        teacher = load_teacher(str(spec.with_values(base_url=at_home)), context)
        if teacher.key != header.key:
            raise TeacherError(_differences(header, teacher))
        return load_teacher(str(spec), context) if spec.text("base_url", "") != at_home else teacher


def _moved(spec: TeacherSpec, override: str | None) -> TeacherSpec:
    if not override:
        return spec
    alone = "=" in override.partition(":")[0]
    given = parse_spec(f"{spec.kind}:{spec.model},{override}" if alone else override)
    changed = [n for n, v in given.values.items() if n not in WHERE and spec.values.get(n) != v]
    if given.kind != spec.kind or changed:
        what = f"{', '.join(changed)} of " if changed else ""
        raise InputError(
            f"--teacher: {what}the teacher can't be changed here: verdicts would be filed under another "
            f"key. The file asks {spec}. Say where that runs: the place of its model, "
            f"{', '.join(sorted(WHERE))}."
        )
    where = {n: v for n, v in given.values.items() if n in WHERE}
    return TeacherSpec(spec.kind, given.model, spec.with_values(**where).values)


def _differences(header: Header, teacher: Teacher) -> str:
    here = key_parts(teacher)
    found = [
        f"- {name}: the file was made with {header.parts.get(name) or 'none'!r}, here is {value or 'none'!r}"
        for name, value in here.items()
        if header.parts.get(name, "") != value
    ]
    remedy = (
        "Use the same release on both machines." if len(found) < 2 else "Give it what the file was made with."
    )
    if here["model"] != header.parts.get("model"):
        remedy = (
            "Local files count by content, names on the hub by name and revision: name the model as it was "
            "named there, or say with --teacher where the same files lie here."
        )
    return (
        f"teacher {teacher.spec}: its key here is {teacher.key}, the file's is {header.key}. Nothing was "
        "asked: the verdicts would be filed under another key, as those of another teacher.\n"
        + "\n".join([*found, remedy])
    )


# ---- verdicts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FileReport:
    """What judging a file did.

    out : the file of verdicts
    n_pairs : pairs the file asks about
    n_before : of these, answered by an earlier call
    n_judged, n_yes, n_unparsed : answered now, and of these yes, and without a usable answer
    n_failed : asked now, but not answered
    n_open : still open; the next call asks them
    tokens, tokens_out, cost : read and written now, of these written, dollars
    seconds : wall time
    stopped : which budget ended it, "" where none did
    problem : why pairs were not answered, of the last one
    """

    out: Path
    teacher: str
    n_pairs: int
    n_before: int
    n_judged: int
    n_yes: int
    n_unparsed: int
    n_failed: int
    n_open: int
    tokens: int
    tokens_out: int
    cost: float
    seconds: float
    stopped: Stopped
    problem: str


class VerdictsFile:
    """A file of verdicts that answers are appended to; what the judging loop takes for a journal.

    Opened for appending, a last line that a kill cut off is completed or taken out.

    Raises
    ------
    InputError
        If the file is there and is another teacher's, or damaged.
    LockedError
        If another process appends to it.
    """

    def __init__(self, path: Path, header: Header, open_pairs: Collection[tuple[str, str]]) -> None:
        check_folder(path)
        self.path, self._header, self._open = path, header, open_pairs
        self.answered: set[tuple[str, str]] = set()
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise LockedError(
                f"{path}: another `lmtx judge` writes to it. Wait for it, or end it."
            ) from error
        try:
            self._resume()
            self._file = path.open("ab", buffering=0)
        except BaseException as error:
            self._unlock()
            if isinstance(error, OSError):
                raise _unwritable(path, error) from error
            raise

    def _resume(self) -> None:
        start = header_line(
            "lmtx_verdicts", self._header.model_copy(update={"prompt": None, "few_shot": None})
        )
        size = self.path.stat().st_size if self.path.exists() else 0
        if size == 0 or (size <= len(start) and start.startswith(self.path.read_bytes())):
            self.path.write_bytes(start)
            return
        lines = read_lines(self.path)
        found = read_header(self.path, "lmtx_verdicts", next(lines, None))
        if found.key != self._header.key:
            raise InputError(
                f"{self.path}: verdicts of another teacher, {found.teacher} (key {found.key}). Name another "
                "file with --out."
            )
        issues = Issues(self.path)
        for number, data, torn in lines:
            try:
                line = parse(VerdictLine, data)
            except ValueError as error:
                if torn:
                    os.truncate(self.path, self.path.stat().st_size - len(data))
                    break
                issues.add(number, error)
                continue
            self.answered.add((line.document, line.label))
            if torn:
                with self.path.open("ab") as file:
                    file.write(b"\n")
        issues.stop("nothing was asked. Take the lines out, or name another file with --out")

    # What the judging loop asks of a journal.

    def teacher_put(self, key: str, spec: str, details: dict[str, object]) -> None:
        """Nothing: the header says which teacher it is."""

    def known_verdicts(
        self, teacher_key: str, document_hashes: Sequence[str] | None = None
    ) -> Container[tuple[str, str]]:
        """What is not to be asked: all but the open pairs, and of these what is answered."""
        return _AllBut(self._open, self.answered)

    def append_judgments(self, judgments: Sequence[Judgment]) -> int:
        """Append answers; on the disk when this returns."""
        data = b"".join(line_of(VerdictLine.of(j).model_dump(mode="json")) for j in judgments)
        size = os.fstat(self._file.fileno()).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # no half line in front of what may be appended yet
                os.ftruncate(self._file.fileno(), size)
            raise _unwritable(self.path, error) from error
        self.answered.update((j.document_hash, j.label_hash) for j in judgments)
        return len(self.answered)

    def close(self) -> None:
        """Let others append."""
        try:
            self._file.close()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


class _AllBut(Container[tuple[str, str]]):
    def __init__(self, wanted: Container[tuple[str, str]], answered: Container[tuple[str, str]]) -> None:
        self._wanted, self._answered = wanted, answered

    def __contains__(self, pair: object) -> bool:
        return pair not in self._wanted or pair in self._answered


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be written ({error.strerror or error}). Check space and rights.")


def judge_file(
    path: Path,
    out: Path | None = None,
    *,
    override: str | None = None,
    hosts: Collection[str] = (),
    budget: Budget = NO_BUDGET,
    progress: Progress = no_progress,
) -> FileReport:
    """Ask the teacher of a file of requests about its pairs; needs no workspace.

    Answers are appended to the file of verdicts as they come in, durably; called again, also after a kill,
    it goes on where it stopped.

    Parameters
    ----------
    path : Path
        File of requests.
    out : Path, optional
        File of verdicts; default: beside the requests, with the ending .verdicts.jsonl.
    override : str, optional
        Where the teacher runs; see `teacher_of`.
    hosts : collection of str
        Machines that texts may be sent to, besides one that `override` names and this one.
    budget : Budget
    progress : callable

    Raises
    ------
    TeacherError
        If the teacher has another key on this machine, or can't answer.
    ConsentError
        If texts would be sent to a machine that only the file names.
    """
    began = time.monotonic()
    requests = read_requests(path)
    teacher = teacher_of(requests.header, override)
    if teacher.host and teacher.host not in hosts and "base_url=" not in (override or ""):
        raise ConsentError(
            f"{path.name}: its texts would be sent to {teacher.host}, which the file names. Nothing was "
            f"sent. If they may be, add --consent {teacher.host}; else say with --teacher base_url=URL where "
            "to ask."
        )
    column = {label_id: i for i, label_id in enumerate(requests.labels)}
    view = CorpusView(requests.documents, list(requests.labels.values()), ["train"] * len(requests.documents))
    shortlist = np.full(
        (len(requests.shortlists), max(map(len, requests.shortlists), default=1)), -1, dtype=np.int32
    )
    for row, labels in enumerate(requests.shortlists):
        shortlist[row, : len(labels)] = [column[x] for x in labels]
    verdicts = VerdictsFile(out or verdicts_path(path), requests.header, requests.open_pairs)
    try:
        n_before = len(requests.open_pairs & verdicts.answered)
        rows = np.arange(len(requests.documents), dtype=np.int32)
        report = judge(verdicts, teacher, view, shortlist, rows, progress=progress, budget=budget)
    finally:
        verdicts.close()
    return FileReport(
        out=verdicts.path,
        teacher=teacher.spec,
        n_pairs=len(requests.open_pairs),
        n_before=n_before,
        n_judged=report.n_judged,
        n_yes=report.n_yes,
        n_unparsed=report.n_unparsed,
        n_failed=report.n_failed,
        n_open=len(requests.open_pairs - verdicts.answered),
        tokens=report.tokens,
        tokens_out=report.tokens_out,
        cost=report.cost,
        seconds=time.monotonic() - began,
        stopped=report.stopped,
        problem=report.problem,
    )


def verdicts_path(path: Path) -> Path:
    """Where the verdicts of a file of requests go unless said otherwise."""
    name = path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".ndjson")
    return path.with_name(f"{name}.verdicts.jsonl")
