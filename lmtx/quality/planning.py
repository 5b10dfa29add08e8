"""What further audited pairs would buy, before they are drawn.

A plan looks at the answers so far, so it may choose how many more are worth the time; the design itself is
set before the draw and weighs labels by how often they are given, never by answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy import special

from lmtx.errors import InputError
from lmtx.quality.estimates import Interval, LabelFigures, effective_size, wilson
from lmtx.quality.reviews import Z, widths_needed
from lmtx.quality.sampling import Numbers

D = TypeVar("D", bound=str)
"""Name of a design."""


def plan(
    extra: Sequence[int],
    designs: Sequence[D],
    figures: LabelFigures,
    relative: Mapping[D, Numbers],
    found: Interval,
    points: float = 0.1,
) -> list[tuple[D, int, float, int]]:
    """Say what more audited pairs would make of the figures, about.

    Parameters
    ----------
    extra : sequence of int
        How many more answers; more than there are pairs left count as those left.
    designs : sequence of str
        How they would be drawn.
    figures : LabelFigures
        What is known of each label.
    relative : mapping of design to float64 (n_labels,)
        Relative inclusion probability of each label's pairs.
    found : Interval
        What is known of all tags.
    points : float
        Half width in (0, 0.5) below which a label counts as known.

    Returns
    -------
    list of (design, extra, half_width, n_known)
        Half width of the figure of all tags, a fraction; labels that are then expected to be known to plus or
        minus `points`, rounded. In the order of designs, then of `extra`.

    Raises
    ------
    InputError
        If a design has no weight for each label, or weights that are not above 0.
    """
    n_labels = len(figures.n)
    left = np.maximum(figures.given - figures.n, 0).astype(np.float64)
    known_now = (figures.n > 0) & ((figures.high - figures.low) / 2 <= points)
    # A label with few answers is taken to be about as the others are.
    typical = 0.5 if found.value is None else (found.value * found.n + 2) / (found.n + 4)
    missing = widths_needed(figures.right, figures.n, figures.population, points, typical)
    needed = np.where(known_now, 0.0, missing.astype(np.float64))
    needed[figures.given == 0] = np.inf  # nobody is given it: there is nothing to know
    out = []
    for design in designs:
        weight = np.asarray(relative[design], dtype=np.float64)
        if weight.shape != (n_labels,) or (n_labels and not float(weight.min()) > 0):
            raise InputError(
                f"plan: design {design!r} has weights of shape {weight.shape}, expected {n_labels} numbers "
                "above 0. Give the relative inclusion probability of each label."
            )
        worth = _worth(figures.given.astype(np.float64), weight)
        for more in extra:
            chance = _chance(left, weight, more)
            n_known = float(_reached(left, chance, needed).sum()) if n_labels else 0.0
            half = _half_width(found, min(float(more), float(left.sum())), worth)
            out.append((design, more, half, round(n_known)))
    return out


def _chance(left: Numbers, weight: Numbers, more: float) -> Numbers:
    """Probability that a label's open pair is among the next: its weight times a constant, at most 1."""
    if not len(left) or left.sum() <= 0 or more <= 0:
        return np.zeros_like(left)
    # How many are drawn is a line between the constants where labels come to be drawn whole.
    order = np.argsort(-weight, kind="stable")
    corner = 1 / weight[order]
    whole = np.cumsum(left[order])
    partly = (left * weight).sum() - np.cumsum((left * weight)[order])
    drawn = whole + corner * partly
    constant = float(np.interp(more, np.r_[0.0, drawn], np.r_[0.0, corner]))
    return np.minimum(1.0, constant * weight)


def _reached(left: Numbers, chance: Numbers, needed: Numbers) -> Numbers:
    """Probability that at least `needed` of the `left` pairs are drawn."""
    certain = needed <= 0
    never = needed > left
    with np.errstate(invalid="ignore"):
        reached = special.bdtrc(np.maximum(needed - 1, 0).astype(np.float64), left, chance)
    return np.where(certain, 1.0, np.where(never, 0.0, reached))


def _worth(given: Numbers, weight: Numbers) -> float:
    """What an answer is worth for the figure of all tags, by Kish: 1 where all pairs are drawn alike."""
    if given.sum() <= 0:
        return 1.0
    return float(given.sum()) ** 2 / float((given * weight).sum() * (given / weight).sum())


def _half_width(found: Interval, more: float, worth: float) -> float:
    """Half width of the figure of all tags with more answers."""
    if found.exact:
        return 0.0
    population = float(max(found.population, found.n + more, 1))
    share, size, each = 0.5, 0.0, 1.0
    if found.value is not None and found.n:
        share = min(max(found.value, 0.5 / found.n), 1 - 0.5 / found.n)
        size = _size_of(share, found.half_width)
        # What an answer was worth so far: more than one by the proxy, less where documents' pairs are alike.
        each = min(4.0, max(0.1, size / float(effective_size(found.n, population))))
    now = float(effective_size(min(found.n, population), population)) if found.n else 0.0
    then = float(effective_size(min(found.n + more, population), population))
    if np.isinf(then):
        return 0.0
    size += (then - now) * each * worth
    low, high = wilson(share * size, size)
    return float(high - low) / 2


def _size_of(share: float, half: float) -> float:
    """Size of a sample whose interval by Wilson is so wide: his formula, solved for the size."""
    product, h2, z2 = share * (1 - share), max(half, 1e-6) ** 2, Z * Z
    # 4 h^2 (n + z^2)^2 = 4 z^2 n pq + z^4, a square equation in n.
    a, b, c = 4 * h2, 8 * h2 * z2 - 4 * z2 * product, 4 * h2 * z2 * z2 - z2 * z2
    inside = max(0.0, b * b - 4 * a * c)
    return float(max(0.0, (-b + math.sqrt(inside)) / (2 * a)))


__all__ = ["plan"]
