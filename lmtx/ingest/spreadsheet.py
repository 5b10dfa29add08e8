"""XLSX, read row by row; formulas are never computed, their stored values are read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from openpyxl import load_workbook

from lmtx.errors import InputError, LmtxError
from lmtx.ingest.cells import cell_text
from lmtx.ingest.delimited import header_names
from lmtx.ingest.plain import MEMBER_ERRORS, check_archive
from lmtx.ingest.records import Reporter, Row, Table
from lmtx.ingest.source import Opened

_MAX_XML_BYTES = 1_000_000_000


def read_xlsx(opened: Opened, report: Reporter) -> Table:
    """Open the first visible sheet with content; row numbers are the sheet's."""
    with opened.errors(), opened.seekable() as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                _check(opened.name, archive)
        except LmtxError:
            raise
        except MEMBER_ERRORS as error:
            raise _damaged(opened.name, error) from error
    rows = _sheet_rows(opened, report)
    number, header = next(rows, (1, ()))
    cells = [cell_text(cell) for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    if not cells:
        raise InputError(f"{opened.name}: the workbook has no rows. Put a header into row 1 and data below.")
    columns = header_names(cells, report, number)
    return Table("xlsx", "utf-8", columns, _rows(rows, columns, report))


def _check(name: str, archive: zipfile.ZipFile) -> None:
    members = check_archive(name, archive)
    if sum(info.file_size for info in members) > _MAX_XML_BYTES:
        raise InputError(f"{name}: more than {_MAX_XML_BYTES // 1_000_000} MB unpacked. Save it as CSV.")
    for info in members:
        if info.filename.endswith((".xml", ".rels")):
            with archive.open(info) as member:
                start = member.read(4096).replace(b"\0", b"")
            if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
                raise InputError(
                    f"{name}: '{info.filename[:80]}' defines XML entities, which no spreadsheet program "
                    "writes and which can be made to fill the memory. Save the workbook again."
                )


def _sheet_rows(opened: Opened, report: Reporter) -> Iterator[tuple[int, tuple[object, ...]]]:
    with opened.errors(), opened.seekable() as stream:
        workbook = None
        try:
            workbook = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            sheets = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
            chosen = None
            for sheet in sheets:
                # The size that a file states may be wrong; without it all rows are read.
                sheet.reset_dimensions()
                for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                    if not any(cell is not None and cell != "" for cell in row):
                        continue
                    if chosen is None:
                        chosen = sheet
                        others = [other.title for other in sheets if other is not sheet]
                        if others:
                            report.warning(
                                None,
                                f"only the sheet '{sheet.title}' is read. Save other sheets as files of "
                                "their own if they hold data.",
                                value=", ".join(others),
                            )
                    yield number, row
                if chosen is not None:
                    return
        except (LmtxError, OSError, EOFError, MemoryError):
            raise
        # openpyxl has no error class of its own: a damaged part surfaces as whatever it ran into.
        except Exception as error:
            raise _damaged(opened.name, error) from error
        finally:
            if workbook is not None:
                workbook.close()


def _rows(
    rows: Iterator[tuple[int, tuple[object, ...]]], columns: list[str], report: Reporter
) -> Iterator[Row]:
    width = len(columns)
    for number, row in rows:
        beyond = [cell for cell in row[width:] if cell is not None and cell != ""]
        if beyond:
            report.warning(
                number,
                "cells to the right of the last column name are ignored. Name their column.",
                value=beyond[0],
            )
        cells = [*row[:width], *([None] * (width - len(row)))]
        yield Row(number, dict(zip(columns, cells, strict=True)))


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name}: the workbook is damaged or not XLSX ({type(error).__name__}: {str(error)[:80]}). "
        "Open and save it again, or save it as CSV."
    )
