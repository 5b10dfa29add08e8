"""Which labels two runs differ on, where both tagged the same documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lmtx.quality.paired import false_discoveries, mcnemar

LEVEL = 0.05
"""Share of wrong ones, on average, among the labels that are said to have got better or worse."""

MIN_APART = 6
"""Documents on which two runs must differ about a label: fewer never show more than chance. How many differ
says nothing of which run is better, so the labels may be chosen by it before they are tested."""


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label in two runs on the same documents.

    wanted : documents that should have it
    given_old, right_old, given_new, right_new : documents that get it, and rightly
    gained, lost : documents where the new run is right about it and the old one is not, and the reverse
    got : "better" or "worse" where that is beyond chance, else ""
    """

    label_id: str
    wanted: int
    given_old: int
    right_old: int
    given_new: int
    right_new: int
    gained: int
    lost: int
    got: Literal["better", "worse", ""]


def label_changes(
    wanted: Sequence[Collection[str]], old: Sequence[Collection[str]], new: Sequence[Collection[str]]
) -> list[LabelChange]:
    """Compare two runs label by label; only labels on which they differ, the worst first.

    A label got better or worse where the exact McNemar test says so, with false discoveries held to `LEVEL`
    among the labels that at least `MIN_APART` documents tell something about.

    Parameters
    ----------
    wanted, old, new : sequence of collections of str
        Label ids of each document: what people said, and what the two runs give.
    """
    counts: dict[str, Counter[str]] = {
        x: Counter() for x in ("wanted", "given_old", "right_old", "given_new", "right_new", "gained", "lost")
    }
    for truth, before, after in zip(map(set, wanted), map(set, old), map(set, new), strict=True):
        apart = before ^ after
        now_right = {x for x in apart if (x in after) == (x in truth)}
        counts["wanted"].update(truth)
        counts["given_old"].update(before)
        counts["right_old"].update(before & truth)
        counts["given_new"].update(after)
        counts["right_new"].update(after & truth)
        counts["gained"].update(now_right)
        counts["lost"].update(apart - now_right)
    gained, lost = counts["gained"], counts["lost"]
    # Gains less losses, the worst first; of equals those that more documents tell of.
    ids = sorted(gained.keys() | lost.keys(), key=lambda x: (gained[x] - lost[x], -lost[x], x))
    tested = [x for x in ids if gained[x] + lost[x] >= MIN_APART]
    p = mcnemar(np.array([gained[x] for x in tested]), np.array([lost[x] for x in tested]))
    stand_out = {x for x, found in zip(tested, false_discoveries(p, LEVEL), strict=True) if found}

    def got(label_id: str) -> Literal["better", "worse", ""]:
        if label_id not in stand_out:
            return ""
        return "better" if gained[label_id] > lost[label_id] else "worse"

    return [LabelChange(x, **{name: n[x] for name, n in counts.items()}, got=got(x)) for x in ids]


__all__ = ["LEVEL", "MIN_APART", "LabelChange", "label_changes"]
