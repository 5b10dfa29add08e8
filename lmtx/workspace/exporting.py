"""What leaves the workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lmtx.errors import InputError, NothingToDoError
from lmtx.export import (
    ANNOTATION_FORMATS,
    TABLE_FORMATS,
    Annotated,
    Proposed,
    Said,
    write_annotations,
    write_model,
    write_table,
)
from lmtx.export.tables import ColumnType, Row
from lmtx.types import CorpusView, Decision, Document, PairState, Progress
from lmtx.workspace import tagging
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS
from lmtx.workspace.thresholds import UNCALIBRATED, Floor, Threshold, floor_of

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
    "reason": "text",
    "blind": "bool",
}
_BLOCK = 200


def export(
    parts: Parts,
    what: str,
    format: str,
    out: Path,
    progress: Progress,
    reviewer: str | None = None,
    threshold: Threshold | None = None,
) -> Path:
    """See `Workspace.export`."""
    if reviewer is not None and what != "decisions":
        raise InputError(f"Only decisions are exported by reviewer, not {what!r}. Leave the reviewer out.")
    if threshold is not None and what != "corpus":
        raise InputError(f"Only the corpus is exported by a threshold, not {what!r}. Leave it out.")
    if what == "model":
        return _model(parts, format, out)
    if what == "decisions":
        return _decisions(parts, format, out, progress, reviewer)
    if what not in ("corpus", "pairs"):
        raise InputError(f"Export {what!r} does not exist. Known: corpus, pairs, decisions, model.")
    columns = _CORPUS if what == "corpus" else _PAIRS
    rows = _corpus_rows(parts, _floor(parts, threshold)) if what == "corpus" else _pair_rows(parts)
    total = _total(parts, what)
    return write_table(rows, columns, format, out, lambda n: progress(n, total, f"Writing {what}"))


def _floor(parts: Parts, threshold: Threshold | None) -> Floor:
    """From which probability on the tagger's tags are written."""
    if not threshold:
        return Floor()
    if tagging.tagger(parts).calibration is None:
        raise InputError(UNCALIBRATED)
    return floor_of(parts, threshold, "tagger", TAGS)


def _total(parts: Parts, what: str) -> int:
    if what == "pairs":
        return sum(parts.journal.pair_counts().values())
    return parts.journal.counts()["documents"]


def _corpus_rows(parts: Parts, floor: Floor) -> Iterator[Row]:
    """Documents with their tags.

    `tags` are what to use: of a completed document the accepted labels; of others the accepted ones and
    the tagger's best that nobody rejected, or, before any training, the teacher's proposals. Of the tagger's
    only those that the floor keeps are written.
    """
    view: CorpusView = parts.corpus()
    labels = parts.labels_by_id()
    trained = parts.journal.promoted() is not None
    completed = set(parts.journal.completed())
    for start in range(0, len(view.documents), _BLOCK):
        documents = view.documents[start : start + _BLOCK]
        states = parts.journal.pair_states_of([d.id for d in documents])
        predicted = tagging.ranked(parts, documents, TAGS) if trained and labels else [[] for _ in documents]
        predicted = [[r for r in best if floor.keeps(r.label_id, r.probability)] for best in predicted]
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


def _decisions(parts: Parts, format: str, out: Path, progress: Progress, reviewer: str | None) -> Path:
    if format in TABLE_FORMATS:
        total = parts.journal.decisions_page(reviewer=reviewer, page_size=1).total
        return write_table(
            _decision_rows(parts, reviewer),
            _DECISIONS,
            format,
            out,
            lambda n: progress(n, total, "Writing decisions"),
        )
    if format not in ANNOTATION_FORMATS:
        known = ", ".join((*TABLE_FORMATS, *ANNOTATION_FORMATS))
        raise InputError(f"Format {format!r} is unknown for decisions. Known: {known}.")
    view = parts.corpus()
    ids = [i for i in parts.journal.decided_documents(reviewer) if i in view.document_idx]
    return write_annotations(
        _annotated(parts, view, ids, reviewer),
        view.labels,
        format,
        out,
        lambda n: progress(n, len(ids), "Writing decisions"),
    )


def _decision_rows(parts: Parts, reviewer: str | None) -> Iterator[Row]:
    after = 0
    while True:
        page = parts.journal.decisions(after_seq=after, reviewer=reviewer, limit=2000)
        for decision in page:
            row: dict[str, Any] = {name: getattr(decision, name) for name in _DECISIONS}
            yield row
        if len(page) < 2000:
            return
        after = page[-1].seq


def _annotated(
    parts: Parts, view: CorpusView, ids: Sequence[str], reviewer: str | None
) -> Iterator[Annotated]:
    """Documents with what stands decided on them, what teachers said yes to, and the tagger's best."""
    specs = {t.key: t.spec or t.key for t in parts.journal.teachers()}
    run = parts.journal.promoted()
    for start in range(0, len(ids), _BLOCK):
        block = ids[start : start + _BLOCK]
        rows = [view.document_idx[i] for i in block]
        documents = [view.documents[row] for row in rows]
        decided = parts.journal.standing_decisions(block)
        pairs = parts.journal.pair_states_of(block)
        best = _tagged(parts, documents, f"lmtx {run.id}") if run is not None else [None for _ in documents]
        for row, document, tagged in zip(rows, documents, best, strict=True):
            said = _said(decided[document.id])
            yield Annotated(
                document=document,
                role=view.roles[row],
                said=[one for one in said if reviewer in (None, one.reviewer)],
                proposed=[*_taught(pairs[document.id], specs), *([tagged] if tagged is not None else [])],
            )


def _said(decisions: Sequence[Decision]) -> list[Said]:
    """What each reviewer decided on one document, from what stands there in order.

    Who completes a document takes over what others had settled on it by then, which is not recorded anew.
    """
    said = []
    for reviewer in dict.fromkeys(d.reviewer for d in decisions):
        own = [d for d in decisions if d.reviewer == reviewer]
        completed = max((d.seq for d in own if d.action == "complete"), default=0)
        verdicts: dict[str, str] = {}
        for d in decisions:
            counts = d.reviewer == reviewer or d.seq < completed
            if counts and d.label_id is not None and d.action in ("accept", "reject"):
                verdicts[d.label_id] = d.action
        if not verdicts and not completed:
            continue  # only passed over
        said.append(
            Said(
                reviewer=reviewer,
                at=max(d.at for d in own),
                accepted=tuple(x for x, action in verdicts.items() if action == "accept"),
                rejected=tuple(x for x, action in verdicts.items() if action == "reject"),
                completed_at=next((d.at for d in own if d.seq == completed), None),
            )
        )
    return said


def _taught(pairs: Sequence[PairState], specs: dict[str, str]) -> list[Proposed]:
    """What each teacher said yes to, the surest first."""
    by: dict[str, list[tuple[str, float | None]]] = {}
    for pair in pairs:
        if pair.verdict == "yes" and pair.teacher_key is not None:
            by.setdefault(pair.teacher_key, []).append((pair.label_id, pair.probability))
    return [
        Proposed(specs.get(key, key), tuple(sorted(labels, key=lambda x: -(x[1] or 0.0))))
        for key, labels in by.items()
    ]


def _tagged(parts: Parts, documents: Sequence[Document], by: str) -> list[Proposed | None]:
    return [
        Proposed(by, tuple((r.label_id, r.probability) for r in ranked)) if ranked else None
        for ranked in tagging.ranked(parts, documents, TAGS)
    ]


def _model(parts: Parts, format: str, out: Path) -> Path:
    run = parts.journal.promoted()
    if run is None:
        raise NothingToDoError("There is no trained model yet. Train first.")
    return write_model(
        tagging.tagger(parts), tagging.run_folder(parts, run), run, parts.encoder(), format, out
    )
