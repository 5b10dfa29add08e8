"""MACLR: pre-training on a corpus alone, by pairs of title and content, then by its own guesses.

Xiong et al., Extreme Zero-Shot Learning for Extreme Text Classification, NAACL 2022; its published code is
examples/MACLR of amzn/pecos. Here it starts from the workspace's encoder and runs through `fit_encoder`.

What differs from the published code, and why:

- Scores are cosines times `scale`. The original adds a layer and takes plain products of its vectors; a
  student's vectors have unit length. Its threshold on a product ("36") becomes a share, `sure_share`.
- The number of clusters follows the corpus (`clusters`).
- In self-training, two documents of a batch with the same pseudo label are both right for it; the original
  counts the other one as wrong, which hurts where there are few labels.
- A label is read as the encoder reads it everywhere here: "name: description".
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmtx.baselines.segments import passes, sentences, title_and_content, without_title
from lmtx.encoder import SentenceEncoder, label_text, load_encoder
from lmtx.encoder.identity import prompt_of
from lmtx.errors import InputError, NothingToDoError
from lmtx.shortlist import LexicalIndex, dense_topk
from lmtx.student.tower import Tower
from lmtx.types import Document, FloatArray, IntArray, Label, Progress, no_progress, unit_hash

if TYPE_CHECKING:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer

    from lmtx.student.trainer import Snapshot

PAIRS, SELF_TRAINING = "Title and content pairs", "Self-training"

_CHUNK = 256  # texts between two looks at whether the job was cancelled


@dataclass(frozen=True)
class MaclrConfig:
    """How MACLR trains; the values are the published ones.

    Attributes
    ----------
    steps, self_steps : int
        Steps of the first stage and of self-training.
    batch : int
        Pairs a step; published: 16 on each of 8 devices.
    lr : float
        Highest learning rate: rises over `warmup` of the steps, then falls to zero.
    warmup : float
        Share of the steps of a stage.
    max_length : int
        Tokens read of a text.
    keep_title : float
        Probability that a sentence keeps the title it repeats.
    clusters : int or None
        Clusters at first. Published: 2,500 for some 295,000 documents; None takes that share, at least twice
        the batch, so that a document has seldom more than one stranger for a partner.
    doublings : int
        Numbers of clusters, each twice the one before, in the first half of the first stage; in the second
        half each document stands for itself.
    refits : int
        Times that documents are clustered anew for each number of clusters.
    label_share : float
        Labels drawn a step for the regularisation, as a share of the batch; 0 leaves it out.
    scale : float
        Inverse temperature.
    sure_share : float
        Share of the documents, the surest first, whose label by the encoder becomes a pair of self-training.
        The label by TF-IDF always does.
    max_documents : int or None
        Documents to train on, drawn by the seed; None: all that fit into the steps.
    seed : int
    threads : int or None
        Torch threads; None leaves torch's setting alone.
    """

    steps: int = 100_000
    self_steps: int = 100_000
    batch: int = 128
    lr: float = 1e-5
    warmup: float = 0.1
    max_length: int = 288
    keep_title: float = 0.1
    clusters: int | None = None
    doublings: int = 5
    refits: int = 2
    label_share: float = 0.25
    scale: float = 20.0
    sure_share: float = 0.5
    max_documents: int | None = None
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing; they come from settings and the command line."""
        whole = {"steps": 1, "self_steps": 0, "batch": 2, "doublings": 0, "refits": 1}
        whole |= {n: 2 for n in ("clusters", "max_documents") if getattr(self, n) is not None}
        for name, least in whole.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise InputError(f"MACLR setting {name}: got {value!r}, expected {least} or more, whole.")
        for name in ("keep_title", "label_share", "sure_share"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InputError(f"MACLR setting {name}: got {value!r}, expected a share between 0 and 1.")

    @classmethod
    def small(cls) -> MaclrConfig:
        """Return what ends within minutes on a processor; docs/baselines.md says what it costs."""
        return cls(steps=100, self_steps=50, batch=16, lr=2e-5, max_length=96, refits=1, max_documents=1_000)

    def clusters_at(self, step: int, n_docs: int) -> int | None:
        """Return the number of clusters at a step; None where each document stands for itself."""
        phase = 2 * self.doublings * step // self.steps
        if phase >= self.doublings:
            return None
        first = self.clusters or max(n_docs // 118, 2 * self.batch)
        found = first * 2**phase
        return int(found) if found < n_docs else None


@dataclass(frozen=True)
class TitledContent:
    """Documents that have a title, or a first sentence for it, and more to say.

    Attributes
    ----------
    documents : list of Document
    titles : list of str
    contents : list of list of str
        Sentences.
    """

    documents: list[Document]
    titles: list[str]
    contents: list[list[str]]

    @classmethod
    def of(cls, documents: Sequence[Document], limit: int, seed: int) -> TitledContent:
        """Take up to `limit` documents of at least two sentences, drawn by the seed.

        Raises
        ------
        NothingToDoError
            If fewer than two documents are left.
        """
        order = sorted(documents, key=lambda d: unit_hash(str(seed), "maclr", d.id))
        found = cls([], [], [])
        for document in order:
            if len(found.documents) == limit:
                break
            title, content = title_and_content(document)
            parts = sentences(content)
            if title and len(parts) > 1:
                found.documents.append(document)
                found.titles.append(title)
                found.contents.append(parts)
        if len(found.documents) < 2:
            raise NothingToDoError(
                f"MACLR: {len(found.documents)} of {len(documents)} training documents have a title, or a "
                "first sentence, and a text of two sentences; expected 2 or more. Import longer texts."
            )
        return found

    def drawn(self, item: int, draw: int, config: MaclrConfig) -> str:
        """Content of a document for one draw; the same draw gives the same text."""
        rng = np.random.default_rng([config.seed, draw])
        return without_title(self.contents[item], self.titles[item], config.keep_title, rng)

    def dataset(self, items: IntArray, config: MaclrConfig) -> Dataset:
        """Pairs (title, content) in the order of training; texts are made when a batch is read.

        Parameters
        ----------
        items : int32 (n_draws,)
            Row of the document of each draw.
        """
        from datasets import Dataset

        def texts(rows: dict[str, list[int]]) -> dict[str, list[Any]]:
            drawn = zip(rows["content"], rows["label"], strict=True)
            return {
                "title": [self.titles[i] for i in rows["title"]],
                "content": [self.drawn(i, draw, config) for i, draw in drawn],
                "label": rows["label"],
            }

        columns = {"title": items, "content": items, "label": np.arange(len(items))}
        return Dataset.from_dict(columns).with_transform(texts)


def maclr(
    encoder: SentenceEncoder,
    documents: Sequence[Document],
    labels: Sequence[Label],
    folder: Path,
    config: MaclrConfig | None = None,
    progress: Progress = no_progress,
    *,
    checkpoints: Path | None = None,
) -> Tower:
    """Pre-train a copy of an encoder on texts and label names.

    No verdict, no decision and no gold label is read. Both stages train through `fit_encoder`.

    Parameters
    ----------
    encoder : SentenceEncoder
        Stays as it is.
    documents : sequence of Document
        Of role train. Where one has no title, its first sentence stands for it.
    labels : sequence of Label
    folder : Path
        Where the model is written, in the format of sentence-transformers.
    config : MaclrConfig, optional
        None: `MaclrConfig.small()`.
    progress : callable
        Called with (step, steps of both stages, stage); may raise `JobCancelled`.
    checkpoints : Path, optional
        As for `fit_encoder`; holds the model of the first stage too. Removed at the end.

    Raises
    ------
    NothingToDoError
        If there are fewer than two usable documents, or no label.
    """
    config = config or MaclrConfig.small()
    if not labels:
        raise NothingToDoError("MACLR: the label set is empty. Import labels first.")
    if checkpoints is not None and folder.is_dir():
        return Tower(folder)
    limit = min(config.max_documents or len(documents), max(2, config.steps * config.batch))
    corpus = TitledContent.of(documents, limit, config.seed)
    total = config.steps + config.self_steps
    with _between(folder, checkpoints) as work:
        # Each stage its own: what a kill leaves of the first is no checkpoint of the second.
        one, two = (None if checkpoints is None else work / name for name in ("pairs", "self-training"))
        first = work / "pairs-model" if config.self_steps else folder
        tower = train_pairs(encoder, corpus, labels, first, config, _within(progress, 0, total), one)
        if config.self_steps:
            trained = load_encoder(str(first), encoder.device, max_length=encoder.max_length)
            ahead = _within(progress, config.steps, total)
            tower = self_train(trained, corpus, labels, folder, config, ahead, two)
    return tower


def train_pairs(
    encoder: SentenceEncoder,
    corpus: TitledContent,
    labels: Sequence[Label],
    folder: Path,
    config: MaclrConfig,
    progress: Progress,
    checkpoints: Path | None,
) -> Tower:
    """First stage: title against content, clusters of documents as positives, labels drawn as negatives."""
    from lmtx.baselines.losses import GroupedPairs, in_order
    from lmtx.student.trainer import Snapshot, fit_encoder

    n_docs = len(corpus.documents)
    items = passes(n_docs, config.steps * config.batch, np.random.default_rng(config.seed))
    texts = [d.full_text for d in corpus.documents]

    def groups(model: SentenceTransformer, step: int) -> NDArray[np.int64] | None:
        n_clusters = config.clusters_at(step, n_docs)
        if n_clusters is None:
            return None
        snapshot = Snapshot(model, encoder.name, any(type(module).__name__ == "Router" for module in model))
        return clustered(
            snapshot, texts, n_clusters, config.seed, lambda: progress(step, config.steps, PAIRS)
        )

    def loss(model: SentenceTransformer) -> GroupedPairs:
        return GroupedPairs(
            model,
            items,
            groups,
            lambda step: _clustering(config, step, n_docs),
            batch=config.batch,
            scale=config.scale,
            labels=[label_text(x) for x in labels],
            n_labels=round(config.label_share * config.batch),
            label_prompt=prompt_of(encoder.name, "label"),
            seed=config.seed,
        )

    return fit_encoder(
        encoder,
        corpus.dataset(items, config),
        loss,
        folder,
        _training(config, config.steps),
        progress,
        checkpoints=checkpoints,
        batch_sampler=in_order,
        message=PAIRS,
    )


def self_train(
    encoder: SentenceEncoder,
    corpus: TitledContent,
    labels: Sequence[Label],
    folder: Path,
    config: MaclrConfig,
    progress: Progress,
    checkpoints: Path | None,
) -> Tower:
    """Second stage: documents against the labels that TF-IDF and the first stage give them."""
    from datasets import Dataset

    from lmtx.baselines.losses import GroupedPairs, in_order
    from lmtx.student.trainer import fit_encoder

    texts = [d.full_text for d in corpus.documents]
    names = [label_text(x) for x in labels]
    vectors = encoder.encode(texts, progress=lambda *_: progress(0, config.self_steps, SELF_TRAINING))
    rows, columns = pseudo_pairs(texts, labels, vectors, encoder.encode(names, role="label"), config)
    rng = np.random.default_rng([config.seed, 1])
    drawn = passes(len(rows), config.self_steps * config.batch, rng)

    def shown(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        return {
            "name": [names[i] for i in batch["name"]],
            "content": [texts[i] for i in batch["content"]],
            "label": batch["label"],
        }

    pairs = {"name": columns[drawn], "content": rows[drawn], "label": np.arange(len(drawn))}

    def loss(model: SentenceTransformer) -> GroupedPairs:
        return GroupedPairs(
            model,
            columns[drawn],
            lambda model, step: None,
            lambda step: None,
            batch=config.batch,
            scale=config.scale,
        )

    return fit_encoder(
        encoder,
        Dataset.from_dict(pairs).with_transform(shown),
        loss,
        folder,
        _training(config, config.self_steps),
        progress,
        checkpoints=checkpoints,
        label_columns=("name",),
        batch_sampler=in_order,
        message=SELF_TRAINING,
    )


def pseudo_pairs(
    texts: Sequence[str],
    labels: Sequence[Label],
    doc_vectors: FloatArray,
    label_vectors: FloatArray,
    config: MaclrConfig,
) -> tuple[IntArray, IntArray]:
    """Pairs that self-training takes for right: the best label by TF-IDF, and the encoder's where it is sure.

    Returns
    -------
    rows, columns : int32 (n_pairs,)
        Row of the document and of the label; a document has at most two pairs.
    """
    lexical = LexicalIndex(labels, texts).topk(texts, 1, "tfidf").label_idx[:, 0]
    dense = dense_topk(doc_vectors, label_vectors, 1)
    best, score = dense.label_idx[:, 0], dense.score[:, 0]
    n_sure = round(config.sure_share * len(texts))
    sure = np.zeros(len(texts), dtype=bool)
    sure[np.argsort(-score, kind="stable")[:n_sure]] = True
    sure &= best != lexical
    rows = np.concatenate([np.flatnonzero(lexical >= 0), np.flatnonzero(sure)])
    columns = np.concatenate([lexical[lexical >= 0], best[sure]])
    return rows.astype(np.int32), columns.astype(np.int32)


def clustered(
    snapshot: Snapshot, texts: Sequence[str], n_clusters: int, seed: int, tick: Callable[[], None]
) -> NDArray[np.int64]:
    """Cluster of each text by k-means on the model's vectors as they are now; `tick` may raise.

    Returns
    -------
    int64 (n_texts,)
    """
    from sklearn.cluster import KMeans

    training = snapshot.model.training
    found = []
    for start in range(0, len(texts), _CHUNK):
        tick()
        found.append(snapshot.encode(texts[start : start + _CHUNK]))
    snapshot.model.train(training)  # encoding turns dropout off
    means = KMeans(n_clusters, init="random", n_init=1, max_iter=20, random_state=seed)
    return np.asarray(means.fit_predict(np.concatenate(found)), dtype=np.int64)


def _clustering(config: MaclrConfig, step: int, n_docs: int) -> tuple[int, int] | None:
    """What tells one clustering from the next: the number of clusters, and which fit of it."""
    n_clusters = config.clusters_at(step, n_docs)
    if n_clusters is None:
        return None
    return n_clusters, 2 * config.doublings * config.refits * step // config.steps


def _training(config: MaclrConfig, steps: int) -> Any:
    from lmtx.student.trainer import TrainerConfig

    return TrainerConfig(
        epochs=1,
        max_steps=steps,
        batch=config.batch,
        lr=config.lr,
        warmup=config.warmup,
        weight_decay=0.0,
        max_length=config.max_length,
        seed=config.seed,
        threads=config.threads,
    )


def _within(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _, message: progress(before + done, total, message)


@contextmanager
def _between(folder: Path, checkpoints: Path | None) -> Iterator[Path]:
    """A folder for the model between the stages: kept with the checkpoints until the end."""
    if checkpoints is not None:
        checkpoints.mkdir(parents=True, exist_ok=True)
        yield checkpoints
        shutil.rmtree(checkpoints, ignore_errors=True)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
        yield Path(name)


__all__ = ["MaclrConfig", "maclr"]
