"""A small world for taggers: topics with words, labels that are named after some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from lmtx.student import AdapterConfig
from lmtx.tagger import TrainingInputs
from lmtx.types import FloatArray, Label, Pairs

TOPICS = (
    "river bank water",
    "stone castle wall",
    "bread oven flour",
    "violin bow string",
    "engine piston oil",
)
HIDDEN = ("Hydrology", "Fortification", "Baking", "Music", "Mechanics")
FILLER = [
    "the",
    "a",
    "of",
    "and",
    "with",
    "in",
    "some",
    "more",
    "other",
    "very",
    "small",
    "large",
    "old",
    "new",
]


@dataclass(frozen=True)
class World:
    """Documents of five topics; labels 0-4 are wanted by topic, 5-7 by nobody."""

    labels: list[Label]
    label_vectors: FloatArray
    texts: list[str]
    doc_vectors: FloatArray
    truth: np.ndarray

    def inputs(self, **changes: object) -> TrainingInputs:
        values: dict[str, object] = {
            "labels": self.labels,
            "label_vectors": self.label_vectors,
            "texts": self.texts,
            "doc_vectors": self.doc_vectors,
            "pairs": self.judged(range(100)),
            "teacher": "teacher",
            "student_config": AdapterConfig(threads=1),
        }
        return TrainingInputs(**{**values, **changes})  # type: ignore[arg-type]

    def judged(self, rows: range, wrong: float = 0.0) -> Pairs:
        """Three verdicts a document: its topic, and two others; a share of them wrong."""
        rng = np.random.default_rng(5)
        document = np.repeat(np.array(rows), 3)
        label = np.stack([(self.truth[list(rows)] + i) % 5 for i in (0, 1, 2)], axis=1).ravel()
        target = np.tile(np.array([1, 0, 0], np.float32), len(rows))
        flip = rng.random(len(target)) < wrong
        target[flip] = 1 - target[flip]
        ones = np.ones(len(document), np.float32)
        return Pairs(document.astype(np.int32), label.astype(np.int32), target, ones)

    def completed(self, rows: range) -> dict[int, np.ndarray]:
        return {i: np.array([self.truth[i]], dtype=np.int32) for i in rows}


def unit(vectors: np.ndarray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(3)
    n, dim = 160, 16
    truth = rng.integers(0, 5, n)
    texts = [" ".join([*rng.choice(TOPICS[t].split(), 2), *rng.choice(FILLER, 12)]) for t in truth]
    centres = rng.normal(size=(5, dim))
    doc_vectors = unit(centres[truth] + 0.8 * rng.normal(size=(n, dim)))
    names = [*HIDDEN, "Stone carving", "Bread and flour", "Astronomy"]
    labels = [Label(f"L{i}", name, f"About {name.lower()}") for i, name in enumerate(names)]
    return World(labels, unit(rng.normal(size=(len(names), dim))), texts, doc_vectors, truth)
