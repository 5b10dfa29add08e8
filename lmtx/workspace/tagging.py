"""Predicting: which tagger answers, and what is said of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmtx.encoder import encoder_key
from lmtx.errors import InputError, NothingToDoError
from lmtx.review import Ranked, is_joining, matching_words
from lmtx.types import Document, Progress, Run, content_hash, no_progress
from lmtx.workspace import predicted
from lmtx.workspace.models import Tag
from lmtx.workspace.parts import Parts
from lmtx.workspace.thresholds import UNCALIBRATED, Threshold, floor_of

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

HUB_DOCUMENTS = 4000  # enough to measure hubs and word frequencies; more only takes longer
_WORDS = 8  # that are shown of those that speak for a tag
SYSTEMS = ("tagger", "student", "zero-shot")


def tagger(parts: Parts, system: str = "tagger") -> Tagger:
    """Return the tagger of a system; loaded once until another run is promoted or the labels change.

    Parameters
    ----------
    system : str
        "tagger": the promoted run, or zero-shot where there is none; "student": its student alone;
        "zero-shot"; the id of a run; or that and "/student".

    Raises
    ------
    InputError
        If the run has no student, or was trained with another encoder.
    NotFoundError
        If there is no run of that id.
    NothingToDoError
        If there are no labels yet.
    """
    run = answering_run(parts, system)
    if run is None:
        return zero_shot(parts)
    predicted.refuse(run)
    found: Tagger = parts.kept(f"tagger {run.id}", (run.folder, label_set(parts)), lambda: _load(parts, run))
    if _of_other_encoder(parts, found):
        raise InputError(
            f"Run {run.id} was trained with another encoder than {parts.settings.encoder!r}. "
            "Train again, or set the encoder back."
        )
    if not is_student(system):
        return found
    if found.student is None:
        raise InputError(f"Run {run.id} has no student: nobody judged or decided anything then. Train again.")
    return replace(found, weights={"student": 1.0}, calibration=None)


def _load(parts: Parts, run: Run) -> Tagger:
    """Load the tagger of a run, over the labels of now: one that was added since is ranked at once."""
    from lmtx.tagger import Tagger
    from lmtx.tagger.growing import with_labels

    found = Tagger.load(run_folder(parts, run), parts.cache)
    labels = parts.corpus().labels
    if not labels or _of_other_encoder(parts, found):
        return found
    return with_labels(found, labels, parts.label_vectors(labels))


def reads_with(parts: Parts, run: Run) -> bool:
    """Whether a run was trained with the encoder in use; one that does not say is taken to be."""
    return run.config.get("encoder") in (None, "", encoder_key(parts.settings.encoder))


def _of_other_encoder(parts: Parts, found: Tagger) -> bool:
    return bool(found.encoder_key) and found.encoder_key != encoder_key(parts.settings.encoder)


def label_set(parts: Parts) -> str:
    """Say which labels there are, with their texts."""
    view = parts.corpus()
    made: tuple[object, str] = parts.kept(
        "label set", id(view), lambda: (view, content_hash(*(y for x in view.labels for y in (x.id, x.hash))))
    )
    return made[1]


def is_student(system: str) -> bool:
    """Whether a system is a student alone: that of the promoted run, or of a named one."""
    return system == "student" or system.endswith("/student")


def answering_run(parts: Parts, system: str) -> Run | None:
    """Return the run behind a system, None for zero-shot."""
    if system == "zero-shot":
        return None
    if system not in SYSTEMS:
        return parts.journal.run(system.removesuffix("/student"))
    promoted = parts.journal.promoted()
    if promoted is None and system == "student":
        raise NothingToDoError("There is no student yet. Ask a teacher and train first.")
    return promoted


def run_folder(parts: Parts, run: Run) -> Path:
    """Folder of a run's model; a relative one lies in the workspace, which may have been moved."""
    return parts.folder / run.folder


def zero_shot(parts: Parts) -> Tagger:
    """Return the blend that has learned nothing, over the labels there are."""
    view = parts.corpus()
    if not view.labels:
        raise NothingToDoError("There are no labels yet. Import a label set first.")

    key = encoder_key(parts.settings.encoder)
    documents = [view.documents[int(i)] for i in view.rows("train")[:HUB_DOCUMENTS]]
    known = parts.cache.get(key, [d.hash for d in documents])[1]
    # Nobody who types a text waits for a corpus to be encoded: what has no vector yet is left out.
    documents = [d for d, there in zip(documents, known, strict=True) if there]

    def make() -> tuple[object, Tagger]:
        from lmtx.tagger import Tagger

        vectors = parts.label_vectors(view.labels)
        # Without a corpus there is nothing to measure hubs on: the labels stand in for it.
        doc_vectors = parts.document_vectors(documents) if documents else vectors
        texts = [d.full_text for d in documents] or [x.full_text for x in view.labels]
        return view, Tagger.zero_shot(view.labels, vectors, doc_vectors, texts, key)

    found: Tagger = parts.kept("zero-shot", (id(view), key, len(documents)), make)[1]
    return found


def predict(
    parts: Parts,
    texts: Sequence[Document | str],
    top_k: int,
    system: str,
    words: bool,
    threshold: Threshold | None = None,
) -> list[list[Tag]]:
    """See `Workspace.predict`."""
    if top_k < 1:
        raise InputError(f"top_k: got {top_k}, expected 1 or more.")
    documents = [
        text if isinstance(text, Document) else Document(id=f"text-{i + 1}", title="", text=text)
        for i, text in enumerate(texts)
    ]
    if not documents:
        return []
    found = tagger(parts, system)
    floor = floor_of(parts, threshold, system, top_k)
    if threshold and found.calibration is None:  # 0 asks for nothing
        raise InputError(UNCALIBRATED)
    labels, paths = parts.labels_by_id(), parts.label_paths()
    vectors = parts.text_vectors(documents)
    full = [d.full_text for d in documents]
    gone = sum(label_id not in labels for label_id in found.label_ids)
    scored = found.predict(vectors, full, min(top_k + gone, len(found.label_ids)))
    probabilities = found.probability(scored.score)
    answers = []
    for i, text in enumerate(full):
        kept = [
            (j, int(idx))
            for j, idx in enumerate(scored.label_idx[i])
            if idx >= 0 and found.label_ids[int(idx)] in labels
        ][:top_k]
        if probabilities is not None:
            kept = [(j, idx) for j, idx in kept if floor.keeps(found.label_ids[idx], probabilities[i, j])]
        parts_of = found.explain(vectors[i], text, [idx for _, idx in kept]) if words else [{} for _ in kept]
        surface = _surface_forms(found, text) if words else {}
        tags = []
        for (j, idx), shares in zip(kept, parts_of, strict=True):
            label = labels[found.label_ids[idx]]
            spoken = [surface.get(w, w) for w, _ in found.words(text, idx, 2 * _WORDS)] if words else []
            telling = [word for word in spoken if not is_joining(word)][:_WORDS]
            if words and not telling:
                telling = matching_words(text, label)
            tags.append(
                Tag(
                    label_id=label.id,
                    name=label.name,
                    score=float(scored.score[i, j]),
                    probability=None if probabilities is None else float(probabilities[i, j]),
                    words=telling,
                    parts=shares,
                    path=paths.get(label.id, ()),
                )
            )
        answers.append(tags)
    return answers


def _surface_forms(found: Tagger, text: str) -> dict[str, str]:
    forms: dict[str, str] = {}
    for word, start, end in found.tokenizer.spans(text):
        forms.setdefault(word, text[start:end])
    return forms


def ranked(
    parts: Parts, documents: Sequence[Document], n: int, progress: Progress = no_progress
) -> list[list[Ranked]]:
    """Rank labels for documents of the corpus by the tagger that answers now, best first."""
    found = tagger(parts)
    labels = parts.labels_by_id()
    scored = found.predict(
        parts.document_vectors(documents, progress),
        [d.full_text for d in documents],
        min(n, len(found.label_ids)),
    )
    probabilities = found.probability(scored.score)
    return [
        [
            Ranked(
                found.label_ids[int(idx)],
                float(scored.score[i, j]),
                None if probabilities is None else float(probabilities[i, j]),
            )
            for j, idx in enumerate(scored.label_idx[i])
            if idx >= 0 and found.label_ids[int(idx)] in labels
        ]
        for i in range(len(documents))
    ]
