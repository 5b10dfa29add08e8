"""The label set as a whole: how often each label is given, how right it is, and what stands out.

All of it is from `corpus_tags` (the run in use on every document), from decisions, which override it, and
from what a teacher said. Where nothing was tagged yet, from what people accepted and a teacher proposed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import InputError
from lmtx.explore.labels import at_least_as_often, given_matrix, skewness
from lmtx.types import BoolArray, CorpusView
from lmtx.workspace import audited, corpus_tags
from lmtx.workspace.audited_labels import FIRM, judged
from lmtx.workspace.parts import Parts
from lmtx.workspace.population import tags_of
from lmtx.workspace.precision_models import TAGS, Cut

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

    from lmtx.workspace.corpus_tags import CorpusTags
    from lmtx.workspace.precision_models import PrecisionReport

Counting = Literal["promised", "likely", "top", "said"]
"""Which tags count as given: of the five best of a document those that keep the promised precision, those of
a probability of one half or more, or all. "said": what people accepted and a teacher proposed, where no run
has tagged the corpus."""
Truth = Literal["reviewed", "gold", "teacher"]
"""What says whether a tag is right. A teacher's is an opinion."""

LIKELY = 0.5


@dataclass(frozen=True)
class LabelSpace:
    """The labels as they are given to the corpus.

    Attributes
    ----------
    system : str
        Id of what tagged: a run, or "zero-shot"; "" where nothing did.
    how : Counting
        Which tags count as given; `hows` can be asked for.
    threshold : float
        Least probability of a tag that counts; 0 where none is asked.
    truth : Truth or None
        What `labels` has its precision from; `truths` can be asked for. None where nothing tells.
    n_documents, n_missing : int
        Documents of the corpus, and those that came or changed since they were tagged.
    n_judged : int
        Documents on which a teacher or people said something.
    usual : float
        On those, how many times as often labels are given as wanted, all labels together; NaN where nothing
        was said.
    skew : float
        Skewness of how often labels are given.
    labels : DataFrame
        A row a label, in the rows of the corpus: label_id, name, path (joined by " > "), parent (row of the
        first parent, -1), n_parents, n_children, given (documents), within (among the 20 best of so many),
        best (its best place in any document, 0 where none), accepted, rejected, yes, no (pairs that people
        and a teacher said this of), given_judged, wanted (on judged documents), ratio, at_least (given over
        wanted, and with 97.5 % confidence), precision, low, high (fractions, NaN where not known), n (tags
        behind them).
    given : csr_matrix (n_documents, n_labels)
        1 where a document is given a label.
    """

    system: str
    how: Counting
    hows: tuple[Counting, ...]
    threshold: float
    truth: Truth | None
    truths: tuple[Truth, ...]
    n_documents: int
    n_missing: int
    n_judged: int
    usual: float
    skew: float
    labels: pd.DataFrame = field(repr=False)
    given: csr_matrix = field(repr=False)

    @property
    def n_given(self) -> int:
        """Tags that count."""
        return int(self.given.sum())


@dataclass(frozen=True)
class _Said:
    """What people and teachers said, as sparse matrices of documents by labels."""

    accepted: csr_matrix
    rejected: csr_matrix
    yes: csr_matrix
    asked: csr_matrix
    completed: BoolArray
    any: BoolArray


def label_space(parts: Parts, how: Counting | None = None, truth: Truth | None = None) -> LabelSpace:
    """See `Workspace.label_space`."""
    tags = corpus_tags.corpus_tags(parts)
    hows = _hows(parts, tags)
    if how is not None and how not in hows:
        raise InputError(f"Tags can't be counted as {how!r} here. Known: {', '.join(hows)}.")
    how = how or hows[0]
    threshold = _threshold(parts, how)
    view = parts.corpus()
    report = _report(parts, threshold) if how != "said" else None
    version = (id(view), id(tags), how, threshold, truth, id(report), _version(parts))
    kept: tuple[object, LabelSpace] = parts.kept(
        f"label space {how} {truth}",
        version,
        lambda: ((view, tags, report), _made(parts, view, tags, how, hows, threshold, truth)),
    )
    return kept[1]


def _version(parts: Parts) -> tuple[int, int]:
    """What changes with what people and teachers say, of many judgments rounded."""
    return judged(parts), parts.journal.counts().get("decisions", 0)


def _hows(parts: Parts, tags: CorpusTags | None) -> tuple[Counting, ...]:
    """Ways to count, the usual one first."""
    if tags is None:
        return ("said",)
    if tags.probability is None:
        return ("top",)
    return ("promised", "likely", "top") if _promised(parts) is not None else ("likely", "top")


def _promised(parts: Parts) -> float | None:
    report = _report(parts, 0.0)
    promise = None if report is None else report.promise
    return None if promise is None else promise.threshold


def _report(parts: Parts, threshold: float) -> PrecisionReport | None:
    """What the audit says of the tags from a threshold on; one is kept of each, as several are asked for."""
    tags, labels, settings = tags_of(parts), parts.labels_by_id(), parts.settings
    if tags is None:
        return None
    asked = settings.precision_target, settings.audit_design
    version = (id(tags), id(labels), *asked, *_version(parts))
    found: tuple[object, PrecisionReport | None] = parts.kept(
        f"precision from {threshold:.2f}",
        version,
        lambda: ((tags, labels), audited.precision_report(parts, "tagger", Cut(TAGS, threshold))),
    )
    return found[1]


def _threshold(parts: Parts, how: Counting) -> float:
    return (_promised(parts) or 0.0) if how == "promised" else LIKELY if how == "likely" else 0.0


# ---- what is given, what was said -----------------------------------------------------------------


def said(parts: Parts) -> _Said:
    """Return what people and teachers said of all pairs; kept until they say more."""
    view = parts.corpus()
    version = (id(view), *_version(parts))
    found: tuple[object, _Said] = parts.kept("said", version, lambda: (view, _read_said(parts, view)))
    return found[1]


def _read_said(parts: Parts, view: CorpusView) -> _Said:
    import pandas as pd
    from scipy import sparse

    frame = parts.journal.pairs_frame()
    rows = pd.Index(list(view.document_idx)).get_indexer(pd.Index(frame["document_id"]))
    columns = pd.Index(list(view.label_idx)).get_indexer(pd.Index(frame["label_id"]))
    live = (rows >= 0) & (columns >= 0)
    state = frame["state"].to_numpy()
    shape = (len(view.documents), len(view.labels))

    def matrix(*states: str) -> csr_matrix:
        here = live & np.isin(state, states) if states else live
        ones = np.ones(int(here.sum()), dtype=np.int32)
        return sparse.csr_matrix((ones, (rows[here], columns[here])), shape=shape)

    completed = np.zeros(shape[0], dtype=bool)
    completed[[view.document_idx[i] for i in parts.journal.completed() if i in view.document_idx]] = True
    asked = matrix()
    told = completed | (np.diff(asked.indptr) > 0)
    return _Said(
        matrix("accepted"), matrix("rejected"), matrix("accepted", "proposed"), asked, completed, told
    )


def _given(
    tags: CorpusTags | None, how: Counting, threshold: float, told: _Said, n_labels: int
) -> csr_matrix:
    """Tags that count; a decision on a pair overrides the run, and a completed document has what it has."""
    from scipy import sparse

    if tags is None:
        return told.yes
    keep = np.zeros(tags.label_idx.shape, dtype=bool)
    keep[:, :TAGS] = tags.label_idx[:, :TAGS] >= 0
    if threshold > 0 and tags.probability is not None:
        keep &= tags.probability >= threshold
    keep[told.completed] = False
    found = given_matrix(tags.label_idx, keep, n_labels)
    found = found - found.multiply(told.rejected) + told.accepted
    found = sparse.csr_matrix((found > 0).astype(np.int32))
    found.eliminate_zeros()
    return found


# ---- the table ------------------------------------------------------------------------------------


def _made(
    parts: Parts,
    view: CorpusView,
    tags: CorpusTags | None,
    how: Counting,
    hows: tuple[Counting, ...],
    threshold: float,
    truth: Truth | None,
) -> LabelSpace:
    told = said(parts)
    n_labels = len(view.labels)
    given = _given(tags, how, threshold, told, n_labels)
    frame = _facts(parts, view, tags, told)
    frame["given"] = _sums(given)
    # On documents that were asked about: where a pair was not asked, nobody knows whether it is wanted.
    asked = told.asked + _rows_of(told.completed, given)
    here = _sums(given.multiply(asked > 0)) if told.any.any() else np.zeros(n_labels, dtype=np.int64)
    wanted = _sums(told.yes)
    frame["given_judged"], frame["wanted"] = here, wanted
    frame["ratio"], frame["at_least"] = at_least_as_often(here, wanted)
    truths = _truths(parts, told, how, threshold)
    if truth is not None and truth not in truths:
        raise InputError(
            f"Nothing here is known of precision by {truth!r}. Known: {', '.join(truths) or '-'}."
        )
    for candidate in (truth,) if truth is not None or not truths else (*truths, truths[0]):
        truth = candidate
        _add_precision(parts, frame, view, given, told, truth, threshold)
        if frame["precision"].notna().any():  # an audit that has just begun knows no label yet
            break
    return LabelSpace(
        system="" if tags is None else tags.system,
        how=how,
        hows=hows,
        threshold=threshold,
        truth=truth,
        truths=truths,
        n_documents=len(view.documents),
        n_missing=0 if tags is None else tags.n_missing,
        n_judged=int(told.any.sum()),
        usual=float(here.sum() / wanted.sum()) if wanted.sum() else float("nan"),
        skew=skewness(frame["given"].to_numpy()),
        labels=frame,
        given=given,
    )


def _sums(matrix: csr_matrix) -> NDArray[np.int64]:
    return np.asarray(matrix.sum(axis=0)).ravel().astype(np.int64)


def _rows_of(chosen: BoolArray, matrix: csr_matrix) -> csr_matrix:
    from scipy import sparse

    return sparse.csr_matrix(sparse.diags_array(chosen.astype(np.int32), dtype=np.int32) @ matrix)


def _facts(parts: Parts, view: CorpusView, tags: CorpusTags | None, told: _Said) -> pd.DataFrame:
    import pandas as pd

    paths = parts.label_paths()
    parents = parent_rows(view)
    n_labels = len(view.labels)
    n_children = np.zeros(n_labels, dtype=np.int64)
    for above in parents:
        n_children[list(above)] += 1
    within = np.zeros(n_labels, dtype=np.int64)
    best = np.zeros(n_labels, dtype=np.int64)
    if tags is not None:
        # From the last place to the first, so that the best one stays.
        for place in reversed(range(tags.label_idx.shape[1])):
            column = tags.label_idx[:, place]
            column = column[column >= 0]
            within += np.bincount(column, minlength=n_labels)
            best[np.unique(column)] = place + 1
    accepted, yes, asked = _sums(told.accepted), _sums(told.yes), _sums(told.asked)
    rejected = _sums(told.rejected)
    return pd.DataFrame(
        {
            "label_id": [x.id for x in view.labels],
            "name": [x.name for x in view.labels],
            "path": [" > ".join(paths.get(x.id, ())) for x in view.labels],
            "parent": [above[0] if above else -1 for above in parents],
            "n_parents": [len(above) for above in parents],
            "n_children": n_children,
            "given": 0,
            "within": within,
            "best": best,
            "accepted": accepted,
            "rejected": rejected,
            "yes": yes - accepted,
            "no": asked - yes - rejected,
        }
    )


def parent_rows(view: CorpusView) -> list[tuple[int, ...]]:
    """Rows of the live parents of each label, in the order of the file."""
    idx = view.label_idx
    return [tuple(idx[p] for p in x.parents if p in idx and idx[p] != i) for i, x in enumerate(view.labels)]


# ---- how right --------------------------------------------------------------------------------------


def _truths(parts: Parts, told: _Said, how: Counting, threshold: float) -> tuple[Truth, ...]:
    """What can say how right tags are, the best first."""
    found: list[Truth] = []
    if how != "said":
        report = _report(parts, threshold)
        if report is not None and report.n_pairs:
            found.append("reviewed")
        if parts.journal.counts().get("gold_test", 0):
            found.append("gold")
        if told.asked.nnz > told.accepted.nnz + told.rejected.nnz:
            found.append("teacher")
    return tuple(found)


def _add_precision(
    parts: Parts,
    frame: pd.DataFrame,
    view: CorpusView,
    given: csr_matrix,
    told: _Said,
    truth: Truth | None,
    threshold: float,
) -> None:
    """Add precision, low, high and n: what the audit, gold labels of test documents, or the teacher say."""
    from lmtx.quality.estimates import wilson

    for name in ("precision", "low", "high"):
        frame[name] = np.nan
    frame["n"] = 0
    if truth is None:
        return
    if truth == "reviewed":
        report = _report(parts, threshold)
        assert report is not None
        rows = report.labels[(report.labels["n"] > 0)]
        place = [view.label_idx[x] for x in rows["label_id"]]
        frame.loc[place, "n"] = rows["n"].to_numpy()
        firm = (rows["n"] >= FIRM) | rows["exact"]
        for name, source in (("precision", "value"), ("low", "low"), ("high", "high")):
            frame.loc[place, name] = rows[source].where(firm).to_numpy()
        return
    if truth == "gold":
        n, right = _by_gold(parts, view, given)
    else:
        opinion = told.asked - told.accepted - told.rejected
        n = _sums(given.multiply(opinion > 0))
        right = _sums(given.multiply(told.yes - told.accepted))
    low, high = wilson(right, np.maximum(n, 1))
    enough = n >= FIRM
    frame["n"] = n
    frame["precision"] = np.where(enough, right / np.maximum(n, 1), np.nan)
    frame["low"], frame["high"] = np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def _by_gold(
    parts: Parts, view: CorpusView, given: csr_matrix
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tags given to test documents that have gold labels, and those that are right, int64 (n_labels,)."""
    from scipy import sparse

    gold = {i: labels for i, labels in parts.journal.gold("test").items() if labels}
    rows = np.array([view.document_idx[i] for i in gold], dtype=np.int64)
    pairs = [(r, view.label_idx[x]) for r, i in enumerate(gold) for x in gold[i]]
    ones = np.ones(len(pairs), dtype=np.int32)
    truth = sparse.csr_matrix(
        (ones, ([r for r, _ in pairs], [x for _, x in pairs])), shape=(len(rows), len(view.labels))
    )
    some = given[rows]
    return _sums(some), _sums(some.multiply(truth))


__all__ = ["Counting", "LabelSpace", "Truth", "label_space", "parent_rows", "said"]
