"""Tags from a probability on: as asked for, and as the audit lets promise; in predictions and in exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.testing import CliRunner

from lmtx.cli.main import app
from lmtx.errors import InputError, NothingToDoError
from lmtx.types import Document
from lmtx.workspace import Workspace
from lmtx.workspace.audited import kept_audit, label_groups
from lmtx.workspace.population import tags_of
from lmtx.workspace.precision_models import Cut
from lmtx.workspace.thresholds import Floor, floor_of

Copied = Callable[[], Workspace]
REACHED = 0.4
"""A target that the demo's tagger reaches for all tags, though not for those of each group."""


def documents(workspace: Workspace, n: int = 60) -> list[Document]:
    return list(workspace.journal.corpus().documents[:n])


def tags(workspace: Workspace, **how: Any) -> list[list[tuple[str, float | None]]]:
    found = workspace.predict(documents(workspace), words=False, **how)
    return [[(t.label_id, t.probability) for t in row] for row in found]


def promised(workspace: Workspace) -> float:
    report = workspace.precision_report()
    assert report is not None
    assert report.promise is not None
    assert report.promise.threshold is not None
    return report.promise.threshold


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_only_tags_of_at_least_the_threshold_are_given(copied: Copied) -> None:
    workspace = copied()
    everything = tags(workspace)
    some = tags(workspace, threshold=0.4)
    assert some == [[(x, p) for x, p in row if p is not None and p >= 0.4] for row in everything]
    assert 0 < sum(map(len, some)) < sum(map(len, everything))
    assert tags(workspace, threshold=0.4, top_k=1) == [
        row[:1] if row and row[0][1] is not None and row[0][1] >= 0.4 else [] for row in everything
    ]


def test_what_has_no_probabilities_has_no_threshold(copied: Copied, tmp_path: Path) -> None:
    workspace = copied()
    for system in ("student", "zero-shot"):
        with pytest.raises(InputError, match=r"nothing calibrates .*train again"):
            tags(workspace, system=system, threshold=0.4)
        assert len(tags(workspace, system=system, threshold=0.0)) == len(
            tags(workspace, system=system)
        )  # asks for nothing
        with pytest.raises(NothingToDoError, match="have no probabilities"):
            tags(workspace, system=system, threshold="promised")
    for wrong in (-0.1, 1.0, 7, "sometimes"):
        with pytest.raises(InputError, match="threshold: got"):
            tags(workspace, threshold=wrong)
    workspace.promote(workspace.runs()[-1].id)  # before anybody completed anything
    out = tmp_path / "x.jsonl"
    with pytest.raises(InputError, match="nothing calibrates"):
        workspace.export("corpus", "jsonl", out, threshold=0.4)
    assert not out.exists()


def test_a_promise_that_can_not_be_made_says_what_it_would_take(copied: Copied) -> None:
    workspace = copied()
    workspace.update_settings(precision_target=0.99)
    how: tuple[Literal["promised", "promised by group"], ...] = ("promised", "promised by group")
    for threshold in how:
        with pytest.raises(
            NothingToDoError, match=r"can't be promised yet that 99 % .*Review page"
        ) as caught:
            tags(workspace, threshold=threshold)
        report = workspace.precision_report()
        assert report is not None
        assert report.promise is not None
        assert f"{report.promise.n} " in str(caught.value)
        with pytest.raises(InputError, match="promises nothing of 6: ask for 5"):
            tags(workspace, threshold=threshold, top_k=6)


def test_the_promised_threshold_is_that_of_the_report_and_of_so_many_tags(copied: Copied) -> None:
    workspace = copied()
    workspace.update_settings(precision_target=REACHED)
    least = promised(workspace)
    assert tags(workspace, threshold="promised") == [
        [(x, p) for x, p in row if p is not None and p >= least] for row in tags(workspace)
    ]
    two = workspace.precision_report(cut=Cut(2))
    assert two is not None
    assert two.promise is not None
    assert floor_of(workspace._parts, "promised", "tagger", 2).everywhere == two.promise.threshold


def test_by_group_each_label_goes_by_its_own_group_and_groups_without_a_promise_give_nothing(
    copied: Copied,
) -> None:
    workspace = copied()
    parts = workspace._parts
    workspace.update_settings(precision_target=REACHED)
    report, found = workspace.precision_report(), tags_of(parts)
    assert report is not None
    assert found is not None
    own = {g.name: g.promise.threshold for g in report.groups if g.promise is not None}
    with_one = {name for name, least in own.items() if least is not None}
    assert with_one
    assert with_one != own.keys(), "a test of groups needs some that have no promise"
    names, group = label_groups(parts, kept_audit(parts, found, Cut()))
    of_label = dict(zip(found.label_ids, (names[g] for g in group.tolist()), strict=True))
    floor = floor_of(parts, "promised by group", "tagger", 5)
    assert floor.of_label == {x: own[name] for x, name in of_label.items() if name in with_one}
    given = [tag for row in tags(workspace, threshold="promised by group") for tag in row]
    assert given == [tag for row in tags(workspace) for tag in row if floor.keeps(*tag)]
    assert {of_label[x] for x, _ in given} <= with_one
    assert not floor.keeps("a label that nobody ever saw", 1.0)


def test_a_floor_of_zero_keeps_all_and_none_but_that_keeps_what_has_no_probability() -> None:
    assert Floor().keeps("a", None)
    assert Floor(0.5).keeps("a", 0.5)
    assert not Floor(0.5).keeps("a", 0.49)
    assert not Floor(0.5).keeps("a", None)
    assert Floor(0.9, {"a": 0.0}).keeps("a", 0.1)
    assert not Floor(0.0, {"a": 0.0}).keeps("b", 0.9)


def test_an_export_leaves_out_what_is_below_and_nothing_that_people_accepted(
    copied: Copied, tmp_path: Path
) -> None:
    workspace = copied()
    workspace.update_settings(precision_target=REACHED)
    whole = rows(workspace.export("corpus", "jsonl", tmp_path / "whole.jsonl"))
    some = rows(workspace.export("corpus", "jsonl", tmp_path / "some.jsonl", threshold="promised"))
    number = workspace.export("corpus", "jsonl", tmp_path / "number.jsonl", threshold=promised(workspace))
    assert rows(number) == some
    predicted = workspace.predict(workspace.journal.corpus().documents, words=False, threshold="promised")
    for before, after, ours in zip(whole, some, predicted, strict=True):
        assert after["predicted"] == [t.label_id for t in ours]
        assert after["accepted"] == before["accepted"]
        assert set(after["accepted"]) <= set(after["tags"])
        if after["completed"]:
            assert after["tags"] == before["tags"]
        else:
            assert [x for x in after["tags"] if x not in after["accepted"]] == [
                x for x in after["predicted"] if x not in [*after["accepted"], *after["rejected"]]
            ]
    assert 0 < sum(len(r["predicted"]) for r in some) < sum(len(r["predicted"]) for r in whole)
    for what in ("pairs", "decisions", "model"):
        with pytest.raises(InputError, match="Only the corpus is exported by a threshold"):
            workspace.export(what, "jsonl", tmp_path / "x", threshold=0.5)


def test_the_command_line_can_do_the_same(copied: Copied, tmp_path: Path) -> None:
    workspace = copied()
    workspace.update_settings(precision_target=REACHED)
    file = tmp_path / "texts.jsonl"
    lines = [{"id": d.id, "title": d.title, "text": d.text} for d in documents(workspace)]
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["--workspace", str(workspace.folder), *arguments])

    everything, some, promise, number = (
        json.loads(run("predict", str(file), "--json", *more).stdout)["predictions"]
        for more in ([], ["--threshold", "0.4"], ["--promised"], ["--threshold", str(promised(workspace))])
    )
    for whole, kept in zip(everything, some, strict=True):
        assert kept["labels"] == [x for x in whole["labels"] if x["probability"] >= 0.4]
    assert promise == number
    assert promise != everything
    by_group = json.loads(run("predict", str(file), "--json", "--promised", "--by-group").stdout)
    assert by_group["predictions"] != promise
    wrong = run("predict", str(file), "--threshold", "0.4", "--promised")
    assert wrong.exit_code != 0
    with pytest.raises(InputError, match="give one of the two"):
        raise wrong.exception
    with pytest.raises(InputError, match="add --promised"):
        raise run("export", "corpus", str(tmp_path / "y.csv"), "--by-group").exception
    out = tmp_path / "corpus.jsonl"
    assert run("export", "corpus", str(out), "--promised", "--json").exit_code == 0
    assert rows(out) == rows(workspace.export("corpus", "jsonl", tmp_path / "z.jsonl", threshold="promised"))
