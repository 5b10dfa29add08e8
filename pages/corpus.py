"""Corpus: bring documents in, look at them, find them."""

import streamlit as st

from app import state
from app.widgets import browse, errors, gate, importing, layout

TITLE, SENTENCE = "Corpus", "Which documents are here, and what is known of each?"

workspace = gate.workspace(TITLE, SENTENCE)

with errors.shown():
    if (document_id := state.param("document")) is not None:
        document = workspace.journal.document(document_id)
        action = layout.header("Document", "What is known of this document?")
        with action:
            if st.button("All documents", icon=":material/arrow_back:"):
                state.go("corpus")
            if document and st.button("Review it", type="primary", icon=":material/rate_review:"):
                state.go("review", document=document_id)
        if document is None:
            layout.note("This document does not exist, or was deleted.")
        else:
            browse.document(workspace, document_id)
        st.stop()

    action = layout.header(TITLE, SENTENCE)
    filled = bool(workspace.journal.counts().get("documents"))
    if not filled:
        layout.section("No documents yet", "Upload titles and texts; no annotations needed.")
        importing.panel(workspace, "corpus")
        st.stop()
    views = ["Browse", "Search", "Upload"]
    view = st.segmented_control(
        "View",
        views,
        default="Browse",
        required=True,
        key="corpus_view",
        persist_state="session",
        label_visibility="collapsed",
    )
    if view == "Upload":
        importing.panel(workspace, "corpus")
    elif view == "Search":
        with st.container(horizontal=True, vertical_alignment="bottom"):
            text = st.text_input("Find documents", key="corpus_search", type="search", width=420)
            mode = st.segmented_control(
                "By",
                ["keyword", "semantic"],
                default="semantic",
                required=True,
                format_func={"keyword": "words", "semantic": "meaning"}.__getitem__,
                key="corpus_mode",
            )
        if text:
            browse.hits(workspace.search(text, mode=mode, n=25), key=f"hits_{mode}_{text}")
        else:
            layout.note("Type words, or a sentence that says what the documents are about.")
    else:
        importing.report(workspace, "import_corpus")
        browse.documents(workspace)
