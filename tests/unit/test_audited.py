"""Precision from audited documents, on the demo corpus with a reviewer that answers from gold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from lmtx.cli.main import app
from lmtx.errors import NothingToDoError
from lmtx.types import Action, Decision
from lmtx.workspace import Workspace
from lmtx.workspace.population import population_of
from lmtx.workspace.precision_models import Cut


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, dict[str, set[str]]]]:
    with Workspace.create(tmp_path_factory.mktemp("audited") / "w", reserve_share=0.4) as workspace:
        workspace.demo()
        gold = {i: set(labels) for i, labels in workspace.journal.gold("train").items()}
        yield workspace, gold


def complete(workspace: Workspace, gold: dict[str, set[str]], n: int, policy: str = "audit") -> list[str]:
    """Let a person who knows gold complete the next documents of a queue."""
    ids = []
    for _ in range(n):
        item = workspace.next_documents(policy, "Ada")[0]  # type: ignore[arg-type]
        shown = {c.label_id for c in item.candidates}
        right = gold[item.document.id]
        workspace.complete(
            item.document.id, "Ada", right, shown - right, item.policy, item.inclusion_probability
        )
        ids.append(item.document.id)
    return ids


def exactly(workspace: Workspace, gold: dict[str, set[str]], ids: list[str]) -> tuple[float, float]:
    """Precision and recall of the tags on some documents, counted by hand."""
    run = workspace.journal.promoted()
    assert run is not None
    tags = population_of(workspace._parts, run).tags
    hits = sum(len(gold[i] & tags[i].keys()) for i in ids)
    return hits / sum(len(tags[i]) for i in ids), hits / sum(len(gold[i]) for i in ids)


def test_only_what_the_audit_drew_counts(made: tuple[Workspace, dict[str, set[str]]]) -> None:
    workspace, gold = made
    empty = workspace.precision_report()
    assert empty is not None
    assert (empty.n_documents, empty.precision.value) == (0, None)
    workspace.update_settings(audit_share=0.0)
    complete(workspace, gold, 3, "default")
    reserved = workspace.next_documents("audit", "Ada")[0].document.id
    workspace.decide([Decision(reserved, None, "complete", "Ada", "default")])  # opened by its address
    found = workspace.precision_report()
    assert found is not None
    assert found.n_documents == 0
    workspace.undo("Ada")

    ids = complete(workspace, gold, 5)
    found = workspace.precision_report()
    assert found is not None
    assert (found.precision.n, found.macro.value) == (25, None)  # of so few labels no mean is taken
    ids += complete(workspace, gold, 20)
    found = workspace.precision_report()
    assert found is not None
    assert found.n_documents == 25
    value, recall = exactly(workspace, gold, ids)
    assert found.precision.value == pytest.approx(value, abs=0.05)  # corrected by the proxy
    assert found.recall.value == pytest.approx(recall)
    reserve = [x.id for x in (workspace.journal.corpus().documents[int(i)]
                              for i in workspace.journal.corpus().rows("reserve"))]  # fmt: skip
    truth, wanted = exactly(workspace, gold, reserve)
    assert found.precision.low <= truth <= found.precision.high
    assert found.recall.low <= wanted <= found.recall.high
    assert found.labels["n"].sum() == sum(
        len(population_of(workspace._parts, run).tags[i]) for i in ids for run in [workspace.runs()[0]]
    )
    for row in found.labels.itertuples():
        assert row.right <= row.n <= row.population
        assert 0 <= row.low <= row.high <= 1
        if row.n:
            assert row.low <= row.value <= row.high
            assert row.value == pytest.approx(row.right / row.n)
    assert workspace.precision_report() is found  # kept until something is said

    # Everything of the reserve: what is left to know is the corpus that it stands for.
    complete(workspace, gold, len(reserve) - 25)
    whole = workspace.precision_report()
    assert whole is not None
    assert whole.precision.value == pytest.approx(truth)
    assert whole.recall.value == pytest.approx(wanted)
    assert 0 < whole.precision.half_width < found.precision.half_width


def answer(workspace: Workspace, gold: dict[str, set[str]], n: int, put_off: Callable[[bool], bool]) -> None:
    """Let a person who knows gold answer the next pairs, and put some of them off."""
    for _ in range(n):
        pair = workspace.next_pairs("audit", "Ada")[0]
        i, label = pair.document.id, pair.candidate.label_id
        right = label in gold.get(i, set())
        action: Action = "skip" if put_off(right) else "accept" if right else "reject"
        workspace.decide([Decision(i, label, action, "Ada", pair.policy, pair.inclusion_probability)])


def badges(workspace: Workspace, target: float) -> set[str]:
    """What is said of labels against another target."""
    before = workspace.settings.precision_target
    workspace.update_settings(precision_target=target)
    found = workspace.precision_report()
    workspace.update_settings(precision_target=before)
    assert found is not None
    return set(found.labels["badge"])


def test_where_wrong_tags_are_put_off_nothing_is_promised(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    gold = {i: set(labels) for i, labels in workspace.journal.gold("train").items()}
    workspace.update_settings(precision_target=0.4)
    honest = workspace.precision_report()
    assert honest is not None
    assert honest.promise is not None
    assert honest.promise.threshold is not None  # or nothing is tested
    assert "misses" in badges(workspace, 0.95)
    assert (honest.n_passed, honest.worst, honest.put_off) == (0, None, False)

    answer(workspace, gold, 4, lambda right: True)
    found = workspace.precision_report()
    assert found is not None
    assert (found.n_passed, found.put_off) == (4, False)
    assert found.promise is not None
    assert found.promise.threshold is not None

    answer(workspace, gold, 60, lambda right: not right)
    found = workspace.precision_report()
    assert found is not None
    assert found.n_passed + found.n_pairs == honest.n_pairs + 64
    assert found.put_off
    assert found.precision.value is not None
    assert found.worst == pytest.approx(found.precision.value * found.n_pairs / (honest.n_pairs + 64))
    view = workspace.journal.corpus()
    truth, _ = exactly(workspace, gold, [view.documents[int(i)].id for i in view.rows("reserve")])
    assert found.worst < truth < found.precision.value
    assert badges(workspace, 0.95) == {""}
    assert found.promise is not None
    assert f"{found.n_passed} of {honest.n_pairs + 64} tags" in found.promise.withheld
    for promise in [found.promise, *(g.promise for g in found.groups)]:
        assert promise is not None
        assert promise.threshold is promise.needed is None
        assert "put off" in promise.withheld


def test_the_command_line_says_the_same(made: tuple[Workspace, dict[str, set[str]]], tmp_path: Path) -> None:
    workspace, _ = made
    found = workspace.precision_report()
    assert found is not None

    def run(*options: str) -> str:
        answer = CliRunner().invoke(app, ["--workspace", str(workspace.folder), "precision", *options])
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    value = json.loads(run("--json", "--csv", str(tmp_path / "labels.csv")))
    reviewed = value["reviewed"]
    for name in ("precision", "macro", "recall"):
        figure, expected = reviewed[name], getattr(found, name)
        assert [figure[x] for x in ("value", "low", "high", "n")] == pytest.approx(
            [expected.value, expected.low, expected.high, expected.n]
        )
    assert (reviewed["truth"], reviewed["system"], reviewed["run_id"]) == ("reviewed", "tagger", found.run_id)
    assert (reviewed["n_documents"], reviewed["n_pairs"]) == (found.n_documents, found.n_pairs)
    assert reviewed["n_known"] == found.n_known()
    assert [x["label_id"] for x in reviewed["labels"]] == list(found.labels["label_id"])
    known = found.labels["value"].notna()
    told = [x["value"] for x in reviewed["labels"]]
    assert [x is not None for x in told] == list(known)
    assert [x for x in told if x is not None] == pytest.approx(list(found.labels["value"][known]))
    assert len(reviewed["groups"]) == len(found.groups)
    assert value["gold"]["truth"] == "gold, split test"
    assert 0 < value["gold"]["micro_precision"] < 1
    table = pd.read_csv(tmp_path / "labels.csv")
    assert list(table["label_id"]) == list(found.labels["label_id"])
    assert list(table["n"]) == list(found.labels["n"])

    text = run()
    p = found.precision
    assert p.value is not None
    assert f"{100 * p.value:.1f} % [{100 * p.low:.1f}, {100 * p.high:.1f}] of the tags are right" in text
    assert "Gold labels of the split test, tagger" in text
    assert json.loads(run("--json", "--cut", "7"))["reviewed"] is None  # the audit asks about five tags
    one = workspace.precision_report(cut=Cut(1))
    assert one is not None
    assert json.loads(run("--json", "--cut", "1"))["reviewed"]["n_pairs"] == one.n_pairs


def test_the_command_line_says_what_is_missing(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w"):
        pass
    answer = CliRunner().invoke(app, ["--workspace", str(tmp_path / "w"), "precision", "--json"])
    assert isinstance(answer.exception, NothingToDoError)
    assert "Train with" in str(answer.exception)
