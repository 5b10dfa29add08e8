"""The thread that keeps the search index in step with the journal."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from lmtx.errors import LmtxError

if TYPE_CHECKING:
    from lmtx.workspace.parts import Parts

_log = logging.getLogger(__name__)

SYNC_EVERY_S = 5.0
_LOOK_FOR_VECTORS_S = 30.0
# Beyond that many texts without a vector, the background leaves the encoding to a job.
_ENCODE_IN_BACKGROUND = 64
_PAUSE_S, _LATEST_S = 0.4, 3.0  # without a wake; and from the first one, at the latest


class IndexKeeper:
    """Thread that brings the index up to the journal when woken, and looks by itself now and then."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="index-keeper")
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread; returns when it has."""
        self._stop.set()
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        seen: object = None
        waits_until = 0.0  # counting what has no vector is not for every five seconds
        while not self._stop.is_set():
            woken = self._wake.wait(timeout=SYNC_EVERY_S)
            self._wake.clear()
            if woken:
                self._wait_for_a_pause()
            if self._stop.is_set():
                return
            try:
                head = (self._parts.journal.head(), self._parts.settings.encoder)
                if head == seen or (not woken and (self._busy() or time.monotonic() < waits_until)):
                    continue
                if self._waits_for_vectors():
                    waits_until = time.monotonic() + _LOOK_FOR_VECTORS_S
                    continue
                self._parts.sync_index(self._progress)
                seen = head
            except _StoppedError:
                return
            except LmtxError as error:
                _log.warning("search index: %s", error)
            except Exception:  # a thread must not die of one bad moment; the next look tries again
                _log.exception("search index")

    def _wait_for_a_pause(self) -> None:
        """Let whoever decides key by key go on: the index's work would slow the next key down."""
        until = time.monotonic() + _LATEST_S
        while time.monotonic() < until and self._wake.wait(timeout=_PAUSE_S) and not self._stop.is_set():
            self._wake.clear()

    def _busy(self) -> bool:
        """Whether a job runs: its thousands of judgments are taken over once, at its end."""
        return any(job.active for job in self._parts.job_store.recent(5))

    def _waits_for_vectors(self) -> bool:
        """Whether so much is to be encoded that a job should; asked until all is there, then never again."""
        parts = self._parts
        view, encoder = parts.journal.corpus(), parts.settings.encoder
        seen, complete = parts.memory.get("encoded", (None, None))
        if complete is view and seen == encoder:
            return False
        missing = parts.n_without_vector()
        if not missing:
            parts.memory["encoded"] = (encoder, view)
        return missing > _ENCODE_IN_BACKGROUND

    def _progress(self, done: int, total: int, message: str) -> None:
        if self._stop.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    pass
