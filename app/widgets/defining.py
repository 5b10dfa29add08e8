"""The definition of a label: why people rejected it, an edited one, and what a teacher would say of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import actions
from app.reviewing import REASONS
from app.widgets import errors, jobs, layout, table, words
from app.widgets.inert import escape, shorten
from lmtx.jobs import Job
from lmtx.types import Label
from lmtx.workspace import Workspace

NO_REASON = "no reason given"


def panel(workspace: Workspace, label: Label) -> None:
    """Draw why the label was rejected, and the form that changes what it means."""
    _reasons(workspace.rejection_reasons(label.id))
    if workspace.read_only:
        return
    with st.expander("Edit the definition", key=f"define_{label.id}"):
        _form(workspace, label)
    job = _newest(workspace, label.id)
    if job is None:
        return
    if job.active or job.state in ("failed", "cancelled", "interrupted"):
        jobs.panel(workspace, ["try_definition"], history=1)
    elif job.result:
        _trial(job.params, job.result)


def _reasons(found: Mapping[str, int]) -> None:
    n = sum(found.values())
    if not n:
        return
    ordered = sorted(found.items(), key=lambda item: (item[0] == "", -item[1]))
    said = ", ".join(f"{words.count(m)} {REASONS.get(reason, NO_REASON)}" for reason, m in ordered)
    sign = '<span class="lx-rejected">✗</span>'
    st.html(f'<p class="lx-note">{sign} {words.many(n, "rejection")}: {escape(said)}</p>')


def _form(workspace: Workspace, label: Label) -> None:
    key = f"define_{label.id}_{label.hash}"
    name = st.text_input("Name", label.name, key=f"{key}_name", max_chars=300)
    description = st.text_area("Definition", label.description, key=f"{key}_text", height=120)
    aliases = st.text_area(
        "Also called, one a line", "\n".join(label.aliases), key=f"{key}_aliases", height=80
    )
    edited: dict[str, Any] = {
        "name": name.strip(),
        "description": description.strip(),
        "aliases": [line.strip() for line in aliases.splitlines() if line.strip()],
    }
    same = Label(label.id, edited["name"], edited["description"], tuple(edited["aliases"])).hash == label.hash
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Try it on reviewed pairs",
            key=f"{key}_try",
            disabled=same,
            on_click=actions.start,
            args=(workspace, "try_definition", {"label_id": label.id, **edited}),
        )
        st.button(
            "Save",
            type="primary",
            key=f"{key}_save",
            disabled=same,
            on_click=actions.edit_label,
            args=(workspace, label.id, edited),
        )
        layout.note("Decisions stay. What a teacher said of the old definition no longer counts.")


def _newest(workspace: Workspace, label_id: str) -> Job | None:
    """Return the newest trial of a definition of this label."""
    found = (
        j for j in workspace.jobs(50) if j.verb == "try_definition" and j.params.get("label_id") == label_id
    )
    return next(found, None)


def _trial(asked: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Draw what the teacher says of the reviewed pairs under both definitions."""
    rows: Sequence[Mapping[str, Any]] = result["rows"]
    n, old, new = len(rows), int(result["n_right_old"]), int(result["n_right_new"])
    layout.section("The definition as tried", "on pairs that people decided", truth="reviewed")
    with errors.shown():
        st.html(f'<div class="lx-doc" dir="auto">{escape(shorten(str(asked["description"]), 400))}</div>')
        better = "more" if new > old else "fewer" if new < old else "as many"
        layout.note(
            f"The teacher agrees with people on {new} of {words.many(n, 'pair')}, before on {old}: {better}. "
            f"If you save it, {words.many(int(result['n_pairs_open']), 'pair')} can be asked about again on "
            "the Teacher screen."
        )
        changed = [r for r in rows if _said(r["old"]) != _said(r["new"])]
        if not changed:
            layout.note("No answer is another than before.")
            return
        table.table(
            [
                {
                    "Document": r["title"] or r["document_id"],
                    "People": "right" if r["wanted"] else "wrong",
                    "Before": _said(r["old"]),
                    "Now": _said(r["new"]),
                }
                for r in changed[:25]
            ],
            [r["document_id"] for r in changed[:25]],
            key=f"trial_{asked['label_id']}",
        )


def _said(probability: float | None) -> str:
    if probability is None:
        return "not read"
    return f"{'yes' if probability > 0.5 else 'no'}, {words.percent(probability)}"
