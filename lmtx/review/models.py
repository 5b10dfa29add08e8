"""What a reviewer is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lmtx.types import Document, State

Unit = Literal["document", "pair"]
"""What one item of a queue is: a document with all its candidates, or one label of one document."""

Policy = Literal["default", "uncertain", "disagreement", "teacher_errors", "rare", "unseen", "mix", "audit"]
"""In which order items come; see `lmtx.review.policies`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the corpus that a queue is about; everything where all are empty.

    label_id : only items where this label is a candidate
    query : only documents that these words find
    document_ids : only these documents
    set_id : only the documents of a set that was saved (`Workspace.save_documents`)
    """

    label_id: str | None = None
    query: str = ""
    document_ids: tuple[str, ...] = ()
    set_id: str | None = None


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
    draw that an estimate may use). `reason` says in a sentence why this document comes now. `blind`: the
    machine's opinion is not to be shown.
    """

    document: Document
    candidates: list[Candidate]
    highlights: list[Highlight]
    completed: bool
    policy: str
    reason: str
    inclusion_probability: float | None
    blind: bool = False


@dataclass(frozen=True, slots=True)
class PairItem:
    """One label of one document to review.

    Attributes
    ----------
    candidate : Candidate
        The label, with what machine and people say of it here.
    aliases : tuple of str
    examples : list of (document id, title)
        Documents where people accepted the label, at most two.
    highlights, policy, reason, inclusion_probability, blind : as of `ReviewItem`
    """

    document: Document
    candidate: Candidate
    aliases: tuple[str, ...]
    examples: list[tuple[str, str]]
    highlights: list[Highlight]
    policy: str
    reason: str
    inclusion_probability: float | None
    blind: bool = False


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A document that is proposed for a label.

    `evidence` is the sentence that speaks for the label most (the start of the text where none does), `words`
    those in it that match; the rest as of `Candidate`.
    """

    document_id: str
    title: str
    evidence: str
    words: list[str]
    teacher_probability: float | None
    probability: float | None
    state: State | None
    decision: Literal["accept", "reject"] | None


@dataclass(frozen=True, slots=True)
class Bulk:
    """A batch of pairs of one label that is to be accepted or rejected at once.

    Before it is, some of it drawn at random are judged one by one. The same label, documents and action give
    the same batch and draw, so a reload goes on where it was.

    Attributes
    ----------
    id : str
    label_id : str
    action : "accept" or "reject"
    document_ids : tuple of str
        All of it, without what was decided already and without the reserve.
    check : tuple of str
        Documents that are judged one by one first.
    answers : dict of str to bool
        What was said of them so far: whether the label is right.
    allowed : int
        Answers against the batch that it survives.
    """

    id: str
    label_id: str
    action: Literal["accept", "reject"]
    document_ids: tuple[str, ...]
    check: tuple[str, ...]
    answers: dict[str, bool]
    allowed: int

    @property
    def misses(self) -> int:
        """Answers that speak against the batch."""
        return sum(right != (self.action == "accept") for right in self.answers.values())

    @property
    def refused(self) -> bool:
        """Whether too many answers speak against it."""
        return self.misses > self.allowed

    @property
    def ready(self) -> bool:
        """Whether all that was drawn is judged, and not too much speaks against it."""
        return not self.refused and all(i in self.answers for i in self.check)
