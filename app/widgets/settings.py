"""Settings of a workspace, and the list of all workspaces."""

from __future__ import annotations

import streamlit as st

from app import actions, services, state
from app.widgets import errors, gate, layout, words
from app.widgets.inert import escape
from lmtx.workspace import Workspace


def form(workspace: Workspace) -> None:
    """Draw what can be changed."""
    now = workspace.settings
    with st.form("settings", border=False):
        left, right = st.columns(2, gap="large")
        name = left.text_input("Name of the workspace", now.name, max_chars=80)
        reviewer = right.text_input(
            "Reviewer",
            key="settings_reviewer",
            value=now.reviewer,
            max_chars=80,
            help="The name written beside every decision made here.",
        )
        folder = left.text_input(
            "Import folder",
            now.allowed_folder or "",
            help="Files in this folder on the server may be imported by path, "
            "for what is too large to upload.",
        )
        review = _review(workspace)
        if st.form_submit_button("Save", type="primary"):
            with errors.shown():
                values = {
                    **review,
                    "name": name.strip(),
                    "reviewer": reviewer.strip(),
                    "allowed_folder": folder.strip() or None,
                }
                services.update_settings(workspace, **values)
                state.REVIEWER.set(reviewer.strip())
                layout.flash("Saved.")
                st.rerun()


def _review(workspace: Workspace) -> dict[str, float | int]:
    """Draw what decides how the review goes."""
    now = workspace.settings
    layout.section("Review")
    left, right = st.columns(2, gap="large")
    audit = left.slider(
        "Share of the decisions that measure",
        0,
        100,
        round(100 * now.audit_share),
        5,
        format="%d %%",
        help="Of what the recommended queue brings, so much is of the reserve. It says how good the tags "
        "are, and nothing learns from it.",
    )
    blind = right.slider(
        "Share of blind items",
        0,
        100,
        round(100 * now.blind_share),
        5,
        format="%d %%",
        help="Where the machine's opinion is hidden, so that it can't sway a decision.",
    )
    every = left.number_input(
        "Train after so many decisions",
        0,
        100_000,
        now.retrain_every,
        10,
        help="In the background, while you go on. 0: only when you press Train.",
    )
    goal, points = right.columns(2)
    predictions = goal.number_input(
        "Goal: labels with at least",
        1,
        1_000_000,
        now.goal_predictions,
        help="Predicted documents that make a label worth knowing.",
    )
    width = points.number_input(
        "are known to ± points", 1.0, 50.0, now.goal_points, 1.0, format="%.0f", help="Of precision."
    )
    target = left.number_input(
        "Precision to promise, %",
        1.0,
        99.0,
        100 * now.precision_target,
        1.0,
        format="%g",
        help="Of tags that are said to meet the target, so many are right at least, by the audit.",
    )
    return {
        "precision_target": float(target) / 100,
        "audit_share": audit / 100,
        "blind_share": blind / 100,
        "retrain_every": int(every),
        "goal_predictions": int(predictions),
        "goal_points": float(width),
    }


def facts(workspace: Workspace) -> None:
    """Draw what can't be changed any more, and where things lie."""
    now, status = workspace.settings, workspace.status()
    rows = [
        ("Folder", str(workspace.folder)),
        ("Encoder", f"{now.encoder}; to use another, open “Encoder” on the Train page"),
        (
            "Search index",
            {
                "ready": "up to date",
                "behind": "catching up",
                "elsewhere": "held by another process",
                "off": "not open",
            }.get(status.index, status.index),
        ),
        (
            "Reserve for measuring",
            f"{words.percent(now.reserve_share)} of the documents that may be learned from, fixed at import",
        ),
        ("Held out", f"{words.percent(now.held_out_share)} of the rest, judged but never trained on"),
        ("Seed", str(now.seed)),
        ("Appearance", "Follows your system or browser: light or dark."),
    ]
    layout.section("Facts")
    st.html(
        '<div class="lx-hits">'
        + "".join(
            f'<div class="lx-hit lx-pred-top"><span class="lx-note">{escape(k)}</span>'
            f"<span>{escape(v)}</span></div>"
            for k, v in rows
        )
        + "</div>"
    )


def others(workspace: Workspace) -> None:
    """Draw all workspaces with a way to open each, and the form for a new one."""
    layout.section("Workspaces")
    for info in services.workspaces():
        content = f"{words.many(info.n_documents, 'document')}, {words.many(info.n_labels, 'label')}"
        left, right = st.columns([5, 1], vertical_alignment="center")
        left.html(f'<span>{escape(info.name)}</span> <span class="lx-note">{content}</span>')
        with right:
            if info.folder.resolve() == workspace.folder.resolve():
                layout.note("open")
            else:
                st.button(
                    "Open",
                    key=f"open_{info.folder.name}",
                    width="stretch",
                    on_click=actions.switch,
                    args=(info.folder,),
                )
    with st.container(horizontal=True):
        with st.popover("New workspace", icon=":material/add:"):
            gate.new_workspace("settings")
        st.button("Load the demo in a new workspace", key="demo_again", on_click=actions.create_demo)
