from __future__ import annotations

import pytest

from lmtx.shortlist import Tokenizer


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("  ...!? ", []),
        ("Web-Mail, C3PO_x and STRASSE straße", ["web", "mail", "c3po", "x", "and", "strasse", "strasse"]),
        ("ﬁne ＡＢＣ", ["fine", "abc"]),  # compatibility forms
        ("naïve café", ["naïve", "café"]),
        ("cafe\u0301", ["café"]),  # composed and decomposed are one word
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # combining marks stay inside words
        ("Закон о налогах", ["закон", "о", "налогах"]),
        ("مكتبة الملك", ["مكتبة", "الملك"]),
        ("図書館", ["図書", "書館"]),
        ("法", ["法"]),
        ("東京tower塔", ["東京", "tower", "塔"]),
        ("도서관", ["도서", "서관"]),
    ],
)
def test_words_of_any_language(text: str, tokens: list[str]) -> None:
    assert Tokenizer(fold_plurals=False)(text) == tokens


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("libraries", "library"),
        ("taxes", "tax"),
        ("churches", "church"),
        ("houses", "house"),
        ("books", "book"),
        ("class", "class"),
        ("status", "status"),
        ("gas", "gas"),
        ("movies", "movy"),  # wrong, but text and label are folded alike
        ("cafés", "cafés"),  # rules are for ASCII words only
    ],
)
def test_plural_folding(plural: str, singular: str) -> None:
    assert Tokenizer()(plural) == [singular]
    assert Tokenizer(fold_plurals=False)(plural) == [plural.casefold()]


def test_folding_changes_the_version() -> None:
    assert Tokenizer().version != Tokenizer(fold_plurals=False).version


@pytest.mark.parametrize("text", ["Two Libraries, naïve", "図書館 and Law", "ﬁne İstanbul ½", "हिन्दी"])
def test_spans_point_into_the_text_as_given(text: str) -> None:
    tokenizer = Tokenizer()
    for token, start, end in tokenizer.spans(text):
        assert 0 <= start < end <= len(text)
        assert token in tokenizer(text)
        assert token in tokenizer(text[start:end])
    assert [t for t, _, _ in tokenizer.spans("Two Libraries")] == ["two", "library"]
    assert [s for s in tokenizer.spans("図書館")] == [("図書", 0, 2), ("書館", 1, 3)]
