"""Scores on held-out judged documents, for the stop rule and the gate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lmtx.quality import standard_error
from lmtx.student.finetune import judged_precision
from lmtx.tagger import HeldOut, Tagger

MIN_DOCUMENTS = 20
"""Fewer held-out documents than this decide nothing."""


def judged_quality(tagger: Tagger, held_out: HeldOut) -> NDArray[np.float64]:
    """Mean of P@1, P@3 and P@5 of each held-out document, ranking its judged labels only.

    Where the best five labels of a tagger are all among the judged ones, as the cycle sees to for
    the systems that it compares, this is their precision by the teacher's verdicts.

    Parameters
    ----------
    tagger : Tagger
    held_out : HeldOut

    Returns
    -------
    float64 (n_docs,)
        In [0, 1].
    """
    pairs = held_out.pairs
    order = np.argsort(pairs.document_idx, kind="stable")
    document, label = pairs.document_idx[order], pairs.label_idx[order]
    target = pairs.target[order] > 0.5
    score = np.full(len(order), -np.inf, dtype=np.float32)
    for rows, block in tagger.scores(held_out.doc_vectors, held_out.texts):
        here = (document >= rows.start) & (document < rows.stop)
        score[here] = block[document[here] - rows.start, label[here]]
    return judged_precision(document, target, score, len(held_out.texts))


def improved(new: NDArray[np.float64], best: NDArray[np.float64] | None) -> bool:
    """Whether a round is better than the best before by more than the standard error of the difference."""
    if best is None:
        return True
    return bool((new - best).mean() > standard_error(new - best))
