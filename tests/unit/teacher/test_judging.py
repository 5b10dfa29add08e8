from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lmtx.errors import JobCancelled, ShapeError, TeacherError
from lmtx.journal import Journal
from lmtx.teacher import Answer, Budget, SimulatedTeacher, TeacherContext, TeacherRequest, ask, judge, preview
from lmtx.types import CorpusView, IntArray


class Counting(SimulatedTeacher):
    """Counts what it is asked."""

    def __init__(self, context: TeacherContext, **settings: Any) -> None:
        super().__init__(context, **settings)
        self.asked: list[tuple[str, str]] = []
        self.batches: list[int] = []

    def _batch(self, requests: Sequence[TeacherRequest]) -> list[list[Answer]]:
        self.asked += ((r.document.id, x.id) for r in requests for x in r.labels)
        self.batches.append(len(requests))
        return super()._batch(requests)


@pytest.fixture
def view(journal: Journal) -> CorpusView:
    return journal.corpus()


@pytest.fixture
def rows(view: CorpusView) -> IntArray:
    return np.random.default_rng(5).permutation(view.rows("train")).astype(np.int32)


@pytest.fixture
def shortlist(view: CorpusView, rows: IntArray) -> IntArray:
    rng = np.random.default_rng(2)
    lists = [rng.choice(len(view.labels), 10, replace=False) for _ in rows]
    out = np.array(lists, dtype=np.int32)
    out[0, 6:] = -1
    return out


@pytest.fixture
def teacher(context: TeacherContext) -> Counting:
    return Counting(context)


def test_each_pair_is_asked_once_and_recorded(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    told: list[tuple[int, int]] = []
    report = judge(
        journal, teacher, view, shortlist, rows, round=2, progress=lambda d, t, m: told.append((d, t))
    )
    assert report.n_pairs == report.n_judged == 2696
    assert report.n_cached == 0
    assert report.n_documents == 270
    assert not report.out_of_budget
    assert len(set(teacher.asked)) == len(teacher.asked) == 2696
    assert teacher.batches == [64, 64, 64, 64, 14]
    assert told == [(64, 270), (128, 270), (192, 270), (256, 270), (270, 270)]
    counts = journal.pair_counts()
    assert counts["proposed"] == report.n_yes
    assert counts["declined"] == 2696 - report.n_yes
    frame = journal.pairs_frame(teacher_key=teacher.key)
    assert len(frame) == 2696
    assert set(frame["round"]) == {2}
    assert [t.spec for t in journal.teachers()] == [teacher.spec]


def test_a_second_call_asks_nothing_and_a_wider_list_only_what_is_new(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    judge(journal, teacher, view, shortlist[:, :6], rows)
    assert preview(journal, teacher, view, shortlist, rows).n_open == 2696 - 6 * 270
    report = judge(journal, teacher, view, shortlist, rows)
    assert (report.n_cached, report.n_judged) == (6 * 270, 2696 - 6 * 270)
    n_asked = len(teacher.asked)
    told: list[int] = []
    again = judge(journal, teacher, view, shortlist, rows, progress=lambda d, t, m: told.append(d))
    assert (again.n_judged, again.n_cached, again.n_documents) == (0, 2696, 270)
    assert told == [270]
    assert len(teacher.asked) == n_asked
    other = Counting(teacher_context(teacher), seed=9)
    assert preview(journal, other, view, shortlist, rows).n_cached == 0


def teacher_context(teacher: Counting) -> TeacherContext:
    return TeacherContext(CorpusView([], [], []), gold=teacher._read_gold)


def test_a_changed_text_is_asked_again(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    judge(journal, teacher, view, shortlist, rows)
    changed = view.documents[int(rows[5])]
    journal.put_documents([replace(changed, text="Quite another text")], lambda d: "train")
    label = view.labels[int(shortlist[9, 0])]
    journal.put_labels([replace(label, description="Another definition")])
    fresh = journal.corpus()
    with_label = {int(r) for r, row in zip(rows, shortlist, strict=True) if label.id in
                  {fresh.labels[j].id for j in row if j >= 0}}  # fmt: skip
    expected = 10 + len(with_label - {int(rows[5])})
    assert preview(journal, teacher, fresh, shortlist, rows).n_open == expected
    assert judge(journal, teacher, fresh, shortlist, rows).n_judged == expected


def test_equal_texts_are_asked_once_and_count_for_both(
    journal: Journal, teacher: Counting, view: CorpusView
) -> None:
    twin = replace(view.documents[0], id="twin")
    journal.put_documents([twin], lambda d: "train")
    fresh = journal.corpus()
    rows = np.array([fresh.document_idx[view.documents[0].id], fresh.document_idx["twin"]])
    shortlist = np.tile(np.arange(5, dtype=np.int32), (2, 1))
    report = judge(journal, teacher, fresh, shortlist, rows)
    assert (report.n_pairs, report.n_judged, report.n_cached) == (10, 5, 5)
    assert len(journal.pair_states("twin")) == len(journal.pair_states(view.documents[0].id)) == 5


@pytest.mark.parametrize("budget", [0, 9, 10, 100, 105, 2696, 10_000])
def test_budget_ends_before_the_document_that_would_exceed_it(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray, budget: int
) -> None:
    report = judge(journal, teacher, view, shortlist, rows, budget=Budget(pairs=budget))
    assert report.n_judged <= budget
    assert report.n_judged > budget - 10 or not report.out_of_budget
    assert report.out_of_budget is (budget < 2696)
    prefix = [view.documents[int(i)].id for i in rows[: report.n_documents]]
    assert {d for d, _ in teacher.asked} == set(prefix)


def test_cancelled_and_failed_runs_keep_every_finished_batch(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done >= 128:
            raise JobCancelled("stop")

    with pytest.raises(JobCancelled):
        judge(journal, teacher, view, shortlist, rows, progress=stop)
    assert preview(journal, teacher, view, shortlist, rows).n_cached == len(teacher.asked) == 1276
    asked = list(teacher.asked)

    class Failing(Counting):
        def _batch(self, requests: Sequence[TeacherRequest]) -> list[list[Answer]]:
            if len(self.batches) == 1:
                raise TeacherError("the server is gone")
            return super()._batch(requests)

    failing = Failing(teacher_context(teacher))
    with pytest.raises(TeacherError, match="gone"):
        judge(journal, failing, view, shortlist, rows)
    judge(journal, teacher, view, shortlist, rows)
    everything = asked + failing.asked + teacher.asked[len(asked) :]
    assert len(everything) == len(set(everything)) == 2696


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    journal: Journal, context: TeacherContext, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    teacher = SimulatedTeacher(context)
    while judge(journal, teacher, view, shortlist, rows, budget=Budget(pairs=700)).out_of_budget:
        pass
    frame = journal.pairs_frame(teacher_key=teacher.key)
    stored = {(r.document_id, r.label_id): r.verdict for r in frame.itertuples()}
    requests = [
        TeacherRequest(view.documents[int(i)], labels, tuple(range(len(labels))), labels)
        for i, row in zip(rows, shortlist, strict=True)
        for labels in (tuple(view.labels[j] for j in row if j >= 0),)
    ]
    direct = {
        (r.document.id, x.id): a.verdict
        for r, answers in zip(requests, ask(teacher, requests), strict=True)
        for x, a in zip(r.labels, answers, strict=True)
        if a is not None
    }
    assert stored == direct


def test_wrong_shapes_and_wrong_answers_are_refused(
    journal: Journal, context: TeacherContext, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    teacher = SimulatedTeacher(context)
    with pytest.raises(ShapeError, match="one row of labels a document"):
        judge(journal, teacher, view, shortlist[:3], rows)

    class Short(SimulatedTeacher):
        def _batch(self, requests: Sequence[TeacherRequest]) -> list[list[Answer]]:
            return [answers[:-1] for answers in super()._batch(requests)]

    with pytest.raises(TeacherError, match="Nothing of this document was kept"):
        judge(journal, Short(context), view, shortlist, rows)
    assert sum(journal.pair_counts().values()) == 0


def test_unparsed_answers_are_kept_and_not_asked_again(
    journal: Journal, context: TeacherContext, view: CorpusView
) -> None:
    teacher = SimulatedTeacher(context)
    rows = view.rows("test")
    shortlist = np.tile(np.arange(4, dtype=np.int32), (len(rows), 1))
    report = judge(journal, teacher, view, shortlist, rows)
    assert report.n_unparsed == report.n_judged == 4 * len(rows)
    assert journal.pair_counts()["unparsed"] == 4 * len(rows)
    assert judge(journal, teacher, view, shortlist, rows).n_judged == 0


def test_pairs_judged_under_other_texts_are_found_until_they_are_judged_again(
    journal: Journal, teacher: Counting, view: CorpusView, shortlist: IntArray, rows: IntArray
) -> None:
    judge(journal, teacher, view, shortlist, rows)
    assert journal.stale_pairs(teacher.key) == []
    label = view.labels[int(shortlist[9, 0])]
    with_label = {
        view.documents[int(r)].id
        for r, row in zip(rows, shortlist, strict=True)
        if label.id in {view.labels[j].id for j in row if j >= 0}
    }
    journal.put_labels([replace(label, description="Another definition")])
    assert set(journal.stale_pairs(teacher.key)) == {(d, label.id) for d in with_label}
    assert journal.stale_pairs("another") == []
    judge(journal, teacher, journal.corpus(), shortlist, rows)
    assert journal.stale_pairs(teacher.key) == []
