"""Which audited pairs are a random sample of the tags in question, and how much each stands for.

Every pair (a document of the reserve, a tag it was given) has a permanent random number. The audit of pairs
asks in the order of number / relative inclusion probability; the audit of documents settles whole documents
in a random order of theirs. A pair of the sample came in by either way, so its inclusion probability is
1 - (1 - by document) (1 - by pair). Another run gives other tags: pairs that it shares with an earlier run
keep their answers, and those that are new have none before their turn comes. So the two are strata, each with
its own sample, and what nothing was drawn of yet stays unknown.

References
----------
Ohlsson, Sequential Poisson sampling, Journal of Official Statistics 14, 1998.
Lohr, Alternative survey sample designs, Survey Methodology 37, 2011 (overlapping frames).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEFT_OPEN = 0.05
"""So much of a random order may have been left open, beside one item: it is taken as missing by chance."""


@dataclass(frozen=True)
class AuditedPairs:
    """Tags that a system gives to reserved documents, and what the audit said of them, as arrays.

    Attributes
    ----------
    document, label : int64 (n_pairs,)
        Rows of documents, from 0 without a gap, and of labels.
    proxy : float64 (n_pairs,)
        Probability that the tag is right, by a model that has not learned from the document.
    key : float64 (n_pairs,)
        Permanent random number over `relative`: the order in which the audit asks.
    relative : float64 (n_pairs,)
        Inclusion probability relative to the other pairs; all 1 where pairs are drawn alike.
    right : float64 (n_pairs,)
        1 right, 0 wrong, NaN where nobody said.
    whole : bool (n_pairs,)
        Whether the audit of documents settled the document.
    single : bool (n_pairs,)
        Whether the audit of pairs asked for the pair and got an answer.
    passed : bool (n_pairs,)
        Whether it asked and was put off.
    reserve_share : float
        These documents among those of the corpus.
    """

    document: Rows
    label: Rows
    proxy: Numbers
    key: Numbers
    relative: Numbers
    right: Numbers
    whole: Flags
    single: Flags
    passed: Flags
    reserve_share: float

    def __len__(self) -> int:
        """Pairs."""
        return len(self.label)

    def where(self, chosen: Flags) -> AuditedPairs:
        """Only some of the pairs, the documents as they were."""
        return replace(
            self,
            document=self.document[chosen],
            label=self.label[chosen],
            proxy=self.proxy[chosen],
            key=self.key[chosen],
            relative=self.relative[chosen],
            right=self.right[chosen],
            whole=self.whole[chosen],
            single=self.single[chosen],
            passed=self.passed[chosen],
        )


@dataclass(frozen=True)
class Sample:
    """The pairs that count, and what they stand for.

    Attributes
    ----------
    rows : int64 (n,)
        Rows of the pairs, ascending.
    weight : float64 (n,)
        Pairs of the reserve that each stands for.
    unknown : float64 (n_groups,)
        Share of each group's pairs that nothing was drawn of.
    n_left_open : int
        Pairs in the order before the last one that counts, neither answered nor put off.
    drawn : bool (n_pairs,)
        Whether something was drawn of the part that a pair belongs to: what the weights stand for.
    """

    rows: Rows
    weight: Numbers
    unknown: Numbers
    n_left_open: int
    drawn: Flags


def last_in_order(key: Numbers, answered: Flags, passed: Flags, group: Rows | None = None) -> Numbers:
    """How far each random order has been answered without leaving out more than `LEFT_OPEN`.

    Parameters
    ----------
    key : float64 (n,)
        Place in the order.
    answered, passed : bool (n,)
        Whether there is an answer; whether it was put off, which leaves nothing open.
    group : int64 (n,), optional
        Each group is an order of its own; from 0.

    Returns
    -------
    float64 (n_groups,)
        Key of the last answered item that counts; -inf where none does, inf where the order is finished.
    """
    n = len(key)
    group = np.zeros(n, dtype=np.int64) if group is None else group
    n_groups = int(group.max()) + 1 if n else 1
    out = np.full(n_groups, -np.inf)
    if not n:
        return out
    order = np.argsort(key, kind="stable") if n_groups == 1 else np.lexsort((key, group))
    g, done, open_ = group[order], answered[order], ~(answered | passed)[order]
    first = np.searchsorted(g, np.arange(n_groups))

    def within(flags: Flags) -> NDArray[np.int64]:
        total = np.cumsum(flags)
        before = np.concatenate([[0], total])[first]
        return np.asarray(total - before[g])

    n_done, n_open = within(done), within(open_)
    good = done & (n_open <= 1 + LEFT_OPEN * n_done)
    np.maximum.at(out, g[good], key[order][good])
    finished = np.bincount(g, weights=open_, minlength=n_groups) == 0
    return np.where(finished & np.isfinite(out), np.inf, out)


def sample_of(
    pairs: AuditedPairs, group: Rows | None = None, earlier: Flags | None = None, n_groups: int | None = None
) -> Sample:
    """Find the pairs that are a random sample of each group.

    Parameters
    ----------
    pairs : AuditedPairs
    group : int64 (n_pairs,), optional
        What is estimated apart, such as labels; from 0.
    earlier : bool (n_pairs,), optional
        Whether an earlier run, for which the audit went on, gave the tag too.
    n_groups : int, optional
    """
    n = len(pairs)
    group = np.zeros(n, dtype=np.int64) if group is None else group
    n_groups = n_groups or (int(group.max()) + 1 if n else 1)
    stratum = group * 2 + (0 if earlier is None else earlier.astype(np.int64))
    size = np.bincount(stratum, minlength=2 * n_groups).astype(np.float64)
    alone = np.flatnonzero(~pairs.whole)
    last = np.full(2 * n_groups, -np.inf)
    found = last_in_order(pairs.key[alone], pairs.single[alone], pairs.passed[alone], stratum[alone])
    last[: len(found)] = found
    reached = pairs.key <= last[stratum]
    counted = pairs.whole | (pairs.single & reached)
    by_document = np.bincount(stratum, weights=pairs.whole, minlength=2 * n_groups) / np.maximum(size, 1)
    with np.errstate(invalid="ignore"):
        by_pair = np.where(np.isneginf(last[stratum]), 0.0, np.minimum(1.0, last[stratum] * pairs.relative))
    rows = np.flatnonzero(counted)
    share = by_document[stratum[rows]]
    weight = 1 / np.maximum(share + (1 - share) * by_pair[rows], 1e-9)
    total = np.bincount(stratum[rows], weights=weight, minlength=2 * n_groups)
    weight *= (size / np.maximum(total, 1e-12))[stratum[rows]]
    missing = np.where(total > 0, 0.0, size).reshape(n_groups, 2).sum(axis=1)
    in_group = size.reshape(n_groups, 2).sum(axis=1)
    left_open = ~(pairs.whole | pairs.single | pairs.passed) & reached
    unknown = missing / np.maximum(in_group, 1)
    return Sample(rows, weight, unknown, int(left_open.sum()), (total > 0)[stratum])


def best_earlier(pairs: AuditedPairs, earlier: Sequence[Flags]) -> Flags | None:
    """Of several earlier runs choose that whose tags leave the estimate of all pairs least uncertain.

    Looks at what was answered, never at the answers. None where it is best to take all pairs as one.
    """
    best: Flags | None = None
    least = half_width_of(sample_of(pairs))
    for flags in earlier:
        value = half_width_of(sample_of(pairs, earlier=flags))
        if value < least:
            best, least = flags, value
    return best


def half_width_of(sample: Sample) -> float:
    """Half width of an estimate of all pairs, about, whatever the answers are; inf where nothing counts.

    That of a weighted mean of answers with variance 1/4, and the unknown part at its worst.
    """
    if not len(sample.rows):
        return math.inf
    known = math.sqrt(float((sample.weight**2).sum())) / float(sample.weight.sum())
    unknown = float(sample.unknown[0])
    return (1 - unknown) * known + unknown / 2


def relative_inclusion(n_of_label: NDArray[np.integer] | Numbers) -> Numbers:
    """Relative inclusion probability of a label's pairs where the audit is to spread over labels.

    Half of it is drawn alike, half in proportion to one over the root of how often the label is given; so
    rare labels are seen more, and the figure of all tags keeps most of its precision.

    Parameters
    ----------
    n_of_label : (n_labels,)
        Reserved documents that are given the label, at the time when the design is set.

    Returns
    -------
    float64 (n_labels,)
        At least 1/2; 1 for all labels where all are given alike.
    """
    n = np.maximum(np.asarray(n_of_label, dtype=np.float64), 1.0)
    rare = n**-0.5
    return np.maximum(0.5, 0.5 * rare / float((n * rare).sum() / n.sum()))


__all__ = [
    "LEFT_OPEN",
    "AuditedPairs",
    "Sample",
    "best_earlier",
    "half_width_of",
    "last_in_order",
    "relative_inclusion",
    "sample_of",
]
