"""What a workspace is made of: settings, journal, vectors, index, the loaded tagger.

Everything heavy is made when it is first needed, once, whichever thread asks first.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmtx.config import SETTINGS_FILE, Settings, remember_workspace
from lmtx.encoder import (
    EmbeddingCache,
    SentenceEncoder,
    embed_documents,
    embed_labels,
    encoder_key,
    label_hashes,
    load_encoder,
)
from lmtx.errors import InputError, LmtxError, LockedError, ReadOnlyError, StorageError
from lmtx.jobs import Job, JobStore
from lmtx.journal import Journal
from lmtx.types import CorpusView, Document, FloatArray, Label, Progress, no_progress
from lmtx.workspace.keeper import SYNC_EVERY_S, IndexKeeper

if TYPE_CHECKING:
    from lmtx.index import ChromaIndex

_log = logging.getLogger(__name__)

_encoders: dict[tuple[str, str, str], SentenceEncoder] = {}
_encoders_lock = threading.Lock()


class Parts:
    """The parts of one open workspace; `Workspace` is the public face."""

    def __init__(
        self, folder: Path, settings: Settings, own_index: bool | None, read_only: bool = False
    ) -> None:
        self.folder = folder
        self.read_only = read_only
        self._settings = settings
        self._settings_stamp = _stamp(folder)
        self._kept_encoder: str | None = None
        self.journal = Journal(
            settings.journal_url or f"sqlite:///{(folder / 'journal.db').resolve()}", read_only=read_only
        )
        self.job_store = JobStore(folder, self.journal)
        self._own_index = False if read_only else own_index  # its folder is written to by whoever owns it
        self._lock = threading.RLock()
        self._index_lock = threading.RLock()
        self._sync_lock = threading.RLock()  # not the same: a search must not wait for a long sync
        self._cache: EmbeddingCache | None = None
        self._index: ChromaIndex | None = None
        self._index_elsewhere_until = 0.0
        self._keeper: IndexKeeper | None = None
        self._closed = False
        self.memory: dict[str, tuple[Any, Any]] = {}
        self._making: dict[str, threading.RLock] = {}
        if own_index and not read_only:
            self.index(must=True)

    # ---- opening ------------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: Path, name: str, settings: dict[str, Any]) -> Parts:
        """Make a workspace; see `Workspace.create`."""
        folder = folder.expanduser()
        if (folder / SETTINGS_FILE).exists():
            raise InputError(f"{folder}: there is a workspace already. Open it, or name another folder.")
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"{folder}: the folder is not empty. Name a new or empty one.")
        made = Settings().changed(has_documents=False, name=name or folder.name, **settings)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: can't be made ({error.strerror}). Name another folder.") from error
        made.save(folder)
        return cls.open(folder, None)

    @classmethod
    def open(cls, folder: Path, own_index: bool | None, read_only: bool = False) -> Parts:
        """Open a workspace; see `Workspace.open`."""
        folder = folder.expanduser()
        parts = cls(folder, Settings.load(folder), own_index, read_only)
        if own_index is not False and not read_only:  # a job's process is not the user opening it
            remember_workspace(folder)
        return parts

    def close(self) -> None:
        """Give up what other processes may want."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.stop()
        self._close_index()
        if self._cache is not None:
            self._cache.close()
            self._cache = None
        self.journal.close()

    def must_write(self, what: str) -> None:
        """Raise `ReadOnlyError` where nothing may be written; `what` begins its sentence."""
        if self.read_only:
            raise ReadOnlyError(what)

    def _close_index(self) -> None:
        with self._sync_lock, self._index_lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    @property
    def settings(self) -> Settings:
        """Settings as they stand in the file, which another process may have changed.

        The database stays the one that the workspace was opened with. An encoder that another process
        switched to is taken over: what was computed with the old one is forgotten, and the index follows.
        """
        stamp = _stamp(self.folder)
        if stamp != self._settings_stamp:
            with self._lock:
                self._settings_stamp = stamp
                try:
                    found = Settings.load(self.folder)
                except LmtxError as error:
                    _log.warning("settings not read again: %s", error)
                else:
                    encoder = self._kept_encoder or found.encoder
                    if encoder != self._settings.encoder:
                        self.memory.clear()
                    kept = {"encoder": encoder, "journal_url": self._settings.journal_url}
                    self._settings = found.model_copy(update=kept)
        return self._settings

    def keep_encoder(self) -> None:
        """Stay with the encoder of now, whatever another process switches to: half-done work is of one."""
        self._kept_encoder = self.settings.encoder

    def with_encoder(self, encoder: str) -> Parts:
        """Open the same workspace to read with another encoder, whatever the settings say; close it."""
        found = Parts(self.folder, self.settings.model_copy(update={"encoder": encoder}), own_index=False)
        found._kept_encoder = encoder
        return found

    def update_settings(self, values: dict[str, Any]) -> Settings:
        """Change settings; see `Workspace.update_settings`."""
        self.must_write("A setting")
        with self._lock:
            has_documents = self.journal.counts().get("documents", 0) > 0
            changed = Settings.load(self.folder).changed(has_documents=has_documents, **values)
            if "encoder" in values:
                encoder_key(changed.encoder)  # says what is wrong with a name before it is kept
            changed.save(self.folder)
            if "encoder" in values:
                self._kept_encoder = None
            kept = {"encoder": self._kept_encoder} if self._kept_encoder else {}
            self._settings, self._settings_stamp = changed.model_copy(update=kept), _stamp(self.folder)
            self.memory.clear()
        return self._settings

    # ---- kept values --------------------------------------------------------------------------

    def kept(self, name: str, version: object, make: Callable[[], Any]) -> Any:
        """Value that is made anew only when `version` differs from that of the kept one.

        Made once, whichever thread asks first; others that ask for the same wait, for another do not.
        """
        with self._lock:
            guard = self._making.setdefault(name, threading.RLock())
        with guard:
            found = self.memory.get(name)
            if found is None or found[0] != version:
                found = (version, make())
                self.memory[name] = found
            return found[1]

    def corpus(self) -> CorpusView:
        """All live documents and labels, with texts; kept by the journal until they change."""
        return self.journal.corpus()

    def labels_by_id(self) -> dict[str, Label]:
        """Live labels by id."""
        view = self.journal.corpus()
        found: dict[str, Label] = self.kept(
            "labels", id(view), lambda: (view, {x.id: x for x in view.labels})
        )[1]
        return found

    def label_paths(self) -> dict[str, tuple[str, ...]]:
        """Label id -> names of its broader labels, topmost first; first parent where there are several."""
        labels = self.labels_by_id()
        found: dict[str, tuple[str, ...]] = self.kept("paths", id(labels), lambda: (labels, _paths(labels)))[
            1
        ]
        return found

    def after_import(self) -> None:
        """Forget what depended on the old content, and let the index follow."""
        with self._lock:
            self.memory.clear()
        self.sync_soon()

    # ---- vectors ------------------------------------------------------------------------------

    @property
    def cache(self) -> EmbeddingCache:
        """Vectors by content hash."""
        with self._lock:
            if self._cache is None:
                self._cache = EmbeddingCache(self.folder / "vectors.db", read_only=self.read_only)
            return self._cache

    def encoder(self) -> SentenceEncoder:
        """Return the encoder of the settings; its model is loaded once in this process, when needed."""
        name, device = self.settings.encoder, self.settings.device
        key = encoder_key(name)  # another where a model was trained anew in the same folder
        with _encoders_lock:
            if (name, device, key) not in _encoders:
                # What is found out about the machine is kept beside the vectors.
                kept_in = None if self.read_only else self.folder
                _encoders[name, device, key] = load_encoder(name, device, cache_folder=kept_in)
            return _encoders[name, device, key]

    def document_vectors(self, documents: Sequence[Document], progress: Progress = no_progress) -> FloatArray:
        """Return unit vectors of documents, shape (n_docs, dim); encodes what is not cached."""
        return embed_documents(self.encoder(), self.cache, documents, progress)

    def text_vectors(self, documents: Sequence[Document]) -> FloatArray:
        """Return unit vectors of documents that may not be in the corpus; none is kept for later."""
        key = encoder_key(self.settings.encoder)
        if self.cache.get(key, [d.hash for d in documents])[1].all():
            return self.document_vectors(documents)
        return self.encoder().encode([d.full_text for d in documents], role="document")

    def label_vectors(self, labels: Sequence[Label], progress: Progress = no_progress) -> FloatArray:
        """Return unit vectors of labels, shape (n_labels, dim); encodes what is not cached."""
        return embed_labels(self.encoder(), self.cache, labels, progress)

    def embed_all(self, progress: Progress = no_progress) -> int:
        """Encode what has no vector yet; returns the number of documents and labels."""
        view = self.corpus()
        self.label_vectors(view.labels, progress)
        self.document_vectors(view.documents, progress)
        return len(view.documents) + len(view.labels)

    def n_without_vector(self) -> int:
        """How many documents and labels would have to be encoded."""
        documents, _ = self.journal.corpus_hashes()
        labels = label_hashes(self.journal.corpus().labels)
        key = encoder_key(self.settings.encoder)
        return int((~self.cache.get(key, [*documents, *labels])[1]).sum())

    def labels_have_vectors(self) -> bool:
        """Whether no label would have to be encoded."""
        hashes = label_hashes(self.journal.corpus().labels)
        return bool(self.cache.get(encoder_key(self.settings.encoder), hashes)[1].all())

    def preload(self) -> None:
        """Load the encoder in a thread."""
        encoder = self.encoder()

        def load() -> None:
            try:
                encoder.load()
            except LmtxError as error:  # told again, to the user, when the encoder is needed
                _log.warning("encoder: %s", error)

        if not encoder.loaded:
            threading.Thread(target=load, daemon=True, name="encoder-preload").start()

    # ---- index --------------------------------------------------------------------------------

    def index(self, *, must: bool = False) -> ChromaIndex | None:
        """Return the index if this process owns it or can; None where another process does.

        Raises
        ------
        LockedError
            If `must` and another process owns it.
        """
        with self._index_lock:
            key = encoder_key(self.settings.encoder)
            if self._index is not None and self._index.encoder_key != key and not self._closed:
                self._index.close()  # its vectors are an old encoder's; with another key it starts anew
                self._index = None
            if self._index is not None or self._own_index is False or self._closed:
                return self._index
            if not must and time.monotonic() < self._index_elsewhere_until:
                return None
            from lmtx.index import ChromaIndex

            index = ChromaIndex(self.folder / "chroma", self.journal, encoder_key=key)
            if index.try_own():
                self._index = index
                return index
            self._index_elsewhere_until = time.monotonic() + SYNC_EVERY_S
            if must:
                raise LockedError(
                    f"{self.folder}: another process owns the search index (an app, or another command). "
                    "End it, or work without owning the index."
                )
            return None

    def index_state(self) -> str:
        """Return "ready", "behind", "elsewhere" or "off"; opens nothing."""
        if self._own_index is False:
            return "off"
        if self._index is None:
            return "off"
        old = self._index.encoder_key != encoder_key(self.settings.encoder)
        return "behind" if old or self._index.behind() else "ready"

    def index_report(self) -> str:
        """Say how the index is; opens it."""
        index = self.index()
        if index is None:
            return "owned by another process, which keeps it in step"
        if not index.probe():
            raise StorageError("The search index does not answer. Build it anew with `lmtx rebuild`.")
        counts = index.counts()
        return ", ".join(f"{n} {name}" for name, n in counts.items())

    def sync_index(self, progress: Progress = no_progress) -> int:
        """Bring the index up to the journal; 0 where another process owns it."""
        with self._sync_lock:
            index = self.index()
            if index is None:
                return 0
            return index.sync(self.document_vectors, self.label_vectors, progress)

    def rebuild_index(self, progress: Progress = no_progress) -> int:
        """Build the index anew; `LockedError` where another process owns it."""
        self.must_write("The index built anew")
        with self._sync_lock:
            index = self.index(must=True)
            assert index is not None
            return index.rebuild(self.document_vectors, self.label_vectors, progress)

    def sync_soon(self) -> None:
        """Wake the thread that keeps the index in step; start it where this process may own the index."""
        if self._own_index is False or self._closed:
            return
        with self._lock:
            if self._keeper is None:
                self._keeper = IndexKeeper(self)
        self._keeper.wake()

    # ---- jobs ---------------------------------------------------------------------------------

    def jobs(self, limit: int) -> list[Job]:
        """Jobs, newest first; the index follows when one has ended."""
        jobs = self.job_store.recent(limit)
        ended = frozenset(job.id for job in jobs if not job.active)
        with self._lock:
            before = self.memory.get("ended jobs", (None, None))[1]
            self.memory["ended jobs"] = (None, ended)
        if before is None or ended - before:  # the first look starts to follow what was done meanwhile
            self.sync_soon()
        return jobs


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What changes when the file of settings is written."""
    try:
        found = (folder / SETTINGS_FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _paths(labels: dict[str, Label]) -> dict[str, tuple[str, ...]]:
    paths: dict[str, tuple[str, ...]] = {}
    for label_id, label in labels.items():
        names: list[str] = []
        seen = {label_id}
        parent = _first_known(label, labels)
        while parent is not None and parent.id not in seen:  # a cycle in the file ends the path
            names.append(parent.name)
            seen.add(parent.id)
            parent = _first_known(parent, labels)
        paths[label_id] = tuple(reversed(names))
    return paths


def _first_known(label: Label, labels: dict[str, Label]) -> Label | None:
    return next((labels[p] for p in label.parents if p in labels), None)
