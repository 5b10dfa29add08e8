"""The report of a workspace, gathered: what the corpus is, what was done, how good it is, what it took."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtx import __version__
from lmtx.encoder import encoder_key
from lmtx.export.report import (
    Figure,
    LabelLine,
    Lost,
    Report,
    ShownDocument,
    count,
    definition,
    examples,
    percent,
    sentence_of,
    without_folders,
    write_report,
)
from lmtx.types import Progress, Run, content_hash, now
from lmtx.workspace import corpus_tags, measuring, shown
from lmtx.workspace.audited import precision_report
from lmtx.workspace.funnel import error_funnel
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS, Funnel, FunnelStep
from lmtx.workspace.presenting import used_teacher

if TYPE_CHECKING:
    from lmtx.workspace.precision_models import PrecisionReport

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "sentence-transformers",
    "transformers",
    "chromadb",
    "SQLAlchemy",
)
"""Packages that figures depend on."""
_PRIVATE = {"reviewer", "consented_hosts", "allowed_folder", "journal_url", "name"}
"""Settings that say who or where, not how."""
_WANTED = {
    "found": "found by the tagger",
    "shortlist": "lost: the teacher was never asked",
    "teacher": "lost: the teacher says no",
    "student": "lost: the teacher says yes, the tagger leaves it out",
}
_GIVEN = {
    "right": "right",
    "teacher": "wrong, and the teacher says yes too",
    "student": "wrong, by the tagger alone",
}
_TITLES = 5
_PAGE = 5_000


def report(parts: Parts, out: Path, progress: Progress) -> Path:
    """See `Workspace.report`."""
    return write_report(gather(parts, progress), out)


def gather(parts: Parts, progress: Progress) -> Report:
    """Gather what the report says; test documents that the run in use has not ranked yet are ranked."""
    run, view = parts.journal.promoted(), parts.corpus()
    counts = parts.journal.counts()
    progress(0, 4, "Measuring")
    figures = shown.figures(parts, measure=True, progress=progress)
    audit = precision_report(parts, "tagger", None) if run is not None else None
    progress(1, 4, "Labels")
    labels = _labels(parts, run, audit, progress)
    progress(2, 4, "Examples")
    documents = _documents(parts)
    funnel = error_funnel(parts) if run is not None else None
    progress(3, 4, "Writing the report")
    wanted, given = _lost(funnel, "wanted"), _lost(funnel, "given")
    found = Report(
        name=parts.settings.name or parts.folder.name,
        made=now(),
        corpus=_corpus(parts, counts),
        titles=_titles(parts),
        method=_method(parts, run, counts),
        findings=_findings(run, figures, audit, counts),
        figures=figures,
        labels=labels,
        n_labels=len(view.labels),
        documents=documents,
        cost=_cost(parts, counts),
        facts=_facts(parts, run),
        wanted=wanted,
        given=given,
        funnel_of=_funnel_of(funnel),
    )
    progress(4, 4, "Writing the report")
    return found


# ---- the corpus and the method --------------------------------------------------------------------


def _corpus(parts: Parts, counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    view = parts.corpus()
    lengths = [len(d.full_text) for d in view.documents]
    roles = {
        "train": "to learn from",
        "held_out": "held out from training, judged by the teacher",
        "reserve": "reserved for the audit, read by no training",
        "test": "of the file's split for tests",
    }
    apart = ", ".join(f"{count(counts[r])} {text}" for r, text in roles.items() if counts.get(r))
    spoken = sorted(parts.journal.languages().items(), key=lambda item: -item[1])
    rows = [
        ("Documents", count(len(view.documents)), apart),
        (
            "Length",
            f"{count(statistics.median(lengths))} characters" if lengths else "–",
            "the median of title and text",
        ),
        ("Languages", ", ".join(f"{c or 'not guessed'} {count(n)}" for c, n in spoken[:6]) or "–", "guessed"),
        ("Labels", count(len(view.labels)), _about_labels(parts)),
    ]
    if counts.get("gold_test"):
        rows.append(
            ("Gold labels", f"{count(counts['gold_test'])} test documents", "for measuring; never trained on")
        )
    return rows


def _about_labels(parts: Parts) -> str:
    labels = parts.corpus().labels
    defined = sum(bool(x.description) for x in labels)
    below = sum(bool(x.parents) for x in labels)
    said = [f"{count(defined)} with a definition"] if defined else []
    return ", ".join([*said, *([f"{count(below)} with a broader label"] if below else [])])


def _titles(parts: Parts) -> list[str]:
    documents = [d for d in parts.corpus().documents if d.title]
    step = max(1, len(documents) // (_TITLES + 1))
    return [documents[i * step].title for i in range(1, _TITLES + 1) if i * step < len(documents)]


def _method(parts: Parts, run: Run | None, counts: Mapping[str, int]) -> list[str]:
    teacher = used_teacher(parts)
    text = [
        "Nobody had annotated this corpus for training. A teacher is asked about the most promising labels "
        "of each document, and says yes or no; people correct what it says, and settle some documents as a "
        "whole; a small model, the student, learns from both, and tags any text without the teacher. What "
        "tags is a blend of the student with rankings by words, weighted by how well each does on documents "
        "that were not learned from. The method follows LMTX (Zhang, Ullah and Babbar, COLING 2025)."
    ]
    if teacher is None:
        text.append("No teacher has been asked yet.")
    else:
        what = "a language model" if teacher.details.get("is_llm") else "no language model"
        text.append(
            f"The teacher is {without_folders(teacher.spec)} ({what}). It judged "
            f"{count(teacher.n_judgments)} pairs of a document and a label, and said yes to "
            f"{percent(teacher.n_yes / teacher.n_judgments)} of them."
        )
    decisions, completed = counts.get("decisions", 0), counts.get("completed", 0)
    text.append(
        f"People made {count(decisions)} decisions and settled {count(completed)} documents as a whole."
        if decisions
        else "No person has reviewed anything yet."
    )
    if run is None:
        text.append("Nothing is trained yet: what tags is a ranking by likeness of words and meaning.")
    else:
        weights: Any = run.metrics.get("weights")
        blend = (
            " What tags blends: "
            + ", ".join(f"{shown.PARTS.get(n, n)} ({percent(w, 0)})" for n, w in sorted(weights.items()) if w)
            + "."
            if isinstance(weights, dict) and weights
            else ""
        )
        text.append(
            f"The training in use learned from {count(_int(run, 'n_documents'))} documents: "
            f"{count(_int(run, 'n_pairs'))} judged pairs and {count(_int(run, 'n_decisions'))} decisions."
            + blend
        )
    return text


def _int(run: Run, name: str) -> int:
    value = run.metrics.get(name)
    return value if isinstance(value, int) else 0


# ---- quality --------------------------------------------------------------------------------------


def _findings(
    run: Run | None, figures: list[Figure], audit: PrecisionReport | None, counts: Mapping[str, int]
) -> list[str]:
    if run is None:
        return ["Nothing is trained yet, so there is nothing to measure."]
    text = [sentence_of(figures[0])] if figures else []
    reviewed = audit is not None and audit.n_pairs >= shown.FEWEST
    if not figures and not reviewed:
        text.append("How good the tags are is not known yet: no test document has gold labels, and too few ")
        text[-1] += f"tags were audited ({count(audit.n_pairs if audit else 0)}; {shown.FEWEST} give a first "
        text[-1] += "figure)."
        gate: Any = run.metrics.get("gate")
        if isinstance(gate, dict) and gate.get("basis") == "held-out":
            text.append(f"By the teacher's opinion, which has errors of its own: {gate.get('message')}")
    elif not reviewed:
        text.append("People have audited too few tags for a figure of their own.")
    if reviewed and audit is not None:
        known = audit.n_known()
        text.append(
            f"{count(known)} of {count(audit.n_labels)} labels that are given are known to plus or minus ten "
            "points by the audit."
        )
        if audit.promise is not None and audit.promise.threshold is not None:
            text.append(
                f"Promised with 95 % confidence: tags of a probability of at least "
                f"{percent(audit.promise.threshold, 0)} are right at least "
                f"{percent(audit.promise.target, 0)} of the time; that keeps "
                f"{percent(audit.promise.kept)} of the tags."
            )
        if audit.n_passed:
            text.append(f"{count(audit.n_passed)} audited tags were put off, and count neither way.")
    return text


def _labels(
    parts: Parts, run: Run | None, audit: PrecisionReport | None, progress: Progress
) -> list[LabelLine]:
    """Lines of all labels, those that are given most first."""
    paths = parts.label_paths()
    given = _given(parts)
    gold: dict[str, Any] = {}
    if run is not None and parts.journal.counts().get("gold_test"):
        frame = measuring.label_quality(parts, "tagger", None, progress)
        gold = {str(row.label_id): row for row in frame.itertuples()}
    reviewed: dict[str, Any] = (
        {} if audit is None else {str(row.label_id): row for row in audit.labels.itertuples() if row.n}
    )
    labels = parts.labels_by_id()
    lines = []
    page, n_pages = 0, 1
    while page < n_pages:
        rows = parts.journal.labels_page(sort="name", page=page, page_size=_PAGE)
        for row in rows:
            label, told, said = labels.get(row.id), gold.get(row.id), reviewed.get(row.id)
            lines.append(
                LabelLine(
                    id=row.id,
                    name=row.name,
                    path=" › ".join(paths.get(row.id, ())),
                    definition=definition(label.description) if label is not None else "",
                    given=None if given is None else given.get(row.id, 0),
                    accepted=row.n_accepted,
                    rejected=row.n_rejected,
                    proposed=row.n_proposed,
                    gold=int(told.support) if told is not None else 0 if gold else None,
                    found=int(told.n_predicted) if told is not None else 0 if gold else None,
                    right=_right(told) if told is not None else 0 if gold else None,
                    value=None if said is None else float(said.value),
                    low=None if said is None else float(said.low),
                    high=None if said is None else float(said.high),
                    n=0 if said is None else int(said.n),
                )
            )
        page, n_pages = page + 1, rows.n_pages
    return sorted(lines, key=lambda x: (-(x.given or 0), -(x.gold or 0), -x.proposed, x.name.casefold()))


def _right(row: Any) -> int:
    share = float(row.precision)
    return round(share * row.n_predicted) if row.n_predicted and share == share else 0


def _given(parts: Parts) -> dict[str, int] | None:
    """Label id -> documents among whose first tags it is; None where not all documents are tagged."""
    tags = corpus_tags.corpus_tags(parts)
    if tags is None or tags.n_missing:  # a part of it, say the test documents, is not the corpus
        return None
    view = parts.corpus()
    first = tags.label_idx[:, :TAGS]
    n = np.bincount(first[first >= 0], minlength=len(view.labels))
    return {x.id: int(n[j]) for j, x in enumerate(view.labels)}


def _documents(parts: Parts) -> list[ShownDocument]:
    return examples(shown.candidates(parts), 7, wrong=3)


def _lost(funnel: Funnel | None, which: str) -> list[Lost]:
    steps: list[FunnelStep] = [] if funnel is None else getattr(funnel, which)
    names = _WANTED if which == "wanted" else _GIVEN
    return [Lost(names.get(s.name, s.name), s.n, s.share.value, s.share.low, s.share.high) for s in steps]


def _funnel_of(funnel: Funnel | None) -> str:
    if funnel is None or not funnel.n_judged:
        return ""
    return (
        f"By {count(funnel.n_judged)} documents that people settled in the audit and the teacher was asked "
        "about. Brackets hold 95 % intervals."
    )


# ---- what it took, and how to do it again ---------------------------------------------------------


def _cost(parts: Parts, counts: Mapping[str, int]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for row in (t for t in parts.journal.teachers() if t.n_judgments):
        spent = [f"{count(row.n_judgments)} judgments"]
        if row.tokens:
            spent.append(f"{count(row.tokens)} tokens, {count(row.tokens_out)} of them written")
        money = f"{row.cost:.2f} dollars, at the prices that were given"
        free = "no tokens were counted" if not row.tokens else "money not known: no prices were given"
        rows.append((f"Teacher {without_folders(row.spec)}", "; ".join(spent), money if row.cost else free))
    runs = parts.journal.runs()
    trainings = f"{count(len(runs))} training{'s' if len(runs) > 1 else ''}"
    known = [s for s in (r.metrics.get("cpu_s") for r in runs) if isinstance(s, int | float)]
    if runs:
        rows.append(
            (
                "Training",
                f"{trainings}, {sum(known):.0f} s of processor time" if known else trainings,
                "encoding of texts not included",
            )
        )
    people = parts.journal.decision_counts("reviewer")
    rows.append(
        (
            "People",
            f"{count(counts.get('decisions', 0))} decisions, "
            f"{count(counts.get('completed', 0))} documents settled",
            f"by {len(people)} people" if len(people) > 1 else "",
        )
    )
    return rows


def _facts(parts: Parts, run: Run | None) -> list[tuple[str, str, str]]:
    documents, labels = parts.journal.corpus_hashes()
    rows = [
        ("Version", f"LMTX Studio {__version__}", f"Python {platform.python_version()}, {_packages()}"),
        ("Documents", content_hash(*sorted(documents)), "hash of the hashes of all texts, sorted"),
        ("Label set", content_hash(*sorted(labels)), "hash of the hashes of all label texts, sorted"),
        ("Journal", parts.journal.id, f"up to record {count(parts.journal.head_seq())}"),
        ("Encoder", encoder_key(parts.settings.encoder), without_folders(parts.settings.encoder)),
    ]
    teacher = used_teacher(parts)
    if teacher is not None:
        rows.append(("Teacher", teacher.key, without_folders(teacher.spec)))
    if run is not None:
        rows += [
            ("Training in use", run.id, f"{run.kind}, {run.created:%Y-%m-%d %H:%M} UTC"),
            ("Training data", run.fingerprint, "fingerprint of what it learned from"),
            ("Configuration", without_folders(json.dumps(run.config, sort_keys=True)), ""),
        ]
    settings = {k: v for k, v in parts.settings.model_dump().items() if k not in _PRIVATE}
    rows += [
        ("Seed", str(parts.settings.seed), "of the documents' roles, of queues and of training"),
        ("Settings", without_folders(json.dumps(settings, sort_keys=True)), ""),
    ]
    return rows


def _packages() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


__all__ = ["PACKAGES", "gather", "report"]
