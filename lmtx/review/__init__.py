"""What is reviewed next, and what a reviewer is shown of it."""

from lmtx.review.candidates import SHOWN, Ranked, candidates
from lmtx.review.highlight import highlights, is_joining, matching_words, sentences
from lmtx.review.models import Candidate, Highlight, Policy, ReviewItem
from lmtx.review.queue import REASONS, inclusion_probability, most_uncertain, seeded_order

__all__ = [
    "REASONS",
    "SHOWN",
    "Candidate",
    "Highlight",
    "Policy",
    "Ranked",
    "ReviewItem",
    "candidates",
    "highlights",
    "inclusion_probability",
    "is_joining",
    "matching_words",
    "most_uncertain",
    "seeded_order",
    "sentences",
]
