"""Ways to ask a server with the OpenAI interface: what is sent, and what is made of the answer.

questions
    ``/systemone`` of `transformers serve`: all questions about a document in one request, a probability
    each, no text written.
logprobs
    One token a pair; P(yes) is the share of the yes words among the yes and no words.
listwise
    All candidates of a document at once; the answer is a list of numbers. No probabilities.
official
    The published procedure: a written answer a pair, yes or no in its first ten characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from lmtx.teacher import approximate, parsing
from lmtx.teacher.asking import MESSAGE_TOKENS, Call, Dialect, Setup, Strategy
from lmtx.teacher.base import Answer, Estimate, TeacherRequest
from lmtx.teacher.local import (
    EXAMPLE_TOKENS,
    MIN_MASS,
    OFFICIAL_DOCUMENT_TOKENS,
    OFFICIAL_NEW_TOKENS,
    official_verdict,
)
from lmtx.teacher.prompts import LIST
from lmtx.teacher.wire import Failure
from lmtx.types import Label, Verdict

TOP_LOGPROBS = 20
LIST_NEW_TOKENS = 512
_QUESTIONS = 64
"""Most questions that `transformers serve` takes in one request."""


class Logprobs(Strategy):
    """One token a pair, with its alternatives."""

    name = "logprobs"
    how = "P(yes) from the model's own words, one token a pair"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.max_tokens = 1
        self._given = False

    @property
    def decoding(self) -> dict[str, object]:
        """See `Strategy.decoding`."""
        return {**super().decoding, "top_logprobs": TOP_LOGPROBS, "min_mass": MIN_MASS}

    def calls(self, request: TeacherRequest) -> list[Call]:
        """See `Strategy.calls`."""
        return self._chats(request, logprobs=True, top_logprobs=TOP_LOGPROBS)

    def read(self, call: Call, body: Mapping[str, Any]) -> list[Answer] | Failure:
        """See `Strategy.read`."""
        said = parsing.said(body)
        if said is None:
            return Failure("the server's answer is no chat completion")
        if said.top is None:
            if not self._given and not said.refused:
                return Failure(
                    "the server gives no probabilities (logprobs). Take strategy=listwise, or leave the "
                    "strategy out to have one chosen",
                    fatal=True,
                )
            return self._answers(call, body, [("unparsed", None, said.text)], said.text)
        self._given = True
        yes, no = parsing.yes_no(said.top)
        raw = f"yes {yes:.4f} no {no:.4f}, written: {said.text}"
        if yes + no < MIN_MASS or said.refused:
            return self._answers(call, body, [("unparsed", None, raw)], said.text)
        probability = min(1.0, yes / (yes + no))
        verdict: Verdict = "yes" if probability > 0.5 else "no"
        return self._answers(
            call, body, [(verdict, probability if len(said.top) > 1 else None, raw)], said.text
        )

    def offered(self, body: Mapping[str, Any]) -> bool:
        """Whether a completion shows more than what was written."""
        said = parsing.said(body)
        return said is not None and said.top is not None and len(said.top) > 1

    def estimate(self, request: TeacherRequest) -> Estimate:
        """See `Strategy.estimate`."""
        return self._chats_estimate(request, 1)


class Questions(Strategy):
    """Typed questions, answered with probabilities and no text.

    The server writes the prompt: the state (system message, examples and document of the template), the
    question, and "Answer Yes or No only."
    """

    name = "questions"
    path = "/systemone"
    how = "P(yes) of typed questions, all of a document in one request"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.max_tokens = 0

    def _in(self, dialect: Dialect) -> dict[str, Any]:
        return {}

    @cached_property
    def _head(self) -> str:
        examples = [f"{document}{question}\n{answer}" for document, question, answer in self._examples]
        return "\n\n".join([x for x in (self.setup.prompt.system(), *examples) if x] + [""])

    def calls(self, request: TeacherRequest) -> list[Call]:
        """See `Strategy.calls`."""
        state = self._head + self._asked(request).rstrip()
        found = []
        for start in range(0, len(request.labels), _QUESTIONS):
            places = tuple(range(start, min(start + _QUESTIONS, len(request.labels))))
            questions = {
                f"q{i}": {"type": "noul", "instructions": self._question(request.labels[i])[0].strip()}
                for i in places
            }
            body = {"model": self.setup.model, "state": state, "questions": questions}
            found.append(Call(request, places, body))
        return found

    def read(self, call: Call, body: Mapping[str, Any]) -> list[Answer] | Failure:
        """See `Strategy.read`."""
        if not isinstance(body.get("answers"), Mapping):
            return Failure("the server's answer holds no answers to typed questions")
        verdicts: list[tuple[Verdict, float | None, str]] = []
        for i in call.places:
            p = parsing.noul(body, f"q{i}")
            raw = "no probability given" if p is None else f"yes {p:.4f}"
            verdicts.append(("unparsed" if p is None else "yes" if p > 0.5 else "no", p, raw))
        if parsing.usage(body) is None:
            body = {"usage": {"prompt_tokens": self._read(call), "completion_tokens": 0}}
        return self._answers(call, body, verdicts)

    def _read(self, call: Call) -> int:
        state = approximate.count(call.body["state"]) + 2 * MESSAGE_TOKENS
        return sum(state + approximate.count(x["instructions"]) for x in call.body["questions"].values())

    def estimate(self, request: TeacherRequest) -> Estimate:
        """See `Strategy.estimate`."""
        state = approximate.count(self._head + self._asked(request)) + 2 * MESSAGE_TOKENS
        read = sum(state + self._question(x)[1] for x in request.labels)
        return Estimate(read, exact=False)


class Listwise(Strategy):
    """All candidates of a document in one request."""

    name = "listwise"
    form = "list"
    default_prompt = LIST
    default_max_tokens = LIST_NEW_TOKENS
    how = "all candidates of a document in one request, verdicts without probabilities"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.dialect = Dialect(format="json_schema")

    def _list(self, labels: Sequence[Label]) -> str:
        return self.setup.prompt.list(labels).encode("utf-8", "replace").decode()

    @cached_property
    def _examples(self) -> list[tuple[str, str, str]]:
        found = []
        examples = self.setup.few_shot.examples if self.setup.few_shot else ()
        for (title, text), group in groupby(examples, key=lambda x: (x.title, x.text)):
            asked = list(group)
            fit = ", ".join(str(i) for i, x in enumerate(asked, 1) if x.wanted)
            document = self._document(title, text, EXAMPLE_TOKENS)
            found.append((document, self._list([x.label for x in asked]), f'{{"fit": [{fit}]}}'))
        return found

    def calls(self, request: TeacherRequest) -> list[Call]:
        """See `Strategy.calls`."""
        if not request.labels:
            return []
        shown = _shown(request)
        chat = self._messages(self._asked(request), self._list(shown))
        places = tuple(range(len(request.labels)))
        return [Call(request, places, {"model": self.setup.model, "messages": chat}, shown)]

    def read(self, call: Call, body: Mapping[str, Any]) -> list[Answer] | Failure:
        """See `Strategy.read`."""
        said = parsing.said(body)
        if said is None:
            return Failure("the server's answer is no chat completion")
        fit = None if said.refused or said.cut else parsing.chosen(said.text, call.shown)
        place = {x.id: i for i, x in enumerate(call.shown)}
        verdicts: list[tuple[Verdict, float | None, str]] = [
            ("unparsed" if fit is None else "yes" if place[label.id] in fit else "no", None, said.text)
            for label in call.request.labels
        ]
        return self._answers(call, body, verdicts, said.text)

    def estimate(self, request: TeacherRequest) -> Estimate:
        """See `Strategy.estimate`."""
        if not request.labels:
            return Estimate(exact=False)
        read = approximate.count(self._asked(request)) + approximate.count(self._list(_shown(request)))
        return Estimate(self._frame_tokens + read, 6, self.max_tokens, exact=False)


class Official(Strategy):
    """The published procedure (xmc-aalto/LMTX, `LLM_inference.py`) on a server."""

    name = "official"
    default_prompt = "official-tag.v1"
    default_document_tokens = OFFICIAL_DOCUMENT_TOKENS
    default_max_tokens = OFFICIAL_NEW_TOKENS
    how = "one written answer a pair, as published"

    def calls(self, request: TeacherRequest) -> list[Call]:
        """See `Strategy.calls`."""
        return self._chats(request)

    def read(self, call: Call, body: Mapping[str, Any]) -> list[Answer] | Failure:
        """See `Strategy.read`."""
        said = parsing.said(body)
        if said is None:
            return Failure("the server's answer is no chat completion")
        verdict: Verdict = "unparsed" if said.refused else official_verdict(said.text)
        return self._answers(call, body, [(verdict, None, said.text)], said.text)

    def estimate(self, request: TeacherRequest) -> Estimate:
        """See `Strategy.estimate`."""
        return self._chats_estimate(request, self.max_tokens)


STRATEGIES: dict[str, type[Strategy]] = {x.name: x for x in (Questions, Logprobs, Listwise, Official)}


def _shown(request: TeacherRequest) -> tuple[Label, ...]:
    """The whole shortlist, so that an answer does not depend on what was judged before."""
    known = {x.id for x in request.shortlist}
    return (*request.shortlist, *(x for x in request.labels if x.id not in known))
