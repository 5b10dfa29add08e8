"""Parts that learn from completed documents alone: words, label texts, and how often a label is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from lmtx.errors import NothingToDoError
from lmtx.shortlist import Tokenizer
from lmtx.student import Adapter
from lmtx.tagger.inputs import TrainingInputs
from lmtx.tagger.ridge import KernelRidge, kernel
from lmtx.tagger.terms import TermVectors
from lmtx.types import FloatArray, IntArray, Pairs

MAX_DOCUMENTS = 2_000
"""Most completed documents that words and label texts are learned from."""

MIN_POSITIVE = 2
"""Words are learned of labels that so many completed documents have; a single one teaches its own words."""

MAX_WORK = 1.5e9
"""Documents x documents x labels of the words' solution, about two CPU seconds; the rarest labels wait."""

MIN_STEPS = 60
"""Fewest steps of the adapter on label texts; five passes over fifty documents are no training."""

COST = 1.0
"""What a squared margin costs against the squared norm, as in scikit-learn's LinearSVC."""

_FOLDS = 3
_PASSES = 30
_TOLERANCE = 0.01

Scorer = Callable[[IntArray, IntArray], FloatArray | None]


@dataclass(frozen=True)
class Settled:
    """What was learned from completed documents alone.

    Attributes
    ----------
    linear : KernelRidge or None
        Linear heads over TF-IDF: a squared hinge for each label, kept by its documents.
    label_text : Adapter or None
        Generalises to labels that no completed document has.
    prior : float32 (n_labels,)
        Logarithm of each label's share of the completed documents.
    left_out : dict
        Part -> cross-validated scores of the validated documents, float32 (n_validated, n_labels).
    """

    linear: KernelRidge | None
    label_text: Adapter | None
    prior: FloatArray
    left_out: dict[str, FloatArray | None]


def fit_settled(
    inputs: TrainingInputs, validated: IntArray, tokenizer: Tokenizer, *, with_label_text: bool
) -> Settled:
    """Fit the parts on all completed documents, and cross-validate them on the validated ones.

    Parameters
    ----------
    inputs : TrainingInputs
    validated : int32 (n_validated,)
        Completed documents, rows of the inputs.
    tokenizer : Tokenizer
    with_label_text : bool
        False where the student itself learns from completed documents alone.
    """
    rng = np.random.default_rng(inputs.seed)
    done = np.array(sorted(inputs.completed), dtype=np.int32)
    fold = np.full(len(inputs.texts), -1, dtype=np.int64)
    fold[rng.permutation(done)] = np.arange(len(done)) % _FOLDS
    used = np.sort(rng.permutation(done)[:MAX_DOCUMENTS]).astype(np.int32)
    wanted = wanted_of(inputs, done)
    place = np.searchsorted(done, used)

    def by_count(seen: IntArray, out: IntArray) -> FloatArray:
        return np.repeat(prior(wanted[np.searchsorted(done, seen)])[None, :], len(out), axis=0)

    words = _Words(inputs, used, wanted[place], tokenizer)
    left_out: dict[str, FloatArray | None] = {
        "linear": _left_out(words.scores, used, validated, fold, len(inputs.labels)),
        "prior": _left_out(by_count, done, validated, fold, len(inputs.labels)),
    }
    label_text = None
    if with_label_text:

        def by_text(seen: IntArray, out: IntArray) -> FloatArray | None:
            student = _adapter(inputs, seen, wanted[np.searchsorted(done, seen)])
            if student is None:
                return None
            projected = student.project_documents(inputs.doc_vectors[out])
            return np.asarray(projected @ student.project_labels(inputs.label_vectors).T, dtype=np.float32)

        label_text = _adapter(inputs, used, wanted[place])
        left_out["label_text"] = _left_out(by_text, used, validated, fold, len(inputs.labels))
    return Settled(words.fitted(), label_text, prior(wanted), left_out)


def wanted_of(inputs: TrainingInputs, rows: IntArray) -> sparse.csr_matrix:
    """Labels of completed documents, csr float32 (n_rows, n_labels), ones."""
    labels = [np.asarray(inputs.completed[int(r)], dtype=np.int32) for r in rows]
    ends = np.cumsum([0, *(len(x) for x in labels)])
    columns = np.concatenate([*labels, np.zeros(0, dtype=np.int32)])
    data = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_matrix((data, columns, ends), shape=(len(rows), len(inputs.labels)))


def prior(wanted: sparse.csr_matrix) -> FloatArray:
    """Logarithm of each label's share of some documents, half a document added."""
    count = np.asarray(wanted.sum(axis=0), dtype=np.float32).ravel()
    return np.asarray(np.log((count + 0.5) / (wanted.shape[0] + 1)), dtype=np.float32)


def hinge_heads(system: FloatArray, wanted: FloatArray) -> FloatArray:
    """Coefficients of one linear head a label, for all labels at once.

    Minimises |f|^2 / 2 + COST * sum of squared margins: a wanted document scores 1 or more, any other 0 or
    less. A ridge is solved again and again, for which a document beyond its margin has its own score as
    target; that lowers the objective at each pass, and one factor serves all labels and passes.

    Parameters
    ----------
    system : float32 (n, n)
        Kernel of the documents.
    wanted : float32 (n, n_labels)
        1 where the label is wanted, else 0.

    Returns
    -------
    float32 (n, n_labels)

    References
    ----------
    Objective: Fan et al., LIBLINEAR, JMLR 2008, section 2 (L2-loss SVC). Acceleration: Beck and Teboulle, A
    fast iterative shrinkage-thresholding algorithm, SIAM J. Imaging Sciences 2009, section 4.
    """
    n = len(system)
    loaded = system.copy()
    loaded[np.diag_indices(n)] += np.float32(1 / (2 * COST))
    factor = linalg.cho_factor(loaded, lower=True, overwrite_a=True, check_finite=False)
    inverse = linalg.cho_solve(factor, np.eye(n, dtype=np.float32), overwrite_b=True, check_finite=False)
    inverse = np.asarray(inverse, dtype=np.float32)
    smooth = np.asarray(system @ inverse, dtype=np.float32)
    is_wanted = wanted > 0
    score = np.zeros_like(wanted)
    ahead, speed = score, 1.0
    for _ in range(_PASSES):
        new = smooth @ _targets(ahead, is_wanted)
        faster = (1 + np.sqrt(1 + 4 * speed * speed)) / 2
        change = new - score
        ahead = new + np.float32((speed - 1) / faster) * change
        score, speed = new, faster
        if float(np.abs(change).max(initial=0.0)) < _TOLERANCE:
            break
    return np.asarray(inverse @ _targets(score, is_wanted), dtype=np.float32)


def _targets(score: FloatArray, is_wanted: NDArray[np.bool_]) -> FloatArray:
    return np.where(is_wanted, np.maximum(score, np.float32(1)), np.minimum(score, np.float32(0)))


class _Words:
    """Linear heads over the words of some completed documents."""

    def __init__(
        self, inputs: TrainingInputs, used: IntArray, wanted: sparse.csr_matrix, tokenizer: Tokenizer
    ) -> None:
        self._inputs, self._used = inputs, used
        self._terms, self._rows = TermVectors.fit([inputs.texts[int(i)] for i in used], tokenizer)
        count = np.asarray(wanted.sum(axis=0)).ravel()
        most = int(MAX_WORK // max(1, len(used)) ** 2)
        often = np.argsort(-count, kind="stable")[:most]
        self._labels = np.sort(often[count[often] >= MIN_POSITIVE]).astype(np.int32)
        self._wanted = wanted[:, self._labels].toarray()
        self._none = np.zeros((len(used), 0), dtype=np.float32)
        self._kernel = kernel(self._rows, self._none, self._rows.T.tocsr(), self._none, 1.0)

    def fitted(self) -> KernelRidge | None:
        """Heads over all of them; None where no label is frequent enough."""
        if not len(self._labels):
            return None
        return KernelRidge(
            terms=self._terms,
            term_rows=self._rows,
            vectors=self._none,
            labels=self._labels,
            coefficients=hinge_heads(self._kernel, self._wanted),
            inverse=None,
            targets=None,
            n_labels=len(self._inputs.labels),
            term_share=1.0,
        )

    def scores(self, seen: IntArray, out: IntArray) -> FloatArray | None:
        """Scores of some documents by heads over others (rows of the inputs)."""
        if not len(self._labels):
            return None
        at = np.searchsorted(self._used, seen)
        heads = hinge_heads(self._kernel[np.ix_(at, at)], self._wanted[at])
        rows = self._terms.transform([self._inputs.texts[int(i)] for i in out])
        scores = np.zeros((len(out), len(self._inputs.labels)), dtype=np.float32)
        none = np.zeros((len(out), 0), dtype=np.float32)
        near = kernel(rows, none, self._rows[at].T.tocsr(), self._none[at], 1.0)
        scores[:, self._labels] = near @ heads
        return scores


def _left_out(
    scorer: Scorer, used: IntArray, validated: IntArray, fold: NDArray[np.int64], n_labels: int
) -> FloatArray:
    """Scores of the validated documents, each by what was learned from the other folds."""
    scores = np.zeros((len(validated), n_labels), dtype=np.float32)
    for i in range(_FOLDS):
        at = np.flatnonzero(fold[validated] == i)
        seen = used[fold[used] != i]
        found = scorer(seen, validated[at]) if len(at) and len(seen) else None
        if found is not None:
            scores[at] = found
    return scores


def _adapter(inputs: TrainingInputs, rows: IntArray, wanted: sparse.csr_matrix) -> Adapter | None:
    """Adapter on the labels of completed documents; None where they have none."""
    pairs = wanted.tocoo()
    ones = np.ones(pairs.nnz, dtype=np.float32)
    config = inputs.student_config
    steps = -(-len(rows) // config.batch)
    config = replace(config, epochs=max(config.epochs, -(-MIN_STEPS // max(1, steps))))
    found = Pairs(rows[pairs.row].astype(np.int32), pairs.col.astype(np.int32), ones, ones)
    ids: Sequence[str] = [x.id for x in inputs.labels]
    try:
        return Adapter.fit(
            inputs.doc_vectors,
            inputs.label_vectors,
            found,
            config=config,
            label_ids=ids,
            encoder_key=inputs.encoder_key,
        )
    except NothingToDoError:
        return None
