"""The permanent random orders of a corpus, and the frame of the audit of pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lmtx.review.models import Policy
from lmtx.review.queue import inclusion_probability, pair_inclusion_probability, pair_number, seeded_order
from lmtx.types import CorpusView, Role

Pair = tuple[str, str]
"""(document id, label id)."""

_ROLES: tuple[tuple[Role, Policy], ...] = (("train", "default"), ("reserve", "audit"))


@dataclass
class Orders:
    """Permanent random orders of a corpus.

    Attributes
    ----------
    train, reserve : list of str
        Document ids in order, completed or not.
    rank : dict
        Reserved document -> place from 1.
    waiting : list of str
        `train`, judged ones first.
    n_judged : int
        How many of `waiting` are judged.
    looked : float
        When that was looked at, by `time.monotonic`.
    """

    view: CorpusView
    seed: int
    train: list[str]
    reserve: list[str]
    rank: dict[str, int]
    waiting: list[str]
    n_judged: int
    looked: float

    @classmethod
    def make(cls, view: CorpusView, seed: int, judged: Collection[str]) -> Orders:
        """Put the documents of a corpus in order; `judged` are those with a judged or decided pair."""
        train, reserve = (
            seeded_order((view.documents[int(i)].id for i in view.rows(role)), seed, policy)
            for role, policy in _ROLES
        )
        made = cls(view, seed, train, reserve, {x: i + 1 for i, x in enumerate(reserve)}, [], 0, 0.0)
        made.look(judged)
        return made

    def look(self, judged: Collection[str]) -> None:
        """Put what is judged first."""
        known = set(judged)
        first = [x for x in self.train if x in known]
        self.waiting, self.n_judged = first + [x for x in self.train if x not in known], len(first)
        self.looked = time.monotonic()

    def probability(self, document_id: str) -> float | None:
        """Inclusion probability of a reserved document in the audit, None of another."""
        rank = self.rank.get(document_id)
        return None if rank is None else inclusion_probability(rank, len(self.reserve))


@dataclass(frozen=True)
class Frame:
    """The pairs that the audit of pairs draws from; see `pair_inclusion_probability`.

    Attributes
    ----------
    rank : dict
        Pair -> place from 1, in order.
    n_documents, n_reserve : int
        Documents that the pairs are of, and in the reserve.
    weight : dict
        Label -> inclusion probability of its pairs, relative to the mean of all; 1 where it has none.
    """

    rank: dict[Pair, int]
    n_documents: int
    n_reserve: int
    weight: dict[str, float] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        best: Mapping[str, Sequence[str]],
        seed: int,
        n_reserve: int,
        relative: Callable[[str], float] | None = None,
    ) -> Frame:
        """Put pairs in order: by their permanent random numbers, over their relative inclusion probability.

        Parameters
        ----------
        best : mapping
            Reserved document -> the tagger's best labels. The first documents of the audit's order.
        seed, n_reserve : int
        relative : callable, optional
            Relative inclusion probability of a label's pairs, above 0; all alike where None.
        """
        pairs = [(x, label_id) for x, labels in best.items() for label_id in labels]
        weight: dict[str, float] = {}
        if relative is not None and pairs:
            of = {label_id: relative(label_id) for _, label_id in pairs}
            mean = sum(of[label_id] for _, label_id in pairs) / len(pairs)
            weight = {label_id: x / mean for label_id, x in of.items()}
        pairs.sort(key=lambda pair: pair_number(pair[0], pair[1], seed, "audit") / weight.get(pair[1], 1.0))
        return cls({pair: i + 1 for i, pair in enumerate(pairs)}, len(best), n_reserve, weight)

    def probability(self, pair: Pair) -> float | None:
        """Inclusion probability of a pair, None of one that is not in the frame."""
        rank = self.rank.get(pair)
        if rank is None:
            return None
        relative = self.weight.get(pair[1], 1.0)
        return pair_inclusion_probability(rank, len(self.rank), self.n_documents, self.n_reserve, relative)
