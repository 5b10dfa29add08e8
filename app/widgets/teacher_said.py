"""What teachers said: the newest verdicts as they come in, counters, and how far to trust them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

import streamlit as st

from app import computed
from app.widgets import jobs, layout, overview, words
from app.widgets.inert import escape, shorten
from app.widgets.teacher_kinds import short
from lmtx.jobs import Job
from lmtx.journal import JudgmentRow, TeacherRow
from lmtx.workspace import Workspace

VERBS = ("teach", "cycle", "demo")
UNPARSED = (
    "An answer that can't be read as yes or no is kept as it came. It never counts as a no, and trains "
    "nothing. "
    "If there are many, the model does not do what it is asked: try another, or another way of asking."
)
_ANY = ""
_WORDS = {"yes": ("proposed", "yes"), "no": ("quiet", "no"), "unparsed": ("unparsed", "! unparsed")}
_OPENS = "a line opens to the answer as it came"


def running(workspace: Workspace, *, busy: bool) -> None:
    """Draw counters and verdicts of the job that asks now; without one, nothing."""
    if not busy:
        return

    def look() -> None:
        job = next((j for j in workspace.jobs() if j.active and j.verb in VERBS), None)
        found = computed.spent(workspace, job.id) if job is not None else None
        if job is not None and found is not None and found.n:
            _counters(job, found)
        layout.section("What it says now")
        verdicts(workspace.journal.recent_judgments(15), none="The first verdicts will show here.")

    layout.note("Stop whenever you like: what was answered stays, and “Go on” asks only what is still open.")
    st.fragment(look, run_every=2.0)()


def _counters(job: Job, found: computed.Spent) -> None:
    since = "in this run" if found.whole else "by this teacher in all"
    rate = "–" if found.rate is None else f"{found.rate:.0f}" if found.rate >= 10 else f"{found.rate:.1f}"
    shown = [
        ("Judged", words.count(found.n), since),
        ("Said yes", words.percent(found.n_yes / found.n), "of these"),
        ("A second", rate, "pairs, lately"),
    ]
    if found.is_llm:
        unanswered = re.search(r"(\d+) not answered", job.message)
        shown += [
            ("Tokens", words.count(found.tokens), f"{words.count(found.tokens_out)} of them written"),
            ("Unparsed", words.count(found.n_unparsed), "never taken for a no"),
            ("Not answered", unanswered[1] if unanswered else "0", "stay open"),
        ]
        if found.cost:
            shown.append(("Dollars", f"{found.cost:.2f}", "at the prices given"))
    layout.figures(shown)


USUAL_ENDS = ("All rounds were run.", "The evidence teacher has one round.")
"""Ends that nobody needs to hear of."""


def outcome(workspace: Workspace) -> None:
    """Draw what came of the last job that asked a teacher, where it says more than that it is done."""
    job = next((j for j in workspace.jobs() if j.verb in VERBS), None)
    if job is None or job.state != "done" or not isinstance(job.result, dict):
        return
    result = job.result
    parts = []
    n, yes, unparsed, failed = (result.get(x) for x in ("n_judged", "n_yes", "n_unparsed", "n_failed"))
    if isinstance(n, int):
        parts.append(f"{words.many(n, 'pair')} judged" + (f", {words.count(yes)} yes" if yes else ""))
    if unparsed:
        parts.append(f"{words.count(unparsed)} unparsed")
    if isinstance(tokens := result.get("tokens"), int) and tokens:
        parts.append(words.many(tokens, "token"))
    if cost := result.get("cost"):
        parts.append(f"{float(cost):.2f} dollars")
    stopped = str(result.get("stopped") or "")
    if stopped in ("pairs", "tokens", "dollars", "minutes"):
        parts.append(f"ended by the budget of {stopped}")
    elif stopped and stopped not in USUAL_ENDS:
        parts.append(stopped.rstrip("."))
    if parts:
        layout.note("; ".join(parts) + ".")
    step = workspace.status().next_step
    if step.page not in ("teacher", "overview"):
        layout.go_button(f"Next: {overview.verb(step.page)}", step.page, key="after_teach")
    if failed:
        why = str(result.get("problem") or "")
        st.html(
            f'<div class="lx-error" role="alert">{escape(words.many(failed, "pair"))} not answered; '
            f"they stay open and "
            f"the next start asks them again. {escape(why)}</div>"
        )


# ---- verdicts -----------------------------------------------------------------------------------


def verdicts(rows: Sequence[JudgmentRow], *, none: str) -> None:
    """Draw judgments, those of one document under its title."""
    if not rows:
        layout.note(none)
        return
    groups = [list(group)[::-1] for _, group in groupby(rows, key=lambda r: r.document_id)]
    st.html(f'<div class="lx-said">{"".join(map(_document, groups))}</div>')


def _document(rows: Sequence[JudgmentRow]) -> str:
    title = shorten(rows[0].title or rows[0].document_id, 110)
    return f'<div class="lx-said-doc"><b dir="auto">{escape(title)}</b>{"".join(map(_verdict, rows))}</div>'


def _verdict(row: JudgmentRow) -> str:
    kind, word = _WORDS[row.verdict]
    known = row.probability is not None
    width = 100 * (row.probability or 0.0)
    bar = (
        f'<div class="lx-bar"><i class="t" style="width:{width:.0f}%"></i></div>'
        if known
        else "<span></span>"
    )
    sure = f"{width:.0f}{words.THIN}%" if known else ""
    tokens = words.many(row.tokens, "token") if row.tokens else ""
    line = (
        f'<span class="lx-said-label" dir="auto">{escape(row.label_name)}</span>'
        f'<span class="lx-{kind}">{word}</span>{bar}<span class="lx-note">{sure}</span>'
        f'<span class="lx-note lx-said-tokens">{tokens}</span>'
    )
    if not row.raw:
        return f'<div class="lx-said-row">{line}</div>'
    return (
        f'<details class="lx-said-raw"><summary class="lx-said-row" title="Show what it '
        f'answered">{line}</summary>'
        f"<pre>{escape(row.raw)}</pre></details>"
    )


def last(workspace: Workspace) -> None:
    """Draw a few of the newest verdicts."""
    rows = workspace.journal.recent_judgments(10)
    layout.section("What it said last", _OPENS if any(r.raw for r in rows) else "")
    verdicts(
        rows,
        none="Nothing yet. Its verdicts will show here, document by document.",
    )


def choose_teacher(workspace: Workspace) -> TeacherRow | None:
    """Draw the choice between the teachers that have judged; returns the chosen one, None for all."""
    known = {t.key: t for t in reversed(workspace.journal.teachers()) if t.n_judgments}
    if len(known) == 1:
        return next(iter(known.values()))
    key = st.selectbox(
        "Teacher",
        [_ANY, *known],
        format_func=lambda k: f"{short(known[k].spec)} · {known[k].spec}" if k in known else "All teachers",
        key="said_teacher",
        persist_state="session",
        width=520,
    )
    return known.get(key or "")


def page(workspace: Workspace) -> TeacherRow | None:
    """Draw the teachers' record: figures, verdicts, unparsed ones; returns the chosen teacher."""
    judged = [t for t in workspace.journal.teachers() if t.n_judgments]
    if not judged:
        with layout.empty("No teacher has judged yet.", "Choose one, see what it takes, and let it begin."):
            layout.note("")
        return None
    row = choose_teacher(workspace)
    rows = [row] if row is not None else judged
    n, unparsed = sum(t.n_judgments for t in rows), sum(t.n_unparsed for t in rows)
    tokens, cost = sum(t.tokens for t in rows), sum(t.cost for t in rows)
    shown = [
        ("Judged", words.count(n), "pairs"),
        ("Said yes", words.percent(sum(t.n_yes for t in rows) / n), "of these"),
        ("Unparsed", words.count(unparsed), "never taken for a no"),
    ]
    if tokens:
        written = words.count(sum(t.tokens_out for t in rows))
        shown.append(("Tokens", words.count(tokens), f"{written} of them written"))
        paid = ("at the prices given",) if cost else ("no prices given",)
        shown.append(("Dollars", f"{cost:.2f}" if cost else "–", *paid))
    layout.figures(shown)
    if unparsed:
        st.html(f'<p class="lx-note"><span class="lx-unsure">! Unparsed.</span> {escape(UNPARSED)}</p>')
    return row


def recent(workspace: Workspace, row: TeacherRow | None, *, busy: bool) -> None:
    """Draw the newest verdicts of a teacher, or of all; anew every other second while one is asked."""

    def look() -> None:
        rows = workspace.journal.recent_judgments(40, row.key if row is not None else None)
        layout.section("Newest verdicts", _OPENS if any(r.raw for r in rows) else "")
        verdicts(rows, none="Nothing yet.")

    st.fragment(look, run_every=2.0 if busy else None)()


def any_judged(workspace: Workspace) -> bool:
    """Whether a teacher has judged anything."""
    return any(t.n_judgments for t in workspace.journal.teachers())


def is_busy(workspace: Workspace) -> bool:
    """Whether a job asks a teacher now."""
    return any(job.active for job in workspace.jobs() if job.verb in VERBS)


def panel(workspace: Workspace) -> bool:
    """Draw the job that asks a teacher, or the last one; returns whether one runs."""
    return jobs.panel(workspace, VERBS, history=1)
