"""What in a text speaks for a label: words they share, and the sentence nearest in meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from lmtx.review.models import Highlight
from lmtx.types import Label

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_INNER = re.compile(r"['’\-]")
# Scripts written without spaces between words: matched as substrings, not as words.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n+")
_LONGEST_SENTENCE = 600

# Words that join others. Evidence is shown to people, who would be puzzled by a marked "the"; rankings
# have no such list, there the rarity of a word decides.
_JOINING_TEXT = """
a about after all also an and any are as at be because been before both but by can de der des did die do does
du each either el en et etc few for from has have her his how if in into is it its la las le les los many more
most must neither no nor not of off on or other our out over own per same she should so some such than that
the their them then there these they this those through to too under und upon use used using very was we were
what when where which while who whose why will with within without would you your related general thing things
anyone anything someone something kinds kind
together chiefly mainly mostly including included especially usually often between around several various
another first again against among because did do does done down during every less like made make not one onto
only rather since still those though toward until upon way were yet
aber als auch auf aus bei dass durch ein eine einer für im ist kein mit nach nicht nur oder sich sind über vom
von vor war wie wird zu zum zur
au aux avec ce ces dans est ne pas par plus pour que qui sa se ses son sur une
como con del el ella es está lo más para pero por se sin sobre su sus un una y
"""
_JOINING = frozenset(_JOINING_TEXT.split())


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Fold case, accents and English plural of a word, so that forms of it are found.

    The accents of German, French and the like are folded too: this marks evidence for people, and a
    mark too many is better than one that is missed.
    """
    folded = unicodedata.normalize("NFKD", word.casefold())
    folded = "".join(c for c in folded if not unicodedata.combining(c))
    for ending in ("'s", "’s"):
        folded = folded.removesuffix(ending)
    if len(folded) > 4 and folded.endswith("ies"):
        return f"{folded[:-3]}y"
    if len(folded) > 4 and folded.endswith(("ches", "shes", "sses", "xes")):
        return folded[:-2]
    if len(folded) > 3 and folded.endswith("s") and not folded.endswith(("ss", "us", "is")):
        return folded[:-1]
    return folded


def is_joining(word: str) -> bool:
    """Whether a word joins others and tells a reader nothing by itself, in a few Western languages."""
    return word.casefold() in _JOINING or stem(word) in _JOINING


def telling_words(label: Label, *, description: bool = True) -> set[str]:
    """Stems of the words of a label that are worth marking."""
    names, all_ = _telling(label)
    return set(all_ if description else names)


@lru_cache(maxsize=8192)
def _telling(label: Label) -> tuple[frozenset[str], frozenset[str]]:
    """Stems of a label's names, and of these and its description."""
    names = _stems_of((label.name, *label.aliases))
    return names, names | _stems_of((label.description,))


def _stems_of(parts: Sequence[str]) -> frozenset[str]:
    words: set[str] = set()
    for part in parts:
        for match in _WORD.finditer(part):
            for piece in (match.group(), *_INNER.split(match.group())):
                folded = stem(piece)
                if len(folded) > 1 and folded not in _JOINING and piece.casefold() not in _JOINING:
                    words.add(folded)
    return frozenset(words)


@lru_cache(maxsize=16)  # a document is asked about once for each of its candidates
def _stemmed(text: str) -> tuple[tuple[int, int, str, tuple[str, ...]], ...]:
    """Words of a text: start, end, stem, and the stems of its pieces where it has some."""
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        pieces = tuple(stem(p) for p in _INNER.split(word)) if _INNER.search(word) else ()
        found.append((match.start(), match.end(), stem(word), pieces))
    return tuple(found)


def word_spans(text: str, labels: Sequence[Label]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Stretches of a text that share a word with labels.

    Words of names and aliases count; those of a description only where they are longer than four
    letters, because a definition has many common words.

    Returns
    -------
    list of (start, end, label_ids)
        In order, not overlapping.
    """
    owners: dict[str, list[str]] = {}
    unspaced: dict[str, list[str]] = {}
    for label in labels:
        own = telling_words(label, description=False)
        own |= {w for w in telling_words(label) if len(w) > 4}
        for word in own:
            owners.setdefault(word, []).append(label.id)
        for form in (label.name, *label.aliases):
            for chunk in form.split():
                if _UNSPACED.search(chunk):
                    unspaced.setdefault(chunk, []).append(label.id)
    spans: list[tuple[int, int, tuple[str, ...]]] = []
    for start, end, word, pieces in _stemmed(text):
        found = owners.get(word)
        if found is None and pieces:
            found = [i for p in pieces for i in owners.get(p, ())]
        if found:
            spans.append((start, end, tuple(sorted(set(found)))))
    for chunk, ids in unspaced.items():
        for match in re.finditer(re.escape(chunk), text):
            spans.append((match.start(), match.end(), tuple(sorted(set(ids)))))
    return _without_overlap(spans)


def _without_overlap(
    spans: list[tuple[int, int, tuple[str, ...]]],
) -> list[tuple[int, int, tuple[str, ...]]]:
    kept: list[tuple[int, int, tuple[str, ...]]] = []
    for span in sorted(spans, key=lambda s: (s[0], s[0] - s[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def matching_words(text: str, label: Label, limit: int = 6) -> list[str]:
    """Words of a text that a label shares, as they stand in the text, each once; those of its name first."""
    in_name = telling_words(Label(label.id, label.name, aliases=label.aliases), description=False)
    seen: dict[str, str] = {}
    for start, end, _ in word_spans(text, [label]):
        seen.setdefault(stem(text[start:end]), text[start:end])
    ordered = sorted(seen, key=lambda folded: folded not in in_name)  # stable: text order within each
    return [seen[folded] for folded in ordered[:limit]]


def sentences(text: str) -> list[tuple[int, int]]:
    """Stretches `[start, end)` of the sentences of a text, in any language that ends them with a mark."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in [*_SENTENCE_END.finditer(text), None]:
        end = match.end() if match else len(text)
        left, right = start, end
        while left < right and text[left].isspace():
            left += 1
        while right > left and text[right - 1].isspace():
            right -= 1
        while right - left > _LONGEST_SENTENCE:  # text without marks: cut at a space where there is one
            cut = text.rfind(" ", left + _LONGEST_SENTENCE // 2, left + _LONGEST_SENTENCE)
            cut = cut if cut > 0 else left + _LONGEST_SENTENCE
            spans.append((left, cut))
            left = cut + 1 if text[cut].isspace() else cut
        if right > left:
            spans.append((left, right))
        start = end
    return spans


def highlights(
    text: str, labels: Sequence[Label], nearest_sentence: Mapping[str, tuple[int, int]] | None = None
) -> list[Highlight]:
    """Evidence in a text for its candidate labels.

    Parameters
    ----------
    text : str
        The document's text, without its title.
    labels : sequence of Label
        The candidates.
    nearest_sentence : mapping, optional
        Label id -> stretch of the sentence nearest to it in meaning.

    Returns
    -------
    list of Highlight
        Ordered by start, sentences before the words inside them.
    """
    found = [Highlight(a, b, "word", ids) for a, b, ids in word_spans(text, labels)]
    by_span: dict[tuple[int, int], list[str]] = {}
    for label_id, span in (nearest_sentence or {}).items():
        by_span.setdefault(span, []).append(label_id)
    found += [Highlight(a, b, "sentence", tuple(ids)) for (a, b), ids in by_span.items()]
    return sorted(found, key=lambda h: (h.start, h.kind != "sentence", h.end))
