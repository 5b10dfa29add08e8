"""The map of the corpus: colours, parts, and what may be done with the documents that are picked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import actions, charts_map, services, state
from app.charts import plain
from app.widgets import downloads, explore_choice, inert, jobs, layout, table, words
from app.widgets.inert import shorten
from lmtx.explore.projection import inside
from lmtx.workspace import Workspace
from lmtx.workspace.corpus_map import BYS, By, Colours, CorpusMap

NAMES: dict[By, str] = {
    "cluster": "Parts of the map",
    "state": "Judged or settled",
    "label": "One label",
    "disagreement": "Teacher against tagger",
    "tag": "Best tag",
    "use": "Use",
    "round": "Round of the first verdict",
    "split": "Split of the file",
}
METHODS = {
    "umap": "UMAP of the document vectors",
    "tsne": "t-SNE of the document vectors",
    "pca": "the two main directions of the document vectors",
}
HOW = (
    "Each point is a document; documents of like meaning lie near each other. Two dimensions can't keep all "
    "distances: trust that **near points are alike**, not that far ones differ by how far they are, nor "
    "empty spaces. Parts are groups of like documents, each named by words that occur much more often in it "
    "than in the corpus; no label and no person named them.\n\n"
    "**Teacher against tagger**: of the labels that the teacher says yes to, the share that is not among as "
    "many best ones of the tagger.\n\n"
    "Drag moves the map and the wheel zooms; with the lasso or the box at its top right you pick documents."
)
_PICK = ["pan2d", "lasso2d", "select2d"]
_TITLE = 60
_LABELS = 8


def body(workspace: Workspace) -> None:
    """Draw the view."""
    found = workspace.corpus_map()
    if found is None:
        _none_yet(workspace)
        return
    # Without labels there is nothing that is said of documents.
    offered = BYS if workspace.journal.counts()["labels"] else ("cluster", "use", "split")
    by = explore_choice.of_address("by", offered, "cluster")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        explore_choice.box("Colour", "by", by, {x: f"Colour: {NAMES[x]}" for x in offered}, width=270)
        label_id = _label(workspace) if by == "label" else None
        layout.what_is("How to read it", HOW)
        if found.n_missing or not found.known.any():
            _draw_button(workspace, "Draw it again")
    _basis(found)
    jobs.panel(workspace, ["draw_map"], history=0)
    colours = workspace.map_colours(by, label_id)
    _map(workspace, found, by, colours)


def _none_yet(workspace: Workspace) -> None:
    if jobs.panel(workspace, ["draw_map"], history=1):
        return
    with layout.empty(
        "The map is not drawn yet.",
        "It puts documents of like meaning near each other, names the parts, and tags the whole corpus. That "
        "takes a minute for some thousands of documents, longer where they have no vectors yet.",
    ):
        _draw_button(workspace, "Draw the map", main=True)


def _draw_button(workspace: Workspace, label: str, *, main: bool = False) -> None:
    if workspace.read_only or any(job.verb == "draw_map" for job in services.active_jobs(workspace)):
        return
    st.button(
        label,
        key="draw_map",
        type="primary" if main else "secondary",
        icon=":material/map:",
        on_click=actions.start,
        args=(workspace, "draw_map", {}),
    )


def _basis(found: CorpusMap) -> None:
    n = int(found.known.sum())
    text = f"{words.many(n, 'document')}; {METHODS[found.method]}; drawn {words.ago(found.made)}."
    if found.explained is not None:
        text += f" These keep {100 * found.explained:.0f} % of the differences."
    if n > charts_map.MOST_DRAWN:
        text += f" {words.count(charts_map.MOST_DRAWN)} of them are drawn; an outline picks all within."
    if found.n_missing:
        text += f" {words.many(found.n_missing, 'document')} came or changed since."
    layout.note(text)


def _label(workspace: Workspace) -> str | None:
    """Draw a line to find the label that colours; returns its id if it exists."""
    asked = state.param("label")
    label = workspace.journal.label(asked) if asked else None
    query = explore_choice.search("find", "Find a label")
    hits = workspace.find_labels(query, _LABELS) if query else []
    if not query and label is None:
        rows = workspace.labels_page(sort="proposed", descending=True, page_size=4).items
        hits = [x for row in rows if (x := workspace.journal.label(row.id)) is not None]
    for hit in hits:
        st.button(
            inert.markdown(shorten(hit.name, 32)),
            key=f"map_label_{hit.id}",
            on_click=state.address,
            kwargs={"label": hit.id, "find": None},
        )
    if query and not hits:
        layout.note("No label has these words.")
    if label is not None and st.button(
        f"Open {inert.markdown(shorten(label.name, 32))}", key="map_open_label"
    ):
        state.go("labels", label=label.id)
    return label.id if label is not None else None


@st.fragment
def _map(workspace: Workspace, found: CorpusMap, by: By, colours: Colours) -> None:
    """Draw map and parts; a fragment, so that picking draws nothing else anew."""
    region = _region(found)
    above = st.container()  # what was picked is said above the map: below it, few would see it
    left, right = st.columns([3, 1], gap="medium")
    with left, st.container(key="lx_map", gap=None):
        figure = charts_map.corpus_map(found, by, colours, _titles(workspace), region, dark=layout.dark())
        event: Any = st.plotly_chart(
            figure,
            theme=None,
            key=f"corpus_map_{by}",
            on_select="rerun",
            selection_mode=("points", "box", "lasso"),
            alt=colours.finding or "Map of the corpus",
            config={
                "scrollZoom": True,
                "displaylogo": False,
                "displayModeBar": True,
                "modeBarButtons": [_PICK, ["zoomIn2d", "zoomOut2d"], ["resetScale2d"], ["toImage"]],
            },
        )
    picked = _picked(found, colours, region, event)
    if len(picked) == 1 and not _outlined(event):
        _open(workspace, int(picked[0]))
    with right:
        _parts(workspace, found, region)
    if not len(picked) and region is not None:
        picked = np.flatnonzero(found.region == region)
    with above:
        if len(picked):
            _with(workspace, picked, region)
        else:
            layout.note("A click opens a document; the lasso, the box or a part of the list picks some.")


def _region(found: CorpusMap) -> int | None:
    asked = state.param("region")
    return int(asked) if asked and asked.isdecimal() and int(asked) < len(found.regions) else None


def _titles(workspace: Workspace) -> list[str]:
    """Titles for the map, safe to show and short; made once for a corpus."""
    documents = workspace.journal.corpus().documents
    kept = st.session_state.get("lmtx.map.titles")
    if kept is None or kept[0] is not documents:
        titles = [plain(shorten(d.title or d.text, _TITLE)) for d in documents]
        kept = (documents, titles)
        st.session_state["lmtx.map.titles"] = kept
    return kept[1]


def _outlined(event: Any) -> bool:
    return bool(event and (event.selection.box or event.selection.lasso))


def _picked(found: CorpusMap, colours: Colours, region: int | None, event: Any) -> NDArray[np.int64]:
    """Rows of the documents that a click, a box or an outline picks, drawn or not."""
    if not event:
        return np.zeros(0, dtype=np.int64)
    within = np.zeros(len(found.region), dtype=bool)
    for outline in event.selection.lasso or []:
        within |= inside(found.xy, outline["x"], outline["y"])
    for box in event.selection.box or []:
        (x0, x1), (y0, y1) = sorted(box["x"]), sorted(box["y"])
        within |= inside(found.xy, [x0, x1, x1, x0], [y0, y0, y1, y1])
    if _outlined(event):
        return np.flatnonzero(within)
    points = [(p.get("curve_number", 0), p.get("point_index", 0)) for p in event.selection.points or []]
    return np.array(charts_map.rows_of_points(found, colours, region, points), dtype=np.int64)


def _open(workspace: Workspace, row: int) -> None:
    """Open the document that was clicked, once: coming back must not open it again."""
    document_id = workspace.journal.corpus().documents[row].id
    for key in [k for k in st.session_state if isinstance(k, str) and k.startswith("corpus_map_")]:
        del st.session_state[key]
    state.go("corpus", document=document_id)


def _parts(workspace: Workspace, found: CorpusMap, region: int | None) -> None:
    """Draw the list of parts; a click shows one alone."""
    judged = workspace.map_colours("state").code > 0
    frame = pd.DataFrame(
        {
            "Documents": [r.n_documents for r in found.regions],
            "Judged": [
                round(float(judged[found.region == g].mean()), 2) if (found.region == g).any() else 0.0
                for g in range(len(found.regions))
            ],
            "Part": [r.name for r in found.regions],
        }
    )
    chosen = table.table(
        frame,
        [str(g) for g in range(len(found.regions))],
        key=f"map_parts_{region}",
        opens=True,
        height=charts_map.HEIGHT - 60,
        columns={
            "Documents": st.column_config.NumberColumn("Docs", width=55),
            "Judged": st.column_config.NumberColumn(
                width=60, format="percent", help="Share that a teacher or a person has judged"
            ),
            "Part": st.column_config.TextColumn(width="medium"),
        },
    )
    if chosen is not None:
        state.address(region=chosen)
        st.rerun()


def _with(workspace: Workspace, rows: NDArray[np.int64], region: int | None) -> None:
    """Draw what may be done with the documents that are picked."""
    documents = workspace.journal.corpus().documents
    ids = [documents[int(i)].id for i in rows]
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="lx_picked"):
        st.html(f"<b>{words.many(len(ids), 'document')} picked</b>")
        if st.button("See them", key="map_see", icon=":material/article:"):
            state.go("corpus", set=workspace.save_documents(ids))
        if not workspace.read_only and st.button(
            "Review them", key="map_review", icon=":material/rate_review:"
        ):
            state.go("review", set=workspace.save_documents(ids))
        downloads.csv(
            lambda: pd.DataFrame({"id": ids, "title": [documents[int(i)].title for i in rows]}),
            "picked-documents",
            key="map_csv",
            label="Download as CSV",
        )
        if region is not None:
            st.button(
                "Show all parts",
                key="map_all_parts",
                icon=":material/close:",
                on_click=state.address,
                kwargs={"region": None},
            )
