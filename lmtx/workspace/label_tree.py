"""The tree that the labels form, with how often each is given and how right it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.explore.label_tree import Node, shared_beginnings, tree
from lmtx.types import FloatArray
from lmtx.workspace.label_relations import label_vectors
from lmtx.workspace.label_space import Counting, LabelSpace, Truth, label_space
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    import pandas as pd

_GROUPS = 12


@dataclass(frozen=True)
class LabelTree:
    """What a sunburst or treemap is drawn from.

    Attributes
    ----------
    nodes : DataFrame
        A row a part, parents first: node, parent (its node, -1 at the top), label_id ("" for a group or
        others), name, own (times given itself), total (with all within), n_labels, precision (of a label; of
        what has labels within the mean by volume of those known; NaN where none is known), n (tags behind
        it), known (labels within of known precision).
    grouped : "broader", "names", "meaning" or ""
        What makes the levels: broader labels, beginnings of names, likeness in meaning, or nothing.
    n_shared : int
        Labels with several broader ones, each drawn under its first.
    mean : float
        Mean precision by volume of all labels of known precision; NaN where none is.
    """

    nodes: pd.DataFrame = field(repr=False)
    grouped: str
    n_shared: int
    mean: float


def label_tree(
    parts: Parts, how: Counting | None, truth: Truth | None, most: int
) -> tuple[LabelSpace, LabelTree]:
    """See `Workspace.label_tree`."""
    space = label_space(parts, how, truth)
    found: tuple[object, LabelTree] = parts.kept(
        f"label tree {space.how} {truth}", (id(space), most), lambda: (space, _tree(parts, space, most))
    )
    return space, found[1]


def _tree(parts: Parts, space: LabelSpace, most: int) -> LabelTree:
    import pandas as pd

    rows = space.labels
    parent = rows["parent"].to_numpy()
    groups: list[str] | None = None
    grouped = "broader" if (parent >= 0).any() else ""
    names = rows["name"].tolist()
    if not grouped and len(rows) > _GROUPS:
        groups = shared_beginnings(names)
        grouped = "names" if groups is not None else ""
        if groups is None and (vectors := label_vectors(parts)) is not None:
            groups, grouped = _by_meaning(vectors, names, rows["given"].to_numpy()), "meaning"
    if grouped == "names":
        assert groups is not None
        names = [
            n[len(g) + 1 :].strip() if n.startswith(f"{g}:") else n
            for n, g in zip(names, groups, strict=True)
        ]
    nodes = tree(parent.tolist(), rows["given"].to_numpy(), most, groups)
    value, n, known = _values(nodes, rows)
    precision, volume = rows["precision"].to_numpy(), rows["given"].to_numpy()
    told = ~np.isnan(precision) & (volume > 0)
    frame = pd.DataFrame(
        {
            "node": range(len(nodes)),
            "parent": [x.parent for x in nodes],
            "label_id": [rows["label_id"].iat[x.label] if x.label >= 0 else "" for x in nodes],
            "name": [
                names[x.label] if x.label >= 0 else f"{x.n_labels} others" if x.name == "others" else x.name
                for x in nodes
            ],
            "own": [x.own for x in nodes],
            "total": [x.total for x in nodes],
            "n_labels": [x.n_labels for x in nodes],
            "precision": value,
            "n": n,
            "known": known,
        }
    )
    mean = float(np.average(precision[told], weights=volume[told])) if told.any() else float("nan")
    return LabelTree(frame, grouped, int((rows["n_parents"] > 1).sum()), mean)


def _values(
    nodes: list[Node], rows: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Precision of each node: a leaf's own, else the mean by volume of what is known within."""
    precision, volume = rows["precision"].to_numpy(), rows["given"].to_numpy()
    behind = rows["n"].to_numpy()
    weight, total = np.zeros(len(nodes)), np.zeros(len(nodes))
    n, known = np.zeros(len(nodes), dtype=np.int64), np.zeros(len(nodes), dtype=np.int64)
    for i, node in enumerate(nodes):
        inside = [node.label] if node.label >= 0 else list(node.members) if node.name == "others" else []
        for x in inside:
            n[i] += behind[x]
            if not np.isnan(precision[x]) and volume[x] > 0:
                weight[i] += volume[x]
                total[i] += volume[x] * precision[x]
                known[i] += 1
    for i in range(len(nodes) - 1, -1, -1):  # parents come first
        at = nodes[i].parent
        if at >= 0:
            weight[at] += weight[i]
            total[at] += total[i]
            n[at] += n[i]
            known[at] += known[i]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 0, total / weight, np.nan), n, known


def _by_meaning(vectors: FloatArray, names: list[str], volume: NDArray[np.int64]) -> list[str]:
    """Group labels that are close in meaning, each group named by its labels that are given most."""
    from sklearn.cluster import KMeans

    found = KMeans(min(_GROUPS, len(vectors)), n_init=1, random_state=0).fit_predict(vectors)
    title = {}
    for group in np.unique(found).tolist():
        inside = np.flatnonzero(found == group)
        best = inside[np.argsort(-volume[inside], kind="stable")[:2]]
        title[group] = ", ".join(names[i] for i in best)
    return [title[g] for g in found.tolist()]


__all__ = ["LabelTree", "label_tree"]
