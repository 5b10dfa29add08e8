"""Where wanted tags are lost, and where wrong ones come from: on documents completed in the audit.

A document counts where it is one of the audit's random sample of whole documents and the teacher was asked
about it. What the teacher was asked is what it has judged there so far: `judge_audited` asks about the
shortlist that a round of the cycle would ask about with the student in use, so after each training it may be
asked about more, as it is on documents for training. A label that it was not asked about, in any of these
rounds, was lost by the shortlist. An answer that could not be read is no yes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import NothingToDoError
from lmtx.types import Document, IntArray, Progress
from lmtx.workspace import tagging, teaching
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import Cut, Funnel, FunnelStep

if TYPE_CHECKING:
    from lmtx.workspace.population import Tags

_WANTED = ("found", "shortlist", "teacher", "student")
_GIVEN = ("right", "teacher", "student")

Verdicts = dict[str, dict[str, tuple[str, float | None]]]
"""Document id -> label id -> verdict and probability, of documents that the teacher was asked about."""


@dataclass(frozen=True)
class _Settled:
    """Documents completed in the audit, and what is known of them.

    wanted, given : labels that they should have, and labels that the run in use gives
    teacher : whose verdicts are in `verdicts`; "" where nobody was asked
    n_open : pairs that the teacher of the workspace would be asked about now
    """

    run_id: str
    ids: list[str]
    wanted: dict[str, set[str]]
    given: dict[str, set[str]]
    teacher: str
    verdicts: Verdicts
    n_open: int
    n_corpus: int


def error_funnel(parts: Parts) -> Funnel | None:
    """See `Workspace.error_funnel`."""
    found = _settled(parts)
    if found is None:
        return None
    judged = [i for i in found.ids if i in found.verdicts]
    lost: list[tuple[int, str, str]] = []
    wrong: list[tuple[int, str, str]] = []
    for row, i in enumerate(judged):
        said = {label_id: verdict for label_id, (verdict, _) in found.verdicts[i].items()}
        for label_id in sorted(found.wanted[i]):
            lost.append((row, label_id, _lost_by(label_id, found.given[i], said)))
        for label_id in sorted(found.given[i]):
            blame = "teacher" if said.get(label_id) == "yes" else "student"
            wrong.append((row, label_id, "right" if label_id in found.wanted[i] else blame))
    return Funnel(
        run_id=found.run_id,
        teacher=found.teacher,
        n_documents=len(found.ids),
        n_judged=len(judged),
        wanted=_steps(_WANTED, judged, lost, found.n_corpus),
        given=_steps(_GIVEN, judged, wrong, found.n_corpus),
        n_open=found.n_open,
    )


def _lost_by(label_id: str, given: set[str], said: dict[str, str]) -> str:
    if label_id in given:
        return "found"
    if label_id not in said:
        return "shortlist"
    return "student" if said[label_id] == "yes" else "teacher"


def _steps(
    names: Sequence[str], judged: Sequence[str], tags: Sequence[tuple[int, str, str]], n_corpus: int
) -> list[FunnelStep]:
    """Count tags, given as (row of `judged`, label id, step), by step."""
    from lmtx.quality.estimates import shares_of_documents

    if not judged:
        return []
    counts = np.zeros((len(judged), len(names)))
    pairs: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for row, label_id, name in tags:
        counts[row, names.index(name)] += 1
        pairs[name].append((judged[row], label_id))
    shares = shares_of_documents(counts, max(n_corpus, len(counts)))
    return [
        FunnelStep(name, len(pairs[name]), share, pairs[name])
        for name, share in zip(names, shares, strict=True)
    ]


def teacher_answers(
    parts: Parts,
) -> tuple[list[tuple[str, str]], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the teacher's probabilities on audited documents, and whether people wanted the pair.

    Of the teacher that the funnel is about; pairs without a probability are left out.

    Returns
    -------
    pairs : list of (document id, label id)
    probability : float64 (n,)
    accepted : bool (n,)
    """
    found = _settled(parts)
    told = [
        (i, label_id, probability)
        for i, said in (found.verdicts if found is not None else {}).items()
        for label_id, (_, probability) in said.items()
        if found is not None and probability is not None
    ]
    wanted = [label_id in found.wanted[i] for i, label_id, _ in told] if found is not None else []
    pairs = [(i, label_id) for i, label_id, _ in told]
    return pairs, np.array([p for *_, p in told], dtype=np.float64), np.array(wanted, dtype=np.bool_)


def judge_audited(parts: Parts, spec: str | None, progress: Progress) -> dict[str, int]:
    """See `Workspace.judge_audited`.

    Unlike `teach` this changes nothing that is trained on: the teacher does not become that of the workspace,
    what it said in trials is not taken over, and documents whose very text is one for training as well are
    left out, since a verdict is on a text.
    """
    from lmtx.teacher import judge

    teaching.needs(parts.corpus())
    teacher = teaching.load(parts, spec)
    ids = _ids(parts)
    if not ids:
        raise NothingToDoError(
            "No document of the reserve is audited yet, so there is nothing to ask the teacher about. "
            "Complete some documents of the audit on the Review page first."
        )
    parts.embed_all(progress)
    documents = _askable(parts, ids)
    shortlist = shortlists(parts, documents, own=teacher.spec == teaching.EVIDENCE)
    view = parts.corpus()
    rows = [view.document_idx[d.id] for d in documents]
    report = judge(parts.journal, teacher, view, shortlist, rows, progress=progress)
    return {"documents": report.n_documents, "pairs": report.n_judged}


def shortlists(parts: Parts, documents: Sequence[Document], *, own: bool) -> IntArray:
    """Labels that a round of the cycle would ask about now, as rows of the label set.

    Half of them by BM25, the rest by the student in use; all by the zero-shot ranking where there is none or
    the evidence teacher is asked (`own`). Words are counted as they were for the run in use.

    Returns
    -------
    int32 (n_documents, settings.top_k)
        Best first, -1 pads.
    """
    from lmtx.shortlist import dense_topk, union

    view, k = parts.corpus(), parts.settings.top_k
    vectors, texts = parts.document_vectors(documents), [d.full_text for d in documents]
    in_use = tagging.tagger(parts)
    student = None if own else in_use.student
    if student is None:
        return tagging.zero_shot(parts).predict(vectors, texts, k).label_idx
    ids = [x.id for x in view.labels]
    labels = student.project_labels(parts.label_vectors(view.labels), student.rows_of(ids))
    dense = dense_topk(student.project_documents(vectors), labels, k)
    # To count the words of a corpus takes seconds, so not again where the labels are the same.
    lexical = in_use.lexical if list(in_use.label_ids) == ids else tagging.zero_shot(parts).lexical
    return union(lexical.topk(texts, k), dense, k)


# ---- what is known --------------------------------------------------------------------------------


def _settled(parts: Parts) -> _Settled | None:
    """Gather what is known of the documents completed in the audit; kept until something is said."""
    from lmtx.workspace.auditing import version_of
    from lmtx.workspace.population import tags_of

    tags = tags_of(parts)
    if tags is None:
        return None
    settings, counts, view = parts.settings, parts.journal.counts(), parts.corpus()
    version = (
        version_of(parts, tags),
        counts["judgments"],
        id(view),
        settings.teacher,
        settings.top_k,
    )
    # What the version names by its address is kept too, so that nothing else can come to have it.
    found: tuple[object, _Settled | None] = parts.kept(
        "funnel", version, lambda: ((view, tags), _gather(parts, tags))
    )
    return found[1]


def _ids(parts: Parts) -> list[str]:
    found = _settled(parts)
    return [] if found is None else found.ids


def _askable(parts: Parts, ids: Sequence[str]) -> list[Document]:
    """Documents whose verdicts train nothing: no text of them is one for training too."""
    view = parts.corpus()
    trained = {view.documents[int(i)].hash for i in view.rows("train", "held_out")}
    documents = [view.documents[view.document_idx[i]] for i in ids]
    return [d for d in documents if d.hash not in trained]


def _gather(parts: Parts, tags: Tags) -> _Settled | None:
    from lmtx.workspace.audited import kept_audit

    assert tags.run is not None
    audit = kept_audit(parts, tags, Cut())
    if not len(audit.settled):
        return None
    ids = [tags.document_ids[d] for d in audit.settled.tolist()]
    wanted = {i: set(audit.wanted(d)) for i, d in zip(ids, audit.settled.tolist(), strict=True)}
    by_document = tags.by_document()
    given = {
        i: audit.told(d, by_document.get(i, ())) for i, d in zip(ids, audit.settled.tolist(), strict=True)
    }
    spec, verdicts, in_use = _verdicts(parts, ids)
    return _Settled(
        run_id=tags.run.id,
        ids=ids,
        wanted=wanted,
        given=given,
        teacher=spec if verdicts else "",
        verdicts=verdicts,
        n_open=_n_open(parts, ids, in_use),
        n_corpus=audit.n_corpus,
    )


def _verdicts(parts: Parts, ids: Sequence[str]) -> tuple[str, Verdicts, Verdicts]:
    """Specification and verdicts of a teacher on documents, and those of the workspace's teacher.

    The same where that one judged any of them; else of the teacher that judged most of them.
    """
    states = parts.journal.pair_states_of(ids)
    by_key: dict[str, Verdicts] = {}
    for i, pairs in states.items():
        for pair in pairs:
            if pair.teacher_key is not None and pair.verdict is not None:
                said = by_key.setdefault(pair.teacher_key, {}).setdefault(i, {})
                said[pair.label_id] = (pair.verdict, pair.probability)
    teachers = parts.journal.teachers()
    specs = {t.key: t.spec or t.key for t in teachers}
    own_keys = [t.key for t in teachers if t.spec == parts.settings.teacher and t.n_judgments]
    in_use = own_keys[-1] if own_keys else ""
    if len(by_key) > 1 or (by_key and in_use and in_use not in by_key):
        # A pair shows its newest verdict; another teacher's may lie below it.
        for key in {*by_key, in_use} - {""}:
            by_key[key] = parts.journal.verdicts_on(key, ids)
    n_judged = Counter({key: len(found) for key, found in by_key.items()})
    own = by_key.get(in_use, {})
    key = in_use if own else max(n_judged, key=lambda x: (n_judged[x], x), default="")
    return specs.get(key, ""), by_key.get(key, {}), own


def _n_open(parts: Parts, ids: Sequence[str], in_use: Verdicts) -> int:
    """Pairs that the workspace's teacher would be asked about now."""
    found = _candidates(parts, ids)
    return sum(label_id not in in_use.get(i, {}) for i, asked in found.items() for label_id in asked)


def _candidates(parts: Parts, ids: Sequence[str]) -> dict[str, list[str]]:
    """Document id -> labels that the workspace's teacher would be asked about, kept."""
    view, run = parts.corpus(), parts.journal.promoted()
    own = parts.settings.teacher == teaching.EVIDENCE
    version = (id(view), run and run.id, own, parts.settings.top_k)
    _, kept = parts.kept("funnel shortlists", version, lambda: (view, {}))
    documents = _askable(parts, ids)
    new = [d for d in documents if d.id not in kept]
    if new:
        for document, row in zip(new, shortlists(parts, new, own=own).tolist(), strict=True):
            kept[document.id] = [view.labels[j].id for j in row if j >= 0]
    return {d.id: kept[d.id] for d in documents}


__all__ = ["error_funnel", "judge_audited", "shortlists", "teacher_answers"]
