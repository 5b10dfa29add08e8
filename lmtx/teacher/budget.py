"""Where judging ends, whatever is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lmtx.errors import InputError

if TYPE_CHECKING:
    from lmtx.teacher.judging import JudgeReport

Stopped = Literal["", "pairs", "tokens", "dollars", "minutes"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Where judging ends, whatever is left; None: no limit.

    A document is asked about whole or not at all: judging ends before the first one that might exceed a
    limit. Minutes end it before the next document.
    """

    pairs: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        for name in ("pairs", "tokens", "dollars", "minutes"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise InputError(f"Budget: {name} is {value}, expected 0 or more, or none.")

    @classmethod
    def of(cls, limits: Mapping[str, Any] | None) -> Budget:
        """Read limits given by name, as jobs keep them."""
        try:
            return cls(**(limits or {}))
        except TypeError as error:
            raise InputError(
                f"Budget: {', '.join(map(str, limits or {}))}; expected pairs, tokens, dollars or minutes, "
                "each a number."
            ) from error

    def share(self, share: float) -> Budget:
        """Return a part of it."""
        return Budget(
            None if self.pairs is None else int(self.pairs * share),
            None if self.tokens is None else int(self.tokens * share),
            None if self.dollars is None else self.dollars * share,
            None if self.minutes is None else self.minutes * share,
        )

    def less(self, report: JudgeReport, minutes: float = 0.0) -> Budget:
        """Return what is left of it after some judging that took `minutes`."""
        return Budget(
            None if self.pairs is None else max(0, self.pairs - report.n_judged),
            None if self.tokens is None else max(0, self.tokens - report.tokens),
            None if self.dollars is None else max(0.0, self.dollars - report.cost),
            None if self.minutes is None else max(0.0, self.minutes - minutes),
        )


NO_BUDGET = Budget()
