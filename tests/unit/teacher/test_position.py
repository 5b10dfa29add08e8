from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from lmtx.errors import TeacherError
from lmtx.teacher import Answer, Answered, Estimate, SimulatedTeacher, TeacherContext, TeacherRequest
from lmtx.teacher.position import check_positions
from lmtx.types import CorpusView


class Lazy:
    """Says yes to what stands first in the list, whatever it is."""

    key, spec, is_llm, host, description = "lazy", "openai:lazy", True, "", "Reads the first line."

    def __init__(self, answers: bool = True) -> None:
        self.answers = answers

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        for r in requests:
            said = [
                Answer("yes" if x == r.shortlist[0] else "no", tokens=3) if self.answers else None
                for x in r.labels
            ]
            yield Answered(r, tuple(said))

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        return Estimate()


def _requests(corpus: CorpusView) -> list[TeacherRequest]:
    labels = tuple(corpus.labels[:9])
    documents = [d for d in corpus.documents if d.split == "train"][:25]
    return [TeacherRequest(d, labels, tuple(range(9)), labels) for d in documents]


def test_a_teacher_that_goes_by_the_place_is_found_out(corpus: CorpusView) -> None:
    found = check_positions(Lazy(), _requests(corpus))
    assert (found.n_documents, found.n_pairs, found.tokens) == (25, 225, 3 * 225 * 3)
    # In a random order another label stands first 8 times in 9: then it flips, and the one before too.
    assert 25 * 8 / 9 * 2 * 0.8 < found.n_flipped <= 25 * 3
    assert found.low < found.n_flipped / found.n_pairs < found.high
    assert found.yes_first == pytest.approx(1 / 3)
    assert found.yes_last == 0
    assert found.p < 0.01


def test_a_teacher_that_reads_is_not_accused(corpus: CorpusView, context: TeacherContext) -> None:
    found = check_positions(SimulatedTeacher(context), _requests(corpus))
    assert (found.n_pairs, found.n_flipped, found.p) == (225, 0, 1.0)


def test_nothing_answered_is_an_error_in_words(corpus: CorpusView) -> None:
    with pytest.raises(TeacherError, match="no pair was answered in all orders"):
        check_positions(Lazy(answers=False), _requests(corpus))
