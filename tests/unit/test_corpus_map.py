"""The map of a corpus: where documents stand, what their colours mean, and what came since."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from lmtx.cli import app
from lmtx.errors import InputError, JobCancelled, NothingToDoError, ReadOnlyError
from lmtx.types import Document
from lmtx.workspace import Workspace
from lmtx.workspace.corpus_map import BYS


@pytest.fixture(scope="module")
def drawn(audited_demo: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the reviewed demo whose map was drawn."""
    folder = tmp_path_factory.mktemp("drawn") / "w"
    shutil.copytree(audited_demo.folder, folder)
    with Workspace.open(folder, own_index=False) as workspace:
        said = workspace.draw_map()
        assert said["n_documents"] == len(workspace.journal.corpus().documents)
        assert json.dumps(said)  # a job's result
    return folder


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(drawn, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as opened:
        yield opened


def test_every_document_has_a_place_and_a_part_with_words(workspace: Workspace) -> None:
    found = workspace.corpus_map()
    assert found is not None
    n = len(workspace.journal.corpus().documents)
    assert found.xy.shape == (n, 2)
    assert found.known.all()
    assert found.n_missing == 0
    assert sum(r.n_documents for r in found.regions) == n
    texts = [d.full_text.casefold() for d in workspace.journal.corpus().documents]
    for number, region in enumerate(found.regions):
        here = [texts[i] for i in np.flatnonzero(found.region == number)]
        assert len(region.terms) >= 2
        inside = np.mean([region.terms[0] in text for text in here])
        assert inside > np.mean([region.terms[0] in text for text in texts])
    assert workspace.corpus_tags() is not None


def test_what_came_or_changed_since_is_not_on_it(workspace: Workspace) -> None:
    old = workspace.journal.corpus().documents[3]
    new = [Document(old.id, old.title, "Something else", old.split), Document("new", "New", "A new text")]
    workspace.journal.put_documents(new, lambda d: workspace.settings.role_of(d.id, d.split))
    found = workspace.corpus_map()
    assert found is not None
    assert found.n_missing == 2
    rows = [workspace.journal.corpus().document_idx[i] for i in (old.id, "new")]
    assert np.isnan(found.xy[rows]).all()
    assert not found.known[rows].any()
    for by in BYS:
        assert len(workspace.map_colours(by).code) == len(found.region)
    workspace.draw_map()
    again = workspace.corpus_map()
    assert again is not None
    assert again.n_missing == 0


def test_colours_say_what_the_journal_says(workspace: Workspace) -> None:
    view, journal = workspace.journal.corpus(), workspace.journal
    states = workspace.map_colours("state")
    completed = set(journal.document_ids(completed=True))
    assert completed
    assert {view.documents[i].id for i in np.flatnonzero(states.code == 2)} == completed
    use = workspace.map_colours("use")
    assert [use.classes[c] for c in use.code[:20]] == [
        {"train": "to learn from", "held_out": "held out"}.get(r, r) for r in view.roles[:20]
    ]
    label_id = max(view.labels, key=lambda x: len(journal.document_ids(label_id=x.id, state="accepted"))).id
    one = workspace.map_colours("label", label_id)
    accepted = {
        view.documents[i].id for i in np.flatnonzero(one.code == one.classes.index("accepted by a person"))
    }
    assert accepted == set(journal.document_ids(label_id=label_id, state="accepted"))
    rounds = workspace.map_colours("round")
    assert int((rounds.code > 0).sum()) == len(
        {p for p in journal.pairs_frame().query("round >= 0")["document_id"]}
    )


def test_disagreement_is_the_share_of_the_teachers_labels_that_the_tagger_ranks_lower(
    workspace: Workspace,
) -> None:
    view, tags = workspace.journal.corpus(), workspace.corpus_tags()
    value = workspace.map_colours("disagreement").value
    assert tags is not None
    assert value is not None
    row = int(np.flatnonzero(~np.isnan(value))[0])
    yes = [p.label_id for p in workspace.journal.pair_states(view.documents[row].id) if p.verdict == "yes"]
    best = {view.labels[j].id for j in tags.label_idx[row, : len(yes)]}
    assert value[row] == pytest.approx(1 - len(best & set(yes)) / len(yes))
    judged = set(workspace.journal.document_ids(judged=True))
    assert all(view.documents[i].id in judged for i in np.flatnonzero(~np.isnan(value)))
    # The sentence speaks of labels: a document with many of them counts more than one with few.
    given = missed = 0
    for i in np.flatnonzero(~np.isnan(value)).tolist():
        yes = [p.label_id for p in workspace.journal.pair_states(view.documents[i].id) if p.verdict == "yes"]
        given += len(yes)
        missed += round(float(value[i]) * len(yes))
    assert f" {100 * missed / given:.0f} % " in workspace.map_colours("disagreement").finding


def test_a_decision_changes_the_colour_at_once(workspace: Workspace) -> None:
    before = workspace.map_colours("state")
    document = workspace.journal.document_ids(role="train", completed=False)[0]
    workspace.complete(document, "Ada", (), ())
    after = workspace.map_colours("state")
    row = workspace.journal.corpus().document_idx[document]
    assert before.code[row] != 2
    assert after.code[row] == 2


def test_what_can_not_be_is_told(workspace: Workspace, drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="coloured by"):
        workspace.map_colours("mood")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not in this workspace"):
        workspace.map_colours("label", "nosuch")
    with pytest.raises(InputError, match="does not exist"):
        workspace.draw_map("isomap")  # type: ignore[arg-type]
    with Workspace.create(tmp_path / "empty") as empty:
        assert empty.corpus_map() is None
        with pytest.raises(NothingToDoError, match="no documents"):
            empty.draw_map()
    with Workspace.open(drawn, read_only=True) as looked_at:
        assert looked_at.corpus_map() is not None
        with pytest.raises(ReadOnlyError):
            looked_at.draw_map()


def test_a_stopped_drawing_leaves_the_old_map_and_a_damaged_one_is_none(workspace: Workspace) -> None:
    path = workspace.folder / "explore" / "map.npz"
    before = path.read_bytes()

    def stop(done: int, total: int, message: str) -> None:
        if "Naming" in message:
            raise JobCancelled("stopped")

    with pytest.raises(JobCancelled):
        workspace.draw_map(progress=stop)
    assert path.read_bytes() == before
    path.write_bytes(before[: len(before) // 2])
    assert workspace.corpus_map() is None


def test_the_verb_names_the_parts(workspace: Workspace) -> None:
    verb = ["--workspace", str(workspace.folder), "map"]
    result = CliRunner().invoke(app, [*verb, "--method", "pca", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["method"] == "pca"
    assert 0 < said["explained"] < 1
    assert sum(p["documents"] for p in said["parts"]) == said["documents"]
    assert "arranged by" in CliRunner().invoke(app, verb).stdout
