"""What to do next, best first, from the state of the workspace, with the expected gain where one is known.

A gain is this workspace's own figure where there is one. Else it is what the product's benchmark measured on
two other corpora, and says so; where nothing was measured, none is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lmtx.export.report import count
from lmtx.jobs import Job
from lmtx.workspace import watching
from lmtx.workspace.models import NextStep
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.workspace.precision_models import AuditPlan, PrecisionReport

ENOUGH = 40
"""Completed documents after which reviewing is no longer the first thing to do."""
WIDE = 0.05
"""Half width of a precision from which on more answers are worth a step."""
_MORE = 100
_FEW_NEW = 20  # decisions that a training is worth
_PAGES = {
    "demo": "overview",
    "teach": "teacher",
    "cycle": "teacher",
    "train": "train",
}
_NAMES = {
    "demo": "loading the demo",
    "teach": "asking the teacher",
    "cycle": "teaching and training",
    "train": "the training",
}
ELSEWHERE = "measured on two other corpora, package descriptions and bills"
"""Where gains that are not this workspace's own come from."""

# First tag right in percent, (debtags, congress), by completed documents: the table of README, which
# `python benchmarks/budgets.py` prints.
_CURVES: dict[str, dict[int, tuple[float, float]]] = {
    "none": {0: (32.9, 65.2), 50: (61.4, 79.2), 200: (66.6, 88.8), 1000: (75.2, 93.6)},
    "evidence": {0: (40.6, 66.6), 50: (57.4, 79.1), 200: (65.6, 87.6), 1000: (75.0, 93.9)},
    "good": {0: (75.6, 89.8), 50: (74.6, 90.6), 200: (75.6, 91.9), 1000: (76.4, 94.1)},
    "habits": {0: (32.5, 66.8), 50: (63.2, 84.5), 200: (67.3, 90.0), 1000: (75.2, 93.8)},
}


@dataclass(frozen=True)
class Known:
    """What the first step is chosen by; cheap to read.

    counts : as in `Status`
    has_run, has_gold, running : a run in use, gold of test documents, a job that runs
    n_new : decisions that no training has learned from
    due : decisions that a training waits for, 0 where it is only made when asked
    stopped : what was begun last, where it failed or was cut off
    """

    counts: dict[str, int]
    has_run: bool = False
    has_gold: bool = False
    running: bool = False
    n_new: int = 0
    due: int = 0
    stopped: Job | None = None
    is_llm: bool = False
    teacher: str = ""


def first_step(known: Known) -> NextStep:
    """Name the next best step."""
    counts = known.counts
    judged, completed = counts["judged_pairs"], counts["completed"]
    if known.stopped is not None:
        return _go_on(known.stopped)
    if not counts["documents"]:
        return NextStep("corpus", "Import a corpus", "There are no documents yet.")
    if not counts["labels"]:
        return NextStep("labels", "Import a label set", "There are documents, but no labels to give them.")
    if not judged and not completed:
        if known.running:
            return NextStep("teacher", "Wait for the job", "A job is running; its progress is at the left.")
        return NextStep(
            "teacher",
            "Ask a teacher",
            "Nothing is judged yet; until then only word and meaning matches answer.",
            gain=_of_curve("A teacher", (("none", 0), ("evidence", 0)), (("none", 0), ("good", 0))),
        )
    if not known.has_run:
        return NextStep("train", "Train", "There are judgments to learn from, and no model yet.")
    if known.n_new >= max(known.due, _FEW_NEW) and not known.running:
        return NextStep(
            "train",
            "Train on what is new",
            _waiting(known),
        )
    if completed < ENOUGH:
        return NextStep(
            "review",
            "Complete 1 document" if completed == ENOUGH - 1 else f"Complete {ENOUGH - completed} documents",
            "Some forty documents settled by a person raise the tagger more than anything else now."
            if not known.is_llm
            else "Documents settled by a person find what the teacher overlooks, and mend its habits.",
            gain=_completing(known),
        )
    if known.has_gold:
        return NextStep("precision", "See how good it is", "There are gold labels to measure against.")
    return NextStep(
        "review",
        "Go on reviewing",
        "Each completed document still helps; train now and then.",
        gain=_going_on(known),
    )


def _waiting(known: Known) -> str:
    return f"{count(known.n_new)} decisions wait that no training has learned from."


def known(parts: Parts, counts: dict[str, int], *, has_gold: bool, running: bool) -> Known:
    """Read what the first step is chosen by."""
    if not counts["documents"]:
        return Known(counts, running=running, stopped=_stopped(parts))
    learning = watching.learning_state(parts)
    teachers = [t for t in parts.journal.teachers() if t.n_judgments]
    used = teachers[-1] if teachers else None
    return Known(
        counts,
        has_run=parts.journal.promoted() is not None,
        has_gold=has_gold,
        running=running,
        n_new=learning.n_new,
        due=learning.every,
        stopped=_stopped(parts),
        is_llm=bool(used and used.details.get("is_llm")),
        teacher=used.spec if used else "",
    )


def next_steps(parts: Parts, found: Known) -> list[NextStep]:
    """See `Workspace.next_steps`."""
    first = first_step(found)
    if not found.counts["documents"] or not found.counts["labels"]:
        return [first]
    steps = [first]
    if found.has_run:
        steps += _learning(parts, found) + _measuring(parts, found)
    steps += _gaps(parts, found)
    if found.has_run and found.counts["completed"] < ENOUGH and first.page != "review":
        steps.append(first_step(replace(found, stopped=None, n_new=0)))
    if found.has_run and found.has_gold:
        steps.append(NextStep("precision", "See how good it is", "There are gold labels to measure against."))
    if found.has_run:
        steps.append(NextStep("present", "Show it", "Four screens with this workspace's figures, read-only."))
    unique: dict[str, NextStep] = {}
    for step in steps:
        unique.setdefault(step.action, step)
    return list(unique.values())


# ---- gains measured elsewhere ---------------------------------------------------------------------


def _of_curve(what: str, *moves: tuple[tuple[str, int], tuple[str, int]]) -> str:
    """Say by how many points the first tag's precision moved, from the least to the most of some moves."""
    points = [
        _CURVES[after][n][i] - _CURVES[before][m][i] for (before, m), (after, n) in moves for i in (0, 1)
    ]
    low, high = round(min(points)), round(max(points))
    words = f"{low:+d} to {high:+d} points" if low != high else f"{low:+d} points"
    return f"{what}: first tag right {words}, {ELSEWHERE}".replace("-", "−", 1 if low < 0 else 0)


def _curves_of(known: Known) -> tuple[str, ...]:
    """Curves that speak of a workspace: a teacher that nobody has measured may be good or have habits."""
    if not known.teacher:
        return ("none",)
    return ("evidence",) if known.teacher == "evidence" else ("good", "habits")


def _completing(known: Known) -> str:
    return _of_curve("Fifty of them", *(((name, 0), (name, 50)) for name in _curves_of(known)))


def _going_on(known: Known) -> str:
    n = known.counts["completed"]
    before, after = (50, 200) if n < 150 else (200, 1000)
    if n >= 1000:
        return ""
    moves = (((name, before), (name, after)) for name in _curves_of(known))
    return _of_curve(f"From {before} to {after} completed documents", *moves)


# ---- further steps --------------------------------------------------------------------------------


def _stopped(parts: Parts) -> Job | None:
    """Return what was begun last, where it failed or was cut off: no person stopped it, so it may go on."""
    last = next((job for job in parts.jobs(20) if job.verb in _PAGES), None)
    return last if last is not None and last.state in ("failed", "interrupted") else None


def _go_on(job: Job) -> NextStep:
    why = job.error or (
        f"It stopped at {job.done} of {job.total}; what was done is kept." if job.total else "It was cut off."
    )
    verb = job.verb if job.verb == "demo" else ""  # begun again, it does what is not done yet
    return NextStep(_PAGES[job.verb], f"Go on with {_NAMES[job.verb]}", why, verb=verb)


def _learning(parts: Parts, found: Known) -> list[NextStep]:
    steps = []
    if found.n_new >= _FEW_NEW and not found.running:
        steps.append(
            NextStep(
                "train",
                "Train on what is new",
                _waiting(found),
                gain=_last_gain(parts),
            )
        )
    stale = _n_stale(parts, found.teacher)
    if stale:
        steps.append(
            NextStep(
                "teacher",
                f"Ask again about {count(stale)} pairs",
                "Their texts have changed since the teacher judged them, so its verdicts no longer count.",
            )
        )
    return steps


def _last_gain(parts: Parts) -> str:
    """Say what the last training gained on completed documents, where two can be compared."""
    known = [g for g in watching.gains(parts) if g.quality is not None and g.promoted]
    if len(known) < 2:
        return ""
    before, last = known[-2], known[-1]
    assert before.quality is not None
    assert last.quality is not None
    points = 100 * (last.quality - before.quality)
    return (
        f"The last training: {points:+.1f} points on {last.n_completed} completed documents of this "
        f"workspace ({last.n_decisions - before.n_decisions:+d} decisions)"
    )


def _n_stale(parts: Parts, spec: str) -> int:
    row = next((t for t in parts.journal.teachers() if t.spec == spec and t.n_judgments), None)
    if row is None:
        return 0
    version = (row.key, row.n_judgments, id(parts.corpus()))
    view = parts.corpus()
    found: tuple[object, int] = parts.kept(
        "stale pairs", version, lambda: (view, len(parts.journal.stale_pairs(row.key)))
    )
    return found[1]


def _measuring(parts: Parts, found: Known) -> list[NextStep]:
    from lmtx.workspace.audit_planning import audit_plan
    from lmtx.workspace.audited import precision_report

    report = precision_report(parts, "tagger", None)
    if report is None or not report.n_tags:
        return []
    now = report.precision.half_width if report.precision.value is not None else None
    if now is not None and now <= WIDE:
        return []
    plan = next((p for p in audit_plan(parts) if p.design == report.design and p.more == _MORE), None)
    if plan is None or (now is not None and plan.half_width >= now):
        return []  # all of the reserve's tags are answered
    return [_audit(report, now, plan)]


def _audit(report: PrecisionReport, now: float | None, plan: AuditPlan) -> NextStep:
    before = "not known now" if now is None else f"known to ±{100 * now:.1f} points now"
    time = f", in about {max(1, round(plan.minutes))} min" if plan.minutes is not None else ""
    gain = f"Precision of all tags: {before}, to about ±{100 * plan.half_width:.1f} points after{time}"
    said = f"{report.n_pairs} tags of the audit are answered" if report.n_pairs else "Nobody has audited it"
    return NextStep(
        "review",
        f"Answer {_MORE} questions of the audit",
        f"{said}: they alone say how often tags of this corpus are right, and by label.",
        gain=gain,
        params=(("mode", "pair"), ("queue", "audit")),
    )


def _gaps(parts: Parts, found: Known) -> list[NextStep]:
    steps = []
    missing = _n_without_vector(parts)
    if missing:
        steps.append(
            NextStep(
                "overview",
                f"Encode {count(missing)} texts",
                "Documents and labels without a vector are found by words only.",
                verb="embed",
            )
        )
    run = parts.journal.promoted()
    learned: Any = run.metrics.get("n_documents") if run is not None else None
    n_train = found.counts.get("train", 0)
    if isinstance(learned, int) and n_train and learned < 0.9 * n_train:
        steps.append(
            NextStep(
                "teacher",
                "Ask about more documents",
                f"The training in use learned from {100 * learned / n_train:.0f} % of the {count(n_train)} "
                "documents that there are to learn from.",
                gain=_price(parts, n_train - learned),
            )
        )
    unused = _n_never_given(parts)
    if unused:
        steps.append(
            NextStep(
                "explore",
                f"Look at {count(unused)} labels that nothing is tagged with",
                "They are among the first five tags of no document: too narrow, unclear, or not in this "
                "corpus.",
                params=(("view", "labels"),),
            )
        )
    return steps


def _price(parts: Parts, n_documents: int) -> str:
    """Say what the rest would take by what the teacher took so far; its gain is not known."""
    rows = [t for t in parts.journal.teachers() if t.n_judgments]
    if not rows or not rows[-1].tokens:
        return ""
    pairs = n_documents * parts.settings.top_k
    tokens = round(rows[-1].tokens / rows[-1].n_judgments * pairs, -3)
    return f"Takes about {count(tokens)} tokens, by what it took so far"


def _n_without_vector(parts: Parts) -> int:
    view = parts.corpus()
    version = (id(view), parts.settings.encoder, parts.cache.version())
    found: tuple[object, int] = parts.kept(
        "without vector", version, lambda: (view, parts.n_without_vector())
    )
    return found[1]


def _n_never_given(parts: Parts) -> int:
    """Labels among the first tags of no document, where all documents are tagged; else 0."""
    import numpy as np

    from lmtx.workspace.corpus_tags import corpus_tags
    from lmtx.workspace.precision_models import TAGS

    tags = corpus_tags(parts)
    if tags is None or tags.n_missing:
        return 0
    return len(parts.corpus().labels) - len(np.setdiff1d(np.unique(tags.label_idx[:, :TAGS]), [-1]))


__all__ = ["ELSEWHERE", "ENOUGH", "Known", "first_step", "known", "next_steps"]
