"""Reads of the journal that only the workspace needs, each one statement."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sqlalchemy import func, select

from lmtx.journal import Journal, schema
from lmtx.journal.documents import read_labels
from lmtx.types import Label, Role


def stated_labels(journal: Journal) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Labels of documents as they stand in the record, found in the label set or not.

    For resolving names against a label set that came later; nothing that trains may call it.

    Yields
    ------
    document_id, labels, what they are ("gold" or "completed")
    """
    d, r = schema.documents.c, schema.document_records.c
    statement = (
        select(d.id, r.labels, r.labels_are)
        .join(schema.document_records, r.seq == d.record_seq)
        .where(d.live == 1, r.labels.is_not(None), r.labels != "[]")
    )
    with journal._read() as conn:
        rows = conn.execute(statement).all()
    for document_id, labels, kind in rows:
        yield document_id, tuple(json.loads(labels)), kind


def document_ids(journal: Journal, role: Role, *, judged: bool | None = None) -> list[str]:
    """Ids of the live documents of a role that are not completed, in row order.

    `judged`: only those that have (True) or have not (False) a judged or decided pair.
    """
    d = schema.documents.c
    n_pairs = d.n_accepted + d.n_rejected + d.n_proposed + d.n_declined + d.n_unparsed
    conditions = [d.live == 1, d.role == role, d.completed == 0]
    if judged is not None:
        conditions.append(n_pairs > 0 if judged else n_pairs == 0)
    with journal._read() as conn:
        return [str(x) for x in conn.scalars(select(d.id).where(*conditions).order_by(d.num))]


def live_document_ids(journal: Journal) -> list[str]:
    """Ids of all live documents, in row order; their texts are not read."""
    d = schema.documents.c
    with journal._read() as conn:
        return [str(x) for x in conn.scalars(select(d.id).where(d.live == 1).order_by(d.num))]


def live_labels(journal: Journal) -> list[Label]:
    """All live labels, in row order."""
    with journal._read() as conn:
        return read_labels(conn, schema.labels.c.live == 1)


def languages(journal: Journal) -> dict[str, int]:
    """Language -> number of live documents, "" where it was not guessed."""
    d = schema.documents.c
    statement = select(d.language, func.count()).where(d.live == 1).group_by(d.language)
    with journal._read() as conn:
        return {str(language): int(n) for language, n in conn.execute(statement)}
