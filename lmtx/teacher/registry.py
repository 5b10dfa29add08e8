"""Teachers by specification: "evidence", "simulated:recall=0.85,noise=0.05,seed=0,bias=label"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lmtx.errors import TeacherSpecError
from lmtx.teacher.base import Teacher, TeacherContext
from lmtx.teacher.evidence import EvidenceTeacher
from lmtx.teacher.simulated import SimulatedTeacher

_LATER = ("transformers", "openai")


@dataclass(frozen=True, slots=True)
class TeacherKind:
    """One kind of teacher, for a list to choose from.

    spec : a specification that works as it stands
    title, description : for the user
    is_llm : whether a language model answers
    needs_gold : whether it reads gold labels
    """

    spec: str
    title: str
    description: str
    is_llm: bool
    needs_gold: bool


TEACHERS: tuple[TeacherKind, ...] = (
    TeacherKind("evidence", "Evidence (no language model)", EvidenceTeacher.description, False, False),
    TeacherKind(
        "simulated:recall=0.85,noise=0.05,seed=0",
        "Simulated from gold labels",
        "No language model: answers from gold labels with noise. For benchmarks and planning only.",
        False,
        True,
    ),
)


def load_teacher(spec: str, context: TeacherContext) -> Teacher:
    """Make a teacher.

    Parameters
    ----------
    spec : str
        "evidence", or "simulated" with any of recall, noise, seed and bias (none or label),
        for example "simulated:recall=0.85,noise=0.05,seed=0,bias=label".
    context : TeacherContext
        What it may read.

    Raises
    ------
    TeacherSpecError
        If the specification is unknown or malformed.
    TeacherError
        If the context lacks what the teacher needs.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind == "evidence":
        _parameters(spec, rest, {})
        return EvidenceTeacher(context)
    if kind == "simulated":
        known = {"recall": float, "noise": float, "seed": int, "bias": _bias}
        return SimulatedTeacher(context, **_parameters(spec, rest, known))
    names = ", ".join(repr(x.spec) for x in TEACHERS)
    if kind in _LATER:
        raise TeacherSpecError(
            f"teacher {spec!r}: language models as teachers come with a later version. Known now: {names}."
        )
    raise TeacherSpecError(
        f"teacher {spec!r}: unknown. Known: {names}. Language models as teachers come with a later version."
    )


def _parameters(spec: str, text: str, known: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in filter(None, (x.strip() for x in text.split(","))):
        name, equals, value = (x.strip() for x in item.partition("="))
        if not equals or name not in known or name in found:
            allowed = ", ".join(known) or "none"
            raise TeacherSpecError(
                f"teacher {spec!r}: {item!r} is not understood. Parameters, each once as name=value: "
                f"{allowed}."
            )
        try:
            found[name] = known[name](value)
        except ValueError as error:
            raise TeacherSpecError(
                f"teacher {spec!r}: {name} is {value!r} ({error}). Give another value."
            ) from error
    return found


def _bias(value: str) -> str:
    if value not in {"none", "label"}:
        raise ValueError("expected none or label")
    return value
