"""What stands between a visitor and a screen: no workspace, no documents, no labels, an error."""

from __future__ import annotations

import streamlit as st

from app import actions, services, state
from app.widgets import errors, jobs, layout
from lmtx.errors import LmtxError
from lmtx.workspace import Workspace


def workspace(title: str, sentence: str) -> Workspace:
    """Return the open workspace, or draw what to do without one and end the screen."""
    try:
        found = services.current()
    except LmtxError as error:
        layout.header(title, sentence)
        errors.show(error)
        st.stop()
    if found is None:
        layout.header(title, sentence)
        welcome()
        st.stop()
    return found


def welcome() -> None:
    """Draw the first screen of a fresh installation."""
    if services.read_only():
        layout.empty(
            "There is no workspace to show.",
            "This server was started read-only. Start it without --read-only to make one, or name one that "
            "is there: lmtx --workspace DIR app --read-only.",
        )
        return
    place = layout.empty(
        "Tag a corpus that nobody has annotated.",
        "No workspace yet. A workspace holds your documents, your labels and all that is learned from them: "
        "a teacher proposes labels, you correct some, a small student learns to tag the rest. Load the demo, "
        "a small library catalogue, to see it at work within a minute, or start with files of your own. "
        "The teacher it starts with is no language model, and gives a first guess; you can connect one.",
    )
    with place:
        st.button("Load the demo", type="primary", key="load_demo", on_click=actions.create_demo)
        with st.popover("New workspace"):
            new_workspace("welcome")


def new_workspace(key: str) -> None:
    """Draw the form that makes a workspace."""
    with st.form(f"new_workspace_{key}", border=False):
        name = st.text_input("Name", placeholder="Support tickets", max_chars=80, key=f"new_name_{key}")
        if st.form_submit_button("Create", type="primary") and name.strip():
            with errors.shown():
                services.create(name)
                layout.flash(f"Workspace “{name.strip()}” is ready. Upload a corpus to begin.")
                state.go("overview")


def documents(current: Workspace) -> None:
    """End the screen where there are no documents yet."""
    if current.journal.counts().get("documents"):
        return
    if jobs.panel(current, ["demo", "import_corpus"], history=0):
        st.stop()
    with layout.empty("No documents yet.", "Upload a corpus first: titles and texts, no annotations needed."):
        if current.read_only:
            st.stop()
        layout.go_button("Upload a corpus", "corpus", main=True, key="gate_corpus")
    st.stop()


def labels(current: Workspace) -> None:
    """End the screen where there are no labels yet."""
    if current.journal.counts().get("labels"):
        return
    if jobs.panel(current, ["demo", "import_labels"], history=0):
        st.stop()
    with layout.empty("No labels yet.", "Upload a label set: names are enough, definitions help."):
        if current.read_only:
            st.stop()
        layout.go_button("Upload labels", "labels", main=True, key="gate_labels")
    st.stop()
