"""Precision by label and by group of labels, and what may be promised of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lmtx.workspace.auditing import Audit
from lmtx.workspace.parts import Parts
from lmtx.workspace.precision_models import GroupFigure, too_many_put_off

if TYPE_CHECKING:
    import pandas as pd

    from lmtx.quality.estimates import LabelFigures
    from lmtx.quality.promises import Promise

OFTEN, SOMETIMES = 100, 30
"""Documents of the corpus that carry a label, from which on it is given often, or sometimes."""
FIRM = 10
"""Audited pairs of a label from which on its figure is no first impression."""

_MOST_GROUPS = 12


# ---- put off ------------------------------------------------------------------------------------


def put_off(found: Audit) -> NDArray[np.bool_]:
    """Whether each pair was asked and put off, bool (n_pairs,)."""
    return np.asarray(found.pairs.passed & ~found.pairs.whole & ~found.untold)


def worst_of(found: Audit, value: float | None) -> float | None:
    """Precision of all tags if all that were put off are wrong; None where none was, or nothing is known.

    A pair that was put off stands for as many as those that count and were as likely to be drawn.
    """
    pairs, sample = found.pairs, found.sample
    off = put_off(found)
    if value is None or not off.any() or not len(sample.rows):
        return None
    part = np.zeros(len(pairs), dtype=bool) if found.earlier is None else found.earlier
    wrong = 0.0
    for which in (False, True):
        here, there = off & (part == which), part[sample.rows] == which
        if not there.any():  # nothing to go by
            wrong += float(here.sum()) * float(sample.weight.max())
            continue
        relative, weight = pairs.relative[sample.rows][there], sample.weight[there]
        order = np.argsort(relative)
        wrong += float(np.interp(pairs.relative[here], relative[order], weight[order]).sum())
    total = float(sample.weight.sum())
    return value * total / (total + wrong)


# ---- promises ----------------------------------------------------------------------------------


def promise_of(found: Audit, chosen: NDArray[np.bool_], target: float) -> Promise | None:
    """Lowest threshold that keeps the target among some of the pairs; None without probabilities.

    Where nothing was drawn yet of pairs that only this run gives, all of them count as wrong. Where too many
    were put off, of all pairs or of these, nothing is promised.
    """
    from lmtx.quality.promises import STEPS, Promise, promised_threshold

    if not found.tags.calibrated:
        return None
    pairs, sample = found.pairs, found.sample
    kept = chosen[sample.rows]
    rows = sample.rows[kept]
    n_right = int(pairs.right[rows].sum())
    off = put_off(found)
    for n_off, n in ((int(off[chosen].sum()), len(rows)), (int(off.sum()), len(sample.rows))):
        if too_many_put_off(n_off, n):
            why = f"{n_off} of {n_off + n} tags that were asked {'was' if n_off == 1 else 'were'} put off"
            return Promise(None, target, len(rows), n_right, 0.0, withheld=why)
    unseen = chosen & ~sample.drawn
    probability = pairs.proxy[chosen]
    steps, worst = [], 0.0
    for step in STEPS:
        above = chosen & (pairs.proxy >= step)
        share = float(unseen[above].mean()) if above.any() else 0.0
        if share < 1 - target:
            steps.append(step)
            worst = max(worst, share)
    harder = target / (1 - worst)
    if not steps or harder >= 1:
        why = "too many tags are given by this run alone, and none of these was audited yet"
        return Promise(None, target, len(rows), n_right, 0.0, withheld=why)
    made = promised_threshold(
        pairs.proxy[rows],
        pairs.right[rows],
        harder,
        weight=sample.weight[kept],
        document=pairs.document[rows],
        population=probability,
        steps=steps,
    )
    return replace(made, target=target)


# ---- groups ---------------------------------------------------------------------------------------


def groups_of(parts: Parts, found: Audit, whole: Audit, target: float) -> list[GroupFigure]:
    """Precision of groups of labels, and what may be promised of each; `whole` is without a threshold."""
    from lmtx.quality.estimates import weighted_share
    from lmtx.quality.sampling import sample_of

    names, of_label = label_groups(parts, found)
    pairs = found.pairs
    group = of_label[pairs.label]
    if not len(pairs):
        return []
    sample = sample_of(pairs, group, found.earlier, len(names))
    of_sample = group[sample.rows]
    given = np.bincount(pairs.label, minlength=len(of_label)) > 0
    out = []
    for g, name in enumerate(names):
        here = of_sample == g
        rows = sample.rows[here]
        size = int((group == g).sum())
        if not size:
            continue
        figure = weighted_share(
            pairs.right[rows],
            sample.weight[here],
            max(len(rows), round(size / (pairs.reserve_share or 1.0))),
            pairs.document[rows],
            float(sample.unknown[g]),
        )
        promise = promise_of(whole, of_label[whole.pairs.label] == g, target)
        out.append(GroupFigure(name, int((given & (of_label == g)).sum()), figure, promise))
    return out


def label_groups(parts: Parts, found: Audit) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the groups, and the group of each label that is given, int64 (n_labels,).

    By the broadest label where at least half of the labels given have a broader one, else by how often they
    are given. Of many broadest labels those that are given least are one group.
    """
    tags = found.tags
    paths = parts.label_paths()
    labels = parts.labels_by_id()
    top = [paths[x][0] if paths.get(x) else "" for x in tags.label_ids]
    if 2 * sum(map(bool, top)) >= len(top):
        names = [t or labels[x].name for t, x in zip(top, tags.label_ids, strict=True)]
        count: Counter[str] = Counter()
        for name, n in zip(names, np.bincount(tags.label).tolist(), strict=True):
            count[name] += n
        kept = [name for name, _ in count.most_common(_MOST_GROUPS)]
        if len(count) > _MOST_GROUPS:
            kept = [*kept[:-1], "all others"]
        place = {name: i for i, name in enumerate(kept)}
        return kept, np.array([place.get(name, len(kept) - 1) for name in names], dtype=np.int64)
    share = len(tags.document_ids) / max(1, found.n_corpus)
    size = np.bincount(tags.label, minlength=len(tags.label_ids)) / max(share, 1e-9)
    of_label = np.where(size >= OFTEN, 0, np.where(size >= SOMETIMES, 1, 2)).astype(np.int64)
    return [
        f"given often ({OFTEN} documents or more)",
        "given sometimes",
        f"given seldom (below {SOMETIMES})",
    ], of_label


# ---- labels ---------------------------------------------------------------------------------------


def labels_table(
    parts: Parts, found: Audit, figures: LabelFigures, target: float, trend: Mapping[str, list[float]]
) -> pd.DataFrame:
    """Table of all labels that are given; see `PrecisionReport.labels`."""
    import pandas as pd

    from lmtx.quality.pooling import pooled
    from lmtx.quality.promises import verdicts
    from lmtx.quality.sampling import sample_of

    ids = found.tags.label_ids
    labels, paths = parts.labels_by_id(), parts.label_paths()
    pairs, n_labels = found.of_labels, len(ids)
    n, given = figures.n, figures.given
    unknown = sample_of(pairs, pairs.label, found.earlier, n_labels).unknown
    exact = (n > 0) & (figures.low == figures.high)
    value = np.clip(np.round(figures.value, 12), 0.0, 1.0)  # sums of weights are not exact
    # Evidence counts answers as they are, at most: without replacement they tell more, never less.
    size = np.where(
        (n > 0) & (unknown <= 0), np.minimum(np.where(np.isfinite(figures.size), figures.size, n), n), 0
    )
    said = np.array(verdicts(np.nan_to_num(value) * size, size, target), dtype=object)
    exactly = np.where(np.nan_to_num(value) >= target, "meets", "misses")
    off = put_off(found)
    n_off = np.bincount(pairs.label[off], minlength=n_labels)
    withheld = too_many_put_off(int(off.sum()), len(found.sample.rows))
    silent = [withheld or too_many_put_off(*x) for x in zip(n_off.tolist(), n.tolist(), strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        prior = np.bincount(pairs.label, weights=pairs.proxy, minlength=n_labels) / given
    pooled_value, pooled_low, pooled_high = pooled(
        figures.right, n, np.nan_to_num(prior, nan=0.5), figures.population
    )
    teacher = _teacher(parts)
    groups, of_label = label_groups(parts, found)
    frame = pd.DataFrame(
        {
            "label_id": ids,
            "name": [labels[x].name if x in labels else x for x in ids],
            "path": [" > ".join(paths.get(x, ())) for x in ids],
            "group": [groups[g] for g in of_label.tolist()],
            "right": figures.right,
            "n": n,
            "population": figures.population,
            "value": value,
            "low": figures.low,
            "high": figures.high,
            "exact": exact,
            "known": np.where(n > 0, (figures.high - figures.low) / 2, 0.5),
            "need_10": _needed(figures, 0.1),
            "need_5": _needed(figures, 0.05),
            "pooled": pooled_value,
            "pooled_low": pooled_low,
            "pooled_high": pooled_high,
            "status": np.where(exact, "exact", np.where(n >= FIRM, "firm", np.where(n > 0, "pale", "none"))),
            "badge": np.where(silent, "", np.where(exact, exactly, said)),
            "teacher": [teacher.get(x, np.nan) for x in ids],
            "trend": [trend.get(x, []) for x in ids],
        }
    )
    frame = frame[given > 0]
    order = np.argsort(-given[given > 0], kind="stable")
    return frame.iloc[order].reset_index(drop=True)


def _needed(figures: LabelFigures, points: float) -> NDArray[np.int64]:
    """Audited pairs still needed for a half width, int64 (n_labels,)."""
    from lmtx.quality.reviews import widths_needed

    known = (figures.n > 0) & ((figures.high - figures.low) / 2 <= points)
    needed = widths_needed(figures.right, figures.n, figures.population, points)
    return np.where(known, 0, np.maximum(needed, 1)).astype(np.int64)


def judged(parts: Parts) -> int:
    """Judgments so far, of many rounded: a teacher at work does not make figures anew at every one."""
    n = parts.journal.counts().get("judgments", 0)
    return n if n < 1000 else n // 100 * 100


def _teacher(parts: Parts) -> dict[str, float]:
    """Label id -> share of its documents that the teacher says yes to, of those that nobody decided."""

    def read() -> dict[str, float]:
        found: dict[str, float] = {}
        page, n_pages = 0, 1
        while page < n_pages:
            rows = parts.journal.labels_page(sort="id", page=page, page_size=5000)
            for row in rows:
                if row.n_proposed + row.n_declined:
                    found[row.id] = row.n_proposed / (row.n_proposed + row.n_declined)
            page, n_pages = page + 1, rows.n_pages
        return found

    kept: dict[str, float] = parts.kept("teacher shares", judged(parts), read)
    return kept


__all__ = ["groups_of", "judged", "label_groups", "labels_table", "promise_of", "put_off", "worst_of"]
