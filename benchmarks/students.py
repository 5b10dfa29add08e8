"""Students side by side: zero-shot, MACLR, RTS, LMTX as published, adapter, fine-tuned, the blend.

Those that learn from verdicts read the same ones: of a cycle with the simulated teacher. Figures are on test
documents in seeded order. Every row is kept in a JSON file of its corpus as soon as it is there, so that the
command goes on where it was cut off, and two may run for two corpora.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import OUT, SHOWN, Bench, Data, machine, read

from lmtx.cycle import run_cycle, train_once
from lmtx.encoder import EmbeddingCache, load_encoder
from lmtx.quality import evaluate
from lmtx.shortlist import FusedRanking, LexicalIndex, dense_topk
from lmtx.student import Adapter
from lmtx.tagger import Tagger
from lmtx.types import FloatArray, Scored

TEACHER = "simulated:recall=0.85,noise=0.05"
CORPORA = ("debtags", "congress")
NAMES = {
    "dense": "zero-shot, dense",
    "bm25": "zero-shot, BM25",
    "fused": "zero-shot, fused",
    "maclr": "MACLR",
    "rts": "RTS",
    "official": "LMTX as published",
    "official_mended": "LMTX as published, warm-up of a tenth",
    "official_rounds": "LMTX as published, its own four rounds",
    "adapter": "adapter",
    "finetune": "fine-tuned",
    "on_top": "adapter on fine-tuned",
    "blend": "the blend, adapter in it",
    "blend_finetune": "the blend, fine-tuned student in it",
}
HEAVY = (
    "maclr",
    "rts",
    "official",
    "official_mended",
    "official_rounds",
    "finetune",
    "on_top",
    "blend_finetune",
)
WITH_VERDICTS = (
    "adapter",
    "blend",
    "official",
    "official_mended",
    "finetune",
    "on_top",
    "blend_finetune",
)
_TIMED = 128  # documents whose tagging is timed

Rank = Callable[[FloatArray, list[str]], Scored]


class Rows:
    """Rows by corpus, system and seed, in a JSON file."""

    def __init__(self, path: Path, options: dict[str, object]) -> None:
        self.path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if found and found["options"] != options:
            sys.exit(f"{path}: made with {found['options']}, asked for {options}. Name another --out.")
        self.body = found or {"options": options, "machine": machine(), "rows": {}}

    def has(self, corpus: str, system: str, seed: int) -> bool:
        """Whether a row is there."""
        return f"{corpus} {system} {seed}" in self.body["rows"]

    def add(self, corpus: str, system: str, seed: int, row: dict[str, object]) -> None:
        """Keep a row, and say it."""
        self.body["rows"][f"{corpus} {system} {seed}"] = row
        self.path.parent.mkdir(exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.body, indent=1), encoding="utf-8")
        part.replace(self.path)
        shown = " ".join(f"{m} {row[m]:.3f}" for m in SHOWN)
        print(f"{corpus} seed {seed} {NAMES[system]}: {shown}", file=sys.stderr, flush=True)

    def of(self, corpus: str, system: str) -> list[dict[str, float]]:
        """Rows of all seeds."""
        start = f"{corpus} {system} "
        return [row for key, row in self.body["rows"].items() if key.startswith(start)]

    def markdown(self, corpus: str) -> str:
        """Means over seeds."""
        lines = [
            f"| {corpus} | seeds | " + " | ".join(SHOWN) + " | SE P@1 | CPU s | calls | docs/s | MB |",
            "|---|---|" + "---|" * (len(SHOWN) + 5),
        ]
        for system, name in NAMES.items():
            rows = self.of(corpus, system)
            if not rows:
                continue
            means = [f"{np.mean([r[m] for r in rows]):.3f}" for m in (*SHOWN, "P@1_se")]
            cost = [f"{np.mean([r[m] for r in rows]):,.0f}" for m in ("cpu_s", "calls", "docs_s", "mb")]
            lines.append(f"| {name} | {len(rows)} | " + " | ".join([*means, *cost]) + " |")
        return "\n".join(lines)

    def claim(self, corpus: str) -> str:
        """Say whether the best student beats the published procedure, paired by seed."""
        official = self.of(corpus, "official")
        ours = {s: self.of(corpus, s) for s in ("adapter", "finetune", "on_top")}
        if not official or not any(ours.values()):
            return f"{corpus}: not measured yet."
        p1 = {s: float(np.mean([r["P@1"] for r in rows])) for s, rows in ours.items() if rows}
        best = max(p1, key=lambda s: p1[s])
        theirs = float(np.mean([r["P@1"] for r in official]))
        return (
            f"{corpus}: {NAMES[best]} {p1[best]:.3f}, LMTX as published {theirs:.3f}: "
            f"{100 * (p1[best] - theirs):+.1f} points of P@1 on the same verdicts."
        )


class Corpus:
    """One corpus and one seed."""

    def __init__(self, data: Data, seed: int, options: argparse.Namespace, folder: Path, rows: Rows) -> None:
        self.data, self.seed, self.options, self.rows = data, seed, options, rows
        self.bench = Bench(data, folder, seed, options.docs, options.threads)
        encoder = load_encoder("minilm", cache_folder=OUT)
        self.cache = EmbeddingCache(folder / "towers.db")
        self.bench.inputs = replace(self.bench.inputs, encoder=lambda: encoder, cache=self.cache)
        self.encoder = encoder
        self.calls = 0

    def wanted(self, *systems: str) -> bool:
        """Whether one of these is asked for and not there yet."""
        return any(
            s in self.options.systems and not self.rows.has(self.data.name, s, self.seed) for s in systems
        )

    def add(self, system: str, rank: Rank, cpu_s: float, calls: int, mb: float, own: bool = True) -> None:
        """Measure a ranking on test. `own`: it needs the workspace's vectors of the texts."""
        if not self.wanted(system):
            return
        documents = self.data.tests["seeded order"]
        texts = [d.full_text for d in documents]
        vectors = self.data.of(documents)
        figures = evaluate(rank(vectors, texts), self.bench.gold["seeded order"])
        start = time.process_time()
        # Texts that nothing has seen, so that no vector of them is kept anywhere.
        new = [f"{t} {system}" for t in texts[:_TIMED]]
        found = self.encoder.encode(new) if own else vectors[:_TIMED]
        rank(found, new)
        speed = len(new) / (time.process_time() - start)
        self.rows.add(
            self.data.name,
            system,
            self.seed,
            {**figures, "cpu_s": cpu_s, "calls": calls, "docs_s": speed, "mb": mb},
        )

    def zero_shot(self) -> None:
        """Measure what learns nothing."""
        bench, data = self.bench, self.data
        texts = [d.full_text for d in bench.train]
        lexical = LexicalIndex(data.labels, texts)
        fused = FusedRanking.build(lexical, data.of(bench.train), data.label_vectors)
        encoder = _megabytes(_encoder_folder())
        self.add("dense", lambda v, t: dense_topk(v, data.label_vectors, 10), 0, 0, encoder)
        self.add("bm25", lambda v, t: lexical.topk(t, 10), 0, 0, 0, own=False)
        self.add("fused", lambda v, t: fused.topk(v, t, 10), 0, 0, encoder)

    def learned(self) -> None:
        """Ask the teacher, and train on what it said."""
        report = run_cycle(self.bench.inputs, self.bench.teacher(TEACHER), self.options.rounds)
        self.calls = report.n_judged
        tagger, folder = self.load(report.run)
        encoder = _megabytes(_encoder_folder())
        own = encoder + _megabytes(folder / "student")
        self.add("adapter", _only_student(tagger), report.cpu_s, self.calls, own)
        self.add("blend", _top(tagger), report.cpu_s, self.calls, encoder + _megabytes(folder))
        for system, changes in {"official": {}, "official_mended": {"warmup": 0.1}}.items():
            if self.wanted(system):
                run = train_once(self.bench.inputs, _told, kind="official", **changes)
                tagger, folder = self.load(run)
                tower, cpu = _megabytes(folder / "tower"), run.metrics["cpu_s"]
                self.add(system, _only_student(tagger), cpu, self.calls, tower, own=False)
        if self.wanted("finetune", "on_top", "blend_finetune"):
            run = train_once(self.bench.inputs, _told, kind="finetune", **self.options.finetune)
            tagger, folder = self.load(run)
            tower, cpu = _megabytes(folder / "tower"), run.metrics["cpu_s"]
            self.add("finetune", _only_student(_bare(tagger)), cpu, self.calls, tower, own=False)
            tower += _megabytes(folder / "student")
            self.add("on_top", _only_student(tagger), cpu, self.calls, tower, own=False)
            self.add("blend_finetune", _top(tagger), cpu, self.calls, encoder + _megabytes(folder))

    def baseline(self, kind: str) -> None:
        """Measure a student that reads no verdict."""
        if self.wanted(kind):
            run = train_once(self.bench.inputs, _told, kind=kind)
            tagger, folder = self.load(run)
            tower = _megabytes(folder / "tower")
            self.add(kind, _only_student(tagger), run.metrics["cpu_s"], 0, tower, own=False)

    def load(self, run) -> tuple[Tagger, Path]:
        """Load the tagger of a run; with its folder."""
        folder = self.bench.inputs.folder / run.folder
        return Tagger.load(folder, self.cache), folder


def official_rounds(data: Data, seed: int, options: argparse.Namespace, rows: Rows) -> None:
    """The published curriculum: every round trains from the pretrained encoder and shortlists by it."""
    if "official_rounds" not in options.systems or rows.has(data.name, "official_rounds", seed):
        return
    with tempfile.TemporaryDirectory() as name:
        corpus = Corpus(data, seed, options, Path(name), rows)
        inputs, teacher = corpus.bench.inputs, corpus.bench.teacher(TEACHER)
        report = run_cycle(inputs, teacher, options.rounds, progress=_told, kind="official")
        tagger, folder = corpus.load(report.run)
        tower = _megabytes(folder / "tower")
        corpus.add("official_rounds", _only_student(tagger), report.cpu_s, report.n_judged, tower, own=False)


def _bare(tagger: Tagger) -> Tagger:
    """The fine-tuned encoder without the adapter on top."""
    assert tagger.tower is not None
    assert tagger.tower_labels is not None
    plain = Adapter.identity(tagger.label_ids, tagger.tower_labels.shape[1], tagger.tower.key)
    return replace(tagger, student=plain)


def _only_student(tagger: Tagger) -> Rank:
    return _top(replace(tagger, weights={"student": 1.0}))


def _top(tagger: Tagger) -> Rank:
    return lambda vectors, texts: tagger.predict(vectors, texts, 10)


def _megabytes(path: Path) -> float:
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 1e6


def _encoder_folder() -> Path:
    from lmtx.encoder import packaged_folder

    return packaged_folder()


def _told(done: int, total: int, message: str) -> None:
    now = time.monotonic()
    if now - _told.last > 60:
        _told.last = now
        print(f"  {message} {done}/{total}", file=sys.stderr, flush=True)


_told.last = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", nargs="*", default=list(CORPORA))
    parser.add_argument("--docs", type=int, default=1500, help="documents of role train")
    parser.add_argument("--test-docs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3, help="of what trains in seconds")
    parser.add_argument("--heavy-seeds", type=int, default=1, help="of what trains an encoder")
    parser.add_argument("--systems", nargs="*", default=list(NAMES), choices=list(NAMES))
    parser.add_argument("--finetune", type=json.loads, default={}, help="settings as JSON")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of students_CORPUS.json")
    options = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    kept = {"docs": options.docs, "test_docs": options.test_docs, "rounds": options.rounds}
    kept |= {"finetune": options.finetune, "teacher": TEACHER}
    asked = options.systems
    for corpus in options.corpora:
        rows = Rows(options.out / f"students_{corpus}.json", kept)
        data = read(corpus, 2 * options.docs, options.test_docs, OUT)
        for seed in range(max(options.seeds, options.heavy_seeds)):
            light = [s for s in asked if s not in HEAVY] if seed < options.seeds else []
            options.systems = light + ([s for s in asked if s in HEAVY] if seed < options.heavy_seeds else [])
            with tempfile.TemporaryDirectory() as name:
                one = Corpus(data, seed, options, Path(name), rows)
                if one.wanted("dense", "bm25", "fused"):
                    one.zero_shot()
                if one.wanted(*WITH_VERDICTS):
                    one.learned()
                one.baseline("maclr")
                one.baseline("rts")
            official_rounds(data, seed, options, rows)
        print(rows.markdown(corpus), rows.claim(corpus), sep="\n\n", end="\n\n")


if __name__ == "__main__":
    main()
