"""Files in: choose, preview, map columns, say what labels are, import as a job, read the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app import actions, services, state
from app.widgets import errors, jobs, layout, overview, words
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
    """Draw the way from a file to documents or labels; what is shown read-only has none."""
    if workspace.read_only:
        return
    verb = f"import_{kind}"
    if jobs.panel(workspace, [verb], history=0):
        return
    place = st.container()
    path = _source(workspace, kind)
    with place:
        report(workspace, verb)
    if path is None:
        return
    with errors.shown():
        preview = workspace.preview(path, kind, _mapped(kind, path))
        _preview(kind, path, preview)
        _choices_and_start(workspace, kind, path, preview)


def _source(workspace: Workspace, kind: Kind) -> Path | None:
    what = "documents" if kind == "corpus" else "labels"
    kept = state.UPLOADS[kind]
    file = st.file_uploader(
        f"File with {what}",
        type=TYPES,
        key=f"upload_{kind}_{state.UPLOAD_NUMBER.get()}",
        help="CSV, TSV, XLSX, JSONL, JSON, Parquet, TXT or ZIP; gzipped too.",
        on_change=_another,
        args=(kind,),
    )
    if file is not None and (kept.get() is None or not Path(kept.get() or "").is_file()):
        kept.set(str(services.uploaded(workspace, file.name, file.getvalue())))
    if (path := kept.get()) is not None and Path(path).is_file():
        return Path(path)
    folder = workspace.settings.import_folder()
    if folder is None:
        layout.note(
            "Larger than 200 MB? Name an import folder in the settings, and files in it are read by path."
        )
        return None
    typed = st.text_input(
        f"or a path in {markdown(folder)}",
        key=f"path_{kind}_{state.UPLOAD_NUMBER.get()}",
        on_change=_another,
        args=(kind,),
    )
    if not typed:
        return None
    with errors.shown():
        return allowed_path(typed, folder)
    return None


def _another(kind: Kind) -> None:
    """Forget the file before, and the report of its import: it would be read as one of the new file."""
    state.UPLOADS[kind].set(None)
    state.IMPORTED.set(state.IMPORTED.get() - {f"import_{kind}"})


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

    cells = "".join(
        f"<tr><td>{escape('' if get(i, 'row') is None else get(i, 'row'))}</td>"
        f'<td dir="auto">{escape(get(i, "column") or "")}</td>'
        f'<td dir="auto">{escape(str(get(i, "value") or "")[:80])}</td>'
        f'<td dir="auto">{escape(get(i, "message"))}</td></tr>'
        for i in issues
    )
    st.html(
        '<div class="lx-issues"><table><thead><tr><th>Row</th><th>Column</th><th>Value</th>'
        f"<th>What, and its remedy</th></tr></thead><tbody>{cells}</tbody></table></div>"
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
        params["create_labels"] = st.checkbox(
            "Make a label of every name in that column that no label has",
            value=not workspace.journal.counts().get("labels"),
            key=f"create_labels_{bool(workspace.journal.counts().get('labels'))}",
        )
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
        counted = "documents" if kind == "corpus" else "labels"
        params["delete_missing"] = bool(workspace.journal.counts().get(counted)) and st.checkbox(
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
    state.UPLOADS["corpus" if verb == "import_corpus" else "labels"].set(None)
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
    name = Path(str(job.params.get("source", ""))).name
    text = f"Import done: {', '.join(parts)}" + (f", from {name}." if name else ".")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_imported"):
        st.html(f'<div class="lx-flash" role="status">{escape(text)}</div>')
        step = workspace.status().next_step
        if step.page not in ("corpus" if verb == "import_corpus" else "labels", "overview"):
            layout.go_button(f"Next: {markdown(overview.verb(step.page))}", step.page, key="after_import")
    for warning in done.get("warnings") or []:
        st.html(f'<p class="lx-note"><span class="lx-unsure">Note.</span> {escape(warning)}</p>')
    if done.get("issues"):
        layout.section("Rows with issues", words.many(done.get("n_issues", len(done["issues"])), "issue"))
        issues_table(done["issues"])
