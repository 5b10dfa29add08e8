"""Where wanted tags are lost and where wrong ones come from, by documents completed in the audit."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import actions, charts_measured, mode, state
from app.widgets import downloads, jobs, layout, table, teacher_connect, words
from app.widgets.inert import escape
from app.widgets.teacher_kinds import LOCAL, RERANKER, SERVER, Choice, key_problem, short
from lmtx.errors import LmtxError
from lmtx.teacher import parse_spec
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Funnel, FunnelStep

VERB = "judge_audited"
FEW = 30
"""Judged documents below which shares are a first impression."""
HELPS = {
    ("wanted", "shortlist"): "The teacher was never asked. More candidates a document, aliases, definitions.",
    ("wanted", "teacher"): "It said no. Better definitions, another prompt, another teacher.",
    ("wanted", "student"): "The teacher says yes, the tagger does not give it. More to learn from.",
    ("given", "student"): "The teacher says no, or was not asked. More to learn from.",
    ("given", "teacher"): "It says yes too. Better definitions, another prompt, another teacher.",
}
HOW = (
    "A person completed these documents in the audit: all their labels are known. Each wanted tag is in "
    "one part: the tagger gives it; "
    "or it was not in the **shortlist** that the teacher is asked about; or it was, and the **teacher** "
    "says no; or the teacher says yes and the **student** still leaves it out. The parts sum to the "
    "whole. Wrong tags are the teacher's if it says yes to them, else the student's. Brackets hold 95 % "
    "intervals from the spread between documents. What the teacher was never asked about was not in a "
    "shortlist; after another training there may be new candidates to ask about."
)


def panel(workspace: Workspace) -> None:
    """Draw the funnel, or what is missing for it."""
    layout.section("Where tags are lost", "of the tagger in use, at five tags", truth="reviewed")
    funnel = workspace.error_funnel()
    if funnel is None or not funnel.n_documents:
        with layout.empty(
            "No document is audited yet.",
            "Whether a tag is missing shows only where a person completed the document. "
            f"About {FEW} audited documents give a first figure.",
        ):
            if mode.offers("review") and st.button("Audit documents", key="funnel_audit", type="primary"):
                state.go("review", queue="audit", mode="document")
        return
    if funnel.wanted or funnel.given:
        _shares(funnel)
        _behind(workspace, funnel)
    busy = jobs.panel(workspace, [VERB], history=1)
    if not busy and funnel.n_open and not workspace.read_only:
        _ask(workspace, funnel)


def finding(wanted: list[FunnelStep]) -> str:
    """Say where most is lost, as surely as the intervals allow."""
    lost = sorted((s for s in wanted if s.name != "found"), key=lambda s: -s.n)
    if not lost or not lost[0].n:
        return "No wanted tag is lost" if wanted else "No tag is wanted by these documents"
    first, others = lost[0], lost[1:]
    share = f"{100 * (first.share.value or 0):.0f}{words.THIN}% of the wanted tags"
    if all(first.share.low > other.share.high for other in others):
        return f"The {first.name} loses most: {share}"
    return f"The {first.name} seems to lose most: {share}"


def _shares(funnel: Funnel) -> None:
    downloads.plot(
        charts_measured.funnel(funnel.wanted, funnel.given, finding(funnel.wanted), dark=layout.dark()),
        "where-tags-are-lost",
        key="funnel",
    )
    frame = table_of(funnel)
    _words(frame)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        few = " A first impression." if funnel.n_judged < FEW else ""
        who = short(funnel.teacher) if funnel.teacher else "the teacher"
        st.html(
            f'<p class="lx-note">By {escape(words.many(funnel.n_judged, "audited document"))} whose '
            f"candidates {escape(who)} judged.{few}</p>",
            width="content",
        )
        layout.what_is("How is this computed", HOW)
        downloads.csv(frame, "error-funnel", key="funnel_csv")


def _words(frame: pd.DataFrame) -> None:
    """Draw the steps in words; texts wrap, which cells of a data frame do not."""
    rows = "".join(
        f"<tr><td>{escape(of)}</td><td>{escape(what)}</td><td>{escape(words.count(n))}</td>"
        f'<td style="white-space:nowrap">{escape(share)}</td><td>{escape(helps)}</td></tr>'
        for of, what, n, share, helps in frame[["of", "step", "tags", "in words", "what helps"]].itertuples(
            index=False
        )
    )
    st.html(
        '<div class="lx-issues" style="max-height:none"><table><tr><th>Of the</th><th>are</th><th>Tags</th>'
        f"<th>Share</th><th>What helps</th></tr>{rows}</table></div>"
    )


def _behind(workspace: Workspace, funnel: Funnel) -> None:
    """Draw the tags of one step, each with its document."""
    steps = {
        f"{bar.capitalize()} tags: {charts_measured.STEPS[(bar, step.name)][0]} ({words.count(step.n)})": step
        for bar, all_of in (("wanted", funnel.wanted), ("given", funnel.given))
        for step in all_of
        if step.n
    }
    if not steps:
        return
    layout.section("The tags behind it", "choose one to open its document", truth="reviewed")
    counts = [0 if step.name in ("found", "right") else step.n for step in steps.values()]
    worst = counts.index(max(counts))
    chosen = st.selectbox(
        "Tags", list(steps), index=worst, key="funnel_step", label_visibility="collapsed", width=420
    )
    pairs = steps[chosen].pairs
    page = table.pager(len(pairs), key=f"funnel_page_{chosen}", what="tag")
    shown = pairs[page * table.PAGE_SIZE : (page + 1) * table.PAGE_SIZE]
    titles = workspace.journal.document_rows(i for i, _ in shown)
    labels = {x: workspace.journal.label(x) for _, x in shown}
    names = {x: label.name if label else x for x, label in labels.items()}
    opened = table.table(
        [
            {
                "Label": names[x],
                "Document": titles[i].title or i if i in titles else i,
            }
            for i, x in shown
        ],
        [i for i, _ in shown],
        key=f"funnel_tags_{chosen}_{page}",
        opens=True,
    )
    if opened:
        state.go("corpus", document=opened)


def table_of(funnel: Funnel) -> pd.DataFrame:
    """Make the table of the steps: in words for the screen, and the bare figures for the file."""
    rows = []
    for bar, steps in (("wanted", funnel.wanted), ("given", funnel.given)):
        for step in steps:
            share = step.share
            rows.append(
                {
                    "of": f"{bar} tags",
                    "step": charts_measured.STEPS[(bar, step.name)][0],
                    "tags": step.n,
                    "share": share.value,
                    "low": share.low,
                    "high": share.high,
                    "documents": funnel.n_judged,
                    "in words": words.percent(share.value, (share.low, share.high)),
                    "what helps": HELPS.get((bar, step.name), ""),
                }
            )
    return pd.DataFrame(rows)


def _ask(workspace: Workspace, funnel: Funnel) -> None:
    """Draw what asking the teacher about the rest takes, and the button that does it."""
    spec = workspace.settings.teacher
    n, pairs = funnel.n_documents - funnel.n_judged, words.many(funnel.n_open, "pair")
    waits = (
        f"{words.many(n, 'audited document waits', 'audited documents wait')} for the teacher: {short(spec)} "
        f"has not been asked about {'its' if n == 1 else 'their'} candidates."
        if n
        else f"The tagger has changed since: {short(spec)} has not been asked about all candidates of today."
    )
    with st.container(border=True, key="lx_funnel_ask"):
        st.html(
            f"<div>{escape(waits)}</div>"
            f'<p class="lx-note">{escape(_price(workspace, spec, funnel.n_open))} '
            "These answers measure only. They never train, and choose nothing.</p>"
        )
        try:
            choice = Choice(parse_spec(spec).kind, spec, workspace.settings.top_k, None, 1)
            allowed = teacher_connect.consent(workspace, choice, n)
            problem = key_problem(spec)
        except LmtxError as error:
            allowed, problem = False, str(error)
        if problem:
            st.html(f'<div class="lx-error" role="alert">{escape(problem)}</div>')
        st.button(
            f"Ask the teacher about {words.many(n, 'document')} ({pairs})"
            if n
            else f"Ask the teacher about {pairs}",
            key="start_judge_audited",
            disabled=not allowed or bool(problem),
            on_click=actions.start,
            args=(workspace, VERB, {"teacher": spec}),
        )


def _price(workspace: Workspace, spec: str, n_pairs: int) -> str:
    """Say what so many pairs take, by what this teacher took for each so far."""
    if _kind(spec) not in (SERVER, LOCAL, RERANKER):
        return "It runs on this machine, costs nothing and takes seconds."
    known = [t for t in workspace.journal.teachers() if t.spec == spec and t.n_judgments]
    judged = sum(t.n_judgments for t in known)
    tokens, cost = sum(t.tokens for t in known), sum(t.cost for t in known)
    if not judged:
        return "What that costs is not known: this teacher has judged nothing yet."
    if not tokens:
        return "No tokens are counted for this teacher."
    money = f" and {cost * n_pairs / judged:.2f} dollars" if cost else ""
    return f"About {words.count(round(tokens * n_pairs / judged, -2))} tokens{money}, by what it took so far."


def _kind(spec: str) -> str:
    """Kind of a teacher; "" where its specification can't be read."""
    try:
        return parse_spec(spec).kind
    except LmtxError:
        return ""
