"""The loop that asks a teacher about each pair once and commits batch by batch."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lmtx.errors import ShapeError, TeacherError
from lmtx.teacher.base import Answer, Teacher, TeacherRequest
from lmtx.types import CorpusView, Document, IntArray, Judgment, Label, Progress, no_progress, now

BATCH_DOCS = 64


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
    """What judging would ask: documents, pairs in all, judged already, still open."""

    n_documents: int
    n_pairs: int
    n_cached: int
    n_open: int


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What judging did.

    n_pairs : pairs on the shortlists of the documents it reached
    n_cached : of these, answered before, or the same texts as another pair
    n_judged : of these, asked now and committed
    n_yes, n_unparsed : of those judged now
    n_documents : documents it reached; fewer than given if the budget ended
    tokens : spent now
    seconds_teacher, seconds_journal : wall time in the teacher and in the journal
    out_of_budget : whether `budget_pairs` ended it
    """

    n_pairs: int
    n_cached: int
    n_judged: int
    n_yes: int
    n_unparsed: int
    n_documents: int
    tokens: int
    seconds_teacher: float
    seconds_journal: float
    out_of_budget: bool


def judge(
    journal: JudgmentStore,
    teacher: Teacher,
    corpus: CorpusView,
    shortlist: IntArray,
    rows: Sequence[int] | IntArray,
    *,
    round: int = 0,
    progress: Progress = no_progress,
    batch_docs: int = BATCH_DOCS,
    budget_pairs: int | None = None,
) -> JudgeReport:
    """Ask about every pair that this teacher has not judged yet.

    Documents are taken in the order of `rows`, which the caller seeds, so that a run
    that is cut short leaves a usable sample. Each batch is one durable append; after a
    kill, an error or a cancelled job everything up to the last batch is kept, and the next call
    goes on from there.

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
        Called after each batch with (documents done, n_rows, message); may raise `JobCancelled`.
    batch_docs : int
        Documents a batch.
    budget_pairs : int or None
        Ask about at most this many pairs; ends before the first document that would exceed it.

    Returns
    -------
    JudgeReport

    Raises
    ------
    ShapeError
        If `shortlist` and `rows` differ in length.
    TeacherError
        If the teacher fails or answers with the wrong number of answers.
    """
    _check(shortlist, rows)
    documents = [corpus.documents[int(i)] for i in rows]
    start = time.perf_counter()
    journal.teacher_put(
        teacher.key, teacher.spec, {"is_llm": teacher.is_llm, "description": teacher.description}
    )
    known = journal.known_verdicts(teacher.key, [d.hash for d in documents])
    seconds_journal = time.perf_counter() - start
    n_pairs = n_judged = n_yes = n_unparsed = n_documents = tokens = 0
    seconds_teacher = 0.0
    out_of_budget = False
    asked: set[tuple[str, str]] = set()
    todo = _requests(corpus, documents, shortlist, known, asked)
    while not out_of_budget:
        batch: list[TeacherRequest] = []
        n_open = n_in_batch = 0
        for request in todo:
            if budget_pairs is not None and n_judged + n_open + len(request.labels) > budget_pairs:
                out_of_budget = True
                break
            n_in_batch += 1
            n_pairs += len(request.shortlist)
            n_open += len(request.labels)
            if request.labels:
                batch.append(request)
            # Documents answered before cost nothing, but progress is still to be told now and then.
            if len(batch) == batch_docs or n_in_batch == 32 * batch_docs:
                break
        if not n_in_batch:
            break
        n_documents += n_in_batch
        if batch:
            start = time.perf_counter()
            answers = teacher.judge(batch)
            seconds_teacher += time.perf_counter() - start
            judgments = _judgments(teacher, batch, answers, round)
            start = time.perf_counter()
            journal.append_judgments(judgments)
            seconds_journal += time.perf_counter() - start
            n_judged += len(judgments)
            n_yes += sum(j.verdict == "yes" for j in judgments)
            n_unparsed += sum(j.verdict == "unparsed" for j in judgments)
            tokens += sum(j.tokens for j in judgments)
        progress(n_documents, len(documents), f"Judging, {n_judged} pairs asked")
    return JudgeReport(
        n_pairs=n_pairs,
        n_cached=n_pairs - n_judged,
        n_judged=n_judged,
        n_yes=n_yes,
        n_unparsed=n_unparsed,
        n_documents=n_documents,
        tokens=tokens,
        seconds_teacher=seconds_teacher,
        seconds_journal=seconds_journal,
        out_of_budget=out_of_budget,
    )


def preview(
    journal: JudgmentStore,
    teacher: Teacher,
    corpus: CorpusView,
    shortlist: IntArray,
    rows: Sequence[int] | IntArray,
) -> JudgePreview:
    """Count what `judge` with these arguments would ask, without asking."""
    _check(shortlist, rows)
    documents = [corpus.documents[int(i)] for i in rows]
    known = journal.known_verdicts(teacher.key, [d.hash for d in documents])
    n_pairs = n_open = 0
    for request in _requests(corpus, documents, shortlist, known, set()):
        n_pairs += len(request.shortlist)
        n_open += len(request.labels)
    return JudgePreview(len(documents), n_pairs, n_pairs - n_open, n_open)


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


def _judgments(
    teacher: Teacher, batch: Sequence[TeacherRequest], answers: Sequence[Sequence[Answer]], round: int
) -> list[Judgment]:
    got, expected = [len(x) for x in answers], [len(r.labels) for r in batch]
    if got != expected:
        raise TeacherError(
            f"teacher {teacher.spec!r}: answered {sum(got)} pairs of {len(got)} documents, asked were "
            f"{sum(expected)} of {len(expected)}. Nothing of this batch was kept; report this to its author."
        )
    at = now()
    return [
        Judgment(
            document_id=request.document.id,
            label_id=label.id,
            verdict=answer.verdict,
            probability=answer.probability,
            teacher_key=teacher.key,
            document_hash=document_hash,
            label_hash=label.hash,
            round=round,
            rank=rank,
            tokens=answer.tokens,
            raw=answer.raw,
            at=at,
        )
        for request, given in zip(batch, answers, strict=True)
        for document_hash in (request.document.hash,)
        for label, rank, answer in zip(request.labels, request.ranks, given, strict=True)
    ]


def _check(shortlist: IntArray, rows: Sequence[int] | IntArray) -> None:
    if shortlist.ndim != 2 or len(shortlist) != len(rows):
        raise ShapeError(
            f"judge: shortlist of shape {shortlist.shape} for {len(rows)} documents, expected "
            f"({len(rows)}, k). Pass one row of labels a document."
        )
