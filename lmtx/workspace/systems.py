"""The systems of a workspace that can be compared: every run, its student alone, and what learned nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lmtx.errors import InputError, NothingToDoError
from lmtx.types import Document, Run
from lmtx.workspace import predicted, tagging
from lmtx.workspace.models import Tag
from lmtx.workspace.parts import Parts

if TYPE_CHECKING:
    from lmtx.tagger import Tagger

Kind = Literal["tagger", "student", "zero-shot", "part", "predictions"]

NOTHING_LEARNED = "zero-shot"
PARTS = {
    "dense": "Likeness of meaning alone",
    "bm25_document": "Words of the label in the text alone (BM25)",
    "bm25_query": "The text against the label alone (BM25)",
    "tfidf": "Words of the name alone (TF-IDF)",
}
"""Parts of what learned nothing."""
STUDENTS = {"maclr": "MACLR", "rts": "RTS", "official": "LMTX as published", "finetune": "fine-tuned"}


@dataclass(frozen=True, slots=True)
class System:
    """Something that ranks labels.

    Attributes
    ----------
    id : str
        What `compare` takes: "zero-shot", one of its parts, the id of a run, or that and "/student".
    name : str
        For people.
    kind : {"tagger", "student", "zero-shot", "part", "predictions"}
        "predictions": a run that holds rankings of some documents and can't rank others (ICXML).
    run : Run or None
        The training behind it.
    """

    id: str
    name: str
    kind: Kind
    run: Run | None = None

    @property
    def reads_any_text(self) -> bool:
        """Whether it can tag a text that it has not seen yet."""
        return self.kind != "predictions"


def systems(parts: Parts) -> list[System]:
    """List what can be compared: the run in use, the others from the newest, then what learned nothing."""
    runs = parts.journal.runs()
    found: list[System] = []
    for number, run in sorted(_numbered(runs), key=lambda pair: not pair[1].promoted):
        if run.kind != predicted.KIND and not tagging.reads_with(parts, run):  # it can't read today's vectors
            continue
        found.append(_of_run(number, run))
        if _has_student_beside(parts, run):
            found.append(_student_of(number, run))
    found.append(System(NOTHING_LEARNED, "Nothing learned", "zero-shot"))
    found += [System(part, name, "part") for part, name in PARTS.items()]
    return found


def system(parts: Parts, asked: str) -> System:
    """Return a system by its id; "tagger" and "student" are those of the run in use.

    Raises
    ------
    InputError
        If there is no such system.
    NothingToDoError
        If "student" is asked for and nothing was trained yet.
    """
    if asked in PARTS:
        return System(asked, PARTS[asked], "part")
    run_id, slash, part = asked.partition("/")
    if slash and part != "student":
        raise InputError(
            f"System {asked!r}: a run has no part {part!r}. Ask for {run_id!r} or {run_id}/student."
        )
    run = tagging.answering_run(parts, "student" if asked == "student" else run_id)
    if run is None and part:
        raise NothingToDoError("There is no student yet. Ask a teacher and train first.")
    if run is None:
        return System(NOTHING_LEARNED, "Nothing learned", "zero-shot")
    number = next(n for n, r in _numbered(parts.journal.runs()) if r.id == run.id)
    if part or asked == "student":
        return _student_of(number, run)
    return _of_run(number, run)


def _numbered(runs: Sequence[Run]) -> list[tuple[int, Run]]:
    """Return runs, newest first, with their numbers in order of time."""
    return [(len(runs) - i, run) for i, run in enumerate(runs)]


def _of_run(number: int, run: Run) -> System:
    use = " (in use)" if run.promoted else ""
    if run.kind == predicted.KIND:
        return System(run.id, f"Run {number}, ICXML", "predictions", run)
    kind = str(run.config.get("student_kind") or run.kind)
    what = f", {STUDENTS[kind]}" if kind in STUDENTS else ""
    return System(run.id, f"Training {number}{what}{use}", "tagger", run)


def _student_of(number: int, run: Run) -> System:
    return System(f"{run.id}/student", f"Training {number}, its student alone", "student", run)


def _has_student_beside(parts: Parts, run: Run) -> bool:
    """Whether a run has a student, and parts beside it."""
    weights = run.metrics.get("weights")
    alone = isinstance(weights, dict) and set(weights) == {"student"}
    return not alone and (tagging.run_folder(parts, run) / "student").is_dir()


def tagger_of(parts: Parts, which: System) -> Tagger:
    """Return the tagger behind a system.

    Raises
    ------
    InputError
        If it has none, or was trained with another encoder than the workspace has now.
    """
    if which.kind == "zero-shot":
        return tagging.zero_shot(parts)
    if which.kind == "part":
        return replace(tagging.zero_shot(parts), weights={which.id: 1.0})
    assert which.run is not None
    found = tagging.tagger(parts, which.run.id)
    if which.kind == "tagger":
        return found
    if found.student is None:
        raise InputError(f"{which.name}: it has no student, as nobody judged or decided anything then.")
    return replace(found, weights={"student": 1.0}, calibration=None)


def side_by_side(parts: Parts, text: str, asked: Sequence[str], top_k: int) -> list[list[Tag]]:
    """See `Workspace.side_by_side`."""
    if top_k < 1:
        raise InputError(f"top_k: got {top_k}, expected 1 or more.")
    if not text.strip():
        raise NothingToDoError("There is no text to tag. Paste one.")
    labels, paths = parts.labels_by_id(), parts.label_paths()
    document = Document(id="text", title="", text=text)
    vectors = parts.text_vectors([document])
    answers = []
    for which in (system(parts, x) for x in asked):
        found = tagger_of(parts, which)
        gone = sum(label_id not in labels for label_id in found.label_ids)
        scored = found.predict(vectors, [document.full_text], min(top_k + gone, len(found.label_ids)))
        probabilities = found.probability(scored.score)
        tags = [
            Tag(
                label_id=found.label_ids[int(idx)],
                name=labels[found.label_ids[int(idx)]].name,
                score=float(scored.score[0, j]),
                probability=None if probabilities is None else float(probabilities[0, j]),
                words=[],
                parts={},
                path=paths.get(found.label_ids[int(idx)], ()),
            )
            for j, idx in enumerate(scored.label_idx[0])
            if idx >= 0 and found.label_ids[int(idx)] in labels
        ]
        answers.append(tags[:top_k])
    return answers
