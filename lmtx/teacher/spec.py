"""Specifications of teachers: one line that says everything, without secrets.

`kind:model,name=value,...`, for example `openai:llama3.2,base_url=http://127.0.0.1:11434/v1,price_in=0.15`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from lmtx.errors import TeacherSpecError

_SECRET = re.compile(r"key|token|secret|password|auth|bearer", re.IGNORECASE)
_KEY = re.compile(r"(?<![a-z0-9])sk-", re.IGNORECASE)
"""How keys of the best-known services begin; hidden wherever it stands."""
_NOT_SECRET = frozenset({"key_env", "document_tokens", "max_tokens"})


@dataclass(frozen=True)
class TeacherSpec:
    """A parsed specification; `str` of it is canonical.

    kind : what comes before the first colon
    model : what comes behind it, up to the first comma
    values : the parameters given, as text
    """

    kind: str
    model: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [*([self.model] if self.model else []), *(f"{k}={v}" for k, v in self.values.items())]
        return f"{self.kind}:{','.join(parts)}" if parts else self.kind

    @classmethod
    def parse(
        cls, text: str, known: Mapping[str, Collection[str]], with_model: Collection[str]
    ) -> TeacherSpec:
        """Read a specification.

        Parameters
        ----------
        text : str
        known : mapping
            Kind -> names of its parameters.
        with_model : collection of str
            Kinds that need a model.

        Raises
        ------
        TeacherSpecError
            If it is malformed. A value that may be a secret is not repeated in the message.
        """
        kind, _, rest = text.strip().partition(":")
        if kind not in known:
            raise TeacherSpecError(
                f"teacher {_shown(text)!r}: unknown. Known: {', '.join(sorted(known))}, with a model behind "
                "a colon where there is one, for example openai:llama3.2."
            )
        items = [x.strip() for x in rest.split(",")] if rest.strip() else []
        names_model = items and items[0].partition("=")[0].strip() not in known[kind]
        model = items.pop(0) if kind in with_model and names_model else ""
        if kind in with_model and not model:
            raise TeacherSpecError(f"teacher {kind!r}: no model named. Write {kind}:MODEL.")
        values: dict[str, str] = {}
        for item in filter(None, items):
            name, equals, value = (x.strip() for x in item.partition("="))
            if not equals or name not in known[kind] or name in values:
                allowed = ", ".join(known[kind]) or "none"
                raise TeacherSpecError(
                    f"teacher {kind!r}: {_shown(item)!r} is not understood. Parameters, each once as "
                    f"name=value: {allowed}. Keys of services come from the environment, never in here."
                )
            values[name] = value
        ordered = {name: values[name] for name in known[kind] if values.get(name, "") != ""}
        return cls(kind, model, ordered)

    def with_values(self, **changes: object) -> TeacherSpec:
        """Return a copy with some parameters changed; None or "" takes one out."""
        values = {**self.values, **{k: "" if v is None else str(v) for k, v in changes.items()}}
        return TeacherSpec(self.kind, self.model, {k: v for k, v in values.items() if v != ""})

    def text(self, name: str, default: str) -> str:
        """Return a parameter."""
        return self.values.get(name, default)

    def choice(self, name: str, options: Collection[str]) -> Any:
        """Return a parameter that is one of `options`, the first where it is not given."""
        value = self.values.get(name, next(iter(options)))
        if value not in options:
            raise TeacherSpecError(
                f"teacher {self.kind!r}: {name} is {_shown(value)!r}, expected {' or '.join(options)}."
            )
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        return int(self._number(name, default, low, high, whole=True))

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return self._number(name, default, low, high, whole=False)

    def _number(self, name: str, default: float, low: float, high: float, *, whole: bool) -> float:
        given = self.values.get(name)
        try:
            value = default if given is None else int(given) if whole else float(given)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            raise TeacherSpecError(
                f"teacher {self.kind!r}: {name} is {_shown(str(given))!r}, expected {kind} from {low:g} to "
                f"{high:g}."
            )
        return value


def _shown(text: str) -> str:
    """Text for a message, without what may be a secret."""
    shown = []
    for item in text.split(","):
        name, equals, _ = item.partition("=")
        secret = (name.strip() not in _NOT_SECRET and _SECRET.search(name)) or _KEY.search(item)
        hidden = "…" if secret or len(item) > 400 else item
        shown.append(f"{name}=…" if hidden == "…" and equals and not _KEY.search(name) else hidden)
    return re.sub(r"//[^/@\s]*@", "//…@", ",".join(shown))
