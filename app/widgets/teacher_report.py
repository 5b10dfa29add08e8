"""The report of a trial: teachers side by side."""

from __future__ import annotations

import streamlit as st

from app import measures
from app.widgets import layout, words
from app.widgets.inert import escape
from app.widgets.teacher_kinds import short
from lmtx.workspace.trials import TrialReport


def report(found: TrialReport) -> None:
    """Draw the teachers side by side."""
    st.html(
        f'<p style="font-size:1.12rem;margin:.2rem 0">{escape(sentence(found))} '
        f'<span class="lx-badge" title="{escape(layout.TRUTHS["reviewed"])}">reviewed</span></p>'
    )
    sides = found.sides
    rows: list[tuple[str, list[str]]] = [
        ("Right", [_share(s.n_right, s.n) for s in sides]),
        ("Of its yes, right", [_share(s.n_yes_right, s.n_yes) for s in sides]),
        ("Of what fits, found", [_share(s.n_yes_right, found.n_wanted) for s in sides]),
        ("Unparsed", [words.count(s.n_unparsed) for s in sides]),
        ("Tokens", [words.count(s.tokens) for s in sides]),
        ("Dollars", [f"{s.cost:.4f}" if s.cost else "–" for s in sides]),
    ]
    head = "".join(
        f'<th title="{escape(s.teacher)}">{escape(name)}</th>'
        for s, name in zip(sides, _names(found), strict=True)
    )
    body = "".join(
        f"<tr><td>{escape(n)}</td>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>" for n, cells in rows
    )
    st.html(f'<div class="lx-sides"><table><tr><th></th>{head}</tr>{body}</table></div>')
    if len(sides) > 1:
        layout.note(f"They agree on {_share(found.n_agree, found.n_both)} of the pairs that both answered.")
    layout.note(
        f"Brackets hold 95 % intervals: {words.many(found.n_labelled, 'pair')} tell much, not all. What "
        "the teachers answered here is kept, and not asked again; the labels you gave are decisions like "
        "any other."
    )


def _share(right: int, n: int) -> str:
    return words.percent(right / n, measures.wilson(right, n)) if n else "–"


def sentence(found: TrialReport) -> str:
    """Say in plain words what came out."""
    names = _names(found)
    parts = [f"{name} is right on {s.n_right} of {s.n}" for name, s in zip(names, found.sides, strict=True)]
    if len(parts) < 2:
        return f"{parts[0]} pairs."
    first, second = found.n_only
    if found.p < 0.05:
        better = names[0] if first > second else names[1]
        return f"{parts[0]} pairs, {parts[1]}: {better} judges better here (p = {found.p:.2g})."
    return (
        f"{parts[0]} pairs, {parts[1]}. So few pairs can't tell which is better: take the cheaper one, or "
        "try more pairs."
    )


def _names(found: TrialReport) -> list[str]:
    """Short names; with a number where they are the same."""
    names = [short(s.teacher) for s in found.sides]
    return names if len(set(names)) == len(names) else [f"{name} ({i})" for i, name in enumerate(names, 1)]
