"""JSON lines, read line by line, and JSON, read at once."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lmtx.errors import InputError
from lmtx.ingest.cells import clean_keys
from lmtx.ingest.encoding import detect_encoding, text_lines
from lmtx.ingest.records import Reporter, Row, Table
from lmtx.ingest.source import Opened

_MAX_JSON_BYTES = 200_000_000


def read_jsonl(opened: Opened, report: Reporter) -> Table:
    """Open a file with one JSON object a line; the row number is the line number."""
    encoding = detect_encoding(opened)
    return Table("jsonl", encoding, None, _lines(opened, encoding, report))


def _lines(opened: Opened, encoding: str, report: Reporter) -> Iterator[Row]:
    for number, line in text_lines(opened, encoding, report):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            report.error(
                number,
                f"not valid JSON ({error.msg} at character {error.pos + 1}). "
                "Write one complete object {...} a line.",
                value=line[max(0, error.pos - 20) : error.pos + 40],
            )
            continue
        except (ValueError, RecursionError) as error:
            report.error(number, f"not usable JSON ({_reason(error)}). Simplify the line.", value=line[:200])
            continue
        if isinstance(record, dict):
            yield Row(number, clean_keys(record))
        else:
            report.error(
                number,
                f"got {_json_type(record)}, expected an object {{...}} with named fields.",
                value=line[:200],
            )


def read_json(opened: Opened, report: Reporter) -> Table:
    """Open a JSON file: a list of objects, an object that holds one, or names to texts.

    The row number is the number of the record, counted from 1.
    """
    encoding = detect_encoding(opened)
    with opened.errors(), opened.binary() as stream:
        data = opened.read_all(stream, _MAX_JSON_BYTES)
    try:
        content = json.loads(data.decode(encoding, "replace"))
    except json.JSONDecodeError as error:
        remedy = (
            "Save one object a line under a name ending in .jsonl."
            if error.msg == "Extra data"
            else "Correct it, or export the file again."
        )
        raise InputError(
            f"{opened.name} line {error.lineno}: not valid JSON "
            f"({error.msg} at column {error.colno}). {remedy}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{opened.name}: not usable JSON ({_reason(error)}). Save it as JSONL, one object a line."
        ) from error
    records = _record_list(content)
    if records is None:
        raise InputError(
            f"{opened.name}: got {_json_type(content)}, expected a list of objects. "
            'Write [{"text": "…"}, …], or JSONL with one object a line.'
        )
    return Table("json", encoding, None, _records(records, report), n_rows=len(records))


def _record_list(content: object) -> list[object] | None:
    if isinstance(content, list):
        return content
    if not isinstance(content, dict):
        return None
    lists = [value for value in content.values() if isinstance(value, list)]
    holders = [value for value in lists if value and all(isinstance(item, dict) for item in value)]
    if len(holders) == 1:
        return holders[0]
    if content and all(isinstance(value, dict) for value in content.values()):
        return [{"id": key, **value} for key, value in content.items()]
    return [content] if content else []


def _records(records: list[object], report: Reporter) -> Iterator[Row]:
    for number, record in enumerate(records, start=1):
        if isinstance(record, dict):
            yield Row(number, clean_keys(record))
        elif isinstance(record, str):
            yield Row(number, {"text": record})
        else:
            report.error(
                number, f"got {_json_type(record)}, expected an object {{...}} or a string.", value=record
            )


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _reason(error: Exception) -> str:
    return "too deeply nested" if isinstance(error, RecursionError) else str(error)[:100]
