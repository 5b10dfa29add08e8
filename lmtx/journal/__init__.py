"""The append-only record of a workspace."""

from lmtx.journal.journal import Journal
from lmtx.journal.rows import (
    Changes,
    DocumentRow,
    ImportCounts,
    JobRow,
    KnownVerdicts,
    LabelRow,
    Page,
    PairRow,
    TeacherRow,
)

__all__ = [
    "Changes",
    "DocumentRow",
    "ImportCounts",
    "JobRow",
    "Journal",
    "KnownVerdicts",
    "LabelRow",
    "Page",
    "PairRow",
    "TeacherRow",
]
