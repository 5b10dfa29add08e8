"""Labels that come together: a matrix, the strongest pairs, and the companions of one label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app import charts_labels, state
from app.widgets import downloads, explore_choice, inert, layout, table, words
from app.widgets.explore_lists import RELATIONS
from app.widgets.inert import shorten
from lmtx.workspace import Workspace
from lmtx.workspace.label_relations import LEAST_TOGETHER, Together
from lmtx.workspace.label_space import LabelSpace

HOW = (
    "**Lift** is how many times as often two labels are given to one document as they would be if each were "
    "given by chance, as often as it is. Its interval of 95 % takes the documents for a sample; pairs are "
    f"listed from {LEAST_TOGETHER} documents on, by the low end of it, so that chance leads no list. These "
    "are the run's tags, with its errors: two labels may come together because the run takes one for the "
    "other."
)


def draw(workspace: Workspace, space: LabelSpace) -> None:
    """Draw the matrix and the pairs."""
    label_id = state.param("label")
    label = workspace.journal.label(label_id) if label_id else None
    if label_id and label is None:
        layout.note("This label does not exist, or was deleted.")
    label_id = label.id if label is not None else None
    _pick(workspace, label.name if label is not None else "")
    found = workspace.labels_together(label_id, space.how)
    if len(found.names) > 1:
        downloads.plot(
            charts_labels.together(found, _finding(found), dark=layout.dark()),
            "labels-together",
            key=f"together_{label_id or 'all'}",
        )
    elif label is not None:
        layout.note(f"“{label.name}” is given together with no other label.")
    pairs = workspace.pairs_together(space.how, label_id)
    layout.section(
        f"{words.many(len(pairs), 'pair')} on {LEAST_TOGETHER} documents or more"
        if len(pairs)
        else "No pair",
        "by the low end of the lift's interval",
    )
    if not len(pairs):
        layout.note(f"No two labels share {LEAST_TOGETHER} documents.")
        return
    page = table.pager(len(pairs), key=f"together_page_{label_id}_{space.how}", what="pair")
    rows = pairs.iloc[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    chosen = table.table(
        pd.DataFrame(
            {
                "First": rows["a"],
                "Second": rows["b"],
                "Both": rows["n_both"],
                "First, all": rows["n_a"],
                "Second, all": rows["n_b"],
                "Lift": [_times(x) for x in rows["lift"]],
                "Interval": [
                    f"{_times(a)} – {_times(b)}" for a, b in zip(rows["low"], rows["high"], strict=True)
                ],
                "Relation": rows["relation"].map(RELATIONS),
            }
        ),
        [f"{a}\n{b}" for a, b in zip(rows["a_id"], rows["b_id"], strict=True)],
        key=f"together_table_{label_id}_{space.how}_{page}",
        columns={
            "First": st.column_config.TextColumn(width=220),
            "Second": st.column_config.TextColumn(width=220),
            **{n: table.number(n) for n in ("Both", "First, all", "Second, all")},
            "Lift": st.column_config.TextColumn(width=75, alignment="right"),
            "Interval": st.column_config.TextColumn("95 % interval", width=120, alignment="right"),
        },
    )
    if chosen:
        _open(workspace, space, pairs, chosen)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        downloads.csv(lambda: pairs, "labels-together", key="csv_together")
        layout.what_is("What lift is", HOW)


def _pick(workspace: Workspace, name: str) -> None:
    """Draw the label that the view is about, and a line to find another."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        query = explore_choice.search("find", "Only with one label: find it")
        if name:
            st.button(
                f"{inert.markdown(shorten(name, 50))}: show all labels",
                icon=":material/close:",
                key="together_all",
                on_click=state.address,
                kwargs={"label": None, "part": "together"},
            )
    if not query:
        return
    hits = workspace.find_labels(query, 8)
    if not hits:
        layout.note("No label has these words.")
    with st.container(horizontal=True, gap="small", key="lx_linked_together"):
        for hit in hits:
            st.button(
                inert.markdown(shorten(hit.name, 40)),
                key=f"together_{hit.id}",
                on_click=state.address,
                kwargs={"label": hit.id, "find": None, "part": "together"},
            )


def _open(workspace: Workspace, space: LabelSpace, pairs: pd.DataFrame, chosen: str) -> None:
    """Draw where a chosen pair leads."""
    a_id, _, b_id = chosen.partition("\n")
    row = pairs[(pairs["a_id"] == a_id) & (pairs["b_id"] == b_id)].iloc[0]
    with st.container(horizontal=True, gap="small", key="lx_linked_pair"):
        for name, label_id in ((row["a"], a_id), (row["b"], b_id)):
            if st.button(f"Open {inert.markdown(shorten(name, 40))}", key=f"pair_{label_id}"):
                state.go("labels", label=label_id)
        if st.button(f"See the {words.many(int(row['n_both']), 'document')} with both", key="pair_documents"):
            documents = workspace.documents_given([a_id, b_id], space.how)
            state.go("corpus", set=workspace.save_documents(documents))


def _times(value: float) -> str:
    return words.count(value) if value >= 100 else f"{value:.3g}"


def _finding(found: Together) -> str:
    """Name the pair that comes together most above chance, of those on enough documents."""
    strength = np.where(found.both >= LEAST_TOGETHER, found.lift, -np.inf)
    np.fill_diagonal(strength, -np.inf)
    if found.about is not None:
        mine = found.label_ids.index(found.about)
        strength[np.arange(len(strength)) != mine] = -np.inf
    i, j = np.unravel_index(int(np.argmax(strength)), strength.shape)
    if not np.isfinite(strength[i, j]):
        return "Labels that come together"
    first, second = shorten(found.names[int(i)], 34), shorten(found.names[int(j)], 34)
    return f"“{first}” and “{second}”: {_times(float(strength[i, j]))} times as often as by chance"
