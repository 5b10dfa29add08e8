"""What leaves the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmtx.errors import InputError, NothingToDoError
from lmtx.export import write_model, write_table
from lmtx.export.tables import ColumnType, Row
from lmtx.types import CorpusView, Progress
from lmtx.workspace import tagging
from lmtx.workspace.parts import Parts

_CORPUS: dict[str, ColumnType] = {
    "id": "text",
    "title": "text",
    "text": "text",
    "split": "text",
    "role": "text",
    "language": "text",
    "completed": "bool",
    "tags": "texts",
    "tag_names": "texts",
    "tags_from": "text",
    "accepted": "texts",
    "rejected": "texts",
    "proposed": "texts",
    "predicted": "texts",
    "predicted_scores": "reals",
}
_PAIRS: dict[str, ColumnType] = {
    "document_id": "text",
    "label_id": "text",
    "state": "text",
    "verdict": "text",
    "probability": "real",
    "teacher": "text",
    "decision": "text",
    "reviewer": "text",
}
_DECISIONS: dict[str, ColumnType] = {
    "seq": "integer",
    "document_id": "text",
    "label_id": "text",
    "action": "text",
    "reviewer": "text",
    "at": "time",
    "policy": "text",
    "inclusion_probability": "real",
    "note": "text",
    "batch": "text",
    "retracts": "integer",
}
_BLOCK = 200
_PREDICTED = 5


def export(parts: Parts, what: str, format: str, out: Path, progress: Progress) -> Path:
    """See `Workspace.export`."""
    if what == "model":
        return _model(parts, format, out)
    columns, rows = {
        "corpus": (_CORPUS, _corpus_rows),
        "pairs": (_PAIRS, _pair_rows),
        "decisions": (_DECISIONS, _decision_rows),
    }.get(what, (None, None))
    if columns is None or rows is None:
        raise InputError(f"Export {what!r} does not exist. Known: corpus, pairs, decisions, model.")
    total = _total(parts, what)
    return write_table(rows(parts), columns, format, out, lambda n: progress(n, total, f"Writing {what}"))


def _total(parts: Parts, what: str) -> int:
    counts = parts.journal.counts()
    if what == "pairs":
        return sum(parts.journal.pair_counts().values())
    return counts["documents" if what == "corpus" else "decisions"]


def _corpus_rows(parts: Parts) -> Iterator[Row]:
    """Documents with their tags.

    `tags` are what to use: of a completed document the accepted labels; of others the accepted ones and
    the tagger's best that nobody rejected, or, before any training, the teacher's proposals.
    """
    view: CorpusView = parts.corpus()
    labels = parts.labels_by_id()
    trained = parts.journal.promoted() is not None
    completed = set(parts.journal.completed())
    for start in range(0, len(view.documents), _BLOCK):
        documents = view.documents[start : start + _BLOCK]
        states = parts.journal.pair_states_of([d.id for d in documents])
        predicted = (
            tagging.ranked(parts, documents, _PREDICTED) if trained and labels else [[] for _ in documents]
        )
        for i, document in enumerate(documents):
            by_state: dict[str, list[str]] = {"accepted": [], "rejected": [], "proposed": []}
            for pair in states[document.id]:
                by_state.setdefault(pair.state, []).append(pair.label_id)
            best = [r.label_id for r in predicted[i]]
            accepted, rejected = by_state["accepted"], set(by_state["rejected"])
            done = document.id in completed
            more = [] if done else best if trained else by_state["proposed"]
            tags = accepted + [x for x in more if x not in rejected and x not in accepted]
            source = "people" if done else "people and tagger" if trained else "people and teacher"
            yield {
                "id": document.id,
                "title": document.title,
                "text": document.text,
                "split": document.split,
                "role": view.roles[start + i],
                "language": document.language,
                "completed": done,
                "tags": tags,
                "tag_names": [labels[x].name if x in labels else x for x in tags],
                "tags_from": source,
                **{name: by_state[name] for name in ("accepted", "rejected", "proposed")},
                "predicted": best,
                "predicted_scores": [r.score for r in predicted[i]],
            }


def _pair_rows(parts: Parts) -> Iterator[Row]:
    specs = {t.key: t.spec or t.key for t in parts.journal.teachers()}
    frame = parts.journal.pairs_frame()
    frame = frame.astype(object).where(frame.notna(), None)
    for row in frame.itertuples(index=False):
        yield {
            "document_id": row.document_id,
            "label_id": row.label_id,
            "state": row.state,
            "verdict": row.verdict,
            "probability": row.probability,
            "teacher": specs.get(str(row.teacher_key)) if row.teacher_key is not None else None,
            "decision": row.decision,
            "reviewer": row.reviewer,
        }


def _decision_rows(parts: Parts) -> Iterator[Row]:
    after = 0
    while True:
        page = parts.journal.decisions(after_seq=after, limit=2000)
        for decision in page:
            row: dict[str, Any] = {name: getattr(decision, name) for name in _DECISIONS}
            yield row
        if len(page) < 2000:
            return
        after = page[-1].seq


def _model(parts: Parts, format: str, out: Path) -> Path:
    run = parts.journal.promoted()
    if run is None:
        raise NothingToDoError("There is no trained model yet. Train first.")
    return write_model(
        tagging.tagger(parts), tagging.run_folder(parts, run), run, parts.encoder(), format, out
    )
