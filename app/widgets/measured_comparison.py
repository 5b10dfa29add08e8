"""Two runs on the same documents: what got better, what got worse, and what may be chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
import streamlit as st

from app import charts_measured, state
from app.widgets import downloads, layout, runs, table, words
from app.widgets import reviewed_behind as behind
from app.widgets.inert import escape, shorten
from lmtx.types import Run
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import (
    Difference,
    DocumentDifference,
    LabelDifference,
    RunComparison,
)

Basis = Literal["completed", "audit"]
BASES: dict[Basis, str] = {"completed": "Completed documents", "audit": "Audited documents"}
ABOUT: dict[Basis, str] = {
    "completed": "Documents that people completed outside the reserve. Each run ranks each of them without "
    "having learned from it (cross-validation), so a choice between runs may rest on this.",
    "audit": "Documents that were completed in the audit. This only reports: a run that is chosen for its "
    "audit could no longer be measured by it.",
}
HOW = (
    "Both runs give their five best tags to the same documents, and are compared document by document: "
    "brackets hold the 95 % interval of the difference from its spread between documents. A label has "
    "**gained** a document where the new run is right about it and the old one is not, and **lost** one "
    "where it is the other way round. With so many labels some differ by chance: a label is called better "
    "or worse where an exact McNemar test says so and at most one in twenty of those named is expected to "
    "be named falsely (Benjamini and Hochberg)."
)
EVERY = "*"
"""What the address names where the documents of all labels are asked for."""
CHANGES = {
    (True, True): "wanted, and found now",
    (True, False): "not wanted, and no longer given",
    (False, True): "wanted, and no longer found",
    (False, False): "not wanted, and given now",
}
"""What changed about a label on a document, by whether that is a gain and whether the label is wanted."""
SIGNS = "+ given now, − no longer given"
_WORST, _BEST = 9, 5


def panel(workspace: Workspace) -> None:
    """Draw the choice of two runs and how they differ."""
    layout.section("Two runs compared", "on the same documents, at five tags", truth="reviewed")
    found = workspace.runs()
    if len(found) < 2:
        layout.note("There is one run so far. After the next training they can be compared here.")
        return
    new, old, basis = _choose(workspace, found)
    if new == old:
        layout.note("Choose two different runs.")
        return
    with st.spinner("Comparing …"):
        result = workspace.compare_runs(new, old, basis)
    if result is None:
        _too_few(basis)
        return
    _figures(result)
    _behind(result)


def _choose(workspace: Workspace, found: list[Run]) -> tuple[str, str, Basis]:
    names = {run.id: runs.name(number, run) for number, run in runs.numbered(found)}
    ids = list(names)
    earlier = promoted_before(workspace, found)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        new = st.selectbox(
            "New", ids, format_func=names.__getitem__, key="compared_new", persist_state="session", width=260
        )
        old = st.selectbox(
            "Old",
            ids,
            index=ids.index(earlier),
            format_func=names.__getitem__,
            key="compared_old",
            persist_state="session",
            width=260,
        )
        basis = st.segmented_control(
            "By",
            list(BASES),
            default="completed",
            required=True,
            format_func=BASES.__getitem__,
            key="compared_basis",
            persist_state="session",
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        layout.note(ABOUT[basis])
    return str(new), str(old), basis


def promoted_before(workspace: Workspace, found: list[Run]) -> str:
    """Return the run that was put to use last before the newest one was made, else the one before it."""
    newest = found[0]
    known = {run.id for run in found[1:]}
    before = [i for i, at in workspace.journal.promotions() if i in known and at <= newest.created]
    return before[-1] if before else found[1].id


def _too_few(basis: Basis) -> None:
    if basis == "completed":
        layout.note(
            "Too few completed documents are common to both runs. Complete some more in Review, then train: "
            "the next runs can be compared."
        )
    else:
        layout.note(
            "Too few audited documents have tags by both runs. Audit whole documents in Review; "
            "older runs that have not tagged the reserve can't be compared by it."
        )


def points(found: Difference) -> str:
    """Write a difference in points with its interval, +2.8 points [-0.4, 6.0]."""
    low, high = (_signed(100 * x) for x in (found.low, found.high))
    return f"{_signed(100 * found.gain)} points [{low}, {high}]"


def _signed(x: float) -> str:
    text = f"{x:+.1f}"
    return text.replace("-", "−") if float(text) else "0.0"


def beyond_chance(found: Difference) -> bool:
    """Whether the interval of the difference leaves out zero."""
    return found.low > 0 or found.high < 0


def _figures(result: RunComparison) -> None:
    sure = {name: beyond_chance(x) for name, x in (("p", result.precision), ("r", result.recall))}
    p = result.precision
    if not sure["p"]:
        text = "The runs do not differ in precision beyond chance."
    else:
        text = f"The new run is {'more' if p.gain > 0 else 'less'} precise, beyond chance."
    worse, better = (sum(x.got == got for x in result.labels) for got in ("worse", "better"))
    if not result.labels:
        text += " No label differs."
    elif worse or better:
        text += f" {_labels_that(worse)} worse and {_labels_that(better).lower()} better, beyond chance."
    else:
        text += " No label got better or worse beyond chance."
    st.html(f'<p style="font-size:1.05rem;margin:.2rem 0">{escape(text)}</p>')

    def detail(x: Difference, known: bool) -> str:
        change = "" if known else "; may be chance"
        return f"{words.percent(x.old)} before, {words.percent(x.new)} now{change}"

    layout.figures(
        [
            ("Precision", points(result.precision), detail(result.precision, sure["p"])),
            ("Recall", points(result.recall), detail(result.recall, sure["r"])),
            (
                "Labels that got worse",
                words.count(len(result.worse)),
                f"{words.count(worse)} of them beyond chance",
            ),
            ("Documents", words.count(result.n_documents), "ranked by both runs"),
        ]
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        layout.what_is("How is this computed", HOW)
        if result.documents and state.param("apart") != EVERY:
            st.button(
                f"The {words.many(len(result.documents), 'document')} on which they differ",
                key="apart_all",
                type="tertiary",
                icon=":material/list:",
                on_click=state.address,
                kwargs={"apart": EVERY},
            )


def _behind(result: RunComparison) -> None:
    """Draw the labels that differ, or in their place the documents of the one that the address names."""
    apart = state.param("apart")
    one = next((x for x in result.labels if x.label_id == apart), None)
    if one is None and (apart != EVERY or not result.documents):
        _labels(result)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_apart_head"):
        st.button(
            "All labels that differ",
            key="apart_back",
            icon=":material/arrow_back:",
            on_click=state.address,
            kwargs={"apart": None},
        )
        if one is not None and st.button(
            "Open the label's page", key="apart_label", type="tertiary", icon=":material/sell:"
        ):
            state.go("labels", label=one.label_id)
    if one is None:
        n = len(result.documents)
        layout.section(f"{words.many(n, 'document')} on which the runs differ", "choose one to open it")
        _documents(every(result), result.documents, key="all")
        return
    layout.section(
        shorten(one.name, 60),
        f"{words.many(one.lost, 'document')} lost, {words.count(one.gained)} gained; choose one to open it",
        truth="reviewed",
    )
    found = result.on(one.label_id)
    _documents(of_label(found, one.label_id), found, key=one.label_id)


def _documents(rows: pd.DataFrame, found: Sequence[DocumentDifference], *, key: str) -> None:
    """Draw documents on which the runs differ, paged; one opens its page."""
    page = table.pager(len(rows), key=f"apart_page_{key}", what="document")
    part = slice(page * table.PAGE_SIZE, (page + 1) * table.PAGE_SIZE)
    opened = table.table(
        rows.iloc[part],
        [d.document_id for d in found[part]],
        key=f"apart_table_{key}_{page}",
        opens=True,
        columns={
            "Document": st.column_config.TextColumn(width="large"),
            "Lost": st.column_config.TextColumn(help=SIGNS),
            "Gained": st.column_config.TextColumn(help=SIGNS),
        },
    )
    ids = [d.document_id for d in found]
    downloads.csv(rows.assign(document_id=ids), "documents-compared", key=f"apart_csv_{key}")
    if opened:
        state.go("corpus", document=opened)


def of_label(found: Sequence[DocumentDifference], label_id: str) -> pd.DataFrame:
    """Make the table of documents on which the runs differ about one label."""
    kinds = [(label_id in d.gained, label_id in d.wanted) for d in found]
    return pd.DataFrame(
        {
            "Document": [d.title for d in found],
            "Change": ["gained" if gained else "lost" for gained, _ in kinds],
            "In words": [CHANGES[kind] for kind in kinds],
        }
    )


def every(result: RunComparison) -> pd.DataFrame:
    """Make the table of all documents on which the runs differ, with the labels in words."""
    names = {x.label_id: x.name for x in result.labels}

    def listed(d: DocumentDifference, some: frozenset[str]) -> str:
        return ", ".join(
            f"{'+' if (x in d.wanted) == (x in d.gained) else '−'} {name}"
            for name, x in sorted((names[x], x) for x in some)
        )

    found = result.documents
    return pd.DataFrame(
        {
            "Document": [d.title for d in found],
            "Lost": [listed(d, d.lost) for d in found],
            "Gained": [listed(d, d.gained) for d in found],
        }
    )


def _labels_that(n: int) -> str:
    return f"{words.many(n, 'label')} got" if n else "No label got"


def _labels(result: RunComparison) -> None:
    if not result.labels:
        layout.note("The two runs give the same tags, or are equally right about every label.")
        return
    layout.note("A point or a row lists the documents behind it.")
    frame = table_of(result.labels)
    chosen = _plot(frame)
    query = st.text_input(
        "Search labels",
        key="compared_query",
        type="search",
        width=300,
        label_visibility="collapsed",
        placeholder="Search labels",
    )
    shown = frame[frame["name"].str.contains(query, case=False, regex=False)] if query else frame
    page = table.pager(len(shown), key=f"compared_page_{query}", what="label")
    shown = shown.iloc[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    counts = {
        "wanted": table.number("Wanted", "Documents that should have it"),
        "lost": table.number("Lost", "The old run was right about it, the new one is not"),
        "gained": table.number("Gained", "The new run is right about it, the old one was not"),
    }
    row = table.table(
        pd.DataFrame(
            {
                "Label": shown["name"],
                "Beyond chance": shown["got"],
                **{counts[c]["label"]: shown[c] for c in ("lost", "gained", "wanted")},
                "Given": _arrow(shown, "given"),
                "Right": _arrow(shown, "right"),
            }
        ),
        list(shown["label_id"]),
        key=f"compared_table_{query}_{page}",
        opens=True,
        columns={
            "Label": st.column_config.TextColumn(width="medium"),
            "Beyond chance": st.column_config.TextColumn(help="By an exact test, paid for among all labels"),
            **{entry["label"]: entry for entry in counts.values()},
        },
    )
    downloads.csv(frame, "runs-compared", key="compared_csv")
    if chosen := row or chosen:
        state.address(apart=chosen)
        st.rerun()


def _arrow(frame: pd.DataFrame, what: str) -> list[str]:
    return [f"{a} → {b}" for a, b in zip(frame[f"{what}_old"], frame[f"{what}_new"], strict=True)]


def table_of(labels: list[LabelDifference]) -> pd.DataFrame:
    """Make the table of labels, the worst first."""
    return pd.DataFrame(
        [
            {
                "label_id": x.label_id,
                "name": x.name,
                "wanted": x.wanted,
                "given_old": x.given_old,
                "right_old": x.right_old,
                "given_new": x.given_new,
                "right_new": x.right_new,
                "gained": x.gained,
                "lost": x.lost,
                "got": x.got,
            }
            for x in labels
        ]
    )


def _plot(frame: pd.DataFrame) -> str | None:
    """Draw the labels that changed most; returns the one that was clicked."""
    net = frame["gained"] - frame["lost"]
    n_worse, n_better = int((net < 0).sum()), int((net > 0).sum())
    shown = frame
    if len(frame) > _WORST + _BEST:
        shown = pd.concat([frame.head(_WORST), frame.tail(_BEST)])
    title = f"{words.many(n_worse, 'label')} got worse, {words.count(n_better)} better"
    figure = charts_measured.comparison(shown, title, dark=layout.dark())
    point = behind.picked(figure, "runs-compared", key="compared_plot")
    return str(point[0]) if point else None
