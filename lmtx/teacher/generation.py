"""Free text from the language models that teachers ask: no labels, no verdicts, an answer to a chat."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from lmtx.errors import InputError
from lmtx.teacher import approximate, parsing
from lmtx.teacher.address import OPENAI_URL, Address, check_key_env
from lmtx.teacher.asking import Dialect, count_chat
from lmtx.teacher.base import TeacherContext, teacher_key
from lmtx.teacher.local import model_identity
from lmtx.teacher.prompts import Message
from lmtx.teacher.registry import parse_spec
from lmtx.teacher.spec import TeacherSpec
from lmtx.teacher.wire import Failure, Patience, Wire

if TYPE_CHECKING:
    from lmtx.teacher.language_model import LanguageModel, Tokens

HEARTBEAT_S = 0.25
_CHAT = "/chat/completions"
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S | re.I)
"""What a model thinks aloud; where it is cut off in that, it has not answered."""

Chat = Sequence[Message]


@dataclass(frozen=True, slots=True)
class Generated:
    """A written answer.

    text : without what the model thought aloud; may be empty
    tokens_in, tokens_out : read and written; by the server's count where it gives one
    cost : dollars at the prices of the specification; 0 where none were given
    """

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Generator(Protocol):
    """Writes answers, greedily. Made by `generator`.

    Attributes
    ----------
    spec : str
        Canonical specification. Holds no secret.
    key : str
        SHA-256 over model and decoding: the same chat under the same key has the same answer.
    host : str
        Name of the machine that texts are sent to; empty where they stay on this one.
    concurrency : int
        Chats that are answered at a time.
    """

    spec: str
    key: str
    host: str
    concurrency: int

    def generate(self, messages: Chat, max_new_tokens: int) -> Generated | Failure:
        """Answer one chat; a `Failure` where that one can't be, though others may."""
        ...

    def generate_all(
        self, chats: Iterable[Chat], max_new_tokens: int
    ) -> Iterator[tuple[int, Generated | Failure] | None]:
        """Answer chats, drawn as they are needed, in whatever order they get done.

        Parameters
        ----------
        chats : iterable of Chat
            Drawn lazily and from one thread: whoever supplies them may stop at any time (a budget, a
            cancelled job), and what was drawn is still answered.
        max_new_tokens : int

        Yields
        ------
        (int, Generated or Failure) or None
            Number of the chat in the order drawn, from 0, and its answer. None now and then, so that the
            caller can look whether it was asked to stop.

        Raises
        ------
        TeacherError
            If the model can't be loaded, or the key of a service is not there.
        """
        ...

    def most(self, max_new_tokens: int) -> int:
        """Tokens that an answer may have, where so many are asked for."""
        ...

    def count(self, messages: Chat) -> int:
        """Tokens that a chat takes to read; about, where the tokenizer is not at hand."""
        ...

    def cut(self, text: str, limit: int) -> str:
        """Text up to so many tokens; about, where the tokenizer is not at hand."""
        ...


def generator(spec: str, context: TeacherContext | None = None) -> Generator:
    """Make a generator of a teacher's specification.

    Parameters
    ----------
    spec : str
        "transformers:MODEL" or "openai:MODEL,base_url=URL"; parameters that say how pairs are judged
        (strategy, prompt, few_shot) are passed over. `max_tokens` replaces what is asked for: a model that
        thinks aloud needs more.
    context : TeacherContext, optional
        Not read: a generator sees what it is sent alone.

    Raises
    ------
    InputError
        If the teacher writes no text, or the specification is not usable.
    """
    parsed = parse_spec(spec)
    if parsed.kind == "transformers":
        return LocalGenerator(parsed)
    if parsed.kind == "openai":
        return EndpointGenerator(parsed)
    raise InputError(
        f"teacher {spec!r}: it writes no text, it only judges pairs. Name a language model: "
        "'transformers:MODEL' on this machine, or 'openai:MODEL,base_url=URL'."
    )


class LocalGenerator:
    """A causal language model on this machine, one chat at a time; loaded when it is first asked."""

    host = ""
    concurrency = 1

    def __init__(self, spec: TeacherSpec) -> None:
        self._settings = spec
        self.spec = str(spec)
        self.key = _key(f"transformers {model_identity(spec.model, spec.text('revision', ''))}")

    @cached_property
    def model(self) -> LanguageModel:
        """The model."""
        from lmtx.teacher.language_model import LanguageModel

        spec = self._settings
        return LanguageModel(
            spec.model,
            revision=spec.text("revision", ""),
            device=spec.choice("device", ("auto", "cpu", "cuda", "mps")),
            dtype=spec.choice("dtype", ("auto", "float32", "bfloat16", "float16")),
        )

    def _prompt(self, messages: Chat) -> Tokens:
        plain = [{"role": m["role"], "content": self.model.plain(m["content"])} for m in messages]
        return self.model.encode(self.model.chat(plain))

    def generate(self, messages: Chat, max_new_tokens: int) -> Generated | Failure:
        """See `Generator.generate`."""
        prompt, n = self._prompt(messages), max_new_tokens
        window = int(getattr(self.model.model.config.get_text_config(), "max_position_embeddings", 0) or 0)
        if window and len(prompt) + n > window:
            return Failure(
                f"teacher {self.spec}: its window has {window} tokens, and {len(prompt)} are to be read and "
                f"{n} written"
            )
        text, written = self.model.generate(prompt, max_new_tokens=n, enough=0)
        return Generated(_THOUGHT.sub("", text).strip(), len(prompt), written)

    def generate_all(
        self, chats: Iterable[Chat], max_new_tokens: int
    ) -> Iterator[tuple[int, Generated | Failure] | None]:
        """See `Generator.generate_all`."""
        for i, chat in enumerate(chats):
            yield i, self.generate(chat, max_new_tokens)

    def most(self, max_new_tokens: int) -> int:
        """See `Generator.most`."""
        return max_new_tokens

    def count(self, messages: Chat) -> int:
        """See `Generator.count`."""
        return len(self._prompt(messages))

    def cut(self, text: str, limit: int) -> str:
        """See `Generator.cut`."""
        return self.model.cut(text, limit)


class EndpointGenerator:
    """A server with the OpenAI interface, several chats at a time.

    A request that fails is tried again where that may help, as long as `patience` says.
    """

    patience = Patience()

    def __init__(self, spec: TeacherSpec) -> None:
        self.spec = str(spec)
        self.model = spec.model
        self.address = Address.of(spec.text("base_url", OPENAI_URL))
        self.host = self.address.host
        self.concurrency = spec.integer("concurrency", 8, 1, 256)
        self._wire = Wire(
            self.address,
            check_key_env(spec.text("key_env", "")),
            timeout=spec.number("timeout", 60, 0.1, 3600),
            connections=self.concurrency,
        )
        self._most = spec.integer("max_tokens", 0, 1, 1_000_000) if "max_tokens" in spec.values else 0
        self._prices = tuple(spec.number(name, 0.0, 0.0, 1e6) for name in ("price_in", "price_out"))
        self._dialect = Dialect()
        self.key = _key(f"openai {self.address.identity} {spec.model}", max_tokens=self._most)

    def generate(self, messages: Chat, max_new_tokens: int) -> Generated | Failure:
        """See `Generator.generate`."""
        return self._ask(threading.Event(), messages, max_new_tokens)

    def generate_all(
        self, chats: Iterable[Chat], max_new_tokens: int
    ) -> Iterator[tuple[int, Generated | Failure] | None]:
        """See `Generator.generate_all`."""
        self._wire.connect()
        stop = threading.Event()
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="generator")
        numbered = enumerate(chats)
        running: dict[Future[Generated | Failure], int] = {}
        try:
            while True:
                # Drawn one by one: what is answered meanwhile may end what there is to draw.
                while len(running) < self.concurrency and (drawn := next(numbered, None)) is not None:
                    running[pool.submit(self._ask, stop, drawn[1], max_new_tokens)] = drawn[0]
                if not running:
                    return
                done, _ = wait(running, timeout=HEARTBEAT_S, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
                yield None
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def most(self, max_new_tokens: int) -> int:
        """See `Generator.most`."""
        return self._most or max_new_tokens

    def _ask(self, stop: threading.Event, messages: Chat, max_new_tokens: int) -> Generated | Failure:
        body = {"model": self.model, "messages": [_sendable(m) for m in messages]}
        dialect, first = self._dialect, None
        while True:
            added: dict[str, Any] = {dialect.limit: self.most(max_new_tokens)}
            if dialect.temperature:
                added["temperature"] = 0
            found = self._wire.post(_CHAT, {**body, **added}, stop=stop, patience=self.patience)
            if not isinstance(found, Failure):
                self._dialect = dialect
                return self._read(messages, found.body)
            if found.fatal:
                stop.set()  # here, so that no other thread begins another request
            first = first or found
            milder = dialect.milder(found.problem) if found.status in (400, 422) else None
            if milder is None:
                return first if found.status in (400, 422) else found
            dialect = milder

    def _read(self, messages: Chat, body: Any) -> Generated | Failure:
        said = parsing.said(body)
        if said is None:
            return Failure(f"teacher at {self.address.name}: the server's answer is no chat completion")
        text = "" if said.refused else _THOUGHT.sub("", self._wire.scrub(said.text)).strip()
        read, written = parsing.usage(body) or (count_chat(list(messages)), approximate.count(said.text))
        price_in, price_out = self._prices
        return Generated(text, read, written, (read * price_in + written * price_out) / 1e6)

    def count(self, messages: Chat) -> int:
        """See `Generator.count`."""
        return count_chat(list(messages))

    def cut(self, text: str, limit: int) -> str:
        """See `Generator.cut`."""
        return approximate.cut(text, limit)


def _key(model: str, **decoding: object) -> str:
    return teacher_key(model=model, prompt="", decoding={"greedy": 1, **decoding}, label_text="")


def _sendable(message: Message) -> Message:
    """A message without half characters, which no request can hold."""
    return {k: v.encode("utf-8", "replace").decode() for k, v in message.items()}
