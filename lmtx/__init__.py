"""LMTX Studio: tag a corpus that nobody has annotated."""

__version__ = "0.1.0"
