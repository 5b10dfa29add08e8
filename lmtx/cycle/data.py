"""What training reads from the journal: judgments overridden by decisions, never the reserve or test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lmtx.encoder import EmbeddingCache, SentenceEncoder
from lmtx.errors import InputError
from lmtx.journal import Journal
from lmtx.student import AdapterConfig
from lmtx.tagger import HeldOut, OwnEncoder, Tagger, TeacherKind, TrainingInputs
from lmtx.types import CorpusView, Document, FloatArray, IntArray, Label, Pairs, unit_hash

EVIDENCE = "evidence"
MAX_HELD_OUT = 500
"""Most held-out documents that are judged and scored; the standard error is small enough there."""

_WANTED = {"accepted": 1.0, "proposed": 1.0, "rejected": 0.0, "declined": 0.0}


@dataclass(frozen=True)
class CycleInputs:
    """What cycle and training need of a workspace.

    Attributes
    ----------
    journal : Journal
    folder : Path
        The workspace; runs are written to `runs/<id>` in it.
    encoder_key : str
    document_vectors, label_vectors : callable
        Documents or labels -> float32 (n, dim), unit rows; encode what is not cached.
    seed : int
        Order of judging, sampling and training.
    top_k : int
        Length of a shortlist.
    threads : int or None
        Torch threads of the training; None leaves torch's setting.
    beside : callable
        Called with a tagger and its folder before the run is recorded: writes what else belongs there.
    encoder : callable or None
        The encoder itself, for students that get one of their own; None where there is none.
    cache : EmbeddingCache or None
        Where vectors of such a student are kept.
    """

    journal: Journal
    folder: Path
    encoder_key: str
    document_vectors: Callable[[Sequence[Document]], FloatArray]
    label_vectors: Callable[[Sequence[Label]], FloatArray]
    seed: int = 0
    top_k: int = 10
    threads: int | None = None
    beside: Callable[[Tagger, Path], None] = lambda tagger, folder: None
    encoder: Callable[[], SentenceEncoder] | None = None
    cache: EmbeddingCache | None = None

    def own_encoder(self) -> SentenceEncoder:
        """Return the encoder to train a copy of.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.encoder is None:
            raise InputError(
                "There is no encoder here to train a copy of. Train a student of kind 'adapter'."
            )
        return self.encoder()

    def student_config(self, **changes: object) -> AdapterConfig:
        """Return the student's configuration with this seed and these threads, and other values changed."""
        values: dict[str, object] = {"seed": self.seed, "threads": self.threads, **changes}
        return AdapterConfig(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Training:
    """The training set, as rows of a corpus view.

    Attributes
    ----------
    view : CorpusView
    rows : int32 (n_docs,)
        Training documents: judged, decided on or completed, of role train.
    pairs : Pairs
        Document rows count within `rows`.
    completed : dict
        Row within `rows` -> labels.
    held_out_rows : int32 (n_held_out,)
        Judged held-out documents.
    held_out_pairs : Pairs
        Document rows count within `held_out_rows`.
    teacher : {"teacher", "evidence", "none"}
    n_decisions : int
        Pairs whose state a person decided.
    probability : float32 (n_pairs,)
        P(yes) by the teacher where it gave one and nobody decided, else the target.
    """

    view: CorpusView
    rows: IntArray
    pairs: Pairs
    completed: dict[int, IntArray]
    held_out_rows: IntArray
    held_out_pairs: Pairs
    teacher: TeacherKind
    n_decisions: int
    probability: FloatArray

    @property
    def n_yes(self) -> int:
        """Wanted pairs."""
        return int((self.pairs.target > 0.5).sum())

    def fingerprint(self) -> str:
        """Hash of all that is trained on: texts, labels, targets, weights, completed documents."""
        digest = hashlib.sha256()
        for label in self.view.labels:
            digest.update(f"{label.id}\0{label.hash}\0".encode("utf-8", "surrogatepass"))
        for i in self.rows:
            document = self.view.documents[int(i)]
            digest.update(f"{document.id}\0{document.hash}\0".encode("utf-8", "surrogatepass"))
        for pairs in (self.pairs, self.held_out_pairs):
            for array in (pairs.document_idx, pairs.label_idx, pairs.target, pairs.weight):
                digest.update(np.ascontiguousarray(array).tobytes())
        for row in sorted(self.completed):
            digest.update(np.array([row, *self.completed[row]], dtype=np.int64).tobytes())
        return digest.hexdigest()[:32]

    def fingerprint_of_pairs(self) -> str:
        """Hash of what a student is trained on: documents and pairs by row."""
        digest = hashlib.sha256(np.ascontiguousarray(self.rows).tobytes())
        for array in (self.pairs.document_idx, self.pairs.label_idx, self.pairs.target, self.pairs.weight):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def documents(self) -> list[Document]:
        """Training documents."""
        return [self.view.documents[int(i)] for i in self.rows]

    def inputs(
        self, source: CycleInputs, config: AdapterConfig, own_encoder: OwnEncoder | None = None
    ) -> TrainingInputs:
        """Return what `Tagger.fit` reads, vectors fetched."""
        documents = self.documents()
        held = [self.view.documents[int(i)] for i in self.held_out_rows]
        held_out = None
        if held:
            vectors = source.document_vectors(held)
            held_out = HeldOut([d.full_text for d in held], vectors, self.held_out_pairs)
        return TrainingInputs(
            labels=self.view.labels,
            label_vectors=source.label_vectors(self.view.labels),
            texts=[d.full_text for d in documents],
            doc_vectors=source.document_vectors(documents),
            pairs=self.pairs,
            completed=self.completed,
            teacher=self.teacher,
            held_out=held_out,
            student_config=config,
            own_encoder=own_encoder,
            encoder_key=source.encoder_key,
            seed=source.seed,
        )


class KeptVectors:
    """Vectors of documents, fetched once: the provider may read a database."""

    def __init__(self, inputs: CycleInputs) -> None:
        self._fetch = inputs.document_vectors
        self._vectors: dict[str, FloatArray] = {}

    def __call__(self, documents: Sequence[Document]) -> FloatArray:
        """Return float32 (n_docs, dim), unit rows."""
        hashes = [d.hash for d in documents]
        missing = {h: d for h, d in zip(hashes, documents, strict=True) if h not in self._vectors}
        if missing:
            for found, vector in zip(missing, self._fetch(list(missing.values())), strict=True):
                self._vectors[found] = vector
        if not hashes:
            return self._fetch([])
        return np.stack([self._vectors[h] for h in hashes])


def seeded_rows(view: CorpusView, seed: int, limit_docs: int | None) -> IntArray:
    """Train and held-out documents in seeded order, up to `limit_docs` train documents.

    A prefix of it is a random sample with its share of held-out documents, so a cycle that
    is cut short leaves something usable, and a longer one goes on where it ended.
    """
    rows = view.rows("train", "held_out").tolist()
    order = sorted(rows, key=lambda i: unit_hash(str(seed), "judge", view.documents[i].id))
    if limit_docs is None:
        return np.array(order, dtype=np.int32)
    n_train = np.cumsum([view.roles[i] == "train" for i in order])
    end = int(np.searchsorted(n_train, limit_docs, side="left")) + 1
    return np.array(order[:end] if limit_docs > 0 else [], dtype=np.int32)


def training_set(
    journal: Journal,
    view: CorpusView,
    decision_weight: float = 3.0,
    until: tuple[int, int] | None = None,
) -> Training:
    """Read the training set from the journal.

    Newest standing decisions override judgments; unparsed answers train nothing. Verdicts of
    the evidence teacher are left out of the held-out pairs: they can measure nothing.

    Parameters
    ----------
    journal : Journal
    view : CorpusView
        Of this journal.
    decision_weight : float
        Weight of a decided pair; a judged one has 1.
    until : (int, int), optional
        Leave out the judgments that `Journal.pairs_frame` leaves out with it.
    """
    specs = {t.key: t.spec for t in journal.teachers()}
    frame = journal.pairs_frame(until=until)
    n_docs = len(view.documents)
    document = _rows(frame["document_id"], view.document_idx)
    label = _rows(frame["label_id"], view.label_idx)
    target = frame["state"].map(_WANTED).to_numpy(dtype=np.float64)
    decided = frame["decision"].notna().to_numpy()
    roles = np.array(view.roles, dtype=object)
    role = np.where(document >= 0, roles[np.maximum(document, 0)] if n_docs else "", "")
    usable = (document >= 0) & (label >= 0) & ~np.isnan(target)
    evidence_keys = [key for key, spec in specs.items() if spec == EVIDENCE]
    by_evidence = frame["teacher_key"].isin(evidence_keys).to_numpy() & ~decided

    in_train = usable & (role == "train")
    completed = {
        view.document_idx[i]: np.array(
            [view.label_idx[x] for x in labels if x in view.label_idx],  # the view may be older
            dtype=np.int32,
        )
        for i, labels in journal.completed().items()
        if i in view.document_idx and view.roles[view.document_idx[i]] == "train"
    }
    done = np.array(sorted(completed), dtype=np.int64)
    rows = np.union1d(document[in_train], done).astype(np.int32)
    position = np.full(n_docs, -1, dtype=np.int32)
    position[rows] = np.arange(len(rows), dtype=np.int32)
    held = usable & (role == "held_out") & ~by_evidence
    held_rows = np.unique(document[held]).astype(np.int32)
    held_position = np.full(n_docs, -1, dtype=np.int32)
    held_position[held_rows] = np.arange(len(held_rows), dtype=np.int32)

    given = frame["probability"].to_numpy(dtype=np.float64)
    probability = np.where(decided | np.isnan(given), target, given).astype(np.float32)

    # A judgment weighs 1, a decision never exactly that: the tagger tells them apart by it.
    weight_decided = np.nextafter(np.float32(1), np.float32(2)) if decision_weight == 1 else decision_weight

    def pairs(keep: NDArray[np.bool_], place: IntArray) -> Pairs:
        return Pairs(
            place[document[keep]],
            label[keep].astype(np.int32),
            target[keep].astype(np.float32),
            np.where(decided[keep], weight_decided, 1.0).astype(np.float32),
        )

    judged = in_train & frame["verdict"].notna().to_numpy()
    kind: TeacherKind = "none"
    if judged.any():
        kind = "evidence" if bool((by_evidence | decided)[judged].all()) else "teacher"
    return Training(
        view=view,
        rows=rows,
        pairs=pairs(in_train, position),
        completed={int(position[i]): labels for i, labels in completed.items()},
        held_out_rows=held_rows,
        held_out_pairs=pairs(held, held_position),
        teacher=kind,
        n_decisions=int((in_train & decided).sum()),
        probability=probability[in_train],
    )


def _rows(ids: pd.Series[str], row: dict[str, int]) -> NDArray[np.int64]:
    """Row numbers of ids, -1 where they are not live."""
    codes, names = pd.factorize(ids)
    known = np.array([row.get(str(name), -1) for name in names], dtype=np.int64)
    return known[codes] if len(known) else np.zeros(0, dtype=np.int64)
