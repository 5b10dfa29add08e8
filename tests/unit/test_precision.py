"""Precision by the audit, on the demo corpus with a reviewer who answers from gold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.review import Scope, pair_number
from lmtx.types import Decision, Run
from lmtx.workspace import Workspace
from lmtx.workspace.audit_design import Weights
from lmtx.workspace.audit_said import Said
from lmtx.workspace.audited import settled_documents
from lmtx.workspace.drawing import draw
from lmtx.workspace.population import Tags, tags_of
from lmtx.workspace.precision_models import Cut, PrecisionReport
from lmtx.workspace.queues import queues_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """The demo with a run on evidence, sixty documents completed by gold, and a run on these."""
    folder = tmp_path_factory.mktemp("precision") / "w"
    with Workspace.create(folder, reserve_share=0.4) as made:
        made._parts._own_index = False
        made.import_demo()
        made.cycle("evidence", rounds=1)
        view, gold = made.journal.corpus(), made.journal.gold("train")
        for row in view.rows("train")[:60]:
            i = view.documents[int(row)].id
            made.complete(i, "ann", accepted=gold[i])
        made.journal.promote(made.train().id)
        made.journal.promote(made.runs()[-1].id)  # the tests go on from the run on evidence
    return folder


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(Path(shutil.copytree(trained, tmp_path / "w")), own_index=False) as opened:
        yield opened
        queues_of(opened._parts).settle()


def gold_of(workspace: Workspace) -> dict[str, set[str]]:
    return {i: set(labels) for i, labels in workspace.journal.gold("train").items()}


def report_of(workspace: Workspace, system: str = "tagger", cut: Cut | None = None) -> PrecisionReport:
    found = workspace.precision_report(system, cut)
    assert found is not None
    return found


def waiting(workspace: Workspace, n: int, scope: Scope | None = None) -> list[tuple[str, str]]:
    """The next pairs of the audit."""
    items = draw(workspace._parts, "pair", "audit", "Ada", n, (), scope or Scope())
    return [(x.document_id, str(x.label_id)) for x in items]


def answer(workspace: Workspace, n: int, scope: Scope | None = None) -> list[tuple[str, str]]:
    """Let a person who knows gold answer the next pairs of the audit."""
    gold = gold_of(workspace)
    items = draw(workspace._parts, "pair", "audit", "Ada", n, (), scope or Scope())
    pairs = [(x.document_id, str(x.label_id)) for x in items]
    workspace.decide(
        [
            Decision(
                i, x, "accept" if x in gold[i] else "reject", "Ada", item.policy, item.inclusion_probability
            )
            for item, (i, x) in zip(items, pairs, strict=True)
        ]
    )
    return pairs


def complete(workspace: Workspace, n: int) -> list[str]:
    """Let a person who knows gold complete the next documents of the audit."""
    gold = gold_of(workspace)
    items = draw(workspace._parts, "document", "audit", "Ada", n, (), Scope())
    for x in items:
        workspace.complete(x.document_id, "Ada", gold[x.document_id], (), x.policy, x.inclusion_probability)
    return [x.document_id for x in items]


def truth(workspace: Workspace, system: str = "tagger") -> float:
    """Precision of all tags of the reserve, counted by hand."""
    tags, gold = tags_of(workspace._parts, system), gold_of(workspace)
    assert tags is not None
    hits = [
        tags.label_ids[x] in gold[tags.document_ids[d]]
        for d, x in zip(tags.document, tags.label, strict=True)
    ]
    return float(np.mean(hits))


def test_answers_on_pairs_count_in_their_order(workspace: Workspace) -> None:
    empty = report_of(workspace)
    assert (empty.n_pairs, empty.n_documents, empty.precision.value) == (0, 0, None)
    assert empty.labels["status"].eq("none").all()
    assert empty.n_known() == 0
    pairs = answer(workspace, 60)
    numbers = [pair_number(i, x, workspace.settings.seed, "audit") for i, x in pairs]
    assert numbers == sorted(numbers)
    assert workspace.journal.decision_counts("policy")["audit_pair"] == 60
    found = report_of(workspace)
    assert (found.n_pairs, found.n_documents, found.n_left_open, found.n_passed) == (60, 0, 0, 0)
    assert found.precision.low <= truth(workspace) <= found.precision.high
    assert found.recall.value is None  # pairs tell nothing of what is missing
    table = found.labels
    assert int(table["n"].sum()) == 60
    assert (table["right"] <= table["n"]).all()
    assert (table["n"] <= table["population"]).all()
    assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"]))[table["n"] > 0].all()
    assert report_of(workspace) is found  # kept until something is said


def test_everything_reviewed_is_the_truth_of_the_reserve(workspace: Workspace) -> None:
    tags = tags_of(workspace._parts)
    assert tags is not None
    answer(workspace, len(tags))
    found = report_of(workspace)
    assert found.n_pairs == len(tags)
    assert found.precision.value == pytest.approx(truth(workspace))
    assert found.precision.half_width > 0  # the reserve is a part of the corpus
    gold = gold_of(workspace)
    for j, row in enumerate(found.labels.itertuples()):
        of = tags.document[tags.label == j]
        assert row.label_id == tags.label_ids[j]
        assert row.right == sum(row.label_id in gold[tags.document_ids[d]] for d in of)
        assert row.n == len(of)
    assert report_of(workspace).macro.value == pytest.approx(
        (found.labels["right"] / found.labels["n"]).mean()
    )


def test_what_was_chosen_counts_only_when_its_turn_has_come(workspace: Workspace) -> None:
    """Who reviews what looks wrong finds more wrong than there is: such answers wait for the random order."""
    far = waiting(workspace, 40)[20:30]
    workspace.decide([Decision(i, x, "reject", "Bob", "default") for i, x in far])
    workspace.decide([Decision(i, x, "reject", "Bob", "audit") for i, x in far])  # of no settled document
    assert report_of(workspace).n_pairs == 0
    answer(workspace, 20)
    assert report_of(workspace).n_pairs == 20
    answer(workspace, 1)  # the first behind them
    assert report_of(workspace).n_pairs == 31


def drawn_anew(rng: np.random.Generator, n_documents: int, wrong_label: int) -> tuple[Tags, np.ndarray]:
    """Tags of made documents with new random numbers, and whether each is right; one label is often wrong."""
    often = -np.log(np.arange(1.0, 21.0)) + rng.gumbel(size=(n_documents, 20))
    label = np.argsort(-often, axis=1)[:, :5].ravel()
    right = rng.random(len(label)) < np.where(label == wrong_label, 0.2, 0.7)
    document = np.repeat(np.arange(n_documents), 5)
    return Tags(
        run=None,
        document_ids=[f"d{i}" for i in range(n_documents)],
        document_number=rng.random(n_documents),
        label_ids=[f"L{i}" for i in range(20)],
        document=document,
        label=label,
        rank=np.tile(np.arange(5), n_documents),
        probability=np.clip(rng.normal(0.4 + 0.3 * right, 0.2), 0.01, 0.99),
        number=rng.random(len(label)),
        n_reserve=n_documents,
    ), right


@pytest.mark.parametrize(
    "kind",
    ["wrong ones", "one label", "both, spread over labels", "alike for a time, then spread over labels"],
)
def test_answers_that_were_chosen_do_not_lean_the_figure(kind: str) -> None:
    """Wrong tags that somebody looked for beforehand, and a bad label audited further, bias nothing."""
    from lmtx.quality.estimates import overall
    from lmtx.quality.sampling import relative_inclusion
    from lmtx.workspace.auditing import _best_order, _pairs

    rng = np.random.default_rng(0)
    off, held, replications = [], [], 150
    for _ in range(replications):
        tags, right = drawn_anew(rng, 200, 5)
        weights = None
        key = tags.number
        if kind.endswith("spread over labels"):
            relative = relative_inclusion(np.bincount(tags.label, minlength=20))
            weights = Weights(dict(zip(tags.label_ids, relative.tolist(), strict=True)))
            key = tags.number / relative[tags.label]
        order = np.argsort(key)
        chosen, apart = np.zeros(len(tags), dtype=bool), np.zeros(len(tags), dtype=bool)
        if kind != "one label":
            chosen[rng.choice(np.flatnonzero(~right), 60, replace=False)] = True
        if kind != "wrong ones":
            apart[np.flatnonzero((tags.label == 5) & ~chosen)] = True
        drawn = np.zeros(len(tags), dtype=bool)
        if kind.startswith("alike"):
            drawn[[i for i in np.argsort(tags.number) if not chosen[i] and not apart[i]][:180]] = True
        rest = [i for i in order if not (chosen[i] or apart[i] or drawn[i])]
        drawn[rest[: 200 - int(drawn.sum())]] = True
        said: dict[str, Said] = {}
        for i in np.flatnonzero(drawn | chosen | apart):
            document, label = tags.document_ids[tags.document[i]], tags.label_ids[tags.label[i]]
            policy = "default" if chosen[i] else "audit_pair"
            action = "accept" if right[i] else "reject"
            p = 0.2 if drawn[i] else None
            d = Decision(document, label, action, "Ada", policy, p)  # type: ignore[arg-type]
            found = said.setdefault(document, Said())
            found.pairs[label] = d
            found.asked |= {label} if not chosen[i] else set()
            found.drawn |= {label} if drawn[i] else set()
        everything, _ = _pairs(tags, said, np.zeros(200, dtype=bool), {}, 1000, [], weights)
        pairs, _, sample = _best_order(everything, [], weights, tags)
        figure = overall(pairs, sample)
        assert figure.value is not None
        off.append(figure.value - right.mean())
        held.append(figure.low <= right.mean() <= figure.high)
        if not apart.any() and not chosen.any():
            assert figure.n == 200
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(replications) + 0.004
    assert np.mean(held) >= 0.9


def test_what_is_put_off_leaves_no_gap_and_what_is_left_out_does(workspace: Workspace) -> None:
    queue = waiting(workspace, 90)
    workspace.decide([Decision(i, x, "skip", "Ada", "audit_pair") for i, x in queue[:5]])
    answer(workspace, 20)
    found = report_of(workspace)
    assert (found.n_pairs, found.n_passed) == (20, 5)
    seqs = workspace.decide([Decision(i, x, "accept", "Ada", "audit_pair", 0.1) for i, x in queue[70:90]])
    assert report_of(workspace).n_pairs == 20  # those before were never answered
    workspace.journal.retract("Ada", seqs=seqs)


def test_documents_and_pairs_count_together_and_once(workspace: Workspace) -> None:
    pairs = answer(workspace, 40)
    ids = complete(workspace, 15)
    found = report_of(workspace)
    tags = tags_of(workspace._parts)
    assert tags is not None
    of_documents = {(i, x) for i in ids for x in tags.by_document()[i]}
    assert (found.n_documents, found.n_pairs) == (15, len(of_documents | set(pairs)))
    assert found.recall.value is not None
    assert settled_documents(workspace._parts) == {i: frozenset(gold_of(workspace)[i]) for i in ids}
    assert found.precision.low <= truth(workspace) <= found.precision.high


def test_a_document_that_was_opened_by_hand_waits_for_its_turn(workspace: Workspace) -> None:
    queue = [x.document_id for x in draw(workspace._parts, "document", "audit", "Ada", 12, (), Scope())]
    workspace.complete(queue[8], "Bob", policy="default")
    assert report_of(workspace).n_documents == 0
    complete(workspace, 5)
    assert report_of(workspace).n_documents == 5
    complete(workspace, 5)
    assert report_of(workspace).n_documents == 11


def test_answers_stay_when_another_run_is_promoted(workspace: Workspace) -> None:
    answer(workspace, 200)
    complete(workspace, 40)
    first = report_of(workspace)
    workspace.promote(workspace.runs()[0].id)
    second = report_of(workspace)
    assert second.run_id != first.run_id == report_of(workspace, str(first.run_id)).run_id
    tags = tags_of(workspace._parts)
    assert tags is not None
    assert 0 < second.n_pairs < first.n_pairs
    assert second.precision.low <= truth(workspace) <= second.precision.high
    assert report_of(workspace, str(first.run_id)).precision == first.precision
    points = workspace.precision_trend()
    assert [x.run_id for x in points] == [first.run_id, second.run_id]
    assert [x.precision for x in points] == [first.precision, second.precision]
    assert second.labels["trend"].map(len).max() == 2
    # New tags are asked about first; what was answered is not asked again.
    more = set(answer(workspace, 30))
    assert report_of(workspace).n_pairs == second.n_pairs + len(more)


@pytest.mark.parametrize("system", ["student", "zero-shot"])
def test_other_systems_are_measured_by_what_they_share(workspace: Workspace, system: str) -> None:
    answer(workspace, 100)
    complete(workspace, 25)
    found = report_of(workspace, system)
    assert found.system == system
    assert (found.run_id is None) == (system == "zero-shot")
    assert found.n_pairs > 0
    assert found.precision.low <= truth(workspace, system) <= found.precision.high
    assert len(list((workspace.folder / "quality").glob("reserve-*.json"))) == 1
    assert report_of(workspace, system) is found


def test_cuts(workspace: Workspace) -> None:
    workspace.promote(workspace.runs()[0].id)  # which completed documents calibrate
    answer(workspace, 200)
    tags = tags_of(workspace._parts)
    assert tags is not None
    assert tags.calibrated
    one = report_of(workspace, cut=Cut(1))
    assert one.precision.population < report_of(workspace).precision.population
    sure = report_of(workspace, cut=Cut(5, 0.5))
    assert len(sure.labels) < len(report_of(workspace).labels)
    assert sure.promise == report_of(workspace).promise  # it chooses a threshold of its own
    for bad in (Cut(6), Cut(0), Cut(5, 1.0)):
        with pytest.raises(InputError, match="expected"):
            workspace.precision_report(cut=bad)
    with pytest.raises(InputError, match="calibrate"):
        workspace.precision_report("student", Cut(5, 0.5))
    with pytest.raises(NotFoundError):
        workspace.precision_report("no-run")


def test_a_promise_holds_and_says_what_it_keeps(workspace: Workspace) -> None:
    workspace.promote(workspace.runs()[0].id)
    answer(workspace, 10_000)
    workspace.update_settings(precision_target=0.3)
    found = report_of(workspace)
    assert found.promise is not None
    assert found.promise.target == 0.3
    assert found.promise.threshold is not None
    tags, gold = tags_of(workspace._parts), gold_of(workspace)
    assert tags is not None
    above = tags.probability >= found.promise.threshold
    assert found.promise.kept == pytest.approx(float(above.mean()))
    hits = [
        tags.label_ids[x] in gold[tags.document_ids[d]]
        for d, x in zip(tags.document[above], tags.label[above], strict=True)
    ]
    assert np.mean(hits) >= 0.3
    assert report_of(workspace, "student").promise is None
    workspace.update_settings(precision_target=0.99)
    assert report_of(workspace).promise.threshold is None  # type: ignore[union-attr]


def test_deleted_labels_and_documents_are_left_out(workspace: Workspace) -> None:
    pairs = answer(workspace, 50)
    label = pairs[0][1]
    document = next(i for i, x in pairs if x != label)
    workspace.journal.delete_labels([label])
    workspace.journal.delete_documents([document])
    found = report_of(workspace)
    left = [pair for pair in pairs if pair[1] != label and pair[0] != document]
    assert found.n_pairs == len(left)
    assert label not in set(found.labels["label_id"])


def test_deleted_labels_are_missed_nowhere(workspace: Workspace) -> None:
    complete(workspace, 30)
    gold, settled = gold_of(workspace), settled_documents(workspace._parts)
    gone = sorted({x for i in settled for x in gold[i]})[::3]
    workspace.journal.delete_labels(gone)
    tags, found = tags_of(workspace._parts), report_of(workspace)
    assert tags is not None
    given = tags.by_document()
    wanted = {i: gold[i] - set(gone) for i in settled}
    assert found.recall.value == pytest.approx(
        sum(len(wanted[i] & set(given[i])) for i in settled) / sum(map(len, wanted.values()))
    )
    for label in map(str, found.labels["label_id"]):
        errors = workspace.label_errors(label)
        assert not {x for x, *_ in [*errors.instead_of, *errors.mistaken_for]} & set(gone)


def test_the_design_spreads_the_draw_and_keeps_the_answers(workspace: Workspace) -> None:
    before = set(answer(workspace, 80))
    uniform = report_of(workspace)
    workspace.set_audit_design("labels")
    assert workspace.settings.audit_design == "labels"
    changed = report_of(workspace)
    assert changed.design == "labels"
    assert (changed.n_pairs, changed.precision) == (80, uniform.precision)
    kept = (workspace.folder / "audit.json").read_bytes()
    tags = tags_of(workspace._parts)
    assert tags is not None
    size = dict(zip(tags.label_ids, np.bincount(tags.label).tolist(), strict=True))
    spread = answer(workspace, 60)
    assert not before & set(spread)
    assert np.mean([size[x] for _, x in spread]) < np.mean([size[x] for _, x in before])
    assert report_of(workspace).n_pairs == 140
    assert report_of(workspace).precision.low <= truth(workspace) <= report_of(workspace).precision.high
    workspace.set_audit_design("uniform")
    workspace.set_audit_design("labels")
    assert (workspace.folder / "audit.json").read_bytes() == kept
    with pytest.raises(InputError, match="uniform, labels"):
        workspace.set_audit_design("cleverly")  # type: ignore[arg-type]


def test_one_label_can_be_audited_further(workspace: Workspace) -> None:
    answer(workspace, 30)
    all_tags = report_of(workspace)
    label = all_tags.labels["label_id"][0]
    n = int(all_tags.labels["n"][0])
    items = draw(workspace._parts, "pair", "audit", "Ada", 500, (), Scope(label_id=label))
    assert {x.label_id for x in items} == {label}
    assert {x.policy for x in items} == {"audit_pair"}
    assert {x.inclusion_probability for x in items} == {None}
    tags = tags_of(workspace._parts)
    assert tags is not None
    given = int(np.bincount(tags.label)[0])
    assert len(items) == given - n  # none is passed over
    answer(workspace, 8, Scope(label_id=label))
    found = report_of(workspace)
    assert found.labels["n"][0] == n + 8
    assert found.precision == all_tags.precision  # its answers tell nothing of all tags
    assert found.labels["n"].sum() == 38


def test_errors_of_a_label_are_its_answers(workspace: Workspace) -> None:
    answer(workspace, 120)
    ids = set(complete(workspace, 30))
    gold = gold_of(workspace)
    found = report_of(workspace)
    names = {x.id: x.name for x in workspace.journal.labels()}
    tags = tags_of(workspace._parts)
    assert tags is not None
    given = tags.by_document()
    n_missed = 0
    for row in found.labels.itertuples():
        errors = workspace.label_errors(row.label_id)
        assert len([x for x in errors.right if x.counts]) == row.right
        assert len([x for x in [*errors.right, *errors.wrong] if x.counts]) == row.n
        for x in errors.wrong:
            assert row.label_id not in gold[x.document_id]
            assert (x.outcome, x.reviewer, x.label_name) == ("wrong", "Ada", names[row.label_id])
            instead = gold[x.document_id] - set(given[x.document_id]) if x.whole else set()
            assert set(x.instead) == {names[y] for y in instead}
        for x in errors.missed:
            assert x.document_id in ids
            assert row.label_id in gold[x.document_id] - set(given[x.document_id])
        n_missed += len(errors.missed)
        times = [x.at for x in errors.wrong if x.at is not None]
        assert times == sorted(times, reverse=True)
        assert sum(n for *_, n in errors.instead_of) <= sum(len(x.instead) for x in errors.wrong)
    assert n_missed > 0
    with pytest.raises(NotFoundError):
        workspace.label_errors("nothing")


def test_a_plan_narrows_with_more_answers(workspace: Workspace) -> None:
    answer(workspace, 60)
    plans = workspace.audit_plan()
    assert [(x.design, x.more) for x in plans] == [
        (design, more) for design in ("uniform", "labels") for more in (50, 100, 200, 500, 1000)
    ]
    for design in ("uniform", "labels"):
        widths = [report_of(workspace).precision.half_width] + [
            x.half_width for x in plans if x.design == design
        ]
        assert widths == sorted(widths, reverse=True)
        known = [x.n_known for x in plans if x.design == design]
        assert known == sorted(known)


def test_reliability_holds_probabilities_against_the_sample(workspace: Workspace) -> None:
    workspace.promote(workspace.runs()[0].id)
    answer(workspace, 40)
    assert workspace.audited_reliability() is None  # too few
    answer(workspace, 60)
    found = workspace.audited_reliability()
    assert found is not None
    assert found.n == report_of(workspace).n_pairs == 100
    assert sum(b.n_accepted for b in found.bins) == report_of(workspace).labels["right"].sum()
    # Behind each bin are its answers, and behind all of them those of the figure of all tags.
    behind = [workspace.reliability_tags("tagger", i) for i in range(len(found.bins))]
    for b, answers in zip(found.bins, behind, strict=True):
        assert (len(answers), sum(x.outcome == "right" for x in answers)) == (b.n, b.n_accepted)
        assert np.mean([x.probability for x in answers]) == pytest.approx(b.probability)
    every = {(x.document_id, x.label_id) for answers in behind for x in answers}
    assert every == {(x.document_id, x.label_id) for x in workspace.audited_tags()}
    assert workspace.reliability_tags("tagger", len(found.bins)) == []


def test_reliability_tells_of_all_tags_where_the_audit_is_spread_over_labels(workspace: Workspace) -> None:
    workspace.promote(workspace.runs()[0].id)
    workspace.set_audit_design("labels")
    answer(workspace, 120)
    found = workspace.audited_reliability()
    assert found is not None
    answers = workspace.audited_tags()
    weight = np.array([x.stands_for for x in answers])
    assert weight.max() > 1.2 * weight.min()  # or nothing is tested
    tags = tags_of(workspace._parts)
    assert tags is not None
    assert weight.sum() == pytest.approx(len(tags))
    off = np.array([(x.outcome == "right") - (x.probability or 0.0) for x in answers])
    assert found.lean == pytest.approx(float(weight @ off / weight.sum()))
    assert found.lean != pytest.approx(float(off.mean()), abs=1e-4)  # each counted once


def test_behind_figures_of_all_tags_are_the_answers_that_count(workspace: Workspace) -> None:
    assert workspace.audited_tags() == workspace.audited_tags(figure="recall") == []
    far = waiting(workspace, 110)[105:110]
    workspace.decide([Decision(i, x, "reject", "Bob", "default") for i, x in far])  # waits for its turn
    pairs = answer(workspace, 30)
    ids = complete(workspace, 10)
    gold = gold_of(workspace)
    for system, cut in (("tagger", Cut()), ("tagger", Cut(2)), ("student", Cut())):
        report = report_of(workspace, system, cut)
        found = workspace.audited_tags(system, cut)
        assert len(found) == report.n_pairs > 0
        assert len({(x.document_id, x.label_id) for x in found}) == len(found)
        assert all((x.outcome == "right") == (x.label_id in gold[x.document_id]) for x in found)
        assert {x.reviewer for x in found} == {"Ada"}
        assert {x.document_id for x in found if x.whole} <= set(ids)
        wanted = workspace.audited_tags(system, cut, "recall")
        assert len(wanted) == sum(len(gold[i]) for i in ids)
        share = sum(x.outcome == "right" for x in wanted) / len(wanted)
        assert share == pytest.approx(report.recall.value)
    assert {(x.document_id, x.label_id) for x in workspace.audited_tags()} >= set(pairs)
    with pytest.raises(InputError, match="precision, recall"):
        workspace.audited_tags(figure="f1")  # type: ignore[arg-type]


def test_following_new_decisions_gives_what_reading_all_does(workspace: Workspace) -> None:
    rng = np.random.default_rng(0)
    for step in range(6):
        answer(workspace, 15)
        complete(workspace, 2)
        if step % 2:
            workspace.undo("Ada")
            standing = [
                d.seq for d in workspace.journal.decisions(standing=True, limit=None) if d.reviewer == "Ada"
            ]
            workspace.journal.retract("Ada", seqs=[int(rng.choice(standing))])
        found = report_of(workspace)
        with Workspace.open(workspace.folder, own_index=False) as other:
            again = report_of(other)
        assert again.precision == found.precision
        assert again.labels.equals(found.labels)


def test_without_a_run_there_is_no_figure(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w") as empty:
        empty._parts._own_index = False
        assert empty.precision_report() is None
        assert empty.precision_report("zero-shot") is None
        assert empty.precision_trend() == []
        assert empty.audit_plan() == []
        with pytest.raises(NothingToDoError, match="Train first"):
            empty.set_audit_design("labels")  # weights are kept: those of no tags would be kept for good
        assert empty.settings.audit_design == "uniform"
        assert empty.audited_reliability() is None
        assert settled_documents(empty._parts) == {}


def test_a_run_on_record_has_tagged_the_reserve(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, there = workspace.journal.put_run, []

    def put_run(run: Run) -> None:
        there.append((workspace.folder / run.folder / "reserve.json").exists())
        put(run)

    monkeypatch.setattr(workspace.journal, "put_run", put_run)
    workspace.train()
    assert there == [True]  # who looks while it is made would draw the audit from something else for good


def test_documents_settled_before_a_label_was_there_say_nothing_of_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    complete(workspace, 30)
    before = report_of(workspace)
    # Twins of labels that are given often: proposed wherever those are, and nobody could choose them.
    twins = [str(x) for x in before.labels["label_id"][:5]]
    labels = {x.id: x for x in workspace.journal.corpus().labels}
    new = [{"id": f"twin-{x}", "name": labels[x].name, "description": labels[x].description} for x in twins]
    file = tmp_path / "twins.jsonl"
    file.write_text("\n".join(map(json.dumps, new)), encoding="utf-8")
    assert workspace.journal.labels_added() == {}
    workspace.import_labels(file)
    head = workspace.journal.head_seq()
    assert workspace.journal.labels_added() == {f"twin-{x}": head for x in twins}
    workspace.train()
    found = report_of(workspace)
    rows = found.labels[found.labels["label_id"].str.startswith("twin-")]
    assert len(rows) > 0  # or nothing is tested
    assert rows["n"].sum() == 0
    assert set(rows["badge"]) == {""}
    assert found.n_passed == found.n_left_open == 0
    compared = workspace.compare_runs(basis="audit")
    assert compared is not None
    assert not [x for x in compared.labels if x.label_id.startswith("twin-")]
    # What is settled from now on counts.
    complete(workspace, 10)
    rows = report_of(workspace).labels
    assert rows[rows["label_id"].str.startswith("twin-")]["n"].sum() > 0


@pytest.mark.parametrize(
    "body", ['{"other": 0, "relative": {}}', '{"other": NaN, "relative": {}}', '{"other": 1']
)
def test_weights_that_cannot_be_are_not_drawn_by_and_the_report_says_so(
    workspace: Workspace, body: str
) -> None:
    (workspace.folder / "audit.json").write_text(body, encoding="utf-8")
    workspace.update_settings(audit_design="labels")
    answer(workspace, 20)
    found = report_of(workspace)
    assert (found.design, found.n_pairs) == ("uniform", 20)


def test_a_damaged_file_of_tags_is_as_if_there_was_none(workspace: Workspace) -> None:
    run = workspace.journal.promoted()
    assert run is not None
    path = workspace.folder / run.folder / "reserve.json"
    path.write_text('{"n_reserve": 3, "tags": [1, 2]}', encoding="utf-8")
    assert workspace.precision_report() is None
