"""What a figure of the audit rests on: its answers, paged, each with its document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import state
from app.widgets import downloads, layout, table, words
from app.widgets import reviewed_frame as frame
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Answer, Figure, PrecisionReport

FRESH: state.Key[bool] = state.Key("lmtx.behind.fresh", False)
"""Whether a list was just asked for: it may be drawn below what the screen shows."""
_SHOW = """
export default function (component) {
  const root = component.parentElement;
  (root.host ?? root).scrollIntoView({ block: 'center', behavior: 'smooth' });
}
"""
OUTCOMES = {"wrong": "Wrong", "missed": "Missed", "right": "Right"}


def picked(figure: go.Figure, name: str, *, key: str) -> list[Any] | None:
    """Draw a plot, and return the custom data of the point that was just clicked, once.

    The plot is drawn anew after a click, with nothing chosen: what was chosen is in the address, where a row
    of a table may change it too. See `downloads.plot` for the parameters.
    """
    turn = state.Key[int](f"lmtx.picked.{key}", 0)
    points = downloads.plot(figure, name, key=f"{key}_{turn.get()}", selects=True)
    if not points:
        return None
    turn.set(turn.get() + 1)
    found = points[0].get("customdata")
    return list(found) if isinstance(found, (list, tuple)) else None


def open_list(behind: str) -> None:
    """Show a list, by its name in the address; for a choice that was read while the screen is drawn."""
    state.address(behind=behind)
    FRESH.set(True)
    st.rerun()


def head(title: str, *, key: str) -> None:
    """Draw the name of a list, and the button that closes it; a list just asked for comes into view."""
    if FRESH.pop():
        st.components.v2.component("lmtx_into_view", js=_SHOW)(key=f"into_view_{key}")
    layout.section(title, "choose one to open its document", truth="reviewed")
    st.button(
        "Close the list",
        key=f"close_{key}",
        type="tertiary",
        icon=":material/close:",
        on_click=state.address,
        kwargs={"behind": None},
    )


def answers(found: Sequence[Answer], *, key: str, name: str) -> None:
    """Draw answers, those of one outcome at a time or all; one opens its document.

    Parameters
    ----------
    found : sequence of Answer
        All of them, in the order to show.
    key : str
        Widget key; another for each list.
    name : str
        Name of the file to download, without its ending.
    """
    if not found:
        layout.note("No audited answer is behind it.")
        return
    counts = {x: sum(a.outcome == x for a in found) for x in OUTCOMES}
    options = {"all": f"All ({words.count(len(found))})"}
    options |= {x: f"{OUTCOMES[x]} ({words.count(n)})" for x, n in counts.items() if n}
    chosen = st.segmented_control(
        "Answers",
        list(options),
        format_func=options.__getitem__,
        default="all",
        required=True,
        key=f"behind_{key}",
        label_visibility="collapsed",
    )
    rows = [a for a in found if chosen in ("all", None, a.outcome)]
    page = table.pager(len(rows), key=f"behind_page_{key}_{chosen}", what="answer")
    shown = rows[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    opened = table.table(
        view(shown, weighs=len({round(a.stands_for, 2) for a in found}) > 1),
        [a.document_id for a in shown],
        key=f"behind_table_{key}_{chosen}_{page}",
        opens=True,
        columns={
            "Label": st.column_config.TextColumn(width=170),
            "Document": st.column_config.TextColumn(width=330),
            "Answer": st.column_config.TextColumn(width=75),
            "Probability": st.column_config.NumberColumn(
                format="percent", width=90, help="What it was called before anybody answered"
            ),
            "Stands for": st.column_config.NumberColumn(
                format="%.1f", width=85, help="Tags of the reserve that it counts for: one over its chance"
            ),
            "Said by": st.column_config.TextColumn(width=85),
            "When": st.column_config.TextColumn(width=90),
            "Audit": st.column_config.TextColumn(width=110),
        },
    )
    downloads.csv(lambda: plain(found), name, key=f"csv_behind_{key}")
    if opened:
        state.go("corpus", document=opened)


def said(found: Sequence[Answer], figure: Figure) -> str:
    """Say what the answers come to, and how the figure is made of them."""
    right = words.count(sum(a.outcome == "right" for a in found))
    if figure == "recall":
        wanted = words.many(len(found), "tag")
        return (
            f"Of {wanted} that audited documents should have, {right} {'is' if right == '1' else 'are'} "
            "given: recall is this share."
        )
    return (
        f"{right} of {words.many(len(found), 'audited tag')} {'is' if right == '1' else 'are'} right. The "
        "figure weighs each by the tags that it stands for, and uses the probabilities of all others, so it "
        "may differ a little."
    )


def view(rows: Sequence[Answer], *, weighs: bool) -> pd.DataFrame:
    """Return the answers as they are shown; `weighs` where they do not all stand for as many tags."""
    shown: dict[str, list[Any]] = {
        "Label": [a.label_name for a in rows],
        "Document": [a.title for a in rows],
        "Answer": [OUTCOMES[a.outcome].lower() for a in rows],
    }
    if any(a.probability is not None for a in rows):
        shown["Probability"] = [table.rounded(a.probability) for a in rows]
    if weighs:
        shown["Stands for"] = [a.stands_for for a in rows]
    shown |= {
        "Said by": [a.reviewer for a in rows],
        "When": [words.ago(a.at) for a in rows],
        "Audit": ["whole document" if a.whole else "pair" for a in rows],
    }
    return pd.DataFrame(shown)


def plain(found: Sequence[Answer]) -> pd.DataFrame:
    """Make the table for the file."""
    return pd.DataFrame([asdict(a) for a in found])


# ---- behind the figures of the overview -----------------------------------------------------------------


def toggles(report: PrecisionReport) -> None:
    """Say what precision and recall rest on, in words that list it."""
    frame.beside("It rests on")
    _toggle(
        words.many(report.n_pairs, "audited tag"),
        "precision",
        help="Lists the answers that precision is made of.",
    )
    if report.n_documents:
        frame.beside("and for recall on")
        _toggle(
            words.many(report.n_documents, "audited document"),
            "recall",
            help="Lists the tags that these documents should have, given or missed.",
        )


def of_report(workspace: Workspace, report: PrecisionReport) -> None:
    """Draw the answers that a figure is made of, where the address asks for them."""
    named = state.param("behind")
    if named not in ("precision", "recall"):
        return
    figure: Figure = "recall" if named == "recall" else "precision"
    head(f"Behind the {figure}", key="overview")
    found = workspace.audited_tags(report.system, report.cut, figure)
    layout.note(said(found, figure))
    cut = report.cut
    answers(found, key=f"{figure}_{report.system}_{cut.k}_{cut.threshold}", name=f"audited-{figure}")


def _toggle(label: str, behind: str, *, help: str) -> None:
    """Draw a link that shows a list, or hides it where it shows."""
    on = state.param("behind") == behind
    st.button(
        label,
        key=f"behind_{behind}",
        type="tertiary",
        icon=":material/expand_less:" if on else ":material/list:",
        help=help,
        on_click=state.address,
        kwargs={"behind": None if on else behind},
    )
