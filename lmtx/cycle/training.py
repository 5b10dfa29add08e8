"""One training from what the journal holds, written as a run."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path

from lmtx.baselines import train_documents
from lmtx.cycle import left_out
from lmtx.cycle.changes import compare
from lmtx.cycle.completed import Completed, quality_on
from lmtx.cycle.data import CycleInputs, Training, training_set
from lmtx.cycle.gate import MIN_COMMON, Before, Gate, gate
from lmtx.cycle.own_encoder import fine_tuned, forget, identity_of, pretrained, within, work_folder
from lmtx.errors import NothingToDoError, StorageError
from lmtx.student import Adapter, AdapterConfig, FinetuneConfig, StudentKind
from lmtx.student.kinds import WITHOUT_VERDICTS, check_kind, check_settings, finetune_config
from lmtx.tagger import FIXED_WEIGHTS, HeldOut, OwnEncoder, Tagger, TrainingInputs
from lmtx.types import Progress, Run, no_progress, now

RECENT = 5
"""Promoted runs that a new one is compared with, so that many small losses do not add up."""

HUB_DOCUMENTS = 4_000
"""Documents over which the ranking of a baseline measures hubs and word frequencies at most."""

TO_COMPARE = "Not put in use: it reads no verdicts, and is there to compare with. You may promote it by hand."

_log = logging.getLogger(__name__)


def train_once(
    inputs: CycleInputs,
    progress: Progress = no_progress,
    *,
    note: str = "",
    kind: str = "adapter",
    **settings: object,
) -> Run:
    """Train student and tagger on what the journal holds, and promote the run unless the gate says no.

    Nothing is judged: the gate compares on completed documents by cross-validation, or on the held-out
    verdicts there are. A student of kind "maclr" or "rts" reads no verdicts and tags alone; such a run is
    there to be compared with, and never promoted by itself.

    Parameters
    ----------
    inputs : CycleInputs
    progress : callable
        Called with (done, total, message); may raise `JobCancelled`: then no run is written, and a student
        with an encoder of its own goes on from its last checkpoint when the same training is asked for.
    note : str
        Kept with the run.
    kind : str
        One of `lmtx.student.KINDS`.
    **settings
        Settings of that kind to change: fields of `AdapterConfig`, of `FinetuneConfig`, or of the baseline.

    Returns
    -------
    Run
        `promoted` says whether it is in use now, `metrics["gate"]` why.

    Raises
    ------
    InputError
        If there is no such kind, or a setting can't be used.
    NothingToDoError
        If nothing was judged, decided or completed yet.
    """
    chosen = check_kind(kind)
    if chosen in WITHOUT_VERDICTS:
        return _train_without_verdicts(inputs, chosen, settings, progress, note)
    start = time.process_time()
    config, tuned = student_configs(inputs, chosen, settings)
    progress(0, 6, "Reading the journal")
    head = inputs.journal.head_seq()  # before anything is read: what comes in meanwhile is new to the run
    view = inputs.journal.corpus()
    training = training_set(inputs.journal, view, config.decision_weight)

    def finished(own: OwnEncoder | None, progress: Progress) -> Run:
        tagger, ready = fit(
            inputs, training, config, None, lambda done, _, message: progress(done, 6, message), own
        )
        return finish(
            inputs,
            training,
            tagger,
            ready,
            kind="train" if chosen == "adapter" else chosen,
            config={"student": asdict(tuned or config), "student_kind": chosen, "seed": inputs.seed},
            metrics={"decision_seq": head, "cpu_s": round(time.process_time() - start, 2)},
            note=note,
            progress=lambda message: progress(5, 6, message),
        )

    if tuned is None:
        return finished(None, progress)
    check_wanted(training)
    work = work_folder(inputs, chosen, *identity_of(training, tuned))
    own = fine_tuned(inputs, training, tuned, work, within(progress, 1, 85))
    run = finished(own, within(progress, 85, 100))
    forget(work)
    return run


def student_configs(
    inputs: CycleInputs, kind: StudentKind, settings: Mapping[str, object]
) -> tuple[AdapterConfig, FinetuneConfig | None]:
    """Return how the adapter is trained, and how the encoder is, if it is.

    Raises
    ------
    InputError
        If there is no such setting, or its value can't be used.
    """
    if kind != "adapter":
        tuned = finetune_config(kind, inputs.seed, inputs.threads, **settings)
        return inputs.student_config(decision_weight=tuned.decision_weight), tuned
    check_settings(kind, settings)
    return inputs.student_config(**settings), None


def _train_without_verdicts(
    inputs: CycleInputs, kind: StudentKind, settings: dict[str, object], progress: Progress, note: str
) -> Run:
    """Train a baseline that reads texts and label names alone; its student is all that tags."""
    start = time.process_time()
    progress(0, 100, "Reading the corpus")
    head = inputs.journal.head_seq()
    view = inputs.journal.corpus()
    identity = [d.hash for d in train_documents(view)], [x.hash for x in view.labels], settings, inputs.seed
    work = work_folder(inputs, kind, *identity)
    own = pretrained(inputs, view, kind, settings, work, within(progress, 0, 95))
    documents = train_documents(view)[:HUB_DOCUMENTS]
    vectors, label_vectors = inputs.document_vectors(documents), inputs.label_vectors(view.labels)
    texts = [d.full_text for d in documents]
    ids = [x.id for x in view.labels]
    tagger = replace(
        Tagger.zero_shot(view.labels, label_vectors, vectors, texts, inputs.encoder_key),
        student=Adapter.identity(ids, own.label_vectors.shape[1], own.tower.key),
        tower=own.tower,
        tower_labels=own.label_vectors,
        weights={"student": 1.0},
        basis="The student alone: it has learned from texts and label names.",
    )
    run = finish(
        inputs,
        training_set(inputs.journal, view),
        tagger,
        None,
        kind=kind,
        config={"student": dict(settings), "student_kind": kind, "seed": inputs.seed},
        metrics={"decision_seq": head, "cpu_s": round(time.process_time() - start, 2)},
        note=note,
        progress=lambda message: progress(98, 100, message),
    )
    forget(work)
    return run


def fit(
    inputs: CycleInputs,
    training: Training,
    config: AdapterConfig,
    student: Adapter | None,
    progress: Progress = no_progress,
    own_encoder: OwnEncoder | None = None,
) -> tuple[Tagger, TrainingInputs]:
    """Fit a tagger on a training set, with a student trained on it already or here.

    Raises
    ------
    NothingToDoError
        If there is no wanted pair.
    """
    check_wanted(training)
    ready = training.inputs(inputs, config, own_encoder)
    if student is not None:
        ready = replace(ready, student=student)
    return Tagger.fit(ready, progress), ready


def check_wanted(training: Training) -> None:
    """Raise `NothingToDoError` where there is no wanted pair."""
    if not training.n_yes and not any(len(x) for x in training.completed.values()):
        raise NothingToDoError(
            f"Nothing to train on: {len(training.pairs)} judged pairs, none of them wanted. "
            "Let a teacher judge some documents (`lmtx teach`), or review some."
        )


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
        tagger = Tagger.load(inputs.folder / run.folder, inputs.cache)
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
    ready: TrainingInputs | None,
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
    leaves at most a folder that nothing refers to. What the run changed is added after that. With `ready`
    None the run is there to be compared with: it is neither measured nor promoted.
    """
    completed = Completed.of(training, tagger)
    used, in_use = None, None
    answer = Gate(False, "none", TO_COMPARE)
    if ready is not None:
        progress("Comparing with the ranking in use")
        used = inputs.journal.promoted()
        in_use = None if used is None else _load(inputs, used)
        answer = gate(
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
