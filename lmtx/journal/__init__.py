"""The append-only record of a workspace."""

from lmtx.journal.journal import Journal
from lmtx.journal.rows import (
    Changes,
    DocumentRow,
    ImportCounts,
    JobRow,
    JudgedDecision,
    JudgmentRow,
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
    "JudgedDecision",
    "JudgmentRow",
    "KnownVerdicts",
    "LabelRow",
    "Page",
    "PairRow",
    "TeacherRow",
]
