"""The same corpus reads the same from every format, encoding and packing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmtx.errors import InputError
from lmtx.ingest import ColumnMap, Issue, UploadedBytes, preview, read_documents, read_labels, read_rows
from lmtx.types import Document

FIXTURES = Path(__file__).parents[2] / "fixtures" / "ingest"
COLUMNS = ["id", "title", "text", "split", "labels"]


def read(
    source: Path | UploadedBytes, columns: ColumnMap | None = None
) -> tuple[list[Document], list[Issue]]:
    issues: list[Issue] = []
    return list(read_documents(source, columns, on_issue=issues.append)), issues


def german() -> list[Document]:
    documents, issues = read(FIXTURES / "german" / "korpus.csv")
    assert issues == []
    return documents


def as_table(documents: list[Document], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(COLUMNS)
    for d in documents:
        writer.writerow([d.id, d.title, d.text, d.split, "|".join(d.labels or ())])
    return out.getvalue()


def as_records(documents: list[Document]) -> list[dict[str, object]]:
    return [
        {"id": d.id, "title": d.title, "text": d.text, "split": d.split, "labels": list(d.labels or ())}
        for d in documents
    ]


def packed(documents: list[Document], format: str) -> bytes:
    records = as_records(documents)
    match format:
        case "csv":
            return as_table(documents, ",").encode()
        case "tsv":
            return as_table(documents, "\t").encode()
        case "jsonl":
            return "\n".join(json.dumps(r) for r in records).encode()
        case "json":
            return json.dumps({"documents": records, "version": [1, 2]}, indent=1).encode()
        case "parquet":
            out = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(records), out)
            return out.getvalue()
        case "xlsx":
            book = openpyxl.Workbook()
            sheet = book.active
            assert sheet is not None
            sheet.append(COLUMNS)
            for d in documents:
                sheet.append([d.id, d.title, d.text, d.split, "|".join(d.labels or ())])
            out = io.BytesIO()
            book.save(out)
            return out.getvalue()
    raise AssertionError(format)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "json", "parquet", "xlsx"])
def test_every_format_gives_the_same_documents(tmp_path: Path, format: str, zipped: bool) -> None:
    data = packed(german(), format)
    name = f"korpus.{format}"
    if zipped:
        data, name = gzip.compress(data), name + ".gz"
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, UploadedBytes(name, data)):
        documents, issues = read(source)
        assert documents == german()
        assert issues == []
        shown = preview(source, "corpus")
        assert shown.format == format
        assert shown.items == german()
        assert shown.n_rows == 12
        assert shown.languages == {"de": 12}


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_encoding_is_detected(format: str, encoding: str, expected: str) -> None:
    text = packed(german(), format).decode()
    if format == "jsonl":
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in as_records(german()))
    source = UploadedBytes(f"korpus.{format}", text.encode(encoding))
    assert read(source) == (german(), [])
    assert preview(source, "corpus").encoding == expected


def test_chinese_in_gb18030() -> None:
    content = (FIXTURES / "chinese" / "corpus.jsonl").read_text("utf-8")
    expected, _ = read(FIXTURES / "chinese" / "corpus.jsonl")
    documents, issues = read(UploadedBytes("语料.jsonl", content.encode("gb18030")))
    assert documents == expected
    assert issues == []
    assert documents[0].language == "zh"
    assert documents[0].labels == ("交通", "城市")


def test_first_accent_after_megabytes_of_ascii() -> None:
    rows = "text\n" + "plain English words only\n" * 20_000 + "Müller wohnt in der Straße\n"
    documents, _ = read(UploadedBytes("a.csv", rows.encode("cp1252")))
    assert documents[-1].text == "Müller wohnt in der Straße"


def test_polish_is_not_taken_for_western() -> None:
    text = "tekst\nZażółć gęślą jaźń. Książki w bibliotece są uporządkowane według działów."
    documents, _ = read(UploadedBytes("a.csv", text.encode("cp1250")))
    assert documents[0].text.startswith("Zażółć gęślą jaźń")


def test_right_to_left_text_is_kept_as_it_is() -> None:
    path = FIXTURES / "rtl" / "document.txt"
    documents, issues = read(path)
    assert [d.text for d in documents] == [path.read_text("utf-8").strip()]
    assert documents[0].language == "ar"
    assert issues == []


def test_txt_has_a_document_a_line_and_stable_ids() -> None:
    source = UploadedBytes("a.txt", b"one text\n\n  another text \r\none text\n")
    documents, issues = read(source)
    assert [d.text for d in documents] == ["one text", "another text", "one text"]
    assert len({d.id for d in documents}) == 3
    assert read(source)[0] == documents
    assert [(i.row, i.severity) for i in issues] == [(4, "warning")]
    assert "row 1" in issues[0].message
    assert documents[0].labels is None


def test_zip_has_a_document_a_member() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes/first_day.txt", "Über den Wolken".encode("cp1252"))
        archive.writestr("second.html", "<p onclick=\"alert('x')\">Hello <b>there</b></p>")
        archive.writestr("__MACOSX/._second.html", b"\0\0")
        archive.writestr("picture.png", b"\x89PNG\r\n\x1a\n\0\0")
        archive.writestr("blank.txt", " ")
    documents, issues = read(UploadedBytes("texts.zip", out.getvalue()))
    assert [(d.id, d.title, d.text) for d in documents] == [
        ("notes/first_day.txt", "first day", "Über den Wolken"),
        ("second.html", "second", "<p onclick=\"alert('x')\">Hello <b>there</b></p>"),
        ("blank.txt", "blank", ""),
    ]
    assert [(i.row, i.severity) for i in issues] == [(3, "error"), (4, "warning")]


def test_typed_cells_become_sensible_strings(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1.0, 2.0, None]),
            "text": ["first text of the file", "second text of the file", "third"],
            "day": [date(2024, 2, 29), None, date(1, 1, 1)],
            "at": pa.array([datetime(2024, 2, 29, 12, 30), None, datetime(2024, 1, 1)], pa.timestamp("ns")),
            "price": [Decimal("1.50"), Decimal("100"), None],
            "ok": [True, False, None],
            "share": [0.25, float("nan"), 1e300],
        }
    )
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    rows = list(read_rows(path, on_issue=lambda issue: None))
    assert [number for number, _ in rows] == [1, 2, 3]
    assert [r["id"] for _, r in rows] == ["1", "2", ""]
    assert [r["day"] for _, r in rows] == ["2024-02-29", "", "0001-01-01"]
    assert [r["at"] for _, r in rows] == ["2024-02-29 12:30:00", "", "2024-01-01"]
    assert [r["price"] for _, r in rows] == ["1.5", "100", ""]
    assert [r["ok"] for _, r in rows] == ["true", "false", ""]
    assert [r["share"] for _, r in rows] == ["0.25", "", "1e+300"]
    documents, issues = read(path)
    assert [d.id for d in documents] == ["1", "2"]
    assert [(i.row, i.column) for i in issues] == [(3, "id")]


def test_xlsx_formulas_sheets_and_row_numbers() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append([])
    sheet.append(["nr", "text", "seen"])
    sheet.append([1.0, "a text in row three", datetime(2024, 5, 1)])
    sheet.append([])
    sheet.append([1, "a text in row five", None])
    sheet.append([3, "=1+1", None])
    book.create_sheet("notes").append(["nothing"])
    out = io.BytesIO()
    book.save(out)
    documents, issues = read(UploadedBytes("b.xlsx", out.getvalue()))
    assert [(d.id, d.text) for d in documents] == [("1", "a text in row three")]
    errors = [(i.row, i.column) for i in issues if i.severity == "error"]
    assert errors == [(5, "nr"), (6, "text")], "a formula without a stored value is empty, never computed"
    assert "notes" in next(i for i in issues if i.severity == "warning").value


def test_jsonl_under_a_json_name() -> None:
    data = packed(german(), "jsonl")
    assert read(UploadedBytes("korpus.json", data)) == (german(), [])


def test_json_of_names_to_objects_and_of_strings() -> None:
    by_id = {d.id: {"title": d.title, "text": d.text} for d in german()}
    documents, _ = read(UploadedBytes("a.json", json.dumps(by_id).encode()))
    assert [(d.id, d.text) for d in documents] == [(d.id, d.text) for d in german()]
    documents, _ = read(UploadedBytes("a.json", b'["one", "two"]'))
    assert [d.text for d in documents] == ["one", "two"]


def test_labels_from_txt() -> None:
    labels = list(read_labels(UploadedBytes("l.txt", b"Fish\nC++\nC#\n"), on_issue=pytest.fail))
    assert [label.name for label in labels] == ["Fish", "C++", "C#"]
    assert labels[0].id == "fish"
    assert len({label.id for label in labels}) == 3


@pytest.mark.parametrize("name", ["a.doc", "a", "a.exe"])
def test_unknown_kind_of_file(name: str) -> None:
    with pytest.raises(InputError, match=r"unknown kind of file.*CSV"):
        read(UploadedBytes(name, b"hello"))
