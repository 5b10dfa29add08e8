"""Rounds of shortlist, judging and training; retraining; runs and their promotion."""

from lmtx.cycle.data import CycleInputs, Training, seeded_rows, training_set
from lmtx.cycle.held_out import judged_quality
from lmtx.cycle.rounds import CycleReport, RoundReport, run_cycle
from lmtx.cycle.training import train_once

__all__ = [
    "CycleInputs",
    "CycleReport",
    "RoundReport",
    "Training",
    "judged_quality",
    "run_cycle",
    "seeded_rows",
    "train_once",
    "training_set",
]
