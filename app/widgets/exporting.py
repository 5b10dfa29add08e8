"""Exports: choose, write as a job, download."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st

from app import actions
from app.widgets import jobs, layout
from lmtx.workspace import Workspace
from lmtx.workspace.thresholds import unpromised

WHAT = {
    "corpus": ("Corpus with tags", "Every document with its best tags and what people accepted."),
    "pairs": ("Pairs", "Every judged pair: state, verdict, probability, teacher, decision, reviewer."),
    "decisions": (
        "Decisions",
        "All that people decided, in order, with name and time; it can be imported again.",
    ),
    "model": (
        "Model",
        "The student as a sentence-transformers model, loads with SentenceTransformer(path), and the tagger.",
    ),
}
FORMATS = {
    "corpus": ["csv", "jsonl", "parquet"],
    "pairs": ["csv", "jsonl", "parquet"],
    "decisions": ["csv", "jsonl", "parquet", "label-studio", "argilla", "prodigy"],
    "model": ["zip"],
}
NAMES = {
    "csv": "CSV",
    "jsonl": "JSON lines",
    "parquet": "Parquet",
    "zip": "ZIP",
    "label-studio": "Label Studio",
    "argilla": "Argilla",
    "prodigy": "Prodigy",
}
ENDINGS = {"label-studio": "label-studio.json", "argilla": "argilla.json", "prodigy": "prodigy.jsonl"}
REPORT = "report.html"
MIME = {
    "html": "text/html",
    "json": "application/json",
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "zip": "application/zip",
}
_PROMISED = "export_promised"


def panel(workspace: Workspace) -> None:
    """Draw the choice, the job and the files to download."""
    status = workspace.status()
    known = list(WHAT) if status.run_id else [w for w in WHAT if w != "model"]
    what = st.radio(
        "What",
        known,
        format_func=lambda w: WHAT[w][0],
        captions=[WHAT[w][1] for w in known],
        key="export_what",
        label_visibility="collapsed",
    )
    if not status.run_id:
        layout.note("The model can be taken once a training is in use.")
    if what == "corpus" and status.run_id:
        _promise(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            "Format",
            FORMATS[what],
            format_func=lambda k: NAMES[k],
            key=f"export_format_{what}",
            width=160,
        )
        target = _folder(workspace) / f"{what}.{ENDINGS.get(kind, kind)}"
        params = {"what": what, "format": kind, "out": str(target)}
        if what == "decisions":
            who = _reviewer(workspace)
            params |= {"reviewer": who} if who else {}
        if what == "corpus" and status.run_id and st.session_state.get(_PROMISED):
            params |= {"threshold": "promised"}
        st.button(
            "Write the file",
            type="primary",
            key="start_export",
            icon=":material/download:",
            on_click=actions.start,
            args=(workspace, "export", params),
        )
    _report(workspace)
    busy = jobs.panel(workspace, ["export", "report"], history=1)
    if not busy:
        _files(workspace)


def _report(workspace: Workspace) -> None:
    """Draw the button that writes the report, to be handed on."""
    layout.section("Report", "One HTML file that opens anywhere, without a network")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Write the report",
            key="start_report",
            icon=":material/description:",
            on_click=actions.start,
            args=(workspace, "report", {"out": str(_folder(workspace) / REPORT)}),
        )
        layout.note(
            "What the corpus is, how it was done, how good every label is, examples, cost, and what it takes "
            "to do it again. It quotes some documents."
        )


def _promise(workspace: Workspace) -> None:
    """Draw the choice to write only tags that the audit makes a promise of."""
    report = workspace.precision_report()
    problem = unpromised(report)
    if problem:
        st.session_state[_PROMISED] = False  # it was there for another training
    with st.container(horizontal=True, vertical_alignment="center"):
        st.toggle("Only tags that keep the promise", key=_PROMISED, disabled=bool(problem))
        if report is None or report.promise is None or problem:
            layout.note(problem)
        else:
            layout.note(
                f"At least {100 * report.promise.target:.0f} % right, by the audit of the tagger in use; "
                f"keeps {100 * report.promise.kept:.0f} % of its tags. Labels that people accepted stay."
            )


def _reviewer(workspace: Workspace) -> str | None:
    """Draw whose decisions to write, where several people decided."""
    known = sorted(workspace.journal.decision_counts("reviewer"))
    if len(known) < 2:
        return None
    everybody = "Everybody"
    chosen = st.selectbox("Of", [everybody, *known], key="export_reviewer", width=200)
    return None if chosen == everybody else chosen


def _folder(workspace: Workspace) -> Path:
    folder = workspace.folder / "exports"
    folder.mkdir(exist_ok=True)
    return folder


def _files(workspace: Workspace) -> None:
    found = sorted((p for p in _folder(workspace).iterdir() if p.is_file()), key=lambda p: -p.stat().st_mtime)
    if not found:
        return
    layout.section("Written files")
    for path in found:
        size = path.stat().st_size
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                f"Download {path.name}",
                data=partial(path.open, "rb"),
                file_name=path.name,
                mime=MIME.get(path.suffix.lstrip("."), "application/octet-stream"),
                key=f"download_{path.name}",
                icon=":material/download:",
                on_click="ignore",
            )
            layout.note(f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB")
