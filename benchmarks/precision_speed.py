"""How long the figures of the Precision screen take in a large workspace: `benchmarks/precision_speed.py`.

Needs LMTX_DATA (congress, 4,252 labels). A person who answers from gold completes training documents, two
runs are trained on them, and the audit of each is answered until there are 20,000 audit decisions. The
workspace is kept under benchmarks/out. Times are of one process, in ms: on the wall, and of the thread that
answers, which another program on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from common import OUT, machine
from threadpoolctl import threadpool_limits

from lmtx.encoder import EmbeddingCache, encoder_key
from lmtx.types import Decision, Document, Label
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Cut
from lmtx.workspace.queues import queues_of

BUDGET_FIRST_MS, BUDGET_NEXT_MS = 2000.0, 300.0
_CHUNK = 2000

T = TypeVar("T")


def read() -> tuple[list[Label], list[Document]]:
    """Labels and training documents of the corpus."""
    root = os.environ.get("LMTX_DATA")
    if not root or not (Path(root) / "congress").is_dir():
        sys.exit("Set LMTX_DATA to the folder that holds congress/corpus.jsonl.gz and labels.jsonl.gz.")
    rows = {}
    for name in ("labels", "corpus"):
        with gzip.open(Path(root) / "congress" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows[name] = [json.loads(line) for line in file]
    labels = [Label(r["id"], r["name"], r.get("description") or "") for r in rows["labels"]]
    documents = [
        Document(r["id"], r["title"], r["text"], "train", tuple(dict.fromkeys(r["labels"])))
        for r in rows["corpus"]
        if r["split"] == "train"
    ]
    return labels, documents


def build(folder: Path, n_completed: int, n_decisions: int) -> None:
    """Make the workspace: documents, vectors, two runs, their audits."""
    labels, documents = read()
    gold = {d.id: set(d.labels or ()) for d in documents}
    with Workspace.create(folder, "precision speed") as workspace:
        workspace._parts._own_index = False
        journal, settings = workspace.journal, workspace.settings
        say("labels and documents")
        journal.put_labels(labels)
        journal.put_documents(documents, lambda d: settings.role_of(d.id, d.split))
        key, known = encoder_key(settings.encoder), EmbeddingCache(OUT / "vectors-congress.db")
        for start in range(0, len(documents), _CHUNK):
            hashes = [d.hash for d in documents[start : start + _CHUNK]]
            vectors, there = known.get(key, hashes)
            workspace._parts.cache.put(
                key, [h for h, t in zip(hashes, there, strict=True) if t], vectors[there]
            )
        workspace._parts.embed_all()
        view = journal.corpus()
        train = [view.documents[int(i)].id for i in view.rows("train")]
        for part, until in (
            (train[:n_completed], n_decisions // 2),
            (train[n_completed:][:n_completed], n_decisions),
        ):
            say(f"{len(part)} documents completed, a training")
            for i in part:
                workspace.complete(i, "ann", accepted=gold[i])
            run = workspace.train()
            journal.promote(run.id)
            say(f"audit until {until:,} decisions")
            audit(workspace, gold, until)


def audit(workspace: Workspace, gold: dict[str, set[str]], until: int) -> None:
    """Answer the audit in its order: first pairs, then whole documents, until there are so many decisions."""
    parts, journal = workspace._parts, workspace.journal
    frame = queues_of(parts).frame(parts, must=True)
    while queues_of(parts).settle() and (found := queues_of(parts).frame(parts, must=True)) is not frame:
        frame = found
    assert frame is not None
    known = {
        (i, p.label_id)
        for i, pairs in journal.pair_states_of({i for i, _ in frame.rank}).items()
        for p in pairs
        if p.decision is not None
    }
    n = audited(workspace)
    pairs = [pair for pair in frame.rank if pair not in known][: max(0, (until - n) * 3 // 4)]
    for start in range(0, len(pairs), _CHUNK):
        journal.append_decisions(
            [
                Decision(
                    i,
                    x,
                    "accept" if x in gold[i] else "reject",
                    "ann",
                    "audit_pair",
                    frame.probability((i, x)),
                )
                for i, x in pairs[start : start + _CHUNK]
            ]
        )
    with queues_of(parts).now(parts) as (orders, standing):
        waiting = [i for i in orders.reserve if i not in standing.completed]
    best: dict[str, set[str]] = {}
    for i, x in frame.rank:
        best.setdefault(i, set()).add(x)
    for i in waiting:
        if audited(workspace) >= until:
            return
        workspace.complete(i, "ann", gold[i], best.get(i, set()) - gold[i], "audit", orders.probability(i))


def audited(workspace: Workspace) -> int:
    """Decisions of the audit so far."""
    counts = workspace.journal.decision_counts("policy")
    return counts.get("audit", 0) + counts.get("audit_pair", 0)


def measure(folder: Path, n: int) -> tuple[dict[str, list[tuple[float, float]]], dict[str, object]]:
    """Times of what the screen asks for, in a workspace that was just opened."""
    took: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, ask: Callable[[], T]) -> T:
        start, own = time.perf_counter(), time.thread_time()
        found = ask()
        spent = 1000 * (time.perf_counter() - start), 1000 * (time.thread_time() - own)
        took.setdefault(name, []).append(spent)
        return found

    with Workspace.open(folder, own_index=False) as workspace:
        timed("corpus, once per process", workspace.journal.corpus)
        report = timed("precision_report, first", workspace.precision_report)
        assert report is not None
        timed("precision_report, again", workspace.precision_report)
        timed("precision_report, student, first", lambda: workspace.precision_report("student"))
        timed("precision_report, cut 3, first", lambda: workspace.precision_report(cut=Cut(3)))
        workspace.precision_report()
        timed("precision_trend, first", workspace.precision_trend)
        timed("audit_plan, first", workspace.audit_plan)
        timed("audited_reliability, first", workspace.audited_reliability)
        labels = report.labels
        for label in labels.sort_values("n", ascending=False)["label_id"].head(n):
            timed("label_errors", partial(workspace.label_errors, label))
        view = workspace.journal.corpus()
        reserve = [view.documents[int(i)].id for i in view.rows("reserve")]
        for i in range(n):
            said = Decision(reserve[i], labels["label_id"][0], "reject", "ann", "audit_pair")
            workspace.decide([said])
            timed("precision_report, one decision later", workspace.precision_report)
            timed("review_progress, one decision later", workspace.review_progress)
        facts: dict[str, object] = {
            "labels": workspace.journal.counts()["labels"],
            "labels_given": len(labels),
            "audit_decisions": audited(workspace),
            "n_pairs": report.n_pairs,
            "n_documents": report.n_documents,
        }
    return took, facts


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--completed", type=int, default=300, help="training documents of each run")
    parser.add_argument("--decisions", type=int, default=20_000, help="of the audit")
    parser.add_argument("--times", type=int, default=15, help="how often what is quick is asked")
    parser.add_argument("--again", action="store_true", help="build the workspace anew")
    options = parser.parse_args()
    folder = OUT / f"precision-speed-{options.completed}-{options.decisions}"
    if options.again:
        shutil.rmtree(folder, ignore_errors=True)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as copies:
        if not (folder / "workspace.json").exists():
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.parent.mkdir(parents=True, exist_ok=True)
            build(part, options.completed, options.decisions)
            part.rename(folder)
        # In a copy: what is decided here stays in the record.
        took, facts = measure(Path(shutil.copytree(folder, Path(copies) / "w")), options.times)
    print(", ".join(f"{name} {value:,}" for name, value in facts.items()))
    print(f"{'':40}{'median ms':>12}{'worst ms':>12}{'own ms':>12}{'n':>5}")
    for name, times in took.items():
        wall, own = zip(*times, strict=True)
        middle = statistics.median(wall), statistics.median(own)
        print(f"{name:40}{middle[0]:12.0f}{max(wall):12.0f}{middle[1]:12.0f}{len(times):5}")
    first = took["precision_report, first"][0][0]
    later = [wall for wall, _ in took["precision_report, one decision later"]]
    print(
        f"opens within {BUDGET_FIRST_MS:.0f} ms: {'yes' if first <= BUDGET_FIRST_MS else 'no'}; "
        f"after a decision within {BUDGET_NEXT_MS:.0f} ms: "
        f"{'yes' if statistics.median(later) <= BUDGET_NEXT_MS else 'no'}"
    )
    OUT.mkdir(exist_ok=True)
    body = {"machine": machine(), "load": os.getloadavg(), **facts, "ms": took}
    (OUT / "precision_speed.json").write_text(json.dumps(body, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
