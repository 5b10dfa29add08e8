"""A worse run is never promoted: what the gate compares, and whole reviews that went wrong, on real texts."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lmtx.config import role_of
from lmtx.cycle import CycleInputs, run_cycle, train_once
from lmtx.cycle.completed import Completed, quality_on
from lmtx.cycle.gate import Before, Gate, gate
from lmtx.cycle.training import recent_runs
from lmtx.journal import Journal
from lmtx.tagger import HeldOut, Tagger
from lmtx.teacher import TeacherContext, load_teacher
from lmtx.types import Decision, Document, FloatArray, Label, Pairs, Run

# ---- what is compared -------------------------------------------------------------------------------------


def completed(quality: Sequence[float], first: int = 0, truth: str = "same") -> Completed:
    """Documents d0, d1, ... with their qualities."""
    ids = [f"d{first + i}" for i in range(len(quality))]
    return Completed(dict.fromkeys(ids, truth), dict(zip(ids, quality, strict=True)))


def reviewed(quality: float = 0.6, zero_shot: float = 0.3, kind: str = "evidence") -> Tagger:
    labels = [Label("a", "apple"), Label("b", "bread")]
    start = Tagger.zero_shot(
        labels, np.eye(2, 8, dtype=np.float32), np.eye(2, 8, dtype=np.float32), ["a", "b"]
    )
    facts = {"tagger": quality, "zero_shot": zero_shot, "se": 0.02, "n_docs": 50}
    return replace(start, validation=facts, teacher=kind)  # type: ignore[arg-type]


RNG = np.random.default_rng(1)
KNOWN = np.clip(RNG.normal(0.6, 0.2, 50), 0, 1).tolist()


def answer(ours: Completed, before: Before, tagger: Tagger | None = None) -> Gate:
    made = tagger or reviewed()
    return gate(made, made, before, None, ours)


def test_a_run_may_fall_by_a_standard_error_on_what_was_completed_before_and_not_by_more() -> None:
    noise = RNG.normal(0, 0.1, 50)
    noise -= noise.mean()
    se = noise.std(ddof=1) / np.sqrt(50)
    before = Before(None, [completed(KNOWN)])
    for loss, passed in ((0.9 * se, True), (1.1 * se, False)):
        found = answer(completed((np.array(KNOWN) + noise - loss).tolist()), before)
        assert found.passed is passed
        assert found.n_compared == 50
        assert found.promoted == pytest.approx(np.mean(KNOWN))
        assert found.compared == pytest.approx(np.mean(KNOWN) - loss)
    assert found.message.startswith("Not promoted: on the 50 documents completed before, it would fall from ")
    assert (
        "Look at the newest decisions, or use it all the same: choose it among the runs on Train."
        in found.message
    )


def test_it_must_not_be_below_zero_shot_however_it_compares() -> None:
    found = answer(completed(KNOWN), Before(None, [completed(KNOWN)]), reviewed(0.3, 0.31))
    assert not found.passed
    assert "without any learning 31.0 %, which is better" in found.message


def test_the_more_the_new_documents_surprise_the_more_the_old_ones_must_speak_for_the_run() -> None:
    old = completed(KNOWN)
    gain = np.abs(RNG.normal(0, 0.1, 50))
    se = gain.std(ddof=1) / np.sqrt(50)
    gain = gain - gain.mean() + 0.5 * se  # half a standard error better
    fresh = completed(KNOWN[:40], first=50)
    for shift, passed in ((0.0, True), (-0.08, True), (-0.4, False)):
        in_use = {i: q + shift for i, q in fresh.quality.items()}
        ours = Completed(
            old.truth | fresh.truth,
            {f"d{i}": KNOWN[i] + gain[i] for i in range(50)} | fresh.quality,
        )
        found = answer(ours, Before(None, [old], in_use))
        assert found.passed is passed, shift
    assert found.surprise is not None
    assert found.surprise < -4
    assert "40 documents completed since are unlike those before" in found.message
    much = {f"d{i}": min(1.0, KNOWN[i] + gain[i] + 5 * se) for i in range(50)}
    assert answer(Completed(ours.truth, much | fresh.quality), Before(None, [old], in_use)).passed


def test_documents_that_a_teacher_judged_may_be_ranked_too_well_by_the_run_in_use() -> None:
    old = completed(KNOWN)
    fresh = completed(KNOWN[:40], first=50)
    seen = dict.fromkeys(fresh.quality, 0.95)
    ours = Completed(old.truth | fresh.truth, old.quality | fresh.quality)
    honest = answer(ours, Before(None, [old], seen))
    assert honest.surprise == pytest.approx(
        0, abs=1
    )  # the new run, which left them out, finds nothing strange
    assert honest.passed
    all_right = Completed(ours.truth, old.quality | dict.fromkeys(fresh.quality, 1.0))
    assert not answer(all_right, Before(None, [old], seen)).passed


def test_a_dozen_lucky_documents_do_not_shut_out_what_is_learned_afterwards() -> None:
    lucky = completed([0.96] * 11)
    fresh = completed(np.clip(RNG.normal(0.84, 0.2, 40), 0, 1).tolist(), first=11)
    in_use = {i: q - 0.05 for i, q in fresh.quality.items()}
    ours = Completed(
        lucky.truth | fresh.truth, dict.fromkeys(lucky.quality, 0.92) | fresh.quality
    )  # a little less on the few, more on the many
    found = answer(ours, Before(None, [lucky], in_use))
    assert found.surprise is not None
    assert found.surprise > -1
    assert found.passed
    worse = Completed(ours.truth, ours.quality | {i: q - 0.1 for i, q in fresh.quality.items()})
    assert not answer(worse, Before(None, [lucky], in_use)).passed
    other = {i: 0.1 for i in fresh.quality}  # nothing like what was completed before
    assert not answer(ours, Before(None, [lucky], other)).passed


def test_a_run_ranks_the_few_documents_that_it_was_fitted_to_better_than_any_other() -> None:
    few = completed(np.clip(RNG.normal(0.88, 0.1, 10), 0, 1).tolist())
    fresh = completed(np.clip(RNG.normal(0.6, 0.2, 18), 0, 1).tolist(), first=10)
    in_use = {i: q - 0.12 for i, q in fresh.quality.items()}
    ours = Completed(few.truth | fresh.truth, {i: q - 0.07 for i, q in few.quality.items()} | fresh.quality)
    assert answer(ours, Before(None, [few], in_use)).passed
    # With as many as thirty it is a sign that something is wrong.
    many = completed(np.clip(RNG.normal(0.88, 0.1, 30), 0, 1).tolist(), first=50)
    ours = Completed(many.truth | fresh.truth, {i: q - 0.02 for i, q in many.quality.items()} | fresh.quality)
    found = answer(ours, Before(None, [many], in_use))
    assert not found.passed
    assert "unlike those before" in found.message


def test_small_losses_do_not_add_up() -> None:
    noise = RNG.normal(0, 0.1, 50)
    noise -= noise.mean()
    se = float(noise.std(ddof=1) / np.sqrt(50))
    first = completed(KNOWN)
    second = completed((np.array(KNOWN) - 1.4 * se).tolist())
    third = completed((np.array(KNOWN) + noise - 2.2 * se).tolist())
    assert answer(third, Before(None, [second])).passed
    refused = answer(third, Before(None, [second, first]))
    assert not refused.passed
    assert "several small losses add up" in refused.message


def test_documents_that_people_say_something_else_of_now_compare_nothing() -> None:
    old = completed([0.9] * 50)
    new = completed([0.1] * 50, truth="other")
    refused = answer(new, Before(None, [old]))
    assert not refused.passed
    assert "50 have other labels now" in refused.message
    assert answer(completed([0.1] * 50, first=50), Before(None, [old])).passed  # nothing was changed there


def held(n: int = 60) -> tuple[HeldOut, Tagger, Tagger]:
    """Held-out verdicts, a tagger that agrees with them, and one that does not."""
    labels = [Label("a", "apple"), Label("b", "bread")]
    texts, vectors = ["apple"] * n, np.tile(np.eye(1, 8, dtype=np.float32), (n, 1))
    good = Tagger.zero_shot(labels, np.eye(2, 8, dtype=np.float32), vectors, texts)
    good = replace(good, weights={"dense": 1.0}, centre=None, teacher="teacher")
    rows = np.repeat(np.arange(n, dtype=np.int32), 2)
    target = np.tile(np.array([1, 0], np.float32), n)
    pairs = Pairs(rows, np.tile(np.array([0, 1], np.int32), n), target, np.ones(2 * n, np.float32))
    return HeldOut(texts, vectors, pairs), good, replace(good, label_vectors=good.label_vectors[::-1].copy())


def test_at_the_first_review_a_teacher_is_overruled_by_documents_that_say_so() -> None:
    verdicts, good, bad = held()
    facts = {"tagger": 0.6, "zero_shot": 0.3, "se": 0.02, "n_docs": 12}
    new = replace(bad, validation=facts)
    ours = completed(KNOWN[:12])
    worse = {i: q - 0.2 - 0.01 * j for j, (i, q) in enumerate(ours.quality.items())}
    assert gate(new, good, Before(good, (), {}, worse), verdicts, ours).passed
    refused = gate(new, good, Before(good, (), {}, dict(ours.quality)), verdicts, ours)
    assert not refused.passed
    assert "by the teacher's verdicts on 60 held-out documents" in refused.message
    same = replace(good, validation=facts)
    assert gate(same, good, Before(good, (), {}, dict(ours.quality)), verdicts, ours).passed


# ---- reviews that went wrong ------------------------------------------------------------------------------


@cache
def of_word(word: str) -> FloatArray:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
    return np.random.default_rng(seed).normal(size=128).astype(np.float32)


def vectors(texts: Sequence[str]) -> FloatArray:
    out = np.zeros((len(texts), 128), dtype=np.float32)
    for i, text in enumerate(texts):
        for word in set(text.lower().split()[:200]):
            out[i] += of_word(word)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


class Review:
    """A corpus with a journal, a simulated person, and gold to see what a run is really worth."""

    def __init__(self, folder: Path, documents: Sequence[Document], labels: Sequence[Label]) -> None:
        self.folder, self.documents, self.labels = folder, documents, labels
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(f"sqlite:///{folder / 'journal.db'}")
        if not self.journal.counts()["documents"]:
            self.journal.put_labels(labels)
            self.journal.put_documents(documents, lambda d: role_of(d.id, d.split, 0, 0.1, 0.1))
        self.inputs = CycleInputs(
            journal=self.journal,
            folder=folder,
            encoder_key="hashed",
            document_vectors=lambda found: vectors([d.full_text for d in found]),
            label_vectors=lambda found: vectors([f"{x.name} {x.description}" for x in found]),
            threads=1,
        )
        view = self.journal.corpus()
        self.train = [view.documents[int(i)] for i in view.rows("train")]
        self.gold = self.journal.gold("train")

    def copy(self, name: str) -> Review:
        folder = self.folder.with_name(name)
        self.journal.close()
        shutil.copytree(self.folder, folder)
        return Review(folder, self.documents, self.labels)

    def begin(self, spec: str) -> Run:
        view = self.journal.corpus()
        context = TeacherContext(
            corpus=view,
            vectors=lambda: (
                self.inputs.document_vectors(view.documents),
                self.inputs.label_vectors(view.labels),
            ),
            encoder_key="hashed",
            gold=lambda: self.gold,
        )
        return run_cycle(self.inputs, load_teacher(spec, context), 2).run

    def settle(
        self, documents: Sequence[Document], wanted: Callable[[Document, list[str]], set[str]]
    ) -> None:
        """Complete documents: what is shown is accepted or rejected, what is missing added."""
        tagger = self.tagger(self.journal.promoted())
        for document in documents:
            ranked = tagger.predict(vectors([document.full_text]), [document.full_text], 9).label_idx[0]
            shown = [tagger.label_ids[int(i)] for i in ranked]
            right = wanted(document, shown)
            said = {x: "accept" if x in right else "reject" for x in shown} | dict.fromkeys(right, "accept")
            decisions = [Decision(document.id, x, a, "ann", batch=document.id) for x, a in said.items()]  # type: ignore[arg-type]
            decisions.append(Decision(document.id, None, "complete", "ann", batch=document.id))
            self.journal.append_decisions(decisions)

    def honest(self, document: Document, shown: list[str]) -> set[str]:
        return set(self.gold[document.id])

    def poison(self, kind: str) -> Callable[[Document, list[str]], set[str]]:
        ids = sorted(self.gold)
        other = dict(zip(ids, np.random.default_rng(7).permutation(ids).tolist(), strict=True))
        common = Counter(x for labels in self.gold.values() for x in labels).most_common(12)[-1][0]
        return {
            "all accepted": lambda document, shown: set(shown),
            "shuffled": lambda document, shown: set(self.gold[other[document.id]]),
            "one label": lambda document, shown: {common},
        }[kind]

    def tagger(self, run: Run | None) -> Tagger:
        assert run is not None
        return Tagger.load(self.inputs.folder / run.folder)

    def worth(self, run: Run | None) -> np.ndarray:
        """Quality on the test split by gold."""
        test = [d for d in self.documents if d.split == "test" and d.labels]
        return quality_on(self.tagger(run), test, [set(d.labels or ()) for d in test], self.inputs)


def demo(folder: Path) -> tuple[list[Document], list[Label]]:
    rows = [json.loads(x) for x in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    names = [json.loads(x) for x in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    documents = [
        Document(r["id"], r.get("title", ""), r["text"], r["split"], tuple(r["labels"])) for r in rows
    ]
    return documents, [Label(r["id"], r["name"], r.get("description", "")) for r in names]


def debtags(folder: Path) -> tuple[list[Document], list[Label]]:
    with gzip.open(folder / "debtags" / "labels.jsonl.gz", "rt", encoding="utf-8") as file:
        labels = [Label(r["id"], r["name"], r.get("description") or "") for r in map(json.loads, file)]
    with gzip.open(folder / "debtags" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(x) for x in file]
    rows.sort(key=lambda r: hashlib.sha256(r["id"].encode()).hexdigest())
    chosen = [
        *[r for r in rows if r["split"] == "train"][:600],
        *[r for r in rows if r["split"] == "test"][:400],
    ]
    return [
        Document(r["id"], r["title"], r["text"], r["split"], tuple(dict.fromkeys(r["labels"])))
        for r in chosen
    ], labels


def check_review(base: Review, spec: str, n_first: int) -> list[str]:
    """Review honestly, then in four ways on; returns what the gate says of the poisoned ones."""
    base.begin(spec)
    order = np.random.default_rng(0).permutation(len(base.train))
    first, more = ([base.train[int(i)] for i in part] for part in (order[:n_first], order[n_first:][:60]))
    base.settle(first, base.honest)
    assert train_once(base.inputs).promoted
    said = []
    for kind in ("honest", "all accepted", "shuffled", "one label"):
        copy = base.copy(kind.replace(" ", "-"))
        in_use = copy.journal.promoted()
        copy.settle(more, copy.honest if kind == "honest" else copy.poison(kind))
        run = train_once(copy.inputs)
        change = copy.worth(run) - copy.worth(in_use)
        lost = change.mean() < -2 * change.std(ddof=1) / np.sqrt(len(change))
        if kind == "honest":
            assert run.promoted, run.metrics["gate"]
            assert not lost
        else:
            assert not (run.promoted and lost), (kind, change.mean(), run.metrics["gate"])
            assert copy.journal.promoted().id == (run.id if run.promoted else in_use.id)  # type: ignore[union-attr]
            said.append("" if run.promoted else str(run.metrics["gate"]["message"]))  # type: ignore[index]
            if kind == "one label":
                assert lost, "the poison of this test is harmless"
        copy.journal.close()
    return said


@pytest.mark.parametrize("spec", ["evidence", "simulated:recall=0.85,noise=0.05,seed=0"])
def test_poisoned_decisions_promote_no_worse_run_on_the_demo(
    tmp_path: Path, demo_folder: Path, spec: str
) -> None:
    said = check_review(Review(tmp_path / "base", *demo(demo_folder)), spec, 40)
    assert all(x.startswith("Not promoted: ") and "use it all the same" in x for x in said), said


@pytest.mark.parametrize("spec", ["evidence", "simulated:recall=0.85,noise=0.05,seed=0"])
def test_poisoned_decisions_promote_no_worse_run_on_debtags(
    tmp_path: Path, data_folder: Path, spec: str
) -> None:
    said = check_review(Review(tmp_path / "base", *debtags(data_folder)), spec, 50)
    # To accept all that is shown may do no harm here; the other two do.
    assert all(x.startswith("Not promoted: ") for x in said[1:]), said


def test_who_promotes_a_refused_run_is_asked_no_more(tmp_path: Path, demo_folder: Path) -> None:
    review = Review(tmp_path / "w", *demo(demo_folder))
    review.begin("evidence")
    review.settle(review.train[:30], review.honest)
    first = train_once(review.inputs)
    review.settle(review.train[30:90], review.poison("shuffled"))
    refused = train_once(review.inputs)
    assert first.promoted
    assert not refused.promoted
    assert review.journal.promoted() == replace(first, promoted=True)
    assert recent_runs(review.inputs)[0].id == first.id
    review.journal.promote(refused.id)
    assert [r.id for r in recent_runs(review.inputs)] == [refused.id]
    again = train_once(review.inputs)
    assert again.promoted  # as good as the one that a person chose
    review.journal.promote(first.id)
    assert [r.id for r in recent_runs(review.inputs)] == [first.id]
