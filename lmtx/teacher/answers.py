"""Chats that are answered once: an answer that was paid for is on disk before it is used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Literal

from lmtx.errors import JobCancelled, StorageError, TeacherError
from lmtx.teacher.generation import Chat, Generated, Generator
from lmtx.teacher.wire import Failure
from lmtx.types import content_hash

_FAILED_IN_A_ROW = 5


class Answers:
    """What a generator answered, in a file of JSON lines; a chat is asked about once.

    A process that is killed loses at most what was under way. A line that was cut off by that is passed over.

    Parameters
    ----------
    generator : Generator
    folder : Path
        Where the file lies, named by the generator's key.
    budget_tokens : int or None
        Most tokens, read and written, of what is newly asked. A chat that might exceed it is not asked. How
        far a server counts otherwise than is estimated here, its answers so far tell.

    Attributes
    ----------
    used : dict
        Key of a chat -> answer, of all chats answered by this object, asked anew or known before.
    n_asked, tokens_asked : int
        Chats newly asked, and tokens they took.
    stopped : "tokens" or ""
        Whether the budget ended it.
    problems : list of str
        Why chats stayed open.
    """

    def __init__(self, generator: Generator, folder: Path, budget_tokens: int | None = None) -> None:
        self.generator, self._budget = generator, budget_tokens
        self._path = folder / f"{generator.key}.jsonl"
        self._known = _read(self._path)
        self.used: dict[str, Generated] = {}
        self.n_asked = self.tokens_asked = 0
        self.stopped: Literal["", "tokens"] = ""
        self.problems: list[str] = []
        self._failed = 0
        self._ratio = 1.0  # of tokens that a chat took to those estimated, the largest so far

    def of(
        self, chats: Sequence[Chat], max_new_tokens: int, heartbeat: Callable[[], None] = lambda: None
    ) -> list[Generated | None]:
        """Answers to chats, in order; None where one is not answered.

        Parameters
        ----------
        chats : sequence of Chat
        max_new_tokens : int
        heartbeat : callable
            Called while answers are awaited; may raise `JobCancelled`: nothing more is asked then, and what
            is under way is still written down.

        Raises
        ------
        TeacherError
            If the generator can't answer at all, or five chats in a row failed.
        StorageError
            If an answer can't be written.
        """
        keys = [_key(chat, max_new_tokens) for chat in chats]
        asked = [(k, chat) for k, chat in dict(zip(keys, chats, strict=True)).items() if k not in self._known]
        if asked and not self.stopped:
            self._ask(asked, max_new_tokens, heartbeat)
        found = [self._known.get(key) for key in keys]
        self.used |= {key: x for key, x in zip(keys, found, strict=True) if x is not None}
        return found

    def _ask(
        self, todo: Sequence[tuple[str, Chat]], max_new_tokens: int, heartbeat: Callable[[], None]
    ) -> None:
        estimated: dict[int, int] = {}
        ended: Exception | None = None

        def drawn() -> Iterator[Chat]:
            for i, (_, chat) in enumerate(todo):
                if ended is not None:
                    return
                if self._budget is not None:
                    most = self.generator.count(chat) + self.generator.most(max_new_tokens)
                    if self.tokens_asked + self._ratio * (sum(estimated.values()) + most) > self._budget:
                        self.stopped = "tokens"
                        return
                    estimated[i] = most
                yield chat

        with _appended(self._path) as file:
            for landed in self.generator.generate_all(drawn(), max_new_tokens):
                try:
                    heartbeat()
                except JobCancelled as error:
                    ended = ended or error
                if landed is None:
                    continue
                i, found = landed
                most = estimated.pop(i, None)
                if isinstance(found, Failure):
                    ended = ended or self._not_answered(found)
                    continue
                self._failed = 0
                if most:
                    self._ratio = max(self._ratio, (found.tokens_in + found.tokens_out) / most)
                self._keep(file, todo[i][0], found)
        if ended is not None:
            raise ended

    def _not_answered(self, failure: Failure) -> TeacherError | None:
        self.problems.append(failure.problem)
        self._failed += 1
        why = failure.problem.rstrip(".")
        if failure.fatal:
            return TeacherError(f"{why}. What was answered is kept.")
        if self._failed < _FAILED_IN_A_ROW:
            return None
        return TeacherError(
            f"{_FAILED_IN_A_ROW} requests in a row were not answered; the last: {why}. What was answered is "
            "kept. See to the model, then start again: only what is open will be asked."
        )

    def _keep(self, file: IO[bytes], key: str, found: Generated) -> None:
        self.n_asked += 1
        self.tokens_asked += found.tokens_in + found.tokens_out
        self._known[key] = found
        try:
            # Escapes, so that half a character that a model writes is no obstacle.
            file.write(json.dumps({"key": key, **asdict(found)}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _key(chat: Chat, max_new_tokens: int) -> str:
    return content_hash(str(max_new_tokens), *(part for m in chat for part in (m["role"], m["content"])))


def _read(path: Path) -> dict[str, Generated]:
    found = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"{path}: can't be read ({error.strerror}). Check its rights.") from error
    for line in lines:
        try:
            record = json.loads(line)
            key = str(record.pop("key"))
            found[key] = Generated(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # cut off by a kill: that chat is asked again
    return found


def _appended(path: Path) -> IO[bytes]:
    """Open a file at its end, which is made the end of a line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+")
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        return file
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: can't be written ({error.strerror or error}). Check space and rights.")
