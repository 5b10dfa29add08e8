"""The queues of one open workspace: what comes next, kept in memory so that no click waits for it.

Random orders are there at once. What a tagger must score first is made ahead: until it is, the random
order stands in and says so, and while a newer one is made the old one goes on serving.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from lmtx.encoder import encoder_key
from lmtx.errors import LmtxError
from lmtx.review import SCORED, Frame, Orders, Policy, Pool, Scope, Unit
from lmtx.types import CorpusView
from lmtx.workspace import tagging
from lmtx.workspace.audit_design import Weights, weights_in_use
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import tags_of
from lmtx.workspace.proposing import left_out, proposed
from lmtx.workspace.scoping import documents_in
from lmtx.workspace.standing import Standing

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

_log = logging.getLogger(__name__)

_POOL = 1000  # documents among which a scored policy looks
_FRAME = 1000  # documents of the reserve whose pairs the audit of pairs draws from, where no run is in use
_SMALL = 40  # documents that can be scored while somebody waits
_LOOK_S = 20.0  # how old may be what only judgments change
_OLD_S = 300.0  # a pool is made anew then, if anything was said since
_SOONEST_S = 5.0
_SAME_CLICK_S = 0.2
_KEPT = 4  # pools of scopes

Version = tuple[object, ...]


@dataclass
class _Made:
    """A pool and what it was made from."""

    pool: Pool
    version: Version
    at: float
    head: dict[str, int]
    again: bool = False


class Queues:
    """The queues of one workspace. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._orders: Orders | None = None
        self._standing: Standing | None = None
        self._view: CorpusView | None = None
        self._generation = 0
        self._promoted: tuple[float, str | None] = (-1.0, None)
        self._tagger: tuple[Version, Tagger] | None = None
        self._pools: OrderedDict[Scope, _Made] = OrderedDict()
        self._small: OrderedDict[Scope, _Made] = OrderedDict()
        self._frame: tuple[Version, Frame] | None = None
        self._weights: tuple[Weights, int] | None = None
        self._scopes: OrderedDict[Scope, tuple[Version, frozenset[str]]] = OrderedDict()
        self._spent: set[str] = set()  # documents whose pairs are all settled, though nobody completed them
        self._running: set[str] = set()

    # ---- asking -------------------------------------------------------------------------------

    @contextmanager
    def now(self, parts: Parts) -> Iterator[tuple[Orders, Standing]]:
        """Orders and standing decisions as they are now; nobody changes them meanwhile."""
        with self._lock:
            yield self._ready(parts)

    def tagger(self, parts: Parts) -> Tagger:
        """Return the tagger in use; while another one loads, the one before."""
        version, run_id = self._tagger_version(parts)
        with self._lock:
            have = self._tagger
        if have is None or have[0][0] != version[0]:  # none, or one of another encoder
            return self._load(parts, version, run_id)
        if have[0] != version:
            self.soon(parts, "tagger", lambda: self._load(parts, version, run_id))
        return have[1]

    def prepare(self, parts: Parts, policy: Policy, unit: Unit, scope: Scope) -> None:
        """Make what a queue needs, where it is missing or old; returns when it is there."""
        with self._lock:
            self._ready(parts)
        self.tagger(parts)
        names = []
        if policy in SCORED or policy == "mix" or unit == "pair":
            self.pool(parts, scope)
            names.append(f"pool {scope}")
        if unit == "pair" and policy in ("default", "audit") and scope == Scope():
            self.frame(parts, must=False)
            names.append("frame")
        while not self._running.isdisjoint(names):
            time.sleep(0.02)

    # ---- what is kept -------------------------------------------------------------------------

    def _ready(self, parts: Parts) -> tuple[Orders, Standing]:
        """Orders and standing decisions as they are now."""
        view, seed = parts.corpus(), parts.settings.seed
        orders = self._orders
        if orders is None or orders.view is not view or orders.seed != seed:
            orders = Orders.make(view, seed, parts.journal.document_ids("train", judged=True))
            self._orders = orders
        elif time.monotonic() - orders.looked > _LOOK_S:
            orders.looked = time.monotonic()
            self.soon(parts, "look", lambda: self._look(parts, orders))
        if self._standing is None:
            self._standing = Standing(parts.journal)
        self._standing.follow()
        if self._standing.counts_are_old:
            self.soon(parts, "counts", lambda: self._count(parts))
        return orders, self._standing

    def _look(self, parts: Parts, orders: Orders) -> None:
        judged = parts.journal.document_ids("train", judged=True)
        with self._lock:
            orders.look(judged)
            if self._standing is not None:
                self._standing.forget_touched()

    def _count(self, parts: Parts) -> None:
        seq = parts.journal.head_seq()
        counts = parts.journal.decision_counts("policy")
        with self._lock:
            if self._standing is not None:
                self._standing.count_again(seq, counts)

    def _corpus(self, parts: Parts) -> int:
        """Count the versions of the corpus that were seen."""
        view = parts.corpus()
        with self._lock:
            if view is not self._view:
                self._view, self._generation = view, self._generation + 1
            return self._generation

    def _run(self, parts: Parts) -> str | None:
        """Id of the promoted run; looked up once a click, which asks several times."""
        at, found = self._promoted
        if time.monotonic() - at > _SAME_CLICK_S:
            run = parts.journal.promoted()
            found = None if run is None else run.id
            self._promoted = (time.monotonic(), found)
        return found

    def _tagger_version(self, parts: Parts) -> tuple[Version, str | None]:
        run_id = self._run(parts)
        key = encoder_key(parts.settings.encoder)
        if run_id is not None:
            return (key, run_id, self._corpus(parts)), run_id  # labels may have come since
        # Without a run, labels and documents decide; vectors may have come meanwhile.
        return (key, None, self._corpus(parts), int(time.monotonic() // 60)), None

    def _load(self, parts: Parts, version: Version, run_id: str | None) -> Tagger:
        found = tagging.tagger(parts)
        with self._lock:
            before, self._tagger = self._tagger, (version, found)
        if before is not None and before[0][1] not in (None, run_id):
            parts.memory.pop(f"tagger {before[0][1]}", None)  # one a training would fill the memory
        return found

    def _version(self, parts: Parts) -> Version:
        """What a pool is made from, but for what was said."""
        key = encoder_key(parts.settings.encoder)
        return key, self._run(parts), self._corpus(parts), parts.settings.seed

    def pool(self, parts: Parts, scope: Scope) -> Pool | None:
        """Return the pool of a scope, None while there is none yet; a missing or old one is made soon."""
        if self._needs(parts, scope):
            self.soon(parts, f"pool {scope}", lambda: self._make(parts, scope))
        made = self._pools.get(scope)
        if made is None:
            return None
        self._pools.move_to_end(scope)
        return made.pool

    def _needs(self, parts: Parts, scope: Scope) -> bool:
        made = self._pools.get(scope)
        if made is None or made.version != self._version(parts):
            return True
        age = time.monotonic() - made.at
        return age > (_SOONEST_S if made.again else _OLD_S) and made.head != parts.journal.head()

    def again(self, scope: Scope, spent: Sequence[str] = ()) -> None:
        """Ask for a new pool: the one there is has nothing left; `spent` documents come last in it."""
        self._spent.update(spent)
        for kept in (self._pools, self._small):
            made = kept.get(scope)
            if made is not None:
                made.again = True

    def small_pool(self, parts: Parts, scope: Scope) -> Pool:
        """Return the pairs of few documents, made at once; what serves until the pool is there."""
        made = self._small.get(scope)
        if made is None or made.again or made.version != self._version(parts):
            made = self._made(parts, scope, _SMALL, polite=False)
            self._keep(self._small, scope, made)
        return made.pool

    def _make(self, parts: Parts, scope: Scope) -> None:
        self._keep(self._pools, scope, self._made(parts, scope, _POOL, polite=True))

    def _keep(self, where: OrderedDict[Scope, _Made], scope: Scope, made: _Made) -> None:
        with self._lock:
            where[scope] = made
            where.move_to_end(scope)
            for old in [x for x in where if x != Scope()][:-_KEPT]:
                del where[old]

    def _made(self, parts: Parts, scope: Scope, n: int, *, polite: bool) -> _Made:
        """Score the first n documents that wait in a scope, and put all in order."""
        version = self._version(parts)
        with self._lock:
            orders, standing = self._ready(parts)
            seq = standing.seq
            inside = self.inside(parts, scope)
            waiting = [
                x for x in orders.waiting if x not in standing.completed and (inside is None or x in inside)
            ]
            waiting.sort(key=self._spent.__contains__)  # stable: those come last
            chosen = waiting[: n + 1]
            head = parts.journal.head()
        whole, chosen = len(chosen) <= n, chosen[:n]
        view = orders.view
        documents = [view.documents[view.document_idx[x]] for x in chosen]
        found = self.tagger(parts) if not polite else self._newest(parts)
        best = proposed(parts, found, documents, polite=polite)
        asked = [x for x in chosen if x in best]
        states = parts.journal.pair_states_of(asked)
        pool = Pool.build(
            asked,
            left_out(parts, best),
            states,
            _label_counts(parts),
            orders.seed,
            only_label=scope.label_id,
            live=parts.labels_by_id(),
            whole=whole and len(asked) == len(chosen),
        )
        with self._lock:
            standing.watch(asked, pool.decided, seq)
        return _Made(pool, version, time.monotonic(), head)

    def _newest(self, parts: Parts) -> Tagger:
        """Return the tagger in use, waiting for it."""
        version, run_id = self._tagger_version(parts)
        with self._lock:
            have = self._tagger
        return have[1] if have is not None and have[0] == version else self._load(parts, version, run_id)

    def frame(self, parts: Parts, *, must: bool) -> Frame | None:
        """Return the frame of the audit of pairs; None while the first is made and not `must`.

        With `must` it is that of the run in use; else an older one serves until that is there.
        """
        if self._frame is None or self._frame[0] != self._frame_version(parts):
            # What a run wrote down is read at once; what has to be predicted is waited for only once.
            if must and (self._frame is None or tags_of(parts) is not None):
                self._make_frame(parts)
            else:
                self.soon(parts, "frame", lambda: self._make_frame(parts))
        return self.kept_frame()

    def kept_frame(self) -> Frame | None:
        """Return the frame that was made last."""
        return None if self._frame is None else self._frame[1]

    def _frame_version(self, parts: Parts) -> Version:
        weights = weights_in_use(parts)
        if self._weights is None or self._weights[0] != weights:
            self._weights = (weights, self._weights[1] + 1 if self._weights else 0)
        return *self._version(parts), self._weights[1]

    def _make_frame(self, parts: Parts) -> None:
        version = self._frame_version(parts)
        with self._lock:
            orders, standing = self._ready(parts)
            seq = standing.seq
        tags = tags_of(parts)
        # What the run in use gave to the reserve is what is measured; without a run, what would be given.
        best = self._would_be_given(parts, orders) if tags is None else tags.by_document()
        frame = Frame.make(best, orders.seed, len(orders.reserve), weights_in_use(parts).of_label)
        chosen = list(best)
        states = parts.journal.pair_states_of(chosen)
        decided = {
            (x, pair.label_id) for x, said in states.items() for pair in said if pair.decision is not None
        }
        with self._lock:
            standing.watch(chosen, decided, seq)
            self._frame = (version, frame)

    def _would_be_given(self, parts: Parts, orders: Orders) -> dict[str, list[str]]:
        chosen, view = orders.reserve[:_FRAME], orders.view
        documents = [view.documents[view.document_idx[x]] for x in chosen]
        found = proposed(parts, self._newest(parts), documents, polite=True, all_of_them=True)
        live = parts.labels_by_id()
        return {x: [label for label in found[x].label_ids if label in live] for x in chosen}

    def inside(self, parts: Parts, scope: Scope) -> frozenset[str] | None:
        """Documents of a scope, None where it is everything."""
        if scope == Scope():
            return None
        version: Version = (self._corpus(parts), int(time.monotonic() // _LOOK_S))
        kept = self._scopes.get(scope)
        if kept is None or kept[0] != version:
            made = self._pools.get(Scope())
            pool = None if made is None else made.pool
            kept = (version, documents_in(parts, scope, pool, self.kept_frame()))
            self._scopes[scope] = kept
            while len(self._scopes) > _KEPT:
                self._scopes.popitem(last=False)
        return kept[1]

    # ---- ahead of time ------------------------------------------------------------------------

    def soon(self, parts: Parts, name: str, work: Callable[[], object]) -> None:
        """Do something in a thread, unless it is being done."""
        with self._lock:
            if name in self._running or parts._closed:
                return
            self._running.add(name)

        def run() -> None:
            try:
                work()
            except LmtxError as error:  # told to the user where it stands in the way of a click
                _log.warning("review queue, %s: %s", name, error)
            except Exception:  # the next click tries again
                if not parts._closed:
                    _log.exception("review queue, %s", name)
            finally:
                with self._lock:
                    self._running.discard(name)

        # No daemon: the end of the process waits, instead of cutting a thread off in native code.
        threading.Thread(target=run, name=f"review {name}").start()

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Wait until nothing is being made in the background; whether that was so in time."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with self._lock:
                if not self._running:
                    return True
            time.sleep(0.01)
        return False


_all: weakref.WeakKeyDictionary[Parts, Queues] = weakref.WeakKeyDictionary()
_all_lock = threading.Lock()


def queues_of(parts: Parts) -> Queues:
    """Return the queues of a workspace, one for all threads."""
    with _all_lock:
        found = _all.get(parts)
        if found is None:
            found = _all[parts] = Queues()
        return found


def _label_counts(parts: Parts) -> dict[str, int]:
    """Label id -> documents that carry it so far, by teacher or people."""
    found: dict[str, int] = {}
    for page in count():
        rows = parts.journal.labels_page(sort="id", page=page, page_size=5000)
        found.update((row.id, row.n_accepted + row.n_proposed) for row in rows)
        if page + 1 >= rows.n_pages:
            return found
    return found
