"""Pre-training in a workspace: what it reads, where it is saved, and that everything else can use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lmtx.cli.main import app
from lmtx.encoder import SentenceEncoder
from lmtx.errors import InputError, JobCancelled, NothingToDoError
from lmtx.workspace import Workspace

GRU: dict[str, Any] = {"encoder": "gru", "vocabulary": 400, "width": 16, "hidden": 16, "max_length": 32}
QUICK: dict[str, Any] = {"batch": 4, "lr": 5e-3, "max_length": 24, "bf16": False}
ELSEWHERE = "zyzzyva"  # a word of documents that are no training documents


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, tiny_encoder: SentenceEncoder
) -> Path:
    """A workspace of 60 documents that reads with a tiny encoder."""
    source = tmp_path_factory.mktemp("source") / "corpus.jsonl"
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(x), "split": "train" if i < 40 else "test"} for i, x in enumerate(lines[:60])]
    for row in rows[40:]:
        row["text"] = f"{ELSEWHERE} " * 40 + row["text"]
    source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    folder = tmp_path_factory.mktemp("home") / "w"
    with Workspace.create(folder, encoder=tiny_encoder.name) as workspace:
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(source)
    return folder


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with Workspace.open(folder, own_index=False) as opened:
        yield opened


def test_a_pre_trained_encoder_is_a_plain_model_that_read_training_documents_alone(
    workspace: Workspace,
) -> None:
    from sentence_transformers import SentenceTransformer

    heard: list[str] = []
    found = workspace.pretrain(
        "mine", GRU, {"mlm": 1.0, "title_content": 0.5}, 12, lambda *x: heard.append(x[2]), **QUICK
    )
    assert 0 < found["documents"] < 40  # of split train, without those kept for measuring
    assert heard[-1].startswith("Pre-training: mlm ")
    assert ", title_content " in heard[-1]
    model = SentenceTransformer(found["path"], device="cpu")
    assert model.get_embedding_dimension() == found["dim"] == 16
    assert len(model.tokenizer.tokenize(ELSEWHERE)) > 3  # no piece was made for it
    assert len(model.tokenizer.tokenize("the")) == 1
    json.dumps(found)

    frame = workspace.pretraining_losses("mine")
    assert set(frame.objective) == {"mlm", "title_content", "total"}
    assert frame.step.max() == 12
    entries = {e.name: e for e in workspace.encoders()}
    assert entries["mine"].pretrained
    assert not entries["mine"].in_use
    assert entries["mine"].facts["objectives"] == {"mlm": 1.0, "title_content": 0.5}
    assert [e.name for e in entries.values() if e.in_use] == [workspace.settings.encoder]
    with pytest.raises(InputError, match="There is an encoder 'mine' already"):
        workspace.pretrain("mine", GRU, None, 1)
    workspace.forget_encoder("mine")
    assert "mine" not in {e.name for e in workspace.encoders()}
    assert not Path(found["path"]).exists()


def test_a_pre_training_that_was_cancelled_goes_on_where_it_was(workspace: Workspace) -> None:
    def cancel(step: int, total: int, message: str) -> None:
        if step == 5:
            raise JobCancelled("enough")

    with pytest.raises(JobCancelled):
        workspace.pretrain("cut", GRU, {"mlm": 1.0}, 8, cancel, **QUICK)
    assert "cut" not in {e.name for e in workspace.encoders()}
    assert workspace.pretraining_losses("cut").step.max() >= 4
    steps: list[int] = []
    workspace.pretrain("cut", GRU, {"mlm": 1.0}, 8, lambda step, *_: steps.append(step), **QUICK)
    assert min(steps) >= 5
    assert sorted(set(workspace.pretraining_losses("cut").step)) == list(range(1, 9))
    assert {p.name for p in (workspace.folder / "encoders").iterdir()} >= {"cut", "cut.json"}
    assert not list((workspace.folder / "encoders").glob(".cut-*"))
    workspace.forget_encoder("cut")


def test_a_static_encoder_is_distilled_in_no_step_and_read_by_everything_else(folder: Path) -> None:
    with Workspace.open(folder, own_index=False) as workspace:
        made = workspace.pretrain("fast", {"encoder": "static", "width": 16}, steps=0)
        preview = workspace.encoder_preview(made["path"], n_documents=20)
        assert preview.modules == ("StaticEmbedding", "Normalize")
        assert (preview.parameters, preview.bytes) == (made["parameters"], made["bytes"])
        assert preview.dim == 16
        assert preview.documents_per_second is not None
        before = workspace.settings.encoder
        workspace.switch_encoder(made["path"])
        assert [e.name for e in workspace.encoders() if e.in_use] == ["fast"]
        assert workspace.predict(["The lifeboat crew rowed out to the wreck."])
        with pytest.raises(InputError, match="in use"):
            workspace.forget_encoder("fast")
        workspace.switch_encoder(before)
        workspace.forget_encoder("fast")


def test_objectives_of_verdicts_say_what_is_missing_and_what_can_be_done(workspace: Workspace) -> None:
    with pytest.raises(NothingToDoError, match="Let a teacher judge documents first"):
        workspace.pretrain("none", GRU, {"bce": 1.0}, 2, **QUICK)
    with pytest.raises(InputError, match="Name of an encoder: got 'My Own'"):
        workspace.pretrain("My Own", GRU, None, 2)


def test_a_preview_says_how_large_an_encoder_would_be_before_any_training(workspace: Workspace) -> None:
    found = workspace.encoder_preview(GRU, n_documents=8)
    words, gates = 400 * 16, 3 * 16 * (16 + 16 + 2)
    assert found.parameters == words + gates
    assert found.bytes == 4 * found.parameters
    assert found.documents_per_second is not None


def test_every_configuration_of_the_zoo_can_be_built_and_trained_by_what_it_names(
    workspace: Workspace,
) -> None:
    from lmtx.encoder.assembly import check_names, spec_of
    from lmtx.pretrain import check_objectives, pretrain_config

    entries = workspace.encoder_zoo()
    assert {
        "minilm",
        "minilm-simcse",
        "minilm-random-segments",
        "minilm-tsdae",
        "bigru",
        "gated-cnn",
        "static",
    } <= {e.name for e in entries}
    for entry in entries:
        spec = spec_of(entry.encoder)
        check_names(spec)
        if entry.steps:
            check_objectives(entry.objectives)
        pretrain_config(spec, entry.steps, **entry.config)
        for line in entry.measured:
            assert line["corpus"]


def test_the_command_trains_and_says_what_came_of_it(folder: Path) -> None:
    run = CliRunner()
    common = ["--workspace", str(folder), "pretrain", "--encoder", "gru", "--steps", "4", "--json"]
    sizes = [f"--part={name}={GRU[name]}" for name in ("vocabulary", "width", "hidden", "max_length")]
    quick = [f"--set={name}={json.dumps(value)}" for name, value in QUICK.items()]
    made = run.invoke(app, [*common, "--out", "by-hand", "--objectives", "mlm=1,simcse=0.1", *sizes, *quick])
    assert made.exit_code == 0, made.output
    facts = json.loads(made.stdout)
    assert facts["steps"] == 4
    assert set(facts["last"]) == {"mlm", "simcse", "total"}
    listed = run.invoke(app, ["pretrain", "--parts"])
    for name in ("bigru", "gated_cnn", "tsdae", "normalise"):
        assert name in listed.output
    wrong = run.invoke(app, [*common, "--out", "no", "--objectives", "mlm=much"])
    assert wrong.exit_code != 0
    assert "expected NAME=WEIGHT" in str(wrong.exception)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.forget_encoder("by-hand")
