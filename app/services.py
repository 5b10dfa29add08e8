"""What all sessions of the server share: open workspaces, the warm worker, the loaded encoder."""

from __future__ import annotations

import gc
import hashlib
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app import mode, state
from lmtx.config import find_workspace, home, remember_workspace
from lmtx.errors import LmtxError, NotFoundError, ReadOnlyError
from lmtx.jobs import Job, WarmPool
from lmtx.types import Role
from lmtx.workspace import Workspace, WorkspaceInfo

ROLES: dict[Role, str] = {
    "train": "to learn from",
    "held_out": "held out",
    "reserve": "reserve",
    "test": "test",
}


@st.cache_resource(show_spinner=False, on_release=Workspace.close)
def _open(folder: str, read_only: bool) -> Workspace:
    """One open workspace a folder and server: it owns the index, if it may, and the loaded models."""
    workspace = Workspace.open(folder, read_only=read_only)
    preload(workspace)
    return workspace


@st.cache_resource(show_spinner=False, on_release=WarmPool.close)
def _warm_pool() -> WarmPool:
    return WarmPool(1)


def warm_pool() -> WarmPool | None:
    """Return the spare process that has imported what training needs, so that a retrain starts at once.

    Screens that offer to train ask for it when they are drawn: it is ready when the button is pressed.
    None where nothing may be started.
    """
    return None if read_only() else _warm_pool()


def settle_memory() -> None:
    """Spare what is loaded by now from garbage collection.

    Streamlit collects all generations after each run of a screen. With the encoder's libraries loaded, whose
    objects never go, that took 0.4 s of processor time a click, twenty times as much as the screen itself.
    """
    gc.collect()
    gc.freeze()


def preload(workspace: Workspace) -> None:
    """Load encoder and tagger in the background, so that the first prediction does not wait."""

    def load() -> None:
        try:
            if workspace.status().counts.get("labels"):
                workspace.predict(["warm up"], top_k=1, words=False)
        except LmtxError:
            return  # the page that needs it will say what is missing
        finally:
            settle_memory()

    threading.Thread(target=load, name="lmtx-preload", daemon=True).start()


def read_only() -> bool:
    """Whether this server only shows: nothing of a workspace changes, and it offers nothing that would."""
    return mode.read_only()


def workspaces() -> list[WorkspaceInfo]:
    """List the workspaces at home, by name; counts may be some seconds old."""
    return _workspaces(str(home().resolve()))


@st.cache_data(ttl=5, show_spinner=False)
def _workspaces(root: str) -> list[WorkspaceInfo]:
    return Workspace.list_workspaces(Path(root))


def current() -> Workspace | None:
    """Return the workspace that this session looks at, or None where there is none yet."""
    folder = state.FOLDER.get()
    if folder is None:
        try:
            folder = str(find_workspace().resolve())
        except NotFoundError:
            found = workspaces()
            if not found:
                return None
            folder = str(found[0].folder.resolve())
        state.FOLDER.set(folder)
    try:
        return _open(folder, read_only())
    except NotFoundError:
        state.FOLDER.set(None)
        return None


def switch(folder: Path | str) -> None:
    """Look at another workspace from now on, and remember it for the command line."""
    state.forget_workspace()
    state.FOLDER.set(str(Path(folder).resolve()))
    if not read_only():
        remember_workspace(Path(folder))


def create(name: str) -> Workspace:
    """Make a workspace of that name at home and look at it."""
    if read_only():
        raise ReadOnlyError("A new workspace")
    slug = re.sub(r"[^\w]+", "-", name.strip().lower()).strip("-") or "workspace"
    folder = home() / slug
    number = 2
    while folder.exists():
        folder = home() / f"{slug}-{number}"
        number += 1
    Workspace.create(folder, name=name.strip() or slug).close()
    _workspaces.clear()
    switch(folder)
    return _open(str(folder.resolve()), False)


def update_settings(workspace: Workspace, **values: Any) -> None:
    """Change settings of a workspace."""
    workspace.update_settings(**values)
    _workspaces.clear()


def create_demo() -> None:
    """Make the demo workspace and start to fill it."""
    workspace = create("Library catalogue (demo)")
    start(workspace, "demo", {})


def start(workspace: Workspace, verb: str, params: Mapping[str, Any]) -> str:
    """Start a job; a spare process takes it if one is warm."""
    return workspace.start_job(verb, params, warm_pool())


def resume(workspace: Workspace, job_id: str) -> str:
    """Go on with a job."""
    return workspace.resume_job(job_id, warm_pool())


def active_jobs(workspace: Workspace) -> list[Job]:
    """Jobs that run or wait, oldest first."""
    return [job for job in reversed(workspace.jobs()) if job.active]


def uploaded(workspace: Workspace, name: str, data: bytes) -> Path:
    """Keep an uploaded file in the workspace's folder, where a job can read it.

    Another file of the same name goes elsewhere: a job may be reading this one, or be resumed.
    """
    if workspace.read_only:
        raise ReadOnlyError("An upload")
    folder = workspace.folder / "uploads" / hashlib.sha256(data).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.\-]+", "_", Path(name).name).lstrip(".")[-120:] or "upload")
    if not path.is_file() or path.stat().st_size != len(data):
        path.write_bytes(data)
    return path


def reviewer(workspace: Workspace) -> str:
    """Name written beside the decisions of this session."""
    return state.REVIEWER.get() or workspace.settings.reviewer or "reviewer"


def after(workspace: Workspace) -> None:
    """Catch up with what a job wrote, in the background: the index, and the tagger that answers now."""
    workspace.sync_soon()
    preload(workspace)
