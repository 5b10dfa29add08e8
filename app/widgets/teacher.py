"""Choosing a teacher, its cost, what to expect of it, and its verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from app import actions, computed
from app.widgets import browse, layout, words
from app.widgets.inert import escape
from lmtx.workspace import TeachPreview, Workspace

EVIDENCE, SIMULATED, BIASED = (
    "evidence",
    "simulated:recall=0.85,noise=0.05,seed=0",
    "simulated:recall=0.85,noise=0.05,seed=0,bias=label",
)
NAMES = {
    EVIDENCE: "Evidence, no language model",
    SIMULATED: "Simulated from gold",
    BIASED: "Simulated from gold, with habits of its own",
}
ABOUT = {
    EVIDENCE: "Ranks the labels by likeness of words and of meaning, and says yes to the best two of each "
    "document. Runs here, needs no network.",
    SIMULATED: "Answers from the gold labels of the training split: finds 85 % of the right ones "
    "and says yes to "
    "5 % of the wrong ones. For planning and benchmarks: it shows what a good teacher would bring, "
    "and proves "
    "nothing about your labels.",
    BIASED: "As before, with errors that depend on the label, as those of real language models do.",
}


SLOW_FROM = 3000
"""Documents from which the cost is computed only when asked for."""


@dataclass(frozen=True)
class Choice:
    """What the user asks for."""

    teacher: str
    top_k: int
    limit_docs: int | None
    rounds: int


def choose(workspace: Workspace) -> Choice:
    """Draw the choice of teacher and its settings, with the cost."""
    known = [EVIDENCE, *([SIMULATED, BIASED] if workspace.status().has_gold else [])]
    spec = st.radio(
        "Teacher",
        known,
        format_func=NAMES.__getitem__,
        captions=[ABOUT[k] for k in known],
        key="teacher_spec",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        top_k = st.number_input(
            "Candidates a document", 2, 100, workspace.settings.top_k, key="teacher_top_k", width=190
        )
        limit = st.number_input(
            "Documents at most",
            0,
            None,
            0,
            step=100,
            key="teacher_limit",
            width=190,
            help="0: all documents that may be learned from.",
        )
        rounds = 1
        if spec != EVIDENCE:
            rounds = st.number_input(
                "Rounds", 1, 20, workspace.settings.rounds, key="teacher_rounds", width=120
            )
    return Choice(spec, int(top_k), int(limit) or None, int(rounds))


def cost(workspace: Workspace, choice: Choice) -> None:
    """Draw what the teacher would be asked; on a large corpus only when asked for, as it takes seconds."""
    arguments = (choice.teacher, choice.top_k, choice.limit_docs)
    large = workspace.journal.counts().get("documents", 0) > SLOW_FROM
    slow = large and not computed.previewed(workspace, *arguments)
    if slow and not st.button("See what it would cost", key="see_cost"):
        return
    with st.spinner("Choosing candidate labels …"):
        _figures(computed.teach_preview(workspace, *arguments))


def _figures(preview: TeachPreview) -> None:
    time = ""
    if preview.n_open and preview.seconds is not None:
        time = f"about {words.duration(preview.seconds)}" if preview.seconds >= 1 else "under a second"
    layout.figures(
        [
            ("Pairs", words.count(preview.n_pairs), f"of {words.many(preview.n_documents, 'document')}"),
            ("Answered already", words.count(preview.n_cached), "kept, never asked twice"),
            ("To ask", words.count(preview.n_open), time or "nothing new to ask"),
        ]
    )


def start(workspace: Workspace, choice: Choice, *, busy: bool) -> None:
    """Draw the buttons that let the teacher judge."""
    params = {"teacher": choice.teacher, "limit_docs": choice.limit_docs}
    with st.container(horizontal=True):
        st.button(
            "Teach and train",
            type="primary",
            key="start_cycle",
            disabled=busy,
            icon=":material/play_arrow:",
            on_click=actions.start_cycle,
            args=(workspace, choice.top_k, {**params, "rounds": choice.rounds}),
        )
        st.button(
            "Only teach",
            key="start_teach",
            disabled=busy,
            on_click=actions.start,
            args=(workspace, "teach", {**params, "top_k": choice.top_k}),
        )


def honest(workspace: Workspace) -> None:
    """Draw what the teacher is, what to expect of it, and how a language model will be connected."""
    layout.section("What to expect")
    st.markdown(
        "**The evidence teacher is no language model.** It compares words and meanings. After learning from "
        "it, the first tag was right for about two documents in five where labels are short technical tags "
        "(Debian packages), and for two in three where their names say what texts say (bills of the US "
        "Congress). It finds candidates; people make them right: forty reviewed documents raised that to "
        "about one in two, and four in five. The README has the table."
    )
    layout.section("Connecting a language model")
    st.markdown(
        "Language models as teachers come with the next version: a local one, or any server that speaks the "
        "OpenAI interface. What they plug into stands ready: `lmtx/teacher` asks for a verdict on "
        "each pair, keeps "
        "every answer under the model's key, and never pays for the same pair twice."
    )


def verdicts(workspace: Workspace) -> None:
    """Draw some documents with the newest verdicts on their labels."""
    page = workspace.documents_page(role="train", page_size=40)
    judged = [row for row in page.items if row.n_proposed][:5]
    if not judged:
        layout.note("Nothing yet. Its verdicts will show here, document by document.")
        return
    for row in judged:
        detail = workspace.document_detail(row.id, predict=False)
        said = [p for p in detail.pairs if p.verdict is not None]
        yes = "".join(
            f'<span class="lx-tag" dir="auto">{escape(p.name)}</span>' for p in said if p.verdict == "yes"
        )
        no = sum(p.verdict == "no" for p in said)
        st.html(
            f'<div class="lx-hit"><b dir="auto">{escape(detail.document.title or row.snippet)}</b><div>'
            f'{browse.sign("proposed")} {yes} <span class="lx-note">{no} others declined</span></div></div>'
        )
