"""Which tags a system gives to reserved documents: what the audit draws from, and what it measures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmtx.config import write_atomically
from lmtx.errors import DAMAGED, StorageError
from lmtx.review import pair_number, permanent_number, seeded_order
from lmtx.types import Document, Run, content_hash
from lmtx.workspace import tagging
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

FILE = "reserve.json"
AUDIT = "audit"
MOST_RESERVED = 2_000
"""Reserved documents that a run tags to see how often it gives each label, the first in the audit's order."""
MOST_RUNS = 8
"""Promoted runs that are looked at, the newest."""

_BLOCK = 500


@dataclass(frozen=True)
class Population:
    """Tags that a run gives to reserved documents, in the audit's order.

    tags : document id -> label id -> probability, None where nothing calibrates it; the best label first
    n_reserve : documents of the reserve, of which these are the first
    """

    tags: dict[str, dict[str, float | None]]
    n_reserve: int

    @classmethod
    def load(cls, path: Path) -> Population:
        """Read what `save` wrote into a file, or into the folder of a run; empty where there is none."""
        try:
            body = json.loads((path / FILE if path.is_dir() else path).read_text(encoding="utf-8"))
            return cls({i: dict(x) for i, x in body["tags"].items()}, int(body["n_reserve"]))
        except (*DAMAGED, AttributeError):  # of a run that was trained before there was one, or damaged
            return cls({}, 0)

    def save(self, path: Path) -> None:
        """Write it, all or nothing."""
        tags = {i: list(x.items()) for i, x in self.tags.items()}
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(
                path, json.dumps({"n_reserve": self.n_reserve, "tags": tags}, ensure_ascii=False)
            )
        except OSError as error:
            raise StorageError(f"{path}: can't be written ({error}). Check space and rights.") from error


def write_population(parts: Parts, tagger: Tagger, folder: Path) -> None:
    """Write down which labels a tagger gives to reserved documents, so that no click has to ask it.

    At most `MOST_RESERVED` of them, in the order in which the audit takes them. Part of a run's folder before
    the run is on record: so whoever sees a run sees these too.
    """
    view = parts.corpus()
    ids = seeded_order((view.documents[int(i)].id for i in view.rows("reserve")), parts.settings.seed, AUDIT)
    documents = [view.documents[view.document_idx[i]] for i in ids[:MOST_RESERVED]]
    Population(_tagged(parts, tagger, documents), len(ids)).save(folder / FILE)


def _tagged(
    parts: Parts, tagger: Tagger, documents: Sequence[Document]
) -> dict[str, dict[str, float | None]]:
    tags: dict[str, dict[str, float | None]] = {}
    for start in range(0, len(documents), _BLOCK):
        some = documents[start : start + _BLOCK]
        k = min(TAGS, len(tagger.label_ids))
        scored = tagger.predict(parts.document_vectors(some), [d.full_text for d in some], k)
        probability = tagger.probability(scored.score)
        for i, document in enumerate(some):
            tags[document.id] = {
                tagger.label_ids[j]: None if probability is None else round(float(probability[i, place]), 5)
                for place, j in enumerate(scored.label_idx[i].tolist())
                if j >= 0
            }
    return tags


def population_of(parts: Parts, run: Run) -> Population:
    """Return the tags of reserved documents by a run, kept; empty where its training wrote none."""
    folder = tagging.run_folder(parts, run)
    try:
        stamp = (folder / FILE).stat().st_mtime_ns
    except OSError:
        return Population({}, 0)
    found: Population = parts.kept(f"reserve {run.id}", stamp, lambda: Population.load(folder))
    return found


def promoted_runs(parts: Parts) -> list[Run]:
    """Runs that were promoted, each once at its last promotion, oldest first; the newest `MOST_RUNS`."""
    last = tuple(dict.fromkeys(run_id for run_id, _ in reversed(parts.journal.promotions())))[:MOST_RUNS]
    # Read one by one and kept: each has its metrics, and there may be many that were not promoted.
    runs: list[Run] = parts.kept("promoted runs", last, lambda: [parts.journal.run(x) for x in last[::-1]])
    return runs


@dataclass(frozen=True)
class Tags:
    """A population as arrays, without what was deleted since or is no longer reserved.

    Attributes
    ----------
    run : Run or None
        The run behind it; None for what has learned nothing.
    document_ids : list of str
        Documents that were looked at, in the audit's order.
    document_number : float64 (n_documents,)
        Their permanent random numbers.
    label_ids : list of str
        Labels that are given, the most given first.
    document, label, rank : int64 (n_pairs,)
        Rows of documents and labels; place among the document's tags from 0.
    probability : float64 (n_pairs,)
        NaN where nothing calibrates it.
    number : float64 (n_pairs,)
        Permanent random numbers of the pairs.
    n_reserve : int
        Documents of the reserve now.
    """

    run: Run | None
    document_ids: list[str]
    document_number: NDArray[np.float64]
    label_ids: list[str]
    document: NDArray[np.int64]
    label: NDArray[np.int64]
    rank: NDArray[np.int64]
    probability: NDArray[np.float64]
    number: NDArray[np.float64]
    n_reserve: int

    def __len__(self) -> int:
        """Pairs."""
        return len(self.label)

    def by_document(self) -> dict[str, list[str]]:
        """Document id -> labels that it is given, the best first; also of documents that are given none."""
        found: dict[str, list[str]] = {i: [] for i in self.document_ids}
        for d, x in zip(self.document.tolist(), self.label.tolist(), strict=True):
            found[self.document_ids[d]].append(self.label_ids[x])
        return found

    @property
    def calibrated(self) -> bool:
        """Whether the tags have probabilities."""
        return bool(len(self)) and not bool(np.isnan(self.probability).any())


def tags_of(parts: Parts, system: str = "tagger") -> Tags | None:
    """Return the tags that a system gives to the reserve; None where no run in use has tagged it.

    A run's are read from its folder. Those of "student" and "zero-shot" are made once for the documents that
    the run in use was asked about, and kept in the workspace.

    Raises
    ------
    NotFoundError
        If there is no run of that id.
    InputError
        If the run in use has no student.
    """
    if system not in tagging.SYSTEMS:
        return run_tags(parts, parts.journal.run(system))
    run = parts.journal.promoted()
    if run is None or system == "tagger":
        return None if run is None else run_tags(parts, run)
    used = run_tags(parts, run)
    return None if used is None else _predicted(parts, system, run, used)


def run_tags(parts: Parts, run: Run) -> Tags | None:
    """Return the tags that a run gives to the reserve; None where its training wrote none."""
    population = population_of(parts, run)
    return _kept(parts, f"tags {run.id}", run, population) if population.tags else None


def _predicted(parts: Parts, system: str, run: Run, used: Tags) -> Tags | None:
    view = parts.corpus()
    of = parts.settings.encoder if system == "zero-shot" else run.id
    by = (of, *parts.journal.corpus_hashes()[1])
    documents = [view.documents[view.document_idx[i]] for i in used.document_ids]
    key = content_hash("reserve-1", system, *by, *(d.hash for d in documents))
    path = parts.folder / "quality" / f"reserve-{key}.json"

    def make() -> Population:
        found = Population.load(path)
        if not found.tags:
            found = Population(_tagged(parts, tagging.tagger(parts, system), documents), used.n_reserve)
            if not parts.read_only:
                found.save(path)
        return found

    population: Population = parts.kept(f"reserve {system}", key, make)
    return _kept(parts, f"tags {system}", run if system == "student" else None, population)


def _kept(parts: Parts, name: str, run: Run | None, population: Population) -> Tags | None:
    view, seed = parts.corpus(), parts.settings.seed
    made: Any = parts.kept(
        name,
        (id(view), id(population), seed),
        lambda: (view, population, _made(parts, run, population, seed)),
    )
    found: Tags | None = made[2]
    return found


def _made(parts: Parts, run: Run | None, population: Population, seed: int) -> Tags | None:
    view, live = parts.corpus(), parts.labels_by_id()
    rows = {i: view.document_idx.get(i) for i in population.tags}
    ids = [i for i, row in rows.items() if row is not None and view.roles[row] == "reserve"]
    given = [
        (d, label_id, rank, p)
        for d, i in enumerate(ids)
        for rank, (label_id, p) in enumerate((x, p) for x, p in population.tags[i].items() if x in live)
    ]
    if not given:
        return None
    counts = Counter(label_id for _, label_id, _, _ in given)
    label_ids = sorted(counts, key=lambda x: (-counts[x], x))
    column = {x: j for j, x in enumerate(label_ids)}
    return Tags(
        run=run,
        document_ids=ids,
        document_number=np.array([permanent_number(i, seed, AUDIT) for i in ids], dtype=np.float64),
        label_ids=label_ids,
        document=np.array([d for d, *_ in given], dtype=np.int64),
        label=np.array([column[x] for _, x, _, _ in given], dtype=np.int64),
        rank=np.array([rank for _, _, rank, _ in given], dtype=np.int64),
        probability=np.array([np.nan if p is None else p for *_, p in given], dtype=np.float64),
        number=np.array([pair_number(ids[d], x, seed, AUDIT) for d, x, _, _ in given], dtype=np.float64),
        n_reserve=len(view.rows("reserve")),
    )


def n_of_corpus(parts: Parts) -> int:
    """Documents that the reserve is a random part of: all but those of the file's split for tests."""
    return sum(role != "test" for role in parts.corpus().roles)


__all__ = [
    "AUDIT",
    "FILE",
    "MOST_RESERVED",
    "TAGS",
    "Population",
    "Tags",
    "n_of_corpus",
    "population_of",
    "promoted_runs",
    "run_tags",
    "tags_of",
    "write_population",
]
