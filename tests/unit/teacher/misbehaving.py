"""A server with the OpenAI interface on loopback that knows the right answers, and gives them as told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

READ, WRITTEN = 101, 7
"""Tokens of each request, as the server counts them: odd, so that sharing them out has to be exact."""

_PAIR = re.compile(r'tag "([^"]+)"')
_LISTED = re.compile(r"^(\d+)\. (.+)$", re.M)


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    n: int
    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float

    @property
    def text(self) -> str:
        """All that a model would read."""
        if "state" in self.body:
            return str(self.body["state"])
        return "\n".join(str(x["content"]) for x in self.body.get("messages", ()))

    @property
    def document(self) -> str:
        """Title of the document, which tells made-up ones apart."""
        found = re.search(r"Title \d+", self.text)
        return found[0] if found else ""

    def pairs(self) -> list[tuple[str, str]]:
        """Documents and labels it asks about."""
        if "questions" in self.body:
            asked = " ".join(x["instructions"] for x in self.body["questions"].values())
            return [(self.document, x) for x in _PAIR.findall(asked)]
        last = self.body["messages"][-1]["content"]
        return [(self.document, x) for x in _PAIR.findall(last) or [b for _, b in _LISTED.findall(last)]]


Behaviour = Callable[[Asked], str]


@dataclass
class Misbehaving:
    """The server; a context manager.

    behave : names what to do with a request: "ok", or one of the `_do_...` below
    typed, logprobs : whether it has typed questions, and gives log-probabilities
    formats : of answers that it takes
    """

    behave: Behaviour = lambda asked: "ok"
    typed: bool = False
    logprobs: bool = True
    formats: tuple[str, ...] = ("json_schema", "json_object")
    models: object = None
    elsewhere: str = ""
    hang_s: float = 1.0
    asked: list[Asked] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    def __enter__(self) -> Misbehaving:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._handle(self)

            def do_POST(self) -> None:
                server._handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def chats(self) -> list[Asked]:
        """What was posted."""
        return [x for x in self.asked if x.method == "POST"]

    # ---- one request --------------------------------------------------------------------------

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(length)) if length else {}
        with self._lock:
            headers = {k.lower(): v for k, v in handler.headers.items()}
            asked = Asked(len(self.asked), handler.command, handler.path, body, headers, time.monotonic())
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if handler.command == "GET":
                self._get(handler)
                return
            what = self.behave(asked)
            with self._lock:
                self.done[what] += 1
            getattr(self, f"_do_{what.replace(' ', '_')}")(handler, asked)
        finally:
            with self._lock:
                self.at_once -= 1

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/v1/models" and self.models is not None:
            self._send(handler, 200, self.models)
        elif handler.path == "/v1/models":
            self._send(handler, 500, {"error": "no cache of the hub"})
        elif handler.path == "/health":
            self._send(handler, 200, {"status": "ok"})
        else:
            self._send(handler, 405 if self.typed and handler.path == "/v1/systemone" else 404, {})

    def _send(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        body: object,
        headers: dict[str, str] | None = None,
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)

    # ---- right answers ------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int, dict[str, Any]]:
        """The right answer, in the form that was asked for."""
        words = set(re.findall(r"\w+", re.sub(r'tag "[^"]+"|^\d+\. .+$', "", asked.text, flags=re.M).lower()))
        if asked.path == "/v1/systemone" and self.typed:
            given = {}
            for name, question in asked.body["questions"].items():
                label = _PAIR.findall(question["instructions"])
                given[name] = {"type": "noul", "noul": 0.9 if label and label[0].lower() in words else 0.2}
            return 200, {"answers": given, "usage": {"input_tokens": READ, "output_tokens": 0}}
        if asked.path != "/v1/chat/completions":
            return 404, {"detail": "Not Found"}
        format = asked.body.get("response_format", {}).get("type")
        if format is not None and format not in self.formats:
            return 400, {"error": {"message": f"response_format {format} is not supported"}}
        last = asked.body["messages"][-1]["content"]
        if pair := _PAIR.search(last):
            yes = pair[1].lower() in words
            text, logprobs = ("Yes" if yes else "No"), self._logprobs(yes)
        else:
            fit = [int(i) for i, label in _LISTED.findall(last) if label.lower() in words]
            text, logprobs = json.dumps({"fit": fit}), None
        return 200, self.completion(text, logprobs if asked.body.get("logprobs") else None)

    def _logprobs(self, yes: bool) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        top = [
            {"token": " Yes" if yes else "▁No", "logprob": -0.2},
            {"token": "no" if yes else "YES", "logprob": -2.5},
            {"token": "Maybe", "logprob": -3.5},
        ]
        return {"content": [{**top[0], "top_logprobs": top}]}

    def completion(
        self, text: str | None, logprobs: dict[str, Any] | None = None, **more: object
    ) -> dict[str, Any]:
        """A chat completion."""
        message = {"role": "assistant", "content": text, **more}
        return {
            "id": "1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": READ, "completion_tokens": WRITTEN},
        }

    # ---- what it may do -----------------------------------------------------------------------

    def _do_ok(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        status, body = self.answer(asked)
        self._send(handler, status, body)

    def _do_late(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answers so that those asked first come last."""
        time.sleep(0.06 if asked.n % 3 == 0 else 0.0)
        self._do_ok(handler, asked)

    def _do_slow(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.1)
        self._do_ok(handler, asked)

    def _do_429(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.02"})

    def _do_429_for_a_second(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "1"})

    def _do_429_until(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        when = formatdate(time.time() + 2, usegmt=True)
        self._send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": when})

    def _do_429_for_an_hour(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "3600"})

    def _do_used_up(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        status, body = self.answer(asked)
        headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "600ms"}
        self._send(handler, status, body, headers)

    def _do_no_quota(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
        self._send(handler, 429, {"error": error})

    def _do_500(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 500, b"<html>Internal Server Error</html>")

    def _do_400(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 400, {"error": {"message": "the context is too long"}})

    def _do_401(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 401, {"error": {"message": "Incorrect API key provided"}})

    def _do_404(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 404, {"error": {"message": "model 'm' not found"}})

    def _do_hang(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._ended.wait(self.hang_s)
        handler.close_connection = True

    def _do_drop(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        handler.close_connection = True

    def _do_broken(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        _, body = self.answer(asked)
        self._send(handler, 200, json.dumps(body).encode()[:-20])

    def _do_error_with_200(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 200, {"error": {"message": "upstream is gone"}})

    def _do_refusal(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 200, self.completion(None, refusal="I can't help with no such document."))

    def _do_chatter(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 200, self.completion("I'm sorry, I can't help with that."))

    def _do_wrong_numbers(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 200, self.completion('{"fit": [1, 99]}'))

    def _do_cut_off(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        body = self.completion('{"fit": [1]}')
        body["choices"][0]["finish_reason"] = "length"
        self._send(handler, 200, body)

    def _do_other_names(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        given = {"other": {"type": "noul", "noul": 0.9}}
        self._send(handler, 200, {"answers": given, "usage": {"input_tokens": READ, "output_tokens": 0}})

    def _do_no_usage(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        status, body = self.answer(asked)
        self._send(handler, status, {k: v for k, v in body.items() if k != "usage"})

    def _do_redirect(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        self._send(handler, 307, {}, {"Location": f"{self.elsewhere}{asked.path.removeprefix('/v1')}"})

    def _do_echo(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        """Answers with the Authorization header, in the text and in a header."""
        told = asked.headers.get("authorization", "")
        self._send(handler, 200, self.completion(f"{told} {told.split()[-1]}"), {"X-Echo": told})

    def _do_echo_error(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        told = asked.headers.get("authorization", "")
        self._send(handler, 500, {"error": {"message": f"can't use {told}", "code": told}}, {"X-Echo": told})

    def _do_echo_401(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        told = asked.headers.get("authorization", "")
        self._send(handler, 401, {"error": {"message": f"wrong key {told.split()[-1]}"}}, {"X-Echo": told})
