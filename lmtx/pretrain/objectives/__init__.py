"""Objectives by name. One module each; adding one is a line here. Importing this package needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lmtx.errors import InputError

if TYPE_CHECKING:
    from lmtx.pretrain.objectives.base import Objective

OBJECTIVES: dict[str, tuple[str, str]] = {
    "mlm": ("MaskedWords", "Predict words that were hidden (masked language model)."),
    "clm": ("NextWord", "Predict the next word; for encoders that read from left to right."),
    "sentence_prediction": ("FollowingSentence", "Tell whether a sentence follows another."),
    "simcse": ("TwiceRead", "A text read twice, with dropout, is nearest to itself."),
    "tsdae": ("Rebuilt", "Rebuild a text from the vector of four tenths of its words."),
    "inverse_cloze": ("TakenOut", "Find the text that a sentence was taken out of."),
    "random_segments": ("Segments", "Two random segments of a text are near each other."),
    "title_content": ("TitleAndContent", "Find the text that a title belongs to."),
    "triplet": ("Triplet", "From verdicts: a wanted label is nearer than others by a margin."),
    "infonce": ("InfoNce", "From verdicts: a wanted label against all others of the batch."),
    "bce": ("Bce", "From verdicts: each pair is wanted or not."),
    "distillation": ("SameVectors", "Give the vectors of another encoder."),
}
"""Name, which is that of the module too -> its class, and a sentence for people."""

READ_VERDICTS = frozenset({"triplet", "infonce", "bce"})


def objective(name: str) -> type[Objective]:
    """Return the class of an objective; imports torch."""
    found: Any = getattr(import_module(f"{__name__}.{name}"), OBJECTIVES[name][0])
    return found  # type: ignore[no-any-return]


def check_objectives(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the weights of objectives, checked.

    Raises
    ------
    InputError
        If there is none, a name does not exist or a weight is not above zero.
    """
    for name, weight in weights.items():
        if name not in OBJECTIVES:
            raise InputError(f"No objective is called {name!r}. Known: {', '.join(OBJECTIVES)}.")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 < weight < float("inf"):
            raise InputError(f"Weight of objective {name!r}: got {weight!r}, expected a number above 0.")
    if not weights:
        raise InputError(f"No objective to train by. Known: {', '.join(OBJECTIVES)}.")
    return {name: float(weight) for name, weight in weights.items()}
