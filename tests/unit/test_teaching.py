"""Asking through the workspace: what it takes, consent, budgets, changed texts, with a real small model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lmtx.errors import ConsentError, InputError, NotFoundError, NothingToDoError
from lmtx.ingest import UploadedBytes
from lmtx.types import Decision, Judgment
from lmtx.workspace import Workspace

SIMULATED = "simulated:recall=0.9,noise=0.05"


@pytest.fixture(scope="module")
def small_model(language_model: Path) -> str:
    """Specification of a language model that is small enough for a test, and no judge."""
    return f"transformers:{language_model}"


@pytest.fixture
def few(tmp_path: Path, demo_folder: Path) -> Iterator[Workspace]:
    """The demo's labels and its first forty documents with gold."""
    with Workspace.create(tmp_path / "w") as made:
        made._parts._own_index = False
        made.import_labels(demo_folder / "labels.jsonl")
        lines = (demo_folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(x) for x in lines]
        rows = [r for r in records if r.get("split", "train") == "train"][:40]
        made.import_corpus(UploadedBytes("c.jsonl", "\n".join(json.dumps(r) for r in rows).encode()))
        yield made


def test_a_dry_run_counts_what_the_run_then_reads(few: Workspace, small_model: str) -> None:
    unknown = few.teach_preview(small_model, 4)
    assert unknown.estimate is None  # no vectors yet, so no candidates
    few.embed()
    before = few.teach_preview(small_model, 4, 6)
    assert before.estimate is not None
    assert before.seconds is None
    assert (before.host, before.consented, before.is_llm) == ("", True, True)
    assert before.n_open == 4 * before.n_documents
    report = few.teach(small_model, 4, 6)
    assert report.n_judged == before.n_open
    read = report.tokens - report.tokens_out
    assert abs(read - before.estimate.tokens_in) <= 0.01 * read
    assert before.estimate.tokens_out_low <= report.tokens_out <= before.estimate.tokens_out_high
    after = few.teach_preview(small_model, 4, 12)
    assert after.n_cached == before.n_open  # a longer prefix of the same order
    assert after.n_open == 4 * (after.n_documents - before.n_documents) > 0
    assert after.seconds is not None
    assert after.seconds > 0
    assert few.teach(small_model, 4, 6).n_judged == 0


def test_a_budget_ends_a_cycle_and_what_was_answered_is_trained_on(few: Workspace) -> None:
    report = few.cycle(SIMULATED, rounds=4, budget={"pairs": 150})
    assert report.n_judged <= 150
    assert "the budget of pairs was used up" in report.stopped
    assert few.journal.promoted() is not None
    assert report.run.metrics["n_judged"] == report.n_judged
    n = few.journal.counts()["judgments"]
    assert n == report.n_judged
    held_out = [r.n_held_out_judged for r in report.rounds]
    assert sum(held_out) > 0, "some of a budget is kept for held-out documents"
    with pytest.raises(InputError, match="Budget"):
        few.teach(SIMULATED, budget={"pairs": -3})


def test_texts_leave_the_machine_only_after_somebody_said_so(few: Workspace) -> None:
    spec = "openai:some-model,base_url=https://llm.example.org/v1,strategy=listwise"
    before = few.teach_preview(spec, 4, 6)
    assert (before.host, before.consented) == ("llm.example.org", False)
    for ask in (few.teach, few.cycle):
        with pytest.raises(ConsentError, match=r"would be sent to llm\.example\.org. Nothing was sent"):
            ask(spec)  # type: ignore[operator]
    assert few.settings.teacher == "evidence"
    few.consent("LLM.example.org")
    assert few.settings.consented_hosts == ("llm.example.org",)
    with Workspace.open(few.folder, own_index=False) as again:
        assert again.teach_preview(spec, 4, 6).consented
    few.consent("llm.example.org", withdraw=True)
    assert not few.teach_preview(spec, 4, 6).consented
    for host in ("", "https://x.org", "a b", "me@x.org"):
        with pytest.raises(InputError, match="name of a machine alone"):
            few.consent(host)


def test_a_changed_definition_rejudges_its_own_pairs_alone(few: Workspace) -> None:
    few.teach(SIMULATED, 5)
    assert few.teach_preview(SIMULATED, only_changed=True).n_open == 0
    judged = few.journal.pairs_frame()
    label_id, n = judged["label_id"].value_counts().index[0], int(judged["label_id"].value_counts().iloc[0])
    view = few.journal.corpus()
    label = view.labels[view.label_idx[label_id]]
    few.journal.put_labels([replace(label, description="Something else entirely.")])
    before = few.teach_preview(SIMULATED, only_changed=True)
    assert (before.n_open, before.n_documents) == (n, n)
    report = few.teach(SIMULATED, only_changed=True)
    assert (report.n_judged, report.n_cached) == (n, 0)
    assert few.teach_preview(SIMULATED, only_changed=True).n_open == 0


def test_prompts_are_previewed_on_a_real_document_and_kept_as_versions(few: Workspace) -> None:
    (document, *_) = few.journal.corpus().documents
    label = few.journal.corpus().labels[0]
    mine = (
        "{% block document %}Text: {{ text }}\n{% endblock %}"
        "{% block question %}Is it about {{ label.name }}?{% endblock %}"
    )
    shown = few.render_prompt(mine, document.id, [label.id])
    assert [m["role"] for m in shown] == ["user"]
    assert shown[0]["content"].startswith(f"Text: {document.text[:40]}")
    assert shown[0]["content"].endswith(f"Is it about {label.name}?")
    assert few.save_prompt("mine", mine).name == "mine.v1"
    assert few.save_prompt("mine", mine + " ").name == "mine.v2"
    assert [p.name for p in few.prompts() if p.own] == ["mine.v1", "mine.v2"]
    with pytest.raises(InputError, match="block"):
        few.render_prompt("nothing", document.id, [label.id])
    with pytest.raises(NotFoundError):
        few.render_prompt(mine, "no such", [label.id])


def test_examples_are_drawn_from_decisions_on_training_documents_alone(few: Workspace) -> None:
    view = few.journal.corpus()
    with pytest.raises(NothingToDoError, match="takes that many decisions"):
        few.few_shot_from_decisions("mine", 4)
    for i, document in enumerate(view.documents):
        action = "accept" if i % 2 else "reject"
        few.decide([Decision(document.id, view.labels[i].id, action, "ann")])  # type: ignore[arg-type]
    made = few.few_shot_from_decisions("mine", 8, seed=3)
    assert [x.wanted for x in made.examples] == [True, False] * 4
    texts = {d.text[:1200]: view.roles[i] for i, d in enumerate(view.documents)}
    assert {texts[x.text] for x in made.examples} == {"train"}
    assert len({x.label.id for x in made.examples}) == 8
    assert few.few_shots() == ["mine"]
    with pytest.raises(InputError, match="frozen"):
        few.few_shot_from_decisions("mine", 8)


def test_the_order_of_candidates_does_not_matter_to_a_teacher_that_is_asked_pair_by_pair(
    few: Workspace,
) -> None:
    found = few.check_positions(SIMULATED, 6)
    assert (found.n_documents, found.n_pairs, found.n_flipped) == (6, 60, 0)
    assert few.journal.counts()["judgments"] == 0


def test_pairs_that_a_teacher_was_shown_the_answer_of_do_not_tell_how_good_it_is(few: Workspace) -> None:
    view = few.journal.corpus()
    for i, document in enumerate(view.documents):
        few.decide([Decision(document.id, view.labels[i].id, "accept" if i % 2 else "reject", "ann")])
    made = few.few_shot_from_decisions("mine", 8)
    key, spec = "k", "openai:judge,base_url=http://127.0.0.1:9/v1,strategy=logprobs"
    few.journal.append_judgments([
        Judgment(d.id, view.labels[i].id, "yes", 0.8, key, d.hash, view.labels[i].hash)
        for i, d in enumerate(view.documents)
    ])  # fmt: skip
    few.journal.teacher_put(key, spec, {})
    everything = few.judged_decisions(key)
    assert len(everything) == sum(role != "reserve" for role in view.roles)
    few.journal.teacher_put(key, f"{spec},few_shot=mine", {})
    rest = few.judged_decisions(key)
    assert len(rest) == len(everything) - 8
    assert not {x.label.id for x in made.examples} & {d.label_id for d in rest}
