"""Tables of labels that stand out: near-duplicates, never given, given too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.widgets import downloads, explore_choice, inert, layout, table, words
from app.widgets.inert import escape, shorten
from lmtx.workspace import Workspace
from lmtx.workspace.label_outliers import HUB_RATIO
from lmtx.workspace.label_space import LabelSpace

Sorts = Mapping[str, tuple[str, Sequence[str], Sequence[bool]]]
"""Key -> its name, columns to sort by, and whether each ascends."""
RELATIONS = {
    "broader": "first is broader",
    "narrower": "second is broader",
    "siblings": "same broader label",
    "": "",
}
_ALIKE: Sorts = {
    "likeness": ("Most alike", ["likeness", "cosine"], [False, False]),
    "meaning": ("Closest in meaning", ["cosine"], [False]),
    "documents": ("Most documents shared", ["n_both"], [False]),
    "name": ("Name", ["a", "b"], [True, True]),
}
_UNUSED: Sorts = {
    "far": ("Farthest from any document", ["within", "yes"], [True, False]),
    "near": ("Nearest to being given", ["within"], [False]),
    "yes": ("Most said yes to", ["accepted", "yes"], [False, False]),
    "name": ("Name", ["name"], [True]),
}
_GREEDY: Sorts = {
    "excess": ("Most too often", ["hub", "excess", "given"], [False, False, False]),
    "given": ("Most given", ["given"], [False]),
    "ratio": ("Most in relation", ["relative", "given_judged"], [False, False]),
    "name": ("Name", ["name"], [True]),
}


def alike(workspace: Workspace) -> None:
    """Draw pairs of labels that may be one."""
    rows = workspace.similar_labels()
    apart = rows[~rows["relation"].isin(["broader", "narrower"])]
    n = len(apart)
    layout.section(
        f"{words.many(n, 'pair')} of labels may be one" if n else "No two labels look like one",
        "close in meaning, and among the five best of the same documents",
    )
    if not len(rows):
        layout.note("Labels are compared once documents are tagged and labels are encoded.")
        return
    with _bar():
        found = _sorted(rows, _ALIKE, "pairs")
        related = st.toggle(
            "With broader and narrower", key="explore_related", persist_state="session",
            help="Pairs where one label is broader than the other: these are no duplicates.",
        )  # fmt: skip
    found = found if related else found[~found["relation"].isin(["broader", "narrower"])]
    found, key = _page(found, "pair", "alike")
    ids = [f"{a}\n{b}" for a, b in zip(found["a_id"], found["b_id"], strict=True)]
    shown = pd.DataFrame(
        {
            "First": found["a"],
            "Second": found["b"],
            "Likeness": found["likeness"].round(2),
            "Both": found["n_both"],
            "Documents": [
                f"{words.count(a)} / {words.count(b)}"
                for a, b in zip(found["n_a"], found["n_b"], strict=True)
            ],
            "Why": found["reason"],
            "Relation": found["relation"].map(RELATIONS),
        }
    )
    opened = table.table(
        shown,
        ids,
        key=key,
        columns={
            "First": st.column_config.TextColumn(width=190),
            "Second": st.column_config.TextColumn(width=190),
            "Likeness": st.column_config.ProgressColumn(
                width=90, format="%.2f", min_value=0.0, max_value=1.0,
                help="Geometric mean of the likeness in meaning and of the share of documents in common",
            ),
            "Both": st.column_config.NumberColumn(width=70, format="localized", help="Documents with both"),
            "Documents": st.column_config.TextColumn(width=110, alignment="right", help="With each"),
            "Why": st.column_config.TextColumn(width=330),
        },
    )  # fmt: skip
    if opened:
        a_id, _, b_id = opened.partition("\n")
        _pair(workspace, rows[(rows["a_id"] == a_id) & (rows["b_id"] == b_id)].iloc[0])
    else:
        layout.note("Click a pair to see both definitions.")
    downloads.csv(lambda: rows, "near-duplicate-labels")


def _pair(workspace: Workspace, row: pd.Series) -> None:
    """Draw both labels of a pair side by side."""
    sides = st.columns(2, gap="medium")
    for side, which in zip(sides, ("a", "b"), strict=True):
        with side, st.container(border=True):
            label_id, n = row[f"{which}_id"], words.many(int(row[f"n_{which}"]), "document")
            definition = shorten(str(row[f"{which}_definition"]) or "No definition.", 400)
            st.html(
                f'<b dir="auto">{escape(row[which])}</b> '
                f'<span class="lx-note">{escape(label_id)} · {n}</span>'
                f'<div class="lx-doc" dir="auto">{escape(definition)}</div>'
            )
            name = inert.markdown(shorten(row[which], 40))
            if st.button(f"Open {name}", key=f"alike_{which}_{row['a_id']}_{row['b_id']}"):
                state.go("labels", label=row[f"{which}_id"])


def unused(workspace: Workspace, space: LabelSpace) -> None:
    """Draw labels that no document is given."""
    rows = workspace.unused_labels(space.how)
    n, all_ = len(rows), len(space.labels)
    if not n:
        layout.section("Every label is given to some document")
        return
    layout.section(
        f"{words.count(n)} of {words.many(all_, 'label')} are given to no document",
        "“Within reach”: documents that have it among their 20 best" if space.system else "",
    )
    with _bar():
        found = _sorted(rows, _UNUSED, "unused")
    found, key = _page(found, "label", "unused")
    opened = table.table(
        pd.DataFrame(
            {
                "Label": found["name"],
                "Place": found["path"],
                "Within reach": found["within"],
                "Accepted": found["accepted"],
                "Teacher: yes": found["yes"],
                "Why": found["reason"],
            }
        ),
        list(found["label_id"]),
        key=key,
        opens=True,
        columns=_columns(bool((rows["path"] != "").any()), ("Within reach", "Accepted", "Teacher: yes")),
    )
    downloads.csv(lambda: rows.drop(columns=["parent"]), "labels-never-given")
    if opened:
        state.go("labels", label=opened)


def greedy(workspace: Workspace, space: LabelSpace) -> None:
    """Draw labels by how much more often they are given than wanted."""
    rows = workspace.greedy_labels(space.how)
    hubs = int(rows["hub"].sum())
    if not space.n_judged:
        title = "Nothing was judged yet, so nothing says which labels take too much"
    elif hubs:
        title = f"{words.many(hubs, 'label')} {'takes' if hubs == 1 else 'take'} too much"
    else:
        title = "No label clearly takes too much"
    layout.section(title, f"on {words.many(space.n_judged, 'document')} that a teacher or people judged")
    layout.what_is(
        "What is too much",
        "On documents that a teacher or people were asked about, how often a label is given is set against "
        "how often it is wanted (accepted, or proposed by the teacher). A label takes too much where it is "
        f"given {HUB_RATIO} times as often as it may be or more, and more often with 97.5 % confidence. It "
        "may be given as often as all labels together are, in relation to what is wanted: of five tags a "
        "document some are always wrong, of every label alike. Where only likely tags count, it may be given "
        "as often as it is wanted. What a teacher says is an opinion, and where it was not asked it says "
        "nothing.\n\n"
        f"How unequal labels are given, all in all: the skewness of their counts is {space.skew:.1f} (0 "
        "where all are given alike; great where a few labels are near to everything, so-called hubs).",
    )
    if space.how != "top" and "top" in space.hows and not hubs:
        layout.note("Count the five best, above, to see which labels are in too many lists.")
    with _bar():
        found = _sorted(rows, _GREEDY, "greedy")
    found, key = _page(found, "label", "greedy")
    opened = table.table(
        pd.DataFrame(
            {
                "Label": found["name"],
                "Place": found["path"],
                "": ["too much" if x else "" for x in found["hub"]],
                "Given": found["given"],
                "Of corpus": found["share"].round(3),
                "Judged": [
                    f"{words.count(a)} / {words.count(b)}"
                    for a, b in zip(found["given_judged"], found["wanted"], strict=True)
                ],
                "Times usual": found["relative"].replace(float("inf"), float("nan")).round(2),
                "Why": found["reason"],
            }
        ),
        list(found["label_id"]),
        key=key,
        opens=True,
        columns={
            **_columns(bool((rows["path"] != "").any()), ("Given",)),
            "": st.column_config.TextColumn(width=80),
            "Of corpus": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0, width=90
            ),
            "Judged": st.column_config.TextColumn(
                "Given / wanted", width=115, alignment="right", help="On documents that were asked about it"
            ),
            "Times usual": st.column_config.NumberColumn(
                "Times too often",
                width=110,
                format="%.2f",
                help="1 is as often as it may be, or less is fine",
            ),
        },
    )
    downloads.csv(lambda: rows.drop(columns=["parent"]), "labels-by-how-much-they-take")
    if opened:
        state.go("labels", label=opened)


# ---- what tables share ----------------------------------------------------------------------------


def _bar() -> Any:
    return st.container(horizontal=True, gap="small", vertical_alignment="center")


def _sorted(rows: pd.DataFrame, sorts: Sorts, name: str) -> pd.DataFrame:
    """Draw search and order, and return the rows that are left."""
    query = explore_choice.search("q", "Search labels")
    sort = explore_choice.of_address("sort", tuple(sorts), next(iter(sorts)))
    explore_choice.box("Order", "sort", sort, {key: x[0] for key, x in sorts.items()})
    if query:
        columns = [c for c in ("name", "path", "a", "b") if c in rows]
        keep = pd.concat([rows[c].str.contains(query, case=False, regex=False) for c in columns], axis=1)
        rows = rows[keep.any(axis=1)]
    _, by, ascending = sorts[sort]
    return rows.sort_values(list(by), ascending=list(ascending), kind="stable", na_position="last")


def _page(rows: pd.DataFrame, what: str, name: str) -> tuple[pd.DataFrame, str]:
    """Draw the pager; returns the rows of the page and a key for its table."""
    asked = f"{name}_{state.param('q') or ''}_{state.param('sort') or ''}_{state.param('counted') or ''}"
    page = table.pager(len(rows), key=f"explore_{asked}", what=what)
    start = page * table.PAGE_SIZE
    return rows.iloc[start : start + table.PAGE_SIZE], f"explore_table_{asked}_{page}"


def _columns(has_place: bool, numbers: Sequence[str]) -> dict[str, Any]:
    return {
        "Label": st.column_config.TextColumn(width=200),
        "Place": st.column_config.TextColumn(width=150) if has_place else None,
        "Why": st.column_config.TextColumn(width=400),
        **{name: st.column_config.NumberColumn(format="localized", width=85) for name in numbers},
    }
