"""The review in all its ways of working: what keys record, and what shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from lmtx.types import Decision
from lmtx.workspace import Workspace

Open = Callable[..., AppTest]
MODES = ("document", "pair", "label", "history")


def text_of(app: AppTest) -> str:
    """All words on the screen."""
    found = [x for e in app.main for x in (getattr(e, "body", None), getattr(e, "value", None))]
    return "\n".join(x for x in found if isinstance(x, str))


def button(app: AppTest, start: str) -> Button:
    """The button whose key begins so; keys in the review name what they are about."""
    return next(b for b in app.button if (b.key or "").startswith(start))


def has(app: AppTest, start: str) -> bool:
    """Whether there is such a button."""
    return any((b.key or "").startswith(start) for b in app.button)


def press(app: AppTest, start: str) -> str:
    """Press it, and return all words of the screen that follows."""
    button(app, start).click().run()
    assert not app.exception
    text = text_of(app)
    assert 'role="alert"' not in text
    return text


def standing(home: Path, **filters: str) -> list[Decision]:
    """Decisions that stand, as another process reads them."""
    with Workspace.open(home / "library", own_index=False) as workspace:
        found = workspace.journal.decisions(standing=True, limit=None, **filters)  # type: ignore[arg-type]
        return [d for d in found if d.action != "retract"]


def busiest(home: Path) -> str:
    """The label with the most proposed documents."""
    with Workspace.open(home / "library", own_index=False) as workspace:
        return workspace.labels_to_review(1)[0][0].id


# ---- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_full_draws(full: Path, open_page: Open, mode: str) -> None:
    at = open_page("review", mode=mode)
    assert not at.exception
    assert 'role="alert"' not in text_of(at)


@pytest.mark.parametrize("mode", MODES)
def test_empty_says_why(empty: Path, open_page: Open, mode: str) -> None:
    at = open_page("review", mode=mode)
    assert not at.exception
    assert "No documents yet" in text_of(at)


@pytest.mark.parametrize("mode", ["document", "pair", "label"])
def test_what_is_not_there_is_an_error_message(full: Path, open_page: Open, mode: str) -> None:
    at = open_page("review", mode=mode, document="no such document", label="no such label")
    assert not at.exception
    assert 'role="alert"' in text_of(at)
    assert at.segmented_control(key="review_mode").value == mode  # the way out is there


def test_an_unknown_address_is_the_usual_screen(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="nonsense", queue="nonsense")
    assert not at.exception
    assert at.segmented_control(key="review_mode").value == "document"


# ---- documents ------------------------------------------------------------------------------------


def test_number_keys_record_at_once(full: Path, open_page: Open) -> None:
    at = open_page("review")
    assert "accepted" in press(at, "key_1_")
    found = standing(full)
    assert [d.action for d in found] == ["accept"]
    assert "rejected" in press(at, "key_1_")
    assert "taken back" in press(at, "key_1_")
    assert standing(full) == []
    assert "document complete" in press(at, "complete_")
    assert "taken back" in press(at, "undo")
    with Workspace.open(full / "library", own_index=False) as workspace:
        assert workspace.journal.completed() == {}


def test_a_key_pressed_twice_counts_once(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_page("review")
    first, complete = button(at, "key_1_"), button(at, "complete_")
    pressed = first.click()
    pressed.run()
    first.click()  # the screen still showed the label undecided
    at.run()
    assert "rejected</span>" not in text_of(at)
    monkeypatch.setattr("app.reviewing.PAUSE_S", 60.0)
    complete.click().run()
    assert "second press not counted" in press(at, "complete_")  # the next can't have been read yet
    press(at, "skip_")
    found = standing(full)
    assert [d.action for d in found if d.label_id is None] == ["complete"]
    assert sum(d.action == "accept" for d in found) == 1


def test_accept_and_reject_go_on_to_the_next(full: Path, open_page: Open) -> None:
    at = open_page("review")
    press(at, "accept_")
    assert "why?" not in text_of(at)
    press(at, "reject_")
    press(at, "accept_")
    assert [d.action for d in standing(full)] == ["accept", "reject", "accept"]
    assert len({d.label_id for d in standing(full)}) == 3
    press(at, "undo")
    press(at, "undo")
    assert [d.action for d in standing(full)] == ["accept"]


def test_the_rest_is_wrong_is_one_step(full: Path, open_page: Open) -> None:
    at = open_page("review")
    press(at, "key_2_")
    press(at, "rest_")
    found = standing(full)
    assert [d.action for d in found].count("accept") == 1
    assert len(found) == 9
    assert len({d.batch for d in found if d.action == "reject"}) == 1
    assert "8 decisions" in press(at, "undo")
    assert len(standing(full)) == 1


def test_a_reason_can_be_taken_back_without_the_reject(full: Path, open_page: Open) -> None:
    from app import reviewing

    at = open_page("review")
    press(at, "reject_")
    rejected = standing(full)[0]
    target = reviewing.Target(rejected.document_id, str(rejected.label_id), "It", "default", None, False)
    with Workspace.open(full / "library", own_index=False) as workspace:
        reviewing.explain(workspace, target, reason="too_broad")
        assert [d.reason for d in workspace.journal.decisions(standing=True)] == ["", "too_broad"]
        workspace.undo("reviewer")
        assert [(d.action, d.reason) for d in standing(full)] == [("reject", "")]
        reviewing.explain(workspace, target, note="See the shelf list.")
    found = standing(full)
    assert [d.action for d in found] == ["reject", "reject"]
    assert found[-1].note == "See the shelf list."


def test_blind_items_hide_what_the_machine_thinks(full: Path, open_page: Open) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        workspace.update_settings(blind_share=1.0)
    at = open_page("review")
    text = text_of(at)
    assert ">blind<" in text
    assert 'class="lx-bar"' not in text
    assert "proposed</div>" not in text
    press(at, "key_1_")
    assert standing(full)[0].blind
    text = text_of(open_page("review", mode="pair"))
    assert ">blind<" in text
    assert "lx-meter" not in text


def test_the_first_label_found_is_added(full: Path, open_page: Open) -> None:
    from app import reviewing_document

    with Workspace.open(full / "library", own_index=False) as workspace:
        item = workspace.next_documents("default", "reviewer")[0]
        reviewing_document.add_first(workspace, item, "zzyzx")
        assert workspace.journal.decisions(standing=True) == []
        reviewing_document.add_first(workspace, item, "ships")
        added = workspace.journal.decisions(standing=True)
        assert [d.action for d in added] == ["accept"]
        assert added[0].label_id == workspace.find_labels("ships", limit=1)[0].id
    at = open_page("review")
    assert not at.exception


def test_what_somebody_else_settled_meanwhile_is_passed_over(full: Path, open_page: Open) -> None:
    at = open_page("review")
    time.sleep(0.5)  # what comes next is fetched by now
    opened = [b.key for b in at.button if (b.key or "").startswith("complete_")]
    with Workspace.open(full / "library", own_index=False) as workspace:
        item = workspace.next_documents("default", "other", n=2)[1]
        assert not str(opened[0]).endswith(item.document.id)
        workspace.complete(item.document.id, "other")
    press(at, "complete_")
    assert not has(at, f"complete_{item.document.id}")
    with Workspace.open(full / "library", own_index=False) as workspace:
        assert len([d for d in workspace.journal.decisions(standing=True) if d.action == "complete"]) == 2


# ---- pairs ----------------------------------------------------------------------------------------


def test_pairs_come_one_after_another(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="pair")
    for key in ("accept_", "reject_", "skip_"):
        press(at, key)
    found = standing(full)
    assert [d.action for d in found] == ["accept", "reject", "skip"]
    assert len({(d.document_id, d.label_id) for d in found}) == 3
    press(at, "previous_")
    assert "✗ wrong" in press(at, "previous_")  # what was said of it
    press(at, "accept_")
    with Workspace.open(full / "library", own_index=False) as workspace:
        states = workspace.journal.pair_states(found[1].document_id)
    assert next(p.decision for p in states if p.label_id == found[1].label_id) == "accept"
    assert f"accept_{found[1].label_id}_{found[1].document_id}" not in [b.key for b in at.button]


def test_undo_shows_the_pair_again(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="pair")
    key = button(at, "accept_").key
    press(at, "accept_")
    assert button(at, "accept_").key != key
    assert "taken back" in press(at, "undo")
    assert button(at, "accept_").key == key
    assert standing(full) == []


def test_a_pair_has_its_own_address(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="pair")
    with Workspace.open(full / "library", own_index=False) as workspace:
        pair = workspace.next_pairs("uncertain", "reviewer")[0]
    wanted = (pair.document.id, pair.candidate.label_id)
    at = open_page("review", mode="pair", document=wanted[0], label=wanted[1])
    press(at, "accept_")
    assert [(d.document_id, d.label_id) for d in standing(full)] == [wanted]


def test_a_scope_asks_only_about_its_label(full: Path, open_page: Open) -> None:
    label = busiest(full)
    at = open_page("review", mode="pair", label=label)
    for _ in range(3):
        press(at, "accept_")
    assert {d.label_id for d in standing(full)} == {label}
    at.button(key="unlabel").click().run()
    assert not at.exception
    assert not has(at, "unlabel")


def test_an_audited_pair_is_recorded_as_one_and_found_again(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="pair", queue="audit")
    press(at, "accept_")
    said = standing(full)
    assert [d.policy for d in said] == ["audit_pair"]
    assert "✓ right" in press(at, "previous_")
    assert has(at, f"accept_{said[0].label_id}_{said[0].document_id}")
    at = open_page("review", mode="history", through="audit_pair")
    assert at.selectbox(key="history_Queue").value == "audit_pair"
    assert "Random pairs to measure" in set(at.dataframe[0].value["Queue"])
    at.selectbox(key="history_Queue").set_value(None).run()
    assert not at.exception
    assert at.selectbox(key="history_Queue").value is None


# ---- labels ---------------------------------------------------------------------------------------


def test_rows_of_a_label_are_decided_in_place(full: Path, open_page: Open) -> None:
    label = busiest(full)
    at = open_page("review", mode="label")
    press(at, f"pick_{label}")
    first = [b.key for b in at.button if (b.key or "").startswith("key_")]
    press(at, "accept_")
    press(at, "reject_")
    press(at, "key_3_")
    found = standing(full)
    assert [d.action for d in found] == ["accept", "reject", "accept"]
    assert {d.label_id for d in found} == {label}
    after = [b.key for b in at.button if (b.key or "").startswith("key_")]
    assert [k and k.rsplit("_", 1)[1] for k in first] == [k and k.rsplit("_", 1)[1] for k in after]
    press(at, "page_" + label)
    third = [b.key for b in at.button if (b.key or "").startswith("key_")]
    assert not {d.document_id for d in found} & {str(k).rsplit("_", 1)[1] for k in third}


def test_many_are_decided_after_a_spot_check_and_undone_as_one(full: Path, open_page: Open) -> None:
    label = busiest(full)
    with Workspace.open(full / "library", own_index=False) as workspace:
        before = workspace.journal.pairs_frame()
        documents = tuple(workspace.journal.document_ids("train")[:30])
    at = open_page("review", mode="label", label=label)
    at.session_state["lmtx.review.marked"] = documents
    at.run()
    press(at, "accept_marked")
    n_checked = 0
    while has(at, "right_") and n_checked < 30:
        press(at, "right_")
        n_checked += 1
    assert n_checked == len(standing(full)) == 10
    assert {d.policy for d in standing(full)} == {"spot-check"}
    assert "20 accepted as one batch" in press(at, "apply_")
    assert at.button(key="undo").label == "Undo the batch"
    assert len(standing(full)) == 30
    press(at, "undo")
    assert len(standing(full)) == n_checked
    for _ in range(n_checked):
        press(at, "undo")
    with Workspace.open(full / "library", own_index=False) as workspace:
        assert workspace.journal.pairs_frame().equals(before)


def test_all_rows_can_be_marked(full: Path, open_page: Open) -> None:
    label = busiest(full)
    at = open_page("review", mode="label", label=label)
    press(at, "mark_" + label)
    assert at.session_state["lmtx.review.marked"]
    assert has(at, "accept_marked")
    press(at, "mark_all_")
    rows = [str(b.key).rsplit("_", 1)[1] for b in at.button if (b.key or "").startswith("key_")]
    assert set(at.session_state["lmtx.review.marked"]) == set(rows)


def test_a_batch_with_misses_is_refused_plainly(full: Path, open_page: Open) -> None:
    label = busiest(full)
    at = open_page("review", mode="label", label=label)
    press(at, "mark_all_0")
    press(at, "accept_marked")
    for _ in range(9):
        if has(at, "wrong_"):
            button(at, "wrong_").click().run()
    assert not at.exception
    text = text_of(at)
    assert "Nothing of the rest was decided" in text
    assert not has(at, "apply_")
    answers = standing(full)
    assert {d.action for d in answers} == {"reject"}
    button(at, "leave_").click().run()
    assert standing(full) == answers


def test_similar_pairs_are_offered_from_a_pair(full: Path, open_page: Open) -> None:
    at = open_page("review", mode="pair", label=busiest(full))
    press(at, "like_")
    assert at.segmented_control(key="review_mode").value == "label"
    assert "nearest first" in text_of(at)
    press(at, "unlike")
    assert "surest first" in text_of(at)


# ---- history --------------------------------------------------------------------------------------


def test_history_filters_and_goes_back(full: Path, open_page: Open) -> None:
    from app import reviewing_history

    with Workspace.open(full / "library", own_index=False) as workspace:
        labels = [label.id for label, _ in workspace.labels_to_review(3)]
        documents = [workspace.label_batch(x).rows[0].document_id for x in labels]
        for who, document, label in zip(("Ann", "Ann", "Bo"), documents, labels, strict=True):
            workspace.decide([Decision(document, label, "accept", who, policy="default")])
    at = open_page("review", mode="history")
    assert not at.exception
    assert list(at.dataframe[0].value["Who"]) == ["Bo", "Ann", "Ann"]
    at.selectbox(key="history_Reviewer").set_value("Ann").run()
    assert list(at.dataframe[0].value["Who"]) == ["Ann", "Ann"]
    with Workspace.open(full / "library", own_index=False) as workspace:
        first = workspace.journal.decisions()[0].seq
        assert reviewing_history.taken_back_by(workspace, first, None) == 2
        assert reviewing_history.taken_back_by(workspace, first, "Ann") == 1
        reviewing_history.go_back(workspace, first, "Ann")
        left = [d for d in workspace.journal.decisions(standing=True) if d.action == "accept"]
    assert [d.reviewer for d in left] == ["Ann", "Bo"]
    at = open_page("review", mode="history", label=labels[2])
    assert list(at.dataframe[0].value["Who"]) == ["Bo"]
    press(at, "unlabel")
    assert len(at.dataframe[0].value) > 3


def test_history_takes_back_a_batch_and_says_how_much(full: Path) -> None:
    from app import reviewing_history, state

    with Workspace.open(full / "library", own_index=False) as workspace:
        before = workspace.journal.head_seq()
        label, _ = workspace.labels_to_review(1)[0]
        (one, two, three) = (row.document_id for row in workspace.label_batch(label.id).rows[:3])
        workspace.decide([Decision(x, label.id, "reject", "Bo", "bulk", batch="many") for x in (one, two)])
        first = workspace.journal.head_seq()
        workspace.decide([Decision(three, label.id, "reject", "Bo", "default")])
        workspace.decide([Decision(three, label.id, "reject", "Bo", "default", reason="unclear")])
        # A reason is a record of its own: going back takes it back though it decides nothing anew.
        assert reviewing_history.taken_back_by(workspace, first + 1, None) == 1
        assert reviewing_history.taken_back_by(workspace, first, "Bo") == 2
        assert reviewing_history.taken_back_by(workspace, first, "Ann") == 0
        reviewing_history.undo_batch(workspace, "many")
        assert state.REVIEW_SAVED.get() == "Saved: 2 decisions of one batch taken back"
        left = workspace.journal.decisions(after_seq=before, standing=True)
        assert [d.document_id for d in left if d.action == "reject"] == [three, three]
        reviewing_history.undo_batch(workspace, "many")
        assert "nothing of it stood any more" in state.REVIEW_SAVED.get()
        reviewing_history.undo_batch(workspace, "")  # the whole record is no batch
        assert "no batch was named" in state.REVIEW_ERROR.get()


# ---- progress and help ----------------------------------------------------------------------------


def test_progress_shows_and_goes(full: Path, open_page: Open) -> None:
    at = open_page("review")
    press(at, "complete_")
    text = press(at, "progress")
    for part in ("The goal", "What the decisions have gained", "What changed"):
        assert part in text
    press(at, "progress_back")
    assert has(at, "complete_")


def test_the_keys_show(full: Path, open_page: Open) -> None:
    at = open_page("review")
    assert "lx-overlay" in press(at, "help")
    assert "lx-overlay" not in press(at, "help")


def test_every_way_to_work_has_the_same_keys(full: Path, open_page: Open) -> None:
    """One letter never means two things on a screen, and the common ones are on all three."""
    label = busiest(full)
    for mode, extra in (("document", {}), ("pair", {}), ("label", {"label": label})):
        at = open_page("review", mode=mode, **extra)
        letters = [b.proto.shortcut for b in at.button if b.proto.shortcut]
        assert len(letters) == len(set(letters)), (mode, letters)
        assert set("axsujkphv") <= set(letters), (mode, letters)
        assert not set(letters) & {"c", "r", "f", "t"}


# ---- long texts -----------------------------------------------------------------------------------


def test_long_texts_fold_around_the_evidence() -> None:
    from app.widgets.review_text import folded

    lines = [f"Sentence number {n} of a long and patient report." for n in range(200)]
    text = " ".join(lines)
    at = text.index("number 120")
    spans = folded(text, [(at, at + 10)])
    shown = " ".join(text[a:b] for a, b in spans)
    assert spans[0][0] == 0
    for n in (0, 119, 120, 121):
        assert lines[n] in shown
    assert lines[60] not in shown
    assert sum(b - a for a, b in spans) < len(text) / 4
    assert all(a[1] < b[0] for a, b in pairwise(spans))
    assert folded(lines[0], []) == [(0, len(lines[0]))]


def test_a_long_text_unfolds(full: Path, open_page: Open, tmp_path: Path) -> None:
    text = " ".join(f"Sentence number {n} of a long and patient report." for n in range(200))
    (tmp_path / "long.jsonl").write_text(
        f'{{"id": "long", "title": "Long", "text": "{text}"}}', encoding="utf-8"
    )
    with Workspace.open(full / "library", own_index=False) as workspace:
        workspace.import_corpus(tmp_path / "long.jsonl", labels_are="none")
    at = open_page("review", document="long")
    assert "folded · E shows all" in text_of(at)
    assert "number 100 of" not in text_of(at)
    assert "number 100 of" in press(at, "unfold_")


def test_a_long_list_in_one_sentence_folds_to_what_there_is_room_for() -> None:
    from app.widgets.review_text import ROOM, folded

    members = [f"({n}) a member of the list that says something about number {n};" for n in range(60)]
    text = "It directs somebody to do as follows: " + " ".join(members)
    at = text.index("number 40")
    spans = folded(text, [(at, at + 9)])
    assert any(a <= at < b for a, b in spans)
    assert sum(b - a for a, b in spans) <= ROOM


# ---- what a new reviewer asks ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["document", "pair"])
def test_what_is_kept_for_measuring_says_so(full: Path, open_page: Open, mode: str) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        reserved, train = (workspace.journal.document_ids(x)[0] for x in ("reserve", "train"))
    label = busiest(full)
    text = text_of(open_page("review", mode=mode, document=reserved, label=label))
    assert ">to measure<" in text
    assert "to the next training, without this one" in text
    text = text_of(open_page("review", mode=mode, document=train, label=label))
    assert ">to measure<" not in text
    assert "without this one" not in text


def test_the_button_says_what_completing_does(full: Path, open_page: Open) -> None:
    at = open_page("review")
    assert button(at, "complete_").label == "Complete: none right"
    press(at, "key_1_")
    assert button(at, "complete_").label == "Complete: 1 right"


def test_the_student_has_one_bar_in_all_ways_to_work() -> None:
    from app.widgets.review import bars, strength

    assert strength(0.4, 9.0) == 0.4
    assert strength(None, None) is None
    low, high = strength(None, 1.0), strength(None, 6.0)
    assert low is not None
    assert high is not None
    assert 0 < low < high < 1
    assert strength(None, -1.0) == 0
    assert "no % yet" in bars(None, None, 1.0)
    assert "lx-none" in bars(None, 0.5)  # who was not asked has no empty bar, which would say no


def test_the_label_of_that_name_comes_first(full: Path) -> None:
    from app import reviewing

    with Workspace.open(full / "library", own_index=False) as workspace:
        names = [x.name for x in workspace.find_labels("", limit=500)]
        short = next(x for x in names if sum(x.casefold() in y.casefold() for y in names) > 1)
        found = reviewing.labels_to_choose(workspace, 5, short.upper())
        assert found[0][0].name == short
        assert found[0][1] == workspace.label_batch(found[0][0].id).total
        assert reviewing.labels_to_choose(workspace, 5, "") == workspace.labels_to_review(5)


def test_missing_labels_come_in_the_order_of_the_tagger(full: Path) -> None:
    from dataclasses import replace

    from app import reviewing_document

    with Workspace.open(full / "library", own_index=False) as workspace:
        item = workspace.next_documents("default", "reviewer")[0]
        ranked = [x.id for x in workspace.find_labels("", limit=200, document_id=item.document.id)]
        found = [x.id for x in reviewing_document.find(workspace, item, "and", 5)]
        blind = [x.id for x in reviewing_document.find(workspace, replace(item, blind=True), "and", 5)]
        by_words = [x.id for x in workspace.find_labels("and", limit=5, document_id=item.document.id)]
    assert len(found) == 5
    assert found == sorted(found, key=ranked.index)
    assert blind == by_words != found
