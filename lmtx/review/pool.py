"""Documents and pairs among which the queues look, put in order once for all policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmtx.review.models import Policy
from lmtx.review.orders import Pair
from lmtx.review.policies import SCORED, PairPool, document_scores, pair_scores
from lmtx.review.queue import pair_number, permanent_number
from lmtx.types import PairState

TOP = 5
"""Labels of a document that count as the tagger's."""


@dataclass(frozen=True)
class Proposed:
    """The tagger's best labels of a document, best first, with probabilities in [0, 1].

    `left_out` gives, for any label, the probability by a student that has not seen the verdicts on the
    document, as far as it is known.
    """

    label_ids: Sequence[str]
    probability: Sequence[float]
    left_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pool:
    """Documents and their candidate pairs in the order of every policy.

    A pair is a candidate where its label is among the tagger's best, or the teacher says yes. A scored
    policy orders only what it has a say on: for "disagreement" and "teacher_errors", judged pairs.

    Attributes
    ----------
    documents : list of str
        In the permanent random order, judged ones first.
    document_order : dict of policy to list of str
        Under each scored policy.
    pair_order : dict of policy to list of pairs
        Under each scored policy, "default" and "unseen".
    decided : set of pairs
        Those that a person had decided when it was made.
    whole : bool
        Whether it holds all that waited; else there is more behind it.
    """

    documents: list[str]
    document_order: dict[Policy, list[str]]
    pair_order: dict[Policy, list[Pair]]
    decided: set[Pair]
    whole: bool

    @classmethod
    def build(
        cls,
        documents: Sequence[str],
        proposed: Mapping[str, Proposed],
        states: Mapping[str, Sequence[PairState]],
        label_counts: Mapping[str, int],
        seed: int,
        *,
        only_label: str | None = None,
        live: Mapping[str, object],
        whole: bool = True,
    ) -> Pool:
        """Gather candidate pairs and order them.

        Parameters
        ----------
        documents : sequence of str
            In the order of the queue.
        proposed : mapping
            Document id -> what the tagger proposes.
        states : mapping
            Document id -> its pairs.
        label_counts : mapping
            Label id -> documents that carry it so far.
        seed : int
        only_label : str, optional
            Only pairs of this label.
        live : mapping
            Whose keys are the labels that exist.
        whole : bool
        """
        pairs: list[Pair] = []
        rows: list[tuple[int, float, float, float, bool]] = []
        decided: set[Pair] = set()
        for row, document_id in enumerate(documents):
            known = {x.label_id: x for x in states.get(document_id, ())}
            decided.update((document_id, x) for x, pair in known.items() if pair.decision is not None)
            best = proposed.get(document_id, Proposed((), ()))
            probability = dict(zip(best.label_ids, best.probability, strict=True))
            taught = [x for x, pair in known.items() if pair.verdict == "yes" and x not in probability]
            for label_id in [*probability, *taught]:
                if label_id not in live or (only_label is not None and label_id != only_label):
                    continue
                pair = known.get(label_id)
                pairs.append((document_id, label_id))
                rows.append(
                    (
                        row,
                        # The tagger ranks it below its best: less likely than all of those.
                        probability.get(label_id, min(probability.values(), default=0.0) / 2),
                        best.left_out.get(label_id, np.nan),
                        _said(pair),
                        pair is not None and pair.verdict is not None,
                    )
                )
        labels = sorted({label for _, label in pairs})
        place = {label: i for i, label in enumerate(labels)}
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        pool = PairPool(
            document=table[:, 0].astype(np.int32),
            label=np.array([place[label] for _, label in pairs], dtype=np.int32),
            probability=table[:, 1].astype(np.float32),
            left_out=table[:, 2].astype(np.float32),
            verdict=table[:, 3].astype(np.float32),
            label_count=np.array([label_counts.get(label, 0) for _, label in pairs], dtype=np.int32),
            number=np.array([pair_number(d, x, seed, "default") for d, x in pairs], dtype=np.float64),
        )
        numbers = np.array([permanent_number(d, seed, "default") for d in documents], dtype=np.float64)
        judged = table[:, 4] > 0
        pair_order: dict[Policy, list[Pair]] = {}
        document_order: dict[Policy, list[str]] = {}
        for policy in SCORED:
            by_pair = _order(pair_scores(policy, pool), pool.number)
            by_document = _order(document_scores(policy, pool, len(documents), numbers), numbers)
            pair_order[policy] = [pairs[i] for i in by_pair]
            document_order[policy] = [documents[i] for i in by_document]
        random = np.argsort(pool.number, kind="stable").tolist()
        pair_order["default"] = [pairs[i] for i in random]
        pair_order["unseen"] = [pairs[i] for i in random if not judged[i]]
        return cls(list(documents), document_order, pair_order, decided, whole)


def _said(pair: PairState | None) -> float:
    """The teacher's probability of yes, or 1 and 0 for its verdicts; NaN where it gave none."""
    if pair is None or pair.verdict is None or pair.verdict == "unparsed":
        return np.nan
    if pair.probability is not None:
        return pair.probability
    return float(pair.verdict == "yes")


def _order(score: NDArray[np.float64], number: NDArray[np.float64]) -> list[int]:
    """Positions with a say, the highest first; equal ones in their permanent random order."""
    order = np.lexsort((number, -score))
    return [int(i) for i in order if np.isfinite(score[i])]


def unit_interval(score: NDArray[np.float32]) -> NDArray[np.float64]:
    """Map scores that nothing calibrates to (0, 1): the share of the scores given that are no higher.

    Only the order means something: the middle score counts as the least sure.
    """
    flat = np.sort(score, axis=None)
    return np.asarray(np.searchsorted(flat, score, side="right") / (flat.size + 1.0))
