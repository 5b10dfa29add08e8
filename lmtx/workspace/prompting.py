"""The prompts of a workspace: those that come with the product, the user's own, and how they read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from lmtx.errors import NotFoundError, NothingToDoError
from lmtx.types import Document
from lmtx.workspace.parts import Parts
from lmtx.workspace.teaching import prompts_folder

if TYPE_CHECKING:
    from lmtx.journal import JudgedDecision
    from lmtx.teacher.prompts import FewShot, Message, Prompt

SHOWN_CHARACTERS = 2000
"""Of a document in a preview: about what a teacher reads of it, which cuts by its own tokens."""
_EXAMPLE_CHARACTERS = 1200
"""Kept of an example's text; teachers cut it again, by tokens."""


def prompts(parts: Parts) -> list[Prompt]:
    """See `Workspace.prompts`."""
    from lmtx.teacher.prompts import list_prompts

    return list_prompts(prompts_folder(parts))


def save(parts: Parts, base: str, text: str) -> Prompt:
    """See `Workspace.save_prompt`."""
    from lmtx.teacher.prompts import save_prompt

    parts.must_write("A new prompt")
    return save_prompt(prompts_folder(parts), base, text)


def few_shots(parts: Parts) -> list[str]:
    """See `Workspace.few_shots`."""
    from lmtx.teacher.prompts import list_few_shot

    return list_few_shot(prompts_folder(parts))


def few_shot_from_decisions(parts: Parts, name: str, n: int, seed: int) -> FewShot:
    """See `Workspace.few_shot_from_decisions`."""
    from lmtx.teacher.prompts import Example, save_few_shot
    from lmtx.workspace.trials import POLICY

    parts.must_write("A set of examples")
    view = parts.corpus()
    found: dict[bool, list[Example]] = {True: [], False: []}
    decided = [
        d
        for d in parts.journal.decisions(standing=True, limit=None, newest_first=True)
        if d.action in ("accept", "reject") and d.policy != POLICY
    ]
    for i in np.random.default_rng(seed).permutation(len(decided)).tolist():
        d = decided[i]
        row, column = view.document_idx.get(d.document_id), view.label_idx.get(d.label_id or "")
        if row is None or column is None or view.roles[row] != "train":
            continue
        document, label = view.documents[row], view.labels[column]
        taken = [x for group in found.values() for x in group]
        if any(x.label.id == label.id or (x.title, x.text) == _cut(document) for x in taken):
            continue
        found[d.action == "accept"].append(Example(*_cut(document), label, d.action == "accept"))
    half = n // 2
    wanted, unwanted = found[True][: n - min(half, len(found[False]))], found[False][:half]
    if len(wanted) + len(unwanted) < n or not unwanted:
        raise NothingToDoError(
            f"A set of {n} examples takes that many decisions on training documents, of different labels and "
            f"documents, accepted and rejected ones; there are {len(found[True])} and {len(found[False])}. "
            "Review some more, or ask for fewer. Pairs of trials are left out."
        )
    examples = [x for pair in zip_longest(wanted, unwanted) for x in pair if x is not None]
    return save_few_shot(prompts_folder(parts), name, examples)


def judged_decisions(parts: Parts, teacher_key: str) -> list[JudgedDecision]:
    """See `Workspace.judged_decisions`."""
    from lmtx.teacher import parse_spec
    from lmtx.teacher.prompts import load_few_shot

    decided = parts.journal.judged_decisions(teacher_key)
    spec = next((t.spec for t in parts.journal.teachers() if t.key == teacher_key), "")
    name = parse_spec(spec).text("few_shot", "") if spec else ""
    if not name:
        return decided
    view = parts.corpus()
    shown = {(x.title, x.text, x.label.id) for x in load_few_shot(name, prompts_folder(parts)).examples}
    return [
        d
        for d in decided
        if (*_cut(view.documents[view.document_idx[d.document_id]]), d.label_id) not in shown
    ]


def _cut(document: Document) -> tuple[str, str]:
    return document.title, document.text[:_EXAMPLE_CHARACTERS]


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
