"""Errors that a user can act on, shown without a traceback. Bugs propagate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from app.widgets.inert import escape
from lmtx.errors import LmtxError


def show(error: LmtxError) -> None:
    """Draw the message of an error as it is."""
    st.html(f'<div class="lx-error" role="alert">{escape(error)}</div>')


@contextmanager
def shown() -> Iterator[None]:
    """Show an `LmtxError` of the block in its place, and go on after it."""
    try:
        yield
    except LmtxError as error:
        show(error)
