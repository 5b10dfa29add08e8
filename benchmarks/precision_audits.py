"""Audits of a real population, again and again: what the acceptance simulation is made of.

A replication reserves a random fifth of the documents, audits pairs or documents inside it in the order of
random numbers, answers from gold, and notes whether each interval holds the truth of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.quality.estimates import (
    Interval,
    by_label,
    document_ratio,
    label_estimates,
    macro,
    overall,
    share_of,
    shares_of_documents,
    weighted_share,
)
from lmtx.quality.promises import STEPS, promised_threshold, verdicts
from lmtx.quality.sampling import AuditedPairs, best_earlier, relative_inclusion, sample_of

if TYPE_CHECKING:
    from precision_population import Population

TAGS = 3
RESERVE = 0.2
SIZES = (200, 1000, 3000)
GROUPS = 12
PARTS = ("found", "lost by the shortlist", "lost by the teacher", "lost by the student")
STUDY_WIDTH = {200: 12.2, 1000: 5.4, 3000: 2.9}
"""Widths in points of the simulation study that the design rests on; it drew pairs from all documents."""
CERTIFY = ((0.8, 0.85), (0.8, 0.9), (0.9, 0.93), (0.9, 0.95))


class Row:
    """How often intervals hold the truth, how wide they are, how far the values are off."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.width: list[float] = []
        self.error: list[float] = []

    def add(self, found: Interval, truth: float) -> None:
        """Note one interval."""
        self.held.append(found.low - 1e-12 <= truth <= found.high + 1e-12)
        self.width.append(found.high - found.low)
        self.error.append(math.nan if found.value is None else found.value - truth)

    def figures(self) -> dict[str, float]:
        """Return means over the intervals."""
        if not self.held:
            return {"coverage": math.nan, "width_pp": math.nan, "bias_pp": math.nan, "n": 0}
        return {
            "coverage": float(np.mean(self.held)),
            "width_pp": 100 * float(np.mean(self.width)),
            "bias_pp": 100 * float(np.nanmean(self.error)) if not np.isnan(self.error).all() else math.nan,
            "n": len(self.held),
        }


@dataclass(frozen=True)
class Frame:
    """Tags that a run gives to the corpus, with the truth.

    document, label, pair : int64 (n_pairs,), the last a number of the document and label over both runs
    proxy, right : float64 (n_pairs,)
    """

    document: NDArray[np.int64]
    label: NDArray[np.int64]
    pair: NDArray[np.int64]
    proxy: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def precision(self) -> float:
        """Share of all tags that is right."""
        return float(self.right.mean())


class World:
    """The corpus, its truths, and what does not change between replications."""

    def __init__(self, pop: Population, seed: int, tags: int = TAGS) -> None:
        self.n_docs, self.n_labels = pop.n_documents, pop.n_labels
        wanted = np.unique(pop.wanted_document * self.n_labels + pop.wanted_label)
        codes, found = [], []
        for ranked, probability in zip(pop.ranked, pop.probability, strict=True):
            given = ranked[:, :tags]
            rows, places = np.nonzero(given >= 0)
            label = given[rows, places]
            code = rows * self.n_labels + label
            codes.append(code)
            right = np.isin(code, wanted).astype(np.float64)
            found.append((rows, label, probability[rows, places], right))
        pairs = np.unique(np.concatenate(codes))
        self.n_pairs = len(pairs)
        self.runs = [
            Frame(rows, label, np.searchsorted(pairs, code), proxy, right)
            for code, (rows, label, proxy, right) in zip(codes, found, strict=True)
        ]
        first = self.runs[0]
        self.shared = np.isin(self.runs[1].pair, first.pair)
        self.size = np.bincount(first.label, minlength=self.n_labels)
        self.right_of_label = np.bincount(first.label, weights=first.right, minlength=self.n_labels)
        self.label_truth = self.right_of_label / np.maximum(self.size, 1)
        self.macro = float(self.label_truth[self.size > 0].mean())
        self.group = np.random.default_rng(seed).integers(0, GROUPS, self.n_labels)
        # Where each wanted tag went.
        code = pop.wanted_document * self.n_labels + pop.wanted_label
        got = np.isin(code, codes[0])
        part = np.where(got, 0, np.where(~pop.asked, 1, np.where(~pop.said, 2, 3)))
        self.parts = np.zeros((self.n_docs, len(PARTS)))
        np.add.at(self.parts, (pop.wanted_document, part), 1.0)
        self.part_truth = self.parts.sum(axis=0) / self.parts.sum()
        assert math.isclose(self.part_truth.sum(), 1.0)


@dataclass
class Draw:
    """One replication: the reserve, and the permanent random numbers of documents and pairs."""

    world: World
    reserved: NDArray[np.bool_]
    of_pair: NDArray[np.float64]
    of_document: NDArray[np.float64]
    place: NDArray[np.int64] = field(init=False)
    inside: list[NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        self.place = np.cumsum(self.reserved) - 1
        self.inside = [np.flatnonzero(self.reserved[x.document]) for x in self.world.runs]

    @classmethod
    def of(cls, world: World, rng: np.random.Generator) -> Draw:
        """Draw a reserve."""
        chosen = rng.random(world.n_docs) < RESERVE
        return cls(world, chosen, rng.random(world.n_pairs), rng.random(world.n_docs))

    @property
    def share(self) -> float:
        """Documents of the reserve among all."""
        return float(self.reserved.mean())

    def documents(self, n: int) -> NDArray[np.int64]:
        """First documents in the audit's order."""
        rows = np.flatnonzero(self.reserved)
        return rows[np.argsort(self.of_document[rows])][:n]

    def frame(self, run: int = 0, relative: NDArray[np.float64] | None = None) -> AuditedPairs:
        """Tags of the reserve before anything was answered."""
        all_, rows = self.world.runs[run], self.inside[run]
        label = all_.label[rows]
        weight = np.ones(len(rows)) if relative is None else relative[label]
        none = np.zeros(len(rows), dtype=np.bool_)
        return AuditedPairs(
            document=self.place[all_.document[rows]],
            label=label,
            proxy=all_.proxy[rows],
            key=self.of_pair[all_.pair[rows]] / weight,
            relative=weight,
            right=np.full(len(rows), np.nan),
            whole=none,
            single=none,
            passed=none,
            reserve_share=self.share,
        )

    def answered(
        self,
        pairs: AuditedPairs,
        n: int = 0,
        documents: int = 0,
        run: int = 0,
        passed: NDArray[np.bool_] | None = None,
    ) -> AuditedPairs:
        """Settle documents, then answer the next pairs in the order; some may be put off."""
        whole = np.zeros(len(pairs), dtype=np.bool_)
        if documents:
            settled = np.zeros(self.world.n_docs, dtype=np.bool_)
            settled[self.documents(documents)] = True
            whole = settled[self.world.runs[run].document[self.inside[run]]]
        open_ = np.flatnonzero(~whole)
        asked = open_[np.argsort(pairs.key[open_])][:n]
        single = np.zeros(len(pairs), dtype=np.bool_)
        single[asked] = True
        put_off = single & passed if passed is not None else np.zeros(len(pairs), dtype=np.bool_)
        single &= ~put_off
        truth = self.world.runs[run].right[self.inside[run]]
        return replace(
            pairs,
            whole=whole,
            single=single,
            passed=put_off,
            right=np.where(whole | single, truth, np.nan),
        )


class Results:
    """Rows of the table, and counts beside it."""

    def __init__(self, n_labels: int) -> None:
        self.rows: dict[str, Row] = {}
        self.label_held, self.label_seen = np.zeros(n_labels), np.zeros(n_labels)
        self.label_width = np.zeros(n_labels)
        self.counts: dict[str, float] = {}

    def add(self, name: str, found: Interval, truth: float) -> None:
        """Note an interval of a row."""
        self.rows.setdefault(name, Row()).add(found, truth)

    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a count."""
        self.counts[name] = self.counts.get(name, 0.0) + by


def overall_rows(world: World, draw: Draw, out: Results, rng: np.random.Generator) -> None:
    """Precision of all tags, by all ways to audit, and what must fail."""
    first, truth = world.runs[0], world.runs[0].precision
    base = draw.frame()
    order = draw.inside[0][np.argsort(base.key)]
    others = np.flatnonzero(~draw.reserved[first.document])
    every = Draw(world, np.ones(world.n_docs, dtype=np.bool_), draw.of_pair, draw.of_document)
    of_every = every.frame()
    for n in (20, 50, *SIZES):
        if n > len(base):
            continue
        audit = draw.answered(base, n)
        out.add(f"overall, PPI++, n={n}", overall(audit), truth)
        if n not in SIZES:
            continue
        s = int(audit.right[audit.single].sum())
        out.add(f"overall, Wilson, n={n}", share_of(s, n, len(first.right)), truth)
        # What every tool does: 70 % of the decisions from a queue, all counted alike.
        m = int(0.7 * n)
        honest = order[: n - m]
        noise = rng.normal(0, 0.05, len(others))
        proxy = first.proxy[others]
        for name, score in (
            ("likely errors", proxy),
            ("sure ones", -proxy),
            ("unsure ones", np.abs(proxy - 0.5)),
        ):
            queue = others[np.argpartition(score + noise, m)[:m]]
            right = int(first.right[np.concatenate([queue, honest])].sum())
            out.add(f"naive, a queue of {name}, n={n}", share_of(right, n, len(first.right)), truth)
        # As the study drew: pairs of all documents, which pays for no draw of documents.
        out.add(f"drawn from all documents, n={n}", overall(every.answered(of_every, n)), truth)
    put_off = rng.random(len(base)) < 0.05
    out.add("5 % put off, n=1000", overall(draw.answered(base, 1000, passed=put_off)), truth)
    for n in (40, 100, 200):
        out.add(f"documents alone, {n}", overall(draw.answered(base, 0, n)), truth)
    out.add("60 documents and 300 pairs", overall(draw.answered(base, 300, 60)), truth)
    # Half of the audited pairs that were rejected taught the tagger, which no longer gives them.
    audit = draw.answered(base, 1000)
    wrong = np.flatnonzero(audit.single & (audit.right == 0))
    kept = np.ones(len(audit), dtype=np.bool_)
    kept[rng.permutation(wrong)[: len(wrong) // 2]] = False
    gone = int((~kept).sum())
    leaked = float(first.right.sum()) / (len(first.right) - gone)
    out.add("leaked: the tagger learned from the audit", overall(audit.where(kept)), leaked)


def design_rows(world: World, draw: Draw, out: Results) -> None:
    """Labels, groups and the mean over labels, pairs drawn alike and spread over labels."""
    truth = world.runs[0].precision
    spread = relative_inclusion(np.bincount(draw.frame().label, minlength=world.n_labels))
    for design, relative in (("alike", None), ("spread", spread)):
        audit = draw.answered(draw.frame(0, relative), 1000)
        if design == "spread":
            out.add("spread over labels, n=1000", overall(audit), truth)
        found = by_label(audit, world.n_labels)
        seen = found.n > 0
        known = seen & ((found.high - found.low) / 2 <= 0.1)
        out.count(f"labels within ten points, {design}", float(known.sum()))
        out.count(f"labels with an answer, {design}", float(seen.sum()))
        low, high = found.low - 1e-12, found.high + 1e-12
        held = seen & (low <= world.label_truth) & (world.label_truth <= high)
        firm = out.rows.setdefault(f"labels with n>=10, {design}", Row())
        for j in np.flatnonzero((found.n >= 10) & (world.size >= 30)):
            interval = Interval(float(found.value[j]), float(found.low[j]), float(found.high[j]), 0, 0)
            firm.add(interval, float(world.label_truth[j]))
        if design == "alike":
            out.label_held += held
            out.label_seen += seen
            out.label_width += np.where(seen, found.high - found.low, 0.0)
        mean = float(world.label_truth[found.given > 0].mean())
        out.add(f"mean over labels, {design}", macro(audit, world.n_labels), mean)
        group = world.group[audit.label]
        sample = sample_of(audit, group, n_groups=GROUPS)
        of = group[sample.rows]
        for g in range(GROUPS):
            members = world.group[world.runs[0].label] == g
            rows, weight = sample.rows[of == g], sample.weight[of == g]
            if members.sum() < 100 or not len(rows):
                continue
            interval = weighted_share(
                audit.right[rows],
                weight,
                round(int((group == g).sum()) / draw.share),
                audit.document[rows],
                float(sample.unknown[g]),
            )
            out.add(f"groups N>=100, {design}", interval, float(world.runs[0].right[members].mean()))


def reuse_rows(world: World, draw: Draw, out: Results) -> None:
    """What an audit of 1,000 pairs of the first run says of the second one."""
    old = draw.answered(draw.frame(0), 1000)
    told = np.zeros(world.n_pairs, dtype=np.bool_)
    told[world.runs[0].pair[draw.inside[0]][old.single]] = True
    new = draw.frame(1)
    rows = draw.inside[1]
    truth_of, shared = world.runs[1].right[rows], world.shared[rows]
    reach = float(old.key[old.single].max())
    known = told[world.runs[1].pair[rows]]
    gaps = np.flatnonzero(~known & (new.key <= reach))
    gaps = gaps[np.argsort(new.key[gaps])]
    out.count("reuse: decisions that are new", len(gaps))
    out.count("reuse: tags that are new", float((~shared).mean()))
    for name, n in (("gaps answered", len(gaps)), ("20 new pairs", 20), ("5 new pairs", 5), ("none new", 0)):
        single = known.copy()
        single[gaps[:n]] = True
        pairs = replace(new, single=single, right=np.where(single, truth_of, np.nan))
        sample = sample_of(pairs, earlier=best_earlier(pairs, [shared]))
        out.add(f"after a model change, {name}", overall(pairs, sample), world.runs[1].precision)


def document_rows(world: World, draw: Draw, out: Results) -> None:
    """Recall, and where wanted tags are lost."""
    wanted = world.parts.sum(axis=1)
    for n in (100, 200):
        rows = draw.documents(n)
        found = document_ratio(world.parts[rows, 0], wanted[rows], world.n_docs)
        out.add(f"recall, {n} documents", found, float(world.part_truth[0]))
        shares = shares_of_documents(world.parts[rows], world.n_docs)
        assert math.isclose(sum(x.value or 0.0 for x in shares), 1.0)
        for part, interval, truth in zip(PARTS, shares, world.part_truth, strict=True):
            out.add(f"funnel, {part}, {n} documents", interval, float(truth))


def peek(world: World, draw: Draw, out: Results) -> None:
    """Look every ten decisions whether precision is said to be above a target just above the truth."""
    target = world.runs[0].precision + 1e-6
    audit = draw.frame()
    right = world.runs[0].right[draw.inside[0]][np.argsort(audit.key)[:1000]]
    n = np.arange(10, len(right) + 1, 10)
    s = np.cumsum(right)[n - 1]
    low, _ = label_estimates(s, n, np.full(len(n), 10**9))
    out.count("looks: Wilson", bool((low >= target).any()))
    out.count("looks: sequence", "meets" in verdicts(s, n, target))


def promise_rows(world: World, draw: Draw, out: Results, target: float) -> None:
    """Ask for a promised threshold again and again, and see whether one was ever broken."""
    first = world.runs[0]
    true = {
        step: float(first.right[first.proxy >= step].mean()) for step in STEPS if (first.proxy >= step).any()
    }
    base = draw.frame()

    def look(name: str, audits: Callable[[int], AuditedPairs], looks: range, last: int) -> None:
        made = broken = False
        for n in looks:
            pairs = audits(n)
            sample = sample_of(pairs)
            promise = promised_threshold(
                pairs.proxy[sample.rows],
                pairs.right[sample.rows],
                target,
                weight=sample.weight,
                document=pairs.document[sample.rows],
                population=pairs.proxy,
            )
            if promise.threshold is not None:
                made = True
                broken |= true[promise.threshold] < target
            if n == last:
                out.count(f"promises {target}, {name}: made at the end", promise.threshold is not None)
                out.count(f"promises {target}, {name}: tags kept", promise.kept)
        out.count(f"promises {target}, {name}: made", made)
        out.count(f"promises {target}, {name}: broken", broken)

    look("pairs", lambda n: draw.answered(base, n), range(50, 1001, 50), 1000)
    look("documents", lambda n: draw.answered(base, 0, n), range(20, 201, 20), 200)
    proxy_group = world.group[first.label]
    for g in range(GROUPS):
        members = proxy_group == g
        if members.sum() < 100:
            continue
        made = broken = False
        audit = draw.answered(base, 1000)
        mine = world.group[audit.label] == g
        ordered = np.argsort(audit.key)
        for n in range(250, 1001, 250):
            rows = ordered[:n]
            rows = rows[mine[rows]]
            if len(rows) < 5:
                continue
            promise = promised_threshold(
                audit.proxy[rows], audit.right[rows], target, document=audit.document[rows]
            )
            if promise.threshold is not None:
                made = True
                above = members & (first.proxy >= promise.threshold)
                broken |= bool(first.right[above].mean() < target)
        out.count(f"promises {target}, by group: made", made)
        out.count(f"promises {target}, by group: broken", broken)


def simulate(
    pop: Population, replications: int, seed: int, tags: int = TAGS, promises_every: int = 1
) -> tuple[World, Results]:
    """Run the audits; `promises_every` thins the rows that take longest."""
    world = World(pop, seed, tags)
    out = Results(world.n_labels)
    rng = np.random.default_rng(seed + 1)
    for i in range(replications):
        draw = Draw.of(world, rng)
        overall_rows(world, draw, out, rng)
        design_rows(world, draw, out)
        reuse_rows(world, draw, out)
        document_rows(world, draw, out)
        peek(world, draw, out)
        out.count("replications")
        if i % promises_every == 0:
            for target in (0.8, 0.9):
                promise_rows(world, draw, out, target)
            out.count("replications with promises")
    return world, out
