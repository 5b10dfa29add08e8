"""Words from files are shown as they are."""

from __future__ import annotations

import pytest

from app.widgets.inert import escape, markdown, marked, shorten, word_spans


def test_html_is_escaped_and_marked() -> None:
    text = "a <b>bold</b> ship"
    start = text.index("ship")
    assert marked(text, [(start, start + 4)]) == "a &lt;b&gt;bold&lt;/b&gt; <mark>ship</mark>"
    assert marked("abcdef", [(1, 3), (2, 4), (9, 12)]) == "a<mark>bcd</mark>ef"
    assert escape('<img src=x onerror="1">') == "&lt;img src=x onerror=&quot;1&quot;&gt;"


@pytest.mark.parametrize(
    "hostile", ["**b**", "_i_", "`c`", "[x](y)", "$m$", "# h", "<b>", "~~s~~", ":red[x]", "![i](j)"]
)
def test_markdown_is_escaped(hostile: str) -> None:
    shown = markdown(hostile)
    for sign in "*_`[]$#<>~!":
        assert sign not in shown.replace("\\" + sign, "")


@pytest.mark.parametrize(
    "late", [":smile:", ":material/home:", "->", "<-", "https://x.org", "www.x.org", "a@b.org"]
)
def test_what_is_replaced_after_escaping_is_kept_apart(late: str) -> None:
    assert "\u2060" in markdown(late)


def test_words_and_cuts() -> None:
    assert word_spans("The ship, a Ship; shipping.", ["ship"]) == [(4, 8), (12, 16)]
    assert word_spans("text", []) == []
    assert shorten("one two three four", 9) == "one two…"
    assert shorten("short") == "short"
