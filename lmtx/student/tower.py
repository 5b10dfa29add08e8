"""An encoder of a student's own: fine-tuned or pre-trained, where the workspace's encoder stays frozen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lmtx.encoder import EmbeddingCache, SentenceEncoder, embed, encoder_key, load_encoder
from lmtx.types import FloatArray, Progress, content_hash, no_progress

_KEPT = 4_096  # vectors that are held in memory
_TYPED = 16  # so few documents may be texts that somebody types: no trace of them is left on disk


class Tower:
    """A saved sentence-transformers model whose vectors a student reads in place of the workspace's.

    The model is loaded when a text comes that was not encoded before.

    Parameters
    ----------
    folder : Path
        A standard sentence-transformers model.
    cache : EmbeddingCache or None
        Where its vectors are kept, by content; None keeps the last few thousand in memory, and so are those
        of a few documents that the cache does not know.
    """

    def __init__(self, folder: Path, cache: EmbeddingCache | None = None) -> None:
        self.folder = Path(folder)
        self.key = encoder_key(str(self.folder))
        self._cache = cache
        self._kept: dict[str, FloatArray] = {}
        self._encoder: SentenceEncoder | None = None

    @property
    def encoder(self) -> SentenceEncoder:
        """The model; loaded when it encodes."""
        if self._encoder is None:
            folder = None if self._cache is None else self._cache.folder
            self._encoder = load_encoder(str(self.folder), cache_folder=folder)
        return self._encoder

    def vectors(
        self,
        texts: Sequence[str],
        role: Literal["document", "label"] = "document",
        progress: Progress = no_progress,
    ) -> FloatArray:
        """Vectors of texts, float32 (n_texts, dim), unit rows; `progress` may raise `JobCancelled`."""
        hashes = [content_hash("tower", role, text) for text in texts]
        if self._cache is not None and not self._typed(self._cache, hashes, role):
            return embed(self.encoder, self._cache, hashes, texts, progress, role=role)
        missing = {h: t for h, t in zip(hashes, texts, strict=True) if h not in self._kept}
        if missing or not hashes:
            new = self.encoder.encode(list(missing.values()), role=role, progress=progress)
            if not hashes:
                return new
            known = {h: self._kept[h] for h in hashes if h in self._kept}
            if len(self._kept) + len(missing) > _KEPT:
                self._kept.clear()
            self._kept |= {**known, **dict(zip(missing, new, strict=True))}
        return np.stack([self._kept[h] for h in hashes])

    def _typed(self, cache: EmbeddingCache, hashes: Sequence[str], role: str) -> bool:
        """Whether these may be texts of no corpus; `Parts.text_vectors` keeps none of those either."""
        few = role == "document" and 0 < len(hashes) <= _TYPED
        return few and not bool(cache.get(self.key, hashes)[1].all())
