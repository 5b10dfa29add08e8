"""How often tags are right by what people decided, from documents that the audit drew alone."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import state
from app.widgets import layout, precision, table, words
from app.widgets.inert import escape
from lmtx.workspace import Workspace
from lmtx.workspace.models import ReviewedPrecision

FIRM_PAIRS, FIRM_LABEL = 200, 10
"""Audited tags from which a figure is firm: of all tags, and of a label."""
HOW = (
    "A part of the documents, the **reserve**, is never learned from. The audit draws documents from it at "
    "random, and a person settles all their labels. A tag there is right if the person accepts it. "
    "**Precision**: the share of the given tags that are right; what the tagger's own probabilities say of "
    "the whole reserve makes the interval narrower, and not wrong. **Recall**: of the labels that the "
    "audited documents should have, the share that is given. Brackets hold 95 % intervals; they pay for the "
    "draw of documents, whose tags are right or wrong together. Of a label: Wilson's interval, corrected "
    "where much of all there is was audited. What other queues brought is not counted: they look for errors."
)


def panel(workspace: Workspace) -> None:
    """Draw what audited documents say of the tagger in use."""
    found = workspace.reviewed_precision()
    if found is None:
        with layout.empty(
            "Nothing to measure yet.",
            "There is no tagger in use that has tagged the reserve. Train once, and audit some documents.",
        ):
            layout.go_button("Train", "train", main=True, key="reviewed_train")
        return
    if not found.n_documents:
        with layout.empty(
            "No document of the audit has been completed yet.",
            f"{words.many(found.n_reserve, 'document')} are reserved to measure. The recommended queue "
            "brings some of them in between; the audit's own queue brings nothing else. About 40 give "
            "a first figure.",
        ):
            _audit_button("Audit documents", main=True)
        return
    _sentence(found)
    frame = _frame(found)
    _figures(found, frame)
    _forest(frame)
    _table(frame)


def _audit_button(label: str, *, main: bool = False) -> None:
    if st.button(label, key="reviewed_audit", type="primary" if main else "secondary"):
        state.go("review", queue="audit")


def _sentence(found: ReviewedPrecision) -> None:
    p = found.precision
    share = words.percent(p.value, (p.low, p.high))
    firm = "" if p.n >= FIRM_PAIRS else " It is a first impression."
    st.html(
        f'<p style="font-size:1.12rem;margin:.2rem 0">Of the tags the tagger gives, <b>{escape(share)}</b> '
        f"are right, by {words.many(found.n_documents, 'audited document')}.{firm} "
        f'<span class="lx-badge" title="{escape(layout.TRUTHS["reviewed"])}">reviewed</span></p>'
    )


def _figures(found: ReviewedPrecision, frame: pd.DataFrame) -> None:
    r = found.recall
    known = int(((frame["n"] > 0) & (frame["high"] - frame["low"] <= 0.2)).sum())
    layout.figures(
        [
            ("Precision", words.percent(found.precision.value, (found.precision.low, found.precision.high)),
             f"of {found.cut} tags a document"),
            ("Recall", words.percent(r.value, (r.low, r.high)), f"found in the first {found.cut}"),
            ("Labels known to ±10", words.count(known), f"of {words.count(len(frame))} that are given"),
            ("Audited", words.count(found.n_documents),
             f"of {words.many(found.n_reserve, 'reserved document')}"),
        ]
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        _audit_button("Audit more")
        layout.what_is("How is this computed", HOW)


def _frame(found: ReviewedPrecision) -> pd.DataFrame:
    columns = ["label_id", "name", "right", "n", "size", "low", "high"]
    frame = pd.DataFrame(found.labels, columns=columns)
    frame["precision"] = frame["right"] / frame["n"].where(frame["n"] > 0)
    frame["n_predicted"] = frame["n"]
    return frame


def _forest(frame: pd.DataFrame) -> None:
    firm = frame[frame["n"] >= FIRM_LABEL]
    if firm.empty:
        layout.note(f"No label has {FIRM_LABEL} audited tags yet: not enough reviews for a figure.")
        return
    precision.forest(firm, "labels audited most")


def _table(frame: pd.DataFrame) -> None:
    layout.section("All labels that are given", "choose one to open it", truth="reviewed")
    query = st.text_input(
        "Search labels",
        key="reviewed_query",
        type="search",
        width=300,
        label_visibility="collapsed",
        placeholder="Search labels",
    )
    shown = frame[frame["name"].str.contains(query, case=False, regex=False)] if query else frame
    page = table.pager(len(shown), key=f"reviewed_page_{query}", what="label")
    shown = shown.sort_values(["n", "size"], ascending=False)
    shown = shown.iloc[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    firm = shown["n"] >= FIRM_LABEL
    chosen = table.table(
        pd.DataFrame(
            {
                "Label": shown["name"],
                "Precision": shown["precision"].where(firm).round(3),
                "Interval": [
                    f"[{100 * a:.0f}, {100 * b:.0f}]" if n else ""
                    for a, b, n in zip(shown["low"], shown["high"], shown["n"], strict=True)
                ],
                "Right": shown["right"],
                "Audited": shown["n"],
                "In the corpus, about": shown["size"],
                "Known": [
                    "to ±10 points" if n and b - a <= 0.2 else "" if n >= FIRM_LABEL else "not enough reviews"
                    for a, b, n in zip(shown["low"], shown["high"], shown["n"], strict=True)
                ],
            }
        ),
        list(shown["label_id"]),
        key=f"reviewed_table_{query}_{page}",
        opens=True,
        columns={
            "Label": st.column_config.TextColumn(width="medium"),
            "Precision": table.share("Precision"),
            **{n: table.number(n) for n in ("Right", "Audited", "In the corpus, about")},
        },
    )
    if chosen:
        state.go("labels", label=chosen)
