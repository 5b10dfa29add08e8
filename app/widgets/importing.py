"""Files in: choose, preview, map columns, say what labels are, import as a job, read the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app import actions, services, state
from app.widgets import errors, jobs, layout, words
from app.widgets.inert import escape, markdown
from lmtx.ingest import ColumnMap, Preview, allowed_path
from lmtx.workspace import Workspace

Kind = Literal["corpus", "labels"]
FIELDS: Mapping[Kind, Mapping[str, str]] = {
    "corpus": {
        "id": "Id",
        "title": "Title",
        "text": "Text",
        "split": "Split (train or test)",
        "labels": "Labels",
    },
    "labels": {
        "id": "Id",
        "name": "Name",
        "description": "Definition",
        "aliases": "Aliases",
        "parents": "Broader labels",
    },
}
TYPES = ["csv", "tsv", "xlsx", "jsonl", "ndjson", "json", "parquet", "txt", "zip", "gz"]
MEANINGS = {
    "gold": "For evaluation only (gold)",
    "completed": "Settled by people (to train on)",
    "none": "Ignore them",
}
_NONE = "(none)"


def panel(workspace: Workspace, kind: Kind) -> None:
    """Draw the way from a file to documents or labels."""
    verb = f"import_{kind}"
    if jobs.panel(workspace, [verb], history=0):
        return
    report(workspace, verb)
    path = _source(workspace, kind)
    if path is None:
        return
    with errors.shown():
        preview = workspace.preview(path, kind, _mapped(kind, path))
        _preview(kind, path, preview)
        _choices_and_start(workspace, kind, path, preview)


def _source(workspace: Workspace, kind: Kind) -> Path | None:
    what = "documents" if kind == "corpus" else "labels"
    file = st.file_uploader(
        f"File with {what}",
        type=TYPES,
        key=f"upload_{kind}",
        help="CSV, TSV, XLSX, JSONL, JSON, Parquet, TXT or ZIP; gzipped too.",
    )
    if file is not None:
        key: state.Key[tuple[str, str] | None] = state.Key(f"lmtx.upload.{kind}", None)
        kept = key.get()
        if kept is None or kept[0] != file.file_id or not Path(kept[1]).is_file():
            kept = (file.file_id, str(services.uploaded(workspace, file.name, file.getvalue())))
            key.set(kept)
        return Path(kept[1])
    folder = workspace.settings.import_folder()
    if folder is None:
        layout.note(
            "Larger than 200 MB? Name an import folder in the settings, and files in it are read by path."
        )
        return None
    typed = st.text_input(f"or a path in {markdown(folder)}", key=f"path_{kind}")
    if not typed:
        return None
    with errors.shown():
        return allowed_path(typed, folder)
    return None


def _mapped(kind: Kind, path: Path) -> ColumnMap | None:
    """Columns as the user mapped them, or None for a guess."""
    chosen: dict[str, Any] | None = st.session_state.get(_map_key(kind, path))
    return ColumnMap(**chosen) if chosen else None


def _map_key(kind: Kind, path: Path) -> str:
    return f"lmtx.columns.{kind}.{path.name}.{path.stat().st_mtime_ns if path.exists() else 0}"


def _preview(kind: Kind, path: Path, preview: Preview) -> None:
    facts = [path.name, preview.format, preview.encoding]
    if preview.n_rows is not None:
        facts.append(words.many(preview.n_rows, "row"))
    if preview.languages:
        facts.append("language: " + ", ".join(k or "unknown" for k in list(preview.languages)[:3]))
    layout.section("Preview", " · ".join(f for f in facts if f))
    _columns(kind, path, preview)
    cells = [_cells(item) for item in preview.items]
    st.dataframe(cells, width="stretch", hide_index=True, height=min(250, 40 + 35 * len(cells)))
    if preview.issues:
        layout.section("Rows that need a look", "in the part that was read for this preview")
        issues_table(preview.issues)


def _columns(kind: Kind, path: Path, preview: Preview) -> None:
    if not preview.columns:
        return
    key = _map_key(kind, path)
    current = preview.guessed.model_dump()
    current.update(st.session_state.get(key) or {})
    current = {k: v or "" for k, v in current.items()}
    options = [_NONE, *preview.columns]
    columns = st.columns(len(FIELDS[kind]))
    chosen = dict(current)
    for column, (field, label) in zip(columns, FIELDS[kind].items(), strict=True):
        value = current.get(field)
        picked = column.selectbox(
            label, options, index=options.index(value) if value in options else 0, key=f"{key}.{field}"
        )
        chosen[field] = "" if picked == _NONE else picked
    if chosen != current:
        st.session_state[key] = chosen
        st.rerun()


def _cells(item: Any) -> dict[str, str]:
    """One parsed document or label as cells."""
    if hasattr(item, "text"):
        cells = {"id": item.id, "title": item.title, "text": item.text[:200], "split": item.split}
        return cells if item.labels is None else {**cells, "labels": " | ".join(item.labels)}
    return {
        "id": item.id,
        "name": item.name,
        "definition": item.description[:200],
        "aliases": " | ".join(item.aliases),
        "broader": " | ".join(item.parents),
    }


def issues_table(issues: list[Any]) -> None:
    """Draw issues of rows: where, what, and the remedy."""

    def get(issue: Any, name: str) -> Any:
        return issue.get(name) if isinstance(issue, dict) else getattr(issue, name)

    rows = [
        {
            "row": "" if get(i, "row") is None else str(get(i, "row")),
            "column": get(i, "column") or "",
            "value": str(get(i, "value") or "")[:80],
            "what and remedy": get(i, "message"),
        }
        for i in issues
    ]
    st.dataframe(
        rows,
        width="stretch",
        hide_index=True,
        height=min(250, 40 + 35 * len(rows)),
        column_config={
            "row": st.column_config.TextColumn(width="small"),
            "what and remedy": st.column_config.TextColumn(width="large"),
        },
    )


def _choices_and_start(workspace: Workspace, kind: Kind, path: Path, preview: Preview) -> None:
    params: dict[str, Any] = {"source": str(path)}
    mapped = _mapped(kind, path)
    if mapped is not None:
        params["columns"] = mapped.model_dump()
    if kind == "corpus" and (mapped or preview.guessed).labels:
        params["labels_are"] = st.radio(
            "The labels in this file are",
            list(MEANINGS),
            format_func=MEANINGS.__getitem__,
            horizontal=True,
            key="labels_are",
            help="Gold measures and never trains. Settled labels train and never measure.",
        )
        if not workspace.journal.counts().get("labels"):
            params["create_labels"] = st.checkbox("Make a label of every name in that column", value=True)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        params["on_bad"] = st.radio(
            "A row that can't be used",
            ["stop", "skip"],
            format_func={
                "stop": "stops the import, nothing is written",
                "skip": "is left out and reported",
            }.__getitem__,
            horizontal=True,
            key=f"on_bad_{kind}",
        )
        params["delete_missing"] = st.checkbox(
            "Delete what this file does not have",
            key=f"delete_{kind}",
            help="Otherwise items are only added and updated.",
        )
    what = "documents" if kind == "corpus" else "labels"
    st.button(
        f"Import {what}",
        type="primary",
        key=f"import_{kind}",
        icon=":material/upload:",
        on_click=actions.start_import,
        args=(workspace, f"import_{kind}", params),
    )


def report(workspace: Workspace, verb: str) -> None:
    """Draw what the last import did, if this session started it."""
    if verb not in state.IMPORTED.get():
        return
    job = next((j for j in workspace.jobs() if j.verb == verb and not j.active), None)
    if job is None:
        return
    if job.state != "done" or not isinstance(job.result, dict):
        text = job.error or f"The import {jobs.STATES.get(job.state, job.state)}."
        st.html(f'<div class="lx-error" role="alert">{escape(text)}</div>')
        return
    done = job.result
    parts = [
        f"{words.count(done.get(name, 0))} {text}"
        for name, text in (
            ("added", "added"),
            ("updated", "updated"),
            ("unchanged", "unchanged"),
            ("deleted", "deleted"),
            ("skipped", "left out"),
        )
        if done.get(name) or name == "added"
    ]
    st.html(f'<div class="lx-flash" role="status">Import done: {escape(", ".join(parts))}.</div>')
    for warning in done.get("warnings") or []:
        st.html(f'<p class="lx-note">{escape(warning)}</p>')
    if done.get("issues"):
        layout.section("Rows with issues", words.many(done.get("n_issues", len(done["issues"])), "issue"))
        issues_table(done["issues"])
