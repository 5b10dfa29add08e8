"""How long a click of the review takes in a large workspace: `python benchmarks/review_speed.py`.

Needs LMTX_DATA (debtags): its texts, each under several ids with a word of its own, are judged by a
simulated teacher until there are a million judgments; a hundred thousand decisions follow, and a training.
The workspace is kept under benchmarks/out, and a copy of it is used. Times are of one process, in ms:
on the wall, and of the thread that answers, which another program on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import OUT, machine
from threadpoolctl import threadpool_limits

from lmtx.encoder import EmbeddingCache, embed_documents, encoder_key, load_encoder
from lmtx.review import NAMES
from lmtx.types import Decision, Document, Judgment, Label
from lmtx.workspace import Workspace
from lmtx.workspace.queues import queues_of

BUDGET_MS = 50.0
REVIEWERS = ("ann", "ben", "cat", "dan")
_CHUNK = 5000


def build(folder: Path, n_docs: int, n_judgments: int, n_decisions: int, n_texts: int) -> None:
    """Make the workspace: documents, vectors, judgments, decisions, one run."""
    root = os.environ.get("LMTX_DATA")
    if not root or not (Path(root) / "debtags").is_dir():
        sys.exit("Set LMTX_DATA to the folder that holds debtags/corpus.jsonl.gz and labels.jsonl.gz.")
    rows = {}
    for name in ("labels", "corpus"):
        with gzip.open(Path(root) / "debtags" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows[name] = [json.loads(line) for line in file]
    labels = [Label(r["id"], r["name"], r.get("description") or "") for r in rows["labels"]]
    base = texts(rows["corpus"], n_texts)
    documents = [
        Document(f"{d.id}-{i}", d.title, f"{d.text} Copy number{i}.")
        for i in range(n_docs)
        for d in [base[i % len(base)]]
    ]
    rng = np.random.default_rng(0)
    with Workspace.create(folder, "review speed") as workspace:
        workspace._parts._own_index = False
        journal, settings = workspace.journal, workspace.settings
        say("labels and documents")
        journal.put_labels(labels)
        for start in range(0, n_docs, _CHUNK):
            journal.put_documents(
                documents[start : start + _CHUNK], lambda d: settings.role_of(d.id, d.split)
            )
        say("vectors: those of the texts, a little moved for each copy")
        encoder, cache = load_encoder("minilm", "cpu", cache_folder=OUT), workspace._parts.cache
        key = encoder_key(settings.encoder)
        found = embed_documents(encoder, EmbeddingCache(OUT / "vectors-debtags.db"), base)
        for start in range(0, n_docs, _CHUNK):
            part = documents[start : start + _CHUNK]
            vectors = found[[i % len(base) for i in range(start, start + len(part))]]
            vectors = vectors + rng.normal(scale=0.01, size=vectors.shape).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            cache.put(key, [d.hash for d in part], vectors)
        workspace._parts.label_vectors(labels)
        say(f"{n_judgments:,} judgments")
        judge(workspace, documents, labels, base, n_judgments, rng)
        say(f"{n_decisions:,} decisions")
        decide(workspace, documents, labels, n_decisions, rng)
        say("training")
        run = workspace.train()
        journal.promote(run.id)


def texts(rows: list[dict[str, str]], n: int) -> list[Document]:
    """Documents of the corpus to make copies of: those that other benchmarks have encoded first."""
    documents = [
        Document(r["id"], r["title"], r["text"], "train", tuple(dict.fromkeys(r["labels"])))
        for r in rows
        if r["split"] == "train"
    ]
    cache = EmbeddingCache(OUT / "vectors-debtags.db")
    known = cache.get(encoder_key("minilm"), [d.hash for d in documents])[1]
    return [documents[int(i)] for i in np.argsort(~known, kind="stable")[:n]]


def judge(
    workspace: Workspace,
    documents: list[Document],
    labels: list[Label],
    base: list[Document],
    n: int,
    rng: np.random.Generator,
) -> None:
    """Judge the training and held-out documents: gold with noise, a tenth of them as many labels."""
    view = workspace.journal.corpus()
    asked = [i for i in range(len(documents)) if view.roles[i] in ("train", "held_out")]
    each = -(-n // len(asked))
    hashes = {x.id: x.hash for x in labels}
    ids = list(hashes)
    batch: list[Judgment] = []
    for i in asked:
        document = documents[i]
        gold = [x for x in base[i % len(base)].labels or () if x in hashes]
        others = [ids[int(j)] for j in rng.integers(0, len(ids), 2 * each)]
        shown = list(dict.fromkeys([*gold, *others]))[:each]
        for label_id in shown:
            right = (label_id in gold) != (rng.random() < 0.05)
            p = float(rng.beta(8, 2) if right else rng.beta(2, 8))
            verdict = "yes" if p > 0.5 else "no"
            batch.append(
                Judgment(document.id, label_id, verdict, p, "speed", document.hash, hashes[label_id])
            )
        if len(batch) > 2000:
            workspace.journal.append_judgments(batch)
            batch = []
    workspace.journal.append_judgments(batch)


def decide(
    workspace: Workspace, documents: list[Document], labels: list[Label], n: int, rng: np.random.Generator
) -> None:
    """Complete documents as reviewers do, until there are n decisions; some are skipped or undone."""
    journal = workspace.journal
    view = journal.corpus()
    open_ = [d.id for d, r in zip(documents, view.roles, strict=True) if r in ("train", "reserve")]
    made, batch = 0, []
    for i in rng.permutation(len(open_)):
        if made >= n:
            break
        document_id = open_[int(i)]
        row = view.roles[view.document_idx[document_id]]
        policy = "audit" if row == "reserve" else "default"
        reviewer = REVIEWERS[int(rng.integers(len(REVIEWERS)))]
        if rng.random() < 0.03:
            batch.append(Decision(document_id, None, "skip", reviewer, policy))
        else:
            step = f"b{document_id}"
            for j in rng.choice(len(labels), 9, replace=False):
                action = "accept" if rng.random() < 0.3 else "reject"
                batch.append(
                    Decision(document_id, labels[int(j)].id, action, reviewer, policy, None, "", step)
                )
            batch.append(Decision(document_id, None, "complete", reviewer, policy, None, "", step))
            made += 10
        if len(batch) > 1000:
            journal.append_decisions(batch)
            batch = []
    journal.append_decisions(batch)
    for _ in range(100):  # steps taken back, as in any history
        workspace.undo(REVIEWERS[0])


class Clock:
    """Times of what is done, by name."""

    def __init__(self, pause_s: float) -> None:
        self.pause_s = pause_s
        self.took: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def time(self, name: str, do: Callable[[], object]) -> object:
        """Do something, note how long it took, return what it gave."""
        start, cpu = time.perf_counter(), time.thread_time()
        found = do()
        self.took.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        self.cpu.setdefault(name, []).append(1000 * (time.thread_time() - cpu))
        time.sleep(self.pause_s)
        return found


def clicks(workspace: Workspace, clock: Clock, n: int, prefix: str = "") -> None:
    """Review as a person does, through the facade, n steps of each kind."""
    who = "eve"
    workspace._parts.encoder().load()  # as in the app: sentences of what comes next are encoded beside
    for policy in NAMES:
        workspace.prepare_queue(policy, "document")
        workspace.prepare_queue(policy, "pair")
    queues_of(workspace._parts).settle(600)
    for policy in NAMES:
        passed: list[str] = []
        pairs: list[tuple[str, str]] = []
        for _ in range(n):
            found = clock.time(
                f"{prefix}next document, {policy}",
                lambda p=policy, a=passed: workspace.next_documents(p, who, after=a),
            )
            if found:
                passed.append(found[0].document.id)  # type: ignore[index]
            found = clock.time(
                f"{prefix}next pair, {policy}",
                lambda p=policy, a=pairs: workspace.next_pairs(p, who, after=a),
            )
            if found:
                item = found[0]  # type: ignore[index]
                pairs.append((item.document.id, item.candidate.label_id))
    work(workspace, clock, n, prefix)


def work(workspace: Workspace, clock: Clock, n: int, prefix: str = "") -> None:
    """Decide, and look at what comes next after each decision."""
    who = "eve"
    for _ in range(n):
        item = clock.time(
            f"{prefix}next document after a decision", lambda: workspace.next_documents("default", who)
        )[0]  # type: ignore[index]
        shown = [c.label_id for c in item.candidates]
        first = Decision(item.document.id, shown[0], "accept", who, policy=item.policy)
        clock.time(f"{prefix}decide (a toggle)", lambda d=first: workspace.decide([d]))
        clock.time(f"{prefix}toggles read again", lambda d=item.document.id: workspace.journal.pair_states(d))
        clock.time(
            f"{prefix}complete a document",
            lambda i=item, s=shown: workspace.complete(
                i.document.id, who, s[:2], s[2:9], i.policy, i.inclusion_probability
            ),
        )
        pair = clock.time(
            f"{prefix}next pair after a decision", lambda: workspace.next_pairs("default", who)
        )[0]  # type: ignore[index]
        said = Decision(pair.document.id, pair.candidate.label_id, "reject", who, policy=pair.policy)
        clock.time(f"{prefix}decide a pair", lambda d=said: workspace.decide([d]))
        clock.time(f"{prefix}figures of the day", lambda: workspace.review_stats(who))
    for _ in range(n):
        clock.time(f"{prefix}undo a step", lambda: workspace.undo(who))


def by_label(workspace: Workspace, clock: Clock, n: int) -> None:
    """Label mode: pages of a label, and a batch of 500 accepted and taken back."""
    who = "eve"
    labels = clock.time("labels to review, 50", lambda: workspace.labels_to_review(50))
    assert isinstance(labels, list)
    for i in range(n):
        label = labels[i % len(labels)][0].id
        page = clock.time("label batch, a page of 20", lambda x=label, p=i % 5: workspace.label_batch(x, p))
        rows = page.rows  # type: ignore[attr-defined]
        if i < 5 and rows:
            clock.time(
                "label batch like one, a page of 20",
                lambda x=label, d=rows[0].document_id: workspace.label_batch(x, like=d),
            )
    label = labels[0][0].id
    ids = [row[0] for row in workspace.journal.undecided_documents(label, 0, 500)]
    for _ in range(3):
        batch = clock.time("bulk of 500: propose", lambda: workspace.bulk(label, ids, "accept"))
        for x in batch.check:  # type: ignore[attr-defined]
            workspace.decide([Decision(x, label, "accept", who, "spot-check", None, batch.id)])  # type: ignore[attr-defined]
        clock.time("bulk of 500: apply", lambda b=batch: workspace.apply_bulk(b, who))
        clock.time("next document after bulk", lambda: workspace.next_documents("default", who))
        clock.time("bulk of 500: undo", lambda: workspace.undo(who))
        clock.time("next document after that undo", lambda: workspace.next_documents("default", who))
        for _ in batch.check:  # type: ignore[attr-defined]
            workspace.undo(who)


def opened(folder: Path, clock: Clock) -> None:
    """The first clicks after the workspace is opened, and how long a pool takes."""
    with Workspace.open(folder, own_index=False) as workspace:
        clock.time("open, first document", lambda: workspace.next_documents("uncertain", "eve"))
        clock.time("second click, its pool being made", lambda: workspace.next_documents("uncertain", "eve"))
        for _ in range(30):
            clock.time(
                "next document while a pool is made", lambda: workspace.next_documents("uncertain", "eve")
            )
        start = time.perf_counter()
        queues_of(workspace._parts).settle(600)
        clock.took["pool of 1,000 documents, in the background"] = [1000 * (time.perf_counter() - start)]


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=50_000)
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=6000, help="different texts, which are encoded")
    parser.add_argument("--clicks", type=int, default=50, help="of each kind")
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between clicks; people take 2")
    parser.add_argument("--again", action="store_true", help="build the workspace anew")
    options = parser.parse_args()
    folder = OUT / f"review-speed-{options.docs}-{options.judgments}-{options.decisions}"
    if options.again:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "workspace.json").exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        build(part, options.docs, options.judgments, options.decisions, options.texts)
        part.rename(folder)
    clock = Clock(options.pause)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as copies:
        # In a copy: what is decided and taken back here stays in the record.
        folder = Path(shutil.copytree(folder, Path(copies) / "workspace"))
        say("opening")
        opened(folder, clock)
        with Workspace.open(folder, own_index=False) as workspace:
            counts = workspace.journal.counts()
            say("clicks")
            clicks(workspace, clock, options.clicks)
            say("by label")
            by_label(workspace, clock, min(20, options.clicks))
            say("clicks while a training runs")
            quiet = {k: list(v) for k, v in clock.took.items()}
            job = workspace.start_job("train")
            time.sleep(5)
            rounds = 0
            while workspace.job(job).active and rounds < 10:
                work(workspace, clock, 10, "while training: ")
                rounds += 1
            still = workspace.job(job).active
            workspace.cancel_job(job)
            while workspace.job(job).active:
                time.sleep(0.5)
    rows = table(clock, quiet)
    facts = {
        "machine": machine(),
        "load": os.getloadavg(),
        "counts": counts,
        "training_ran_throughout": still,
        "rows": rows,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "review_speed.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    shown = ", ".join(
        f"{n:,} {name}"
        for name, n in counts.items()
        if name in ("documents", "labels", "judgments", "decisions", "completed")
    )
    print(f"# Clicks of the review: {shown}; load {os.getloadavg()[0]:.1f}\n")
    print("| what | n | median ms | p95 ms | p95 CPU ms | p95 <= 50 | while training, ratio of medians |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        fits = "" if row["budget"] is None else "yes" if row["p95"] <= BUDGET_MS else "no"  # type: ignore[operator]
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        figures = " | ".join(f"{row[name]:.1f}" for name in ("median", "p95", "cpu_p95"))
        print(f"| {row['what']} | {row['n']} | {figures} | {fits} | {ratio} |")


_CLICKS = ("next ", "decide", "toggles", "complete", "undo", "figures", "label batch, ")


def table(clock: Clock, quiet: dict[str, list[float]]) -> list[dict[str, object]]:
    """Medians and 95th percentiles, with the ratio to what was done while nothing else ran."""
    rows: list[dict[str, object]] = []
    for what, took in clock.took.items():
        alone = quiet.get(what.removeprefix("while training: ")) if what.startswith("while") else None
        rows.append(
            {
                "what": what,
                "n": len(took),
                "median": float(np.median(took)),
                "p95": float(np.quantile(took, 0.95)),
                "cpu_p95": float(np.quantile(clock.cpu.get(what, took), 0.95)),
                "budget": BUDGET_MS if what.removeprefix("while training: ").startswith(_CLICKS) else None,
                "ratio": None if alone is None else float(np.median(took) / np.median(alone)),
            }
        )
    return rows


if __name__ == "__main__":
    main()
