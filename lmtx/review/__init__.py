"""What is reviewed next, and what a reviewer is shown of it."""

from lmtx.review.candidates import SHOWN, Ranked, candidate, candidates
from lmtx.review.highlight import highlights, is_joining, matching_words, sentences, word_spans
from lmtx.review.models import BatchRow, Bulk, Candidate, Highlight, PairItem, Policy, ReviewItem, Scope, Unit
from lmtx.review.orders import Frame, Orders, Pair
from lmtx.review.policies import (
    MIX,
    NAMES,
    PAIR_REASONS,
    REASONS,
    SCORED,
    PairPool,
    document_scores,
    pair_scores,
    take_turns,
)
from lmtx.review.pool import TOP, Pool, Proposed, unit_interval
from lmtx.review.queue import (
    audit_is_due,
    inclusion_probability,
    is_blind,
    pair_inclusion_probability,
    pair_number,
    permanent_number,
    seeded_order,
)

__all__ = [
    "MIX",
    "NAMES",
    "PAIR_REASONS",
    "REASONS",
    "SCORED",
    "SHOWN",
    "TOP",
    "BatchRow",
    "Bulk",
    "Candidate",
    "Frame",
    "Highlight",
    "Orders",
    "Pair",
    "PairItem",
    "PairPool",
    "Policy",
    "Pool",
    "Proposed",
    "Ranked",
    "ReviewItem",
    "Scope",
    "Unit",
    "audit_is_due",
    "candidate",
    "candidates",
    "document_scores",
    "highlights",
    "inclusion_probability",
    "is_blind",
    "is_joining",
    "matching_words",
    "pair_inclusion_probability",
    "pair_number",
    "pair_scores",
    "permanent_number",
    "seeded_order",
    "sentences",
    "take_turns",
    "unit_interval",
    "word_spans",
]
