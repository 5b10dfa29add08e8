"""Rounds of shortlist, judging and training; retraining; runs and their promotion."""

from lmtx.cycle.active import Active, usefulness
from lmtx.cycle.data import CycleInputs, Training, seeded_rows, training_set
from lmtx.cycle.held_out import judged_quality
from lmtx.cycle.reports import CyclePreview, CycleReport, RoundReport
from lmtx.cycle.rounds import preview_cycle, run_cycle
from lmtx.cycle.training import train_once

__all__ = [
    "Active",
    "CycleInputs",
    "CyclePreview",
    "CycleReport",
    "RoundReport",
    "Training",
    "judged_quality",
    "preview_cycle",
    "run_cycle",
    "seeded_rows",
    "train_once",
    "training_set",
    "usefulness",
]
