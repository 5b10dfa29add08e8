"""What the workspace answers: plain records that pages lay out and the CLI prints as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lmtx.ingest import Issue
from lmtx.review.models import BatchRow
from lmtx.types import Decision, Document, Label, Role, Run, State, Verdict

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
    """A thing to do next.

    page : name of the screen in lower case
    action, why : in words
    gain : what is to be expected of it, and from what that is known; "" where nothing is
    params : of the screen's address
    verb : job that does it at once; "" where the screen is the way
    """

    page: str
    action: str
    why: str
    gain: str = ""
    params: tuple[tuple[str, str], ...] = ()
    verb: str = ""


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


# ---- review ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelBatch:
    """A page of documents that a label is proposed for.

    `path` are names of broader labels; `examples` at most two (document id, title) where it was accepted.
    """

    label: Label
    path: tuple[str, ...]
    examples: list[tuple[str, str]]
    rows: list[BatchRow]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class ReviewProgress:
    """How far the review is to the goal.

    Attributes
    ----------
    n_labels : int
        Labels that the goal is about: those with at least `Settings.goal_predictions` predicted documents.
    n_known : int
        Those known to plus or minus `Settings.goal_points` by audited decisions.
    n_left : int
        Audited decisions that are still needed.
    by_label : dict
        Label id -> standing accepted and rejected decisions, the ten labels with the most.
    """

    n_labels: int
    n_known: int
    n_left: int
    by_label: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class LearningState:
    """What waits to be learned.

    n_new : training decisions (of no reserved document) since the newest run
    every : `Settings.retrain_every`
    due : whether it is time to train
    job_id : the training that runs or waits, or None
    newest : the newest run, promoted or not
    """

    n_new: int
    every: int
    due: bool
    job_id: str | None
    newest: Run | None


@dataclass(frozen=True, slots=True)
class Gain:
    """Quality of a run on the documents that people completed, each ranked without its own labels.

    `quality`, `start` (without learning) and `se` are fractions; None where too few are completed.
    """

    run_id: str
    at: datetime
    n_decisions: int
    n_completed: int
    quality: float | None
    start: float | None
    se: float | None
    promoted: bool


@dataclass(frozen=True, slots=True)
class TagChange:
    """A document whose tags changed by a run.

    before, after : (label id, name, probability or score), best first, old and new tags
    behind : decisions made since the run before that speak of the labels gained or lost, newest first
    """

    document_id: str
    title: str
    before: list[tuple[str, str, float]]
    after: list[tuple[str, str, float]]
    behind: list[Decision]


@dataclass(frozen=True, slots=True)
class DefinitionTrial:
    """What a teacher says of a label's reviewed pairs under two definitions.

    rows : one a pair
    n_right_old, n_right_new : pairs where the teacher agrees with people
    """

    teacher: str
    rows: list[DefinitionRow]
    n_right_old: int
    n_right_new: int
    n_pairs_open: int
    """Pairs that would have to be judged again after such an edit."""


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """One reviewed pair in a `DefinitionTrial`; probabilities are None where an answer could not be read."""

    document_id: str
    title: str
    wanted: bool
    old: float | None
    new: float | None
