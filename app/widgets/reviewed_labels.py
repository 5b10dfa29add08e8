"""The audited view's table of all labels: sorted, searched and paged on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import pandas as pd
import streamlit as st

from app import state
from app.widgets import downloads, layout, table, words
from app.widgets import reviewed_frame as frame
from app.widgets.reviewed_overview import interval
from lmtx.workspace.precision_models import PrecisionReport

Only: TypeAlias = Literal["all", "unknown", "below", "small"]
Sort: TypeAlias = Literal["audited", "given", "wrong", "lowest", "highest", "widest", "needed", "name"]

SMALL = 10
"""Documents of the corpus up to which a label is small: better answered in full than sampled."""
# By precision: by the end of the interval that speaks against it, so that one lucky answer leads no list.
SORTS: dict[Sort, tuple[str, list[str], list[bool]]] = {
    "audited": ("Most audited", ["n", "population"], [False, False]),
    "given": ("Most given", ["population", "n"], [False, False]),
    "wrong": ("Most wrong tags", ["wrong", "n"], [False, False]),
    "lowest": ("Least precise", ["high", "n"], [True, False]),
    "highest": ("Most precise", ["low", "n"], [False, False]),
    "widest": ("Least known", ["known", "population"], [False, False]),
    "needed": ("Fewest still needed", ["need_10", "population"], [True, False]),
    "name": ("Name", ["name", "label_id"], [True, True]),
}
HOW = (
    "Of a label, its own audited tags count and nothing else: **right / audited**, with Wilson's 95 % "
    "interval, narrower where much of all there is was audited. From 10 audited tags on it is firm, before "
    "that a first impression. **In the corpus, about**: documents of the whole corpus that get the label. "
    "**Still needed**: audited tags until it is known to ±10 points, if it goes on like this.\n\n"
    "**Meets** and **misses** are promises: they hold however often one looks, so they come later than an "
    "interval that only lies on one side. **Teacher says yes** is its opinion, not precision.\n\n"
    "**Borrowed from other labels** is what a model expects of the label from its probabilities and from "
    "how other labels fare. Its range is **not a 95 % interval**: for labels unlike the rest it covers too "
    "little."
)


def draw(report: PrecisionReport) -> None:
    """Draw filters, the table and its download."""
    rows = report.labels
    n, target = len(rows), frame.whole(report.target)
    known, below = report.n_known(frame.KNOWN), int((rows["badge"] == "misses").sum())
    met = int((rows["badge"] == "meets").sum())
    frame.finding(
        f"{words.count(known)} of {words.many(n, 'label')} are known to ±10 points; "
        f"{words.count(met)} are shown to meet {target}, {words.count(below)} to miss it.",
        pale=report.precision.n < frame.FIRM_PAIRS,
    )
    only, sort, query = _filters(report)
    group = state.param("group")
    shown = ordered(chosen(rows, only, query, group, report), sort)
    page = table.pager(len(shown), key=f"reviewed_page_{only}_{sort}_{query}_{group}", what="label")
    shown = shown.iloc[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    pooled = bool(st.session_state.get("reviewed_pooled"))
    if len(shown):
        opened = table.table(
            view(shown, report, pooled=pooled),
            list(shown["label_id"]),
            key=f"reviewed_table_{only}_{sort}_{query}_{group}_{page}_{pooled}",
            opens=True,
            columns=_columns(report),
        )
        if opened:
            frame.show("labels", label=opened)
            st.rerun()
    else:
        layout.note("No label is like that.")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        downloads.csv(lambda: as_csv(report), "precision-by-label", key="csv_reviewed")
        frame.how(HOW, key="labels")


def _filters(report: PrecisionReport) -> tuple[Only, Sort, str]:
    names: dict[Only, str] = {
        "all": "All",
        "unknown": "Not known yet",
        "below": f"Below {frame.whole(report.target)}",
        "small": "Small",
    }
    only: Only = next((x for x in names if x == state.param("only")), "all")
    sort: Sort = next((x for x in SORTS if x == state.param("sort")), "audited")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_label_filters"):
        _bound("only", only, "all", lambda key, changed: st.segmented_control(
            "Only", list(names), format_func=names.__getitem__, key=key, required=True,
            label_visibility="collapsed", on_change=changed,
        ))  # fmt: skip
        _bound("sort", sort, "audited", lambda key, changed: st.selectbox(
            "Order", list(SORTS), format_func=lambda x: SORTS[x][0], key=key,
            label_visibility="collapsed", width=180, on_change=changed,
        ))  # fmt: skip
        _bound("q", state.param("q") or "", "", lambda key, changed: st.text_input(
            "Search labels", key=key, type="search", label_visibility="collapsed", width=210,
            placeholder="Search labels", on_change=changed,
        ))  # fmt: skip
        st.toggle(
            "Borrow from other labels",
            key="reviewed_pooled",
            persist_state="session",
            help="Beside each label's own figure show what a model expects of it from the others; "
            "its range is not a 95 % interval.",
        )
    if group := state.param("group"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_group"):
            frame.beside(f"Only the group “{group}”")
            st.button(
                "All groups", key="ungroup", type="tertiary", on_click=state.address, kwargs={"group": None}
            )
    return only, sort, (state.param("q") or "").strip()


def _bound(name: str, now: str, usual: str, draw_it: Callable[[str, Callable[[], None]], object]) -> None:
    """Draw a widget whose value is in the address."""
    key = f"reviewed_{name}"
    st.session_state[key] = now

    def changed() -> None:
        value = st.session_state[key] or ""
        state.address(**{name: None if value == usual else value})

    draw_it(key, changed)


# ---- rows ---------------------------------------------------------------------------------------------


def chosen(
    rows: pd.DataFrame, only: Only, query: str, group: str | None, report: PrecisionReport
) -> pd.DataFrame:
    """Return the rows that the filters leave.

    "below" looks below the target by its value, known for sure or not; "small" has few tags in the corpus.
    """
    kept = pd.Series(True, index=rows.index)
    if only == "unknown":
        kept &= ~((rows["known"] <= frame.KNOWN) & (rows["n"] > 0))
    elif only == "below":
        kept &= rows["value"] < report.target
    elif only == "small":
        kept &= rows["population"] <= SMALL
    if query:
        words_in = rows["name"].str.contains(query, case=False, regex=False)
        kept &= words_in | rows["path"].str.contains(query, case=False, regex=False)
    if group:
        kept &= rows["group"] == group
    return rows[kept]


def ordered(rows: pd.DataFrame, sort: Sort) -> pd.DataFrame:
    """Sort rows; labels with nothing audited come last where the order is by precision."""
    _, columns, ascending = SORTS[sort]
    if sort == "wrong":
        rows = rows.assign(wrong=frame.wrong_tags(rows))
    if sort == "name":
        return rows.sort_values(columns, ascending=ascending, key=lambda c: c.str.casefold())
    return rows.sort_values([*columns, "label_id"], ascending=[*ascending, True], na_position="last")


def view(rows: pd.DataFrame, report: PrecisionReport, *, pooled: bool) -> pd.DataFrame:
    """Return the rows as they are shown."""
    shown: dict[str, object] = {
        "Label": rows["name"],
        "Precision": rows["value"].where((rows["n"] >= frame.FIRM_LABEL) | rows["exact"]).round(3),
        "Interval": [interval(a, b, n) for a, b, n in zip(rows["low"], rows["high"], rows["n"], strict=True)],
        "Right / audited": [
            f"{words.count(a)} / {words.count(b)}" for a, b in zip(rows["right"], rows["n"], strict=True)
        ],
        "Known": [frame.known(row) for row in rows.itertuples()],
    }
    if pooled:
        shown["Borrowed"] = rows["pooled"].round(3)
        shown["Range, no 95 % interval"] = [
            interval(a, b, int(a == a)) for a, b in zip(rows["pooled_low"], rows["pooled_high"], strict=True)
        ]
    shown |= {
        f"{frame.whole(report.target)}": [frame.badge(b, report.target) for b in rows["badge"]],
        "Still needed": rows["need_10"],
        "In the corpus, about": rows["population"],
        "Teacher says yes": rows["teacher"].round(3),
    }
    if any(len(x) > 1 for x in rows["trend"]):
        shown["Over runs"] = [[100 * v for v in x] if len(x) > 1 else None for x in rows["trend"]]
    return pd.DataFrame(shown)


def _columns(report: PrecisionReport) -> dict[str, object]:
    return {
        "Label": st.column_config.TextColumn(width=165),
        "Precision": st.column_config.ProgressColumn(
            "Precision", format="percent", min_value=0.0, max_value=1.0, width=95,
            help="Share of its audited tags that are right, from 10 of them on",
        ),
        "Interval": st.column_config.TextColumn("95 % interval", width=82),
        "Right / audited": st.column_config.TextColumn(width=90, alignment="right"),
        "Known": st.column_config.TextColumn(width=120),
        "Borrowed": st.column_config.NumberColumn(
            format="percent", width=80, help="What a model expects by other labels"
        ),
        "Range, no 95 % interval": st.column_config.TextColumn("Its range, not 95 %", width=115),
        frame.whole(report.target): st.column_config.TextColumn(
            f"Target {frame.whole(report.target)}",
            width=88,
            help="With 95 % confidence, which holds however often one looks",
        ),
        "Still needed": st.column_config.NumberColumn(
            format="localized", width=85, help="Audited tags until it is known to ±10 points, about"
        ),
        "In the corpus, about": st.column_config.NumberColumn(
            "In corpus, ~", format="localized", width=80, help="Documents of the corpus that get it, about"
        ),
        "Teacher says yes": st.column_config.NumberColumn(
            "Teacher: yes", format="percent", width=88,
            help="Share of its judged documents that the teacher says yes to: an opinion, no precision",
        ),
        "Over runs": st.column_config.LineChartColumn(
            width=80, y_min=0.0, y_max=100.0, help="Precision under the last runs, from 0 to 100 %"
        ),
    }  # fmt: skip


def as_csv(report: PrecisionReport) -> pd.DataFrame:
    """Return the whole table, with what it is of in each row."""
    rows = report.labels
    return rows.assign(
        status=[frame.known(row) for row in rows.itertuples()],
        system=report.system,
        run=report.run_id or "",
        tags=report.cut.k,
        from_probability=report.cut.threshold,
        target=report.target,
        truth="reviewed",
    )
