"""Whether this server only shows, and which screens it then has."""

from __future__ import annotations

import os

CHANGING = frozenset({"teacher", "review", "train", "export", "settings"})
"""Screens that are there to change something."""


def read_only() -> bool:
    """Whether the server was started to be looked at (`lmtx app --read-only`, `LMTX_READ_ONLY`)."""
    return os.environ.get("LMTX_READ_ONLY", "").strip().lower() in ("1", "true", "yes", "on")


def offers(page: str) -> bool:
    """Whether a screen, by its name, is one of this server's."""
    return not (read_only() and page in CHANGING)
