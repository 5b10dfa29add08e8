"""Asking teachers, training, and the cycle of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.encoder import encoder_key
from lmtx.errors import InputError, NothingToDoError
from lmtx.jobs import spare_cores
from lmtx.types import CorpusView, FloatArray, IntArray, Progress, Run, no_progress
from lmtx.workspace import importing, measuring
from lmtx.workspace.models import TeachPreview
from lmtx.workspace.parts import Parts
from lmtx.workspace.tagging import tagger

if TYPE_CHECKING:
    from lmtx.cycle import CycleInputs, CycleReport
    from lmtx.teacher import JudgeReport, Teacher

EVIDENCE = "evidence"
_PAIRS_PER_S = {"evidence": 20_000.0, "simulated": 20_000.0}


def load(parts: Parts, spec: str | None) -> Teacher:
    """Make the teacher of a specification (default: the one last used), with what it may read."""
    from lmtx.teacher import TeacherContext, load_teacher

    view = parts.corpus()

    def vectors() -> tuple[FloatArray, FloatArray]:
        return parts.document_vectors(view.documents), parts.label_vectors(view.labels)

    context = TeacherContext(
        corpus=view,
        vectors=vectors,
        encoder_key=encoder_key(parts.settings.encoder),
        gold=lambda: parts.journal.gold("train"),
    )
    return load_teacher(spec or parts.settings.teacher, context)


def judged_rows(parts: Parts, view: CorpusView, teacher: Teacher, limit_docs: int | None) -> IntArray:
    """Rows to judge, in the seeded order of the cycle, which a budget may cut.

    Held-out documents are among them in their share, because verdicts on them choose weights and
    calibrate; not for the evidence teacher, whose verdicts can measure nothing.
    """
    from lmtx.cycle import seeded_rows

    rows = seeded_rows(view, parts.settings.seed, limit_docs)
    if teacher.spec != EVIDENCE:
        return rows
    train = [int(i) for i in rows if view.roles[int(i)] == "train"]
    return np.array(train, dtype=np.int32)


def shortlists(
    parts: Parts, view: CorpusView, teacher: Teacher, rows: IntArray, top_k: int, progress: Progress
) -> IntArray:
    """Candidate labels of documents, shape (n_rows, top_k), best first, -1 pads.

    Half from the fused zero-shot ranking, half from the promoted tagger where there is one, so that
    a second `teach` asks about what the training brought up. For the evidence teacher all from the
    ranking: it says yes to the best of that, so other candidates would only be declined.
    """
    from lmtx.shortlist import first_distinct

    documents = [view.documents[int(i)] for i in rows]
    vectors = parts.document_vectors(documents, progress)
    texts = [d.full_text for d in documents]
    alone = teacher.spec == EVIDENCE or parts.journal.promoted() is None
    systems = ["zero-shot"] if alone else ["zero-shot", "tagger"]
    found = []
    for system in systems:
        ranker = tagger(parts, system)
        scored = ranker.predict(vectors, texts, min(top_k, len(ranker.label_ids)))
        column = np.array([view.label_idx.get(x, -1) for x in ranker.label_ids] + [-1], dtype=np.int32)
        found.append(column[scored.label_idx])
    if len(found) == 1:
        return found[0]
    half = -(-top_k // 2)
    return first_distinct(np.concatenate([found[1][:, :half], found[0], found[1]], axis=1), top_k)


def teach_preview(
    parts: Parts, teacher: str | None, top_k: int | None, limit_docs: int | None
) -> TeachPreview:
    """See `Workspace.teach_preview`."""
    from lmtx.teacher import preview

    view = parts.corpus()
    _needs(view)
    loaded = load(parts, teacher)
    k = min(top_k or parts.settings.top_k, len(view.labels))
    rows = judged_rows(parts, view, loaded, limit_docs)
    key = encoder_key(parts.settings.encoder)
    documents = [view.documents[int(i)] for i in rows]
    if parts.cache.get(key, [d.hash for d in documents])[1].all() and parts.labels_have_vectors():
        shortlist = shortlists(parts, view, loaded, rows, k, no_progress)
        found = preview(parts.journal, loaded, view, shortlist, rows)
        n_pairs, n_cached, n_open = found.n_pairs, found.n_cached, found.n_open
    else:  # the shortlist would take encoding: nothing that needs it was judged, so all is open
        n_pairs = n_open = len(rows) * k
        n_cached = 0
    rate = _PAIRS_PER_S.get(loaded.spec.partition(":")[0])
    return TeachPreview(
        n_documents=len(rows),
        n_pairs=n_pairs,
        n_cached=n_cached,
        n_open=n_open,
        seconds=None if rate is None else n_open / rate,
        teacher=loaded.spec,
        description=loaded.description,
        is_llm=loaded.is_llm,
    )


def teach(
    parts: Parts,
    teacher: str | None,
    top_k: int | None,
    limit_docs: int | None,
    *,
    budget_pairs: int | None,
    progress: Progress,
) -> JudgeReport:
    """See `Workspace.teach`."""
    from lmtx.teacher import judge

    view = parts.corpus()
    _needs(view)
    parts.embed_all(progress)
    loaded = load(parts, teacher)
    register(parts, loaded)
    k = min(top_k or parts.settings.top_k, len(view.labels))
    rows = judged_rows(parts, view, loaded, limit_docs)
    progress(0, 0, "Choosing candidate labels")
    shortlist = shortlists(parts, view, loaded, rows, k, progress)
    return judge(parts.journal, loaded, view, shortlist, rows, progress=progress, budget_pairs=budget_pairs)


def register(parts: Parts, teacher: Teacher) -> None:
    """Record what a teacher's key stands for, and that it was the one last used."""
    details = {"is_llm": teacher.is_llm, "description": teacher.description}
    known = {t.key for t in parts.journal.teachers() if t.spec}
    if teacher.key not in known:
        parts.journal.teacher_put(teacher.key, teacher.spec, details)
    if parts.settings.teacher != teacher.spec:
        parts.update_settings({"teacher": teacher.spec})


def _needs(view: CorpusView) -> None:
    if not view.documents:
        raise NothingToDoError("There are no documents yet. Import a corpus first.")
    if not view.labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    if not len(view.rows("train")):
        raise NothingToDoError(
            "No document is there to learn from: all are test documents, held out or reserved. "
            "Import documents of the split 'train'."
        )


def _inputs(parts: Parts) -> CycleInputs:
    from lmtx.cycle import CycleInputs

    return CycleInputs(
        journal=parts.journal,
        folder=parts.folder,
        encoder_key=encoder_key(parts.settings.encoder),
        document_vectors=parts.document_vectors,
        label_vectors=parts.label_vectors,
        seed=parts.settings.seed,
        top_k=parts.settings.top_k,
        threads=spare_cores(),
    )


@contextmanager
def _modest() -> Iterator[None]:
    """Leave a core to the app: small matrices gain nothing from the last one, and waiting for it burns it."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(spare_cores()):
        yield


def train(parts: Parts, progress: Progress, config: dict[str, Any]) -> Run:
    """See `Workspace.train`."""
    from lmtx.cycle import train_once

    _needs(parts.corpus())
    try:
        with _modest():
            return train_once(_inputs(parts), progress, **config)
    except TypeError as error:
        if "unexpected keyword" in str(error):  # a setting of that name does not exist
            raise InputError(f"Training setting: {error}. Known: {', '.join(_settings())}.") from error
        raise


def _settings() -> list[str]:
    from lmtx.student import AdapterConfig

    return [field.name for field in fields(AdapterConfig)]


def cycle(
    parts: Parts,
    teacher: str | None,
    rounds: int | None,
    limit_docs: int | None,
    seed: int | None,
    progress: Progress,
) -> CycleReport:
    """See `Workspace.cycle`."""
    from lmtx.cycle import run_cycle

    _needs(parts.corpus())
    parts.embed_all(progress)
    loaded = load(parts, teacher)
    register(parts, loaded)
    with _modest():
        return run_cycle(
            _inputs(parts),
            loaded,
            rounds=rounds or parts.settings.rounds,
            limit_docs=limit_docs,
            seed=seed,
            progress=progress,
        )


def promote(parts: Parts, run_id: str) -> None:
    """See `Workspace.promote`."""
    parts.journal.promote(run_id)


def demo(parts: Parts, progress: Progress) -> dict[str, float]:
    """See `Workspace.demo`."""
    importing.import_demo(parts, progress)
    parts.embed_all(progress)
    if parts.journal.promoted() is None:
        cycle(parts, EVIDENCE, 1, None, None, progress)
    return measuring.evaluate(parts, "test", "tagger", None, progress)
