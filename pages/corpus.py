"""Corpus: bring documents in, find them, look at one."""

import streamlit as st

from app import mode, state
from app.widgets import document, errors, finding, gate, importing, layout

TITLE, SENTENCE = "Corpus", "Which documents are here, and what is known of each?"

workspace = gate.workspace(TITLE, SENTENCE)

with errors.shown():
    if (document_id := state.param("document")) is not None:
        item = workspace.journal.document(document_id)
        action = layout.header("Document", "What is known of this document, and why?")
        with action:
            if st.button("All documents", icon=":material/arrow_back:"):
                state.go("corpus")
            offered = item is not None and mode.offers("review")
            if offered and st.button("Review it", type="primary", icon=":material/rate_review:"):
                state.go("review", document=document_id)
        if item is None:
            layout.note("This document does not exist, or was deleted.")
        else:
            document.body(workspace, item)
        st.stop()

    action = layout.header(TITLE, SENTENCE)
    filled = bool(workspace.journal.counts().get("documents"))
    if not filled:
        if workspace.read_only:
            gate.documents(workspace)
        layout.section("No documents yet", "Upload titles and texts; no annotations needed.")
        importing.panel(workspace, "corpus")
        st.stop()
    uploads = state.param("view") == "upload"
    with action:
        if uploads:
            st.button(
                "All documents", icon=":material/arrow_back:", on_click=state.address, kwargs={"view": None}
            )
        elif not workspace.read_only:
            st.button(
                "Upload more",
                key="corpus_upload",
                icon=":material/upload:",
                on_click=state.address,
                kwargs={"view": "upload"},
            )
    if uploads:
        importing.panel(workspace, "corpus")
    else:
        importing.report(workspace, "import_corpus")
        finding.body(workspace)
