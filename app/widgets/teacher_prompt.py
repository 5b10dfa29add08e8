"""Prompts: read one, change it with the messages beside it, keep it as a version; sets of examples."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import streamlit as st

from app import state
from app.actions import reported
from app.state import Key
from app.widgets import errors, layout, livetext, words
from app.widgets.inert import escape, shorten
from app.widgets.teacher_kinds import ASK, CHOICE, LOCAL, SERVER, VIEW
from lmtx.errors import LmtxError
from lmtx.teacher.prompts import PAIR, Prompt
from lmtx.workspace import Workspace

if TYPE_CHECKING:
    from lmtx.types import Label

TEXT: Key[str] = Key("lmtx.prompt.text", "")
"""The template as it stands in the box."""
OF: Key[str] = Key("lmtx.prompt.of", "")
"""Name of the template that the box was filled with."""
NUMBER: Key[int] = Key("lmtx.prompt.document", 0)
"""Number of the document that the preview shows."""
_ROLES = {"system": "instructions", "user": "asked", "assistant": "answer shown as an example"}
_WHAT = (
    "A template has the blocks `system` (instructions, may be left out), `document`, and either "
    "`question`, for "
    "one label at a time, or `list`, for all candidates of a document at once. In `document` stand "
    "`{{ document }}` (title and text), `{{ title }}` and `{{ text }}`; in `question` stand `{{ "
    "label.name }}`, "
    "`{{ label.description }}` and `label.aliases`; in `list` one goes through `labels`."
)
EXAMPLES = 4
"""Decided pairs in a set, unless another number is chosen."""


def screen(workspace: Workspace) -> None:
    """Draw the editor with its preview, and the sets of examples."""
    known = {p.name: p for p in workspace.prompts()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.session_state.setdefault("prompt_choice", _in_use(known))
        name = st.selectbox(
            "Template",
            list(known),
            format_func=lambda n: f"{n} (yours)" if known[n].own else n,
            key="prompt_choice",
            persist_state="session",
            width=300,
        )
        few_shot = st.selectbox(
            "Examples shown first",
            ["", *workspace.few_shots()],
            format_func=lambda n: n or "none",
            key="prompt_few_shot",
            persist_state="session",
            width=230,
        )
        layout.what_is("How templates are written", _WHAT)
    prompt = known[name]
    if OF.get() != name:
        OF.set(name)
        TEXT.set(prompt.text)
    asks = "All candidates of a document at once." if prompt.form == "list" else "One label at a time."
    layout.note(asks if prompt.own else prompt.about or asks)
    _editor(workspace, prompt, few_shot or None)
    with st.expander("Examples from your decisions", icon=":material/format_quote:"):
        _few_shot(workspace)


def _in_use(known: dict[str, Prompt]) -> str:
    choice = CHOICE.get()
    found = re.search(r"(?:^|,)prompt=([^,]+)", choice.teacher) if choice is not None else None
    return found[1] if found and found[1] in known else PAIR


@st.fragment
def _editor(workspace: Workspace, prompt: Prompt, few_shot: str | None) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        text = livetext.area(TEXT.get(), seed=zlib.crc32(prompt.name.encode()), key="prompt_text")
        TEXT.set(text)
        _keep(workspace, prompt, text)
    with right:
        _preview(workspace, text, few_shot)


def _keep(workspace: Workspace, prompt: Prompt, text: str) -> None:
    """Draw how the text is kept, or used as it is kept already."""
    if text == prompt.text:
        if st.button(
            "Use this prompt",
            key="prompt_use",
            on_click=_use,
            args=(prompt.name,),
            help="With the teacher that is chosen; its verdicts are asked anew.",
        ):
            st.rerun()  # this part of the screen alone would not show what that does
        return
    base = prompt.name.partition(".")[0]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(
            "Name",
            base if prompt.own else f"my-{base}",
            key=f"prompt_name_{prompt.name}",
            width=200,
            max_chars=60,
        )
        if st.button(
            "Save as a new version",
            type="primary",
            key="prompt_save",
            on_click=_save,
            args=(workspace, (name or "").strip(), text),
        ):
            st.rerun()
    layout.note("A changed text is another version, as verdicts belong to the text that asked for them.")


@reported
def _save(workspace: Workspace, base: str, text: str) -> None:
    saved = workspace.save_prompt(base, text)
    st.session_state["prompt_choice"] = saved.name
    OF.set("")
    state.FLASH.set(f"Saved as {saved.name}.")


def _use(name: str) -> None:
    for kind in (SERVER, LOCAL):
        st.session_state[f"teacher_prompt_{kind}"] = name
    CHOICE.set(None)
    st.session_state[VIEW] = ASK
    state.FLASH.set(f"The prompt {name} is chosen for servers and models on this machine, under “Advanced”.")


def _preview(workspace: Workspace, text: str, few_shot: str | None) -> None:
    """Draw the messages that the text makes of a real document."""
    role = "train" if workspace.journal.counts().get("train") else None
    page = workspace.documents_page(role=role, page=NUMBER.get(), page_size=1)  # type: ignore[arg-type]
    if not page.items:
        NUMBER.set(0)
        page = workspace.documents_page(page_size=1)
    row = page.items[0]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lx_prompt_of"):
        st.html(
            f'<p class="lx-note" dir="auto">As it reads for: {escape(shorten(row.title or row.id, 60))}</p>'
        )
        st.button(
            "Next document", key="prompt_next", type="tertiary", on_click=lambda: NUMBER.set(NUMBER.get() + 1)
        )
    labels = [label.id for label in _candidates(workspace, row.id)]
    try:
        rendered = workspace.render_prompt(text, row.id, labels, few_shot)
    except LmtxError as error:  # the text has no name yet
        errors.show(LmtxError(str(error).replace("prompt 'preview.v1'", "This template")))
        return
    st.html("".join(_message(m["role"], m["content"]) for m in rendered))


def _candidates(workspace: Workspace, document_id: str) -> list[Label]:
    """Labels judged for a document, or else any."""
    pairs = workspace.journal.pair_states(document_id)[:5]
    found = [x for p in pairs if (x := workspace.journal.label(p.label_id)) is not None]
    if found:
        return found
    page = workspace.labels_page(page_size=5)
    return [x for row in page.items if (x := workspace.journal.label(row.id)) is not None]


def _message(role: str, content: str) -> str:
    return (
        f'<div class="lx-message {escape(role)}"><span '
        f'class="lx-note">{escape(_ROLES.get(role, role))}</span>'
        f'<div dir="auto">{escape(content)}</div></div>'
    )


def _few_shot(workspace: Workspace) -> None:
    """Draw the form that freezes a set of examples."""
    sets = workspace.few_shots()
    layout.note(
        "A model that sees a few pairs with your answers first often judges more as you do; each "
        "question then reads "
        "them too, which costs tokens. Sets are frozen: a new one gets a new name."
    )
    if sets:
        layout.note("There are: " + ", ".join(sets) + ".")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input("Name of the set", "my-examples", key="few_shot_name", max_chars=60, width=220)
        n = st.number_input("Pairs", 2, 20, EXAMPLES, step=2, key="few_shot_n", width=120)
        st.button(
            "Make a set from my decisions",
            key="few_shot_make",
            on_click=_make,
            args=(workspace, (name or "").strip(), int(n)),
        )


@reported
def _make(workspace: Workspace, name: str, n: int) -> None:
    workspace.few_shot_from_decisions(name, n, workspace.settings.seed)
    st.session_state["prompt_few_shot"] = name
    state.FLASH.set(f"The set {name} holds {words.many(n, 'pair')} of yours.")
