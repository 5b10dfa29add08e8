from __future__ import annotations

from itertools import pairwise

from lmtx.review.highlight import highlights, matching_words, sentences, stem, word_spans
from lmtx.types import Label

WRECKS = Label("w", "Shipwrecks", "Vessels lost by stranding or fire, with the inquiries that followed.")
LIFEBOATS = Label("l", "Lifeboats and sea rescue", aliases=("Coastal rescue",))


def test_forms_of_a_word_are_one() -> None:
    assert stem("Libraries") == stem("library")
    assert stem("Boats") == stem("boat's") == stem("boat")
    assert stem("Straßen") == stem("STRASSEN")
    assert stem("naïve") == "naive"
    assert stem("glass") == "glass"


def test_words_of_names_aliases_and_long_ones_of_definitions() -> None:
    text = "The lifeboat reached the shipwreck; the vessel burned in a coastal fire."
    found = {text[a:b]: ids for a, b, ids in word_spans(text, [WRECKS, LIFEBOATS])}
    assert found == {"lifeboat": ("l",), "shipwreck": ("w",), "vessel": ("w",), "coastal": ("l",)}


def test_joining_words_are_not_evidence() -> None:
    assert word_spans("and the with or by that", [WRECKS, LIFEBOATS]) == []


def test_own_words_come_as_they_stand_in_the_text() -> None:
    text = "A VESSEL foundered. Two shipwrecks, one Shipwreck, vessels."
    assert matching_words(text, WRECKS) == ["shipwrecks", "VESSEL"]


def test_hyphens_and_unspaced_scripts() -> None:
    text = "A sea-rescue station"
    assert [text[a:b] for a, b, _ in word_spans(text, [LIFEBOATS])] == ["sea-rescue"]
    text = "本书介绍图书馆的历史"
    assert [text[a:b] for a, b, _ in word_spans(text, [Label("x", "图书馆")])] == ["图书馆"]


def test_sentences_of_any_language() -> None:
    text = 'One. "Two!" Three？四。五！\n\nSix'
    assert [text[a:b] for a, b in sentences(text)] == ["One.", '"Two!"', "Three？", "四。", "五！", "Six"]
    assert sentences("") == []
    assert sentences("   \n ") == []


def test_a_text_without_marks_is_cut_at_spaces() -> None:
    text = "word " * 1000
    parts = sentences(text)
    assert all(b - a <= 600 for a, b in parts)
    assert " ".join(text[a:b] for a, b in parts).split() == text.split()


def test_spans_do_not_overlap_and_come_in_order() -> None:
    text = "The lifeboat crew. A shipwreck rescue."
    marks = highlights(text, [WRECKS, LIFEBOATS], {"w": (19, 38), "l": (19, 38)})
    assert [m.start for m in marks] == sorted(m.start for m in marks)
    words = [m for m in marks if m.kind == "word"]
    assert all(a.end <= b.start for a, b in pairwise(words))
    assert [(text[m.start : m.end], m.label_ids) for m in marks if m.kind == "sentence"] == [
        ("A shipwreck rescue.", ("w", "l"))
    ]


def test_hostile_texts_do_no_harm() -> None:
    text = "<script>alert(1)</script> **shipwreck** " + "a" * 100_000 + " (((" * 1000
    assert any(text[a:b] == "shipwreck" for a, b, _ in word_spans(text, [WRECKS]))
    sentences(text)
