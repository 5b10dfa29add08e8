from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from lmtx.errors import InputError
from lmtx.export import plain_cell, safe_cell, write_table
from lmtx.export.tables import ColumnType, Row

COLUMNS: dict[str, ColumnType] = {
    "id": "text",
    "n": "integer",
    "score": "real",
    "done": "bool",
    "at": "time",
    "labels": "texts",
    "scores": "reals",
}
ROWS = [
    {
        "id": "=1+1",
        "n": 3,
        "score": 0.5,
        "done": True,
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "labels": ["@x", "b"],
        "scores": [0.5, -1.0],
    },
    {"id": 'a,"b"\nc', "n": None, "score": None, "done": False, "at": None, "labels": [], "scores": None},
]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_round_trip(tmp_path: Path, format: str) -> None:
    out = write_table(iter(ROWS), COLUMNS, format, tmp_path / "out")
    if format == "csv":
        with out.open(encoding="utf-8-sig", newline="") as file:
            read = list(csv.DictReader(file))
        assert read[0]["id"] == "'=1+1"
        assert read[0]["labels"] == "'@x|b"
        assert read[0]["score"] == "0.5"
        assert read[1]["id"] == 'a,"b"\nc'
        assert read[1]["n"] == ""
    elif format == "jsonl":
        lines = [json.loads(x) for x in out.read_text(encoding="utf-8").splitlines()]
        assert lines[0]["id"] == "=1+1"
        assert lines[0]["labels"] == ["@x", "b"]
        assert lines[1]["score"] is None
    else:
        frame = pd.read_parquet(out)
        assert list(frame["labels"][0]) == ["@x", "b"]
        assert frame["at"][0] == pd.Timestamp(2026, 1, 2, 3, tz="UTC")
        assert pd.isna(frame["n"][1])
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_runs_nothing(tmp_path: Path, start: str) -> None:
    out = write_table(iter([{"id": f"{start}cmd|' /C calc'!A0"}]), {"id": "text"}, "csv", tmp_path / "x.csv")
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["id"].startswith(f"'{start}")


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    out = write_table(iter([{"x": -1.5}]), {"x": "real"}, "csv", tmp_path / "x.csv")
    assert out.read_text(encoding="utf-8-sig").split() == ["x", "-1.5"]


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    out = tmp_path / "x.csv"
    out.write_text("before")

    def rows() -> Iterator[Row]:
        yield {"id": "a"}
        raise InputError("stopped")

    with pytest.raises(InputError):
        write_table(rows(), {"id": "text"}, "csv", out)
    assert out.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


def test_an_empty_table_has_its_header(tmp_path: Path) -> None:
    for format in ("csv", "jsonl", "parquet"):
        out = write_table(iter(()), COLUMNS, format, tmp_path / f"x.{format}")
        assert out.exists()
    assert list(pd.read_parquet(tmp_path / "x.parquet").columns) == list(COLUMNS)


def test_wrong_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="csv, jsonl, parquet"):
        write_table(iter(()), COLUMNS, "xls", tmp_path / "x")
    with pytest.raises(InputError, match="existing folder"):
        write_table(iter(()), COLUMNS, "csv", tmp_path / "none" / "x")


def test_memory_stays_flat(tmp_path: Path) -> None:
    seen: list[int] = []
    rows: Iterator[Row] = ({"id": str(i)} for i in range(10_000))
    write_table(rows, {"id": "text"}, "parquet", tmp_path / "x", seen.append)
    assert seen == [2000, 4000, 6000, 8000, 10_000, 10_000]


def test_text_that_utf8_has_no_form_for(tmp_path: Path) -> None:
    for format in ("csv", "jsonl", "parquet"):
        assert write_table(iter([{"id": "a\ud800\0"}]), {"id": "text"}, format, tmp_path / format).exists()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1"])
def test_what_a_spreadsheet_would_run_is_guarded_and_comes_back(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert plain_cell(safe_cell(text)) == text
    assert plain_cell("'quoted'") == "'quoted'"
