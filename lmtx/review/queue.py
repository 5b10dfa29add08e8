"""In which order documents and pairs come to review, and with which probability an audit draws them.

Completing random documents as a whole, kept apart from the teacher's verdicts, teaches the tagger
more than single uncertain pairs do, so `default` is a seeded random order. Judged documents come
first, because there the teacher's proposals save typing.
"""

from __future__ import annotations

from collections.abc import Iterable

from lmtx.types import unit_hash


def seeded_order(ids: Iterable[str], seed: int, policy: str) -> list[str]:
    """Order documents by their permanent random numbers.

    The order of two documents never depends on what else is in the corpus, so an import in between
    changes nothing for those that were there.
    """
    return sorted(ids, key=lambda i: permanent_number(i, seed, policy))


def permanent_number(document_id: str, seed: int, policy: str) -> float:
    """Random number in [0, 1) that a document keeps for good, other for the audit than for the queue."""
    return unit_hash(str(seed), _stream(policy), document_id)


def pair_number(document_id: str, label_id: str, seed: int, policy: str) -> float:
    """Random number in [0, 1) that a pair keeps for good, other for the audit than for the queue."""
    return unit_hash(str(seed), _stream(policy), document_id, label_id)


def _stream(policy: str) -> str:
    return "audit" if policy == "audit" else "queue"


def is_blind(document_id: str, label_id: str | None, seed: int, share: float) -> bool:
    """Whether a document, or a pair, is one of the share that is reviewed without the machine's opinion.

    Drawn by a permanent random number: who comes back to an item finds it as it was, and a larger share
    holds the smaller one.
    """
    parts = (document_id,) if label_id is None else (document_id, label_id)
    return unit_hash(str(seed), "blind", *parts) < share


def inclusion_probability(rank: int, n_reserve: int) -> float:
    """Probability that a document is among the first `rank` of the reserve's random order.

    An audit that has taken `rank` documents in that order is a simple random sample of the reserve;
    each of its documents was drawn with this probability. What is recorded with a document is the state
    of the audit when it came. Estimates take probabilities from the orders as they stand, and from the record
    only whether there was one: none where the draw was not from all of the reserve.

    Parameters
    ----------
    rank : int
        Place in the order, from 1.
    n_reserve : int
        Documents in the reserve, at least `rank`.
    """
    return rank / n_reserve


def pair_inclusion_probability(
    rank: int, n_pairs: int, n_documents: int, n_reserve: int, relative: float = 1.0
) -> float:
    """Probability that a pair is among the first `rank` of the audit's random order of pairs.

    The population are the pairs (document of the reserve, label among the tagger's best for it), whatever
    was said of them. Their frame are the pairs of the first `n_documents` of the reserve's random order
    of documents: all of them where the reserve is no larger, and then the first `rank` pairs are a simple
    random sample of the population. Else they are a sample in two stages, and a pair's probability is the
    product of both: its document is in the frame with n_documents / n_reserve, and the pair among the
    first `rank` of the frame with rank / n_pairs.

    As for documents, what is recorded is the state of the audit when the pair came, and estimates take
    probabilities from the order as it stands: see `lmtx.quality.sampling`.

    Parameters
    ----------
    rank : int
        Place in the order of the frame's pairs, from 1.
    n_pairs : int
        Pairs in the frame, at least `rank`.
    n_documents, n_reserve : int
        Documents in the frame, and in the reserve.
    relative : float
        Inclusion probability in the frame, relative to the mean of its pairs: 1 where all are drawn alike.
    """
    return min(1.0, rank / n_pairs * relative) * n_documents / n_reserve


def audit_is_due(n_audit: int, n_all: int, share: float, step: int) -> bool:
    """Whether the next item must be one of the audit, so that it keeps its share of the decisions.

    Parameters
    ----------
    n_audit, n_all : int
        Decisions of the audit, and all of them, the audit's too.
    share : float
        Wanted share of the audit, in [0, 1].
    step : int
        Decisions that an item takes.

    Returns
    -------
    bool
        True where leaving the audit out would leave it further behind than the rest would be: so both
        stay within one item of their shares.
    """
    return share * (n_all + step) - n_audit > step / 2
