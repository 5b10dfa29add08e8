"""Finding out how the text of a file is encoded, and reading its lines within bounds."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from charset_normalizer import from_bytes

from lmtx.ingest.records import MAX_RECORD_CHARS, Reporter
from lmtx.ingest.source import Opened, looks_like_utf16, read_up_to

# What people's files are in. Left to choose among all of Python's codecs, detection of short texts
# lands on rare ones (old Macs, EBCDIC).
_CANDIDATES = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "koi8_r",
    "latin_1",
    "iso8859_2",
    "iso8859_15",
]
_SAMPLE_BYTES = 1 << 16


def detect_encoding(opened: Opened) -> str:
    """Name the Python codec of a text file.

    Byte order marks decide; then UTF-8, if the first passage with bytes outside ASCII
    is valid; then charset-normalizer over that passage, with Windows-1252 where it is
    as good as any. A file that is ASCII throughout is "utf-8".
    """
    if opened.head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    wide = looks_like_utf16(opened.head)
    if wide:
        return wide
    with opened.errors(), opened.binary() as stream:
        sample = _first_passage_beyond_ascii(stream)
    return encoding_of(sample)


def encoding_of(sample: bytes) -> str:
    """Name the codec of a sample of text, which may end within a character."""
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    wide = looks_like_utf16(sample)
    if wide:
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample, final=False)
        return "utf-8"
    except UnicodeDecodeError:
        # A few damaged characters in a UTF-8 file: those will be replaced, and their rows named.
        text = sample.decode("utf-8", "replace")
        damaged = text.count("\ufffd")
        if sum(not char.isascii() for char in text) > 6 * damaged:
            return "utf-8"
    matches = list(from_bytes(sample, cp_isolation=_CANDIDATES, threshold=0.4))
    if not matches:
        return "cp1252"
    best = matches[0]
    for match in matches:
        tied = match.chaos <= best.chaos and match.coherence >= best.coherence
        if tied and "cp1252" in (match.encoding, *match.could_be_from_charset):
            return "cp1252"
    return best.encoding


def _first_passage_beyond_ascii(stream: BinaryIO) -> bytes:
    """Return up to four blocks from the first one that holds bytes outside ASCII.

    A file whose first accent comes after megabytes of plain English would otherwise be
    taken for UTF-8.
    """
    before = b""
    while block := read_up_to(stream, _SAMPLE_BYTES):
        if not block.isascii():
            # Begin at a line, for a sample cut within a multi-byte character misleads.
            tail = before[before.rfind(b"\n") + 1 :][-4096:]
            return tail + block + read_up_to(stream, 3 * _SAMPLE_BYTES)
        before = block
    return b""


@contextmanager
def open_text(opened: Opened, encoding: str) -> Iterator[TextIO]:
    """Open a source as text; lines keep their ends, undecodable bytes become surrogates or U+FFFD."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with opened.binary() as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
        try:
            yield text
        finally:
            text.detach()


def bounded_lines(text: TextIO, limit: int = MAX_RECORD_CHARS) -> Iterator[tuple[str, bool]]:
    """Yield (line, complete); of a line longer than `limit` only the first `limit` characters.

    Memory stays within the limit whatever the length of the line.
    """
    while line := text.readline(limit):
        if len(line) < limit or line.endswith(("\n", "\r")):
            yield line, True
            continue
        yield line, False
        while rest := text.readline(1 << 20):
            if rest.endswith(("\n", "\r")):
                break


def text_lines(opened: Opened, encoding: str, report: Reporter) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank with their numbers; one that is too long is reported."""
    with opened.errors(), open_text(opened, encoding) as text:
        for number, (line, complete) in enumerate(bounded_lines(text), start=1):
            if not complete:
                report.error(
                    number,
                    f"the line has more than {MAX_RECORD_CHARS:,} characters. Split the text.",
                    value=line[:200],
                )
            elif line.strip():
                yield number, line
