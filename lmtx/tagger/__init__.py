"""The tagger: what predicts, and how it is put together from parts."""

from lmtx.tagger.calibration import Calibration
from lmtx.tagger.inputs import Findings, HeldOut, OwnEncoder, TeacherKind, TrainingInputs
from lmtx.tagger.ridge import COMPLETED_WEIGHT, MAX_LANDMARKS, KernelRidge
from lmtx.tagger.tagger import FIXED_WEIGHTS, Tagger
from lmtx.tagger.weights import PARTS, ZERO_SHOT_PARTS, Weights

__all__ = [
    "COMPLETED_WEIGHT",
    "FIXED_WEIGHTS",
    "MAX_LANDMARKS",
    "PARTS",
    "ZERO_SHOT_PARTS",
    "Calibration",
    "Findings",
    "HeldOut",
    "KernelRidge",
    "OwnEncoder",
    "Tagger",
    "TeacherKind",
    "TrainingInputs",
    "Weights",
]
