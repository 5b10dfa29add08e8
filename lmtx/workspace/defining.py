"""Changing what a label means, and trying it before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from lmtx.errors import ConsentError, InputError, JobCancelled, NotFoundError, NothingToDoError
from lmtx.types import CorpusView, Document, FloatArray, IntArray, Label, Progress
from lmtx.workspace import teaching
from lmtx.workspace.models import DefinitionRow, DefinitionTrial
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.journal import JudgedDecision
    from lmtx.teacher import Answer, Teacher, TeacherContext, TeacherRequest

_PAGE = 1_000
_Answers = dict[str, tuple[str, float | None]]
"""Document id -> verdict and probability."""


def edit(parts: Parts, label_id: str, name: str, description: str, aliases: Sequence[str]) -> Label:
    """See `Workspace.edit_label`."""
    label = _changed(parts, label_id, name, description, aliases)
    parts.journal.put_labels([label], source="edited")
    parts.after_import()
    return label


def _changed(parts: Parts, label_id: str, name: str, description: str, aliases: Sequence[str]) -> Label:
    """The label with other texts, checked; its place in the hierarchy stays."""
    before = parts.labels_by_id().get(label_id)
    if before is None:
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    name = " ".join(name.split())
    if not name:
        raise InputError(f"Label {label_id!r}: the name is empty. Give it one.")
    key = name.casefold()
    same = next(
        (x for x in parts.labels_by_id().values() if x.id != label_id and x.name.casefold() == key), None
    )
    # A set that came with two labels of one name keeps them; an edit makes no new ones.
    if same is not None and before.name.casefold() != key:
        raise InputError(
            f"Label {label_id!r}: the name {name!r} is that of label {same.id!r} already, and who reads it "
            "could not tell which is meant. Choose another."
        )
    said = dict.fromkeys(x for x in (" ".join(alias.split()) for alias in aliases) if x and x != name)
    return replace(before, name=name, description=description.strip(), aliases=tuple(said))


def trial(
    parts: Parts,
    label_id: str,
    name: str,
    description: str,
    aliases: Sequence[str],
    teacher: str | None,
    limit: int,
    progress: Progress,
) -> DefinitionTrial:
    """See `Workspace.try_definition`."""
    new = _changed(parts, label_id, name, description, aliases)
    old = parts.labels_by_id()[label_id]
    if limit < 1:
        raise InputError(f"limit: got {limit}, expected 1 or more pairs.")
    wanted = _reviewed(parts, label_id, limit)
    view = _view(parts, wanted)
    loaded = _teacher(parts, teacher, view, old)
    progress(0, 2 * len(wanted), "Choosing candidate labels")
    requests = _requests(parts, view, loaded, old, wanted, progress)
    known = _known(parts.journal.judged_decisions(loaded.key), label_id)
    before = {i: said for i, said in known.items() if i in wanted}
    done = len(before)

    def told(n: int) -> None:
        progress(done + n, 2 * len(wanted), "Asking about reviewed documents")

    told(0)
    before |= _ask(loaded, [r for r in requests if r.document.id not in before], told)
    done = len(wanted)
    # The evidence teacher reads the label set it was made for; others read the text in the request.
    renewed = _teacher(parts, teacher, view, new) if loaded.spec == teaching.EVIDENCE else loaded
    after = _ask(renewed, [_with(r, new) for r in requests], told)
    rows = [
        DefinitionRow(
            i,
            view.documents[view.document_idx[i]].title,
            right,
            _probability(before, i),
            _probability(after, i),
        )
        for i, right in wanted.items()
    ]
    return DefinitionTrial(
        teacher=loaded.spec,
        rows=rows,
        n_right_old=sum(before.get(i, ("",))[0] == ("yes" if right else "no") for i, right in wanted.items()),
        n_right_new=sum(after.get(i, ("",))[0] == ("yes" if right else "no") for i, right in wanted.items()),
        n_pairs_open=_n_judged(parts, label_id, loaded.key) if new.hash != old.hash else 0,
    )


def _reviewed(parts: Parts, label_id: str, limit: int) -> dict[str, bool]:
    """Documents outside the reserve where people decided on the label: as many of each kind as there are."""
    view = parts.corpus()
    found: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for d in parts.journal.decisions(label_id=label_id, standing=True, newest_first=True, limit=None):
        row = view.document_idx.get(d.document_id)
        if d.action not in ("accept", "reject") or row is None:
            continue
        if view.roles[row] not in ("train", "held_out") or any(d.document_id in x for x in found.values()):
            continue
        found[d.action == "accept"][d.document_id] = None
    turns = zip_longest(*([(i, right) for i in found[right]] for right in (True, False)))
    chosen = [pair for turn in turns for pair in turn if pair is not None][:limit]
    if not chosen:
        raise NothingToDoError(
            f"Nobody has accepted or rejected label {label_id!r} outside the reserve yet, so there is "
            "nothing to try another definition on. Review some of its documents first."
        )
    return dict(chosen)


def _view(parts: Parts, wanted: Iterable[str]) -> CorpusView:
    """The part of the corpus that a ranking needs: train documents, and the reviewed ones."""
    view = parts.corpus()
    rows = np.union1d(view.rows("train"), [view.document_idx[i] for i in wanted]).astype(np.int64).tolist()
    return CorpusView([view.documents[i] for i in rows], view.labels, [view.roles[i] for i in rows])


def _teacher(parts: Parts, spec: str | None, view: CorpusView, label: Label) -> Teacher:
    """The teacher of a specification over a label set with this label in it; consent was given."""
    from lmtx.teacher import load_teacher

    labels = list(view.labels)
    labels[view.label_idx[label.id]] = label
    changed = CorpusView(view.documents, labels, view.roles)

    def vectors() -> tuple[FloatArray, FloatArray]:
        return parts.document_vectors(changed.documents), parts.label_vectors(changed.labels)

    context: TeacherContext = replace(teaching.context(parts), corpus=changed, vectors=vectors)
    loaded = load_teacher(spec or parts.settings.teacher, context)
    if not teaching.consented(parts, loaded.host):
        raise ConsentError(
            f"Texts of this workspace would be sent to {loaded.host}. Nothing was sent. If they may be, say "
            f"so once: on the Teacher page, or with `lmtx consent {loaded.host}`."
        )
    return loaded


def _requests(
    parts: Parts,
    view: CorpusView,
    teacher: Teacher,
    label: Label,
    wanted: Iterable[str],
    progress: Progress,
) -> list[TeacherRequest]:
    """One question a document, on its shortlist; the label takes the last place where it is not on it."""
    from lmtx.teacher import TeacherRequest

    rows = np.array([view.document_idx[i] for i in wanted], dtype=np.int32)
    k = min(parts.settings.top_k, len(view.labels))
    shortlist: IntArray = teaching.shortlists(parts, view, teacher, rows, k, progress)
    here = view.label_idx[label.id]
    requests = []
    for row, candidates in zip(rows.tolist(), shortlist.tolist(), strict=True):
        listed = [j for j in candidates if j >= 0]
        if here not in listed:
            listed = [*listed[: k - 1], here]
        labels = tuple(view.labels[j] for j in listed)
        requests.append(TeacherRequest(view.documents[row], (label,), (listed.index(here),), labels))
    return requests


def _with(request: TeacherRequest, label: Label) -> TeacherRequest:
    shortlist = tuple(label if x.id == label.id else x for x in request.shortlist)
    return replace(request, labels=(label,), shortlist=shortlist)


def _known(judged: Iterable[JudgedDecision], label_id: str) -> _Answers:
    return {x.document_id: (x.verdict, x.probability) for x in judged if x.label_id == label_id}


def _ask(teacher: Teacher, requests: Sequence[TeacherRequest], told: Callable[[int], None]) -> _Answers:
    """Ask, and record nothing. Once it is cancelled nothing more is asked."""
    answers: _Answers = {}
    cancelled: list[JobCancelled] = []
    todo: Iterator[TeacherRequest] = takewhile(lambda _: not cancelled, iter(requests))
    for answered in teacher.judge(todo):
        if answered is not None:
            answer: Answer | None = answered.answers[0]
            document: Document = answered.request.document
            if answer is not None:
                answers[document.id] = (answer.verdict, answer.probability)
        try:
            told(len(answers))
        except JobCancelled as error:
            cancelled.append(error)
    if cancelled:
        raise cancelled[0]
    return answers


def _probability(answers: _Answers, document_id: str) -> float | None:
    """What a teacher said as a number: its verdict where it gives none, None where it can't be read."""
    verdict, probability = answers.get(document_id, ("unparsed", None))
    if verdict == "unparsed":
        return None
    return probability if probability is not None else float(verdict == "yes")


def _n_judged(parts: Parts, label_id: str, teacher_key: str) -> int:
    """Pairs whose verdict by a teacher counts now, and would lapse with the label's text."""
    n, page = 0, 0
    while True:
        found = parts.journal.label_pairs(label_id, page=page, page_size=_PAGE)
        n += sum(row.teacher_key == teacher_key and row.verdict is not None for row in found)
        page += 1
        if page >= found.n_pages:
            return n
