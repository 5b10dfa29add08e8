"""What a cycle says of itself: before, of each round, and at its end."""

from __future__ import annotations

from dataclasses import dataclass

from lmtx.teacher import Estimate, JudgePreview, JudgeReport
from lmtx.types import Run


@dataclass(frozen=True)
class RoundReport:
    """What one round did.

    round : from 1
    n_pairs, n_judged, n_yes : of the training documents' shortlists: pairs, asked now, yes among those
    n_held_out_judged : pairs of held-out documents asked now
    n_unparsed, n_failed : of all asked now: answers that could not be read, and pairs that were not answered
    tokens, tokens_out, cost : of all asked now: tokens read and written, of these written, dollars
    held_out, held_out_se : quality of the student on held-out documents, its standard error; None
        without them
    zero_shot : quality of the zero-shot ranking there
    improved : whether it was better than the best round before by more than the standard error
    cpu_s : process time
    """

    round: int
    n_pairs: int
    n_judged: int
    n_yes: int
    n_held_out_judged: int
    n_unparsed: int
    n_failed: int
    tokens: int
    tokens_out: int
    cost: float
    held_out: float | None
    held_out_se: float | None
    zero_shot: float | None
    improved: bool
    cpu_s: float


@dataclass(frozen=True, slots=True)
class CyclePreview:
    """What a cycle would ask.

    next : of the first round's shortlists, exact
    n_later : at most so many pairs in later rounds and of held-out documents; 0 at least
    later : at most so much for these; nothing at least
    """

    next: JudgePreview
    n_later: int
    later: Estimate


@dataclass(frozen=True)
class CycleReport:
    """What a cycle did.

    run : the run it made; `run.promoted` says whether it is in use
    rounds : in order
    stopped : why it ended, for the user
    n_documents : training documents it asked about
    n_judged : pairs asked, held-out ones included
    tokens, cost : read and written for these, and dollars
    n_failed, problem : pairs that were not answered and stay open, and why the last one was not
    cpu_s : process time, without encoding where vectors were cached
    """

    run: Run
    rounds: tuple[RoundReport, ...]
    stopped: str
    n_documents: int
    n_judged: int
    tokens: int
    cost: float
    n_failed: int
    problem: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was asked so far."""

    n_unparsed: int = 0
    n_failed: int = 0
    tokens: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    def plus(self, report: JudgeReport) -> Spent:
        """Return it with one more call of `judge`."""
        return Spent(
            self.n_unparsed + report.n_unparsed,
            self.n_failed + report.n_failed,
            self.tokens + report.tokens,
            self.tokens_out + report.tokens_out,
            self.cost + report.cost,
        )

    def less(self, other: Spent) -> Spent:
        """Return what came since `other`."""
        return Spent(
            self.n_unparsed - other.n_unparsed,
            self.n_failed - other.n_failed,
            self.tokens - other.tokens,
            self.tokens_out - other.tokens_out,
            self.cost - other.cost,
        )
