"""The tagger at every budget: `LMTX_DATA=... python benchmarks/budgets.py [--corpora debtags congress]`.

N random training documents are completed with their gold labels, with the verdicts of no teacher, of the
evidence teacher or of a simulated one beside them. The tagger is trained on that, and stands next to each of
its parts alone and next to peers that are trained in the same process on the same N documents.

Gains are against the part and the peer that turn out best on the very documents measured, for each metric
anew: a rival that nobody could have chosen. The cells are corpus x teacher x N; a cell's standard error is
over documents, each document's gain being its mean over the seeds.

`--on choice` measures on training documents that take no part in training: there the scheme of weighting
was chosen. `--on test` is the split test.

Each finished (corpus, teacher, seed, N) is written at once, and a run that is started again goes on there; a
teacher's cycle is run once and kept. `--again` forgets taggers and keeps cycles and peers.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import OUT, REVIEW_SHOWN, SHOWN, Bench, Data, gold_matrix, machine, mean, read
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from lmtx.cycle import run_cycle, train_once
from lmtx.quality import standard_error
from lmtx.quality.ranking import hits
from lmtx.shortlist import dense_topk, row_standardised, top_k
from lmtx.student import Adapter, AdapterConfig
from lmtx.tagger import PARTS, Tagger
from lmtx.types import Action, Decision, Document, FloatArray, IntArray, Pairs

TEACHERS = {
    "none": ("", 0),
    "evidence": ("evidence", 1),
    "simulated": ("simulated:recall=0.85,noise=0.05,seed={seed}", 4),
    "biased": ("simulated:recall=0.85,noise=0.05,seed={seed},bias=label", 4),
}
BUDGETS = (0, 50, 200, 1_000)
CORPORA = ("debtags", "congress")
COMPARED = ("P@1", "P@5", "R@10")
BLEND = "tagger"
TARGETS = {
    ("debtags", "none"): ((0.33, 0.45), (0.50, 0.75), (0.65, 0.80), (0.74, 0.84)),
    ("debtags", "simulated"): ((0.70, 0.78), (0.70, 0.81), (0.71, 0.83), (0.75, 0.85)),
    ("congress", "none"): ((0.55, 0.22), (0.75, 0.37), (0.87, 0.45), (0.93, 0.50)),
    ("congress", "simulated"): ((0.88, 0.37), (0.90, 0.43), (0.91, 0.47), (0.93, 0.51)),
}
"""P@1 and R@10 to reach, at each of `BUDGETS`."""

_K = 10


@dataclass(frozen=True)
class Measured:
    """Documents that rankings are measured on."""

    vectors: FloatArray
    texts: list[str]
    gold: sparse.csr_matrix

    @classmethod
    def of(cls, bench: Bench, documents: Sequence[Document]) -> Measured:
        """Take documents that have gold; the others would measure the corpus."""
        kept = [d for d in documents if any(x in bench.column for x in d.labels or ())]
        return cls(bench.data.of(kept), [d.full_text for d in kept], gold_matrix(kept, bench.column))

    def hits(self, ranked: IntArray) -> list[int]:
        """Of each document, a bit for each place of the ranking that is right, the first place lowest."""
        found = hits(self.gold, ranked[:, :_K]).astype(np.int64)
        return [int(x) for x in found @ (1 << np.arange(found.shape[1]))]


def figures(hit: Sequence[int], n_gold: Sequence[int]) -> dict[str, np.ndarray]:
    """Metrics of each document from what `Measured.hits` returned."""
    bits = (np.asarray(hit)[:, None] >> np.arange(_K)) & 1
    wanted = np.asarray(n_gold)
    discount = 1 / np.log2(np.arange(2, 7))
    ideal = np.concatenate([[0], discount.cumsum()])[np.minimum(wanted, 5)]
    return {
        "P@1": bits[:, 0].astype(float),
        "P@3": bits[:, :3].mean(axis=1),
        "P@5": bits[:, :5].mean(axis=1),
        "R@10": bits.sum(axis=1) / wanted,
        "nDCG@5": (bits[:, :5] * discount).sum(axis=1) / ideal,
    }


# ---- what is trained --------------------------------------------------------------------------------


def started(data: Data, teacher: str, seed: int, docs: int) -> Path:
    """Folder of a workspace in which the teacher's cycle has run; made once."""
    folder = OUT / "budgets" / f"{data.name}-{teacher}-{seed}-{docs}"
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    bench = Bench(data, part, seed, docs, 1)
    spec, rounds = TEACHERS[teacher]
    start = time.process_time()
    if spec:
        run_cycle(bench.inputs, bench.teacher(spec.format(seed=seed)), rounds)
    bench.journal.close()
    print(f"  {folder.name}: cycle of {time.process_time() - start:.0f} CPU s", file=sys.stderr, flush=True)
    part.rename(folder)
    return folder


def chosen(bench: Bench, n: int) -> list[Document]:
    """N random training documents that have gold, with it; the same for every teacher."""
    rng = np.random.default_rng(bench.seed + 1000)
    gold = {d.id: d for d in bench.data.pool if any(x in bench.column for x in d.labels or ())}
    order = [bench.train[i].id for i in rng.permutation(len(bench.train))]
    return [gold[i] for i in order if i in gold][:n]


def complete(bench: Bench, tagger: Tagger, documents: Sequence[Document]) -> None:
    """Settle documents as in the app: the tagger's best are judged, what is missing is added."""
    shown = tagger.predict(bench.data.of(documents), [d.full_text for d in documents], REVIEW_SHOWN)
    said: list[Decision] = []
    for document, best in zip(documents, shown.label_idx.tolist(), strict=True):
        right = [x for x in document.labels or () if x in bench.column]
        for label in dict.fromkeys([*(tagger.label_ids[i] for i in best if i >= 0), *right]):
            action: Action = "accept" if label in right else "reject"
            said.append(Decision(document.id, label, action, "simulated", "benchmark"))
        said.append(Decision(document.id, None, "complete", "simulated", "benchmark"))
    bench.journal.append_decisions(said)


def trained(bench: Bench, n: int) -> tuple[Tagger, float, bool]:
    """Train on what the journal holds and N completed documents: tagger, CPU s, whether it is put to use."""
    run = bench.journal.promoted()
    view = bench.journal.corpus()
    documents = [view.documents[int(i)] for i in view.rows("train")]
    vectors = bench.data.of(documents)
    texts = [d.full_text for d in documents]
    start = Tagger.zero_shot(
        view.labels, bench.inputs.label_vectors(view.labels), vectors, texts, bench.data.encoder_key
    )
    if run is not None:
        start = bench.tagger(run)
    if not n:
        return start, float(run.metrics["cpu_s"]) if run else 0.0, True
    complete(bench, start, chosen(bench, n))
    began = time.process_time()
    run = train_once(bench.inputs)
    return bench.tagger(run), time.process_time() - began, run.promoted


def taggers(bench: Bench, n: int, on: Measured) -> tuple[dict[str, list[int]], dict[str, Any]]:
    """Hits of the tagger and of each part alone, and facts."""
    tagger, cpu_s, promoted = trained(bench, n)
    began = time.process_time()
    found = {BLEND: on.hits(tagger.predict(on.vectors, on.texts, _K).label_idx)}
    predict_s = time.process_time() - began
    for part in PARTS:
        if tagger.has(part):
            alone = replace(tagger, weights={part: 1.0})
            found[f"part: {part}"] = on.hits(alone.predict(on.vectors, on.texts, _K).label_idx)
    return found, {
        "weights": {p: round(w, 3) for p, w in tagger.weights.items() if w > 0},
        "basis": tagger.basis,
        "promoted": promoted,
        "train_cpu_s": round(cpu_s, 2),
        "documents_per_cpu_s": round(len(on.texts) / max(predict_s, 1e-9)),
    }


# ---- peers ------------------------------------------------------------------------------------------


def peers(bench: Bench, n: int, on: Measured) -> dict[str, list[int]]:
    """Hits of what others would use, trained on the same N documents."""
    zero = zero_shot(bench)
    found = {f"peer: {p}": replace(zero, weights={p: 1.0}) for p in ("bm25_document", "bm25_query", "tfidf")}
    ranked = {name: t.predict(on.vectors, on.texts, _K).label_idx for name, t in found.items()}
    ranked["peer: MiniLM cosine"] = dense_topk(on.vectors, zero.label_vectors, _K).label_idx
    if n:
        for name, scores in learned_peers(bench, zero, chosen(bench, n), on):
            ranked[f"peer: {name}"] = top_k(scores, _K).label_idx
    return {name: on.hits(x) for name, x in ranked.items()}


def zero_shot(bench: Bench) -> Tagger:
    """Zero-shot ranking over all training documents."""
    labels = bench.data.labels
    texts = [d.full_text for d in bench.train]
    return Tagger.zero_shot(labels, bench.data.label_vectors, bench.data.of(bench.train), texts)


def learned_peers(
    bench: Bench, zero: Tagger, documents: Sequence[Document], on: Measured
) -> Iterator[tuple[str, FloatArray]]:
    """Name and scores (n_docs, n_labels) of each."""
    # Eight bits, as gold is kept, are too few for scikit-learn from 128 documents on.
    wanted = gold_matrix(documents, bench.column).astype(np.int32)
    texts, vectors = [d.full_text for d in documents], bench.data.of(documents)
    counts = np.asarray(wanted.sum(axis=0), dtype=np.float32).ravel()
    labels = np.flatnonzero(counts)
    yield "constant: most frequent of N", np.repeat(counts[None, :], len(on.texts), axis=0)
    words = TfidfVectorizer(sublinear_tf=True)
    rows = words.fit_transform(texts)
    svm = OneVsRestClassifier(LinearSVC()).fit(rows, wanted[:, labels].toarray())
    found = svm.decision_function(words.transform(on.texts)).reshape(len(on.texts), -1)
    out = np.repeat(found.min(axis=1, keepdims=True), wanted.shape[1], axis=1)
    out[:, labels] = found
    yield "TF-IDF LinearSVC on N", out.astype(np.float32)
    ridge = Ridge().fit(vectors, wanted[:, labels].toarray())
    out = np.full((len(on.texts), wanted.shape[1]), -np.inf, dtype=np.float32)
    out[:, labels] = ridge.predict(on.vectors).reshape(len(on.texts), -1)
    yield "MiniLM ridge on N", out
    pair = wanted.tocoo()
    ones = np.ones(pair.nnz, dtype=np.float32)
    pairs = Pairs(pair.row.astype(np.int32), pair.col.astype(np.int32), ones, ones)
    config = AdapterConfig(seed=bench.seed, threads=1)
    student = Adapter.fit(vectors, zero.label_vectors, pairs, config=config)
    scores = student.project_documents(on.vectors) @ student.project_labels(zero.label_vectors).T
    yield "label-text adapter on N", scores
    rows = zero.count(on.vectors, on.texts)
    yield (
        "label-text adapter on N + BM25",
        row_standardised(scores) + zero.part_scores("bm25_document", rows),
    )


# ---- units ------------------------------------------------------------------------------------------


def unit_file(on: str, corpus: str, teacher: str, seed: int, n: int) -> Path:
    return OUT / "budgets" / f"{on}-{corpus}-{teacher}-{seed}-{n}.json"


def run(options: argparse.Namespace) -> None:
    """Make the units that are missing."""
    n_used = int(options.docs / 0.72 * 1.06) + 100  # reserve and held-out documents are extra
    for corpus in options.corpora:
        wanted = [
            (teacher, seed, n)
            for seed in options.seeds
            for teacher in (*options.teachers, "peers")
            for n in options.budgets
        ]
        files = {w: unit_file(options.on, corpus, *w) for w in wanted}
        missing = [w for w in wanted if not files[w].is_file() or (options.again and w[0] != "peers")]
        if not missing:
            continue
        data = read(corpus, n_used + 2 * options.test_docs, options.test_docs, OUT)
        for teacher, seed, n in missing:
            body = unit(data, teacher, seed, n, options)
            part = files[teacher, seed, n].with_suffix(".part")
            part.write_text(json.dumps(body), encoding="utf-8")
            part.replace(files[teacher, seed, n])


def unit(data: Data, teacher: str, seed: int, n: int, options: argparse.Namespace) -> dict[str, Any]:
    start = started(data, "none" if teacher == "peers" else teacher, seed, options.docs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        shutil.copytree(start, folder)
        bench = Bench(data, folder, seed, options.docs, 1)
        on = measured(bench, options)
        if teacher == "peers":
            found, facts = peers(bench, n, on), {}
        else:
            found, facts = taggers(bench, n, on)
        bench.journal.close()
    n_gold = np.asarray((on.gold > 0).sum(axis=1)).ravel().astype(int).tolist()
    shown = "; ".join(
        f"{s} {'/'.join(f'{x.mean():.3f}' for m, x in figures(h, n_gold).items() if m in ('P@1', 'R@10'))}"
        for s, h in found.items()
    )
    print(f"  {data.name}, {teacher}, seed {seed}, N {n}: {shown} {facts}", file=sys.stderr, flush=True)
    return {"systems": found, "n_gold": n_gold, "facts": facts, "machine": machine()}


def measured(bench: Bench, options: argparse.Namespace) -> Measured:
    """Take the test documents, or train documents that take no part in training."""
    if options.on == "test":
        return Measured.of(bench, bench.data.tests["seeded order"])
    view = bench.journal.corpus()
    used = {d.id for d in view.documents}
    others = [d for d in bench.data.pool if d.id not in used]
    return Measured.of(bench, others[: options.test_docs])


# ---- tables -----------------------------------------------------------------------------------------


Cell = tuple[str, str, int]


@dataclass(frozen=True)
class Results:
    """What is known of a cell: of each system and metric, values (n_seeds, n_docs)."""

    systems: dict[str, dict[str, np.ndarray]]
    facts: list[dict[str, Any]]

    def mean(self, system: str, metric: str) -> float:
        """Mean over seeds and documents."""
        return float(self.systems[system][metric].mean())

    def best(self, kind: str, metric: str) -> str:
        """Name of the part or peer that is best by this metric."""
        return max((s for s in self.systems if s.startswith(kind)), key=lambda s: self.mean(s, metric))

    def gain(self, kind: str, metric: str) -> tuple[str, float, float]:
        """Best rival, the tagger's gain on it, and its standard error."""
        rival = self.best(kind, metric)
        a, b = self.systems[BLEND][metric], self.systems[rival][metric]
        # The documents measured differ by seed where roles do; then each seed counts for itself.
        gain = np.concatenate(a) - np.concatenate(b) if a.dtype == object else (a - b).mean(axis=0)
        return rival, float(gain.mean()), standard_error(gain)


def results(options: argparse.Namespace) -> dict[Cell, Results]:
    """Read all finished units."""
    out: dict[Cell, Results] = {}
    for corpus in options.corpora:
        for teacher in options.teachers:
            for n in options.budgets:
                found: dict[str, list[dict[str, np.ndarray]]] = {}
                facts = []
                for seed in options.seeds:
                    files = [unit_file(options.on, corpus, t, seed, n) for t in (teacher, "peers")]
                    if not all(f.is_file() for f in files):
                        continue
                    units = [json.loads(f.read_text(encoding="utf-8")) for f in files]
                    facts.append(units[0]["facts"])
                    for u in units:
                        for system, hit in u["systems"].items():
                            found.setdefault(system, []).append(figures(hit, u["n_gold"]))
                if facts:
                    full = {s: v for s, v in found.items() if len(v) == len(facts)}
                    out[corpus, teacher, n] = Results({s: _stacked(v) for s, v in full.items()}, facts)
    return out


def _stacked(values: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    shortest = min(len(v["P@1"]) for v in values)
    return {m: np.stack([v[m][:shortest] for v in values]) for m in SHOWN}


def means_table(cells: Mapping[Cell, Results], every: bool) -> str:
    """One row a cell and system."""
    lines = [
        "| corpus | teacher | N | system | " + " | ".join(SHOWN) + " |",
        "|---|---|---|---|" + "---|" * 5,
    ]
    for (corpus, teacher, n), cell in cells.items():
        shown = {BLEND: BLEND}
        if every:
            shown |= {s: s for s in cell.systems}
        else:
            shown |= {cell.best(k, "P@1"): f"best {cell.best(k, 'P@1')}" for k in ("part", "peer")}
        for system, name in shown.items():
            values = " | ".join(f"{100 * cell.mean(system, m):.1f}" for m in SHOWN)
            lines.append(f"| {corpus} | {teacher} | {n:,} | {name} | {values} |")
    return "\n".join(lines)


def gains_table(cells: Mapping[Cell, Results]) -> str:
    """Gains of the tagger in points, a row a cell, with standard errors; worse than two of them: marked."""
    heads = [f"{m} to best {k}" for k in ("part", "peer") for m in COMPARED]
    lines = ["| corpus | teacher | N | " + " | ".join(heads) + " |", "|---|---|---|" + "---|" * len(heads)]
    for (corpus, teacher, n), cell in cells.items():
        row = []
        for kind in ("part", "peer"):
            for metric in COMPARED:
                _, gain, error = cell.gain(kind, metric)
                row.append(
                    f"{100 * gain:+.1f} ± {100 * error:.1f}" + (" **worse**" if gain < -2 * error else "")
                )
        lines.append(f"| {corpus} | {teacher} | {n:,} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def answers(cells: Mapping[Cell, Results], options: argparse.Namespace) -> Iterator[str]:
    """Which aims hold."""
    for kind in ("part", "peer"):
        for metric in COMPARED:
            gains = [c.gain(kind, metric) for c in cells.values()]
            worse = [f"{cell} {g:+.3f}" for (cell, (_, g, e)) in zip(cells, gains, strict=True) if g < -2 * e]
            average = mean(g for _, g, _ in gains)
            yield said(
                f"{metric} to the best {kind}: {100 * average:+.2f} points over all cells", average >= 0
            )
            yield said(f"{metric}: cells worse by more than two errors: {worse or 'none'}", not worse)
    for (corpus, teacher), aims in TARGETS.items():
        for n, aim in zip(BUDGETS, aims, strict=True):
            cell = cells.get((corpus, teacher, n))
            if cell is not None:
                value = cell.mean(BLEND, "P@1"), cell.mean(BLEND, "R@10")
                found = f"P@1 {value[0]:.3f}, R@10 {value[1]:.3f}; aim {aim[0]}, {aim[1]}"
                text = f"{corpus}, {teacher}, N = {n:,}: {found}"
                yield said(text, value[0] >= aim[0] and value[1] >= aim[1])
    for corpus in options.corpora:
        for metric in ("P@1", "R@10"):
            try:
                good, bad, mended = (
                    cells[corpus, t, n].mean(BLEND, metric)
                    for t, n in (("simulated", 0), ("biased", 0), ("biased", 50))
                )
            except KeyError:
                continue
            found = f"{bad:.3f} of {good:.3f}; 50 completed bring {mended:.3f}"
            text = f"{corpus}, biased teacher, {metric}: {found}"
            yield said(text, mended - bad >= (good - bad) / 2)


def said(what: str, holds: bool) -> str:
    return f"- {'holds' if holds else 'MISSED'}: {what}"


def weights_table(cells: Mapping[Cell, Results]) -> str:
    """Mean weights, training CPU seconds and documents a CPU second of each cell."""
    lines = [
        "| corpus | teacher | N | weights | train CPU s | documents a CPU s | not promoted |",
        "|---" * 7 + "|",
    ]
    for (corpus, teacher, n), cell in cells.items():
        weights = {p: mean(f["weights"].get(p, 0.0) for f in cell.facts) for p in PARTS}
        text = ", ".join(f"{p} {w:.2f}" for p, w in weights.items() if w >= 0.005)
        cpu = mean(f["train_cpu_s"] for f in cell.facts)
        speed = mean(f["documents_per_cpu_s"] for f in cell.facts)
        refused = sum(not f["promoted"] for f in cell.facts)
        lines.append(f"| {corpus} | {teacher} | {n:,} | {text} | {cpu:.1f} | {speed:,.0f} | {refused} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpora", nargs="*", default=list(CORPORA))
    parser.add_argument("--teachers", nargs="*", default=list(TEACHERS), choices=list(TEACHERS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--budgets", type=int, nargs="*", default=list(BUDGETS))
    parser.add_argument("--docs", type=int, default=4000, help="training documents")
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument("--on", choices=("test", "choice"), default="test")
    parser.add_argument("--again", action="store_true", help="train anew what was trained before")
    parser.add_argument("--all", action="store_true", help="show every part and peer")
    parser.add_argument("--table", action="store_true", help="train nothing, show what there is")
    options = parser.parse_args()
    if not options.table:
        with threadpool_limits(1):
            run(options)
    cells = results(options)
    seeds = ", ".join(map(str, options.seeds))
    print(
        f"# The tagger at every budget: {options.docs:,} training documents, seeds {seeds}, on {options.on}\n"
    )
    print(means_table(cells, options.all))
    print(
        f"\nGains of the tagger, points ± standard error\n\n{gains_table(cells)}\n\n{weights_table(cells)}\n"
    )
    print("\n".join(answers(cells, options)))


if __name__ == "__main__":
    main()
