"""Which documents a new run tags most differently, kept beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lmtx.cycle.data import CycleInputs, Training
from lmtx.errors import DAMAGED, StorageError
from lmtx.tagger import Tagger
from lmtx.types import Document, IntArray

FILE = "changes.json"
TAGS = 5
MOST_DOCUMENTS = 1_000
"""Train documents that are looked at: completed ones first, as far as half of it, then a seeded sample."""

_KEPT = 10


@dataclass(frozen=True)
class Change:
    """One document: its tags before and after, best first, as (label id, probability or score)."""

    document_id: str
    before: list[tuple[str, float]]
    after: list[tuple[str, float]]


@dataclass(frozen=True)
class Changes:
    """What changed most against the run that was in use; `before` is that run's id."""

    before: str
    documents: list[Change]

    def save(self, folder: Path) -> None:
        """Write it into a run's folder, whole or not at all.

        Raises
        ------
        StorageError
            If it can't be written.
        """
        path = folder / FILE
        part = path.with_suffix(".part")
        try:
            part.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")
            part.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error

    @classmethod
    def load(cls, folder: Path) -> Changes | None:
        """Read what `save` wrote; None where a run has none, or none that can be read."""
        try:
            body = json.loads((folder / FILE).read_text(encoding="utf-8"))
            found = [
                Change(
                    str(x["document_id"]),
                    [(str(i), float(v)) for i, v in x["before"]],
                    [(str(i), float(v)) for i, v in x["after"]],
                )
                for x in body["documents"]
            ]
            return cls(str(body["before"]), found)
        except DAMAGED:
            return None


def compare(inputs: CycleInputs, training: Training, new: Tagger, old: Tagger, old_id: str) -> Changes:
    """Find the documents whose tags differ most between two taggers."""
    documents = [training.view.documents[int(i)] for i in sample(training, inputs.seed)]
    # A probability stands beside a probability: scores where only one of them is calibrated.
    calibrated = new.calibration is not None and old.calibration is not None
    after = _tags(inputs, new, documents, calibrated)
    before = _tags(inputs, old, documents, calibrated)
    change = [difference([i for i, _ in b], [i for i, _ in a]) for b, a in zip(before, after, strict=True)]
    order = np.argsort([-x for x in change], kind="stable")[:_KEPT]
    found = [Change(documents[i].id, before[i], after[i]) for i in order.tolist() if change[i] > 0]
    return Changes(old_id, found)


def sample(training: Training, seed: int) -> IntArray:
    """Rows of the corpus view that are compared."""
    rng = np.random.default_rng(seed)
    done = training.rows[sorted(training.completed)] if training.completed else training.rows[:0]
    done = rng.permutation(done)[: MOST_DOCUMENTS // 2]
    rest = rng.permutation(np.setdiff1d(training.view.rows("train"), done))
    return np.concatenate([done, rest])[:MOST_DOCUMENTS].astype(np.int32)


def difference(before: Sequence[str], after: Sequence[str]) -> float:
    """How different two ranked lists are: 1 minus their overlap, where the first places weigh most.

    Returns
    -------
    float
        From 0 (the same labels in the same order) to 1 (none in common).
    """
    n = max(len(before), len(after))
    if not n:
        return 0.0
    weight: list[float] = (1 / np.log2(np.arange(2, n + 2))).tolist()
    first, second = dict(zip(before, weight, strict=False)), dict(zip(after, weight, strict=False))
    shared: float = sum(min(w, second[i]) for i, w in first.items() if i in second)
    return 1 - shared / max(sum(first.values()), sum(second.values()))


def _tags(
    inputs: CycleInputs, tagger: Tagger, documents: Sequence[Document], calibrated: bool
) -> list[list[tuple[str, float]]]:
    vectors = inputs.document_vectors(documents)
    scored = tagger.predict(vectors, [d.full_text for d in documents], min(TAGS, len(tagger.label_ids)))
    value = tagger.probability(scored.score) if calibrated else scored.score
    assert value is not None
    return [
        [(tagger.label_ids[j], round(float(v), 4)) for j, v in zip(row, values, strict=True) if j >= 0]
        for row, values in zip(scored.label_idx.tolist(), value.tolist(), strict=True)
    ]
