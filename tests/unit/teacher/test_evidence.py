from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lmtx.errors import TeacherError
from lmtx.shortlist import FusedRanking, LexicalIndex
from lmtx.teacher import EvidenceTeacher, TeacherContext, TeacherRequest, ask
from lmtx.types import CorpusView, Document, FloatArray, Label


def test_the_two_best_of_the_fused_ranking_are_yes(
    corpus: CorpusView, context: TeacherContext, vectors: tuple[FloatArray, FloatArray]
) -> None:
    texts = [d.full_text for d in corpus.documents]
    ranking = FusedRanking.build(LexicalIndex(corpus.labels, texts), *vectors)
    scores = ranking.scores(vectors[0], texts)
    rng = np.random.default_rng(0)
    teacher = EvidenceTeacher(context)
    for i in (0, 7, 30):
        chosen = rng.choice(len(corpus.labels), 10, replace=False)
        shortlist = tuple(corpus.labels[j] for j in chosen)
        request = TeacherRequest(corpus.documents[i], shortlist, tuple(range(10)), shortlist)
        (answers,) = ask(teacher, [request])
        yes = {j for j, a in zip(chosen.tolist(), answers, strict=True) if a.verdict == "yes"}
        assert yes == set(chosen[np.argsort(-scores[i, chosen])[:2]].tolist())
        probabilities = [a.probability or 0 for a in answers]
        assert (np.argsort(probabilities) == np.argsort(scores[i, chosen])).all()
        assert all((p > 0.5) == (a.verdict == "yes") for p, a in zip(probabilities, answers, strict=True))


def test_answers_do_not_depend_on_what_is_cached(corpus: CorpusView, context: TeacherContext) -> None:
    shortlist = tuple(corpus.labels[:10])
    whole = TeacherRequest(corpus.documents[3], shortlist, tuple(range(10)), shortlist)
    teacher = EvidenceTeacher(context)
    (expected,) = ask(teacher, [whole])
    part = replace(whole, labels=shortlist[4:7], ranks=(4, 5, 6))
    assert ask(teacher, [part]) == [expected[4:7]]


def test_documents_kept_for_measuring_change_no_answer() -> None:
    rng = np.random.default_rng(0)
    documents = [Document(str(i), "", f"text {i}") for i in range(80)]
    labels = [Label(str(j), f"name {j}") for j in range(400)]
    roles = ["train" if i < 20 else ("reserve", "test", "held_out")[i % 3] for i in range(80)]
    view = CorpusView(documents, labels, roles)  # type: ignore[arg-type]
    plain, of_labels = (rng.normal(size=(n, 32)).astype(np.float32) for n in (80, 400))
    plain, of_labels = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (plain, of_labels))
    alike = plain.copy()
    alike[20:] = of_labels[0]  # over these a few labels are hubs
    shortlist = tuple(labels[:10])
    request = TeacherRequest(documents[3], shortlist, tuple(range(10)), shortlist)
    said = []
    for vectors in (plain, alike):
        context = TeacherContext(corpus=view, vectors=lambda v=vectors: (v, of_labels), encoder_key="e")
        said.append(ask(EvidenceTeacher(context), [request]))
    assert said[0] == said[1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_short_shortlists(corpus: CorpusView, context: TeacherContext, n: int) -> None:
    shortlist = tuple(corpus.labels[:n])
    request = TeacherRequest(corpus.documents[0], shortlist, tuple(range(n)), shortlist)
    (answers,) = ask(EvidenceTeacher(context), [request])
    assert [a.verdict for a in answers].count("yes") == min(n, 2)


def test_another_label_set_or_encoder_is_another_teacher(context: TeacherContext) -> None:
    key = EvidenceTeacher(context).key
    assert EvidenceTeacher(context).key == key
    assert EvidenceTeacher(replace(context, encoder_key="other")).key != key
    corpus = context.corpus
    more = CorpusView(corpus.documents, [*corpus.labels, Label("new", "New")], corpus.roles)
    assert EvidenceTeacher(replace(context, corpus=more)).key != key
    fewer_documents = CorpusView(corpus.documents[:5], corpus.labels, corpus.roles[:5])
    assert EvidenceTeacher(replace(context, corpus=fewer_documents)).key == key


def test_strangers_and_missing_vectors_are_refused(context: TeacherContext, corpus: CorpusView) -> None:
    with pytest.raises(TeacherError, match="Embed the corpus first"):
        EvidenceTeacher(replace(context, vectors=None))
    labels = tuple(corpus.labels[:2])
    stranger = TeacherRequest(Document("stranger", "", ""), labels, (0, 1), labels)
    with pytest.raises(TeacherError, match="'stranger' is not in the corpus"):
        ask(EvidenceTeacher(context), [stranger])


def test_nobody_takes_it_for_a_language_model(context: TeacherContext) -> None:
    teacher = EvidenceTeacher(context)
    assert not teacher.is_llm
    assert "No language model" in teacher.description
    assert "own opinion" in teacher.description


def test_vectors_are_asked_for_only_when_judging(context: TeacherContext) -> None:
    def vectors() -> tuple[FloatArray, FloatArray]:
        raise AssertionError("embedded too early")

    assert EvidenceTeacher(replace(context, vectors=vectors)).key
