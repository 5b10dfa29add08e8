"""From which probability on tags are given: as asked for, or as the audit lets promise.

Two promises can be used. The one of all tags has one threshold: of the tags from there on at least the target
is right, whatever their labels. The one by group takes the threshold of each label's own group, and gives no
tag of a label whose group has no promise. The two are never mixed: that the tags of all labels together keep
the target says nothing of those that are left when some groups go by thresholds of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmtx.errors import InputError, NothingToDoError
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS, Cut

if TYPE_CHECKING:
    from lmtx.workspace.precision_models import PrecisionReport

Threshold = float | Literal["promised", "promised by group"]

UNCALIBRATED = (
    "A threshold needs tags with probabilities, and nothing calibrates this tagger: that takes judged "
    "held-out documents or completed ones. Let a teacher judge or complete some documents and train again, "
    "or leave the threshold out."
)


@dataclass(frozen=True)
class Floor:
    """From which probability on tags are given.

    everywhere : of labels that have none of their own
    of_label : label id -> its own; where there are any, other labels are given no tags
    """

    everywhere: float = 0.0
    of_label: Mapping[str, float] | None = None

    def keeps(self, label_id: str, probability: float | None) -> bool:
        """Whether a tag is given."""
        least = self.everywhere if self.of_label is None else self.of_label.get(label_id)
        if least is None:
            return False
        return least <= 0 or (probability is not None and probability >= least)


def floor_of(parts: Parts, threshold: Threshold | None, system: str, top_k: int) -> Floor:
    """Make of a threshold what is asked of each tag.

    Raises
    ------
    InputError
        If it is no probability, or more tags are asked for than the audit asks about.
    NothingToDoError
        If nothing can be promised yet; the message says what that would take.
    """
    if threshold is None:
        return Floor()
    if not isinstance(threshold, str):
        if not 0 <= threshold < 1:
            raise InputError(f"threshold: got {threshold}, expected a probability from 0 to below 1.")
        return Floor(float(threshold))
    if threshold not in ("promised", "promised by group"):
        raise InputError(f"threshold: got {threshold!r}. Known: a probability, promised, promised by group.")
    if top_k > TAGS:
        raise InputError(
            f"The audit asks about {TAGS} tags of a document at most, and promises nothing of {top_k}: "
            f"ask for {TAGS} tags or fewer."
        )
    from lmtx.workspace.audited import precision_report

    report = precision_report(parts, system, Cut(top_k))
    if threshold == "promised":
        problem = unpromised(report)
        if report is None or problem:
            raise NothingToDoError(f"{problem}{_groups_instead(report)}")
        assert report.promise is not None
        return Floor(report.promise.threshold or 0.0)
    found = _by_group(parts, report, system, top_k)
    if not found:
        problem = unpromised(report) or "No group of labels has a promise of its own. Use that of all tags."
        raise NothingToDoError(problem)
    return Floor(0.0, found)


def unpromised(report: PrecisionReport | None) -> str:
    """Say why no threshold can be promised for all tags, and what it would take; "" where one can be."""
    if report is None:
        return "No training in use has tagged the reserve yet. Train first, then audit some of its tags."
    if report.promise is None:
        return (
            "These tags have no probabilities, so no threshold can be promised. Complete some documents, or "
            "let a teacher judge some, and train again."
        )
    if report.promise.threshold is not None:
        return ""
    return f"{report.promise.missing} Audit more tags on the Review page, or set a lower target."


def _groups_instead(report: PrecisionReport | None) -> str:
    groups = [] if report is None else report.groups
    known = [g.name for g in groups if g.promise is not None and g.promise.threshold is not None]
    if not known:
        return ""
    return f" By group it can be promised of: {', '.join(known)}."


def _by_group(parts: Parts, report: PrecisionReport | None, system: str, top_k: int) -> dict[str, float]:
    """Label id -> promised threshold of its group, of the labels whose groups have one."""
    from lmtx.workspace.audited import kept_audit, label_groups
    from lmtx.workspace.population import tags_of

    tags = tags_of(parts, system)
    if report is None or tags is None:
        return {}
    promised = {
        g.name: g.promise.threshold
        for g in report.groups
        if g.promise is not None and g.promise.threshold is not None
    }
    names, group = label_groups(parts, kept_audit(parts, tags, Cut(top_k)))
    of_label = zip(tags.label_ids, group.tolist(), strict=True)
    return {x: promised[names[g]] for x, g in of_label if names[g] in promised}


__all__ = ["UNCALIBRATED", "Floor", "Threshold", "floor_of", "unpromised"]
