"""What the corpus benchmarks share: a workspace's parts in a temporary folder, systems, tables."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from lmtx.config import Settings
from lmtx.cycle import CycleInputs, run_cycle, train_once
from lmtx.encoder import EmbeddingCache, embed_documents, embed_labels, load_encoder
from lmtx.journal import Journal
from lmtx.quality import evaluate
from lmtx.shortlist import FusedRanking, LexicalIndex, dense_topk, hub_centre, hub_share
from lmtx.shortlist.lexical import K1, B
from lmtx.tagger import Tagger
from lmtx.teacher import TeacherContext, load_teacher
from lmtx.types import Decision, Document, FloatArray, Label, Scored

OUT = Path(__file__).parent / "out"
SHOWN = ("P@1", "P@3", "P@5", "R@10", "nDCG@5")
REVIEW_SHOWN = 9


@dataclass
class Data:
    """A corpus as the benchmark uses it.

    pool : documents of split train, in hashed order; a seed's roles decide which of them train
    tests : name -> test documents
    """

    name: str
    labels: list[Label]
    pool: list[Document]
    tests: dict[str, list[Document]]
    label_vectors: FloatArray
    vectors: dict[str, FloatArray]
    encoder_key: str

    def of(self, documents: Sequence[Document]) -> FloatArray:
        """Return vectors of documents."""
        return np.stack([self.vectors[d.id] for d in documents])


@dataclass
class Row:
    """One line of the table: a system, its figures of each seed and test set, what it cost."""

    group: str
    system: str
    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    cpu_s: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Table:
    """Rows by group and system, filled seed by seed."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}

    def add(
        self,
        group: str,
        system: str,
        figures: dict[str, dict[str, float]],
        cpu_s: float | None = None,
        calls: int | None = None,
        note: str = "",
    ) -> None:
        """Add the figures of one seed, and say them."""
        row = self.rows.setdefault((group, system), Row(group, system))
        for test, values in figures.items():
            row.figures.setdefault(test, []).append(values)
        if cpu_s is not None:
            row.cpu_s.append(cpu_s)
        if calls is not None:
            row.calls.append(calls)
        if note:
            row.notes.append(note)
        first = next(iter(figures))
        shown = "/".join(f"{figures[first][m]:.3f}" for m in SHOWN)
        print(f"  {group} | {system}: {shown} {note}", file=sys.stderr, flush=True)

    def markdown(self, test: str) -> str:
        """Write the means over seeds on one test set."""
        lines = [
            "| verdicts | system | " + " | ".join(SHOWN) + " | SE P@1, R@10 | CPU s | teacher calls |",
            "|---|---|" + "---|" * len(SHOWN) + "---|---|---|",
        ]
        for row in self.rows.values():
            values = row.figures[test]
            means = " | ".join(f"{mean(v[m] for v in values):.3f}" for m in SHOWN)
            errors = f"{mean(v['P@1_se'] for v in values):.3f}, {mean(v['R@10_se'] for v in values):.3f}"
            cpu = f"{mean(row.cpu_s):.1f}" if row.cpu_s else "–"
            calls = f"{mean(row.calls):,.0f}" if row.calls else "–"
            lines.append(f"| {row.group} | {row.system} | {means} | {errors} | {cpu} | {calls} |")
        return "\n".join(lines)

    def json(self) -> list[dict[str, object]]:
        """Return all rows with all seeds."""
        return [vars(row) for row in self.rows.values()]


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def arguments(name: str, teacher_help: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Comparison table on {name}. {teacher_help}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--docs", type=int, default=4000, help="documents of role train")
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--completed", type=int, nargs="*", default=[40], help="documents a simulated person settles"
    )
    parser.add_argument("--teachers", nargs="*", default=["evidence", "simulated", "biased"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=None, help="JSON file; benchmarks/out/NAME.json by default"
    )
    return parser.parse_args()


def read(name: str, n_pool: int, n_test: int, cache_folder: Path) -> Data:
    """Read a corpus from LMTX_DATA and encode what is needed (cached under benchmarks/out)."""
    root = os.environ.get("LMTX_DATA")
    if not root or not (Path(root) / name).is_dir():
        sys.exit(f"Set LMTX_DATA to the folder that holds {name}/corpus.jsonl.gz and labels.jsonl.gz.")
    folder = Path(root) / name
    with gzip.open(folder / "labels.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    labels = [Label(r["id"], r["name"], r.get("description") or "") for r in rows]
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    documents = [
        Document(r["id"], r["title"], r["text"], r["split"], tuple(dict.fromkeys(r["labels"]))) for r in rows
    ]
    pool = sorted((d for d in documents if d.split == "train"), key=_hashed)[:n_pool]
    test = [d for d in documents if d.split == "test"]
    # A corpus in alphabetical order has other documents at its start than elsewhere, so both are shown.
    tests = {"seeded order": sorted(test, key=_hashed)[:n_test], "file order": test[:n_test]}
    encoder = load_encoder("minilm", cache_folder=cache_folder)
    cache_folder.mkdir(parents=True, exist_ok=True)
    cache = EmbeddingCache(cache_folder / f"vectors-{name}.db")
    needed = list({d.id: d for d in [*pool, *tests["seeded order"], *tests["file order"]]}.values())
    matrix = embed_documents(encoder, cache, needed, _shown)
    label_vectors = embed_labels(encoder, cache, labels, _shown)
    cache.close()
    vectors = dict(zip([d.id for d in needed], matrix, strict=True))
    return Data(name, labels, pool, tests, label_vectors, vectors, encoder.key)


def _hashed(document: Document) -> str:
    return hashlib.sha256(f"bench{document.id}".encode()).hexdigest()


def _shown(done: int, total: int, message: str) -> None:
    if done == total or done % 1024 < 64:
        print(f"\r{message} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


class Bench:
    """One seed: a journal in a folder, with exactly `docs` documents of role train."""

    def __init__(self, data: Data, folder: Path, seed: int, docs: int, threads: int) -> None:
        self.data, self.seed = data, seed
        settings = Settings(seed=seed)
        chosen: list[Document] = []
        n_train = 0
        for document in data.pool:
            if n_train == docs:
                break
            chosen.append(document)
            n_train += settings.role_of(document.id, "train") == "train"
        self.journal = Journal(f"sqlite:///{folder / 'journal.db'}")
        self.journal.put_labels(data.labels)
        self.journal.put_documents(chosen, lambda d: settings.role_of(d.id, d.split))
        self.inputs = CycleInputs(
            journal=self.journal,
            folder=folder,
            encoder_key=data.encoder_key,
            document_vectors=data.of,
            label_vectors=lambda labels: data.label_vectors[[self.column[x.id] for x in labels]],
            seed=seed,
            threads=threads,
        )
        self.column = {x.id: i for i, x in enumerate(data.labels)}
        view = self.journal.corpus()
        self.train = [view.documents[int(i)] for i in view.rows("train")]
        self.gold = {name: gold_matrix(documents, self.column) for name, documents in data.tests.items()}

    def teacher(self, spec: str):
        """Make a teacher over this corpus."""
        view = self.journal.corpus()
        context = TeacherContext(
            corpus=view,
            vectors=lambda: (self.data.of(view.documents), self.inputs.label_vectors(view.labels)),
            encoder_key=self.data.encoder_key,
            gold=lambda: self.journal.gold("train"),
        )
        return load_teacher(spec, context)

    def figures(self, rank) -> dict[str, dict[str, float]]:
        """Figures of a ranking function (vectors, texts) -> Scored on every test set."""
        found = {}
        for name, documents in self.data.tests.items():
            scored = rank(self.data.of(documents), [d.full_text for d in documents])
            found[name] = evaluate(scored, self.gold[name])
        return found

    def tagger(self, run) -> Tagger:
        """Load the tagger of a run."""
        return Tagger.load(self.inputs.folder / run.folder)


def gold_matrix(documents: Sequence[Document], column: dict[str, int]) -> sparse.csr_matrix:
    pairs = [(i, column[x]) for i, d in enumerate(documents) for x in d.labels or () if x in column]
    rows, columns = np.array(pairs).T
    return sparse.csr_matrix((np.ones(len(pairs), np.int8), (rows, columns)), (len(documents), len(column)))


def zero_shot_rows(bench: Bench, table: Table) -> None:
    """All rankings that learn nothing; word frequencies and hubs from the training documents."""
    data = bench.data
    texts = [d.full_text for d in bench.train]
    vectors = data.of(bench.train)
    group = "none"
    has_text = any(x.description for x in data.labels)
    forms = [("names", [replace(x, description="") for x in data.labels])]
    if has_text:
        forms.append(("name + description", data.labels))
    bm25 = f"k1={K1}, b={B}"
    full = None
    for what, labels in forms:
        full = lexical = LexicalIndex(labels, texts)
        rank = {
            f"BM25, label as document ({bm25}; {what}; / sqrt idf mass)": "label_as_document",
        }
        if what == "names":
            rank |= {
                "TF-IDF cosine to names": "tfidf",
                f"BM25, label as query ({bm25}; names; / sqrt idf mass)": "label_as_query",
            }
        for system, form in rank.items():
            start = time.process_time()
            found = bench.figures(lambda _, t, lx=lexical, f=form: lx.topk(t, 10, f))
            table.add(group, system, found, time.process_time() - start)
    assert full is not None
    share = hub_share(vectors, data.label_vectors)
    centre = hub_centre(vectors, data.label_vectors)
    table.add(group, "dense cosine", bench.figures(lambda v, _: dense_topk(v, data.label_vectors, 10)))
    table.add(
        group,
        "dense cosine, hub-corrected",
        bench.figures(lambda v, _: dense_topk(v, data.label_vectors, 10, centre)),
        note=f"hub share {share:.2f}",
    )
    fused = FusedRanking.build(full, vectors, data.label_vectors)
    table.add(
        group, "fused: cosine + BM25 label as document", bench.figures(lambda v, t: fused.topk(v, t, 10))
    )
    start = Tagger.zero_shot(data.labels, data.label_vectors, vectors, texts, data.encoder_key, full)
    table.add(group, "zero-shot of the product", bench.figures(lambda v, t: start.predict(v, t, 10)))


def learned_rows(
    bench: Bench, table: Table, group: str, spec: str, rounds: int, completed: Sequence[int]
) -> None:
    """Run a cycle with a teacher, then train on documents that a simulated person completes."""
    start = time.process_time()
    report = run_cycle(bench.inputs, bench.teacher(spec), rounds)
    cpu = time.process_time() - start
    tagger = bench.tagger(report.run)
    add_tagger(bench, table, group, tagger, cpu, report.n_judged, f"{len(report.rounds)} rounds", report.run)
    done: list[str] = []
    for n in sorted(completed):
        complete(bench, tagger, n - len(done), done)
        start = time.process_time()
        run = train_once(bench.inputs)
        cpu = time.process_time() - start
        tagger = bench.tagger(run)
        add_tagger(bench, table, f"{group}, {n} completed", tagger, cpu, 0, "retrained", run)


def add_tagger(bench, table, group, tagger, cpu, calls, note, run) -> None:
    def only(part: str):
        alone = replace(tagger, weights={part: 1.0})
        return lambda v, t: Scored(*_pair(alone.predict(v, t, 10)))

    table.add(group, "adapter alone", bench.figures(only("student")))
    if tagger.ridge is not None:
        table.add(group, "kernel ridge alone", bench.figures(only("ridge")))
    weights = ", ".join(f"{p} {w:.2f}" for p, w in tagger.weights.items() if w > 0)
    gate = run.metrics["gate"]["message"]
    note = f"{note}; {weights}; promoted: {run.promoted}; {gate}"
    table.add(group, "tagger", bench.figures(lambda v, t: tagger.predict(v, t, 10)), cpu, calls, note)


def _pair(scored: Scored):
    return scored.label_idx, scored.score


def complete(bench: Bench, tagger: Tagger, n: int, done: list[str]) -> None:
    """Let a simulated person settle n more random documents: shown candidates, then what is missing."""
    rng = np.random.default_rng(bench.seed + 1000)
    order = [d for d in (bench.train[i] for i in rng.permutation(len(bench.train))) if d.id not in set(done)]
    gold = bench.journal.gold("train")
    for document in order[:n]:
        shown = tagger.predict(bench.data.of([document]), [document.full_text], REVIEW_SHOWN).label_idx[0]
        right = set(gold.get(document.id, ()))
        seen = [tagger.label_ids[int(i)] for i in shown if i >= 0]
        decided = {x: "accept" if x in right else "reject" for x in seen}
        decided |= dict.fromkeys(right, "accept")
        decisions = [
            Decision(document.id, x, action, "simulated", "benchmark", batch=document.id)
            for x, action in decided.items()
        ]
        closing = Decision(document.id, None, "complete", "simulated", "benchmark", batch=document.id)
        bench.journal.append_decisions([*decisions, closing])
        done.append(document.id)


def machine() -> dict[str, object]:
    import scipy
    import sklearn
    import torch

    info = Path("/proc/cpuinfo")
    model = platform.processor()
    if info.is_file():
        found = [x for x in info.read_text(errors="replace").splitlines() if x.startswith("model name")]
        model = found[0].partition(":")[2].strip() if found else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main(name: str) -> None:
    options = arguments(name, "Needs LMTX_DATA.")
    specs = {
        "evidence": ("evidence", "evidence", 1),
        "simulated": ("simulated 0.85/0.05", "simulated:recall=0.85,noise=0.05,seed={seed}", options.rounds),
        "biased": (
            "simulated, bias by label",
            "simulated:recall=0.85,noise=0.05,seed={seed},bias=label",
            options.rounds,
        ),
    }
    n_pool = int(options.docs / 0.72 * 1.06) + 100  # reserve and held-out documents are extra
    data = read(name, n_pool, options.test_docs, OUT)
    table = Table()
    with threadpool_limits(options.threads):
        for seed in range(options.seeds):
            print(f"seed {seed}", file=sys.stderr, flush=True)
            for i, teacher in enumerate(options.teachers):
                group, spec, rounds = specs[teacher]
                with tempfile.TemporaryDirectory() as folder:
                    bench = Bench(data, Path(folder), seed, options.docs, options.threads)
                    if i == 0:
                        zero_shot_rows(bench, table)
                    learned_rows(bench, table, group, spec.format(seed=seed), rounds, options.completed)
                    bench.journal.close()
    facts = {
        "corpus": name,
        "options": {k: str(v) for k, v in vars(options).items()},
        "tokeniser": "Unicode words, casefold, plural folding (lmtx.shortlist.Tokenizer)",
        "bm25": {"k1": K1, "b": B},
        "encoder": data.encoder_key,
        "machine": machine(),
        "rows": table.json(),
    }
    out = options.out or OUT / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")
    print(f"# {name}: {options.docs} training documents, means of {options.seeds} seeds")
    print(
        f"Tokeniser of all lexical rows: {facts['tokeniser']}; BM25 k1={K1}, b={B}; SE over test documents."
    )
    for test, documents in data.tests.items():
        print(f"\n## First {len(documents)} test documents in {test}\n")
        print(table.markdown(test))
    print(f"\n{out} has every seed, and the machine.")
