"""What the workspace answers: plain records that pages lay out and the CLI prints as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lmtx.ingest import Issue
from lmtx.types import Decision, Document, Label, Role, State, Verdict

if TYPE_CHECKING:
    from lmtx.teacher import Estimate


@dataclass(frozen=True, slots=True)
class WorkspaceInfo:
    """One workspace in the list of those at home."""

    name: str
    folder: Path
    n_documents: int
    n_labels: int


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next best thing to do: a page's name in lower case, the action, and why."""

    page: str
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """State of a workspace.

    Attributes
    ----------
    counts : dict
        documents, train, held_out, reserve, test, labels, judged_pairs, proposed, declined, accepted,
        rejected, unparsed, decisions, completed.
    has_gold : bool
        Whether test documents came with labels that exist (then `evaluate` has a truth).
    languages : dict
        ISO 639-1 code -> number of documents; "" where the language was not guessed.
    language_warning : str or None
        Set where the encoder does not fit the corpus's language.
    teacher : str
        Specification of the teacher last used.
    teacher_used, is_llm : bool
        Whether it has judged anything; whether it is a language model.
    run_id, metrics : the promoted run, if any
    index : str
        "ready", "behind" (will catch up), "elsewhere" (another process owns it) or "off".
    running : list of str
        Ids of jobs that run or wait.
    """

    name: str
    folder: Path
    counts: dict[str, int]
    has_gold: bool
    encoder: str
    languages: dict[str, int]
    language_warning: str | None
    teacher: str
    teacher_used: bool
    is_llm: bool
    run_id: str | None
    run_kind: str | None
    metrics: dict[str, object]
    n_runs: int
    index: str
    running: list[str]
    next_step: NextStep
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `skipped` counts rows left out; `issues` holds the first hundred."""

    kind: str
    added: int
    updated: int
    unchanged: int
    deleted: int
    skipped: int
    n_issues: int
    issues: list[Issue]
    warnings: list[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found by a search; `score` is a cosine (semantic) or None (keyword)."""

    document_id: str
    title: str
    snippet: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A predicted label of a text.

    Attributes
    ----------
    score : float
        The tagger's score; comparable within one text.
    probability : float or None
        Calibrated share of such predictions that are right; None where nothing calibrates it.
    words : list of str
        Words of the text that speak for the label, most telling first.
    parts : dict
        Part of the tagger -> its contribution to the score.
    path : tuple of str
        Names of the broader labels, topmost first.
    """

    label_id: str
    name: str
    score: float
    probability: float | None
    words: list[str]
    parts: dict[str, float]
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairDetail:
    """The pseudo label of a pair with its label's name and place."""

    label_id: str
    name: str
    path: tuple[str, ...]
    state: State
    verdict: Verdict | None
    probability: float | None
    teacher_key: str | None
    decision: str | None
    reviewer: str | None


@dataclass(frozen=True, slots=True)
class DocumentDetail:
    """One document with all that is known of its labels."""

    document: Document
    role: Role
    completed: bool
    pairs: list[PairDetail]
    predictions: list[Tag]
    history: list[Decision]
    similar: list[Hit]


@dataclass(frozen=True, slots=True)
class Example:
    """A document shown as an example of a pair's state or of a prediction's outcome."""

    document_id: str
    title: str
    snippet: str
    state: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class LabelDetail:
    """One label with its place, counts and examples.

    `counts` has proposed, declined, accepted, rejected, unparsed; `neighbours` are the labels
    nearest in the encoder's space with their cosine.
    """

    label: Label
    path: tuple[str, ...]
    parents: list[Label]
    children: list[Label]
    counts: dict[str, int]
    accepted: list[Example]
    rejected: list[Example]
    proposed: list[Example]
    neighbours: list[tuple[Label, float]]


@dataclass(frozen=True, slots=True)
class TeachPreview:
    """What asking a teacher would cost.

    n_pairs, n_cached, n_open : pairs in all, those already judged, and those that would be asked
    seconds : at the speed that this teacher had last; None where it was never measured
    host, consented : where texts would be sent ("": nowhere), and whether that was allowed
    estimate : tokens and dollars for the open pairs; None where vectors are missing, so that candidates are
        not known yet
    n_later, later, seconds_later : at most so much for later rounds and held-out documents, nothing at least
    """

    n_documents: int
    n_pairs: int
    n_cached: int
    n_open: int
    seconds: float | None
    teacher: str
    description: str
    is_llm: bool
    host: str
    consented: bool
    estimate: Estimate | None
    n_later: int
    later: Estimate
    seconds_later: float | None
