"""Judging elsewhere: open pairs leave as a file, verdicts come back as one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from app import actions, services
from app.widgets import jobs, layout, words
from app.widgets.teacher_kinds import Choice
from lmtx.workspace import Workspace

FORMATS = {"lmtx": "for `lmtx judge` on another machine", "openai-batch": "for a batch service"}
_LARGEST_UPLOAD = 200_000_000


def panel(workspace: Workspace, choice: Choice) -> None:
    """Draw the way out and the way back, folded away."""
    with st.expander("Judge on another machine", icon=":material/swap_horiz:"):
        layout.note(
            "For a computer with a graphics card, a batch service, or where nothing may go over the "
            "network: take the "
            "open pairs as a file, have them judged there, and bring the verdicts back. They count as if the "
            "teacher had been asked here."
        )
        left, right = st.columns(2, gap="large")
        with left:
            _out(workspace, choice)
        with right:
            _back(workspace)
        jobs.panel(workspace, ["export_requests", "import_verdicts"], history=1)


def _out(workspace: Workspace, choice: Choice) -> None:
    st.html("<b>Take the requests</b>")
    if not choice.is_llm:
        layout.note("Choose a language model or a reranker above: the others judge at once, here.")
        return
    kind = st.radio("File", list(FORMATS), format_func=FORMATS.__getitem__, key="requests_format")
    folder = workspace.folder / "exports"
    out = folder / ("requests.jsonl" if kind == "lmtx" else "batch.jsonl")
    params = {
        "path": str(out),
        "teacher": choice.teacher,
        "top_k": choice.top_k,
        "limit_docs": choice.limit_docs,
        "format": kind,
    }
    st.button(
        "Write the requests",
        key="export_requests",
        disabled=not choice.teacher,
        on_click=_write,
        args=(workspace, folder, params),
    )
    if kind == "lmtx":
        st.code(f"lmtx judge {out.name}", language=None)
    for path in (out, out.with_suffix(".map.jsonl")):
        if path.is_file():
            st.download_button(
                f"Download {path.name} ({path.stat().st_size / 1e3:,.0f} kB)",
                data=partial(path.open, "rb"),
                file_name=path.name,
                mime="application/x-ndjson",
                key=f"download_{path.name}",
                icon=":material/download:",
                on_click="ignore",
            )


def _write(workspace: Workspace, folder: Path, params: dict[str, object]) -> None:
    folder.mkdir(exist_ok=True)
    actions.start(workspace, "export_requests", params)


def _back(workspace: Workspace) -> None:
    st.html("<b>Bring verdicts back</b>")
    verdicts = st.file_uploader(
        "Verdicts, or the output of a batch service", type=["jsonl"], key="verdicts_file"
    )
    mapping = st.file_uploader("Map of the batch (batch services only)", type=["jsonl"], key="verdicts_map")
    if verdicts is not None and st.button("Import the verdicts", key="import_verdicts", type="primary"):
        params = {"source": str(services.uploaded(workspace, verdicts.name, verdicts.getvalue()))}
        if mapping is not None:
            params["map_file"] = str(services.uploaded(workspace, mapping.name, mapping.getvalue()))
        actions.start(workspace, "import_verdicts", params)
        st.rerun()
    job = next((j for j in workspace.jobs() if j.verb == "import_verdicts"), None)
    if job is None or job.state != "done" or not isinstance(job.result, dict):
        return
    found = job.result
    said = {
        "n_imported": "recorded",
        "n_known": "known before",
        "n_changed": "under other texts",
        "n_unknown": "of documents or labels that are not here",
        "n_reserved": "of documents that are kept for measuring",
        "n_failed": "not answered",
    }
    parts = [f"{words.count(n)} {text}" for name, text in said.items() if (n := found.get(name))]
    layout.note("Last import: " + (", ".join(parts) or "nothing new") + ".")
    for warning in found.get("warnings") or []:
        layout.note(str(warning))
