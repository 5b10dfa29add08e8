"""The judging loop with teachers that cost something, answer late and out of order, or fail."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from lmtx.errors import InputError, JobCancelled, TeacherError
from lmtx.journal import Journal
from lmtx.teacher import Answer, Answered, Budget, Estimate, TeacherRequest, judge, preview
from lmtx.types import CorpusView, IntArray


class Costly:
    """Takes 50 tokens a document and 10 a pair, up to 3 of them written; holds some requests back.

    `failing` documents are not answered the first time that they are asked.
    """

    key, spec, is_llm, host = "costly", "openai:costly", True, ""
    description = "Costs something."

    def __init__(self, window: int = 4, failing: Sequence[str] = (), dies_after: int | None = None) -> None:
        self.window, self.failing, self.dies_after = window, set(failing), dies_after
        self.drawn: list[tuple[str, str]] = []
        self._random = random.Random(3)

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        held: list[TeacherRequest] = []
        todo = iter(requests)
        n = 0
        while True:
            while len(held) < self.window and (request := next(todo, None)) is not None:
                self.drawn += ((request.document.id, x.id) for x in request.labels)
                held.append(request)
            if not held:
                return
            yield None
            if self.dies_after is not None and n >= self.dies_after:
                raise TeacherError("the server is gone")
            n += 1
            yield self._answered(held.pop(self._random.randrange(len(held))))

    def _answered(self, request: TeacherRequest) -> Answered:
        if request.document.id in self.failing:
            self.failing.discard(request.document.id)
            return Answered(request, (None,) * len(request.labels), "timed out")
        answers = [
            Answer("yes", 0.9, 10 + (50 if i == 0 else 0), 2, 0.001) for i in range(len(request.labels))
        ]
        return Answered(request, tuple(answers))

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        n = sum(len(r.labels) for r in requests)
        read = 50 * len(requests) + 8 * n
        return Estimate(read, n, 3 * n, 0.001 * n, 0.0011 * n)


@pytest.fixture
def view(journal: Journal) -> CorpusView:
    return journal.corpus()


@pytest.fixture
def rows(view: CorpusView) -> IntArray:
    return view.rows("train")[:60]


@pytest.fixture
def shortlist(view: CorpusView, rows: IntArray) -> IntArray:
    rng = np.random.default_rng(2)
    return np.array([rng.choice(len(view.labels), 5, replace=False) for _ in rows], dtype=np.int32)


@pytest.mark.parametrize(
    ("budget", "stopped"),
    [
        (Budget(tokens=2000), "tokens"),
        (Budget(dollars=0.0451), "dollars"),
        (Budget(pairs=33), "pairs"),
        (Budget(minutes=0), "minutes"),
        (Budget(pairs=100, tokens=10**6, dollars=10, minutes=10), "pairs"),
    ],
)
def test_no_budget_is_exceeded_and_what_was_asked_is_kept(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray, budget: Budget, stopped: str
) -> None:
    teacher = Costly()
    report = judge(journal, teacher, view, shortlist, rows, budget=budget)
    assert report.stopped == stopped
    assert report.out_of_budget
    assert report.tokens <= (budget.tokens or 10**9)
    assert report.cost <= (budget.dollars or 10**9)
    assert report.n_judged == len(teacher.drawn) == len(journal.pairs_frame(teacher_key="costly"))
    if stopped == "tokens":  # and it is used but for what one document more might have taken
        assert report.tokens > (budget.tokens or 0) - 4 * 105
    if stopped == "dollars":
        assert report.cost > (budget.dollars or 0) - 4 * 0.0055


def test_a_budget_that_suffices_ends_nothing_and_one_that_is_nonsense_is_refused(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    before = preview(journal, Costly(), view, shortlist, rows)
    report = judge(journal, Costly(), view, shortlist, rows, budget=Budget(tokens=before.n_open * 1000))
    assert (report.stopped, report.n_judged) == ("", 300)
    assert before.estimate.tokens_in + before.estimate.tokens_out_low <= report.tokens
    assert report.tokens <= before.estimate.tokens_in + before.estimate.tokens_out_high
    assert (report.tokens_out, report.cost) == (600, pytest.approx(0.3))
    (row,) = journal.teachers()
    assert (row.n_judgments, row.n_yes, row.tokens, row.tokens_out) == (300, 300, report.tokens, 600)
    assert row.cost == pytest.approx(0.3)
    assert row.details["pairs_per_s"] > 0
    assert row.details["description"] == "Costs something."
    with pytest.raises(InputError, match="tokens is -1"):
        Budget(tokens=-1)
    with pytest.raises(InputError, match="expected pairs, tokens, dollars or minutes"):
        Budget.of({"euros": 3})


def test_pairs_that_were_not_answered_stay_open_and_are_asked_again(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    failing = [view.documents[int(i)].id for i in rows[[3, 20, 21]]]
    teacher = Costly(failing=failing)
    report = judge(journal, teacher, view, shortlist, rows)
    assert (report.n_judged, report.n_failed, report.problem) == (285, 15, "timed out")
    assert report.n_pairs == report.n_judged + report.n_failed + report.n_cached == 300
    assert len(journal.pairs_frame(teacher_key="costly")) == 285
    teacher.drawn.clear()
    again = judge(journal, teacher, view, shortlist, rows)
    assert (again.n_judged, again.n_failed, again.n_cached) == (15, 0, 285)
    assert {d for d, _ in teacher.drawn} == set(failing)


def test_a_cancelled_run_takes_in_what_was_asked_and_asks_nothing_more(
    journal: Journal,
    view: CorpusView,
    shortlist: IntArray,
    rows: IntArray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lmtx.teacher.judging._COMMIT_S", 0.0)
    teacher = Costly(window=8)

    def stop(done: int, total: int, message: str) -> None:
        raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        judge(journal, teacher, view, shortlist, rows, progress=stop)
    written = journal.pairs_frame(teacher_key="costly")
    assert len(written) == len(teacher.drawn) < 60
    assert set(zip(written["document_id"], written["label_id"], strict=True)) == set(teacher.drawn)


def test_what_came_in_one_go_is_written_before_the_teacher_takes_a_while(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    written: list[int] = []

    class Bursts(Costly):
        def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
            todo = list(requests)
            for half in (todo[:30], todo[30:]):
                written.append(journal.counts()["judgments"])
                yield from map(self._answered, half)
                yield None

    judge(journal, Bursts(), view, shortlist, rows)
    assert written == [0, 150]


def test_what_was_answered_before_the_server_died_is_kept(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    with pytest.raises(TeacherError, match="the server is gone"):
        judge(journal, Costly(dies_after=7), view, shortlist, rows)
    assert len(journal.pairs_frame(teacher_key="costly")) == 7 * 5


def test_documents_with_few_open_pairs_wait(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    teacher = Costly()
    judge(journal, teacher, view, shortlist[:, :3], rows)
    assert preview(journal, teacher, view, shortlist, rows, min_open=3).n_open == 0
    assert judge(journal, teacher, view, shortlist, rows, min_open=3).n_judged == 0
    assert judge(journal, teacher, view, shortlist, rows, min_open=2).n_judged == 120


def test_recent_judgments_come_newest_first_with_what_they_took(
    journal: Journal, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    judge(journal, Costly(), view, shortlist, rows, round=3)
    said = journal.recent_judgments(7)
    assert [x.seq for x in said] == sorted((x.seq for x in said), reverse=True)
    assert said[0].seq == 300
    assert {(x.verdict, x.probability, x.round, x.tokens_out, x.cost) for x in said} == {
        ("yes", 0.9, 3, 2, 0.001)
    }
    titles = {d.id: d.title for d in view.documents}
    assert all(titles[x.document_id] == x.title for x in said)
    assert journal.recent_judgments(7, "another") == []
