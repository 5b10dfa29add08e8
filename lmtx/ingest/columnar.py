"""Parquet, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lmtx.errors import InputError
from lmtx.ingest.records import Reporter, Row, Table
from lmtx.ingest.source import Opened

_BATCH_BYTES = 64_000_000
_BATCH_ROWS = (16, 1024)


def read_parquet(opened: Opened, report: Reporter) -> Table:
    """Open a Parquet file; the row number is the number of the record, counted from 1."""
    with opened.errors(), opened.seekable() as stream:
        try:
            file = pq.ParquetFile(stream)
            columns = [str(name) for name in file.schema_arrow.names]
            n_rows = int(file.metadata.num_rows)
            batch_rows = _batch_rows(file.metadata)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(opened.name, error) from error
    if len(set(columns)) < len(columns):
        raise InputError(f"{opened.name}: two columns have the same name. Rename one.")
    return Table("parquet", "utf-8", columns, _rows(opened, batch_rows), n_rows=n_rows)


def _batch_rows(metadata: Any) -> int:
    """Rows a batch, so that it takes about 64 MB by the mean size of a row."""
    largest = 1
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        largest = max(largest, group.total_byte_size // max(1, group.num_rows))
    return min(max(_BATCH_BYTES // largest, _BATCH_ROWS[0]), _BATCH_ROWS[1])


def _rows(opened: Opened, batch_rows: int) -> Iterator[Row]:
    number = 0
    with opened.errors(), opened.seekable() as stream:
        try:
            # Without pre_buffer, column chunks are read as they are needed, not a row group at once.
            file = pq.ParquetFile(stream, pre_buffer=False, buffer_size=1 << 20)
            for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
                names = batch.schema.names
                for cells in zip(*(_values(column) for column in batch.columns), strict=True):
                    number += 1
                    yield Row(number, dict(zip(names, cells, strict=True)))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged(opened.name, error) from error


def _values(column: Any) -> list[object]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return list(column.cast(pa.binary()).to_pylist())
    except (ValueError, OverflowError):
        # Dates beyond Python's range, nanoseconds without pandas: their text form will do.
        return list(column.cast(pa.string()).to_pylist())


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name}: the Parquet file is cut off or damaged ({str(error)[:100]}). Download or write it again."
    )
