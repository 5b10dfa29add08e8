"""Talking to a server with the OpenAI interface: retries, pauses, and what may be told of failures."""

from __future__ import annotations

import json
import logging
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmtx.teacher.address import OPENAI_HOST, Address, Scrubber, find_key

if TYPE_CHECKING:
    import httpx2
    from openai import OpenAI
    from tenacity import RetryCallState

_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length"}
    | {"transfer-encoding", "user-agent", "authorization"}
)
_OPENAI_HEADERS = frozenset({"openai-organization", "openai-project"})
_AGAIN = frozenset({408, 409, 425, 429})
_NO_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_CONNECT_S = 10.0
_TIMEOUT_ATTEMPTS = 2
"""A server that did not answer in time twice is not asked a third time: each costs the whole time-out."""

# Their messages hold headers, and at the finest level texts: what is sent to a teacher is no one else's.
_LOGGERS = ("openai", "httpx2", "httpcore2")


@dataclass(frozen=True)
class Patience:
    """How often and how long a request is tried again.

    attempts : in all
    first, longest : seconds of the first pause, which doubles, and of the longest
    total : seconds of pauses in all; a server that asks for more is not waited for
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    total: float = 180.0


ONCE = Patience(attempts=1, total=0.0)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    body: Mapping[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why there is no answer.

    problem : for the user; without the key
    status : of HTTP; 0 where there was no response
    again : whether it may go better later
    fatal : whether nothing else will go better either
    slow : whether time ran out
    wait : seconds that the server asks to wait
    """

    problem: str
    status: int = 0
    again: bool = False
    fatal: bool = False
    slow: bool = False
    wait: float | None = None


class Wire:
    """A connection to one server; may be used from several threads.

    Nothing it returns or raises holds the key, and no exception of the client library, whose objects hold
    the request with its headers, gets out of it. Redirects are not followed: texts go to the host that was
    consented to, or nowhere.

    Parameters
    ----------
    address : Address
    key_env : str
        Variable with the key; empty: see `find_key`.
    timeout : float
        Seconds that a server may be silent.
    connections : int
        Most at a time.
    """

    def __init__(self, address: Address, key_env: str = "", *, timeout: float, connections: int) -> None:
        self.address = address
        self.contacted = False
        self._key_env, self._timeout, self._connections = key_env, timeout, connections
        self._scrubber: Scrubber | None = None
        self._lock = threading.Lock()
        self._not_before = 0.0  # on the monotonic clock: one "too many requests" is meant for all threads

    def __repr__(self) -> str:
        return f"Wire({self.address.url!r})"

    def scrub(self, text: str) -> str:
        """Text as it may be kept or shown."""
        return (self._scrubber or Scrubber())(text)

    @cached_property
    def _client(self) -> OpenAI:
        import httpx2
        from openai import OpenAI

        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        key = find_key(self.address, self._key_env)
        self._scrubber = Scrubber(key)
        kept = _HEADERS | (_OPENAI_HEADERS if self.address.host == OPENAI_HOST else frozenset())

        def only_what_is_needed(request: httpx2.Request) -> None:
            # The library adds what OPENAI_* variables hold, whatever the host, and facts on this machine.
            for name in [x for x in request.headers if x.lower() not in kept]:
                del request.headers[name]
            request.headers["Authorization"] = f"Bearer {key}"

        client = httpx2.Client(
            timeout=httpx2.Timeout(self._timeout, connect=min(self._timeout, _CONNECT_S)),
            limits=httpx2.Limits(max_connections=self._connections + 1),
            follow_redirects=False,
            trust_env=bool(self.address.host),  # a proxy for this machine would take texts off it
            event_hooks={"request": [only_what_is_needed]},
        )
        return OpenAI(api_key=key, base_url=self.address.url, max_retries=0, http_client=client)

    def connect(self) -> None:
        """Make the client ready; `TeacherError` where the key is not there."""
        with self._lock:
            _ = self._client

    def post(
        self, path: str, body: Mapping[str, Any], *, stop: threading.Event, patience: Patience
    ) -> Reply | Failure:
        """Send a request, again where that may help; ends early once `stop` is set."""
        from tenacity import Retrying, retry_if_result

        def give_up(state: RetryCallState) -> bool:
            failure = state.outcome.result() if state.outcome else None
            slow = isinstance(failure, Failure) and failure.slow
            most = min(patience.attempts, _TIMEOUT_ATTEMPTS) if slow else patience.attempts
            waited = state.idle_for + state.upcoming_sleep
            return stop.is_set() or state.attempt_number >= most or waited > patience.total

        def pause(state: RetryCallState) -> float:
            failure = state.outcome.result() if state.outcome else None
            asked = failure.wait if isinstance(failure, Failure) else None
            doubled = min(patience.longest, patience.first * 2.0 ** (state.attempt_number - 1))
            jitter = doubled * random.uniform(0.5, 1.0)
            return jitter if asked is None else asked + jitter / 2

        def last(state: RetryCallState) -> Reply | Failure:
            found: Reply | Failure = state.outcome.result() if state.outcome else Failure("not asked")
            if isinstance(found, Failure):
                return self._given_up(found, state.attempt_number, patience)
            return found

        def sleep(seconds: float) -> None:
            stop.wait(seconds)

        retrying = Retrying(
            stop=give_up,
            wait=pause,
            sleep=sleep,
            retry=retry_if_result(lambda x: isinstance(x, Failure) and x.again),
            retry_error_callback=last,
        )
        found: Reply | Failure = retrying(self._when_allowed, path, body, stop, patience)
        return found

    def _given_up(self, failure: Failure, attempts: int, patience: Patience) -> Failure:
        more = f" (after {attempts} attempts)" if attempts > 1 else ""
        if failure.wait is not None and failure.wait > patience.total:
            more += f"; it asks to wait {failure.wait:.0f} s"
        return Failure(failure.problem + more, failure.status, fatal=failure.fatal, slow=failure.slow)

    def _when_allowed(
        self, path: str, body: Mapping[str, Any], stop: threading.Event, patience: Patience
    ) -> Reply | Failure:
        """Send once, after the pause that the server asked of everyone."""
        wait = min(self._not_before - time.monotonic(), patience.total)
        if wait > 0:
            stop.wait(wait * random.uniform(1.0, 1.1))
        if stop.is_set():
            return Failure("not asked: judging had ended")
        found = self.once(path, body)
        if isinstance(found, Failure) and found.wait is not None and found.wait <= patience.total:
            self._hold(found.wait)
        return found

    def _hold(self, seconds: float) -> None:
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def once(self, path: str, body: Mapping[str, Any]) -> Reply | Failure:
        """Send a request once."""
        import httpx2
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        failure: Failure
        try:
            response: httpx2.Response = self._client.post(path, cast_to=httpx2.Response, body=dict(body))
            self.contacted = True
            return self._read(response)
        except APIStatusError as error:
            self.contacted = True
            failure = self._refused(error.response, error.body)
        except APITimeoutError as error:
            failure = self._unreached(error.__cause__, f"no answer within {self._timeout:g} s", slow=True)
        except APIConnectionError as error:
            failure = self._unreached(error.__cause__, "the connection broke off")
        except (OpenAIError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            failure = Failure(self._told(f"{type(error).__name__}"), again=True)
        return failure

    # ---- reading responses --------------------------------------------------------------------

    def _told(self, what: str) -> str:
        return self.scrub(f"teacher at {self.address.name}: {what}")

    def _read(self, response: httpx2.Response) -> Reply | Failure:
        wait = _exhausted(response.headers)
        if wait is not None:
            self._hold(wait)
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            return Failure(self._told("its answer is no JSON"), response.status_code, again=True)
        if not isinstance(body, Mapping) or ("error" in body and body["error"] and "choices" not in body):
            what = f"an error in place of an answer: {self._message(body)}"
            return Failure(self._told(what), response.status_code, again=True)
        return Reply(body)

    def _refused(self, response: httpx2.Response, body: object) -> Failure:
        status, where = response.status_code, self.address.name
        said = self._message(body)
        if status in (401, 403):
            how = f"variable {self._key_env}" if self._key_env else "key in the environment"
            return Failure(
                self._told(f"HTTP {status}, it refuses the key: {said}. Check the {how}, and base_url."),
                status,
                fatal=True,
            )
        if status == 404:
            return Failure(
                self._told(
                    f"HTTP 404, no such model or address: {said}. Check the model's name, and that base_url "
                    f"is the server's ({self.address.url}; it usually ends in /v1)."
                ),
                status,
                fatal=True,
            )
        if 300 <= status < 400:
            return Failure(
                self._told(
                    f"HTTP {status}, it sends requests on to another address. That is not followed, so that "
                    "texts go nowhere unasked. Set base_url to the server's own address."
                ),
                status,
            )
        code = _code(body)
        if code in _NO_QUOTA:
            return Failure(
                self._told(f"HTTP {status}, the account has nothing left ({code}). Top it up."),
                status,
                fatal=True,
            )
        again = status in _AGAIN or status >= 500
        wait = _retry_after(response.headers) if again else None
        if again and wait is None:
            wait = _exhausted(response.headers)
        return Failure(f"teacher at {where}: HTTP {status}: {said}", status, again=again, wait=wait)

    def _unreached(self, cause: BaseException | None, what: str, *, slow: bool = False) -> Failure:
        import httpx2

        if not self.contacted and isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Failure(
                self._told(
                    f"nothing answers at {self.address.url} ({str(cause)[:120] or 'no connection'}). Start "
                    "the server, or correct base_url in the teacher's specification."
                ),
                fatal=True,
            )
        return Failure(self._told(what), again=True, slow=slow)

    def _message(self, body: object) -> str:
        """What a server says of an error, short."""
        found: object = body
        for name in ("error", "message", "detail", "msg"):
            if isinstance(found, Mapping) and name in found:
                found = found[name]
        text = found if isinstance(found, str) else "" if found is None else json.dumps(found, default=str)
        text = " ".join(self.scrub(text).split())
        return text[:300] or "no reason given"


def _code(body: object) -> str:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    return str(inner.get("code", "")) if isinstance(inner, Mapping) else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait: a number, or a date."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, min(float(value) * unit, 1e6)) if float(value) == float(value) else None
        except ValueError:
            pass
        try:
            return max(0.0, min(parsedate_to_datetime(value).timestamp() - time.time(), 1e6))
        except (TypeError, ValueError, OverflowError):
            continue
    return None


def _exhausted(headers: Mapping[str, str]) -> float | None:
    """Seconds until a limit is reset that has nothing remaining."""
    waits = [
        seconds
        for what in ("requests", "tokens")
        if (headers.get(f"x-ratelimit-remaining-{what}") or "").strip() == "0"
        and (seconds := _duration(headers.get(f"x-ratelimit-reset-{what}") or "")) is not None
    ]
    return max(waits, default=None)


def _duration(text: str) -> float | None:
    """Seconds of "6m0s", "120ms", "1h2m3.5s" or "7", or until a moment given as seconds since 1970."""
    text = text.strip().lower()
    if re.fullmatch(r"\d{1,13}(\.\d+)?", text):
        seconds = float(text) / (1e3 if float(text) > 1e12 else 1.0)
        return min(max(0.0, seconds - time.time()) if seconds > 1e9 else seconds, 1e6)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts or "".join(a + b for a, b in parts) != text:
        return None
    unit = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    return min(sum(float(n) * unit[u] for n, u in parts), 1e6)
