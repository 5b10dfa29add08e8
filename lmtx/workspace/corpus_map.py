"""The map of the corpus: every document on a plane, in named groups, and what it can be coloured by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import encoder_key
from lmtx.errors import DAMAGED, InputError, NothingToDoError, StorageError
from lmtx.explore.clusters import centres, cluster
from lmtx.explore.gaps import terms_of
from lmtx.explore.projection import Method, project
from lmtx.review import is_joining
from lmtx.types import BoolArray, FloatArray, Progress, State, no_progress, now
from lmtx.workspace import corpus_tags
from lmtx.workspace.parts import Parts

By = Literal["cluster", "use", "state", "label", "disagreement", "round", "split", "tag"]
"""What colours mean: part of the map, use, who said something, one label, teacher against tagger, round of
the first verdict, the file's split, the best tag."""
BYS: tuple[By, ...] = ("cluster", "state", "label", "disagreement", "tag", "use", "round", "split")

_FILE = "map.npz"
_NAMED = 3  # terms of a group's name
_READ = 400  # documents of a group, and of the corpus times ten, whose words are read
_MOST_TAGS = 8
_LABEL: tuple[tuple[State, str], ...] = (
    ("declined", "declined by the teacher"),
    ("proposed", "proposed by the teacher"),
    ("rejected", "rejected by a person"),
    ("accepted", "accepted by a person"),
)


@dataclass(frozen=True)
class Region:
    """A part of the map: documents that are alike.

    terms : words that tell them from the corpus, the most telling first
    centre : where its name is written
    """

    terms: tuple[str, ...]
    centre: tuple[float, float]
    n_documents: int

    @property
    def name(self) -> str:
        """Its first words."""
        return ", ".join(self.terms[:_NAMED]) or "mixed"


@dataclass(frozen=True)
class CorpusMap:
    """Every document on a plane, in the rows of the corpus.

    Attributes
    ----------
    xy : float32 (n_docs, 2)
        In [-1, 1]; NaN for documents that came or changed since.
    region : int16 (n_docs,)
        Row of `regions`; -1 for those.
    regions : tuple of Region
        The largest first.
    method : str
        "umap", "tsne" or "pca".
    explained : float or None
        Share of the variance that PCA keeps.
    made : datetime
    """

    xy: FloatArray = field(repr=False)
    region: NDArray[np.int16] = field(repr=False)
    regions: tuple[Region, ...]
    method: str
    explained: float | None
    made: datetime

    @property
    def known(self) -> BoolArray:
        """Documents that are on the map, bool (n_docs,)."""
        return self.region >= 0

    @property
    def n_missing(self) -> int:
        """Documents that are not on it yet."""
        return int((self.region < 0).sum())


@dataclass(frozen=True)
class Colours:
    """What the points of a map are coloured by, in the rows of the corpus.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes, the ones to be seen first last; empty where `value` tells.
    code : int16 (n_docs,)
        Row of `classes`.
    value : float32 (n_docs,) or None
        In [0, 1] or NaN where not known: a shade instead of a class.
    finding : str
        What the picture shows, in a sentence.
    """

    classes: tuple[str, ...]
    code: NDArray[np.int16] = field(repr=False)
    value: FloatArray | None = field(default=None, repr=False)
    finding: str = ""


# ---- making -----------------------------------------------------------------------------------------------


def draw_map(parts: Parts, method: Method, seed: int, progress: Progress = no_progress) -> dict[str, Any]:
    """See `Workspace.draw_map`."""
    parts.must_write("A new map")
    view = parts.corpus()
    if not view.documents:
        raise NothingToDoError("There are no documents to put on a map. Import a corpus first.")
    vectors = parts.document_vectors(view.documents, progress)
    found = project(vectors, method, seed, progress)
    progress(0, 0, "Naming the parts of the map")
    groups = cluster(vectors, seed=seed)
    n = int(groups.max()) + 1
    names = _terms(parts, vectors, groups, n, seed)
    where = centres(found.xy, groups, n)
    _write(
        parts.folder / "explore" / _FILE,
        {
            "encoder": encoder_key(parts.settings.encoder),
            "method": found.method,
            "explained": found.explained,
            "made": now().isoformat(),
            "terms": [list(x) for x in names],
            "centres": where.tolist(),
        },
        [d.hash for d in view.documents],
        found.xy,
        groups,
    )
    if view.labels:
        corpus_tags.tag_corpus(parts, progress)
    return {"n_documents": len(view.documents), "method": found.method, "parts": n}


def _terms(
    parts: Parts, vectors: FloatArray, groups: NDArray[np.int16], n: int, seed: int
) -> list[tuple[str, ...]]:
    """Words of each group, from the documents nearest to its middle."""
    view = parts.corpus()
    texts: list[str] = []
    rows: list[NDArray[np.int64]] = []
    for group in range(n):
        members = np.flatnonzero(groups == group)
        middle = vectors[members].mean(axis=0)
        near = members[np.argsort(-(vectors[members] @ middle), kind="stable")[:_READ]]
        rows.append(np.arange(len(texts), len(texts) + len(near)))
        texts += [view.documents[int(i)].full_text for i in near]
    rng = np.random.default_rng(seed)
    size = min(len(view.documents), 10 * _READ)
    some = rng.choice(len(view.documents), size, replace=False)
    background = [view.documents[int(i)].full_text for i in some]
    return [tuple(w for w, _ in found) for found in terms_of(texts, rows, background, is_joining)]


def _write(
    path: Path, facts: dict[str, Any], hashes: Sequence[str], xy: FloatArray, groups: NDArray[np.int16]
) -> None:
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(exist_ok=True)
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                facts=np.array(json.dumps(facts)),
                documents=np.array(hashes, dtype=np.str_),
                xy=xy,
                groups=groups,
            )
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error}). Check that the disk is not full.") from error


# ---- reading ----------------------------------------------------------------------------------------------


def corpus_map(parts: Parts) -> CorpusMap | None:
    """See `Workspace.corpus_map`."""
    path = parts.folder / "explore" / _FILE
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    view = parts.corpus()
    key = (stamp, id(view), parts.settings.encoder)
    return parts.kept("map", key, lambda: (view, _read(parts, path)))[1]  # type: ignore[no-any-return]


def _read(parts: Parts, path: Path) -> CorpusMap | None:
    try:
        with np.load(path, allow_pickle=False) as data:
            facts = json.loads(str(data["facts"]))
            row = {h: i for i, h in enumerate(data["documents"].tolist())}
            xy, groups = data["xy"], data["groups"]
        if facts["encoder"] != encoder_key(parts.settings.encoder):
            return None  # of another encoder: what is near differs
        found = np.array([row.get(d.hash, -1) for d in parts.corpus().documents], dtype=np.int64)
        known = found >= 0
        here = np.full((len(found), 2), np.nan, dtype=np.float32)
        region = np.full(len(found), -1, dtype=np.int16)
        here[known], region[known] = xy[found[known]], groups[found[known]]
        sizes = np.bincount(region[known], minlength=len(facts["terms"]))
        regions = tuple(
            Region(tuple(terms), (float(x), float(y)), int(n))
            for terms, (x, y), n in zip(facts["terms"], facts["centres"], sizes, strict=True)
        )
        made = datetime.fromisoformat(facts["made"])
        return CorpusMap(here, region, regions, facts["method"], facts["explained"], made)
    except DAMAGED:
        return None  # a copy of what can be computed: it is drawn anew


# ---- colours ----------------------------------------------------------------------------------------------


def colours(parts: Parts, by: By, label_id: str | None) -> Colours:
    """See `Workspace.map_colours`."""
    if by not in BYS:
        raise InputError(f"A map can't be coloured by {by!r}. Known: {', '.join(BYS)}.")
    # Verdicts take long to read: a decision of a person must not have them read again.
    of_verdicts = by in ("disagreement", "round")
    head = parts.journal.counts()["judgments"] if of_verdicts else tuple(sorted(parts.journal.head().items()))
    view = parts.corpus()
    tags = corpus_tags.corpus_tags(parts)
    key = (id(view), id(tags), head, label_id)
    kept = parts.kept(f"colours {by}", key, lambda: (view, tags, _MAKERS[by](parts, label_id)))
    return kept[2]  # type: ignore[no-any-return]


def _by_names(values: Sequence[str], order: Sequence[str], finding: str) -> Colours:
    place = {name: i for i, name in enumerate(order)}
    code = np.array([place[v] for v in values], dtype=np.int16)
    return Colours(tuple(order), code, finding=finding)


def _by_use(parts: Parts, _: str | None) -> Colours:
    names = {"train": "to learn from", "held_out": "held out", "reserve": "reserve", "test": "test"}
    roles = parts.corpus().roles
    learn = sum(r == "train" for r in roles)
    finding = f"{learn:,} of {len(roles):,} documents are there to learn from".replace(",", " ")
    return _by_names([names[r] for r in roles], list(names.values()), finding)


def _by_split(parts: Parts, _: str | None) -> Colours:
    splits = [d.split for d in parts.corpus().documents]
    n_test = sum(x == "test" for x in splits)
    return _by_names(splits, sorted(set(splits)), f"{n_test:,} documents are for testing".replace(",", " "))


def _by_state(parts: Parts, _: str | None) -> Colours:
    view = parts.corpus()
    code = np.zeros(len(view.documents), dtype=np.int16)
    for place, ids in ((1, parts.journal.document_ids(judged=True)), (2, _completed(parts))):
        code[[view.document_idx[i] for i in ids if i in view.document_idx]] = place
    n = int((code == 2).sum())
    finding = f"People have settled {n:,} of {len(code):,} documents".replace(",", " ")
    return Colours(("not judged", "judged by the teacher", "settled by people"), code, finding=finding)


def _completed(parts: Parts) -> list[str]:
    return parts.journal.document_ids(completed=True)


def _by_label(parts: Parts, label_id: str | None) -> Colours:
    view = parts.corpus()
    if label_id is None:
        return Colours(("all documents",), np.zeros(len(view.documents), dtype=np.int16), finding="")
    if label_id not in view.label_idx:
        raise InputError(f"Label {label_id!r} is not in this workspace. Choose another.")
    code = np.zeros(len(view.documents), dtype=np.int16)
    names = ["not given", "tagged by the student", *(name for _, name in _LABEL)]
    tags = corpus_tags.corpus_tags(parts)
    if tags is not None:
        column = view.label_idx[label_id]
        code[(_given(tags) == column).any(axis=1)] = 1
    for place, (state, _) in enumerate(_LABEL, start=2):
        ids = parts.journal.document_ids(label_id=label_id, state=state)
        code[[view.document_idx[i] for i in ids if i in view.document_idx]] = place
    given = int(np.isin(code, (1, 3, 5)).sum())
    name = view.labels[view.label_idx[label_id]].name
    finding = f"“{name}” is given to {given:,} documents".replace(",", " ")
    return Colours(tuple(names), code, finding=finding)


def _given(tags: corpus_tags.CorpusTags) -> NDArray[np.int32]:
    """The tags that count: of the five best those more likely right than wrong, where that is known."""
    top = tags.label_idx[:, :5].copy()
    if tags.probability is not None:
        top[tags.probability[:, :5] < 0.5] = -1
    return top


def _by_tag(parts: Parts, _: str | None) -> Colours:
    tags = corpus_tags.corpus_tags(parts)
    view = parts.corpus()
    if tags is None:
        raise NothingToDoError("The corpus is not tagged yet. Draw the map again.")
    best = tags.label_idx[:, 0]
    counts = np.bincount(best[best >= 0], minlength=len(view.labels))
    order = np.argsort(-counts, kind="stable")[:_MOST_TAGS]
    order = order[counts[order] > 0]
    code = np.zeros(len(best), dtype=np.int16)
    for place, column in enumerate(order[::-1], start=1):
        code[best == column] = place
    names = ["another label", *(view.labels[int(i)].name for i in order[::-1])]
    share = counts[order].sum() / max(int((best >= 0).sum()), 1)
    finding = f"{len(order)} labels are the best one of {100 * share:.0f} % of the documents"
    return Colours(tuple(names), code, finding=finding)


def _by_region(parts: Parts, _: str | None) -> Colours:
    found = corpus_map(parts)
    if found is None:
        raise NothingToDoError("The map is not drawn yet. Draw it first.")
    code = np.where(found.region >= 0, found.region, 0).astype(np.int16)
    finding = f"The corpus falls into {len(found.regions)} parts by meaning"
    return Colours(tuple(r.name for r in found.regions), code, finding=finding)


def _by_disagreement(parts: Parts, _: str | None) -> Colours:
    """Of the labels that the teacher says yes to, the share that is not among as many best of the tagger."""
    view = parts.corpus()
    tags = corpus_tags.corpus_tags(parts)
    if tags is None:
        raise NothingToDoError("The corpus is not tagged yet. Draw the map again.")
    frame = parts.journal.pairs_frame()
    yes = frame[frame["verdict"] == "yes"]
    row = yes["document_id"].map(view.document_idx).to_numpy(dtype=np.float64)
    column = yes["label_id"].map(view.label_idx).to_numpy(dtype=np.float64)
    here = ~(np.isnan(row) | np.isnan(column))
    row, column = row[here].astype(np.int64), column[here].astype(np.int64)
    tagged = tags.known[row]
    row, column = row[tagged], column[tagged]
    wanted = np.bincount(row, minlength=len(view.documents))
    among = np.arange(tags.label_idx.shape[1]) < wanted[row][:, None]
    missed = ~((tags.label_idx[row] == column[:, None]) & among).any(axis=1)
    value = np.full(len(view.documents), np.nan, dtype=np.float32)
    some = wanted > 0
    value[some] = np.bincount(row, weights=missed, minlength=len(wanted))[some] / wanted[some]
    share = 100 * float(missed.mean()) if len(missed) else 0.0
    finding = (
        f"Teacher and tagger differ on {share:.0f} % of the labels that the teacher gives"
        if len(missed)
        else "No teacher has said yes to a label yet"
    )
    return Colours((), np.zeros(len(value), dtype=np.int16), value, finding)


def _by_round(parts: Parts, _: str | None) -> Colours:
    view = parts.corpus()
    frame = parts.journal.pairs_frame()
    judged = frame[frame["round"] >= 0]
    first = judged.groupby("document_id", sort=False)["round"].min()
    code = np.zeros(len(view.documents), dtype=np.int16)
    rounds = sorted({int(r) for r in first})
    place = {r: i for i, r in enumerate(rounds, start=1)}
    for document_id, number in first.items():
        row = view.document_idx.get(str(document_id))
        if row is not None:
            code[row] = place[int(number)]
    names = ("not judged", *(f"round {r}" for r in rounds))
    n = int((code > 0).sum())
    finding = f"A teacher has judged {n:,} of {len(code):,} documents".replace(",", " ")
    return Colours(names, code, finding=finding)


_MAKERS = {
    "cluster": _by_region,
    "use": _by_use,
    "state": _by_state,
    "label": _by_label,
    "disagreement": _by_disagreement,
    "round": _by_round,
    "split": _by_split,
    "tag": _by_tag,
}


__all__ = ["BYS", "By", "Colours", "CorpusMap", "Region", "colours", "corpus_map", "draw_map"]
