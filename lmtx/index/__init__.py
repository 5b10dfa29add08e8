"""The Chroma index: documents with their pseudo labels, and labels, for search by meaning."""

from lmtx.index.index import ChromaIndex

__all__ = ["ChromaIndex"]
