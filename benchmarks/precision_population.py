"""Tags of two real students on documents that neither has seen, with the truth, to draw audits from."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lmtx.types import Document, Label

OUT = Path(__file__).parent / "out"
TOP = 5
TEACHERS = ("simulated:recall=0.85,noise=0.05,seed={seed}", "simulated:recall=0.8,noise=0.04,seed={seed}")


_TYPES = {"probability": np.float64, "asked": np.bool_, "said": np.bool_}


@dataclass(frozen=True)
class Population:
    """What two runs give to documents, what is wanted there, and what the first run's teacher says.

    Attributes
    ----------
    ranked : int64 (2, n_docs, k)
        Labels that each run ranks first, -1 where it has none.
    probability : float64 (2, n_docs, k)
    wanted_document, wanted_label : int64 (n_wanted,)
        Gold.
    asked, said : bool (n_wanted,)
        Whether the first run's shortlist has the wanted label, and whether its teacher says yes to it.
    n_documents : int
    """

    ranked: NDArray[np.int64]
    probability: NDArray[np.float64]
    wanted_document: NDArray[np.int64]
    wanted_label: NDArray[np.int64]
    asked: NDArray[np.bool_]
    said: NDArray[np.bool_]

    @classmethod
    def read(cls, path: Path) -> Population:
        """Read what `numpy.savez` wrote."""
        with np.load(path) as found:
            return cls(**{name: found[name].astype(_TYPES.get(name, np.int64)) for name in found.files})

    @property
    def n_documents(self) -> int:
        """Documents of the corpus."""
        return int(self.ranked.shape[1])

    @property
    def n_labels(self) -> int:
        """Columns of labels that matter here."""
        return int(max(self.ranked.max(), self.wanted_label.max(initial=0))) + 1


def verdicts_on(teacher, documents: Sequence[Document], labels: Sequence[Label], pairs) -> NDArray[np.bool_]:
    """Ask the teacher about pairs (document row, label row), which are in the order of documents."""
    from lmtx.teacher import TeacherRequest
    from lmtx.teacher.base import ask

    by_document: dict[int, list[int]] = {}
    for d, j in pairs:
        by_document.setdefault(int(d), []).append(int(j))
    requests = []
    for d, rows in by_document.items():
        chosen = tuple(labels[j] for j in rows)
        requests.append(TeacherRequest(documents[d], chosen, tuple(range(len(rows))), chosen))
    said = [a is not None and a.verdict == "yes" for row in ask(teacher, requests) for a in row]
    return np.array(said, dtype=np.bool_)


def train(n_train: int, n_corpus: int, seed: int, threads: int) -> Population:
    """Train both students and tag documents that they have not seen."""
    from common import Bench, gold_matrix, read
    from threadpoolctl import threadpool_limits

    from lmtx.cycle import run_cycle
    from lmtx.shortlist import dense_topk, union

    data = read("debtags", int(n_train / 0.72 * 1.06) + 100, n_corpus, OUT)
    documents = data.tests["seeded order"][:n_corpus]
    texts, vectors = [d.full_text for d in documents], data.of(documents)
    ranked, probability = [], []
    asked = said = np.zeros(0, dtype=np.bool_)
    rows = columns = np.zeros(0, dtype=np.int64)
    for run, spec in enumerate(TEACHERS):
        with threadpool_limits(threads), tempfile.TemporaryDirectory() as folder:
            bench = Bench(data, Path(folder), seed + run, n_train, threads)
            teacher = bench.teacher(spec.format(seed=seed + run))
            report = run_cycle(bench.inputs, teacher, 4)
            tagger = bench.tagger(report.run)
            scored = tagger.predict(vectors, texts, TOP)
            found = tagger.probability(scored.score)
            assert found is not None
            ranked.append(scored.label_idx.astype(np.int64))
            probability.append(found.astype(np.float64))
            if run == 0:
                gold = gold_matrix(documents, bench.column).tocoo()
                order = np.lexsort((gold.col, gold.row))
                rows, columns = gold.row[order].astype(np.int64), gold.col[order].astype(np.int64)
                k, student = bench.inputs.top_k, tagger.student
                assert student is not None
                labels = student.project_labels(
                    data.label_vectors, student.rows_of([x.id for x in data.labels])
                )
                dense = dense_topk(student.project_documents(vectors), labels, k)
                shortlist = union(tagger.lexical.topk(texts, k), dense, k)
                asked = (shortlist[rows] == columns[:, None]).any(axis=1)
                # It answers from gold of split train, so these documents are told to it as such.
                known = {d.id: d.labels or () for d in documents}
                teacher._read_gold = lambda known=known: known
                teacher.__dict__.pop("_gold", None)
                said = verdicts_on(teacher, documents, data.labels, zip(rows, columns, strict=True))
            bench.journal.close()
    return Population(np.stack(ranked), np.stack(probability), rows, columns, asked, said)


def population(n_train: int, n_corpus: int, seed: int, threads: int = 1) -> Population:
    """Read the population, or train it and keep it under benchmarks/out."""
    kept = OUT / f"precision-population-{n_train}-{n_corpus}-{seed}.npz"
    if not kept.is_file():
        found = train(n_train, n_corpus, seed, threads)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **vars(found))
    return Population.read(kept)
