"""Labels from tables and SKOS: validated here, once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from lmtx.ingest.cells import cell_text, prose, split_cell
from lmtx.ingest.columns import Layout
from lmtx.ingest.documents import checked
from lmtx.ingest.records import (
    MAX_ID_CHARS,
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    ColumnMap,
    OnIssue,
    Reporter,
    Row,
    Source,
)
from lmtx.ingest.seen import SeenTable
from lmtx.ingest.tables import laid_out
from lmtx.types import Label, content_hash


def read_labels(source: Source, columns: ColumnMap | None = None, *, on_issue: OnIssue) -> Iterator[Label]:
    """Stream the labels of a file.

    Parameters
    ----------
    source : Path or UploadedBytes
    columns : ColumnMap, optional
        Which column holds what; what it leaves None is guessed.
    on_issue : callable
        Gets every `Issue`. Rows with an error are left out, rows with a warning kept.

    Yields
    ------
    Label
        Its id is the id column's, else made of the name. `parents` are ids or names
        as the file has them.

    Raises
    ------
    InputError
        If the file as a whole can't be used.
    """
    report = Reporter(source.name, on_issue)
    table, _, layout, sample = laid_out(source, "labels", columns, report)
    del sample
    yield from parse_labels(table.rows, layout, report)


def parse_labels(rows: Iterator[Row], layout: Layout, report: Reporter) -> Iterator[Label]:
    """Turn rows into labels; see `read_labels`."""
    ids, names = SeenTable(), SeenTable()
    has_id = "id" in layout.columns
    for number, cells in rows:
        name = " ".join(cell_text(layout.cell("name", cells)).split())
        label_id = cell_text(layout.cell("id", cells))
        if not name and not any(map(cell_text, cells.values())):
            continue
        name_ok = checked(name, "name", MAX_NAME_CHARS, number, layout, report)
        id_ok = checked(label_id, "id", MAX_ID_CHARS, number, layout, report)
        description = checked(
            prose(layout.cell("description", cells)), "description", MAX_TEXT_CHARS, number, layout, report
        )
        if name_ok is None or id_ok is None or description is None:
            continue
        name, label_id = name_ok, id_ok
        if not name:
            report.error(
                number,
                "the name is empty. Fill it in or remove the row.",
                column=layout.columns["name"],
                value=label_id,
            )
            continue
        if has_id and not label_id:
            report.error(
                number,
                "the id is empty. Fill it in, or map no id column.",
                column=layout.columns["id"],
                value=name,
            )
            continue
        label_id = label_id or slug(name)
        first = ids.first_row(label_id, number)
        if first is not None:
            what = f"duplicate label id '{label_id[:80]}'" if has_id else "duplicate name"
            report.error(
                number,
                f"{what} (first at row {first}). Remove one or rename it.",
                column=layout.columns["id" if has_id else "name"],
                value=name,
            )
            continue
        same = names.first_row(name.casefold(), number)
        if same is not None:
            report.warning(
                number,
                f"the same name as in row {same}; a document that names it can't tell which is meant. "
                "Rename one, or use ids.",
                column=layout.columns["name"],
                value=name,
            )
        aliases = _entries("aliases", number, cells, layout, report)
        parents = _entries("parents", number, cells, layout, report)
        yield Label(
            label_id,
            name,
            description,
            tuple(alias for alias in aliases if alias != name),
            tuple(parent for parent in parents if parent not in (label_id, name)),
        )


def slug(name: str) -> str:
    """Make an id of a name: "Machine learning" is "machine-learning".

    Where signs get lost ("C++" and "C#"), a hash of the name keeps ids apart.
    """
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    words = re.sub(r"[\s_-]+", "-", folded)
    plain = "".join(c for c in words if c == "-" or c.isalnum() or unicodedata.category(c)[0] == "M")
    plain = plain.strip("-")[:80]
    return plain if plain == words else f"{plain}-{content_hash(folded)[:8]}".lstrip("-")


def _entries(field: str, row: int, cells: dict[str, object], layout: Layout, report: Reporter) -> list[str]:
    if field not in layout.columns:
        return []
    entries = split_cell(layout.cell(field, cells), layout.separators[field])
    kept = (checked(entry, field, MAX_NAME_CHARS, row, layout, report) for entry in entries)
    return [entry for entry in kept if entry]
