"""The budgets of the design that can be measured by now: `python benchmarks/speed.py [encode train ...]`.

`train` and `cycle` need LMTX_DATA (debtags). CPU seconds are process time, all threads together.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import OUT, Bench, machine, read
from scipy import sparse
from threadpoolctl import threadpool_limits

from lmtx.cycle import run_cycle, train_once, training_set
from lmtx.encoder import load_encoder
from lmtx.journal import Journal
from lmtx.shortlist import LexicalIndex
from lmtx.student import Adapter, AdapterConfig
from lmtx.tagger import KernelRidge, Tagger
from lmtx.tagger.terms import TermVectors
from lmtx.types import Decision, Document, Judgment, Label

Rows = list[tuple[str, str, str]]
_SYLLABLES = [c + v for c in "bdklmn" for v in "aeio"]


def words(rng: np.random.Generator, n: int) -> str:
    return " ".join("".join(rng.choice(_SYLLABLES, 3)) for _ in range(n))


def encode() -> Rows:
    """Items per second, one thread, against the fp32 default."""
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    rows: Rows = []
    for length, n in ((8, 1024), (60, 256), (150, 96)):
        texts = [words(rng, max(2, int(length * rng.uniform(0.5, 1.5)) // 3)) for _ in range(n)]
        speed = {}
        for precision in ("fp32", "bf16", "auto"):
            encoder = load_encoder("minilm", "cpu", precision=precision)
            encoder.encode(texts[:32])  # the probe, and warm kernels
            start = time.process_time()
            if precision == "fp32":
                encoder.model.encode(texts, batch_size=32, show_progress_bar=False)  # the library's default
            else:
                encoder.encode(texts)
            speed[encoder.precision if precision != "auto" else "auto"] = n / (time.process_time() - start)
        ratio = speed["auto"] / speed["fp32"]
        shown = ", ".join(f"{k} {v:,.0f}/s" for k, v in speed.items())
        rows.append(
            (
                f"encode, about {length} tokens",
                f"{shown} (auto {ratio:.1f} x)",
                "never below fp32; 2.5 x with AMX",
            )
        )
    return rows


def _debtags(run: Callable[[Bench], Rows]) -> Rows:
    data = read("debtags", 5990, 100, OUT)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        return run(Bench(data, Path(folder), 0, 4000, 1))


def cycle() -> Rows:
    """Four rounds with the simulated teacher, then a retraining from click to scores."""

    def run(bench: Bench) -> Rows:
        teacher = bench.teacher("simulated:recall=0.85,noise=0.05,seed=0")
        start, wall = time.process_time(), time.perf_counter()
        report = run_cycle(bench.inputs, teacher, 4)
        cpu, wall = time.process_time() - start, time.perf_counter() - wall
        what = (
            f"cycle, {report.n_documents} documents x 579 labels, {len(report.rounds)} rounds, with judging"
        )
        rows: Rows = [(what, f"{cpu:.1f} CPU s, {wall:.1f} s", "30 CPU s")]
        view = bench.journal.corpus()
        training = training_set(bench.journal, view)
        vectors = bench.data.of(training.documents())
        start = time.process_time()
        Adapter.fit(vectors, bench.data.label_vectors, training.pairs, config=AdapterConfig(threads=1))
        cpu = time.process_time() - start
        rows.append(
            (f"retrain the adapter, {len(training.pairs)} pairs, 5 epochs", f"{cpu:.1f} CPU s", "5 CPU s")
        )
        start, wall = time.process_time(), time.perf_counter()
        made = train_once(bench.inputs)
        tagger = bench.tagger(made)
        document = bench.train[0]
        tagger.predict(bench.data.of([document]), [document.full_text], 5)
        cpu, wall = time.process_time() - start, time.perf_counter() - wall
        rows.append(
            (
                "click to new scores: read, train all parts, save, load, score",
                f"{wall:.1f} s ({cpu:.1f} CPU s)",
                "10 s",
            )
        )
        return rows

    return _debtags(run)


def decision() -> Rows:
    """One decision in a journal with a million judgments."""
    rng = np.random.default_rng(0)
    n_docs, n_labels = 100_000, 1000
    labels = [Label(f"L{i}", words(rng, 2)) for i in range(n_labels)]
    base = [words(rng, 12) for _ in range(500)]
    documents = [Document(f"d{i}", "", f"{base[i % 500]} {i}") for i in range(n_docs)]
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(f"sqlite:///{folder}/journal.db")
        journal.put_labels(labels)
        journal.put_documents(documents, lambda _: "train")
        hashes = [x.hash for x in labels]
        start = time.perf_counter()
        for first in range(0, n_docs, 64):
            batch = []
            for i in range(first, min(first + 64, n_docs)):
                document_hash = documents[i].hash
                for j in range(10):
                    k = (i * 7 + j * 97) % n_labels
                    verdict = "yes" if j < 2 else "no"
                    batch.append(Judgment(f"d{i}", f"L{k}", verdict, None, "t", document_hash, hashes[k]))
            journal.append_judgments(batch)
        rate = 10 * n_docs / (time.perf_counter() - start)
        took = []
        for i in rng.permutation(n_docs)[:300]:
            start = time.perf_counter()
            journal.append_decisions([Decision(f"d{i}", f"L{int(i) * 7 % n_labels}", "accept", "ann")])
            took.append(time.perf_counter() - start)
        journal.close()
        start = time.perf_counter()
        journal = Journal(f"sqlite:///{folder}/journal.db")
        journal.counts()
        journal.documents_page(page_size=50)
        opened = time.perf_counter() - start
        start = time.perf_counter()
        training = training_set(journal, journal.corpus())
        read_s = time.perf_counter() - start
        journal.close()
    return [
        ("append judgments, batches of 640", f"{rate:,.0f}/s", "30,000/s"),
        (
            "record one decision, 1M judgments",
            f"median {1000 * np.median(took):.1f} ms, p95 {1000 * np.quantile(took, 0.95):.1f} ms",
            "p95 50 ms",
        ),
        ("open that journal, counts and a first page", f"{opened:.2f} s", "5 s"),
        (f"read a training set of {len(training.pairs):,} pairs", f"{read_s:.1f} s", "–"),
    ]


def predict() -> Rows:
    """One document, 100,000 labels, all parts in use."""
    rng = np.random.default_rng(0)
    n_labels, n_docs, dim = 100_000, 4000, 384

    def unit(n: int) -> np.ndarray:
        found = rng.normal(size=(n, dim)).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    labels = [Label(f"L{i}", words(rng, 3)) for i in range(n_labels)]
    texts = [words(rng, 60) for _ in range(n_docs)]
    vectors, label_vectors = unit(n_docs), unit(n_labels)
    lexical = LexicalIndex(labels, texts)
    terms, term_rows = TermVectors.fit(texts, lexical.tokenizer)
    wanted = sparse.csr_matrix(
        (np.ones(2 * n_docs), (np.repeat(np.arange(n_docs), 2), rng.integers(0, n_labels, 2 * n_docs))),
        shape=(n_docs, n_labels),
    )
    ridge, _ = KernelRidge.fit(terms, term_rows, vectors, wanted, np.ones(n_docs, np.float32))
    still = np.zeros((dim, dim), np.float32)
    student = Adapter(tuple(x.id for x in labels), "", still, still, np.zeros((n_labels, dim), np.float32))
    start = Tagger(student.label_ids, label_vectors, lexical, None, student, ridge)
    rows: Rows = []
    for name, weights in (
        ("dense, BM25", {"dense": 0.45, "bm25_document": 0.55}),
        ("BM25, TF-IDF, student, ridge", {"bm25_document": 0.1, "tfidf": 0.1, "student": 0.4, "ridge": 0.4}),
    ):
        tagger = replace(start, weights=weights)
        took = []
        for i in range(25):
            before = time.perf_counter()
            tagger.predict(vectors[i : i + 1], texts[i : i + 1], 5)
            took.append(time.perf_counter() - before)
        rows.append(
            (
                f"predict, 100k labels, one document ({name})",
                f"median {1000 * np.median(took):.0f} ms",
                "50 ms",
            )
        )
    return rows


PARTS = {"encode": encode, "cycle": cycle, "decision": decision, "predict": predict}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[*PARTS, []], help=f"some of {', '.join(PARTS)}; all by default"
    )
    chosen = parser.parse_args().parts or list(PARTS)
    rows: Rows = []
    for name in chosen:
        print(name, file=sys.stderr, flush=True)
        rows += PARTS[name]()
    OUT.mkdir(parents=True, exist_ok=True)
    facts = {"machine": machine(), "rows": rows}
    (OUT / "speed.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print("| what | measured | budget |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
