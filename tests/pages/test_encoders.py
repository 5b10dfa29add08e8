"""Encoders on the Train page: what is in use, making one, comparing, switching."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic_core import to_jsonable_python
from streamlit.testing.v1 import AppTest

from lmtx.errors import LmtxError
from lmtx.types import no_progress, now
from lmtx.worker import call_verb
from lmtx.workspace import Workspace

Open = Callable[..., AppTest]
SMALL = {"encoder": "bigru", "width": 16, "hidden": 16}


def text_of(app: AppTest) -> str:
    found = [getattr(e, "body", None) or getattr(e, "value", None) for e in app.main]
    return "\n".join(x for x in found if isinstance(x, str))


@pytest.fixture(scope="module")
def made(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose workspace uses a small encoder of its own; it has another one, and the packaged one."""
    home = tmp_path_factory.mktemp("made")
    shutil.copytree(taught / "library", home / "library")
    with Workspace.open(home / "library", own_index=False) as workspace:
        workspace.pretrain("other", SMALL, steps=0)
        made = workspace.pretrain("small", SMALL, {"mlm": 1.0, "inverse_cloze": 0.5}, steps=4)
        workspace.switch_encoder(made["path"])
    return home


@pytest.fixture
def train(home: Path, made: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The Train page with the section open; jobs are done at once, in this process."""
    shutil.copytree(made / "library", home / "library")
    monkeypatch.setattr("app.services.start", _at_once)
    at = open_page("train")
    at.session_state["train_encoder"] = True
    yield at.run()
    from app import encoding

    end = time.monotonic() + 60
    while any(x is None for x in encoding._previews().values()) and time.monotonic() < end:
        time.sleep(0.1)  # what is still measured would outlive the test


def _at_once(workspace: Workspace, verb: str, params: Mapping[str, Any]) -> str:
    job_id = f"{verb}-{time.monotonic_ns()}"
    workspace.journal.job_put(job_id, verb, dict(params))
    try:
        with Workspace.open(workspace.folder, own_index=False) as job:
            result = to_jsonable_python(call_verb(job, verb, dict(params), no_progress), fallback=str)
        workspace.journal.job_update(job_id, state="done", ended=now(), result=result)
    except LmtxError as error:
        workspace.journal.job_update(job_id, state="failed", ended=now(), error=str(error))
    return job_id


def until(at: AppTest, words: str) -> str:
    """Look again until something was measured."""
    end = time.monotonic() + 60
    while words not in text_of(at) and time.monotonic() < end:
        time.sleep(0.2)
        at.run()
    assert not at.exception
    assert words in text_of(at)
    return text_of(at)


def test_the_section_is_folded_and_then_looks_nothing_up(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr("lmtx.workspace.Workspace.encoders", never)
    monkeypatch.setattr("lmtx.workspace.Workspace.encoder_preview", never)
    at = open_page("train")
    assert not at.exception
    assert not [x for x in at.segmented_control if x.key == "encoder_view"]


def test_it_is_there_before_anything_was_judged(home: Path, small_corpus: Path, open_page: Open) -> None:
    with Workspace.create(home / "new") as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl")
    at = open_page("train")
    at.session_state["train_encoder"] = True
    at.run()
    assert not at.exception
    assert at.segmented_control(key="encoder_view").value == "use"


def test_size_and_speed_of_the_encoder_in_use_are_measured(train: AppTest) -> None:
    assert "being measured" in text_of(train)
    text = until(train, "measured on this machine")
    assert ">small<" in text
    assert "0.5 million" in text
    assert "2 MB" in text


def test_using_another_encoder_says_what_it_takes_and_then_it_answers(train: AppTest, home: Path) -> None:
    other = train.selectbox(key="encoder_other")
    assert other.options == ["MiniLM", "other", "Another one, by name or folder"]
    assert "All texts were encoded with it before" in text_of(train)
    other.select_index(1).run()
    with Workspace.open(home / "library", own_index=False) as workspace:
        n = workspace.switch_preview(str(home / "library" / "encoders" / "other")).n_missing
        judged = workspace.journal.counts()["judged_pairs"]
    text = until(train, f"{n} texts will be encoded, in about")
    assert "Verdicts, decisions and reviewed documents stay" in text
    train.button(key="encoder_switch").click().run()
    assert "other is in use" in text_of(train)
    with Workspace.open(home / "library", own_index=False) as workspace:
        run = workspace.journal.promoted()
        assert workspace.settings.encoder.endswith("/encoders/other")
        assert run is not None
        assert workspace.reads_with(run)
        assert workspace.journal.counts()["judged_pairs"] == judged
    assert train.selectbox(key="encoder_other").options[:2] == ["MiniLM", "small"]


def test_two_encoders_are_compared_on_gold(train: AppTest) -> None:
    train.button(key="encoder_compare").click().run()
    assert not train.exception
    text = text_of(train)
    assert "Without any learning" in text
    assert ">gold<" in text
    table = next(x.value for x in train.dataframe if "± P@1" in x.value.columns)
    assert table["Encoder"].tolist() == ["small", "MiniLM"]
    assert table["R@10"].iloc[0] < table["R@10"].iloc[1]


def test_an_encoder_that_is_not_there_is_an_error_with_a_remedy(train: AppTest) -> None:
    train.selectbox(key="encoder_other").set_value("Another one, by name or folder").run()
    assert train.button(key="encoder_switch").disabled
    train.text_input(key="encoder_named").set_value("no/such/folder").run()
    assert not train.exception
    assert "no such folder" in text_of(train)


def test_parts_are_measured_as_they_are_chosen_and_what_does_not_fit_is_said(train: AppTest) -> None:
    train.segmented_control(key="encoder_view").set_value("make").run()
    train.selectbox(key="make_encoder").set_value("bigru").run()
    train.number_input(key="make_width").set_value(16)
    train.number_input(key="make_hidden").set_value(16).run()
    assert "As chosen" in until(train, "→")
    train.number_input(key="make_hidden").set_value(17)  # not to be shared among four heads
    train.selectbox(key="make_encoder").set_value("transformer").run()
    until(train, "do not go together")


def test_a_pre_training_starts_with_the_parts_and_weights_chosen_and_shows_its_losses(
    train: AppTest, home: Path
) -> None:
    train.segmented_control(key="encoder_view").set_value("make").run()
    train.selectbox(key="make_encoder").set_value("bigru").run()
    for name in ("width", "hidden"):
        train.number_input(key=f"make_{name}").set_value(16)
    train.number_input(key="make_layers").set_value(1)
    train.multiselect(key="make_objectives").set_value(["inverse_cloze", "mlm"]).run()
    train.number_input(key="make_weight_mlm").set_value(0.5)
    train.number_input(key="make_steps").set_value(4).run()
    assert train.text_input(key="make_name_bigru").value == "bigru-1"
    train.button(key="make_start").click().run()
    assert not train.exception
    with Workspace.open(home / "library", own_index=False) as workspace:
        entry = next(e for e in workspace.encoders() if e.name == "bigru-1")
    assert entry.facts["objectives"] == {"inverse_cloze": 1.0, "mlm": 0.5}
    assert entry.facts["spec"]["hidden"] == 16
    assert train.get("plotly_chart")
    assert "Pre-train an encoder" in text_of(train)


def test_what_was_tried_before_says_where_nothing_was_measured(train: AppTest, home: Path) -> None:
    from app.widgets.encoders_made import _row
    from lmtx.workspace.encoder_models import ZooEntry

    train.segmented_control(key="encoder_view").set_value("tried").run()
    assert not train.exception
    entry = ZooEntry("x", "X", {"encoder": "bigru"}, {"mlm": 1.0}, 10, {}, ())
    assert _row(entry, {})["Corpus"] == "not measured"
    assert _row(entry, {"corpus": "debtags", "zero-shot P@1": 0.2412})["P@1"] == 0.241


def test_an_own_encoder_can_be_deleted_but_not_the_packaged_one(train: AppTest, home: Path) -> None:
    assert not [x for x in train.button if x.key == "encoder_forget"]  # the packaged one is chosen
    train.selectbox(key="encoder_other").select_index(1).run()
    until(train, "will be encoded, in about")
    train.button(key="encoder_forget").click().run()
    assert not train.exception
    assert "The encoder other is deleted." in text_of(train)
    assert not (home / "library" / "encoders" / "other").exists()
    assert train.selectbox(key="encoder_other").options == ["MiniLM", "Another one, by name or folder"]


def test_a_run_of_another_encoder_is_not_offered_and_settings_say_which_is_in_use(
    train: AppTest, home: Path, open_page: Open
) -> None:
    old = train.dataframe[0].value
    assert old["In use"].tolist() == ["✓", ""]
    assert old["P@1"].isna().tolist() == [False, True]
    train.button(key="encoder_switch").click().run()
    assert train.dataframe[0].value["In use"].tolist() == ["✓", "", ""]
    settings = open_page("settings")
    assert not settings.exception
    assert "minilm; to use another, open “Encoder” on the Train page" in text_of(settings)


def test_the_plot_of_losses_has_a_line_an_objective_and_says_what_fell() -> None:
    from app import charts_encoders

    steps = list(range(1, 201))
    frame = pd.DataFrame(
        [
            {"step": s, "objective": name, "loss": begin / s**0.5}
            for s in steps
            for name, begin in (("mlm", 8.0), ("simcse", 2.0), ("total", 10.0))
        ]
    )
    figure = charts_encoders.losses(frame, charts_encoders.finding(frame))
    assert [x.name for x in figure.data] == ["mlm", "simcse", "total"]
    assert len(figure.data[0].x) <= 120
    assert all(y[-1] < 50 <= y[0] == 100 for y in (x.y for x in figure.data))
    assert charts_encoders.finding(frame).startswith("Loss fell from")
    one = frame[frame["objective"] == "mlm"]
    assert [x.name for x in charts_encoders.losses(one.head(1), "x").data] == ["mlm"]
    assert charts_encoders.finding(one.head(1)) == "Loss 8.00 after 1 steps"
