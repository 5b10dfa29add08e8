"""What the workspace answers when asked how good tags are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.quality.estimates import Interval
    from lmtx.quality.promises import Promise

Design = Literal["uniform", "labels"]
"""How the audit of pairs is drawn: all alike, or spread over labels so that rare ones are seen more."""

TAGS = 5
"""Tags of a document: so many the audit asks about, and so many are given unless said otherwise."""

Outcome = Literal["right", "wrong", "missed"]

Prober = Literal["tagger", "teacher"]
"""Who gives probabilities that can be held against the audit."""

Figure = Literal["precision", "recall"]
"""A figure of all tags, by what the audit said."""

MOST_PUT_OFF = 0.05
"""Share of what was asked that may have been put off: beyond, nothing is promised, as these may be hard."""


def too_many_put_off(n_passed: int, n_counted: int) -> bool:
    """Whether so much of what was asked was put off that the rest may not be taken for all."""
    return n_passed > MOST_PUT_OFF * (n_passed + n_counted)


@dataclass(frozen=True, slots=True)
class Cut:
    """Which tags a system gives: at most `k` a document, of at least this probability."""

    k: int = TAGS
    threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """Precision of a group of labels; `n_labels` of them are given."""

    name: str
    n_labels: int
    precision: Interval
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class PrecisionReport:
    """How good a system's tags are, by what the audit drew from the reserve and people answered.

    Attributes
    ----------
    system : str
        As it was asked for: "tagger", "student", "zero-shot" or the id of a run.
    run_id : str or None
        The run behind it.
    cut : Cut
    target : float
        Precision that badges and promises are about.
    design : Design
        How pairs are drawn.
    n_documents, n_pairs : int
        Documents that were completed in the audit, and answered pairs that count.
    n_passed, n_left_open : int
        Pairs that were asked and put off, and those that were left open in the order.
    n_reserve, n_looked_at : int
        Documents of the reserve, and those of them whose tags are known, the first in the audit's order.
    precision, macro, recall : Interval
        Of all tags; mean over labels; of the wanted tags those that are given (audited documents alone).
    groups : list of GroupFigure
        By broadest label where the label set has a hierarchy, else by how often labels are given.
    promise : Promise or None
        Lowest threshold that keeps the target; None where the system has no probabilities.
    labels : DataFrame
        A row a label that is given, the most given first: label_id, name, path (joined by " > "), group,
        right, n,
        population, value, low, high (fractions), exact, known (half width in [0, .5]), need_10, need_5
        (audited pairs still needed), pooled, pooled_low, pooled_high (borrowed from other labels, no 95 %
        interval), status ("exact", "firm" from 10 audited, "pale", "none"), badge ("meets", "misses", ""),
        teacher (share of the documents of the label that the teacher judged and nobody decided, to which it
        says yes; no precision; NaN where none), trend (list of values by the last promoted runs, oldest
        first, where at least 5 were audited). Badges are "" where too many were put off.
    n_tags : int
        Tags that the system gives to the documents that are looked at.
    worst : float or None
        Precision of all tags if all that were put off are wrong; None where none was, or nothing is known.
    """

    system: str
    run_id: str | None
    cut: Cut
    target: float
    design: Design
    n_documents: int
    n_pairs: int
    n_passed: int
    n_left_open: int
    n_reserve: int
    n_looked_at: int
    precision: Interval
    macro: Interval
    recall: Interval
    groups: list[GroupFigure]
    promise: Promise | None
    labels: pd.DataFrame
    n_tags: int = 0
    worst: float | None = None

    @property
    def put_off(self) -> bool:
        """Whether so much of what was asked was put off that figures may be too high."""
        return too_many_put_off(self.n_passed, self.n_pairs)

    @property
    def n_labels(self) -> int:
        """Labels that are given."""
        return len(self.labels)

    def n_known(self, points: float = 0.1) -> int:
        """Labels known to plus or minus so much."""
        known = self.labels["known"]
        return int(((known <= points) & (self.labels["n"] > 0)).sum())


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """Precision of one promoted run, by the audit as it is now."""

    run_id: str
    at: datetime
    precision: Interval
    recall: Interval


@dataclass(frozen=True, slots=True)
class Answer:
    """An audited pair behind a figure: what was said, and by whom.

    outcome : "right", "wrong" (given, not wanted) or "missed" (wanted, not given)
    whole : whether the document was completed, and the answer is a part of that
    instead : names of labels that the document should have and did not get (of a wrong tag), or got
        although it should not (of a missed one); known of audited documents alone
    counts : whether it is part of the random sample behind the figure
    probability : what the system, or the teacher, gave it; None where it gave none
    stands_for : tags of the reserve that it stands for: one over its chance to be drawn
    """

    document_id: str
    title: str
    label_id: str
    label_name: str
    outcome: Outcome
    reviewer: str
    at: datetime | None
    whole: bool
    counts: bool
    instead: list[str] = field(default_factory=list)
    probability: float | None = None
    stands_for: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """The audited answers on a label, and what it is confused with.

    right, wrong, missed : audited documents, the newest first
    instead_of : labels that documents should have had where this one was wrongly given: (id, name, documents)
    mistaken_for : labels that documents wrongly got where this one was missed
    """

    label_id: str
    right: list[Answer]
    wrong: list[Answer]
    missed: list[Answer]
    instead_of: list[tuple[str, str, int]]
    mistaken_for: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """A step of the funnel: how many tags were lost there, and which share of the whole that is.

    `name` is one of "found", "shortlist", "teacher", "student" (of wanted tags), or "right", "teacher",
    "student" (of given tags). `pairs` are those tags, as (document id, label id).
    """

    name: str
    n: int
    share: Interval
    pairs: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Funnel:
    """Where wanted tags are lost and where wrong ones come from, by documents completed in the audit.

    Attributes
    ----------
    run_id : str
    teacher : str
        Its specification; "" where none was asked about these documents.
    n_documents, n_judged : int
        Audited documents, and those of them whose shortlist the teacher judged: the others do not count for
        what it says.
    wanted : list of FunnelStep
        Of all wanted tags of the judged documents: found by the tagger; else lost by the shortlist (the
        teacher was never asked), by the teacher (it said no), or by the student (the teacher says yes, and it
        does not give it). The shares add up to one.
    given : list of FunnelStep
        Of all tags given: right; wrong although the teacher says no or was not asked (the student's error);
        wrong as the teacher says yes (the teacher's).
    n_open : int
        Pairs that the teacher would have to be asked about to judge the rest.
    """

    run_id: str
    teacher: str
    n_documents: int
    n_judged: int
    wanted: list[FunnelStep]
    given: list[FunnelStep]
    n_open: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two runs on the same documents: fractions, and the interval of new minus old."""

    old: float
    new: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """New minus old."""
        return self.new - self.old


@dataclass(frozen=True, slots=True)
class LabelDifference:
    """A label in two runs on the same documents.

    wanted : documents that should have it
    given_old, right_old, given_new, right_new : documents that get it, and rightly
    gained, lost : documents where the new run is right about it and the old one is not, and the reverse
    got : "better" or "worse" beyond chance (exact McNemar test, false discoveries among all labels held to
        one in twenty), else ""
    """

    label_id: str
    name: str
    wanted: int
    given_old: int
    right_old: int
    given_new: int
    right_new: int
    gained: int
    lost: int
    got: Literal["better", "worse", ""]


@dataclass(frozen=True, slots=True)
class DocumentDifference:
    """A document on which two runs differ.

    gained, lost : ids of labels about which only the new run is right, and only the old one
    wanted : those of them that the document should have
    """

    document_id: str
    title: str
    gained: frozenset[str]
    lost: frozenset[str]
    wanted: frozenset[str]


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Two runs on the same documents, each document ranked by both without having been learned from.

    Attributes
    ----------
    new, old : str
        Ids of runs.
    basis : "completed" or "audit"
        Documents that people completed outside the reserve, by cross-validation: what a gate may use.
        Or those that were completed in the audit: only for reporting.
    n_documents : int
    precision, recall : Difference
        At five tags.
    labels : list of LabelDifference
        Those where the runs differ, the worst first.
    documents : list of DocumentDifference
        Those on which the runs differ, the worst first: what the difference rests on.
    """

    new: str
    old: str
    basis: Literal["completed", "audit"]
    n_documents: int
    precision: Difference
    recall: Difference
    labels: list[LabelDifference]
    documents: list[DocumentDifference] = field(default_factory=list)

    def on(self, label_id: str) -> list[DocumentDifference]:
        """Documents on which the runs differ about one label, those that were lost first."""
        found = [d for d in self.documents if label_id in d.gained or label_id in d.lost]
        return sorted(found, key=lambda d: label_id in d.gained)

    @property
    def worse(self) -> list[LabelDifference]:
        """Labels that got worse, beyond chance or not."""
        return [x for x in self.labels if x.lost > x.gained]


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What further audited pairs would buy under a design, about.

    half_width : of the figure of all tags; n_known : labels known to plus or minus ten points
    minutes : at the pace of the audit so far; None where it is not known
    """

    design: Design
    more: int
    half_width: float
    n_known: int
    minutes: float | None


__all__ = [
    "MOST_PUT_OFF",
    "TAGS",
    "Answer",
    "AuditPlan",
    "Cut",
    "Design",
    "Difference",
    "DocumentDifference",
    "Figure",
    "Funnel",
    "FunnelStep",
    "GroupFigure",
    "LabelDifference",
    "LabelErrors",
    "Outcome",
    "PrecisionReport",
    "Prober",
    "RunComparison",
    "TrendPoint",
    "too_many_put_off",
]
