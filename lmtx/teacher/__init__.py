"""Teachers: who judges (document, label) pairs, and the loop that asks each pair once."""

from lmtx.teacher.base import (
    Answer,
    Answered,
    Estimate,
    Teacher,
    TeacherContext,
    TeacherRequest,
    ask,
    teacher_key,
)
from lmtx.teacher.budget import NO_BUDGET, Budget
from lmtx.teacher.evidence import EvidenceTeacher
from lmtx.teacher.judging import JudgePreview, JudgeReport, judge, preview
from lmtx.teacher.registry import TEACHERS, TeacherKind, load_teacher, parse_spec
from lmtx.teacher.simulated import SimulatedTeacher
from lmtx.teacher.spec import TeacherSpec

__all__ = [
    "NO_BUDGET",
    "TEACHERS",
    "Answer",
    "Answered",
    "Budget",
    "Estimate",
    "EvidenceTeacher",
    "JudgePreview",
    "JudgeReport",
    "SimulatedTeacher",
    "Teacher",
    "TeacherContext",
    "TeacherKind",
    "TeacherRequest",
    "TeacherSpec",
    "ask",
    "judge",
    "load_teacher",
    "parse_spec",
    "preview",
    "teacher_key",
]
