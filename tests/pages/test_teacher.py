"""The Teacher screen: each kind, servers that answer or do not, consent, prompts, verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from app import computed
from app.widgets import teacher_kinds
from lmtx.errors import LmtxError
from lmtx.teacher import TeacherContext, load_teacher
from lmtx.teacher.discovery import FoundServer
from lmtx.types import Decision, Judgment, now
from lmtx.workspace import Workspace
from tests.unit.teacher.misbehaving import Misbehaving

Open = Callable[..., AppTest]
EVIL = "<script>window.hit = 1</script> I'd say **yes**"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Misbehaving]:
    """A server on this machine that the look for servers finds."""
    with Misbehaving(models={"data": [{"id": "judge-8b"}, {"id": "judge-70b"}]}) as found:
        place = FoundServer("Ollama", found.base_url, ("judge-70b", "judge-8b"))
        monkeypatch.setattr(computed, "find_servers", lambda: [place])
        monkeypatch.delenv("LMTX_API_KEY", raising=False)
        yield found


def text_of(at: AppTest) -> str:
    """All words on the screen."""
    found = [x for e in at.main for x in (getattr(e, "body", None), getattr(e, "value", None))]
    return "\n".join(x for x in found if isinstance(x, str))


def button(at: AppTest, start: str) -> Button:
    """The button whose key begins so; keys of a trial name the pair they are about."""
    return next(b for b in at.button if (b.key or "").startswith(start))


def choose(at: AppTest, kind: str) -> AppTest:
    """Choose a kind of teacher."""
    at.radio(key="teacher_kind").set_value(kind).run()
    assert not at.exception
    return at


def show(at: AppTest, view: str) -> AppTest:
    """Open a view."""
    at.segmented_control(key="teacher_view").set_value(view).run()
    assert not at.exception
    return at


def connected(at: AppTest) -> AppTest:
    """Find the server on this machine and try it."""
    choose(at, "openai").button(key="look_for_servers").click().run()
    assert not at.exception
    at.button(key="test_connection").click().run()
    assert not at.exception
    return at


def settings(full: Path) -> Workspace:
    """Open the workspace beside the app."""
    return Workspace.open(full / "library", own_index=False)


def test_the_evidence_teacher_is_called_what_it_is(full: Path, open_page: Open) -> None:
    at = open_page("teacher")
    shown = text_of(at)
    assert "The evidence teacher is no language model" in shown
    assert "Answered already" in shown
    assert "next version" not in shown
    options = [str(o) for o in at.radio(key="teacher_kind").options]
    assert options[0] == "Evidence, no language model"
    assert options[-1] == "Simulated from gold"
    assert not at.button(key="start_cycle").disabled
    assert "What it said last" in shown
    assert "lmtx teach" not in "".join(c.value for c in at.code)  # only who chose a model needs that line


def test_a_server_wants_a_model_before_it_can_start(full: Path, open_page: Open) -> None:
    at = choose(open_page("teacher"), "openai")
    assert "name the model" in text_of(at)
    assert at.button(key="start_cycle").disabled
    assert at.button(key="test_connection").disabled
    assert "of 7 billion parameters or more" in text_of(at)


def test_a_local_server_is_found_tried_and_counted(full: Path, open_page: Open, server: Misbehaving) -> None:
    at = connected(open_page("teacher"))
    shown = text_of(at)
    assert "Ollama" in shown
    assert "2 models" in shown
    assert at.text_input(key="teacher_base_url").value == server.base_url
    assert at.selectbox(key="teacher_model_openai").value == "judge-70b"
    assert "It answers" in shown
    assert "the probability of the first word" in shown
    assert f"openai:judge-70b,base_url={server.base_url},strategy=logprobs" in at.code[0].value
    assert not any("brig" in a.text for a in server.asked)  # no text of the corpus was sent
    at.button(key="see_cost").click().run()
    assert not at.exception
    shown = text_of(at)
    assert "Tokens to read" in shown
    assert "time not measured yet" in shown
    assert at.button(key="start_few").label == "Ask 50 pairs first"
    assert not at.button(key="start_cycle").disabled
    at.button(key="to_trial").click().run()
    assert not at.exception
    assert at.session_state["teacher_view"] == "Trial"


def test_before_texts_are_encoded_it_says_what_is_not_known(
    home: Path, small_corpus: Path, open_page: Open, server: Misbehaving
) -> None:
    with Workspace.create(home / "new", name="New") as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="gold")
    at = open_page("teacher")
    assert not at.exception
    assert "Nothing yet. Its verdicts will show here" in text_of(at)
    at = connected(at)
    at.button(key="see_cost").click().run()
    assert not at.exception
    assert "Tokens are known once the texts are encoded" in text_of(at)
    assert at.button(key="start_embed")
    assert "No teacher has judged yet" in text_of(show(at, "What it said"))


def test_prices_and_a_budget_become_part_of_what_is_asked(
    full: Path, open_page: Open, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr("app.services.start", lambda w, verb, params: started.append((verb, params)) or "job")
    at = connected(open_page("teacher"))
    at.number_input(key="teacher_price_in").set_value(0.15).run()
    at.number_input(key="teacher_price_out").set_value(0.6).run()
    at.selectbox(key="teacher_budget").set_value("dollars").run()
    at.number_input(key="teacher_budget_dollars").set_value(2.5).run()
    at.button(key="see_cost").click().run()
    assert "Dollars" in text_of(at)
    at.button(key="start_cycle").click().run()
    assert not at.exception
    verb, params = started[0]
    assert verb == "cycle"
    assert params["budget"] == {"dollars": 2.5}
    assert "price_in=0.15,price_out=0.6" in str(params["teacher"])


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("404", "not found"),
        ("401", "key"),
        ("chatter", "not the question"),
        ("500", "500"),
    ],
)
def test_what_a_server_does_wrong_is_said_in_words(
    full: Path, open_page: Open, server: Misbehaving, does: str, says: str
) -> None:
    server.behave = lambda asked: does
    at = connected(open_page("teacher"))
    shown = text_of(at)
    assert 'role="alert"' in shown
    assert says in shown
    assert "Traceback" not in shown


def test_a_server_that_is_down_is_said_in_words(full: Path, open_page: Open) -> None:
    with settings(full) as workspace:
        workspace.update_settings(teacher="openai:judge,base_url=http://127.0.0.1:9/v1")
    at = open_page("teacher")
    at.button(key="test_connection").click().run()
    assert not at.exception
    assert "nothing answers at http://127.0.0.1:9/v1" in text_of(at)
    at.button(key="see_cost").click().run()
    assert not at.exception
    assert 'role="alert"' in text_of(at)
    assert at.button(key="see_cost")  # it can be asked again


def test_no_server_is_found(full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computed, "find_servers", list)
    at = choose(open_page("teacher"), "openai").button(key="look_for_servers").click().run()
    assert not at.exception
    assert "No server answers on this machine" in text_of(at)
    assert "Ollama on 11434" in text_of(at)


def test_texts_leave_the_machine_only_when_somebody_said_so(full: Path, open_page: Open) -> None:
    with settings(full) as workspace:
        workspace.update_settings(teacher="openai:judge,base_url=http://127.0.0.1:9/v1")
    at = open_page("teacher")
    at.text_input(key="teacher_base_url").set_value("https://llm.example.org/v1").run()
    assert not at.exception
    shown = text_of(at)
    assert "Texts would leave this machine" in shown
    assert "<b>llm.example.org</b>" in shown
    assert at.button(key="start_cycle").disabled
    assert "nobody has allowed" in shown
    at.button(key="consent").click().run()
    assert not at.exception
    with settings(full) as workspace:
        assert workspace.settings.consented_hosts == ("llm.example.org",)
    assert not at.button(key="start_cycle").disabled
    at.button(key="withdraw").click().run()
    with settings(full) as workspace:
        assert workspace.settings.consented_hosts == ()
    assert at.button(key="start_cycle").disabled


def test_keys_are_never_shown(
    full: Path, open_page: Open, server: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-very-secret")
    at = connected(open_page("teacher"))
    at.text_input(key="teacher_key_env").set_value("sk-typed-by-mistake").run()
    assert not at.exception
    assert "It was forgotten" in text_of(at)
    assert at.text_input(key="teacher_key_env").value == ""
    at.text_input(key="teacher_key_env").set_value("JUDGE_KEY").run()
    at.button(key="test_connection").click().run()
    shown = text_of(at) + at.code[0].value
    assert "key_env=JUDGE_KEY" in shown
    assert "secret" not in shown
    assert "typed-by-mistake" not in shown
    assert server.chats()[-1].headers["authorization"] == "Bearer sk-very-secret"
    at.text_input(key="teacher_key_env").set_value("NOT_SET_ANYWHERE").run()
    assert "the environment variable NOT_SET_ANYWHERE is not set" in text_of(at)
    assert at.button(key="start_cycle").disabled


def test_a_model_on_this_machine_that_is_not_there(full: Path, open_page: Open) -> None:
    at = choose(open_page("teacher"), "transformers")
    at.text_input(key="teacher_model_transformers").set_value("/nowhere/model.gguf").run()
    assert not at.exception
    assert "/nowhere/model.gguf: no folder or file of that name" in text_of(at)
    assert at.button(key="start_cycle").disabled
    at = choose(at, "cross-encoder")
    at.text_input(key="teacher_model_cross-encoder").set_value("some/reranker").run()
    at.text_input(key="teacher_other_cross-encoder").set_value("offset=-1.5, scale=2").run()
    assert not at.exception
    assert "cross-encoder:some/reranker,offset=-1.5,scale=2" in at.code[0].value
    at.text_input(key="teacher_other_cross-encoder").set_value("colour=red").run()
    assert not at.exception
    assert 'role="alert"' in text_of(at)


def test_the_teacher_last_used_is_chosen_again(full: Path, open_page: Open) -> None:
    spec = "openai:judge,base_url=http://127.0.0.1:9/v1,strategy=listwise,timeout=90,price_in=0.15"
    with settings(full) as workspace:
        workspace.update_settings(teacher=spec)
    at = open_page("teacher")
    assert not at.exception
    assert at.radio(key="teacher_kind").value == "openai"
    assert spec in at.code[0].value


def test_verdicts_show_with_answers_that_stay_words(full: Path, open_page: Open) -> None:
    with settings(full) as workspace:
        document = workspace.documents_page(role="train", page_size=1).items[0]
        labels = [row.id for row in workspace.labels_page(page_size=2).items]
        found = workspace.journal.document(document.id)
        assert found is not None
        said = [("yes", 0.93, "yes"), ("unparsed", None, EVIL)]
        workspace.journal.append_judgments(
            [
                Judgment(
                    document_id=document.id,
                    label_id=label_id,
                    verdict=verdict,  # type: ignore[arg-type]
                    probability=probability,
                    teacher_key="made-up",
                    document_hash=found.hash,
                    label_hash="x",
                    round=0,
                    rank=0,
                    tokens=120,
                    tokens_out=7,
                    cost=0.001,
                    raw=raw,
                    at=now(),
                )
                for label_id, (verdict, probability, raw) in zip(labels, said, strict=True)
            ]
        )
        workspace.journal.teacher_put("made-up", "openai:judge", {"is_llm": True})
    at = show(open_page("teacher"), "What it said")
    at.selectbox(key="said_teacher").set_value("made-up").run()
    assert not at.exception
    shown = text_of(at)
    assert "! unparsed" in shown
    assert "never counts as a no" in shown
    assert "93\u202f%" in shown
    assert "120 tokens" in shown
    assert "&lt;script&gt;window.hit = 1&lt;/script&gt;" in shown
    assert "<script>window.hit" not in shown


def test_a_prompt_is_read_changed_and_kept(full: Path, open_page: Open) -> None:
    at = show(open_page("teacher"), "Prompt")
    assert "As it reads for" in text_of(at)
    assert "You decide whether a tag fits a document" in text_of(at)
    own = (
        "{% block document %}Text: {{ document }}\n{% endblock %}"
        "{% block question %}Is it about {{ label.name }}?{% endblock %}"
    )
    at.session_state["lmtx.prompt.text"] = own
    at.run()
    assert not at.exception
    assert "Is it about" in text_of(at)
    at.text_input(key="prompt_name_tag.v1").set_value("my-tags").run()
    at.button(key="prompt_save").click().run()
    assert not at.exception
    with settings(full) as workspace:
        assert [p.name for p in workspace.prompts() if p.own] == ["my-tags.v1"]
    assert at.selectbox(key="prompt_choice").value == "my-tags.v1"
    at.button(key="prompt_use").click().run()
    assert not at.exception
    assert at.session_state["teacher_prompt_openai"] == "my-tags.v1"
    assert at.session_state["teacher_view"] == "Ask"


def test_a_prompt_that_can_not_be_used_says_why(full: Path, open_page: Open) -> None:
    at = show(open_page("teacher"), "Prompt")
    for text, says in (("{% block document %}", "Mend"), ("{{ nothing }}", "expected"), ("", "expected")):
        at.session_state["lmtx.prompt.text"] = text
        at.run()
        assert not at.exception
        assert 'role="alert"' in text_of(at)
        assert says in text_of(at)
    at.button(key="prompt_save").click().run()
    assert not at.exception
    with settings(full) as workspace:
        assert not [p for p in workspace.prompts() if p.own]


def test_changed_definitions_are_counted_and_can_be_asked_again(full: Path, open_page: Open) -> None:
    with settings(full) as workspace:
        row = workspace.labels_page(sort="proposed", descending=True, page_size=1).items[0]
        n = workspace.label_detail(row.id).counts
        file = full / "one.jsonl"
        file.write_text(f'{{"id": "{row.id}", "name": "{row.name}", "description": "Another meaning."}}')
        workspace.import_labels(file)
    assert n["proposed"] > 0
    at = open_page("teacher")
    assert not at.exception
    assert "judged under other texts" in text_of(at)
    at.button(key="see_changed").click().run()
    assert not at.exception
    assert at.button(key="start_changed")


def test_a_line_says_all_of_a_choice() -> None:
    spec = teacher_kinds.composed("openai", "judge", {"base_url": "http://127.0.0.1:1/v1", "strategy": ""})
    assert str(spec) == "openai:judge,base_url=http://127.0.0.1:1/v1"
    for model, values in (
        ("a,b", {}),
        ("judge", {"base_url": "http://u:p@x/v1"}),
        ("judge", {"key_env": "sk-1"}),
    ):
        with pytest.raises(LmtxError) as error:
            teacher_kinds.composed("openai", model, values)
        assert "sk-1" not in str(error.value)
        assert "u:p" not in str(error.value)
    assert teacher_kinds.short("transformers:/models/Qwen3-8B,prompt=my-tags.v1") == "Qwen3-8B · my-tags.v1"


# ---- trials and trust ---------------------------------------------------------------------------


@dataclass
class Tried:
    """A trial of the workspace, and what its person said so far."""

    workspace: Workspace
    first: int

    @property
    def said(self) -> list[bool]:
        found = self.workspace.journal.decisions(after_seq=self.first, standing=True, limit=None)
        newest = {(d.document_id, d.label_id): d.action == "accept" for d in found if d.policy == "trial"}
        return list(newest.values())


@pytest.fixture
def trials(full: Path, server: Misbehaving) -> Iterator[Tried]:
    """A trial whose teachers have answered, over a real server, and which nobody has labelled."""
    with settings(full) as workspace:
        last = max((d.seq for d in workspace.journal.decisions(limit=None)), default=0)
        at = f"base_url={server.base_url},strategy=logprobs"
        workspace.trial([f"openai:judge-8b,{at}", f"openai:judge-<b>70b</b>,{at}"], 2)
        yield Tried(workspace, last)


def test_a_trial_is_labelled_blind_and_then_compared(open_page: Open, trials: Tried) -> None:
    at = show(open_page("teacher"), "Trial")
    shown = text_of(at)
    assert "Does this label fit the document?" in shown
    assert "judge-8b" not in shown
    keys = {b.proto.shortcut: b.label for b in at.button if b.proto.shortcut}
    assert keys == {"1": "It fits", "2": "It does not", "u": "Undo"}
    button(at, "trial_1_").click().run()
    assert not at.exception
    assert trials.said == [True]
    at.button(key="trial_undo").click().run()
    button(at, "trial_2_").click().run()  # the same pair once more
    assert trials.said == [False]
    button(at, "trial_1_").click().run()
    at.run()
    assert not at.exception
    assert trials.said == [False, True]
    shown = text_of(at)
    assert "judge-8b is right on 1 of 2 pairs" in shown  # it says yes to all
    assert "tell which is better" in shown
    assert "They agree on" in shown
    assert "[" in shown
    assert "<b>70b" not in shown


def test_the_evidence_teacher_is_not_tried(full: Path, open_page: Open) -> None:
    at = show(open_page("teacher"), "Trial")
    assert at.button(key="start_trial").disabled
    assert "a trial is for language models" in text_of(at)
    assert "evidence" not in at.selectbox(key="trial_second").options


def test_a_key_of_a_trial_pressed_twice_counts_once(
    open_page: Open, trials: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = show(open_page("teacher"), "Trial")
    monkeypatch.setattr("app.reviewing.PAUSE_S", 60.0)
    button(at, "trial_1_").click().run()
    button(at, "trial_1_").click().run()
    assert not at.exception
    assert len(trials.said) == 1


def test_an_answer_that_could_not_be_kept_is_said(
    open_page: Open, trials: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise LmtxError("The journal <b>is full</b>.")

    monkeypatch.setattr(Workspace, "label_trial_pair", fail, raising=False)
    at = show(open_page("teacher"), "Trial")
    button(at, "trial_1_").click().run()
    assert not at.exception
    assert "The journal &lt;b&gt;is full&lt;/b&gt;." in text_of(at)


def test_a_trial_is_begun_with_another_prompt_beside(
    full: Path, open_page: Open, trials: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr("app.services.start", lambda w, verb, params: started.append((verb, params)) or "job")
    monkeypatch.setattr(Workspace, "trials", lambda self: [], raising=False)
    spec = "openai:judge,base_url=http://127.0.0.1:9/v1,strategy=logprobs"
    with settings(full) as workspace:
        workspace.update_settings(teacher=spec)
    at = show(open_page("teacher"), "Trial")
    other = "openai:judge,base_url=http://127.0.0.1:9/v1,strategy=listwise,prompt=list.v1"
    at.selectbox(key="trial_second").set_value(other).run()
    at.button(key="start_trial").click().run()
    assert not at.exception
    assert started == [("trial", {"teachers": [spec, other], "n": 30})]


def test_how_sure_a_teacher_is_is_held_against_decisions(full: Path, open_page: Open) -> None:
    at = show(open_page("teacher"), "What it said")
    assert "50 more decisions in Review" in text_of(at)
    assert not at.get("plotly_chart")
    with settings(full) as workspace:
        for row in workspace.documents_page(role="train", page_size=12).items:
            pairs = [p.label_id for p in workspace.journal.pair_states(row.id)]
            workspace.complete(row.id, "Ada", accepted=pairs[:2], rejected=pairs[2:])
    at = show(open_page("teacher"), "What it said")
    assert not at.exception
    assert len(at.get("plotly_chart")) == 1
    assert "no random sample" in text_of(at)


def test_a_reranker_is_calibrated_by_decisions(full: Path, open_page: Open) -> None:
    spec = "cross-encoder:some/reranker"
    key = load_teacher(spec, TeacherContext()).key
    with Workspace.open(full / "library", own_index=False) as workspace:
        view = workspace.journal.corpus()
        workspace.journal.teacher_put(key, spec, {"is_llm": True, "description": "a reranker"})
        judged = [
            (view.documents[int(row)], label, float(i % 10))
            for i, (row, label) in enumerate((r, x) for r in view.rows("train")[:20] for x in view.labels[:3])
        ]
        workspace.journal.append_judgments(
            [
                Judgment(d.id, x.id, "yes", 0.9, key, d.hash, x.hash, raw=f"score {score:.4f}")
                for d, x, score in judged
            ]
        )
    at = show(open_page("teacher"), "What it said")
    at.selectbox(key="said_teacher").set_value(key).run()
    assert button(at, "calibrate").disabled
    with Workspace.open(full / "library", own_index=False) as workspace:
        workspace.decide(
            [Decision(d.id, x.id, "accept" if score > 6 else "reject", "Ada") for d, x, score in judged]
        )
    at.run()
    button(at, "calibrate").click().run()
    assert not at.exception
    with Workspace.open(full / "library", own_index=False) as workspace:
        for _ in range(600):
            (job,) = (job for job in workspace.jobs() if job.verb == "calibrate")
            if not job.active:
                break
            time.sleep(0.1)
        assert job.state == "done", job.error
    assert not at.run().exception
    with Workspace.open(full / "library", own_index=False) as workspace:
        assert workspace.settings.teacher.startswith(f"{spec},offset=-")
        new = next(t for t in workspace.journal.teachers() if t.spec == workspace.settings.teacher)
        assert (new.n_judgments, new.n_yes) == (60, 18)
