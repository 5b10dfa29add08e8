"""A label by what the audit said of it: its figure, its documents in words, what it is confused with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from app import mode, state
from app.widgets import downloads, layout, table, words
from app.widgets import reviewed_frame as frame
from app.widgets.inert import escape, markdown, shorten
from app.widgets.reviewed_frame import Asked
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Answer, LabelErrors, Outcome, PrecisionReport

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "wrong": ("Wrong", "Given, and a person says that it is wrong"),
    "right": ("Right", "Given, and a person says that it is right"),
    "missed": ("Missed", "Wanted by a person, and not given; known of audited documents alone"),
}
PAGE_SIZE = 10
_MOST_CONFUSED = 6


def draw(workspace: Workspace, asked: Asked, report: PrecisionReport, label_id: str) -> None:
    """Draw one label in the place of the table of all."""
    label = workspace.journal.label(label_id)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_label_head"):
        st.button(
            "All labels",
            key="all_labels",
            icon=":material/arrow_back:",
            on_click=frame.show,
            args=("labels",),
        )
        if label is not None and st.button(
            "Open the label's page", key="label_page", type="tertiary", icon=":material/sell:"
        ):
            state.go("labels", label=label_id)
    if label is None:
        layout.note("This label does not exist, or was deleted.")
        return
    row = row_of(report, label_id)
    path = (
        f'<span class="lx-note" dir="auto">{escape(row.path)}</span>' if row is not None and row.path else ""
    )
    st.html(
        f'<div class="lx-section"><h2 dir="auto">{escape(shorten(label.name, 80))}</h2>'
        f'<span class="lx-badge" title="{escape(frame.TRUTH)}">reviewed</span>{path}</div>'
        + (f'<div class="lx-definition lx-free" dir="auto">{escape(shorten(label.description, 400))}</div>'
           if label.description else "")
    )  # fmt: skip
    figures(workspace, report, row)
    body(workspace, asked, report, row, label_id)


def row_of(report: PrecisionReport, label_id: str) -> Any | None:
    """Return the label's row as a named tuple; None where the system never gives it."""
    found = report.labels[report.labels["label_id"] == label_id]
    return next(found.itertuples(), None)


def figures(workspace: Workspace, report: PrecisionReport, row: Any | None) -> None:
    """Draw the label's figures."""
    if row is None:
        layout.note(
            f"None of the {words.many(report.n_looked_at, 'reserved document')} looked at gets this label "
            f"among the {frame.which(report.cut)}, so it has no precision here."
        )
        return
    share = words.percent(row.value if row.n else None, (row.low, row.high))
    needed = f"{words.count(row.need_10)} more" if row.need_10 else "none"
    left = frame.left_of_label(workspace, report, row)
    rest = f"{words.count(row.need_5)} for ±5, about"
    if row.need_5 > left:
        rest = f"{words.count(left)} left in the reserve" if left else "all in the reserve answered"
    met = frame.badge(row.badge, report.target)
    items = [
        ("Precision", share, " · ".join(x for x in (frame.known(row), met) if x)),
        ("Right of audited", f"{words.count(row.right)} of {words.count(row.n)}", "tags"),
        ("Still needed for ±10", needed, rest),
        ("In the corpus, about", words.count(row.population), f"of the {frame.which(report.cut)}"),
    ]
    if row.teacher == row.teacher:
        items.append(("Teacher says yes", words.percent(row.teacher), "its opinion, no precision"))
    layout.figures(items)


def body(workspace: Workspace, asked: Asked, report: PrecisionReport, row: Any | None, label_id: str) -> None:
    """Draw the way to more answers, the documents behind the figure, and the confusions."""
    found = workspace.label_errors(label_id, asked.system, asked.cut)
    n = len(found.right) + len(found.wrong) + len(found.missed)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_label_actions"):
        asks = row is not None and mode.offers("review")
        left = frame.left_of_label(workspace, report, row) if asks else 0
        if left and st.button(
            _audit_words(row, left), key=f"audit_label_{label_id}", type="primary",
            help="Asks about this label alone, in its own random order; the figure of all tags stays right.",
            disabled=not asked.audited,
        ):  # fmt: skip
            state.go("review", mode="pair", queue="audit", label=label_id)
        if left and not asked.audited:
            frame.beside(frame.ASKED_OF)
        if row is not None and row.pooled == row.pooled:
            borrowed = words.percent(row.pooled)
            frame.beside(
                f"Borrowed from other labels: about {borrowed}, {100 * row.pooled_low:.0f} to "
                f"{100 * row.pooled_high:.0f}; no 95 % interval."
            )
    if n:
        _confused(found)
        answers(found, key=label_id)
    else:
        layout.note("No audited document got this label or should have it yet.")
    _everything(workspace, label_id)


def _everything(workspace: Workspace, label_id: str) -> None:
    """Draw a link to all that was said of the label, below and apart from what its figure rests on."""
    said = workspace.decisions_page(label_id=label_id, standing=True, page_size=1).total
    if not said or not mode.offers("review"):
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_label_said"):
        if st.button(
            "Everything said of it", key=f"decisions_{label_id}", type="tertiary", icon=":material/history:"
        ):
            state.go("review", mode="history", label=label_id, standing="1")
        frame.beside(
            "Through all queues, those that train too. The figure rests on what counts in the lists above."
        )


def _audit_words(row: Any, left: int) -> str:
    needed = int(row.need_10)
    if not needed:
        return "Audit this label further"
    if needed > left:
        return f"Audit this label: {words.many(left, 'tag')} left in the reserve"
    return f"Audit this label: {words.many(needed, 'answer')} to ±10"


def _confused(found: LabelErrors) -> None:
    lines = [
        ("Given where it should have been", found.instead_of),
        ("Missed where the tagger gave", found.mistaken_for),
    ]
    for title, others in lines:
        if not others:
            continue
        with st.container(
            horizontal=True, gap="small", vertical_alignment="center", key=f"lx_linked_{title.split()[0]}"
        ):
            frame.beside(f"{title}:")
            for other, name, n in others[:_MOST_CONFUSED]:
                st.button(
                    f"{markdown(shorten(name, 40))} ({n})",
                    key=f"{title.split()[0]}_{other}",
                    on_click=frame.show,
                    args=("labels",),
                    kwargs={"label": other},
                )


def answers(found: LabelErrors, *, key: str) -> None:
    """Draw the audited documents, those of one outcome at a time; one opens its page."""
    lists: dict[Outcome, Sequence[Answer]] = {
        "wrong": found.wrong,
        "right": found.right,
        "missed": found.missed,
    }
    first = next((x for x in lists if lists[x]), "wrong")
    chosen = (
        st.segmented_control(
            "Documents",
            list(OUTCOMES),
            format_func=lambda x: f"{OUTCOMES[x][0]} ({len(lists[x])})",
            default=first,
            required=True,
            key=f"answers_{key}",
            label_visibility="collapsed",
        )
        or first
    )
    outcome: Outcome = next(x for x in OUTCOMES if x == chosen)
    layout.note(OUTCOMES[outcome][1] + ".")
    rows = lists[outcome]
    if not rows:
        layout.note("None.")
        return
    page = table.pager(len(rows), key=f"answers_page_{key}_{outcome}", page_size=PAGE_SIZE, what="document")
    shown = rows[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    opened = table.table(
        _table(shown, outcome),
        [a.document_id for a in shown],
        key=f"answers_table_{key}_{outcome}_{page}",
        opens=True,
        columns={
            "Document": st.column_config.TextColumn(width=320 if outcome != "right" else 480),
            "Should have": st.column_config.TextColumn(width=240),
            "Got instead": st.column_config.TextColumn(width=240),
            "Said by": st.column_config.TextColumn(width=90),
            "When": st.column_config.TextColumn(width=90),
            "Audit": st.column_config.TextColumn(width=110),
            "Counts": st.column_config.TextColumn(
                width=70, help="Whether it is part of the random sample behind the figure"
            ),
        },
    )
    downloads.csv(lambda: _plain(found), "audited-answers", key=f"csv_answers_{key}")
    if opened:
        state.go("corpus", document=opened)


def _plain(found: LabelErrors) -> pd.DataFrame:
    rows = [*found.wrong, *found.right, *found.missed]
    return pd.DataFrame([asdict(a) for a in rows])


def _table(rows: Sequence[Answer], outcome: Outcome) -> pd.DataFrame:
    shown: dict[str, list[str]] = {"Document": [a.title or a.document_id for a in rows]}
    if outcome != "right":
        name = "Should have" if outcome == "wrong" else "Got instead"
        shown[name] = [", ".join(a.instead) if a.instead else ("" if a.whole else "not known") for a in rows]
    shown |= {
        "Said by": [a.reviewer for a in rows],
        "When": [words.ago(a.at) for a in rows],
        "Audit": ["whole document" if a.whole else "pair" for a in rows],
        "Counts": ["yes" if a.counts else "not yet" for a in rows],
    }
    return pd.DataFrame(shown)
