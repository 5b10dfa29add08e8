"""Opening Chroma: a folder that this process owns, or a server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from lmtx.errors import InputError, LmtxError, StorageError

URL_VARIABLE: Final = "LMTX_CHROMA_URL"
LOCK_NAME: Final = "owner.lock"
# With Chroma's defaults the ten nearest of some ten thousand items miss many that a full search finds.
# A larger sync_threshold writes the graph to disk less often, not less safely: a log comes first.
_HNSW: Final = {
    "space": "cosine",
    "max_neighbors": 32,
    "ef_construction": 200,
    "ef_search": 300,
    "sync_threshold": 10_000,
}


def server_url() -> str:
    """Address of the Chroma server to use, "" for a folder."""
    return os.environ.get(URL_VARIABLE, "").strip()


def open_client(folder: Path) -> Any:
    """Open the server named by LMTX_CHROMA_URL, or else a folder that this process owns."""
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    url = server_url()
    if not url:
        folder.mkdir(parents=True, exist_ok=True)
        with chroma_errors("open the folder"):
            try:
                return chromadb.PersistentClient(str(folder), settings=settings)
            except Exception:
                _forget(str(folder))
                raise
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{URL_VARIABLE} is {url!r}, expected something like http://127.0.0.1:8000.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with chroma_errors(f"reach the server {url}"):
        return chromadb.HttpClient(parts.hostname, port, ssl=parts.scheme == "https", settings=settings)


def _forget(folder: str) -> None:
    # Chroma 1.5 keeps the half-opened system of a folder it could not open, and hands it to the
    # next client of that folder.
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient._identifier_to_system.pop(folder, None)
    SharedSystemClient._identifier_to_refcount.pop(folder, None)


def wipe(folder: Path) -> None:
    """Delete Chroma's files, all but the lock."""
    for entry in folder.iterdir():
        if entry.name == LOCK_NAME:
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def collection(client: Any, name: str, metadata: dict[str, Any]) -> Any:
    """Open a collection, created with this metadata where it is missing."""
    from chromadb.errors import NotFoundError

    try:
        return client.get_collection(name, embedding_function=_no_embedding())
    except NotFoundError:
        return client.create_collection(
            name, configuration={"hnsw": _HNSW}, metadata=metadata, embedding_function=_no_embedding()
        )


def _no_embedding() -> Any:
    """Refuse to embed: without this, Chroma would download a model for a text without a vector."""
    from chromadb import EmbeddingFunction

    class NoEmbedding(EmbeddingFunction):
        """Raise; vectors are always passed in."""

        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:
            raise StorageError("The index was asked to embed a text. Pass vectors: this is a bug, report it.")

        @staticmethod
        def is_legacy() -> bool:
            # Stored as no function in particular, so that any other tool can open the collection.
            return True

    return NoEmbedding()


@contextmanager
def chroma_errors(doing: str) -> Iterator[None]:
    """Turn whatever Chroma raises into a message with a remedy."""
    try:
        yield
    except LmtxError:
        raise
    # Its Rust core and its HTTP client have errors of their own, without a common base.
    except Exception as error:
        raise StorageError(
            f"The search index can't {doing}: {type(error).__name__}: {error}. "
            "Nothing is lost, it is made from the journal: build it anew with `lmtx rebuild`."
        ) from error
