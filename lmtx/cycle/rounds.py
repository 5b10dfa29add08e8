"""The cycle: shortlist, judge what is new, train, score on held-out documents, until it stops helping."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from lmtx.cycle.data import (
    EVIDENCE,
    CycleInputs,
    KeptVectors,
    seeded_rows,
    training_set,
)
from lmtx.cycle.held_out import MIN_DOCUMENTS, improved
from lmtx.cycle.reports import CyclePreview, CycleReport, RoundReport
from lmtx.cycle.state import STEPS, CycleState
from lmtx.cycle.training import finish, fit, promoted_tagger, student_configs
from lmtx.errors import InputError, NothingToDoError
from lmtx.quality import standard_error
from lmtx.student.kinds import WITHOUT_VERDICTS, check_kind
from lmtx.teacher import (
    NO_BUDGET,
    Budget,
    Teacher,
)
from lmtx.types import (
    CorpusView,
    Progress,
    no_progress,
)


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
    min_open: int | None = None,
    active: float | None = None,
    kind: str = "adapter",
    finetune_every_round: bool = False,
    **student: object,
) -> CycleReport:
    """Run rounds of judging and training, then train a tagger and promote it unless the gate says no.

    A round asks the teacher about up to `top_k` labels of each document, half of them from
    BM25, the rest from the newest student, and only about pairs that it has not judged before. In the first
    round without a student the first quarter of the documents is asked about by the fused zero-shot ranking,
    and a student trained on it (and another one at half) ranks for the rest (`EARLY`). All committed
    judgments stay: a cycle that was killed or cancelled and is started again asks none of them twice.

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
    min_open : int, optional
        From the second round on, documents with fewer new candidates than this wait: see `judge`. None: a
        long text (`LONG_TEXT`) waits until it has two. With 2 for all, a text is read a third less often, and
        quality falls by about a point (`benchmarks/teacher_cost.py`).
    active : float, optional
        Ask about this share of each round's pairs only, those first about which BM25 and the student
        disagree or the student is unsure: see `Active`. Off by default, see `benchmarks/active_judging.py`.
    kind : str
        Kind of student, see `lmtx.student.KINDS`. "finetune": the rounds rank with an adapter, which takes
        seconds, and the encoder is trained at the end. "official": every round trains the encoder anew from
        the pretrained one, and shortlists by it alone.
    finetune_every_round : bool
        Train the encoder of a student of kind "finetune" in every round.
    **student
        Settings of that kind to change.

    Returns
    -------
    CycleReport

    Raises
    ------
    InputError
        If `rounds`, `patience` or `min_open` is below 1, `active` is no share, or the kind of student learns
        from no verdicts.
    NothingToDoError
        If there are no labels or no training documents, or the teacher wants nothing at all.
    """
    if rounds < 1 or patience < 1 or (min_open is not None and min_open < 1):
        raise InputError(
            f"rounds is {rounds}, patience {patience}, min_open {min_open}; expected 1 or more of each."
        )
    chosen = check_kind(kind)
    if chosen in WITHOUT_VERDICTS:
        raise InputError(
            f"A student of kind {kind!r} learns from no verdicts, so it needs no rounds. "
            f"Train it with `lmtx train --student {kind}`."
        )
    start = time.process_time()
    if seed is not None:
        inputs = replace(inputs, seed=seed)
    own = teacher.spec == EVIDENCE
    n_rounds = 1 if own else rounds
    total = (n_rounds + 1) * STEPS
    progress(0, total, "Reading the corpus")
    view = inputs.journal.corpus()
    _check(view)
    inputs = replace(inputs, document_vectors=KeptVectors(inputs))
    rows = seeded_rows(view, inputs.seed, limit_docs)
    config, tuned = student_configs(inputs, chosen, student)
    in_rounds = tuned if chosen == "official" or finetune_every_round else None
    cycle = CycleState(
        inputs, teacher, view, rows, progress, total, budget, min_open, active, chosen, in_rounds
    )
    if not len(cycle.train_rows):
        raise NothingToDoError("No document is there to train on. Import documents of the split 'train'.")
    asked_for = [teacher.key, rounds, patience, limit_docs, inputs.top_k, asdict(config), inputs.encoder_key]
    asked_for += [f"min_open {min_open}"]
    asked_for += [f"active {active}"] if active is not None else []
    asked_for += [chosen, asdict(tuned), finetune_every_round] if tuned is not None else []
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
        report = cycle.ask(config)
        training = training_set(inputs.journal, view, config.decision_weight, cycle.until)
        cycle.train(training, config)
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
    encoder = None if tuned is None else cycle.own_encoder(training, tuned, (0.0, 0.5))
    tagger, ready = fit(
        inputs,
        training,
        config,
        cycle.student_of(training) if encoder is None else None,
        lambda done, of, message: cycle.tell(0.5 + 0.1 * done / of if tuned else 0.6 * done / of, message),
        encoder,
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
            "student": asdict(tuned or config),
            "student_kind": chosen,
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
    cycle = CycleState(inputs, teacher, view, rows, no_progress, 1, active=active)
    cycle.round = 1
    return cycle.preview(rounds)


def _check(view: CorpusView) -> None:
    if not view.labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    if not view.documents:
        raise NothingToDoError("There are no documents yet. Import a corpus first.")
