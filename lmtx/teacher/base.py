"""What a teacher is: the seam between the judging loop and whoever answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from lmtx.errors import TeacherError
from lmtx.types import CorpusView, Document, FloatArray, Label, Verdict


@dataclass(frozen=True, slots=True)
class TeacherRequest:
    """One document and the labels asked about.

    labels : what to answer, in this order
    ranks : place of each in the document's shortlist, from 0
    shortlist : all labels on the document's shortlist, also those judged before, best first;
        a teacher that compares candidates must look at these, so that its answer does not
        depend on what happens to be cached
    """

    document: Document
    labels: tuple[Label, ...]
    ranks: tuple[int, ...]
    shortlist: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher says of one pair.

    verdict : "unparsed" where it gave no usable answer; kept, never taken for a no
    probability : of yes, in [0, 1]; None where it gives verdicts only
    tokens : tokens spent on this pair, read and written; what several pairs share is spread over them,
        so that sums are exact; 0 where none are
    tokens_out : of these, written by the model
    cost : dollars at the prices of the specification; 0 where none were given
    raw : the answer as given, for inspection
    shown : where candidates were judged together, their label ids in the order shown
    """

    verdict: Verdict
    probability: float | None = None
    tokens: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    raw: str = ""
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with its answers, one a label in order; None where there was none (the pair stays open).

    problem : why pairs stayed open, for the user; empty where none did
    """

    request: TeacherRequest
    answers: tuple[Answer | None, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request will take.

    tokens_in : tokens read; exact where the tokenizer is known
    tokens_out_low, tokens_out_high : fewest and most tokens written
    cost_low, cost_high : dollars at the prices of the specification
    exact : whether `tokens_in` was counted by the model's own tokenizer
    """

    tokens_in: int = 0
    tokens_out_low: int = 0
    tokens_out_high: int = 0
    cost_low: float = 0.0
    cost_high: float = 0.0
    exact: bool = True

    def __add__(self, other: Estimate) -> Estimate:
        """Sum of two."""
        return Estimate(
            self.tokens_in + other.tokens_in,
            self.tokens_out_low + other.tokens_out_low,
            self.tokens_out_high + other.tokens_out_high,
            self.cost_low + other.cost_low,
            self.cost_high + other.cost_high,
            self.exact and other.exact,
        )


class Teacher(Protocol):
    """Judges pairs. Implementations are made by `load_teacher`.

    Attributes
    ----------
    key : str
        Verdicts are cached under (document hash, label hash, key): see `teacher_key`.
    spec : str
        Canonical specification; `load_teacher(spec)` gives an equal teacher. Holds no secret.
    is_llm : bool
        Whether a language model answers. Where not, the interface must say so.
    description : str
        One or two sentences for the user: who judges, and what that is worth.
    host : str
        Name of the machine that texts are sent to; empty where they stay on this one.
    """

    key: str
    spec: str
    is_llm: bool
    description: str
    host: str

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Answer requests, drawn as they are needed, in whatever order they get done.

        Parameters
        ----------
        requests : iterable of TeacherRequest
            Drawn lazily and from one thread: whoever supplies them may stop at any time (a budget, a
            cancelled job), and what was drawn is still answered.

        Yields
        ------
        Answered or None
            Each request drawn comes back once. None before and now and then while answers are awaited, so
            that the caller can write what it has, and look whether it was asked to stop.

        Raises
        ------
        TeacherError
            If the teacher can't answer at all. Single failures leave pairs open (answer None); an answer
            that can't be used is "unparsed".
        """
        ...

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """Return what judging these would take, without asking."""
        ...


@dataclass(frozen=True)
class TeacherContext:
    """What teachers may read. All but the corpus is given as functions, called when needed only.

    Attributes
    ----------
    corpus : CorpusView
    vectors : callable or None
        Returns (document vectors, label vectors), float32 (n_docs, dim) and (n_labels, dim), rows as
        in `corpus`. For the evidence teacher.
    encoder_key : str
        What those vectors are cached under.
    gold : callable or None
        Returns document id -> label ids of split train (`Journal.gold("train")`). For the
        simulated teacher alone.
    prompts : Path or None
        Folder with the user's prompt templates and few-shot sets; see `lmtx.teacher.prompts`.
    """

    corpus: CorpusView = field(default_factory=lambda: CorpusView([], [], []))
    vectors: Callable[[], tuple[FloatArray, FloatArray]] | None = None
    encoder_key: str = ""
    gold: Callable[[], Mapping[str, tuple[str, ...]]] | None = None
    prompts: Path | None = None


def in_batches(
    requests: Iterable[TeacherRequest],
    answer: Callable[[Sequence[TeacherRequest]], Sequence[Sequence[Answer]]],
    size: int = 64,
) -> Iterator[Answered]:
    """Answer requests some at a time, for teachers that are quick."""
    todo = iter(requests)
    while batch := list(islice(todo, size)):
        for request, answers in zip(batch, answer(batch), strict=True):
            yield Answered(request, tuple(answers))


def ask(teacher: Teacher, requests: Sequence[TeacherRequest]) -> list[list[Answer | None]]:
    """Ask about some requests and wait; answers in the order of the requests. Nothing is recorded."""
    place = {id(request): i for i, request in enumerate(requests)}
    out: list[list[Answer | None]] = [[] for _ in requests]
    for answered in teacher.judge(requests):
        if answered is not None:
            out[place[id(answered.request)]] = list(answered.answers)
    return out


def teacher_key(*, model: str, prompt: str, decoding: Mapping[str, object], label_text: str) -> str:
    """SHA-256 (hex, first 32 characters) of all that can change an answer.

    Parameters
    ----------
    model : str
        Name and revision or hash of what answers.
    prompt : str
        Full text of the template, or the rule's name and version.
    decoding : mapping
        Parameters of sampling, thresholds, noise.
    label_text : str
        Version of how a label becomes text.
    """
    parts = {"model": model, "prompt": prompt, "decoding": dict(decoding), "label_text": label_text}
    try:
        canonical = json.dumps(parts, sort_keys=True, ensure_ascii=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TeacherError(
            f"teacher {model!r}: settings can't be written as JSON ({error}). Use text, numbers, lists."
        ) from error
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
