from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from lmtx.errors import TeacherError
from lmtx.teacher import Answer, SimulatedTeacher, TeacherContext, TeacherRequest, ask
from lmtx.teacher.simulated import BLIND_SHARE, EAGER_NOISE, EAGER_SHARE
from lmtx.types import CorpusView, Document, Label


def _requests(corpus: CorpusView) -> list[TeacherRequest]:
    labels = tuple(corpus.labels)
    ranks = tuple(range(len(labels)))
    return [TeacherRequest(d, labels, ranks, labels) for d in corpus.documents if d.split == "train"]


def _rates(requests: list[TeacherRequest], answers: list[list[Answer | None]]) -> tuple[float, float]:
    true: list[bool] = []
    false: list[bool] = []
    for request, given in zip(requests, answers, strict=True):
        for label, answer in zip(request.labels, given, strict=True):
            assert answer is not None
            (true if label.id in (request.document.labels or ()) else false).append(answer.verdict == "yes")
    return float(np.mean(true)), float(np.mean(false))


def test_recall_and_noise_are_what_was_asked_for(corpus: CorpusView, context: TeacherContext) -> None:
    requests = _requests(corpus)  # 270 documents: 810 true pairs, some 10,000 others
    recall, noise = _rates(requests, ask(SimulatedTeacher(context, recall=0.7, noise=0.1), requests))
    assert recall == pytest.approx(0.7, abs=0.06)
    assert noise == pytest.approx(0.1, abs=0.015)
    assert _rates(requests, ask(SimulatedTeacher(context, recall=1, noise=0), requests)) == (1, 0)
    assert _rates(requests, ask(SimulatedTeacher(context, recall=0, noise=1), requests)) == (0, 1)


def test_answers_depend_on_the_pair_alone(corpus: CorpusView, context: TeacherContext) -> None:
    requests = _requests(corpus)
    whole = ask(SimulatedTeacher(context), requests)
    backwards = [
        replace(r, labels=r.labels[::-1], ranks=r.ranks[::-1], shortlist=r.labels[:3]) for r in requests[::-1]
    ]
    teacher = SimulatedTeacher(context)
    pieces = [ask(teacher, [r])[0] for r in backwards]
    assert [a[::-1] for a in pieces[::-1]] == whole
    other = ask(SimulatedTeacher(context, seed=1), requests)
    assert other != whole
    # A re-import with new texts or names leaves the draw as it was: it is of the ids.
    renamed = [replace(r, document=replace(r.document, text="new")) for r in requests]
    assert ask(teacher, renamed) == whole


def test_answers_are_the_same_in_another_process() -> None:
    program = """
from lmtx.teacher import SimulatedTeacher, TeacherContext, TeacherRequest, ask
from lmtx.types import CorpusView, Document, Label
labels = tuple(Label(f"l{i}", "x") for i in range(64))
document = Document("d", "", "")
teacher = SimulatedTeacher(TeacherContext(CorpusView([], [], []), gold=lambda: {"d": ("l1",)}), noise=0.5)
request = TeacherRequest(document, labels, tuple(range(64)), labels)
print("".join(a.verdict[0] for a in ask(teacher, [request])[0]))
"""
    command = [sys.executable, "-c", program]
    printed = [
        subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": s}).stdout
        for s in ("1", "2")
    ]
    assert printed[0] == printed[1]
    # Written down: a change of the draw would silently turn old caches into another teacher's.
    assert printed[0].strip() == PERMANENT


PERMANENT = "nnnnnnynyyyyyynnyyyyyyyyynnnnynnnnynynynnyyynynyynnyynnyyyyyyyyy"


def test_bias_makes_errors_systematic_by_label(corpus: CorpusView, context: TeacherContext) -> None:
    labels = [Label(f"x{i}", "x") for i in range(400)]
    documents = [Document(f"d{i}", "", "") for i in range(40)]
    gold = {d.id: tuple(x.id for x in labels[:200]) for d in documents}
    teacher = SimulatedTeacher(replace(context, gold=lambda: gold), bias="label")
    requests = [TeacherRequest(d, tuple(labels), tuple(range(400)), tuple(labels)) for d in documents]
    yes = np.array([[a.verdict == "yes" for a in row] for row in ask(teacher, requests)])
    recall, noise = yes[:, :200].mean(axis=0), yes[:, 200:].mean(axis=0)
    assert (noise > EAGER_NOISE / 2).mean() == pytest.approx(EAGER_SHARE, abs=0.08)
    assert (recall < 0.57).mean() == pytest.approx(BLIND_SHARE, abs=0.08)
    assert np.median(noise) == pytest.approx(0.05, abs=0.03)
    assert np.median(recall) == pytest.approx(0.85, abs=0.05)


def test_documents_without_gold_are_unparsed_not_no(context: TeacherContext, corpus: CorpusView) -> None:
    labels = tuple(corpus.labels[:3])
    ours = next(d for d in corpus.documents if d.split == "train")
    hidden = next(d for d in corpus.documents if d.split == "test")
    unlabelled = Document("empty", "", "")
    gold = {ours.id: ours.labels or (), "empty": ()}
    teacher = SimulatedTeacher(replace(context, gold=lambda: gold), noise=0)
    requests = [TeacherRequest(d, labels, (0, 1, 2), labels) for d in (hidden, ours, unlabelled)]
    verdicts = [{a.verdict for a in row} for row in ask(teacher, requests)]
    assert verdicts[0] == {"unparsed"}
    assert verdicts[1] <= {"yes", "no"}
    assert verdicts[2] == {"no"}  # labelled with nothing is an answer


def test_no_gold_at_all_is_an_error_with_a_remedy(context: TeacherContext, corpus: CorpusView) -> None:
    with pytest.raises(TeacherError, match="Import a corpus with a label column, or choose 'evidence'"):
        SimulatedTeacher(replace(context, gold=None))
    teacher = SimulatedTeacher(replace(context, gold=dict))
    with pytest.raises(TeacherError, match="no gold"):
        ask(teacher, _requests(corpus)[:1])
    for bad in ({"recall": 1.2}, {"noise": -0.1}):
        with pytest.raises(TeacherError, match="expected a fraction"):
            SimulatedTeacher(context, **bad)


def test_gold_is_read_when_needed_and_once(context: TeacherContext, corpus: CorpusView) -> None:
    calls: list[int] = []

    def gold() -> dict[str, tuple[str, ...]]:
        calls.append(1)
        return {d.id: d.labels or () for d in corpus.documents}

    teacher = SimulatedTeacher(replace(context, gold=gold))
    assert calls == []
    for request in _requests(corpus)[:3]:
        ask(teacher, [request])
    assert calls == [1]
