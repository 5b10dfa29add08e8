"""Whether probabilities hold, by the audit's random answers."""

from __future__ import annotations

import math
from typing import Literal

import pandas as pd
import streamlit as st

from app import charts
from app.widgets import downloads, layout, words
from lmtx.quality import Reliability
from lmtx.tagger.calibration import MIN_ANSWERS
from lmtx.workspace import Workspace

Who = Literal["tagger", "teacher"]
HOW = (
    "Audited pairs in groups of alike probability: the share that is right, with Wilson's 95 % interval. "
    "On the dotted line, what is called 80 % sure is right in 80 of 100 cases. The **expected calibration "
    "error** is the mean distance from that line, groups weighed by their size. It is never zero: few "
    "answers lie off the line by chance, and how much that makes stands beside it. The tagger's "
    "probabilities are fitted to decisions and verdicts on documents outside the reserve; the audit only "
    "checks them. Answers are not weighted: where the audit is spread over labels, rare ones count for "
    "more here than among all tags."
)
MISSING: dict[Who, str] = {
    "tagger": f"Shown from {MIN_ANSWERS} audited tags that the tagger in use gave a probability. Audit some "
    "more pairs in Review; a tagger that nothing calibrates gives no probabilities.",
    "teacher": f"Shown from {MIN_ANSWERS} pairs of settled documents that the teacher gave a probability. "
    "Where tags are lost offers to ask it about audited documents.",
}
NO_PROBABILITIES = "It gives no probabilities."


def panel(workspace: Workspace) -> None:
    """Draw the reliability of tagger and teacher side by side."""
    layout.section("Can probabilities be trusted?", "by audited answers alone", truth="reviewed")
    with st.grid(min_column_width=400, gap="medium"):
        for who in ("tagger", "teacher"):
            with st.container():
                _one(workspace, who)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            '<p class="lx-note">Fitted outside the reserve; these answers only check the fit.</p>',
            width="content",
        )
        layout.what_is("How is this computed", HOW)


def _one(workspace: Workspace, who: Who) -> None:
    found = workspace.audited_reliability(who)
    if found is None:
        st.html(f'<div style="font-weight:600">The {who}</div>')
        layout.note(missing(workspace, who))
        return
    downloads.plot(
        charts.reliability(
            found, layout.dark(), of="student" if who == "tagger" else "teacher", title=finding(found, who)
        ),
        f"reliability-{who}",
        key=f"reliability_{who}",
    )
    layout.note(
        f"Expected calibration error {100 * found.gap:.1f} points over "
        f"{words.many(found.n, 'audited answer')}; chance alone makes about {100 * by_chance(found):.1f}."
    )
    downloads.csv(table_of(found), f"reliability-{who}", key=f"reliability_{who}_csv")


def missing(workspace: Workspace, who: Who) -> str:
    """Say why nothing is drawn, and what to do where something can be done."""
    funnel = workspace.error_funnel() if who == "teacher" else None
    if funnel is None or not funnel.n_judged:
        return MISSING[who]
    asked = {i for step in (*funnel.wanted, *funnel.given) for i, _ in step.pairs}
    found = workspace.journal.pair_states_of(asked).values()
    if any(x.probability is not None for pairs in found for x in pairs):
        return MISSING[who]
    return NO_PROBABILITIES


def by_chance(found: Reliability) -> float:
    """Calibration error to expect of probabilities that hold, from so many answers (a fraction).

    The mean distance of a binomial share from its probability, by the normal approximation.
    """
    n = found.n
    return sum(math.sqrt(2 * b.n * b.probability * (1 - b.probability) / math.pi) for b in found.bins) / n


def finding(found: Reliability, who: Who) -> str:
    """Say how far off the probabilities are, and to which side."""
    if found.gap <= 1.5 * by_chance(found):
        return f"The {who}'s probabilities hold, as far as {words.many(found.n, 'answer')} tell"
    side = "too sure" if found.lean < -0.03 else "too cautious" if found.lean > 0.03 else "off both ways"
    return f"The {who} is {side}, by {100 * found.gap:.0f} points on average"


def table_of(found: Reliability) -> pd.DataFrame:
    """Make the table of the groups."""
    return pd.DataFrame(
        [{"probability": b.probability, "answers": b.n, "right": b.n_accepted} for b in found.bins]
    )
