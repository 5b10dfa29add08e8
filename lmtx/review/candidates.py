"""Which labels a reviewer is shown for a document, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lmtx.review.highlight import matching_words
from lmtx.review.models import Candidate
from lmtx.types import Document, Label, PairState

SHOWN = 9
"""Labels that the tagger puts up, one for each number key."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A label that the tagger puts up for a document."""

    label_id: str
    score: float
    probability: float | None


def candidates(
    document: Document,
    pairs: Sequence[PairState],
    ranked: Sequence[Ranked],
    labels: Mapping[str, Label],
    paths: Mapping[str, tuple[str, ...]],
    shown: int = SHOWN,
) -> list[Candidate]:
    """List the labels to judge: the tagger's best, the teacher's yes, and what was decided already.

    Parameters
    ----------
    document : Document
    pairs : sequence of PairState
        Pseudo labels of the document.
    ranked : sequence of Ranked
        The tagger's ranking, best first; more than `shown` give scores to other candidates.
    labels, paths : mappings
        Label id -> label, and -> names of its broader labels. Labels not in `labels` are left out.

    Returns
    -------
    list of Candidate
        The tagger's order; labels that it does not rank come last, the teacher's yes first.
    """
    states = {pair.label_id: pair for pair in pairs}
    place = {item.label_id: i for i, item in enumerate(ranked)}
    wanted = [item.label_id for item in ranked[:shown]]
    others = [p for p in pairs if (p.verdict == "yes" or p.decision is not None) and p.label_id not in wanted]
    others.sort(key=lambda p: (place.get(p.label_id, len(ranked)), p.verdict != "yes", p.label_id))
    found = []
    for label_id in [*wanted, *(p.label_id for p in others)]:
        label = labels.get(label_id)
        if label is None:
            continue
        at = place.get(label_id)
        item = None if at is None else ranked[at]
        found.append(candidate(document, label, states.get(label_id), item, at, paths.get(label_id, ())))
    return found


def candidate(
    document: Document,
    label: Label,
    pair: PairState | None,
    item: Ranked | None,
    place: int | None,
    path: tuple[str, ...],
) -> Candidate:
    """Say what machine and people say of one label of a document.

    Parameters
    ----------
    pair : PairState or None
        The pseudo label, None where nobody said anything.
    item : Ranked or None
        What the tagger says.
    place : int or None
        Place in the tagger's ranking from 0; None where it is too low to be told.
    path : tuple of str
        Names of the broader labels.
    """
    words = matching_words(document.full_text, label)
    return Candidate(
        label_id=label.id,
        name=label.name,
        path=path,
        definition=label.description,
        teacher_probability=pair.probability if pair else None,
        verdict=pair.verdict if pair else None,
        score=item.score if item else None,
        probability=item.probability if item else None,
        state=pair.state if pair else None,
        decision=pair.decision if pair else None,
        why=_why(pair, place, words),
        words=words,
    )


def _why(pair: PairState | None, place: int | None, words: Sequence[str]) -> str:
    parts = []
    if pair is not None and pair.decision is not None:
        parts.append(f"{'accepted' if pair.decision == 'accept' else 'rejected'} by {pair.reviewer}")
    if pair is not None and pair.verdict is not None:
        said = {"yes": "the teacher says yes", "no": "the teacher says no"}
        parts.append(said.get(pair.verdict, "the teacher's answer could not be read"))
    if place is not None:
        parts.append(f"the tagger's number {place + 1}")
    if words:
        parts.append("the text has " + ", ".join(f"“{word}”" for word in words[:3]))
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""
