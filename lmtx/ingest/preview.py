"""A look into a file before anything of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lmtx.ingest.cells import cell_text, without_surrogates
from lmtx.ingest.documents import parse_documents
from lmtx.ingest.labels import parse_labels
from lmtx.ingest.language import language_of
from lmtx.ingest.records import (
    ColumnMap,
    Issue,
    Kind,
    OnIssue,
    Preview,
    Reporter,
    Row,
    Source,
)
from lmtx.ingest.tables import laid_out
from lmtx.types import Document, Label

_SHOWN = 20
_CHECKED_ROWS = 1_000
_SHOWN_ISSUES = 100
_SHOWN_CHARS = 300


def preview(source: Source, kind: Kind, columns: ColumnMap | None = None) -> Preview:
    """Read the first thousand rows of a file and say what an import would make of them.

    Parameters
    ----------
    source : Path or UploadedBytes
    kind : "corpus" or "labels"
    columns : ColumnMap, optional
        Which column holds what; what it leaves None is guessed, and `Preview.guessed`
        is the map as settled.

    Returns
    -------
    Preview
        With at most 100 issues.

    Raises
    ------
    InputError
        If the file as a whole can't be used, or a column is missing.
    """
    issues: list[Issue] = []
    on_issue: OnIssue = lambda issue: issues.append(issue) if len(issues) < _SHOWN_ISSUES else None  # noqa: E731
    report = Reporter(source.name, on_issue)
    table, names, layout, sample = laid_out(source, kind, columns, report)
    counted = _Counted(table.rows)
    items: list[Document] = []
    labels: list[Label] = []
    texts: list[str] = []
    if kind == "corpus":
        for document in parse_documents(counted, layout, report):
            texts.append(document.full_text[:1000])
            if len(items) < _SHOWN:
                items.append(document)
    else:
        for label in parse_labels(counted, layout, report):
            texts.append(f"{label.name} {label.description}"[:1000])
            if len(labels) < _SHOWN:
                labels.append(label)
    n_rows = table.n_rows if table.n_rows is not None else counted.n_rows
    return Preview(
        kind=kind,
        format=table.format,
        encoding=table.encoding,
        columns=names,
        guessed=layout.as_map(),
        rows=[_shown(row) for row in islice(sample, _SHOWN)],
        items=items if kind == "corpus" else labels,
        issues=issues,
        n_rows=n_rows,
        languages=language_of(texts),
    )


class _Counted:
    """The first thousand rows; knows the number of rows if the file ended before."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._n_read = 0
        self.n_rows: int | None = None

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        if self._n_read == _CHECKED_ROWS:
            raise StopIteration
        row = next(self._rows, None)
        if row is None:
            self.n_rows = self._n_read
            raise StopIteration
        self._n_read += 1
        return row


def _shown(row: Row) -> dict[str, str]:
    shown = {}
    for column, value in row.cells.items():
        text, _ = without_surrogates(cell_text(value))
        shown[str(column)] = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
    return shown
