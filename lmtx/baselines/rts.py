"""RTS: contrastive pre-training on pairs from the structure of documents, cut at random.

Zhang et al., Structural Contrastive Representation Learning for Zero-shot Multi-label Text Classification,
Findings of EMNLP 2022; code tonyzhang617/structural-contrastive-representation-learning. Here it starts from
the workspace's encoder, with that encoder's own pooling (the original reads the first token), and the
learning rate falls to zero instead of to a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmtx.baselines.segments import LONGEST, SHORTEST, segments, title_and_content
from lmtx.encoder import SentenceEncoder, label_text
from lmtx.errors import InputError, NothingToDoError
from lmtx.student.tower import Tower
from lmtx.types import Document, Label, Progress, no_progress, unit_hash

if TYPE_CHECKING:
    from datasets import Dataset

STRUCTURE = "Titles, labels and segments"


@dataclass(frozen=True)
class RtsConfig:
    """How RTS trains; the values are the published ones.

    Attributes
    ----------
    epochs : int
        Passes; each cuts the documents anew.
    max_steps : int or None
        At most so many steps.
    batch : int
        Pairs a step.
    lr : float
        Learning rate at the start; falls linearly.
    shortest, longest : int
        Words of a segment.
    max_length : int
        Tokens read of a text.
    scale : float
        Inverse temperature of the cosine.
    max_documents : int or None
        Documents to train on, drawn by the seed; None takes all.
    seed : int
    threads : int or None
        Torch threads; None leaves torch's setting alone.
    """

    epochs: int = 10
    max_steps: int | None = None
    batch: int = 512
    lr: float = 5e-5
    shortest: int = SHORTEST
    longest: int = LONGEST
    max_length: int = 160
    scale: float = 20.0
    max_documents: int | None = None
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing; they come from settings and the command line."""
        for name in ("epochs", "batch", "shortest", "longest", "max_steps", "max_documents"):
            value = getattr(self, name)
            if value is None and name.startswith("max_"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"RTS setting {name}: got {value!r}, expected 1 or more, whole.")
        if not 1 <= self.shortest <= self.longest:
            raise InputError(
                f"RTS settings shortest and longest: got {self.shortest} and {self.longest} words, "
                "expected 1 or more, and longest not below shortest."
            )

    @classmethod
    def small(cls) -> RtsConfig:
        """Return what ends within minutes on a processor; docs/baselines.md says what it costs."""
        return cls(epochs=3, max_steps=100, batch=32, lr=2e-5, max_length=96, max_documents=1_000)


Pair = tuple[str, str]


def rts(
    encoder: SentenceEncoder,
    documents: Sequence[Document],
    labels: Sequence[Label],
    folder: Path,
    config: RtsConfig | None = None,
    progress: Progress = no_progress,
    *,
    checkpoints: Path | None = None,
) -> Tower:
    """Pre-train a copy of an encoder on texts and label names.

    No verdict, no decision and no gold label is read.

    Parameters
    ----------
    encoder : SentenceEncoder
        Stays as it is.
    documents : sequence of Document
        Of role train. Where one has no title, its first sentence stands for it.
    labels : sequence of Label
    folder : Path
        Where the model is written, in the format of sentence-transformers.
    config : RtsConfig, optional
        None: `RtsConfig.small()`.
    progress : callable
        Called with (step, steps, message); may raise `JobCancelled`.
    checkpoints : Path, optional
        As for `fit_encoder`.

    Raises
    ------
    NothingToDoError
        If there is nothing to pair.
    """
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    from lmtx.baselines.losses import in_order
    from lmtx.student.trainer import TrainerConfig, fit_encoder

    config = config or RtsConfig.small()
    return fit_encoder(
        encoder,
        pairs_dataset(documents, labels, config),
        lambda model: MultipleNegativesRankingLoss(model, scale=config.scale),
        folder,
        TrainerConfig(
            epochs=1,  # the dataset holds all passes, as each has other segments
            max_steps=config.max_steps,
            batch=config.batch,
            lr=config.lr,
            warmup=0.0,
            max_length=config.max_length,
            seed=config.seed,
            threads=config.threads,
        ),
        progress,
        checkpoints=checkpoints,
        batch_sampler=in_order,
        message=STRUCTURE,
    )


def pairs_dataset(documents: Sequence[Document], labels: Sequence[Label], config: RtsConfig) -> Dataset:
    """All pairs in the order of training, pass after pass, columns "first" and "second".

    Raises
    ------
    NothingToDoError
        If there are fewer than two pairs.
    """
    from datasets import Dataset, concatenate_datasets

    order = sorted(documents, key=lambda d: unit_hash(str(config.seed), "rts", d.id))
    parts = [title_and_content(d) for d in order[: config.max_documents]]
    names = [label_text(x) for x in labels]
    wanted = None if config.max_steps is None else config.max_steps * config.batch
    passes, n_pairs = [], 0
    for epoch in range(config.epochs):
        rng = np.random.default_rng([config.seed, epoch])
        pairs = pairs_of_a_pass(parts, names, rng, config)
        if len(pairs) < 2:
            raise NothingToDoError(
                f"RTS: {len(documents)} training documents and {len(labels)} labels give {len(pairs)} pairs; "
                "expected 2 at least. Import documents and labels first."
            )
        shuffled = [pairs[int(i)] for i in rng.permutation(len(pairs))]
        if wanted is not None:
            shuffled = shuffled[: wanted - n_pairs]
        n_pairs += len(shuffled)
        columns = dict(zip(("first", "second"), map(list, zip(*shuffled, strict=True)), strict=True))
        passes.append(Dataset.from_dict(columns))
        if n_pairs == wanted:
            break
    return concatenate_datasets(passes)


def pairs_of_a_pass(
    documents: Sequence[tuple[str, str]],
    names: Sequence[str],
    rng: np.random.Generator,
    config: RtsConfig,
) -> list[Pair]:
    """Pairs of one pass over the corpus (RTS, section 3.3).

    A title with itself and a label with itself, which dropout reads in two ways; a title with each segment of
    its text; the segments of another cutting with each other, two by two. One that is left over goes with the
    first segment of its document, so a text of one segment goes with itself.

    Parameters
    ----------
    documents : sequence of (title, content)
    names : sequence of str
        Texts of labels.
    rng : Generator
    config : RtsConfig
    """

    def cut(text: str) -> list[str]:
        return segments(text, rng, config.shortest, config.longest)

    found = [(title, title) for title, _ in documents if title]
    found += [(name, name) for name in names if name]
    for title, content in documents:
        if title:
            found += [(title, segment) for segment in cut(content)]
        several = cut(content)
        order = rng.permutation(len(several)).tolist()
        for i in range(0, len(order), 2):
            other = order[i + 1] if i + 1 < len(order) else 0
            found.append((several[order[i]], several[other]))
    return found


__all__ = ["RtsConfig", "rts"]
