"""Errors as people see them: what they can act on in its place, bugs at the end of the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from app.widgets.inert import escape
from lmtx.errors import LmtxError

_log = logging.getLogger(__name__)


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


@contextmanager
def unforeseen() -> Iterator[None]:
    """Log what should not happen with its traceback, and say so on the screen."""
    try:
        yield
    except Exception as error:
        _log.exception("a screen failed")
        st.html(
            f'<div class="lx-error" role="alert">This screen failed: {escape(type(error).__name__)}. It is a '
            "fault of the app, not of your files; what you decided is saved. Reload the page, and if it "
            "comes again, report what the log of the server says.</div>"
        )
