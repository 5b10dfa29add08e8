"""Documents from tables: validated here, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lmtx.ingest.cells import cell_text, prose, split_cell, without_surrogates
from lmtx.ingest.columns import Layout
from lmtx.ingest.language import guess_language
from lmtx.ingest.records import (
    MAX_ID_CHARS,
    MAX_TEXT_CHARS,
    MAX_TITLE_CHARS,
    ColumnMap,
    OnIssue,
    Reporter,
    Row,
    Source,
)
from lmtx.ingest.seen import SeenTable
from lmtx.ingest.tables import laid_out
from lmtx.types import Document, Split, content_hash

_SPLITS: dict[str, Split] = {
    "": "train",
    "train": "train",
    "training": "train",
    "trn": "train",
    "dev": "train",
    "valid": "train",
    "validation": "train",
    "val": "train",
    "unlabeled": "train",
    "unlabelled": "train",
    "test": "test",
    "testing": "test",
    "tst": "test",
    "eval": "test",
    "evaluation": "test",
    "heldout": "test",
}


def read_documents(
    source: Source, columns: ColumnMap | None = None, *, on_issue: OnIssue
) -> Iterator[Document]:
    """Stream the documents of a file.

    Parameters
    ----------
    source : Path or UploadedBytes
    columns : ColumnMap, optional
        Which column holds what; what it leaves None is guessed.
    on_issue : callable
        Gets every `Issue`. Rows with an error are left out, rows with a warning kept.
        To stop at the first error, pass `stop_on_error`.

    Yields
    ------
    Document
        Its id is the id column's, else a hash of title and text. `labels` is None if
        the file has no column for labels; entries are ids or names as the file has them.

    Raises
    ------
    InputError
        If the file as a whole can't be used.
    """
    report = Reporter(source.name, on_issue)
    table, _, layout, sample = laid_out(source, "corpus", columns, report)
    del sample
    yield from parse_documents(table.rows, layout, report)


def parse_documents(rows: Iterator[Row], layout: Layout, report: Reporter) -> Iterator[Document]:
    """Turn rows into documents; see `read_documents`."""
    ids, texts = SeenTable(), SeenTable()
    repeats: Counter[str] = Counter()
    has_id, has_title = "id" in layout.columns, "title" in layout.columns
    for number, cells in rows:
        title = cell_text(layout.cell("title", cells)) if has_title else ""
        text = prose(layout.cell("text", cells))
        document_id = cell_text(layout.cell("id", cells)) if has_id else ""
        if not (title or text or document_id) and not any(map(cell_text, cells.values())):
            continue
        text_ok = checked(text, "text", MAX_TEXT_CHARS, number, layout, report)
        title_ok = checked(title, "title", MAX_TITLE_CHARS, number, layout, report)
        id_ok = checked(document_id, "id", MAX_ID_CHARS, number, layout, report)
        if text_ok is None or title_ok is None or id_ok is None:
            continue
        text, title, document_id = text_ok, title_ok, id_ok
        if not text and not title:
            report.error(
                number, "the text is empty. Fill it in or remove the row.", column=layout.columns["text"]
            )
            continue
        if not text:
            report.warning(
                number,
                "the text is empty; only the title is read.",
                column=layout.columns["text"],
                value=title,
            )
        if has_id and not document_id:
            report.error(
                number, "the id is empty. Fill it in, or map no id column.", column=layout.columns["id"]
            )
            continue
        split = _SPLITS.get(_plain_split(layout.cell("split", cells)))
        if split is None:
            report.error(
                number,
                "unknown split, expected train or test. Correct it, or map no split column.",
                column=layout.columns["split"],
                value=cell_text(layout.cell("split", cells)),
            )
            continue
        if has_id:
            first = ids.first_row(document_id, number)
            if first is not None:
                report.error(
                    number,
                    f"duplicate id (first at row {first}). Remove one or rename it.",
                    column=layout.columns["id"],
                    value=document_id,
                )
                continue
        same = texts.first_row(text or title, number)
        if same is not None:
            report.warning(
                number,
                f"the same text as in row {same}; both are kept. Remove one if it is a copy.",
                column=layout.columns["text"],
                value=text or title,
            )
        if not has_id:
            document_id = content_hash(title, text)[:16]
            if same is not None and ids.first_row(document_id, number) is not None:
                repeats[document_id] += 1
                document_id = f"{document_id}-{repeats[document_id] + 1}"
            elif same is None:
                ids.first_row(document_id, number)
        labels = _labels(number, cells, layout, report)
        language = guess_language(text if len(text) > len(title) else title)
        yield Document(document_id, title, text, split, labels, language)


def checked(text: str, field: str, limit: int, row: int, layout: Layout, report: Reporter) -> str | None:
    """Return a cell fit to be stored, or None after reporting why it is not."""
    column = layout.columns.get(field)
    if len(text) > limit:
        report.error(
            row,
            f"{len(text):,} characters, at most {limit:,} are allowed for the {field}. Split or shorten it.",
            column=column,
            value=text[:200],
        )
        return None
    if "\0" in text:
        report.error(
            row,
            "contains NUL characters, which text does not have. Export the file again as UTF-8.",
            column=column,
            value=text[:200],
        )
        return None
    text, replaced = without_surrogates(text)
    if replaced:
        report.warning(
            row,
            "some bytes are no characters of the file's encoding and were replaced by \ufffd. "
            "Save the file as UTF-8.",
            column=column,
            value=text[max(0, text.index("\ufffd") - 20) :][:60],
        )
    return text


def _plain_split(value: object) -> str:
    return cell_text(value).casefold().replace("-", "").replace("_", "").replace(" ", "")


def _labels(row: int, cells: dict[str, object], layout: Layout, report: Reporter) -> tuple[str, ...] | None:
    if "labels" not in layout.columns:
        return None
    found = []
    for entry in split_cell(layout.cell("labels", cells), layout.separators["labels"]):
        label = checked(entry, "labels", MAX_ID_CHARS, row, layout, report)
        if label is not None:
            found.append(label)
    return tuple(found)
