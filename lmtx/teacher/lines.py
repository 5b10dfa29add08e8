"""JSON lines that come from elsewhere: read with their numbers, checked strictly, written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lmtx.errors import InputError, StorageError
from lmtx.ingest.records import MAX_RECORD_CHARS, Source
from lmtx.ingest.source import Opened

MAX_RAW_CHARS = 2000
_MAX_LINE_BYTES = 4 * MAX_RECORD_CHARS
_SHOWN_ISSUES = 5

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""Of a text, as documents and labels give it."""
Record = TypeVar("Record", bound=BaseModel)


class Strict(BaseModel):
    """What lines are read as: types are not guessed, unknown fields are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Line(NamedTuple):
    """A line as read: its number from 1, its bytes, and whether the file broke off in it."""

    number: int
    data: bytes
    torn: bool


def read_lines(source: Source) -> Iterator[Line]:
    """Read a file of JSON lines, gzipped or not, line by line; blank ones are passed over."""
    opened = Opened(source)
    with opened.errors(), opened.binary() as stream:
        number = 0
        while data := stream.readline(_MAX_LINE_BYTES + 1):
            number += 1
            if len(data) > _MAX_LINE_BYTES:
                raise InputError(
                    f"{source.name} line {number}: longer than {_MAX_LINE_BYTES // 1_000_000} MB, which no "
                    "request or verdict is. Choose the right file."
                )
            if number == 1:
                data = data.removeprefix(b"\xef\xbb\xbf")
            if data.strip():
                yield Line(number, data, not data.endswith(b"\n"))


def parse(model: type[Record], data: bytes) -> Record:
    """Read a line; `ValueError` says in a sentence what is wrong with it."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        got = first.get("input")
        shown = f" (got {str(got)[:60]!r})" if where and not isinstance(got, dict) else ""
        raise ValueError(f"{where}: {first['msg']}{shown}." if where else f"{first['msg']}.") from error


class Issues:
    """What is wrong in a file: counted, the first few kept."""

    def __init__(self, source: Source) -> None:
        self._source, self._found, self.n = source, list[str](), 0

    def add(self, number: int, problem: object) -> None:
        """Note what is wrong with a line."""
        self.n += 1
        if len(self._found) < _SHOWN_ISSUES:
            self._found.append(f"- {self._source.name} line {number}: {problem}")

    def stop(self, consequence: str) -> None:
        """Raise `InputError` where anything is wrong."""
        if self.n:
            raise InputError(
                f"{self._source.name}: {self.n} lines are not usable; {consequence}.\n"
                + "\n".join(self._found)
            )


def line_of(record: Mapping[str, Any]) -> bytes:
    """A record as a line."""
    try:
        return (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError:  # half a character: only an escape can write it
        return (json.dumps(record, allow_nan=False) + "\n").encode()


def storable(raw: str) -> str:
    """An answer as given, cut, and without what no database takes."""
    return raw[:MAX_RAW_CHARS].replace("\0", "�").encode("utf-8", "replace").decode()


def check_folder(path: Path) -> None:
    """Raise `InputError` where a path can't be a file."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise InputError(
            f"{path}: not a file name in an existing folder. Name a file, or make the folder first."
        )


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there whole, or not at all."""
    check_folder(path)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path}: can't be written ({error.strerror or error}). Check space and rights."
        ) from error
    finally:
        part.unlink(missing_ok=True)
