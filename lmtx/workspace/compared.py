"""Systems side by side on the documents that have gold labels and that nothing learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lmtx.errors import InputError, NothingToDoError
from lmtx.types import Document, Progress
from lmtx.workspace import rankings
from lmtx.workspace.measuring import gold_documents, gold_matrix
from lmtx.workspace.parts import Parts
from lmtx.workspace.rankings import Ranking
from lmtx.workspace.systems import System, system

if TYPE_CHECKING:
    from lmtx.quality.versus import Figure


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """A system in a comparison.

    Attributes
    ----------
    id, name, kind, run : see `lmtx.workspace.systems.System`; `run` is the id of the training
    figures : dict
        Measure -> `Figure`.
    train_cpu_s : float or None
        Process time of the training; 0 where nothing was learned.
    teacher_pairs, teacher_tokens : int
        Judgments that were there for it to learn from (calls, where an LLM predicts), and the tokens read
        and written for them.
    docs_per_s, model_bytes : see `lmtx.workspace.rankings.Ranking`
    """

    id: str
    name: str
    kind: str
    run: str | None
    figures: dict[str, Figure]
    train_cpu_s: float | None
    teacher_pairs: int
    teacher_tokens: int
    docs_per_s: float | None
    model_bytes: int | None


@dataclass(frozen=True, slots=True)
class SystemComparison:
    """Systems on the same documents.

    Attributes
    ----------
    reference : str
        Id of the system that differences are taken to.
    n_docs : int
        Documents that all of them ranked.
    n_labels : int
        Labels in the gold of these documents.
    n_tail, tail_most : int
        Labels of the tail, and the most gold documents that one of them has.
    truth : str
        What they are held against.
    """

    reference: str
    systems: list[SystemFigures]
    n_docs: int
    n_labels: int
    n_tail: int
    tail_most: int
    truth: str = field(default="gold, split test")


def compare(
    parts: Parts,
    asked: Sequence[str],
    against: str | None,
    limit_docs: int | None,
    progress: Progress,
) -> SystemComparison:
    """See `Workspace.compare`."""
    chosen, reference = _chosen(parts, asked, against)
    documents, gold = gold_documents(parts, "test", limit_docs)
    n = len(documents)
    ranked: dict[str, Ranking] = {}
    for i, one in enumerate(chosen):

        def of_all(done: int, total: int, message: str, i: int = i) -> None:
            progress(i * n + n * done // max(total, 1), n * len(chosen), message)

        ranked[one.id] = rankings.rank(parts, one, documents, of_all)
    progress(n * len(chosen), n * len(chosen), "Comparing")
    return _compared(parts, chosen, reference, ranked, documents, gold, limit_docs)


def compared(
    parts: Parts, asked: Sequence[str], against: str | None, limit_docs: int | None
) -> SystemComparison | None:
    """See `Workspace.compared`."""
    chosen, reference = _chosen(parts, asked, against)
    documents, gold = gold_documents(parts, "test", limit_docs)
    ranked: dict[str, Ranking] = {}
    for one in chosen:
        found = rankings.kept(parts, one)
        if found is None or not (found.by_id or all(found.knows(d) for d in documents)):
            return None
        ranked[one.id] = found
    return _compared(parts, chosen, reference, ranked, documents, gold, limit_docs)


def _chosen(parts: Parts, asked: Sequence[str], against: str | None) -> tuple[list[System], System]:
    """Return the systems, each once, and the reference among them."""
    if not asked:
        raise InputError("Which systems? Name some: tagger, student, zero-shot, dense, or the id of a run.")
    found = {x.id: x for x in (system(parts, name) for name in asked)}
    reference = system(parts, against) if against is not None else next(iter(found.values()))
    return list({**found, reference.id: reference}.values()), reference


def _compared(
    parts: Parts,
    chosen: Sequence[System],
    reference: System,
    ranked: dict[str, Ranking],
    documents: Sequence[Document],
    gold: dict[str, tuple[str, ...]],
    limit_docs: int | None,
) -> SystemComparison:
    version = (
        tuple((x.id, x.name) for x in chosen),
        reference.id,
        limit_docs,
        tuple(id(x) for x in ranked.values()),
        tuple((d.id, d.hash, gold[d.id]) for d in documents),
    )
    # The rankings are kept beside it: their ids are theirs as long as the answer is kept.
    found: SystemComparison = parts.kept(
        "systems compared",
        version,
        lambda: (_measure(parts, chosen, reference, ranked, documents, gold), ranked),
    )[0]
    return found


def _measure(
    parts: Parts,
    chosen: Sequence[System],
    reference: System,
    ranked: dict[str, Ranking],
    documents: Sequence[Document],
    gold: dict[str, tuple[str, ...]],
) -> SystemComparison:
    from lmtx.quality.versus import Tail, measured, versus

    common = [d for d in documents if all(x.knows(d) for x in ranked.values())]
    if not common:
        raise NothingToDoError(
            "These systems have no test document with gold labels in common. A run that holds predictions "
            "can be compared on the documents it was asked about alone; ask it about test documents."
        )
    ids = list(dict.fromkeys(label_id for x in ranked.values() for label_id in x.label_ids))
    column = {label_id: j for j, label_id in enumerate(ids)}
    # How rare a label is counts over all gold documents, whichever are compared.
    every, _ = gold_documents(parts, "test", None)
    ids += sorted({x for d in every for x in gold[d.id]} - column.keys())
    n_relevant = np.asarray(gold_matrix(every, gold, ids).sum(axis=0), dtype=np.float64).ravel()
    truth = gold_matrix(common, gold, ids)
    taken = {}
    for one in chosen:
        found = ranked[one.id]
        own = np.array([column[x] for x in found.label_ids] or [0], dtype=np.int32)
        label_idx = found.of(common)
        label_idx = np.where(label_idx < 0, -1, own[np.maximum(label_idx, 0)]).astype(np.int32)
        taken[one.id] = measured(truth, label_idx, n_relevant, len(every))
    figures = versus(taken, reference.id)
    tail = Tail.of(n_relevant)
    return SystemComparison(
        reference=reference.id,
        systems=[_row(parts, x, figures[x.id], ranked[x.id]) for x in chosen],
        n_docs=len(common),
        n_labels=len(np.unique(truth.indices)),
        n_tail=int(tail.labels.sum()),
        tail_most=tail.most,
    )


def _row(parts: Parts, which: System, figures: dict[str, Figure], ranking: Ranking) -> SystemFigures:
    run = which.run
    pairs = tokens = 0
    seconds: object = 0.0
    if run is not None:
        seconds = run.metrics.get("cpu_s")
        if which.kind == "predictions":
            pairs, tokens = (_whole(run.metrics.get(name)) for name in ("calls", "tokens"))
        elif not run.to_compare:
            pairs, tokens = parts.journal.judged_before(run.created)
    return SystemFigures(
        id=which.id,
        name=which.name,
        kind=which.kind,
        run=run.id if run else None,
        figures=figures,
        train_cpu_s=float(seconds) if isinstance(seconds, int | float) else None,
        teacher_pairs=pairs,
        teacher_tokens=tokens,
        docs_per_s=ranking.docs_per_s,
        model_bytes=ranking.model_bytes,
    )


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
