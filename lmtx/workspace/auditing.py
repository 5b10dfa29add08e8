"""What the audit asked and people answered, as a random sample of the tags that a system gives.

Two audits draw from the reserve: of whole documents, in the order of their permanent random numbers, and of
single pairs, in the order of theirs. What counts is decided by these orders alone: a document or a pair whose
turn has come counts with the answer that stands, also where somebody gave it before its turn; what is ahead
of its turn does not count yet, whoever asked for it and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import InputError
from lmtx.workspace.audit_design import Weights, frozen_weights
from lmtx.workspace.audit_said import NOTHING, Said, answers_of
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import (
    TAGS,
    Tags,
    n_of_corpus,
    promoted_runs,
    run_tags,
)
from lmtx.workspace.precision_models import Cut

if TYPE_CHECKING:
    from lmtx.quality.sampling import AuditedPairs, Sample

MOST_EARLIER = 5
"""Other runs whose tags may be a stratum of the sample."""

Flags = NDArray[np.bool_]


# ---- what counts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Audit:
    """What the audit says of the tags that a system gives to the reserve.

    Attributes
    ----------
    tags : Tags
        All of them, up to five a document.
    cut : Cut
    rows : int64 (n_pairs,)
        Rows of `tags` that the cut keeps: the pairs of `pairs`.
    pairs : AuditedPairs
        For what is said of all tags, or of groups of them.
    of_labels : AuditedPairs
        The same pairs, for what is said of single labels: each may have been audited further than the others.
    earlier : bool (n_pairs,) or None
        Whether an earlier run gave the tag too; see `sample_of`.
    sample : Sample
        Of all pairs.
    settled : int64 (n_settled,)
        Rows of the documents that were settled as a whole and whose turn has come, ascending.
    said : dict
        Document id -> what stands of it.
    live : set of str
        Labels that there are: what was said of others counts nowhere.
    added : dict
        Label id -> number of the last decision before it was there, of labels that came later.
    untold : bool (n_pairs,)
        Whether the document was settled before the label was there: it tells nothing of the pair.
    n_corpus : int
        Documents of the corpus.
    """

    tags: Tags
    cut: Cut
    rows: NDArray[np.int64]
    pairs: AuditedPairs
    of_labels: AuditedPairs
    earlier: Flags | None
    sample: Sample
    settled: NDArray[np.int64]
    said: dict[str, Said]
    live: frozenset[str]
    added: dict[str, int]
    untold: Flags
    n_corpus: int

    def wanted(self, row: int) -> frozenset[str]:
        """Labels that a document should have, as far as people said; all of them where it is settled."""
        return self.said[self.tags.document_ids[row]].wanted & self.live

    def told(self, row: int, label_ids: Iterable[str]) -> set[str]:
        """Those of some labels that were there to be chosen when a settled document was settled, or were."""
        said = self.said[self.tags.document_ids[row]]
        return {x for x in label_ids if not np.isnan(said.right(x, self.added.get(x, 0)))}


def version_of(parts: Parts, *tags: Tags) -> tuple[object, ...]:
    """What an audit is made from, beside the system: changes when something is said or drawn otherwise."""
    answers = answers_of(parts)
    answers.follow(parts, list(dict.fromkeys(i for x in tags for i in x.document_ids)))
    runs = tuple(run.id for run in promoted_runs(parts))
    return (answers.version, runs, tuple(map(id, tags)), frozen_weights(parts), n_of_corpus(parts))


def check_cut(cut: Cut, tags: Tags) -> None:
    """Refuse a cut that a system can't make."""
    if not 1 <= cut.k <= TAGS:
        raise InputError(f"cut: {cut.k} tags a document, expected 1 to {TAGS}: the audit asks about so many.")
    if not 0 <= cut.threshold < 1:
        raise InputError(f"cut: a threshold of {cut.threshold}, expected a probability from 0 to below 1.")
    if cut.threshold and not tags.calibrated:
        raise InputError(
            "A cut by probability needs a calibrated tagger, and nothing calibrates this one: that takes "
            "judged held-out documents or completed ones. Cut by a number of tags instead."
        )


def audit_of(parts: Parts, tags: Tags, cut: Cut) -> Audit:
    """Gather what counts of a system's tags at a cut."""
    check_cut(cut, tags)
    said = answers_of(parts).follow(parts, tags.document_ids)
    settled = _settled(tags, said)
    n_corpus = n_of_corpus(parts)
    others, weights = _earlier(parts, tags), frozen_weights(parts)
    added = parts.journal.labels_added()
    everything, single_of_labels = _pairs(tags, said, settled, added, n_corpus, others, weights)
    kept = tags.rank < cut.k
    if cut.threshold:
        kept &= tags.probability >= cut.threshold
    pairs, earlier, sample = _best_order(everything.where(kept), [x[kept] for x in others], weights, tags)
    return Audit(
        tags=tags,
        cut=cut,
        rows=np.flatnonzero(kept),
        pairs=pairs,
        of_labels=replace(pairs, single=single_of_labels[kept]),
        earlier=earlier,
        sample=sample,
        settled=np.flatnonzero(settled),
        said=said,
        live=frozenset(parts.labels_by_id()),
        added=added,
        untold=settled[pairs.document] & ~pairs.whole,
        n_corpus=n_corpus,
    )


def _settled(tags: Tags, said: dict[str, Said]) -> Flags:
    """Whether each document is settled as a whole, and its turn in the audit of documents has come."""
    from lmtx.quality.sampling import last_in_order

    every = [said.get(i, NOTHING) for i in tags.document_ids]
    audited = np.array([x.audited for x in every], dtype=bool)
    completed = np.array([x.completed for x in every], dtype=bool)
    passed = np.array([x.passed for x in every], dtype=bool)
    last = last_in_order(tags.document_number, audited, passed | completed)[0]
    return np.asarray(completed & (tags.document_number <= last))


def _pairs(
    tags: Tags,
    said: dict[str, Said],
    settled: Flags,
    added: dict[str, int],
    n_corpus: int,
    others: Sequence[Flags],
    weights: Weights | None,
) -> tuple[AuditedPairs, Flags]:
    """All tags with their answers, drawn alike; and which single pairs count for their labels.

    What others said of a pair, or what was asked in the audit of its label, counts from its turn on.
    """
    from lmtx.quality.sampling import AuditedPairs

    n = len(tags)
    right = np.full(n, np.nan)
    asked, drawn, passed = (np.zeros(n, dtype=bool) for _ in range(3))
    documents = {i: d for d, i in enumerate(tags.document_ids)}
    first = np.searchsorted(tags.document, np.arange(len(documents) + 1)).tolist()
    label = tags.label.tolist()
    for i, found in said.items():
        d = documents[i]
        for row in range(first[d], first[d + 1]):
            label_id = tags.label_ids[label[row]]
            right[row] = found.right(label_id, added.get(label_id, 0))
            asked[row] = label_id in found.asked
            drawn[row] = label_id in found.drawn
            passed[row] = found.passed or label_id in found.put_off
    answered = ~np.isnan(right)
    # A label that came later was no choice: as if the pair had been put off, which leaves nothing open.
    whole = settled[tags.document] & answered
    passed |= settled[tags.document] & ~answered
    subsets = [np.ones(n, dtype=bool), *others]
    keys = [tags.number]
    if weights is not None:
        keys.append(tags.number / weights.of(tags.label_ids)[tags.label])
    turn = _turn(keys, drawn, answered & ~drawn, passed, whole, subsets)
    own = _turn(keys[:1], asked, answered & ~asked, passed, whole, subsets, tags.label)
    pairs = AuditedPairs(
        document=tags.document,
        label=tags.label,
        proxy=np.where(np.isnan(tags.probability), 1.0 / (tags.rank + 1.0), tags.probability),
        key=tags.number,
        relative=np.ones(n),
        right=right,
        whole=whole,
        single=(drawn | (answered & turn)) & ~whole,
        passed=passed & ~answered,
        reserve_share=min(1.0, len(tags.document_ids) / max(1, n_corpus)),
    )
    return pairs, (asked | (answered & (turn | own))) & ~whole


def _turn(
    keys: Sequence[NDArray[np.float64]],
    drawn: Flags,
    chosen: Flags,
    passed: Flags,
    whole: Flags,
    subsets: Sequence[Flags],
    group: NDArray[np.int64] | None = None,
) -> Flags:
    """Whether the turn of each pair has come: the audit has gone past it in one of its orders.

    Parameters
    ----------
    keys : list of float64 (n,)
        Places in the orders in which pairs were drawn.
    drawn, chosen, passed, whole : bool (n,)
        Answered in the order; answered for another reason; put off; of a settled document.
    subsets : list of bool (n,)
        All pairs, and those of each earlier run: the order went on in these.
    group : int64 (n,), optional
        Each group is an order of its own.
    """
    from lmtx.quality.sampling import last_in_order

    turn = np.zeros(len(drawn), dtype=bool)
    if not chosen.any():
        return turn
    for subset in subsets:
        rows = np.flatnonzero(subset & ~whole)
        if not len(rows):
            continue
        some = None if group is None else group[rows]
        for key in keys:
            last = last_in_order(key[rows], drawn[rows], (chosen | passed)[rows], some)
            turn[rows] |= key[rows] <= (last[0] if some is None else last[some])
    return turn


def _earlier(parts: Parts, tags: Tags) -> list[Flags]:
    """Whether each tag is one of a promoted run's too: of each of the newest runs, and of all down to it."""
    runs = [found for run in promoted_runs(parts)[::-1] if (found := run_tags(parts, run)) is not None]
    runs = [x for x in runs if x is not tags][:MOST_EARLIER]

    def make() -> tuple[object, list[Flags]]:
        found: list[Flags] = []
        every = np.zeros(len(tags), dtype=bool)
        keys = _keys(tags)
        for other in runs:
            given = set(_keys(other))
            flags = np.array([x in given for x in keys], dtype=bool)
            every = every | flags
            found += [flags, every]
        distinct = {x.tobytes(): x for x in found if x.any() and not x.all()}
        return (tags, runs), list(distinct.values())

    name = f"earlier {tags.run.id if tags.run else ''} {len(tags)}"
    kept: tuple[object, list[Flags]] = parts.kept(name, (id(tags), *map(id, runs)), make)
    return kept[1]


def _keys(tags: Tags) -> list[tuple[str, str]]:
    ids, labels = tags.document_ids, tags.label_ids
    both = zip(tags.document.tolist(), tags.label.tolist(), strict=True)
    return [(ids[d], labels[x]) for d, x in both]


def _best_order(
    pairs: AuditedPairs, others: Sequence[Flags], weights: Weights | None, tags: Tags
) -> tuple[AuditedPairs, Flags | None, Sample]:
    """Choose the order, and the stratum of another run, that leave the estimate least uncertain.

    Only what was answered is looked at, never the answers. Where the audit was drawn alike for a time and
    spread over labels for another, the two are one order: pairs came in by the one or the other.
    """
    from lmtx.quality.sampling import best_earlier, half_width_of, sample_of

    best: tuple[float, AuditedPairs, Flags | None, Sample] | None = None
    for ordered in _orders(pairs, others, weights, tags):
        earlier = best_earlier(ordered, others) if others else None
        sample = sample_of(ordered, earlier=earlier)
        spread = half_width_of(sample)
        if best is None or spread < best[0] - 1e-12:
            best = (spread, ordered, earlier, sample)
    assert best is not None
    return best[1], best[2], best[3]


def _orders(
    pairs: AuditedPairs, others: Sequence[Flags], weights: Weights | None, tags: Tags
) -> Iterable[AuditedPairs]:
    """Orders in which pairs may have come: alike, spread over labels, and both one after the other."""
    from lmtx.quality.sampling import last_in_order

    yield pairs
    if weights is None:
        return
    relative = weights.of(tags.label_ids)[pairs.label]
    yield replace(pairs, key=pairs.key / relative, relative=relative)
    alone = ~pairs.whole
    for chosen in (np.ones(len(pairs), dtype=bool), *others):
        some = alone & chosen
        if not some.any():
            continue
        u, single, passed = pairs.key[some], pairs.single[some], pairs.passed[some]
        alike = last_in_order(u, single, passed)[0]
        spread = last_in_order(u / relative[some], single, passed)[0]
        if not (np.isfinite(alike) and np.isfinite(spread)):
            continue  # by one of them nothing came in, or everything
        both = np.minimum(1.0, np.maximum(alike, spread * relative))
        yield replace(pairs, key=pairs.key / both, relative=both)


__all__ = [
    "Audit",
    "audit_of",
    "check_cut",
    "version_of",
]
