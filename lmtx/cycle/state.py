"""State of a running cycle: what it asks about, what it ranks with, and which students it has."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmtx.cycle.active import Active, pair_cosines, pair_lexical, usefulness
from lmtx.cycle.began import Began
from lmtx.cycle.data import (
    EVIDENCE,
    MAX_HELD_OUT,
    CycleInputs,
    Training,
    training_set,
)
from lmtx.cycle.held_out import judged_quality
from lmtx.cycle.own_encoder import fine_tuned, forget, identity_of, work_folder
from lmtx.cycle.reports import CyclePreview, Spent
from lmtx.cycle.training import check_wanted, promoted_tagger
from lmtx.encoder import label_text
from lmtx.shortlist import dense_topk, first_distinct, union
from lmtx.student import Adapter, AdapterConfig, FinetuneConfig, StudentKind, Tower
from lmtx.tagger import HeldOut, OwnEncoder, Tagger
from lmtx.teacher import (
    NO_BUDGET,
    Budget,
    Estimate,
    JudgeReport,
    Teacher,
    TeacherRequest,
    judge,
    preview,
)
from lmtx.types import (
    CorpusView,
    Document,
    FloatArray,
    IntArray,
    Label,
    Pairs,
    Progress,
)

_POOL = 5  # labels of each compared system that are judged on held-out documents
STEPS = 100
"""Progress units of a round."""

_ASK_SHARE = 0.85  # of what is left of a budget; the rest is for held-out documents

EARLY = (0.25, 0.5)
"""Shares of the first round's documents after which a student is trained for the rest of them.

Its candidates then need no second reading: over four rounds the documents are read a sixth less often, and
test P@1 rises by about a point on debtags and congress (`benchmarks/teacher_cost.py`).
"""

MIN_EARLY = 100
"""Fewest documents that a first student is trained on; with less there is none."""

LONG_TEXT = 1_400
"""Characters (some 340 tokens) from which a text is not read again for one question alone."""

_LONGEST = 200  # labels among which the one with most tokens is looked for


class CycleState:
    """State of a running cycle: what it ranks with, and which students it has."""

    def __init__(
        self,
        inputs: CycleInputs,
        teacher: Teacher,
        view: CorpusView,
        rows: IntArray,
        progress: Progress,
        total: int,
        budget: Budget = NO_BUDGET,
        min_open: int | None = None,
        active: float | None = None,
        kind: StudentKind = "adapter",
        tuned: FinetuneConfig | None = None,
    ) -> None:
        self._kind, self._tuned = kind, tuned  # `tuned`: every round trains an encoder
        self._budget, self._min_open = budget, min_open
        self._active = None if active is None else Active(active, len(view.labels))
        self.spent = Spent()
        self.out_of = self.problem = ""
        self.inputs, self.teacher, self.view = inputs, teacher, view
        self.progress, self.total, self.round = progress, total, 1
        roles = np.array([view.roles[int(i)] for i in rows], dtype=object)
        self.train_rows = rows[roles == "train"]
        self.held_out_rows = rows[roles == "held_out"][:MAX_HELD_OUT]
        self.label_vectors = inputs.label_vectors(view.labels)
        documents = [view.documents[int(i)] for i in self.train_rows]
        self.texts = [d.full_text for d in documents]
        self.doc_vectors = inputs.document_vectors(documents)
        self.zero_shot = Tagger.zero_shot(
            view.labels, self.label_vectors, self.doc_vectors, self.texts, inputs.encoder_key
        )
        self.student: Adapter | None = None
        # The student's own encoder and its vectors of the labels; None where it reads the workspace's.
        self._tower: Tower | None = None
        self._tower_labels: FloatArray | None = None
        self._works: set[Path] = set()
        self._own: tuple[str, OwnEncoder] | None = None  # the last one alone: each holds a model
        self._trained_on = ""
        self._scored: IntArray | None = None
        self._began: Began | None = None
        self._lexical_best = (
            None if len(self.texts) == 0 else self.zero_shot.lexical.topk(self.texts, inputs.top_k)
        )
        in_use = promoted_tagger(inputs)
        if in_use is not None and in_use.student is not None and kind != "official":
            self.student, self._tower = in_use.student, in_use.tower
            if in_use.tower is not None:
                self._tower_labels = in_use.tower.vectors([label_text(x) for x in view.labels], role="label")

    def begun_before(self, asked_for: Sequence[object]) -> None:
        """Note that this cycle begins, or find where it began before it was killed."""
        self._began = Began.noted(self.inputs, asked_for)

    def ended(self) -> None:
        """Forget where it began, and what only its encoders needed."""
        for work in self._works:
            forget(work)
        if self._began is not None:
            self._began.forget()

    @property
    def until(self) -> tuple[int, int] | None:
        """Judgments that this round may know of: see `Began`."""
        return self._began.until(self.round) if self._began is not None else None

    def tell(self, share: float, message: str) -> None:
        """Report progress: `share` of the present round is done."""
        done = int((self.round - 1 + min(share, 1.0)) * STEPS)
        shown = f"Round {self.round}: {message}" if self.round * STEPS < self.total else message
        self.progress(done, self.total, shown)

    def ask(self, config: AdapterConfig) -> JudgeReport:
        """Judge the shortlists of this round."""
        self.tell(0.0, "Choosing candidate labels")
        # What held-out documents are asked about chooses weights and stops the cycle: some is left for it.
        share = _ASK_SHARE if len(self.held_out_rows) and self.teacher.spec != EVIDENCE else 1.0
        budget, report = self._budget.share(share), None
        ends = [*self._early(), len(self.train_rows)]
        for number, (first, end) in enumerate(pairwise([0, *ends])):
            if number:
                self._train_early(self.train_rows[:first], config)
            n = len(self.train_rows)
            steps = (0.05 + 0.45 * first / n, 0.45 * (end - first) / n)
            rows = slice(first, end)
            part, budget = self._judge(
                self._candidates()[rows], self.train_rows[rows], budget, self._waits, steps
            )
            report = part if report is None else report + part
            if part.stopped:
                break
        assert report is not None
        return report

    def _early(self) -> list[int]:
        """Return the numbers of documents after which the first round trains a student for the rest."""
        usual = self._tuned is None and self._active is None and self.teacher.spec != EVIDENCE
        if self.round > 1 or self.student is not None or not usual:
            return []
        return [n for share in EARLY if (n := int(share * len(self.train_rows))) >= MIN_EARLY]

    def _train_early(self, rows: IntArray, config: AdapterConfig) -> None:
        """Train a student on these documents alone, also where a killed cycle had judged more of them."""
        training = training_set(self.inputs.journal, self.view, config.decision_weight, self.until)
        kept = np.isin(training.rows[training.pairs.document_idx], rows)
        pairs = training.pairs.where(kept)
        if (pairs.target > 0.5).any():
            at = 0.05 + 0.45 * len(rows) / len(self.train_rows)
            some = replace(training, pairs=pairs, probability=training.probability[kept])
            self.train(some, config, (at, 0.0))

    def _waits(self, document: Document) -> int:
        """Return how many open pairs a document needs to be read again."""
        if self.round == 1:
            return 1
        if self._min_open is not None:
            return self._min_open
        return 2 if len(document.full_text) >= LONG_TEXT else 1

    def _judge(
        self,
        shortlist: IntArray,
        rows: IntArray,
        budget: Budget,
        min_open: Callable[[Document], int],
        steps: tuple[float, float],
    ) -> tuple[JudgeReport, Budget]:
        """Judge; returns what was said, and what is left of this budget."""
        began, (first, length) = time.monotonic(), steps
        report = judge(
            self.inputs.journal,
            self.teacher,
            self.view,
            shortlist,
            rows,
            round=self.round,
            progress=lambda done, of, message: self.tell(first + length * done / max(1, of), message),
            budget=budget,
            min_open=min_open,
        )
        minutes = (time.monotonic() - began) / 60
        self._budget = self._budget.less(report, minutes)
        self.spent = self.spent.plus(report)
        self.out_of, self.problem = report.stopped or self.out_of, report.problem or self.problem
        return report, budget.less(report, minutes)

    def preview(self, rounds: int) -> CyclePreview:
        """Say what the rounds would ask; see `preview_cycle`."""
        k = self.inputs.top_k
        first = preview(self.inputs.journal, self.teacher, self.view, self._candidates(), self.train_rows)
        if self.teacher.spec == EVIDENCE:
            return CyclePreview(first, 0, Estimate())
        longest = sorted(self.view.labels, key=lambda x: len(x.full_text.encode()))[-_LONGEST:]
        one = Document("", "", "")

        def tokens(x: Label) -> int:
            return self.teacher.estimate([TeacherRequest(one, (x,), (0,), (x,))]).tokens_in

        label = max(longest, key=tokens)

        def most(rows: IntArray, n: int) -> Estimate:
            labels, ranks = (label,) * n, tuple(range(n))
            requests = [
                TeacherRequest(self.view.documents[int(i)], labels, ranks, labels) for i in rows.tolist()
            ]
            return self.teacher.estimate(requests) if n else Estimate()

        later, held_out = most(self.train_rows, k), most(self.held_out_rows, 2 * _POOL)
        total = sum([later] * (rounds - 1) + [held_out] * (rounds + 1), Estimate())
        n_pairs = (rounds - 1) * k * len(self.train_rows) + (rounds + 1) * 2 * _POOL * len(self.held_out_rows)
        return CyclePreview(first, n_pairs, total)

    def _candidates(self) -> IntArray:
        """Return the shortlist, without what is not to be asked in this round."""
        shortlist = self._shortlist()
        if self._active is None or self.teacher.spec == EVIDENCE:
            return shortlist
        student = self.student
        if student is None:
            cosine = pair_cosines(self.doc_vectors, self.label_vectors, shortlist)
        else:
            documents = self._student_documents(student)
            cosine = pair_cosines(documents, self._student_labels(student), shortlist)
        lexical = pair_lexical(self.zero_shot.lexical, self.texts, shortlist)
        return self._active.choose(shortlist, usefulness(shortlist, lexical, cosine, student is not None))

    def _shortlist(self) -> IntArray:
        k = self.inputs.top_k
        # The evidence teacher says yes to the best of this ranking; other candidates it would only decline.
        own = self.teacher.spec == EVIDENCE
        if self._kind == "official" and not own:  # as published: the nearest labels, and nothing else
            if self.student is None:
                return dense_topk(self.doc_vectors, self.label_vectors, k).label_idx
            documents = self._student_documents(self.student)
            return dense_topk(documents, self._student_labels(self.student), k).label_idx
        if own or self.student is None or self._lexical_best is None:
            return self.zero_shot.predict(self.doc_vectors, self.texts, k).label_idx
        labels = self._student_labels(self.student)
        documents = self._student_documents(self.student)
        # No hub correction here: what a trained student prefers everywhere are the labels that
        # were wanted most often, and correcting for them loses them.
        dense = dense_topk(documents, labels, k)
        return union(self._lexical_best, dense, k)

    def _student_documents(self, student: Adapter) -> FloatArray:
        own = self.doc_vectors if self._tower is None else self._tower.vectors(self.texts)
        return student.project_documents(own)

    def _student_labels(self, student: Adapter) -> FloatArray:
        names = self.label_vectors if self._tower_labels is None else self._tower_labels
        return student.project_labels(names, student.rows_of([x.id for x in self.view.labels]))

    def train(
        self, training: Training, config: AdapterConfig, steps: tuple[float, float] | None = None
    ) -> None:
        """Train the round's student, from zero; `steps`: where the round is then, and how far it gets."""
        documents, labels = training.documents(), self.label_vectors
        ids = [x.id for x in self.view.labels]
        self._tower, self._tower_labels = None, None
        if self._tuned is None:
            vectors, key, first = self.inputs.document_vectors(documents), self.inputs.encoder_key, 0.5
        else:
            own = self.own_encoder(training, self._tuned, (0.5, 0.3))
            self._tower, self._tower_labels = own.tower, own.label_vectors
            vectors, labels, key, first = own.doc_vectors, own.label_vectors, own.tower.key, 0.8
            if not own.adapter_on_top:
                self.student = Adapter.identity(ids, labels.shape[1], key)
                return
        first, length = steps or (first, 0.85 - first)
        self.student = Adapter.fit(
            vectors,
            labels,
            training.pairs,
            config=config,
            progress=lambda done, of, message: self.tell(first + length * done / of, message),
            label_ids=ids,
            encoder_key=key,
        )
        self._trained_on = training.fingerprint_of_pairs() if self._tuned is None else ""

    def own_encoder(
        self, training: Training, tuned: FinetuneConfig, steps: tuple[float, float]
    ) -> OwnEncoder:
        """Train an encoder on a training set, from the pretrained one; the last one if it saw the same."""
        check_wanted(training)
        work = work_folder(self.inputs, self._kind, *identity_of(training, tuned))
        self._works.add(work)
        if self._own is None or self._own[0] != work.name:
            self._own = None
            first, length = steps
            encoder = fine_tuned(
                self.inputs,
                training,
                tuned,
                work,
                lambda done, of, message: self.tell(first + length * done / of, message),
            )
            self._own = work.name, encoder
        return self._own[1]

    def student_of(self, training: Training) -> Adapter | None:
        """Return the last student, if nothing it would be trained on has changed since."""
        return self.student if training.fingerprint_of_pairs() == self._trained_on else None

    def student_tagger(self) -> Tagger:
        """Return the student alone, as something that ranks."""
        return replace(
            self.zero_shot,
            student=self.student,
            tower=self._tower,
            tower_labels=self._tower_labels,
            weights={"student": 1.0},
        )

    def score(self, tagger: Tagger) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
        """Pairs judged for it, and the quality of a tagger and of zero-shot on held-out documents."""
        n = self.judge_pool([tagger, self.zero_shot])
        held_out = self.held_out()
        if held_out is None:
            return n, np.zeros(0), np.zeros(0)
        return n, judged_quality(tagger, held_out), judged_quality(self.zero_shot, held_out)

    def judge_pool(self, taggers: Sequence[Tagger]) -> int:
        """Judge the pooled best labels of these taggers on the held-out documents; returns pairs asked."""
        documents = [self.view.documents[int(i)] for i in self.held_out_rows]
        vectors = self.inputs.document_vectors(documents)
        texts = [d.full_text for d in documents]
        ranked = []
        for tagger in taggers:
            column = np.array([self.view.label_idx.get(x, -1) for x in tagger.label_ids] + [-1], np.int32)
            ranked.append(column[tagger.predict(vectors, texts, _POOL).label_idx])
        pool = first_distinct(np.concatenate(ranked, axis=1), _POOL * len(taggers))
        steps = (0.85, 0.1)
        report, _ = self._judge(pool, self.held_out_rows, self._budget, lambda document: 1, steps)
        return report.n_judged

    def held_out(self) -> HeldOut | None:
        """Held-out documents of this cycle with what was said of them so far, the same in every round.

        Those that only others judged are left out: not all that the compared systems rank first was
        asked there.
        """
        training = training_set(self.inputs.journal, self.view, until=self.until)
        rows, pairs = training.held_out_rows, training.held_out_pairs
        if self._scored is None:
            self._scored = rows[np.isin(rows, self.held_out_rows)]
        if not len(self._scored):
            return None
        place = np.full(len(self.view.documents), -1, dtype=np.int32)
        place[self._scored] = np.arange(len(self._scored), dtype=np.int32)
        document = place[rows[pairs.document_idx]]
        kept = document >= 0
        pairs = Pairs(document[kept], pairs.label_idx[kept], pairs.target[kept], pairs.weight[kept])
        documents = [self.view.documents[int(i)] for i in self._scored]
        return HeldOut([d.full_text for d in documents], self.inputs.document_vectors(documents), pairs)
