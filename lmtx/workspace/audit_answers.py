"""The audited answers behind a figure, in words, and probabilities held against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmtx.errors import InputError, NotFoundError
from lmtx.workspace import funnel
from lmtx.workspace.audit_said import Said
from lmtx.workspace.audited import audit_in_use, kept_audit
from lmtx.workspace.auditing import Audit, check_cut
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import tags_of
from lmtx.workspace.precision_models import Answer, Cut, Figure, LabelErrors, Outcome, Prober

if TYPE_CHECKING:
    from lmtx.quality import Reliability
    from lmtx.types import CorpusView

_TITLE = 80
_MOST_CONFUSED = 10


def label_errors(parts: Parts, label_id: str, system: str, cut: Cut | None) -> LabelErrors:
    """See `Workspace.label_errors`."""
    if label_id not in parts.labels_by_id():
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    cut = cut or Cut()
    tags = tags_of(parts, system)
    if tags is None:
        return LabelErrors(label_id, [], [], [], [], [])
    check_cut(cut, tags)
    return _Errors(parts, label_id, kept_audit(parts, tags, cut)).all()


class _Errors:
    """The answers on one label."""

    def __init__(self, parts: Parts, label_id: str, audit: Audit) -> None:
        self._label_id, self._audit = label_id, audit
        self._words = _Words(parts, audit.said)
        tags, pairs = audit.tags, audit.pairs
        self._ids = tags.document_ids
        self._given: dict[int, set[str]] = {}
        for d, x in zip(pairs.document.tolist(), pairs.label.tolist(), strict=True):
            self._given.setdefault(d, set()).add(tags.label_ids[x])

    def all(self) -> LabelErrors:
        found = sorted([*self._of_given(), *self._missed()], key=lambda x: -x[0])
        by: dict[Outcome, list[Answer]] = {"right": [], "wrong": [], "missed": []}
        others: dict[Outcome, Counter[str]] = {"right": Counter(), "wrong": Counter(), "missed": Counter()}
        for _, answer, instead in found:
            by[answer.outcome].append(answer)
            others[answer.outcome].update(instead)
        return LabelErrors(
            self._label_id,
            by["right"],
            by["wrong"],
            by["missed"],
            self._confused(others["wrong"]),
            self._confused(others["missed"]),
        )

    def _confused(self, counts: Counter[str]) -> list[tuple[str, str, int]]:
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_CONFUSED]
        return [(x, self._words.names.get(x, x), n) for x, n in most]

    def _of_given(self) -> Iterable[tuple[int, Answer, list[str]]]:
        """Answers on documents that are given the label, with their numbers and the labels instead."""
        from lmtx.quality.sampling import sample_of

        audit, tags = self._audit, self._audit.tags
        if self._label_id not in tags.label_ids:
            return
        here = audit.of_labels.label == tags.label_ids.index(self._label_id)
        pairs = audit.of_labels.where(here)
        earlier = None if audit.earlier is None else audit.earlier[here]
        counted = set(sample_of(pairs, earlier=earlier).rows.tolist())
        for row in np.flatnonzero(pairs.whole | pairs.single).tolist():
            d = int(pairs.document[row])
            said = audit.said[self._ids[d]]
            right = pairs.right[row] == 1
            instead = [] if right or not said.completed else sorted(audit.wanted(d) - self._given[d])
            yield self._answer(d, "right" if right else "wrong", row in counted, instead)

    def _missed(self) -> Iterable[tuple[int, Answer, list[str]]]:
        """Documents completed in the audit that should have the label, but are not given it."""
        settled = set(self._audit.settled.tolist())
        rows = {i: d for d, i in enumerate(self._ids)}
        for i, said in self._audit.said.items():
            d = rows[i]
            given = self._given.get(d, set())
            wanted = self._audit.wanted(d)
            if (said.audited or d in settled) and self._label_id in wanted - given:
                yield self._answer(d, "missed", d in settled, sorted(given - wanted))

    def _answer(
        self, d: int, outcome: Outcome, counts: bool, instead: list[str]
    ) -> tuple[int, Answer, list[str]]:
        seq, answer = self._words.answer(
            self._ids[d], self._label_id, outcome, counts=counts, instead=instead
        )
        return seq, answer, instead


class _Words:
    """Puts answers of an audit in words."""

    def __init__(self, parts: Parts, said: Mapping[str, Said]) -> None:
        self._view, self._said = parts.corpus(), said
        self.names = {x: label.name for x, label in parts.labels_by_id().items()}

    def answer(
        self,
        document_id: str,
        label_id: str,
        outcome: Outcome,
        *,
        counts: bool = True,
        instead: Sequence[str] = (),
        probability: float | None = None,
        stands_for: float = 1.0,
    ) -> tuple[int, Answer]:
        """Number of the decision that tells of a pair, and what it says."""
        said = self._said[document_id]
        # A completed document rejects what is in no list of it.
        decision = said.pairs.get(label_id) or said.completion
        assert decision is not None
        return decision.seq, Answer(
            document_id=document_id,
            title=title_of(self._view, document_id),
            label_id=label_id,
            label_name=self.names.get(label_id, label_id),
            outcome=outcome,
            reviewer=decision.reviewer,
            at=decision.at,
            whole=said.completed,
            counts=counts,
            instead=[self.names.get(x, x) for x in instead],
            probability=probability,
            stands_for=stands_for,
        )


def title_of(view: CorpusView, document_id: str) -> str:
    """Name a document: its title, or how its text begins."""
    document = view.documents[view.document_idx[document_id]]
    return document.title or document.text[:_TITLE]


# ---- behind figures of all tags ---------------------------------------------------------------------


def audited_tags(parts: Parts, system: str, cut: Cut | None, figure: Figure) -> list[Answer]:
    """See `Workspace.audited_tags`."""
    if figure not in ("precision", "recall"):
        raise InputError(f"figure: got {figure!r}. Known: precision, recall.")
    cut = cut or Cut()
    tags = tags_of(parts, system)
    if tags is None:
        return []
    check_cut(cut, tags)
    audit = kept_audit(parts, tags, cut)
    words = _Words(parts, audit.said)
    found = _sampled(words, audit) if figure == "precision" else _wanted(words, audit)
    return _newest_first(found)


def _newest_first(found: Iterable[tuple[int, Answer]]) -> list[Answer]:
    return [answer for _, answer in sorted(found, key=lambda x: -x[0])]


def _sampled(
    words: _Words, audit: Audit, chosen: Sequence[int] | None = None
) -> Iterable[tuple[int, Answer]]:
    """Pairs of the sample of all tags; `chosen` are places in it."""
    tags, pairs, sample = audit.tags, audit.pairs, audit.sample
    for place in range(len(sample.rows)) if chosen is None else chosen:
        row = int(sample.rows[place])
        yield words.answer(
            tags.document_ids[int(pairs.document[row])],
            tags.label_ids[int(pairs.label[row])],
            "right" if pairs.right[row] == 1 else "wrong",
            probability=float(pairs.proxy[row]) if tags.calibrated else None,
            stands_for=float(sample.weight[place]),
        )


def _wanted(words: _Words, audit: Audit) -> Iterable[tuple[int, Answer]]:
    """Wanted tags of completed documents, found or missed."""
    tags, pairs = audit.tags, audit.pairs
    given = {
        (d, tags.label_ids[x]) for d, x in zip(pairs.document.tolist(), pairs.label.tolist(), strict=True)
    }
    for d in audit.settled.tolist():
        for label_id in sorted(audit.wanted(d)):
            outcome: Outcome = "right" if (d, label_id) in given else "missed"
            yield words.answer(tags.document_ids[d], label_id, outcome)


# ---- probabilities ----------------------------------------------------------------------------------


def audited_reliability(parts: Parts, of: Prober) -> Reliability | None:
    """See `Workspace.audited_reliability`."""
    from lmtx.quality import reliability

    if of not in ("tagger", "teacher"):
        raise InputError(f"Reliability of {of!r} is not known. Known: tagger, teacher.")
    if of == "teacher":  # whole documents, each as likely to be drawn as any other
        _, probability, accepted = funnel.teacher_answers(parts)
        return reliability(probability.tolist(), accepted.tolist())
    found = audit_in_use(parts)
    if found is None or not found.tags.calibrated:
        return None
    rows = found.sample.rows
    return reliability(
        found.pairs.proxy[rows].tolist(),
        (found.pairs.right[rows] == 1).tolist(),
        found.sample.weight.tolist(),
    )


def reliability_tags(parts: Parts, of: Prober, number: int) -> list[Answer]:
    """See `Workspace.reliability_tags`."""
    found, audit = audited_reliability(parts, of), audit_in_use(parts)
    if found is None or audit is None or not 0 <= number < len(found.bins):
        return []
    rows, words = found.bins[number].rows, _Words(parts, audit.said)
    if of == "tagger":
        return _newest_first(_sampled(words, audit, rows))
    pairs, probability, accepted = funnel.teacher_answers(parts)
    return _newest_first(
        words.answer(*pairs[i], "right" if accepted[i] else "wrong", probability=float(probability[i]))
        for i in rows
    )


__all__ = ["audited_reliability", "audited_tags", "label_errors", "reliability_tags", "title_of"]
