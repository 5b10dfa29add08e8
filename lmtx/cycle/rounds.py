"""The cycle: shortlist, judge what is new, train, score on held-out documents, until it stops helping."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from lmtx.cycle.active import Active, pair_cosines, pair_lexical, usefulness
from lmtx.cycle.began import Began
from lmtx.cycle.data import (
    EVIDENCE,
    MAX_HELD_OUT,
    CycleInputs,
    KeptVectors,
    Training,
    seeded_rows,
    training_set,
)
from lmtx.cycle.held_out import MIN_DOCUMENTS, improved, judged_quality
from lmtx.cycle.reports import CyclePreview, CycleReport, RoundReport, Spent
from lmtx.cycle.training import finish, fit, promoted_tagger
from lmtx.errors import InputError, NothingToDoError
from lmtx.quality import standard_error
from lmtx.shortlist import dense_topk, first_distinct, union
from lmtx.student import Adapter
from lmtx.tagger import HeldOut, Tagger
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
    no_progress,
)

_POOL = 5  # labels of each compared system that are judged on held-out documents
_STEPS = 100  # progress units of a round
_ASK_SHARE = 0.85  # of what is left of a budget; the rest is for held-out documents
_LONGEST = 200  # labels among which the one with most tokens is looked for


def run_cycle(
    inputs: CycleInputs,
    teacher: Teacher,
    rounds: int = 4,
    limit_docs: int | None = None,
    seed: int | None = None,
    progress: Progress = no_progress,
    *,
    patience: int = 2,
    note: str = "",
    budget: Budget = NO_BUDGET,
    min_open: int = 1,
    active: float | None = None,
    **student: object,
) -> CycleReport:
    """Run rounds of judging and training, then train a tagger and promote it unless the gate says no.

    A round asks the teacher about up to `top_k` labels of each document, half of them from
    BM25, the rest from the newest student (in the first round without one: from the fused zero-shot
    ranking), and only about pairs that it has not judged before. All committed judgments stay: a
    cycle that was killed or cancelled and is started again asks none of them twice.

    With the evidence teacher there is one round and no stop rule, and the gate compares nothing.

    Parameters
    ----------
    inputs : CycleInputs
    teacher : Teacher
        From `load_teacher`.
    rounds : int
        At most this many.
    limit_docs : int, optional
        At most this many training documents, in seeded order.
    seed : int, optional
        In place of the inputs' own.
    progress : callable
        Called with (done, total, message) over the whole cycle; may raise `JobCancelled`.
    patience : int
        Stop after this many rounds in a row without improvement on held-out documents beyond
        the standard error.
    note : str
        Kept with the run.
    budget : Budget
        Where judging ends; what was answered until then is trained on.
    min_open : int
        From the second round on, documents with fewer new candidates than this wait: see `judge`. With 2
        a text is read a quarter less often in all, and the held-out quality falls by one or two points,
        beyond its standard error: so 1 by default (`benchmarks/teacher_cost.py`).
    active : float, optional
        Ask about this share of each round's pairs only, those first about which BM25 and the student
        disagree or the student is unsure: see `Active`. Off by default, see `benchmarks/active_judging.py`.
    **student
        Fields of `AdapterConfig` to change.

    Returns
    -------
    CycleReport

    Raises
    ------
    InputError
        If `rounds`, `patience` or `min_open` is below 1, or `active` is no share.
    NothingToDoError
        If there are no labels or no training documents, or the teacher wants nothing at all.
    """
    if rounds < 1 or patience < 1 or min_open < 1:
        raise InputError(
            f"rounds is {rounds}, patience {patience}, min_open {min_open}; expected 1 or more of each."
        )
    start = time.process_time()
    if seed is not None:
        inputs = replace(inputs, seed=seed)
    own = teacher.spec == EVIDENCE
    n_rounds = 1 if own else rounds
    total = (n_rounds + 1) * _STEPS
    progress(0, total, "Reading the corpus")
    view = inputs.journal.corpus()
    _check(view)
    inputs = replace(inputs, document_vectors=KeptVectors(inputs))
    rows = seeded_rows(view, inputs.seed, limit_docs)
    cycle = _Cycle(inputs, teacher, view, rows, progress, total, budget, min_open, active)
    if not len(cycle.train_rows):
        raise NothingToDoError("No document is there to train on. Import documents of the split 'train'.")
    config = inputs.student_config(**student)
    asked_for = [teacher.key, rounds, patience, limit_docs, inputs.top_k, asdict(config), inputs.encoder_key]
    asked_for += [min_open] if min_open > 1 else []
    asked_for += [f"active {active}"] if active is not None else []
    cycle.begun_before(asked_for)
    known = {t.key for t in inputs.journal.teachers() if t.spec}
    if teacher.key not in known:
        inputs.journal.teacher_put(
            teacher.key, teacher.spec, {"is_llm": teacher.is_llm, "description": teacher.description}
        )

    reports: list[RoundReport] = []
    best: NDArray[np.float64] | None = None
    without_gain = 0
    stopped = "All rounds were run." if not own else "The evidence teacher has one round."
    for number in range(1, n_rounds + 1):
        cpu = time.process_time()
        cycle.round = number
        before = cycle.spent
        report = cycle.ask()
        training = training_set(inputs.journal, view, config.decision_weight, cycle.until)
        cycle.train(training, config.decision_weight, student)
        quality: NDArray[np.float64] | None = None
        zero: float | None = None
        n_held_out = 0
        if not own and len(cycle.held_out_rows):
            n_held_out, quality, base = cycle.score(cycle.student_tagger())
            zero = float(base.mean())
        gained = quality is not None and improved(quality, best)
        if quality is not None and (best is None or quality.mean() > best.mean()):
            best = quality
        spent = cycle.spent.less(before)
        reports.append(
            RoundReport(
                round=number,
                n_pairs=report.n_pairs,
                n_judged=report.n_judged,
                n_yes=report.n_yes,
                n_held_out_judged=n_held_out,
                **asdict(spent),
                held_out=None if quality is None else float(quality.mean()),
                held_out_se=None if quality is None else standard_error(quality),
                zero_shot=zero,
                improved=gained,
                cpu_s=round(time.process_time() - cpu, 2),
            )
        )
        without_gain = 0 if gained or quality is None or len(quality) < MIN_DOCUMENTS else without_gain + 1
        if without_gain >= patience and number < n_rounds:
            stopped = f"Stopped after round {number}: {patience} rounds in a row brought no improvement."
            break
        if cycle.out_of:
            stopped = f"Stopped in round {number}: the budget of {cycle.out_of} was used up."
            break

    cycle.round = len(reports) + 1
    cycle.tell(0.0, "Training the tagger")
    head = inputs.journal.head_seq()
    training = training_set(inputs.journal, view, config.decision_weight)
    tagger, ready = fit(
        inputs,
        training,
        config,
        cycle.student_of(training),
        lambda done, of, message: cycle.tell(0.6 * done / of, message),
    )
    n_last = 0
    if not own and len(cycle.held_out_rows):
        in_use = promoted_tagger(inputs)
        n_last = cycle.judge_pool([tagger, *([in_use] if in_use is not None else [])])
    held_out = cycle.held_out() if not own else None
    n_judged = sum(r.n_judged + r.n_held_out_judged for r in reports) + n_last
    cpu_s = round(time.process_time() - start, 2)
    run = finish(
        inputs,
        training,
        tagger,
        ready,
        kind="cycle",
        config={
            "teacher": teacher.spec,
            "teacher_key": teacher.key,
            "rounds": rounds,
            "patience": patience,
            "top_k": inputs.top_k,
            "limit_docs": limit_docs,
            "min_open": min_open,
            "active": active,
            "seed": inputs.seed,
            "student": asdict(config),
        },
        metrics={
            "rounds": [asdict(r) for r in reports],
            "stopped": stopped,
            "n_judged": n_judged,
            "tokens": cycle.spent.tokens,
            "cost": cycle.spent.cost,
            "decision_seq": head,
            "cpu_s": cpu_s,
        },
        note=note,
        progress=lambda message: cycle.tell(0.96, message),
        held_out=held_out,
    )
    cycle.ended()
    progress(total, total, "Done")
    return CycleReport(
        run=run,
        rounds=tuple(reports),
        stopped=stopped,
        n_documents=len(cycle.train_rows),
        n_judged=n_judged,
        tokens=cycle.spent.tokens,
        cost=cycle.spent.cost,
        n_failed=cycle.spent.n_failed,
        problem=cycle.problem,
        cpu_s=round(time.process_time() - start, 2),
    )


def preview_cycle(
    inputs: CycleInputs,
    teacher: Teacher,
    rounds: int,
    limit_docs: int | None = None,
    *,
    active: float | None = None,
) -> CyclePreview:
    """Say what `run_cycle` with these arguments would ask, without asking.

    Later rounds ask about what the student then ranks high, so of them only the most that they can ask is
    known: `top_k` new labels of every document, each with the longest question.
    """
    view = inputs.journal.corpus()
    _check(view)
    inputs = replace(inputs, document_vectors=KeptVectors(inputs))
    rows = seeded_rows(view, inputs.seed, limit_docs)
    cycle = _Cycle(inputs, teacher, view, rows, no_progress, 1, active=active)
    cycle.round = 1
    return cycle.preview(rounds)


class _Cycle:
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
        min_open: int = 1,
        active: float | None = None,
    ) -> None:
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
        self._trained_on = ""
        self._scored: IntArray | None = None
        self._began: Began | None = None
        self._lexical_best = (
            None if len(self.texts) == 0 else self.zero_shot.lexical.topk(self.texts, inputs.top_k)
        )
        in_use = promoted_tagger(inputs)
        if in_use is not None and in_use.student is not None:
            self.student = in_use.student

    def begun_before(self, asked_for: Sequence[object]) -> None:
        """Note that this cycle begins, or find where it began before it was killed."""
        self._began = Began.noted(self.inputs, asked_for)

    def ended(self) -> None:
        """Forget where it began."""
        if self._began is not None:
            self._began.forget()

    @property
    def until(self) -> tuple[int, int] | None:
        """Judgments that this round may know of: see `Began`."""
        return self._began.until(self.round) if self._began is not None else None

    def tell(self, share: float, message: str) -> None:
        """Report progress: `share` of the present round is done."""
        done = int((self.round - 1 + min(share, 1.0)) * _STEPS)
        shown = f"Round {self.round}: {message}" if self.round * _STEPS < self.total else message
        self.progress(done, self.total, shown)

    def ask(self) -> JudgeReport:
        """Judge the shortlists of this round."""
        self.tell(0.0, "Choosing candidate labels")
        # What held-out documents are asked about chooses weights and stops the cycle: some is left for it.
        share = _ASK_SHARE if len(self.held_out_rows) and self.teacher.spec != EVIDENCE else 1.0
        return self._judge(self._candidates(), self.train_rows, share, self._min_open, (0.05, 0.45))

    def _judge(
        self, shortlist: IntArray, rows: IntArray, share: float, min_open: int, steps: tuple[float, float]
    ) -> JudgeReport:
        began, (first, length) = time.monotonic(), steps
        report = judge(
            self.inputs.journal,
            self.teacher,
            self.view,
            shortlist,
            rows,
            round=self.round,
            progress=lambda done, of, message: self.tell(first + length * done / max(1, of), message),
            budget=self._budget.share(share),
            min_open=min_open if self.round > 1 else 1,
        )
        self._budget = self._budget.less(report, (time.monotonic() - began) / 60)
        self.spent = self.spent.plus(report)
        self.out_of, self.problem = report.stopped or self.out_of, report.problem or self.problem
        return report

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
            documents = student.project_documents(self.doc_vectors)
            cosine = pair_cosines(documents, self._student_labels(student), shortlist)
        lexical = pair_lexical(self.zero_shot.lexical, self.texts, shortlist)
        return self._active.choose(shortlist, usefulness(shortlist, lexical, cosine, student is not None))

    def _shortlist(self) -> IntArray:
        k = self.inputs.top_k
        # The evidence teacher says yes to the best of this ranking; other candidates it would only decline.
        own = self.teacher.spec == EVIDENCE
        if own or self.student is None or self._lexical_best is None:
            return self.zero_shot.predict(self.doc_vectors, self.texts, k).label_idx
        labels = self._student_labels(self.student)
        documents = self.student.project_documents(self.doc_vectors)
        # No hub correction here: what a trained student prefers everywhere are the labels that
        # were wanted most often, and correcting for them loses them.
        dense = dense_topk(documents, labels, k)
        return union(self._lexical_best, dense, k)

    def _student_labels(self, student: Adapter) -> FloatArray:
        return student.project_labels(self.label_vectors, student.rows_of([x.id for x in self.view.labels]))

    def train(self, training: Training, decision_weight: float, changes: dict[str, object]) -> None:
        """Train the round's student, from zero."""
        self.student = Adapter.fit(
            self.inputs.document_vectors(training.documents()),
            self.label_vectors,
            training.pairs,
            config=self.inputs.student_config(**{**changes, "decision_weight": decision_weight}),
            progress=lambda done, of, message: self.tell(0.5 + 0.35 * done / of, message),
            label_ids=[x.id for x in self.view.labels],
            encoder_key=self.inputs.encoder_key,
        )
        self._trained_on = training.fingerprint_of_pairs()

    def student_of(self, training: Training) -> Adapter | None:
        """Return the last student, if nothing it would be trained on has changed since."""
        return self.student if training.fingerprint_of_pairs() == self._trained_on else None

    def student_tagger(self) -> Tagger:
        """Return the student alone, as something that ranks."""
        return replace(self.zero_shot, student=self.student, weights={"student": 1.0})

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
        return self._judge(pool, self.held_out_rows, 1.0, 1, (0.85, 0.1)).n_judged

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


def _check(view: CorpusView) -> None:
    if not view.labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    if not view.documents:
        raise NothingToDoError("There are no documents yet. Import a corpus first.")
