"""Which share of the pairs to ask about: `LMTX_DATA=... python benchmarks/active_judging.py [--docs 1500]`.

A cycle of four rounds asks about all pairs, or about a share of them, chosen

active
    as `run_cycle(active=SHARE)` does: first where BM25 and the student disagree or the student is unsure
random pairs
    at random
whole documents
    as all pairs of a random share of the documents
active from round two
    all pairs of the first round, then as "active"
likely pairs
    first where BM25 and the student both rank a label high

Verdicts are simulated, with independent errors and with errors systematic by label. Tokens are those of a
packed prompt in the tokenizer of the packaged small model: a document costs its text once, however few
of its labels are asked about, so a share of the pairs is a larger share of the tokens.
A corpus takes about ten minutes of one core; `--corpora` and `--out` let two run side by side.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from common import OUT, Bench, Data, machine, mean, read
from teacher_cost import ALL, ROUNDS, Recording, Weigher, packaged_model, teacher_of
from threadpoolctl import threadpool_limits

from lmtx.cycle import Active, judged_quality, run_cycle, training_set
from lmtx.cycle.active import standing
from lmtx.tagger import HeldOut

TEACHERS = {
    "independent errors": "simulated:recall=0.85,noise=0.05,seed={seed}",
    "biased by label": "simulated:recall=0.85,noise=0.05,seed={seed},bias=label",
}


class RandomPairs(Active):
    """Any pairs."""

    def pick(self, open_, value, n):
        """Mark n of the open pairs at random."""
        return super().pick(open_, np.random.default_rng(int(open_.sum())).random(open_.shape), n)


class WholeDocuments(Active):
    """All pairs of the first documents, whose order is random."""

    def choose(self, shortlist, value):
        """Keep these documents' rows."""
        chosen = np.arange(len(shortlist)) < round(self.share * len(shortlist))
        return np.where(chosen[:, None], shortlist, np.int32(-1))


class LaterRounds(Active):
    """All pairs of the first round."""

    def choose(self, shortlist, value):
        """Choose from the second round on."""
        share = self.share
        self.share = share if len(self._chosen) else 1.0
        found = super().choose(shortlist, value)
        self.share = share
        return found


def likely(shortlist, lexical, cosine, trained):
    """Sum of the places by both rankings."""
    valid = shortlist >= 0
    return np.where(valid, standing(lexical, valid) + standing(cosine, valid), 0)


POLICIES: dict[str, dict[str, Any]] = {
    "active": {},
    "random pairs": {"lmtx.cycle.state.Active": RandomPairs},
    "whole documents": {"lmtx.cycle.state.Active": WholeDocuments},
    "active from round two": {"lmtx.cycle.state.Active": LaterRounds},
    "likely pairs": {"lmtx.cycle.state.usefulness": likely},
}


def run(data: Data, spec: str, policy: str, share: float, seed: int, docs: int, weigher) -> dict[str, Any]:
    """One cycle."""
    patches = [mock.patch(k, v) for k, v in POLICIES.get(policy, {}).items()]
    for patch in patches:
        patch.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(data, Path(folder), seed, docs, 1)
            teacher = Recording(bench.teacher(spec.format(seed=seed)))
            active = None if policy == "all pairs" else share
            report = run_cycle(bench.inputs, teacher, ROUNDS, patience=ROUNDS, active=active, min_open=1)
            tagger = bench.tagger(report.run)
            figures = bench.figures(lambda v, t: tagger.predict(v, t, 10))["seeded order"]
            view = bench.journal.corpus()
            training = training_set(bench.journal, view)
            held = [view.documents[int(i)] for i in training.held_out_rows]
            held_out = HeldOut([d.full_text for d in held], data.of(held), training.held_out_pairs)
            quality = judged_quality(tagger, held_out)
            bench.journal.close()
    finally:
        for patch in patches:
            patch.stop()
    asked = [r for call in teacher.calls[0 : 2 * ROUNDS : 2] for r in call]
    return {
        "corpus": data.name,
        "policy": policy,
        "share": share,
        "seed": seed,
        "documents": report.n_documents,
        "pairs": sum(len(r.labels) for r in asked),
        "yes": sum(r.n_yes for r in report.rounds),
        "tokens": sum(map(weigher.packed, asked)),
        "held_out": float(quality.mean()),
        "cpu_s": report.cpu_s,
        **{m: figures[m] for m in ("P@1", "P@1_se", "P@5", "R@10")},
    }


def table(records: list[dict[str, Any]], corpus: str, teacher: str) -> str:
    here = [r for r in records if r["corpus"] == corpus and r["teacher"] == teacher]
    whole = [r for r in here if r["policy"] == "all pairs"]
    lines = [
        f"\n## {corpus}, {teacher}: {here[0]['documents']:,} documents, {ROUNDS} rounds, "
        f"{len(whole)} seeds\n",
        "| asked | pairs | of all | tokens of all | yes | held-out judged | test P@1 | P@5 | R@10 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]

    def spread(rows: list[dict[str, Any]], key: str) -> str:
        values = [r[key] for r in rows]
        return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"

    for policy, share in dict.fromkeys((r["policy"], r["share"]) for r in here):
        rows = [r for r in here if (r["policy"], r["share"]) == (policy, share)]
        name = policy if policy == "all pairs" else f"{policy}, {share:g}"
        pairs, tokens, yes = (mean(r[key] for r in rows) for key in ("pairs", "tokens", "yes"))
        lines.append(
            f"| {name} | {pairs:,.0f} | {100 * pairs / mean(r['pairs'] for r in whole):.0f} % | "
            f"{100 * tokens / mean(r['tokens'] for r in whole):.0f} % | {yes:,.0f} | "
            f"{spread(rows, 'held_out')} | {spread(rows, 'P@1')} | {spread(rows, 'P@5')} | "
            f"{spread(rows, 'R@10')} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpora", nargs="*", default=["debtags", "congress"])
    parser.add_argument("--docs", type=int, default=1500, help="documents of role train")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.25, 0.5])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--policies", nargs="*", default=list(POLICIES))
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument("--model", default="", help="its tokenizer counts; the packaged small one by default")
    parser.add_argument("--out", type=Path, default=OUT / "active_judging.json")
    options = parser.parse_args()
    weigher = Weigher(teacher_of(options.model or packaged_model()))
    records: list[dict[str, Any]] = []
    start = time.perf_counter()
    with threadpool_limits(1):
        for corpus in options.corpora:
            data = read(corpus, ALL, options.test_docs, OUT)
            for name, spec in TEACHERS.items():
                for seed in range(options.seeds):
                    for policy, share in [("all pairs", 1.0)] + [
                        (p, s) for s in options.shares for p in options.policies
                    ]:
                        found = run(data, spec, policy, share, seed, options.docs, weigher)
                        records.append({"teacher": name, **found})
                        print(
                            f"  {corpus} {name} {seed} {policy} {share}: {found['pairs']} pairs, held-out "
                            f"{found['held_out']:.3f}, P@1 {found['P@1']:.3f}",
                            file=sys.stderr,
                            flush=True,
                        )
                print(table(records, corpus, name), flush=True)
    facts = {
        "options": {k: str(v) for k, v in vars(options).items()},
        "machine": machine(),
        "seconds": time.perf_counter() - start,
        "rows": records,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"\n{options.out} has every seed, and the machine.")


if __name__ == "__main__":
    main()
