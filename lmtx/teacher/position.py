"""Does the order of a list move the verdicts? The same documents are asked again in other orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import TeacherError
from lmtx.teacher.base import Answer, Teacher, TeacherRequest, ask
from lmtx.types import Progress, no_progress

ORDERS = 3
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class PositionReport:
    """What other orders changed.

    n_documents, n_pairs : documents, and pairs that were answered in all orders
    n_flipped : pairs whose verdict was not the same in all orders
    low, high : 95 % interval of the share of flipped pairs, from a bootstrap over documents, since pairs of
        a document flip together
    yes_first, yes_last : share of yes where a pair stood in the first and in the last third of its list
    p : of a permutation test of "yes does not depend on the place": answers of a pair are exchanged among
        the places that it had
    tokens : read and written for the check
    """

    n_documents: int
    n_pairs: int
    n_flipped: int
    low: float
    high: float
    yes_first: float
    yes_last: float
    p: float
    tokens: int


def check_positions(
    teacher: Teacher, requests: Sequence[TeacherRequest], seed: int = 0, progress: Progress = no_progress
) -> PositionReport:
    """Ask about whole shortlists in several orders, and compare.

    Nothing is recorded: an answer to another order is no verdict under the teacher's key.

    Raises
    ------
    TeacherError
        If no document was answered in all orders.
    """
    rng = np.random.default_rng(seed)
    verdicts: list[list[NDArray[np.int8]]] = [[] for _ in requests]  # per order: 1 yes, 0 no, -1 neither
    places: list[list[NDArray[np.float64]]] = [[] for _ in requests]
    tokens = 0
    for number in range(ORDERS):
        progress(number, ORDERS, "Asking in another order")
        orders = [
            np.arange(len(r.shortlist)) if number == 0 else rng.permutation(len(r.shortlist))
            for r in requests
        ]
        asked = []
        for request, order in zip(requests, orders, strict=True):
            labels = tuple(request.shortlist[i] for i in order)
            asked.append(replace(request, labels=labels, ranks=tuple(range(len(labels))), shortlist=labels))
        for i, (answers, order) in enumerate(zip(ask(teacher, asked), orders, strict=True)):
            said = np.full(len(order), -1, np.int8)
            said[order] = [_code(a) for a in answers] if answers else -1
            place = np.empty(len(order))
            place[order] = (np.arange(len(order)) + 0.5) / max(1, len(order))
            verdicts[i].append(said)
            places[i].append(place)
            tokens += sum(a.tokens for a in answers if a is not None)
    progress(ORDERS, ORDERS, "Comparing the orders")
    said_in = [np.array(v) for v in verdicts]  # (orders, labels) a document
    place_in = [np.array(p) for p in places]
    usable = [(v >= 0).all(axis=0) for v in said_in]
    n = np.array([u.sum() for u in usable])
    if not n.sum():
        raise TeacherError(
            f"teacher {teacher.spec!r}: no pair was answered in all orders. Try a connection test."
        )
    flipped = np.array(
        [(v[:, u].min(0) != v[:, u].max(0)).sum() for v, u in zip(said_in, usable, strict=True)]
    )
    draws = rng.integers(0, len(n), (_DRAWS, len(n)))
    shares = flipped[draws].sum(1) / np.maximum(1, n[draws].sum(1))
    yes = np.concatenate([v[:, u] for v, u in zip(said_in, usable, strict=True)], axis=1).astype(float)
    at = np.concatenate([p[:, u] for p, u in zip(place_in, usable, strict=True)], axis=1)
    centred = at - at.mean(axis=0)
    observed = abs(float((yes * centred).sum()))
    shuffled = [abs(float((rng.permuted(yes, axis=0) * centred).sum())) for _ in range(_DRAWS)]
    low, high = np.quantile(shares, [0.025, 0.975])
    return PositionReport(
        n_documents=len(requests),
        n_pairs=int(n.sum()),
        n_flipped=int(flipped.sum()),
        low=float(low),
        high=float(high),
        yes_first=float(yes[at < 1 / 3].mean()) if (at < 1 / 3).any() else float("nan"),
        yes_last=float(yes[at > 2 / 3].mean()) if (at > 2 / 3).any() else float("nan"),
        p=(1 + sum(x >= observed - 1e-12 for x in shuffled)) / (1 + _DRAWS),
        tokens=tokens,
    )


def _code(answer: Answer | None) -> int:
    return -1 if answer is None or answer.verdict == "unparsed" else int(answer.verdict == "yes")
