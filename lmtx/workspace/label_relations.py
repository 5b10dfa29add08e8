"""How labels stand to one another: near-duplicates, and labels that come together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.errors import NotFoundError
from lmtx.explore.labels import (
    LabelPairs,
    ancestors,
    cosine_of,
    counted_pairs,
    given_matrix,
    matrix_of,
    name_likeness,
    nearest,
    relation,
    side_by_side,
)
from lmtx.types import FloatArray
from lmtx.workspace import corpus_tags
from lmtx.workspace.label_space import Counting, LabelSpace, label_space, parent_rows
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import TAGS

if TYPE_CHECKING:
    import pandas as pd

LEAST_TOGETHER = 10
"""Documents that two labels must share before it is said that they come together."""
LEAST_ALIKE = 3
"""Documents that two labels must share before that speaks for their being one."""
ALIKE = 0.3
"""Least likeness of a candidate: the geometric mean of the cosine of the labels and the Jaccard index of
their documents. From there on labels share gold documents too, with a Jaccard index of about 0.2 to 0.3 in
the middle; of the candidates below it is 0.06 (benchmarks/explore_cutoffs.py)."""
SAME_MEANING, SAME_NAME = 0.9, 0.9
"""Cosine, and likeness of names, that make a candidate whatever documents the labels share."""
LEAST_COSINE = 0.4
"""Cosine below which labels of one name are taken for homonyms."""
MOST_ALIKE, MOST_TOGETHER = 500, 2000
"""Pairs that are listed at most."""
SHOWN = 30
"""Labels in a matrix."""
_WIDE = 5000
"""Labels above which neighbours in meaning alone are not looked for: it takes the square of them."""


def similar_labels(parts: Parts) -> pd.DataFrame:
    """See `Workspace.similar_labels`."""
    view, tags = parts.corpus(), corpus_tags.corpus_tags(parts)
    space = label_space(parts)
    found: tuple[object, pd.DataFrame] = parts.kept(
        "similar labels", (id(space), id(tags)), lambda: ((space, tags, view), _similar(parts, space))
    )
    return found[1]


def _similar(parts: Parts, space: LabelSpace) -> pd.DataFrame:
    import pandas as pd

    view, tags = parts.corpus(), corpus_tags.corpus_tags(parts)
    n_labels = len(view.labels)
    # The five best, whatever counts as given: labels of one meaning compete for the same documents.
    given = space.given
    if tags is not None:
        keep = np.zeros(tags.label_idx.shape, dtype=bool)
        keep[:, :TAGS] = True
        given = given_matrix(tags.label_idx, keep, n_labels)
    pairs = counted_pairs(given, LEAST_ALIKE)
    vectors = label_vectors(parts)
    labels = view.labels
    names = [x.name.rpartition(": ")[2] for x in labels]
    wide = n_labels > _WIDE
    if vectors is None:
        cosine = np.array(
            [name_likeness(names[a], names[b]) for a, b in zip(pairs.a, pairs.b, strict=True)],
            dtype=np.float64,
        )
    else:
        cosine = cosine_of(vectors, pairs.a, pairs.b)
        if not wide:
            pairs, cosine = _with_nearest(pairs, cosine, vectors, names, given)
    enough = pairs.n_both >= LEAST_ALIKE
    likeness = np.where(enough, np.sqrt(np.clip(cosine, 0, 1) * pairs.jaccard), 0.0)
    by_name = np.zeros(len(pairs))
    for i in np.flatnonzero((likeness >= ALIKE) | (cosine >= LEAST_COSINE)).tolist():
        by_name[i] = name_likeness(names[int(pairs.a[i])], names[int(pairs.b[i])])
    keep = (likeness >= ALIKE) | (cosine >= SAME_MEANING) | (by_name >= SAME_NAME)
    order = np.flatnonzero(keep)
    order = order[np.argsort(-np.maximum(likeness, 0.5 * np.maximum(cosine, by_name))[order], kind="stable")]
    order = order[:MOST_ALIKE]
    pairs, cosine, likeness, by_name = pairs.where(order), cosine[order], likeness[order], by_name[order]
    parents = parent_rows(view)
    above = ancestors(parents)
    rows = []
    for i in range(len(pairs)):
        a, b = int(pairs.a[i]), int(pairs.b[i])
        related = relation(a, b, parents, above)
        rows.append(
            {
                "a_id": labels[a].id,
                "a": labels[a].name,
                "a_definition": labels[a].description,
                "b_id": labels[b].id,
                "b": labels[b].name,
                "b_definition": labels[b].description,
                "relation": related,
                "likeness": float(likeness[i]),
                "cosine": float(cosine[i]),
                "jaccard": float(pairs.jaccard[i]),
                "names": float(by_name[i]),
                "n_both": int(pairs.n_both[i]),
                "n_a": int(pairs.n_a[i]),
                "n_b": int(pairs.n_b[i]),
                "reason": _why_similar(pairs, i, float(cosine[i]), float(by_name[i]), related),
            }
        )
    columns = [
        *("a_id", "a", "a_definition", "b_id", "b", "b_definition", "relation", "likeness", "cosine"),
        *("jaccard", "names", "n_both", "n_a", "n_b", "reason"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _with_nearest(
    pairs: LabelPairs, cosine: NDArray[np.float64], vectors: FloatArray, names: list[str], given: object
) -> tuple[LabelPairs, NDArray[np.float64]]:
    """Add pairs that mean the same or are called the same, and share no document."""
    rows, near = nearest(vectors, 5)
    a = np.repeat(np.arange(len(vectors)), rows.shape[1])
    b, close = rows.ravel().astype(np.int64), near.ravel()
    likely = close >= SAME_MEANING
    for i in np.flatnonzero((close >= LEAST_COSINE) & ~likely).tolist():
        likely[i] = name_likeness(names[int(a[i])], names[int(b[i])]) >= SAME_NAME
    low, high = np.minimum(a, b)[likely], np.maximum(a, b)[likely]
    known = set(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    new = sorted(set(zip(low.tolist(), high.tolist(), strict=True)) - known)
    if not new:
        return pairs, cosine
    n = np.asarray(given.sum(axis=0)).ravel().astype(np.int64)  # type: ignore[attr-defined]
    left, right = (np.array(x, dtype=np.int64) for x in zip(*new, strict=True))
    both = np.array(
        [int(given[:, x].multiply(given[:, y]).sum()) for x, y in new],  # type: ignore[index]
        dtype=np.int64,
    )
    joined = LabelPairs(
        *(
            np.concatenate(x)
            for x in (
                (pairs.a, left),
                (pairs.b, right),
                (pairs.n_both, both),
                (pairs.n_a, n[left]),
                (pairs.n_b, n[right]),
            )
        )
    )
    return joined, np.concatenate([cosine, cosine_of(vectors, left, right)])


def _why_similar(pairs: LabelPairs, i: int, cosine: float, names: float, related: str) -> str:
    said = []
    if related in ("broader", "narrower"):
        said.append("one is broader than the other: no duplicate, but told apart badly")
    if names >= SAME_NAME:
        said.append("the same name")
    if cosine >= SAME_MEANING:
        said.append("nearly the same meaning")
    both, least = int(pairs.n_both[i]), int(min(pairs.n_a[i], pairs.n_b[i]))
    if not both:
        said.append("never given together")
    elif both < LEAST_ALIKE:
        said.append("given together too seldom to tell")
    elif both >= 0.85 * least and pairs.jaccard[i] < 0.6:
        rare = "first" if pairs.n_a[i] <= pairs.n_b[i] else "second"
        said.append(f"nearly all documents of the {rare} are given both")
    else:
        said.append(f"{pairs.jaccard[i]:.0%} of the documents of either are given both")
    return "; ".join(said)


def label_vectors(parts: Parts) -> FloatArray | None:
    """Vectors of the labels, in row order; None where some would have to be encoded."""
    view = parts.corpus()
    if not view.labels or not parts.labels_have_vectors():
        return None
    found: tuple[object, FloatArray] = parts.kept(
        "label vectors", id(view), lambda: (view, parts.label_vectors(view.labels))
    )
    return found[1]


def documents_given(parts: Parts, label_ids: Sequence[str], how: Counting | None) -> list[str]:
    """See `Workspace.documents_given`."""
    view, space = parts.corpus(), label_space(parts, how)
    columns = [_row(parts, x) for x in label_ids]
    n = np.asarray(space.given[:, columns].sum(axis=1)).ravel()
    return [view.documents[i].id for i in np.flatnonzero(n == len(columns)).tolist()]


# ---- together ---------------------------------------------------------------------------------------


def _all_pairs(parts: Parts, how: Counting | None) -> tuple[LabelSpace, LabelPairs]:
    space = label_space(parts, how)
    found: tuple[object, LabelPairs] = parts.kept(
        f"pairs of labels {space.how}", id(space.given), lambda: (space, counted_pairs(space.given))
    )
    return space, found[1]


def pairs_together(parts: Parts, how: Counting | None, label_id: str | None) -> pd.DataFrame:
    """See `Workspace.pairs_together`."""
    import pandas as pd

    view = parts.corpus()
    space, pairs = _all_pairs(parts, how)
    keep = pairs.n_both >= LEAST_TOGETHER
    if label_id is not None:
        row = _row(parts, label_id)
        keep &= (pairs.a == row) | (pairs.b == row)
    pairs = pairs.where(keep)
    lift, low, high = pairs.lift(space.n_documents)
    order = np.argsort(-low, kind="stable")[:MOST_TOGETHER]
    pairs = pairs.where(order)
    parents = parent_rows(view)
    above = ancestors(parents)
    a, b = pairs.a.tolist(), pairs.b.tolist()
    return pd.DataFrame(
        {
            "a_id": [view.labels[i].id for i in a],
            "a": [view.labels[i].name for i in a],
            "b_id": [view.labels[i].id for i in b],
            "b": [view.labels[i].name for i in b],
            "n_both": pairs.n_both,
            "n_a": pairs.n_a,
            "n_b": pairs.n_b,
            "lift": lift[order],
            "low": low[order],
            "high": high[order],
            "pmi": np.log2(lift[order]),
            "relation": [relation(x, y, parents, above) for x, y in zip(a, b, strict=True)],
        }
    )


def _row(parts: Parts, label_id: str) -> int:
    row = parts.corpus().label_idx.get(label_id)
    if row is None:
        raise NotFoundError(f"Label {label_id!r} is not in this workspace. It may have been deleted.")
    return row


@dataclass(frozen=True)
class Together:
    """A matrix of labels, those that share documents side by side.

    Attributes
    ----------
    label_ids, names : list of str
    given : int64 (n,)
        Documents that are given each.
    both : int64 (n, n)
        Documents that are given both; 0 on the diagonal.
    n_documents : int
    about : str or None
        The label whose companions these are; None for the labels that are given most.
    """

    label_ids: list[str]
    names: list[str]
    given: NDArray[np.int64]
    both: NDArray[np.int64]
    n_documents: int
    about: str | None

    @property
    def lift(self) -> NDArray[np.float64]:
        """How many times as often as by chance, float64 (n, n); NaN on the diagonal, 0 where never."""
        expected = self.given[:, None].astype(np.float64) * self.given[None, :] / max(self.n_documents, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            lift = np.where(expected > 0, self.both / expected, np.nan)
        np.fill_diagonal(lift, np.nan)
        return lift


def labels_together(parts: Parts, label_id: str | None, how: Counting | None, most: int) -> Together:
    """See `Workspace.labels_together`."""
    view = parts.corpus()
    space, pairs = _all_pairs(parts, how)
    given = space.labels["given"].to_numpy()
    if label_id is None:
        chosen = np.argsort(-given, kind="stable")[:most]
        chosen = chosen[given[chosen] > 0]
    else:
        row = _row(parts, label_id)
        mine = (pairs.a == row) | (pairs.b == row)
        other = np.where(pairs.a[mine] == row, pairs.b[mine], pairs.a[mine])
        best = np.argsort(-pairs.n_both[mine], kind="stable")[: most - 1]
        chosen = np.concatenate([[row], other[best]])
    chosen = chosen.astype(np.int64)
    both = matrix_of(pairs, chosen)
    order = side_by_side(both, given[chosen])
    chosen, both = chosen[order], both[np.ix_(order, order)]
    return Together(
        [view.labels[i].id for i in chosen],
        [view.labels[i].name for i in chosen],
        given[chosen].astype(np.int64),
        both,
        space.n_documents,
        label_id,
    )


__all__ = [
    "LEAST_TOGETHER",
    "SHOWN",
    "Together",
    "label_vectors",
    "labels_together",
    "pairs_together",
    "similar_labels",
]
