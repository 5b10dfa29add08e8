"""What the journal's reading methods return beside the types of `lmtx.types`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

import numpy as np

from lmtx.types import BoolArray, Role, Split, State, Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a longer list. `page` counts from 0; `total` is the length of the whole list."""

    items: list[T]
    total: int
    page: int
    page_size: int

    @property
    def n_pages(self) -> int:
        """Number of pages, at least 1."""
        return max(1, -(-self.total // self.page_size))

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What an import changed, in items."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document in a list: the start of its text, and how many of its pairs are in which state."""

    id: str
    title: str
    snippet: str
    split: Split
    role: Role
    language: str
    n_accepted: int
    n_rejected: int
    n_proposed: int
    n_declined: int
    completed: bool


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label in a list, with the number of its children, gold documents and pairs by state."""

    id: str
    name: str
    description: str
    n_children: int
    n_gold: int
    n_accepted: int
    n_rejected: int
    n_proposed: int
    n_declined: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair in the list of a label: its state with the document it belongs to."""

    document_id: str
    title: str
    role: Role
    state: State
    verdict: Verdict | None
    probability: float | None
    teacher_key: str | None
    decision: Literal["accept", "reject"] | None
    reviewer: str | None


@dataclass(frozen=True, slots=True)
class TeacherRow:
    """A teacher that was registered or has judged, with what it said and took so far.

    `tokens` were read and written, `tokens_out` of them written; `cost` is in dollars.
    """

    key: str
    spec: str
    details: dict[str, object]
    at: datetime
    n_judgments: int
    n_yes: int = 0
    n_unparsed: int = 0
    tokens: int = 0
    tokens_out: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class JudgmentRow:
    """One judgment in a list, with the document's title and the label's name as they are now."""

    seq: int
    document_id: str
    title: str
    label_id: str
    label_name: str
    teacher_key: str
    verdict: Verdict
    probability: float | None
    round: int
    tokens: int
    tokens_out: int
    cost: float
    raw: str
    at: datetime


@dataclass(frozen=True, slots=True)
class JudgedDecision:
    """A pair that a teacher judged and a person decided."""

    document_id: str
    label_id: str
    verdict: Verdict
    probability: float | None
    accepted: bool


JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class JobRow:
    """A long-running piece of work. `heartbeat` is the time of its last update."""

    id: str
    verb: str
    params: dict[str, object]
    state: str
    done: int
    total: int
    message: str
    rate: float | None
    pid: int | None
    created: datetime
    started: datetime | None
    ended: datetime | None
    heartbeat: datetime | None
    error: str
    result: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What an index must do to catch up, and the cursor that stands for having done it.

    `documents` and `labels` are live and need (re-)indexing, `deleted_*` must go.
    `more`: another call with `cursor` finds more.
    """

    documents: list[str]
    deleted_documents: list[str]
    labels: list[str]
    deleted_labels: list[str]
    cursor: dict[str, int]
    more: bool

    def __len__(self) -> int:
        return len(self.documents) + len(self.deleted_documents) + len(self.labels) + len(self.deleted_labels)


@dataclass(frozen=True)
class KnownVerdicts:
    """Which pairs of texts a teacher has judged: `(document_hash, label_hash) in known`.

    Hashes are mapped to small numbers and a pair to one integer, so that a million pairs
    take some 70 MB and a test takes a microsecond.
    """

    document_nums: dict[str, int] = field(repr=False)
    label_nums: dict[str, int] = field(repr=False)
    keys: set[int] = field(repr=False)

    def __contains__(self, pair: object) -> bool:
        if not isinstance(pair, tuple):
            return False
        document, label = self.document_nums.get(pair[0]), self.label_nums.get(pair[1])
        return document is not None and label is not None and (document << 32 | label) in self.keys

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        documents = {num: hash_ for hash_, num in self.document_nums.items()}
        labels = {num: hash_ for hash_, num in self.label_nums.items()}
        for key in self.keys:
            yield documents[key >> 32], labels[key & 0xFFFFFFFF]

    def contains(self, document_hashes: Sequence[str], label_hashes: Sequence[str]) -> BoolArray:
        """Test parallel sequences of hashes; returns bool of shape (n_pairs,)."""
        pairs = zip(document_hashes, label_hashes, strict=True)
        return np.fromiter((pair in self for pair in pairs), dtype=np.bool_, count=len(document_hashes))
