"""Sentence encoders and the cache of their vectors.

Importing this package, computing an `encoder_key` and reading cached vectors need
neither torch nor sentence-transformers, so that retraining starts in milliseconds.
"""

from lmtx.encoder.cache import EmbeddingCache
from lmtx.encoder.identity import (
    MULTILINGUAL_REPLACEMENT,
    PACKAGED,
    encoder_key,
    is_english_only,
    language_warning,
    packaged_folder,
)
from lmtx.encoder.model import SentenceEncoder, load_encoder
from lmtx.encoder.vectors import (
    LABEL_TEXT_VERSION,
    embed,
    embed_documents,
    embed_labels,
    label_hashes,
    label_text,
)

__all__ = [
    "LABEL_TEXT_VERSION",
    "MULTILINGUAL_REPLACEMENT",
    "PACKAGED",
    "EmbeddingCache",
    "SentenceEncoder",
    "embed",
    "embed_documents",
    "embed_labels",
    "encoder_key",
    "is_english_only",
    "label_hashes",
    "label_text",
    "language_warning",
    "load_encoder",
    "packaged_folder",
]
