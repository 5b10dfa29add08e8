"""Which settings of the adapter: `LMTX_DATA=... python benchmarks/adapter_search.py [--only SETTING ...]`.

A teacher, simulated with independent errors or with errors systematic by label, judges in a cycle of two
rounds, and a simulated person decides on the judged pairs of the first documents. The adapter is trained on
that with one setting changed at a time, and measured, alone and in the blend with its fixed weights,

held-out
    on the judged held-out documents of the cycle, ranking their judged labels
train
    on documents of split train that took no part, by gold, ranking all labels

A figure is the mean of P@1, nDCG@5 and R@10 in percent; differences to the default are paired over
documents, with their standard error. Split test is read with `--on test` alone, to report what was chosen.
What was measured is kept in benchmarks/out/adapter-search and not measured again; a setting takes one to five
seconds of a core for each of the eight combinations of corpus, teacher and seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import OUT, Bench, Data, gold_matrix, read
from threadpoolctl import threadpool_limits

from lmtx.cycle import run_cycle, training_set
from lmtx.encoder import EmbeddingCache, embed_labels, load_encoder
from lmtx.shortlist import row_standardised
from lmtx.student import Adapter, AdapterConfig
from lmtx.tagger import FIXED_WEIGHTS, HeldOut, Tagger, TrainingInputs
from lmtx.tagger.fitting import judged_candidates
from lmtx.types import Document, FloatArray, Pairs

KEPT = OUT / "adapter-search"
ROUNDS = 2
DECIDED = 100
TEACHERS = {
    "simulated": "simulated:recall=0.85,noise=0.05,seed={seed}",
    "biased": "simulated:recall=0.85,noise=0.05,seed={seed},bias=label",
}
BLEND = FIXED_WEIGHTS["teacher"]
PARTS = tuple(sorted({*BLEND, *FIXED_WEIGHTS["none"]}))
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "scale 0.04": {"cosine_scale": 0.04},
    "scale 0.1": {"cosine_scale": 0.1},
    "offset 0.2": {"cosine_offset": 0.2},
    "offset 0.5": {"cosine_offset": 0.5},
    "unjudged 0.3": {"unjudged_weight": 0.3},
    "unjudged 0": {"unjudged_weight": 0.0},
    "yes weight 2": {"yes_weight": 2.0},
    "yes weight 0.5": {"yes_weight": 0.5},
    "decision weight 1": {"decision_weight": 1.0},
    "decision weight 10": {"decision_weight": 10.0},
    "smoothing 0.05": {"smoothing": 0.05},
    "soft targets": {"soft": 0.5},
    "epochs 3": {"epochs": 3},
    "epochs 8": {"epochs": 8},
    "epochs 20": {"epochs": 20},
    "batch 32": {"batch": 32},
    "lr 1e-3": {"lr": 1e-3},
    "lr 4e-3": {"lr": 4e-3},
    "label dropout 0.3": {"label_dropout": 0.3},
    "map decay 0.01": {"map_decay": 0.01},
    "map decay 0.1": {"map_decay": 0.1},
    "label names alone": {"names": True},
    "zero-shot 0.1": {"zero_shot": 0.1},
    "zero-shot 0.25": {"zero_shot": 0.25},
}
"""Fields of `AdapterConfig`; beside them "soft" (targets moved that far to the probability by a ridge that
has not seen the document), "names" (labels encoded without descriptions) and "zero_shot" (share of the
zero-shot ranking that is added to the student alone)."""


@dataclass
class Cell:
    """What one cycle left.

    inputs, tagger : trained on it; the tagger's own student is not used
    vectors, gold : of the documents measured on
    z : part -> standardised scores, float32 (n_docs, n_labels)
    """

    inputs: TrainingInputs
    tagger: Tagger
    vectors: FloatArray
    gold: FloatArray
    z: dict[str, FloatArray]


def main() -> None:
    options = arguments()
    n_pool = pool_size(options.docs)
    with threadpool_limits(1):
        for corpus in options.corpora:
            data = read(corpus, n_pool + options.outside, 1500, OUT)
            for seed in range(options.seeds):
                for teacher in options.teachers:
                    measure(data, teacher, seed, options)
    report(options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Settings of the adapter, one at a time. Needs LMTX_DATA.")
    parser.add_argument("--corpora", nargs="*", default=["debtags", "congress"])
    parser.add_argument("--teachers", nargs="*", default=list(TEACHERS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--docs", type=int, default=2000, help="documents of role train that are judged")
    parser.add_argument("--few", type=int, default=0, help="train on this many of them alone")
    parser.add_argument("--outside", type=int, default=1000, help="documents measured on")
    parser.add_argument("--on", choices=["train", "test"], default="train")
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    return parser.parse_args()


def pool_size(docs: int) -> int:
    """Documents of split train that hold so many of role train; those after them take no part."""
    return int(docs / 0.72 * 1.06) + 100


def measure(data: Data, teacher: str, seed: int, options: argparse.Namespace) -> None:
    todo = [x for x in options.only if not path_of(data.name, teacher, seed, x, options).is_file()]
    if not todo:
        return
    cell = cell_of(data, teacher, seed, options)
    for setting in todo:
        start = time.process_time()
        found = figures(data, cell, dict(SETTINGS[setting]))
        path = path_of(data.name, teacher, seed, setting, options)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **found)
        part.rename(path)
        shown = ", ".join(f"{name} {100 * values.mean():.2f}" for name, values in found.items())
        cpu = time.process_time() - start
        print(f"{path.stem}: {shown} ({cpu:.1f} s)", file=sys.stderr, flush=True)


def path_of(corpus: str, teacher: str, seed: int, setting: str, options: argparse.Namespace) -> Path:
    size = f"{options.docs}-{options.few or options.docs}-{options.on}"
    return KEPT / f"{corpus}-{size}-{teacher}-{seed}-{setting.replace(' ', '_')}.npz"


def verdicts(
    data: Data, teacher: str, seed: int, docs: int
) -> tuple[list[Document], list[Document], Pairs, Pairs]:
    """Train and held-out documents of a cycle, and what the teacher said of them; kept."""
    path = KEPT / f"{data.name}-{docs}-{teacher}-{seed}.npz"
    if not path.is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(data, Path(folder), seed, docs, 1)
            # Three epochs: its students only make shortlists.
            run_cycle(bench.inputs, bench.teacher(TEACHERS[teacher].format(seed=seed)), ROUNDS, epochs=3)
            view = bench.journal.corpus()
            training = training_set(bench.journal, view)
            column = np.array([bench.column[x.id] for x in view.labels], dtype=np.int32)
            arrays: dict[str, Any] = {
                "train": np.array([d.id for d in training.documents()]),
                "held": np.array([view.documents[int(i)].id for i in training.held_out_rows]),
            }
            for what, pairs in (("train", training.pairs), ("held", training.held_out_pairs)):
                arrays[f"{what}_document"] = pairs.document_idx
                arrays[f"{what}_label"] = column[pairs.label_idx]
                arrays[f"{what}_target"] = pairs.target
            bench.journal.close()
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
        part.rename(path)
    by_id = {d.id: d for d in data.pool}
    with np.load(path) as found:
        said = [
            Pairs(*(found[f"{what}_{name}"] for name in ("document", "label", "target")), ones(what, found))
            for what in ("train", "held")
        ]
        return [by_id[x] for x in found["train"]], [by_id[x] for x in found["held"]], said[0], said[1]


def ones(what: str, found: Any) -> FloatArray:
    return np.ones(len(found[f"{what}_label"]), dtype=np.float32)


def select(pairs: Pairs, keep: np.ndarray) -> Pairs:
    return Pairs(pairs.document_idx[keep], pairs.label_idx[keep], pairs.target[keep], pairs.weight[keep])


def cell_of(data: Data, teacher: str, seed: int, options: argparse.Namespace) -> Cell:
    train, held, pairs, held_pairs = verdicts(data, teacher, seed, options.docs)
    if options.few:
        train, pairs = train[: options.few], select(pairs, pairs.document_idx < options.few)
    decided = pairs.document_idx < DECIDED
    column = {x.id: i for i, x in enumerate(data.labels)}
    right = np.asarray(gold_matrix(train, column)[pairs.document_idx, pairs.label_idx]).ravel()
    target = np.where(decided, right, pairs.target).astype(np.float32)
    weight = np.where(decided, AdapterConfig().decision_weight, 1).astype(np.float32)
    inputs = TrainingInputs(
        labels=data.labels,
        label_vectors=data.label_vectors,
        texts=[d.full_text for d in train],
        doc_vectors=data.of(train),
        pairs=replace(pairs, target=target, weight=weight),
        teacher="teacher",
        held_out=HeldOut([d.full_text for d in held], data.of(held), held_pairs),
        student_config=AdapterConfig(seed=seed, threads=1, epochs=1),
        encoder_key=data.encoder_key,
        seed=seed,
    )
    tagger = Tagger.fit(inputs)
    documents = measured_on(data, options)
    vectors, texts = data.of(documents), [d.full_text for d in documents]
    z = {part: scores(replace(tagger, weights={part: 1.0}), vectors, texts) for part in PARTS}
    return Cell(inputs, tagger, vectors, gold_matrix(documents, column).toarray().astype(np.float32), z)


def measured_on(data: Data, options: argparse.Namespace) -> list[Document]:
    if options.on == "test":
        return data.tests["seeded order"]
    n_pool = pool_size(options.docs)
    return data.pool[n_pool : n_pool + options.outside]


def scores(tagger: Tagger, vectors: FloatArray, texts: list[str]) -> FloatArray:
    return np.concatenate([part for _, part in tagger.scores(vectors, texts)])


_names: dict[str, FloatArray] = {}


def names_of(data: Data) -> FloatArray:
    """Vectors of the labels without their descriptions."""
    if data.name not in _names:
        cache = EmbeddingCache(OUT / f"vectors-{data.name}.db")
        encoder = load_encoder("minilm", cache_folder=OUT)
        _names[data.name] = embed_labels(encoder, cache, data.labels, with_description=False)
        cache.close()
    return _names[data.name]


def figures(data: Data, cell: Cell, changes: dict[str, Any]) -> dict[str, np.ndarray]:
    """P@1, nDCG@5 and R@10 of each document, by where it is measured."""
    labels = names_of(data) if changes.pop("names", False) else data.label_vectors
    soft, share = changes.pop("soft", 0.0), changes.pop("zero_shot", 0.0)
    pairs = cell.inputs.pairs
    if soft:
        found = cell.tagger.findings
        target = pairs.target.copy()
        target[found.pairs] += soft * (found.left_out - target[found.pairs])
        pairs = replace(pairs, target=target)
    config = AdapterConfig(**{"seed": cell.inputs.seed, "threads": 1, **changes})
    default = AdapterConfig().decision_weight
    weight = np.where(pairs.weight == default, np.float32(config.decision_weight), pairs.weight)
    student = Adapter.fit(
        cell.inputs.doc_vectors,
        labels,
        replace(pairs, weight=weight),
        config=config,
        label_ids=[x.id for x in data.labels],
        encoder_key=data.encoder_key,
    )
    alone = {p: w * share for p, w in FIXED_WEIGHTS["none"].items()} | {"student": 1 - share}
    z = dict(cell.z)
    z["student"] = row_standardised(
        student.project_documents(cell.vectors) @ student.project_labels(labels).T
    )
    held = judged_candidates(
        replace(cell.tagger, student=student, label_vectors=labels), cell.inputs.held_out, PARTS
    )
    n_gold = np.maximum(cell.gold.sum(axis=1), 1)
    out = {}
    for suffix, weights in (("", alone), (", blend", BLEND)):
        score = held.z @ np.array([weights.get(p, 0.0) for p in PARTS], dtype=np.float32)
        score[~held.known] = -np.inf
        out[f"held-out{suffix}"] = quality(score, held.wanted, held.n_wanted)
        out[f"measured{suffix}"] = quality(sum(w * z[p] for p, w in weights.items()), cell.gold, n_gold)
    return out


def quality(score: FloatArray, wanted: FloatArray, n_wanted: FloatArray) -> FloatArray:
    """P@1, nDCG@5 and R@10 of each document, float32 (n_docs, 3)."""
    k = min(10, score.shape[1])
    top = np.argpartition(-score, k - 1, axis=1)[:, :k]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(score, top, 1), axis=1, kind="stable"), 1)
    hit = np.take_along_axis(wanted, top, axis=1)
    discount = 1 / np.log2(np.arange(2, 7))
    ideal = np.concatenate([[0], discount.cumsum()])[np.minimum(n_wanted.astype(int), 5)]
    ndcg = (hit[:, :5] * discount[: hit[:, :5].shape[1]]).sum(axis=1) / np.maximum(ideal, 1e-9)
    return np.stack([hit[:, 0], ndcg, hit.sum(axis=1) / np.maximum(n_wanted, 1)], axis=1).astype(np.float32)


def report(options: argparse.Namespace) -> None:
    """Print the default's figures and the differences to it."""
    where = ("held-out", "held-out, blend", "measured", "measured, blend")
    shown = [x.replace("measured", options.on) for x in where]
    for corpus in options.corpora:
        size, teachers = options.few or options.docs, " and ".join(options.teachers)
        print(f"\n## {corpus}: {size} documents, {teachers}, {options.seeds} seeds\n")
        print("| setting | " + " | ".join(shown) + " |\n" + "|---" * (1 + len(where)) + "|")
        cells = [(t, s) for t in options.teachers for s in range(options.seeds)]
        base = [read_kept(corpus, t, s, "default", options) for t, s in cells]
        for setting in options.only:
            found = [read_kept(corpus, t, s, setting, options) for t, s in cells]
            both = [(x, y) for x, y in zip(found, base, strict=True) if x and y]
            if both:
                line = [difference(both, x, setting == "default") for x in where]
                print(f"| {setting} | " + " | ".join(line) + " |")


def read_kept(
    corpus: str, teacher: str, seed: int, setting: str, options: argparse.Namespace
) -> dict[str, np.ndarray]:
    path = path_of(corpus, teacher, seed, setting, options)
    if not path.is_file():
        return {}
    with np.load(path) as found:
        return {name: found[name].mean(axis=1) for name in found.files}


def difference(
    both: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]], where: str, level: bool
) -> str:
    if level:
        return f"{100 * np.concatenate([x[where] for x, _ in both]).mean():.2f}"
    gain = 100 * np.concatenate([x[where] - y[where] for x, y in both])
    return f"{gain.mean():+.2f} ± {gain.std() / np.sqrt(len(gain)):.2f}"


if __name__ == "__main__":
    main()
