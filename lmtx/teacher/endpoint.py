"""A language model behind a server with the OpenAI interface as a teacher."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from copy import copy
from functools import cached_property, partial
from typing import Any, Generic, TypeVar

from lmtx.errors import TeacherError, TeacherSpecError
from lmtx.teacher.address import OPENAI_HOST, OPENAI_URL, Address, check_key_env
from lmtx.teacher.asking import Call, Setup, Strategy
from lmtx.teacher.base import Answer, Answered, Estimate, TeacherContext, TeacherRequest, teacher_key
from lmtx.teacher.prompts import Prompt, load_few_shot, load_prompt
from lmtx.teacher.spec import TeacherSpec
from lmtx.teacher.strategies import STRATEGIES, Logprobs
from lmtx.teacher.wire import Failure, Patience, Reply, Wire
from lmtx.types import Document, Label

_T = TypeVar("_T")

AUTO = "auto"
HEARTBEAT_S = 0.25
_WINDOW = 2
"""Requests that wait beside those under way, so that no thread idles while answers are written down."""
_FAILED_IN_A_ROW = 5
_PROBE_PATIENCE = Patience(attempts=2, total=20.0)

_MADE_UP = (Label("birds", "Birds"), Label("taxes", "Taxes"))
PROBE = TeacherRequest(
    Document("made-up", "Feeding garden birds", "What robins and tits eat in winter, and where to hang it."),
    _MADE_UP[:1],
    (0,),
    _MADE_UP,
)
"""A made-up pair, for finding out how a server can be asked: no text of the user's is sent for that."""


class _Late(Generic[_T]):
    """An attribute made when it is first read; unlike a property it is one that a protocol may ask for."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make, self._name = make, ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> _T:
        if instance is None:
            raise AttributeError(f"{owner.__name__}.{self._name} is known of an instance alone")
        value = instance.__dict__[self._name] = self._make(instance)
        return value


class EndpointTeacher:
    """Asks a server with the OpenAI interface, several requests at a time.

    How it is asked is the specification's `strategy`: see `lmtx.teacher.strategies`. With "auto" a made-up
    pair finds out, when it is first needed, what the server offers; `spec` and `key` are then those of the
    strategy that was found, so that verdicts are cached under what was really asked.

    A request that fails is tried again where that may help, as long as `patience` says; after that its pairs
    stay open. The key of a service is read from the environment when it is first needed and is in nothing
    that this class returns, raises or keeps.

    Parameters
    ----------
    context : TeacherContext
    spec : TeacherSpec
        Kind "openai".

    Raises
    ------
    TeacherError, TeacherSpecError
        If a prompt does not exist or a setting is not usable; from methods, if the server can't be asked.
    """

    is_llm = True
    patience = Patience()

    def __init__(self, context: TeacherContext, spec: TeacherSpec) -> None:
        self._settings, self._context = spec, context
        self._chosen: str = spec.choice("strategy", (AUTO, *STRATEGIES))
        self.address = Address.of(spec.text("base_url", OPENAI_URL))
        self.host = self.address.host
        self.concurrency = spec.integer("concurrency", 8, 1, 256)
        self._wire = Wire(
            self.address,
            check_key_env(spec.text("key_env", "")),
            timeout=spec.number("timeout", 60, 0.1, 3600),
            connections=self.concurrency,
        )
        few_shot = spec.text("few_shot", "")
        self.few_shot = load_few_shot(few_shot, context.prompts) if few_shot else None
        named = spec.text("prompt", "")
        self._prompt: Prompt | None = load_prompt(named, context.prompts) if named else None
        self._strategies: dict[str, Strategy] = {}
        for name in STRATEGIES if self._chosen == AUTO else (self._chosen,):  # wrong settings are told now
            if self._chosen != AUTO or self._prompt is None or self._prompt.form == STRATEGIES[name].form:
                self._strategies[name] = self._made(name)
        self.description = self._described("asked in the way that it offers")
        if self._chosen != AUTO:
            _ = self.strategy

    def _made(self, name: str) -> Strategy:
        kind, spec = STRATEGIES[name], self._settings
        prompt = self._prompt or load_prompt(kind.default_prompt, self._context.prompts)
        if prompt.form != kind.form:
            wanted = "all candidates at once" if kind.form == "list" else "one label at a time"
            raise TeacherSpecError(
                f"teacher {spec}: prompt {prompt.name!r} does not ask about {wanted}, as strategy {name!r} "
                f"needs. Choose one that does, such as {kind.default_prompt!r}."
            )
        return kind(
            Setup(
                model=spec.model,
                prompt=prompt,
                few_shot=self.few_shot,
                document_tokens=spec.integer("document_tokens", kind.default_document_tokens, 16, 1_000_000),
                max_tokens=spec.integer("max_tokens", 0, 1, 1_000_000) if "max_tokens" in spec.values else 0,
                price_in=spec.number("price_in", 0.0, 0.0, 1e6),
                price_out=spec.number("price_out", 0.0, 0.0, 1e6),
                scrub=self._wire.scrub,
            )
        )

    # ---- who it is ----------------------------------------------------------------------------

    @cached_property
    def strategy(self) -> str:
        """How the server is asked; with "auto" this asks it."""
        found = self._probed() if self._chosen == AUTO else self._chosen
        asking = self._strategies[found]
        self.description = self._described(f"prompt {asking.setup.prompt.name}: {asking.how}")
        return found

    @property
    def asking(self) -> Strategy:
        """How the server is asked, as an object; with "auto" this asks it."""
        return self._strategies[self.strategy]

    @property
    def prompt(self) -> Prompt:
        """The template that is used."""
        return self.asking.setup.prompt

    def _spec(self) -> str:
        from lmtx.teacher.registry import parse_spec

        return str(parse_spec(str(self._settings.with_values(strategy=self.strategy))))

    def _key(self) -> str:
        return teacher_key(
            model=f"openai {self.address.identity} {self._settings.model}",
            prompt=self.prompt.text,
            decoding=self.asking.decoding,
            label_text="prompt",
        )

    spec = _Late(_spec)
    key = _Late(_key)

    def _described(self, how: str) -> str:
        where = f"on {self.host}, to which texts are sent" if self.host else "on a server of this machine"
        return (
            f"The language model {self._settings.model} {where}; {how}. How good it is, a trial on your own "
            "documents tells."
        )

    def with_patience(self, patience: Patience) -> EndpointTeacher:
        """Return the same teacher with another patience."""
        other = copy(self)
        other.patience = patience
        return other

    def _probed(self) -> str:
        """Find the best way that the server offers: typed questions, else log-probabilities, else lists."""
        self._wire.connect()
        post = partial(
            self._wire.post, stop=threading.Event(), patience=min(_PROBE_PATIENCE, self.patience, key=_total)
        )
        for name in ("questions", "logprobs"):
            if name not in self._strategies or (name == "questions" and self.host == OPENAI_HOST):
                continue
            strategy = self._strategies[name]
            (call,) = strategy.calls(PROBE)
            found = strategy.send(call, post)
            if isinstance(found, Failure):
                lacking = found.status in (400, 404, 405, 422, 501) and (
                    name == "questions" or found.status != 404
                )
                if not lacking and (found.status < 500 or name == "logprobs"):
                    raise TeacherError(f"{found.problem.rstrip('.')}. Nothing was judged.")
            elif name == "logprobs" and isinstance(strategy, Logprobs) and strategy.offered(found.body):
                return name
            elif name == "questions":
                answers = strategy.read(call, found.body)
                if not isinstance(answers, Failure) and answers[0].probability is not None:
                    return name
        if "listwise" not in self._strategies:
            raise TeacherError(
                f"teacher at {self.address.name}: it gives no probabilities, and the prompt asks about one "
                "label at a time. Leave it out, choose one that asks about all candidates, or take "
                "strategy=official."
            )
        return "listwise"

    # ---- asking -------------------------------------------------------------------------------

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """Estimate tokens by their length; see `Teacher.estimate`."""
        asking = self.asking
        return asking.priced(sum((asking.estimate(r) for r in requests), Estimate(exact=False)))

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Answer requests as answers come in; see `Teacher.judge`."""
        strategy = self.asking
        self._wire.connect()
        run = _Run(self, strategy)
        try:
            yield from run.answers(iter(requests))
        finally:
            run.close()
        if run.fatal:
            raise TeacherError(run.fatal)

    def ask(self, strategy: Strategy, call: Call, stop: threading.Event) -> list[Answer] | Failure:
        """Send a call and read its answer; in a thread of its own."""
        found: Reply | Failure = strategy.send(
            call, partial(self._wire.post, stop=stop, patience=self.patience)
        )
        if isinstance(found, Failure):
            return found
        answers = strategy.read(call, found.body)
        if isinstance(answers, Failure):
            problem = self._wire.scrub(f"teacher at {self.address.name}: {answers.problem}.")
            return Failure(problem, answers.status, fatal=answers.fatal)
        return answers


class _Flight:
    """A document whose requests are under way."""

    def __init__(self, request: TeacherRequest, n_calls: int) -> None:
        self.request, self.n_open = request, n_calls
        self.answers: list[Answer | None] = [None] * len(request.labels)
        self.problem = ""

    def take(self, call: Call, found: list[Answer] | Failure) -> None:
        self.n_open -= 1
        if isinstance(found, Failure):
            self.problem = found.problem
            return
        for place, answer in zip(call.places, found, strict=True):
            self.answers[place] = answer

    def answered(self) -> Answered:
        return Answered(self.request, tuple(self.answers), self.problem)


class _Run:
    """One run through some requests."""

    def __init__(self, teacher: EndpointTeacher, strategy: Strategy) -> None:
        self._teacher, self._strategy = teacher, strategy
        self._pool = ThreadPoolExecutor(teacher.concurrency, thread_name_prefix="teacher")
        self._stop = threading.Event()
        self._running: dict[Future[Any], tuple[_Flight, Call]] = {}
        self._most = teacher.concurrency + _WINDOW
        self._failed = 0
        self.fatal = ""

    def close(self) -> None:
        """End what is still under way; nothing is where the run came to its end."""
        self._stop.set()
        self._pool.shutdown(wait=not self._running, cancel_futures=True)

    def answers(self, requests: Iterator[TeacherRequest]) -> Iterator[Answered | None]:
        """Draw requests as threads get free, and give back what is answered.

        Once something fatal is known, nothing more is drawn or sent; what is under way is still taken in.
        """
        ended = False
        told = time.monotonic()
        while True:
            while not ended and not self._stop.is_set() and len(self._running) < self._most:
                request = next(requests, None)
                if request is None:
                    ended = True
                elif not self._sent(request):
                    yield Answered(request, ())
            if not self._running:
                return
            done, _ = wait(self._running, timeout=HEARTBEAT_S, return_when=FIRST_COMPLETED)
            for future in done:
                answered = self._landed(future)
                if answered is not None:
                    yield answered
                    told = time.monotonic()
            if time.monotonic() - told >= HEARTBEAT_S:
                yield None
                told = time.monotonic()

    def _sent(self, request: TeacherRequest) -> bool:
        calls = self._strategy.calls(request)
        flight = _Flight(request, len(calls))
        for call in calls:
            future = self._pool.submit(self._ask, call)
            self._running[future] = (flight, call)
        return bool(calls)

    def _ask(self, call: Call) -> list[Answer] | Failure:
        """In a thread of the pool."""
        found = self._teacher.ask(self._strategy, call, self._stop)
        if isinstance(found, Failure) and found.fatal:
            self._stop.set()  # here, so that no other thread begins another request
        return found

    def _landed(self, future: Future[list[Answer] | Failure]) -> Answered | None:
        """Take in what a thread brought; the document, once all of it is there."""
        flight, call = self._running.pop(future)
        found = future.result()
        flight.take(call, found)
        if isinstance(found, Failure) and found.fatal:
            self._end(found.problem)
        if flight.n_open:
            return None
        if any(x is not None for x in flight.answers):
            self._failed = 0
        elif not self._stop.is_set():
            self._failed += 1
        if self._failed >= _FAILED_IN_A_ROW:
            why = flight.problem.rstrip(".")
            self._end(
                f"{_FAILED_IN_A_ROW} documents in a row were not answered; the last: {why}. What "
                "was answered is kept. See to the server, then start again: only what is open will be asked."
            )
        return flight.answered()

    def _end(self, why: str) -> None:
        self.fatal = self.fatal or why
        self._stop.set()


def _total(patience: Patience) -> float:
    return patience.total
