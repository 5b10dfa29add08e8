"""What audits and completed documents say of runs, drawn on a real workspace; and what can be downloaded."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import charts_measured, measures
from app.widgets import (
    measured_calibration,
    measured_comparison,
    measured_funnel,
    measured_trend,
    precision,
)
from lmtx.quality import Bin, Reliability
from lmtx.quality.estimates import Interval
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Difference, FunnelStep, LabelDifference

Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def audited(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose one workspace has three runs, completed documents, and the whole reserve audited."""
    home = tmp_path_factory.mktemp("audited")
    shutil.copytree(taught / "library", home / "library")
    with Workspace.open(home / "library", own_index=False) as workspace:
        gold = {i: set(labels) for i, labels in workspace.journal.gold("train").items()}
        learned = [row.id for row in workspace.documents_page(role="train", page_size=200).items]
        for n in (24, 6):
            for _ in range(n):
                document = learned.pop()
                workspace.complete(document, "Ada", gold[document], (), "default", None)
            workspace.train()
        for item in workspace.next_documents("audit", "Ada", n=60):
            shown = {c.label_id for c in item.candidates}
            right = gold[item.document.id]
            workspace.complete(
                item.document.id, "Ada", right, shown - right, item.policy, item.inclusion_probability
            )
    return home


@pytest.fixture
def library(home: Path, audited: Path) -> Path:
    """A copy of that workspace, which a test may change."""
    shutil.copytree(audited / "library", home / "library")
    return home / "library"


def drawn(panel: str) -> AppTest:
    """Draw one panel alone, of the workspace at home."""

    def script(panel: str) -> None:
        import importlib

        from app import services

        importlib.import_module(f"app.widgets.{panel}").panel(services.current())

    at = AppTest.from_function(script, default_timeout=60, kwargs={"panel": panel}).run()
    assert not at.exception
    return at


def text_of(at: AppTest) -> str:
    """Everything that the screen says in HTML."""
    return " ".join(str(x.proto.body) for x in at.get("html"))


def titles(at: AppTest) -> list[str]:
    """Titles of the plots."""
    return [json.loads(x.proto.spec)["layout"]["title"]["text"] for x in at.get("plotly_chart")]


def without_gold(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workspace be one that came without test documents."""
    status = Workspace.status
    monkeypatch.setattr(Workspace, "status", lambda self: _no_gold(status(self)))


def _no_gold(status: object) -> object:
    from dataclasses import replace

    return replace(status, has_gold=False)  # type: ignore[type-var]


# ---- funnel -----------------------------------------------------------------------------------------


def test_the_funnel_asks_for_audited_documents_where_there_are_none(full: Path) -> None:
    at = drawn("measured_funnel")
    assert "No document is audited yet" in text_of(at)
    assert any(b.label == "Audit documents" for b in at.button)


def test_the_teacher_is_asked_about_audited_documents_by_a_job_and_then_the_parts_show(library: Path) -> None:
    at = drawn("measured_funnel")
    assert not at.get("plotly_chart")
    button = at.button(key="start_judge_audited")
    with Workspace.open(library, own_index=False) as workspace:
        funnel = workspace.error_funnel()
        assert funnel is not None
        assert f"about {funnel.n_documents} documents" in button.label
        assert "never train" in text_of(at)
        button.click().run()
        for _ in range(600):
            jobs = [job for job in workspace.jobs() if job.verb == measured_funnel.VERB]
            if jobs and not jobs[0].active:
                break
            time.sleep(0.1)
        assert jobs[0].state == "done", jobs[0].error
        funnel = workspace.error_funnel()
    assert funnel is not None
    at.run()
    assert titles(at) == [measured_funnel.finding(funnel.wanted)]
    table = measured_funnel.table_of(funnel)
    assert table.groupby("of")["share"].sum().to_dict() == pytest.approx(
        {"wanted tags": 1.0, "given tags": 1.0}
    )
    for text in table["in words"]:
        assert text in text_of(at)
    # The tags behind the worst step show, and another step's on demand.
    worst = max(funnel.wanted[1:] + funnel.given[1:], key=lambda step: step.n)
    assert not at.exception, at.exception
    choice = at.selectbox(key="funnel_step")
    assert f"({worst.n})" in choice.value
    choice.set_value(next(x for x in choice.options if x.startswith("Wanted tags: found"))).run()
    assert not at.exception
    assert len(at.dataframe[0].value) == min(25, funnel.wanted[0].n)


def step(name: str, n: int, of: int, reach: float) -> FunnelStep:
    share = n / of
    return FunnelStep(name, n, Interval(share, max(share - reach, 0), min(share + reach, 1), 40, 400))


def test_the_funnels_finding_is_as_sure_as_its_intervals() -> None:
    parts = [("found", 50), ("shortlist", 30), ("teacher", 15), ("student", 5)]
    apart = [step(name, n, 100, 0.05) for name, n in parts]
    assert measured_funnel.finding(apart) == "The shortlist loses most: 30\u202f% of the wanted tags"
    overlapping = [step(name, n, 100, 0.1) for name, n in parts]
    assert "seems to lose most" in measured_funnel.finding(overlapping)
    assert measured_funnel.finding([step("found", 9, 9, 0.1)]) == "No wanted tag is lost"


# ---- two runs ---------------------------------------------------------------------------------------


def test_two_runs_are_compared_on_completed_documents(library: Path) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        runs = workspace.runs()
        found = workspace.compare_runs(runs[0].id, runs[1].id, "completed")
    assert found is not None
    at = drawn("measured_comparison")
    at.selectbox(key="compared_old").set_value(runs[1].id).run()
    text = text_of(at)
    assert measured_comparison.points(found.precision).partition(" [")[0] in text
    assert f">{found.n_documents}<" in text
    if found.labels:
        shown = at.dataframe[0].value
        assert list(shown["Label"]) == [x.name for x in found.labels[:25]]
    at.segmented_control(key="compared_basis").set_value("audit").run()
    assert not at.exception
    assert "only reports" in text_of(at)


def on_page(open_page: Open, **params: str) -> AppTest:
    """Open the audited view of the precision screen, as a link does."""
    at = open_page("precision", truth="reviewed", **params)
    assert not at.exception
    return at


def test_a_label_that_differs_leads_to_the_documents_on_which_it_does(library: Path, open_page: Open) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        runs = workspace.runs()
        found = workspace.compare_runs(runs[0].id, runs[1].id, "completed")
    assert found is not None
    assert found.labels  # or nothing is tested
    label = found.labels[0]
    at = on_page(open_page, view="runs", apart=label.label_id)
    at.selectbox(key="compared_old").set_value(runs[1].id).run()
    rows = found.on(label.label_id)
    shown = at.dataframe[0].value
    assert list(shown["Document"]) == [d.title for d in rows[:25]]
    assert list(shown["Change"]) == ["lost"] * min(label.lost, 25) + ["gained"] * (len(shown) - label.lost)
    for d, words in zip(rows, shown["In words"], strict=False):
        assert words.startswith("wanted") == (label.label_id in d.wanted)
    assert f"{label.lost} document" in text_of(at)
    at.button(key="apart_back").click().run()
    assert list(at.dataframe[0].value["Label"]) == [x.name for x in found.labels[:25]]
    at.button(key="apart_all").click().run()
    shown = at.dataframe[0].value
    assert list(shown["Document"]) == [d.title for d in found.documents[:25]]
    names = {x.label_id: x.name for x in found.labels}
    for d, lost, gained in zip(found.documents, shown["Lost"], shown["Gained"], strict=False):
        signs = {f"{'+' if x not in d.wanted else '−'} {names[x]}" for x in d.lost}
        assert signs == set(filter(None, lost.split(", ")))
        signs = {f"{'+' if x in d.wanted else '−'} {names[x]}" for x in d.gained}
        assert signs == set(filter(None, gained.split(", ")))


def test_runs_without_common_documents_say_what_is_missing(library: Path) -> None:
    at = drawn("measured_comparison")
    first = at.selectbox(key="compared_old").options[-1]
    at.selectbox(key="compared_old").select(first).run()
    assert not at.exception
    assert "Too few completed documents are common to both runs" in text_of(at)


def test_one_run_alone_is_not_compared(full: Path) -> None:
    assert "There is one run so far" in text_of(drawn("measured_comparison"))


def test_a_difference_names_its_points_and_whether_it_may_be_chance() -> None:
    assert measured_comparison.points(Difference(0.6, 0.628, -0.004, 0.06)) == "+2.8 points [\u22120.4, +6.0]"
    assert not measured_comparison.beyond_chance(Difference(0.6, 0.628, -0.004, 0.06))
    assert measured_comparison.beyond_chance(Difference(0.6, 0.5, -0.15, -0.05))
    same = Difference(0.6, 0.6, -0.00001, 0.00001)
    assert measured_comparison.points(same) == "0.0 points [0.0, 0.0]"


def test_points_of_the_comparison_go_to_their_sides_and_chance_is_pale() -> None:
    labels = [
        LabelDifference("L1", "<b>Ships</b>", 5, 9, 4, 9, 2, 1, 8, "worse"),
        LabelDifference("L2", "Ports", 5, 3, 2, 4, 3, 1, 0, ""),
    ]
    figure = charts_measured.comparison(measured_comparison.table_of(labels), "x")
    lost, gained = figure.data
    assert (list(lost.x), list(lost.y)) == ([-8], [1])  # drawn from below; none where nothing was lost
    assert (list(gained.x), list(gained.y)) == ([1, 1], [0, 1])
    assert list(gained.marker.opacity) == [0.5, 1.0]
    assert [c[0] for c in gained.customdata] == ["L2", "L1"]
    assert "<b>" not in str(figure.layout.yaxis.ticktext)


# ---- probabilities ----------------------------------------------------------------------------------


def test_reliability_is_drawn_from_audited_answers_or_says_how_many_it_takes(library: Path) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        found = workspace.audited_reliability("tagger")
    at = drawn("measured_calibration")
    text = text_of(at)
    if found is None:
        assert measured_calibration.MISSING["tagger"] in text
    else:
        assert measured_calibration.finding(found, "tagger") in titles(at)
        assert f"error {100 * found.gap:.1f} points over {found.n} audited answers" in text
    assert "outside the reserve" in text


def test_a_group_of_probabilities_leads_to_its_answers(
    library: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few documents are reserved here that the audit has 35 answers: enough to draw two groups of.
    monkeypatch.setattr(sys.modules["lmtx.quality.reliability"], "MIN_ANSWERS", 30)
    with Workspace.open(library, own_index=False) as workspace:
        workspace.promote(workspace.runs()[0].id)  # which completed documents calibrate
        found = workspace.audited_reliability("tagger")
        assert found is not None  # or nothing is tested
        answers = workspace.reliability_tags("tagger", 1)
    group = found.bins[1]
    at = on_page(open_page, view="probabilities", behind="tagger.1")
    table, listed = at.dataframe[0].value, at.dataframe[-1].value
    assert table["Right / answers"].iloc[1] == f"{group.n_accepted} / {group.n}"
    assert list(listed["Document"]) == [a.title for a in answers[:25]]
    assert list(listed["Label"]) == [a.label_name for a in answers[:25]]
    assert f"{group.n_accepted} of {group.n} answers" in text_of(at)
    points = json.loads(at.get("plotly_chart")[0].proto.spec)["data"][-1]["customdata"]
    assert points == [[b.n, i] for i, b in enumerate(found.bins)]
    at.segmented_control(key="behind_tagger_1").set_value("wrong").run()
    assert len(at.dataframe[-1].value) == min(25, group.n - group.n_accepted)
    at.button(key="close_reliability").click().run()
    assert not at.exception
    assert len(at.dataframe) == 1
    for nothing in ("tagger.99", "tagger.x", "teacher.0", "nonsense"):
        assert len(on_page(open_page, view="probabilities", behind=nothing).dataframe) == 1


def test_a_teacher_without_probabilities_is_not_offered_to_be_asked_again(library: Path) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        assert measured_calibration.missing(workspace, "teacher") == measured_calibration.MISSING["teacher"]
        workspace.judge_audited("simulated")
        funnel = workspace.error_funnel()
        assert funnel is not None
        assert funnel.n_judged
        assert workspace.audited_reliability("teacher") is None
        said = measured_calibration.missing(workspace, "teacher")
    assert said == "It gives no probabilities."


def test_calibration_error_by_chance_is_what_honest_probabilities_make() -> None:
    bins = tuple(Bin(p, 40, 0, p, 40.0, 1 / 3) for p in (0.2, 0.5, 0.8))
    rng = np.random.default_rng(0)
    drawn = [rng.binomial(40, b.probability, 4000) / 40 - b.probability for b in bins]
    expected = float(np.mean(np.abs(drawn)))
    assert measured_calibration.by_chance(Reliability(bins, 0, 0, None)) == pytest.approx(expected, rel=0.05)
    held = Reliability(bins, expected, 0.01, None)
    assert "hold" in measured_calibration.finding(held, "tagger")
    assert "too sure" in measured_calibration.finding(Reliability(bins, 0.2, -0.2, None), "tagger")


# ---- course over runs -------------------------------------------------------------------------------


def test_the_course_over_runs_shows_each_runs_precision(library: Path) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        points, runs = workspace.precision_trend(), workspace.runs()
    frame = measured_trend.table_of(points, runs)
    assert len(frame) >= 2
    at = drawn("measured_trend")
    assert titles(at) == [measured_trend.finding(frame)]
    assert "Two runs compared" in text_of(at)
    assert list(at.dataframe[0].value["Run"]) == list(frame["run"])[::-1]


def test_a_run_in_the_course_leads_to_the_answers_that_made_its_figures(
    library: Path, open_page: Open
) -> None:
    with Workspace.open(library, own_index=False) as workspace:
        frame = measured_trend.table_of(workspace.precision_trend(), workspace.runs())
        run = frame.iloc[0]
        made = workspace.audited_tags(run["run_id"])
        wanted = workspace.audited_tags(run["run_id"], figure="recall")
    at = on_page(open_page, view="runs", behind=f"precision.{run['run_id']}")
    right = sum(a.outcome == "right" for a in made)
    assert f"{right} of {len(made)} audited tags" in text_of(at).replace("\u202f", "")
    assert list(at.dataframe[-1].value["Document"]) == [a.title for a in made[:25]]
    assert len(made) == run["n"]
    at.segmented_control(key=f"trend_figure_{run['run_id']}_precision").set_value("recall").run()
    assert not at.exception
    assert "recall is this share" in text_of(at)
    assert list(at.dataframe[-1].value["Document"]) == [a.title for a in wanted[:25]]
    assert at.query_params["behind"] in ([f"recall.{run['run_id']}"], f"recall.{run['run_id']}")


def test_the_course_claims_neither_a_rise_nor_chance() -> None:
    columns = ["value", "low", "high"]
    for last in ([0.66, 0.61, 0.71], [0.7, 0.67, 0.73]):
        frame = pd.DataFrame([[0.6, 0.57, 0.63], last], columns=columns)
        said = measured_trend.finding(frame).replace("\u202f", " ")
        assert said == f"Precision from 60.0 % to {100 * last[0]:.1f} % over 2 runs"


# ---- overview ---------------------------------------------------------------------------------------


def test_overview_takes_gold_where_there_is_any_else_the_audit(
    library: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "gold, of five tags a document" in text_of(open_page("overview"))
    without_gold(library, monkeypatch)
    with Workspace.open(library, own_index=False) as workspace:
        found = workspace.precision_report()
    assert found is not None
    at = open_page("overview")
    assert not at.exception
    text = text_of(at)
    assert f"reviewed, by {found.n_pairs} audited tags, a first impression" in text
    assert f"{100 * (found.precision.value or 0):.1f}" in text
    assert "✓ Measure" in text


def test_overview_gives_no_figure_from_too_few_answers(
    full: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gold(full / "library", monkeypatch)
    text = text_of(open_page("overview"))
    assert "0 audited tags, not enough reviews" in text
    assert "✓ Measure" not in text


# ---- gold -------------------------------------------------------------------------------------------


def test_gold_names_micro_and_macro_of_any_run(library: Path, open_page: Open) -> None:
    at = open_page("precision")
    text = text_of(at)
    assert "macro precision, of labels given" in text
    assert "Five tags a document" in text
    with Workspace.open(library, own_index=False) as workspace:
        older = workspace.runs()[-1].id
        quality = workspace.label_quality(older)
        ranking = workspace.evaluate(system=older)
    at.selectbox(key="precision_system").set_value(older).run()
    assert not at.exception
    found = measures.gold_figures(quality, ranking)
    text = text_of(at)
    assert "this run" in text
    assert f"{100 * (found.macro_precision or 0):.1f}" in text
    assert f"{found.right} of {found.given} right" in text


def test_ten_thousand_labels_are_sorted_searched_and_paged() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(0, 50, 10_000)
    quality = measures.with_intervals(
        pd.DataFrame(
            {
                "label_id": [f"L{i}" for i in range(10_000)],
                "name": [f"Label {i}" for i in range(10_000)],
                "precision": np.where(n > 0, rng.random(10_000), np.nan),
                "recall": rng.random(10_000),
                "f1": rng.random(10_000),
                "support": rng.integers(0, 9, 10_000),
                "n_predicted": n,
            }
        )
    )
    started = time.perf_counter()
    orders = {sort: precision.ordered(quality, "", sort) for sort in precision.SORTS}
    assert time.perf_counter() - started < 1
    assert all(len(frame) == 10_000 for frame in orders.values())
    assert orders["worst"]["precision"].iloc[0] == quality["precision"].min()
    assert orders["best"]["precision"].iloc[-1:].isna().all()  # what is not known comes last
    assert len(precision.ordered(quality, "label 999", "name")) == 11

    def script() -> None:
        import streamlit as st

        from app.widgets import precision

        precision.table_of_labels(st.session_state["quality"])

    at = AppTest.from_function(script, default_timeout=30)
    at.session_state["quality"] = quality
    at.run()
    assert not at.exception
    assert len(at.dataframe[0].value) == 25
    at.selectbox(key="precision_sort").set_value("worst").run()
    assert at.dataframe[0].value["Precision"].iloc[0] == pytest.approx(quality["precision"].min(), abs=1e-3)
    at.text_input(key="precision_query").set_value("Label 9999").run()
    assert list(at.dataframe[0].value["Label"]) == ["Label 9999"]


# ---- command line -----------------------------------------------------------------------------------


def test_the_command_says_why_nothing_reviewed_is_there_and_names_the_cut_of_gold(
    library: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lmtx.cli import main

    monkeypatch.setenv("LMTX_NO_INDEX", "1")

    def said(*arguments: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(["--workspace", str(library), "precision", *arguments])
        assert not left.value.code
        return capsys.readouterr().out

    wide = json.loads(said("--cut", "7", "--json"))
    assert wide["reviewed"] is None
    assert "no more than 5 tags" in wide["reviewed_missing"]
    text = said("--cut", "7")
    assert wide["reviewed_missing"] in text
    assert "Gold labels of the split test, tagger, 7 tags a document: precision" in text
    assert "reviewed_missing" not in json.loads(said("--json"))


# ---- downloads --------------------------------------------------------------------------------------


def test_a_plot_comes_with_its_download_links_and_a_table_with_its_file(full: Path, open_page: Open) -> None:
    at = open_page("precision")
    assert len(at.get("plotly_chart")) == len(at.get("bidi_component")) == 2
    config = json.loads(at.get("plotly_chart")[0].proto.config)
    assert config["modeBarButtons"] == [["toImage"]]
    assert any("CSV" in x.proto.label for x in at.get("download_button"))
