"""What is shown to an audience in four steps: the corpus, the teacher, the student, how good it is.

Nothing here names a reviewer, a path or a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmtx.export.report import Figure, ShownDocument, ShownTag, examples, without_folders
from lmtx.types import Document, Run
from lmtx.workspace import shown, systems
from lmtx.workspace.parts import Parts
from lmtx.workspace.rankings import kept

if TYPE_CHECKING:
    from lmtx.journal import TeacherRow

_TITLES = 3
_LOOKED_AT = 400  # short documents among which one that the teacher judged is looked for
_VERDICTS = 3


@dataclass(frozen=True, slots=True)
class TeacherShown:
    """What the teacher in use has said.

    example : a document with labels to which it said yes (`right`) and no; None where none is at hand
    money : in dollars; None where it is not known or nothing
    """

    name: str
    is_llm: bool
    n_pairs: int
    n_yes: int
    tokens: int
    money: float | None
    example: ShownDocument | None


@dataclass(frozen=True, slots=True)
class StudentShown:
    """The training in use.

    n_documents : documents it learned from
    n_pairs, n_yes : judged pairs among these, and those with a yes
    n_decisions, n_completed : of people
    cpu_s : processor time of the training; None where it is not on record
    docs_per_s, model_bytes : of tagging, as measured when documents were ranked; None where none were
    compared : what its gate found, in a sentence; "" where it compared nothing
    """

    n_documents: int
    n_pairs: int
    n_yes: int
    n_decisions: int
    n_completed: int
    cpu_s: float | None
    docs_per_s: float | None
    model_bytes: int | None
    compared: str


@dataclass(frozen=True)
class Presentation:
    """All that the four steps show.

    Attributes
    ----------
    name : str
    n_documents, n_labels, n_apart : int
        `n_apart` of the documents are kept apart: never learned from.
    titles, label_names : list of str
        Some of each.
    teacher : TeacherShown or None
    student : StudentShown or None
    documents : list of ShownDocument
        At most three, one of them with a tag that is known to be wrong where there is one.
    figures : list of Figure
    measured : bool
        False where there is a truth but test documents are still to be ranked.
    """

    name: str
    n_documents: int
    n_labels: int
    n_apart: int
    titles: list[str]
    label_names: list[str]
    teacher: TeacherShown | None
    student: StudentShown | None
    documents: list[ShownDocument]
    figures: list[Figure]
    measured: bool


def presentation(parts: Parts) -> Presentation:
    """See `Workspace.presentation`."""
    view, run, counts = parts.corpus(), parts.journal.promoted(), parts.journal.counts()
    version = (
        id(view),
        run and run.id,
        parts.journal.head_seq(),
        counts.get("judgments"),
        parts.settings.name,
        len(parts.journal.jobs(100, states=("done",))),
        *(_n_ranked(parts, system) for system in ("tagger", systems.NOTHING_LEARNED)),
    )
    found: tuple[object, Presentation] = parts.kept(
        "presentation", version, lambda: (view, _made(parts, run, counts))
    )
    return found[1]


def _n_ranked(parts: Parts, system: str) -> int:
    """Documents that a system has ranked so far."""
    found = kept(parts, systems.system(parts, system))
    return 0 if found is None else len(found.row)


def _made(parts: Parts, run: Run | None, counts: dict[str, int]) -> Presentation:
    view = parts.corpus()
    chosen = examples(shown.candidates(parts), 3)
    found = shown.figures(parts, measure=False)
    has_gold = bool(counts.get("gold_test"))
    return Presentation(
        name=parts.settings.name or parts.folder.name,
        n_documents=len(view.documents),
        n_labels=len(view.labels),
        n_apart=sum(counts.get(role, 0) for role in ("held_out", "reserve", "test")),
        titles=_titles(view.documents),
        label_names=_label_names(parts),
        teacher=_teacher(parts),
        student=None if run is None else _student(parts, run),
        documents=[shown.without_misses(d) for d in chosen],
        figures=found,
        measured=run is None or not has_gold or any(f.truth == "gold" for f in found),
    )


def _titles(documents: list[Document]) -> list[str]:
    """Titles from all over the corpus; the beginnings of texts where documents have none."""
    step = max(1, len(documents) // (_TITLES + 1))
    picked = [documents[i * step] for i in range(1, _TITLES + 1) if i * step < len(documents)] or documents
    return [(d.title or " ".join(d.text.split()))[:110] for d in picked[:_TITLES]]


def _label_names(parts: Parts) -> list[str]:
    """Labels that the teacher proposes or people accepted most; the first ones where there are none."""
    rows = parts.journal.labels_page(sort="proposed", descending=True, page_size=6)
    return [row.name for row in rows]


def used_teacher(parts: Parts) -> TeacherRow | None:
    """Return the teacher that judged last."""
    rows = [t for t in parts.journal.teachers() if t.n_judgments]
    return rows[-1] if rows else None


def teacher_name(row: TeacherRow) -> str:
    """Say in words who a teacher is."""
    kind, _, rest = row.spec.partition(":")
    if kind == "evidence":
        return "no language model, but likeness of words and meaning"
    if kind == "simulated":
        return "no language model, but a simulation that answers from known labels, with errors"
    model = without_folders(rest.partition(",")[0]) or row.key[:8]
    return f"the language model {model}" if row.details.get("is_llm") else f"the model {model}"


def _teacher(parts: Parts) -> TeacherShown | None:
    row = used_teacher(parts)
    if row is None:
        return None
    return TeacherShown(
        name=teacher_name(row),
        is_llm=bool(row.details.get("is_llm")),
        n_pairs=row.n_judgments,
        n_yes=row.n_yes,
        tokens=row.tokens,
        money=row.cost or None,
        example=_judged_example(parts),
    )


def _judged_example(parts: Parts) -> ShownDocument | None:
    """Return a short document to whose labels the teacher said yes and no."""
    view = parts.corpus()
    train = [view.documents[int(i)] for i in view.rows("train")]
    some = sorted(train, key=lambda d: (abs(len(d.full_text) - 320), d.id))[:_LOOKED_AT]
    states = parts.journal.pair_states_of([d.id for d in some])
    labels = parts.labels_by_id()
    for most in (2, 1):
        for document in some:
            said: dict[str, list[tuple[str, float | None]]] = {"yes": [], "no": []}
            for pair in states.get(document.id, ()):
                if pair.verdict in said and pair.label_id in labels:
                    said[pair.verdict].append((labels[pair.label_id].name, pair.probability))
            if len(said["yes"]) >= most and len(said["no"]) >= most:
                tags = [
                    ShownTag(name, probability, verdict == "yes")
                    for verdict, found in said.items()
                    for name, probability in found[:_VERDICTS]
                ]
                return shown.as_shown(document, tags)
    return None


def _student(parts: Parts, run: Run) -> StudentShown:
    def number(name: str) -> int:
        value = run.metrics.get(name)
        return value if isinstance(value, int) else 0

    gate: Any = run.metrics.get("gate")
    compared = gate.get("message", "") if isinstance(gate, dict) and gate.get("basis") != "none" else ""
    cpu_s = run.metrics.get("cpu_s")
    ranking = kept(parts, systems.system(parts, "tagger"))
    return StudentShown(
        n_documents=number("n_documents"),
        n_pairs=number("n_pairs"),
        n_yes=number("n_yes"),
        n_decisions=number("n_decisions"),
        n_completed=number("n_completed"),
        cpu_s=float(cpu_s) if isinstance(cpu_s, int | float) else None,
        docs_per_s=ranking.docs_per_s if ranking is not None else None,
        model_bytes=ranking.model_bytes if ranking is not None else None,
        compared=str(compared),
    )


__all__ = ["Presentation", "StudentShown", "TeacherShown", "presentation", "used_teacher"]
