"""The audited answers behind a label's figure, in words, and probabilities held against all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmtx.errors import InputError, NotFoundError
from lmtx.workspace import funnel
from lmtx.workspace.audit_said import Said
from lmtx.workspace.audited import audit_in_use, kept_audit
from lmtx.workspace.auditing import Audit, check_cut
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import tags_of
from lmtx.workspace.precision_models import Answer, Cut, LabelErrors, Outcome

if TYPE_CHECKING:
    from lmtx.quality import Reliability

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
        self._parts, self._label_id, self._audit = parts, label_id, audit
        self._names = {x: label.name for x, label in parts.labels_by_id().items()}
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
        return [(x, self._names.get(x, x), n) for x, n in most]

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
            yield self._answer(d, said, "right" if right else "wrong", row in counted, instead)

    def _missed(self) -> Iterable[tuple[int, Answer, list[str]]]:
        """Documents that the audit settled and that should have the label, but are not given it."""
        settled = set(self._audit.settled.tolist())
        rows = {i: d for d, i in enumerate(self._ids)}
        for i, said in self._audit.said.items():
            d = rows[i]
            given = self._given.get(d, set())
            wanted = self._audit.wanted(d)
            if (said.audited or d in settled) and self._label_id in wanted - given:
                yield self._answer(d, said, "missed", d in settled, sorted(given - wanted))

    def _answer(
        self, d: int, said: Said, outcome: Outcome, counts: bool, instead: list[str]
    ) -> tuple[int, Answer, list[str]]:
        view = self._parts.corpus()
        document = view.documents[view.document_idx[self._ids[d]]]
        # A completed document rejects what is in no list of it.
        decision = said.pairs.get(self._label_id) or said.completion
        assert decision is not None
        answer = Answer(
            document_id=document.id,
            title=document.title or document.text[:_TITLE],
            label_id=self._label_id,
            label_name=self._names[self._label_id],
            outcome=outcome,
            reviewer=decision.reviewer,
            at=decision.at,
            whole=said.completed,
            counts=counts,
            instead=[self._names.get(x, x) for x in instead],
        )
        return decision.seq, answer, instead


def audited_reliability(parts: Parts, of: Literal["tagger", "teacher"]) -> Reliability | None:
    """See `Workspace.audited_reliability`."""
    from lmtx.quality import reliability

    if of not in ("tagger", "teacher"):
        raise InputError(f"Reliability of {of!r} is not known. Known: tagger, teacher.")
    if of == "teacher":
        probability, accepted = funnel.teacher_answers(parts)
        return reliability(probability.tolist(), accepted.tolist())
    found = audit_in_use(parts)
    if found is None or not found.tags.calibrated:
        return None
    rows = found.sample.rows
    return reliability(found.pairs.proxy[rows].tolist(), (found.pairs.right[rows] == 1).tolist())


__all__ = ["audited_reliability", "label_errors"]
