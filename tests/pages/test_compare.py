"""The screen Compare, and the choice of a student on the screen Train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import charts_compared
from app.widgets import compared, compared_table, compared_text
from lmtx.quality.versus import MEASURES, Figure
from lmtx.workspace import Tag, Workspace
from lmtx.workspace.compared import SystemComparison, SystemFigures

Open = Callable[..., AppTest]
EVIL = "<script>window.hit = 1</script>"


def text_of(app: AppTest) -> str:
    """All words on the screen."""
    found = [x for e in app.main for x in (getattr(e, "body", None), getattr(e, "value", None))]
    return "\n".join(x for x in found if isinstance(x, str))


def system(name: str, value: float, low: float | None = None, high: float | None = None) -> SystemFigures:
    """A system whose measures all have one value, and one interval of the difference."""
    difference = None if low is None or high is None else (low + high) / 2
    figure = Figure(value, value - 0.1, value + 0.1, difference, low, high)
    return SystemFigures(
        name, name, "tagger", name, dict.fromkeys(MEASURES, figure), 3.2, 900, 12_000, 41.7, 9e7
    )


def made(*others: SystemFigures) -> SystemComparison:
    return SystemComparison("ours", [system("ours", 0.5), *others], 200, 80, 40, 3)


# ---- the screen -------------------------------------------------------------------------------------------


def test_what_is_not_ranked_yet_offers_to_rank(full: Path, open_page: Open) -> None:
    at = open_page("compare")
    assert not at.exception
    assert "not all have ranked the" in text_of(at)
    assert at.button(key="versus_rank").proto.type == "primary"
    assert at.multiselect(key="versus_systems").value[-1] == "zero-shot"


def test_what_is_ranked_shows_figures_differences_and_the_measure_asked_for(
    full: Path, open_page: Open
) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        ids = [x.id for x in workspace.systems() if x.run or x.kind == "zero-shot"]
        found = workspace.compare(ids)
    at = open_page("compare")
    assert not at.exception
    text = text_of(at)
    assert 'class="lx-versus"' in text
    value = found.systems[0].figures["P@1"].value
    assert value is not None
    assert f"{100 * value:.1f}" in text
    assert "reference" in text
    assert "Documents a second" in text
    spec = at.get("plotly_chart")[0].proto.spec
    assert "P@1" in spec
    at.button_group(key="versus_measure").set_value("R@10 tail").run()
    assert "Tail R@10" in at.get("plotly_chart")[0].proto.spec
    at.multiselect(key="versus_systems").set_value(["zero-shot"]).run()
    assert not at.exception
    assert "Choose a second system" in text_of(at)
    at.multiselect(key="versus_systems").set_value([]).run()
    assert not at.exception
    assert "Choose the systems" in text_of(at)


def test_without_gold_a_text_can_be_tagged_all_the_same(
    empty: Path, open_page: Open, small_corpus: Path
) -> None:
    with Workspace.open(empty / "empty", own_index=False) as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="none")
    at = open_page("compare")
    assert not at.exception
    assert "this corpus has none" in text_of(at)
    assert not [b for b in at.button if b.key == "versus_rank"]
    at.button(key="versus_example").click().run()
    assert not at.exception
    assert "lx-tagged" in text_of(at)


# ---- what it says -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ([system("a", 0.5, -0.02, 0.03)], "P@1: none differs from ours beyond chance"),
        ([system("a", 0.4, -0.12, -0.02)], "P@1: a is worse than ours beyond chance, none better"),
        (
            [system("a", 0.4, -0.12, -0.02), system("b", 0.3, -0.3, -0.1), system("c", 0.5, -0.1, 0.1)],
            "P@1: 2 of 3 are worse than ours beyond chance, none better",
        ),
        (
            [system("a", 0.4, -0.12, -0.02), system("b", 0.6, 0.04, 0.16)],
            "P@1: b is better than ours beyond chance",
        ),
    ],
)
def test_the_title_states_the_finding(others: list[SystemFigures], sentence: str) -> None:
    assert compared.finding(made(*others), "P@1") == sentence


def test_the_table_marks_what_is_beyond_chance_and_escapes_names() -> None:
    html = compared_table.html(made(system(EVIL, 0.4, -0.12, -0.02), system("b", 0.5, -0.1, 0.1)))
    assert EVIL not in html
    n = len(compared_table.MEASURES)
    assert html.count("worse than the reference") == n
    assert "better than the reference" not in html
    assert html.count('class="best"') == 2 * n  # two share the best value
    assert "12\u202f000 tokens" in html
    assert ">42<" in html  # two digits of a rate
    assert "90\u202fMB" in html


def test_the_file_has_every_measure_of_every_system() -> None:
    frame = compared.frame_of(made(system("a", 0.4, -0.12, -0.02)))
    assert len(frame) == 2 * len(MEASURES)
    assert frame.loc[frame["system"] == "ours", "difference"].isna().all()
    assert set(frame["measure"]) == set(MEASURES)


def test_the_plot_draws_what_is_not_known_as_nothing() -> None:
    rows = pd.DataFrame(
        [
            {"name": EVIL, "difference": -0.07, "low": -0.12, "high": -0.02},
            {"name": "few", "difference": 0.01, "low": None, "high": None},
            {"name": "none", "difference": None, "low": None, "high": None},
        ]
    )
    figure = charts_compared.differences(rows, "A title", "ours", dark=True)
    low, high = figure.layout.xaxis.range
    assert low == -high == pytest.approx(-13.2)
    assert EVIL not in str(figure.layout.yaxis.ticktext)
    colours = [trace.marker.color for trace in figure.data]
    assert len(set(colours)) == 2  # worse, and what may be chance


def test_common_tags_stand_in_one_line_and_first() -> None:
    def tag(name: str, probability: float | None = None) -> Tag:
        return Tag(name, name, 1.0, probability, [], {})

    html = compared_text.table(["one", "two"], [[tag("a", 0.9), tag("both", 0.4)], [tag(EVIL), tag("both")]])
    assert EVIL not in html
    body = html.split("<tbody>")[1]
    assert body.index("both") < body.index(">a<")
    row = body.split("</tr>")[0]
    assert row.count("<b>2</b>") == 2
    assert "40.0" in row
    assert body.count("not among them") == 2


# ---- the student to train ---------------------------------------------------------------------------------


def test_a_student_is_chosen_on_the_screen_train(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr("app.services.start", lambda w, verb, params: started.append((verb, dict(params))))
    at = open_page("train")
    assert "seconds" in text_of(at) or "processor time" in text_of(at)
    at.button(key="start_train").click().run()
    at.button_group(key="train_student").set_value("finetune").run()
    assert "The whole encoder learns" in text_of(at)
    at.number_input(key="train_epochs_finetune").set_value(3).run()
    at.button(key="start_train").click().run()
    at.button_group(key="train_student").set_value("maclr").run()
    assert "never put to use by itself" in text_of(at)
    assert not [x for x in at.number_input if "epochs" in (x.key or "")]
    at.button(key="start_train").click().run()
    at.button_group(key="train_student").set_value("icxml").run()
    assert "writes no text" in text_of(at)
    assert at.button(key="start_train").disabled
    with Workspace.open(full / "library", own_index=False) as workspace:
        workspace.update_settings(teacher="openai:m,base_url=http://127.0.0.1:9/v1")
    try:
        at = open_page("train")
        at.button_group(key="train_student").set_value("icxml").run()
        at.number_input(key="train_icxml_docs").set_value(3).run()
        at.button(key="start_train").click().run()
    finally:
        with Workspace.open(full / "library", own_index=False) as workspace:
            workspace.update_settings(teacher="evidence")
    assert not at.exception
    assert started == [
        ("train", {}),
        ("train", {"student": "finetune", "epochs": 3}),
        ("train", {"student": "maclr"}),
        ("icxml", {"limit_docs": 3, "variant": "content"}),
    ]


def test_a_student_that_reads_no_verdict_is_offered_before_anything_is_judged(
    home: Path, small_corpus: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr("app.services.start", lambda w, verb, params: started.append((verb, dict(params))))
    with Workspace.create(home / "new", name="New") as workspace:
        workspace.import_labels(small_corpus / "labels.jsonl")
        workspace.import_corpus(small_corpus / "corpus.jsonl", labels_are="gold")
    at = open_page("train")
    assert "Nothing to learn from yet" in text_of(at)
    at.button_group(key="train_unjudged").set_value("rts").run()
    at.button(key="start_train").click().run()
    assert not at.exception
    assert started == [("train", {"student": "rts"})]
