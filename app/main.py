"""The app: navigation, the workspace at the top of the side, jobs and reviewer at its foot."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # `streamlit run app/main.py` puts only app/ there
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from app import mode, state  # noqa: E402
from app.widgets import errors, layout, sidebar  # noqa: E402

PAGES = {
    "Data": [
        ("overview", "Overview", "home"),
        ("corpus", "Corpus", "article"),
        ("labels", "Labels", "sell"),
    ],
    "Label": [
        ("teacher", "Teacher", "school"),
        ("review", "Review", "rate_review"),
    ],
    "Learn": [
        ("train", "Train", "model_training"),
        ("precision", "Precision", "target"),
        ("compare", "Compare", "leaderboard"),
    ],
    "Show": [
        ("explore", "Explore", "travel_explore"),
        ("try_it", "Try it", "edit_note"),
        ("present", "Present", "slideshow"),
        ("export", "Export", "download"),
    ],
    "": [("settings", "Settings", "settings")],
}

# A file of ours: the browser would fetch a Material symbol for its tab from the internet.
ICON = Path(__file__).with_name("icon.png")
st.set_page_config(page_title="LMTX Studio", page_icon=str(ICON), layout="wide", initial_sidebar_state=236)
layout.style()
groups = {
    group: [
        st.Page(
            ROOT / "pages" / f"{name}.py",
            title=title,
            icon=f":material/{icon}:",
            url_path=name,
            default=name == "overview",
        )
        for name, title, icon in pages
        if mode.offers(name)
    ]
    for group, pages in PAGES.items()
    if any(mode.offers(name) for name, _, _ in pages)
}
page = st.navigation([p for pages in groups.values() for p in pages], position="hidden")
state.HERE.set(page.url_path or "overview")
sidebar.draw(groups)
with errors.unforeseen():
    page.run()
