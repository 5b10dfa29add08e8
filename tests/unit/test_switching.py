"""Switching the encoder: the old one answers until the new one is ready, and what people did stays."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtx.config import SETTINGS_FILE, Settings
from lmtx.encoder import SentenceEncoder, encoder_key
from lmtx.errors import EncoderError, InputError, JobCancelled, NothingToDoError
from lmtx.workspace import Workspace

TEXT = "The lifeboat crew rowed out to the wreck."


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Path:
    """A small workspace that was judged, reviewed a little and trained, with an index."""
    source = tmp_path_factory.mktemp("source")
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    (source / "corpus.jsonl").write_text("\n".join(lines[:80]), encoding="utf-8")
    folder = tmp_path_factory.mktemp("taught") / "w"
    with Workspace.create(folder, "Demo") as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(source / "corpus.jsonl")
        workspace.cycle("evidence", rounds=1)
        item = workspace.next_documents("default", "Ada")[0]
        workspace.complete(item.document.id, "Ada", {item.candidates[0].label_id})
    return folder


@pytest.fixture
def folder(taught: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(taught, tmp_path / "w"))


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder, own_index=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(tiny_encoder: SentenceEncoder) -> str:
    return tiny_encoder.name


def facts(workspace: Workspace) -> tuple[object, ...]:
    counts = workspace.journal.counts()
    return counts["judged_pairs"], counts["decisions"], workspace.journal.completed()


def test_after_a_switch_a_run_of_the_new_encoder_is_in_use_and_all_verdicts_are_there(
    workspace: Workspace, other: str
) -> None:
    before, old = facts(workspace), workspace.journal.promoted()
    asked = workspace.switch_preview(other)
    assert asked.n_missing == asked.n_texts == workspace.n_without_vector() + asked.n_texts
    found = workspace.switch_encoder(other)
    run = workspace.journal.promoted()
    assert old is not None
    assert run is not None
    assert found["run"] == run.id != old.id
    assert found["encoded"] == asked.n_texts
    assert workspace.settings.encoder == other
    assert run.config["encoder"] == encoder_key(other)
    assert facts(workspace) == before
    assert workspace.predict([TEXT])[0]
    assert not workspace.reads_with(old)
    with pytest.raises(InputError, match="another encoder"):
        workspace.promote(old.id)
    assert old.id not in {s.id for s in workspace.systems()}


def test_going_back_encodes_nothing(workspace: Workspace, other: str) -> None:
    tags = [t.label_id for t in workspace.predict([TEXT], system="zero-shot")[0]]
    workspace.switch_encoder(other)
    assert [t.label_id for t in workspace.predict([TEXT], system="zero-shot")[0]] != tags
    assert workspace.switch_preview("minilm").n_missing == 0
    assert workspace.switch_encoder("minilm")["encoded"] == 0
    assert [t.label_id for t in workspace.predict([TEXT], system="zero-shot")[0]] == tags


def test_an_open_workspace_follows_a_switch_of_another_process(folder: Path, other: str) -> None:
    with Workspace.open(folder) as app:  # it owns the index, as the app does
        app.sync_index()
        assert app.search(TEXT, "semantic")
        with Workspace.open(folder, own_index=False) as job:
            job.switch_encoder(other)
        assert app.settings.encoder == other
        assert app.status().encoder == other
        assert app.predict([TEXT])[0]
        assert app.status().index == "behind"
        app.sync_index()
        hits = app.search(TEXT, "semantic", n=3)
        assert app.status().index == "ready"
    with Workspace.open(folder, own_index=False) as exact:
        assert [h.document_id for h in exact.search(TEXT, "semantic", n=3)] == [h.document_id for h in hits]


def test_the_old_encoder_answers_until_the_new_one_takes_over(folder: Path, other: str) -> None:
    seen: set[str] = set()
    with Workspace.open(folder, own_index=False) as app, Workspace.open(folder, own_index=False) as job:

        def look(done: int, total: int, message: str) -> None:
            if done == 0:
                seen.add(app.settings.encoder)
                assert app.predict([TEXT], top_k=1)[0]

        job.switch_encoder(other, progress=look)
    assert seen == {"minilm"}


def test_what_takes_long_stays_with_the_encoder_it_began_with(folder: Path, other: str) -> None:
    with Workspace.open(folder, own_index=False) as long, Workspace.open(folder, own_index=False) as job:
        long.keep_encoder()
        job.switch_encoder(other)
        assert long.settings.encoder == "minilm"
        with pytest.raises(InputError, match="another encoder"):
            long.predict([TEXT])
        long.update_settings(name="Renamed")
        assert long.settings.encoder == "minilm"
        assert job.settings.encoder == other


def test_a_switch_cut_off_while_encoding_changes_nothing_and_goes_on(
    workspace: Workspace, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmtx.encoder.vectors._COMMIT", 16)
    run = workspace.journal.promoted()

    def stop(done: int, total: int, message: str) -> None:
        if "documents" in message and done >= 32:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        workspace.switch_encoder(other, progress=stop)
    assert workspace.settings.encoder == "minilm"
    assert workspace.journal.promoted() == run
    left = workspace.switch_preview(other)
    assert 0 < left.n_missing <= left.n_texts - 32
    assert workspace.switch_encoder(other)["encoded"] == left.n_missing


def test_a_switch_killed_between_run_and_setting_is_finished_by_the_next(
    workspace: Workspace, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lmtx.workspace.parts.Parts.update_settings", _killed)
        with pytest.raises(KeyboardInterrupt):
            workspace.switch_encoder(other)
    run = workspace.journal.promoted()
    assert run is not None
    assert workspace.switch_encoder(other)["run"] == run.id  # not trained twice
    assert workspace.predict([TEXT])[0]


def _killed(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_killed_job_goes_on(folder: Path, other: str) -> None:
    import os
    import signal

    with Workspace.open(folder, own_index=False) as app:
        job_id = app.start_job("switch_encoder", {"encoder": other})
        end = time.monotonic() + 60
        while app.job(job_id).state == "queued" and time.monotonic() < end:
            time.sleep(0.05)
        pid = app.journal.job(job_id).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while app.job(job_id).active and time.monotonic() < end:
            time.sleep(0.05)
        assert app.job(job_id).state == "interrupted"
        assert app.predict([TEXT])[0]
        app.resume_job(job_id)
        job = app._parts.job_store.wait(job_id, 120)
        assert (job.state, job.error) == ("done", "")
        assert app.settings.encoder == other
        assert app.predict([TEXT])[0]


def test_an_encoder_that_can_not_be_loaded_leaves_all_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for encoder in ("", "no/such/folder", str(tmp_path / "model")):
        with pytest.raises(EncoderError, match="encoder"):
            workspace.switch_encoder(encoder)
    assert workspace.settings.encoder == "minilm"
    assert workspace.predict([TEXT])[0]


def test_a_workspace_without_verdicts_switches_without_a_training(
    tmp_path: Path, demo_folder: Path, other: str
) -> None:
    with Workspace.create(tmp_path / "bare") as bare:
        assert bare.switch_encoder(other)["run"] is None
        bare.import_labels(demo_folder / "labels.jsonl")
        assert bare.settings.encoder == other
        assert bare.predict([TEXT])[0]


def test_an_encoder_in_the_folder_moves_with_it(workspace: Workspace, other: str, tmp_path: Path) -> None:
    inside = workspace.folder / "encoders" / "mine"
    shutil.copytree(other, inside)
    workspace.switch_encoder(str(inside))
    assert workspace.settings.encoder == str(inside.resolve())
    kept = json.loads((workspace.folder / SETTINGS_FILE).read_text(encoding="utf-8"))["encoder"]
    assert kept == "./encoders/mine"
    moved = tmp_path / "moved"
    workspace.folder.rename(moved)
    assert Settings.load(moved).encoder == str((moved / "encoders" / "mine").resolve())


def test_encoders_are_compared_by_gold_or_else_by_verdicts(workspace: Workspace, other: str) -> None:
    found = workspace.compare_encoders(["minilm", other, "minilm"], limit_docs=30)
    assert found["truth"] == "gold"
    assert [x["encoder"] for x in found["encoders"]] == ["minilm", other]
    assert found["encoders"][0]["R@10"] > found["encoders"][1]["R@10"]  # random weights say nothing
    usual = workspace.evaluate(system="zero-shot", limit_docs=30)
    assert found["encoders"][0]["P@1"] == pytest.approx(usual["P@1"], abs=0.07)
    assert workspace.settings.encoder == "minilm"


def test_without_gold_or_verdicts_there_is_nothing_to_compare_by(tmp_path: Path, demo_folder: Path) -> None:
    with Workspace.create(tmp_path / "bare") as bare:
        bare.import_labels(demo_folder / "labels.jsonl")
        bare.import_corpus(demo_folder / "corpus.jsonl", labels_are="none")
        with pytest.raises(NothingToDoError, match="ask a teacher"):
            bare.compare_encoders(["minilm"])


def test_the_command_line_switches_and_compares(
    folder: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from lmtx.cli.main import main

    def run(*arguments: str) -> dict[str, object]:
        with pytest.raises(SystemExit) as end:
            main(["--workspace", str(folder), "--quiet", *arguments, "--json"])
        assert end.value.code == 0
        answer: dict[str, object] = json.loads(capsys.readouterr().out)
        return answer

    assert run("switch-encoder", other)["encoder"] == other
    found = run("compare-encoders", "minilm", other, "--limit-docs", "10")
    assert found["n_docs"] == 10
    assert run("status")["encoder"] == other
