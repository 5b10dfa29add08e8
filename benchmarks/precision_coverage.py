"""Do the intervals hold? A simulation of audits on a real corpus, with two real students of ours.

A student is trained by a simulated teacher on documents of debtags; its tags on documents that it has not
seen are the population. Audits of it are drawn again and again, see `precision_audits`; a second student
shows what is left of an audit after a model change. What must fail is in the same table: decisions of a
queue, and an audit whose answers were learned from.

    LMTX_DATA=... python benchmarks/precision_coverage.py [--replications 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass

import numpy as np
from precision_audits import PARTS, STUDY_WIDTH, Results, World, simulate
from scipy import stats

from lmtx.quality.promises import log_evidence, lower_bound

CERTIFY = ((0.8, 0.85), (0.8, 0.9), (0.9, 0.93), (0.9, 0.95))


@dataclass(frozen=True)
class Bounds:
    """What is asked of a row: bounds of the coverage, and points of bias and width."""

    low: float = 0.0
    high: float = 1.0
    bias: float | None = None
    bias_beyond: float | None = None
    width: float | None = None

    def __str__(self) -> str:
        said = []
        if self.low or self.high < 1:
            said.append(f"{self.low:.3f}-{self.high:.3f}" if self.low and self.high < 1 else
                        f">={self.low:.2f}" if self.low else f"<{self.high:.1f}")  # fmt: skip
        said += [f"bias <={self.bias:g}"] if self.bias is not None else []
        said += [f"bias beyond {self.bias_beyond:g}"] if self.bias_beyond is not None else []
        said += [f"width <={self.width:.1f}"] if self.width is not None else []
        return ", ".join(said)


COVERED = Bounds(0.935, 0.965, bias=0.4)
RULES: tuple[tuple[str, Bounds | None], ...] = (
    ("naive, a queue of unsure", None),  # right by chance where half of the tags are right
    ("naive", Bounds(high=0.5, bias_beyond=5)),
    ("leaked", Bounds(bias_beyond=5)),
    *((f"{form}, n={n}", Bounds(0.935, 0.965, bias=0.4, width=1.15 * width))
      for n, width in STUDY_WIDTH.items() for form in ("overall, PPI++", "drawn from all documents")),
    ("overall, PPI++", Bounds(low=0.93)),
    ("overall, Wilson", None),
    ("5 % put off", COVERED),
    ("documents alone", COVERED),
    ("60 documents", COVERED),
    ("spread over labels", COVERED),
    ("after a model change", Bounds(low=0.92)),
    ("groups", Bounds(0.935, 0.975)),
    ("labels N>=30, mean", Bounds(low=0.94)),
    ("labels N>=30, least", Bounds(low=0.90)),
    ("labels with n>=10", Bounds(0.935, 0.97)),
    ("mean over labels", Bounds(low=0.93)),
    ("recall", Bounds(low=0.93)),
    ("funnel", Bounds(low=0.93)),
)  # fmt: skip
"""What is asked of rows by how their names begin; the first that fits."""


@dataclass
class Line:
    """A row of the table."""

    name: str
    coverage: float
    width_pp: float
    bias_pp: float
    n: int

    @property
    def asked(self) -> Bounds | None:
        """What is asked of it."""
        return next((bounds for begin, bounds in RULES if self.name.startswith(begin)), None)

    def holds(self, slack: float = 0.0, slack_pp: float = 0.0) -> bool | None:
        """Whether that holds, a coverage by so much, a bias or width by so many points; None if nothing."""
        asked = self.asked
        if asked is None:
            return None
        good = asked.low - slack <= self.coverage <= asked.high + slack
        if asked.bias is not None:
            good &= abs(self.bias_pp) <= asked.bias + slack_pp
        if asked.bias_beyond is not None:
            good &= abs(self.bias_pp) > asked.bias_beyond
        if asked.width is not None:
            good &= self.width_pp <= asked.width + slack_pp
        return bool(good)


@dataclass
class Check:
    """A figure that is no interval."""

    name: str
    value: float
    asked: str = ""
    holds: bool | None = None


def lines_of(world: World, out: Results) -> list[Line]:
    """Return the rows of the table."""
    lines = [Line(name, **row.figures()) for name, row in out.rows.items()]
    often = np.flatnonzero((world.size >= 30) & (out.label_seen >= out.counts["replications"] / 4))
    held = out.label_held[often] / out.label_seen[often]
    width = 100 * out.label_width[often] / out.label_seen[often]
    if len(often):
        worst = int(held.argmin())
        least = f"labels N>=30, least covered ({world.size[often[worst]]} tags)"
        lines.append(
            Line("labels N>=30, mean", float(held.mean()), float(width.mean()), math.nan, len(often))
        )
        n = int(out.label_seen[often[worst]])
        lines.append(Line(least, float(held[worst]), float(width[worst]), math.nan, n))
    return lines


def certify(target: float, truth: float, seed: int) -> tuple[int, int]:
    """Decisions after which four of five audits have certified the target: at all looks, and at one.

    The second by Clopper and Pearson, with the number set beforehand.
    """
    rng = np.random.default_rng(seed)
    n = np.arange(1, 4001)
    stopped = []
    for _ in range(400):
        s = np.cumsum(rng.random(len(n)) < truth)
        above = log_evidence(s, n, target)[0] >= math.log(20)
        stopped.append(int(n[above.argmax()]) if above.any() else len(n))
    sizes = range(5, 4001)
    once = next(m for m in sizes if stats.binom.sf(stats.binom.ppf(0.95, m, target), m, truth) >= 0.8)
    return int(np.quantile(stopped, 0.8)), once


def checks_of(out: Results, seed: int) -> list[Check]:
    """Return the figures that are no intervals."""
    counts, runs = out.counts, out.counts["replications"]
    wilson, sequence = counts["looks: Wilson"] / runs, counts["looks: sequence"] / runs
    found = [
        Check("false 'meets the target', a look every ten decisions: Wilson", wilson, ">.10", wilson > 0.1),
        Check("the same: evidence at all looks", sequence, "<=.02", sequence <= 0.02),
        Check("after a model change: new tags, share", counts["reuse: tags that are new"] / runs),
        Check("after a model change: gaps to close", counts["reuse: decisions that are new"] / runs),
    ]  # fmt: skip
    for what in ("within ten points", "with an answer"):
        for design in ("alike", "spread"):
            found.append(
                Check(f"labels {what}, pairs drawn {design}", counts[f"labels {what}, {design}"] / runs)
            )
    audits = counts["replications with promises"]
    for target in (0.8, 0.9):
        for name in ("pairs", "documents", "by group"):
            start = f"promises {target}, {name}"
            made, broken = counts[f"{start}: made"], counts[f"{start}: broken"]
            share = broken / made if made else 0.0
            title = f"threshold for {target}, {name}"
            # One broken of fewer than twenty is more than a twentieth, and says nothing.
            holds = share <= 0.05
            found.append(Check(f"{title}: broken of {made:.0f} promised", share, "<=.05", holds))
            if name == "by group":
                continue
            share = broken / audits
            found.append(Check(f"{title}: broken of all audits", share, "<=.05", share <= 0.05))
            end = counts[f"{start}: made at the end"]
            found.append(Check(f"{title}: audits with a promise at the end", end / audits))
            kept = counts[f"{start}: tags kept"] / end if end else 0.0
            found.append(Check(f"{title}: tags that it keeps", kept))
    for target, truth in CERTIFY:
        always, once = certify(target, truth, seed)
        found.append(Check(f"decisions to certify {target} at {truth}: evidence at all looks", always))
        found.append(Check(f"decisions to certify {target} at {truth}: Clopper-Pearson, one look", once))
    fewest = next(n for n in range(1, 99) if lower_bound(n, n) >= 0.9)
    return [*found, Check("decisions to certify .9 when all are right: Clopper-Pearson, one look", fewest)]


def print_table(world: World, lines: list[Line], checks: list[Check]) -> None:
    """Print what was found."""
    first, second = world.runs
    lost = ", ".join(f"{name} {100 * x:.1f} %" for name, x in zip(PARTS, world.part_truth, strict=True))
    print(
        f"True precision {first.precision:.3f}, of the second run {second.precision:.3f}; "
        f"{len(first.right):,} tags of {world.n_docs:,} documents, {(world.size > 0).sum()} labels, "
        f"{(world.size >= 30).sum()} of them given 30 times or more. Wanted tags: {lost}.\n"
    )
    said = {True: "yes", False: "NO", None: ""}
    print("| estimate | coverage | width, points | bias, points | intervals | asked | holds |")
    print("|---|---|---|---|---|---|---|")
    for x in lines:
        bias = "" if math.isnan(x.bias_pp) else f"{x.bias_pp:+.2f}"
        figures = f"{x.coverage:.3f} | {x.width_pp:.1f} | {bias} | {x.n}"
        print(f"| {x.name} | {figures} | {x.asked or ''} | {said[x.holds()]} |")
    print("\n| check | measured | asked | holds |\n|---|---|---|---|")
    for check in checks:
        whole = check.value >= 2 and float(check.value).is_integer()
        value = f"{check.value:.0f}" if whole else f"{check.value:.3f}"
        print(f"| {check.name} | {value} | {check.asked} | {said[check.holds]} |")


def main() -> None:
    """Print the table and write it as JSON."""
    from common import OUT, machine
    from precision_population import population
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--corpus", type=int, default=5500)
    options = parser.parse_args()
    pop = population(options.train, options.corpus, options.seed)
    start = time.process_time()
    with threadpool_limits(1):
        world, out = simulate(pop, options.replications, options.seed)
        lines, checks = lines_of(world, out), checks_of(out, options.seed)
    print_table(world, lines, checks)
    cpu = time.process_time() - start
    print(f"\n{options.replications} replications in {cpu:.0f} s of one core.")
    rows = [asdict(x) | {"asked": str(x.asked or ""), "holds": x.holds()} for x in lines]
    facts = {
        "options": vars(options),
        "machine": machine(),
        "cpu_s": cpu,
        "precision": [x.precision for x in world.runs],
        "funnel": dict(zip(PARTS, world.part_truth.tolist(), strict=True)),
        "rows": rows,
        "checks": [asdict(x) for x in checks],
    }
    (OUT / "precision_coverage.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
