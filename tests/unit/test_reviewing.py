"""The queues of a real small workspace: the demo, judged by the evidence teacher and trained."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from lmtx.errors import InputError, NotFoundError
from lmtx.review import AUDITS, MIX, Scope, Unit, is_blind, pair_number, permanent_number, take_turns
from lmtx.types import Action, Decision
from lmtx.workspace import Workspace
from lmtx.workspace.drawing import Drawn, draw
from lmtx.workspace.queues import Queues, queues_of
from lmtx.workspace.standing import Standing

POLICIES = ("default", "uncertain", "disagreement", "teacher_errors", "rare", "unseen", "mix", "audit")
SCORED = ("uncertain", "disagreement", "teacher_errors", "rare")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, encoded_demo: Path) -> Path:
    folder = Path(shutil.copytree(encoded_demo, tmp_path_factory.mktemp("review") / "w"))
    with Workspace.open(folder, own_index=False) as opened:
        opened.demo()
    return folder


@pytest.fixture
def workspace(demo: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(demo, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as opened:
        yield opened


@pytest.fixture
def ready(workspace: Workspace) -> Workspace:
    workspace.prepare_queue("mix", "document")
    workspace.prepare_queue("default", "pair")
    return workspace


def queues(workspace: Workspace) -> Queues:
    return queues_of(workspace._parts)


def order(
    workspace: Workspace,
    unit: Unit,
    policy: str,
    n: int,
    reviewer: str = "Ada",
    scope: Scope = Scope(),  # noqa: B008 - frozen
) -> list[Drawn]:
    """The items that `next_documents` or `next_pairs` would show, without reading their texts."""
    return draw(workspace._parts, unit, policy, reviewer, n, (), scope)  # type: ignore[arg-type]


def role(workspace: Workspace, document_id: str) -> str:
    row = workspace.journal.document_row(document_id)
    assert row is not None
    return row.role


def say(
    workspace: Workspace,
    document_id: str,
    label_id: str | None,
    action: Action,
    reviewer: str = "Ada",
    policy: str = "",
) -> int:
    return workspace.decide([Decision(document_id, label_id, action, reviewer, policy=policy)])[0]


# ---- documents ------------------------------------------------------------------------------------


def test_the_recommended_queue_is_the_random_order_with_the_audit_between(workspace: Workspace) -> None:
    items = order(workspace, "document", "default", 30)
    seed = workspace.settings.seed
    train = [i.document_id for i in items if i.policy == "default"]
    audit = [i for i in items if i.policy == "audit"]
    assert len(audit) == 9  # 30 %
    assert {role(workspace, x) for x in train} == {"train"}
    assert train == sorted(train, key=lambda x: permanent_number(x, seed, "default"))
    assert all(role(workspace, i.document_id) == "reserve" for i in audit)
    n = workspace.journal.counts()["reserve"]
    assert [i.inclusion_probability for i in audit] == [pytest.approx((r + 1) / n) for r in range(9)]
    assert all("to measure" in i.reason for i in audit)
    assert all(i.inclusion_probability is None for i in items if i.policy == "default")
    assert order(workspace, "document", "default", 30) == items
    shown = workspace.next_documents("default", "Ada", n=2)
    assert [(i.document.id, i.policy, i.reason, i.inclusion_probability) for i in shown] == [
        (i.document_id, i.policy, i.reason, i.inclusion_probability) for i in items[:2]
    ]


def test_one_at_a_time_comes_what_came_together(workspace: Workspace) -> None:
    together = [i.document_id for i in order(workspace, "document", "default", 8)]
    seen: list[str] = []
    for _ in range(8):
        seen.append(workspace.next_documents("default", "Ada", after=seen)[0].document.id)
    assert seen == together


@pytest.mark.parametrize("unit", ["document", "pair"])
def test_the_audit_keeps_its_share_of_two_hundred_decisions(ready: Workspace, unit: str) -> None:
    n_audit = n_all = worst = 0.0
    while n_all < 200:
        if unit == "document":
            item = ready.next_documents("default", "Ada")[0]
            accepted = {c.label_id for c in item.candidates[:2]}
            rejected = {c.label_id for c in item.candidates[2:8]}
            ready.complete(
                item.document.id, "Ada", accepted, rejected, item.policy, item.inclusion_probability
            )
            n, longest = 8, 8
        else:
            pair = ready.next_pairs("default", "Ada")[0]
            say(ready, pair.document.id, pair.candidate.label_id, "accept", policy=pair.policy)
            item, n, longest = pair, 1, 1
        assert (role(ready, item.document.id) == "reserve") == (item.policy in AUDITS)
        n_all += n
        n_audit += n * (item.policy in AUDITS)
        worst = max(worst, abs(n_audit - 0.3 * n_all))
    assert worst <= longest
    counts = ready.journal.decision_counts("policy")
    audit = "audit" if unit == "document" else "audit_pair"
    assert counts == {audit: n_audit, "default": n_all - n_audit}


def test_the_share_of_the_audit_is_a_setting(workspace: Workspace) -> None:
    workspace.update_settings(audit_share=0.0)
    assert {i.policy for i in order(workspace, "document", "default", 20)} == {"default"}
    workspace.update_settings(audit_share=1.0)
    assert {i.policy for i in order(workspace, "document", "default", 20)} == {"audit"}


def test_bulk_decisions_call_for_no_audit(workspace: Workspace) -> None:
    document_id = workspace.next_documents("default")[0].document.id
    labels = [x.id for x in workspace.journal.labels()][:60]
    workspace.decide([Decision(document_id, x, "reject", "Ada", policy="bulk", batch="b") for x in labels])
    assert workspace.next_documents("default", "Ada")[0].policy == "default"


def test_completed_documents_fall_out_and_come_back_when_undone(workspace: Workspace) -> None:
    first, second = (i.document.id for i in workspace.next_documents("audit", n=2))
    workspace.complete(first, "Ada", policy="audit")
    again = workspace.next_documents("audit")[0]
    assert again.document.id == second
    assert again.inclusion_probability == pytest.approx(2 / workspace.journal.counts()["reserve"])
    workspace.undo("Ada")
    assert workspace.next_documents("audit")[0].document.id == first


def test_what_another_process_completes_falls_out_too(workspace: Workspace) -> None:
    first = workspace.next_documents("default")[0].document.id
    with Workspace.open(workspace.folder, own_index=False) as other:
        other.complete(first, "Eve")
    assert workspace.next_documents("default")[0].document.id != first


def test_a_skipped_document_is_passed_over_for_who_skipped_it(ready: Workspace) -> None:
    for policy in ("default", "uncertain", "mix"):
        first = ready.next_documents(policy, "Bob")[0].document.id
        say(ready, first, None, "skip", "Bob")
        assert ready.next_documents(policy, "Bob")[0].document.id != first
        assert ready.next_documents(policy, "Ada")[0].document.id == first
        ready.undo("Bob")
        assert ready.next_documents(policy, "Bob")[0].document.id == first


def test_skips_are_found_again_when_a_workspace_is_opened_again(workspace: Workspace) -> None:
    first = workspace.next_documents("default", "Bob")[0].document.id
    say(workspace, first, None, "skip", "Bob")
    with Workspace.open(workspace.folder, own_index=False) as again:
        assert again.next_documents("default", "Bob")[0].document.id != first
        assert again.next_documents("default", "Ada")[0].document.id == first


def test_a_skip_that_a_restore_brings_back_counts_again(workspace: Workspace) -> None:
    first = workspace.next_documents("default", "Bob")[0].document.id
    skip = say(workspace, first, None, "skip", "Bob")
    assert workspace.next_documents("default", "Bob")[0].document.id != first
    back = workspace.decide([Decision(first, None, "retract", "Eve", retracts=skip)])
    assert workspace.next_documents("default", "Bob")[0].document.id == first
    workspace.decide([Decision(first, None, "retract", "Eve", retracts=back[0])])
    assert workspace.next_documents("default", "Bob")[0].document.id != first


def test_unseen_documents_are_neither_judged_nor_decided(workspace: Workspace) -> None:
    assert order(workspace, "document", "unseen", 3) == []  # the teacher has judged all of the demo
    rows = [{"id": f"new-{i}", "text": f"Lighthouses and lifeboats, number {i}."} for i in range(12)]
    from lmtx.ingest import UploadedBytes

    text = "\n".join(f'{{"id": "{r["id"]}", "text": "{r["text"]}"}}' for r in rows)
    workspace.import_corpus(UploadedBytes("new.jsonl", text.encode()))
    found = [i.document_id for i in order(workspace, "document", "unseen", 20)]
    new = [r["id"] for r in rows if role(workspace, r["id"]) == "train"]
    assert found == sorted(new, key=lambda x: permanent_number(x, workspace.settings.seed, "default"))
    label = workspace.journal.labels()[0].id
    say(workspace, found[0], label, "accept")
    assert [i.document_id for i in order(workspace, "document", "unseen", 20)] == found[1:]
    # Judged ones come first in the recommended queue.
    assert workspace.next_documents("default")[0].document.id not in new


def test_the_random_order_stands_in_until_a_scored_one_is_there(workspace: Workspace) -> None:
    random = [i.document_id for i in order(workspace, "document", "default", 20) if i.policy == "default"]
    items = workspace.next_documents("uncertain", n=3)
    assert [i.document.id for i in items] == random[:3]
    assert {i.policy for i in items} == {"default"}
    assert all("‘Unsure’ is being put in order" in i.reason for i in items)
    assert queues(workspace).settle()
    items = workspace.next_documents("uncertain", n=3)
    assert {i.policy for i in items} == {"uncertain"}
    assert items[0].reason == "The tagger is less sure here than elsewhere."


def test_a_queue_that_cannot_know_says_so(encoded_demo: Path, tmp_path: Path) -> None:
    shutil.copytree(encoded_demo, tmp_path / "w")
    with Workspace.open(tmp_path / "w", own_index=False) as bare:
        bare.prepare_queue("disagreement")
        item = bare.next_documents("disagreement")[0]
        assert item.policy == "default"
        assert "no teacher has judged" in item.reason
        bare.prepare_queue("teacher_errors", "pair")
        pair = bare.next_pairs("teacher_errors")[0]
        assert pair.policy == "default"
        assert "needs a training" in pair.reason
        assert {i.policy for i in bare.next_documents("uncertain", n=3)} == {"uncertain"}


@pytest.mark.parametrize("policy", SCORED)
def test_scored_documents_are_of_the_training_documents_and_each_comes_once(
    ready: Workspace, policy: str
) -> None:
    items = order(ready, "document", policy, 500)
    ids = [i.document_id for i in items]
    assert len(ids) == len(set(ids)) > 50
    assert {role(ready, x) for x in ids} == {"train"}
    assert {i.policy for i in items} == {policy}


def test_likely_errors_follow_the_left_out_student(ready: Workspace) -> None:
    from lmtx.cycle import left_out

    run = ready.journal.promoted()
    assert run is not None
    frame = left_out.read(ready.folder / run.folder)
    assert frame is not None
    known = {
        (str(d), str(x)): float(p)
        for d, x, p in zip(frame["document_id"], frame["label_id"], frame["probability"], strict=True)
    }
    gaps = []
    for item in ready.next_pairs("teacher_errors", n=25):
        pair = (item.document.id, item.candidate.label_id)
        verdict = item.candidate.teacher_probability
        if verdict is None:
            verdict = float(item.candidate.verdict == "yes")
        gaps.append(abs(known[pair] - verdict))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > gaps[-1]


@pytest.mark.parametrize("unit", ["document", "pair"])
def test_a_mix_takes_turns_by_what_was_settled(ready: Workspace, unit: Unit) -> None:
    names = {"default": "Recommended", "uncertain": "Unsure", "teacher_errors": "Likely", "rare": "Rare"}
    turns = take_turns(12, MIX)

    for done in range(4):
        for item, turn in zip(order(ready, unit, "mix", 5), turns[done:], strict=False):
            assert item.reason.startswith(f"From the queue ‘{names[turn]}")
            assert item.policy == "mix"
        if unit == "document":
            ready.complete(ready.next_documents("mix", "Ada")[0].document.id, "Ada", policy="mix")
        else:
            pair = ready.next_pairs("mix", "Ada")[0]
            say(ready, pair.document.id, pair.candidate.label_id, "reject", policy="mix")


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_serves_both_units(ready: Workspace, policy: str) -> None:
    documents = ready.next_documents(policy, n=3)  # type: ignore[arg-type]
    pairs = ready.next_pairs(policy, n=3)  # type: ignore[arg-type]
    assert len(documents) == (0 if policy == "unseen" else 3)
    assert len(pairs) == 3
    with pytest.raises(InputError, match="Known"):
        ready.next_pairs("best")  # type: ignore[arg-type]


# ---- scopes ---------------------------------------------------------------------------------------


def test_a_scope_of_documents_has_no_audit_and_nothing_else(ready: Workspace) -> None:
    some = tuple(d.id for d in ready.journal.corpus().documents[:60])
    train = [x for x in some if role(ready, x) == "train"]
    items = order(ready, "document", "default", 100, scope=Scope(document_ids=some))
    assert sorted(i.document_id for i in items) == sorted(train)
    assert {i.policy for i in items} == {"default"}
    audit = order(ready, "document", "audit", 100, scope=Scope(document_ids=some))
    assert {i.document_id for i in audit} == {x for x in some if role(ready, x) == "reserve"}
    assert {i.inclusion_probability for i in audit} == {None}  # not drawn from the whole reserve


def test_a_scope_of_a_search(ready: Workspace) -> None:
    found = {row.id for row in ready.journal.documents_page(query="harbour", page_size=300)}
    items = order(ready, "document", "default", 300, scope=Scope(query="harbour"))
    assert {i.document_id for i in items} == {x for x in found if role(ready, x) == "train"}
    assert len(items) > 3
    assert ready.next_documents("default", scope=Scope(query="zzzzqqq")) == []


def test_a_scope_of_a_label_gives_its_pairs_alone(ready: Workspace) -> None:
    label, n = ready.labels_to_review(1)[0]
    scope = Scope(label_id=label.id)
    ready.prepare_queue("uncertain", "pair", scope)
    pairs = order(ready, "pair", "default", 300, scope=scope)
    assert {p.label_id for p in pairs} == {label.id}
    proposed = {x for x, _, _ in ready.journal.undecided_documents(label.id, 0, 500)}
    assert {x for x in proposed if role(ready, x) == "train"} <= {p.document_id for p in pairs}
    numbers = [pair_number(p.document_id, label.id, ready.settings.seed, "default") for p in pairs]
    assert numbers == sorted(numbers)
    documents = order(ready, "document", "uncertain", 300, scope=scope)
    assert {i.document_id for i in documents} == {p.document_id for p in pairs}
    for item in ready.next_documents("uncertain", n=2, scope=scope):
        assert label.id in {c.label_id for c in item.candidates}
    assert n == len(proposed)


def test_the_labels_to_review_are_counted_in_one_question(ready: Workspace) -> None:
    journal = ready.journal
    (label, n), *_ = ready.labels_to_review(50)
    document = journal.undecided_documents(label.id, 0, 1).items[0][0]
    ready.complete(document, "Ada")  # which leaves the label's own count as it was
    asked: list[str] = []

    @event.listens_for(journal._engine, "before_cursor_execute")
    def note(conn, cursor, statement, parameters, context, many):  # type: ignore[no-untyped-def]
        if "FROM pairs" in statement:
            asked.append(statement)

    found = ready.labels_to_review(49)
    event.remove(journal._engine, "before_cursor_execute", note)
    assert len(asked) == 1
    assert len(found) > 10
    assert {x.id: m for x, m in found} == {
        x.id: journal.undecided_documents(x.id, 0, 1).total for x, _ in found
    }
    assert {x.id: m for x, m in found}[label.id] == n - 1
    assert [m for _, m in found] == sorted((m for _, m in found), reverse=True)


def test_a_reason_is_no_second_decision_of_the_audit(ready: Workspace) -> None:
    standing = Standing(ready.journal)
    before = standing.counts()
    document, label = ready.journal.document_ids("reserve")[0], ready.journal.labels()[0].id
    said = Decision(document, label, "reject", "Ada", policy="audit")
    ready.decide([said])
    standing.follow()
    assert standing.counts() == (before[0] + 1, before[1] + 1)
    assert not standing.counts_are_old
    ready.decide([replace(said, reason="unclear")])
    standing.follow()
    assert standing.counts_are_old  # whether it says something new only the journal can tell
    standing.count_again(ready.journal.head_seq(), ready.journal.decision_counts("policy"))
    assert standing.counts() == (before[0] + 1, before[1] + 1)


# ---- pairs ----------------------------------------------------------------------------------------


def test_pairs_come_in_their_permanent_order_and_fall_out_when_decided(ready: Workspace) -> None:
    ready.update_settings(audit_share=0.0)
    pairs = ready.next_pairs("default", "Ada", n=20)
    keys = [(p.document.id, p.candidate.label_id) for p in pairs]
    numbers = [pair_number(*key, ready.settings.seed, "default") for key in keys]
    assert numbers == sorted(numbers)
    for p in pairs:
        assert p.candidate.state in ("proposed", "declined", None)
        assert p.reason == "Next in a random order of what teacher or tagger propose."
    say(ready, *keys[0], "accept")
    ready.complete(keys[1][0], "Ada")  # settles all pairs of the document
    left = [(p.document.id, p.candidate.label_id) for p in ready.next_pairs("default", "Ada", n=5)]
    assert left == [key for key in keys[2:] if key[0] != keys[1][0]][:5]
    assert ready.next_pairs("default", "Ada", after=[left[0]])[0].document.id == left[1][0]
    ready.undo("Ada")
    ready.undo("Ada")
    again = [(p.document.id, p.candidate.label_id) for p in ready.next_pairs("default", "Ada", n=20)]
    assert again == keys


def test_a_skipped_pair_is_passed_over_and_so_are_those_of_a_skipped_document(ready: Workspace) -> None:
    first, second = ready.next_pairs("uncertain", "Bob", n=2)
    key = (first.document.id, first.candidate.label_id)
    say(ready, *key, "skip", "Bob")
    assert order(ready, "pair", "uncertain", 1, "Bob")[0].document_id == second.document.id
    assert ready.next_pairs("uncertain", "Ada")[0].document.id == key[0]
    documents = order(ready, "document", "uncertain", 500, "Bob")
    assert key[0] in {x.document_id for x in documents}  # the document itself may still come
    say(ready, second.document.id, None, "skip", "Bob")
    left = order(ready, "pair", "uncertain", 500, "Bob")
    assert second.document.id not in {p.document_id for p in left}


def test_before_any_pool_pairs_of_few_documents_come(workspace: Workspace) -> None:
    workspace.update_settings(audit_share=0.0)
    few = workspace.next_pairs("default", n=4)
    assert len(few) == 4
    numbers = [
        pair_number(p.document.id, p.candidate.label_id, workspace.settings.seed, "default") for p in few
    ]
    assert numbers == sorted(numbers)


def test_the_audit_of_pairs_states_its_probability(ready: Workspace) -> None:
    items = ready.next_pairs("audit", "Ada", n=6)
    n_pairs = 5 * ready.journal.counts()["reserve"]  # the tagger's five best of each
    assert [i.inclusion_probability for i in items] == [pytest.approx((r + 1) / n_pairs) for r in range(6)]
    for item in items:
        assert role(ready, item.document.id) == "reserve"
        assert item.policy == "audit_pair"
        tags = ready.predict([item.document], top_k=5)[0]
        assert item.candidate.label_id in {t.label_id for t in tags}
    say(ready, items[0].document.id, items[0].candidate.label_id, "accept", policy="audit_pair")
    after = ready.next_pairs("audit", "Ada")[0]
    assert after.inclusion_probability == pytest.approx(2 / n_pairs)  # its place is its own
    shown = ready.pair_item(items[2].document.id, items[2].candidate.label_id, "audit")
    assert shown.inclusion_probability == items[2].inclusion_probability


def test_pairs_never_run_dry_while_documents_wait(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool holds a part of the corpus: when it is used up, another part follows."""
    from lmtx.workspace import queues as module

    monkeypatch.setattr(module, "_POOL", 5)
    monkeypatch.setattr(module, "_SMALL", 2)
    monkeypatch.setattr(module, "_SOONEST_S", 0.0)
    workspace.update_settings(audit_share=0.0)
    workspace.prepare_queue("default", "pair")
    seen: set[tuple[str, str]] = set()
    for _ in range(90):
        item = workspace.next_pairs("default", "Ada")[0]
        key = (item.document.id, item.candidate.label_id)
        assert key not in seen
        seen.add(key)
        say(workspace, *key, "reject")
    assert len({document_id for document_id, _ in seen}) > 5
    assert queues(workspace).settle()


# ---- items ----------------------------------------------------------------------------------------


def test_a_pair_is_shown_with_all_that_a_decision_needs(ready: Workspace) -> None:
    label, _ = ready.labels_to_review(1)[0]
    ids = [x for x, _, _ in ready.journal.undecided_documents(label.id, 0, 10)]
    for x in ids[:3]:
        say(ready, x, label.id, "accept")
    item = ready.pair_item(ids[0], label.id)
    assert item.candidate.decision == "accept"
    assert item.candidate.path == ready.label_detail(label.id).path
    assert item.candidate.definition == label.description
    assert item.aliases == label.aliases
    assert len(item.examples) == 2
    assert {x for x, _ in item.examples} == set(ids[1:3])
    assert all(title for _, title in item.examples)
    other = ready.pair_item(ids[4], label.id)
    assert other.candidate.score is not None
    assert other.candidate.teacher_probability is not None
    assert "teacher says yes" in other.candidate.why
    for mark in other.highlights:
        assert 0 <= mark.start < mark.end <= len(other.document.text)
        assert mark.label_ids == (label.id,)
    with pytest.raises(NotFoundError, match="Label 'nope'"):
        ready.pair_item(ids[0], "nope")
    with pytest.raises(NotFoundError, match="Document 'nope'"):
        ready.pair_item("nope", label.id)


def test_any_label_of_a_document_has_a_score(ready: Workspace) -> None:
    item = ready.next_documents("default")[0]
    ranked = {c.label_id: c for c in item.candidates}
    label_id = item.candidates[0].label_id
    pair = ready.pair_item(item.document.id, label_id)
    assert pair.candidate.score == pytest.approx(ranked[label_id].score)
    unlikely = [x.id for x in ready.journal.labels() if x.id not in ranked][-1]
    score = ready.pair_item(item.document.id, unlikely).candidate.score
    assert score is not None
    assert item.candidates[0].score is not None
    assert score < item.candidates[0].score


def test_the_nearest_sentence_is_marked_where_the_encoder_is_loaded(ready: Workspace) -> None:
    ready._parts.encoder().load()
    item = ready.next_documents("default", n=2)[0]
    marks = [m for m in item.highlights if m.kind == "sentence"]
    assert marks
    assert {x for m in marks for x in m.label_ids} == {c.label_id for c in item.candidates}
    single = ready.next_documents("default")[0]  # encoded before, so it costs nothing
    assert [m for m in single.highlights if m.kind == "sentence"] == marks
    assert queues(ready).settle()


def test_a_share_of_the_items_is_blind(ready: Workspace) -> None:
    seed = ready.settings.seed
    assert not any(i.blind for i in ready.next_documents("default", n=3))
    ready.update_settings(blind_share=0.5)
    documents = ready.next_documents("default", n=12)
    assert [i.blind for i in documents] == [is_blind(i.document.id, None, seed, 0.5) for i in documents]
    assert 1 < sum(i.blind for i in documents) < 11
    pairs = ready.next_pairs("default", n=12)
    drawn = [is_blind(p.document.id, p.candidate.label_id, seed, 0.5) for p in pairs]
    assert [p.blind for p in pairs] == drawn
    assert 1 < sum(drawn) < 11
    # Another process (the app's settings page, a command) changes the file.
    with Workspace.open(ready.folder, own_index=False) as other:
        other.update_settings(blind_share=1.0)
    assert all(i.blind for i in ready.next_documents("default", n=5))
    assert ready.review_item(documents[0].document.id).blind


# ---- following ------------------------------------------------------------------------------------


def test_a_new_run_is_followed_without_anybody_waiting(ready: Workspace) -> None:
    parts = ready._parts
    old_pool = queues(ready).pool(parts, Scope())
    old_run = ready.journal.promoted()
    assert old_run is not None
    item = ready.next_documents("default", "Ada")[0]
    ready.complete(item.document.id, "Ada", {item.candidates[5].label_id})
    run = ready.train()
    ready.journal.promote(run.id)
    served = ready.next_documents("uncertain", n=3)  # at once, from the old order
    assert {i.policy for i in served} == {"uncertain"}
    assert queues(ready).settle()
    new_pool = queues(ready).pool(parts, Scope())
    assert new_pool is not None
    assert new_pool is not old_pool
    assert item.document.id not in new_pool.documents
    assert f"tagger {old_run.id}" not in parts.memory
    assert queues(ready).settle()


def test_threads_may_ask_and_decide_at_once(ready: Workspace) -> None:
    ready.update_settings(audit_share=0.0)
    failed: list[BaseException] = []

    def review(reviewer: str) -> None:
        try:
            for _ in range(15):
                pair = ready.next_pairs("default", reviewer)[0]
                say(ready, pair.document.id, pair.candidate.label_id, "accept", reviewer)
                ready.next_documents("mix", reviewer)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=review, args=(name,)) for name in ("Ada", "Bob", "Eve")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    counts = ready.journal.decision_counts("reviewer")
    assert counts == {"Ada": 15, "Bob": 15, "Eve": 15}


# ---- undoing --------------------------------------------------------------------------------------


def test_undo_goes_back_step_by_step_also_after_a_reload(workspace: Workspace) -> None:
    before = workspace.journal.pairs_frame()
    items = workspace.next_documents("default", "Ada", n=3)
    for item in items:
        say(workspace, item.document.id, item.candidates[0].label_id, "accept")
        workspace.complete(
            item.document.id, "Ada", {item.candidates[0].label_id}, {item.candidates[1].label_id}
        )
    say(workspace, items[0].document.id, None, "skip")
    workspace.undo("Ada")
    with Workspace.open(workspace.folder, own_index=False) as again:
        assert again.undo("Bob") == []
        sizes = []
        while undone := again.undo("Ada"):
            sizes.append(len(undone))
        assert sizes == [2, 1] * 3
        assert again.journal.completed() == {}
        assert again.journal.pairs_frame().equals(before)
        with pytest.raises(InputError, match="who are you"):
            again.undo("")


# ---- by label -------------------------------------------------------------------------------------


def test_label_mode_pages_what_is_proposed_the_surest_first(ready: Workspace) -> None:
    label, n = ready.labels_to_review(1)[0]
    pages = [ready.label_batch(label.id, page, 4) for page in range(-(-n // 4))]
    rows = [row for page in pages for row in page.rows]
    assert len(rows) == n == pages[0].total
    assert len({row.document_id for row in rows}) == n
    said = [row.teacher_probability for row in rows]
    assert said == sorted(said, key=lambda p: -(p or 0))
    texts = ready.journal.documents_by_id([row.document_id for row in rows])
    for row in rows:
        assert row.evidence
        assert row.evidence in texts[row.document_id].text
        assert row.state == "proposed"
        assert row.decision is None
        assert all(word in row.evidence for word in row.words)
    assert any(row.words for row in rows)
    say(ready, rows[0].document_id, label.id, "accept")
    ready.complete(rows[1].document_id, "Ada")
    left = ready.label_batch(label.id, 0, 100)
    assert [row.document_id for row in left.rows] == [row.document_id for row in rows[2:]]
    assert left.examples == [(rows[0].document_id, rows[0].title)]
    assert dict((x.id, m) for x, m in ready.labels_to_review(500))[label.id] == n - 2
    with pytest.raises(NotFoundError):
        ready.label_batch("nope")


def test_labels_to_review_are_searched_and_sorted(ready: Workspace) -> None:
    labels = ready.labels_to_review(10)
    numbers = [n for _, n in labels]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] > 0
    word = labels[3][0].name.split()[0]
    found = ready.labels_to_review(10, word)
    assert labels[3][0].id in {x.id for x, _ in found}
    assert len(found) < len(ready.journal.labels())


def test_documents_like_one_are_open_training_documents(ready: Workspace) -> None:
    label, _ = ready.labels_to_review(1)[0]
    first = ready.label_batch(label.id).rows[0].document_id
    near = ready.label_batch(label.id, like=first, page_size=10)
    ids = [row.document_id for row in near.rows]
    assert first not in ids
    assert {role(ready, x) for x in ids} == {"train"}
    view = ready.journal.corpus()
    train = [d for d, r in zip(view.documents, view.roles, strict=True) if r == "train" and d.id != first]
    anchor = ready._parts.document_vectors([view.documents[view.document_idx[first]]])[0]
    cosine = dict(zip([d.id for d in train], ready._parts.document_vectors(train) @ anchor, strict=True))
    assert ids == sorted(cosine, key=lambda x: -cosine[x])[:10]
    say(ready, ids[0], label.id, "reject")
    ready.complete(ids[1], "Ada")
    again = ready.label_batch(label.id, like=first, page_size=10)
    assert [row.document_id for row in again.rows][:8] == ids[2:]
    assert again.total == near.total - 2
