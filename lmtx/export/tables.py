"""Writing tables row by row, so that memory does not grow with their length."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from lmtx.errors import InputError, StorageError

Row: TypeAlias = Mapping[str, Any]
ColumnType = Literal["text", "integer", "real", "bool", "time", "texts", "reals"]

TABLE_FORMATS = ("csv", "jsonl", "parquet")
_BATCH = 2000
# A spreadsheet runs a cell that starts like this as a formula (OWASP, "CSV Injection"). Tab and
# line ends are cut off by some of them before they look; some read the wide forms as the plain ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(value: str) -> str:
    """Return the text of a CSV cell so that no spreadsheet runs it: an apostrophe is put before a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def plain_cell(cell: str) -> str:
    """Return what `safe_cell` was given."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell


def write_table(
    rows: Iterator[Row],
    columns: Mapping[str, ColumnType],
    format: str,
    out: Path,
    on_written: Callable[[int], None] = lambda n: None,
) -> Path:
    """Write rows to a file, whole or not at all.

    Parameters
    ----------
    rows : iterator of mappings
        Values by column; lists of texts are joined by "|" in CSV and stay lists elsewhere.
    columns : mapping
        Column -> type, in order.
    format : {"csv", "jsonl", "parquet"}
    out : Path
        Replaced if it exists.
    on_written : callable
        Called with the rows written so far, every two thousand; may raise.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        If the format is unknown or the folder does not exist.
    StorageError
        If the file can't be written.
    """
    if format not in TABLE_FORMATS:
        raise InputError(f"Format {format!r} is unknown for a table. Known: {', '.join(TABLE_FORMATS)}.")
    writers = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
    done = 0
    with whole_file(out) as part, writers[format](part, columns) as write:
        for batch in _batches(rows):
            write(batch)
            done += len(batch)
            on_written(done)
    return out


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Name a file to write to, which becomes `out` when the block ends, and vanishes if it fails.

    Raises
    ------
    InputError
        If the folder of `out` does not exist.
    StorageError
        If it can't be written.
    """
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise InputError(
            f"{out}: not a file name in an existing folder. Name a file, or make the folder first."
        )
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise StorageError(
            f"{out}: can't be written ({error.strerror or error}). Check space and rights."
        ) from error
    finally:
        part.unlink(missing_ok=True)


Write: TypeAlias = Callable[[Sequence[Row]], None]


@contextmanager
def _csv(path: Path, columns: Mapping[str, ColumnType]) -> Iterator[Write]:
    # The byte order mark makes Excel read UTF-8 as UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(columns)

        def write(rows: Sequence[Row]) -> None:
            writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)

        yield write


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return safe_cell("|".join(str(x) for x in value))
    return safe_cell(str(value).replace("\0", ""))


@contextmanager
def _jsonl(path: Path, columns: Mapping[str, ColumnType]) -> Iterator[Write]:
    file: IO[str]
    with path.open("w", encoding="utf-8", errors="replace") as file:

        def write(rows: Sequence[Row]) -> None:
            for row in rows:
                record = {name: row.get(name) for name in columns}
                file.write(json.dumps(record, ensure_ascii=False, default=_as_json) + "\n")

        yield write


def _as_json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


@contextmanager
def _parquet(path: Path, columns: Mapping[str, ColumnType]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "real": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
        "reals": pa.list_(pa.float64()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def write(rows: Sequence[Row]) -> None:
            arrays = [
                pa.array([_arrow(row.get(field.name)) for row in rows], type=field.type) for field in schema
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        yield write


def _arrow(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    # A lone surrogate can't be stored as UTF-8.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch
