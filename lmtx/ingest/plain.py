"""Plain texts: one a line, or one a member of a ZIP archive."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from lmtx.errors import InputError
from lmtx.ingest.encoding import detect_encoding, encoding_of, text_lines
from lmtx.ingest.records import MAX_TEXT_CHARS, Reporter, Row, Table
from lmtx.ingest.source import Opened, refuse_binary

_MAX_MEMBERS = 500_000
_MAX_TOTAL_BYTES = 4_000_000_000
_BOMB_BYTES = 50_000_000
_BOMB_RATIO = 200
_TABLES = {".csv", ".tsv", ".xlsx", ".jsonl", ".json", ".parquet", ".gz"}
# What zipfile raises on damaged members and wrong offsets, besides its own error.
MEMBER_ERRORS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    lzma.LZMAError,
    zlib.error,
)


def read_txt(opened: Opened, report: Reporter) -> Table:
    """Open a file with one text a line; blank lines only part others and are skipped."""
    encoding = detect_encoding(opened)
    rows = (Row(number, {"text": line}) for number, line in text_lines(opened, encoding, report))
    return Table("txt", encoding, ["text"], rows)


def read_zip(opened: Opened, report: Reporter) -> Table:
    """Open a ZIP of texts. A member's path is its id, its file name without ending the title.

    The row number is the number of the member, counted from 1.

    Raises
    ------
    InputError
        If the archive is damaged, encrypted, unpacks out of all proportion, names
        paths outside itself, or holds a table in place of texts.
    """
    with opened.errors(), opened.seekable() as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                members = check_archive(opened.name, archive)
        except MEMBER_ERRORS as error:
            raise _damaged(opened.name, error) from error
    texts = [info for info in members if not _is_clutter(info.filename)]
    names = {info.filename for info in members}
    if names & {"[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"}:
        raise InputError(f"{opened.name}: an office document or a program. Save it as text, XLSX or CSV.")
    if texts and all(PurePosixPath(info.filename).suffix.lower() in _TABLES for info in texts):
        raise InputError(
            f"{opened.name}: holds tables ('{texts[0].filename[:80]}'), not texts. "
            "Unpack it and import the table."
        )
    if not texts:
        raise InputError(f"{opened.name}: the archive holds no files. Put one text file a document into it.")
    return Table(
        "zip", "by member", ["id", "title", "text"], _members(opened, texts, report), n_rows=len(texts)
    )


def check_archive(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files in a ZIP archive, or raise an `InputError` if it is not safe to unpack."""
    infos = archive.infolist()
    if len(infos) > _MAX_MEMBERS:
        raise InputError(f"{name}: {len(infos):,} members, at most {_MAX_MEMBERS:,} are read. Split it.")
    unpacked = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if unpacked > _MAX_TOTAL_BYTES or (unpacked > _BOMB_BYTES and unpacked > _BOMB_RATIO * max(1, packed)):
        raise InputError(
            f"{name}: would unpack to {unpacked // 1_000_000:,} MB from {packed // 1_000_000:,} MB, "
            "more than texts do. Unpack it yourself, check it, and import the content."
        )
    files = []
    for info in infos:
        # Nothing is ever written to disk, but such names are made to harm and become ids.
        parts = PurePosixPath(info.orig_filename.replace("\\", "/")).parts
        unsafe = ".." in parts or parts[:1] == ("/",) or (parts and parts[0].endswith(":"))
        if unsafe or "\0" in info.orig_filename:
            raise InputError(
                f"{name}: the member '{info.orig_filename[:80]!s}' names a path outside the archive. "
                "Pack the files again with plain names."
            )
        if info.flag_bits & 0x1:
            raise InputError(f"{name}: the archive is encrypted. Pack it again without a password.")
        if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
            files.append(info)
    return files


def _members(opened: Opened, infos: list[zipfile.ZipInfo], report: Reporter) -> Iterator[Row]:
    # A character takes up to four bytes; what is longer is refused by the text limit anyway.
    limit = 4 * MAX_TEXT_CHARS
    with opened.errors(), opened.seekable() as stream, zipfile.ZipFile(stream) as archive:
        for number, info in enumerate(infos, start=1):
            if info.file_size > limit:
                report.error(
                    number,
                    f"{info.file_size // 1_000_000} MB; a text has at most {MAX_TEXT_CHARS:,} characters. "
                    "Split it.",
                    value=info.filename,
                )
                continue
            try:
                with archive.open(info) as member:
                    data = member.read(limit + 1)
                refuse_binary(info.filename, data[:65_536])
            except InputError as error:
                report.error(number, str(error), value=info.filename)
                continue
            except MEMBER_ERRORS as error:
                report.error(
                    number,
                    f"the member is damaged ({str(error)[:80]}). Pack it again.",
                    value=info.filename,
                )
                continue
            text = data.decode(encoding_of(data), "replace")
            title = PurePosixPath(info.filename).stem.replace("_", " ")
            yield Row(number, {"id": info.filename, "title": title, "text": text})


def _is_clutter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name}: the archive is cut off or damaged ({str(error)[:80]}). Download or pack it again."
    )
