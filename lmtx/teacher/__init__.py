"""Teachers: who judges (document, label) pairs, and the loop that asks each pair once."""

from lmtx.teacher.base import Answer, Teacher, TeacherContext, TeacherRequest, teacher_key
from lmtx.teacher.evidence import EvidenceTeacher
from lmtx.teacher.judging import JudgePreview, JudgeReport, judge, preview
from lmtx.teacher.registry import TEACHERS, TeacherKind, load_teacher
from lmtx.teacher.simulated import SimulatedTeacher

__all__ = [
    "TEACHERS",
    "Answer",
    "EvidenceTeacher",
    "JudgePreview",
    "JudgeReport",
    "SimulatedTeacher",
    "Teacher",
    "TeacherContext",
    "TeacherKind",
    "TeacherRequest",
    "judge",
    "load_teacher",
    "preview",
    "teacher_key",
]
