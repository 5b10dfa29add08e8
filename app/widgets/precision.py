"""How often tags are right by gold labels: figures, plots and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import charts, computed, measures, services, state
from app.widgets import browse, downloads, jobs, layout, runs, table, words
from app.widgets.inert import escape, shorten
from lmtx.workspace import Status, Workspace

SYSTEMS = {"tagger": "The tagger in use", "student": "The student alone", "zero-shot": "Nothing learned"}
WHO = {"tagger": "the tagger", "student": "the student", "zero-shot": "likeness of names alone"}
OUTCOMES: dict[Literal["tp", "fp", "fn"], str] = {"tp": "Right", "fp": "Wrong", "fn": "Missed"}
SORTS: dict[str, tuple[str, list[str], bool]] = {
    "support": ("Most wanted", ["support", "n_predicted"], False),
    "given": ("Most given", ["n_predicted", "support"], False),
    "worst": ("Least precise", ["precision", "low"], True),
    "best": ("Most precise", ["precision", "low"], False),
    "unknown": ("Least known", ["width"], False),
    "missed": ("Least found", ["recall", "support"], True),
    "name": ("Name", ["name"], True),
}
"""Orders of the table: words, columns, and whether the smallest comes first."""
AGAINST = {"recall": "Against recall", "volume": "Against volume"}
HOW = (
    "A tag is right if the gold labels of the document hold it. Every document of the test split that has "
    "gold labels gets its five best tags; training never saw these documents. **Precision**: of the tags "
    "given, the share that is right: of all tags together (micro), or the mean over the labels that are "
    "given (macro), where a rare label counts as much as a common one. **Recall**: of the tags in gold, "
    "the share that is given. **F1**: the harmonic mean of both. **Support**: tags in gold. Brackets hold "
    "95 % intervals that take the test documents as a random sample: of a label Wilson's, of all tags "
    "from the spread between documents, as tags of one document are right or wrong together; of the mean "
    "over labels the sum of the labels' variances, widened likewise. They say nothing of labels missing "
    "in gold: those count as wrong."
)


def panel(workspace: Workspace, status: Status, place: DeltaGenerator) -> None:
    """Draw all that gold says; `place` takes the choice of what is measured."""
    if not status.has_gold:
        without_gold()
        return
    system = choose_system(place, status)
    found = measured(workspace, status, system)
    if found is None:
        return
    sentence(found.labels, system, found.ranking)
    ranking(found.ranking)
    plots(found.labels)
    chosen = table_of_labels(found.labels)
    if chosen:
        drill_down(workspace, chosen, system, found.labels)


def without_gold() -> None:
    """Say what is missing where nothing can be measured."""
    with layout.empty(
        "Nothing to measure against yet.",
        "Precision needs documents whose right labels are known and were never trained on. Upload "
        "test documents with labels (set the split column to “test” and say that their labels are gold), or "
        "train once and audit some documents.",
    ):
        layout.go_button("Upload test documents", "corpus", main=True, key="precision_corpus")


def choose_system(place: DeltaGenerator, status: Status) -> str:
    """Draw the choice of what is measured: what is in use, its parts, or an older run."""
    names = dict(SYSTEMS) if status.run_id else {"zero-shot": SYSTEMS["zero-shot"]}
    names |= _older(status)
    with place:
        return str(
            st.selectbox(
                "Measured",
                list(names),
                format_func=names.__getitem__,
                key="precision_system",
                persist_state="session",
                width=220,
                label_visibility="collapsed",
            )
        )


def _older(status: Status) -> dict[str, str]:
    """Return the names of the runs that are not in use, by id, the newest first."""
    workspace = services.current()
    found = runs.numbered(workspace.runs()) if workspace else []
    return {run.id: runs.name(number, run) for number, run in found if run.id != status.run_id}


def measured(workspace: Workspace, status: Status, system: str) -> computed.Measured | None:
    """Return what was measured of a system; while a job measures it, draw the job and return None."""
    with st.spinner("Measuring …"):
        found = computed.measure(workspace, status, system)
    if found is None and workspace.read_only:
        _await(workspace, status, system)
    elif found is None:
        jobs.panel(workspace, ["label_quality", "evaluate"], history=0)
    return found


@st.fragment(run_every=2.0)
def _await(workspace: Workspace, status: Status, system: str) -> None:
    """Draw that a thread measures, where no job may be started; the figures come when it is done."""
    if computed.measure(workspace, status, system) is not None:
        st.rerun()
    layout.note("Being measured, which is done once; the figures come in a moment.")


def sentence(quality: pd.DataFrame, system: str, ranking: Mapping[str, float]) -> None:
    """Draw the finding in one sentence, with what it is of and from which truth."""
    found = measures.gold_figures(quality, ranking)
    known, n_given = measures.known_within(quality), int((quality["n_predicted"] > 0).sum())
    st.html(
        '<p style="font-size:1.12rem;margin:.2rem 0">'
        f"Of the tags {escape(WHO.get(system, 'this run'))} gives, "
        f"<b>{escape(words.percent(found.precision, found.interval))}</b> are right; "
        f"{words.count(known)} of {words.many(n_given, 'label')} that it gives are known to ±10 points. "
        f'<span class="lx-badge" title="{escape(layout.TRUTHS["gold"])}">gold</span></p>'
    )
    layout.figures(
        [
            (
                "Precision of all tags",
                words.percent(found.precision, found.interval),
                f"micro: {words.count(found.right)} of {words.count(found.given)} right",
            ),
            (
                "Mean over labels",
                words.percent(found.macro_precision, found.macro_interval),
                "macro precision, of labels given",
            ),
            (
                "Recall",
                words.percent(found.recall),
                f"macro {words.percent(found.macro_recall)}",
            ),
            ("F1", words.percent(found.f1), f"macro {words.percent(found.macro_f1)}"),
            ("Support", words.count(found.support), "tags in gold"),
        ]
    )


def ranking(found: Mapping[str, float]) -> None:
    """Draw how good the order of the tags is."""
    order = {
        "P@1": "first tag right",
        "P@3": "of the first three",
        "R@10": "found in the first ten",
        "nDCG@5": "order of the first five",
    }
    layout.figures(
        [
            (name, words.percent(found.get(name), runs.interval(found, name)), text)
            for name, text in order.items()
        ]
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        documents, labels = int(found.get("n_docs", 0)), int(found.get("n_labels", 0))
        st.html(
            f'<p class="lx-note">Five tags a document, {words.many(documents, "test document")} with gold, '
            f"{words.many(labels, 'label')} in it</p>",
            width="content",
        )
        layout.what_is("How is this computed", HOW)


def plots(quality: pd.DataFrame) -> None:
    """Draw the labels given most often with intervals, and precision against recall or volume."""
    given = quality[quality["n_predicted"] > 0]
    if given.empty:
        return
    with st.grid(min_column_width=400, gap="medium"):
        with st.container():
            points = forest(given, "commonest tags")
        with st.container():
            points = _against(quality, given) or points
    if points:
        state.PRECISION_LABEL.set(str(points[0]["customdata"][0]))


def _against(quality: pd.DataFrame, given: pd.DataFrame) -> list[dict[str, Any]]:
    """Draw precision against recall or against volume, by choice; returns the point that was clicked."""
    place = st.container()
    kind = st.segmented_control(
        "Precision",
        list(AGAINST),
        default="recall",
        required=True,
        format_func=AGAINST.__getitem__,
        key="precision_against",
        persist_state="session",
        label_visibility="collapsed",
    )
    with place:
        if kind == "recall":
            missed = int(((quality["support"] > 0) & (quality["n_predicted"] == 0)).sum())
            title = f"{words.many(missed, 'label')} with gold {'is' if missed == 1 else 'are'} never given"
            figure = charts.spread(given, title, dark=layout.dark())
        else:
            figure = charts.volume(
                given.assign(volume=given["n_predicted"], n=given["n_predicted"]),
                share_of_few(given),
                dark=layout.dark(),
                known="compared with gold",
            )
        return downloads.plot(figure, f"precision-against-{kind}", key=f"by_{kind}", selects=True)


def share_of_few(given: pd.DataFrame) -> str:
    """Say how much of all tags the most given labels make up."""
    sizes = given["n_predicted"].sort_values(ascending=False).cumsum() / given["n_predicted"].sum()
    few = int((sizes < 0.5).sum()) + 1
    makes = "makes" if few == 1 else "make"
    return f"{words.many(few, 'label')} of {words.count(len(given))} {makes} up half of all tags"


def forest(labels: pd.DataFrame, what: str) -> list[dict[str, Any]]:
    """Draw the labels given most often with their intervals; `what` names them in the title.

    Returns the point that was clicked.
    """
    top = labels.nlargest(12, "n_predicted").sort_values("precision", ascending=False)
    good = int((top["low"] >= 0.5).sum())
    title = f"{good} of the {len(top)} {what} are shown to be right more often than not"
    figure = charts.forest(top, title, dark=layout.dark())
    return downloads.plot(figure, "precision-of-labels", key="forest", selects=True)


def table_of_labels(quality: pd.DataFrame) -> str | None:
    """Draw the table of all labels, paged; returns the label to look into."""
    layout.section("All labels", "five tags a document; choose one to see its documents", truth="gold")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        query = st.text_input(
            "Search labels",
            key="precision_query",
            type="search",
            width=300,
            label_visibility="collapsed",
            placeholder="Search labels",
        )
        sort = st.selectbox(
            "Sort by",
            list(SORTS),
            format_func=lambda s: SORTS[s][0],
            key="precision_sort",
            persist_state="session",
            width=170,
            label_visibility="collapsed",
        )
        downloads.csv(quality, "precision-gold", key="precision_csv")
    shown = ordered(quality, query or "", sort)
    page = table.pager(len(shown), key=f"precision_page_{query}_{sort}", what="label")
    shown = shown.iloc[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
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
        key=f"quality_{query}_{sort}_{page}",
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


def ordered(quality: pd.DataFrame, query: str, sort: str) -> pd.DataFrame:
    """Return the rows whose name holds the query, in an order of `SORTS`; unknown values come last."""
    shown = quality[quality["name"].str.contains(query, case=False, regex=False)] if query else quality
    _, columns, rising = SORTS[sort]
    if sort == "unknown":
        shown = shown.assign(width=(shown["high"] - shown["low"]).where(shown["n_predicted"] > 0))
    if sort == "name":
        return shown.sort_values("name", key=lambda names: names.str.casefold(), kind="stable")
    return shown.sort_values(columns, ascending=rising, na_position="last", kind="stable")


def drill_down(workspace: Workspace, label_id: str, system: str, quality: pd.DataFrame) -> None:
    """Draw the documents behind a label's figures."""
    rows = quality[quality["label_id"] == label_id]
    if rows.empty:
        return
    row = rows.iloc[0]
    layout.section(
        shorten(str(row["name"]), 60),
        f"{words.percent(row['precision'], _interval(row))} right of {words.count(row['n_predicted'])} "
        "given, five tags a document",
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
    layout.section("How often it is right", "the tagger in use, five tags a document", truth="gold")
    found = measured(workspace, status, "tagger")
    if found is None:
        return
    rows = found.labels[found.labels["label_id"] == label_id]
    if rows.empty:
        return
    row = rows.iloc[0]
    layout.figures(
        [
            (
                "Precision",
                words.percent(row["precision"], _interval(row)),
                f"of {words.count(row['n_predicted'])} given",
            ),
            ("Recall", words.percent(row["recall"]), f"of {words.count(row['support'])} that should have it"),
        ]
    )


def _interval(row: pd.Series) -> tuple[float, float] | None:
    return (float(row["low"]), float(row["high"])) if row["n_predicted"] else None
