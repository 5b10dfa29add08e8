"""Precision by the audit on its screen: what shows, what it rests on, and its addresses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from lmtx.quality.promises import Promise
from lmtx.review import Scope
from lmtx.types import Action, Decision
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Cut

Open = Callable[..., AppTest]
VIEWS = ("overview", "labels", "errors", "runs", "probabilities", "plan")


def text_of(at: AppTest) -> str:
    """Everything that the screen says in HTML."""
    return " ".join(str(x.proto.body) for x in at.get("html"))


def screen(open_page: Open, **params: str) -> AppTest:
    """Open what people audited, as a link does."""
    at = open_page("precision", truth="reviewed", **params)
    assert not at.exception
    return at


@pytest.fixture(scope="module")
def answered(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace where two documents and ten pairs were audited, by a person who knows gold."""
    folder = tmp_path_factory.mktemp("answered") / "library"
    shutil.copytree(taught / "library", folder)
    with Workspace.open(folder, own_index=False) as workspace:
        gold = {i: set(labels) for i, labels in workspace.journal.gold("train").items()}
        for _ in range(2):
            item = workspace.next_documents("audit", "Ada")[0]
            right = gold.get(item.document.id, set())
            shown = {c.label_id for c in item.candidates}
            workspace.complete(item.document.id, "Ada", right, shown - right, item.policy, None)
        for _ in range(10):
            pair = workspace.next_pairs("audit", "Ada")[0]
            i, label = pair.document.id, pair.candidate.label_id
            action: Action = "accept" if label in gold.get(i, set()) else "reject"
            workspace.decide([Decision(i, label, action, "Ada", pair.policy, pair.inclusion_probability)])
    return folder


@pytest.fixture
def audited(home: Path, answered: Path) -> Path:
    """A home with a copy of it."""
    shutil.copytree(answered, home / "library")
    return home


# ---- states ---------------------------------------------------------------------------------------


def each_view(open_page: Open) -> Iterator[tuple[str, AppTest]]:
    """Go through the views by their buttons, and through the page on the method."""
    at = screen(open_page)
    for view in VIEWS:
        at.segmented_control(key="reviewed_view").set_value(view).run()
        assert not at.exception
        assert 'role="alert"' not in text_of(at), view
        yield view, at
    at.query_params["view"] = "method"
    at.run()
    assert not at.exception
    assert any("How precision is measured" in str(x.value) for x in at.markdown)


def test_every_view_draws_with_answers(audited: Path, open_page: Open) -> None:
    for view, at in each_view(open_page):
        assert at.segmented_control(key="reviewed_view").value == view


def test_every_view_draws_without_answers(full: Path, open_page: Open) -> None:
    assert len(list(each_view(open_page))) == len(VIEWS)


def test_without_answers_it_says_what_to_do(full: Path, open_page: Open) -> None:
    at = screen(open_page)
    assert "Nothing of the audit has been answered yet" in text_of(at)
    assert {"Audit pairs", "Audit documents"} <= {b.label for b in at.button}


def test_one_answer_is_not_enough_for_a_figure(full: Path, open_page: Open) -> None:
    with Workspace.open(full / "library", own_index=False) as workspace:
        pair = workspace.next_pairs("audit", "Ada")[0]
        i, label = pair.document.id, pair.candidate.label_id
        workspace.decide([Decision(i, label, "accept", "Ada", pair.policy, pair.inclusion_probability)])
    for view, at in each_view(open_page):
        text = text_of(at)
        if view == "overview":
            assert "Not enough reviews yet" in text
            assert "not enough reviews" in text
            assert "nan" not in text
        if view == "labels":
            assert set(at.dataframe[0].value["Known"]) == {"first impression", "not enough reviews"}


def test_a_cut_by_probability_where_there_is_none_says_what_to_do(audited: Path, open_page: Open) -> None:
    at = screen(open_page, system="zero-shot", **{"from": "50"})
    assert "needs a calibrated tagger" in text_of(at)
    at.selectbox(key="reviewed_from").set_value(0).run()
    assert not at.exception
    assert "likeness of names alone" in text_of(at)


def test_a_run_that_has_not_tagged_the_reserve_asks_for_a_training(full: Path, open_page: Open) -> None:
    for path in (full / "library" / "runs").glob("*/reserve.json"):
        path.unlink()
    for view, at in each_view(open_page):
        if view in ("overview", "labels", "plan"):
            assert "has tagged the reserve" in text_of(at)


def test_what_is_not_known_in_the_address_is_as_if_it_were_not_there(audited: Path, open_page: Open) -> None:
    at = screen(open_page, view="nonsense", tags="70", **{"from": "x"})
    assert at.segmented_control(key="reviewed_view").value == "overview"
    assert at.selectbox(key="reviewed_tags").value == 5
    at = screen(open_page, system="no such run")
    assert 'role="alert"' in text_of(at)
    assert at.selectbox(key="reviewed_system")  # the way out is there
    assert "does not exist" in text_of(screen(open_page, view="labels", label="no such label"))


# ---- figures --------------------------------------------------------------------------------------


def test_the_overview_shows_the_report_and_says_of_what(audited: Path, open_page: Open) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report()
        assert report is not None
        assert report.precision.value is not None
    text = text_of(screen(open_page))
    assert f"{100 * report.precision.value:.1f}" in text
    assert f"[{100 * report.precision.low:.1f}, {100 * report.precision.high:.1f}]" in text
    assert "first impression" in text
    assert "the tagger in use" in text
    assert "first 5 tags of each document" in text
    assert ">reviewed<" in text


def test_another_cut_and_another_system_are_in_the_address(audited: Path, open_page: Open) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        one = workspace.precision_report("student", Cut(1))
        assert one is not None
        assert one.precision.value is not None
    at = screen(open_page)
    at.selectbox(key="reviewed_system").set_value("student").run()
    at.selectbox(key="reviewed_tags").set_value(1).run()
    assert not at.exception
    assert (at.query_params["system"], at.query_params["tags"]) in ((["student"], ["1"]), ("student", "1"))
    text = text_of(at)
    assert "the student alone" in text
    assert "first tag of each document" in text
    assert f"{100 * one.precision.value:.1f}" in text


def test_what_a_figure_rests_on_is_its_sample_and_links_list_the_audit(
    audited: Path, open_page: Open
) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report, one = (workspace.precision_report("tagger", Cut(k)) for k in (5, 1))
        assert report is not None
        assert one is not None
        assert one.n_pairs < report.n_pairs
    names = {b.key: b.label for b in screen(open_page, tags="1").button}
    assert names["behind_precision"].startswith(f"{one.n_pairs} audited tag")
    at = screen(open_page)
    names = {b.key: b.label for b in at.button}
    assert names["behind_precision"] == f"{report.n_pairs} audited tags"
    assert names["behind_recall"] == "2 audited documents"
    names = {b.key: b.label for b in at.button}
    assert names["decisions_pairs"] == "Audit’s decisions on pairs"
    assert names["decisions_documents"] == "Audited documents in the history"
    at.button(key="decisions_pairs").click().run()
    assert not at.exception
    at = open_page("review", mode="history", through="audit_pair", standing="1")
    assert at.selectbox(key="history_Queue").value == "audit_pair"
    assert "10 decisions" in text_of(at)
    assert set(at.dataframe[0].value["Queue"]) == {"Random pairs to measure"}
    at.selectbox(key="history_Queue").set_value("audit").run()
    assert set(at.dataframe[0].value["Queue"]) == {"Random documents to measure"}
    at = open_page("review", mode="history", through="audit", said="complete", standing="1")
    assert "2 decisions" in text_of(at)


def test_figures_of_the_overview_list_the_answers_that_they_are_made_of(
    audited: Path, open_page: Open
) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        one, wanted = workspace.audited_tags(cut=Cut(1)), workspace.audited_tags(figure="recall")
    at = screen(open_page, tags="1")
    before = len(at.dataframe)
    at.button(key="behind_precision").click().run()
    assert not at.exception
    assert len(at.dataframe) == before + 1
    shown = at.dataframe[0].value
    assert list(shown["Document"]) == [a.title for a in one]
    assert list(shown["Answer"]) == [a.outcome for a in one]
    at.button(key="behind_precision").click().run()  # again: it goes
    assert len(at.dataframe) == before
    shown = screen(open_page, behind="recall").dataframe[0].value
    assert len(shown) == min(25, len(wanted))
    assert set(shown["Answer"]) <= {"right", "missed"}
    # Another view starts without it.
    at = screen(open_page, behind="recall")
    at.segmented_control(key="reviewed_view").set_value("runs").run()
    assert "behind" not in at.query_params


def test_pairs_are_asked_about_only_where_the_tags_are_those_that_are_measured(
    audited: Path, open_page: Open
) -> None:
    from app.widgets.reviewed_frame import ASKED_OF

    with Workspace.open(audited / "library", own_index=False) as workspace:
        student = workspace.precision_report("student", Cut(1))
        assert student is not None
        label = student.labels.query("n == 0")["label_id"].iloc[0]
    other = {"system": "student", "tags": "1"}
    for params, disabled in (({}, False), ({"tags": "1"}, True), ({"system": "student"}, True)):
        at = screen(open_page, **params)
        assert at.button(key="audit_pairs_overview").disabled == disabled
        assert not at.button(key="audit_documents_overview").disabled
        assert (ASKED_OF in text_of(at)) == disabled
    assert not screen(open_page, view="plan", **other).button(key="audit_pairs_plan").disabled
    at = screen(open_page, view="labels", label=label, **other)
    assert at.button(key=f"audit_label_{label}").disabled
    assert text_of(at).count(ASKED_OF) == 1


@pytest.mark.parametrize(
    ("half", "said"), [(0.05, "±5"), (0.0501, "±10"), (0.1, "±10"), (0.1001, "±11"), (0.104, "±11")]
)
def test_what_is_known_is_never_said_to_be_known_better(half: float, said: str) -> None:
    from app.widgets.reviewed_frame import known

    row = SimpleNamespace(status="firm", n=60, exact=False, known=half)
    assert known(row) == f"known to {said}"


def test_a_reserved_document_opened_by_hand_says_that_it_never_trains(audited: Path) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        by_role = {
            role: workspace.documents_page(role=role, page_size=1).items[0].id
            for role in ("reserve", "train")
        }
        reserved, learned = (workspace.review_item(by_role[role]).reason for role in ("reserve", "train"))
        audit = workspace.review_item(by_role["reserve"], "audit").reason
    assert reserved == "Opened by hand; it is kept to measure, and what you say of it never trains."
    assert "teach the tagger" in learned
    assert "Drawn at random" in audit


def test_the_target_is_kept_and_badges_follow(audited: Path, open_page: Open) -> None:
    at = screen(open_page)
    at.selectbox(key="reviewed_target").set_value(60).run()
    assert not at.exception
    with Workspace.open(audited / "library", own_index=False) as workspace:
        assert workspace.settings.precision_target == 0.6
    assert "Target 60" in str(screen(open_page, view="labels").dataframe[0].proto.columns)


def test_a_design_is_set_and_kept(audited: Path, open_page: Open) -> None:
    at = screen(open_page, view="plan")
    at.radio(key="reviewed_design").set_value("labels").run()
    assert not at.exception
    with Workspace.open(audited / "library", own_index=False) as workspace:
        assert workspace.settings.audit_design == "labels"
    plan = at.dataframe[0].value
    assert list(plan["More pairs"]) == sorted(plan["More pairs"])
    assert len(plan) >= 1


# ---- labels ---------------------------------------------------------------------------------------


def test_labels_are_searched_sorted_and_paged_on_the_server(audited: Path, open_page: Open) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report()
        assert report is not None
    rows = report.labels
    at = screen(open_page, view="labels")
    shown = at.dataframe[0].value
    assert len(shown) == min(25, len(rows))
    assert shown["Label"].iloc[0] == rows.sort_values(["n", "population"], ascending=False)["name"].iloc[0]
    at.selectbox(key="reviewed_sort").set_value("name").run()
    names = [str(x) for x in at.dataframe[0].value["Label"]]
    assert names == sorted(names, key=str.casefold)
    at.text_input(key="reviewed_q").set_value(names[3]).run()
    assert names[3] in list(at.dataframe[0].value["Label"])
    assert len(at.dataframe[0].value) < len(names)
    at = screen(open_page, view="labels", only="unknown")
    assert "known to ±10" not in set(at.dataframe[0].value["Known"])
    at.toggle(key="reviewed_pooled").set_value(True).run()
    assert "Range, no 95 % interval" in at.dataframe[0].value


def test_a_label_shows_its_documents_and_what_is_left(audited: Path, open_page: Open) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report()
        assert report is not None
        row = report.labels.sort_values("n", ascending=False).iloc[0]
        found = workspace.label_errors(row["label_id"])
    at = screen(open_page, view="labels", label=row["label_id"])
    text = text_of(at)
    assert f"{row['right']} of {row['n']}" in text
    options = at.segmented_control(key=f"answers_{row['label_id']}").options
    assert options == [
        f"Wrong ({len(found.wrong)})", f"Right ({len(found.right)})", f"Missed ({len(found.missed)})"
    ]  # fmt: skip
    assert len(at.dataframe[0].value) == min(10, len(found.wrong or found.right or found.missed))
    assert at.button(key=f"decisions_{row['label_id']}").label == "Everything said of it"
    at = open_page("labels", label=row["label_id"])
    assert not at.exception
    assert "What the audit says" in text_of(at)
    assert f"{row['right']} of {row['n']}" in text_of(at)


def test_a_label_can_be_audited_further_and_that_counts(audited: Path, open_page: Open) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report()
        assert report is not None
        rows = report.labels
        left = rows[(rows["n"] < rows["population"]) & ~rows["exact"]]
        label, before = next(
            (x, n)
            for x, n in zip(left["label_id"], left["n"], strict=True)
            if workspace.next_pairs("audit", "Ada", scope=Scope(label_id=x))
        )
    at = screen(open_page, view="labels", label=label)
    assert next(b for b in at.button if b.key == f"audit_label_{label}").label.startswith("Audit this label")
    at = open_page("review", mode="pair", queue="audit", label=label)
    next(b for b in at.button if (b.key or "").startswith(f"accept_{label}_")).click().run()
    assert not at.exception
    with Workspace.open(audited / "library", own_index=False) as workspace:
        newest = workspace.journal.decisions(newest_first=True, limit=1)[0]
        assert (newest.label_id, newest.policy) == (label, "audit_pair")
        report = workspace.precision_report()
        assert report is not None
        after = report.labels.set_index("label_id").loc[label]
        assert after["n"] == before + 1


def test_coming_back_goes_on_where_one_was(audited: Path, open_page: Open) -> None:
    at = screen(open_page, view="labels", only="unknown")
    at.switch_page("../pages/corpus.py").run()
    for name in list(at.query_params):
        del at.query_params[name]
    at.switch_page("../pages/precision.py").run()
    assert not at.exception
    assert at.segmented_control(key="reviewed_view").value == "labels"
    assert at.segmented_control(key="reviewed_only").value == "unknown"


def test_the_overview_leads_to_the_labels_that_most_wrong_tags_come_from(
    audited: Path, open_page: Open
) -> None:
    at = screen(open_page)
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report()
    assert report is not None
    rows = report.labels[report.labels["n"] > 0]
    wrong = (rows["population"] * (1 - rows["high"])).set_axis(rows["label_id"])
    shown = [b.key.removeprefix("worst_") for b in at.button if (b.key or "").startswith("worst_")]
    assert shown[-1] == "all"
    assert shown[0] == wrong.idxmax()
    at.button(key=f"worst_{shown[0]}").click().run()
    assert not at.exception
    assert at.query_params["label"] == [shown[0]] or at.query_params["label"] == shown[0]
    at = screen(open_page)
    at.button(key="worst_all").click().run()
    assert not at.exception
    table = at.dataframe[0].value
    assert table["Label"].iloc[0] == rows.set_index("label_id").loc[shown[0], "name"]


@pytest.mark.parametrize("cut", [Cut(), Cut(1), Cut(3)])
def test_a_group_opens_its_labels(audited: Path, open_page: Open, cut: Cut) -> None:
    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report("tagger", cut)
        assert report is not None
    sizes = report.labels["group"].value_counts().to_dict()
    assert sizes == {g.name: g.n_labels for g in report.groups}
    group = report.groups[-1]
    at = screen(open_page, view="labels", group=group.name, tags=str(cut.k))
    rows = report.labels[report.labels["group"] == group.name]
    shown = list(at.dataframe[0].value["Label"])
    assert len(shown) == min(25, group.n_labels)
    assert set(shown) <= set(rows["name"])


def test_the_download_has_every_label_whatever_shows(audited: Path, open_page: Open) -> None:
    from app.widgets import reviewed_labels

    with Workspace.open(audited / "library", own_index=False) as workspace:
        report = workspace.precision_report("tagger", Cut(3))
        assert report is not None
    table = reviewed_labels.as_csv(report)
    assert len(table) == report.n_labels
    assert set(table["tags"]) == {3}
    assert set(table["truth"]) == {"reviewed"}


def test_orders_by_precision_let_no_lucky_answer_lead() -> None:
    from app.widgets import reviewed_labels
    from lmtx.quality.estimates import wilson

    rng = np.random.default_rng(0)
    n = rng.integers(0, 40, 10_000)
    right = rng.binomial(n, 0.7)
    low, high = wilson(right, n)
    rows = pd.DataFrame(
        {"label_id": [f"L{i}" for i in range(10_000)], "n": n, "right": right, "low": low, "high": high}
    )
    best, worst = (reviewed_labels.ordered(rows, sort) for sort in ("highest", "lowest"))
    assert best["low"].is_monotonic_decreasing
    assert worst["high"].is_monotonic_increasing
    for found in (best, worst):
        assert found["n"].iloc[0] >= 10
        assert not found["n"].iloc[-int((n == 0).sum()) :].any()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Promise(0.55, 0.8, 120, 109, 0.62), "probability 55"),
        (Promise(0.0, 0.8, 300, 270, 1.0), "All tags are right at least 80"),
        (Promise(None, 0.8, 60, 50, 0.0, 140), "about 140 audited tags"),
        (Promise(None, 0.9, 60, 30, 0.0, None), "does not look as if it could be"),
        (Promise(None, 0.8, 0, 0, 0.0, None), "no tag was audited"),
    ],
)
def test_a_promise_in_words(found: Promise, said: str) -> None:
    from app.widgets.reviewed_overview import promised

    text = promised(found).replace("\u202f", "")
    assert said in text
    assert ("promised with 95 %" in text) == (found.threshold is not None)
