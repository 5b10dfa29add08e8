"""The parts that a sunburst or treemap of labels is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Node:
    """A part of the drawing: a label, a group, or what was left out.

    label : row of the label, -1 for a group or for others
    parent : place of the node it lies in, -1 at the top
    own : times the label itself is given; of "others" of all that they stand for
    total : `own` with all that lies within
    n_labels : labels it stands for, those within included
    """

    label: int
    parent: int
    own: int
    total: int
    n_labels: int
    name: str = ""
    members: tuple[int, ...] = field(default=(), repr=False)


def tree(
    parent: Sequence[int], volume: NDArray[np.int64], most: int, groups: Sequence[str] | None = None
) -> list[Node]:
    """Make the nodes of a sunburst or treemap, at most about `most` of them, parents first.

    Parameters
    ----------
    parent : sequence of int, length n_labels
        First parent of each label, -1 at the top; a cycle is cut where it is met.
    volume : int64 (n_labels,)
        Times each label is given.
    most : int
        Labels that are drawn, the greatest by all that is within; the rest of a parent is one node, "others".
    groups : sequence of str, optional
        Names of the groups that labels at the top lie in; none where left out.
    """
    n = len(parent)
    children: dict[int, list[int]] = {}
    order = _from_the_top(parent, children)
    total = volume.astype(np.int64).copy()
    size = np.ones(n, dtype=np.int64)
    above = np.full(n, -1, dtype=np.int64)
    for p, inside in children.items():
        for x in inside:
            above[x] = p
    for x in reversed(order):
        if above[x] >= 0:
            total[above[x]] += total[x]
            size[above[x]] += size[x]
    # No label is greater by what is within than its parent, so what is kept hangs together.
    depth = {x: 0 if above[x] < 0 else -1 for x in order}
    for x in order:
        if above[x] >= 0:
            depth[x] = depth[int(above[x])] + 1
    ranked = sorted(order, key=lambda x: (-int(total[x]), depth[x], x))
    kept = set(ranked[:most])
    nodes: list[Node] = []
    place: dict[int, int] = {}
    group_place: dict[str, int] = {}
    if groups is not None:
        for name in dict.fromkeys(groups[x] for x in children.get(-1, [])):
            inside = [x for x in children.get(-1, []) if groups[x] == name]
            group_place[name] = len(nodes)
            nodes.append(
                Node(-1, -1, 0, int(total[inside].sum()), int(size[inside].sum()), name, tuple(inside))
            )
    others: dict[int, list[int]] = {}
    for x in order:
        p = int(above[x])
        at = place.get(p, -1) if p >= 0 else group_place[groups[x]] if groups is not None else -1
        if x in kept:
            place[x] = len(nodes)
            nodes.append(Node(x, at, int(volume[x]), int(total[x]), int(size[x])))
        elif p < 0 or p in kept:
            others.setdefault(at, []).append(x)
    for at, left in others.items():
        sum_, n_labels = int(total[left].sum()), int(size[left].sum())
        nodes.append(Node(-1, at, sum_, sum_, n_labels, "others", tuple(left)))
    return nodes


def _from_the_top(parent: Sequence[int], children: dict[int, list[int]]) -> list[int]:
    """Labels, each after its parent; fills `children`. What hangs in a cycle starts at its first label."""
    for x, p in enumerate(parent):
        children.setdefault(p if p != x else -1, []).append(x)
    order: list[int] = []
    seen: set[int] = set()

    def walk(start: list[int]) -> None:
        todo = list(reversed(start))
        while todo:
            x = todo.pop()
            if x in seen:
                continue
            seen.add(x)
            order.append(x)
            todo += reversed(children.get(x, []))

    walk(children.get(-1, []))
    for x in range(len(parent)):
        if x not in seen:
            children[parent[x]].remove(x)
            children.setdefault(-1, []).append(x)
            walk([x])
    return order


def shared_beginnings(names: Sequence[str]) -> list[str] | None:
    """Groups of labels by what stands before the first colon of their names ("Games: Puzzle").

    Returns
    -------
    list of str or None
        The group of each; None where not even half of the labels have a beginning that another one has too.
    """
    starts = [name.partition(":")[0].strip() if ":" in name else "" for name in names]
    count: dict[str, int] = {}
    for start in starts:
        count[start] = count.get(start, 0) + 1
    groups = [start if start and count[start] > 1 else "" for start in starts]
    if 2 * sum(map(bool, groups)) < len(groups):
        return None
    return [group or "without a group" for group in groups]


__all__ = ["Node", "shared_beginnings", "tree"]
