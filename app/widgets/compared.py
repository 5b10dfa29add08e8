"""Systems on the same documents: a choice of them, their figures with intervals, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import actions, charts_compared, services
from app.widgets import compared_table, compared_text, downloads, jobs, layout, words
from lmtx.quality.versus import MEASURES, Figure
from lmtx.workspace import Status, Workspace
from lmtx.workspace.compared import SystemComparison, SystemFigures
from lmtx.workspace.systems import NOTHING_LEARNED, System

HOW = (
    "All systems rank the same documents: those of the split **test** that came with gold labels, which no "
    "training reads. **P@k**: share of the first k tags that are right. **R@10**: share of a document's "
    "gold labels among its first ten tags. **nDCG@5**: as P@5, places further up counting more. **PSP@k**: "
    "as P@k, but a label counts the more the rarer it is, as a share of the best that k tags could reach "
    "(propensities of Jain et al. 2016, with their usual constants). How rare a label is comes from the gold "
    "of the test documents, so these figures do not compare with published ones. **Tail**: the rarest "
    "labels, which together hold no more than a fifth of the gold tags; R@10 of these alone. **Macro**: each "
    "label counts once.\n\n"
    "Brackets hold 95 % intervals by the paired bootstrap: the same documents are drawn a thousand times for "
    "all systems, so what makes a document hard for all of them cancels out of a difference. They speak of "
    "other documents like these; a training on other verdicts, or with another seed, would differ a little "
    "more. With many systems and measures, some differ by chance.\n\n"
    "**Training**: processor time; the encoding of the corpus, which is shared, is not in it. **Teacher**: "
    "judgments that were there to learn from, and tokens read and written for them. **Documents a second**: "
    "from text to tags on this machine, encoding included, measured on a few when the system was first "
    "ranked; of processor time, or of time passed where a graphics card encodes. **Size**: what has to be "
    "loaded."
)


def choose(workspace: Workspace) -> tuple[list[System], str | None]:
    """Draw the choice of systems and of the one that differences are taken to."""
    compared_text.style()
    every = {system.id: system for system in workspace.systems()}
    first = [x.id for x in every.values() if x.kind in ("tagger", "student") and x.run and x.run.promoted]
    left, right = st.columns([3, 1], vertical_alignment="top")
    with left:
        ids = st.multiselect(
            "Systems",
            list(every),
            default=[*first, NOTHING_LEARNED, *([] if first else ["dense"])],
            format_func=lambda i: every[i].name,
            key="versus_systems",
            persist_state="session",
            placeholder="Choose two or more",
        )
    with right:
        against = st.selectbox(
            "Differences to",
            ids,
            format_func=lambda i: every[i].name,
            key="versus_against",
            persist_state="session",
            placeholder="Choose systems first",
        )
    return [every[i] for i in ids], against


def panel(
    workspace: Workspace,
    status: Status,
    chosen: Sequence[System],
    against: str | None,
    action: DeltaGenerator,
) -> None:
    """Draw the figures of the chosen systems, or what has to be done for them."""
    if not status.has_gold:
        layout.section("Figures", truth="gold")
        layout.note(
            "Figures need documents of the split test that came with labels (gold), and this corpus has "
            "none: import some with a label column and the split “test”. A text of yours can be tagged below."
        )
        return
    if not chosen:
        layout.note("Choose the systems to compare.")
        return
    ids = [x.id for x in chosen]
    found = workspace.compared(ids, against)
    busy = any(job.verb == "compare" for job in services.active_jobs(workspace))
    if found is None and workspace.read_only:
        layout.note("Not all of these have ranked the test documents yet, and nothing can be started here.")
        return
    if found is None:
        services.warm_pool()
        with action:
            st.button(
                "Rank the documents",
                type="primary",
                key="versus_rank",
                icon=":material/leaderboard:",
                disabled=busy,
                on_click=actions.start,
                args=(workspace, "compare", {"systems": ids, "against": against}),
            )
        if not busy:
            n = words.many(status.counts.get("gold_test", 0), "test document")
            layout.note(
                f"{words.many(len(ids), 'system')} chosen; not all have ranked the {n} with gold labels yet. "
                "Rank them to see the figures. What was ranked once is kept."
            )
        jobs.panel(workspace, ["compare"], history=1)
        return
    if busy:
        jobs.panel(workspace, ["compare"])
    figures(found)


def figures(found: SystemComparison) -> None:
    """Draw the table, what is to be said of it, and the plot."""
    about = f"{words.many(found.n_docs, 'test document')}, {words.many(found.n_labels, 'label')}"
    layout.section("Figures", about, truth="gold")
    st.html(compared_table.html(found))
    rare = words.many(found.tail_most, "gold document")
    layout.note(
        f"Tail: {words.many(found.n_tail, 'label')} with at most {rare} each. ▲ ▼ better or worse than "
        f"{_name(found, found.reference)} beyond chance."
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        downloads.csv(frame_of(found), "systems-compared", key="versus_csv")
        layout.what_is("How is this computed", HOW)
    others = [x for x in found.systems if x.id != found.reference]
    if not others:
        layout.note("Choose a second system to see by how much they differ.")
        return
    layout.section("Differences", f"to {_name(found, found.reference)}, document by document", truth="gold")
    measure = st.segmented_control(
        "Measure",
        MEASURES,
        default="P@1",
        required=True,
        format_func=_called,
        key="versus_measure",
        persist_state="session",
        label_visibility="collapsed",
    )
    rows = pd.DataFrame([_difference(x.name, x.figures[str(measure)]) for x in others])
    title = finding(found, str(measure))
    plot = charts_compared.differences(rows, title, _name(found, found.reference), dark=layout.dark())
    downloads.plot(plot, "systems-compared", key="versus_plot")


def _called(measure: str) -> str:
    """Return what a measure is called on the screen: "Tail R@10" for "R@10 tail"."""
    name, _, what = measure.partition(" ")
    return f"{what.capitalize()} {name}" if what else name


def finding(found: SystemComparison, measure: str) -> str:
    """Say in a sentence which systems differ from the reference."""
    of, called = _name(found, found.reference), _called(measure)
    others = [x for x in found.systems if x.id != found.reference]
    sure = [x for x in others if x.figures[measure].beyond_chance]
    better = [x for x in sure if (x.figures[measure].difference or 0) > 0]
    if not sure:
        return f"{called}: none differs from {of} beyond chance"
    if not better:
        return f"{called}: {_those(sure, len(others))} worse than {of} beyond chance, none better"
    return f"{called}: {_those(better, len(others))} better than {of} beyond chance"


def _those(some: Sequence[SystemFigures], of: int) -> str:
    """Name the one system, or say how many of them."""
    return f"{some[0].name} is" if len(some) == 1 else f"{len(some)} of {of} are"


def _name(found: SystemComparison, system_id: str) -> str:
    return next(x.name for x in found.systems if x.id == system_id)


def _difference(name: str, figure: Figure) -> dict[str, object]:
    return {
        "name": name,
        "difference": figure.difference,
        "low": figure.difference_low,
        "high": figure.difference_high,
    }


def frame_of(found: SystemComparison) -> pd.DataFrame:
    """Make the table for a file: a row a system and measure, fractions."""
    rows: list[Mapping[str, object]] = [
        {
            "system": x.id,
            "name": x.name,
            "measure": measure,
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "against": found.reference,
            "difference": figure.difference,
            "difference_low": figure.difference_low,
            "difference_high": figure.difference_high,
            "n_documents": found.n_docs,
            "train_cpu_s": x.train_cpu_s,
            "teacher_judgments": x.teacher_pairs,
            "teacher_tokens": x.teacher_tokens,
            "documents_per_s": x.docs_per_s,
            "model_bytes": x.model_bytes,
        }
        for x in found.systems
        for measure, figure in x.figures.items()
    ]
    return pd.DataFrame(rows)
