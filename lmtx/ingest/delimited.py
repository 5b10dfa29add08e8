"""CSV and TSV, read record by record; one bad quote costs one row, not the rest of the file."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TextIO

from lmtx.errors import InputError
from lmtx.ingest.cells import without_surrogates
from lmtx.ingest.encoding import detect_encoding, open_text
from lmtx.ingest.records import MAX_RECORD_CHARS, Format, Reporter, Row, Table
from lmtx.ingest.source import Opened

_DELIMITERS = ",;\t|"
_QUOTE_REMEDY = (
    "Close it, or write a quotation mark inside a cell twice. To be safe, save the file as XLSX or JSONL."
)


def read_delimited(opened: Opened, format: Format, report: Reporter) -> Table:
    """Open a CSV or TSV file. Row 1 is the header; multi-line cells count as one row, as in a spreadsheet."""
    encoding = detect_encoding(opened)
    sample = opened.head.decode(encoding, "replace").splitlines()
    if len(opened.head) >= 65_536 and len(sample) > 1:
        sample.pop()
    marker = _excel_marker(sample[0]) if sample else ""
    delimiter = marker or guess_delimiter(sample, default="\t" if format == "tsv" else ",")
    records = _records(opened, encoding, delimiter, report, skip_marker=bool(marker))
    number, header = next(records, (1, []))
    if not header:
        raise InputError(f"{opened.name}: the file has no header row. Add one that names the columns.")
    columns = header_names(header, report, number)
    return Table(format, encoding, columns, _rows(records, columns, report))


def guess_delimiter(sample: list[str], default: str = ",") -> str:
    """Guess the separator: the one that splits the header and gives most rows the header's width."""
    best, best_score = default, (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            parsed = islice(csv.reader(sample, delimiter=delimiter), 50)
            widths = [len(cells) for cells in parsed if cells]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            score = (sum(w == widths[0] for w in widths) / len(widths), widths[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def header_names(cells: list[str], report: Reporter, row: int) -> list[str]:
    """Make names of a header's cells: trimmed, the empty and the repeated ones numbered."""
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name = without_surrogates(cell.strip().lstrip("\ufeff")[:200])[0] or f"column {position}"
        if name in names:
            report.warning(
                row, f"the column '{name}' appears twice; the second is called '{name} ({position})'."
            )
            name = f"{name} ({position})"
        names.append(name)
    if all(name.replace(".", "").isdigit() or len(name) > 100 for name in names):
        report.warning(
            row, "the first row looks like data, not like column names. Add a header row if it is missing."
        )
    return names


def _excel_marker(first_line: str) -> str:
    line = first_line.strip().lstrip("\ufeff").strip('"')
    return line[4] if len(line) == 5 and line.lower().startswith("sep=") else ""


def _rows(records: Iterator[tuple[int, list[str]]], columns: list[str], report: Reporter) -> Iterator[Row]:
    width = len(columns)
    for number, cells in records:
        if len(cells) > width:
            if any(cell.strip() for cell in cells[width:]):
                report.error(
                    number,
                    f"{len(cells)} cells, but the header has {width}. "
                    "Put cells that contain the separator between quotation marks.",
                    value=" … ".join(cells[width - 1 :]),
                )
                continue
            cells = cells[:width]
        elif len(cells) < width:
            report.warning(
                number,
                f"{len(cells)} cells, but the header has {width}; the missing ones are taken as empty. "
                "Check that no cell is cut at a line break.",
                value=cells[-1],
            )
            cells = cells + [""] * (width - len(cells))
        yield Row(number, dict(zip(columns, cells, strict=True)))


# Lines put back that one record may take in; see _recover.
_MAX_REREAD_LINES = 10


class _RecordTooLongError(Exception):
    """A record outgrew MAX_RECORD_CHARS."""


class _Feed:
    """Physical lines for csv.reader, remembering those of the current record, which can be put back."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.reread_too_far = False
        self._chars = 0
        self._n_reread = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._waiting:
            if self._n_reread == _MAX_REREAD_LINES:
                self.reread_too_far = True
                raise _RecordTooLongError
            self._n_reread += 1
            line = self._waiting.popleft()
        else:
            line = self._text.readline(MAX_RECORD_CHARS)
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._chars += len(line)
        if self._chars >= MAX_RECORD_CHARS:
            raise _RecordTooLongError
        return line

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.taken = []
        self.reread_too_far = False
        self._chars = self._n_reread = 0

    def put_back(self, lines: list[str]) -> None:
        """Make lines the next to be read."""
        self._waiting.extendleft(reversed(lines))

    def drop_rest(self) -> bool:
        """Read past the end of a record too long to keep; False if the file ended within quotes."""
        quotes = sum(line.count('"') for line in self.taken)
        last = self.taken[-1]
        while not (last.endswith(("\n", "\r")) and quotes % 2 == 0):
            last = self._waiting.popleft() if self._waiting else self._text.readline(1 << 20)
            if not last:
                return quotes % 2 == 0
            quotes += last.count('"')
        return True


def _records(
    opened: Opened, encoding: str, delimiter: str, report: Reporter, *, skip_marker: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells) of all records but blank ones."""
    # The limit is the process's; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_CHARS + 1))
    with opened.errors(), open_text(opened, encoding) as text:
        if skip_marker:
            text.readline(1000)
        feed = _Feed(text)
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
        number = width = 0
        while True:
            feed.begin()
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _RecordTooLongError) as error:
                _recover(
                    feed, report, number, delimiter, width, too_long=isinstance(error, _RecordTooLongError)
                )
                reader = csv.reader(feed, delimiter=delimiter, strict=True)
                continue
            if any(cells):
                width = width or len(cells)
                yield number, cells


def _recover(
    feed: _Feed, report: Reporter, number: int, delimiter: str, width: int, *, too_long: bool
) -> None:
    """Report a record that can't be parsed, and set the feed to where reading goes on.

    A quote that is never closed takes in the rows that follow, up to the next quote,
    which then has text behind it. Those rows are put back and read on their own if
    they look like rows. Where every line opens another such run, each would be read to
    the end; so a record that begins among lines put back may take only ten of them.
    """
    first, following = feed.taken[0], feed.taken[1:]
    if feed.reread_too_far or (following and _look_like_rows(following, delimiter, width)):
        feed.put_back(following)
        report.error(
            number,
            "a quotation mark opens a cell here and is not closed where the cell ends. "
            f"This row is left out, reading goes on with the next. {_QUOTE_REMEDY}",
            value=_open_cell(first, delimiter),
        )
        return
    if too_long:
        closed = feed.drop_rest()
        rest = "" if closed else " It is never closed: the rest of the file is left out."
        report.error(
            number,
            f"this row has more than {MAX_RECORD_CHARS:,} characters: a text too long, "
            f"or a quotation mark that is not closed.{rest} Split the text or close the quote.",
            value=_open_cell(first, delimiter),
        )
        return
    lines = f" {len(following) + 1} lines are left out with it." if following else ""
    report.error(
        number,
        f"a quotation mark opens a cell here and is not closed where the cell ends.{lines} {_QUOTE_REMEDY}",
        value=_open_cell(first, delimiter),
    )


def _look_like_rows(lines: list[str], delimiter: str, width: int) -> bool:
    sample = [line for line in lines[:30] if line.strip()]
    fitting = sum(
        len(next(csv.reader([line[:100_000]], delimiter=delimiter), [])) == width for line in sample
    )
    return 3 * fitting >= len(sample) > 0


def _open_cell(line: str, delimiter: str) -> str:
    """Return the last cell of a line, which is the one that its open quote began."""
    head = line[:100_000]
    cells = next(csv.reader([head], delimiter=delimiter), [head])
    return cells[-1] if cells else head
