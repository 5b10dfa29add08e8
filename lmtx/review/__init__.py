"""What is reviewed next, and what a reviewer is shown of it."""

from lmtx.review.models import Candidate, Highlight, Policy, ReviewItem

__all__ = ["Candidate", "Highlight", "Policy", "ReviewItem"]
