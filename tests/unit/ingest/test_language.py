"""The language of texts."""

from __future__ import annotations

import time

import pytest

from lmtx.ingest import guess_language, language_of

TEXTS = {
    "en": "The library opens every morning and lends books to students and workers of the town.",
    "de": "Die Bücherei öffnet jeden Morgen und verleiht Bücher an Lehrlinge und Arbeiter.",
    "fr": "La bibliothèque ouvre tous les matins et prête des livres aux habitants de la ville.",
    "es": "La biblioteca abre todas las mañanas y presta libros a los vecinos del barrio.",
    "pl": "Biblioteka jest otwarta codziennie rano i wypożycza książki mieszkańcom miasta.",
    "ru": "Библиотека открывается каждое утро и выдаёт книги жителям города.",
    "uk": "Бібліотека відчиняється щоранку і видає книжки мешканцям міста, її люблять діти.",
    "ar": "تفتح المكتبة أبوابها كل صباح وتعير الكتب لسكان المدينة.",
    "he": "הספרייה נפתחת בכל בוקר ומשאילה ספרים לתושבי העיר.",
    "el": "Η βιβλιοθήκη ανοίγει κάθε πρωί και δανείζει βιβλία στους κατοίκους.",
    "zh": "图书馆每天早上开门，市民可以借书。",
    "ja": "図書館は毎朝開き、市民に本を貸し出します。",
    "ko": "도서관은 매일 아침 문을 열고 시민에게 책을 빌려준다.",
    "th": "ห้องสมุดเปิดทุกเช้าและให้ยืมหนังสือ",
    "hi": "पुस्तकालय हर सुबह खुलता है और लोगों को किताबें देता है।",
}


@pytest.mark.parametrize("code", TEXTS)
def test_languages(code: str) -> None:
    assert guess_language(TEXTS[code]) == code


@pytest.mark.parametrize("text", ["", " ", "12345 67.8", "ok", "GTK+ 3", "\ufffd\ufffd", "a\0b"])
def test_too_short_to_tell(text: str) -> None:
    assert guess_language(text) == ""


def test_two_chinese_characters_are_enough() -> None:
    assert guess_language("饮食") == "zh"


def test_counts_a_sample_most_frequent_first() -> None:
    texts = [TEXTS["de"]] * 3 + [TEXTS["en"]] * 5 + ["?"]
    assert list(language_of(texts).items()) == [("en", 5), ("de", 3), ("", 1)]
    assert language_of(iter([TEXTS["en"]] * 10_000), limit=10) == {"en": 10}


def test_a_huge_text_costs_no_more() -> None:
    huge = TEXTS["en"] * 100_000
    guess_language(huge)
    start = time.process_time()
    for _ in range(100):
        guess_language(huge)
    assert time.process_time() - start < 1
