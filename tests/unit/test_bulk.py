"""Deciding many pairs of a label at once: what may be in a batch, its spot check, and taking it back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmtx.errors import InputError, NotFoundError
from lmtx.review import Bulk
from lmtx.types import Decision, Document, Judgment, Label, unit_hash
from lmtx.workspace import Workspace
from lmtx.workspace.bulk import n_checked

LABEL = Label("light", "Lighthouses")
N = 800


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Documents of all roles, for all of which a teacher proposes the label."""
    with Workspace.create(tmp_path / "w") as made:
        made._parts._own_index = False
        settings = made.settings
        documents = [Document(f"d{i:03}", "", f"A light on the coast, number {i}.") for i in range(N)]
        made.journal.put_labels([LABEL, Label("sea", "Sea")])
        made.journal.put_documents(documents, lambda d: settings.role_of(d.id, d.split))
        made.journal.append_judgments(
            [Judgment(d.id, "light", "yes", 0.9, "t", d.hash, LABEL.hash) for d in documents]
        )
        yield made


def of_role(workspace: Workspace, *roles: str) -> list[str]:
    view = workspace.journal.corpus()
    return [d.id for d, r in zip(view.documents, view.roles, strict=True) if r in roles]


def pairs_hash(workspace: Workspace) -> str:
    return hashlib.sha256(workspace.journal.pairs_frame().to_csv().encode()).hexdigest()


def answer(workspace: Workspace, batch: Bulk, right: int, wrong: int = 0, reviewer: str = "Ada") -> None:
    """Judge documents of the spot check that have no answer yet."""
    left = [x for x in batch.check if x not in batch.answers]
    for i, x in enumerate(left[: right + wrong]):
        action = "accept" if i < right else "reject"
        workspace.decide([Decision(x, batch.label_id, action, reviewer, "spot-check", note=batch.id)])


def test_how_much_is_checked() -> None:
    assert [n_checked(n) for n in (1, 5, 6, 10, 11, 100, 101, 500)] == [1, 5, 6, 10, 10, 10, 20, 20]


def test_the_same_documents_give_the_same_batch_and_draw(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:200]
    batch = workspace.bulk("light", ids, "accept")
    assert workspace.bulk("light", [*reversed(ids), ids[0]], "accept") == batch
    assert batch.document_ids == tuple(sorted(ids))
    assert list(batch.check) == sorted(ids, key=lambda x: unit_hash(batch.id, x))[:20]
    assert batch.allowed == 2
    assert workspace.bulk("light", ids, "reject").id != batch.id
    assert workspace.bulk("sea", ids, "accept").id != batch.id
    assert workspace.bulk("light", ids[1:], "accept").id != batch.id


def test_the_reserve_and_what_is_settled_stay_out(workspace: Workspace) -> None:
    train, reserve = of_role(workspace, "train")[:60], of_role(workspace, "reserve")[:10]
    workspace.complete(train[0], "Eve")
    workspace.decide([Decision(train[1], "light", "reject", "Eve")])
    workspace.decide([Decision(train[2], "sea", "accept", "Eve")])  # of another label
    workspace.decide([Decision(train[3], "light", "accept", "Eve", "spot-check", note="another batch")])
    batch = workspace.bulk("light", [*train, *reserve, "nobody"], "accept")
    assert set(batch.document_ids) == set(train) - {train[0], train[1], train[3]}
    assert set(batch.check) <= set(batch.document_ids)
    with pytest.raises(InputError, match="10 kept for measuring, 1 decided already"):
        workspace.bulk("light", [*reserve, train[1]], "accept")
    with pytest.raises(InputError, match="none was named"):
        workspace.bulk("light", [], "accept")
    with pytest.raises(NotFoundError, match="nope"):
        workspace.bulk("nope", train, "accept")


def test_nothing_is_applied_before_all_is_checked(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:80]
    batch = workspace.bulk("light", ids, "accept")
    assert (len(batch.check), batch.allowed, batch.ready) == (10, 1, False)
    answer(workspace, batch, 9)
    head = workspace.journal.head_seq()
    batch = workspace.bulk("light", ids, "accept")
    assert len(batch.answers) == 9
    with pytest.raises(InputError, match="1 of the 10 documents"):
        workspace.apply_bulk(batch, "Ada")
    assert workspace.journal.head_seq() == head
    answer(workspace, batch, 1)
    batch = workspace.bulk("light", ids, "accept")
    assert batch.ready
    with pytest.raises(InputError, match="reviewer"):
        workspace.apply_bulk(batch, "")
    assert len(workspace.apply_bulk(batch, "Ada")) == 70


def test_too_many_misses_refuse_a_batch(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:200]
    batch = workspace.bulk("light", ids, "accept")
    answer(workspace, batch, 17, 3)
    head = workspace.journal.head_seq()
    batch = workspace.bulk("light", ids, "accept")
    assert (batch.misses, batch.allowed, batch.refused, batch.ready) == (3, 2, True, False)
    with pytest.raises(InputError, match=r"3 of the 20 documents looked at speak against"):
        workspace.apply_bulk(batch, "Ada")
    assert workspace.journal.head_seq() == head
    workspace.undo("Ada")  # the last answer was a slip
    workspace.decide([Decision(batch.check[-1], "light", "accept", "Ada", "spot-check", note=batch.id)])
    assert workspace.bulk("light", ids, "accept").ready


def test_a_batch_is_refused_as_soon_as_it_cannot_pass(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:50]
    batch = workspace.bulk("light", ids, "reject")
    answer(workspace, batch, 2)  # accepted, against a batch of rejections
    assert workspace.bulk("light", ids, "reject").refused


def test_a_few_are_all_judged_one_by_one(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:4]
    batch = workspace.bulk("light", ids, "accept")
    assert set(batch.check) == set(ids)
    assert batch.allowed == 0
    answer(workspace, batch, 4)
    assert workspace.apply_bulk(workspace.bulk("light", ids, "accept"), "Ada") == []


@pytest.mark.parametrize("action", ["accept", "reject"])
def test_five_hundred_are_taken_back_as_one(workspace: Workspace, action: str) -> None:
    ids = of_role(workspace, "train", "held_out")[:500]
    before = pairs_hash(workspace)
    batch = workspace.bulk("light", ids, action)  # type: ignore[arg-type]
    for x in batch.check:
        workspace.decide([Decision(x, "light", action, "Ada", "spot-check", note=batch.id)])  # type: ignore[arg-type]
    checked = pairs_hash(workspace)
    seqs = workspace.apply_bulk(batch, "Ada")  # answers are read from the record, not from what was passed
    assert len(seqs) == 480
    state = "accepted" if action == "accept" else "rejected"
    assert workspace.journal.pair_counts()[state] == 500  # type: ignore[index]
    made = workspace.decisions_page(policy="bulk", page_size=500)
    assert made.total == 480
    assert {(d.note, d.reviewer, d.label_id, d.action) for d in made} == {(batch.id, "Ada", "light", action)}
    assert len({d.batch for d in made}) == 1
    undone = workspace.undo("Ada")
    assert len(undone) == 480
    assert pairs_hash(workspace) == checked
    again = workspace.bulk("light", ids, action)  # type: ignore[arg-type]
    assert (again.id, again.document_ids, again.ready) == (batch.id, batch.document_ids, True)
    for _ in batch.check:
        assert len(workspace.undo("Ada")) == 1
    assert pairs_hash(workspace) == before


def test_a_batch_is_taken_back_later_by_anybody(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:150]
    batch = workspace.bulk("light", ids, "accept")
    answer(workspace, batch, 20)
    before = pairs_hash(workspace)
    workspace.apply_bulk(batch, "Ada")
    other = of_role(workspace, "train")[200]
    workspace.decide([Decision(other, "light", "reject", "Ada")])
    (step,) = {d.batch for d in workspace.decisions_page(policy="bulk", page_size=200)}
    assert len(workspace.undo_batch(step, "Bob")) == 130
    assert workspace.undo_batch(step, "Bob") == []
    assert len(workspace.undo("Ada")) == 1  # her own last step, not the batch once more
    assert pairs_hash(workspace) == before
    assert workspace.apply_bulk(workspace.bulk("light", ids, "accept"), "Ada")  # and may be decided again
    for batch_id, who in (("", "Bob"), (step, "")):
        with pytest.raises(InputError):
            workspace.undo_batch(batch_id, who)


def test_a_check_goes_on_after_a_reload_and_while_others_decide(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:300]
    batch = workspace.bulk("light", ids, "accept")
    answer(workspace, batch, 8)
    with Workspace.open(workspace.folder, own_index=False) as again:
        # Meanwhile somebody else settles documents, one of them answered already, one of them drawn.
        answered, open_ = batch.check[0], batch.check[15]
        again.decide([Decision(answered, "light", "reject", "Eve")])
        again.complete(open_, "Eve", {"light"})
        found = again.bulk("light", ids, "accept")
        assert found.id == batch.id
        assert set(found.document_ids) == set(ids) - {answered, open_}
        assert set(found.answers) == set(batch.check[1:8])
        assert len(found.check) == 20
        assert set(found.check) >= set(batch.check) - {answered, open_}
        answer(again, found, 20)
        done = again.bulk("light", ids, "accept")
        assert done.ready
        assert len(again.apply_bulk(done, "Ada")) == 298 - 20
        stands = {p.document_id: p for p in again.journal.label_pairs("light", page_size=800)}
        assert stands[answered].decision == "reject"  # what Eve said was not overruled


def test_answers_stay_in_when_so_little_is_left_that_fewer_are_drawn(workspace: Workspace) -> None:
    ids = of_role(workspace, "train")[:101]
    batch = workspace.bulk("light", ids, "accept")
    assert len(batch.check) == 20
    answer(workspace, batch, 20)
    others = [x for x in ids if x not in batch.check][:30]
    workspace.decide([Decision(x, "light", "reject", "Eve") for x in others])
    found = workspace.bulk("light", ids, "accept")
    assert (len(found.answers), found.ready, found.allowed) == (20, True, 1)
    assert len(workspace.apply_bulk(found, "Ada")) == 101 - 20 - 30
