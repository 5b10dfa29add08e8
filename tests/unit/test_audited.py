"""Precision from audited documents, on the demo corpus with a reviewer that answers from gold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmtx.cli.main import app
from lmtx.types import Decision
from lmtx.workspace import Workspace
from lmtx.workspace.watching import population_of


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
    empty = workspace.reviewed_precision()
    assert empty is not None
    assert (empty.n_documents, empty.precision.value) == (0, None)
    workspace.update_settings(audit_share=0.0)
    complete(workspace, gold, 3, "default")
    reserved = workspace.next_documents("audit", "Ada")[0].document.id
    workspace.decide([Decision(reserved, None, "complete", "Ada", "default")])  # opened by its address
    found = workspace.reviewed_precision()
    assert found is not None
    assert found.n_documents == 0
    workspace.undo("Ada")

    ids = complete(workspace, gold, 25)
    found = workspace.reviewed_precision()
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
    assert sum(n for _, _, _, n, *_ in found.labels) == sum(
        len(population_of(workspace._parts, run).tags[i]) for i in ids for run in [workspace.runs()[0]]
    )
    for _, _, right, n, size, low, high in found.labels:
        assert right <= n <= size
        assert 0 <= low <= high <= 1
        if n:
            assert low <= right / n <= high
    assert workspace.reviewed_precision() is found  # kept until something is said

    # Everything of the reserve: what is left to know is the corpus that it stands for.
    complete(workspace, gold, len(reserve) - 25)
    whole = workspace.reviewed_precision()
    assert whole is not None
    assert whole.precision.value == pytest.approx(truth)
    assert whole.recall.value == pytest.approx(wanted)
    assert 0 < whole.precision.half_width < found.precision.half_width


def test_the_command_line_says_the_same(
    made: tuple[Workspace, dict[str, set[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, _ = made
    answer = CliRunner().invoke(app, ["--workspace", str(workspace.folder), "precision", "--json"])
    assert answer.exit_code == 0, answer.output
    value = json.loads(answer.stdout)
    found = workspace.reviewed_precision()
    assert found is not None
    assert value["reviewed"]["precision"]["value"] == pytest.approx(found.precision.value)
    assert value["reviewed"]["n_documents"] == found.n_documents
    assert value["truth"] == "gold, split test"
    text = CliRunner().invoke(app, ["--workspace", str(workspace.folder), "precision"])
    assert f"By {found.n_documents} audited documents" in text.output
    assert Path(workspace.folder).is_dir()
