"""Scores on held-out judged documents: the stop rule and the gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lmtx.quality import standard_error
from lmtx.tagger import HeldOut, Tagger

_CUTS = (1, 3, 5)
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
    ranked = np.lexsort((-score, document))
    document, target = document[ranked], target[ranked]
    starts = np.searchsorted(document, np.arange(len(held_out.texts)))
    rank = np.arange(len(document)) - starts[document]
    quality = np.zeros(len(held_out.texts))
    for cut in _CUTS:
        hits = np.bincount(document[target & (rank < cut)], minlength=len(quality))
        quality += hits / cut / len(_CUTS)
    return quality


@dataclass(frozen=True)
class Gate:
    """Whether a new tagger may take over.

    passed : bool
    basis : "held-out", "completed" or "none"
        What it was compared on; "none": nothing could be compared, and nothing is claimed.
    tagger, zero_shot, promoted : float or None
        Quality of the three on it.
    se : float or None
        Standard error of the difference of tagger and zero-shot.
    n_docs : int
    message : str
        For the user.
    """

    passed: bool
    basis: str
    message: str
    tagger: float | None = None
    zero_shot: float | None = None
    promoted: float | None = None
    se: float | None = None
    n_docs: int = 0

    def as_dict(self) -> dict[str, object]:
        """As it is kept with the run."""
        return asdict(self)


def gate(tagger: Tagger, zero_shot: Tagger, promoted: Tagger | None, held_out: HeldOut | None) -> Gate:
    """Compare a new tagger with the zero-shot ranking and with the one in use.

    On cross-validated completed documents where there are any, since people know best; else on
    held-out judged documents. It passes if it is not below zero-shot, and not below the one in
    use by more than the standard error (which is compared on held-out documents only).
    """
    if tagger.validation:
        q, base = tagger.validation["tagger"], tagger.validation["zero_shot"]
        passed = q >= base
        n = int(tagger.validation["n_docs"])
        return Gate(
            passed,
            "completed",
            f"On the {n} documents that people completed (each ranked without its own labels): quality "
            f"{100 * q:.1f} %, without any learning {100 * base:.1f} %.",
            q,
            base,
            None,
            tagger.validation["se"],
            n,
        )
    if tagger.teacher == "evidence":
        return Gate(
            True, "none", "The evidence teacher's own opinion proves nothing, so nothing is compared."
        )
    if held_out is None or len(held_out.texts) < MIN_DOCUMENTS:
        return Gate(True, "none", "There are too few held-out judged documents to compare on.")
    ours, base_of = judged_quality(tagger, held_out), judged_quality(zero_shot, held_out)
    n = len(ours)
    message = f"On {n} held-out documents, by the teacher's verdicts: precision {100 * ours.mean():.1f} %, "
    message += f"without any learning {100 * base_of.mean():.1f} %"
    passed = bool(ours.mean() >= base_of.mean())
    in_use: float | None = None
    if promoted is not None and promoted.label_ids == tagger.label_ids:
        theirs = judged_quality(promoted, held_out)
        in_use = float(theirs.mean())
        passed = passed and float((ours - theirs).mean()) >= -standard_error(ours - theirs)
        message += f", the one in use {100 * in_use:.1f} %"
    return Gate(
        passed,
        "held-out",
        f"{message}.",
        float(ours.mean()),
        float(base_of.mean()),
        in_use,
        standard_error(ours - base_of),
        n,
    )


def improved(new: NDArray[np.float64], best: NDArray[np.float64] | None) -> bool:
    """Whether a round is better than the best before by more than the standard error of the difference."""
    if best is None:
        return True
    return bool((new - best).mean() > standard_error(new - best))
