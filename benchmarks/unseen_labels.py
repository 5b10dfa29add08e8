"""Labels that no training has seen: `LMTX_DATA=... python benchmarks/unseen_labels.py [--on test]`.

A fifth of the labels is hidden from the training, by a hash of their ids: neither their pairs nor they
themselves are there. Then they are added, as a label is that is imported after a training. Rankings of the
documents that want one of them:

restricted
    the hidden labels alone are ranked: P@1, nDCG@5, R@10 over wanted hidden labels
among all
    all labels are ranked: R@10 over wanted hidden labels
all labels
    all labels are ranked, all wanted labels count, on all documents: P@1, nDCG@5, R@10

"at its old weights" is the tagger as it would be if the new labels just had no examples: for them a large
part of the blend's weight says nothing. "zero-shot share" is `lmtx.tagger.growing.ZERO_SHOT_SHARE`. Measured
on documents of split train that took no part; with `--on test` on those of split test, with the share chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from unittest import mock

import numpy as np
from adapter_search import TEACHERS, measured_on, pool_size, quality, scores, select, verdicts
from common import OUT, Data, gold_matrix, machine, read
from threadpoolctl import threadpool_limits

from lmtx.student import AdapterConfig
from lmtx.tagger import Tagger, TrainingInputs, growing
from lmtx.tagger.growing import with_labels
from lmtx.types import unit_hash

HIDDEN = 0.2
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = ("restricted P@1", "nDCG@5", "R@10", "among all R@10", "all labels P@1", "nDCG@5 ", "R@10 ")


def main() -> None:
    parser = argparse.ArgumentParser(description="Labels that no training has seen. Needs LMTX_DATA.")
    parser.add_argument("--corpora", nargs="*", default=["debtags", "congress"])
    parser.add_argument("--teachers", nargs="*", default=list(TEACHERS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--docs", type=int, default=2000)
    parser.add_argument("--outside", type=int, default=1000)
    parser.add_argument("--on", choices=["train", "test"], default="train")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="fields of AdapterConfig")
    options = parser.parse_args()
    changes = {name: json.loads(value) for name, _, value in (x.partition("=") for x in options.set)}
    rows = []
    with threadpool_limits(1):
        for corpus in options.corpora:
            data = read(corpus, pool_size(options.docs) + options.outside, 1500, OUT)
            for teacher in options.teachers:
                found = [measure(data, teacher, seed, options, changes) for seed in range(options.seeds)]
                show(corpus, teacher, found)
                rows += [{"corpus": corpus, "teacher": teacher, "seed": s, **x} for s, x in enumerate(found)]
    out = OUT / f"unseen_labels-{options.on}.json"
    facts = {"options": {k: str(v) for k, v in vars(options).items()}, "machine": machine(), "rows": rows}
    out.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    print(f"\n{out} has every seed.")


def measure(
    data: Data, teacher: str, seed: int, options: argparse.Namespace, changes: dict[str, object]
) -> dict[str, list[float]]:
    hidden = np.array([unit_hash(str(seed), "hidden", x.id) < HIDDEN for x in data.labels])
    train, _, pairs, _ = verdicts(data, teacher, seed, options.docs)
    known = np.flatnonzero(~hidden)
    pairs = select(pairs, ~hidden[pairs.label_idx])
    pairs = replace(pairs, label_idx=np.searchsorted(known, pairs.label_idx).astype(np.int32))
    trained = Tagger.fit(
        TrainingInputs(
            labels=[data.labels[i] for i in known],
            label_vectors=data.label_vectors[known],
            texts=[d.full_text for d in train],
            doc_vectors=data.of(train),
            pairs=pairs,
            teacher="teacher",
            student_config=AdapterConfig(**{"seed": seed, "threads": 1, **changes}),
            encoder_key=data.encoder_key,
            seed=seed,
        )
    )
    tagger = with_labels(trained, data.labels, data.label_vectors)
    texts = [d.full_text for d in train]
    start = Tagger.zero_shot(data.labels, data.label_vectors, data.of(train), texts, data.encoder_key)
    shares = SHARES if options.on == "train" else (growing.ZERO_SHOT_SHARE,)
    systems = {
        "dense": replace(start, weights={"dense": 1.0}),
        "zero-shot of the product": start,
        "student": replace(tagger, weights={"student": 1.0}),
        "tagger, at its old weights": replace(tagger, n_new=0),
        **{f"tagger, zero-shot share {x:g}": tagger for x in shares},
    }
    documents = measured_on(data, options)
    vectors, texts = data.of(documents), [d.full_text for d in documents]
    found = {}
    for name, system in systems.items():
        gold = gold_matrix(documents, {x: i for i, x in enumerate(system.label_ids)}).toarray()
        gold = gold.astype(np.float32)
        ids = {data.labels[i].id for i in np.flatnonzero(hidden)}
        new = np.array([x in ids for x in system.label_ids])
        share = float(name.rpartition(" ")[2]) if "share" in name else growing.ZERO_SHOT_SHARE
        with mock.patch.object(growing, "ZERO_SHOT_SHARE", share):
            found[name] = figures(scores(system, vectors, texts), gold, new)
        print(f"{data.name} {teacher} {seed} {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def figures(score: np.ndarray, gold: np.ndarray, new: np.ndarray) -> list[float]:
    has = gold[:, new].sum(axis=1) > 0
    n_new = gold[has][:, new].sum(axis=1)
    restricted = quality(score[has][:, new], gold[has][:, new], n_new).mean(axis=0)
    among = quality(score[has], gold[has] * new, n_new).mean(axis=0)
    wanted = gold.sum(axis=1) > 0
    everything = quality(score[wanted], gold[wanted], gold[wanted].sum(axis=1)).mean(axis=0)
    return [round(float(x), 4) for x in (*restricted, among[2], *everything)]


def show(corpus: str, teacher: str, found: list[dict[str, list[float]]]) -> None:
    print(f"\n## {corpus}, {teacher}: a fifth of the labels hidden, means of {len(found)} seeds\n")
    print("| system | " + " | ".join(SHOWN) + " |\n" + "|---" * (1 + len(SHOWN)) + "|")
    for system in found[0]:
        mean = np.mean([x[system] for x in found], axis=0)
        print(f"| {system} | " + " | ".join(f"{100 * x:.1f}" for x in mean) + " |")


if __name__ == "__main__":
    main()
