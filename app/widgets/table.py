"""Tables that are paged on the server; a row opens its detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.widgets import layout, words

PAGE_SIZE = 25


def pager(total: int, *, key: str, page_size: int = PAGE_SIZE, what: str = "row") -> int:
    """Draw the pages of a table, below it or above.

    Returns
    -------
    int
        Number of the page to show, from 0.
    """
    pages = max(1, -(-total // page_size))
    left, right = st.columns([1, 2], vertical_alignment="center")
    with left:
        layout.note(words.many(total, what))
    if pages == 1:
        return 0
    with right.container(horizontal=True, horizontal_alignment="right"):
        chosen = st.pagination(pages, key=f"{key}_{pages}", max_visible_pages=5, persist_state="session")
    return int(chosen) - 1


def table(
    rows: Sequence[Mapping[str, Any]] | pd.DataFrame,
    ids: Sequence[str],
    *,
    key: str,
    columns: Mapping[str, Any] | None = None,
    height: int | None = None,
    opens: bool = False,
) -> str | None:
    """Draw a table and return the id of the row that was clicked, if any.

    Parameters
    ----------
    rows : sequence of mappings or DataFrame
        What to show; cells are shown as they are.
    ids : sequence of str
        Id of each row, never its position.
    key : str
        Widget key.
    columns : mapping, optional
        Column -> `st.column_config` entry.
    height : int, optional
        In pixels.
    opens : bool
        Whether a row opens another screen: then coming back finds nothing chosen.
    """
    opened = state.Key[int](f"lmtx.opened.{key}", 0)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    event = st.dataframe(
        frame,
        key=f"{key}_{opened.get()}" if opens else key,
        hide_index=True,
        width="stretch",
        height=height or "auto",
        column_config=dict(columns or {}),
        on_select="rerun",
        selection_mode="single-cell",
    )
    chosen = event.selection.cells
    if opens and chosen:
        opened.set(opened.get() + 1)
    return ids[chosen[0][0]] if chosen and chosen[0][0] < len(ids) else None


def number(label: str, help: str | None = None) -> Any:
    """Column of whole numbers with separators."""
    return st.column_config.NumberColumn(label, format="localized", help=help)


def share(label: str, help: str | None = None) -> Any:
    """Column of fractions drawn as bars, in percent."""
    return st.column_config.ProgressColumn(label, format="percent", min_value=0.0, max_value=1.0, help=help)


def rounded(fraction: float | None) -> float | None:
    """Round a fraction to what percent with one decimal shows."""
    return None if fraction is None else round(fraction, 3)
