"""From a source to numbered rows: chooses the reader of its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from lmtx.errors import InputError
from lmtx.ingest import skos
from lmtx.ingest.cells import cell_text
from lmtx.ingest.columnar import read_parquet
from lmtx.ingest.columns import Layout, settle
from lmtx.ingest.delimited import read_delimited
from lmtx.ingest.jsontext import read_json, read_jsonl
from lmtx.ingest.plain import read_txt, read_zip
from lmtx.ingest.records import (
    MAX_RECORD_CHARS,
    SAMPLE_ROWS,
    ColumnMap,
    Issue,
    Kind,
    OnIssue,
    Reporter,
    Row,
    Source,
    Table,
)
from lmtx.ingest.source import Opened
from lmtx.ingest.spreadsheet import read_xlsx

_MAX_HELD = 10_000


def open_table(source: Source, report: Reporter, kind: Kind | None = None) -> Table:
    """Open a source of any known format, or refuse one that can't hold items of this kind."""
    opened = Opened(source)
    if kind == "labels" and opened.format == "zip":
        raise InputError(f"{source.name}: labels can't be read from a ZIP of texts. Use CSV, JSONL or SKOS.")
    if kind == "corpus" and opened.format == "skos":
        raise InputError(
            f"{source.name}: a SKOS or XML file holds labels, not documents. Import it as labels."
        )
    match opened.format:
        case "csv" | "tsv":
            return read_delimited(opened, opened.format, report)
        case "jsonl":
            return read_jsonl(opened, report)
        case "json":
            return read_json(opened, report)
        case "parquet":
            return read_parquet(opened, report)
        case "xlsx":
            return read_xlsx(opened, report)
        case "txt":
            return read_txt(opened, report)
        case "zip":
            return read_zip(opened, report)
        case "skos":
            return skos.read_skos(opened, report)


def read_rows(source: Source, *, on_issue: OnIssue) -> Iterator[tuple[int, dict[str, str]]]:
    """Stream the rows of any table as (row number, cells as strings by column).

    For files that are neither documents nor labels (decisions, say). Bad rows are
    passed to `on_issue` and left out.
    """
    table = open_table(source, Reporter(source.name, on_issue))
    for number, cells in table.rows:
        yield number, {str(column): cell_text(value) for column, value in cells.items()}


def laid_out(
    source: Source, kind: Kind, columns: ColumnMap | None, report: Reporter
) -> tuple[Table, list[str], Layout, list[Row]]:
    """Open a table and settle its columns from its first rows.

    Returns
    -------
    table : Table
        Its `rows` begin at the first row.
    names : list of str
        The columns.
    layout : Layout
    sample : list of Row
        The first rows, at most 100 and eight million characters.

    Raises
    ------
    InputError
        If the file is of no use for this kind, has no rows, or lacks a needed column.
    """
    table = open_table(source, report, kind)
    sample, events = _sampled(table.rows, report)
    if not sample:
        issues = [event for event in events if isinstance(event, Issue)]
        for issue in issues:
            report.pass_on(issue)
        first = f" The first problem is in {issues[0]}" if issues else ""
        raise InputError(
            f"{source.name}: no usable rows. Check that it has data below the header, "
            f"and the format that its name says.{first}"
        )
    names = table.columns
    if names is None:
        names = list(dict.fromkeys(str(column) for row in sample for column in row.cells))
    if table.format == "skos":
        columns = skos.COLUMNS
    layout = settle(kind, source.name, names, [row.cells for row in sample], columns)
    return replace(table, rows=chain(_replayed(events, report), table.rows)), names, layout, sample


def _sampled(rows: Iterator[Row], report: Reporter) -> tuple[list[Row], list[Row | Issue]]:
    """Read the first rows, and hold back what the reader reports meanwhile, in its place among them."""
    sample: list[Row] = []
    events: list[Row | Issue] = []
    size = 0
    pass_on, report.pass_on = report.pass_on, events.append
    try:
        for row in rows:
            sample.append(row)
            events.append(row)
            size += sum(len(cell) for cell in row.cells.values() if isinstance(cell, str))
            if len(sample) == SAMPLE_ROWS or size > 2 * MAX_RECORD_CHARS:
                break
            if len(events) > _MAX_HELD:
                break
    finally:
        report.pass_on = pass_on
    return sample, events


def _replayed(events: list[Row | Issue], report: Reporter) -> Iterator[Row]:
    # Emptied as it goes: a list kept by a suspended generator would hold the rows to the end.
    events.reverse()
    while events:
        event = events.pop()
        if isinstance(event, Issue):
            report.pass_on(event)
        else:
            yield event
