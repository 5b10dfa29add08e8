"""The index itself: who owns it, how it follows the journal, and searches."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock, Timeout

from lmtx.errors import LockedError, ShapeError, StorageError
from lmtx.index.client import LOCK_NAME, chroma_errors, collection, open_client, server_url, wipe
from lmtx.index.items import (
    STATES,
    Metadata,
    document_metadata,
    label_metadata,
    read_metadata,
    same_metadata,
)
from lmtx.index.source import Changes, Source
from lmtx.types import Document, FloatArray, Label, Progress, Role, no_progress

_log: Final = logging.getLogger(__name__)
_FORMAT: Final = 1  # of the items; another number, and the index is built anew
_PAGE: Final = 1000  # items a step; Chroma takes at most 5,461 at once
EmbedDocuments = Callable[[Sequence[Document]], FloatArray]
EmbedLabels = Callable[[Sequence[Label]], FloatArray]


class ChromaIndex:
    """Documents and labels in two Chroma collections, kept in step with the journal.

    Everything here is made from the journal and can be made again. One process owns the folder;
    the others leave it alone, and the owner follows what they write to the journal. With
    LMTX_CHROMA_URL all processes use that server (its collections carry the journal's id), and
    the lock only keeps two of them from following at the same time.

    Safe for several threads.

    Parameters
    ----------
    folder : Path
        Where Chroma's files and the lock are.
    journal : Source
        What the index is made from.
    encoder_key : str
        What made the vectors. With another key the index starts anew.
    """

    def __init__(self, folder: Path, journal: Source, *, encoder_key: str) -> None:
        self.folder = folder
        self.encoder_key = encoder_key
        self._journal = journal
        self._lock = FileLock(folder / LOCK_NAME, thread_local=False)
        self._using = threading.RLock()
        self._client: Any = None
        self._documents: Any = None
        self._labels: Any = None
        self._cursor: dict[str, int] = {}

    # Owning

    def try_own(self) -> bool:
        """Own the index and open it; False if another process owns it.

        What is found broken, or made by another encoder or from another journal, is emptied:
        the next `sync` fills it.
        """
        with self._using:
            if self._client is not None:
                return True
            self.folder.mkdir(parents=True, exist_ok=True)
            if not server_url() and not self._acquire():
                return False
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
            return True

    def close(self) -> None:
        """Close the index and give up owning it."""
        with self._using:
            self._close_client()
            self._lock.release()

    def _acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def _open(self) -> None:
        try:
            self._connect()
            reason = self._fault()
        except StorageError as error:
            if server_url():
                raise
            reason = str(error)
        if reason:
            _log.warning("The search index is emptied and filled again: %s", reason)
            self._empty()

    def _connect(self) -> None:
        self._client = open_client(self.folder)
        self._open_collections()

    def _open_collections(self) -> None:
        with chroma_errors("open its collections"):
            self._documents = collection(self._client, self._name("documents"), self._metadata({}))
            self._labels = collection(self._client, self._name("labels"), {"format": _FORMAT})
            self._cursor = json.loads((self._documents.metadata or {}).get("cursor", "{}"))

    def _close_client(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            self._documents = self._labels = None
            with chroma_errors("close"):
                client.close()

    def _name(self, kind: str) -> str:
        # A server may hold many workspaces.
        return f"lmtx-{self._journal.id[:16]}-{kind}" if server_url() else kind

    def _metadata(self, cursor: Mapping[str, int]) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "journal": self._journal.id,
            "encoder": self.encoder_key,
            "cursor": json.dumps(dict(cursor)),
        }

    def _fault(self) -> str:
        """Why the index can't be used as it is; "" if it can."""
        found = dict(self._documents.metadata or {})
        for key, value in self._metadata({}).items():
            if key != "cursor" and found.get(key) != value:
                return f"its {key} is {found.get(key)!r}, not {value!r}"
        head = self._journal.head()
        if any(self._cursor.get(key, 0) > head[key] for key in ("documents", "labels")):
            return "it is ahead of the journal, which must have been put back to an earlier state"
        if not self.probe():
            return "it does not answer"
        if self._cursor == head:
            counts, wanted = self.counts(), self._journal.counts()
            if any(counts[kind] != wanted[kind] for kind in counts):
                return f"it holds {counts}, not what the journal does"
        return ""

    def _empty(self) -> None:
        """Start from nothing: drop the collections, or, where that fails, all files."""
        try:
            if self._client is None:
                raise StorageError("Chroma could not be opened.")
            with chroma_errors("drop its collections"):
                for kind in ("documents", "labels"):
                    name = self._name(kind)
                    if name in {found.name for found in self._client.list_collections()}:
                        self._client.delete_collection(name)
            self._connect_again()
            if not self.probe():
                raise StorageError("Chroma does not answer after its collections were made anew.")
        except StorageError:
            if server_url():
                raise
            self._close_client()
            wipe(self.folder)
            self._connect_again()

    def _connect_again(self) -> None:
        self._close_client()
        self._connect()

    def _opened(self) -> None:
        if self._client is None and not self.try_own():
            raise LockedError(
                f"{self.folder}: another process owns the search index. "
                "It follows the journal by itself; close it to use the index from here."
            )
        if server_url():  # another process may have made the collections anew
            self._open_collections()

    # Following the journal

    def behind(self) -> bool:
        """Tell whether the journal has changed since the last `sync`."""
        return self._journal.pending_changes(self._cursor) > 0

    def sync(
        self, embed_documents: EmbedDocuments, embed_labels: EmbedLabels, progress: Progress = no_progress
    ) -> int:
        """Catch up with the journal, step by step; each step that is done stays done.

        The place in the journal is noted in Chroma after each step: a kill in between only
        repeats a step.

        Parameters
        ----------
        embed_documents, embed_labels : callable
            Vectors, float32 of shape (n, dim), of documents and labels whose text is new.

        Returns
        -------
        int
            Number of items looked at. With a server, 0 while another process follows.

        Raises
        ------
        LockedError
            If another process owns the folder.
        """
        with self._using:
            self._opened()
            if server_url() and not self._acquire():
                return 0
            try:
                return self._sync(embed_documents, embed_labels, progress)
            finally:
                if server_url():
                    self._lock.release()

    def _sync(self, embed_documents: EmbedDocuments, embed_labels: EmbedLabels, progress: Progress) -> int:
        if server_url():  # another process may have gone on
            self._open_collections()
        total, done = self._journal.pending_changes(self._cursor), 0
        while True:
            changes = self._journal.changes_after(self._cursor, _PAGE)
            if not len(changes):
                return done
            if not done:
                progress(0, total, "Search index")
            self._put_documents(changes, embed_documents)
            self._put_labels(changes, embed_labels)
            with chroma_errors("be written to"):
                self._documents.modify(metadata=self._metadata(changes.cursor))
            self._cursor = changes.cursor
            done += len(changes)
            progress(done, max(total, done), "Search index")
            if not changes.more:
                return done

    def rebuild(
        self, embed_documents: EmbedDocuments, embed_labels: EmbedLabels, progress: Progress = no_progress
    ) -> int:
        """Empty the index and fill it again from the journal.

        Returns
        -------
        int
            Number of items.
        """
        with self._using:
            self._opened()
            self._empty()
            return self.sync(embed_documents, embed_labels, progress)

    def _put_documents(self, changes: Changes, embed: EmbedDocuments) -> None:
        documents = self._journal.documents_by_id(changes.documents)
        rows = self._journal.document_rows(documents)
        states = self._journal.pair_states_of(documents)
        # One that was deleted since is named by a later change.
        wanted = {
            id_: document_metadata(document, rows[id_].role, rows[id_].completed, states[id_])
            for id_, document in documents.items()
            if id_ in rows
        }
        texts = {id_: documents[id_].full_text for id_ in wanted}
        self._put(
            self._documents, wanted, texts, lambda ids: embed([documents[id_] for id_ in ids]), "documents"
        )
        self._remove(self._documents, changes.deleted_documents)

    def _put_labels(self, changes: Changes, embed: EmbedLabels) -> None:
        labels = self._journal.labels_by_id(changes.labels)
        wanted = {id_: label_metadata(label) for id_, label in labels.items()}
        texts = {id_: label.full_text for id_, label in labels.items()}
        self._put(self._labels, wanted, texts, lambda ids: embed([labels[id_] for id_ in ids]), "labels")
        self._remove(self._labels, changes.deleted_labels)

    def _put(
        self,
        target: Any,
        wanted: Mapping[str, Metadata],
        texts: Mapping[str, str],
        embed: Callable[[list[str]], FloatArray],
        kind: str,
    ) -> None:
        if not wanted:
            return
        with chroma_errors(f"read {kind}"):
            found = target.get(ids=list(wanted), include=["metadatas"])
        stored = dict(zip(found["ids"], found["metadatas"], strict=True))
        fresh = [id_ for id_ in wanted if (stored.get(id_) or {}).get("hash") != wanted[id_]["hash"]]
        # The graph is left alone where the text, and so the vector, is the same.
        known = wanted.keys() - set(fresh)
        changed = [id_ for id_ in wanted if id_ in known and not same_metadata(wanted[id_], stored[id_])]
        if fresh:
            vectors = np.asarray(embed(fresh), dtype=np.float32)
            if vectors.ndim != 2 or len(vectors) != len(fresh):
                raise ShapeError(
                    f"Vectors of {kind} have shape {vectors.shape}, expected ({len(fresh)}, dim)."
                )
            with chroma_errors(f"write {kind}"):
                target.upsert(
                    ids=fresh,
                    embeddings=vectors,
                    documents=[texts[id_] for id_ in fresh],
                    metadatas=[wanted[id_] for id_ in fresh],
                )
        if changed:
            with chroma_errors(f"write {kind}"):
                target.update(ids=changed, metadatas=[wanted[id_] for id_ in changed])

    def _remove(self, target: Any, ids: list[str]) -> None:
        if ids:
            with chroma_errors("delete items"):
                target.delete(ids=ids)

    # Looking at it

    def probe(self) -> bool:
        """Count, get and query each collection; False if anything fails."""
        self._opened()
        try:
            for target in (self._documents, self._labels):
                if target.count() == 0:
                    continue
                first = target.get(limit=1, include=["embeddings", "metadatas"])
                target.query(query_embeddings=first["embeddings"], n_results=1, include=["distances"])
        # Whatever it is, an index that can't be searched is of no use; the journal can make it again.
        except Exception as error:
            _log.warning("Probe of the search index: %s: %s", type(error).__name__, error)
            return False
        return True

    def counts(self) -> dict[str, int]:
        """Return the number of items: documents, labels."""
        self._opened()
        with chroma_errors("be counted"):
            return {"documents": self._documents.count(), "labels": self._labels.count()}

    def item(self, document_id: str) -> Metadata | None:
        """Return what the index holds of a document, None if nothing.

        Returns
        -------
        dict or None
            title, role, split, language, hash, completed, text; label ids in accepted, rejected,
            proposed, declined, unparsed; and pairs, a list of dicts.
        """
        self._opened()
        with chroma_errors("be read"):
            found = self._documents.get(ids=[document_id], include=["metadatas", "documents"])
        if not found["ids"]:
            return None
        return {**read_metadata(found["metadatas"][0]), "text": found["documents"][0]}

    # Searching

    def search_documents(
        self,
        vector: FloatArray,
        n: int = 20,
        *,
        accepted: str | None = None,
        proposed: str | None = None,
        rejected: str | None = None,
        declined: str | None = None,
        unparsed: str | None = None,
        role: Role | Sequence[Role] | None = None,
    ) -> list[tuple[str, float]]:
        """Find the documents nearest to a vector.

        Parameters
        ----------
        vector : ndarray of shape (dim,)
        accepted, proposed, rejected, declined, unparsed : str, optional
            Only documents with this label id in that state.
        role : role or sequence of roles, optional
            Only documents with this role, or one of these.

        Returns
        -------
        list of (document_id, cosine similarity)
            The most similar first, at most n.
        """
        self._opened()
        by_state = (accepted, rejected, proposed, declined, unparsed)
        conditions: list[dict[str, Any]] = [
            {state: {"$contains": label_id}}
            for state, label_id in zip(STATES, by_state, strict=True)
            if label_id is not None
        ]
        if role is not None:
            roles = [role] if isinstance(role, str) else list(role)
            conditions.append({"role": {"$in": roles}})
        return self._search(self._documents, vector, n, conditions)

    def similar_documents(self, document_id: str, n: int = 10) -> list[tuple[str, float]]:
        """Find the documents nearest to one of them, without itself; [] if it is not indexed."""
        self._opened()
        with chroma_errors("be read"):
            found = self._documents.get(ids=[document_id], include=["embeddings"])
        if not found["ids"]:
            return []
        near = self._search(self._documents, found["embeddings"][0], n + 1, [])
        return [hit for hit in near if hit[0] != document_id][:n]

    def search_labels(self, vector: FloatArray, n: int = 20) -> list[tuple[str, float]]:
        """Find the labels nearest to a vector: (label_id, cosine similarity), the nearest first."""
        self._opened()
        return self._search(self._labels, vector, n, [])

    def _search(
        self, target: Any, vector: FloatArray, n: int, conditions: list[dict[str, Any]]
    ) -> list[tuple[str, float]]:
        where = {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else None
        with chroma_errors("be searched"):
            if n < 1 or target.count() == 0:
                return []
            found = target.query(
                query_embeddings=np.asarray(vector, dtype=np.float32)[None, :],
                n_results=n,
                where=where,
                include=["distances"],
            )
        return [
            (str(id_), 1.0 - float(distance))
            for id_, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        ]
