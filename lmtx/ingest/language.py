"""Guessing the language of a text: by script where that decides, else by a naive Bayes model.

py3langid (BSD-3-Clause, 4.5 MB, offline) takes about 0.1 ms a text; lingua was as
good on sentences but is 96 MB and named Lithuanian and Estonian for short English titles.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

# On debtags the first 200 characters decide as well as 600, in half the time.
_SAMPLE_CHARS = 200
_MIN_LETTERS = 20
# Share of titles of debtags (English, 6 words) named wrongly: 8 % without a threshold, 1 % with it.
_MIN_CONFIDENCE = 0.4
# The model also knows 90 small languages, which it names for short English texts.
_LANGUAGES = (
    "af ar bg bn ca cs da de el en es et eu fa fi fr ga gl gu he hi hr hu id is it ja ka kn ko la lt lv "
    "mk ml mr ms ne nl no pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur vi zh"
)
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d]")),
    ("ko", re.compile("[\uac00-\ud7af\u1100-\u11ff\u3130-\u318f]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("el", re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ka", re.compile("[\u10a0-\u10ff]")),
)
_LETTER = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=1)
def _model() -> Any:
    # Half a second and 60 MB: loaded when the first text needs it.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages(_LANGUAGES.split())
    return model


def guess_language(text: str) -> str:
    """Guess the language of a text from its first 200 characters.

    Returns
    -------
    str
        ISO 639-1 code, or "" for texts too short or too mixed to tell.
    """
    sample = text[:_SAMPLE_CHARS]
    letters = len(_LETTER.findall(sample))
    if letters < 2:
        return ""
    if not sample.isascii():
        counts = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
        # Japanese mixes kana with Chinese characters; Chinese has no kana.
        if counts["ja"] * 10 >= letters:
            return "ja"
        code, most = max(counts.items(), key=lambda item: item[1])
        if most * 10 >= letters * 3:
            return code
    if letters < _MIN_LETTERS:
        return ""
    code, confidence = _model().classify(sample)
    return str(code) if confidence >= _MIN_CONFIDENCE else ""


def language_of(texts: Iterable[str], limit: int = 500) -> dict[str, int]:
    """Count the languages of the first `limit` texts, most frequent first; "" counts the undecided."""
    counts = Counter(guess_language(text) for text in islice(texts, limit))
    return dict(counts.most_common())
