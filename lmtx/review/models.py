"""What a reviewer is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lmtx.types import Document, State

Policy = Literal["default", "uncertain", "audit"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label that is proposed for a document.

    Attributes
    ----------
    path : tuple of str
        Names of the broader labels, topmost first.
    teacher_probability : float or None
        The teacher's probability of yes; None where it was not asked or gave none.
    verdict : str or None
        The teacher's verdict.
    score, probability : float or None
        The tagger's score (z-scored within the document) and calibrated probability.
    state : State or None
        The pair's pseudo label; None where nobody said anything of it.
    decision : "accept", "reject" or None
        What stands decided by a person.
    why : str
        One short sentence: who proposes it, and the words that match.
    words : list of str
        Words of the text that match the label.
    """

    label_id: str
    name: str
    path: tuple[str, ...]
    definition: str
    teacher_probability: float | None
    verdict: str | None
    score: float | None
    probability: float | None
    state: State | None
    decision: Literal["accept", "reject"] | None
    why: str
    words: list[str]


@dataclass(frozen=True, slots=True)
class Highlight:
    """A stretch `[start, end)` of the document's text (not its title) that is evidence for labels.

    `kind` is "word" (the text has a word of the label) or "sentence" (the sentence nearest to the label
    in meaning). Highlights of kind "word" do not overlap each other, and may lie inside sentences.
    """

    start: int
    end: int
    kind: Literal["word", "sentence"]
    label_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One document to review, with its candidates.

    `inclusion_probability` is the probability with which the document was drawn (None: not a random
    draw that an estimate may use). `reason` says in a sentence why this document comes now.
    """

    document: Document
    candidates: list[Candidate]
    highlights: list[Highlight]
    completed: bool
    policy: str
    reason: str
    inclusion_probability: float | None
