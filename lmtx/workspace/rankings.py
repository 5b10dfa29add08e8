"""How a system ranks labels for documents, kept in a file, so that comparing it again is quick.

A file `quality/ranking-*.npz` holds the rankings of one system. A document is known by its content: what
changes is ranked anew, and what was ranked for fifty documents counts when five hundred are asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from lmtx.encoder import SentenceEncoder, encoder_key
from lmtx.errors import DAMAGED, StorageError
from lmtx.types import Document, FloatArray, IntArray, Progress, content_hash
from lmtx.workspace import predicted, tagging
from lmtx.workspace.parts import Parts
from lmtx.workspace.systems import System, tagger_of

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

DEPTH = 20
"""Labels of a document that are kept."""
_BLOCK = 500
_TIMED = 32  # documents by which speed is measured


@dataclass(frozen=True)
class Ranking:
    """Labels of documents, best first.

    Attributes
    ----------
    label_ids : tuple of str
    row : dict
        Document -> row: by content hash, or by id where `by_id`.
    label_idx : int32 (n_docs, DEPTH)
        -1 pads.
    score : float32 (n_docs, DEPTH)
        The system's scores, -inf where `label_idx` pads; NaN where it gives none.
    docs_per_s : float or None
        From text to tags on the machine that ranked, encoding included. Of processor time, so that what else
        ran there does not count; of time passed where a graphics card encodes.
    model_bytes : int or None
        What has to be loaded to tag a text: the system's files and its encoder's parameters.
    """

    label_ids: tuple[str, ...]
    row: dict[str, int]
    label_idx: IntArray
    score: FloatArray
    docs_per_s: float | None
    model_bytes: int | None
    by_id: bool = False

    def knows(self, document: Document) -> bool:
        """Whether it has a document."""
        return (document.id if self.by_id else document.hash) in self.row

    def of(self, documents: Sequence[Document]) -> IntArray:
        """Rankings of documents it knows, int32 (n_docs, DEPTH)."""
        return self.label_idx[self.rows(documents)]

    def rows(self, documents: Sequence[Document]) -> list[int]:
        """Rows of documents it knows."""
        return [self.row[d.id if self.by_id else d.hash] for d in documents]


def kept(parts: Parts, which: System) -> Ranking | None:
    """Return what was ranked by a system so far, None where nothing was."""
    if which.kind == "predictions":
        return _predictions(parts, which)
    path = _path(parts, which)
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    found: Ranking | None = parts.kept(f"ranking {which.id}", (path, stamp), lambda: _read(path))
    return found


def rank(parts: Parts, which: System, documents: Sequence[Document], progress: Progress) -> Ranking:
    """Return rankings of documents by a system; what is kept is not ranked again.

    A run that holds predictions gives those, of whatever documents they are.
    """
    before = kept(parts, which)
    if which.kind == "predictions":
        assert before is not None
        return before
    missing = list({d.hash: d for d in documents if before is None or not before.knows(d)}.values())
    if before is not None and not missing:
        return before
    parts.document_vectors(missing, progress)
    if which.run is None:
        # Hubs and word frequencies are measured on train documents, whatever was encoded so far.
        view = parts.corpus()
        rows = view.rows("train")[: tagging.HUB_DOCUMENTS]
        parts.document_vectors([view.documents[int(i)] for i in rows], progress)
    tagger = tagger_of(parts, which)
    label_idx = np.full((len(missing), DEPTH), -1, dtype=np.int32)
    score = np.full((len(missing), DEPTH), -np.inf, dtype=np.float32)
    for start in range(0, len(missing), _BLOCK):
        progress(start, len(missing), f"Ranking: {which.name}")
        block = missing[start : start + _BLOCK]
        found = tagger.predict(parts.document_vectors(block), [d.full_text for d in block], DEPTH)
        label_idx[start : start + len(block), : found.label_idx.shape[1]] = found.label_idx
        score[start : start + len(block), : found.label_idx.shape[1]] = found.score
    progress(len(missing), len(missing), f"Ranking: {which.name}")
    row = {d.hash: i for i, d in enumerate(missing)}
    if before is not None:
        row = {**before.row, **{h: len(before.row) + i for h, i in row.items()}}
        new = replace(
            before,
            row=row,
            label_idx=np.concatenate([before.label_idx, label_idx]),
            score=np.concatenate([before.score, score]),
        )
    else:
        speed = _speed(parts, tagger, missing[:_TIMED])
        new = Ranking(tagger.label_ids, row, label_idx, score, speed, _size(parts, which, tagger))
    if not parts.read_only:
        _write(_path(parts, which), new)
    return new


def _path(parts: Parts, which: System) -> Path:
    """Name a file by all that the ranking depends on, apart from the documents."""
    view = parts.corpus()
    # A run ranks labels that came after it too.
    labels = [text for x in view.labels for text in (x.id, x.hash)]
    key = content_hash("ranking-2", which.id, encoder_key(parts.settings.encoder), *labels)
    if which.run is None:
        documents = [view.documents[int(i)].hash for i in view.rows("train")[: tagging.HUB_DOCUMENTS]]
        key = content_hash(key, *documents)
    return parts.folder / "quality" / f"ranking-{key}.npz"


def _read(path: Path) -> Ranking | None:
    try:
        with np.load(path, allow_pickle=False) as data:
            facts = json.loads(str(data["facts"]))
            return Ranking(
                label_ids=tuple(data["label_ids"].tolist()),
                row={h: i for i, h in enumerate(data["documents"].tolist())},
                label_idx=data["label_idx"],
                score=data["score"],
                docs_per_s=facts["docs_per_s"],
                model_bytes=facts["model_bytes"],
            )
    except DAMAGED:
        return None  # a copy of what can be computed: it is written anew


def _write(path: Path, ranking: Ranking) -> None:
    path.parent.mkdir(exist_ok=True)
    facts = {"docs_per_s": ranking.docs_per_s, "model_bytes": ranking.model_bytes}
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                label_ids=np.array(ranking.label_ids, dtype=np.str_),
                documents=np.array(list(ranking.row), dtype=np.str_),
                label_idx=ranking.label_idx,
                score=ranking.score,
                facts=np.array(json.dumps(facts)),
            )
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error}). Check that the disk is not full.") from error


def _predictions(parts: Parts, which: System) -> Ranking:
    """Read the rankings that a run came with."""
    run = which.run
    assert run is not None

    def read() -> Ranking:
        ranked = predicted.predictions(parts, run)
        live = parts.labels_by_id()  # as `evaluate` does: a deleted label takes up no place
        ids = [[x for x, _ in labels if x in live][:DEPTH] for labels in ranked.values()]
        column = {label_id: j for j, label_id in enumerate(dict.fromkeys(x for row in ids for x in row))}
        label_idx = np.full((len(ids), DEPTH), -1, dtype=np.int32)
        for i, labels in enumerate(ids):
            label_idx[i, : len(labels)] = [column[x] for x in labels]
        # Answers that were known before took no time: then the time tells nothing.
        all_new = run.metrics.get("calls_new") == run.metrics.get("calls")
        seconds = run.metrics.get("seconds") if all_new else None
        speed = len(ids) / seconds if isinstance(seconds, int | float) and seconds > 0 else None
        row = {d: i for i, d in enumerate(ranked)}
        score = np.full(label_idx.shape, np.nan, dtype=np.float32)
        return Ranking(tuple(column), row, label_idx, score, speed, None, by_id=True)

    found: Ranking = parts.kept(f"ranking {which.id}", (run.folder, tagging.label_set(parts)), read)
    return found


# ---- what a system takes ------------------------------------------------------------------------


def _reads_vectors(tagger: Tagger) -> bool:
    """Whether a tagger needs the workspace's encoder: not for words alone, nor for a student with its own."""
    from lmtx.tagger.weights import LEXICAL_PARTS

    own = {"student"} if tagger.tower is not None else set()
    return bool(set(tagger.parts) - {*LEXICAL_PARTS, *own})


def _encoders(parts: Parts, tagger: Tagger) -> list[SentenceEncoder]:
    found = [parts.encoder()] if _reads_vectors(tagger) else []
    return [*found, tagger.tower.encoder] if tagger.tower and "student" in tagger.parts else found


def _speed(parts: Parts, tagger: Tagger, documents: Sequence[Document]) -> float | None:
    """Documents a second from text to tags, measured on a few: the encoders needed, then the scores."""
    if not documents:
        return None
    texts = [d.full_text for d in documents]
    vectors = parts.document_vectors(documents)
    tagger.predict(vectors, texts, DEPTH)  # what is made once is made before the clock starts
    start = time.process_time()
    tagger.predict(vectors, texts, DEPTH)
    seconds = max(time.process_time() - start, 1e-6)
    for encoder in _encoders(parts, tagger):
        one = partial(_seconds_to_encode, encoder, texts)
        seconds += len(texts) * parts.kept(f"encoding {encoder.key}", None, one)
    return len(texts) / seconds


def _seconds_to_encode(encoder: SentenceEncoder, texts: list[str]) -> float:
    """Seconds that one document takes."""
    encoder.load()
    clock = time.process_time if encoder.device == "cpu" else time.perf_counter
    start = clock()
    encoder.encode(texts, role="document")
    return (clock() - start) / len(texts)


def _size(parts: Parts, which: System, tagger: Tagger) -> int:
    from lmtx.tagger.weights import LEXICAL_PARTS

    def files(folder: Path) -> int:
        words = ["lexical.npz"] if set(tagger.parts) & set(LEXICAL_PARTS) else []
        own = (
            ["student", "tower"]
            if which.kind == "student"
            else [p.name for p in folder.iterdir() if p.is_dir()]
        )
        names = [folder / name for name in ("vectors.npz", *words, *own)]
        paths = [p for name in names for p in ([name] if name.is_file() else name.rglob("*"))]
        # The tower's model is counted by its parameters, as any encoder's.
        return sum(p.stat().st_size for p in paths if p.is_file() and "tower" not in p.parts)

    if which.run is not None:
        size = files(tagging.run_folder(parts, which.run))
    else:
        with TemporaryDirectory() as folder:
            tagger.save(Path(folder))
            size = files(Path(folder))
    for encoder in _encoders(parts, tagger):
        size += sum(p.numel() * p.element_size() for p in encoder.model.parameters())
    return size
