"""Which labels the run in use gives to every document: what maps, label spaces and reports are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lmtx.types import BoolArray, FloatArray, IntArray, Progress, no_progress
from lmtx.workspace import rankings, systems, tagging
from lmtx.workspace.parts import Parts


@dataclass(frozen=True)
class CorpusTags:
    """The best labels of every document, in the rows of the corpus (`Parts.corpus`).

    Attributes
    ----------
    system : str
        Id of what tagged: a run, or "zero-shot".
    label_idx : int32 (n_docs, rankings.DEPTH)
        Rows of `CorpusView.labels`, best first; -1 pads, and fills documents that are not tagged yet.
    score : float32 (n_docs, rankings.DEPTH)
        -inf where `label_idx` is -1.
    probability : float32 (n_docs, rankings.DEPTH) or None
        None where nothing calibrates the system; 0 where `label_idx` is -1.
    known : bool (n_docs,)
        Documents that are tagged as they stand.
    """

    system: str
    label_idx: IntArray
    score: FloatArray
    probability: FloatArray | None
    known: BoolArray

    @property
    def n_missing(self) -> int:
        """Documents that came or changed since."""
        return int((~self.known).sum())


def tag_corpus(parts: Parts, progress: Progress = no_progress) -> CorpusTags:
    """Tag the documents that the run in use has not tagged as they stand; returns the tags of all."""
    parts.must_write("Tagging the corpus")
    rankings.rank(parts, systems.system(parts, "tagger"), parts.corpus().documents, progress)
    found = corpus_tags(parts)
    assert found is not None
    return found


def corpus_tags(parts: Parts) -> CorpusTags | None:
    """Return what `tag_corpus` found so far for the run in use, at once; None where it never ran for it."""
    which = systems.system(parts, "tagger")
    ranking = rankings.kept(parts, which)
    if ranking is None:
        return None
    view = parts.corpus()
    return parts.kept(  # type: ignore[no-any-return]
        "corpus tags", (id(ranking), id(view)), lambda: (ranking, view, _aligned(parts, which, ranking))
    )[2]


def _aligned(parts: Parts, which: systems.System, ranking: rankings.Ranking) -> CorpusTags:
    view = parts.corpus()
    row = np.array([ranking.row.get(d.hash, -1) for d in view.documents], dtype=np.int64)
    known = row >= 0
    # The last entry stands for labels that are gone, and for the padding -1.
    column = np.array([view.label_idx.get(x, -1) for x in ranking.label_ids] + [-1], dtype=np.int32)
    label_idx = np.full((len(row), rankings.DEPTH), -1, dtype=np.int32)
    score = np.full((len(row), rankings.DEPTH), -np.inf, dtype=np.float32)
    label_idx[known] = column[ranking.label_idx[row[known]]]
    score[known] = ranking.score[row[known]]
    score[label_idx < 0] = -np.inf
    probability = None
    tagger = tagging.zero_shot(parts) if which.run is None else tagging.tagger(parts, which.run.id)
    calibrated = tagger.probability(score[known])
    if calibrated is not None:
        probability = np.zeros(score.shape, dtype=np.float32)
        probability[known] = calibrated
        probability[label_idx < 0] = 0.0
    return CorpusTags(which.id, label_idx, score, probability, known)
