"""Opening a source: by path or from bytes, gzipped or not, and telling its format."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from lmtx.errors import InputError, NotFoundError
from lmtx.ingest.records import Format, Source, UploadedBytes

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "txt",
    ".text": "txt",
    ".zip": "zip",
    ".ttl": "skos",
    ".turtle": "skos",
    ".nt": "skos",
    ".rdf": "skos",
    ".skos": "skos",
    ".owl": "skos",
    ".xml": "skos",
}
KNOWN_FORMATS = "CSV, TSV, XLSX, JSONL, JSON, Parquet, TXT, ZIP of texts, each also gzipped; SKOS for labels"

# Deflate packs text 3 to 20 times. What unpacks to far more is made to fill the memory or the disk.
_BOMB_BYTES = 100_000_000
_BOMB_RATIO = 200
# Formats that need random access are unpacked into memory when gzipped.
_SEEKABLE_GZIP_BYTES = 1_000_000_000


def allowed_path(path: str, folder: str | None) -> Path:
    """Resolve a path that a user typed, and refuse what lies outside the allowed folder.

    Parameters
    ----------
    path : str
        Absolute, or relative to `folder`. Symbolic links are followed before the check.
    folder : str or None
        The folder that imports may read; None allows nothing.

    Returns
    -------
    Path
        The resolved file.

    Raises
    ------
    InputError
        If no folder is allowed, or the path leads out of it or to no regular file.
    NotFoundError
        If there is no such file.
    """
    if not folder:
        raise InputError(
            "Import by path is off. Set LMTX_IMPORT_DIR to the folder that may be read, or upload the file."
        )
    try:
        root = Path(folder).expanduser().resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"The import folder '{folder}' can't be opened. Create it or set LMTX_IMPORT_DIR to another."
        ) from error
    try:
        found = (root / path).resolve()
        inside = found.is_relative_to(root)
        exists = inside and found.exists()
        regular = exists and found.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"'{path[:200]}' is not a usable path. Check its spelling.") from error
    if not inside:
        raise InputError(f"'{path[:200]}' is outside the import folder. Move the file into {root}.")
    if not exists:
        raise NotFoundError(f"There is no file '{path[:200]}' in {root}. Check its spelling.")
    if not regular:
        raise InputError(f"'{path[:200]}' is not a regular file. Name a file inside {root}.")
    return found


class _GuardedGzip(gzip.GzipFile):
    """Unpacks gzip and stops at a bomb, whose output grows out of all proportion to its input."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._packed = raw
        self._label = name
        self._out_bytes = 0

    def read1(self, size: int | None = -1) -> bytes:
        data = super().read1(-1 if size is None else size)
        self._count(len(data))
        return data

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size)
        self._count(len(data))
        return data

    def _count(self, n_bytes: int) -> None:
        self._out_bytes += n_bytes
        if self._out_bytes > _BOMB_BYTES and self._out_bytes > _BOMB_RATIO * max(1, self._packed.tell()):
            raise InputError(
                f"{self._label}: unpacks to more than {_BOMB_RATIO} times its size, which no text does. "
                "Unpack it yourself, check it, and import the content."
            )


class Opened:
    """A source whose name, format and compression are known; `binary()` reads it from the start."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.name
        if not isinstance(source, UploadedBytes):
            if not source.exists():
                raise NotFoundError(f"There is no file '{source}'. Check its spelling.")
            if not source.is_file():
                raise InputError(f"'{source}' is not a regular file. Name a file.")
        with self.errors():
            with self._raw() as raw:
                self.gzipped = raw.read(2) == b"\x1f\x8b"
            with self.binary() as stream:
                self.head = read_up_to(stream, 65_536)
        if not self.head:
            raise InputError(f"{self.name}: the file is empty. Choose another one.")
        self.format = self._format()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what a damaged or unreadable file raises into an `InputError` that names it."""
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                f"{self.name}: the gzip file is cut off or damaged ({error}). Download or pack it again."
            ) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{self.name}: can't be read ({reason}). Check the file.") from error

    def _raw(self) -> BinaryIO:
        if isinstance(self.source, UploadedBytes):
            return io.BytesIO(self.source.data)
        return self.source.open("rb")

    @contextmanager
    def binary(self) -> Iterator[BinaryIO]:
        """Open the content, unpacked, from the start, for reading forward."""
        with self._raw() as raw:
            if not self.gzipped:
                yield raw
                return
            with _GuardedGzip(raw, self.name) as unpacked:
                # The buffer above GzipFile reads it through readinto, so the guard sits below it.
                yield cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, _Readinto(unpacked)), 1 << 16))

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Open the content for reading in any order; a gzipped one is unpacked into memory."""
        if not self.gzipped:
            with self._raw() as raw:
                yield raw
            return
        with self.binary() as stream:
            yield io.BytesIO(self.read_all(stream, _SEEKABLE_GZIP_BYTES))

    def read_all(self, stream: BinaryIO, limit: int) -> bytes:
        """Read a stream of at most `limit` bytes into memory, or raise an `InputError`."""
        data = read_up_to(stream, limit + 1)
        if len(data) > limit:
            raise InputError(
                f"{self.name}: more than {limit // 1_000_000} MB can't be read in this format. "
                "Save it as CSV or JSONL, which are read line by line."
            )
        return data

    def _format(self) -> Format:
        stem = self.name.lower()
        for packed in (".gz", ".gzip"):
            stem = stem.removesuffix(packed)
        by_name = _SUFFIXES.get(Path(stem).suffix)
        head = self.head
        if head.startswith(b"PAR1"):
            return "parquet"
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return "xlsx" if by_name == "xlsx" or b"xl/workbook.xml" in head[:4096] else "zip"
        refuse_binary(self.name, head)
        if by_name in ("parquet", "xlsx", "zip"):
            raise InputError(
                f"{self.name}: the content is not {by_name.upper()}, though the name says so. "
                "Save it again in that format, or rename it to what it is."
            )
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n\0\xff\xfe")[:1]
        if by_name in ("json", "jsonl", None) and start in (b"{", b"["):
            return _json_or_jsonl(by_name, head, start)
        if by_name == "json":
            return "json"
        if by_name is None:
            raise InputError(f"{self.name}: unknown kind of file. Known: {KNOWN_FORMATS}.")
        return by_name


class _Readinto(io.RawIOBase):
    """Lets a BufferedReader read a guarded gzip stream."""

    def __init__(self, stream: _GuardedGzip) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._stream.read1(len(view))
        view[: len(data)] = data
        return len(data)


def read_up_to(stream: BinaryIO, n_bytes: int) -> bytes:
    """Read until `n_bytes` are there or the stream ends (gzip may return less at a time)."""
    parts: list[bytes] = []
    left = n_bytes
    while left > 0:
        part = stream.read(min(left, 1 << 24))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _json_or_jsonl(by_name: Format | None, head: bytes, start: bytes) -> Format:
    if start == b"[":
        return "json"
    if by_name == "jsonl":
        return "jsonl"
    # One object over several lines is JSON; a second object on the next line makes it JSONL,
    # which many tools save as .json.
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    if len(lines) >= 2 and lines[0].endswith(b"}") and lines[1].startswith(b"{"):
        return "jsonl"
    return "jsonl" if by_name is None and lines[0].endswith(b"}") else "json"


_MAGIC = {
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file (.xls, .doc): save it as XLSX or CSV",
    b"%PDF": "a PDF: extract its text first",
    b"\x89PNG": "a picture: import text",
    b"\xff\xd8\xff": "a picture: import text",
    b"SQLite format 3": "an SQLite database: export its table as CSV",
    b"\x7fELF": "a program: import text",
    b"ORC": "an ORC file: save it as Parquet",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"BZh": "packed with bzip2: unpack it, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz: unpack it, or pack it with gzip",
    b"7z\xbc\xaf": "packed with 7-Zip: unpack it, or pack it with gzip",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it, or pack it with gzip",
    b"Rar!": "packed with RAR: unpack it, or pack it with gzip",
    b"\x80\x04": "a Python pickle, which can run code and is never opened: export the data as CSV",
    b"\x80\x05": "a Python pickle, which can run code and is never opened: export the data as CSV",
}


def refuse_binary(name: str, head: bytes) -> None:
    """Raise an `InputError` if the first bytes of a file are not text in any encoding we read."""
    for magic, what in _MAGIC.items():
        if head.startswith(magic) and not (magic == b"ORC" and b"\0" not in head):
            raise InputError(f"{name}: this is {what}.")
    if b"\0" in head and not looks_like_utf16(head):
        raise InputError(
            f"{name}: this is a binary file, not text (a NUL byte at position {head.index(0)}). "
            f"Known: {KNOWN_FORMATS}."
        )


def looks_like_utf16(head: bytes) -> str:
    """Name the UTF-16 or UTF-32 variant that bytes with NULs are in, or ""."""
    for bom, encoding in (
        (b"\xff\xfe\0\0", "utf-32"),
        (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if head.startswith(bom):
            return encoding
    sample = head[: len(head) // 2 * 2]
    half = len(sample) // 2
    if half < 2:
        return ""
    # Without a mark: spaces, digits and line ends still have NULs at every other byte, in any script.
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    for many, few, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if few == 0 and many >= max(1, half // 20):
            try:
                text = sample.decode(encoding, "strict")
            except UnicodeDecodeError as error:
                if error.start < len(sample) - 2:
                    return ""
                text = sample[: error.start].decode(encoding)
            if "\0" not in text and sum(c.isprintable() or c in "\t\r\n" for c in text) > 0.98 * len(text):
                return encoding
    return ""
