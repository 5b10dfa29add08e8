"""The side: workspace picker, navigation in groups, running jobs, the reviewer's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import services, state
from app.widgets import errors, jobs
from app.widgets.inert import escape


def draw(groups: Mapping[str, Sequence[StreamlitPage]]) -> None:
    """Draw the side of every screen."""
    with st.sidebar:
        st.html('<div class="lx-brand">LMTX Studio</div>')
        with errors.shown():
            _picker()
        for group, pages in groups.items():
            st.html(f'<div class="lx-group">{escape(group)}</div>')
            for page in pages:
                st.page_link(page)
        with st.container(key="lx_foot"), errors.shown():
            workspace = services.current()
            if workspace is not None and workspace.read_only:
                st.html('<div class="lx-foot">Read-only: look around, nothing changes.</div>')
            elif workspace is not None:
                jobs.watch(workspace)
                name = state.REVIEWER.get() or workspace.settings.reviewer
                who = name or "no name yet, set one in Review or Settings"
                st.html(f'<div class="lx-foot">Reviewer: {escape(who)}</div>')


def _picker() -> None:
    """Choose the workspace; only there once one exists."""
    found = {str(info.folder.resolve()): info for info in services.workspaces()}
    services.current()  # chooses one where this session has not
    current = state.FOLDER.get()
    if not found or current is None:
        return
    folders = list(found) if current in found else [current, *found]
    state.PLACE.set(found[current].name if current in found and len(found) > 1 else "")
    names = Counter(info.name for info in found.values())

    def name_of(folder: str) -> str:
        """Name of a workspace; with its folder where another one has the same name."""
        name = found[folder].name if folder in found else Path(folder).name
        return f"{name} ({Path(folder).name})" if names[name] > 1 else name

    chosen = st.selectbox(
        "Workspace",
        folders,
        index=folders.index(current),
        format_func=name_of,  # two alike would be one choice
        label_visibility="collapsed",
        key=f"lx_workspace_{current}",
    )
    if chosen != current:
        services.switch(chosen)
        st.rerun()
