"""Which documents lie in a part of the corpus that somebody reviews."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from lmtx.review import Frame, Pool, Scope
from lmtx.workspace import document_sets
from lmtx.workspace.parts import Parts

_FOUND = 5000  # documents of a search that a scope holds


def documents_in(parts: Parts, scope: Scope, pool: Pool | None, frame: Frame | None) -> frozenset[str]:
    """Look up the documents of a scope that is not everything."""
    found: list[set[str]] = []
    if scope.document_ids:
        found.append(set(scope.document_ids))
    if scope.set_id is not None:
        found.append(set(document_sets.saved(parts, scope.set_id)))
    if scope.query.strip():
        found.append(
            set(
                _ids(
                    lambda page: parts.journal.documents_page(query=scope.query, page=page, page_size=1000),
                    lambda row: row.id,
                )
            )
        )
    if scope.label_id is not None:
        label_id = scope.label_id
        documents = set(
            _ids(lambda page: parts.journal.undecided_documents(label_id, page, 1000), lambda row: row[0])
        )
        # The tagger's opinion as far as it is known: of the documents that are scored anyway.
        if pool is not None:
            documents |= {x for x, label in pool.pair_order["default"] if label == label_id}
        if frame is not None:
            documents |= {x for x, label in frame.rank if label == label_id}
        found.append(documents)
    return frozenset(set.intersection(*found)) if found else frozenset()


def _ids(read: Callable[[int], Any], id_of: Callable[[Any], str]) -> list[str]:
    """Ids on all pages of a list, at most some thousands."""
    found: list[str] = []
    for page in count():
        rows = read(page)
        found += [id_of(row) for row in rows]
        if page + 1 >= rows.n_pages or len(found) >= _FOUND:
            return found
    return found


__all__ = ["documents_in"]
