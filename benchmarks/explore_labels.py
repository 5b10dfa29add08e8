"""How long the label space and the gaps take in a large workspace: `benchmarks/explore_labels.py`.

Needs no corpus: 100,000 documents and 5,000 labels in a hierarchy are made up, with vectors about their
labels, twenty ranked labels a document, and a teacher's verdicts on 20 labels of each of 5,000 documents. The
workspace is made in a temporary folder. Times are of one process with one thread, in ms: on the wall, and of
the thread that answers, which another program on the machine does not lengthen. "first" is in a process that
has just opened the workspace and read its corpus and tags; "again" is what a click costs from then on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from common import OUT, machine
from threadpoolctl import threadpool_limits

from lmtx.encoder import encoder_key, label_hashes
from lmtx.types import Document, FloatArray, IntArray, Judgment, Label
from lmtx.workspace import Workspace, rankings, systems

BUDGET_NEXT_MS = 300.0
DIM = 384
_CHUNK = 5000

T = TypeVar("T")


def build(folder: Path, n_docs: int, n_labels: int, n_judged: int) -> None:
    """Make up the workspace: texts, vectors, the ranking of what has learned nothing, verdicts."""
    rng = np.random.default_rng(0)
    say(f"{n_docs:,} documents and {n_labels:,} labels")
    words = np.array([f"{a}{b}" for a in "bcdfglmnprst" for b in ("ando", "elio", "irma", "ovic", "ulen")])
    labels = [
        Label(
            f"L{i}",
            f"{words[i % 60].title()} {words[i // 60 % 60]} {i // 3600 or ''}".strip(),
            " ".join(rng.choice(words, 12)),
            (),
            (f"L{i // 10}",) if i >= 10 else (),
        )
        for i in range(n_labels)
    ]
    label_vectors = unit(rng.standard_normal((n_labels, DIM)).astype(np.float32))
    popular = 1 / np.arange(1, n_labels + 1) ** 0.7
    near = np.argsort(-(label_vectors @ label_vectors.T), axis=1)[:, :40].astype(np.int32)
    topic = rng.permutation(n_labels)[rng.choice(n_labels, n_docs, p=popular / popular.sum())]
    label_idx = ranked(rng, topic, near)
    score = np.sort(rng.gamma(2.0, 1.0, label_idx.shape).astype(np.float32), axis=1)[:, ::-1]
    with Workspace.create(folder, "label space") as workspace:
        workspace._parts._own_index = False
        journal, settings, cache = workspace.journal, workspace.settings, workspace._parts.cache
        key = encoder_key(settings.encoder)
        journal.put_labels(labels)
        cache.put(key, label_hashes(labels), label_vectors)
        for start in range(0, n_docs, _CHUNK):
            rows = range(start, min(n_docs, start + _CHUNK))
            documents = [
                Document(
                    f"D{i}", f"{labels[topic[i]].name} {i}", f"{labels[topic[i]].description} "
                    + " ".join(rng.choice(words, 40)),
                )
                for i in rows
            ]  # fmt: skip
            journal.put_documents(documents, lambda d: settings.role_of(d.id, d.split))
            noise = rng.standard_normal((len(documents), DIM)).astype(np.float32) / np.sqrt(DIM)
            cache.put(key, [d.hash for d in documents], unit(label_vectors[topic[rows]] + 1.2 * noise))
        say(f"{n_judged:,} judged documents")
        view = journal.corpus()
        hashes = [x.hash for x in view.labels]
        for start in range(0, n_judged, 500):
            judged = []
            for i in range(start, min(n_judged, start + 500)):
                yes = rng.random(label_idx.shape[1]) < np.linspace(0.7, 0.02, label_idx.shape[1])
                judged += [
                    Judgment(f"D{i}", f"L{x}", "yes" if y else "no", 0.9 if y else 0.1, "made-up",
                             view.documents[i].hash, hashes[x])
                    for x, y in zip(label_idx[i].tolist(), yes.tolist(), strict=True)
                ]  # fmt: skip
            journal.append_judgments(judged)
        which = systems.system(workspace._parts, "tagger")
        row = {d.hash: i for i, d in enumerate(view.documents)}
        kept = rankings.Ranking(tuple(x.id for x in view.labels), row, label_idx, score, None, None)
        rankings._write(rankings._path(workspace._parts, which), kept)


def ranked(rng: np.random.Generator, topic: IntArray, near: IntArray) -> IntArray:
    """Twenty labels of each document: its own, and some that are near in meaning; int32 (n_docs, 20)."""
    out = np.empty((len(topic), rankings.DEPTH), dtype=np.int32)
    for start in range(0, len(topic), _CHUNK):
        of = topic[start : start + _CHUNK]
        order = np.argsort(rng.random((len(of), near.shape[1])) + np.linspace(0, 1, near.shape[1]), axis=1)
        out[start : start + len(of)] = np.take_along_axis(near[of], order[:, : rankings.DEPTH], axis=1)
    return out


def unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(folder: Path) -> tuple[dict[str, tuple[float, float]], dict[str, object]]:
    """Times of what the screens ask for, first and again."""
    took: dict[str, tuple[float, float]] = {}

    def timed(name: str, ask: Callable[[], T]) -> T:
        start, own = time.perf_counter(), time.thread_time()
        found = ask()
        took[name] = 1000 * (time.perf_counter() - start), 1000 * (time.thread_time() - own)
        return found

    with Workspace.open(folder, own_index=False) as w:
        timed("corpus, once per process", w.journal.corpus)
        timed("corpus_tags, once per process", w.corpus_tags)
        label_id = w.journal.corpus().labels[0].id
        asks: dict[str, Callable[[], object]] = {
            "label_space": w.label_space,
            "label_tree": w.label_tree,
            "unused_labels": w.unused_labels,
            "greedy_labels": w.greedy_labels,
            "labels_together": w.labels_together,
            "labels_together, one label": partial(w.labels_together, label_id),
            "pairs_together": w.pairs_together,
            "similar_labels": w.similar_labels,
            "gaps": w.gaps,
        }
        for name, ask in asks.items():
            timed(f"{name}, first", ask)
            timed(f"{name}, again", ask)
        space, gaps = w.label_space(), w.gaps()
        assert gaps is not None
        facts: dict[str, object] = {
            "documents": space.n_documents,
            "labels": len(space.labels),
            "tags": space.n_given,
            "judged_documents": space.n_judged,
            "similar_pairs": len(w.similar_labels()),
            "gap_documents": len(gaps),
        }
    return took, facts


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=5000)
    parser.add_argument("--judged", type=int, default=5000, help="documents that a teacher judged")
    options = parser.parse_args()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        build(path, options.documents, options.labels, options.judged)
        took, facts = measure(path)
    print(", ".join(f"{name} {value:,}" for name, value in facts.items()))
    print(f"{'':40}{'ms':>10}{'own ms':>10}")
    for name, (wall, own) in took.items():
        print(f"{name:40}{wall:10.0f}{own:10.0f}")
    again = max(wall for name, (wall, _) in took.items() if name.endswith("again"))
    print(f"a click within {BUDGET_NEXT_MS:.0f} ms: {'yes' if again <= BUDGET_NEXT_MS else 'no'}")
    OUT.mkdir(exist_ok=True)
    body = {"machine": machine(), "load": os.getloadavg(), **facts, "ms": took}
    (OUT / "explore_labels.json").write_text(json.dumps(body, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
