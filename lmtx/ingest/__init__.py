"""Reads files into documents and labels, and says row by row what is wrong with them.

Readers, one module a format, give numbered rows; `documents` and `labels` check and
convert them. Nothing is evaluated: no formulas, no pickles, no XML entities; HTML stays text.
"""

from lmtx.ingest.documents import read_documents
from lmtx.ingest.labels import read_labels
from lmtx.ingest.language import guess_language, language_of
from lmtx.ingest.preview import preview
from lmtx.ingest.records import (
    MAX_TEXT_CHARS,
    ColumnMap,
    Issue,
    Preview,
    Source,
    UploadedBytes,
    stop_on_error,
)
from lmtx.ingest.source import KNOWN_FORMATS, allowed_path
from lmtx.ingest.tables import read_rows

__all__ = [
    "KNOWN_FORMATS",
    "MAX_TEXT_CHARS",
    "ColumnMap",
    "Issue",
    "Preview",
    "Source",
    "UploadedBytes",
    "allowed_path",
    "guess_language",
    "language_of",
    "preview",
    "read_documents",
    "read_labels",
    "read_rows",
    "stop_on_error",
]
