"""Where a cycle began, so that one that was killed goes on as if it had not been."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lmtx.cycle.data import CycleInputs
from lmtx.errors import StorageError
from lmtx.types import content_hash

_FILE = "cycle.json"


@dataclass(frozen=True)
class Began:
    """The note of a cycle that has begun and not ended.

    A cycle that was killed in its third round and is started again runs its first round again, which
    asks nothing. Would its student learn from the verdicts of rounds two and three, it would put up
    other candidates than before, and end elsewhere. So a round of a resumed cycle leaves out the verdicts
    that are newer than the cycle and of later rounds.

    Attributes
    ----------
    path : Path
    seq : int
        Judgments in the journal when it began.
    resumed : bool
        Whether it had begun before.
    """

    path: Path
    seq: int
    resumed: bool

    @classmethod
    def noted(cls, inputs: CycleInputs, asked_for: Sequence[object]) -> Began:
        """Write the note, or find the one of the same cycle: asked for the same, with the same run in use."""
        in_use = inputs.journal.promoted()
        identity = [inputs.journal.id, in_use.id if in_use is not None else None, inputs.seed, *asked_for]
        key = content_hash(json.dumps(identity, sort_keys=True, default=str))
        path = inputs.folder / _FILE
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            if note["key"] == key:
                return cls(path, int(note["seq"]), True)
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or one that can't be read: then this one begins
        seq = inputs.journal.counts()["judgments"]
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps({"key": key, "seq": seq}), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error
        return cls(path, seq, False)

    def until(self, round: int) -> tuple[int, int] | None:
        """Sequence number and round beyond which a round knows no judgment; None: it knows all there are."""
        return (self.seq, round) if self.resumed else None

    def forget(self) -> None:
        """Remove the note: the cycle has ended."""
        self.path.unlink(missing_ok=True)
