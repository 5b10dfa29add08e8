"""Two runs on the same documents, which neither has learned from: what differs, and what is beyond chance."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lmtx.cycle.by_label import MIN_APART, label_changes
from lmtx.cycle.completed import FILE, Completed, truth_of
from lmtx.cycle.gate import Before, gate
from lmtx.errors import InputError
from lmtx.tagger import Tagger
from lmtx.types import Decision, Label, Run
from lmtx.workspace import Workspace
from lmtx.workspace.population import population_of

Copied = Callable[[], Workspace]


# ---- label by label ---------------------------------------------------------------------------------------


def test_a_label_gained_where_only_the_new_run_is_right_about_it() -> None:
    wanted = [{"a"}, {"a"}, {"b"}, set(), {"c"}]
    old = [{"a"}, {"b"}, {"b"}, {"a"}, {"c"}]
    new = [{"a"}, {"a"}, {"a"}, set(), {"c"}]
    found = {x.label_id: x for x in label_changes(wanted, old, new)}
    assert found.keys() == {"a", "b"}  # of "c" both say the same
    a, b = found["a"], found["b"]
    assert (a.wanted, a.given_old, a.right_old, a.given_new, a.right_new) == (2, 2, 1, 3, 2)
    assert (a.gained, a.lost) == (
        2,
        1,
    )  # found in the second, left out of the fourth; wrong in the third
    assert (b.gained, b.lost) == (1, 1)
    assert [x.label_id for x in label_changes(wanted, old, new)] == ["b", "a"]  # the worst first


def test_only_what_chance_does_not_explain_got_better_or_worse() -> None:
    n = 40
    wanted = [{"sure", "split", "few"} for _ in range(n)]
    old = [{"sure"} if i < 12 else {"split"} if i < 20 else {"few"} if i < 25 else set() for i in range(n)]
    new = [{"split"} if 28 <= i < 36 else set() for i in range(n)]
    found = {x.label_id: x for x in label_changes(wanted, old, new)}
    assert (found["sure"].lost, found["sure"].got) == (12, "worse")
    assert (found["split"].gained, found["split"].lost, found["split"].got) == (8, 8, "")
    assert found["few"].lost < MIN_APART
    assert found["few"].got == ""
    assert next(iter(label_changes(wanted, old, new))).label_id == "sure"
    turned = {x.label_id: x.got for x in label_changes(wanted, new, old)}
    assert turned == {"sure": "better", "split": "", "few": ""}
    assert label_changes([], [], []) == []


def test_among_many_labels_that_differ_by_chance_hardly_one_is_named() -> None:
    rng = np.random.default_rng(3)
    named = tests = 0
    for _ in range(20):
        labels = [f"l{i}" for i in range(60)]
        wanted = [{x for x in labels if rng.random() < 0.3} for _ in range(60)]
        old, new = ([{x for x in labels if rng.random() < 0.3} for _ in wanted] for _ in range(2))
        found = label_changes(wanted, old, new)
        named += any(x.got for x in found)
        tests += 1
    assert named / tests <= 0.25  # one in twenty comparisons names any; more than five of twenty: one in 400


# ---- what a run keeps -------------------------------------------------------------------------------------


def runs_of(workspace: Workspace) -> tuple[Run, Run]:
    """The second training and the first."""
    second, first, *_ = workspace.runs()
    return second, first


def test_a_run_keeps_the_tags_of_documents_that_it_ranked_unseen(
    copied: Copied, audited_demo: SimpleNamespace
) -> None:
    workspace = copied()
    second, _ = runs_of(workspace)
    kept = Completed.load(workspace.folder / second.folder)
    assert kept is not None
    assert kept.tags.keys() == kept.quality.keys() == {*audited_demo.before, *audited_demo.since}
    gold = workspace.journal.gold("train")
    seen = unseen = 0
    for i, tags in kept.tags.items():
        assert len(tags) == len(set(tags)) == 5
        hits = [x in gold[i] for x in tags]
        gain = sum(1 / np.log2(2 + place) for place, hit in enumerate(hits) if hit)
        ideal = sum(1 / np.log2(2 + place) for place in range(min(5, len(gold[i]))))
        least = (hits[0] + gain / ideal + sum(hits) / len(gold[i])) / 3
        assert least - 1e-6 <= kept.quality[i] <= least + (1 - sum(hits) / len(gold[i])) / 3 + 1e-6
        unseen += sum(hits)
    documents = workspace.journal.documents_by_id(kept.tags)
    predicted = workspace.predict([documents[i] for i in kept.tags], system=second.id, words=False)
    for i, found in zip(kept.tags, predicted, strict=True):
        seen += sum(t.label_id in gold[i] for t in found)
    assert seen > 1.2 * unseen  # a document that was learned from gives its own labels away


def test_runs_that_were_trained_before_tags_were_kept_are_read(copied: Copied) -> None:
    workspace = copied()
    _, first = runs_of(workspace)
    path = workspace.folder / first.folder / FILE
    body = json.loads(path.read_text("utf-8"))
    del body["tags"]
    path.write_text(json.dumps(body), "utf-8")
    kept = Completed.load(workspace.folder / first.folder)
    assert kept is not None
    assert kept.quality
    assert kept.tags == {}
    assert workspace.compare_runs() is None  # nothing to compare label by label


# ---- two runs ---------------------------------------------------------------------------------------------


def by_hand(
    gold: dict[str, set[str]], old: dict[str, set[str]], new: dict[str, set[str]]
) -> tuple[float, float, float, float]:
    """Precision and recall of the old run, then of the new one."""
    out = []
    for tags in (old, new):
        hits = sum(len(tags[i] & gold[i]) for i in gold)
        out += [hits / sum(map(len, tags.values())), hits / sum(map(len, gold.values()))]
    return tuple(out)  # type: ignore[return-value]


def test_completed_documents_compare_runs_by_cross_validation(
    copied: Copied, audited_demo: SimpleNamespace
) -> None:
    workspace = copied()
    second, first = runs_of(workspace)
    found = workspace.compare_runs()
    assert found is not None
    assert (found.new, found.old, found.basis) == (second.id, first.id, "completed")
    assert found.n_documents == 30  # those that both were trained with
    ours, theirs = (Completed.load(workspace.folder / r.folder).tags for r in (second, first))  # type: ignore[union-attr]
    gold = {i: set(workspace.journal.gold("train")[i]) for i in audited_demo.before}
    before, after = ({i: set(x[i]) for i in gold} for x in (theirs, ours))
    old_p, old_r, new_p, new_r = by_hand(gold, before, after)
    assert (found.precision.old, found.precision.new) == pytest.approx((old_p, new_p))
    assert (found.recall.old, found.recall.new) == pytest.approx((old_r, new_r))
    for figure in (found.precision, found.recall):
        assert figure.low < figure.gain < figure.high
    differ = {x for i in gold for x in before[i] ^ after[i]}
    assert {x.label_id for x in found.labels} == differ
    gains = [x.gained - x.lost for x in found.labels]
    assert gains == sorted(gains)
    assert sum(x.gained - x.lost for x in found.labels) == sum(
        len(before[i] ^ gold[i]) - len(after[i] ^ gold[i]) for i in gold
    )
    names = {x.id: x.name for x in workspace.journal.corpus().labels}
    assert all(x.name == names[x.label_id] for x in found.labels)
    # Each count leads to its documents, and these to what people said.
    for x in found.labels:
        documents = found.on(x.label_id)
        assert [x.label_id in d.lost for d in documents] == [True] * x.lost + [False] * x.gained
        for d in documents:
            assert (x.label_id in d.wanted) == (x.label_id in gold[d.document_id])
    assert {d.document_id for d in found.documents} == {i for i in gold if before[i] != after[i]}
    net = [len(d.gained) - len(d.lost) for d in found.documents]
    assert net == sorted(net)
    titles = workspace.journal.document_rows(gold)
    assert all(d.title == titles[d.document_id].title for d in found.documents)
    back = workspace.compare_runs(first.id, second.id)
    assert back is not None
    assert back.precision.gain == pytest.approx(-found.precision.gain)
    assert workspace.compare_runs(first.id, first.id) is None


def test_what_people_say_otherwise_now_compares_nothing(
    copied: Copied, audited_demo: SimpleNamespace
) -> None:
    workspace = copied()
    for i in audited_demo.before[:3]:
        label_id = workspace.journal.completed()[i][0]
        workspace.decide([Decision(i, label_id, "reject", "Ada")])
    found = workspace.compare_runs()
    assert found is not None
    assert found.n_documents == 27


def test_the_audit_only_reports_on_documents_that_neither_run_learned_from(
    copied: Copied, audited_demo: SimpleNamespace
) -> None:
    workspace = copied()
    second, first = runs_of(workspace)
    found = workspace.compare_runs(basis="audit")
    assert found is not None
    assert found.n_documents == 40
    gold = {i: set(workspace.journal.gold("train")[i]) for i in audited_demo.audited}
    old, new = ({i: set(population_of(workspace._parts, r).tags[i]) for i in gold} for r in (first, second))
    old_p, old_r, new_p, new_r = by_hand(gold, old, new)
    assert (found.precision.old, found.precision.new) == pytest.approx((old_p, new_p))
    assert (found.recall.old, found.recall.new) == pytest.approx((old_r, new_r))
    with pytest.raises(InputError, match="Known: completed, audit"):
        workspace.compare_runs(basis="gold")  # type: ignore[arg-type]


def test_by_default_the_newest_run_is_held_against_the_one_it_was_to_replace(copied: Copied) -> None:
    workspace = copied()
    second, first = runs_of(workspace)
    oldest = workspace.runs()[-1]
    workspace.promote(oldest.id)  # afterwards: it was not in use when the newest was trained
    found = workspace.compare_runs()
    assert found is not None
    assert (found.new, found.old) == (second.id, first.id)


# ---- the gate ---------------------------------------------------------------------------------------------


def test_the_gate_names_labels_that_got_worse_and_keeps_the_worst_ten_and_decides_as_before(
    copied: Copied,
) -> None:
    labels = [Label("a", "apple"), Label("b", "bread")]
    eye = np.eye(2, 8, dtype=np.float32)
    tagger = replace(
        Tagger.zero_shot(labels, eye, eye, ["a", "b"]),
        validation={"tagger": 0.6, "zero_shot": 0.3, "se": 0.02, "n_docs": 30},
    )
    ids = [f"d{i}" for i in range(30)]
    truth = dict.fromkeys(ids, truth_of(["good", "bad"]))
    quality = dict.fromkeys(ids, 0.6)
    noise = {f"x{j}": [f"x{j}"] for j in range(15)}
    old = Completed(truth, quality, {i: ["bad"] for i in ids})
    new = Completed(
        truth,
        quality,
        {i: ["good", *(noise[f"x{k % 15}"] if k < 15 else [])] for k, i in enumerate(ids)},
        {i: ["good", "bad"] for i in ids},
    )
    found = gate(tagger, tagger, Before(None, [old]), None, new)
    assert found.passed
    assert (found.n_better, found.n_worse) == (1, 1)
    assert "Label by label, 1 got better and 1 got worse, beyond chance." in found.message
    assert len(found.labels) == 10
    assert (found.labels[0].label_id, found.labels[0].lost, found.labels[0].got) == ("bad", 30, "worse")
    assert json.loads(json.dumps(found.as_dict()))["labels"][0]["label_id"] == "bad"
    silent = gate(tagger, tagger, Before(None, [replace(old, tags={})]), None, new)
    assert (silent.passed, silent.n_worse, silent.labels) == (True, 0, ())
    assert "Label by label" not in silent.message

    workspace = copied()
    second, _ = runs_of(workspace)
    kept = second.metrics["gate"]
    assert isinstance(kept, dict)
    compared = workspace.compare_runs()
    assert compared is not None
    assert kept["n_worse"] == sum(x.got == "worse" for x in compared.labels)
    assert [x["label_id"] for x in kept["labels"]] == [x.label_id for x in compared.worse][:10]
    assert f"{kept['n_better']} got better and {kept['n_worse']} got worse" in kept["message"]
