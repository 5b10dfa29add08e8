"""What stands decided of reserved documents, followed as decisions come in."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import numpy as np

from lmtx.review import AUDIT_PAIR
from lmtx.types import Decision
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import AUDIT

_MANY = 20_000  # new decisions; beyond, all is read again


@dataclass(slots=True)
class Said:
    """What stands decided of a document.

    Attributes
    ----------
    completed, audited : bool
        Whether people settled it as a whole; whether the audit asked for that.
    passed : bool
        Whether it was put off.
    pairs : dict
        Label id -> the newest accept or reject.
    asked, drawn, put_off : set of str
        Labels that the audit of pairs asked for and got an answer to; those of them that were drawn from all
        pairs, not in the audit of a label; labels that were put off.
    completion : Decision or None
    settled : int
        Number of the newest completion, whoever asked for it; 0 where there is none.
    """

    completed: bool = False
    audited: bool = False
    passed: bool = False
    pairs: dict[str, Decision] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    drawn: set[str] = field(default_factory=set)
    put_off: set[str] = field(default_factory=set)
    completion: Decision | None = None
    settled: int = 0

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> Said:
        """Gather decisions that stand, in the order in which they were recorded."""
        said = cls()
        for d in decisions:
            if d.action == "complete":
                said.completed, said.settled = True, d.seq
                if d.policy == AUDIT or not said.audited:
                    said.completion = d
                said.audited |= d.policy == AUDIT
            elif d.action == "skip":
                if d.label_id is None:
                    said.passed = True
                else:
                    said.put_off.add(d.label_id)
            elif d.label_id is not None and d.action in ("accept", "reject"):
                said.pairs[d.label_id] = d
                if d.policy == AUDIT_PAIR:
                    said.asked.add(d.label_id)
                    if d.inclusion_probability is not None:
                        said.drawn.add(d.label_id)
        return said

    @property
    def wanted(self) -> frozenset[str]:
        """Labels that are accepted; all that it should have, where it is completed."""
        return frozenset(x for x, d in self.pairs.items() if d.action == "accept")

    def right(self, label_id: str, added: int = 0) -> float:
        """1 right, 0 wrong, NaN where nothing tells.

        `added` is the number of the last decision before the label was there: who settled the document
        before could not choose it.
        """
        d = self.pairs.get(label_id)
        if d is not None:
            return float(d.action == "accept")
        return 0.0 if self.settled > added else np.nan


NOTHING = Said()


class Answers:
    """Follows what stands decided of some documents; safe for threads.

    `version` changes whenever something is said of one of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = 0
        self._said: dict[str, Said] = {}
        self.version = 0

    def follow(self, parts: Parts, document_ids: Collection[str]) -> dict[str, Said]:
        """Return what stands of documents now; those of which nothing does are left out."""
        with self._lock:
            head = parts.journal.head_seq()
            if head != self._head:
                self._forget(parts, head)
                self._head = head
            missing = [i for i in document_ids if i not in self._said]
            if missing:
                self.version += 1
                for i, decisions in parts.journal.standing_decisions(missing).items():
                    self._said[i] = Said.of(decisions) if decisions else NOTHING
            return {i: said for i in document_ids if (said := self._said[i]) is not NOTHING}

    def _forget(self, parts: Parts, head: int) -> None:
        """Forget those of which something was said since."""
        if not self._said:
            return
        if head - self._head > _MANY:
            self._said.clear()
            return
        new = parts.journal.decisions(after_seq=self._head, limit=None)
        for i in {d.document_id for d in new} & self._said.keys():
            del self._said[i]


def answers_of(parts: Parts) -> Answers:
    """Return what follows the answers of a workspace, one for all threads."""
    found: Answers = parts.kept("answers", None, Answers)
    return found


__all__ = ["NOTHING", "Answers", "Said", "answers_of"]
