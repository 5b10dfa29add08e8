"""What the report and the presentation both show: figures with their truth, and documents with their tags."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmtx.encoder import encoder_key
from lmtx.errors import NothingToDoError
from lmtx.export.report import Figure, ShownDocument, ShownTag, Truth, shown_text
from lmtx.types import Document, Progress, Run, Scored, no_progress
from lmtx.workspace import measuring, rankings, systems, tagging
from lmtx.workspace.audited import precision_report, settled_documents
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.workspace.systems import System

FEWEST = 30
"""Audited pairs, or settled documents, below which there is no figure."""
QUICK = 1_500
"""Test documents up to which a screen ranks them itself."""
SHOWN_TAGS = 3
PARTS = {
    "dense": "likeness of meaning",
    "bm25_document": "words of the label in the text",
    "bm25_query": "the text against the label",
    "tfidf": "words of the name",
    "student": "the student",
    "ridge": "similar documents judged",
    "reviewed": "similar documents reviewed",
    "linear": "words of documents reviewed",
    "label_text": "label texts, by documents reviewed",
    "prior": "how often the label is given",
}
"""What the tagger blends, in words."""
_CANDIDATES = 80
_LENGTH = 320  # characters of a document that reads at a glance
_FEW_SETTLED = 3


# ---- figures --------------------------------------------------------------------------------------


def figures(parts: Parts, *, measure: bool, progress: Progress = no_progress) -> list[Figure]:
    """How good the run in use is, by every truth there is; empty without a run in use.

    Parameters
    ----------
    measure : bool
        Whether to rank the test documents now where they are many; else what is not known is left out.
    """
    if parts.journal.promoted() is None:
        return []
    return [*_by_gold(parts, measure, progress), *_by_audit(parts)]


def _by_gold(parts: Parts, measure: bool, progress: Progress) -> list[Figure]:
    found = gold_ranking(parts, "tagger", measure=measure, progress=progress)
    if found is None:
        return []
    before = gold_ranking(parts, systems.NOTHING_LEARNED, measure=measure, progress=progress) or {}
    documents, gold = _gold(parts)
    each = sum(len(gold[d.id]) for d in documents) / len(documents)
    named = {
        "P@1": ("The first tag is right", "of the first tags"),
        "P@5": ("A tag is right", f"of five tags a document, which should have {each:.1f} on average"),
        "R@10": ("A right label is found", "of the right labels, among the first ten tags of a document"),
    }

    def one(key: str, name: str, of: str) -> Figure:
        low, high = (found[key] + side * 1.96 * found[f"{key}_se"] for side in (-1, 1))
        n = int(found["n_docs"])
        return Figure(
            name, of, "gold", found[key], max(0.0, low), min(1.0, high), n, "test documents", before.get(key)
        )

    return [one(key, *words) for key, words in named.items()]


def _by_audit(parts: Parts) -> list[Figure]:
    report = precision_report(parts, "tagger", None)
    if report is None:
        return []
    out = []
    for name, of, share, n, unit in (
        (
            "A tag is right",
            "of the tags that documents of the corpus get, five each",
            report.precision,
            report.n_pairs,
            "audited tags",
        ),
        (
            "A right label is found",
            "of the labels that documents of the corpus should have",
            report.recall,
            report.n_documents,
            "audited documents",
        ),
    ):
        if share.value is not None and n >= FEWEST:
            out.append(Figure(name, of, "reviewed", share.value, share.low, share.high, n, unit))
    return out


def gold_ranking(
    parts: Parts, system: str, *, measure: bool, progress: Progress = no_progress
) -> dict[str, float] | None:
    """Ranking metrics against gold, as `evaluate` gives them; None without gold, or where not known yet.

    From the rankings that are kept; what is missing is ranked where `measure` says so or it is quick.
    """
    which = systems.system(parts, system)
    try:
        documents, gold = _gold(parts)
    except NothingToDoError:
        return None
    ranking = rankings.kept(parts, which)
    known = ranking is not None and all(map(ranking.knows, documents))
    if not known and not measure and len(documents) > QUICK:
        return _measured(parts, which)

    def make() -> dict[str, float]:
        from lmtx.quality import evaluate

        found = rankings.rank(parts, which, documents, progress)
        rows = found.rows(documents)
        scored = Scored(found.label_idx[rows], np.nan_to_num(found.score[rows], nan=0.0))
        return evaluate(scored, measuring.gold_matrix(documents, gold, found.label_ids))

    version = (which.id, id(parts.corpus()), parts.journal.counts().get("gold_test"))
    made: dict[str, float] = parts.kept(f"shown {which.id}", version, make)
    return made


def _gold(parts: Parts) -> tuple[list[Document], dict[str, tuple[str, ...]]]:
    """Test documents with gold labels, kept until documents change."""
    view = parts.corpus()
    if not parts.journal.counts().get("gold_test"):
        raise NothingToDoError("No test document has gold labels.")
    found: tuple[object, list[Document], dict[str, tuple[str, ...]]] = parts.kept(
        "shown gold", id(view), lambda: (view, *measuring.gold_documents(parts, "test", None))
    )
    return found[1:]


def _measured(parts: Parts, which: System) -> dict[str, float] | None:
    """What a job has measured of a run."""
    if which.run is None:
        return None
    for row in parts.journal.jobs(100, states=("done",)):
        mine = row.params.get("system") in (which.run.id, "tagger") and not row.params.get("limit_docs")
        if row.verb == "evaluate" and mine and row.result and row.created >= which.run.created:
            if row.params["system"] == "tagger" and not _in_use_since(parts, which.run, row.created):
                continue
            return {k: float(v) for k, v in row.result.items() if isinstance(v, int | float)}
    return None


def _in_use_since(parts: Parts, run: Run, moment: datetime) -> bool:
    """Whether a run was put in use before a moment, and no other since."""
    last = parts.journal.promotions()[-1:]
    return bool(last) and last[0][0] == run.id and last[0][1] <= moment


# ---- documents ------------------------------------------------------------------------------------


def candidates(parts: Parts) -> list[ShownDocument]:
    """Short documents with their first tags, and whether these are right as far as anybody knows.

    From the documents that were settled in the audit; else from test documents with gold labels; else from
    any, of which nobody knows. Kept until something is said or another run is in use.
    """
    run, view = parts.journal.promoted(), parts.corpus()
    if not view.documents or not view.labels:
        return []
    version = (run and run.id, id(view), parts.journal.head_seq())
    found: tuple[object, list[ShownDocument]] = parts.kept(
        "shown documents", version, lambda: (view, _candidates_of(parts))
    )
    return found[1]


def _candidates_of(parts: Parts) -> list[ShownDocument]:
    view = parts.corpus()
    wanted, truth = _truth(parts)
    rows = [view.document_idx[i] for i in wanted] if truth else [*range(len(view.documents))]
    documents = _short([view.documents[i] for i in rows])
    # Only what has a vector: nobody who looks waits for a text to be encoded.
    known = parts.cache.get(encoder_key(parts.settings.encoder), [d.hash for d in documents])[1]
    documents = [d for d, there in zip(documents, known, strict=True) if there]
    if not documents:
        return []
    labels = parts.labels_by_id()
    out = []
    tagged = tagging.predict(parts, documents, SHOWN_TAGS, "tagger", words=False)
    for document, tags in zip(documents, tagged, strict=True):
        right = wanted.get(document.id, frozenset()) if truth else None
        given = tuple(
            ShownTag(tag.name, tag.probability, None if right is None else tag.label_id in right)
            for tag in tags
        )
        ids = {tag.label_id for tag in tags}
        missed = [labels[x].name for x in sorted(right or ()) if x in labels and x not in ids]
        out.append(
            ShownDocument(
                document.id, document.title, _body(document), given, tuple(missed) if truth else (), truth
            )
        )
    return out


def _truth(parts: Parts) -> tuple[dict[str, Collection[str]], Truth | Literal[""]]:
    """Document id -> labels that it should have, and from which truth."""
    if parts.journal.promoted() is not None:
        settled = settled_documents(parts)
        if len(settled) >= _FEW_SETTLED:
            return {**settled}, "reviewed"
    try:
        _, gold = _gold(parts)
    except NothingToDoError:
        return {}, ""
    return {**gold}, "gold"


def _short(documents: Sequence[Document]) -> list[Document]:
    """Those that read at a glance, in an order that depends on nothing but their texts."""
    found = [d for d in documents if d.full_text.strip()]
    return sorted(found, key=lambda d: (abs(len(d.full_text) - _LENGTH), d.id))[:_CANDIDATES]


def _body(document: Document) -> str:
    """Text of a document without the title that it may begin with."""
    text = document.text
    if document.title and text.startswith(document.title):
        text = text[len(document.title) :]
    return shown_text(text)


def as_shown(document: Document, tags: Sequence[ShownTag]) -> ShownDocument:
    """Make a document with given tags one to show."""
    return ShownDocument(document.id, document.title, _body(document), tuple(tags), (), "")


def without_misses(document: ShownDocument) -> ShownDocument:
    """Leave out what a document should have beyond the tags that show: on a slide three tags are all."""
    return replace(document, missed=())


__all__ = ["FEWEST", "QUICK", "as_shown", "candidates", "figures", "gold_ranking", "without_misses"]
