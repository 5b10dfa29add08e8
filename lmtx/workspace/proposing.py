"""What the tagger proposes for many documents, and what it scores for few."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import encoder_key
from lmtx.review import TOP, Proposed, Ranked, unit_interval
from lmtx.types import Document, FloatArray, IntArray
from lmtx.workspace.parts import Parts
from lmtx.workspace.tagging import run_folder

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

_CHUNK = 32
_LONGEST_PAUSE_S = 0.05
_ROW_NUMBERS = 4_000_000  # scores that are kept: 16 MB
_FEWEST_ROWS = 32
_ENCODED = 100  # documents without a vector that are encoded, where nearly none has one


def proposed(
    parts: Parts,
    found: Tagger,
    documents: Sequence[Document],
    *,
    polite: bool,
    all_of_them: bool = False,
) -> dict[str, Proposed]:
    """Propose the tagger's best labels for documents that have vectors.

    Parameters
    ----------
    polite : bool
        Pause between parts, so that a click that comes meanwhile is answered.
    all_of_them : bool
        Encode what has no vector yet; else it is left out, but where hardly any document has one.

    Returns
    -------
    dict
        Document id -> what is proposed, in the order given. Without a calibrated tagger, a probability is
        the score's place among those here.
    """
    if not all_of_them:
        known = parts.cache.get(encoder_key(parts.settings.encoder), [d.hash for d in documents])[1]
        if known.sum() >= min(_ENCODED, len(documents)):
            documents = [d for d, there in zip(documents, known, strict=True) if there]
        else:
            documents = documents[:_ENCODED]
    if not documents:
        return {}
    k = min(TOP, len(found.label_ids))
    idx: list[IntArray] = []
    scores: list[FloatArray] = []
    for start in range(0, len(documents), _CHUNK):
        if polite and parts._closed and idx:
            documents = documents[:start]  # nobody waits for it any more
            break
        began = time.perf_counter()
        part = documents[start : start + _CHUNK]
        scored = found.predict(parts.document_vectors(part), [d.full_text for d in part], k)
        idx.append(scored.label_idx)
        scores.append(scored.score)
        if polite:
            time.sleep(min(time.perf_counter() - began, _LONGEST_PAUSE_S))
    label_idx, score = np.concatenate(idx), np.concatenate(scores)
    calibrated = found.probability(score)
    probability: NDArray[np.floating] = unit_interval(score) if calibrated is None else calibrated
    return {
        document.id: Proposed(tuple(found.label_ids[i] for i in row if i >= 0), tuple(p[row >= 0].tolist()))
        for document, row, p in zip(documents, label_idx, probability, strict=True)
    }


def left_out(parts: Parts, best: Mapping[str, Proposed]) -> dict[str, Proposed]:
    """Add what a student says that has not seen the verdicts on each document, where the run has it."""
    run = parts.journal.promoted()
    if run is None:
        return dict(best)
    from lmtx.cycle import left_out as of_run

    frame = of_run.read(run_folder(parts, run))
    if frame is None:
        return dict(best)
    known: dict[str, dict[str, float]] = {}
    frame = frame[frame["document_id"].isin(list(best))]
    for document_id, label_id, p in zip(
        frame["document_id"], frame["label_id"], frame["probability"], strict=True
    ):
        known.setdefault(str(document_id), {})[str(label_id)] = float(p)
    return {x: replace(found, left_out=known.get(x, {})) for x, found in best.items()}


class _Rows:
    """Score rows of the documents looked at last, by one tagger: a page is read again after each click."""

    def __init__(self, found: Tagger) -> None:
        self._tagger = found
        self.column = {x: i for i, x in enumerate(found.label_ids)}
        self._most = max(_FEWEST_ROWS, _ROW_NUMBERS // max(1, len(found.label_ids)))
        self._kept: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    def of(
        self, documents: Sequence[Document], vectors: Callable[[Sequence[Document]], FloatArray]
    ) -> dict[str, FloatArray]:
        """Document id -> scores of all labels, float32 (n_labels,)."""
        hashes = {d.id: d.hash for d in documents}
        with self._lock:
            found = {x: self._kept[h] for x, h in hashes.items() if h in self._kept}
        missing = [d for d in documents if d.id not in found]
        if missing:
            blocks = self._tagger.scores(vectors(missing), [d.full_text for d in missing])
            scores = np.concatenate([part for _, part in blocks])
            found.update((d.id, row.copy()) for d, row in zip(missing, scores, strict=True))
        with self._lock:
            for document_id, row in found.items():
                self._kept[hashes[document_id]] = row
                self._kept.move_to_end(hashes[document_id])
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found


class Scores:
    """The tagger's scores of all labels for a few documents.

    Parameters
    ----------
    found : Tagger
    documents : sequence of Document
        Those without a vector are encoded.
    """

    def __init__(self, parts: Parts, found: Tagger, documents: Sequence[Document]) -> None:
        self._tagger = found
        self._live = parts.labels_by_id()
        kept: _Rows = parts.kept("score rows", id(found), lambda: _Rows(found))
        self._column = kept.column
        self._rows = kept.of(documents, parts.document_vectors)

    def ranked(self, document_id: str, n: int) -> list[Ranked]:
        """Rank labels of a document, the best first."""
        row = self._rows[document_id]
        n = min(n, len(row))
        best = np.argpartition(-row, n - 1)[:n] if n < len(row) else np.arange(len(row))
        best = best[np.lexsort((best, -row[best]))]
        probabilities = self._tagger.probability(row[best])
        return [
            Ranked(
                self._tagger.label_ids[int(i)],
                float(row[i]),
                None if probabilities is None else float(probabilities[j]),
            )
            for j, i in enumerate(best)
            if self._tagger.label_ids[int(i)] in self._live
        ]

    def of(self, document_id: str, label_id: str) -> tuple[Ranked, int] | None:
        """What is said of one label, and its place from 0; None where the tagger does not know it."""
        column = self._column.get(label_id)
        if column is None:
            return None
        row = self._rows[document_id]
        score = row[column]
        probability = self._tagger.probability(score[None])
        item = Ranked(label_id, float(score), None if probability is None else float(probability[0]))
        return item, int((row > score).sum())
