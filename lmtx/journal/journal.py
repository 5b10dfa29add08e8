"""The journal: everything that is known of a workspace, in SQL."""

from __future__ import annotations

from lmtx.journal.changes import ChangeFeed
from lmtx.journal.history import History
from lmtx.journal.pairs import Pairs
from lmtx.journal.runs import Runs


class Journal(Pairs, History, Runs, ChangeFeed):
    """Append-only record of documents, labels, judgments, decisions, runs, and what they amount to.

    What a method has returned from is durable: it survives a kill of the process and of the
    machine. Safe to share between threads and to open in several processes at once.

    Parameters
    ----------
    url : str
        `sqlite:////absolute/path/journal.db` (created if missing) or
        `postgresql+psycopg://user@host/database` (the database must exist). The schema is
        created, or brought to the newest version.
    read_only : bool
        Whether it is only looked at: then nothing is created or brought to a version, and what would write
        raises `ReadOnlyError`; the database refuses it too.

    Raises
    ------
    StorageError
        If it can't be opened, or was written by a newer version of the product.
    """
