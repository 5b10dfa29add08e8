"""The `lmtx` command."""

from lmtx.cli.main import app, main

__all__ = ["app", "main"]
