"""What a decision is worth: `LMTX_DATA=... python benchmarks/review_gain.py debtags [--seeds 0 1 2]`.

A cycle runs with a teacher; then a simulated reviewer answers from gold, under each policy, and the tagger is
trained again at every checkpoint. A decision is one pair judged, or one missing label added; all are on
documents of role train. A document is completed as in the app: the tagger's best labels are judged, what is
missing is added. Documents that would exceed a checkpoint wait for the next one.

Policies score a pool of waiting documents anew at each checkpoint, with the tagger of that moment, which is
the one in use: a training that is not promoted changes nothing. The other recipes learn from the same
decisions as the product under the default policy; all weights come from cross-validation over completed
documents. "No teacher" rows are trained on those decisions alone.

Each finished (teacher, seed, policy) is written at once, and a run that is started again goes on there.
A policy takes about 20 seconds of one core for each teacher and seed, the default ones about 45.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from common import OUT, Bench, Data, machine, mean, read
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from lmtx.cycle import left_out, run_cycle, train_once
from lmtx.cycle.training import zero_shot_of
from lmtx.quality import evaluate
from lmtx.review.policies import MIX, PairPool, document_scores, pair_scores, take_turns
from lmtx.shortlist import row_standardised, top_k
from lmtx.tagger import Tagger, fitting
from lmtx.tagger.weights import choose
from lmtx.types import Decision, Document, FloatArray, Run, Scored

CHECKPOINTS = (0, 100, 300, 500, 1_000, 2_000)
POOL = 1_000
BEST = 5
UNSEEN = 450  # documents beyond those that the teacher judges
METRICS = ("P@1", "P@5", "R@10", "macro")
TEACHERS = {
    "evidence": ("evidence", 1),
    "simulated": ("simulated:recall=0.85,noise=0.05,seed={seed}", 4),
    "biased": ("simulated:recall=0.85,noise=0.05,seed={seed},bias=label", 4),
}
DOCUMENT_POLICIES = ("default", "uncertain", "disagreement", "teacher_errors", "rare", "unseen", "mix")
PAIR_POLICIES = ("default", "uncertain", "disagreement", "teacher_errors", "rare")
PRODUCT = "tagger (all parts)"
STUDENT = "adapter retrained, alone"
ALONE = "no teacher: ridge on completed documents"


@dataclass(frozen=True)
class Way:
    """How is reviewed: whole documents with `shown` candidates each, or single pairs (shown 0)."""

    policy: str
    shown: int

    def __str__(self) -> str:
        return f"documents, {self.shown} shown: {self.policy}" if self.shown else f"pairs: {self.policy}"


class Reviewer:
    """Answers from gold, and keeps what was said."""

    def __init__(self, bench: Bench, way: Way) -> None:
        self.bench, self.way = bench, way
        rng = np.random.default_rng(bench.seed + 1000)
        judged = set(bench.journal.document_ids("train", judged=True))
        self.order = [bench.train[i] for i in rng.permutation(len(bench.train))]
        if way.policy == "unseen":
            self.order = [d for d in self.order if d.id not in judged]
        else:
            self.order = [d for d in self.order if d.id in judged]
        self.number = {d.id: i / len(self.order) for i, d in enumerate(self.order)}
        self.gold = {i: set(x) for i, x in bench.journal.gold("train").items()}
        self.done: set[str] = set()
        self.n_decisions = self.n_accepted = self.turns = 0
        self.said: list[Decision] = []

    def go_on(self, tagger: Tagger, until: int) -> None:
        """Decide up to `until` decisions in all."""
        before = len(self.said)
        if self.way.shown:
            for document in self._documents(tagger):
                if not self._complete(tagger, document, until):
                    break
        else:
            for document_id, label_id in self._pairs(tagger, until - self.n_decisions):
                self._say(document_id, label_id, label_id in self.gold.get(document_id, ()))
        self.bench.journal.append_decisions(self.said[before:])

    def _complete(self, tagger: Tagger, document: Document, until: int) -> bool:
        vectors = self.bench.data.of([document])
        shown = tagger.predict(vectors, [document.full_text], self.way.shown).label_idx[0]
        right = self.gold.get(document.id, set())
        labels = dict.fromkeys([*(tagger.label_ids[int(i)] for i in shown if i >= 0), *sorted(right)])
        if self.n_decisions + len(labels) > until:
            return False
        for label_id in labels:
            self._say(document.id, label_id, label_id in right)
        self.said.append(Decision(document.id, None, "complete", "simulated", self.way.policy))
        self.done.add(document.id)
        return True

    def _say(self, document_id: str, label_id: str, right: bool) -> None:
        action = "accept" if right else "reject"
        self.said.append(Decision(document_id, label_id, action, "simulated", self.way.policy))
        self.n_decisions += 1
        self.n_accepted += right

    def _documents(self, tagger: Tagger) -> Iterator[Document]:
        """Waiting documents in the policy's order."""
        waiting = [d for d in self.order if d.id not in self.done]
        policy = self.way.policy
        if policy in ("default", "unseen"):
            yield from waiting
            return
        pool = waiting[:POOL]
        pairs, _ = self._pool(tagger, pool)
        number = np.array([self.number[d.id] for d in pool])

        def ordered(name: Any) -> Iterator[int]:
            return iter(np.argsort(-document_scores(name, pairs, len(pool), number), kind="stable").tolist())

        if policy != "mix":
            yield from (pool[i] for i in ordered(policy))
            return
        queues = {name: ordered(name) for name in MIX}
        taken: set[int] = set()
        for name in take_turns(len(pool), MIX, self.turns):
            i = next(i for i in queues[name] if i not in taken)
            taken.add(i)
            yield pool[i]
            self.turns += 1

    def _pairs(self, tagger: Tagger, n: int) -> list[tuple[str, str]]:
        """Undecided pairs, the policy's best."""
        documents = self.order if self.way.policy == "default" else self.order[:POOL]
        pool, decided = self._pool(tagger, documents)
        score = pair_scores(self.way.policy, pool)  # type: ignore[arg-type]
        usable = ~decided & np.isfinite(score)
        if self.way.policy == "default":  # random among what the teacher proposes
            usable &= pool.verdict > 0.5
        order = [i for i in np.argsort(-score, kind="stable") if usable[i]][:n]
        return [(documents[pool.document[i]].id, tagger.label_ids[pool.label[i]]) for i in order]

    def _pool(self, tagger: Tagger, documents: Sequence[Document]) -> tuple[PairPool, np.ndarray]:
        """Pairs of documents: the tagger's best and the teacher's yes; and which of them are decided."""
        bench = self.bench
        n_labels = len(tagger.label_ids)
        scores = np.concatenate(
            [s for _, s in tagger.scores(bench.data.of(documents), [d.full_text for d in documents])]
        )
        frame = bench.journal.pairs_frame()
        row = {d.id: i for i, d in enumerate(documents)}
        column = {x: i for i, x in enumerate(tagger.label_ids)}
        wanted = frame["state"].isin(["accepted", "proposed"])
        counts = frame.loc[wanted, "label_id"].map(column).dropna().astype(int)
        label_count = np.bincount(counts, minlength=n_labels)
        frame = frame[frame["document_id"].isin(row)]
        rows = frame["document_id"].map(row).to_numpy(int)
        columns = frame["label_id"].map(column).to_numpy(int)
        said = frame["verdict"].map({"yes": 1.0, "no": 0.0}).to_numpy(float)
        probability = frame["probability"].to_numpy(float)
        said = np.where(np.isnan(probability), said, probability)
        verdict = np.full(scores.shape, np.nan, dtype=np.float32)
        verdict[rows, columns] = said
        is_decided = np.zeros(scores.shape, dtype=bool)
        is_decided[rows, columns] = frame["decision"].notna().to_numpy()
        best = top_k(scores, BEST)
        chosen = np.zeros(scores.shape, dtype=bool)
        np.put_along_axis(chosen, best.label_idx, True, axis=1)
        chosen[rows[frame["verdict"] == "yes"], columns[frame["verdict"] == "yes"]] = True
        document, label = np.nonzero(chosen)
        calibrated = tagger.probability(scores[document, label])
        if calibrated is None:
            ordered = np.sort(best.score, axis=None)
            calibrated = np.searchsorted(ordered, scores[document, label], side="right") / (ordered.size + 1)
        pool = PairPool(
            document.astype(np.int32),
            label.astype(np.int32),
            calibrated.astype(np.float32),
            left_out_scores(bench, row, column)[document, label],
            verdict[document, label],
            label_count[label].astype(np.int32),
            np.random.default_rng(bench.seed).random(scores.shape)[document, label],
        )
        return pool, is_decided[document, label]


def left_out_scores(bench: Bench, row: dict[str, int], column: dict[str, int]) -> FloatArray:
    """What the tagger in use says of pairs without what was said of their documents; NaN where unknown."""
    out = np.full((len(row), len(column)), np.nan, dtype=np.float32)
    run = bench.journal.promoted()
    found = None if run is None else left_out.read(bench.inputs.folder / run.folder)
    if found is not None:
        found = found[found["document_id"].isin(row)]
        out[found["document_id"].map(row), found["label_id"].map(column)] = found["probability"]
    return out


# ---- recipes ---------------------------------------------------------------------------------------


class Trained:
    """A training of the product, and what it cross-validated its weights on."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.validated: tuple[Any, ...] | None = None
        gather = fitting.gather

        def kept(*arguments: Any) -> Any:
            self.validated = arguments
            return gather(*arguments)

        start = time.process_time()
        with mock.patch.object(fitting, "gather", kept):
            self.run: Run = train_once(bench.inputs)
        self.cpu_s = time.process_time() - start
        self.tagger = bench.tagger(self.run)
        in_use = bench.journal.promoted()
        if in_use is None:
            self.in_use = zero_shot_of(self.tagger)
        else:
            self.in_use = self.tagger if in_use.id == self.run.id else bench.tagger(in_use)

    def weights(self, parts: Sequence[str], prior: dict[str, float], **instead: FloatArray) -> dict:
        """Choose weights of these parts alone, as the product does."""
        if self.validated is None:
            return prior
        tagger, rows, _, truth, scores = self.validated
        candidates = fitting.gather(tagger, rows, parts, truth, {**scores, **instead})
        return choose(candidates, parts, prior, self.bench.seed)


class Linear:
    """A linear SVM per label over the TF-IDF of completed documents."""

    def __init__(self, texts: Sequence[str], wanted: sparse.csr_matrix) -> None:
        self.words = TfidfVectorizer(sublinear_tf=True)
        self.labels = np.unique(wanted.indices)
        self.n_labels = wanted.shape[1]
        rows = self.words.fit_transform(texts)
        self.model = OneVsRestClassifier(LinearSVC()).fit(rows, wanted[:, self.labels].toarray())

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """Scores of all labels; those never seen have the row's least."""
        found = self.model.decision_function(self.words.transform(texts)).reshape(len(texts), -1)
        out = np.repeat(found.min(axis=1, keepdims=True), self.n_labels, axis=1)
        out[:, self.labels] = found
        return out.astype(np.float32)

    @classmethod
    def left_out(cls, texts: Sequence[str], wanted: sparse.csr_matrix) -> FloatArray:
        """Scores by machines that have not seen the document (5 folds)."""
        out = np.zeros(wanted.shape, dtype=np.float32)
        for seen, unseen in KFold(min(5, len(texts)), shuffle=True, random_state=0).split(out):
            out[unseen] = cls([texts[i] for i in seen], wanted[seen]).scores([texts[i] for i in unseen])
        return out


class Test:
    """The test documents."""

    def __init__(self, bench: Bench) -> None:
        documents = bench.data.tests["seeded order"]
        self.vectors, self.texts = bench.data.of(documents), [d.full_text for d in documents]
        self.gold = bench.gold["seeded order"]

    def of(self, tagger: Tagger, weights: dict[str, float] | None = None) -> dict[str, float]:
        """Figures of a tagger, with other weights where given."""
        tagger = tagger if weights is None else replace(tagger, weights=weights)
        return self.figures(tagger.predict(self.vectors, self.texts, 10))

    def figures(self, scored: Scored) -> dict[str, float]:
        """P@1, P@5, R@10 with standard errors, and macro precision of the best five."""
        found = evaluate(scored, self.gold)
        five = scored.label_idx[:, :5]
        rows = np.repeat(np.arange(len(five)), five.shape[1])
        right = np.asarray(self.gold[rows, five.ravel()]).ravel() > 0
        made = np.bincount(five.ravel(), minlength=self.gold.shape[1])
        hit = np.bincount(five.ravel()[right], minlength=self.gold.shape[1])
        found["macro"] = float((hit[made > 0] / made[made > 0]).mean())
        return {m: found[m] for m in (*METRICS, "P@1_se", "P@5_se", "R@10_se")}


def measured(test: Test, trained: Trained, every: bool) -> Iterator[tuple[str, dict[str, float], str]]:
    """Recipe, figures and a note, of one checkpoint."""
    run, tagger = trained.run, trained.tagger
    note = ", ".join(f"{p} {w:.2f}" for p, w in trained.in_use.weights.items() if w > 0)
    yield (
        PRODUCT,
        test.of(trained.in_use),
        note + ("" if run.promoted else f"; {run.metrics['gate']['message']}"),
    )
    yield STUDENT, test.of(tagger, {"student": 1.0}), ""
    if not every:
        return
    if not run.promoted:
        yield "tagger, whatever the gate says", test.of(tagger), ""
    if tagger.ridge is not None:
        yield "ridge on verdicts and decisions, alone", test.of(tagger, {"ridge": 1.0}), ""
    two = {"student": 1.0}
    if trained.validated is not None and tagger.reviewed is not None:
        two = trained.weights(("student", "reviewed"), two)
    yield "ridge on completed documents + adapter", test.of(tagger, two), _said(two)
    found = linear_and(test, trained)
    if found is not None:
        yield "TF-IDF linear SVM on completed documents + adapter", *found


def linear_and(test: Test, trained: Trained) -> tuple[dict[str, float], str] | None:
    """Linear SVM plus adapter, weighed by cross-validation; None while there is nothing to do it on."""
    if trained.validated is None:
        return None
    texts, wanted = completed(trained)
    weights = trained.weights(("student", "linear"), {"student": 1.0}, linear=Linear.left_out(texts, wanted))
    rows = trained.tagger.count(test.vectors, test.texts)
    score = weights["student"] * trained.tagger.part_scores("student", rows)
    score += weights["linear"] * row_standardised(Linear(texts, wanted).scores(test.texts))
    return test.figures(top_k(score, 10)), _said(weights)


def completed(trained: Trained) -> tuple[list[str], sparse.csr_matrix]:
    """Texts and labels of the completed documents."""
    assert trained.validated is not None
    tagger, rows, _, truth, _ = trained.validated
    wanted = sparse.lil_matrix((len(rows), len(tagger.label_ids)), dtype=np.int32)
    for i, labels in truth.items():
        wanted[i, labels] = 1
    return list(rows.texts), wanted.tocsr()


def without_teacher(test: Test, trained: Trained) -> Iterator[tuple[str, dict[str, float], str]]:
    """As `measured`, of a journal that holds decisions only."""
    yield "no teacher: tagger (all parts)", test.of(trained.in_use), _said(trained.in_use.weights)
    yield ALONE, test.of(trained.tagger, {"ridge": 1.0}), ""
    yield "no teacher: adapter", test.of(trained.tagger, {"student": 1.0}), ""
    if trained.validated is not None:
        texts, wanted = completed(trained)
        scores = Linear(texts, wanted).scores(test.texts)
        yield "no teacher: TF-IDF linear SVM on completed documents", test.figures(top_k(scores, 10)), ""


def _said(weights: dict[str, float]) -> str:
    return ", ".join(f"{p} {w:.2f}" for p, w in weights.items() if w > 0)


# ---- runs ------------------------------------------------------------------------------------------


def reviewed(data: Data, start: Path, way: Way, seed: int, docs: int) -> list[dict[str, Any]]:
    """Records of one policy on a copy of a finished cycle."""
    with tempfile.TemporaryDirectory() as name:
        folder, alone_folder = Path(name) / "with", Path(name) / "alone"
        shutil.copytree(start, folder)
        alone_folder.mkdir()
        bench = Bench(data, folder, seed, docs, 1)
        test = Test(bench)
        every = way.policy == "default" and way.shown > 0
        alone = Bench(data, alone_folder, seed, docs, 1) if every else None
        run = bench.journal.promoted()
        assert run is not None
        tagger = bench.tagger(run)
        found = [(PRODUCT, test.of(tagger), _said(tagger.weights))]
        found.append((STUDENT, test.of(tagger, {"student": 1.0}), ""))
        if alone is not None:
            found.append(("ridge on verdicts and decisions, alone", test.of(tagger, {"ridge": 1.0}), ""))
            found.append(("no teacher: tagger (all parts)", test.of(zero_shot_of(tagger)), "zero-shot"))
        records = []
        reviewer = Reviewer(bench, way)
        cpu_s = 0.0
        for n in CHECKPOINTS:
            if n:
                before = len(reviewer.said)
                reviewer.go_on(tagger, n)
                trained = Trained(bench)
                tagger, cpu_s = trained.in_use, trained.cpu_s
                found = list(measured(test, trained, every))
                if alone is not None:
                    alone.journal.append_decisions(reviewer.said[before:])
                    found += without_teacher(test, Trained(alone))
            for recipe, figures, note in found:
                records.append(
                    {
                        "way": str(way),
                        "recipe": recipe,
                        "checkpoint": n,
                        "decisions": reviewer.n_decisions,
                        "completed": len(reviewer.done),
                        "accepted": reviewer.n_accepted,
                        "note": note,
                        "train_cpu_s": round(cpu_s, 2),
                        **{k: round(v, 5) for k, v in figures.items()},
                    }
                )
            shown = "/".join(f"{found[0][1][m]:.3f}" for m in METRICS)
            print(f"  {way} {n}: {shown} ({len(reviewer.done)} done; {found[0][2]})", file=sys.stderr)
        bench.journal.close()
        if alone is not None:
            alone.journal.close()
    return records


def spread(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def table(records: list[dict[str, Any]]) -> str:
    """One row a way and recipe, one column a checkpoint, means over seeds."""
    n_seeds = len({r["seed"] for r in records})
    lines = [
        "| reviewed | trained | "
        + " | ".join(f"{n:,}" for n in CHECKPOINTS)
        + " | SE at 300, 1,000 | seeds |",
        "|---|---|" + "---|" * (len(CHECKPOINTS) + 1),
    ]
    for way, recipe in dict.fromkeys((r["way"], r["recipe"]) for r in records):
        rows = [r for r in records if (r["way"], r["recipe"]) == (way, recipe)]
        cells, errors = [], []
        for n in CHECKPOINTS:
            here = [r for r in rows if r["checkpoint"] == n]
            cells.append("/".join(f"{mean(r[m] for r in here):.3f}"[1:] for m in METRICS) if here else "–")
            if n in (300, 1_000) and len(here) > 1:
                errors.append("/".join(f"{spread([r[m] for r in here]):.3f}"[1:] for m in ("P@1", "R@10")))
        lines.append(f"| {way} | {recipe} | {' | '.join(cells)} | {', '.join(errors) or 'one seed'} |")
    done = [r for r in records if r["recipe"] == PRODUCT and r["way"].startswith("documents, 9 shown: def")]
    lines.append(
        f"\n{'/'.join(METRICS)} on test; SE (P@1/R@10) over up to {n_seeds} seeds. Documents completed:"
    )
    counts = (
        f"{mean(r['completed'] for r in done if r['checkpoint'] == n):.0f} at {n:,}" for n in CHECKPOINTS[1:]
    )
    return "\n".join([*lines, ", ".join(counts) + " (default, 9 shown)."])


def answers(records: list[dict[str, Any]], teacher: str) -> Iterator[str]:
    """Which of the aims hold for the default policy and the product's recipe."""
    rows = [r for r in records if r["way"] == str(Way("default", 9))]

    def at(recipe: str, n: int, metric: str) -> float:
        return mean(r[metric] for r in rows if (r["recipe"], r["checkpoint"]) == (recipe, n))

    def said(what: str, holds: bool) -> str:
        return f"- {'holds' if holds else 'MISSED'}: {what}"

    if teacher == "evidence":
        for metric, least in (("P@1", 0.45), ("P@5", 0.27), ("R@10", 0.65)):
            value = at(PRODUCT, 300, metric)
            yield said(f"{metric} {value:.3f} after 300 decisions, at least {least}", value >= least)
        others = [
            r["recipe"] for r in rows if r["recipe"].startswith("no teacher") and r["checkpoint"] == 300
        ]
        for other in dict.fromkeys(others):
            for n in (100, 300):
                gains = [at(PRODUCT, n, m) - at(other, n, m) for m in METRICS[:3]]
                gain = "/".join(f"{g:+.3f}" for g in gains)
                yield said(f"above “{other}” after {n}: {gain} (P@1/P@5/R@10)", min(gains) > 0)
        return
    for what, recipe in (("student", STUDENT), ("tagger", PRODUCT)):
        worst = min(at(PRODUCT, n, "P@1") for n in CHECKPOINTS[1:]) - at(recipe, 0, "P@1")
        yield said(f"P@1 at worst {worst:+.3f} against the unreviewed {what}", worst >= -0.01)
        gain = at(PRODUCT, 1_000, "R@10") - at(recipe, 0, "R@10")
        yield said(f"R@10 {gain:+.3f} against it after 1,000 decisions, at least +.03", gain >= 0.03)


def ways(names: Sequence[str]) -> list[Way]:
    every = [Way("default", 9), Way("default", BEST)]
    every += [Way(p, 9) for p in DOCUMENT_POLICIES[1:]]
    every += [Way(p, 0) for p in PAIR_POLICIES]
    return [w for w in every if not names or any(x in str(w) for x in names)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--docs", type=int, default=4000, help="training documents that the teacher judges")
    parser.add_argument("--test-docs", type=int, default=1500)
    parser.add_argument("--teachers", nargs="*", default=list(TEACHERS))
    parser.add_argument("--ways", nargs="*", default=[], help="only ways whose name holds one of these")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run found")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    out = options.out or OUT / f"review_gain_{options.corpus}.json"
    records: list[dict[str, Any]] = []
    if out.is_file() and not options.again:
        records = json.loads(out.read_text(encoding="utf-8"))["rows"]
    docs = options.docs + UNSEEN
    data = read(options.corpus, int(docs / 0.72 * 1.06) + 100, options.test_docs, OUT)
    with threadpool_limits(1):
        for seed in options.seeds:
            for teacher in options.teachers:
                known = {r["way"] for r in records if (r["teacher"], r["seed"]) == (teacher, seed)}
                left = [w for w in ways(options.ways) if str(w) not in known]
                if not left:
                    continue
                print(f"{options.corpus}, {teacher}, seed {seed}", file=sys.stderr)
                with tempfile.TemporaryDirectory() as name:
                    start = Path(name)
                    bench = Bench(data, start, seed, docs, 1)
                    spec, rounds = TEACHERS[teacher]
                    spec = spec.format(seed=seed)
                    run_cycle(bench.inputs, bench.teacher(spec), rounds, limit_docs=options.docs)
                    bench.journal.close()
                    for way in left:
                        found = reviewed(data, start, way, seed, docs)
                        records += [{"teacher": teacher, "seed": seed, **r} for r in found]
                        write(out, options, records)
    print(f"# Gain of review on {options.corpus}: {options.docs:,} judged training documents")
    for teacher in dict.fromkeys(r["teacher"] for r in records):
        here = [r for r in records if r["teacher"] == teacher]
        print(f"\n## Teacher {TEACHERS[teacher][0]}\n\n{table(here)}\n")
        if options.corpus == "debtags":
            print("\n".join(answers(here, teacher)))
    print(f"\n{out} has every seed, and the machine.")


def write(out: Path, options: argparse.Namespace, records: list[dict[str, Any]]) -> None:
    summary = []
    keys = dict.fromkeys((r["teacher"], r["way"], r["recipe"], r["checkpoint"]) for r in records)
    for key in keys:
        rows = [r for r in records if (r["teacher"], r["way"], r["recipe"], r["checkpoint"]) == key]
        figures = {m: round(mean(r[m] for r in rows), 5) for m in METRICS}
        errors = {f"{m}_se": round(spread([r[m] for r in rows]), 5) for m in METRICS}
        names = ("teacher", "way", "recipe", "checkpoint")
        summary.append({**dict(zip(names, key, strict=True)), "seeds": len(rows), **figures, **errors})
    facts = {
        "options": {k: str(v) for k, v in vars(options).items()},
        "machine": machine(),
        "se": "of rows: over test documents; of means: over seeds",
        "means": summary,
        "rows": records,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    part.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    part.replace(out)


if __name__ == "__main__":
    main()
