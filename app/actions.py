"""What buttons do.

They run as callbacks, before the screen is drawn: a click needs one run, not two, and a click on
the navigation that follows at once is not lost to a rerun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from app import computed, services, state
from lmtx.errors import LmtxError
from lmtx.types import Role
from lmtx.workspace import Workspace

P = ParamSpec("P")


def reported(do: Callable[P, None]) -> Callable[P, None]:
    """Keep the message of an `LmtxError` for the next header: callbacks can't draw."""

    @wraps(do)
    def safely(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            do(*args, **kwargs)
        except LmtxError as error:
            state.PROBLEM.set(str(error))

    return safely


@reported
def start(workspace: Workspace, verb: str, params: Mapping[str, Any]) -> None:
    """Start a job."""
    services.start(workspace, verb, params)


@reported
def start_import(workspace: Workspace, verb: str, params: Mapping[str, Any]) -> None:
    """Start an import, whose report this session will show."""
    services.start(workspace, verb, params)
    state.IMPORTED.set(state.IMPORTED.get() | {verb})
    state.UPLOADS[verb.removeprefix("import_")].set(str(params["source"]))
    state.UPLOAD_NUMBER.set(state.UPLOAD_NUMBER.get() + 1)


@reported
def start_teach(workspace: Workspace, verb: str, params: Mapping[str, Any], top_k: int | None = None) -> None:
    """Start a job that asks a teacher, with so many candidates a document from now on."""
    if top_k is not None:
        workspace.update_settings(top_k=top_k)
    computed.note_spent(workspace, services.start(workspace, verb, params))


@reported
def consent(workspace: Workspace, host: str, withdraw: bool) -> None:
    """Allow that texts are sent to a machine, or no longer."""
    workspace.consent(host, withdraw=withdraw)
    may = "may not be sent" if withdraw else "may be sent"
    state.FLASH.set(f"Texts of this workspace {may} to {host}.")


@reported
def promote(workspace: Workspace, run_id: str) -> None:
    """Put a run to use."""
    workspace.promote(run_id)
    state.FLASH.set("The run is in use now. Choose another to go back.")


@reported
def forget_encoder(workspace: Workspace, name: str) -> None:
    """Delete a pre-trained encoder."""
    workspace.forget_encoder(name)
    state.FLASH.set(f"The encoder {name} is deleted.")


@reported
def edit_label(workspace: Workspace, label_id: str, values: Mapping[str, Any]) -> None:
    """Change what a label means."""
    changed = workspace.edit_label(label_id, **values)
    services.after(workspace)
    state.FLASH.set(f"“{changed.name}” has its new definition. Ask the teacher again about its pairs.")


@reported
def switch(folder: Path) -> None:
    """Look at another workspace."""
    services.switch(folder)


@reported
def create_demo() -> None:
    """Make the demo workspace and fill it."""
    services.create_demo()


@reported
def use_example(workspace: Workspace) -> None:
    """Fill the box of "try it" with a document of the test split, or any."""
    role: Role = "test" if workspace.journal.counts().get("test") else "train"
    number = state.TRY_SEED.get()
    page = workspace.documents_page(role=role, page=number, page_size=1)
    rows = page.items or workspace.documents_page(page_size=1).items
    found = workspace.journal.document(rows[0].id) if rows else None
    if found is None:
        state.FLASH.set("There is no document to take as an example yet.")
        return
    state.TRY_TEXT.set(found.full_text)
    state.TRY_SEED.set(number + 1)
