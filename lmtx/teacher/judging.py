"""The loop that asks a teacher about each pair once and commits as answers come in."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from lmtx.errors import JobCancelled, ShapeError, TeacherError
from lmtx.teacher.base import Answered, Estimate, Teacher, TeacherRequest
from lmtx.teacher.budget import NO_BUDGET, Budget, Stopped
from lmtx.types import CorpusView, Document, IntArray, Judgment, Label, Progress, no_progress, now

_COMMIT_DOCS = 64
_COMMIT_S = 0.25
"""A language model's answers are paid for: written that often while they come in, and when none does."""
_SPEED_PAIRS = 10
"""Fewer pairs say nothing of how quick a teacher is."""
_PROGRESS_DOCS = 2048
"""Documents answered before cost nothing, but progress is still to be told now and then."""


class JudgmentStore(Protocol):
    """What of a journal the loop uses."""

    def teacher_put(self, key: str, spec: str, details: dict[str, object]) -> None:
        """Register what a teacher key stands for."""
        ...

    def known_verdicts(
        self, teacher_key: str, document_hashes: Sequence[str] | None = None
    ) -> Container[tuple[str, str]]:
        """(document hash, label hash) pairs that this teacher has judged."""
        ...

    def append_judgments(self, judgments: Sequence[Judgment]) -> int:
        """Store judgments durably in one transaction."""
        ...


@dataclass(frozen=True, slots=True)
class JudgePreview:
    """What judging would ask: documents, pairs in all, judged already, still open, and what those take."""

    n_documents: int
    n_pairs: int
    n_cached: int
    n_open: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What judging did.

    n_pairs : pairs on the shortlists of the documents it reached
    n_cached : of these, answered before, or the same texts as another pair
    n_judged : of these, asked now and committed
    n_yes, n_unparsed : of those judged now
    n_failed : asked, but not answered: they stay open, and the next call asks them again
    n_documents : documents it reached; fewer than given if a budget ended
    tokens, tokens_out : read and written now, and of these written
    cost : dollars
    seconds_teacher, seconds_journal : wall time in the teacher and in the journal
    stopped : which budget ended it, "" where none did
    problem : why pairs failed, of the last one; empty where none did
    """

    n_pairs: int
    n_cached: int
    n_judged: int
    n_yes: int
    n_unparsed: int
    n_failed: int
    n_documents: int
    tokens: int
    tokens_out: int
    cost: float
    seconds_teacher: float
    seconds_journal: float
    stopped: Stopped
    problem: str

    @property
    def out_of_budget(self) -> bool:
        """Whether a budget ended it."""
        return bool(self.stopped)

    def __add__(self, other: JudgeReport) -> JudgeReport:
        """Both together; `stopped` and `problem` are the later one's where it has any."""
        counted = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in ("stopped", "problem")
        }
        return JudgeReport(
            **counted, stopped=other.stopped or self.stopped, problem=other.problem or self.problem
        )


def judge(
    journal: JudgmentStore,
    teacher: Teacher,
    corpus: CorpusView,
    shortlist: IntArray,
    rows: Sequence[int] | IntArray,
    *,
    round: int = 0,
    progress: Progress = no_progress,
    budget: Budget = NO_BUDGET,
    min_open: int | Callable[[Document], int] = 1,
) -> JudgeReport:
    """Ask about every pair that this teacher has not judged yet.

    Documents are asked about in the order of `rows`, which the caller seeds, so that a run
    that is cut short leaves a usable sample. Answers are appended durably as they come in; after a
    kill, an error or a cancelled job the next call goes on from there. A cancelled job asks nothing new,
    but still takes in what was asked, since that is paid for.

    Parameters
    ----------
    journal : Journal
    teacher : Teacher
    corpus : CorpusView
    shortlist : ndarray of int32, shape (n_rows, k)
        Label rows of `corpus`, best first, -1 pads; row i belongs to document `rows[i]`.
    rows : sequence of int, length n_rows
        Document rows of `corpus`.
    round : int
        Recorded with each judgment.
    progress : callable
        Called with (documents done, n_rows, message); may raise `JobCancelled`.
    budget : Budget
    min_open : int or callable
        Leave out documents with fewer open pairs than this, for all or by document: reading a long one once
        more for one question may not be worth it.

    Returns
    -------
    JudgeReport

    Raises
    ------
    ShapeError
        If `shortlist` and `rows` differ in length.
    TeacherError
        If the teacher can't answer at all, or answers with the wrong number of answers; what it had
        answered before is kept.
    """
    _check(shortlist, rows)
    documents = [corpus.documents[int(i)] for i in rows]
    start = time.perf_counter()
    journal.teacher_put(
        teacher.key, teacher.spec, {"is_llm": teacher.is_llm, "description": teacher.description}
    )
    known = journal.known_verdicts(teacher.key, [d.hash for d in documents])
    record = _Record(journal, teacher, round)
    record.seconds_journal = time.perf_counter() - start
    requests = _requests(corpus, documents, shortlist, known, set())
    supply = _Supply(teacher, requests, budget, record, min_open)
    told = time.perf_counter()
    cancelled: JobCancelled | None = None

    def tell() -> None:
        nonlocal told, cancelled
        told = time.perf_counter()
        message = f"Judging, {record.n_judged} pairs asked"
        if record.n_unparsed:
            message += f", {record.n_unparsed} unparsed"
        if record.n_failed:
            message += f", {record.n_failed} not answered"
        if record.cost:
            message += f", {record.cost:.2f} dollars"
        try:
            progress(supply.n_documents, len(documents), message)
        except JobCancelled as error:
            cancelled, supply.ended = error, True

    supply.tell = tell
    answers = iter(teacher.judge(supply))
    try:
        while True:
            start = time.perf_counter()
            answered = next(answers, record)
            record.seconds_teacher += time.perf_counter() - start
            if answered is record:
                break
            if isinstance(answered, Answered):
                supply.done(answered.request)
                record.take(answered)
            if record.due(waiting=answered is None):
                record.flush()
                tell()
            elif answered is None or time.perf_counter() - told > 1.0:
                tell()
    finally:  # what was answered before an error is paid for too
        record.flush()
        record.note_speed()
    if cancelled is not None:
        raise cancelled
    progress(supply.n_documents, len(documents), f"Judging, {record.n_judged} pairs asked")
    return record.report(supply)


def preview(
    journal: JudgmentStore,
    teacher: Teacher,
    corpus: CorpusView,
    shortlist: IntArray,
    rows: Sequence[int] | IntArray,
    *,
    min_open: int = 1,
) -> JudgePreview:
    """Count what `judge` with these arguments would ask, and what that takes, without asking."""
    _check(shortlist, rows)
    documents = [corpus.documents[int(i)] for i in rows]
    known = journal.known_verdicts(teacher.key, [d.hash for d in documents])
    n_pairs = n_open = 0
    estimate = Estimate()
    todo: list[TeacherRequest] = []
    for request in _requests(corpus, documents, shortlist, known, set()):
        n_pairs += len(request.shortlist)
        if len(request.labels) >= max(1, min_open):
            n_open += len(request.labels)
            todo.append(request)
        if len(todo) == 256:
            estimate += teacher.estimate(todo)
            todo = []
    if todo:
        estimate += teacher.estimate(todo)
    return JudgePreview(len(documents), n_pairs, n_pairs - n_open, n_open, estimate)


class _Record:
    """What was answered: counted, and appended to the journal in few transactions."""

    def __init__(self, journal: JudgmentStore, teacher: Teacher, round: int) -> None:
        self._journal, self._teacher, self._round = journal, teacher, round
        self._pending: list[Judgment] = []
        self._pending_docs = 0
        self._flushed = time.perf_counter()
        self.n_judged = self.n_yes = self.n_unparsed = self.n_failed = self.tokens = self.tokens_out = 0
        self.cost = self.seconds_teacher = self.seconds_journal = 0.0
        self.problem = ""

    def take(self, answered: Answered) -> None:
        request = answered.request
        if len(answered.answers) != len(request.labels):
            raise TeacherError(
                f"teacher {self._teacher.spec!r}: answered {len(answered.answers)} pairs of document "
                f"{request.document.id!r}, asked were {len(request.labels)}. Nothing of this document was "
                "kept; report this to its author."
            )
        at, document_hash = now(), request.document.hash
        self.problem = answered.problem or self.problem
        for label, rank, answer in zip(request.labels, request.ranks, answered.answers, strict=True):
            if answer is None:
                self.n_failed += 1
                continue
            self.n_judged += 1
            self.n_yes += answer.verdict == "yes"
            self.n_unparsed += answer.verdict == "unparsed"
            self.tokens += answer.tokens
            self.tokens_out += answer.tokens_out
            self.cost += answer.cost
            self._pending.append(
                Judgment(
                    document_id=request.document.id,
                    label_id=label.id,
                    verdict=answer.verdict,
                    probability=answer.probability,
                    teacher_key=self._teacher.key,
                    document_hash=document_hash,
                    label_hash=label.hash,
                    round=self._round,
                    rank=rank,
                    tokens=answer.tokens,
                    tokens_out=answer.tokens_out,
                    cost=answer.cost,
                    raw=answer.raw,
                    shown=answer.shown,
                    at=at,
                )
            )
        self._pending_docs += 1

    def due(self, waiting: bool) -> bool:
        """Whether it is time to append what is pending; it is where the teacher may now take a while."""
        if not self._pending:
            return False
        waited = time.perf_counter() - self._flushed
        return waiting or self._pending_docs >= _COMMIT_DOCS or (self._teacher.is_llm and waited > _COMMIT_S)

    def flush(self) -> None:
        if self._pending:
            start = time.perf_counter()
            self._journal.append_judgments(self._pending)
            self.seconds_journal += time.perf_counter() - start
        self._pending, self._pending_docs, self._flushed = [], 0, time.perf_counter()

    def note_speed(self) -> None:
        """Keep how quick this teacher was, for the next estimate."""
        if self.n_judged >= _SPEED_PAIRS and self.seconds_teacher > 0:
            speed: dict[str, object] = {
                "pairs_per_s": self.n_judged / self.seconds_teacher,
                "tokens_per_s": self.tokens / self.seconds_teacher,
            }
            self._journal.teacher_put(self._teacher.key, self._teacher.spec, speed)

    def report(self, supply: _Supply) -> JudgeReport:
        return JudgeReport(
            n_pairs=supply.n_pairs,
            n_cached=supply.n_pairs - self.n_judged - self.n_failed,
            n_judged=self.n_judged,
            n_yes=self.n_yes,
            n_unparsed=self.n_unparsed,
            n_failed=self.n_failed,
            n_documents=supply.n_documents,
            tokens=self.tokens,
            tokens_out=self.tokens_out,
            cost=self.cost,
            seconds_teacher=self.seconds_teacher,
            seconds_journal=self.seconds_journal,
            stopped=supply.stopped,
            problem=self.problem,
        )


class _Supply:
    """The requests that a teacher draws; it ends when a budget would be exceeded, or on a cancel."""

    def __init__(
        self,
        teacher: Teacher,
        requests: Iterator[TeacherRequest],
        budget: Budget,
        record: _Record,
        min_open: int | Callable[[Document], int],
    ) -> None:
        self._teacher, self._requests, self._budget, self._record = teacher, requests, budget, record
        self._min_open = min_open if callable(min_open) else lambda document: min_open
        self._began = time.monotonic()
        self._measured = budget.tokens is not None or budget.dollars is not None
        self._out: dict[int, tuple[int, float]] = {}  # tokens and dollars that requests under way may take
        self._n_out = 0
        self.n_documents = self.n_pairs = 0
        self.stopped: Stopped = ""
        self.ended = False
        self.tell: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[TeacherRequest]:
        return self

    def __next__(self) -> TeacherRequest:
        while not self.ended:
            request = next(self._requests, None)
            if request is None:
                self.ended = True
                break
            if len(request.labels) >= max(1, self._min_open(request.document)):
                self.stopped = self._exceeded(request)
                if self.stopped:
                    self.ended = True
                    break
                self.n_documents += 1
                self.n_pairs += len(request.shortlist)
                self._n_out += len(request.labels)
                return request
            self.n_documents += 1
            self.n_pairs += len(request.shortlist)
            if self.n_documents % _PROGRESS_DOCS == 0:
                self.tell()
        raise StopIteration

    def done(self, request: TeacherRequest) -> None:
        """Note that a request came back."""
        self._out.pop(id(request), None)
        self._n_out -= len(request.labels)

    def _exceeded(self, request: TeacherRequest) -> Stopped:
        """Name the budget that this request might exceed; else reserve what it may take."""
        budget, record = self._budget, self._record
        asked = record.n_judged + self._n_out
        if budget.pairs is not None and asked + len(request.labels) > budget.pairs:
            return "pairs"
        if budget.minutes is not None and time.monotonic() - self._began >= 60 * budget.minutes:
            return "minutes"
        if self._measured:
            estimate = self._teacher.estimate([request])
            tokens, dollars = estimate.tokens_in + estimate.tokens_out_high, estimate.cost_high
            reserved = [sum(x) for x in zip(*self._out.values(), strict=True)] or [0, 0.0]
            if budget.tokens is not None and record.tokens + reserved[0] + tokens > budget.tokens:
                return "tokens"
            if budget.dollars is not None and record.cost + reserved[1] + dollars > budget.dollars:
                return "dollars"
            self._out[id(request)] = (tokens, dollars)
        return ""


def _requests(
    corpus: CorpusView,
    documents: Sequence[Document],
    shortlist: IntArray,
    known: Container[tuple[str, str]],
    asked: set[tuple[str, str]],
) -> Iterator[TeacherRequest]:
    """One request a document; `asked` keeps texts that occur twice from being asked twice."""
    label_hash: dict[int, str] = {}
    for document, row in zip(documents, shortlist.tolist(), strict=True):
        document_hash = document.hash
        candidates: list[Label] = []
        labels: list[Label] = []
        ranks: list[int] = []
        for rank, label_idx in enumerate(row):
            if label_idx < 0:
                continue
            label = corpus.labels[label_idx]
            candidates.append(label)
            if label_idx not in label_hash:
                label_hash[label_idx] = label.hash
            pair = (document_hash, label_hash[label_idx])
            if pair not in known and pair not in asked:
                asked.add(pair)
                labels.append(label)
                ranks.append(rank)
        yield TeacherRequest(document, tuple(labels), tuple(ranks), tuple(candidates))


def _check(shortlist: IntArray, rows: Sequence[int] | IntArray) -> None:
    if shortlist.ndim != 2 or len(shortlist) != len(rows):
        raise ShapeError(
            f"judge: shortlist of shape {shortlist.shape} for {len(rows)} documents, expected "
            f"({len(rows)}, k). Pass one row of labels a document."
        )
