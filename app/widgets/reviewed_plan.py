"""The audited view's plan: what more answers would buy, and how they are drawn."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import actions, state
from app.widgets import downloads, errors, layout, words
from app.widgets import reviewed_frame as frame
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import TAGS, AuditPlan, Design, PrecisionReport

DESIGNS: dict[Design, str] = {"uniform": "All alike", "labels": "Spread over labels"}
ABOUT: dict[Design, str] = {
    "uniform": "Every tag has the same chance: the figure of all tags becomes narrow soonest.",
    "labels": "Tags of rare labels come sooner: more labels become known, and the figure of all tags stays a "
    "little wider.",
}
_WIDTH: dict[Design, str] = {"uniform": "All tags, alike", "labels": "All tags, spread"}
_KNOWN: dict[Design, str] = {"uniform": "Labels to ±10, alike", "labels": "Labels to ±10, spread"}
HOW = (
    "What is planned supposes that further answers are like those so far; a label with none is taken to be "
    "right half of the time. It counts on the pairs that are left in the reserve, so small labels stop where "
    "all of theirs are answered. The design is set before the draw and never looks at answers: going where "
    "the interval is widest would make the figure of all tags wrong. Minutes are at the pace of the audit so "
    "far."
)


def draw(workspace: Workspace, report: PrecisionReport) -> None:
    """Draw it; the report is of the tagger in use, at its usual cut."""
    frame.section("What more answers would buy", f"of the tagger in use, {TAGS} tags a document")
    with errors.shown():
        _table(workspace.audit_plan(), report)
    layout.section("How pairs are drawn")
    _design(workspace)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_plan_actions"):
        frame.audit_buttons(main=True, key="plan")
        frame.how(HOW, key="plan")
    layout.note(
        "Pairs make precision narrow soonest, a key each. Whole documents tell of recall and of where tags "
        "are lost too. A label that matters to you can be audited further by itself: open it under Labels."
    )


def _table(plans: list[AuditPlan], report: PrecisionReport) -> None:
    shown = as_table(plans, report)
    st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        key="reviewed_plan",
        column_config={
            "More pairs": st.column_config.NumberColumn(format="localized", width=85),
            **{
                _WIDTH[d]: st.column_config.NumberColumn(
                    format="± %.1f", help="Half of the 95 % interval of all tags, in points"
                )
                for d in DESIGNS
            },
            **{
                _KNOWN[d]: st.column_config.NumberColumn(
                    format="localized", help="Labels known to plus or minus 10 points, about"
                )
                for d in DESIGNS
            },
        },
    )
    left = frame.left_in_all(report)
    if left <= shown["More pairs"].max():
        layout.note(
            (f"{words.many(left, 'tag')} of the reserve" if left else "No tag of the reserve")
            + f" {'is' if left < 2 else 'are'} left to ask about. For more, import more documents: some of "
            "them are reserved."
        )
    downloads.csv(_plain(plans), "audit-plan")


def as_table(plans: list[AuditPlan], report: PrecisionReport) -> pd.DataFrame:
    """Lay both designs side by side, a row a number of pairs, the first how it is now.

    It ends with what is left to ask about.
    """
    by = {(p.design, p.more): p for p in plans}
    now: dict[str, object] = {"More pairs": 0, "Time, about": "now"}
    for design in DESIGNS:
        now[_WIDTH[design]] = 100 * report.precision.half_width
        now[_KNOWN[design]] = report.n_known(frame.KNOWN)
    rows = [now]
    left = frame.left_in_all(report)
    sizes = sorted({p.more for p in plans})
    for more, before in zip(sizes, [0, *sizes], strict=False):
        if before >= left:
            break
        minutes = next((p.minutes for p in plans if p.more == more and p.minutes is not None), None)
        share = min(more, left) / more
        row: dict[str, object] = {
            "More pairs": min(more, left),
            "Time, about": "not known yet" if minutes is None else words.duration(60 * minutes * share),
        }
        for design in DESIGNS:
            plan = by.get((design, more))
            row[_WIDTH[design]] = 100 * plan.half_width if plan else None
            row[_KNOWN[design]] = plan.n_known if plan else None
        rows.append(row)
    return pd.DataFrame(rows)


def _plain(plans: list[AuditPlan]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"design": p.design, "more": p.more, "half_width": p.half_width, "n_known": p.n_known,
             "minutes": p.minutes}
            for p in plans
        ]
    )  # fmt: skip


def _design(workspace: Workspace) -> None:
    st.session_state["reviewed_design"] = workspace.settings.audit_design
    st.radio(
        "Design",
        list(DESIGNS),
        format_func=DESIGNS.__getitem__,
        captions=list(ABOUT.values()),
        key="reviewed_design",
        label_visibility="collapsed",
        disabled=workspace.read_only,
        on_change=_set_design,
        args=(workspace,),
    )
    layout.note(
        "The choice changes which pairs come next. Answers there are keep their worth: each counts with the "
        "chance that it had."
    )


@actions.reported
def _set_design(workspace: Workspace) -> None:
    design: Design = st.session_state["reviewed_design"]
    workspace.set_audit_design(design)
    state.FLASH.set(f"Pairs are drawn {DESIGNS[design].lower()} from now on.")
