"""What leaves the workspace: tables, annotations for other tools, model folders."""

from lmtx.export.annotations import (
    ANNOTATION_FORMATS,
    Annotated,
    Proposed,
    Said,
    choices,
    write_annotations,
)
from lmtx.export.model import write_model
from lmtx.export.tables import TABLE_FORMATS, plain_cell, safe_cell, write_table

__all__ = [
    "ANNOTATION_FORMATS",
    "TABLE_FORMATS",
    "Annotated",
    "Proposed",
    "Said",
    "choices",
    "plain_cell",
    "safe_cell",
    "write_annotations",
    "write_model",
    "write_table",
]
