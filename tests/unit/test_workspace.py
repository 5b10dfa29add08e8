"""The facade, on a small real workspace: journal, packaged encoder, evidence teacher, training."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.ingest import UploadedBytes
from lmtx.types import Decision, Document
from lmtx.workspace import Workspace


def upload(rows: list[dict[str, object]], name: str = "file.jsonl") -> UploadedBytes:
    return UploadedBytes(name, "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode())


LABELS = [
    {"id": "L1", "name": "Lighthouses", "description": "Towers that guide ships.", "aliases": ["Beacons"]},
    {"id": "L2", "name": "Gardens", "description": "Growing plants.", "parents": ["L3"]},
    {"id": "L3", "name": "Outdoor life"},
]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "w") as made:
        made._parts._own_index = False
        yield made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Workspace]:
    """The demo, judged by the evidence teacher and trained; tests here only read it or undo what they do."""
    with Workspace.create(tmp_path_factory.mktemp("trained") / "w", "Demo") as made:
        made._parts._own_index = False
        made.demo()
        yield made


# ---- importing ------------------------------------------------------------------------------------


def test_labels_are_found_by_id_name_and_alias(empty: Workspace) -> None:
    empty.import_labels(upload(LABELS))
    rows = [
        {"id": "a", "text": "one", "split": "test", "labels": ["L1", "gardens", "Nothing"]},
        {"id": "b", "text": "two", "split": "test", "labels": ["beacons"]},
    ]
    report = empty.import_corpus(upload(rows))
    assert report.added == 2
    assert any("1 labels in 1 documents" in w and "'Nothing'" in w for w in report.warnings)
    assert empty.journal.gold("test") == {"a": ("L1", "L2"), "b": ("L1",)}


def test_gold_that_came_before_the_labels_is_not_lost(empty: Workspace) -> None:
    rows = [
        {"id": "a", "text": "one", "split": "test", "labels": ["Beacons", "L2"]},
        {"id": "b", "text": "two", "split": "test", "labels": ["nobody knows"]},
    ]
    report = empty.import_corpus(upload(rows))
    assert any("Import the label set" in w for w in report.warnings)
    assert empty.journal.gold("test") == {"a": (), "b": ()}
    report = empty.import_labels(upload(LABELS))
    assert {k: set(v) for k, v in empty.journal.gold("test").items()} == {"a": {"L1", "L2"}, "b": set()}
    assert any("1 labels in 1 documents" in w for w in report.warnings)


def test_labels_can_be_made_of_the_names_in_the_file(empty: Workspace) -> None:
    rows = [{"id": "a", "text": "one", "labels": ["Sea", "sea ", "Land"]}]
    with pytest.raises(InputError, match="label set first"):
        empty.import_corpus(upload(rows), labels_are="completed")
    report = empty.import_corpus(upload(rows), labels_are="completed", create_labels=True)
    assert "2 labels were made" in report.warnings[0]
    assert {x.name for x in empty.journal.corpus().labels} == {"Sea", "Land"}
    assert empty.journal.completed() == {"a": ("Sea", "Land")}


def test_nothing_is_half_imported(empty: Workspace) -> None:
    empty.import_labels(upload(LABELS))
    rows = [{"id": f"d{i}", "text": f"text {i}"} for i in range(1500)] + [{"id": "bad", "text": ""}]
    with pytest.raises(InputError, match=r"nothing was imported[\s\S]*1501"):
        empty.import_corpus(upload(rows))
    assert empty.journal.counts()["documents"] == 0
    report = empty.import_corpus(upload(rows), on_bad="skip")
    assert (report.added, report.skipped) == (1500, 1)


def test_again_adds_updates_and_deletes(empty: Workspace) -> None:
    empty.import_corpus(upload([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]))
    report = empty.import_corpus(
        upload([{"id": "b", "text": "changed"}, {"id": "c", "text": "new"}]), delete_missing=True
    )
    assert (report.added, report.updated, report.unchanged, report.deleted) == (1, 1, 0, 1)
    assert [d.id for d in empty.journal.corpus().documents] == ["b", "c"]
    report = empty.import_corpus(upload([{"id": "b", "text": "changed"}]))
    assert report.unchanged == 1
    damaged = upload([{"id": "b", "text": ""}, {"id": "c", "text": "new"}])
    report = empty.import_corpus(damaged, delete_missing=True, on_bad="skip")
    assert report.deleted == 0
    assert "Nothing was deleted" in report.warnings[0]
    assert [d.id for d in empty.journal.corpus().documents] == ["b", "c"]


def test_an_english_encoder_warns_of_other_languages(empty: Workspace) -> None:
    rows = [
        {"id": str(i), "text": f"Dies ist ein deutscher Text über Bücher und Bibliotheken, Nummer {i}."}
        for i in range(20)
    ]
    report = empty.import_corpus(upload(rows))
    assert any("multilingual" in w for w in report.warnings)
    warning = empty.status().language_warning
    assert warning is not None
    assert "multilingual" in warning


def test_a_preview_writes_nothing_and_tells_of_unknown_labels(empty: Workspace) -> None:
    empty.import_labels(upload(LABELS))
    shown = empty.preview(upload([{"id": "a", "text": "one", "labels": ["Nope"]}]), "corpus")
    assert any("Nope" in x.message for x in shown.issues)
    assert empty.journal.counts()["documents"] == 0


# ---- settings, status, opening --------------------------------------------------------------------


def test_status_leads_from_step_to_step(empty: Workspace) -> None:
    assert empty.status().next_step.page == "corpus"
    empty.import_corpus(upload([{"id": str(i), "text": f"text {i}"} for i in range(30)]))
    assert empty.status().next_step.page == "labels"
    empty.import_labels(upload(LABELS))
    state = empty.status()
    assert state.next_step.page == "teacher"
    assert not state.teacher_used
    assert state.counts["documents"] == 30


def test_a_workspace_opens_again_as_it_was(tmp_path: Path) -> None:
    with Workspace.create(tmp_path / "w", "Name") as made:
        made.import_labels(upload(LABELS))
        made.update_settings(reviewer="Ada")
    with Workspace.open(tmp_path / "w", own_index=False) as again:
        assert again.settings.reviewer == "Ada"
        assert again.journal.counts()["labels"] == 3
    with pytest.raises(InputError, match="already"):
        Workspace.create(tmp_path / "w")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="not empty"):
        Workspace.create(tmp_path / "other")
    infos = Workspace.list_workspaces(tmp_path)
    assert [(w.name, w.n_labels) for w in infos] == [("Name", 3)]


def test_roles_can_not_change_after_the_import(empty: Workspace) -> None:
    empty.update_settings(seed=4)
    empty.import_corpus(upload([{"id": "a", "text": "one"}]))
    with pytest.raises(InputError, match="reserved"):
        empty.update_settings(seed=5)


def test_steps_without_input_say_what_comes_first(empty: Workspace) -> None:
    for call in (empty.teach, empty.train, empty.cycle, empty.teach_preview):
        with pytest.raises(NothingToDoError, match="documents"):
            call()  # type: ignore[operator]
    with pytest.raises(NothingToDoError):
        empty.evaluate()
    with pytest.raises(NothingToDoError):
        empty.predict(["text"])
    with pytest.raises(NothingToDoError):
        empty.next_documents()
    with pytest.raises(NotFoundError):
        empty.document_detail("none")
    with pytest.raises(NotFoundError):
        empty.label_detail("none")


# ---- on the trained demo --------------------------------------------------------------------------


def test_the_demo_is_judged_trained_and_measured(trained: Workspace) -> None:
    state = trained.status()
    assert state.run_id is not None
    assert state.teacher == "evidence"
    assert state.teacher_used
    assert not state.is_llm
    assert state.has_gold
    figures = trained.evaluate()
    assert {"P@1", "P@3", "P@5", "R@10", "nDCG@5", "n_docs", "n_labels"} <= figures.keys()
    zero = trained.evaluate(system="zero-shot")
    assert figures["R@10"] >= zero["R@10"] - 0.05
    n = trained.journal.counts()["judgments"]
    assert trained.demo()["P@1"] == pytest.approx(figures["P@1"])
    assert trained.journal.counts()["judgments"] == n


def test_no_pair_is_asked_twice(trained: Workspace) -> None:
    preview = trained.teach_preview()
    assert preview.n_pairs == preview.n_cached + preview.n_open
    assert not preview.is_llm
    assert preview.n_cached > 0


def test_predictions_carry_words_parts_and_paths(trained: Workspace) -> None:
    document = trained.journal.corpus().documents[0]
    tags, typed = trained.predict(
        [document, "The lighthouse keeper watched the storm wreck a ship."], top_k=5
    )
    assert len(tags) == 5
    assert [t.score for t in tags] == sorted((t.score for t in tags), reverse=True)
    for tag in (*tags, *typed):
        assert sum(tag.parts.values()) == pytest.approx(tag.score, abs=1e-3)
    assert any(tag.words for tag in typed)
    assert any(tag.path for tag in (*tags, *typed))
    assert trained.predict([]) == []
    with pytest.raises(InputError):
        trained.predict(["x"], top_k=0)


def test_document_and_label_pages(trained: Workspace) -> None:
    row = trained.documents_page(state="proposed").items[0]
    detail = trained.document_detail(row.id)
    assert any(pair.state == "proposed" for pair in detail.pairs)
    assert all(pair.name for pair in detail.pairs)
    assert len(detail.predictions) == 5
    label_id = detail.pairs[0].label_id
    label = trained.label_detail(label_id)
    assert label.neighbours
    assert label.counts["proposed"] + label.counts["declined"] > 0
    assert trained.label_pairs(label_id).total > 0


def test_labels_of_a_document_are_found_by_typing(trained: Workspace) -> None:
    row = trained.documents_page(role="train").items[0]
    suggested = trained.find_labels("", 5, document_id=row.id)
    assert len(suggested) == 5
    name = suggested[0].name.split()[0]
    assert any(name.casefold() in x.full_text.casefold() for x in trained.find_labels(name[:4], 20, row.id))


def test_keyword_search(trained: Workspace) -> None:
    word = trained.journal.corpus().documents[0].title.split()[0]
    assert trained.search(word)
    assert trained.search("   ") == []
    with pytest.raises(InputError, match="semantic"):
        trained.search("x", mode="magic")  # type: ignore[arg-type]


def test_semantic_search_without_the_index(trained: Workspace) -> None:
    hits = trained.search("ships at sea", mode="semantic", n=5)
    assert len(hits) == 5
    scores = [h.score or 0.0 for h in hits]
    assert scores == sorted(scores, reverse=True)


def test_quality_per_label_and_its_documents(trained: Workspace) -> None:
    frame = trained.label_quality()
    assert list(frame.columns)[:7] == [
        "label_id", "name", "precision", "recall", "f1", "support", "n_predicted",
    ]  # fmt: skip
    again = trained.label_quality()
    pd.testing.assert_frame_equal(frame, again)
    assert frame["support"].sum() == sum(len(x) for x in trained.journal.gold("test").values())
    busy = frame.sort_values("n_predicted", ascending=False).iloc[0]
    right = trained.label_outcomes(busy["label_id"], "tp")
    wrong = trained.label_outcomes(busy["label_id"], "fp")
    assert len(right) + len(wrong) == busy["n_predicted"]
    assert len(right) / busy["n_predicted"] == pytest.approx(busy["precision"])
    missed = trained.label_outcomes(busy["label_id"], "fn")
    assert len(missed) + len(right) == busy["support"]
    with pytest.raises(InputError, match="calibrat"):
        trained.label_quality(cut=0.5)


# ---- reviewing ------------------------------------------------------------------------------------


def test_the_queue_is_stable_and_leaves_out_what_was_seen(trained: Workspace) -> None:
    items = trained.next_documents(reviewer="Ada", n=3)
    assert [i.document.id for i in items] == [
        i.document.id for i in trained.next_documents(reviewer="Ada", n=3)
    ]
    rest = trained.next_documents(reviewer="Ada", n=2, after=[items[0].document.id])
    assert rest[0].document.id == items[1].document.id
    roles = {trained.document_detail(i.document.id, predict=False).role for i in items}
    # The recommended queue measures too: a part of what it brings is of the reserve.
    assert roles == {"train", "reserve"}
    for item in items:
        assert len(item.candidates) >= 9
        assert all(c.why for c in item.candidates)
        for mark in item.highlights:
            assert 0 <= mark.start < mark.end <= len(item.document.text)
        yes = {p.label_id for p in trained.journal.pair_states(item.document.id) if p.verdict == "yes"}
        assert yes <= {c.label_id for c in item.candidates}


def test_the_audit_draws_from_the_reserve(trained: Workspace) -> None:
    items = trained.next_documents("audit", "Ada", n=3)
    n = trained.journal.counts()["reserve"]
    assert [i.inclusion_probability for i in items] == [pytest.approx(r / n) for r in (1, 2, 3)]
    rows = [trained.journal.document_row(i.document.id) for i in items]
    assert {r.role for r in rows if r is not None} == {"reserve"}


def test_uncertain_documents_come_from_the_same_set(trained: Workspace) -> None:
    items = trained.next_documents("uncertain", "Ada", n=5)
    assert len({i.document.id for i in items}) == 5
    with pytest.raises(InputError, match="Known"):
        trained.next_documents("best", "Ada")  # type: ignore[arg-type]


def test_completing_is_one_step_and_undone_as_one(trained: Workspace) -> None:
    item = trained.next_documents(reviewer="Ada")[0]
    document_id = item.document.id
    before = trained.journal.pair_states(document_id)
    accepted = {c.label_id for c in item.candidates[:2]}
    rejected = {c.label_id for c in item.candidates[2:]}
    seqs = trained.complete(document_id, "Ada", accepted, rejected)
    assert len(seqs) == len(item.candidates) + 1
    assert set(trained.journal.completed()[document_id]) == accepted
    assert trained.review_item(document_id).completed
    assert trained.next_documents(reviewer="Ada")[0].document.id != document_id
    stats = trained.review_stats("Ada")
    assert stats["documents_today"] == 1
    undone = trained.undo("Ada")
    assert len(undone) == len(seqs)
    assert trained.journal.pair_states(document_id) == before
    assert document_id not in trained.journal.completed()
    assert trained.undo("Ada") == []
    with pytest.raises(InputError, match="both"):
        trained.complete(document_id, "Ada", accepted, accepted)


def test_taking_off_the_last_accepted_label_is_a_rejection(trained: Workspace) -> None:
    item = trained.next_documents(reviewer="Eve")[0]
    document_id, label_id = item.document.id, item.candidates[0].label_id
    trained.decide([Decision(document_id, label_id, "accept", "Eve")])
    trained.complete(document_id, "Eve", accepted=(), rejected=())
    states = {p.label_id: p.state for p in trained.journal.pair_states(document_id)}
    assert states[label_id] == "rejected"
    assert trained.journal.completed()[document_id] == ()
    trained.undo("Eve")
    trained.undo("Eve")
    assert document_id not in trained.journal.completed()


def test_a_skipped_document_does_not_come_again_to_who_skipped_it(trained: Workspace) -> None:
    first = trained.next_documents(reviewer="Bob")[0].document.id
    trained.decide([Decision(first, None, "skip", "Bob")])
    assert trained.next_documents(reviewer="Bob")[0].document.id != first
    assert trained.next_documents(reviewer="Ada")[0].document.id == first
    trained.undo("Bob")
    assert trained.next_documents(reviewer="Bob")[0].document.id == first


# ---- out and back in ------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_tables_leave(trained: Workspace, tmp_path: Path, format: str) -> None:
    read = {
        "csv": pd.read_csv,
        "jsonl": lambda p: pd.read_json(p, lines=True),
        "parquet": pd.read_parquet,
    }[format]
    corpus = read(trained.export("corpus", format, tmp_path / f"corpus.{format}"))
    assert len(corpus) == trained.journal.counts()["documents"]
    assert (corpus["tags"].map(len) > 0).all()
    pairs = read(trained.export("pairs", format, tmp_path / f"pairs.{format}"))
    assert list(pairs.columns) == [
        "document_id", "label_id", "state", "verdict", "probability", "teacher", "decision", "reviewer",
    ]  # fmt: skip
    assert len(pairs) == sum(trained.journal.pair_counts().values())
    assert set(pairs["teacher"]) == {"evidence"}
    with pytest.raises(InputError):
        trained.export("everything", format, tmp_path / "x")  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_decisions_travel(trained: Workspace, tmp_path: Path, demo_folder: Path, format: str) -> None:
    item = trained.next_documents(reviewer="Ada")[0]
    trained.complete(item.document.id, "Ada", {item.candidates[0].label_id}, {item.candidates[1].label_id})
    trained.decide([Decision(item.document.id, item.candidates[2].label_id, "accept", "Ada", note="=1+1")])
    trained.undo("Ada")
    out = trained.export("decisions", format, tmp_path / f"d.{format}")
    with Workspace.create(tmp_path / "other") as other:
        other._parts._own_index = False
        other.import_demo()
        report = other.import_decisions(out)
        assert report.added == 3
        assert report.skipped >= 1
        assert other.journal.completed()[item.document.id] == (item.candidates[0].label_id,)
        again = other.import_decisions(out)
        assert again.added == 0
        trained.undo("Ada")  # takes the completion back here
        out = trained.export("decisions", format, tmp_path / f"e.{format}")
        back = other.import_decisions(out)
        assert back.deleted == 3
        assert other.journal.completed() == {}


def test_bad_decisions_import_nothing(trained: Workspace) -> None:
    with pytest.raises(InputError, match="nothing was imported"):
        trained.import_decisions(upload([{"document_id": "a", "action": "explode", "reviewer": "x"}]))
    with pytest.raises(InputError, match="reviewer"):
        trained.import_decisions(upload([{"document_id": "a", "label_id": "b", "action": "accept"}]))


@pytest.mark.slow
def test_the_model_leaves_as_a_folder(trained: Workspace, tmp_path: Path) -> None:
    out = trained.export("model", "folder", tmp_path / "model")
    assert (out / "student" / "modules.json").is_file()
    assert (out / "tagger" / "tagger.json").is_file()
    assert json.loads((out / "run.json").read_text())["id"] == trained.status().run_id
    with pytest.raises(InputError, match="exists"):
        trained.export("model", "folder", out)
    assert trained.export("model", "zip", tmp_path / "model.zip").stat().st_size > 1e6


def test_promoting_rolls_back(trained: Workspace) -> None:
    first = trained.runs()[0]
    run = trained.train()
    assert run.id != first.id
    assert trained.status().run_id == run.id
    trained.promote(first.id)
    assert trained.status().run_id == first.id
    with pytest.raises(NotFoundError):
        trained.promote("none")
    with pytest.raises(InputError, match="epochs"):
        trained.train(speed=3)


def test_a_moved_workspace_still_predicts(trained: Workspace, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained.folder, tmp_path / "moved")
    with Workspace.open(tmp_path / "moved", own_index=False) as moved:
        document = Document("x", "", "A lighthouse by the sea.")
        assert [t.label_id for t in moved.predict([document])[0]] == [
            t.label_id for t in trained.predict([document])[0]
        ]


# ---- the index ------------------------------------------------------------------------------------


@pytest.fixture
def indexed(trained: Workspace, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the trained demo that owns its index."""
    import shutil

    shutil.copytree(trained.folder, tmp_path / "indexed")
    with Workspace.open(tmp_path / "indexed") as made:
        made.sync_index()
        yield made


def wait_for(condition: object, timeout_s: float = 30.0) -> None:
    import time

    end = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


def test_the_index_holds_what_the_journal_does_and_answers(indexed: Workspace) -> None:
    assert indexed.sync_index() == 0
    assert indexed.status().index == "ready"
    hits = indexed.search("ships at sea", mode="semantic", n=5)
    assert len(hits) == 5
    row = indexed.documents_page(state="proposed").items[0]
    label_id = next(p.label_id for p in indexed.journal.pair_states(row.id) if p.state == "proposed")
    found = indexed.search(row.title, mode="semantic", n=300, label_id=label_id, state="proposed")
    assert row.id in {h.document_id for h in found}
    assert len(indexed.document_detail(row.id).similar) == 5


def test_a_decision_and_its_undo_reach_the_index_by_themselves(indexed: Workspace) -> None:
    index = indexed._parts.index()
    assert index is not None
    item = indexed.next_documents(reviewer="Ada")[0]
    document_id, label_id = item.document.id, item.candidates[-1].label_id
    indexed.decide([Decision(document_id, label_id, "accept", "Ada")])
    wait_for(lambda: label_id in (index.item(document_id) or {}).get("accepted", ()))
    indexed.undo("Ada")  # the last accepted label is taken back
    wait_for(lambda: not (index.item(document_id) or {}).get("accepted"))


def test_two_processes_do_not_share_the_index(indexed: Workspace) -> None:
    with Workspace.open(indexed.folder, own_index=None) as second:
        assert second.sync_index() == 0
        hits = second.search("ships at sea", mode="semantic", n=5)
        assert [h.document_id for h in hits] == [
            h.document_id for h in indexed.search("ships at sea", mode="semantic", n=5)
        ]
    from lmtx.errors import LockedError

    with pytest.raises(LockedError, match="another process"):
        Workspace.open(indexed.folder, own_index=True)


def test_rebuilding_gives_the_same(indexed: Workspace) -> None:
    before = [h.document_id for h in indexed.search("ships at sea", mode="semantic", n=5)]
    assert indexed.rebuild_index() == 264 + 149
    assert [h.document_id for h in indexed.search("ships at sea", mode="semantic", n=5)] == before


def test_settings_follow_the_file_that_another_process_writes(empty: Workspace) -> None:
    with Workspace.open(empty.folder, own_index=False) as other:
        other.update_settings(blind_share=0.25, reviewer="Ada")
    assert (empty.settings.blind_share, empty.settings.reviewer) == (0.25, "Ada")
    good = (empty.folder / "workspace.json").read_text(encoding="utf-8")
    (empty.folder / "workspace.json").write_text("{", encoding="utf-8")
    assert empty.settings.reviewer == "Ada"  # what can't be read changes nothing
    (empty.folder / "workspace.json").write_text(good, encoding="utf-8")


def test_the_index_follows_decisions_soon_but_not_in_their_way(indexed: Workspace) -> None:
    document, label = indexed.journal.corpus().documents[0], indexed.journal.corpus().labels[0]
    indexed.sync_index()
    index = indexed._parts.index()
    assert index is not None
    for _ in range(3):
        indexed.decide([Decision(document.id, label.id, "accept", "Ada")])
    assert index.behind()  # it waits for a pause
    end = time.monotonic() + 20
    while index.behind() and time.monotonic() < end:
        time.sleep(0.1)
    assert not index.behind()
    indexed.restore(0, "Ada")
