"""Tags of every document of the corpus, and sets of documents for addresses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lmtx.errors import InputError, JobCancelled, NotFoundError
from lmtx.types import Document, Label
from lmtx.workspace import Workspace
from lmtx.workspace.rankings import DEPTH


@pytest.fixture(scope="module")
def tagged(audited_demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the reviewed demo whose corpus was tagged by its run."""
    folder = tmp_path_factory.mktemp("tagged") / "w"
    shutil.copytree(audited_demo.folder, folder)
    with Workspace.open(folder, own_index=False) as workspace:
        workspace.tag_corpus()
    return folder


@pytest.fixture
def workspace(tagged: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(tagged, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as opened:
        yield opened


def changed(workspace: Workspace, row: int, text: str) -> None:
    """Give a document another text."""
    old = workspace.journal.corpus().documents[row]
    new = Document(old.id, old.title, text, old.split)
    workspace.journal.put_documents([new], lambda d: workspace.settings.role_of(d.id, d.split))


def test_every_document_has_what_the_tagger_in_use_predicts(workspace: Workspace) -> None:
    tags, view = workspace.corpus_tags(), workspace.journal.corpus()
    assert tags is not None
    assert tags.label_idx.shape == tags.score.shape == (len(view.documents), DEPTH)
    assert tags.known.all()
    assert tags.n_missing == 0
    promoted = workspace.journal.promoted()
    assert promoted is not None
    assert tags.system == promoted.id
    some = [0, 7, 100]
    predicted = workspace.predict([view.documents[i] for i in some], top_k=5, words=False)
    for row, found in zip(some, predicted, strict=True):
        assert [view.labels[j].id for j in tags.label_idx[row, :5]] == [t.label_id for t in found]
        assert tags.score[row, :5] == pytest.approx([t.score for t in found], rel=1e-4)
        if tags.probability is not None:
            assert tags.probability[row, :5] == pytest.approx([t.probability for t in found], rel=1e-4)


def test_nothing_is_known_before_the_corpus_was_tagged(audited_demo: SimpleNamespace, tmp_path: Path) -> None:
    shutil.copytree(audited_demo.folder, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as workspace:
        assert workspace.corpus_tags() is None


def test_what_changed_since_is_not_known_until_it_is_tagged_alone(workspace: Workspace) -> None:
    before = workspace.corpus_tags()
    assert before is not None
    changed(workspace, 3, "A treatise on knots, splices and the care of cordage at sea.")
    between = workspace.corpus_tags()
    assert between is not None
    assert np.flatnonzero(~between.known).tolist() == [3]
    assert between.n_missing == 1
    assert (between.label_idx[3] == -1).all()
    assert np.isneginf(between.score[3]).all()
    done: list[int] = []
    after = workspace.tag_corpus(lambda _, total, message: done.append(total if "Ranking" in message else 0))
    assert max(done) == 1  # the others are not tagged again
    assert after.known.all()
    assert (after.label_idx[4:] == before.label_idx[4:]).all()


def test_a_stopped_job_leaves_what_there_was(workspace: Workspace) -> None:
    changed(workspace, 3, "Something else altogether.")

    def stop(done: int, total: int, message: str) -> None:
        raise JobCancelled("stopped")

    with pytest.raises(JobCancelled):
        workspace.tag_corpus(stop)
    found = workspace.corpus_tags()
    assert found is not None
    assert found.n_missing == 1


def test_another_label_set_makes_all_tags_anew(workspace: Workspace) -> None:
    workspace.journal.put_labels([Label("NEW", "Cordage", "Ropes, lines and knots.")])
    assert workspace.corpus_tags() is None  # the ranking was of other labels


# ---- sets of documents ------------------------------------------------------------------------------


def test_a_set_has_the_same_id_for_the_same_documents_and_keeps_row_order(workspace: Workspace) -> None:
    ids = [d.id for d in workspace.journal.corpus().documents[:3]]
    name = workspace.save_documents([ids[2], ids[0], ids[2], "no such document"])
    assert name == workspace.save_documents([ids[0], ids[2]])
    assert workspace.saved_documents(name) == [ids[0], ids[2]]
    with Workspace.open(workspace.folder, own_index=False) as again:
        assert again.saved_documents(name) == [ids[0], ids[2]]


def test_documents_that_are_gone_are_left_out_of_their_set(workspace: Workspace) -> None:
    ids = [d.id for d in workspace.journal.corpus().documents[:3]]
    name = workspace.save_documents(ids)
    workspace.journal.delete_documents([ids[1]])
    assert workspace.saved_documents(name) == [ids[0], ids[2]]


def test_a_set_of_nothing_and_a_set_that_is_not_there_are_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="No document"):
        workspace.save_documents(["no such document"])
    for name in ("0123456789abcdef", "../workspace", ""):
        with pytest.raises(NotFoundError, match="no set"):
            workspace.saved_documents(name)
    broken = workspace.save_documents([workspace.journal.corpus().documents[0].id])
    with Workspace.open(workspace.folder, own_index=False) as again:
        (workspace.folder / "sets" / f"{broken}.json").write_text("{", encoding="utf-8")
        with pytest.raises(NotFoundError, match="no set"):
            again.saved_documents(broken)
