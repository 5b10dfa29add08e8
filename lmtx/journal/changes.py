"""What changed since a cursor, so that an index can follow the journal.

Every write transaction has a number; a document or label carries the number of the last one
that changed it or one of its pairs. Writers are serialised, so a reader that has seen number n
has seen all before it, and something changed ten times is followed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from lmtx.journal import schema as s
from lmtx.journal.rows import Changes
from lmtx.journal.store import Store


class ChangeFeed(Store):
    """The part of the journal that others follow."""

    def head(self) -> dict[str, int]:
        """Return the cursor of one that has followed everything."""
        with self._read() as conn:
            return {
                key: n
                for name, table in (("documents", s.documents), ("labels", s.labels))
                for key, n in _head(conn, name, table).items()
            }

    def changes_after(self, cursor: Mapping[str, int], limit: int = 1000) -> Changes:
        """List the next documents and labels that changed, each at most `limit`, the earliest first.

        Parameters
        ----------
        cursor : mapping
            `{}` to begin, then the `cursor` of the answer before.
        """
        with self._read() as conn:
            documents, gone, at, more = _after(conn, "documents", s.documents, cursor, limit)
            labels, gone_labels, at_labels, more_labels = _after(conn, "labels", s.labels, cursor, limit)
        return Changes(documents, gone, labels, gone_labels, {**at, **at_labels}, more or more_labels)

    def pending_changes(self, cursor: Mapping[str, int]) -> int:
        """Count the documents and labels that changed after a cursor."""
        with self._read() as conn:
            return sum(
                conn.scalar(select(func.count()).select_from(table).where(_later(name, table, cursor))) or 0
                for name, table in (("documents", s.documents), ("labels", s.labels))
            )


def _later(name: str, table: Any, cursor: Mapping[str, int]) -> Any:
    changed, num = cursor.get(name, 0), cursor.get(f"{name}_num", 0)
    # `changed` 0: mentioned by others, never imported.
    return and_(
        table.c.changed > 0,
        table.c.changed >= changed,
        or_(table.c.changed > changed, table.c.num > num),
    )


def _after(
    conn: Connection, name: str, table: Any, cursor: Mapping[str, int], limit: int
) -> tuple[list[str], list[str], dict[str, int], bool]:
    c = table.c
    rows = conn.execute(
        select(c.id, c.live, c.changed, c.num)
        .where(_later(name, table, cursor))
        .order_by(c.changed, c.num)
        .limit(limit + 1)
    ).all()
    more = len(rows) > limit
    rows = rows[:limit]
    changed, num = (rows[-1][2], rows[-1][3]) if rows else (cursor.get(name, 0), cursor.get(f"{name}_num", 0))
    live = [row[0] for row in rows if row[1]]
    gone = [row[0] for row in rows if not row[1]]
    return live, gone, {name: changed, f"{name}_num": num}, more


def _head(conn: Connection, name: str, table: Any) -> dict[str, int]:
    c = table.c
    row = conn.execute(select(c.changed, c.num).order_by(c.changed.desc(), c.num.desc()).limit(1)).first()
    return {name: row[0] if row else 0, f"{name}_num": row[1] if row else 0}
