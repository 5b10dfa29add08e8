"""What a run found on the documents that people had completed, kept beside it for the runs after it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmtx.cycle.data import CycleInputs, Training
from lmtx.errors import DAMAGED
from lmtx.tagger import Tagger
from lmtx.tagger.weights import TOP, top_quality
from lmtx.types import Document, content_hash

FILE = "completed.json"

_BLOCK = 256


@dataclass(frozen=True)
class Completed:
    """Completed documents as a training saw them.

    Attributes
    ----------
    truth : dict
        Document id -> hash of the labels that people gave it.
    quality : dict
        Document id -> how well the run ranks it without having seen it; of the documents over which
        weights were cross-validated.
    tags : dict
        The same documents -> ids of the labels that the run ranks first there without having seen them, at
        most five; none of runs that were trained before these were kept.
    wanted : dict
        Document id -> ids of the labels that people gave it; known right after a training, and not kept.
    """

    truth: dict[str, str]
    quality: dict[str, float]
    tags: dict[str, list[str]] = field(default_factory=dict)
    wanted: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, training: Training, tagger: Tagger) -> Completed:
        """Gather it after a training."""
        ids = [d.id for d in training.documents()]
        labels = training.view.labels
        wanted = {ids[row]: [labels[int(j)].id for j in found] for row, found in training.completed.items()}
        truth = {i: truth_of(found) for i, found in wanted.items()}
        findings = tagger.findings
        if findings is None:
            return cls(truth, {}, {}, wanted)
        names = [ids[row] for row in findings.validated.tolist()]
        tags = [[tagger.label_ids[j] for j in row if j >= 0] for row in findings.tags.tolist()]
        quality = findings.quality.tolist()
        return cls(
            truth,
            dict(zip(names, quality, strict=True)),
            dict(zip(names, tags, strict=True)),
            wanted,
        )

    def in_common(self, other: Completed) -> list[str]:
        """Documents that both have a quality of, and of which people say the same in both."""
        return [
            i for i in self.quality if i in other.quality and self.truth.get(i) == other.truth.get(i, "none")
        ]

    def tagged_in_common(self, other: Completed) -> list[str]:
        """Of these, documents that both have the tags of."""
        return [i for i in self.in_common(other) if i in self.tags and i in other.tags]

    def save(self, folder: Path) -> None:
        """Write it into a run's folder."""
        body = {"truth": self.truth, "quality": self.quality, "tags": self.tags}
        (folder / FILE).write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Completed | None:
        """Read what `save` wrote; None where a run has none, or none that can be read."""
        try:
            body = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(
                dict(body["truth"]),
                {str(i): float(q) for i, q in body["quality"].items()},
                {str(i): [str(x) for x in found] for i, found in dict(body.get("tags", {})).items()},
            )
        except DAMAGED:
            return None


def truth_of(label_ids: Iterable[str]) -> str:
    """Hash of the labels that people gave a document, in any order."""
    return content_hash(*sorted(label_ids))


def quality_on(
    tagger: Tagger, documents: list[Document], truth: list[set[str]], inputs: CycleInputs
) -> NDArray[np.float64]:
    """How well a tagger ranks documents by what people said of them, as `ranking_quality` measures it.

    Parameters
    ----------
    truth : list of set of str
        Label ids of each document.

    Returns
    -------
    float64 (n_docs,)
    """
    out = np.zeros(len(documents))
    for start in range(0, len(documents), _BLOCK):
        some = documents[start : start + _BLOCK]
        wanted = truth[start : start + _BLOCK]
        ranked = tagger.predict(inputs.document_vectors(some), [d.full_text for d in some], TOP).label_idx
        hit = np.array(
            [
                [j >= 0 and tagger.label_ids[j] in labels for j in row]
                for row, labels in zip(ranked.tolist(), wanted, strict=True)
            ],
            dtype=np.float64,
        )
        out[start : start + _BLOCK] = top_quality(hit, np.array([len(x) for x in wanted], dtype=np.float64))
    return out
