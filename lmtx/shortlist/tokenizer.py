"""Words of a text, for the lexical rankings, in any language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Scripts written without spaces between words, and Korean, whose particles stick to words.
_CJK = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
# `\w` leaves out combining marks, without which Devanagari, Arabic or Tamil words fall apart.
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06ed\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0980-\u0983\u09bc-\u09cd"
    "\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82"
    "\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c56\u0c81-\u0c83\u0cbc-\u0cd6\u0d00-\u0d03\u0d3b-\u0d4d"
    "\u0dca-\u0ddf\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_RUN = re.compile(f"[{_CJK}]+|(?:[^\\W_{_CJK}]|[{_MARKS}])+")
_IS_CJK = re.compile(f"[{_CJK}]")

TOKENIZER_VERSION = "words-1"


class Tokenizer:
    """Unicode words, compatibility-normalised and case-folded; no-space scripts as character bigrams.

    There are no stop words and no rules for one language: inverse document frequency
    makes frequent words weigh little in any of them.

    Parameters
    ----------
    fold_plurals : bool
        Strip a final English plural "s" ("libraries" -> "library") from words in ASCII letters.

    Examples
    --------
    >>> Tokenizer()("Libraries & 図書館, naïve")
    ['library', '図書', '書館', 'naïve']
    """

    def __init__(self, *, fold_plurals: bool = True) -> None:
        self.fold_plurals = fold_plurals
        self._folded: dict[str, str] = {}

    @property
    def version(self) -> str:
        """Identifies the rules; part of keys that depend on them."""
        return TOKENIZER_VERSION + ("-s" if self.fold_plurals else "")

    def __call__(self, text: str) -> list[str]:
        """Tokens of a text in their order, repeats kept."""
        normal = unicodedata.normalize("NFKC", text).casefold()
        if normal.isascii():
            words = _RUN.findall(normal)
        else:
            words = [token for run in _RUN.findall(normal) for token in _split(run)]
        if not self.fold_plurals:
            return words
        folded = self._folded
        return [folded.get(w) or self._fold(w) for w in words]

    def spans(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Tokens with where they stand in the text as given: (token, start, end)."""
        for match in _RUN.finditer(text):
            run = match.group()
            normal = unicodedata.normalize("NFKC", run).casefold()
            if _IS_CJK.match(run) and len(normal) == len(run):
                for i, token in enumerate(_split(normal)):
                    yield token, match.start() + i, match.start() + i + len(token)
                continue
            for token in self(run):
                yield token, match.start(), match.end()

    def _fold(self, word: str) -> str:
        folded = word
        if len(word) > 3 and word.isascii() and word.endswith("s"):
            folded = _singular(word)
        if len(self._folded) < 500_000:  # a memo, bounded for streams of new words
            self._folded[word] = folded
        return folded


def _split(run: str) -> list[str]:
    if not _IS_CJK.match(run) or len(run) == 1:
        return [run]
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _singular(word: str) -> str:
    """Harman's S-stemmer, the mildest of the English stemmers (JASIS 42(1), 1991), and "taxes" to "tax"."""
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    if word[-2] not in "us":
        return word[:-1]
    return word
