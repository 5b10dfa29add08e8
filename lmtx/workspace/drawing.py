"""Drawing from the queues: which items may come, and in which order each policy lets them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from lmtx.errors import InputError, NothingToDoError
from lmtx.review import (
    AUDIT_PAIR,
    AUDITS,
    MIX,
    NAMES,
    PAIR_REASONS,
    REASONS,
    Orders,
    Policy,
    Pool,
    Scope,
    Unit,
    audit_is_due,
    take_turns,
)
from lmtx.workspace.parts import Parts
from lmtx.workspace.queues import Queues, queues_of
from lmtx.workspace.standing import Skip, Standing

_STEP: dict[Unit, int] = {"document": 7, "pair": 1}  # decisions that an item takes, about
_TURNS = take_turns(100, MIX)  # shares are whole percents, so turns repeat after a hundred
_MISSING: dict[Policy, str] = {
    "disagreement": "no teacher has judged any of these",
    "teacher_errors": "it needs a training on a teacher's answers",
}

Key = tuple[str, str | None]
"""An item of a queue: (document id, label id), without a label where it is a document."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An item as it was drawn; see `lmtx.review.ReviewItem`."""

    document_id: str
    label_id: str | None
    policy: str
    reason: str
    inclusion_probability: float | None = None


def draw(
    parts: Parts,
    unit: Unit,
    policy: Policy | str,
    reviewer: str,
    n: int,
    after: Collection[Key],
    scope: Scope,
) -> list[Drawn]:
    """Draw the next n items of a queue; none is kept back for anybody.

    Raises
    ------
    InputError
        If there is no such policy.
    NothingToDoError
        If there are no labels.
    """
    asked = "audit" if policy == AUDIT_PAIR else policy  # that is how single pairs are recorded
    known = next((x for x in NAMES if x == asked), None)
    if known is None:
        raise InputError(f"Policy {policy!r} does not exist. Known: {', '.join(NAMES)}.")
    if not parts.labels_by_id():
        raise NothingToDoError("There are no labels yet. Import a label set first.")
    queues = queues_of(parts)
    with queues.now(parts) as (orders, standing):
        skipped = standing.skipped(reviewer)
        wanted = _Draw(queues, parts, orders, standing, unit, scope, set(after), skipped)
        found: list[Drawn] = []
        for drawn in islice(wanted.stream(known), n):
            found.append(drawn)
            wanted.passed.add((drawn.document_id, drawn.label_id))
        return found


class _Draw:
    """One question to the queues: what may come, and in which order."""

    def __init__(
        self,
        queues: Queues,
        parts: Parts,
        orders: Orders,
        standing: Standing,
        unit: Unit,
        scope: Scope,
        after: set[Key],
        skipped: set[Skip],
    ) -> None:
        self._queues, self._parts, self._orders, self._standing = queues, parts, orders, standing
        self._unit, self._scope, self._skipped = unit, scope, skipped
        self._inside = queues.inside(parts, scope)
        # A label's audit goes on in that label's own order, so none of its pairs may be passed over.
        self._inside_but_label = queues.inside(parts, replace(scope, label_id=None))
        self._live = parts.labels_by_id()
        self._reasons = REASONS if unit == "document" else PAIR_REASONS
        self.passed = after

    def stream(self, policy: Policy) -> Iterator[Drawn]:
        """Items of a policy, in order, that are free."""
        if policy == "audit":
            return self._audit(must=True)
        if policy == "default":
            return self._random() if self._scope != Scope() else self._recommended()
        if policy == "unseen":
            return self._unseen()
        if policy == "mix":
            return self._mix()
        return self._scored(policy)

    def _free(self, key: Key) -> bool:
        """Whether an item may come."""
        return key not in self.passed and self._open(key)

    def _open(self, key: Key) -> bool:
        """Whether nobody has settled an item of the scope, and the reviewer has not passed it over."""
        return self._open_in(key, self._inside)

    def _open_in(self, key: Key, inside: frozenset[str] | None) -> bool:
        document_id, label_id = key
        if document_id in self._standing.completed or document_id not in self._orders.view.document_idx:
            return False
        if key in self._skipped or (document_id, None) in self._skipped:
            return False
        if inside is not None and document_id not in inside:
            return False
        return label_id is None or (
            label_id in self._live and not self._standing.is_decided((document_id, label_id))
        )

    def _take(self, keys: Iterator[Key], policy: str, reason: str) -> Iterator[Drawn]:
        for key in keys:
            if self._free(key):
                yield Drawn(*key, policy, reason)

    def _random(self, reason: str = "") -> Iterator[Drawn]:
        return self._take(self._random_keys(), "default", reason or self._reasons["default"])

    def _random_keys(self) -> Iterator[Key]:
        if self._unit == "document":
            yield from ((x, None) for x in self._orders.waiting)
            return
        yield from self._pool().pair_order["default"]

    def _pool(self) -> Pool:
        """Return the pool, or one of few documents where it is not there yet or is exhausted."""
        pool = self._queues.pool(self._parts, self._scope)
        if pool is not None and (pool.whole or any(map(self._open, pool.pair_order["default"]))):
            return pool
        if pool is not None:
            self._queues.again(self._scope, pool.documents)
        small = self._queues.small_pool(self._parts, self._scope)
        if not small.whole and not any(map(self._open, small.pair_order["default"])):
            self._queues.again(self._scope, small.documents)
            small = self._queues.small_pool(self._parts, self._scope)
        return small

    def _unseen(self) -> Iterator[Drawn]:
        if self._unit == "pair":
            keys: Iterator[Key] = iter(self._pool().pair_order["unseen"])
        else:
            rest = islice(self._orders.waiting, self._orders.n_judged, None)
            keys = ((x, None) for x in rest if x not in self._standing.touched)
        return self._take(keys, "unseen", self._reasons["unseen"])

    def _audit(self, *, must: bool) -> Iterator[Drawn]:
        # The probability is of the reserve's random order, so of no part of it that was chosen otherwise.
        whole = self._inside is None
        orders = self._orders
        if self._unit == "document":
            for item in self._take(((x, None) for x in orders.reserve), "audit", self._reasons["audit"]):
                p = orders.probability(item.document_id)
                yield replace(item, inclusion_probability=p if whole else None)
            return
        frame = self._queues.frame(self._parts, must=must)
        only = self._scope.label_id
        for pair in frame.rank if frame is not None else ():
            if only is not None and pair[1] != only:
                continue
            if pair not in self.passed and self._open_in(pair, self._inside_but_label):
                assert frame is not None
                p = frame.probability(pair) if whole else None
                yield Drawn(*pair, AUDIT_PAIR, self._reasons["audit"], p)

    def _recommended(self) -> Iterator[Drawn]:
        """The random order, with the audit's share of the decisions between."""
        share, step = self._parts.settings.audit_share, _STEP[self._unit]
        n_audit, n_all = self._standing.counts()
        shown = [key for key in self.passed if self._open(key)]  # will be decided, but is not yet
        n_all += step * len(shown)
        n_audit += step * sum(document_id in self._orders.rank for document_id, _ in shown)
        random = self._random()
        audit = self._audit(must=False) if share > 0 else iter(())
        while True:
            due = audit_is_due(n_audit, n_all, share, step)
            first, second = (audit, random) if due else (random, audit)
            item = next(first, None) or next(second, None)
            if item is None:
                return
            n_all += step
            n_audit += step * (item.policy in AUDITS)
            yield item

    def _mix(self) -> Iterator[Drawn]:
        """The other queues in turn, by what was settled so far."""
        shown = sum(map(self._open, self.passed))
        if self._unit == "document":
            done = len(self._standing.completed) - sum(
                x in self._orders.rank for x in self._standing.completed
            )
        else:
            done = self._standing.counts()[1]
        streams = {name: self._random() if name == "default" else self._scored(name) for name in MIX}
        for turn in count(done + shown):
            name = _TURNS[turn % len(_TURNS)]
            # A queue that is exhausted leaves its turn to the others.
            found = ((other, next(streams[other], None)) for other in (name, *MIX))
            source, item = next(((x, y) for x, y in found if y is not None), (name, None))
            if item is None:
                return
            reason = f"From the queue ‘{NAMES[source]}’: {_lower(item.reason)}"
            yield replace(item, policy="mix", reason=reason)

    def _scored(self, policy: Policy) -> Iterator[Drawn]:
        pool = self._queues.pool(self._parts, self._scope)
        meanwhile = _lower(self._reasons["default"])
        name = NAMES[policy]
        if pool is None:
            yield from self._random(f"The queue ‘{name}’ is being put in order; until then: {meanwhile}")
            return
        keys: Sequence[Key]
        if self._unit == "document":
            keys = [(x, None) for x in pool.document_order[policy]]
        else:
            keys = pool.pair_order[policy]
        yield from self._take(iter(keys), policy, self._reasons[policy])
        if not keys:
            self._queues.again(self._scope)
            why = _MISSING.get(policy, "there is nothing that it could look at")
            yield from self._random(f"The queue ‘{name}’ has nothing: {why}. So: {meanwhile}")
        elif not pool.whole:
            self._queues.again(self._scope)
            yield from self._random(f"More of the queue ‘{name}’ is being put in order; so: {meanwhile}")


def _lower(sentence: str) -> str:
    """Begin a sentence in lower case, to go on with it."""
    return f"{sentence[:1].lower()}{sentence[1:]}"
