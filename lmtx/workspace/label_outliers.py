"""Labels that stand out: given to nothing, or given more than they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lmtx.workspace.label_space import Counting, LabelSpace, label_space
from lmtx.workspace.parts import Parts
from lmtx.workspace.rankings import DEPTH

if TYPE_CHECKING:
    import pandas as pd

HUB_RATIO = 1.25
"""Times as often as all labels together that a label must be given, in relation to how often it is wanted.

Chosen on train documents that nobody had judged: each of the eleven labels it finds there among the five
best was given too often by gold labels too, most of them twice as often or more; see
benchmarks/explore_cutoffs.py."""
HUB_LEAST = 20
"""Judged documents that must be given a label before it can take too much."""


def unused(parts: Parts, how: Counting | None) -> pd.DataFrame:
    """See `Workspace.unused_labels`."""
    space = label_space(parts, how)
    found: tuple[object, pd.DataFrame] = parts.kept(
        f"unused labels {space.how}", id(space), lambda: (space, unused_labels(space))
    )
    return found[1]


def greedy(parts: Parts, how: Counting | None) -> pd.DataFrame:
    """See `Workspace.greedy_labels`."""
    space = label_space(parts, how)
    found: tuple[object, pd.DataFrame] = parts.kept(
        f"greedy labels {space.how}", id(space), lambda: (space, greedy_labels(space))
    )
    return found[1]


def unused_labels(space: LabelSpace) -> pd.DataFrame:
    """Labels that no document is given, and why."""
    rows = space.labels[(space.labels["given"] == 0)].copy()
    n = space.n_documents
    rows["reason"] = [_why_unused(row, n, tagged=bool(space.system)) for row in _records(rows)]
    return rows.sort_values(["within", "yes", "name"], ascending=[True, False, True]).reset_index(drop=True)


def _why_unused(row: dict[str, Any], n_documents: int, *, tagged: bool) -> str:
    said_yes = row["accepted"] or row["yes"]
    if said_yes:
        who = "people accepted it" if row["accepted"] else "a teacher says yes to it"
        return f"{who} on {_documents(said_yes)}, and the run in use gives it to none"
    if row["n_children"]:
        return "it has narrower labels, which may be given in its place"
    if asked := row["rejected"] + row["no"]:
        return f"it was asked about on {_documents(asked)}, and the answer was always no"
    if not tagged:
        return "nobody was asked about it yet"
    if not row["within"]:
        return (
            f"it is among the {DEPTH} best labels of no document: no text speaks for its name or definition"
        )
    return (
        f"it is among the {DEPTH} best labels of {_documents(row['within'])} "
        f"({row['within'] / max(n_documents, 1):.1%}), at best in place {row['best']}: others fit better"
    )


def _documents(n: int) -> str:
    return f"{n} document{'' if n == 1 else 's'}"


def greedy_labels(space: LabelSpace) -> pd.DataFrame:
    """Labels that are given, by how much more often than wanted."""
    rows = space.labels[space.labels["given"] > 0].copy()
    usual = reference(space)
    rows["relative"] = rows["ratio"] / usual
    enough = rows["given_judged"] >= HUB_LEAST
    rows["hub"] = enough & (rows["relative"] >= HUB_RATIO) & (rows["at_least"] >= usual)
    rows["share"] = rows["given"] / max(space.n_documents, 1)
    rows["reason"] = [_why_greedy(row, space) for row in _records(rows)]
    too_many = rows["given"] * (1 - 1 / rows["relative"].clip(lower=1.0))
    rows["excess"] = too_many.where(rows["hub"], 0.0).round()
    return rows.sort_values(["hub", "excess", "given"], ascending=False).reset_index(drop=True)


def reference(space: LabelSpace) -> float:
    """Times as often as wanted that a label may be given: as all labels together are, but at least once.

    Of five tags a document some are always wrong where fewer are wanted, of every label alike. Where only
    likely tags count, labels together are given less often than wanted, and once is no excess.
    """
    return max(1.0, space.usual) if space.usual == space.usual else 1.0


def _why_greedy(row: dict[str, Any], space: LabelSpace) -> str:
    given, wanted = row["given_judged"], row["wanted"]
    if not given:
        return "nobody was asked about it on a document that gets it"
    where = f"of those asked about, {given:,} get it and {wanted:,} should"
    if not wanted or space.usual != space.usual:
        return where
    return f"{where}: {row['ratio']:.1f} times as often (all labels {space.usual:.1f})"


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


__all__ = ["HUB_RATIO", "greedy", "greedy_labels", "reference", "unused", "unused_labels"]
