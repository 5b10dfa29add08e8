"""Systems beside each other: which there are, their figures on the same documents, and what is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lmtx.cli import main
from lmtx.errors import InputError, JobCancelled, NotFoundError, NothingToDoError
from lmtx.types import Run, now
from lmtx.workspace import Workspace, rankings
from lmtx.workspace.compared import SystemComparison


@pytest.fixture(scope="module")
def compared(audited_demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A copy of the reviewed demo whose systems were ranked on 60 test documents: `folder`, `found`."""
    folder = tmp_path_factory.mktemp("compared") / "w"
    shutil.copytree(audited_demo.folder, folder)
    with Workspace.open(folder) as workspace:
        names = ["tagger", "student", "zero-shot", "bm25_document", "tfidf"]
        found = workspace.compare(names, limit_docs=60)
    return SimpleNamespace(folder=folder, names=names, found=found)


@pytest.fixture
def workspace(compared: SimpleNamespace, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(compared.folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w") as opened:
        yield opened


def with_predictions(workspace: Workspace, n: int) -> Run:
    """A run that holds what ICXML said of the first n test documents: their gold, in order."""
    gold = dict(list(workspace.journal.gold("test").items())[:n])
    folder = Path("runs") / "icxml"
    (workspace.folder / folder).mkdir(parents=True)
    body = {"documents": {i: [[x, 1.0 / (1 + j)] for j, x in enumerate(y)] for i, y in gold.items()}}
    (workspace.folder / folder / "predictions.json").write_text(json.dumps(body), "utf-8")
    metrics = {"tokens": 5000, "calls": 36, "calls_new": 36, "n_documents": n, "seconds": 24.0}
    run = Run("icxml-1", now(), "icxml", {}, "", str(folder), metrics)
    workspace.journal.put_run(run)
    return run


# ---- which there are --------------------------------------------------------------------------------------


def test_runs_come_first_with_their_students_then_what_learned_nothing(workspace: Workspace) -> None:
    found = workspace.systems()
    promoted = workspace.journal.promoted()
    assert promoted is not None
    assert found[0].id == promoted.id
    assert found[0].name.endswith("(in use)")
    assert {run.id for run in workspace.runs()} <= {x.id for x in found}
    assert f"{promoted.id}/student" in {x.id for x in found}
    assert [x.id for x in found][-5:] == ["zero-shot", "dense", "bm25_document", "bm25_query", "tfidf"]
    assert len({x.name for x in found}) == len(found)


def test_what_does_not_exist_is_named(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        workspace.compare(["nowhere"])
    with pytest.raises(InputError, match="no part 'ridge'"):
        workspace.compare(["tagger/ridge"])
    with pytest.raises(InputError, match="Which systems"):
        workspace.compare([])


# ---- figures ----------------------------------------------------------------------------------------------


def test_figures_are_those_of_evaluate_on_the_same_documents(
    workspace: Workspace, compared: SimpleNamespace
) -> None:
    found: SystemComparison = compared.found
    promoted = workspace.journal.promoted()
    assert promoted is not None
    rows = dict(zip(compared.names, found.systems, strict=True))
    assert [x.id for x in found.systems[:2]] == [promoted.id, f"{promoted.id}/student"]
    assert found.reference == promoted.id
    assert found.n_docs == 60
    for name in ("tagger", "student", "zero-shot"):
        same = workspace.evaluate(system=name, limit_docs=60)
        for measure in ("P@1", "P@5", "R@10", "nDCG@5"):
            assert rows[name].figures[measure].value == pytest.approx(same[measure]), (name, measure)
    base = rows["tagger"].figures["R@10"].value
    other = rows["tfidf"].figures["R@10"]
    assert base is not None
    assert other.value is not None
    assert other.difference == pytest.approx(other.value - base)
    assert other.beyond_chance  # words of the names alone find far less


def test_the_reference_can_be_another_system_and_is_added(workspace: Workspace) -> None:
    found = workspace.compare(["tfidf"], against="zero-shot", limit_docs=60)
    assert found.reference == "zero-shot"
    assert [x.id for x in found.systems] == ["tfidf", "zero-shot"]
    assert found.systems[1].figures["P@1"].difference is None
    assert workspace.compare(["zero-shot", "zero-shot"], limit_docs=60).systems[0].id == "zero-shot"


def test_what_a_system_takes_is_told(compared: SimpleNamespace) -> None:
    rows = dict(zip(compared.names, compared.found.systems, strict=True))
    assert rows["tagger"].train_cpu_s > 0
    assert rows["tagger"].teacher_pairs > 100
    assert rows["zero-shot"].teacher_pairs == rows["zero-shot"].train_cpu_s == 0
    assert rows["tfidf"].docs_per_s > 5 * rows["zero-shot"].docs_per_s  # nothing is encoded
    assert rows["zero-shot"].model_bytes > 80e6 > 5e6 > rows["tfidf"].model_bytes
    assert rows["tagger"].model_bytes > rows["student"].model_bytes


# ---- what is kept -----------------------------------------------------------------------------------------


def test_what_was_ranked_is_not_ranked_again(
    workspace: Workspace, compared: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("ranked again")

    monkeypatch.setattr(rankings, "tagger_of", never)
    kept = workspace.compared(compared.names, limit_docs=60)
    assert kept == compared.found
    assert workspace.compare(compared.names[:2], limit_docs=10).n_docs == 10
    assert workspace.compared(compared.names, limit_docs=61) is None  # one is not ranked yet
    assert workspace.compared(["dense"], limit_docs=60) is None


def test_only_what_is_missing_is_ranked_and_counts_from_then_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    ranked: list[int] = []
    real = rankings.tagger_of

    def counted(*which: Any) -> Any:
        tagger = real(*which)

        def predict(vectors: Any, texts: list[str], k: int) -> Any:
            ranked.append(len(texts))
            return tagger.predict(vectors, texts, k)

        return SimpleNamespace(label_ids=tagger.label_ids, predict=predict)

    def progress(done: int, total: int, message: str) -> None:
        told.append((done, total))

    monkeypatch.setattr(rankings, "tagger_of", counted)

    n = len([x for x in workspace.journal.gold("test").values() if x])
    found = workspace.compare(["tfidf", "bm25_document"], progress=progress)
    assert found.n_docs == n
    assert sum(ranked) == 2 * (n - 60)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (2 * n, 2 * n)
    same = workspace.compared(["tfidf"], limit_docs=60)
    assert same is not None
    assert same.n_docs == 60


def test_a_changed_label_set_is_ranked_anew(workspace: Workspace) -> None:
    label = workspace.labels_page(page_size=1).items[0]
    workspace.edit_label(label.id, name=label.name, description="Something else altogether")
    assert workspace.compared(["tfidf"], limit_docs=60) is None


def test_a_damaged_file_is_written_anew(workspace: Workspace, compared: SimpleNamespace) -> None:
    for path in (workspace.folder / "quality").glob("ranking-*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert workspace.compared(["tfidf"], limit_docs=60) is None
    found = workspace.compare(["tfidf"], limit_docs=60).systems[0]
    same = next(x for x in compared.found.systems if x.id == "tfidf")
    assert found.figures["P@5"].value == same.figures["P@5"].value


def test_a_ranking_that_is_stopped_leaves_nothing_half_done(workspace: Workspace) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("Ranking"):
            raise JobCancelled("stopped")

    before = sorted((workspace.folder / "quality").iterdir())
    with pytest.raises(JobCancelled):
        workspace.compare(["bm25_query"], limit_docs=60, progress=stop)
    assert sorted((workspace.folder / "quality").iterdir()) == before


# ---- predictions of some documents ------------------------------------------------------------------------


def test_a_run_of_predictions_is_compared_on_its_documents_alone(workspace: Workspace) -> None:
    run = with_predictions(workspace, 12)
    found = workspace.compare(["zero-shot", run.id], limit_docs=60)
    assert found.n_docs == 12
    ours, theirs = found.systems
    assert theirs.figures["P@1"].value == theirs.figures["R@10 macro"].value == 1.0
    assert theirs.figures["PSP@1"].value is not None
    assert (theirs.teacher_pairs, theirs.teacher_tokens, theirs.docs_per_s) == (36, 5000, 0.5)
    assert theirs.model_bytes is None
    assert ours.figures["P@1"].value == pytest.approx(
        workspace.evaluate(system="zero-shot", limit_docs=12)["P@1"]
    )
    # How rare a label is does not depend on which documents are compared.
    assert found.tail_most == workspace.compare(["zero-shot"], limit_docs=60).tail_most
    with pytest.raises(InputError, match="can't tag others"):
        workspace.side_by_side("a text", [run.id])


def test_without_documents_in_common_it_says_so(workspace: Workspace) -> None:
    run = with_predictions(workspace, 0)
    with pytest.raises(NothingToDoError, match="in common"):
        workspace.compare(["zero-shot", run.id], limit_docs=60)


# ---- on a text --------------------------------------------------------------------------------------------


def test_a_text_is_tagged_side_by_side_as_by_predict(workspace: Workspace) -> None:
    text = "Ships that came into the harbour, and the storms that kept them there."
    ours, zero, words = workspace.side_by_side(text, ["tagger", "zero-shot", "tfidf"], top_k=4)
    assert [t.label_id for t in ours] == [t.label_id for t in workspace.predict([text], top_k=4)[0]]
    same = workspace.predict([text], top_k=4, system="zero-shot")[0]
    assert [t.label_id for t in zero] == [t.label_id for t in same]
    assert ours[0].probability is not None
    assert zero[0].probability is None
    assert len(words) == 4
    with pytest.raises(NothingToDoError, match="no text"):
        workspace.side_by_side("  ", ["tagger"])


# ---- the command ------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command_prints_json_and_text(
    compared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--workspace", str(compared.folder)]
    more = ["--against", "zero-shot", "--limit-docs", "60"]
    code, out, _ = said(capsys, *where, "compare", "tagger", "tfidf", *more, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["reference"] == "zero-shot"
    assert found["n_docs"] == 60
    by_id = {x["id"]: x["figures"] for x in found["systems"]}
    same = next(x for x in compared.found.systems if x.id == "tfidf")
    assert by_id["tfidf"]["P@1"]["value"] == pytest.approx(same.figures["P@1"].value)
    assert by_id["tfidf"]["P@1"]["difference_low"] < by_id["tfidf"]["P@1"]["difference"]
    code, out, _ = said(capsys, *where, "compare", "tagger", "tfidf", *more)
    assert code == 0
    assert "Differences are to: Nothing learned." in out
    code, out, _ = said(capsys, *where, "systems", "--json")
    assert {"system": "tfidf", "kind": "part"}.items() <= json.loads(out)["systems"][-1].items()
    code, _, err = said(capsys, *where, "compare", "nowhere")
    assert code == 2
    assert "nowhere" in err


def test_without_gold_it_says_what_is_missing(tmp_path: Path, demo_folder: Path) -> None:
    with Workspace.create(tmp_path / "w") as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(demo_folder / "corpus.jsonl", labels_are="none")
        with pytest.raises(NothingToDoError, match="gold labels to measure against"):
            workspace.compare(["zero-shot"])
        assert not workspace.status().has_gold
        assert workspace.side_by_side("Ships in the harbour", ["tfidf"], top_k=2)[0]
        with pytest.raises(NothingToDoError, match="no student yet"):
            workspace.compare(["student"])


def test_judgments_are_counted_up_to_a_moment(copied: Callable[[], Workspace]) -> None:
    workspace = copied()
    rows = workspace.journal.teachers()
    pairs, tokens = workspace.journal.judged_before(now())
    assert pairs == sum(t.n_judgments for t in rows) > 0
    assert tokens == sum(t.tokens for t in rows)
    long_ago = now().replace(year=now().year - 1, day=1)
    assert workspace.journal.judged_before(long_ago) == (0, 0)
