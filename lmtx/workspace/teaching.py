"""Asking teachers: which one, about which pairs, what that takes, and whether texts may leave the machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lmtx.encoder import encoder_key
from lmtx.errors import ConsentError, InputError, NothingToDoError
from lmtx.types import CorpusView, FloatArray, IntArray, Progress, no_progress
from lmtx.workspace.models import TeachPreview
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import write_population
from lmtx.workspace.tagging import tagger

if TYPE_CHECKING:
    from pathlib import Path

    from lmtx.cycle import CycleInputs
    from lmtx.teacher import Estimate, JudgeReport, Teacher, TeacherContext
    from lmtx.teacher.position import PositionReport

EVIDENCE = "evidence"
_PAIRS_PER_S = {"evidence": 20_000.0, "simulated": 20_000.0}
_PROMPTS = "prompts"


# ---- which teacher ------------------------------------------------------------------------------


def prompts_folder(parts: Parts) -> Path:
    """Where the user's own prompts and few-shot sets are kept."""
    return parts.folder / _PROMPTS


def context(parts: Parts) -> TeacherContext:
    """What teachers of this workspace may read."""
    from lmtx.teacher import TeacherContext

    view = parts.corpus()

    def vectors() -> tuple[FloatArray, FloatArray]:
        return parts.document_vectors(view.documents), parts.label_vectors(view.labels)

    return TeacherContext(
        corpus=view,
        vectors=vectors,
        encoder_key=encoder_key(parts.settings.encoder),
        gold=lambda: parts.journal.gold("train"),
        prompts=prompts_folder(parts),
    )


def load(parts: Parts, spec: str | None, *, asking: bool = True) -> Teacher:
    """Make the teacher of a specification (default: the one last used), with what it may read.

    With `asking`, `ConsentError` where it would send texts to a machine that was not consented to.
    """
    from lmtx.teacher import load_teacher

    teacher = load_teacher(spec or parts.settings.teacher, context(parts))
    if asking and not consented(parts, teacher.host):
        raise ConsentError(
            f"Texts of this workspace would be sent to {teacher.host}. Nothing was sent. If they may be, say "
            f"so once: on the Teacher page, or with `lmtx consent {teacher.host}`."
        )
    return teacher


def consented(parts: Parts, host: str) -> bool:
    """Whether texts may be sent to a host; always where it is this machine."""
    return not host or host in parts.settings.consented_hosts


def consent(parts: Parts, host: str, *, withdraw: bool = False) -> None:
    """See `Workspace.consent`."""
    host = host.strip().lower()
    if not host or any(c.isspace() or c in "/@" for c in host):
        raise InputError(f"Host {host!r}: expected the name of a machine alone, such as api.example.org.")
    hosts = set(parts.settings.consented_hosts) - {host}
    parts.update_settings({"consented_hosts": tuple(sorted(hosts if withdraw else {*hosts, host}))})


def register(parts: Parts, teacher: Teacher) -> None:
    """Record what a teacher's key stands for, and that it was the one last used."""
    details = {"is_llm": teacher.is_llm, "description": teacher.description}
    known = {t.key for t in parts.journal.teachers() if t.spec}
    if teacher.key not in known:
        parts.journal.teacher_put(teacher.key, teacher.spec, details)
    if parts.settings.teacher != teacher.spec:
        parts.update_settings({"teacher": teacher.spec})


# ---- about which pairs --------------------------------------------------------------------------


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


def changed_pairs(parts: Parts, view: CorpusView, teacher: Teacher) -> tuple[IntArray, IntArray]:
    """Rows and shortlist of the pairs that this teacher judged under other texts; see `judge`."""
    found: dict[int, list[int]] = {}
    for document_id, label_id in parts.journal.stale_pairs(teacher.key):
        row, label = view.document_idx.get(document_id), view.label_idx.get(label_id)
        if row is not None and label is not None and view.roles[row] in ("train", "held_out"):
            found.setdefault(row, []).append(label)
    shortlist = np.full((len(found), max(map(len, found.values()), default=1)), -1, dtype=np.int32)
    for i, labels in enumerate(found.values()):
        shortlist[i, : len(labels)] = sorted(labels)
    return np.array(list(found), dtype=np.int32), shortlist


def open_pairs(
    parts: Parts,
    teacher: Teacher,
    top_k: int | None,
    limit_docs: int | None,
    *,
    only_changed: bool = False,
    progress: Progress = no_progress,
) -> tuple[CorpusView, IntArray, IntArray]:
    """What `teach` asks about: the corpus, document rows, shortlist (see `judge`)."""
    view = parts.corpus()
    needs(view)
    if only_changed:
        return view, *changed_pairs(parts, view, teacher)
    k = min(top_k or parts.settings.top_k, len(view.labels))
    rows = judged_rows(parts, view, teacher, limit_docs)
    progress(0, 0, "Choosing candidate labels")
    return view, rows, shortlists(parts, view, teacher, rows, k, progress)


# ---- what it takes, and doing it ----------------------------------------------------------------


def teach_preview(
    parts: Parts,
    teacher: str | None,
    top_k: int | None,
    limit_docs: int | None,
    *,
    rounds: int | None,
    only_changed: bool,
) -> TeachPreview:
    """See `Workspace.teach_preview`."""
    from lmtx.teacher import Estimate, JudgePreview, parse_spec, preview

    view = parts.corpus()
    needs(view)
    loaded = load(parts, teacher, asking=False)
    n_later, later = 0, Estimate()
    allowed = consented(parts, loaded.host)
    # How a server is asked, it has to be asked: not before somebody allowed it.
    spec = parse_spec(teacher or parts.settings.teacher)
    known = allowed or spec.text("strategy", "auto") != "auto"
    estimated = True
    if known and (only_changed or _encoded(parts, view)):
        if rounds is None or only_changed:
            _, rows, shortlist = open_pairs(parts, loaded, top_k, limit_docs, only_changed=only_changed)
            found = preview(parts.journal, loaded, view, shortlist, rows)
        else:
            from lmtx.cycle import preview_cycle

            cycle = preview_cycle(inputs(parts, top_k), loaded, rounds, limit_docs)
            found, n_later, later = cycle.next, cycle.n_later, cycle.later
    else:  # candidates are not known before texts are encoded
        rows = judged_rows(parts, view, loaded, limit_docs)
        n = len(rows) * min(top_k or parts.settings.top_k, len(view.labels))
        found, estimated = JudgePreview(len(rows), n, 0, n, Estimate(exact=False)), not loaded.is_llm
    return TeachPreview(
        n_documents=found.n_documents,
        n_pairs=found.n_pairs,
        n_cached=found.n_cached,
        n_open=found.n_open,
        seconds=_seconds(parts, loaded, found.n_open, found.estimate if estimated else None)
        if known
        else None,
        teacher=loaded.spec if known else str(spec),
        description=loaded.description,
        is_llm=loaded.is_llm,
        host=loaded.host,
        consented=allowed,
        estimate=found.estimate if estimated else None,
        n_later=n_later,
        later=later,
        seconds_later=_seconds(parts, loaded, n_later, later) if known else None,
    )


def _encoded(parts: Parts, view: CorpusView) -> bool:
    hashes = [d.hash for d in view.documents]
    found = parts.cache.get(encoder_key(parts.settings.encoder), hashes)[1]
    return bool(found.all()) and parts.labels_have_vectors()


def _seconds(parts: Parts, teacher: Teacher, n_pairs: int, estimate: Estimate | None) -> float | None:
    """Time at the speed that this teacher had last, or None where it was not measured."""
    known = _PAIRS_PER_S.get(teacher.spec.partition(":")[0])
    if known is not None or n_pairs == 0:
        return n_pairs / known if known else 0.0
    details: Mapping[str, object] = next(
        (t.details for t in parts.journal.teachers() if t.key == teacher.key), {}
    )
    per_pair, per_token = details.get("pairs_per_s"), details.get("tokens_per_s")
    if estimate is not None and isinstance(per_token, float) and per_token > 0:
        return (estimate.tokens_in + (estimate.tokens_out_low + estimate.tokens_out_high) / 2) / per_token
    return n_pairs / per_pair if isinstance(per_pair, float) and per_pair > 0 else None


def teach(
    parts: Parts,
    teacher: str | None,
    top_k: int | None,
    limit_docs: int | None,
    *,
    budget: Mapping[str, float | None] | None,
    only_changed: bool,
    progress: Progress,
) -> JudgeReport:
    """See `Workspace.teach`."""
    from lmtx.teacher import Budget, judge

    needs(parts.corpus())
    limits = Budget.of(budget)
    loaded = ready(parts, teacher, progress)
    view, rows, shortlist = open_pairs(
        parts, loaded, top_k, limit_docs, only_changed=only_changed, progress=progress
    )
    return judge(parts.journal, loaded, view, shortlist, rows, progress=progress, budget=limits)


def check_positions(parts: Parts, spec: str | None, n_documents: int, progress: Progress) -> PositionReport:
    """See `Workspace.check_positions`."""
    from lmtx.teacher import TeacherRequest, position

    view = parts.corpus()
    needs(view)
    teacher = load(parts, spec)
    parts.embed_all(progress)
    rng = np.random.default_rng(parts.settings.seed)
    rows = rng.permutation(view.rows("train"))[:n_documents].astype(np.int32)
    k = min(parts.settings.top_k, len(view.labels))
    requests = []
    for row, candidates in zip(
        rows.tolist(), shortlists(parts, view, teacher, rows, k, progress), strict=True
    ):
        labels = tuple(view.labels[j] for j in candidates if j >= 0)
        requests.append(TeacherRequest(view.documents[row], labels, tuple(range(len(labels))), labels))
    return position.check_positions(teacher, requests, parts.settings.seed, progress)


def ready(parts: Parts, spec: str | None, progress: Progress) -> Teacher:
    """Make a teacher that is about to be asked: consent, vectors, its name on record."""
    from lmtx.workspace.trials import adopt_answers

    teacher = load(parts, spec)
    parts.embed_all(progress)
    register(parts, teacher)
    adopt_answers(parts, teacher)
    return teacher


def inputs(parts: Parts, top_k: int | None = None) -> CycleInputs:
    """What cycle and training need of this workspace."""
    from lmtx.cycle import CycleInputs
    from lmtx.jobs import spare_cores

    return CycleInputs(
        journal=parts.journal,
        folder=parts.folder,
        encoder_key=encoder_key(parts.settings.encoder),
        document_vectors=parts.document_vectors,
        label_vectors=parts.label_vectors,
        seed=parts.settings.seed,
        top_k=top_k or parts.settings.top_k,
        threads=spare_cores(),
        beside=partial(write_population, parts),
        encoder=parts.encoder,
        cache=parts.cache,
    )


def needs(view: CorpusView) -> None:
    """Raise `NothingToDoError` where there is nothing to ask about."""
    if not view.documents:
        raise NothingToDoError("There are no documents yet. Import a corpus first.")
    if not view.labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    if not len(view.rows("train")):
        raise NothingToDoError(
            "No document is there to learn from: all are test documents, held out or reserved. "
            "Import documents of the split 'train'."
        )
