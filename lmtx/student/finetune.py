"""The fine-tuned student: an encoder of its own that has learned from verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import SentenceEncoder
from lmtx.encoder.identity import prompt_of
from lmtx.errors import NothingToDoError, ShapeError
from lmtx.student.kinds import FinetuneConfig
from lmtx.student.tower import Tower
from lmtx.student.trainer import Snapshot, TrainerConfig, fit_encoder
from lmtx.types import FloatArray, Pairs, Progress, no_progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MIN_HELD_OUT = 20
"""Fewer held-out documents than this stop nothing."""

MAX_HELD_OUT = 300
"""Held-out documents that are encoded after each epoch at most."""

_CUTS = (1, 3, 5)


@dataclass(frozen=True)
class JudgedTexts:
    """Documents and what was said of them.

    texts : sequence of str
    pairs : Pairs
        Document rows count within `texts`.
    probability : float32 (n_pairs,) or None
        P(yes) by the teacher; None: the targets.
    """

    texts: Sequence[str]
    pairs: Pairs
    probability: FloatArray | None = None


def finetune(
    encoder: SentenceEncoder,
    documents: JudgedTexts,
    label_texts: Sequence[str],
    folder: Path,
    config: FinetuneConfig | None = None,
    progress: Progress = no_progress,
    *,
    held_out: JudgedTexts | None = None,
    checkpoints: Path | None = None,
) -> Tower:
    """Train a copy of an encoder on verdicts.

    Documents without a wanted label are left out, as in the published procedure: no loss but "bce" and
    "margin_mse" learns from them, and these little.

    Parameters
    ----------
    encoder : SentenceEncoder
        Stays as it is; every training starts from it.
    documents : JudgedTexts
    label_texts : sequence of str
        `lmtx.encoder.label_text` of each label, by row.
    folder : Path
        Where the model is written.
    config : FinetuneConfig, optional
    progress : callable
        Called once a step; may raise `JobCancelled`.
    held_out : JudgedTexts, optional
        Documents that no training sees. With `config.early_stopping` and at least `MIN_HELD_OUT` of
        them that have a wanted label, the best epoch on them is kept.
    checkpoints : Path, optional
        As for `fit_encoder`.

    Raises
    ------
    NothingToDoError
        If there is no wanted pair.
    ShapeError
        If pairs name a label that has no text.

    References
    ----------
    Zhang, Ullah and Babbar, Large Language Model as a Teacher for Zero-shot Tagging at Extreme Scales, COLING
    2025, section 3.3. `docs/adr/0008-fine-tuned-students.md` says what differs.
    """
    from datasets import Dataset

    from lmtx.student.losses import LOSSES, JudgedPairs, LabelLoss

    config = config or FinetuneConfig()
    pairs = documents.pairs
    if len(pairs) and int(pairs.label_idx.max()) >= len(label_texts):
        raise ShapeError(
            f"pairs name label row {int(pairs.label_idx.max())}; there are {len(label_texts)} label texts."
        )
    judged = JudgedPairs(pairs, documents.probability)
    rows = judged.with_yes()
    if not rows:
        raise NothingToDoError(
            f"Nothing to fine-tune on: {len(pairs)} judged pairs, none of them wanted. "
            "Let a teacher judge more documents, or review some."
        )
    prompt = prompt_of(encoder.name, "label") or ""
    names = [prompt + text for text in label_texts]

    def loss(model: SentenceTransformer) -> LabelLoss:
        routed = any(type(module).__name__ == "Router" for module in model)
        return LabelLoss(
            model, names, judged, LOSSES[config.loss], label_length=config.label_length, routed=routed
        )

    return fit_encoder(
        encoder,
        Dataset.from_dict({"document": [documents.texts[i] for i in rows], "label": rows}),
        loss,
        folder,
        TrainerConfig(**{f.name: getattr(config, f.name) for f in fields(TrainerConfig)}),
        progress,
        checkpoints=checkpoints,
        evaluate=_evaluation(held_out, label_texts) if config.early_stopping else None,
        message="Fine-tuning the student",
    )


def _evaluation(
    held_out: JudgedTexts | None, label_texts: Sequence[str]
) -> Callable[[Snapshot], float] | None:
    if held_out is None or not len(held_out.pairs):
        return None
    pairs = held_out.pairs
    rows = np.unique(pairs.document_idx[pairs.target > 0.5])[:MAX_HELD_OUT]
    if len(rows) < MIN_HELD_OUT:
        return None
    keep = np.isin(pairs.document_idx, rows)
    document = np.searchsorted(rows, pairs.document_idx[keep])
    used, label = np.unique(pairs.label_idx[keep], return_inverse=True)
    texts, names = [held_out.texts[int(i)] for i in rows], [label_texts[int(i)] for i in used]
    wanted = pairs.target[keep] > 0.5

    def evaluate(snapshot: Snapshot) -> float:
        documents, labels = snapshot.encode(texts), snapshot.encode(names, role="label")
        score = np.einsum("ij,ij->i", documents[document], labels[label])
        return float(judged_precision(document, wanted, score, len(rows)).mean())

    return evaluate


def judged_precision(
    document: NDArray[np.integer], wanted: NDArray[np.bool_], score: FloatArray, n_docs: int
) -> NDArray[np.float64]:
    """Mean of P@1, P@3 and P@5 of each document, ranking its judged labels only.

    Parameters
    ----------
    document : int (n_pairs,)
        Row of each pair's document.
    wanted : bool (n_pairs,)
    score : float (n_pairs,)
    n_docs : int

    Returns
    -------
    float64 (n_docs,)
        In [0, 1].
    """
    order = np.lexsort((-score, document))
    document, wanted = document[order], wanted[order]
    rank = np.arange(len(document)) - np.searchsorted(document, np.arange(n_docs))[document]
    quality = np.zeros(n_docs)
    for cut in _CUTS:
        hits = np.bincount(document[wanted & (rank < cut)], minlength=n_docs)
        quality += hits / cut / len(_CUTS)
    return quality


__all__ = ["JudgedTexts", "finetune", "judged_precision"]
