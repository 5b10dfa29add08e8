"""What an encoder is, in figures: shown as soon as it has been measured in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import encoding
from app.widgets import layout, words
from lmtx.workspace import Workspace
from lmtx.workspace.encoder_models import EncoderPreview

Found = EncoderPreview | str | None
"""What is known of an encoder: a text says why it can't be made, None that it is being measured."""


def measured(workspace: Workspace, encoder: str | Mapping[str, Any], draw: Callable[[Found], None]) -> None:
    """Draw what an encoder is now and again, until it has been measured."""
    waited = encoding.preview(workspace, encoder) is None
    drawn = False

    def look() -> None:
        nonlocal drawn
        found = encoding.preview(workspace, encoder)
        draw(found)
        if waited and found is not None and drawn:  # not while the screen is drawn, which shows notes once
            st.rerun()
        drawn = True

    st.fragment(look, run_every=0.7 if waited else None)()


def figures(name: str, detail: str, found: Found) -> None:
    """Draw name, size and speed of an encoder."""
    shown = found if isinstance(found, EncoderPreview) else None
    wait = "…" if found is None else "–"
    rate = shown.documents_per_second if shown else None
    layout.figures(
        [
            ("Encoder", name, detail),
            (
                "Parameters",
                large(shown.parameters) if shown else wait,
                f"{size(shown.bytes)}" if shown else "",
            ),
            ("Vector", str(shown.dim) if shown else wait, "numbers per text"),
            (
                "Documents a second",
                words.count(rate) if rate else "–" if shown else wait,
                "measured on this machine" if rate else "being measured" if found is None else "",
            ),
        ]
    )


def large(n: float) -> str:
    """Write a large number briefly, 22.7 million."""
    return f"{n / 1e6:.1f} million" if n >= 1e5 else words.count(n)


def size(n_bytes: float) -> str:
    """Write a size, 91 MB."""
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
