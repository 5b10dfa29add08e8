"""What ingest takes and reports: sources, column maps, issues, rows, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from lmtx.errors import InputError
from lmtx.types import Document, Label

Kind = Literal["corpus", "labels"]
Severity = Literal["error", "warning"]
Format = Literal["csv", "tsv", "xlsx", "jsonl", "json", "parquet", "txt", "zip", "skos"]

MAX_TEXT_CHARS = 2_000_000
"""Longest text of a document, in characters (a thick book is about one million)."""
MAX_RECORD_CHARS = 2 * MAX_TEXT_CHARS
"""Longest line or CSV record that is held in memory."""
MAX_TITLE_CHARS = 10_000
MAX_ID_CHARS = 500
MAX_NAME_CHARS = 1_000
SAMPLE_ROWS = 100
"""Rows that columns and separators are guessed from."""


@dataclass(frozen=True, slots=True)
class UploadedBytes:
    """A file that arrived through the browser: its name and its content."""

    name: str
    data: bytes = field(repr=False)


Source: TypeAlias = Path | UploadedBytes


class ColumnMap(BaseModel):
    """Which column of a file holds what.

    A field that is None is guessed, one that is "" says that the file has no such
    column. `label_separator` parts the cells of `labels`, `aliases` and `parents`;
    "" guesses it for each column.
    """

    model_config = ConfigDict(extra="forbid")

    id: str | None = None
    title: str | None = None
    text: str | None = None
    split: str | None = None
    labels: str | None = None
    name: str | None = None
    description: str | None = None
    aliases: str | None = None
    parents: str | None = None
    label_separator: str = ""


class Issue(BaseModel):
    """What is wrong with one row, or with the file (row None), and what to do.

    `row` is what a spreadsheet shows (the header is row 1), for TXT and JSONL the
    line, for JSON, Parquet and SKOS the number of the record, counted from 1.
    An item with an "error" is left out, one with a "warning" is kept.
    """

    file: str
    row: int | None = None
    column: str | None = None
    value: str = ""
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """One line: where, what, the value, the remedy."""
        where = self.file
        if self.row is not None:
            where += f" row {self.row}"
        if self.column:
            where += f", column '{self.column}'"
        value = f" (value: {self.value!r})" if self.value else ""
        return f"{where}: {self.message}{value}"


OnIssue: TypeAlias = Callable[[Issue], None]


def stop_on_error(issue: Issue) -> None:
    """Stop at the first error and let warnings pass (an `on_issue` callback).

    Raises
    ------
    InputError
        If the issue is an error.
    """
    if issue.severity == "error":
        raise InputError(str(issue))


class Preview(BaseModel):
    """What an import would read, before anything is written.

    `rows` are the first rows as read (long cells cut), `items` what they become;
    `n_rows` is None where only reading the whole file would tell.
    """

    kind: Kind
    format: Format
    encoding: str
    columns: list[str]
    guessed: ColumnMap
    rows: list[dict[str, str]] = Field(default_factory=list)
    items: list[Document] | list[Label] = Field(default_factory=list)
    issues: list[Issue] = Field(default_factory=list)
    n_rows: int | None = None
    languages: dict[str, int] = Field(default_factory=dict)


class Row(NamedTuple):
    """One record as read: the number that the user sees, and its cells by column."""

    number: int
    cells: dict[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """What a reader opened. `rows` can be gone through once.

    columns : None where each record names its own (JSON)
    n_rows : records in the file, None where unknown without reading it
    """

    format: Format
    encoding: str
    columns: list[str] | None
    rows: Iterator[Row]
    n_rows: int | None = None


class Reporter:
    """Passes issues of one file on, with its name and shortened values."""

    def __init__(self, file: str, on_issue: OnIssue) -> None:
        self.file = shorten(file, 200)
        self.pass_on = on_issue

    def error(self, row: int | None, message: str, *, column: str | None = None, value: object = "") -> None:
        """Report what makes a row unusable."""
        self._report("error", row, message, column, value)

    def warning(
        self, row: int | None, message: str, *, column: str | None = None, value: object = ""
    ) -> None:
        """Report what the user should know of a row that is kept."""
        self._report("warning", row, message, column, value)

    def _report(
        self, severity: Severity, row: int | None, message: str, column: str | None, value: object
    ) -> None:
        self.pass_on(
            Issue(
                file=self.file,
                row=row,
                column=column,
                value=shorten(value),
                message=message,
                severity=severity,
            )
        )


def shorten(value: object, limit: int = 80) -> str:
    """Return a value as one short line for a message."""
    text = value if isinstance(value, str) else str(value)
    text = " ".join(text[: 4 * limit].replace("\0", "\\0").split())
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"
