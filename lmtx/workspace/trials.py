"""Trials: some pairs judged by one or two teachers, and labelled by a person who does not see the answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.errors import InputError, JobCancelled, NotFoundError, NothingToDoError
from lmtx.types import Action, CorpusView, Decision, Document, Judgment, Label, Progress
from lmtx.workspace import reviewing, teaching
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.teacher import Teacher

POLICY = "trial"
_KIND, _ANSWER = "trial", "answer"
_MOST = 500


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial in the list. `n_labelled` of its pairs were settled by a person."""

    id: str
    teachers: tuple[str, ...]
    n_pairs: int
    n_labelled: int


@dataclass(frozen=True, slots=True)
class TrialPair:
    """A pair to be labelled; what the teachers said is not in it."""

    document: Document
    label: Label


@dataclass(frozen=True, slots=True)
class TrialSide:
    """What one teacher did.

    n : labelled pairs that it was asked about and answered, unparsed ones included
    n_right : of these, the same as the person; an unparsed answer never is
    n_yes, n_yes_right : of these, said yes; and wanted as well
    n_unparsed : of these, answers that could not be read
    tokens, cost : of all pairs of the trial
    """

    teacher: str
    n: int
    n_right: int
    n_yes: int
    n_yes_right: int
    n_unparsed: int
    tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class TrialReport:
    """Teachers side by side.

    n_agree, n_both : of the pairs that two teachers answered, those on which they agree
    n_only : labelled pairs that the first alone, and that the second alone was right on, of those that both
        answered; (0, 0) for one teacher
    p : of the exact McNemar test on these: how often chance alone would set two equally good teachers so far
        apart; 1 where nothing does
    """

    n_pairs: int
    n_labelled: int
    n_wanted: int
    sides: tuple[TrialSide, ...]
    n_agree: int
    n_both: int
    n_only: tuple[int, int]
    p: float


def trial(
    parts: Parts, teachers: Sequence[str], n: int, top_k: int | None, seed: int | None, progress: Progress
) -> Trial:
    """See `Workspace.trial`."""
    if len(teachers) not in (1, 2) or not 1 <= n <= _MOST:
        raise InputError(f"A trial of {len(teachers)} teachers and {n} pairs: 1 or 2, and 1 to {_MOST}.")
    teaching.needs(parts.corpus())
    loaded = [teaching.load(parts, spec) for spec in teachers]
    for teacher in loaded:
        if teacher.spec == teaching.EVIDENCE:
            raise InputError("The evidence teacher needs no trial: it is likeness of words and meaning.")
    parts.embed_all(progress)
    found = _unfinished(parts, [t.key for t in loaded], n)
    if found is None:
        pairs = _drawn(parts, loaded[0], n, top_k, parts.settings.seed if seed is None else seed, progress)
        sides = [{"spec": t.spec, "key": t.key} for t in loaded]
        id = uuid.uuid4().hex[:12]
        parts.journal.put_trial(id, {"kind": _KIND, "n": n, "pairs": pairs, "sides": sides})
        found = id, _body(parts, id)
    id, body = found
    n_pairs = len(body["pairs"])
    for i, teacher in enumerate(loaded):

        def told(n_answered: int, before: int = i * n_pairs) -> None:
            progress(before + n_answered, len(loaded) * n_pairs, "Asking about the pairs of the trial")

        _ask(parts, teacher, id, i, body, told)
    return _listed(parts, id, body)


def trials(parts: Parts) -> list[Trial]:
    """See `Workspace.trials`."""
    return [_listed(parts, id, body) for id, body in _records(parts)]


def next_pair(parts: Parts, trial_id: str) -> TrialPair | None:
    """See `Workspace.next_trial_pair`."""
    body, view = _body(parts, trial_id), parts.corpus()
    labelled = _labels(parts, body)
    for pair in _pairs(parts, body):
        place = (pair["document"], pair["label"])
        if place not in labelled:
            return TrialPair(
                view.documents[view.document_idx[place[0]]], view.labels[view.label_idx[place[1]]]
            )
    return None


def label_pair(
    parts: Parts, trial_id: str, document_id: str, label_id: str, wanted: bool, reviewer: str
) -> None:
    """See `Workspace.label_trial_pair`."""
    body = _body(parts, trial_id)
    if not any((p["document"], p["label"]) == (document_id, label_id) for p in body["pairs"]):
        raise NotFoundError(f"Label {label_id!r} of document {document_id!r} is not in this trial.")
    action: Action = "accept" if wanted else "reject"
    reviewing.decide(
        parts, [Decision(document_id, label_id, action, reviewer or parts.settings.reviewer, POLICY)]
    )


def report(parts: Parts, trial_id: str) -> TrialReport:
    """See `Workspace.trial_report`."""
    body = _body(parts, trial_id)
    labels = _labels(parts, body)
    sides = []
    right: list[dict[tuple[str, str], bool]] = []
    for side in body["sides"]:
        said = {place: a for place, a in _answers(body, side) if place in labels}
        right.append({p: a["verdict"] == ("yes" if labels[p] else "no") for p, a in said.items()})
        yes = [place for place, a in said.items() if a["verdict"] == "yes"]
        sides.append(
            TrialSide(
                teacher=side["spec"],
                n=len(said),
                n_right=sum(right[-1].values()),
                n_yes=len(yes),
                n_yes_right=sum(labels[place] for place in yes),
                n_unparsed=sum(a["verdict"] == "unparsed" for a in said.values()),
                tokens=sum(a["tokens"] for a in side["answers"].values()),
                cost=sum(a["cost"] for a in side["answers"].values()),
            )
        )
    both: list[bool] = []
    only = (0, 0)
    if len(body["sides"]) == 2:
        first, second = (dict(_answers(body, side)) for side in body["sides"])
        both = [first[p]["verdict"] == second[p]["verdict"] for p in first.keys() & second.keys()]
        one, two = right
        shared = one.keys() & two.keys()
        only = sum(one[p] > two[p] for p in shared), sum(two[p] > one[p] for p in shared)
    return TrialReport(
        n_pairs=len(_pairs(parts, body)),
        n_labelled=len(labels),
        n_wanted=sum(labels.values()),
        sides=tuple(sides),
        n_agree=sum(both),
        n_both=len(both),
        n_only=only,
        p=_mcnemar(only),
    )


def _mcnemar(only: tuple[int, int]) -> float:
    from scipy.stats import binomtest

    return float(binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0


def adopt_answers(parts: Parts, teacher: Teacher) -> int:
    """File what a teacher said in trials as judgments, so that it is not paid for again; returns how many.

    Until a teacher is chosen, its trials colour no pseudo label: one that was tried may be a bad one.
    """
    view = parts.corpus()
    found: dict[tuple[str, str], Judgment] = {}
    for _, body in _records(parts):
        for side in body["sides"]:
            if side["key"] != teacher.key:
                continue
            for i, a in side["answers"].items():
                pair = body["pairs"][i]
                if _there(view, pair):
                    found[pair["document_hash"], pair["label_hash"]] = Judgment(
                        document_id=pair["document"],
                        label_id=pair["label"],
                        teacher_key=teacher.key,
                        document_hash=pair["document_hash"],
                        label_hash=pair["label_hash"],
                        rank=pair["rank"],
                        **{**a, "shown": tuple(a["shown"])},
                    )
    if found:
        known = parts.journal.known_verdicts(teacher.key, [d for d, _ in found])
        parts.journal.append_judgments([j for place, j in found.items() if place not in known])
        return sum(place not in known for place in found)
    return 0


def _records(parts: Parts) -> list[tuple[str, dict[str, Any]]]:
    """Trials with the answers of each side put in, by pair; the newest trial first.

    A trial is one record, and each answer one of its own, so that it is durable by itself.
    """
    everything = parts.journal.trials()
    found = {id: body for id, body in everything if body.get("kind") == _KIND}
    for body in found.values():
        for side in body["sides"]:
            side["answers"] = {}
    for _, body in everything:
        if body.get("kind") == _ANSWER and body["of"] in found:
            found[body["of"]]["sides"][body["side"]]["answers"][body["pair"]] = body["answer"]
    return list(found.items())


def _body(parts: Parts, trial_id: str) -> dict[str, Any]:
    for id, body in _records(parts):
        if id == trial_id:
            return body
    raise NotFoundError(f"Trial {trial_id!r} does not exist. Start one on the Teacher page.")


def _unfinished(parts: Parts, keys: Sequence[str], n: int) -> tuple[str, dict[str, Any]] | None:
    """The newest trial, if it is the same and was cut off."""
    view = parts.corpus()
    for id, body in _records(parts)[:1]:
        there = [i for i, pair in enumerate(body["pairs"]) if _there(view, pair)]
        cut_off = any(i not in side["answers"] for side in body["sides"] for i in there)
        if cut_off and body["n"] == n and [side["key"] for side in body["sides"]] == list(keys):
            return id, body
    return None


def _listed(parts: Parts, id: str, body: Mapping[str, Any]) -> Trial:
    specs = tuple(side["spec"] for side in body["sides"])
    return Trial(id, specs, len(_pairs(parts, body)), len(_labels(parts, body)))


def _pairs(parts: Parts, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pairs that can be compared: a document or label that was changed or deleted since leaves the trial."""
    view = parts.corpus()
    return [pair for pair in body["pairs"] if _there(view, pair)]


def _there(view: CorpusView, pair: Mapping[str, Any]) -> bool:
    """Whether document and label are there, with the texts that were judged."""
    row, column = view.document_idx.get(pair["document"]), view.label_idx.get(pair["label"])
    if row is None or column is None:
        return False
    texts = (view.documents[row].hash, view.labels[column].hash)
    return texts == (pair["document_hash"], pair["label_hash"])


def _labels(parts: Parts, body: Mapping[str, Any]) -> dict[tuple[str, str], bool]:
    """What people say of the pairs: decided in the trial or anywhere else."""
    pairs = _pairs(parts, body)
    states_of = parts.journal.pair_states_of(pair["document"] for pair in pairs)
    out = {}
    for pair in pairs:
        state = next((s.state for s in states_of[pair["document"]] if s.label_id == pair["label"]), None)
        if state in ("accepted", "rejected"):
            out[pair["document"], pair["label"]] = state == "accepted"
    return out


def _answers(
    body: Mapping[str, Any], side: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for i, answer in side["answers"].items():
        pair = body["pairs"][i]
        yield (pair["document"], pair["label"]), answer


def _drawn(
    parts: Parts, teacher: Teacher, n: int, top_k: int | None, seed: int, progress: Progress
) -> list[dict[str, Any]]:
    """Undecided pairs of training documents: one a document, its rank drawn evenly from the shortlist."""
    view = parts.corpus()
    rng = np.random.default_rng(seed + len(_records(parts)))
    rows = rng.permutation(view.rows("train"))[: 4 * n].astype(np.int32)
    k = min(top_k or parts.settings.top_k, len(view.labels))
    shortlist = teaching.shortlists(parts, view, teacher, rows, k, progress)
    documents = [view.documents[int(i)].id for i in rows]
    states_of, completed = parts.journal.pair_states_of(documents), parts.journal.completed()
    pairs: list[dict[str, Any]] = []
    for row, candidates in zip(rows.tolist(), shortlist, strict=True):
        document = view.documents[row]
        states = {s.label_id: s.state for s in states_of[document.id]}
        labels = [view.labels[j] for j in candidates if j >= 0]
        free = [i for i, x in enumerate(labels) if states.get(x.id) not in ("accepted", "rejected")]
        if not free or document.id in completed:
            continue
        rank = int(rng.choice(free))
        pairs.append({
            "document": document.id,
            "label": labels[rank].id,
            "document_hash": document.hash,
            "label_hash": labels[rank].hash,
            "rank": rank,
            "shortlist": [x.id for x in labels],
        })  # fmt: skip
        if len(pairs) == n:
            break
    if not pairs:
        raise NothingToDoError("No undecided pair of a training document is left to try a teacher on.")
    return pairs


def _ask(
    parts: Parts,
    teacher: Teacher,
    id: str,
    number: int,
    body: dict[str, Any],
    told: Callable[[int], None],
) -> None:
    """Ask one teacher what is open; each answer is on record before the next is taken.

    Once it is cancelled nothing more is asked, but what was asked is still taken in: it is paid for.
    """
    from lmtx.teacher import TeacherRequest

    view = parts.corpus()
    answers = body["sides"][number]["answers"]
    place: dict[str, int] = {}  # a document is in a trial once
    requests = []
    for i, pair in enumerate(body["pairs"]):
        if i in answers or not _there(view, pair):
            continue
        shortlist = tuple(view.labels[view.label_idx[x]] for x in pair["shortlist"] if x in view.label_idx)
        label = view.labels[view.label_idx[pair["label"]]]
        document = view.documents[view.document_idx[pair["document"]]]
        requests.append(TeacherRequest(document, (label,), (pair["rank"],), shortlist))
        place[document.id] = i
    cancelled: list[JobCancelled] = []
    for answered in teacher.judge(takewhile(lambda _: not cancelled, requests)):
        if answered is not None and answered.answers[0] is not None:
            i = place[answered.request.document.id]
            answers[i] = asdict(answered.answers[0])
            record = {"kind": _ANSWER, "of": id, "side": number, "pair": i, "answer": answers[i]}
            parts.journal.put_trial(f"{id}-{number}-{i}", record)
        try:
            told(len(answers))
        except JobCancelled as error:
            cancelled.append(error)
    if cancelled:
        raise cancelled[0]
