"""Figures, plots and tables that say how often tags are right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts, computed, measures, state
from app.widgets import browse, jobs, layout, runs, table, words
from app.widgets.inert import escape, shorten
from lmtx.workspace import Status, Workspace

SYSTEMS = {"tagger": "The tagger in use", "student": "The student alone", "zero-shot": "Nothing learned"}
OUTCOMES: dict[Literal["tp", "fp", "fn"], str] = {"tp": "Right", "fp": "Wrong", "fn": "Missed"}
TRUTHS = {"gold": "Gold labels", "reviewed": "Audited documents"}
HOW = (
    "A tag is right if the gold labels of the document hold it. Every document gets its five best tags. "
    "**Precision** of a label: of the documents that got it, the share where it is right. **Recall**: of the "
    "documents that should have it, the share that got it. **Support**: how many should have it. Brackets "
    "hold 95 % intervals that take the documents as a random sample: of a label Wilson's, of all tags "
    "together from the spread between documents, as tags of one document are right or wrong together."
)


def without_gold() -> None:
    """Say what is missing where nothing can be measured."""
    with layout.empty(
        "Nothing to measure against yet.",
        "Precision needs documents whose right labels are known and were never trained on. Upload "
        "test documents with labels (set the split column to “test” and say that their labels are gold), or "
        "train once and audit some documents.",
    ):
        layout.go_button("Upload test documents", "corpus", main=True, key="precision_corpus")


def choose_truth(place: DeltaGenerator, status: Status) -> str:
    """Draw the choice of what figures are compared with: "gold" or "reviewed"."""
    if not status.run_id:
        return "gold"
    if not status.has_gold:
        return "reviewed"
    with place:
        return str(
            st.segmented_control(
                "Compared with",
                list(TRUTHS),
                default="gold",
                required=True,
                format_func=TRUTHS.__getitem__,
                key="precision_truth",
                persist_state="session",
                label_visibility="collapsed",
            )
        )


def choose_system(place: DeltaGenerator, status: Status) -> str:
    """Draw the choice of what is measured."""
    known = list(SYSTEMS) if status.run_id else ["zero-shot"]
    with place:
        return str(
            st.selectbox(
                "Measured",
                known,
                format_func=SYSTEMS.__getitem__,
                key="precision_system",
                width=220,
                label_visibility="collapsed",
            )
        )


def measured(workspace: Workspace, status: Status, system: str) -> computed.Measured | None:
    """Return what was measured of a system; while a job measures it, draw the job and return None."""
    with st.spinner("Measuring …"):
        found = computed.measure(workspace, status, system)
    if found is None:
        jobs.panel(workspace, ["label_quality", "evaluate"], history=0)
    return found


def sentence(quality: pd.DataFrame, system: str, ranking: Mapping[str, float]) -> None:
    """Draw the finding in one sentence, with what it is of and from which truth."""
    given, right = float(quality["n_predicted"].sum()), float(quality["n_correct"].sum())
    who = {"tagger": "the tagger", "student": "the student", "zero-shot": "likeness of names alone"}.get(
        system, "this run"
    )
    # Every document gets five tags, so this share varies over documents as P@5 does.
    figures = {"share": right / given, "share_se": ranking.get("P@5_se", 0.0)} if given else {}
    share = words.percent(figures.get("share"), runs.interval(figures, "share"))
    known = measures.known_within(quality)
    st.html(
        f'<p style="font-size:1.12rem;margin:.2rem 0">Of the tags {escape(who)} gives, '
        f"<b>{escape(share)}</b> are right; "
        f"{words.count(known)} of {words.many(len(quality), 'label')} are known to ±10 points. "
        f'<span class="lx-badge" title="{escape(layout.TRUTHS["gold"])}">gold</span></p>'
    )


def ranking(found: Mapping[str, float]) -> None:
    """Draw the ranking metrics."""
    names = {
        "P@1": "first tag right",
        "P@3": "of the first three",
        "P@5": "of the first five",
        "R@10": "found in the first ten",
        "nDCG@5": "order of the first five",
    }
    layout.figures(
        [
            (name, words.percent(found.get(name), runs.interval(found, name)), text)
            for name, text in names.items()
        ]
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        documents, labels = int(found.get("n_docs", 0)), int(found.get("n_labels", 0))
        layout.note(f"{words.many(documents, 'test document')}, {words.many(labels, 'label')}")
        layout.what_is("How is this computed", HOW)


def plots(quality: pd.DataFrame) -> None:
    """Draw the labels given most often with intervals, and precision against recall."""
    given = quality[quality["n_predicted"] > 0]
    if given.empty:
        return
    missed = int(((quality["support"] > 0) & (quality["n_predicted"] == 0)).sum())
    with st.grid(min_column_width=400, gap="medium"):
        forest(given, "commonest tags")
        event = st.plotly_chart(
            charts.spread(
                given,
                f"{words.many(missed, 'label')} with gold {'is' if missed == 1 else 'are'} never given",
                dark=layout.dark(),
            ),
            theme=None,
            key="spread",
            config={"displayModeBar": False},
            on_select="rerun",
            selection_mode="points",
        )
    points = event.selection.points if event else []
    if points:
        state.PRECISION_LABEL.set(str(points[0]["customdata"][0]))


def forest(labels: pd.DataFrame, what: str) -> None:
    """Draw the labels given most often with their intervals; `what` names them in the title."""
    top = labels.nlargest(12, "n_predicted").sort_values("precision", ascending=False)
    good = int((top["low"] >= 0.5).sum())
    title = f"{good} of the {len(top)} {what} are right more often than not"
    st.plotly_chart(
        charts.forest(top, title, dark=layout.dark()),
        theme=None,
        key="forest",
        config={"displayModeBar": False},
    )


def table_of_labels(quality: pd.DataFrame) -> str | None:
    """Draw the table of all labels; returns the label to look into."""
    layout.section("All labels", "choose one to see its documents", truth="gold")
    query = st.text_input(
        "Search labels",
        key="precision_query",
        type="search",
        width=300,
        label_visibility="collapsed",
        placeholder="Search labels",
    )
    shown = quality
    if query:
        shown = quality[quality["name"].str.contains(query, case=False, regex=False)]
    shown = shown.sort_values(["support", "n_predicted"], ascending=False)
    view = pd.DataFrame(
        {
            "Label": shown["name"],
            "Precision": shown["precision"].round(3),
            "Interval": [
                f"[{100 * low:.0f}, {100 * high:.0f}]" if n else ""
                for low, high, n in zip(shown["low"], shown["high"], shown["n_predicted"], strict=True)
            ],
            "Recall": shown["recall"].round(3),
            "F1": shown["f1"].round(3),
            "Support": shown["support"],
            "Given": shown["n_predicted"],
        }
    )
    chosen = table.table(
        view,
        list(shown["label_id"]),
        key=f"quality_{query}",
        height=330,
        columns={
            "Label": st.column_config.TextColumn(width="medium"),
            "Precision": table.share("Precision"),
            "Recall": table.share("Recall"),
            "F1": table.share("F1"),
            "Support": table.number("Support", "Documents that should have it"),
            "Given": table.number("Given", "Documents that got it"),
        },
    )
    return chosen or state.PRECISION_LABEL.get()


def drill_down(workspace: Workspace, label_id: str, system: str, quality: pd.DataFrame) -> None:
    """Draw the documents behind a label's figures."""
    rows = quality[quality["label_id"] == label_id]
    if rows.empty:
        return
    row = rows.iloc[0]
    layout.section(
        shorten(str(row["name"]), 60),
        f"{words.percent(row['precision'])} right of {words.count(row['n_predicted'])} given",
        truth="gold",
    )
    if st.button("Open the label's page", key="drill_label", type="tertiary", icon=":material/sell:"):
        state.go("labels", label=label_id)
    outcome = st.segmented_control(
        "Documents",
        list(OUTCOMES),
        default="fp",
        required=True,
        format_func=OUTCOMES.__getitem__,
        key="outcome",
        label_visibility="collapsed",
    )
    found = workspace.label_outcomes(label_id, outcome, system)
    browse.examples(found, key=f"outcome_{label_id}_{outcome}", none="No such document.")


def of_label(workspace: Workspace, label_id: str) -> None:
    """Draw precision, recall and support of one label on its page, where gold exists."""
    status = workspace.status()
    if not status.has_gold or not status.run_id:
        return
    layout.section("How often it is right", truth="gold")
    found = measured(workspace, status, "tagger")
    if found is None:
        return
    rows = found.labels[found.labels["label_id"] == label_id]
    if rows.empty:
        return
    row = rows.iloc[0]
    interval = (float(row["low"]), float(row["high"])) if row["n_predicted"] else None
    layout.figures(
        [
            (
                "Precision",
                words.percent(row["precision"], interval),
                f"of {words.count(row['n_predicted'])} given",
            ),
            ("Recall", words.percent(row["recall"]), f"of {words.count(row['support'])} that should have it"),
        ]
    )
