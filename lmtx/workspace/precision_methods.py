"""How good tags are by people's answers: the part of `Workspace` that measures without gold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lmtx.types import Progress, no_progress
from lmtx.workspace import audit_answers, audit_design, audit_planning, audited, comparing, funnel
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import Cut, Design, Figure, Prober

if TYPE_CHECKING:
    from lmtx.quality import Reliability
    from lmtx.workspace.precision_models import (
        Answer,
        AuditPlan,
        Funnel,
        LabelErrors,
        PrecisionReport,
        RunComparison,
        TrendPoint,
    )


class PrecisionMethods:
    """The part of `Workspace` that is about precision by audit."""

    _parts: Parts

    def precision_report(self, system: str = "tagger", cut: Cut | None = None) -> PrecisionReport | None:
        """How good a system's tags are, by the audit alone; None where no run has tagged the reserve.

        Counts answers to what the audit drew at random, on documents of the reserve, whatever else was
        decided. `cut.k` is at most 5.
        """
        return audited.precision_report(self._parts, system, cut)

    def precision_trend(self) -> list[TrendPoint]:
        """Return the same figure for the promoted runs, oldest first, at most the last eight."""
        return audited.precision_trend(self._parts)

    def label_errors(self, label_id: str, system: str = "tagger", cut: Cut | None = None) -> LabelErrors:
        """Return the audited answers on a label, right, wrong and missed, and what it is confused with."""
        return audit_answers.label_errors(self._parts, label_id, system, cut)

    def audited_tags(
        self, system: str = "tagger", cut: Cut | None = None, figure: Figure = "precision"
    ) -> list[Answer]:
        """Return the audited answers that a figure of all tags of a system rests on, the newest first.

        Of precision: those on tags that it gives. Of recall: those on tags that the documents completed in
        the audit should have, "right" where it gives them, else "missed". Empty where it has not tagged the
        reserve.
        """
        return audit_answers.audited_tags(self._parts, system, cut, figure)

    def audited_reliability(self, of: Prober = "tagger") -> Reliability | None:
        """Hold probabilities against the audit's answers; None with fewer than fifty of them.

        Each answer counts by the tags of the reserve that it stands for, so that it tells of all tags
        however the audit was drawn. Of the teacher: on documents completed in the audit that the teacher
        judged, all alike; see `judge_audited`.
        """
        return audit_answers.audited_reliability(self._parts, of)

    def reliability_tags(self, of: Prober, number: int) -> list[Answer]:
        """Return the audited answers of one bin of `audited_reliability`, the newest first.

        `number` is its place among the bins, from 0; empty where there is none. "right" is what people
        accepted.
        """
        return audit_answers.reliability_tags(self._parts, of, number)

    def audit_plan(self) -> list[AuditPlan]:
        """Say what 50, 100, 200, 500 and 1,000 more audited pairs would buy under each design."""
        return audit_planning.audit_plan(self._parts)

    def set_audit_design(self, design: Design) -> None:
        """Set how the audit of pairs is drawn from now on; the answers there are keep their worth.

        Spread over labels, it weighs them by how often the tagger in use gives them when this is first set,
        and keeps these weights: so what was drawn before stays one sample with what is drawn later.

        Raises
        ------
        NothingToDoError
            If the draw is to be spread and no run in use has tagged the reserve yet.
        """
        audit_design.set_design(self._parts, design)

    def error_funnel(self) -> Funnel | None:
        """Say where wanted tags are lost and wrong ones come from; None where nothing can be said yet."""
        return funnel.error_funnel(self._parts)

    def judge_audited(self, teacher: str | None = None, progress: Progress = no_progress) -> dict[str, int]:
        """Ask the teacher about the shortlists of documents completed in the audit, for the funnel.

        Such judgments measure, and never train. Returns "documents", "pairs" (asked now). A job's verb.

        Raises
        ------
        ConsentError
            If texts would be sent to a machine that `consent` was not given for.
        """
        return funnel.judge_audited(self._parts, teacher, progress)

    def compare_runs(
        self,
        new: str | None = None,
        old: str | None = None,
        basis: Literal["completed", "audit"] = "completed",
    ) -> RunComparison | None:
        """Compare two runs document by document; None where too few documents are common to both.

        Default: the newest run against the one that was promoted before it.
        """
        return comparing.compare_runs(self._parts, new, old, basis)
