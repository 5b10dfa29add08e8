"""Which labels of a document are worth asking about: dense, lexical and fused rankings."""

from lmtx.shortlist.dense import (
    HUB_SHARE,
    dense_scores,
    dense_topk,
    first_distinct,
    hub_centre,
    hub_correction,
    hub_share,
    top_k,
    union,
)
from lmtx.shortlist.fused import BM25_WEIGHT, FUSED_VERSION, FusedRanking, row_standardised
from lmtx.shortlist.lexical import FORMS, Form, LexicalIndex, TermCounts, collect, row_blocks
from lmtx.shortlist.tokenizer import TOKENIZER_VERSION, Tokenizer

__all__ = [
    "BM25_WEIGHT",
    "FORMS",
    "FUSED_VERSION",
    "HUB_SHARE",
    "TOKENIZER_VERSION",
    "Form",
    "FusedRanking",
    "LexicalIndex",
    "TermCounts",
    "Tokenizer",
    "collect",
    "dense_scores",
    "dense_topk",
    "first_distinct",
    "hub_centre",
    "hub_correction",
    "hub_share",
    "row_blocks",
    "row_standardised",
    "top_k",
    "union",
]
