"""Gaps of the label set: documents that no label fits, and what they are about."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lmtx.encoder import encoder_key
from lmtx.errors import InputError
from lmtx.explore.gaps import READ, Group, grouped, lowest, terms_of
from lmtx.review import is_joining
from lmtx.types import FloatArray
from lmtx.workspace import corpus_tags
from lmtx.workspace.label_relations import label_vectors
from lmtx.workspace.label_space import said
from lmtx.workspace.parts import Parts

BELOW = 0.5
"""Probability of the best label below which none fits, unless said otherwise: more likely wrong than right.

With the labels of two facets taken out of a set of 579, on train documents that nobody judged, nine in ten
documents that had lost all their labels were below it; with all labels there, one document in twelve is
(benchmarks/explore_cutoffs.py)."""
STEPS = (0.3, 0.4, 0.5, 0.6)
"""Probabilities that may be asked for."""
LOWEST = 0.05
"""Share of the corpus that is looked at where nothing calibrates the tagger: the lowest best scores."""
_BACKGROUND = 3000


@dataclass(frozen=True)
class GapGroup:
    """Documents that no label fits and that are about one thing.

    document_ids : the most typical first
    titles : of the first few
    terms : words that tell them from the corpus, the most telling first
    closeness : mean cosine to their centre
    nearest : names of the labels that are their best ones most often, which do not fit
    meant : name of the label that is closest in meaning to these as against the corpus, "" where labels have
        no vectors: if it says what they are about, it is there and not given
    meant_id : its id
    fit : median of the best label's probability, or score
    """

    document_ids: list[str] = field(repr=False)
    titles: list[str]
    terms: list[str]
    closeness: float
    nearest: list[str]
    meant: str
    meant_id: str
    fit: float

    def __len__(self) -> int:
        return len(self.document_ids)


@dataclass(frozen=True)
class Gaps:
    """Documents that no label fits.

    Attributes
    ----------
    system : str
        Id of what tagged: a run, or "zero-shot".
    calibrated : bool
        Whether `fit` is the probability of the best label; else it is its score, and the lowest twentieth of
        the corpus is looked at: how many of these really lack a label is not known.
    below : float
        The fit below which a document is one of them.
    n_documents, n_missing : int
        Documents of the corpus, and those that are not tagged as they stand.
    document_ids : list of str
        All of them, the lowest fit first.
    fit : float64 (n,)
    n_by_role : dict
        How many of them are train, held out, reserve and test documents: all are looked at, none is learned
        from.
    n_refused : int
        Those that people completed with no label at all.
    all_fit : float64 (n_documents,)
        Of every document, NaN where not tagged.
    groups : list of GapGroup
        The closest first.
    n_strays : int
        Documents in no group, as too few are like them or they have no vector yet.
    """

    system: str
    calibrated: bool
    below: float
    n_documents: int
    n_missing: int
    document_ids: list[str] = field(repr=False)
    fit: NDArray[np.float64] = field(repr=False)
    n_by_role: dict[str, int]
    n_refused: int
    all_fit: NDArray[np.float64] = field(repr=False)
    groups: list[GapGroup] = field(repr=False)
    n_strays: int

    def __len__(self) -> int:
        return len(self.document_ids)


def gaps(parts: Parts, below: float | None = None) -> Gaps | None:
    """See `Workspace.gaps`."""
    if below is not None and not 0 < below < 1:
        raise InputError(f"below: got {below}, expected a probability between 0 and 1.")
    tags = corpus_tags.corpus_tags(parts)
    if tags is None:
        return None
    view = parts.corpus()
    version = (id(view), id(tags), below, parts.journal.counts().get("decisions", 0))
    found: tuple[object, Gaps] = parts.kept(
        f"gaps {below}", version, lambda: ((view, tags), _gaps(parts, tags, below))
    )
    return found[1]


def _gaps(parts: Parts, tags: corpus_tags.CorpusTags, below: float | None) -> Gaps:
    view, told = parts.corpus(), said(parts)
    calibrated = tags.probability is not None
    best = tags.probability[:, 0] if tags.probability is not None else tags.score[:, 0]
    fit = np.where(tags.known, best, np.nan).astype(np.float64)
    fit[~np.isfinite(fit)] = np.nan
    limit = (below or BELOW) if calibrated else lowest(fit, LOWEST)
    # What people accepted fits; what they completed without any label is a gap whatever the run says.
    accepted = np.asarray(told.accepted.sum(axis=1)).ravel() > 0
    refused = told.completed & ~accepted
    with np.errstate(invalid="ignore"):
        chosen = ((fit < limit) & ~accepted & ~told.completed) | refused
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(np.where(refused[rows], -np.inf, np.nan_to_num(fit[rows])), kind="stable")]
    vectors, known = parts.cache.get(
        encoder_key(parts.settings.encoder), [view.documents[int(i)].hash for i in rows]
    )
    groups = _groups(parts, tags, rows[known], np.asarray(vectors, dtype=np.float32)[known], fit)
    roles: dict[str, int] = {}
    for i in rows.tolist():
        roles[view.roles[i]] = roles.get(view.roles[i], 0) + 1
    return Gaps(
        system=tags.system,
        calibrated=calibrated,
        below=limit,
        n_documents=len(view.documents),
        n_missing=tags.n_missing,
        document_ids=[view.documents[int(i)].id for i in rows],
        fit=fit[rows],
        n_by_role=roles,
        n_refused=int(refused.sum()),
        all_fit=fit,
        groups=groups,
        n_strays=len(rows) - sum(map(len, groups)),
    )


def _groups(
    parts: Parts,
    tags: corpus_tags.CorpusTags,
    rows: NDArray[np.int64],
    vectors: FloatArray,
    fit: NDArray[np.float64],
) -> list[GapGroup]:
    view = parts.corpus()
    found = grouped(vectors)
    texts = [view.documents[int(i)].full_text[:READ] for i in rows]
    step = max(1, len(view.documents) // _BACKGROUND)
    background = [d.full_text[:READ] for d in view.documents[::step]]
    terms = terms_of(texts, [inside for inside, _ in found], background, is_joining)
    made = [
        Group(inside, closeness, tuple(w for w, _ in words), tuple(s for _, s in words))
        for (inside, closeness), words in zip(found, terms, strict=True)
    ]
    labels, centre = label_vectors(parts), _centre(parts)
    out = []
    for group in made:
        here = rows[group.rows]
        meant = None
        if labels is not None and centre is not None:
            # Less what all documents have in common, which hubs among the labels are close to.
            meant = view.labels[int(np.argmax(labels @ (vectors[group.rows].mean(axis=0) - centre)))]
        best = tags.label_idx[here, 0]
        names, counts = np.unique(best[best >= 0], return_counts=True)
        nearest = [view.labels[int(names[i])].name for i in np.argsort(-counts, kind="stable")[:3]]
        documents = [view.documents[int(i)] for i in here]
        median = float(np.nanmedian(fit[here])) if np.isfinite(fit[here]).any() else float("nan")
        titles = [d.title or d.text[:60] for d in documents[:4]]
        out.append(
            GapGroup(
                document_ids=[d.id for d in documents],
                titles=titles,
                terms=list(group.terms),
                closeness=group.closeness,
                nearest=nearest,
                meant="" if meant is None else meant.name,
                meant_id="" if meant is None else meant.id,
                fit=median,
            )
        )
    return out


def _centre(parts: Parts) -> FloatArray | None:
    """Mean vector of a sample of the corpus, None where none has a vector."""
    view = parts.corpus()
    step = max(1, len(view.documents) // _BACKGROUND)
    vectors, known = parts.cache.get(
        encoder_key(parts.settings.encoder), [d.hash for d in view.documents[::step]]
    )
    return np.asarray(vectors[known].mean(axis=0), dtype=np.float32) if known.any() else None


__all__ = ["BELOW", "STEPS", "GapGroup", "Gaps", "gaps"]
