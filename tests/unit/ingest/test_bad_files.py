"""Damaged and hostile files give an InputError or an Issue, never anything else."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmtx.errors import InputError, LmtxError, NotFoundError
from lmtx.ingest import Issue, UploadedBytes, allowed_path, preview, read_documents, read_labels


def read(name: str, data: bytes) -> tuple[int, list[Issue]]:
    issues: list[Issue] = []
    return len(list(read_documents(UploadedBytes(name, data), on_issue=issues.append))), issues


def parquet_bytes() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": [f"text number {i} of the file" for i in range(2000)]}), out)
    return out.getvalue()


def xlsx_bytes() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "text"])
    for i in range(50):
        sheet.append([i, f"text number {i}"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def zip_bytes(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("a.csv", b"\x01\x02\x00\x00\x07binary" * 50, "binary file.*NUL"),
        ("a.txt", b"MZ\x90\x00\x03\x00\x00", "binary file"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0", "a picture"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel.*save it as XLSX"),
        ("a.csv", b"%PDF-1.7 ...", "a PDF"),
        ("a.jsonl", pickle.dumps({"text": "x"}), "pickle"),
        ("a.parquet", b"id,text\n1,x\n", "not PARQUET"),
        ("a.xlsx", b"id,text\n1,x\n", "not XLSX"),
        ("a.parquet", parquet_bytes()[:-200], "cut off or damaged"),
        ("a.parquet", parquet_bytes()[:300], "cut off or damaged"),
        ("a.xlsx", xlsx_bytes()[:-300], "damaged"),
        ("a.zip", zip_bytes(("a.txt", b"text"))[:-10], "damaged"),
        ("a.zip", zip_bytes(("../../etc/passwd", b"text")), "outside the archive"),
        ("a.zip", zip_bytes(("/etc/passwd", b"text")), "outside the archive"),
        ("a.zip", zip_bytes(("a\\..\\..\\b.txt", b"text")), "outside the archive"),
        ("a.zip", zip_bytes(("C:/b.txt", b"text")), "outside the archive"),
        ("a.zip", zip_bytes(("bomb.txt", b"\n" * 100_000_000)), "unpack to 100 MB"),
        ("a.zip", zip_bytes(), "no files"),
        ("a.zip", zip_bytes(("table.csv", b"id,text")), "holds tables"),
        (
            "a.docx",
            zip_bytes(("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>")),
            "office document",
        ),
        ("a.ttl", b"<a> <b> <c> .", "holds labels"),
    ],
)
def test_unusable_file(name: str, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(name, data)
    assert name in str(caught.value)
    with pytest.raises(InputError):
        preview(UploadedBytes(name, data), "corpus")


def test_damaged_page_within_a_parquet_file() -> None:
    data = bytearray(parquet_bytes())
    data[500:3000] = os.urandom(2500)
    with pytest.raises(InputError, match="damaged"):
        read("a.parquet", bytes(data))


def test_truncated_gzip_gives_the_rows_before_the_cut() -> None:
    rows = "id,text\n" + "".join(f"{i},tëxt {os.urandom(40).hex()}\n" for i in range(20_000))
    data = gzip.compress(rows.encode())
    documents = read_documents(UploadedBytes("a.csv.gz", data[: len(data) // 2]), on_issue=pytest.fail)
    assert next(documents).id == "0"
    with pytest.raises(InputError, match=r"a.csv.gz: the gzip file is cut off"):
        list(documents)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    with pytest.raises(InputError, match="damaged"):
        read("a.csv.gz", bytes(damaged))


def test_gzip_bomb_is_refused() -> None:
    data = gzip.compress(b"text\n" + b"a line of text\n" * 20_000_000, 9)
    with pytest.raises(InputError, match="unpacks to more than 200 times"):
        for _ in read_documents(UploadedBytes("a.csv.gz", data), on_issue=lambda issue: None):
            pass


def test_member_that_lies_about_its_size() -> None:
    data = bytearray(zip_bytes(("a.txt", b"x" * 100_000), ("b.txt", b"another text")))
    where = data.rindex(b"PK\x01\x02", 0, data.rindex(b"PK\x01\x02"))
    data[where + 24 : where + 28] = (10).to_bytes(4, "little")
    n, issues = read("a.zip", bytes(data))
    assert n == 1
    assert [i.row for i in issues] == [1]


def test_encrypted_member_is_refused() -> None:
    data = bytearray(zip_bytes(("a.txt", b"text")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="encrypted"):
        read("a.zip", bytes(data))


def test_links_in_a_zip_are_left_out() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", "a text")
    assert read("a.zip", out.getvalue())[0] == 1


def test_xlsx_with_entities_is_refused() -> None:
    source = zipfile.ZipFile(io.BytesIO(xlsx_bytes()))
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    members = [(n, bomb if n == "xl/workbook.xml" else source.read(n)) for n in source.namelist()]
    with pytest.raises(InputError, match="XML entities"):
        read("a.xlsx", zip_bytes(*members))


def test_xlsx_with_a_broken_part() -> None:
    source = zipfile.ZipFile(io.BytesIO(xlsx_bytes()))
    for broken in (
        "xl/workbook.xml",
        "xl/worksheets/sheet1.xml",
        "[Content_Types].xml",
        "xl/_rels/workbook.xml.rels",
    ):
        members = [(n, b"<broken" if n == broken else source.read(n)) for n in source.namelist()]
        with pytest.raises(InputError, match="damaged"):
            read("a.xlsx", zip_bytes(*members))


RDF = """<?xml version="1.0"?>{doctype}
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="http://www.w3.org/2004/02/skos/core#">
<skos:Concept rdf:about="http://example.org/a"><skos:prefLabel>{name}</skos:prefLabel></skos:Concept></rdf:RDF>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_rdf_with_a_doctype_is_refused(encoding: str) -> None:
    plain = RDF.format(doctype="", name="Fish")
    labels = list(read_labels(UploadedBytes("a.rdf", plain.encode(encoding)), on_issue=pytest.fail))
    assert [label.name for label in labels] == ["Fish"]
    doctype = '<!DOCTYPE rdf:RDF [<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    data = RDF.format(doctype=doctype, name="&file;").encode(encoding)
    with pytest.raises(InputError, match="DOCTYPE"):
        list(read_labels(UploadedBytes("a.rdf", data), on_issue=pytest.fail))


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.ttl", b"@prefix x: <oops"), ("a.rdf", b"<?xml version='1.0'?><a><b></a>"), ("a.xml", b"<a/>")],
)
def test_broken_skos(name: str, data: bytes) -> None:
    with pytest.raises(InputError, match=r"not valid|no SKOS concepts"):
        list(read_labels(UploadedBytes(name, data), on_issue=pytest.fail))


def test_labels_from_a_zip_of_texts_are_refused() -> None:
    with pytest.raises(InputError, match="ZIP of texts"):
        list(read_labels(UploadedBytes("a.zip", zip_bytes(("a.txt", b"x"))), on_issue=pytest.fail))


SUFFIXES = [
    "csv",
    "tsv",
    "jsonl",
    "json",
    "txt",
    "parquet",
    "xlsx",
    "zip",
    "ttl",
    "rdf",
    "csv.gz",
    "jsonl.gz",
]
MAGIC = [
    b"",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b\x08\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"id,text\n",
    b"{",
    b"<?xml",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SUFFIXES), st.sampled_from(MAGIC), st.binary(max_size=300))
def test_any_bytes_under_any_name(suffix: str, magic: bytes, data: bytes) -> None:
    source = UploadedBytes(f"a.{suffix}", magic + data)
    for kind in ("corpus", "labels"):
        try:
            shown = preview(source, kind)  # type: ignore[arg-type]
            shown.model_dump_json()
        except LmtxError as error:
            assert "a." in str(error)  # noqa: PT017


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["parquet", "xlsx", "zip"]), st.integers(0, 5000), st.binary(min_size=1, max_size=20))
def test_damaged_containers(format: str, where: int, patch: bytes) -> None:
    whole = {
        "parquet": parquet_bytes(),
        "xlsx": xlsx_bytes(),
        "zip": zip_bytes(("a.txt", b"one text"), ("b.txt", b"another")),
    }[format]
    data = bytearray(whole)
    where %= len(data)
    data[where : where + len(patch)] = patch
    try:
        read(f"a.{format}", bytes(data))
    except LmtxError as error:
        assert "a." in str(error)  # noqa: PT017


class TestAllowedPath:
    def test_inside(self, tmp_path: Path) -> None:
        file = tmp_path / "in" / "a.csv"
        file.parent.mkdir()
        file.write_text("text\nx")
        for path in ("in/a.csv", str(file), "in/../in/a.csv"):
            assert allowed_path(path, str(tmp_path)) == file

    @pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "link.csv", "folder/secret.csv", "~/x"])
    def test_outside(self, tmp_path: Path, path: str) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (tmp_path / "secret.csv").write_text("text\nx")
        (root / "link.csv").symlink_to(tmp_path / "secret.csv")
        (root / "folder").symlink_to(tmp_path)
        with pytest.raises(InputError):
            allowed_path(path, str(root))

    def test_a_folder_whose_name_only_begins_the_same(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "root2").mkdir()
        (tmp_path / "root2" / "a.csv").write_text("text\nx")
        with pytest.raises(InputError, match="outside"):
            allowed_path("../root2/a.csv", str(tmp_path / "root"))

    @pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "", ".", "missing.csv", "loop"])
    def test_not_a_file(self, tmp_path: Path, path: str) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(InputError):
            allowed_path(path, str(tmp_path))

    def test_no_folder_allowed(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="LMTX_IMPORT_DIR"):
            allowed_path("a.csv", None)
        with pytest.raises(InputError, match="can't be opened"):
            allowed_path("a.csv", str(tmp_path / "none"))

    def test_pipes_are_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.csv")
        with pytest.raises(InputError, match="regular file"):
            allowed_path("pipe.csv", str(tmp_path))
        with pytest.raises(InputError, match="regular file"):
            list(read_documents(tmp_path / "pipe.csv", on_issue=pytest.fail))
        with pytest.raises(NotFoundError):
            list(read_documents(tmp_path / "none.csv", on_issue=pytest.fail))
