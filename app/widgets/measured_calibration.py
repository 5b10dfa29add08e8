"""Whether probabilities hold, by the audit's random answers."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from app import charts, state
from app.widgets import downloads, layout, table, words
from app.widgets import reviewed_behind as behind
from lmtx.quality import Reliability
from lmtx.tagger.calibration import MIN_ANSWERS
from lmtx.workspace import Workspace
from lmtx.workspace.precision_models import Prober

WHO: tuple[Prober, ...] = ("tagger", "teacher")
HOW = (
    "Audited pairs in groups of alike probability: the share that is right, with Wilson's 95 % interval. "
    "On the dotted line, what is called 80 % sure is right in 80 of 100 cases. The **expected calibration "
    "error** is the mean distance from that line, groups weighed by the tags they stand for. It is never "
    "zero: few "
    "answers lie off the line by chance, and how much that makes stands beside it. The tagger's "
    "probabilities are fitted to decisions and verdicts on documents outside the reserve; the audit only "
    "checks them. Each answer counts by the tags of the reserve that it stands for, so this tells of all "
    "tags however the audit was drawn, and intervals widen where some stand for many."
)
MISSING: dict[Prober, str] = {
    "tagger": f"Shown from {MIN_ANSWERS} audited tags that the tagger in use gave a probability. Audit some "
    "more pairs in Review; a tagger that nothing calibrates gives no probabilities.",
    "teacher": f"Shown from {MIN_ANSWERS} pairs of audited documents that the teacher gave a probability. "
    "Where tags are lost offers to ask it about audited documents.",
}
NO_PROBABILITIES = "It gives no probabilities."


def panel(workspace: Workspace) -> None:
    """Draw the reliability of tagger and teacher side by side."""
    layout.section(
        "Can probabilities be trusted?",
        "by audited answers alone; a point or a row lists those behind it",
        truth="reviewed",
    )
    chosen: str | None = None
    with st.grid(min_column_width=400, gap="medium"):
        for who in WHO:
            with st.container():
                chosen = _one(workspace, who) or chosen
    if chosen:
        behind.open_list(chosen)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            '<p class="lx-note">Fitted outside the reserve; these answers only check the fit.</p>',
            width="content",
        )
        layout.what_is("How is this computed", HOW)
    _behind(workspace)


def _one(workspace: Workspace, who: Prober) -> str | None:
    """Draw one of them; returns the group that was chosen, as the address names it."""
    found = workspace.audited_reliability(who)
    if found is None:
        st.html(f'<div style="font-weight:600">The {who}</div>')
        layout.note(missing(workspace, who))
        return None
    point = behind.picked(
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
    row = table.table(
        view(found),
        [str(i) for i in range(len(found.bins))],
        key=f"reliability_{who}_table",
        opens=True,
        columns={"Right": table.share("Right"), "Called": table.share("Called")},
    )
    downloads.csv(table_of(found), f"reliability-{who}", key=f"reliability_{who}_csv")
    number = row if row is not None else point[-1] if point else None
    return None if number is None else f"{who}.{number}"


def _behind(workspace: Workspace) -> None:
    """Draw the audited answers of the group that the address names."""
    name, _, text = (state.param("behind") or "").partition(".")
    who = next((x for x in WHO if x == name), None)
    found = workspace.audited_reliability(who) if who else None
    if who is None or found is None or not text.isdecimal() or int(text) >= len(found.bins):
        return
    group = found.bins[int(text)]
    behind.head(f"What the {who} called about {words.percent(group.probability)} sure", key="reliability")
    layout.note(
        f"{words.count(group.n_accepted)} of {words.many(group.n, 'answer')} "
        f"{'is' if group.n_accepted == 1 else 'are'} right; weighed by the tags that each stands for, "
        f"{words.percent(group.share)}."
    )
    behind.answers(
        workspace.reliability_tags(who, int(text)), key=f"{who}_{text}", name=f"audited-{who}-{text}"
    )


def missing(workspace: Workspace, who: Prober) -> str:
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
    return sum(
        b.weight * math.sqrt(2 * b.probability * (1 - b.probability) / (math.pi * b.size)) for b in found.bins
    )


def finding(found: Reliability, who: Prober) -> str:
    """Say how far off the probabilities are, and to which side."""
    if found.gap <= 1.5 * by_chance(found):
        return f"The {who}'s probabilities hold, as far as {words.many(found.n, 'answer')} tell"
    side = "too sure" if found.lean < -0.03 else "too cautious" if found.lean > 0.03 else "off both ways"
    return f"The {who} is {side}, by {100 * found.gap:.0f} points on average"


def view(found: Reliability) -> pd.DataFrame:
    """Return the groups as they are shown."""
    return pd.DataFrame(
        {
            "Called": [table.rounded(b.probability) for b in found.bins],
            "Right": [table.rounded(b.share) for b in found.bins],
            "Right / answers": [f"{words.count(b.n_accepted)} / {words.count(b.n)}" for b in found.bins],
        }
    )


def table_of(found: Reliability) -> pd.DataFrame:
    """Make the table of the groups for the file."""
    return pd.DataFrame(
        [
            {
                "probability": b.probability,
                "share": b.share,
                "answers": b.n,
                "right": b.n_accepted,
                "weight": b.weight,
                "effective_answers": b.size,
            }
            for b in found.bins
        ]
    )
