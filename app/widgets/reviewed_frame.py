"""What the audited view is asked for, by its address: which view, of which system, at which cut."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import mode, state
from app.widgets import layout, runs, words
from app.widgets.inert import escape
from lmtx.review import AUDIT_PAIR
from lmtx.types import Run
from lmtx.workspace import Status, Workspace
from lmtx.workspace.precision_models import TAGS, Cut, PrecisionReport

Truth = Literal["gold", "reviewed"]
View = Literal["overview", "labels", "errors", "runs", "probabilities", "plan", "method"]

TRUTHS: Mapping[Truth, str] = {"gold": "Gold labels", "reviewed": "Audited by people"}
VIEWS: Mapping[View, str] = {
    "overview": "Overview",
    "labels": "Labels",
    "errors": "Errors",
    "runs": "Runs",
    "probabilities": "Probabilities",
    "plan": "Plan",
}
SYSTEMS = {"tagger": "The tagger in use", "student": "The student alone", "zero-shot": "Nothing learned"}
_WHO = {"tagger": "the tagger in use", "student": "the student alone", "zero-shot": "likeness of names alone"}
USUAL = Cut(TAGS)
"""The cut that is looked at without being asked for another."""
FIRM_PAIRS, FIRM_LABEL = 200, 10
"""Audited tags from which a figure is firm: of all tags, and of a label."""
KNOWN = 0.1
"""Half width to which a label counts as known."""
_STEPS = tuple(range(0, 100, 5))
"""Probabilities, in percent, from which on tags may be counted: those that a promise is tried at."""
_MOST_RUNS = 8
_OF_A_VIEW = ("q", "only", "sort", "group", "behind", "apart")
"""What of the address belongs to one view, and goes with it."""
_PARAMS = ("truth", "view", "system", "tags", "from", "label", *_OF_A_VIEW)
"""All that the address may hold."""


@dataclass(frozen=True)
class Asked:
    """What the view is about; all of it is in the address."""

    view: View
    system: str
    cut: Cut
    label_id: str | None

    @classmethod
    def of_address(cls) -> Asked:
        """Read it from the address; what is not known there is as if it were not there."""
        view = state.param("view") or "overview"
        known: View = view if view in VIEWS or view == "method" else "overview"  # type: ignore[assignment]
        k, percent = _whole("tags", TAGS), _whole("from", 0)
        return cls(
            known,
            state.param("system") or "tagger",
            Cut(k if 1 <= k <= TAGS else TAGS, percent / 100 if percent in _STEPS else 0.0),
            state.param("label"),
        )

    @property
    def audited(self) -> bool:
        """Whether these are the tags that the audit draws pairs from."""
        return self.system == "tagger" and self.cut == USUAL


def recall() -> None:
    """Go on where this session was, on coming back from another screen with nothing asked for."""
    if not any(state.param(x) for x in _PARAMS):
        state.address(**dict(state.PRECISION_ADDRESS.get()))
    asked = [(x, state.param(x)) for x in _PARAMS]
    state.PRECISION_ADDRESS.set(tuple((x, value) for x, value in asked if value))


def _whole(name: str, default: int) -> int:
    text = state.param(name) or ""
    return int(text) if text.isdecimal() and len(text) < 4 else default


# ---- choices --------------------------------------------------------------------------------------


def truth(place: DeltaGenerator, status: Status) -> Truth:
    """Draw the choice of what tags are held against, where there is one."""
    recall()
    if not status.run_id:
        return "gold" if status.has_gold else "reviewed"
    if not status.has_gold:
        return "reviewed"
    named = state.param("truth") or ("reviewed" if state.param("view") else "gold")
    found: Truth = "reviewed" if named == "reviewed" else "gold"
    key = "precision_truth"
    st.session_state[key] = found
    with place:
        st.segmented_control(
            "Held against",
            list(TRUTHS),
            format_func=TRUTHS.__getitem__,
            required=True,
            key=key,
            label_visibility="collapsed",
            on_change=_switch_truth,
        )
    return found


def _switch_truth() -> None:
    chosen = st.session_state["precision_truth"]
    state.PRECISION_LABEL.pop()
    state.address(truth=chosen, view=None, label=None, **dict.fromkeys(_OF_A_VIEW))


def views(asked: Asked) -> None:
    """Draw the row of views."""
    st.session_state["reviewed_view"] = asked.view if asked.view in VIEWS else None
    st.segmented_control(
        "View",
        list(VIEWS),
        format_func=VIEWS.__getitem__,
        key="reviewed_view",
        label_visibility="collapsed",
        on_change=lambda: show(st.session_state["reviewed_view"] or asked.view),
    )


def show(view: View, *, label: str | None = None, **more: str | None) -> None:
    """Open a view; what it is asked of stays, what belonged to the one before goes."""
    state.address(truth="reviewed", view=view, label=label, **{**dict.fromkeys(_OF_A_VIEW), **more})


def choices(workspace: Workspace, asked: Asked) -> None:
    """Draw whose tags are measured, and which of them: how many a document, from which probability on."""
    systems = dict(SYSTEMS)
    systems.update({run.id: name for run, name in older_runs(workspace)})
    if asked.system not in systems:
        systems[asked.system] = "Another run"
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_measured"):
        _choose("system", "Measured", list(systems), systems.__getitem__, asked.system, "tagger", 300)
        _choose("tags", "Tags", list(range(1, TAGS + 1)), _tags, asked.cut.k, TAGS, 175)
        percent = round(100 * asked.cut.threshold)
        _choose("from", "Probability", list(_STEPS), _probability, percent, 0, 200)


def _choose(
    name: str,
    label: str,
    options: Sequence[Any],
    words_of: Callable[[Any], str],
    now: object,
    usual: object,
    width: int,
) -> None:
    key = f"reviewed_{name}"
    st.session_state[key] = now

    def changed() -> None:
        value = st.session_state[key]
        state.address(**{name: None if value == usual else str(value)})

    st.selectbox(
        label,
        options,
        format_func=words_of,
        key=key,
        label_visibility="collapsed",
        width=width,
        on_change=changed,
    )


def _tags(k: int) -> str:
    return "The first tag" if k == 1 else f"{k} tags a document"


def _probability(percent: int) -> str:
    return f"Probability from {percent}{words.THIN}%" if percent else "Any probability"


def older_runs(workspace: Workspace) -> list[tuple[Run, str]]:
    """Return the newest runs beside the one in use, with their numbers and times in words."""
    found = runs.numbered(workspace.runs())
    return [(run, runs.name(number, run)) for number, run in found if not run.promoted][:_MOST_RUNS]


# ---- words ----------------------------------------------------------------------------------------


def who(asked: Asked) -> str:
    """Name what is measured, as the subject of a sentence."""
    return _WHO.get(asked.system, "this run")


def which(cut: Cut) -> str:
    """Name the tags that are meant, "5 tags a document, of probability at least 60 %"."""
    tags = "first tag of each document" if cut.k == 1 else f"first {cut.k} tags of each document"
    if not cut.threshold:
        return tags
    return f"{tags} where the probability is at least {whole(cut.threshold)}"


def whole(fraction: float) -> str:
    """Write a share that is a round number, "80 %"."""
    text = f"{100 * fraction:.1f}".removesuffix(".0")
    return f"{text}{words.THIN}%"


def wrong_tags(rows: pd.DataFrame) -> pd.Series[float]:
    """Documents that get a label wrongly, in the corpus, at least about: by the upper end of its interval."""
    return (rows["population"] * (1 - rows["high"])).where(rows["n"] > 0, 0.0)


def known(row: Any) -> str:
    """Say in words how well a label is known."""
    if row.status == "none" or not row.n:
        return "not enough reviews"
    if row.exact:
        return "all audited"
    half = float(row.known)
    for points in (0.05, KNOWN):
        if half <= points:
            return f"known to ±{100 * points:.0f}"
    # Up, so that no label is called known to ±10 that is not counted as known.
    return f"known to ±{math.ceil(100 * half)}" if row.status == "firm" else "first impression"


def left_of_label(workspace: Workspace, report: PrecisionReport, row: Any) -> int:
    """How many of a label's tags in the reserve nobody has audited yet, about."""
    counts = workspace.journal.counts()
    n_corpus = max(1, counts.get("documents", 0) - counts.get("test", 0))
    return max(0, round(int(row.population) * report.n_looked_at / n_corpus) - int(row.n))


def left_in_all(report: PrecisionReport) -> int:
    """How many tags in the reserve nobody has audited yet, about."""
    return max(0, min(report.cut.k, report.n_labels) * report.n_looked_at - report.precision.n)


BADGES = {"meets": "meets {}", "misses": "misses {}", "": ""}


def badge(kind: str, target: float) -> str:
    """Say in words whether the target is met, as a promise; nothing where that is not known."""
    return BADGES.get(kind, "").format(whole(target))


def finding(text: str, *, pale: bool = False) -> None:
    """Draw a sentence that states a finding, with the truth that it comes from.

    `text` is HTML, its words from files escaped.
    """
    kind = ' class="lx-pale"' if pale else ""
    st.html(
        f'<p style="font-size:1.12rem;margin:.2rem 0"{kind}>{text} '
        f'<span class="lx-badge" title="{escape(TRUTH)}">reviewed</span></p>'
    )


TRUTH = "By what people answered to what the audit drew at random from the reserve; nothing learns from it."


def how(text: str, *, key: str) -> None:
    """Draw what a figure means and when it holds, with a way to the whole method."""
    with st.popover("How is this computed", icon=":material/help:", type="tertiary"):
        st.markdown(text)
        st.button(
            "The whole method, with formulas",
            key=f"method_{key}",
            type="tertiary",
            icon=":material/menu_book:",
            on_click=show,
            args=("method",),
        )


# ---- ways to what is behind a figure -----------------------------------------------------------------


def decisions_links(workspace: Workspace) -> None:
    """Draw links to what was said in the audit.

    They count nothing: the history holds what is ahead of the audit's order too, and what was said of tags
    that are not measured.
    """
    if not mode.offers("review"):
        return
    if workspace.decisions_page(policy=AUDIT_PAIR, standing=True, page_size=1).total:
        _decisions("Audit’s decisions on pairs", "pairs", through=AUDIT_PAIR)
    if workspace.decisions_page(policy="audit", action="complete", standing=True, page_size=1).total:
        _decisions("Audited documents in the history", "documents", through="audit", said="complete")


def _decisions(name: str, key: str, **params: str) -> None:
    if st.button(
        name,
        key=f"decisions_{key}",
        type="tertiary",
        icon=":material/history:",
        help="Lists what stands. Of these count those on tags that the system gives, as far as the audit's "
        "order was answered.",
    ):
        state.go("review", mode="history", standing="1", **params)


ASKED_OF = (
    f"The audit asks about the {TAGS} tags of the tagger in use, of any probability: measure these to "
    "audit more of them."
)
"""Why no pairs are asked about where other tags are measured."""


def audit_buttons(*, main: bool, key: str) -> None:
    """Draw the two ways to audit; pairs only where those are measured that the audit draws from."""
    if not mode.offers("review"):
        return
    kind: Literal["primary", "secondary"] = "primary" if main else "secondary"
    asked = Asked.of_address()
    other = asked.view in ("overview", "labels") and not asked.audited
    if st.button(
        "Audit pairs",
        key=f"audit_pairs_{key}",
        type=kind,
        help="One label of one document",
        disabled=other,
    ):
        state.go("review", mode="pair", queue="audit")
    if st.button("Audit documents", key=f"audit_documents_{key}", help="All labels of a document"):
        state.go("review", queue="audit")
    if other:
        beside(ASKED_OF)


def beside(text: str) -> None:
    """Draw a note that takes no more room than its words, in a row."""
    st.html(f'<p class="lx-note">{escape(text)}</p>', width="content")


def section(title: str, note: str = "") -> None:
    """Draw the name of a part, with the truth of its figures."""
    layout.section(title, note, truth="reviewed")
