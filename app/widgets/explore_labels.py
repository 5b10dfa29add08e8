"""The labels as a whole: the tree, labels that are alike, come together, are never given or take too much."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from app import actions, charts_labels, services, state
from app.widgets import explore_choice, explore_lists, explore_together, explore_tree, jobs, layout, words
from app.widgets.inert import escape
from lmtx.workspace import Workspace
from lmtx.workspace.label_space import Counting, LabelSpace, Truth

Part = Literal["tree", "alike", "together", "unused", "greedy"]
PARTS: dict[Part, str] = {
    "tree": "Tree",
    "alike": "Near-duplicates",
    "together": "Together",
    "unused": "Never given",
    "greedy": "Take too much",
}
COUNTED: dict[Counting, str] = {
    "promised": "As promised",
    "likely": "Likely (50 % or more)",
    "top": "Five best",
    "said": "As said",
}
TRUTHS: dict[Truth, str] = {
    "reviewed": "Colour: audited",
    "gold": "Colour: gold",
    "teacher": "Colour: teacher's opinion",
}
KINDS: dict[charts_labels.Kind, str] = {"treemap": "Treemap", "sunburst": "Sunburst"}
MOST = 300
"""Labels that are drawn in the tree."""
HOW = (
    "**Given** counts the documents of the whole corpus that get a label from the run in use. *Likely* takes "
    "those of the five best labels of a document that are right with a probability of one half or more; *as "
    "promised* those that keep the precision the audit promises; *five best* all five, of which some are "
    "always wrong where documents have fewer. What people decided comes before what the run says.\n\n"
    "**Area** is how often a label is given; a group's is the sum of its labels, so a document may count "
    "more than once. **Colour** is precision: of the audit where there is one, else of gold labels on test "
    "documents, else the teacher's opinion, which is not precision. Grey labels have fewer than 10 tags "
    "that were checked. A group's colour is the mean of its known labels by how often they are given.\n\n"
    "A label with several broader ones is drawn once, under the first of them."
)


def body(workspace: Workspace) -> None:
    """Draw the view."""
    usual = workspace.label_space()
    space = workspace.label_space(explore_choice.of_address("counted", usual.hows, usual.how))
    first: Part = "together" if state.param("label") else "tree"
    part = explore_choice.of_address("part", tuple(PARTS), first)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_labels_bar"):
        explore_choice.segmented("Part", "part", part, PARTS, forgets=("q", "sort", "find"))
        if len(space.hows) > 1 and part != "alike":
            counted = {how: COUNTED[how] for how in space.hows}
            explore_choice.box("Which tags count", "counted", space.how, counted)
    basis(workspace, space)
    if part == "tree":
        _tree(workspace, space)
    elif part == "alike":
        explore_lists.alike(workspace)
    elif part == "together":
        explore_together.draw(workspace, space)
    elif part == "unused":
        explore_lists.unused(workspace, space)
    else:
        explore_lists.greedy(workspace, space)


def basis(workspace: Workspace, space: LabelSpace) -> None:
    """Say what the figures are of, and offer to bring them up to date."""
    if not space.system:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            layout.note(
                "No run has tagged the whole corpus yet: counts are of what people accepted and a teacher "
                "proposed."
            )
            draw_button(workspace, "Tag the corpus")
        jobs.panel(workspace, ["draw_map"], history=0)
        return
    who = "likeness of names alone" if space.system == "zero-shot" else f"run {space.system}"
    text = f"Tags of {words.many(space.n_documents - space.n_missing, 'document')} by {who}."
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if space.n_missing:
            text += f" {words.many(space.n_missing, 'document')} came or changed since and are not counted."
        st.html(f'<p class="lx-note">{escape(text)}</p>')
        if space.n_missing:
            draw_button(workspace, "Tag them too")
        layout.what_is("How this is counted", HOW)
    if space.n_missing:
        jobs.panel(workspace, ["draw_map"], history=0)


def draw_button(workspace: Workspace, label: str) -> None:
    """Offer to tag what is not tagged, by the job that draws the map."""
    if workspace.read_only or any(job.verb == "draw_map" for job in services.active_jobs(workspace)):
        return
    st.button(
        label,
        key="explore_tag",
        type="primary",
        on_click=actions.start,
        args=(workspace, "draw_map", {}),
    )


# ---- the tree -----------------------------------------------------------------------------------------


def _tree(workspace: Workspace, space: LabelSpace) -> None:
    kind = explore_choice.of_address("as", tuple(KINDS), "treemap")
    truth = explore_choice.of_address("truth", space.truths, space.truth)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        explore_choice.segmented("Drawn as", "as", kind, KINDS)
        if len(space.truths) > 1 and truth is not None:
            truths = {x: TRUTHS[x] for x in space.truths}
            explore_choice.box("Coloured by", "truth", truth, truths)
        if truth is not None:
            st.html(_legend(truth))
    space, tree = workspace.label_tree(space.how, truth, MOST)
    if not space.n_given:
        layout.note("No label is given to any document yet. Ask a teacher or train first.")
        return
    opened = explore_tree.tree(
        charts_labels.label_tree(tree.nodes, kind, tree.mean, _finding(space), dark=layout.dark()),
        "labels",
        key=f"label_tree_{kind}",
    )
    if opened:
        state.go("labels", label=opened)
    grouped = {
        "broader": "Labels lie in their first broader label.",
        "names": "Labels have no broader ones here; they lie together by the beginnings of their names.",
        "meaning": "Labels have no broader ones here; they lie together by likeness in meaning, each group "
        "named by two of its labels.",
    }.get(tree.grouped, "")
    if tree.n_shared:
        n = words.many(tree.n_shared, "label")
        grouped += f" {n} with several broader ones: drawn once."
    layout.note(grouped)


def _finding(space: LabelSpace) -> str:
    rows = space.labels
    given = rows["given"].to_numpy()
    n_used, total = int((given > 0).sum()), max(int(given.sum()), 1)
    top = rows.nlargest(min(10, len(rows)), "given")["given"].sum() / total
    many = f"{words.count(n_used)} of {words.many(len(rows), 'label')} are given"
    return f"{many}; the ten most given take {100 * top:.0f} % of all tags" if n_used > 10 else many


def _legend(truth: Truth) -> str:
    dark = layout.dark()
    colours = ", ".join(charts_labels.shade(x, 0.5, dark) for x in (0.0, 0.5, 1.0))
    grey = charts_labels.UNKNOWN[dark]
    what = "yes by the teacher" if truth == "teacher" else "right"
    bar = f"display:inline-block;width:90px;height:.7em;background:linear-gradient(90deg,{colours})"
    box = f"display:inline-block;width:.8em;height:.7em;background:{grey};margin-left:.8em"
    return (
        f'<span class="lx-note">less often {what} than all tags <i style="{bar}"></i> more often '
        f'<i style="{box}"></i> not known</span>'
    )
