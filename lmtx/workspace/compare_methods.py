"""The part of `Workspace` that compares systems: runs, their students, and what learned nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmtx.types import Progress, no_progress
from lmtx.workspace import compared, systems
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.workspace.compared import SystemComparison
    from lmtx.workspace.models import Tag
    from lmtx.workspace.systems import System


class CompareMethods:
    """The part of `Workspace` that is about several systems at once."""

    _parts: Parts

    def systems(self) -> list[System]:
        """List what can be compared: the run in use, other runs from the newest, then zero-shot."""
        return systems.systems(self._parts)

    def compare(
        self,
        systems: Sequence[str],
        against: str | None = None,
        limit_docs: int | None = None,
        progress: Progress = no_progress,
    ) -> SystemComparison:
        """Compare systems on the test documents that have gold labels.

        Parameters
        ----------
        systems : sequence of str
            "tagger" and "student" (of the run in use), "zero-shot", a part of it ("dense", "bm25_document",
            "bm25_query", "tfidf"), the id of a run, or "RUN/student". A run of kind "icxml" counts on the
            documents it was asked about; all systems are then compared on these alone.
        against : str, optional
            System that differences are taken to; the first where None.
        limit_docs : int, optional
            Only the first so many documents.

        Raises
        ------
        InputError
            If a system does not exist, or its encoder is not that of the workspace any more.
        NothingToDoError
            If no test document has gold labels, or the systems have none of them in common.
        """
        return compared.compare(self._parts, systems, against, limit_docs, progress)

    def compared(
        self, systems: Sequence[str], against: str | None = None, limit_docs: int | None = None
    ) -> SystemComparison | None:
        """Return what `compare` would, at once; None where a system has documents to rank first."""
        return compared.compared(self._parts, systems, against, limit_docs)

    def side_by_side(self, text: str, chosen: Sequence[str], top_k: int = 7) -> list[list[Tag]]:
        """Tag a text by several systems, best first; needs no gold.

        Raises
        ------
        InputError
            If a system holds predictions of some documents and can't tag others.
        """
        return systems.side_by_side(self._parts, text, chosen, top_k)
