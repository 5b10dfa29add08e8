"""Changing the encoder of a workspace while the old one goes on answering, and comparing encoders."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtx.encoder import encoder_key, label_hashes
from lmtx.encoder.identity import is_local, is_packaged
from lmtx.errors import InputError, NothingToDoError
from lmtx.types import Document, Progress, Run
from lmtx.workspace import learning, measuring, tagging
from lmtx.workspace.parts import Parts

COMPARED_DOCUMENTS = 1_000
"""Documents on which encoders are compared at most, and again so many that tell of hubs and words."""

_SHOWN = ("P@1", "P@5", "R@10")


@dataclass(frozen=True, slots=True)
class SwitchPreview:
    """What changing the encoder would take.

    Attributes
    ----------
    n_texts, n_missing : int
        Documents and labels, and those of them that this encoder has not encoded yet.
    trains : bool
        Whether a training follows, as there is something to learn from.
    """

    n_texts: int
    n_missing: int
    trains: bool


def preview(parts: Parts, encoder: str) -> SwitchPreview:
    """See `Workspace.switch_preview`."""
    view, key = parts.corpus(), encoder_key(_absolute(encoder))

    def count() -> tuple[object, int]:  # the view is kept too, so that no other takes its place in memory
        hashes = [*(d.hash for d in view.documents), *label_hashes(view.labels)]
        return view, int((~parts.cache.get(key, hashes)[1]).sum())

    n_missing: int = parts.kept(f"missing {key}", (id(view), parts.cache.version()), count)[1]
    return SwitchPreview(len(view.documents) + len(view.labels), n_missing, _learns(parts))


def switch_encoder(parts: Parts, encoder: str, progress: Progress) -> dict[str, Any]:
    """See `Workspace.switch_encoder`."""
    parts.must_write("Another encoder")
    encoder, began = _absolute(encoder), time.monotonic()
    with _other(parts, encoder) as other:
        progress(0, 0, "Loading the encoder")
        other.encoder().load()
        n_encoded = other.n_without_vector()
        # The old encoder answers meanwhile. Each block of vectors that is there stays there: killed and
        # started again, this goes on.
        other.embed_all(progress)
        key, before = encoder_key(encoder), parts.journal.promoted()
        run = before
        if before is None or before.config.get("encoder") != key:
            run = _train(other, progress)
    changed = encoder_key(parts.settings.encoder) != key or parts.settings.encoder != encoder
    # From here on the new encoder answers, by the run that was promoted an instant ago.
    if changed:
        parts.update_settings({"encoder": encoder})
    parts.sync_index(progress)
    return {
        "encoder": encoder,
        "encoded": n_encoded,
        "run": None if run is None else run.id,
        "seconds": round(time.monotonic() - began, 1),
        **_qualities(before, run),
    }


def _train(other: Parts, progress: Progress) -> Run | None:
    """Train with the other encoder, and put the run to use; None where nothing is to be learned from."""
    if not _learns(other):
        if other.journal.promoted() is None:
            return None
        raise NothingToDoError(
            "A run is in use, and there is no verdict, decision or completed document to train one with the "
            "other encoder from. Let a teacher judge some documents, or review some; then switch."
        )
    run = learning.train(other, progress, "adapter", {})
    if not run.promoted:
        # The gate found no gain over what learned nothing; still, no other run can read the new vectors.
        run = other.journal.promote(run.id)
    return run


def _learns(parts: Parts) -> bool:
    counts = parts.journal.counts()
    return bool(counts.get("judged_pairs") or counts.get("decisions") or counts.get("completed"))


def _qualities(before: Run | None, after: Run | None) -> dict[str, Any]:
    """Return what the gate said of both runs, where it was measured in the same way; and its words."""
    gates = [run.metrics.get("gate") if run is not None else None for run in (before, after)]
    old, new = (gate if isinstance(gate, dict) else {} for gate in gates)
    found: dict[str, Any] = {"message": str(new.get("message") or "")}
    if old.get("basis") == new.get("basis") and old.get("n_docs") == new.get("n_docs") and old is not new:
        found |= {"quality_before": old.get("tagger"), "quality": new.get("tagger")}
    return found


def _absolute(encoder: str) -> str:
    """Return an encoder as it is kept: its folder whole, as a job may run elsewhere."""
    encoder = encoder.strip()
    return str(Path(encoder).expanduser().resolve()) if is_local(encoder) else encoder


@contextmanager
def _other(parts: Parts, encoder: str) -> Iterator[Parts]:
    """Open the workspace with another encoder."""
    encoder_key(encoder)  # says what is wrong with a name before anything is opened
    other = parts.with_encoder(encoder)
    try:
        yield other
    finally:
        other.close()


# ---- comparing ------------------------------------------------------------------------------------


def compare_encoders(
    parts: Parts, encoders: Sequence[str], limit_docs: int, progress: Progress
) -> dict[str, Any]:
    """See `Workspace.compare_encoders`."""
    from lmtx.quality import evaluate as ranking_metrics

    wanted = list(dict.fromkeys(_absolute(x) for x in encoders))
    truth, documents, labels_of = _truth(parts, limit_docs)
    rows: list[dict[str, Any]] = []
    for number, encoder in enumerate(wanted):

        def told(done: int, total: int, message: str, number: int = number) -> None:
            share = done / max(1, total)
            progress(round(100 * (number + share)), 100 * len(wanted), f"Encoder {number + 1}: {message}")

        with _other(parts, encoder) as other:
            scored, rate = _zero_shot(other, documents, told)
            ids, ranking = scored
        metrics = ranking_metrics(ranking, measuring.gold_matrix(documents, labels_of, ids))
        shown = {name: metrics[name] for metric in _SHOWN for name in (metric, f"{metric}_se")}
        rows.append({"encoder": encoder, "documents_per_second": rate, **shown})
    progress(100 * len(wanted), 100 * len(wanted), "Compared")
    return {"truth": truth, "n_docs": len(documents), "encoders": rows}


def _truth(parts: Parts, limit_docs: int) -> tuple[str, list[Document], dict[str, tuple[str, ...]]]:
    """Return which truth there is, documents, and the labels of each: gold of the test split, or verdicts."""
    if limit_docs < 1:
        raise InputError(f"limit_docs: got {limit_docs}, expected 1 or more.")
    if parts.journal.counts().get("gold_test"):
        documents, gold = measuring.gold_documents(parts, "test", limit_docs)
        return "gold", documents, gold
    from lmtx.cycle import training_set

    view = parts.corpus()
    training = training_set(parts.journal, view)
    pairs = training.held_out_pairs
    said: dict[str, list[str]] = {}
    for row, label, target in zip(pairs.document_idx, pairs.label_idx, pairs.target, strict=True):
        if target > 0.5:
            document = view.documents[int(training.held_out_rows[int(row)])]
            said.setdefault(document.id, []).append(view.labels[int(label)].id)
    if not said:
        raise NothingToDoError(
            "There is nothing to compare encoders by: no test document has gold labels, and no teacher has "
            "said yes on a held-out document. Import a corpus with gold labels, or ask a teacher first."
        )
    found = [d for d in view.documents if d.id in said][:limit_docs]
    return "teacher", found, {i: tuple(labels) for i, labels in said.items()}


def _zero_shot(other: Parts, documents: Sequence[Document], progress: Progress) -> tuple[Any, float | None]:
    """Rank without any learning; return column ids and ranking, and documents encoded a second."""
    key = encoder_key(other.settings.encoder)
    missing = int((~other.cache.get(key, [d.hash for d in documents])[1]).sum())
    other.encoder().load()
    began = time.monotonic()
    other.document_vectors(documents, progress)
    seconds = time.monotonic() - began
    view = other.corpus()
    rows = view.rows("train")[:COMPARED_DOCUMENTS]
    other.document_vectors([view.documents[int(i)] for i in rows], progress)
    found = tagging.zero_shot(other)
    k = min(20, len(found.label_ids))
    ranking = found.predict(other.document_vectors(documents), [d.full_text for d in documents], k)
    return (found.label_ids, ranking), round(missing / seconds, 1) if missing >= 100 else None


def short_name(encoder: str) -> str:
    """Name an encoder for people: that of its folder or model, without the path."""
    if is_packaged(encoder):
        return "MiniLM"
    return encoder.rstrip("/").replace("\\", "/").split("/")[-1]
