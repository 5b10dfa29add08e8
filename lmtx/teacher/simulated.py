"""A teacher that answers from gold with noise, for benchmarks, planning and tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import TeacherError, TeacherSpecError
from lmtx.teacher.base import (
    Answer,
    Answered,
    Estimate,
    TeacherContext,
    TeacherRequest,
    in_batches,
    teacher_key,
)

EAGER_SHARE = 0.15
"""With bias=label: share of labels that the teacher asserts far too often."""
EAGER_NOISE = 0.6
"""With bias=label: how often such a label gets a wrong yes."""
BLIND_SHARE = 0.2
"""With bias=label: share of labels that the teacher hardly ever sees."""
BLIND_RECALL = 0.35
"""With bias=label: what remains of the recall of such a label, as a factor."""

_YES, _NO = Answer("yes"), Answer("no")
_NO_GOLD = Answer("unparsed", raw="no gold labels for this document")


class SimulatedTeacher:
    """Says yes to a share of the gold pairs and to a smaller share of the others.

    Each pair's answer is drawn by a hash of seed, document and label: it does not depend on order,
    batches or what was asked before, so a killed run that is started again answers alike.

    With ``bias="none"`` errors are independent. With ``bias="label"`` they are systematic, as those
    of language models are: 15 % of the labels (by hash) are asserted wrongly in `EAGER_NOISE` of
    the other documents, another 20 % keep only `BLIND_RECALL` of their recall, and the rest errs
    as given.

    It gives no probabilities. Gold is that of split train, passed in by the caller.

    Parameters
    ----------
    context : TeacherContext
        With `gold`.
    recall : float
        Share of gold pairs that get a yes.
    noise : float
        Share of other pairs that get a yes.
    seed : int
    bias : {"none", "label"}

    Raises
    ------
    TeacherSpecError
        If a parameter is out of range.
    TeacherError
        If there is no gold.
    """

    is_llm = False
    host = ""

    def __init__(
        self,
        context: TeacherContext,
        *,
        recall: float = 0.85,
        noise: float = 0.05,
        seed: int = 0,
        bias: Literal["none", "label"] = "none",
    ) -> None:
        for name, value in (("recall", recall), ("noise", noise)):
            if not 0 <= value <= 1:
                raise TeacherSpecError(
                    f"teacher 'simulated': {name} is {value}, expected a fraction from 0 to 1."
                )
        if context.gold is None:
            raise TeacherError(_no_gold())
        self._read_gold = context.gold
        self.recall, self.noise, self.seed, self.bias = recall, noise, seed, bias
        self.spec = f"simulated:recall={recall:g},noise={noise:g},seed={seed}"
        if bias != "none":
            self.spec += f",bias={bias}"
        self.description = (
            f"Simulated, no language model: answers from gold labels, yes to {recall:.0%} of the true pairs "
            f"and {noise:.0%} of the others"
            + (", with errors that are systematic by label" if bias == "label" else "")
            + ". For benchmarks and planning only."
        )
        decoding: dict[str, object] = {"recall": recall, "noise": noise, "seed": seed, "bias": bias}
        if bias == "label":
            decoding["shape"] = [EAGER_SHARE, EAGER_NOISE, BLIND_SHARE, BLIND_RECALL]
        self.key = teacher_key(model="simulated", prompt="gold-1", decoding=decoding, label_text="id")
        self._labels: dict[str, tuple[int, float, float]] = {}

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered]:
        """Answer requests; see `Teacher.judge`."""
        return in_batches(requests, self._batch)

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """No tokens; see `Teacher.estimate`."""
        return Estimate()

    def _batch(self, batch: Sequence[TeacherRequest]) -> list[list[Answer]]:
        gold = self._gold
        hashes: list[int] = []
        chances: list[float] = []
        for request in batch:
            true = gold.get(request.document.id, frozenset())
            for label in request.labels:
                label_hash, recall, noise = self._label(label.id)
                hashes.append(label_hash)
                chances.append(recall if label.id in true else noise)
        documents = np.array([_hash64("document", r.document.id) for r in batch], dtype=np.uint64)
        of_label = _mix(np.array(hashes, dtype=np.uint64) ^ _mix(np.uint64(self.seed % 2**64)))
        of_pair = _mix(np.repeat(documents, [len(r.labels) for r in batch]) ^ of_label)
        verdicts = iter(np.where(_unit(of_pair) < np.array(chances), "yes", "no").tolist())
        answers = {"yes": _YES, "no": _NO}
        drawn = [[answers[next(verdicts)] for _ in request.labels] for request in batch]
        return [
            row if request.document.id in gold else [_NO_GOLD] * len(row)
            for request, row in zip(batch, drawn, strict=True)
        ]

    def _label(self, label_id: str) -> tuple[int, float, float]:
        """Hash, recall and noise of a label."""
        known = self._labels.get(label_id)
        if known is None:
            recall, noise = self.recall, self.noise
            if self.bias == "label":
                kind = _hash64("bias", str(self.seed), label_id) / 2**64
                if kind < EAGER_SHARE:
                    noise = max(noise, EAGER_NOISE)
                elif kind < EAGER_SHARE + BLIND_SHARE:
                    recall *= BLIND_RECALL
            known = self._labels[label_id] = (_hash64("label", label_id), recall, noise)
        return known

    @cached_property
    def _gold(self) -> Mapping[str, frozenset[str]]:
        gold = {document: frozenset(labels) for document, labels in self._read_gold().items()}
        if not gold:
            raise TeacherError(_no_gold())
        return gold


def _no_gold() -> str:
    return (
        "teacher 'simulated': the corpus has no gold labels of split train to answer from. "
        "Import a corpus with a label column, or choose 'evidence'."
    )


def _hash64(*parts: str) -> int:
    return int.from_bytes(
        blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def _mix(values: Any) -> NDArray[np.uint64]:
    """Finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every input bit reaches every output bit."""
    with np.errstate(over="ignore"):
        x = np.asarray(values, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))


def _unit(values: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.asarray((values >> np.uint64(11)).astype(np.float64) / 2**53)
