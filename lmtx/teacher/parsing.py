"""Reading what a server answered: lenient in form, strict in what counts as an answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from lmtx.types import Label

_MOST_TOKENS = 10_000_000
"""More tokens for one request than any model reads: such a count is not believed."""
_MOST_FAILURES = 20
"""Brackets that open nothing readable, before a text is given up: each costs reading on to its end."""

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)
_TRAILING_COMMA = re.compile(r",(\s*[\]}])")
_NUMBER = re.compile(r"[#(]?(\d{1,6})(?:[.):]\s*|\s+|$)(.*)", re.S)
"""A number, with the label's name behind it or nothing."""


@dataclass(frozen=True)
class Said:
    """What a chat completion says.

    text : the message, or the refusal
    refused : whether the server marks it as a refusal
    cut : whether it was cut off at the limit of tokens
    top : tokens and log-probabilities at the first place of the answer; None where the server gives none
    """

    text: str
    refused: bool
    cut: bool
    top: tuple[tuple[str, float], ...] | None


def said(body: Mapping[str, Any]) -> Said | None:
    """Read a chat completion; None where it is none."""
    choice = _first(body.get("choices"))
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        return None
    text, refusal = _text(message.get("content")), _text(message.get("refusal"))
    reason = choice.get("finish_reason")
    refused = bool(refusal) or reason == "content_filter"
    return Said(text or refusal, refused, reason == "length", _top(choice.get("logprobs")))


def _text(content: object) -> str:
    """Text of a message, which some servers give in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (x.get("text") if isinstance(x, Mapping) else x for x in content)
        return "".join(x for x in parts if isinstance(x, str))
    return ""


def _top(logprobs: object) -> tuple[tuple[str, float], ...] | None:
    place = _first(logprobs.get("content")) if isinstance(logprobs, Mapping) else None
    if not isinstance(place, Mapping):
        return None
    given = place.get("top_logprobs")
    found: dict[str, float] = {}
    for item in [*(given if isinstance(given, list) else ()), place]:
        token, value = (item.get("token"), item.get("logprob")) if isinstance(item, Mapping) else (None, None)
        if isinstance(token, str) and _is_number(value) and token not in found:
            found[token] = min(0.0, float(value))
    return tuple(found.items())


def yes_no(top: Sequence[tuple[str, float]]) -> tuple[float, float]:
    """Probability of all ways to begin an answer with yes, and with no: case, leading space, quotes."""
    mass = {"yes": 0.0, "no": 0.0}
    for token, logprob in top:
        word = token.strip(" \t\n\"'`*_.,:▁ĠĊ").lower()
        if word in mass:
            mass[word] += math.exp(logprob)
    return mass["yes"], mass["no"]


def noul(body: Mapping[str, Any], name: str) -> float | None:
    """Probability of yes that a decision server gives a question; None where it gives none."""
    answers = body.get("answers")
    answer = answers.get(name) if isinstance(answers, Mapping) else None
    value = answer.get("noul") if isinstance(answer, Mapping) else None
    return float(value) if _is_number(value) and 0 <= value <= 1 else None


# ---- lists --------------------------------------------------------------------------------------


def chosen(text: str, shown: Sequence[Label]) -> frozenset[int] | None:
    """Places (from 0) of the labels that a written answer names; None where it can't be used.

    Taken are {"fit": [2, 5]}, a bare list, fences and words around it, trailing commas, numbers as text, and
    labels by name or id. A number that was not shown, a label named twice, and two different answers
    make it unusable: nothing of it is guessed.
    """
    values = list(_json_values(_TRAILING_COMMA.sub(r"\1", _THOUGHT.sub("", text))))
    lists = [x for x in map(_list_of, values) if x is not None]
    named = [x for v, x in ((v, _list_of(v)) for v in values) if isinstance(v, dict) and x is not None]
    answers = named or lists
    if not answers or any(x != answers[0] for x in answers):
        return None
    by_text = _by_text(shown)
    places = [_place(item, by_text, len(shown)) for item in answers[0]]
    if None in places or len(set(places)) != len(places):
        return None
    return frozenset(x for x in places if x is not None)


def _json_values(text: str) -> Iterator[object]:
    """Objects and lists in a text, outermost only; what follows an object that is cut off is not read."""
    decoder = json.JSONDecoder()
    at = failures = 0
    while found := re.compile(r"[\[{]").search(text, at):
        try:
            value, at = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            failures += 1
            if found[0] == "{" or failures > _MOST_FAILURES:
                return
            at = found.end()
            continue
        yield value


def _list_of(value: object) -> list[object] | None:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        lists = [x for x in value.values() if isinstance(x, list)]
        fit = value.get("fit", lists[0] if len(lists) == 1 else None)
        return fit if isinstance(fit, list) else None
    return None


def _by_text(shown: Sequence[Label]) -> dict[str, int | None]:
    """Place of each name and id; None where several labels go by it."""
    found: dict[str, int | None] = {}
    for i, label in enumerate(shown):
        for text in {label.name.strip().casefold(), label.id.strip().casefold()}:
            found[text] = None if text in found else i
    return found


def _place(item: object, by_text: Mapping[str, int | None], n: int) -> int | None:
    if isinstance(item, str):
        text = item.strip().casefold()
        match = _NUMBER.fullmatch(text)
        if match is None or (match[2] and text in by_text):
            return by_text.get(text)
        number = int(match[1])
        if match[2] and by_text.get(match[2].strip()) != number - 1:
            return None
    elif _is_number(item) and float(item) == int(item):
        number = int(item)
    else:
        return None
    return number - 1 if 1 <= number <= n else None


# ---- tokens -------------------------------------------------------------------------------------


def usage(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """Tokens read and written by what a server says; None where it says nothing usable."""
    given = body.get("usage")
    if not isinstance(given, Mapping):
        return None
    read = given.get("prompt_tokens", given.get("input_tokens"))
    written = given.get("completion_tokens", given.get("output_tokens", 0))
    if not _is_number(read) or not _is_number(written):
        return None
    if not (0 <= read <= _MOST_TOKENS and 0 <= written <= _MOST_TOKENS):
        return None
    return int(read), int(written)


def spread(total: int, n: int) -> list[int]:
    """Whole numbers that add up to `total`, as even as can be."""
    cuts = [round(total * i / n) for i in range(n + 1)]
    return [b - a for a, b in pairwise(cuts)]


def _first(items: object) -> object:
    return items[0] if isinstance(items, list) and items else None


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e15 < value < 1e15
