"""Turning cells of any type into strings and lists of strings."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal

_SURROGATE = re.compile("[\ud800-\udfff]")
# The last four are the semicolons and enumeration commas of Chinese, Japanese and Arabic.
_SEPARATORS = ("|", ";", ",", "\n", "；", "、", "؛", "،")
_MAX_LITERAL_CHARS = 100_000


def cell_text(value: object) -> str:
    """Return a cell as a person would write it, trimmed: 1.0 is "1", None and NaN are ""."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip().lstrip("\ufeff")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _int_text(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Decimal):
        return _decimal_text(value)
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT
            return ""
        midnight = value.time() == time(0) and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if isinstance(value, list | tuple | dict):
        try:
            return json.dumps(value, ensure_ascii=False, default=cell_text)
        except (ValueError, RecursionError, TypeError):
            return ""
    return str(value).strip()


def prose(value: object) -> str:
    """Return a cell that holds a text; a list of strings is one text of several paragraphs."""
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "\n".join(part.strip() for part in value).strip()
    return cell_text(value)


def without_surrogates(text: str) -> tuple[str, bool]:
    """Replace what can't be stored (bytes of no character, half characters) by U+FFFD; tell if any."""
    if text.isascii() or not _SURROGATE.search(text):
        return text, False
    return _SURROGATE.sub("\ufffd", text), True


def clean_keys(record: dict[str, object]) -> dict[str, object]:
    """Return a record whose field names can be stored; nearly always the record itself."""
    if all(key.isascii() or not _SURROGATE.search(key) for key in record):
        return record
    return {without_surrogates(key)[0]: value for key, value in record.items()}


def split_cell(value: object, separator: str) -> list[str]:
    """Return the entries of a cell: of a list, a JSON list, or a string with separators.

    Entries are trimmed; empty and repeated ones are dropped.
    """
    if isinstance(value, str):
        stripped = value.strip()
        listed = _as_list(stripped) if stripped[:1] == "[" and stripped[-1:] == "]" else None
        entries: Iterable[object] = listed if listed is not None else stripped.split(separator)
    elif isinstance(value, list | tuple):
        entries = value
    elif isinstance(value, dict):
        # One-hot: {"Fiction": 1, "Law": 0}.
        entries = [key for key, flag in value.items() if flag]
    else:
        entries = [value]
    return list(dict.fromkeys(text for text in map(_entry, entries) if text))


def guess_separator(cells: Sequence[object]) -> str:
    """Guess what parts the entries in cells: the first of | ; , and their like that occurs, else |."""
    texts = [cell for cell in cells if isinstance(cell, str) and not cell.lstrip().startswith("[")]
    for separator in _SEPARATORS:
        if any(separator in text.strip() for text in texts):
            return separator
    return "|"


def _entry(value: object) -> str:
    if isinstance(value, dict):
        for key in ("id", "label_id", "name", "label"):
            if value.get(key) is not None:
                return cell_text(value[key])
    return cell_text(value)


def _as_list(text: str) -> list[object] | None:
    if len(text) > _MAX_LITERAL_CHARS:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        # pandas writes lists into CSV the way Python does. literal_eval runs no code.
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return found if isinstance(found, list) else None


def _int_text(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more than 4,300 digits
        return hex(value)[:100]


def _float_text(value: float) -> str:
    if math.isnan(value):
        return ""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def _decimal_text(value: Decimal) -> str:
    if value.is_nan():
        return ""
    if value.is_finite() and abs(value.adjusted()) < 30:
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)
