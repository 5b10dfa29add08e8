"""One training from what the journal holds, written as a run."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path

from lmtx.cycle import left_out
from lmtx.cycle.changes import compare
from lmtx.cycle.completed import Completed, quality_on
from lmtx.cycle.data import CycleInputs, Training, training_set
from lmtx.cycle.gate import MIN_COMMON, Before, Gate, gate
from lmtx.errors import NothingToDoError, StorageError
from lmtx.student import Adapter, AdapterConfig
from lmtx.tagger import FIXED_WEIGHTS, HeldOut, Tagger, TrainingInputs
from lmtx.types import Progress, Run, no_progress, now

RECENT = 5
"""Promoted runs that a new one is compared with, so that many small losses do not add up."""

_log = logging.getLogger(__name__)


def train_once(
    inputs: CycleInputs, progress: Progress = no_progress, *, note: str = "", **student: object
) -> Run:
    """Train student and tagger on what the journal holds, and promote the run unless the gate says no.

    Nothing is judged: the gate compares on completed documents by cross-validation, or on the held-out
    verdicts there are.

    Parameters
    ----------
    inputs : CycleInputs
    progress : callable
        Called with (done, total, message); may raise `JobCancelled`, then nothing is written.
    note : str
        Kept with the run.
    **student
        Fields of `AdapterConfig` to change.

    Returns
    -------
    Run
        `promoted` says whether it is in use now, `metrics["gate"]` why.

    Raises
    ------
    NothingToDoError
        If nothing was judged, decided or completed yet.
    """
    start = time.process_time()
    config = inputs.student_config(**student)
    progress(0, 6, "Reading the journal")
    head = inputs.journal.head_seq()  # before anything is read: what comes in meanwhile is new to the run
    view = inputs.journal.corpus()
    training = training_set(inputs.journal, view, config.decision_weight)
    tagger, ready = fit(inputs, training, config, None, lambda done, _, message: progress(done, 6, message))
    return finish(
        inputs,
        training,
        tagger,
        ready,
        kind="train",
        config={"student": asdict(config), "seed": inputs.seed},
        metrics={"decision_seq": head, "cpu_s": round(time.process_time() - start, 2)},
        note=note,
        progress=lambda message: progress(5, 6, message),
    )


def fit(
    inputs: CycleInputs,
    training: Training,
    config: AdapterConfig,
    student: Adapter | None,
    progress: Progress = no_progress,
) -> tuple[Tagger, TrainingInputs]:
    """Fit a tagger on a training set, with a student trained on it already or here.

    Raises
    ------
    NothingToDoError
        If there is no wanted pair.
    """
    if not training.n_yes and not any(len(x) for x in training.completed.values()):
        raise NothingToDoError(
            f"Nothing to train on: {len(training.pairs)} judged pairs, none of them wanted. "
            "Let a teacher judge some documents (`lmtx teach`), or review some."
        )
    ready = training.inputs(inputs, config)
    if student is not None:
        ready = replace(ready, student=student)
    return Tagger.fit(ready, progress), ready


def zero_shot_of(tagger: Tagger) -> Tagger:
    """Return the zero-shot ranking over the same labels and word frequencies."""
    return Tagger(
        label_ids=tagger.label_ids,
        label_vectors=tagger.label_vectors,
        lexical=tagger.lexical,
        centre=tagger.centre,
        weights=dict(FIXED_WEIGHTS["none"]),
        encoder_key=tagger.encoder_key,
    )


def promoted_tagger(inputs: CycleInputs) -> Tagger | None:
    """Return the tagger in use, if it can be read and was trained with this encoder."""
    run = inputs.journal.promoted()
    return None if run is None else _load(inputs, run)


def _load(inputs: CycleInputs, run: Run) -> Tagger | None:
    try:
        tagger = Tagger.load(inputs.folder / run.folder)
    except StorageError as error:
        _log.warning("The run in use can't be read, so nothing is compared with it: %s", error)
        return None
    return tagger if tagger.encoder_key == inputs.encoder_key else None


def recent_runs(inputs: CycleInputs) -> list[Run]:
    """Runs that were promoted last, the one in use first, at most `RECENT` of them.

    They end with one that a person promoted: who puts a run to use that the gate had refused, or goes back to
    an older one, says that what came before is no measure any more.
    """
    order = [run_id for run_id, _ in inputs.journal.promotions()][::-1]
    runs = {run.id: run for run in inputs.journal.runs()}
    found: list[Run] = []
    for run_id in order:
        run = runs[run_id]
        if run.config.get("encoder", inputs.encoder_key) != inputs.encoder_key:
            break
        found.append(run)
        verdict = run.metrics.get("gate")
        by_itself = isinstance(verdict, dict) and verdict.get("passed") and order.count(run_id) == 1
        if len(found) == RECENT or not by_itself:
            break
    return found


def before(inputs: CycleInputs, training: Training, in_use: Tagger | None, completed: Completed) -> Before:
    """Gather what a new run is compared with."""
    if not completed.quality:
        return Before(in_use)
    runs = [Completed.load(inputs.folder / run.folder) for run in recent_runs(inputs)]
    # A run without one had no completed documents: what was promoted before it compares nothing either.
    known = [run for run in takewhile(lambda run: run is not None, runs) if run is not None]
    if in_use is None:
        return Before(None, known)
    enough = bool(known) and len(completed.in_common(known[0])) >= MIN_COMMON
    if not enough and training.teacher != "teacher":
        return Before(in_use, known)
    wanted = [i for i in completed.quality if not enough or i not in known[0].truth]
    view = training.view
    documents = [view.documents[view.document_idx[i]] for i in wanted]
    labels = {view.documents[int(training.rows[row])].id: x for row, x in training.completed.items()}
    truth = [{view.labels[int(j)].id for j in labels[i]} for i in wanted]
    found = quality_on(in_use, documents, truth, inputs)
    by_id = dict(zip(wanted, found.tolist(), strict=True))
    return Before(in_use, known, by_id, {}) if enough else Before(in_use, known, {}, by_id)


def finish(
    inputs: CycleInputs,
    training: Training,
    tagger: Tagger,
    ready: TrainingInputs,
    *,
    kind: str,
    config: dict[str, object],
    metrics: dict[str, object],
    note: str = "",
    progress: Callable[[str], None] = lambda message: None,
    held_out: HeldOut | None = None,
) -> Run:
    """Compare, write the folder, record the run, promote it if the gate passes.

    The folder has all that predicts and compares under its final name before the run is recorded: a kill
    leaves at most a folder that nothing refers to. What the run changed is added after that.
    """
    progress("Comparing with the ranking in use")
    used = inputs.journal.promoted()
    in_use = None if used is None else _load(inputs, used)
    completed = Completed.of(training, tagger)
    answer: Gate = gate(
        tagger,
        zero_shot_of(tagger),
        before(inputs, training, in_use, completed),
        held_out or ready.held_out,
        completed,
    )
    progress("Writing the run")
    fingerprint = training.fingerprint()
    created = now()
    run_id = f"{created:%Y%m%d-%H%M%S}-{fingerprint[:4]}{os.urandom(2).hex()}"
    folder = Path("runs") / run_id

    def beside(part: Path) -> None:
        completed.save(part)
        inputs.beside(tagger, part)
        if tagger.findings is not None:
            left_out.write(part, training, tagger.findings)

    _write(tagger, inputs.folder / folder, beside)
    run = Run(
        id=run_id,
        created=created,
        kind=kind,
        config={**config, "teacher_kind": training.teacher, "encoder": inputs.encoder_key},
        fingerprint=fingerprint,
        folder=folder.as_posix(),
        metrics={
            "n_documents": len(training.rows),
            "n_pairs": len(training.pairs),
            "n_yes": training.n_yes,
            "n_decisions": training.n_decisions,
            "n_completed": len(training.completed),
            "n_held_out": len(training.held_out_rows),
            "weights": {p: round(w, 4) for p, w in tagger.weights.items() if w > 0},
            "basis": tagger.basis,
            "calibrated": tagger.calibration is not None,
            "gate": answer.as_dict(),
            **metrics,
        },
        note=note,
    )
    inputs.journal.put_run(run)
    run = inputs.journal.promote(run.id) if answer.passed else inputs.journal.run(run.id)
    if used is not None and in_use is not None:
        # Only now: who waits for the new ranking has it already, and a run without this is whole.
        compare(inputs, training, tagger, in_use, used.id).save(inputs.folder / folder)
    return run


def _write(tagger: Tagger, folder: Path, beside: Callable[[Path], None]) -> None:
    part = folder.with_name(f"{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob("*.part"):  # of a run that was killed while it was written
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
        tagger.save(part)
        beside(part)
        for path in (*part.rglob("*"), part):
            _to_disk(path)  # the journal will say that the run is there, and survives a power cut
        part.rename(folder)
        _to_disk(folder.parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StorageError(
            f"{folder}: the run can't be written ({error}). Check that the disk is not full, and train again."
        ) from error


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["finish", "fit", "promoted_tagger", "train_once", "zero_shot_of"]
