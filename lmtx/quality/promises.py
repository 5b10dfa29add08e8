"""What may be said as a promise, however often one looks: "meets the target", and thresholds.

Whoever reviews looks after every decision, and stops when the figure pleases. An interval of 95 % holds at
one look; looked at every ten decisions it says "at least the target" wrongly in one run of five. So what is
said as a promise rests on evidence that holds at all looks at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from lmtx.errors import InputError
from lmtx.quality.estimates import LEVEL, likeness
from lmtx.quality.sampling import Numbers, Rows

STEPS = tuple(round(0.05 * i, 2) for i in reversed(range(20)))
"""Thresholds that are tried, the highest first, set before anything is looked at; the last takes all tags."""

STARTS = ((0.1, 1.0), (0.9, 0.5))
"""Two orders of thresholds: share of the chance of error, and where the order begins: at the first threshold
with so many pairs that the target could be promised if precision were so far between the target and 1. From
1,000 audited pairs of debtags the second promises .8 in nine audits of ten, the first alone in four: of few
pairs one is soon wrong, and that ends the order. The first is for small groups, and gets little of the
chance, as what is promised of few pairs by luck is false most often."""
LEAST = 10
"""Pairs above a threshold from which its share may be guessed."""
FEWEST = 30
"""Audited pairs below which nothing is said of what could be promised."""
MOST = 50_000
"""Answers that nobody gives: more are not said to be needed."""
_TOTALS = 240
"""Totals that are tried to find how many it takes: neighbours differ by a few percent."""


def log_evidence(successes: ArrayLike, n: ArrayLike, target: float) -> tuple[Numbers, Numbers]:
    """Evidence that a share is above the target, and that it is below, at all looks at once.

    Each is the likelihood of the answers, mixed uniformly over the shares on that side, over their likelihood
    at the target: where the share is on the other side it exceeds 1 / (1 - level) at any time with
    probability at most 1 - level. Counts may be effective sizes, not whole.

    Returns
    -------
    above, below : float64
        Logarithms, of the shape of the counts.

    References
    ----------
    Robbins, Statistical methods related to the law of the iterated logarithm, 1970.
    Howard, Ramdas, McAuliffe, Sekhon: Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021.
    Ville's inequality, 1939.
    """
    _check(target)
    s, m = np.broadcast_arrays(np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64))
    return _above(s, m, target), _above(m - s, m, 1 - target)


def _check(target: float) -> None:
    if not 0 < target < 1:
        raise InputError(f"target is {target}, expected a share between 0 and 1. Say .9 for 90 %.")


def _above(s: Numbers, m: Numbers, target: float) -> Numbers:
    """Evidence that a share is above the target."""
    at_target = special.xlogy(s, target) + special.xlog1py(m - s, -target)
    with np.errstate(divide="ignore"):
        beyond = np.log(special.betaincc(1 + s, 1 + m - s, target))
    return np.asarray(special.betaln(1 + s, 1 + m - s) + beyond - at_target - math.log(1 - target))


def verdicts(successes: ArrayLike, n: ArrayLike, target: float, level: float = LEVEL) -> list[str]:
    """Say of shares "meets" (the target), "misses" or "" (not known yet), at all looks at once."""
    above, below = log_evidence(successes, n, target)
    bound = -math.log(1 - level)
    both = zip(np.atleast_1d(above).tolist(), np.atleast_1d(below).tolist(), strict=True)
    return ["meets" if a >= bound else "misses" if b >= bound else "" for a, b in both]


@dataclass(frozen=True)
class Promise:
    """A threshold above which tags are right as often as was asked for.

    Attributes
    ----------
    threshold : float or None
        None where none can be promised yet; 0: all tags.
    target : float
    n : int
        Audited pairs above the threshold (of all, where there is none).
    right : int
        Those that are right.
    kept : float
        Share of all tags that the threshold keeps.
    needed : int or None
        Audited pairs in all, those below the threshold included, at which a threshold could be promised if
        shares stay what they are; None where one is, where none could be by `MOST`, and where `too_few` or
        `withheld` says why nothing is known.
    too_few : bool
        Whether so few answers say nothing of what could be promised.
    withheld : str
        Why nothing is promised whatever the answers are, as a clause without a full stop; "" where nothing is
        in the way.
    """

    threshold: float | None
    target: float
    n: int
    right: int
    kept: float
    needed: int | None = None
    too_few: bool = False
    withheld: str = ""

    @property
    def missing(self) -> str:
        """Why nothing is promised, in a sentence; "" where something is."""
        if self.threshold is not None:
            return ""
        if self.withheld:
            return f"Nothing is promised: {self.withheld}."
        said = f"It can't be promised yet that {100 * self.target:.0f} % are right"
        if self.too_few:
            return f"{said}: {self.n} audited tags are too few to say, about {FEWEST} give a first idea."
        if self.needed is None:
            return (
                f"{said}: of {self.n} audited tags {self.right} are right, which does not look like it at "
                "any threshold."
            )
        return f"{said}: that takes at least about {self.needed} audited tags in all, {self.n} are there."


def promised_threshold(
    probability: Numbers,
    right: Numbers,
    target: float,
    *,
    weight: Numbers | None = None,
    document: Rows | None = None,
    population: Numbers | None = None,
    steps: ArrayLike = STEPS,
    level: float = LEVEL,
) -> Promise:
    """Lowest threshold whose tags are right with at least `target`, promised with `level`.

    Thresholds are tested in a fixed order, the highest first, and the first that can't be promised ends it:
    so looking at many costs nothing. The order begins where enough pairs are above the threshold, which does
    not look at answers; it is gone through twice, with the chance of error divided, once from where few
    pairs would do were all of them right, once from where many are. Evidence holds at all times, so looking
    again later costs nothing either.

    Parameters
    ----------
    probability, right : float64 (n,)
        Of audited pairs that are a random sample: the tagger's probability, and whether a person said it is
        right.
    target : float
        In (0, 1).
    weight : float64 (n,), optional
        Pairs that each stands for.
    document : int64 (n,), optional
        Rows of documents, whose pairs are alike.
    population : float64, optional
        Probabilities of all tags of the reserve, to say how many a threshold keeps.
    steps : array-like
        Thresholds to try, set before anything is looked at.
    level : float
        Probability that no threshold that is ever promised is false.

    Raises
    ------
    InputError
        If `target` is not between 0 and 1.

    References
    ----------
    Bauer, Multiple testing in clinical trials, 1991 (fixed sequences).
    Wiens, A fixed sequence Bonferroni procedure for testing multiple endpoints, 2003 (divided chance).
    """
    _check(target)
    w = np.ones(len(right)) if weight is None else weight
    order = np.unique(np.asarray(steps, dtype=np.float64))[::-1]
    n, kish = np.zeros(len(order), dtype=np.int64), np.zeros(len(order))
    size, share, n_right = np.zeros(len(order)), np.zeros(len(order)), np.zeros(len(order), dtype=np.int64)
    for i, step in enumerate(order.tolist()):
        above = probability >= step
        n[i] = above.sum()
        if n[i]:
            y, v = right[above], w[above]
            kish[i] = float(v.sum()) ** 2 / float((v**2).sum())
            size[i] = kish[i] / likeness(y, v, None if document is None else document[above])
            share[i], n_right[i] = float((v * y).sum() / v.sum()), int(y.sum())
    evidence = _above(share * size, size, target)
    last = -1
    for chance, enough in _orders(target, level):
        if not (kish >= enough).any():
            continue
        start = int((kish >= enough).argmax())
        failed = np.flatnonzero(evidence[start:] < -math.log(chance))
        end = start + int(failed[0]) if len(failed) else len(order)
        last = max(last, end - 1) if end > start else last
    if last >= 0:
        everything = probability if population is None else population
        kept = float((everything >= order[last]).mean()) if len(everything) else 0.0
        return Promise(float(order[last]), target, int(n[last]), int(n_right[last]), kept)
    too_few = len(right) < FEWEST or not (n >= LEAST).any()
    needed = None
    if not too_few:
        # Few pairs above a threshold show no share of their own: they are taken to be like those below.
        first = int((n >= LEAST).argmax())
        share[:first] = share[first]
        needed = _total_needed(len(right), share, size, kish, target, level)
    return Promise(None, target, len(right), int(right.sum()), 0.0, needed, too_few)


def _orders(target: float, level: float) -> list[tuple[float, float]]:
    """Chance of error of each order of thresholds, and the pairs that it begins with."""
    return [
        (part * (1 - level), _start(target + typical * (1 - target), target, part * (1 - level)))
        for part, typical in STARTS
    ]


def _total_needed(
    n: int, share: Numbers, size: Numbers, kish: Numbers, target: float, level: float
) -> int | None:
    """Smallest total of pairs at which one of the orders passes where it begins; None where none does.

    Of the pairs to come as many are above a threshold as of those so far, and as many of them are right. With
    more pairs an order begins at a higher threshold.

    Parameters
    ----------
    n : int
        Pairs so far.
    share, size, kish : float64 (n_steps,)
        Of the pairs above each threshold, the highest first: share that is right, and effective sizes with
        and without the likeness of pairs of one document.
    """
    if n >= MOST:
        return None
    totals = np.unique(np.ceil(np.geomspace(n + 1, MOST, _TOTALS)))
    times = totals / n
    passes = np.zeros(len(totals), dtype=bool)
    for chance, enough in _orders(target, level):
        reached = kish * times[:, None] >= enough
        start = reached.argmax(axis=1)
        m = size[start] * times
        evidence = _above(share[start] * m, m, target)
        passes |= reached.any(axis=1) & (evidence >= -math.log(chance))
    return int(totals[passes.argmax()]) if passes.any() else None


def answers_needed(share: float, target: float, level: float = LEVEL, worth: float = 1.0) -> int | None:
    """Answers that it takes to promise the target where the share is so high; None where it is not above.

    `worth` is what an answer counts, where those of one document are alike.
    """
    found = float(_answers_needed(np.array([share]), target, level)[0])
    return None if math.isinf(found) else math.ceil(found / worth)


@lru_cache(maxsize=256)
def _start(share: float, target: float, chance: float) -> float:
    """Pairs that an order of thresholds begins with."""
    return float(_answers_needed(np.array([share]), target, 1 - chance)[0])


def _answers_needed(share: Numbers, target: float, level: float) -> Numbers:
    """Answers needed for each share; inf where it is not above the target, or too little above it."""
    out = np.full(len(share), np.inf)
    higher = share > target
    if not higher.any():
        return out
    p, bound = share[higher], -math.log(1 - level)
    few, many = np.zeros(len(p)), np.full(len(p), float(MOST))
    for _ in range(MOST.bit_length()):  # evidence grows with the answers, so halving finds where it is enough
        middle = np.ceil((few + many) / 2)
        enough = _above(p * middle, middle, target) >= bound
        few, many = np.where(enough, few, middle), np.where(enough, middle, many)
    out[higher] = np.where(many < MOST, many, np.inf)
    return out


def lower_bound(successes: int, n: int, level: float = LEVEL) -> float:
    """One-sided lower bound of a share by Clopper and Pearson, exact at one look."""
    if n == 0 or successes == 0:
        return 0.0
    return float(special.betaincinv(successes, n - successes + 1, 1 - level))
