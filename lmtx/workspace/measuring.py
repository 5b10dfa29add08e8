"""How good predictions are, against gold labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmtx.errors import InputError, NotFoundError, NothingToDoError
from lmtx.types import Document, Progress, Scored, content_hash
from lmtx.workspace import predicted, tagging
from lmtx.workspace.models import Example
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

# scipy and pandas come with `lmtx.quality`; no verb but those that measure pays for importing them.
_RANKED = 20
_CUT = 5
_SNIPPET = 240
_BLOCK = 500


def evaluate(
    parts: Parts, split: Literal["test"], system: str, limit_docs: int | None, progress: Progress
) -> dict[str, float]:
    """See `Workspace.evaluate`."""
    from lmtx.quality import evaluate as ranking_metrics

    documents, gold = gold_documents(parts, split, limit_docs)
    run = tagging.answering_run(parts, system)
    if run is not None and run.kind == predicted.KIND:
        ids, documents, scored = predicted.ranked(parts, run, documents, _RANKED)
    else:
        ids, scored = _rank(parts, documents, system, progress)
    return ranking_metrics(scored, gold_matrix(documents, gold, ids))


def gold_documents(
    parts: Parts, split: Literal["test"], limit_docs: int | None
) -> tuple[list[Document], dict[str, tuple[str, ...]]]:
    """Return the documents of a split that have gold labels, in row order, and those labels."""
    gold = {i: labels for i, labels in parts.journal.gold(split).items() if labels}
    if not gold:
        raise NothingToDoError(
            f"No document of the split {split!r} has gold labels to measure against. Import a corpus with a "
            "label column and documents of that split, and the label set it uses."
        )
    wanted = list(gold)[:limit_docs]
    documents = parts.journal.documents_by_id(wanted)
    return [documents[i] for i in wanted], gold


def _rank(
    parts: Parts, documents: Sequence[Document], system: str, progress: Progress, k: int = _RANKED
) -> tuple[tuple[str, ...], Scored]:
    """Column ids, and the ranking of the documents by a system."""
    vectors = parts.document_vectors(documents, progress)
    if tagging.answering_run(parts, system) is None:
        # Hubs and word frequencies are measured on train documents, whatever was encoded so far.
        view = parts.corpus()
        rows = view.rows("train")[: tagging.HUB_DOCUMENTS]
        parts.document_vectors([view.documents[int(i)] for i in rows], progress)
    found = tagging.tagger(parts, system)
    k = min(k, len(found.label_ids))
    label_idx = np.empty((len(documents), k), dtype=np.int32)
    score = np.empty((len(documents), k), dtype=np.float32)
    for start in range(0, len(documents), _BLOCK):
        progress(start, len(documents), "Predicting")
        rows_ = slice(start, start + _BLOCK)
        block = found.predict(vectors[rows_], [d.full_text for d in documents[rows_]], k)
        label_idx[rows_], score[rows_] = block.label_idx, block.score
    progress(len(documents), len(documents), "Predicting")
    return found.label_ids, Scored(label_idx, score)


def gold_matrix(
    documents: Sequence[Document], gold: dict[str, tuple[str, ...]], ids: Sequence[str]
) -> sparse.csr_matrix:
    """Binary truth, a row a document; labels that the system does not know get columns behind its own."""
    from scipy import sparse

    column = {label_id: j for j, label_id in enumerate(ids)}
    rows, columns = [], []
    for i, document in enumerate(documents):
        for label_id in gold[document.id]:
            rows.append(i)
            columns.append(column.setdefault(label_id, len(column)))
    ones = np.ones(len(rows), dtype=np.int8)
    return sparse.csr_matrix((ones, (rows, columns)), shape=(len(documents), len(column)))


def label_quality(parts: Parts, system: str, cut: int | float | None, progress: Progress) -> pd.DataFrame:
    """See `Workspace.label_quality`."""
    import pandas as pd

    key = _key(parts, system, cut)
    path = parts.folder / "quality" / f"labels-{key}.parquet"

    def make() -> pd.DataFrame:
        if path.is_file():
            return pd.read_parquet(path)
        frame = _measure_labels(parts, system, cut, progress)
        if parts.read_only:
            return frame
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        frame.to_parquet(part)
        part.replace(path)
        return frame

    kept: pd.DataFrame = parts.kept("label quality", key, make)
    return kept.copy()


def _measure_labels(parts: Parts, system: str, cut: int | float | None, progress: Progress) -> pd.DataFrame:
    from scipy import sparse

    from lmtx.quality import label_quality as quality_of_labels

    documents, gold = gold_documents(parts, "test", None)
    ids, predicted = _predicted(parts, documents, system, cut, progress)
    truth = gold_matrix(documents, gold, ids)
    labels = parts.labels_by_id()
    column = {label_id: j for j, label_id in enumerate(ids)}
    for document in documents:
        for label_id in gold[document.id]:
            column.setdefault(label_id, len(column))
    all_ids = list(column)
    more = sparse.csr_matrix((len(documents), len(all_ids) - len(ids)), dtype=predicted.dtype)
    predicted = sparse.hstack([predicted, more], format="csr")
    names = [labels[i].name if i in labels else i for i in all_ids]
    frame = quality_of_labels(predicted, truth, all_ids, names)
    return frame[[i in labels for i in all_ids]].reset_index(drop=True)


def _predicted(
    parts: Parts, documents: Sequence[Document], system: str, cut: int | float | None, progress: Progress
) -> tuple[tuple[str, ...], sparse.csr_matrix]:
    """Column ids, and which labels a cut gives to each document."""
    from lmtx.quality import cut_predictions

    if isinstance(cut, float):
        if not 0 < cut < 1:
            raise InputError(f"cut: got {cut}, expected a probability between 0 and 1, or a number of tags.")
        found = tagging.tagger(parts, system)
        if found.calibration is None:
            raise InputError(
                "A cut by probability needs a calibrated tagger, and nothing calibrates this one: that takes "
                "judged held-out documents or completed ones. Cut by a number of tags instead."
            )
        ids, scored = _rank(parts, documents, system, progress, k=100)
        probability = found.probability(scored.score)
        assert probability is not None
        return ids, cut_predictions(Scored(scored.label_idx, probability), len(ids), threshold=cut)
    ids, scored = _rank(parts, documents, system, progress)
    return ids, cut_predictions(scored, len(ids), top_k=cut or _CUT)


def _key(parts: Parts, system: str, cut: int | float | None) -> str:
    """Name of what was measured: system, cut, texts, labels and gold."""
    run = tagging.answering_run(parts, system)
    documents, labels = parts.journal.corpus_hashes()
    gold = parts.journal.gold("test")
    return content_hash(
        "labels-1",
        "student" if tagging.is_student(system) else system if system in tagging.SYSTEMS else "run",
        run.id if run else f"zero-shot {parts.settings.encoder}",
        repr(cut or _CUT),
        *documents,
        *labels,
        json.dumps(gold),
    )


def label_outcomes(parts: Parts, label_id: str, outcome: str, system: str, limit: int) -> list[Example]:
    """See `Workspace.label_outcomes`."""
    if outcome not in ("tp", "fp", "fn"):
        raise InputError(f"Outcome {outcome!r} does not exist. Known: tp, fp, fn.")
    if label_id not in parts.labels_by_id():
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    documents, gold = gold_documents(parts, "test", None)
    key = _key(parts, system, None)

    def make() -> tuple[tuple[str, ...], Scored]:
        return _rank(parts, documents, system, lambda done, total, message: None)

    ids, scored = parts.kept("outcomes", key, make)
    column = ids.index(label_id) if label_id in ids else -1
    found = []
    for i, document in enumerate(documents):
        place = np.flatnonzero(scored.label_idx[i, :_CUT] == column).tolist() if column >= 0 else []
        given, right = len(place) > 0, label_id in gold[document.id]
        if (outcome == "tp" and given and right) or (outcome == "fp" and given and not right):
            found.append((float(scored.score[i, place[0]]), document))
        elif outcome == "fn" and right and not given:
            found.append((0.0, document))
    found.sort(key=lambda pair: -pair[0])  # stable: misses stay in row order
    return [
        Example(d.id, d.title, d.text[:_SNIPPET], outcome, None if outcome == "fn" else score)
        for score, d in found[:limit]
    ]
