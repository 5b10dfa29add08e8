"""What a browser session remembers, by typed keys, and links that open one thing.

Nothing that matters lives here: decisions, runs and jobs are in the workspace, so a reload
loses no more than a filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st

from app import mode
from lmtx.review.models import Bulk, PairItem, ReviewItem

T = TypeVar("T")


@dataclass(frozen=True)
class Key(Generic[T]):
    """A typed entry of the session."""

    name: str
    default: T

    def get(self) -> T:
        """Return the entry, or its default."""
        value: T = st.session_state.get(self.name, self.default)
        return value

    def set(self, value: T) -> None:
        """Write the entry."""
        st.session_state[self.name] = value

    def pop(self) -> T:
        """Return the entry and forget it."""
        value: T = st.session_state.pop(self.name, self.default)
        return value


FOLDER: Key[str | None] = Key("lmtx.folder", None)
"""Folder of the workspace that this session looks at."""
HERE: Key[str] = Key("lmtx.here", "")
"""Name of the screen that is shown."""
FLASH: Key[str] = Key("lmtx.flash", "")
"""A sentence to show once, after the rerun that follows an action."""
PROBLEM: Key[str] = Key("lmtx.problem", "")
"""Why the last button did nothing, to show once."""
TRY_TEXT: Key[str] = Key("lmtx.try.text", "")
"""What is in the box of "try it"."""
TRY_SEED: Key[int] = Key("lmtx.try.seed", 0)
"""Number of the example; a new one replaces what is in the box."""
ACTIVE_JOBS: Key[frozenset[str]] = Key("lmtx.active_jobs", frozenset())
"""Jobs that were queued or running at the last look."""
REVIEW_ITEM: Key[ReviewItem | None] = Key("lmtx.review.item", None)
"""The document open in the review, with its candidates."""
REVIEW_PAIR: Key[PairItem | None] = Key("lmtx.review.pair", None)
"""The pair open in the review."""
REVIEW_TRAIL: Key[tuple[tuple[str, str, str], ...]] = Key("lmtx.review.trail", ())
"""Pairs that were shown in this session, oldest first: document, label, policy."""
REVIEW_SELECTED: Key[str | None] = Key("lmtx.review.selected", None)
"""The candidate whose definition shows."""
REVIEW_SAVED: Key[str] = Key("lmtx.review.saved", "")
"""What the last key did, in words."""
REVIEW_ERROR: Key[str] = Key("lmtx.review.error", "")
"""Why the last key did nothing."""
REVIEW_LEFT: Key[float] = Key("lmtx.review.left", 0.0)
"""When a document or pair was last left, by the monotonic clock."""
REVIEW_HELP: Key[bool] = Key("lmtx.review.help", False)
REVIEW_PROGRESS: Key[bool] = Key("lmtx.review.progress", False)
REVIEW_UNFOLDED: Key[str | None] = Key("lmtx.review.unfolded", None)
"""The document whose whole text shows."""
REVIEW_SEARCH: Key[int] = Key("lmtx.review.search", 0)
"""Number of the search line; a new one is empty."""
REVIEW_NOTES: Key[int] = Key("lmtx.review.notes", 0)
"""Number of the line for reasons; a new one is empty."""
REVIEW_AHEAD: Key[Any] = Key("lmtx.review.ahead", None)
"""What is fetched while the reviewer reads; see `app.reviewing_ahead`."""
REVIEW_ROWS: Key[Any] = Key("lmtx.review.rows", None)
"""Proposed documents of a label as they stood when they were listed; see `app.reviewing_label`."""
REVIEW_ROW: Key[str | None] = Key("lmtx.review.row", None)
"""The selected row of the list."""
REVIEW_MARKED: Key[tuple[str, ...]] = Key("lmtx.review.marked", ())
"""Documents that were marked to be decided at once."""
REVIEW_BULK: Key[Bulk | None] = Key("lmtx.review.bulk", None)
"""The batch whose spot check is asked."""
REVIEW_APPLIED: Key[str] = Key("lmtx.review.applied", "")
"""The batch that was decided last, while it is the step that an undo would take back."""
PRECISION_LABEL: Key[str | None] = Key("lmtx.precision.label", None)
"""The label chosen in a plot."""
PRECISION_ADDRESS: Key[tuple[tuple[str, str], ...]] = Key("lmtx.precision.address", ())
"""What the precision screen was asked for last: names and values of its address."""
IMPORTED: Key[frozenset[str]] = Key("lmtx.imported", frozenset())
"""Kinds of import that this session started, whose reports it shows."""
UPLOADS: dict[str, Key[str | None]] = {
    kind: Key(f"lmtx.upload.{kind}", None) for kind in ("corpus", "labels")
}
"""Path of the file that was chosen and not imported yet; it stays when an import fails."""
UPLOAD_NUMBER: Key[int] = Key("lmtx.upload.number", 0)
"""Number of the upload boxes; new ones are empty."""
PLACE: Key[str] = Key("lmtx.place", "")
"""Name of the workspace, for screens too narrow for the side."""
REVIEWER: Key[str] = Key("lmtx.reviewer", "")
"""Who reviews in this session, if not the workspace's usual reviewer."""


def forget_workspace() -> None:
    """Forget what the session remembers of the workspace it looked at."""
    for name in [n for n in st.session_state if isinstance(n, str)]:
        if name not in (REVIEWER.name, FLASH.name):
            del st.session_state[name]


def param(name: str) -> str | None:
    """Value of a query parameter of the page's address, or None."""
    value = st.query_params.get(name)
    return value or None


def address(**changes: str | None) -> None:
    """Change parts of the page's address at once; None or nothing takes one out."""
    now = st.query_params.to_dict()
    changed = {name: value for name, value in {**now, **changes}.items() if value}
    if changed != now:  # each change is a step of the browser's history
        st.query_params.from_dict(changed)


def turn_to(**params: str) -> None:
    """Open another address of the page that shows; for callbacks. Back returns to the one before."""
    st.query_params.from_dict(params)


def go(page: str, **params: str) -> None:
    """Open a page, with query parameters; does not return, unless this server does not have the page."""
    if not mode.offers(page):
        PROBLEM.set("This is shown read-only: that screen, which changes things, is not part of it.")
        st.rerun()
    if page == HERE.get():  # switching to the page one is on would keep its address
        st.query_params.clear()
    st.switch_page(f"../pages/{page}.py", query_params=params or None)
