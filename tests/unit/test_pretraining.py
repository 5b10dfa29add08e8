"""What a pre-training in a workspace reads, and that it is the same whether or not it was cut off."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lmtx.encoder import SentenceEncoder
from lmtx.errors import JobCancelled, ReadOnlyError
from lmtx.journal import Journal
from lmtx.workspace import Workspace

GRU: dict[str, Any] = {"encoder": "bigru", "vocabulary": 600, "width": 16, "hidden": 8, "max_length": 32}
QUICK: dict[str, Any] = {"batch": 6, "lr": 3e-3, "max_length": 32, "bf16": False, "threads": 1}


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, tiny_encoder: SentenceEncoder
) -> Path:
    """A workspace of 60 documents, judged by the evidence teacher, with a run in use."""
    source = tmp_path_factory.mktemp("source") / "corpus.jsonl"
    lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    source.write_text("\n".join(lines[:60]), encoding="utf-8")
    folder = tmp_path_factory.mktemp("judged") / "w"
    with Workspace.create(folder, encoder=tiny_encoder.name) as workspace:
        workspace._parts._own_index = False
        workspace.import_labels(demo_folder / "labels.jsonl")
        workspace.import_corpus(source)
        workspace.cycle("evidence", rounds=1)
    return folder


@pytest.fixture
def workspace(judged: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(shutil.copytree(judged, tmp_path / "w"), own_index=False) as opened:
        yield opened


def test_only_training_documents_are_read_and_never_gold(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmtx.pretrain import Corpus

    read: list[list[str]] = []
    monkeypatch.setattr(Journal, "gold", lambda *_, **__: pytest.fail("gold was read"))
    original = Corpus.of.__func__  # type: ignore[attr-defined]

    def noted(cls: type[Corpus], documents: Any, *others: Any) -> Corpus:
        read.append([d.id for d in documents])
        return original(cls, documents, *others)  # type: ignore[no-any-return]

    monkeypatch.setattr(Corpus, "of", classmethod(noted))
    found = workspace.pretrain("small", GRU, {"mlm": 1.0, "bce": 1.0}, 2, **QUICK)
    view = workspace.journal.corpus()
    train = {d.id for d, role in zip(view.documents, view.roles, strict=True) if role == "train"}
    assert len(read) == 1
    assert set(read[0]) == train
    assert found["documents"] == len(train) < len(view.documents)


def test_what_was_cancelled_goes_on_and_its_losses_can_be_seen_meanwhile(workspace: Workspace) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if message.startswith("Pre-training") and done == 5:
            raise JobCancelled("stop")

    weights = {"mlm": 1.0, "inverse_cloze": 1.0}
    whole = workspace.pretrain("whole", GRU, weights, 12, **QUICK)
    with pytest.raises(JobCancelled):
        workspace.pretrain("cut", GRU, weights, 12, stop, **QUICK)
    assert workspace.pretraining_losses("cut")["step"].max() == 5
    steps: list[int] = []
    cut = workspace.pretrain("cut", GRU, weights, 12, lambda done, *_: steps.append(done), **QUICK)
    assert steps[0] == 6  # nothing is trained twice
    once, twice = (workspace.pretraining_losses(n)["loss"].to_numpy() for n in ("whole", "cut"))
    np.testing.assert_allclose(once, twice, atol=2e-4)
    assert cut["first"] == pytest.approx(whole["first"], abs=2e-4)


def test_a_static_encoder_is_distilled_from_the_student_in_use(workspace: Workspace) -> None:
    found = workspace.pretrain("quick", "static", None, 0, teacher="student")
    modules = workspace.encoder_preview(found["path"], 20).modules
    assert modules == ("Router",)  # labels are read by the student in another way than documents
    workspace.update_settings(encoder=found["path"])
    assert workspace.predict(["The lifeboat crew rowed out to the wreck."], system="zero-shot")


def test_a_workspace_that_is_only_looked_at_trains_nothing(workspace: Workspace) -> None:
    with (
        Workspace.open(workspace.folder, read_only=True) as looked_at,
        pytest.raises(ReadOnlyError),
    ):
        looked_at.pretrain("other", GRU)
