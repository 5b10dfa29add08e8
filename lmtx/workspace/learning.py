"""Asking teachers, training, and the cycle of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmtx.encoder import encoder_key
from lmtx.errors import NothingToDoError
from lmtx.types import CorpusView, FloatArray, IntArray, Progress, Run, no_progress, unit_hash
from lmtx.workspace import importing, measuring
from lmtx.workspace.models import TeachPreview
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.cycle import CycleReport
    from lmtx.teacher import JudgeReport, Teacher

DEMO_TEACHER = "evidence"
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


def judged_rows(parts: Parts, view: CorpusView, limit_docs: int | None) -> IntArray:
    """Rows to judge, in the seeded order that a budget may cut: train and held-out documents mixed.

    The held-out ones are judged too, in their share, because they choose weights and calibrate.
    `limit_docs` counts train documents.
    """
    import numpy as np

    seed = str(parts.settings.seed)
    rows = view.rows("train", "held_out")
    order = sorted(rows.tolist(), key=lambda i: unit_hash(seed, "judge", view.documents[i].id))
    if limit_docs is not None:
        n_train, kept = 0, []
        for i in order:
            if n_train == limit_docs:
                break
            n_train += view.roles[i] == "train"
            kept.append(i)
        order = kept
    return np.array(order, dtype=np.int32)


def shortlists(parts: Parts, view: CorpusView, rows: IntArray, top_k: int, progress: Progress) -> IntArray:
    """Candidate labels of documents, shape (n_rows, top_k), best first, -1 pads.

    Half from the fused zero-shot ranking, half from the promoted tagger where there is one, so that
    a second `teach` asks about what the training brought up.
    """
    import numpy as np

    from lmtx.shortlist import first_distinct

    documents = [view.documents[int(i)] for i in rows]
    vectors = parts.document_vectors(documents, progress)
    texts = [d.full_text for d in documents]
    systems = ["zero-shot"] if parts.journal.promoted() is None else ["zero-shot", "tagger"]
    found = []
    for system in systems:
        from lmtx.workspace.tagging import tagger

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
    rows = judged_rows(parts, view, limit_docs)
    key = encoder_key(parts.settings.encoder)
    documents = [view.documents[int(i)] for i in rows]
    if parts.cache.get(key, [d.hash for d in documents])[1].all() and parts.labels_have_vectors():
        found = preview(parts.journal, loaded, view, shortlists(parts, view, rows, k, no_progress), rows)
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
    rows = judged_rows(parts, view, limit_docs)
    progress(0, 0, "Choosing candidate labels")
    shortlist = shortlists(parts, view, rows, k, progress)
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


def train(parts: Parts, progress: Progress, config: dict[str, Any]) -> Run:
    """See `Workspace.train`."""
    raise NotImplementedError


def cycle(
    parts: Parts,
    teacher: str | None,
    rounds: int | None,
    limit_docs: int | None,
    seed: int | None,
    progress: Progress,
) -> CycleReport:
    """See `Workspace.cycle`."""
    raise NotImplementedError


def promote(parts: Parts, run_id: str) -> None:
    """See `Workspace.promote`."""
    parts.journal.promote(run_id)


def demo(parts: Parts, progress: Progress) -> dict[str, float]:
    """See `Workspace.demo`."""
    importing.import_demo(parts, progress)
    parts.embed_all(progress)
    if parts.journal.promoted() is None:
        cycle(parts, DEMO_TEACHER, 1, None, None, progress)
    return measuring.evaluate(parts, "test", "tagger", None, progress)
