"""Documents that no label fits: how many, what they are about, and what may be done."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import charts_labels, services, state
from app.widgets import downloads, explore_choice, explore_labels, jobs, layout, table, words
from app.widgets.inert import escape, shorten
from lmtx.types import Role
from lmtx.workspace import Workspace
from lmtx.workspace.gaps import BELOW, LOWEST, STEPS, GapGroup, Gaps

HOW = (
    "Of each document the best label counts. Where tags have probabilities, no label fits a document whose "
    "best label is more likely wrong than right; where they have none, the documents with the lowest best "
    "scores are shown, and how many of them really lack a label is not known.\n\n"
    "A low probability has two causes: **the label set has no label for it**, or **the tagger does not know "
    "the label well enough**. For each group the label is named that is closest to it in meaning, as against "
    "the whole corpus: where it says what the documents are about, the label is there and "
    "not given, and a review of some of them teaches it; where it does not, a label may be missing.\n\n"
    "Groups come from the document vectors; their words are those that occur much more often in them than "
    "in the corpus. Documents of every use are looked at, test and reserve too; nothing is learned from it. "
    "Documents with a label that a person accepted are left out."
)
FITS = (
    "If the closest label is what these are about, it is there and not given: review some of them. If not, a "
    "label may be missing."
)
_SHOWN = 12
"""Groups of a page."""


def body(workspace: Workspace) -> None:
    """Draw the view."""
    asked = explore_choice.of_address("below", tuple(f"{x:.1f}" for x in STEPS), f"{BELOW:.1f}")
    found = workspace.gaps(float(asked))
    if found is None:
        with layout.empty(
            "No run has tagged the whole corpus yet.",
            "Which documents no label fits is known once each has its best labels. It takes a while, once.",
        ):
            explore_labels.draw_button(workspace, "Tag the corpus")
        jobs.panel(workspace, ["draw_map"], history=0)
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if found.calibrated:
            names = {f"{x:.1f}": f"Best label below {100 * x:.0f} %" for x in STEPS}
            explore_choice.box("Below", "below", asked, names)
        layout.what_is("What this means", HOW)
        if found.document_ids and st.button(
            f"See all {words.many(len(found), 'document')}", key="gaps_all", icon=":material/article:"
        ):
            state.go("corpus", set=workspace.save_documents(found.document_ids))
    _facts(workspace, found)
    if found.groups:
        _groups(workspace, found)


def _facts(workspace: Workspace, found: Gaps) -> None:
    n_tagged = found.n_documents - found.n_missing
    share = len(found) / max(n_tagged, 1)
    if found.calibrated:
        title = (
            f"No label reaches {100 * found.below:.0f} % on {words.count(len(found))} of "
            f"{words.many(n_tagged, 'document')} ({100 * share:.1f} %)"
        )
        what = "probability of the best label"
    else:
        title = f"The {100 * LOWEST:.0f} % of documents whose best label fits worst"
        what = "score of the best label (no probability yet)"
    downloads.plot(
        charts_labels.fit(found.all_fit, found.below, what, title, dark=layout.dark()), "fit", key="gaps_fit"
    )
    roles: dict[Role, str] = services.ROLES
    used = ", ".join(f"{words.count(n)} {roles.get(r, r)}" for r, n in sorted(found.n_by_role.items()))  # type: ignore[call-overload]
    who = "likeness of names alone" if found.system == "zero-shot" else f"run {found.system}"
    text = f"By {who}."
    if used:
        text += f" By use: {used}."
    if found.n_refused:
        text += f" {words.many(found.n_refused, 'document')} completed by people without any label."
    if found.n_missing:
        text += f" {words.many(found.n_missing, 'document')} came or changed since and are not counted."
    layout.note(text)
    if found.n_missing:
        explore_labels.draw_button(workspace, "Tag them too")
        jobs.panel(workspace, ["draw_map"], history=0)
    if found.calibrated and share > 0.25:
        layout.note("That many rather say that the tagger knows little yet than that labels are missing.")
    if not found.document_ids:
        layout.note("Some label fits every document.")


def _groups(workspace: Workspace, found: Gaps) -> None:
    n = len(found.groups)
    layout.section(
        f"They fall into {words.many(n, 'group')}",
        "the closest first"
        + (f"; {words.count(found.n_strays)} are like too few others" if found.n_strays else ""),
    )
    page = table.pager(n, key=f"gaps_page_{found.below}", page_size=_SHOWN, what="group")
    says = "no label fits" if found.calibrated else "labels fit worst"
    for number, group in enumerate(found.groups[page * _SHOWN : (page + 1) * _SHOWN]):
        _group(workspace, group, says, f"{page}_{number}")
    downloads.csv(lambda: as_csv(found), "gaps")


def _group(workspace: Workspace, group: GapGroup, says: str, key: str) -> None:
    with st.container(border=True, key=f"lx_gap_{key}"):
        left, right = st.columns([5, 2], vertical_alignment="center", gap="small")
        with left:
            about = ", ".join(group.terms[:5]) or "no words in common"
            titles = " · ".join(shorten(t, 60) for t in group.titles[:3])
            closest = f"Closest label: {escape(group.meant)}" if group.meant else ""
            st.html(
                f'<div dir="auto"><b>{words.many(len(group), "document")}</b> about '
                f"<b>{escape(about)}</b>: {says}</div>"
                f'<div class="lx-note" dir="auto">{escape(titles)}</div>'
                f'<div class="lx-note" dir="auto">{closest}</div>'
            )
        with right.container(horizontal=True, gap="small", horizontal_alignment="right"):
            if group.meant_id and st.button(
                "Open the label", key=f"gap_label_{key}", type="tertiary", help=FITS
            ):
                state.go("labels", label=group.meant_id)
            if st.button("See them", key=f"gap_{key}"):
                state.go("corpus", set=workspace.save_documents(group.document_ids))


def as_csv(found: Gaps) -> pd.DataFrame:
    """Return a row a document, with its group."""
    of_group = {i: (n, g) for n, g in enumerate(found.groups, start=1) for i in g.document_ids}
    rows = []
    for document_id, fit in zip(found.document_ids, found.fit.tolist(), strict=True):
        number, group = of_group.get(document_id, (0, None))
        rows.append(
            {
                "document_id": document_id,
                "probability" if found.calibrated else "score": fit,
                "group": number or None,
                "about": list(group.terms) if group else [],
                "closest_label": group.meant_id if group else "",
                "system": found.system,
            }
        )
    return pd.DataFrame(rows)
