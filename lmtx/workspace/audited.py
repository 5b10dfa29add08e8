"""Precision and recall from people's decisions: only from documents of the reserve that the audit drew.

A document that the audit drew and a person completed settles all its labels, so it tells of any run which of
the tags it gives there are right, and which wanted ones are missing. Other decisions are of documents that
somebody or some queue chose, and prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmtx.types import Run
from lmtx.workspace.models import ReviewedPrecision
from lmtx.workspace.parts import Parts
from lmtx.workspace.watching import Population, population_of

if TYPE_CHECKING:
    from lmtx.quality.estimates import Interval

AUDIT = "audit"
CUT = 5
"""Tags of a document."""
_PAGE = 5_000


def reviewed_precision(parts: Parts) -> ReviewedPrecision | None:
    """See `Workspace.reviewed_precision`."""
    run = parts.journal.promoted()
    if run is None:
        return None
    version = (parts.journal.head_seq(), run.id)
    found: ReviewedPrecision | None = parts.kept("reviewed precision", version, lambda: _measure(parts, run))
    return found


def _measure(parts: Parts, run: Run) -> ReviewedPrecision | None:
    from lmtx.quality.estimates import document_ratio

    population = population_of(parts, run)
    if not population.tags:
        return None
    audited = [i for i in _completed(parts) if i in population.tags]
    wanted = {
        i: {p.label_id for p in pairs if p.decision == "accept"}
        for i, pairs in parts.journal.pair_states_of(audited).items()
    }
    share = population.n_reserve / max(1, _n_corpus(parts))
    hits = np.array([len(wanted[i] & population.tags[i].keys()) for i in audited], dtype=np.float64)
    n_wanted = np.array([len(wanted[i]) for i in audited], dtype=np.float64)
    n_documents = max(_n_corpus(parts), len(audited))
    return ReviewedPrecision(
        run_id=run.id,
        cut=CUT,
        n_documents=len(audited),
        n_reserve=population.n_reserve,
        precision=_overall(population, audited, wanted, share),
        recall=document_ratio(hits, n_wanted, n_documents),
        labels=_by_label(parts, population, audited, wanted, share),
    )


def _completed(parts: Parts) -> list[str]:
    """Documents of the reserve that the audit drew and somebody completed."""
    found: dict[str, None] = {}
    page, n_pages = 0, 1
    while page < n_pages:
        rows = parts.journal.decisions_page(
            action="complete", policy=AUDIT, standing=True, page=page, page_size=_PAGE
        )
        found.update(dict.fromkeys(row.document_id for row in rows))
        page, n_pages = page + 1, rows.n_pages
    view = parts.corpus()
    rows_of = {i: view.document_idx.get(i) for i in found}
    return [i for i, row in rows_of.items() if row is not None and view.roles[row] == "reserve"]


def _n_corpus(parts: Parts) -> int:
    """Documents that the reserve is a random part of: all but those of the file's split for tests."""
    return sum(role != "test" for role in parts.corpus().roles)


def _overall(
    population: Population, audited: list[str], wanted: dict[str, set[str]], share: float
) -> Interval:
    """Interval of all tags, which the tagger's own probabilities on the whole reserve make narrower."""
    from lmtx.quality.estimates import PairAudit, overall

    row = {document_id: i for i, document_id in enumerate(population.tags)}
    pairs = [(i, x, p) for i in audited for x, p in population.tags[i].items()]
    everything = [(i, p) for i, tags in population.tags.items() for p in tags.values()]
    return overall(
        PairAudit(
            right=np.array([x in wanted[i] for i, x, _ in pairs], dtype=np.float64),
            proxy=np.array([p or 0.0 for *_, p in pairs], dtype=np.float64),
            document=np.array([row[i] for i, *_ in pairs], dtype=np.int64),
            reserve_proxy=np.array([p or 0.0 for _, p in everything], dtype=np.float64),
            reserve_document=np.array([row[i] for i, _ in everything], dtype=np.int64),
            reserve_share=min(1.0, share * len(population.tags) / max(1, population.n_reserve)),
        )
    )


def _by_label(
    parts: Parts, population: Population, audited: list[str], wanted: dict[str, set[str]], share: float
) -> list[tuple[str, str, int, int, int, float, float]]:
    """Rows of `ReviewedPrecision.labels`, the most given labels first."""
    from lmtx.quality.estimates import label_estimates

    given: dict[str, int] = {}
    for tags in population.tags.values():
        for label_id in tags:
            given[label_id] = given.get(label_id, 0) + 1
    n, right = dict.fromkeys(given, 0), dict.fromkeys(given, 0)
    for i in audited:
        for label_id in population.tags[i]:
            n[label_id] += 1
            right[label_id] += label_id in wanted[i]
    # What the tagged part of the reserve stands for: the whole corpus.
    scale = population.n_reserve / len(population.tags) / max(share, 1e-9)
    ids = sorted(given, key=lambda x: (-given[x], x))
    size = [max(n[x], round(given[x] * scale)) for x in ids]
    low, high = label_estimates([right[x] for x in ids], [n[x] for x in ids], size)
    labels = parts.labels_by_id()
    return [
        (x, labels[x].name if x in labels else x, right[x], n[x], m, float(a), float(b))
        for x, m, a, b in zip(ids, size, low, high, strict=True)
    ]
