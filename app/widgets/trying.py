"""A large text box whose tags follow the typing: how sure they are, why, and what to do about a wrong one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import islice

import streamlit as st

from app import actions, charts, mode, state
from app.widgets import browse, compared_text, document, errors, layout, livetext, words
from app.widgets.inert import shorten
from lmtx.ingest import UploadedBytes, read_documents
from lmtx.types import Document
from lmtx.workspace import Tag, Workspace
from lmtx.workspace.precision_models import TAGS, Cut
from lmtx.workspace.shown import PARTS
from lmtx.workspace.systems import System

RUNNERS_UP = 3
ROWS = 50
"""Rows of a file to choose from."""
_SENTENCES = 4000  # characters of a text whose sentences are encoded while one types
_WRONG: state.Key[tuple[str, str]] = state.Key("lmtx.try.wrong", ("", ""))
"""Text and label of the tag that was called wrong last."""


def example_button(workspace: Workspace) -> None:
    """Draw the button that fills the box with a document of the test split, or any."""
    st.button(
        "Use an example",
        key="try_example",
        icon=":material/article:",
        on_click=actions.use_example,
        args=(workspace,),
    )


@st.fragment
def body(workspace: Workspace) -> None:
    """Draw the box and the tags of what is in it."""
    able = [x for x in workspace.systems() if x.reads_any_text]
    left, right = st.columns([6, 5], gap="large")
    box, below = left.container(), left.container()
    with below, errors.shown():
        _file()  # first, as it fills the box
    with box:
        text = livetext.area(
            state.TRY_TEXT.get(),
            seed=state.TRY_SEED.get(),
            key="try_text",
            placeholder="Paste or type a text …",
            height=260,
        )
        state.TRY_TEXT.set(text)
    found: list[Tag] = []
    with right, errors.shown():
        chosen = _systems(able)
        if not text.strip():
            layout.note("Its tags appear here while you type. Or use an example.")
            return
        if len(chosen) == 1 and chosen[0].kind != "part":
            found = _tags(workspace, text, chosen[0])
        else:
            answers = workspace.side_by_side(text, [x.id for x in chosen], TAGS + RUNNERS_UP)
            compared_text.style()
            st.html(compared_text.table([x.name for x in chosen], answers))
    if found:
        with left, errors.shown():
            _why(workspace, text, found)


# ---- text in -----------------------------------------------------------------------------------------


def _file() -> None:
    """Draw the place for a file; one row of it goes into the box."""
    file = st.file_uploader(
        "Or drop a file",
        type=["txt", "csv", "tsv", "jsonl", "json"],
        key="try_file",
        help=f"A text, or a table: one of its first {ROWS} rows goes into the box. Nothing is kept.",
    )
    if file is None:
        return
    source = UploadedBytes(file.name, file.getvalue())
    if file.name.lower().endswith(".txt"):
        items = [Document("1", "", source.data.decode("utf-8", errors="replace"))]
    else:
        items = list(islice(read_documents(source, None, on_issue=lambda _: None), ROWS))
    if not items:
        layout.note(f"No text was found in {file.name}. It needs a column with texts.")
        return
    key = f"try_row_{file.file_id}"
    options = range(len(items))
    # A row that is chosen goes into the box once: what is typed after that stays.
    row = st.selectbox(
        f"Which of the first {len(items)} rows" if len(items) > 1 else "Its text",
        options,
        format_func=lambda i: f"{i + 1}. {shorten(items[i].title or items[i].text, 70)}",
        key=key,
    )
    used = state.Key[tuple[str, int]]("lmtx.try.row", ("", -1))
    if used.get() != (key, row):
        used.set((key, row))
        state.TRY_TEXT.set(items[row].full_text)
        state.TRY_SEED.set(state.TRY_SEED.get() + 1)


def _systems(able: Sequence[System]) -> list[System]:
    """Draw which systems tag; the one in use unless others are chosen."""
    if len(able) < 2:
        return list(able)
    names = {x.id: x.name for x in able}
    chosen = st.multiselect(
        "Tagged by",
        list(names),
        default=[able[0].id],
        format_func=names.__getitem__,
        key=f"try_systems_{able[0].id}",
        placeholder="the one in use",
        max_selections=4,
    )
    return [x for x in able if x.id in chosen] or [able[0]]


# ---- tags --------------------------------------------------------------------------------------------


def _tags(workspace: Workspace, text: str, system: System) -> list[Tag]:
    """Draw the tags of one system, those under the threshold greyed; returns all that show."""
    found = workspace.predict([text], top_k=TAGS + RUNNERS_UP, system=system.id)[0]
    known = bool(found) and found[0].probability is not None
    threshold = 0.0
    if known:
        threshold = st.slider(
            "Only tags at least this likely", 0, 95, 0, step=5, format="%d %%", key="try_threshold"
        ) / 100  # fmt: skip
    given = [t for t in found[:TAGS] if (t.probability or 0.0) >= threshold]
    if known:
        _expected(workspace, given, threshold, system)
    top = max((t.score for t in found), default=1.0) or 1.0
    layout.section("Tags", f"{len(given)} given")
    for tag in given:
        _row(workspace, text, tag, top)
        _wrong(workspace, text, tag)
    if not given:
        layout.note("No tag is that likely.")
    rest = [t for t in found if t not in given][:RUNNERS_UP]
    if rest:
        why = "not given: under the threshold, or after the fifth place"
        layout.section("Runners-up", why if threshold else "not given: after the fifth place")
        rows = "".join(browse.tag_row(t, top) for t in rest)
        st.html(f'<div style="opacity: .55">{rows}</div>')
    return [*given, *rest]


def _row(workspace: Workspace, text: str, tag: Tag, top: float) -> None:
    if workspace.read_only or not mode.offers("review"):
        st.html(browse.tag_row(tag, top))
        return
    left, right = st.columns([5, 1], vertical_alignment="center", gap="small")
    left.html(browse.tag_row(tag, top))
    with right:
        if st.button(
            "Wrong?",
            key=f"try_wrong_{tag.label_id}",
            type="tertiary",
            help="Open this pair in the review, where it is decided; nothing is recorded here.",
        ):
            _WRONG.set((text, tag.label_id))
            document_id = workspace.document_of_text(text)
            if document_id is not None:
                state.go("review", mode="pair", document=document_id, label=tag.label_id)


def _expected(workspace: Workspace, given: Sequence[Tag], threshold: float, system: System) -> None:
    """Say how often tags at this threshold are right: as the tagger expects, and as the audit found."""
    lines = []
    if given:
        mean = sum(t.probability or 0.0 for t in given) / len(given)
        lines.append(f"Expected: {words.percent(mean)} of these {len(given)} are right (mean probability).")
    promoted = system.run is not None and system.run.promoted and system.kind == "tagger"
    report = workspace.precision_report("tagger", Cut(TAGS, threshold)) if promoted else None
    if report is not None and report.precision.value is not None:
        measured = report.precision
        lines.append(
            f"Audit: {words.percent(measured.value, (measured.low, measured.high))} of such tags of the "
            f"corpus are right, by {words.many(measured.n, 'answer')}."
        )
    if report is not None and report.promise is not None and report.promise.threshold is not None:
        least = words.percent(report.promise.threshold)
        lines.append(
            f"Promised: {words.percent(report.target)} are right from {least} on, for texts like those of "
            "the corpus."
        )
    elif promoted:
        lines.append("Nothing is promised yet: that takes an audit (Review, queue “audit”).")
    layout.note(" ".join(lines))


# ---- wrong, and why ----------------------------------------------------------------------------------


def _wrong(workspace: Workspace, text: str, tag: Tag) -> None:
    """Offer what can be done where a tag of a text that is no document was called wrong."""
    if _WRONG.get() != (text, tag.label_id) or workspace.read_only or not mode.offers("review"):
        return
    with st.container(border=True, key="lx_try_wrong"):
        layout.note(
            f"“{tag.name}” is wrong here? This text is no document of the corpus, so there is no pair to "
            "decide, and nothing was recorded. Added, it is a document like any other: kept, tagged, "
            "exported, and what you decide of it is learned from (unless it falls into the reserve)."
        )
        if st.button(
            "Add this text to the corpus and review it", key="try_add", icon=":material/library_add:"
        ):
            state.go("review", mode="pair", document=_add(workspace, text), label=tag.label_id)


def _add(workspace: Workspace, text: str) -> str:
    """Import one text; its id is made of its content, so that adding it again changes nothing."""
    document_id = f"pasted-{hashlib.sha256(text.strip().encode()).hexdigest()[:12]}"
    line = json.dumps({"id": document_id, "text": text.strip()}, ensure_ascii=False)
    workspace.import_corpus(UploadedBytes("pasted.jsonl", line.encode()), labels_are="none")
    return document_id


def _why(workspace: Workspace, text: str, found: Sequence[Tag]) -> None:
    layout.section("Why")
    names = {tag.label_id: tag.name for tag in found}
    chosen = st.selectbox("Label", list(names), format_func=names.__getitem__, key="try_why", width=360)
    tag = next((t for t in found if t.label_id == chosen), found[0])
    evidence = workspace.evidence(text, tag.label_id, wait=len(text) <= _SENTENCES)
    document.text(Document("text", "", text), evidence)
    layout.note("Marked: words that speak for it. Tinted: sentences near it in meaning.")
    if tag.parts:
        order = sorted(((PARTS.get(n, n), v) for n, v in tag.parts.items()), key=lambda p: -abs(p[1]))
        title = f"Most of the score comes from {order[0][0]}"
        figure = charts.parts([p[0] for p in order], [p[1] for p in order], title, dark=layout.dark())
        st.plotly_chart(figure, theme=None, key="try_parts", config={"displayModeBar": False})
