"""The words of the product as types. See README, "Words".

Identifiers of the user are strings (`document_id`, `label_id`). Row numbers
(`document_idx`, `label_idx`) count the live documents or labels in journal order
(`Journal.corpus()`), and are valid only within one `CorpusView`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]
Role = Literal["train", "held_out", "reserve", "test"]
Verdict = Literal["yes", "no", "unparsed"]
State = Literal["accepted", "rejected", "proposed", "declined", "unparsed"]
Action = Literal["accept", "reject", "skip", "retract", "complete"]
Reason = Literal["unclear", "too_broad", "too_narrow", "off_topic", "bad_text"]
"""Why a label was rejected: its definition is unclear, it is too broad or too narrow, the text is about
something else, or the text itself is bad."""

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

Progress = Callable[[int, int, str], None]
"""Called with (done, total, message); raises `JobCancelled` when the user asked to stop."""


def no_progress(done: int, total: int, message: str) -> None:
    """The progress callback of callers that show nothing."""


def content_hash(*parts: str) -> str:
    """SHA-256 (hex, first 32 characters) of the parts, unambiguously joined."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()[:32]


def unit_hash(*parts: str) -> float:
    """A permanent random number in [0, 1) of the parts (seed first, by convention)."""
    return int(content_hash(*parts)[:13], 16) / 16**13


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Document:
    """One text. `labels` is None where the file has no label column for it."""

    id: str
    title: str
    text: str
    split: Split = "train"
    labels: tuple[str, ...] | None = None
    language: str = ""

    @property
    def full_text(self) -> str:
        """Title and text as the encoder and the lexical rankings read them."""
        if not self.title or self.text.startswith(self.title):
            return self.text or self.title
        return f"{self.title}\n{self.text}"

    @property
    def hash(self) -> str:
        """Hash of what a teacher or encoder reads: title and text."""
        return content_hash(self.title, self.text)


@dataclass(frozen=True, slots=True)
class Label:
    """One tag of the label set."""

    id: str
    name: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()

    @property
    def full_text(self) -> str:
        """Name, aliases and description, for the lexical rankings."""
        return " ".join(p for p in (self.name, *self.aliases, self.description) if p)

    @property
    def hash(self) -> str:
        """Hash of what a teacher or encoder reads: name, description and aliases."""
        return content_hash(self.name, self.description, *self.aliases)


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a teacher said of a pair.

    `tokens` were read and written for it, `tokens_out` of them written; `cost` is in dollars, at the prices
    that were given then. `shown` are the label ids that were judged together, in the order shown.
    """

    document_id: str
    label_id: str
    verdict: Verdict
    probability: float | None
    teacher_key: str
    document_hash: str
    label_hash: str
    round: int = 0
    rank: int = -1
    tokens: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    raw: str = ""
    shown: tuple[str, ...] = ()
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a pair, or, with `label_id` None, of a document as a whole.

    `complete` has no label. `retract` takes back the decision with sequence number
    `retracts`, which restores what stood before it. `policy` and
    `inclusion_probability` say how the item was drawn (None: not a random draw). `reason` is why a label
    was rejected, one of `Reason` or empty. `blind`: decided without seeing the machine's opinion.
    """

    document_id: str
    label_id: str | None
    action: Action
    reviewer: str
    policy: str = ""
    inclusion_probability: float | None = None
    note: str = ""
    batch: str = ""
    retracts: int | None = None
    at: datetime = field(default_factory=now)
    seq: int = 0
    reason: str = ""
    blind: bool = False


@dataclass(frozen=True, slots=True)
class PairState:
    """The pseudo label of a pair: the newest standing decision, else the newest judgment."""

    document_id: str
    label_id: str
    state: State
    verdict: Verdict | None
    probability: float | None
    teacher_key: str | None
    decision: Literal["accept", "reject"] | None
    reviewer: str | None


@dataclass(frozen=True)
class CorpusView:
    """All live documents and labels at one moment, in row order, with their roles.

    documents, labels : row number -> item
    roles : row number of a document -> role
    """

    documents: list[Document]
    labels: list[Label]
    roles: list[Role]

    def __post_init__(self) -> None:
        object.__setattr__(self, "document_idx", {d.id: i for i, d in enumerate(self.documents)})
        object.__setattr__(self, "label_idx", {x.id: i for i, x in enumerate(self.labels)})

    document_idx: dict[str, int] = field(init=False, repr=False)
    label_idx: dict[str, int] = field(init=False, repr=False)

    def rows(self, *roles: Role) -> IntArray:
        """Row numbers of the documents that have one of these roles, ascending."""
        wanted = set(roles)
        return np.array([i for i, r in enumerate(self.roles) if r in wanted], dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Training or evaluation pairs as parallel arrays of shape (n_pairs,).

    document_idx, label_idx : int32 row numbers of a `CorpusView`
    target : float32 in [0, 1], 1 wanted, 0 unwanted
    weight : float32 > 0; decisions outweigh judgments
    """

    document_idx: IntArray
    label_idx: IntArray
    target: FloatArray
    weight: FloatArray

    def where(self, keep: BoolArray) -> Pairs:
        """Return some of the pairs; `keep` is bool (n_pairs,)."""
        return Pairs(self.document_idx[keep], self.label_idx[keep], self.target[keep], self.weight[keep])

    def __len__(self) -> int:
        return len(self.document_idx)


@dataclass(frozen=True, slots=True)
class Scored:
    """Ranked labels of documents.

    label_idx : int32 (n_docs, k), best first, -1 pads
    score : float32 (n_docs, k), -inf where padded
    """

    label_idx: IntArray
    score: FloatArray


TO_COMPARE = ("maclr", "rts", "icxml")
"""Kinds of run that learn from no verdict and no decision: they are there to be compared with."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training: configuration, data fingerprint, model folder, metrics."""

    id: str
    created: datetime
    kind: str
    config: dict[str, object]
    fingerprint: str
    folder: str
    metrics: dict[str, object]
    promoted: bool = False
    note: str = ""

    @property
    def to_compare(self) -> bool:
        """Whether it is there to be compared with: it learned from no verdict and no decision."""
        return self.kind in TO_COMPARE
