"""Words from files, shown as they are: no HTML, script or Markdown of theirs is interpreted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

import streamlit as st

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>$:<&^=\"'])")
# Streamlit's Markdown turns these into emoji, icons, arrows and links after escapes are resolved;
# an invisible word joiner keeps them apart.
_LATE = re.compile(
    r":(?=[\w+\-/]+:)|-(?=[->])|<(?=-)|(?<=h)t(?=tps?:)|(?<=w)w(?=\.)|(?<=\w)@(?=\w)", re.IGNORECASE
)
_JOINER = "\u2060"


def escape(text: object) -> str:
    """Escape for `st.html`."""
    return html.escape(str(text), quote=True)


def markdown(text: object) -> str:
    """Escape for places that Streamlit reads as Markdown (labels of buttons, captions, toasts).

    One line: line breaks become spaces, as a label has none.
    """
    line = " ".join(str(text).split())
    apart = _LATE.sub(lambda m: m.group(0) + _JOINER, line)
    return _MARKDOWN.sub(r"\\\1", apart)


def shorten(text: str, length: int = 90) -> str:
    """Cut at a word, with an ellipsis."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    cut = line[:length]
    head, _, _ = cut.rpartition(" ")
    return (head if len(head) > length // 2 else cut).rstrip(" ,.;:") + "…"


def marked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """HTML of a text, escaped, with character ranges marked.

    Parameters
    ----------
    text : str
        As read from the file.
    spans : iterable of (start, end)
        Character ranges; may overlap and may be unsorted.
    """
    pieces: list[str] = []
    at = 0
    for start, end in _merged(spans, len(text)):
        pieces += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
        at = end
    return "".join([*pieces, escape(text[at:])])


def word_spans(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Character ranges of whole words in a text, in any case."""
    wanted = [re.escape(w) for w in words if len(w) > 1]
    if not wanted:
        return []
    pattern = re.compile(
        rf"(?<!\w)(?:{'|'.join(sorted(wanted, key=len, reverse=True))})(?!\w)", re.IGNORECASE
    )
    return [m.span() for m in pattern.finditer(text)]


def reading(title: str, text: str, spans: Iterable[tuple[int, int]] = (), *, key: str = "") -> None:
    """Draw a document in a column of reading width; direction follows the script."""
    body = marked(text, spans).replace("\n", "<br>")
    head = f'<div class="lx-doc-title" dir="auto">{escape(title)}</div>' if title else ""
    st.html(f'<article class="lx-doc" data-key="{escape(key)}">{head}<div dir="auto">{body}</div></article>')


def _merged(spans: Iterable[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((max(0, s), min(length, e)) for s, e in spans):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
