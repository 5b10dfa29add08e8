"""Where the cut-offs of Explore come from: `benchmarks/explore_cutoffs.py WORKSPACE`.

WORKSPACE is one with gold labels, a run in use whose tags have probabilities, and a tagged corpus (`lmtx
label-space`). Looks at train documents that nobody judged or completed, never at test or reserve documents.

- Gaps: labels of some groups (the beginnings of their ids, "devel::" and "role::" of Debian's) are taken out
  of the ranking. Documents that lose all their labels are true gaps: how many of them have a best label below
  each probability, and how many below it are true gaps.
- Labels that take too much: for some ratios, how many labels are found, and how many of these are given more
  often than others in relation to their gold labels on documents that no one judged.
- Labels that may be one: how often both labels of a pair are gold on one document, by likeness.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from lmtx.types import BoolArray
from lmtx.workspace import Workspace, tagging
from lmtx.workspace.gaps import STEPS
from lmtx.workspace.label_outliers import HUB_LEAST, greedy_labels, reference
from lmtx.workspace.label_space import said

RATIOS = (1.1, 1.25, 1.5, 2.0)
MOST = 2500
"""Documents that are ranked with labels taken out."""


def unjudged(w: Workspace) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Train documents with gold labels that nobody judged, and these labels."""
    view, told, gold = w.journal.corpus(), said(w._parts), w.journal.gold("train")
    ids = [
        d.id
        for i, d in enumerate(view.documents)
        if view.roles[i] == "train" and not told.any[i] and gold.get(d.id)
    ]
    return ids, gold


def gaps(w: Workspace, groups: list[str]) -> None:
    """Print how well the best probability tells documents whose labels were taken out."""
    ids, gold = unjudged(w)
    ids = list(np.random.default_rng(0).permutation(ids)[:MOST])
    view, parts = w.journal.corpus(), w._parts
    documents = [view.documents[view.document_idx[i]] for i in ids]
    tagger = tagging.tagger(parts)
    n = len(view.labels)
    found = tagger.predict(parts.document_vectors(documents), [d.full_text for d in documents], n)
    probability = tagger.probability(found.score)
    if probability is None:
        sys.exit("The run in use has no probabilities.")
    gone = np.array([x.id.startswith(tuple(groups)) for x in view.labels])
    true: BoolArray = np.array([all(gone[view.label_idx[x]] for x in gold[i]) for i in ids])
    left = np.where((found.label_idx >= 0) & ~gone[found.label_idx], probability, 0.0)
    best = left.max(axis=1)
    area = roc_auc_score(true, -best) if 0 < true.sum() < len(true) else float("nan")
    print(f"{len(ids):,} documents, {gone.sum()} of {n} labels out, {true.sum():,} true gaps, AUC {area:.3f}")
    print(f"{'below':>8}{'found':>8}{'of them true':>14}{'of true found':>15}{'found with all labels':>23}")
    for step in STEPS:
        low = best < step
        print(
            f"{step:8.2f}{low.sum():8}{_share(true[low]):>14}{_share(low[true]):>15}"
            f"{_share(probability[:, 0] < step):>23}"
        )


def hubs(w: Workspace) -> None:
    """Print how many of the labels that are found take too much by gold labels, by ratio."""
    ids, gold = unjudged(w)
    view = w.journal.corpus()
    rows = [view.document_idx[i] for i in ids]
    wanted = np.zeros(len(view.labels))
    for i in ids:
        for x in gold[i]:
            wanted[view.label_idx[x]] += 1
    print(f"{'counted':10}{'ratio':>7}{'labels':>8}{'truly too often':>17}{'median ratio by gold':>22}")
    for how in w.label_space().hows:
        space = w.label_space(how)
        given = np.asarray(space.given[rows].sum(axis=0)).ravel()
        usual = max(1.0, given.sum() / max(wanted.sum(), 1))
        true = dict(zip(space.labels["label_id"], given / np.maximum(wanted, 0.5) / usual, strict=True))
        frame = greedy_labels(space)
        frame = frame[(frame["given_judged"] >= HUB_LEAST) & (frame["at_least"] >= reference(space))]
        for ratio in RATIOS:
            found = np.array([true[x] for x in frame[frame["relative"] >= ratio]["label_id"]])
            middle = f"{np.median(found):.2f}" if len(found) else "-"
            print(f"{how:10}{ratio:7.2f}{len(found):8}{_share(found > 1):>17}{middle:>22}")


def pairs(w: Workspace) -> None:
    """Print how alike the gold documents of similar labels are, by likeness."""
    gold = w.journal.gold("train")
    documents: dict[str, set[str]] = {}
    for i, labels in gold.items():
        for x in labels:
            documents.setdefault(x, set()).add(i)
    rows = w.similar_labels()
    print(f"{'likeness':>12}{'pairs':>8}{'median Jaccard index of gold':>30}")
    edges = (1.01, 0.6, 0.5, 0.4, 0.3, -0.01)
    for high, low in pairwise(edges):
        some = rows[(rows["likeness"] < high) & (rows["likeness"] >= low)]
        jaccard = []
        for a, b in zip(some["a_id"], some["b_id"], strict=True):
            left, right = documents.get(a, set()), documents.get(b, set())
            if left and right:
                jaccard.append(len(left & right) / len(left | right))
        middle = f"{np.median(jaccard):.3f}" if jaccard else "-"
        print(f"{max(low, 0):6.1f} – {min(high, 1):3.1f}{len(some):8}{middle:>30}")


def _share(flags: BoolArray) -> str:
    return f"{100 * flags.mean():.1f} %" if len(flags) else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--out", nargs="*", default=["devel::", "role::"], help="beginnings of label ids")
    options = parser.parse_args()
    with threadpool_limits(1), Workspace.open(options.workspace, own_index=False) as w:
        if w.corpus_tags() is None:
            sys.exit("Tag the corpus first: lmtx --workspace DIR label-space")
        gaps(w, options.out)
        hubs(w)
        pairs(w)


if __name__ == "__main__":
    main()
