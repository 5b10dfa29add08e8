"""The teacher without a language model: the fused ranking's own opinion."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from lmtx.encoder import LABEL_TEXT_VERSION
from lmtx.errors import TeacherError
from lmtx.shortlist import FUSED_VERSION, FusedRanking, LexicalIndex, Tokenizer
from lmtx.teacher.base import (
    Answer,
    Answered,
    Estimate,
    TeacherContext,
    TeacherRequest,
    in_batches,
    teacher_key,
)
from lmtx.types import FloatArray, content_hash

N_YES = 2
"""How many labels of a document's shortlist are yes. Thresholds and reciprocity did no better."""


class EvidenceTeacher:
    """Says yes to the two labels of a shortlist that the fused ranking puts first.

    The ranking is cosine (hub-corrected where needed) plus BM25 with a fixed weight
    (`lmtx.shortlist.FusedRanking`). A score measured against these verdicts proves nothing, since
    they are that ranking's own opinion.

    The probability is the ranking's margin, squeezed into [0, 1] so that one half lies between the
    last yes and the first no; it is not calibrated.

    Parameters
    ----------
    context : TeacherContext
        With `vectors` and `encoder_key`.

    Raises
    ------
    TeacherError
        If the context has no vectors.
    """

    is_llm = False
    host = ""
    spec = "evidence"
    description = (
        "No language model: yes to the two labels that word overlap and embedding similarity rank first. "
        "This is the fused ranking's own opinion, good for a start and for trying the product, "
        "and no measure of quality."
    )

    def __init__(self, context: TeacherContext) -> None:
        if context.vectors is None:
            raise TeacherError(
                "teacher 'evidence': no vectors of documents and labels at hand. Embed the corpus first."
            )
        self._context = context
        self._vectors = context.vectors
        # Idf and z-scores depend on the whole label set: another set is another opinion.
        label_set = content_hash(*sorted(x.hash for x in context.corpus.labels))
        self.key = teacher_key(
            model=f"evidence {context.encoder_key}",
            prompt=f"{FUSED_VERSION} {Tokenizer().version}",
            decoding={"n_yes": N_YES, "labels": label_set},
            label_text=LABEL_TEXT_VERSION,
        )

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered]:
        """Answer requests; see `Teacher.judge`."""
        return in_batches(requests, self._batch)

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """No tokens; see `Teacher.estimate`."""
        return Estimate()

    def _batch(self, batch: Sequence[TeacherRequest]) -> list[list[Answer]]:
        corpus = self._context.corpus
        try:
            rows = [corpus.document_idx[r.document.id] for r in batch]
            columns = [[corpus.label_idx[x.id] for x in (*r.shortlist, *r.labels)] for r in batch]
        except KeyError as error:
            raise TeacherError(
                f"teacher 'evidence': {error} is not in the corpus it was made for. Load the teacher again."
            ) from error
        doc_vectors, ranking = self._ranking
        scores = ranking.scores(doc_vectors[rows], [corpus.documents[i].full_text for i in rows])
        return [
            self._answers(scores[i, found], len(request.shortlist))
            for i, (request, found) in enumerate(zip(batch, columns, strict=True))
        ]

    def _answers(self, scores: FloatArray, n_shortlist: int) -> list[Answer]:
        ordered = np.sort(scores[:n_shortlist])[::-1]
        if n_shortlist > N_YES:
            cut = float(ordered[N_YES - 1] + ordered[N_YES]) / 2
        else:
            cut = float(ordered[-1]) - 0.5
        last_yes = float(ordered[min(N_YES, n_shortlist) - 1])
        answers = []
        for score in scores[n_shortlist:].tolist():
            # 15: further out the logistic is 0 or 1 to six digits.
            margin = min(15.0, max(-15.0, score - cut))
            answers.append(Answer("yes" if score >= last_yes else "no", 1 / (1 + math.exp(-margin))))
        return answers

    @cached_property
    def _ranking(self) -> tuple[FloatArray, FusedRanking]:
        doc_vectors, label_vectors = self._vectors()
        corpus = self._context.corpus
        # Words are counted and hubs are measured on train documents; reserve and test stay unread.
        rows = corpus.rows("train")
        lexical = LexicalIndex(corpus.labels, (corpus.documents[int(i)].full_text for i in rows))
        return doc_vectors, FusedRanking.build(lexical, doc_vectors[rows], label_vectors)
