"""Encoders of the zoo side by side on debtags: as they are, and after a cycle; speed and cost.

Each is pre-trained on the texts of the documents of role train alone, then a workspace that reads with it
runs four rounds with the simulated teacher. Every row is kept as soon as it is there, and a pre-training
goes on from its last checkpoint: the command goes on where it was cut off. Choices are made with `--dev`,
which measures on documents of the training split that nothing here was trained on.

    LMTX_DATA=... python benchmarks/assembly.py --dev --systems minilm minilm-simcse
    LMTX_DATA=... python benchmarks/assembly.py --write-zoo
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import OUT, Bench, Data, machine, read
from threadpoolctl import threadpool_limits

from lmtx.cycle import run_cycle
from lmtx.encoder import (
    EmbeddingCache,
    SentenceEncoder,
    embed_documents,
    embed_labels,
    label_text,
    load_encoder,
)
from lmtx.encoder.assembly import assemble, spec_of
from lmtx.pretrain import Corpus, pretrain, pretrain_config
from lmtx.pretrain.static import distil_static
from lmtx.pretrain.tried import tried
from lmtx.shortlist import dense_topk
from lmtx.student.trainer import quiet, torch_threads
from lmtx.tagger import Tagger
from lmtx.types import Document, Scored

TEACHER = "simulated:recall=0.85,noise=0.05"
BASE = "minilm"
SHOWN = ("P@1", "R@10")
_ZOO = Path(__file__).parents[1] / "lmtx" / "pretrain" / "zoo"
_TIMED = 256  # documents whose encoding is timed, three times
_WARM = 32


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [entry["name"] for entry in tried()]
    parser.add_argument("--corpus", default="debtags")
    parser.add_argument("--systems", nargs="*", default=names, help=f"of the zoo: {', '.join(names)}")
    parser.add_argument("--docs", type=int, default=4000, help="documents of role train")
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=None, help="instead of those of the zoo")
    parser.add_argument("--rounds", type=int, default=4, help="of the cycle; 0 leaves it out")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dev", action="store_true", help="measure on the training split; for choices")
    parser.add_argument("--write-zoo", action="store_true", help="write what was measured into the zoo")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


class Rows:
    """Rows by system and seed, in a JSON file."""

    def __init__(self, path: Path, options: dict[str, object]) -> None:
        self.path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if found and found["options"] != options:
            sys.exit(f"{path}: made with {found['options']}, asked for {options}. Name another --out.")
        self.body = found or {"options": options, "machine": machine(), "rows": {}}

    def has(self, key: str) -> bool:
        """Whether a row is there."""
        return key in self.body["rows"]

    def add(self, key: str, row: dict[str, object]) -> None:
        """Keep a row, and say it."""
        self.body["rows"][key] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.body, indent=1), encoding="utf-8")
        part.replace(self.path)
        print(key, json.dumps(row), file=sys.stderr, flush=True)

    def of(self, system: str) -> list[dict[str, float]]:
        """Rows of all seeds of a system."""
        return [row for key, row in self.body["rows"].items() if key.rpartition(" ")[0] == system]


def made(
    entry: dict, base: SentenceEncoder, bench: Bench, options: argparse.Namespace, work: Path
) -> tuple[str, dict[str, object]]:
    """Assemble and pre-train an encoder of the zoo; return its folder, and what that took."""
    steps = entry["steps"] if options.steps is None else min(entry["steps"], options.steps)
    facts_file, folder = work / "facts.json", work / ("model" if steps else "start")
    if facts_file.is_file():
        return str(folder), json.loads(facts_file.read_text(encoding="utf-8"))
    work.mkdir(parents=True, exist_ok=True)
    spec = spec_of(entry["encoder"])
    texts = [d.full_text for d in bench.train]
    cpu, cut_off = time.process_time(), (work / "checkpoints").is_dir()
    if not (work / "start").is_dir():
        with quiet(), torch_threads(options.threads):
            if spec.encoder == "static" and spec.start == "default":
                model = distil_static(base.model, texts, None if spec.width >= base.dim else spec.width)
            else:
                model = assemble(spec, base.model, texts, bench.seed)
        model.save(str(work / "part"), create_model_card=False)
        (work / "part").rename(work / "start")
    start = load_encoder(str(work / "start"), "cpu")
    facts: dict[str, object] = {"steps": steps}
    if steps:
        config = pretrain_config(
            spec, steps, **{"seed": bench.seed, "threads": options.threads, "bf16": False, **entry["config"]}
        )
        done = pretrain(
            start,
            _corpus(entry, bench),
            entry["objectives"],
            folder,
            config,
            _told(entry["name"]),
            checkpoints=work / "checkpoints",
            losses=work / "losses.jsonl",
        )
        facts |= {"first": done.first, "last": done.last}
    facts["cpu_seconds"] = round(time.process_time() - cpu, 1)
    facts["cut_off"] = cut_off  # then the seconds before that are missing
    facts_file.write_text(json.dumps(facts), encoding="utf-8")
    return str(folder), facts


def _corpus(entry: dict, bench: Bench) -> Corpus:
    """Texts of role train; for distillation with the vectors of MiniLM."""
    data = bench.data
    names = [label_text(x) for x in data.labels]
    if "distillation" not in entry["objectives"]:
        return Corpus.of(bench.train, names)
    vectors = data.of(bench.train)

    def teacher(rows: Sequence[int], labels: Sequence[int]) -> np.ndarray:
        return np.concatenate([vectors[list(rows)], data.label_vectors[list(labels)]])

    return Corpus.of(bench.train, names, None, teacher)


def _told(name: str):
    def told(done: int, total: int, message: str) -> None:
        if done % 50 == 0 or done == total:
            print(f"  {name} {done}/{total} {message}", file=sys.stderr, flush=True)

    return told


def read_with(data: Data, encoder: SentenceEncoder, cache: EmbeddingCache) -> Data:
    """Return the corpus with the vectors of another encoder; what was encoded is kept."""
    needed = list({d.id: d for d in [*data.pool, *(d for t in data.tests.values() for d in t)]}.values())
    matrix = embed_documents(encoder, cache, needed)
    vectors = dict(zip([d.id for d in needed], matrix, strict=True))
    return replace(
        data,
        vectors=vectors,
        label_vectors=embed_labels(encoder, cache, data.labels),
        encoder_key=encoder.key,
    )


def speed(encoder: SentenceEncoder, base: SentenceEncoder, documents: Sequence[Document]) -> dict[str, float]:
    """Documents a second: by CPU time on one thread in float32, and by the clock as shipped; and MiniLM's.

    Encoder and MiniLM take turns, and the fastest of three counts: others may use the machine.
    """
    texts = [d.full_text for d in documents[:_TIMED]]
    names = {base: "minilm_"} if encoder is base else {encoder: "", base: "minilm_"}
    exact = {e: load_encoder(e.name, "cpu", precision="fp32") for e in names}
    best: dict[str, float] = {}
    for turn in range(4):
        for e, prefix in names.items():
            # A fast encoder is done before the clock has moved: it reads the texts more often.
            times = 1 if not best.get(f"{prefix}docs_cpu_s", 0) > 1000 else 8
            with torch_threads(1), threadpool_limits(1):
                start = time.process_time()
                exact[e].encode((texts[:_WARM] if turn == 0 else texts) * times)
                cpu = time.process_time() - start
            start = time.perf_counter()
            e.encode((texts[:_WARM] if turn == 0 else texts) * times)
            clock = time.perf_counter() - start
            n = times * (_WARM if turn == 0 else len(texts))
            for name, taken in (("docs_cpu_s", cpu), ("docs_s", clock)):
                best[prefix + name] = max(best.get(prefix + name, 0.0), n / max(taken, 1e-9))
    if encoder is base:
        best |= {name.removeprefix("minilm_"): value for name, value in best.items()}
    found = {name: round(value, 1) for name, value in best.items()}
    return {**found, "times_minilm": round(best["docs_cpu_s"] / best["minilm_docs_cpu_s"], 2)}


def measured(data: Data, folder: Path, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Figures of a corpus as an encoder reads it: cosine, the product's zero-shot, after the cycle."""
    bench = Bench(data, folder, seed, options.docs, options.threads)
    test = next(iter(data.tests))
    found: dict[str, float] = {}

    def keep(name: str, rank) -> None:
        figures = bench.figures(rank)[test]
        for metric in SHOWN:
            found[f"{name} {metric}"] = round(figures[metric], 4)
        found[f"{name} SE"] = round(figures["P@1_se"], 4)

    keep("cosine", lambda v, _: dense_topk(v, data.label_vectors, 10))
    texts = [d.full_text for d in bench.train]
    start = Tagger.zero_shot(data.labels, data.label_vectors, data.of(bench.train), texts, data.encoder_key)
    keep("zero-shot", lambda v, t: start.predict(v, t, 10))
    if options.rounds:
        cpu = time.process_time()
        report = run_cycle(bench.inputs, bench.teacher(f"{TEACHER},seed={seed}"), options.rounds)
        found["cycle CPU s"] = round(time.process_time() - cpu, 1)
        tagger = bench.tagger(report.run)
        student = replace(tagger, weights={"student": 1.0})
        keep("student", lambda v, t: _scored(student.predict(v, t, 10)))
        keep("cycle", lambda v, t: tagger.predict(v, t, 10))
    bench.journal.close()
    return found


def _scored(found: Scored) -> Scored:
    return Scored(found.label_idx, found.score)


def corpus(options: argparse.Namespace) -> Data:
    """Read the corpus; with `--dev` the documents that are measured on are of the training split."""
    n_pool = int(options.docs / 0.72 * 1.06) + 100  # reserve and held-out documents are extra
    if not options.dev:
        data = read(options.corpus, n_pool, options.test_docs, OUT)
        return replace(data, tests={"test": data.tests["seeded order"]})
    data = read(options.corpus, n_pool + options.test_docs, 1, OUT)
    return replace(data, pool=data.pool[:n_pool], tests={"dev": data.pool[n_pool:]})


def markdown(rows: Rows, systems: Sequence[str]) -> str:
    """Means over seeds."""
    columns = ["cosine P@1", "cosine R@10", "zero-shot P@1", "zero-shot R@10", "student P@1", "student R@10",
               "cycle P@1", "cycle R@10", "cycle SE"]  # fmt: skip
    lines = [
        "| encoder | seeds | "
        + " | ".join(columns)
        + " | docs / CPU s | x MiniLM | docs / s | training CPU s | MB |",
        "|---|---|" + "---|" * (len(columns) + 5),
    ]
    for system in systems:
        found = rows.of(system)
        if found:
            means = [f"{np.mean([r.get(c, np.nan) for r in found]):.3f}" for c in columns]
            cost = [
                f"{np.mean([float(r[c]) for r in found]):,.{digits}f}"
                for c, digits in (
                    ("docs_cpu_s", 0), ("times_minilm", 1), ("docs_s", 0), ("cpu_seconds", 0), ("mb", 0),
                )
            ]  # fmt: skip
            lines.append(f"| {system} | {len(found)} | " + " | ".join([*means, *cost]) + " |")
    return "\n".join(lines)


def write_zoo(rows: Rows, options: argparse.Namespace) -> None:
    """Write what was measured into the files of the zoo, in place of what they said of this corpus."""
    for entry in tried():
        found = rows.of(entry["name"])
        if not found or entry["name"] not in options.systems:
            continue
        names = [f"{stage} {metric}" for stage in ("zero-shot", "cycle") for metric in SHOWN]
        line: dict[str, object] = {"corpus": options.corpus}
        line |= {n: round(float(np.mean([r[n] for r in found])), 3) for n in names if n in found[0]}
        line["documents_per_second"] = round(float(np.mean([r["docs_cpu_s"] for r in found])))
        line["cpu_seconds"] = round(float(np.mean([r["cpu_seconds"] for r in found])))
        entry["steps"] = int(found[0]["steps"])
        entry["measured"] = [m for m in entry["measured"] if m["corpus"] != options.corpus] + [line]
        path = _ZOO / f"{entry['name']}.json"
        path.write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    options = arguments()
    kind = "dev" if options.dev else "test"
    said = {"steps": "of the zoo" if options.steps is None else options.steps}
    said |= {n: getattr(options, n) for n in ("corpus", "docs", "test_docs", "rounds", "threads", "dev")}
    out = options.out or OUT / f"assembly_{options.corpus}_{kind}.json"
    rows = Rows(out, said)
    entries = {entry["name"]: entry for entry in tried()}
    unknown = [x for x in options.systems if x not in entries]
    if unknown:
        sys.exit(f"Not in the zoo: {', '.join(unknown)}. There are: {', '.join(entries)}.")
    data = corpus(options)
    base = load_encoder(BASE, "cpu", cache_folder=OUT)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for seed in range(options.seeds):
        for name in options.systems:
            if rows.has(f"{name} {seed}"):
                continue
            work = OUT / "assembly" / f"{options.corpus}-{options.docs}-{options.steps}-{seed}" / name
            with tempfile.TemporaryDirectory() as folder, threadpool_limits(options.threads):
                (Path(folder) / "made").mkdir()
                (Path(folder) / "read").mkdir()
                bench = Bench(data, Path(folder) / "made", seed, options.docs, options.threads)
                path, facts = made(entries[name], base, bench, options, work)
                bench.journal.close()
                as_is = name == BASE
                encoder = base if as_is else load_encoder(path, "cpu", cache_folder=work)
                cache = EmbeddingCache(work / "vectors.db")
                own = data if as_is else read_with(data, encoder, cache)
                cache.close()
                figures = measured(own, Path(folder) / "read", seed, options)
            size = sum(p.numel() for p in encoder.model.parameters())
            pace = speed(encoder, base, next(iter(data.tests.values())))
            rows.add(f"{name} {seed}", {**facts, **figures, **pace, "mb": round(4 * size / 1e6, 1)})
    print(f"# {options.corpus}, {kind}: {options.docs} training documents, {options.test_docs} measured on\n")
    print(markdown(rows, list(entries)))
    print(f"\n{out} has every seed, and the machine.")
    if options.write_zoo:
        if options.dev:
            sys.exit("The zoo holds figures of the test split: leave --dev out with --write-zoo.")
        write_zoo(rows, options)


if __name__ == "__main__":
    main()
