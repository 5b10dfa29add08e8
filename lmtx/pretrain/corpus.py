"""What objectives read of a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmtx.baselines.segments import sentences, title_and_content
from lmtx.types import Document, FloatArray

if TYPE_CHECKING:
    from lmtx.student.losses import JudgedPairs

Teacher = Callable[[Sequence[int], Sequence[int]], FloatArray]
"""(rows of documents, rows of labels) -> their vectors by another encoder, one below the other."""


@dataclass(frozen=True)
class Corpus:
    """Training documents and labels, and what was said of them.

    Attributes
    ----------
    texts, titles : list of str
        Whole text, title (or first sentence) of each document.
    sentences : list of list of str
        Of each document's text, title apart.
    labels : list of str
        Texts of labels, as an encoder reads them.
    judged : JudgedPairs or None
        Verdicts and decisions; document rows count within `texts`.
    teacher : callable or None
        See `Teacher`.
    """

    texts: list[str]
    titles: list[str]
    sentences: list[list[str]]
    labels: list[str]
    judged: JudgedPairs | None = None
    teacher: Teacher | None = None

    @classmethod
    def of(
        cls,
        documents: Sequence[Document],
        labels: Sequence[str],
        judged: JudgedPairs | None = None,
        teacher: Teacher | None = None,
    ) -> Corpus:
        """Cut documents into what objectives pair."""
        parts = [title_and_content(d) for d in documents]
        return cls(
            [d.full_text for d in documents],
            [title for title, _ in parts],
            [sentences(content) or [title] for title, content in parts],
            list(labels),
            judged,
            teacher,
        )

    def two_sentences(self, row: int, rng: np.random.Generator) -> tuple[str, str]:
        """Return a sentence of a document and the one that follows; a single sentence is cut in two."""
        found = self.sentences[row]
        if len(found) > 1:
            at = int(rng.integers(len(found) - 1))
            return found[at], found[at + 1]
        words = found[0].split()
        half = max(1, len(words) // 2)
        return " ".join(words[:half]), " ".join(words[half:]) or found[0]
