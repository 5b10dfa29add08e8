"""The prompts of a workspace: those that come with the product, the user's own, and how they read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmtx.errors import NotFoundError
from lmtx.workspace.parts import Parts
from lmtx.workspace.teaching import prompts_folder

if TYPE_CHECKING:
    from lmtx.teacher.prompts import Message, Prompt

SHOWN_CHARACTERS = 2000
"""Of a document in a preview: about what a teacher reads of it, which cuts by its own tokens."""


def prompts(parts: Parts) -> list[Prompt]:
    """See `Workspace.prompts`."""
    from lmtx.teacher.prompts import list_prompts

    return list_prompts(prompts_folder(parts))


def save(parts: Parts, base: str, text: str) -> Prompt:
    """See `Workspace.save_prompt`."""
    from lmtx.teacher.prompts import save_prompt

    return save_prompt(prompts_folder(parts), base, text)


def few_shots(parts: Parts) -> list[str]:
    """See `Workspace.few_shots`."""
    from lmtx.teacher.prompts import list_few_shot

    return list_few_shot(prompts_folder(parts))


def render(
    parts: Parts, text: str, document_id: str, label_ids: Sequence[str], few_shot: str | None
) -> list[Message]:
    """See `Workspace.render_prompt`."""
    from lmtx.teacher.prompts import Prompt, load_few_shot, messages

    view = parts.corpus()
    if document_id not in view.document_idx:
        raise NotFoundError(f"Document {document_id!r} does not exist. Choose one that is there.")
    labels = [view.labels[view.label_idx[x]] for x in label_ids if x in view.label_idx]
    if not labels:
        raise NotFoundError("No label to ask about is there. Import labels, or choose another document.")
    prompt = Prompt("preview.v1", text, own=True)
    prompt.check()
    document = view.documents[view.document_idx[document_id]]
    examples = []
    if few_shot and prompt.form == "pair":
        for x in load_few_shot(few_shot, prompts_folder(parts)).examples:
            answer = "yes" if x.wanted else "no"
            examples.append((prompt.document(x.title, x.text), prompt.question(x.label), answer))
    question = prompt.list(labels) if prompt.form == "list" else prompt.question(labels[0])
    shown = document.text[:SHOWN_CHARACTERS]
    return messages(prompt, prompt.document(document.title, shown), question, examples)
