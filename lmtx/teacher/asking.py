"""What all ways of asking a server share: the chat that is sent, what servers refuse, tokens and prices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from lmtx.teacher import approximate, parsing
from lmtx.teacher.base import Answer, Estimate, TeacherRequest
from lmtx.teacher.local import DOCUMENT_TOKENS, EXAMPLE_TOKENS
from lmtx.teacher.prompts import PAIR, FewShot, Form, Message, Prompt, messages
from lmtx.teacher.wire import Failure, Reply
from lmtx.types import Label, Verdict

Post = Callable[[str, Mapping[str, Any]], Reply | Failure]
"""Sends a request to a path, with a run's patience."""

MESSAGE_TOKENS = 6
"""What chat templates write around a message, about."""
_RAW = 2000
_CHAT = "/chat/completions"
_SCHEMA = {
    "type": "object",
    "properties": {"fit": {"type": "array", "items": {"type": "integer"}}},
    "required": ["fit"],
    "additionalProperties": False,
}

Format = Literal["json_schema", "json_object", "none"]


@dataclass(frozen=True)
class Setup:
    """What all ways of asking share. `max_tokens` 0: each way's own. Prices are dollars a million tokens."""

    model: str
    prompt: Prompt
    few_shot: FewShot | None
    document_tokens: int
    max_tokens: int
    price_in: float
    price_out: float
    scrub: Callable[[str], str]


@dataclass(frozen=True)
class Call:
    """One request to a server.

    request : what it asks about
    places : of the labels that it answers, in the request's `labels`
    body : without what `Strategy.send` adds
    shown : labels in the order shown, where they are judged together
    """

    request: TeacherRequest
    places: tuple[int, ...]
    body: dict[str, Any]
    shown: tuple[Label, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """What a server and a model take of the interface; found out by being refused."""

    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    format: Format = "none"

    def milder(self, problem: str) -> Dialect | None:
        """What to try after a refusal; None where nothing is left."""
        if self.limit == "max_tokens" and "max_completion_tokens" in problem:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and "temperature" in problem:
            return replace(self, temperature=False)
        if self.format == "json_schema":
            return replace(self, format="json_object")
        if self.format == "json_object":
            return replace(self, format="none")
        return None


class Strategy(ABC):
    """A way to ask."""

    name: ClassVar[str]
    form: ClassVar[Form] = "pair"
    default_prompt: ClassVar[str] = PAIR
    default_document_tokens: ClassVar[int] = DOCUMENT_TOKENS
    default_max_tokens: ClassVar[int] = 1
    path: ClassVar[str] = _CHAT
    how: ClassVar[str]

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.max_tokens = setup.max_tokens or self.default_max_tokens
        self.dialect = Dialect()
        self._questions: dict[Label, tuple[str, int]] = {}

    @property
    def decoding(self) -> dict[str, object]:
        """All but model and prompt that can change an answer."""
        few_shot = self.setup.few_shot
        return {
            "strategy": self.name,
            "document_tokens": self.setup.document_tokens,
            "cut": "approximate.v1",
            "few_shot": few_shot.hash if few_shot else "",
            "max_tokens": self.max_tokens,
            "temperature": 0,
        }

    @abstractmethod
    def calls(self, request: TeacherRequest) -> list[Call]:
        """What to send for a document; none where no label is asked about."""

    @abstractmethod
    def read(self, call: Call, body: Mapping[str, Any]) -> list[Answer] | Failure:
        """Answers to the labels of a call, in order."""

    @abstractmethod
    def estimate(self, request: TeacherRequest) -> Estimate:
        """What a document will take, without prices."""

    def send(self, call: Call, post: Post) -> Reply | Failure:
        """Send a call in the server's dialect, learned from refusals and kept where it then works."""
        dialect = self.dialect
        first: Failure | None = None
        while True:
            found = post(self.path, {**call.body, **self._in(dialect)})
            if not isinstance(found, Failure):
                self.dialect = dialect
                return found
            first = first or found
            milder = dialect.milder(found.problem) if found.status in (400, 422) else None
            if milder is None:
                return first if found.status in (400, 422) else found
            dialect = milder

    def priced(self, estimate: Estimate) -> Estimate:
        """An estimate with its prices."""
        read = estimate.tokens_in * self.setup.price_in / 1e6
        low, high = (
            n * self.setup.price_out / 1e6 for n in (estimate.tokens_out_low, estimate.tokens_out_high)
        )
        return replace(estimate, cost_low=read + low, cost_high=read + high)

    # ---- what is sent -------------------------------------------------------------------------

    def _in(self, dialect: Dialect) -> dict[str, Any]:
        added: dict[str, Any] = {dialect.limit: self.max_tokens}
        if dialect.temperature:
            added["temperature"] = 0
        if dialect.format == "json_schema":
            schema = {"name": "fit", "schema": _SCHEMA, "strict": True}
            added["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.format == "json_object":
            added["response_format"] = {"type": "json_object"}
        return added

    def _document(self, title: str, text: str, limit: int) -> str:
        """The block of a document, cut so that title and text have about so many tokens together."""
        used = approximate.count(title) if title else 0
        shown = self.setup.prompt.document(title, approximate.cut(text, max(16, limit - used)))
        return shown.encode("utf-8", "replace").decode()

    def _asked(self, request: TeacherRequest) -> str:
        return self._document(request.document.title, request.document.text, self.setup.document_tokens)

    def _question(self, label: Label) -> tuple[str, int]:
        """The question about a label, and about how many tokens it has."""
        if label not in self._questions:
            text = self.setup.prompt.question(label).encode("utf-8", "replace").decode()
            self._questions[label] = (text, approximate.count(text))
        return self._questions[label]

    @cached_property
    def _examples(self) -> list[tuple[str, str, str]]:
        """Document, question and answer of each few-shot example."""
        return [
            (
                self._document(x.title, x.text, EXAMPLE_TOKENS),
                self._question(x.label)[0],
                "yes" if x.wanted else "no",
            )
            for x in (self.setup.few_shot.examples if self.setup.few_shot else ())
        ]

    def _messages(self, document: str, question: str) -> list[Message]:
        return messages(self.setup.prompt, document, question, self._examples)

    @cached_property
    def _frame_tokens(self) -> int:
        """Tokens of all that is the same in each chat."""
        return count_chat(self._messages("", ""))

    def _chats(self, request: TeacherRequest, **more: object) -> list[Call]:
        """A chat a label."""
        document = self._asked(request)
        return [
            Call(
                request,
                (i,),
                {
                    "model": self.setup.model,
                    "messages": self._messages(document, self._question(label)[0]),
                    **more,
                },
            )
            for i, label in enumerate(request.labels)
        ]

    def _chats_estimate(self, request: TeacherRequest, high: int) -> Estimate:
        n = len(request.labels)
        document = approximate.count(self._asked(request)) + self._frame_tokens
        read = n * document + sum(self._question(x)[1] for x in request.labels)
        return Estimate(read, n, n * high, exact=False)

    # ---- what is made of it -------------------------------------------------------------------

    def _answers(
        self,
        call: Call,
        body: Mapping[str, Any],
        verdicts: Sequence[tuple[Verdict, float | None, str]],
        text: str = "",
    ) -> list[Answer]:
        """Answers with their tokens: the server's count, spread exactly; about, where it gives none."""
        found = parsing.usage(body)
        read, written = found or (count_chat(call.body.get("messages")), approximate.count(text))
        tokens_in, tokens_out = parsing.spread(read, len(verdicts)), parsing.spread(written, len(verdicts))
        shown = tuple(x.id for x in call.shown)
        return [
            Answer(
                verdict,
                probability,
                n_in + n_out,
                n_out,
                (n_in * self.setup.price_in + n_out * self.setup.price_out) / 1e6,
                self.setup.scrub(raw)[:_RAW],
                shown,
            )
            for (verdict, probability, raw), n_in, n_out in zip(verdicts, tokens_in, tokens_out, strict=True)
        ]


def count_chat(chat: Sequence[Message] | None) -> int:
    """About how many tokens a chat takes, with what the template writes around its messages."""
    return sum(approximate.count(x["content"]) + MESSAGE_TOKENS for x in chat or ())
