"""Sentences, titles, inverse cloze, and segments of random length."""

from __future__ import annotations

import numpy as np

from lmtx.baselines.segments import passes, segments, sentences, title_and_content, without_title
from lmtx.types import Document


def words(n: int) -> str:
    return " ".join(f"w{i}" for i in range(n))


def test_a_full_stop_or_a_line_break_ends_a_sentence() -> None:
    text = 'He said "stop." Then 3.5 miles\nto go。次の文。 '
    assert sentences(text) == ['He said "stop."', "Then 3.5 miles", "to go。", "次の文。"]
    assert sentences("  \n ") == []


def test_a_document_without_a_title_lends_its_first_sentence_and_keeps_it() -> None:
    title, content = title_and_content(Document("a", "", "First here. Then there."))
    assert title == "First here."
    assert content == "First here. Then there."
    assert title_and_content(Document("b", "Own", "Text."))[0] == "Own"


def test_a_title_stays_in_its_content_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    content = ["The red fox.", "A red fox runs."]
    drawn = [without_title(content, "red fox", 0.1, rng) for _ in range(2000)]
    kept = np.mean(["red fox" in x for text in drawn for x in [text.split(".")[0]]])
    assert 0.08 < kept < 0.12
    assert set(drawn) == {
        "The red fox. A red fox runs.",
        "The . A red fox runs.",
        "The red fox. A  runs.",
        "The . A  runs.",
    }


def test_a_content_that_is_nothing_but_its_title_stays() -> None:
    assert without_title(["Red fox."], "Red fox.", 0.0, np.random.default_rng(0)) == "Red fox."


def test_segments_have_forty_to_eighty_words_and_lose_none() -> None:
    rng = np.random.default_rng(1)
    lengths = set()
    for n in range(41, 600, 7):
        found = segments(words(n), rng)
        assert " ".join(found) == words(n)
        sizes = [len(s.split()) for s in found]
        assert all(40 <= size <= 80 for size in sizes[:-1])
        assert 20 <= sizes[-1] < 100  # the rest stands alone from 20 words on, else it joins the one before
        lengths.update(sizes[:-1])
    assert {40, 80} <= lengths


def test_a_short_text_is_one_segment_and_an_empty_one_is_none() -> None:
    rng = np.random.default_rng(2)
    assert segments(words(40), rng) == [words(40)]
    assert segments(" \n", rng) == []


def test_passes_shuffle_anew_and_stop_at_the_total() -> None:
    rows = passes(5, 13, np.random.default_rng(3))
    assert rows.dtype == np.int32
    assert len(rows) == 13
    assert sorted(rows[:5]) == sorted(rows[5:10]) == [0, 1, 2, 3, 4]
    assert rows[:5].tolist() != rows[5:10].tolist()
