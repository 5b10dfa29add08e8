"""The label set as a whole: counts, tree, near-duplicates, outliers, and what no label fits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lmtx.cli import main
from lmtx.errors import InputError, NotFoundError
from lmtx.explore import gaps as gap_groups
from lmtx.explore import label_tree
from lmtx.explore import labels as geometry
from lmtx.types import Decision, Label
from lmtx.workspace import Workspace
from lmtx.workspace.label_outliers import greedy_labels
from lmtx.workspace.precision_models import TAGS


@pytest.fixture(scope="module")
def tagged(audited_demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the reviewed demo whose corpus was tagged by its run."""
    folder = tmp_path_factory.mktemp("space") / "w"
    shutil.copytree(audited_demo.folder, folder)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.tag_corpus()
    return folder


@pytest.fixture(scope="module")
def shared(tagged: Path) -> Iterator[Workspace]:
    """It, for tests that change nothing."""
    with Workspace.open(tagged, own_index=False) as opened:
        yield opened


@pytest.fixture
def workspace(tagged: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(tagged, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as opened:
        yield opened


# ---- pure functions -----------------------------------------------------------------------------


def test_pairs_count_the_documents_that_are_given_both() -> None:
    label_idx = np.array([[0, 1, 2], [0, 1, -1], [0, 2, 3], [3, -1, -1]], dtype=np.int32)
    keep = np.ones(label_idx.shape, dtype=bool)
    keep[2, 1] = False  # label 2 does not count there
    pairs = geometry.counted_pairs(geometry.given_matrix(label_idx, keep, 5))
    found = {
        (a, b): n for a, b, n in zip(pairs.a.tolist(), pairs.b.tolist(), pairs.n_both.tolist(), strict=True)
    }
    assert found == {(0, 1): 2, (0, 2): 1, (1, 2): 1, (0, 3): 1}
    first = pairs.where(np.flatnonzero((pairs.a == 0) & (pairs.b == 1)))
    assert first.jaccard.tolist() == [pytest.approx(2 / 3)]
    lift, low, high = first.lift(4)
    assert lift.tolist() == [pytest.approx(2 * 4 / (3 * 2))]
    assert low[0] < lift[0] < high[0]
    assert geometry.matrix_of(pairs, np.array([1, 0])).tolist() == [[0, 2], [2, 0]]


def test_the_interval_of_the_lift_covers_independence_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    n, covered, trials = 2000, 0, 300
    for _ in range(trials):
        a, b = rng.random(n) < 0.2, rng.random(n) < 0.15
        both = np.array([int((a & b).sum())])
        pair = geometry.LabelPairs(
            np.array([0]), np.array([1]), both, np.array([int(a.sum())]), np.array([int(b.sum())])
        )
        _, low, high = pair.lift(n)
        covered += bool(low[0] <= 1 <= high[0])
    assert covered / trials >= 0.93


def test_nearest_labels_are_those_of_greatest_cosine() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((1500, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows, cosine = geometry.nearest(vectors, 3)
    all_ = vectors @ vectors.T
    np.fill_diagonal(all_, -2)
    assert (rows[:, 0] == all_.argmax(axis=1)).all()
    assert cosine[:, 2] == pytest.approx(np.sort(all_, axis=1)[:, -3], abs=1e-6)
    assert geometry.nearest(vectors[:1], 3)[0].shape == (1, 0)


def test_names_are_alike_by_their_letters_in_any_script() -> None:
    assert geometry.name_likeness("Firewalls", "firewalls ") == 1
    assert geometry.name_likeness("Firewall", "Firewalls") > 0.8 > geometry.name_likeness("Fire", "Water")
    assert geometry.name_likeness("図書館", "図書館学") > 0.5
    assert geometry.name_likeness("", "") == 1
    assert geometry.name_likeness("", "a") == 0


def test_a_tree_keeps_the_greatest_and_gathers_the_rest_without_losing_any() -> None:
    #      0        1 (3, 4, 5 within; 6 within 5)   2
    parent = [-1, -1, -1, 1, 1, 1, 5]
    volume = np.array([5, 1, 2, 4, 1, 0, 9])
    nodes = label_tree.tree(parent, volume, most=4)
    shown = {n.label: n for n in nodes if n.label >= 0}
    assert set(shown) == {1, 5, 6, 0}  # totals 15, 9, 9, 5
    assert shown[1].total == 15
    assert shown[1].n_labels == 5
    assert nodes[shown[6].parent].label == 5
    others = [n for n in nodes if n.name == "others"]
    assert sorted((nodes[n.parent].label if n.parent >= 0 else -1, n.own, n.n_labels) for n in others) == [
        (-1, 2, 1),
        (1, 5, 2),
    ]
    assert sum(n.own for n in nodes) == volume.sum()
    assert all(n.parent < i for i, n in enumerate(nodes))


def test_a_cycle_among_broader_labels_hangs_nothing_up() -> None:
    nodes = label_tree.tree([1, 0, 2, -1], np.array([1, 2, 3, 4]), most=10)
    assert sorted(n.label for n in nodes) == [0, 1, 2, 3]
    assert sum(n.own for n in nodes) == 10
    above = geometry.ancestors([(1,), (0,), (2,), ()])
    assert above[0] == {1}
    assert above[2] == frozenset()


def test_relations_tell_duplicates_from_broader_labels() -> None:
    parents = [(), (0,), (1,), (0,), ()]
    above = geometry.ancestors(parents)
    assert geometry.relation(0, 2, parents, above) == "broader"
    assert geometry.relation(2, 0, parents, above) == "narrower"
    assert geometry.relation(1, 3, parents, above) == "siblings"
    assert geometry.relation(2, 4, parents, above) == ""


def test_groups_by_names_need_half_of_the_labels() -> None:
    assert label_tree.shared_beginnings(["Games: Chess", "Games: Go", "Mail"]) == [
        "Games",
        "Games",
        "without a group",
    ]
    assert label_tree.shared_beginnings(["Games: Chess", "Mail: Read", "Fonts"]) is None


def test_often_enough_takes_chance_into_account() -> None:
    ratio, least = geometry.at_least_as_often(np.array([6, 600, 5, 0]), np.array([3, 300, 0, 0]))
    assert ratio[0] == ratio[1] == 2
    assert least[0] < 1 < 1.7 < least[1] < 2
    assert np.isinf(ratio[2])
    assert np.isnan(ratio[3])


def test_groups_of_documents_are_told_by_their_own_words() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(16, dtype=np.float32)[:2]
    vectors = np.repeat(centres, 30, axis=0) + 0.05 * rng.standard_normal((60, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = ["the telephone exchange"] * 30 + ["the beekeeper and hives"] * 30
    found = gap_groups.grouped(vectors)
    assert sorted(sorted(rows.tolist()) for rows, _ in found) == [list(range(30)), list(range(30, 60))]
    terms = gap_groups.terms_of(
        texts, [rows for rows, _ in found], ["the a and"] * 100, lambda word: word == "and"
    )
    assert {frozenset(word for word, _ in group) for group in terms} == {
        frozenset({"telephone", "exchange"}),
        frozenset({"beekeeper", "hive"}),
    }
    assert gap_groups.grouped(vectors[:3]) == []


# ---- counts -------------------------------------------------------------------------------------------


def test_given_counts_the_tags_that_keep_the_threshold_of_the_way_to_count(shared: Workspace) -> None:
    tags = shared.corpus_tags()
    assert tags is not None
    for how in shared.label_space().hows:
        space = shared.label_space(how)
        completed = {shared.journal.corpus().document_idx[i] for i in shared.journal.completed()}
        row = next(i for i in range(len(tags.label_idx)) if i not in completed)
        best = [
            int(j)
            for k, j in enumerate(tags.label_idx[row, :TAGS])
            if not space.threshold or tags.probability is None or tags.probability[row, k] >= space.threshold
        ]
        assert sorted(space.given[[row]].indices.tolist()) == sorted(best)
        assert space.labels["given"].sum() == space.n_given
    with pytest.raises(InputError, match="can't be counted"):
        shared.label_space("said")


def test_what_was_counted_is_not_counted_again_by_turns(shared: Workspace) -> None:
    hows = shared.label_space().hows
    first = [shared.label_space(how) for how in hows]
    assert all(a is b for a, b in zip(first, [shared.label_space(how) for how in hows], strict=True))
    assert shared.gaps() is shared.gaps()
    assert shared.similar_labels() is shared.similar_labels()


def test_a_completed_document_has_what_people_accepted_and_nothing_else(shared: Workspace) -> None:
    space, view = shared.label_space(), shared.journal.corpus()
    completed = shared.journal.completed()
    assert completed
    for document_id, wanted in completed.items():
        given = space.given[[view.document_idx[document_id]]].indices
        assert {view.labels[j].id for j in given} == set(wanted)


def test_a_decision_overrides_the_run_at_once(workspace: Workspace) -> None:
    space, view = workspace.label_space(), workspace.journal.corpus()
    completed = workspace.journal.completed()
    row = next(i for i, d in enumerate(view.documents) if d.id not in completed and space.given[[i]].nnz)
    gone = view.labels[int(space.given[[row]].indices[0])]
    new = next(x for x in view.labels if x.id != gone.id and not space.given[row, view.label_idx[x.id]])
    workspace.decide(
        [
            Decision(view.documents[row].id, gone.id, "reject", "Ada"),
            Decision(view.documents[row].id, new.id, "accept", "Ada"),
        ]
    )
    after = workspace.label_space()
    assert not after.given[row, view.label_idx[gone.id]]
    assert after.given[row, view.label_idx[new.id]]


def test_precision_is_the_audits_where_there_is_one_else_golds_on_test_documents(shared: Workspace) -> None:
    assert shared.label_space().truths[0] == "reviewed"
    space = shared.label_space(truth="reviewed")
    knows = space.labels["precision"].notna().any()
    assert shared.label_space().truth == (
        "reviewed" if knows else "gold"
    )  # an audit of a few tags knows none
    report = shared.precision_report()
    assert report is not None
    known = report.labels.set_index("label_id")["n"]
    rows = space.labels.set_index("label_id")
    if space.threshold == 0:
        assert (rows.loc[known.index, "n"] == known).all()
    gold = shared.label_space("top" if "top" in space.hows else None, "gold").labels
    truth = shared.label_quality("tagger", cut=TAGS).set_index("label_id")
    completed = shared.journal.completed()
    view = shared.journal.corpus()
    assert not any(view.roles[view.document_idx[i]] == "test" for i in completed)
    for label_id, n, precision in zip(gold["label_id"], gold["n"], gold["precision"], strict=True):
        if label_id in truth.index and n >= 10:
            assert n == truth.loc[label_id, "n_predicted"]
            assert precision == pytest.approx(truth.loc[label_id, "precision"])
        elif n < 10:
            assert np.isnan(precision)  # too few to say anything


def test_without_tags_counts_are_of_what_was_said(audited_demo: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copytree(audited_demo.folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as workspace:
        space = workspace.label_space()
        assert space.hows == ("said",)
        assert space.system == ""
        counts = workspace.journal.pair_counts()
        assert space.n_given == counts["accepted"] + counts["proposed"]
        assert workspace.gaps() is None
        _, tree = workspace.label_tree()
        assert tree.nodes["own"].sum() == space.n_given
        assert len(workspace.unused_labels()) == (space.labels["given"] == 0).sum()


def test_a_workspace_without_anything_has_an_empty_label_space(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w") as workspace:
        assert workspace.label_space().n_given == 0
        assert workspace.label_tree()[1].nodes.empty
        assert workspace.similar_labels().empty
        assert workspace.pairs_together().empty
        assert workspace.labels_together().names == []
        assert workspace.gaps() is None
        workspace.journal.put_labels([Label("A", "Birds")])
        assert workspace.unused_labels()["reason"].tolist() == ["nobody was asked about it yet"]


# ---- what stands out ----------------------------------------------------------------------------------


def test_the_tree_has_every_tag_once_and_labels_under_their_first_broader_one(shared: Workspace) -> None:
    space, tree = shared.label_tree(most=40)
    nodes, view = tree.nodes, shared.journal.corpus()
    assert tree.grouped == "broader"
    assert nodes["own"].sum() == space.n_given
    assert (nodes["label_id"] != "").sum() == 40
    assert tree.n_shared == sum(len(set(x.parents) & set(view.label_idx)) > 1 for x in view.labels)
    for row in nodes.itertuples():
        if row.label_id and row.parent >= 0:
            label = view.labels[view.label_idx[row.label_id]]
            assert nodes["label_id"].iat[row.parent] == label.parents[0]


def test_a_label_that_was_imported_twice_leads_the_near_duplicates(workspace: Workspace) -> None:
    tags = workspace.corpus_tags()
    assert tags is not None
    counts = np.bincount(tags.label_idx[:, 0].clip(0))
    label = workspace.journal.corpus().labels[int(counts.argmax())]
    twin = Label("TWIN", label.name, label.description, label.aliases)
    workspace.journal.put_labels([twin])
    workspace.tag_corpus()
    first = workspace.similar_labels().iloc[0]
    assert {first["a_id"], first["b_id"]} == {label.id, "TWIN"}
    assert first["likeness"] > 0.5
    assert "the same name" in first["reason"]
    assert "nearly the same meaning" in first["reason"]


def test_a_broader_label_is_named_as_such_among_similar_ones(shared: Workspace) -> None:
    rows, labels = shared.similar_labels(), {x.id: x for x in shared.journal.corpus().labels}
    assert len(rows)
    for row in rows.itertuples():
        assert row.a_id != row.b_id
        if row.relation == "broader":
            assert row.a_id in labels[row.b_id].parents or any(
                row.a_id in labels[p].parents for p in labels[row.b_id].parents
            )
    assert (rows["likeness"].diff().dropna() <= 1e-9).mean() > 0.9


def test_pairs_that_come_together_lead_to_the_documents_with_both(shared: Workspace) -> None:
    how = shared.label_space().hows[-1]  # the most tags
    space, pairs = shared.label_space(how), shared.pairs_together(how)
    assert len(pairs)
    assert (pairs["n_both"] >= 10).all()
    assert pairs["low"].is_monotonic_decreasing
    first = pairs.iloc[0]
    documents = shared.documents_given([first["a_id"], first["b_id"]], how)
    assert len(documents) == first["n_both"]
    assert first["lift"] == pytest.approx(first["n_both"] * space.n_documents / (first["n_a"] * first["n_b"]))
    mine = shared.pairs_together(how, first["a_id"])
    assert set(mine["a_id"]) | set(mine["b_id"]) >= {first["a_id"]}
    assert all(first["a_id"] in pair for pair in zip(mine["a_id"], mine["b_id"], strict=True))
    matrix = shared.labels_together(first["a_id"], how)
    assert first["a_id"] in matrix.label_ids
    i, j = (matrix.label_ids.index(first[x]) for x in ("a_id", "b_id"))
    assert matrix.both[i, j] == first["n_both"]
    with pytest.raises(NotFoundError, match="nowhere"):
        shared.pairs_together(label_id="nowhere")


def test_what_is_never_given_says_why(shared: Workspace) -> None:
    rows = shared.unused_labels()
    assert (rows["given"] == 0).all()
    assert rows["reason"].str.len().gt(10).all()
    asked = rows[(rows["rejected"] + rows["no"] > 0) & (rows["accepted"] + rows["yes"] == 0)]
    asked = asked[asked["n_children"] == 0]
    assert asked["reason"].str.contains("always no").all()


def test_a_label_takes_too_much_where_that_is_no_chance(shared: Workspace) -> None:
    space = shared.label_space()
    rows = space.labels.head(4).copy()
    rows["given"] = [400, 40, 300, 10]
    rows["given_judged"], rows["wanted"] = [200, 24, 100, 10], [50, 18, 100, 1]
    rows["ratio"], rows["at_least"] = geometry.at_least_as_often(
        rows["given_judged"].to_numpy(), rows["wanted"].to_numpy()
    )
    for usual, hubs in ((1.0, [rows["label_id"].iat[0]]), (4.0, []), (0.5, [rows["label_id"].iat[0]])):
        found = greedy_labels(replace(space, labels=rows, usual=usual))
        assert found[found["hub"]]["label_id"].tolist() == hubs, usual
    first = greedy_labels(replace(space, labels=rows, usual=1.0)).iloc[0]
    assert first["excess"] == 300
    assert "200 get it and 50 should" in first["reason"]


# ---- gaps ---------------------------------------------------------------------------------------------


def test_gaps_are_the_documents_whose_best_label_fits_worst(shared: Workspace) -> None:
    found, tags = shared.gaps(), shared.corpus_tags()
    assert found is not None
    assert tags is not None
    view = shared.journal.corpus()
    best = tags.score[:, 0] if tags.probability is None else tags.probability[:, 0]
    completed = shared.journal.completed()
    for document_id in found.document_ids:
        row = view.document_idx[document_id]
        assert best[row] < found.below or (document_id in completed and not completed[document_id])
    accepted = {i for i, labels in completed.items() if labels}
    assert not accepted & set(found.document_ids)
    assert sum(found.n_by_role.values()) == len(found)
    grouped = [i for g in found.groups for i in g.document_ids]
    assert len(grouped) == len(set(grouped)) == len(found) - found.n_strays
    with pytest.raises(InputError, match="below"):
        shared.gaps(1.5)


def test_a_document_that_people_completed_without_a_label_is_a_gap(workspace: Workspace) -> None:
    before = workspace.gaps()
    assert before is not None
    completed = workspace.journal.completed()
    view = workspace.journal.corpus()
    document_id = next(
        d.id for d in view.documents if d.id not in completed and d.id not in before.document_ids
    )
    workspace.complete(document_id, "Ada", accepted=set(), rejected=set())
    after = workspace.gaps()
    assert after is not None
    assert document_id in after.document_ids
    assert after.n_refused == before.n_refused + 1


# ---- the verbs ------------------------------------------------------------------------------------------


def test_the_verbs_print_what_the_methods_return(
    shared: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("label-space", "gaps"):
        with pytest.raises(SystemExit) as ended:
            main(["-w", str(shared.folder), verb, "--json", "--limit", "3"])
        assert ended.value.code == 0
        found = json.loads(capsys.readouterr().out)
        if verb == "label-space":
            assert found["tags"] == shared.label_space().n_given
            assert found["n_unused"] == len(shared.unused_labels())
            assert len(found["similar"]) <= 3
        else:
            gaps = shared.gaps()
            assert gaps is not None
            assert found["documents"] == len(gaps)
    with pytest.raises(SystemExit):
        main(["-w", str(shared.folder), "gaps", "--limit", "2"])
    assert "documents have no label of a" in capsys.readouterr().out
