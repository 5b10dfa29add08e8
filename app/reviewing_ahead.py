"""What comes next is fetched while the reviewer reads, so that a key is answered at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

from app import state
from lmtx.errors import LmtxError

T = TypeVar("T")
AHEAD = 3
"""Items kept in hand."""
_WAIT_S = 2.0
_AFTER_S = 0.3
"""The key that took an item is answered before more is fetched: both would slow each other down."""


class Ahead(Generic[T]):
    """The next items of one queue, fetched in a thread of its own.

    One belongs to a browser session. The thread knows nothing of Streamlit.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: Hashable = None
        self._items: deque[T] = deque()
        self._busy = False
        self._wanted = threading.Event()

    def take(
        self,
        queue: Hashable,
        fetch: Callable[[int, Collection[Hashable]], list[T]],
        fresh: Callable[[T], bool],
        passed: Collection[Hashable] = (),
    ) -> T | None:
        """Return the next item of a queue: one in hand that is still fresh, else one fetched now.

        Parameters
        ----------
        queue : hashable
            What the items are of; those of another queue are dropped.
        fetch : callable
            Called with a number and the ids to pass over.
        fresh : callable
            Whether an item in hand still waits: somebody may have settled it meanwhile.
        passed : collection
            Ids that are not to come again.
        """
        with self._changed:
            if queue != self._queue:
                self._queue = queue
                self._items.clear()
            elif self._busy and not self._items:  # on its way: asking twice would be slower
                self._wanted.set()
                self._changed.wait_for(lambda: not self._busy, timeout=_WAIT_S)
            while self._items:
                item = self._items.popleft()
                if fresh(item):
                    return item
        found = fetch(1, passed)
        return found[0] if found else None

    def put_back(self, item: T) -> None:
        """Let an item that was not settled come again next."""
        with self._changed:
            self._items.appendleft(item)

    def fill(
        self,
        queue: Hashable,
        fetch: Callable[[int, Collection[Hashable]], list[T]],
        ident: Callable[[T], Hashable],
        passed: Collection[Hashable],
    ) -> None:
        """Fetch in the background once half is used up; `passed` are ids that are open now."""
        with self._changed:
            if self._busy or queue != self._queue or 2 * len(self._items) > AHEAD:
                return
            self._busy = True
            self._wanted.clear()
            known = {*passed, *(ident(item) for item in self._items)}
            wanted = AHEAD - len(self._items)

        def work() -> None:
            found: list[T] = []
            self._wanted.wait(_AFTER_S)
            try:
                found = fetch(wanted, known)
            except LmtxError:
                pass  # the screen asks itself when nothing is in hand, and says what is wrong
            finally:
                with self._changed:
                    self._busy = False
                    if queue == self._queue:
                        here = {ident(item) for item in self._items} | known
                        self._items.extend(item for item in found if ident(item) not in here)
                    self._changed.notify_all()

        threading.Thread(target=work, name="lmtx-ahead", daemon=True).start()


def of_session() -> Ahead[object]:
    """Return the one of this browser session."""
    found = state.REVIEW_AHEAD.get()
    if not isinstance(found, Ahead):
        found = Ahead()
        state.REVIEW_AHEAD.set(found)
    return found
