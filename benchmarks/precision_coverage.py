"""Do the intervals hold? A simulation of audits on a real corpus, with a real student of ours.

A student is trained by a simulated teacher on documents of debtags; its tags on other documents are the
population. A replication reserves a random part of these documents, audits pairs inside it in random order,
answers from gold, and asks whether the interval holds the truth of all.

    LMTX_DATA=... python benchmarks/precision_coverage.py [--replications 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import OUT, Bench, gold_matrix, machine, read
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lmtx.cycle import run_cycle
from lmtx.quality.estimates import (
    PairAudit,
    confidence_sequence,
    document_ratio,
    label_estimates,
    lower_bound,
    overall,
    promised_threshold,
    share_of,
    weighted_share,
)

TAGS = 3
SIZES = (200, 1000, 3000)


@dataclass(frozen=True)
class Population:
    """Tags of a student on documents it has not seen, with the truth.

    document, label, right, proxy : (n_pairs,)
    wanted, hits : (n_docs,) gold tags of each document, and those among them that the student gives
    """

    document: NDArray[np.int64]
    label: NDArray[np.int64]
    right: NDArray[np.float64]
    proxy: NDArray[np.float64]
    wanted: NDArray[np.float64]
    hits: NDArray[np.float64]
    queue: NDArray[np.float64]
    """How a queue that looks for uncertain pairs would rank them."""

    @property
    def n_docs(self) -> int:
        """Documents of the population."""
        return len(self.wanted)


def population(train: int, corpus: int, seed: int, threads: int) -> Population:
    """Train the student and tag documents that it has not seen."""
    data = read("debtags", int(train / 0.72 * 1.06) + 100, corpus, OUT)
    documents = data.tests["seeded order"][:corpus]
    with threadpool_limits(threads), tempfile.TemporaryDirectory() as folder:
        bench = Bench(data, Path(folder), seed, train, threads)
        report = run_cycle(bench.inputs, bench.teacher(f"simulated:recall=0.85,noise=0.05,seed={seed}"), 4)
        tagger = bench.tagger(report.run)
        scored = tagger.predict(data.of(documents), [d.full_text for d in documents], TAGS)
        probability = tagger.probability(scored.score)
        bench.journal.close()
    assert probability is not None
    gold = gold_matrix(documents, bench.column)
    document = np.repeat(np.arange(len(documents)), TAGS)
    label = scored.label_idx.ravel().astype(np.int64)
    right = np.asarray(gold[document, label]).ravel().astype(np.float64)
    proxy = probability.ravel().astype(np.float64)
    return Population(
        document,
        label,
        right,
        proxy,
        np.asarray(gold.sum(axis=1)).ravel().astype(np.float64),
        np.bincount(document, weights=right, minlength=len(documents)),
        -np.abs(proxy - 0.5),
    )


class Coverage:
    """How often intervals hold the truth, how wide they are, how far the value is off."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.width: list[float] = []
        self.error: list[float] = []

    def add(self, low: float, high: float, value: float, truth: float) -> None:
        """Note one interval."""
        self.held.append(low - 1e-12 <= truth <= high + 1e-12)
        self.width.append(high - low)
        self.error.append(value - truth)

    def row(self) -> dict[str, float]:
        """Return means over the intervals."""
        return {
            "coverage": float(np.mean(self.held)) if self.held else float("nan"),
            "width_pp": 100 * float(np.mean(self.width)) if self.width else float("nan"),
            "bias_pp": 100 * float(np.mean(self.error)) if self.error else float("nan"),
            "n": len(self.held),
        }


def simulate(pop: Population, replications: int, seed: int, reserve_share: float = 0.2) -> dict[str, object]:
    """Run the audits; returns rows of the table."""
    rng = np.random.default_rng(seed)
    truth = float(pop.right.mean())
    n_labels = int(pop.label.max()) + 1
    size = np.bincount(pop.label, minlength=n_labels)
    label_truth = np.bincount(pop.label, weights=pop.right, minlength=n_labels) / np.maximum(size, 1)
    recall_truth = float(pop.hits.sum() / pop.wanted.sum())
    rows: dict[str, Coverage] = {}
    per_label: dict[int, Coverage] = {}
    enough, groups = Coverage(), Coverage()
    group_of = rng.integers(0, 12, n_labels)
    peeks = {"Wilson": 0, "sequence": 0, "runs": 0}
    promises = {"made": 0, "broken": 0}
    for _ in range(replications):
        reserved = rng.random(pop.n_docs) < reserve_share
        place = np.cumsum(reserved) - 1
        inside = np.flatnonzero(reserved[pop.document])
        share = float(reserved.mean())
        order = rng.permutation(inside)
        for n in SIZES:
            if n > len(order):
                continue
            audit = order[:n]
            found = overall(
                PairAudit(
                    pop.right[audit],
                    pop.proxy[audit],
                    place[pop.document[audit]],
                    pop.proxy[inside],
                    place[pop.document[inside]],
                    share,
                )
            )
            assert found.value is not None
            rows.setdefault(f"overall, PPI++, n={n}", Coverage()).add(
                found.low, found.high, found.value, truth
            )
            s = float(pop.right[audit].sum())
            plain = share_of(int(s), n, len(pop.right))
            assert plain.value is not None
            rows.setdefault(f"overall, Wilson, n={n}", Coverage()).add(
                plain.low, plain.high, plain.value, truth
            )
            # What every tool does: 70 % of the decisions from a queue of uncertain pairs, all counted alike.
            others = np.flatnonzero(~reserved[pop.document])
            m = int(0.7 * n)
            noisy = pop.queue[others] + rng.normal(0, 0.05, len(others))
            biased = np.concatenate([others[np.argsort(-noisy)[:m]], audit[: n - m]])
            naive = share_of(int(pop.right[biased].sum()), n, len(pop.right))
            assert naive.value is not None
            rows.setdefault(f"overall, naive over all decisions, n={n}", Coverage()).add(
                naive.low, naive.high, naive.value, truth
            )
        audit = order[:1000]
        m_label = np.bincount(pop.label[audit], minlength=n_labels)
        s_label = np.bincount(pop.label[audit], weights=pop.right[audit], minlength=n_labels)
        low, high = label_estimates(s_label, m_label, size)
        for j in np.flatnonzero((m_label > 0) & (size >= 30)):
            held = per_label.setdefault(int(j), Coverage())
            held.add(float(low[j]), float(high[j]), s_label[j] / m_label[j], float(label_truth[j]))
            if m_label[j] >= 10:
                enough.add(float(low[j]), float(high[j]), s_label[j] / m_label[j], float(label_truth[j]))
        for g in range(12):
            here = audit[group_of[pop.label[audit]] == g]
            members = group_of[pop.label] == g
            if members.sum() < 100 or not len(here):
                continue
            found = weighted_share(
                pop.right[here], np.ones(len(here)), int(members.sum()), place[pop.document[here]]
            )
            assert found.value is not None
            groups.add(found.low, found.high, found.value, float(pop.right[members].mean()))
        for n in (100, 200):
            documents = rng.permutation(np.flatnonzero(reserved))[:n]
            ratio = document_ratio(pop.hits[documents], pop.wanted[documents], pop.n_docs)
            assert ratio.value is not None
            rows.setdefault(f"recall, {n} documents", Coverage()).add(
                ratio.low, ratio.high, ratio.value, recall_truth
            )
        _peek(pop.right[order[:1000]], truth, peeks)
        steps = np.quantile(pop.proxy, np.linspace(0.05, 0.98, 25))
        promised = promised_threshold(pop.proxy[audit], pop.right[audit], 0.8, steps)
        if promised is not None:
            promises["made"] += 1
            promises["broken"] += bool(pop.right[pop.proxy >= promised].mean() < 0.8)
    labels = [held.row()["coverage"] for held in per_label.values() if len(held.held) >= replications / 4]
    table = {name: held.row() for name, held in rows.items()}
    table["labels N>=30, mean"] = {
        "coverage": float(np.mean([c for c in labels])),
        "width_pp": float(np.mean([h.row()["width_pp"] for h in per_label.values()])),
        "bias_pp": float("nan"),
        "n": len(labels),
    }
    table["labels N>=30, least covered"] = {
        "coverage": float(np.min(labels)),
        "width_pp": float("nan"),
        "bias_pp": float("nan"),
        "n": len(labels),
    }
    table["labels with n>=10 audited"] = enough.row()
    table["groups N>=100"] = groups.row()
    return {
        "truth": truth,
        "recall": recall_truth,
        "n_pairs": len(pop.right),
        "n_labels": int((size > 0).sum()),
        "rows": table,
        "false_meets_target": {k: peeks[k] / peeks["runs"] for k in ("Wilson", "sequence")},
        "promises": promises,
    }


def _peek(right: NDArray[np.float64], truth: float, peeks: dict[str, int]) -> None:
    """Look every ten decisions whether precision is said to be above a target just above the truth."""
    target = truth + 1e-6
    sums = np.cumsum(right)
    found = {"Wilson": False, "sequence": False}
    for n in range(10, len(right) + 1, 10):
        s = int(sums[n - 1])
        if not found["Wilson"]:
            found["Wilson"] = share_of(s, n, 10**9).low >= target
        if not found["sequence"] and s / n > target:
            found["sequence"] = confidence_sequence(s, n)[0] >= target
    peeks["runs"] += 1
    for name, said in found.items():
        peeks[name] += said


def print_table(found: dict[str, object]) -> None:
    """Print what was found."""
    print(
        f"True precision {found['truth']:.3f}, recall {found['recall']:.3f}; "
        f"{found['n_pairs']} pairs, {found['n_labels']} labels"
    )
    print("| estimate | coverage | width, points | bias, points | intervals |\n|---|---|---|---|---|")
    for name, row in found["rows"].items():
        print(
            f"| {name} | {row['coverage']:.3f} | {row['width_pp']:.1f} | {row['bias_pp']:+.2f} | {row['n']} |"
        )
    false = found["false_meets_target"]
    said = f"Wilson {false['Wilson']:.3f}, sequence {false['sequence']:.3f}"
    print(f"\nFalse 'meets the target' with a look every ten decisions: {said}")
    made = found["promises"]
    print(f"Promised thresholds for .8: {made['made']}, broken {made['broken']}")
    print("To certify .9 when all are right:", next(n for n in range(1, 99) if lower_bound(n, n) >= 0.9))


def main() -> None:
    """Print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--corpus", type=int, default=5500)
    options = parser.parse_args()
    kept = OUT / f"precision-population-{options.train}-{options.corpus}-{options.seed}.npz"
    if kept.is_file():
        with np.load(kept) as found:
            pop = Population(**{k: found[k] for k in found.files})
    else:
        pop = population(options.train, options.corpus, options.seed, 1)
        np.savez(kept, **vars(pop))
    result = simulate(pop, options.replications, options.seed)
    print_table(result)
    facts = {"options": vars(options), "machine": machine(), **result}
    (OUT / "precision_coverage.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
