"""How an adapter is trained: what a user may set."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lmtx.errors import InputError

COSINE_OFFSET = 0.35
COSINE_SCALE = 0.07
"""A cosine c becomes the logit (c - COSINE_OFFSET) / COSINE_SCALE."""

_RANGES = {  # setting -> least value, whether it must be above that, what it must be below
    "lr": (0.0, True, math.inf),
    "decision_weight": (0.0, True, math.inf),
    "unjudged_weight": (0.0, False, math.inf),
    "yes_weight": (0.0, True, math.inf),
    "smoothing": (0.0, False, 0.5),
    "cosine_scale": (0.0, True, math.inf),
    "cosine_offset": (-1.0, False, 1.0),
    "label_dropout": (0.0, False, 1.0),
    "map_decay": (0.0, False, math.inf),
}


@dataclass(frozen=True)
class AdapterConfig:
    """How an adapter is trained.

    Attributes
    ----------
    epochs, batch, lr
        Passes over the judged documents, documents a step, Adam's step size.
    decision_weight : float
        How much a person's decision weighs against a judgment (used where pairs are made).
    unjudged_weight : float
        Weight of (document, label) pairs of a batch that nobody judged; their target is 0.
    yes_weight : float
        How much a wanted pair weighs against one that is not.
    smoothing : float in [0, 0.5)
        Targets are moved this far towards each other: for verdicts that are often wrong.
    cosine_scale, cosine_offset : float
        A cosine c becomes the logit (c - cosine_offset) / cosine_scale.
    label_dropout : float in [0, 1)
        Share of a batch's labels whose free vector is left out, so that the maps alone must rank them as
        they must rank labels without examples.
    map_decay : float
        Times the sum of squares of both maps, added to the loss.
    seed : int
        Order of the documents.
    threads : int or None
        Torch threads; None leaves torch's setting alone.
    """

    epochs: int = 5
    batch: int = 128
    lr: float = 2e-3
    decision_weight: float = 3.0
    unjudged_weight: float = 1.0
    yes_weight: float = 1.0
    smoothing: float = 0.0
    cosine_scale: float = COSINE_SCALE
    cosine_offset: float = COSINE_OFFSET
    label_dropout: float = 0.0
    map_decay: float = 0.0
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no training can use; they come from settings and the command line."""
        smallest = {"epochs": 1, "batch": 1, "seed": 0, **({} if self.threads is None else {"threads": 1})}
        for name, least in smallest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"Training setting {name}: got {value!r}, expected {least} or more, whole.")
        for name, (lowest, above, below) in _RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < lowest or (above and value == lowest) or value >= below:
                said = f"more than {lowest:g}" if above else f"{lowest:g} or more"
                said += f" and less than {below:g}" if math.isfinite(below) else ""
                raise InputError(f"Training setting {name}: got {value!r}, expected {said}.")
