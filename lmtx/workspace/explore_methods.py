"""The part of `Workspace` that shows corpus, labels and model: map, label space, search, evidence, report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmtx.types import Progress, no_progress
from lmtx.workspace import corpus_tags, document_sets
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.workspace.corpus_tags import CorpusTags


class ExploreMethods:
    """The part of `Workspace` that is about looking at the whole."""

    _parts: Parts

    def save_documents(self, document_ids: Sequence[str]) -> str:
        """Keep a set of documents for an address; returns its id, the same for the same documents.

        Raises
        ------
        InputError
            If none of them exists.
        """
        return document_sets.save(self._parts, document_ids)

    def saved_documents(self, set_id: str) -> list[str]:
        """Return the documents of a set that still exist, in row order.

        Raises
        ------
        NotFoundError
            If there is no such set.
        """
        return document_sets.saved(self._parts, set_id)

    def tag_corpus(self, progress: Progress = no_progress) -> CorpusTags:
        """Tag every document by the run in use, and keep the tags; what is tagged is not tagged again."""
        return corpus_tags.tag_corpus(self._parts, progress)

    def corpus_tags(self) -> CorpusTags | None:
        """Return the tags that `tag_corpus` kept for the run in use, None where there are none."""
        return corpus_tags.corpus_tags(self._parts)
