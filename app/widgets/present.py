"""Four screens for an audience: the corpus, what the teacher said, what the student learned, how good it is.

Real figures of this workspace, large; no controls but next, back and end. Nothing names a reviewer or a path.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import state
from app.widgets import words
from app.widgets.inert import escape, shorten
from lmtx.export.report import TRUTHS, Figure, ShownDocument, ShownTag, place
from lmtx.workspace import Workspace
from lmtx.workspace.presenting import Presentation, StudentShown, TeacherShown

STEPS = ("The corpus", "What the teacher said", "What the student learned", "How good it is")
_STYLE = Path(__file__).with_name("present.css")
_TEXT = 230
_HEADS = {
    True: "A teacher read the documents, and said which labels fit",
    False: "A teacher compared documents with labels, and said which fit",
}


def step_of(asked: str | None) -> int:
    """Return the step that the address names, from 1; the first where it names none."""
    names = [str(number) for number in range(1, len(STEPS) + 1)]
    return int(asked) if asked in names else 1


def screen(workspace: Workspace, step: int) -> None:
    """Draw a step, with the way to the next one."""
    st.html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>")
    found = workspace.presentation()
    draw = (_corpus, _teacher, _student, _quality)[step - 1]
    st.html(f'<div class="lx-show" data-step="{step}">{draw(found)}</div>')
    _foot(step)


def _foot(step: int) -> None:
    """Draw back, next and end; the arrow keys do the same."""
    with st.container(horizontal=True, vertical_alignment="center", key="lx_show_foot"):
        st.button(
            "Back",
            key="present_back",
            icon=":material/arrow_back:",
            shortcut="Left",
            disabled=step == 1,
            on_click=_go,
            args=(step - 1,),
        )
        st.button(
            "Next",
            key="present_next",
            type="primary",
            icon=":material/arrow_forward:",
            shortcut="Right",
            disabled=step == len(STEPS),
            on_click=_go,
            args=(step + 1,),
        )
        st.html(f'<span class="lx-note">{step} of {len(STEPS)} · {escape(STEPS[step - 1])}</span>')
        if step == len(STEPS) and st.button("Try it", key="present_try", icon=":material/edit_note:"):
            state.go("try_it")
        if st.button("End", key="present_end", type="tertiary", shortcut="Esc"):
            state.go("overview")


def _go(step: int) -> None:
    state.address(step=str(step))


# ---- the steps ------------------------------------------------------------------------------------


def _corpus(found: Presentation) -> str:
    apart = (
        f"{words.many(found.n_apart, 'document')} are kept apart: nothing learns from them, so they "
        "can tell how good it is."
        if found.n_apart
        else ""
    )
    titles = "".join(
        f'<div class="lx-show-doc"><div class="t" dir="auto">{escape(t)}</div></div>' for t in found.titles
    )
    names = ", ".join(escape(shorten(n, 60)) for n in found.label_names)
    return (
        f'<p class="lx-quiet" dir="auto">{escape(found.name)}</p>'
        f"<h1>{words.many(found.n_documents, 'document')}, {words.many(found.n_labels, 'label')}, "
        f"and nobody had annotated them</h1>"
        f'{titles}<p>Labels such as <span dir="auto">{names}</span>.</p><p class="lx-quiet">{apart}</p>'
    )


def _teacher(found: Presentation) -> str:
    said = found.teacher
    if said is None:
        return (
            "<h1>No teacher has judged anything yet</h1>"
            "<p>What tags so far is likeness of words and meaning alone.</p>"
        )
    share = said.n_yes / said.n_pairs
    example = "" if said.example is None else _document(said.example, yes="yes", no="no")
    facts = [
        (words.count(said.n_pairs), "pairs of a document and a label judged"),
        (words.percent(share), "of them with a yes"),
    ]
    facts += _spent(said)
    return (
        f"<h1>{_HEADS[said.is_llm]}</h1>{_facts(facts)}"
        f'<p class="lx-quiet">The teacher: <span dir="auto">{escape(said.name)}</span>. '
        f"What it says is an opinion, and may be wrong.</p>{example}"
    )


def _spent(said: TeacherShown) -> list[tuple[str, str]]:
    out = [(words.count(said.tokens), "tokens read and written")] if said.tokens else []
    return [*out, (f"{said.money:.2f} $", "paid for them")] if said.money else out


def _student(found: Presentation) -> str:
    student = found.student
    if student is None:
        return (
            "<h1>Nothing is trained yet</h1><p>The student learns from what the teacher and people say.</p>"
        )
    examples = "".join(_document(d) for d in found.documents)
    truths = {d.truth for d in found.documents if d.truth}
    note = "Nobody has checked these tags yet."
    if truths:
        note = "Chosen to be short; no random sample. " + " ".join(_truth(t) for t in sorted(truths))
    if not found.documents:
        note = "There is no document to show its tags on yet."
    return (
        f"<h1>A small student learned to do it alone</h1>{_facts(_learned(student))}{examples}"
        f'<p class="lx-quiet">{note}</p>'
    )


def _learned(student: StudentShown) -> list[tuple[str, str]]:
    out = [(words.count(student.n_documents), "documents to learn from")]
    if student.n_decisions:
        out.append((words.count(student.n_decisions), "decisions of people"))
    if student.cpu_s is not None:
        took = "under 1 s" if student.cpu_s < 1 else words.duration(student.cpu_s)
        out.append((took, "of one processor core to train"))
    if student.docs_per_s:
        out.append((words.count(student.docs_per_s), "documents a second, tagged"))
    return out


def _quality(found: Presentation) -> str:
    if found.student is None:
        return "<h1>Nothing is trained yet, so there is nothing to measure</h1>"
    if not found.figures:
        if not found.measured:
            return (
                "<h1>How good it is has not been measured yet</h1>"
                "<p>There are documents with known labels to measure against: measure on Precision.</p>"
            )
        opinion = (
            f"<p>By the teacher’s opinion alone: {escape(found.student.compared)}</p>"
            if found.student.compared
            else ""
        )
        return (
            "<h1>How good it is, nobody knows yet</h1>"
            "<p>No label of this corpus is known for sure, and too few tags were audited by people.</p>"
            f"{opinion}"
        )
    first = found.figures[0]
    return f"<h1>{escape(_finding(first))}</h1>{''.join(_figure(f) for f in found.figures)}"


def _finding(figure: Figure) -> str:
    if figure.name == "The first tag is right":
        out = f"The first tag is right for {words.percent(figure.value)} of documents it never saw"
        return (
            out if figure.baseline is None else f"{out}; without learning, {words.percent(figure.baseline)}"
        )
    return f"{words.percent(figure.value)} of its tags are right"


# ---- parts of a screen ----------------------------------------------------------------------------


def _facts(facts: list[tuple[str, str]]) -> str:
    cells = "".join(f"<div><b>{escape(n)}</b><span>{escape(what)}</span></div>" for n, what in facts)
    return f'<div class="lx-show-facts">{cells}</div>'


def _figure(figure: Figure) -> str:
    low, high = 100 * figure.low, 100 * figure.high
    base = (
        ""
        if figure.baseline is None
        else f'<i class="b" style="left:{place(figure.baseline)}" title="without learning"></i>'
    )
    without = (
        ""
        if figure.baseline is None
        else f" Without learning: {words.percent(figure.baseline)} (upright line)."
    )
    return (
        f'<div class="lx-show-figure"><div>{escape(figure.name)}</div>'
        f'<b>{words.percent(figure.value)}</b> <span class="i">[{low:.1f}, {high:.1f}], 95 % interval</span>'
        f'<div class="lx-show-line"><i class="r" style="left:{place(figure.low)};'
        f'width:{place(figure.high - figure.low)}"></i>{base}'
        f'<i class="d" style="left:{place(figure.value)}"></i></div>'
        f'<div class="lx-quiet">{escape(figure.of)}; {words.count(figure.n)} {escape(figure.unit)}, '
        f"{_truth(figure.truth)}{escape(without)}</div></div>"
    )


def _truth(truth: str) -> str:
    known = {str(k): v for k, v in TRUTHS.items()}
    return f'<span class="lx-badge">{escape(truth)}</span> {escape(known.get(truth, ""))}.'


def _document(document: ShownDocument, *, yes: str = "right", no: str = "wrong") -> str:
    title = (
        f'<div class="t" dir="auto">{escape(shorten(document.title, 110))}</div>' if document.title else ""
    )
    tags = "".join(_tag(tag, yes, no) for tag in document.tags)
    return (
        f'<div class="lx-show-doc">{title}'
        f'<div class="x" dir="auto">{escape(shorten(document.text, _TEXT))}</div>{tags}</div>'
    )


def _tag(tag: ShownTag, yes: str, no: str) -> str:
    sign = ""
    if tag.right is not None:
        kind, mark, said = ("accepted", "✓", yes) if tag.right else ("rejected", "✗", no)
        sign = f'<span class="lx-{kind}">{mark} {said}</span> '
    return f'<span class="lx-show-tag" dir="auto">{sign}{escape(shorten(tag.name, 70))}</span>'


__all__ = ["STEPS", "screen", "step_of"]
