"""The part of `Workspace` that shows corpus, labels and model: map, label space, search, evidence, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lmtx.types import Progress, no_progress
from lmtx.workspace import browsing, corpus_tags, document_sets
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.explore.projection import Method
    from lmtx.journal import Page
    from lmtx.types import Document
    from lmtx.workspace.corpus_map import By, Colours, CorpusMap
    from lmtx.workspace.corpus_tags import CorpusTags
    from lmtx.workspace.evidence import Neighbour, Occlusion, PairRow, TagEvidence, Unit
    from lmtx.workspace.finding import DocumentQuery, FoundDocument
    from lmtx.workspace.gaps import Gaps
    from lmtx.workspace.label_relations import Together
    from lmtx.workspace.label_space import Counting, LabelSpace, Truth
    from lmtx.workspace.label_tree import LabelTree
    from lmtx.workspace.models import NextStep
    from lmtx.workspace.presenting import Presentation


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

    # ---- the map ------------------------------------------------------------------------------

    def draw_map(
        self, method: Method = "auto", seed: int = 0, progress: Progress = no_progress
    ) -> dict[str, object]:
        """Arrange all documents on a plane, group and name them, and tag the corpus; a job's verb.

        Parameters
        ----------
        method : {"auto", "umap", "tsne", "pca"}
            See `lmtx.explore.projection`.
        seed : int

        Returns
        -------
        dict
            "n_documents", "method", "parts" (named groups).

        Raises
        ------
        InputError
            If the method is not known or not installed.
        NothingToDoError
            If there are no documents.
        """
        from lmtx.workspace import corpus_map

        return corpus_map.draw_map(self._parts, method, seed, progress)

    def corpus_map(self) -> CorpusMap | None:
        """Return the map that was drawn last with the encoder in use, None where there is none."""
        from lmtx.workspace import corpus_map

        return corpus_map.corpus_map(self._parts)

    def map_colours(self, by: By, label_id: str | None = None) -> Colours:
        """Return what the points of the map are coloured by; kept until something changes.

        Raises
        ------
        InputError
            If that is not known, or there is no such label.
        NothingToDoError
            If the corpus is not tagged yet and that is needed.
        """
        from lmtx.workspace import corpus_map

        return corpus_map.colours(self._parts, by, label_id)

    # ---- finding documents, and looking at one ------------------------------------------------

    def find_documents(self, query: DocumentQuery, page: int = 0, page_size: int = 25) -> Page[FoundDocument]:
        """Find documents by meaning, by words or both, and by facts; one page of them, best first.

        Raises
        ------
        InputError
            If a value is not known, there is no such label or set (`NotFoundError`), or tagged documents
            are wanted without a label.
        NothingToDoError
            If documents have no vectors yet, or are not tagged yet, and that is asked for.
        """
        from lmtx.workspace import finding

        return finding.find(self._parts, query, page, page_size)

    def find_document_ids(self, query: DocumentQuery) -> list[str]:
        """Ids of all documents that `find_documents` finds, in its order."""
        from lmtx.workspace import finding

        return finding.ids_of(self._parts, query)

    def document_pairs(self, document_id: str, n_tags: int = 10, also: Sequence[str] = ()) -> list[PairRow]:
        """List the labels of a document with what teacher, student, tagger, BM25 and people say of each.

        Parameters
        ----------
        document_id : str
        n_tags : int
            So many of the tagger's best, besides all labels that somebody said something of.
        also : sequence of str
            Labels to list whatever is said of them.

        Returns
        -------
        list of PairRow
            By the tagger's score, best first.

        Raises
        ------
        NotFoundError
            If there is no such document.
        """
        from lmtx.workspace import evidence

        return evidence.pair_rows(self._parts, document_id, n_tags, also)

    def evidence(self, text: Document | str, label_id: str, *, wait: bool = True) -> TagEvidence:
        """Return what in a text speaks for a label: words, and how near each sentence is to it.

        Without `wait`, sentences only where they were encoded before; see `TagEvidence`.
        """
        from lmtx.workspace import evidence

        return evidence.evidence(self._parts, text, label_id, wait)

    def occlusion(
        self, text: Document | str, label_id: str, unit: Unit = "sentence", system: str = "tagger"
    ) -> Occlusion:
        """Leave out one sentence (or word) of a text after the other, and see how far a label's score drops.

        Encodes the text once a piece, the first 40 sentences or 60 words at most.

        Raises
        ------
        NothingToDoError
            If the text has one piece alone.
        InputError
            If the system does not know the label.
        """
        from lmtx.workspace import evidence

        return evidence.occlusion(self._parts, text, label_id, unit, system)

    def neighbours(self, document_id: str, n: int = 8) -> list[Neighbour]:
        """Documents nearest in meaning to one, with the tags that both have; none where it has no vector."""
        from lmtx.workspace import evidence

        return evidence.neighbours(self._parts, document_id, n)

    def document_of_text(self, text: str) -> str | None:
        """Id of the document whose title and text are exactly this text, None where there is none."""
        from lmtx.workspace import evidence

        return evidence.document_of(self._parts, text)

    # ---- showing the result -------------------------------------------------------------------

    def next_steps(self) -> list[NextStep]:
        """List what to do next, best first, with the expected gain where one is known.

        The first is that of `status`.
        """
        return browsing.further_steps(self._parts)

    def ranked_quality(self, system: str = "tagger") -> dict[str, float] | None:
        """Return what `evaluate` would, from rankings that are kept; None where many are still to be made.

        They are kept by a comparison, a report or the map.
        """
        from lmtx.workspace.shown import gold_ranking

        return gold_ranking(self._parts, system, measure=False)

    def presentation(self) -> Presentation:
        """Return what an audience is shown: the corpus, the teacher, the student, how good it is.

        Kept until something changes. No reviewer and no path is in it.
        """
        from lmtx.workspace.presenting import presentation

        return presentation(self._parts)

    def report(self, out: Path | str, progress: Progress = no_progress) -> Path:
        """Write the report: one HTML file that asks for nothing else, whole or not at all.

        Test documents that the run in use has not ranked yet are ranked for it. A job's verb.

        Parameters
        ----------
        out : path
            A file in an existing folder; replaced if it exists.

        Raises
        ------
        InputError
            If the folder does not exist.
        StorageError
            If the file can't be written.
        """
        from lmtx.workspace.reporting import report

        return report(self._parts, Path(out), progress)

    # ---- the label set --------------------------------------------------------------------------

    def label_space(self, how: Counting | None = None, truth: Truth | None = None) -> LabelSpace:
        """How often each label is given to the corpus, and how right it is, as far as that is known.

        Parameters
        ----------
        how : str, optional
            Which tags count: "promised" (those of the five best that keep the promised precision), "likely"
            (of a probability of one half or more), "top" (the five best), or, where no run has tagged the
            corpus, "said" (what people accepted and a teacher proposed). The first of these that can be
            where left out.
        truth : str, optional
            What precision is from: "reviewed" (the audit), "gold" (labels of test documents) or "teacher"
            (its opinion). The first of these that knows a label where left out.

        Raises
        ------
        InputError
            If the workspace can't count so, or knows nothing of that truth.
        """
        from lmtx.workspace import label_space

        return label_space.label_space(self._parts, how, truth)

    def label_tree(
        self, how: Counting | None = None, truth: Truth | None = None, most: int = 300
    ) -> tuple[LabelSpace, LabelTree]:
        """What a sunburst or treemap of the labels is drawn from: the `most` greatest, and "others".

        Where labels have no broader ones, they are grouped by the beginnings of their names or in meaning.
        """
        from lmtx.workspace import label_tree

        return label_tree.label_tree(self._parts, how, truth, most)

    def similar_labels(self) -> pd.DataFrame:
        """Pairs of labels that may be one: close in meaning, and among the five best of the same documents.

        Returns
        -------
        DataFrame
            a_id, a, a_definition, b_id, b, b_definition, relation ("broader": the first is; "narrower",
            "siblings" or ""), likeness (geometric mean of cosine and Jaccard index; 0 where they share too
            few documents to tell), cosine (of the labels' vectors; of their names where these have none),
            jaccard (of their documents), names (likeness of names), n_both, n_a, n_b (documents), reason;
            the likeliest first, at most 500.
        """
        from lmtx.workspace import label_relations

        return label_relations.similar_labels(self._parts)

    def pairs_together(self, how: Counting | None = None, label_id: str | None = None) -> pd.DataFrame:
        """Pairs of labels that come together more often than by chance, on ten documents or more.

        Parameters
        ----------
        how : str, optional
            See `label_space`.
        label_id : str, optional
            Only pairs with this label.

        Returns
        -------
        DataFrame
            a_id, a, b_id, b, n_both, n_a, n_b (documents), lift (times as often as by chance), low, high (its
            interval of 95 %), pmi (log2 of the lift), relation; by the low end, at most 2,000.

        Raises
        ------
        NotFoundError
            If there is no such label.
        """
        from lmtx.workspace import label_relations

        return label_relations.pairs_together(self._parts, how, label_id)

    def labels_together(
        self, label_id: str | None = None, how: Counting | None = None, most: int = 30
    ) -> Together:
        """Return a matrix of the labels that are given most, or of one and those that come with it most."""
        from lmtx.workspace import label_relations

        return label_relations.labels_together(self._parts, label_id, how, most)

    def documents_given(self, label_ids: Sequence[str], how: Counting | None = None) -> list[str]:
        """Return the documents that are given all of these labels, in row order."""
        from lmtx.workspace import label_relations

        return label_relations.documents_given(self._parts, label_ids, how)

    def unused_labels(self, how: Counting | None = None) -> pd.DataFrame:
        """Labels that no document is given: the rows of `LabelSpace.labels`, with `reason` in words."""
        from lmtx.workspace import label_outliers

        return label_outliers.unused(self._parts, how)

    def greedy_labels(self, how: Counting | None = None) -> pd.DataFrame:
        """Labels by how much more often they are given than wanted, those that take too much first.

        Returns
        -------
        DataFrame
            The rows of `LabelSpace.labels` that are given, with relative (given over wanted on the documents
            that were asked about it; 1 is as all labels together, or as often as wanted if that is more), hub
            (whether it takes too much: 1.25 or more, and above 1 with 97.5 % confidence), excess (documents
            of the corpus that it has too many, about), share (of the corpus) and reason.
        """
        from lmtx.workspace import label_outliers

        return label_outliers.greedy(self._parts, how)

    def gaps(self, below: float | None = None) -> Gaps | None:
        """Documents that no label fits, in groups with the words they have in common.

        Parameters
        ----------
        below : float, optional
            Probability of the best label below which none fits; one half where left out. Where nothing
            calibrates the tagger, the twentieth of the corpus with the lowest best score is looked at.

        Returns
        -------
        Gaps or None
            None where the corpus was not tagged yet; see `tag_corpus`.
        """
        from lmtx.workspace import gaps

        return gaps.gaps(self._parts, below)
