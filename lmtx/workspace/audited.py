"""Precision and recall by the audit: only from what it drew at random from the reserve.

Other decisions are of documents that somebody or some queue chose, and prove nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx.workspace.audit_design import design_in_use
from lmtx.workspace.audited_labels import (
    groups_of,
    judged,
    label_groups,
    labels_table,
    promise_of,
    put_off,
    worst_of,
)
from lmtx.workspace.auditing import Audit, audit_of, check_cut, version_of
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import Tags, promoted_runs, run_tags, tags_of
from lmtx.workspace.precision_models import Cut, PrecisionReport, TrendPoint

if TYPE_CHECKING:
    from lmtx.quality.estimates import Interval, LabelFigures

FEWEST = 5
"""Audited pairs of a label below which a run has no place in its trend."""
FEWEST_OF_ALL = 30
"""Audited pairs below which the mean over labels has no figure: most labels have no answer."""


def precision_report(parts: Parts, system: str, cut: Cut | None) -> PrecisionReport | None:
    """See `Workspace.precision_report`."""
    cut = cut or Cut()
    tags = tags_of(parts, system)
    if tags is None:
        return None
    check_cut(cut, tags)
    settings = parts.settings
    labels = parts.labels_by_id()
    version = (
        *version_of(parts, tags),
        cut,
        settings.precision_target,
        settings.audit_design,
        id(labels),
        judged(parts),
    )
    # What the version names by its address is kept too, so that nothing else can come to have it.
    found: tuple[object, PrecisionReport] = parts.kept(
        f"precision {system}", version, lambda: ((tags, labels), _report(parts, system, tags, cut))
    )
    return found[1]


def audit_in_use(parts: Parts) -> Audit | None:
    """Return what counts of the tags of the run in use; None where it has not tagged the reserve."""
    tags = tags_of(parts)
    if tags is None:
        return None
    return kept_audit(parts, tags, Cut())


def kept_audit(parts: Parts, tags: Tags, cut: Cut) -> Audit:
    """What counts of a system's tags, made anew only when something was said."""
    name = f"audit {tags.run.id if tags.run else ''}"
    found: Audit = parts.kept(name, (*version_of(parts, tags), cut), lambda: audit_of(parts, tags, cut))
    return found


def label_figures(parts: Parts) -> tuple[Tags, LabelFigures] | None:
    """Return the tags of the run in use, and what the audit says of each label; None where there are none."""
    from lmtx.quality.estimates import by_label

    found = audit_in_use(parts)
    if found is None:
        return None
    return found.tags, by_label(found.of_labels, len(found.tags.label_ids), found.earlier)


def settled_documents(parts: Parts) -> dict[str, frozenset[str]]:
    """Return the documents that were completed in the audit and count, with the labels they should have.

    Documents of the reserve that people completed and whose turn in the audit's order has come, among those
    that the run in use has tagged. In the audit's order.
    """
    found = audit_in_use(parts)
    if found is None:
        return {}
    ids = found.tags.document_ids
    return {ids[row]: found.wanted(row) for row in found.settled.tolist()}


# ---- the report -----------------------------------------------------------------------------------


def _report(parts: Parts, system: str, tags: Tags, cut: Cut) -> PrecisionReport:
    from lmtx.quality.estimates import by_label, macro, overall

    target = parts.settings.precision_target
    found = kept_audit(parts, tags, cut)
    n_labels = len(tags.label_ids)
    figures = by_label(found.of_labels, n_labels, found.earlier)
    # Promises choose the threshold, so they look at all tags of the cut's number.
    whole = found if not cut.threshold else kept_audit(parts, tags, Cut(cut.k))
    precision, mean = overall(found.pairs, found.sample), macro(found.pairs, n_labels, found.earlier)
    if mean.n < FEWEST_OF_ALL:
        mean = replace(mean, value=None, low=0.0, high=1.0, exact=False)
    return PrecisionReport(
        system=system,
        run_id=None if tags.run is None else tags.run.id,
        cut=cut,
        target=target,
        design=design_in_use(parts),
        n_documents=len(found.settled),
        n_pairs=len(found.sample.rows),
        n_passed=int(put_off(found).sum()),
        n_left_open=found.sample.n_left_open,
        n_reserve=tags.n_reserve,
        n_looked_at=len(tags.document_ids),
        precision=precision,
        macro=mean,
        recall=recall_of(found),
        groups=groups_of(parts, found, whole, target),
        promise=promise_of(whole, np.ones(len(whole.pairs), dtype=bool), target),
        labels=labels_table(parts, found, figures, target, _trend_of_labels(parts, found)),
        n_tags=len(found.pairs),
        worst=worst_of(found, precision.value),
    )


def recall_of(found: Audit) -> Interval:
    """Share of the wanted tags that are given, by audited documents."""
    from lmtx.quality.estimates import document_ratio

    hits, wanted = np.zeros(len(found.settled)), np.zeros(len(found.settled))
    place = {row: i for i, row in enumerate(found.settled.tolist())}
    for row, i in place.items():
        wanted[i] = len(found.wanted(row))
    pairs = found.pairs
    on = np.isin(pairs.document, found.settled) & (pairs.right == 1)
    for row, n in Counter(pairs.document[on].tolist()).items():
        hits[place[row]] = n
    return document_ratio(hits, wanted, max(found.n_corpus, len(wanted)))


# ---- earlier runs ------------------------------------------------------------------------------


def _trend_of_labels(parts: Parts, found: Audit) -> dict[str, list[float]]:
    """Label id -> its precision by the last promoted runs, oldest first, where enough was audited."""
    from lmtx.quality.estimates import by_label

    trend: dict[str, list[float]] = {}
    for _, tags, audit in _promoted(parts, found.cut):
        figures = by_label(audit.of_labels, len(tags.label_ids), audit.earlier)
        for j in np.flatnonzero(figures.n >= FEWEST).tolist():
            trend.setdefault(tags.label_ids[j], []).append(round(float(figures.value[j]), 4))
    return trend


def _promoted(parts: Parts, cut: Cut) -> list[tuple[Any, Tags, Audit]]:
    """Promoted runs that have tagged the reserve, with what counts of each, oldest first."""
    out = []
    for run in promoted_runs(parts):
        tags = run_tags(parts, run)
        if tags is not None and (not cut.threshold or tags.calibrated):
            out.append((run, tags, kept_audit(parts, tags, cut)))
    return out


def precision_trend(parts: Parts) -> list[TrendPoint]:
    """See `Workspace.precision_trend`."""
    from lmtx.quality.estimates import overall

    at = dict(parts.journal.promotions())
    return [
        TrendPoint(run.id, at[run.id], overall(audit.pairs, audit.sample), recall_of(audit))
        for run, _, audit in _promoted(parts, Cut())
    ]


__all__ = [
    "audit_in_use",
    "kept_audit",
    "label_figures",
    "label_groups",
    "precision_report",
    "precision_trend",
    "recall_of",
    "settled_documents",
]
