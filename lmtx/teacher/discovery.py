"""Finding servers of language models on this machine, and trying whether a teacher answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmtx.errors import LmtxError
from lmtx.teacher.base import Answer, Teacher
from lmtx.teacher.endpoint import PROBE, EndpointTeacher
from lmtx.teacher.wire import ONCE
from lmtx.types import Verdict

if TYPE_CHECKING:
    import httpx2

PORTS: dict[int, str] = {11434: "Ollama", 8000: "vLLM", 8080: "llama.cpp", 1234: "LM Studio"}
"""Where servers listen unless told otherwise."""

TRANSFORMERS = "transformers serve"
_OWNERS = {"library": "Ollama", "vllm": "vLLM", "llamacpp": "llama.cpp", "organization_owner": "LM Studio"}


@dataclass(frozen=True)
class FoundServer:
    """A server on this machine.

    name : what it seems to be
    base_url : for a teacher's specification
    models : that it names; empty where it names none
    """

    name: str
    base_url: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConnectionReport:
    """What came of asking a teacher about one made-up pair.

    strategy : how it was asked; empty where that did not get clear, or for a teacher that has none
    spec : specification with that strategy; empty likewise
    problem : why it is not `ok`; empty where it is
    """

    ok: bool
    strategy: str = ""
    spec: str = ""
    verdict: Verdict | None = None
    probability: float | None = None
    tokens: int = 0
    seconds: float = 0.0
    raw: str = ""
    problem: str = ""


def find_servers(timeout: float = 0.5, ports: Sequence[int] | None = None) -> list[FoundServer]:
    """Ask the ports of this machine where such servers usually are; sends no text and no key.

    Parameters
    ----------
    timeout : float
        Seconds a port has to answer.
    ports : sequence of int, optional
        Instead of `PORTS`.
    """
    ports = tuple(PORTS if ports is None else ports)
    if not ports:
        return []
    with ThreadPoolExecutor(len(ports)) as pool:
        found = pool.map(lambda port: _asked(port, timeout), ports)
        return [server for server in found if server is not None]


def try_connection(teacher: Teacher) -> ConnectionReport:
    """Ask a teacher about one made-up pair, without trying again; no text of the user's is sent."""
    start = time.perf_counter()
    strategy = spec = problem = ""
    answer: Answer | None = None
    asked = teacher.with_patience(ONCE) if isinstance(teacher, EndpointTeacher) else teacher
    try:
        if isinstance(asked, EndpointTeacher):
            strategy, spec = asked.strategy, asked.spec
        for answered in asked.judge([PROBE]):
            if answered is not None:
                answer, problem = answered.answers[0], answered.problem
    except LmtxError as error:
        problem = str(error)
    seconds = time.perf_counter() - start
    if answer is None:
        problem = problem or "It gave no answer."
        return ConnectionReport(False, strategy, spec, seconds=seconds, problem=problem)
    if answer.verdict == "unparsed":
        problem = f"It answers, but not the question: {answer.raw[:200]!r}. Try another model or strategy."
    return ConnectionReport(
        not problem,
        strategy,
        spec,
        answer.verdict,
        answer.probability,
        answer.tokens,
        seconds,
        answer.raw,
        problem,
    )


def _asked(port: int, timeout: float) -> FoundServer | None:
    import httpx2

    root = f"http://127.0.0.1:{port}"
    try:
        # A connection each: some servers close theirs after an error.
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(timeout=timeout, trust_env=False, follow_redirects=False, limits=limits) as client:
            response = client.get(f"{root}/v1/models")
            models: tuple[str, ...] = ()
            name = ""
            if response.status_code == 200:
                listed = _listed(response)
                if listed is None:
                    return None
                name, models = listed
            # `transformers serve` fails here without a cache of the hub, others want a key first.
            elif not _is_up(client, root, response.status_code):
                return None
            if not name and client.get(f"{root}/v1/systemone").status_code == 405:  # there, but wants a POST
                name = TRANSFORMERS
            return FoundServer(name or PORTS.get(port, "Server"), f"{root}/v1", models)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        pass
    return None


def _is_up(client: httpx2.Client, root: str, status: int) -> bool:
    """Whether a server that does not list its models, by an error of its own or for want of a key, is one."""
    return (status >= 500 or status in (401, 403)) and client.get(f"{root}/health").status_code == 200


def _listed(response: httpx2.Response) -> tuple[str, tuple[str, ...]] | None:
    """Kind of server, where that can be told, and models; None where the answer is no list of models."""
    try:
        body: Any = response.json()
    except (ValueError, RecursionError):
        return None
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        return None
    models = [x for x in data if isinstance(x, Mapping) and isinstance(x.get("id"), str)]
    names = [name for x in models if (name := _OWNERS.get(str(x.get("owned_by"))))]
    return names[0] if names else "", tuple(sorted({x["id"] for x in models}))
