"""One document: its text with what speaks for a tag, what everybody says of its labels, what is near it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import streamlit as st

from app import services, state
from app.widgets import browse, errors, layout, table, words
from app.widgets.inert import escape, markdown, marked, shorten
from lmtx.review import sentences
from lmtx.types import Document
from lmtx.workspace import Workspace
from lmtx.workspace.evidence import MOST_PIECES, Occlusion, PairRow, TagEvidence

FOLDED = 2500
"""Characters of a long text that show at first."""
_LONGER = 3200  # from here on a text folds: less than that is not worth a click
_ENCODED = 8000
_HISTORY = 12
_OCCLUDED: state.Key[dict[tuple[str, ...], Occlusion]] = state.Key("lmtx.document.occluded", {})
_LAST: state.Key[tuple[str, str]] = state.Key("lmtx.document.clicked", ("", ""))
_KEPT = 20  # occlusions that a session keeps

Span = tuple[int, int]


def body(workspace: Workspace, document: Document) -> None:
    """Draw the document; its tags and text first, then what takes longer."""
    rows: list[PairRow] = []
    clicked = None
    left, right = st.columns([5, 6], gap="medium")
    with right, errors.shown():
        asked = state.param("tag")
        known = asked if asked in {x.id for x in workspace.journal.corpus().labels} else None
        rows = workspace.document_pairs(document.id, also=[known] if known else [])
        layout.section("Labels", "what each says of them; a click shows what speaks for one")
        clicked = _pairs(rows, key=f"document_pairs_{document.id}")
        if asked and known is None:
            layout.note(f"There is no label {asked!r} here.")
    with left, errors.shown():
        chosen = _chosen(document, rows, clicked)
        # Sentences of a very long text take a second to encode: those wait until all of it is asked for.
        wait = len(document.text) <= _ENCODED or bool(st.session_state.get("document_whole"))
        evidence = workspace.evidence(document, chosen.label_id, wait=wait) if chosen else None
        place = st.container()
        found = None
        if chosen is not None:
            with errors.shown():
                found = _why(workspace, document, chosen, evidence)
        with place:
            if found is not None:
                shaded(document, found)
            else:
                text(document, evidence)
        _facts(workspace, document, rows)
    _history(workspace, document)
    with errors.shown():
        _neighbours(workspace, document)


def _facts(workspace: Workspace, document: Document, rows: Sequence[PairRow]) -> None:
    row = workspace.journal.document_row(document.id)
    facts = [f"id {document.id}"]
    if row is not None:
        facts += [f"used: {services.ROLES.get(row.role, row.role)}", f"split: {row.split}"]
        facts.append("reviewed" if row.completed else "not reviewed")
    keys = {r.teacher_key for r in rows if r.teacher_key}
    if keys:
        names = {t.key: t.spec or t.key for t in workspace.journal.teachers()}
        facts.append(f"judged by {', '.join(sorted({names.get(k, k) for k in keys}))}")
    layout.note(" · ".join(facts))


# ---- labels ------------------------------------------------------------------------------------------


def _pairs(rows: Sequence[PairRow], *, key: str) -> str | None:
    """Draw what everybody says of each label; returns the one that was clicked."""
    if not rows:
        layout.note("There are no labels yet, so nothing is said of any.")
        return None
    shown = [
        {
            "Label": r.name,
            "Likely": table.rounded(r.probability),
            "Teacher": _teacher(r),
            "People": _people(r),
            "Tagger": _two(r.score),
            "Student": _two(r.student),
            "Words": _two(r.bm25),
            "Place": r.place,
            "Under": " › ".join(r.path),
        }
        for r in rows
    ]
    if all(r.student is None for r in rows):
        for line in shown:
            del line["Student"]
    if all(r.probability is None for r in rows):
        for line in shown:
            del line["Likely"]
    return table.table(
        shown,
        [r.label_id for r in rows],
        key=key,
        height=min(33 * (len(rows) + 1) + 3, 466),
        columns={
            "Label": st.column_config.TextColumn(width=250),
            "Place": st.column_config.NumberColumn(width=55, help="Among all labels, by the tagger"),
            "Likely": st.column_config.NumberColumn(
                format="percent", width=65, help="Calibrated probability that the tag is right"
            ),
            "Teacher": st.column_config.TextColumn(width=80, help="Its verdict, and its probability of yes"),
            "People": st.column_config.TextColumn(width=80),
            "Tagger": st.column_config.NumberColumn(
                width=60, help="Its score: standard deviations above the mean label of this document"
            ),
            "Student": st.column_config.NumberColumn(width=65, help="Score of the student alone"),
            "Words": st.column_config.NumberColumn(
                width=60, help="BM25: words of the label in the text; learned from nothing"
            ),
        },
    )


def _teacher(row: PairRow) -> str:
    if row.verdict is None:
        return "–"
    if row.verdict == "unparsed":
        return "not read"
    return row.verdict if row.teacher_probability is None else (
        f"{row.verdict}, {words.percent(row.teacher_probability)}"
    )  # fmt: skip


def _people(row: PairRow) -> str:
    if row.decision is None:
        return "–"
    sign = browse.SIGNS["accepted" if row.decision == "accept" else "rejected"][0]
    return f"{sign} {row.reviewer or 'a person'}"


def _two(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _chosen(document: Document, rows: Sequence[PairRow], clicked: str | None) -> PairRow | None:
    """Draw which label the text is marked for; it is in the address."""
    if not rows:
        return None
    by_id = {r.label_id: r for r in rows}
    # A click stays selected in the table: it counts once, so that the list beside the text can change it.
    if clicked and _LAST.get() != (document.id, clicked):
        _LAST.set((document.id, clicked))
        state.address(tag=clicked)
    now = state.param("tag")
    st.session_state["document_tag"] = now if now in by_id else rows[0].label_id
    st.selectbox(
        "Marked: what speaks for",
        list(by_id),
        format_func=lambda x: by_id[x].name,
        key="document_tag",
        width=420,
        on_change=lambda: state.address(tag=st.session_state["document_tag"]),
    )
    return by_id[st.session_state["document_tag"]]


# ---- text --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shade:
    """A stretch that is tinted: how strongly (-1 to 1; below 0 it speaks against), and why, in words."""

    span: Span
    strength: float
    say: str
    number: str = ""


def text(document: Document, evidence: TagEvidence | None) -> None:
    """Draw title and text with the words that speak for a label, and sentences by their likeness to it."""
    if evidence is None:
        _reading(document, [], [], [], [])
        return
    # The nearest third, five at most: paint on everything tells nothing.
    best = sorted(evidence.sentences, key=lambda x: -x[1])[: min(5, -(-len(evidence.sentences) // 3))]
    top = best[0][1] if best else 0.0
    shades = [
        Shade(span, 0.45 * value / top, f"likeness to the label {value:.2f}")
        for span, value in best
        if value > 0
    ]
    _reading(document, evidence.title_words, evidence.words, [], shades)


def shaded(document: Document, found: Occlusion) -> None:
    """Draw title and text tinted by how far the score drops without each piece."""
    top = max((abs(drop) for _, drop in found.pieces), default=0.0) or 1.0
    title: list[Shade] = []
    body_: list[Shade] = []
    for piece, drop in found.pieces:
        number = f"{drop:+.2f}" if found.unit == "sentence" else ""
        say = f"without it the score {'drops' if drop >= 0 else 'rises'} by {abs(drop):.2f}"
        for spans, out in ((piece.title, title), (piece.text, body_)):
            out += [Shade(s, drop / top, say, number) for s in spans]
    _reading(document, [], [], title, body_)


def _reading(
    document: Document,
    title_marks: Sequence[Span],
    marks: Sequence[Span],
    title_shades: Sequence[Shade],
    shades: Sequence[Shade],
) -> None:
    long = len(document.text) > _LONGER
    whole = not long or st.session_state.get("document_whole", False)
    end = len(document.text) if whole else _cut(document.text)
    title = _painted(document.title, len(document.title), title_marks, title_shades)
    head = f'<div class="lx-doc-title" dir="auto">{title}</div>' if document.title else ""
    inner = _painted(document.text, end, marks, shades)
    st.html(f'<article class="lx-doc">{head}<div dir="auto">{inner}</div></article>')
    if long:
        more = sum(a >= end for a, _ in marks)
        beyond = f", {words.many(more, 'marked word')} further down" if more and not whole else ""
        st.toggle(f"Show all {words.count(len(document.text))} characters{beyond}", key="document_whole")


def _cut(whole: str) -> int:
    """Where a long text folds: after a sentence."""
    return next((b for _, b in sentences(whole) if b >= FOLDED), len(whole))


def _painted(whole: str, end: int, marks: Sequence[Span], shades: Sequence[Shade]) -> str:
    """HTML of a text up to `end`: tinted stretches, and marked words in them."""
    edges = sorted({0, end, *(x for s in shades for x in s.span if x < end)})
    of = {s.span[0]: s for s in shades}
    out: list[str] = []
    for a, b in pairwise(edges):
        inside = [(s - a, e - a) for s, e in marks if s < b and e > a]
        piece = marked(whole[a:b], inside).replace("\n", "<br>")
        found = of.get(a)
        if found is not None and b <= found.span[1]:
            colour = "--lx-proposed" if found.strength >= 0 else "--lx-rejected"
            share = round(45 * abs(found.strength))
            tint = f"color-mix(in srgb, var({colour}) {share}%, transparent)"
            number = f'<sup class="lx-note"> {escape(found.number)}</sup>' if found.number else ""
            piece = f'<span title="{escape(found.say)}" style="background: {tint}">{piece}</span>{number}'
        out.append(piece)
    return "".join(out)


# ---- why ---------------------------------------------------------------------------------------------


def _key(workspace: Workspace, document: Document, chosen: PairRow, unit: str) -> tuple[str, ...]:
    promoted = workspace.journal.promoted()
    run = promoted.id if promoted else "zero-shot"
    return str(workspace.folder), document.hash, chosen.label_id, unit, run


def _why(
    workspace: Workspace, document: Document, chosen: PairRow, evidence: TagEvidence | None
) -> Occlusion | None:
    """Draw which pieces of the text to leave out, and return what that gave, where it was asked for."""
    said = st.empty()
    units: dict[str, str] = {"sentence": "Sentences", "word": "Words"}
    unit = st.segmented_control(
        "Which of them matter?",
        list(units),
        format_func=units.__getitem__,
        key=f"document_occlusion_{document.id}",
        help=f"Leaves out one after the other (the first {MOST_PIECES['sentence']} sentences or "
        f"{MOST_PIECES['word']} words at most), and scores this tag anew each time.",
    )
    if unit is None:
        if evidence is not None:
            told = f"Words: {', '.join(evidence.spoken)}." if evidence.spoken else "No word speaks for it."
            near = " Sentences near it in meaning are tinted." if evidence.nearest else ""
            said.html(f'<p class="lx-note">{escape(told + near)}</p>')
        return None
    kept, key = dict(_OCCLUDED.get()), _key(workspace, document, chosen, unit)
    if key not in kept:
        with st.spinner("Leaving out one after the other …"):
            kept[key] = workspace.occlusion(
                document, chosen.label_id, "word" if unit == "word" else "sentence"
            )
        _OCCLUDED.set(dict(list(kept.items())[-_KEPT:]))
    found = kept[key]
    rest = ""
    if found.n_pieces > len(found.pieces):
        rest = f" The first {len(found.pieces)} of {words.many(found.n_pieces, unit)}."
    told = (
        f"Score {found.score:.2f}. Blue, +: so much it drops without this; red, −: so much it rises.{rest} "
        "Pieces that say the same hide each other."
    )
    said.html(f'<p class="lx-note">{escape(told)}</p>')
    return found


# ---- around it ---------------------------------------------------------------------------------------


def _history(workspace: Workspace, document: Document) -> None:
    history = workspace.journal.decisions(document_id=document.id, limit=200, newest_first=True)
    if not history:
        return
    layout.section("History", f"{words.many(len(history), 'decision')}, newest first")
    names = {x.id: x.name for x in workspace.journal.corpus().labels}
    lines = []
    for d in history[:_HISTORY]:
        what = names.get(d.label_id, d.label_id) if d.label_id else "the whole document"
        why = f" · {d.note}" if d.note else ""
        lines.append(
            f'<div class="lx-pred-top lx-hit"><span dir="auto">{escape(f"{d.action}: {what}{why}")}</span>'
            f'<span class="lx-note">{escape(d.reviewer)}, {escape(words.ago(d.at))}</span></div>'
        )
    st.html("".join(lines))
    if len(history) > _HISTORY:
        layout.note(f"and {len(history) - _HISTORY} before")


def _neighbours(workspace: Workspace, document: Document) -> None:
    layout.section("Similar documents", "nearest in meaning, and the tags that both have")
    found = workspace.neighbours(document.id)
    if not found:
        layout.note("This document has no vector yet: it is not embedded.")
        return
    for number, near in enumerate(found):
        shared = f"both: {', '.join(near.shared)}" if near.shared else "no tag in common"
        with st.container(gap=None, key=f"lx_near_{number}"):
            st.button(
                markdown(shorten(near.title or near.snippet or near.document_id, 110)),
                key=f"document_near_{number}",
                type="tertiary",
                on_click=state.turn_to,
                kwargs={"document": near.document_id},
            )
            st.html(
                f'<div class="lx-hit lx-note" dir="auto">likeness {near.likeness:.2f} · '
                f"{escape(shared)}</div>"
            )
