"""What a teacher is: the seam between the judging loop and whoever answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    tokens : tokens spent on this pair; 0 where none are
    raw : the answer as given, for inspection
    """

    verdict: Verdict
    probability: float | None = None
    tokens: int = 0
    raw: str = ""


class Teacher(Protocol):
    """Judges pairs. Implementations are made by `load_teacher`.

    Attributes
    ----------
    key : str
        Verdicts are cached under (document hash, label hash, key): see `teacher_key`.
    spec : str
        Canonical specification; `load_teacher(spec)` gives an equal teacher.
    is_llm : bool
        Whether a language model answers. Where not, the interface must say so.
    description : str
        One or two sentences for the user: who judges, and what that is worth.
    """

    key: str
    spec: str
    is_llm: bool
    description: str

    def judge(self, batch: Sequence[TeacherRequest]) -> list[list[Answer]]:
        """Answer a batch.

        Parameters
        ----------
        batch : sequence of TeacherRequest

        Returns
        -------
        list of list of Answer
            One list a request, one answer a label, in order.

        Raises
        ------
        TeacherError
            If the teacher can't answer at all. Single failures are "unparsed" answers.
        """
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
    """

    corpus: CorpusView
    vectors: Callable[[], tuple[FloatArray, FloatArray]] | None = None
    encoder_key: str = ""
    gold: Callable[[], Mapping[str, tuple[str, ...]]] | None = None


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
