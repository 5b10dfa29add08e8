"""Teachers by specification: "evidence", "transformers:MODEL", "openai:MODEL,base_url=URL", ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lmtx.teacher.base import Teacher, TeacherContext
from lmtx.teacher.evidence import EvidenceTeacher
from lmtx.teacher.simulated import SimulatedTeacher
from lmtx.teacher.spec import TeacherSpec


@dataclass(frozen=True, slots=True)
class TeacherKind:
    """One kind of teacher, for a list to choose from.

    spec : a specification that works as it stands; with MODEL in it, once a model is put there
    title, description : for the user
    is_llm : whether a language model answers
    needs_gold : whether it reads gold labels
    parameters : what may be given as name=value
    """

    spec: str
    title: str
    description: str
    is_llm: bool
    needs_gold: bool
    parameters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Kind, as specifications begin."""
        return self.spec.partition(":")[0]

    @property
    def has_model(self) -> bool:
        """Whether a model has to be named."""
        return "MODEL" in self.spec


TEACHERS: tuple[TeacherKind, ...] = (
    TeacherKind("evidence", "Evidence (no language model)", EvidenceTeacher.description, False, False),
    TeacherKind(
        "simulated:recall=0.85,noise=0.05,seed=0",
        "Simulated from gold labels",
        "No language model: answers from gold labels with noise. For benchmarks and planning only.",
        False,
        True,
        ("recall", "noise", "seed", "bias"),
    ),
    TeacherKind(
        "openai:MODEL",
        "Server with the OpenAI interface",
        "A language model behind vLLM, Ollama, llama.cpp, LM Studio, `transformers serve`, or a service. "
        "Where it runs is set by base_url; its key is read from the environment.",
        True,
        False,
        (
            "base_url",
            "strategy",
            "prompt",
            "few_shot",
            "document_tokens",
            "concurrency",
            "timeout",
            "max_tokens",
            "key_env",
            "price_in",
            "price_out",
        ),
    ),
    TeacherKind(
        "transformers:MODEL",
        "Language model on this machine",
        "A causal language model by hub name, folder or .gguf file, run here. The document is read once for "
        "all its candidate labels.",
        True,
        False,
        ("strategy", "prompt", "few_shot", "document_tokens", "full", "mode", "revision", "device", "dtype"),
    ),
    TeacherKind(
        "cross-encoder:MODEL",
        "Reranker on this machine",
        "A cross-encoder or reranker of sentence-transformers, which reads document and label together. "
        "Often the cheapest good teacher.",
        True,
        False,
        ("prompt", "document_tokens", "offset", "scale", "revision", "device", "dtype"),
    ),
)

_KINDS = {kind.name: kind for kind in TEACHERS}


def parse_spec(text: str) -> TeacherSpec:
    """Read a specification; see `TeacherSpec.parse`."""
    return TeacherSpec.parse(
        text,
        {name: kind.parameters for name, kind in _KINDS.items()},
        {name for name, kind in _KINDS.items() if kind.has_model},
    )


def load_teacher(spec: str, context: TeacherContext) -> Teacher:
    """Make a teacher.

    Parameters
    ----------
    spec : str
        `kind:model,name=value,...`; kinds and parameters are those of `TEACHERS`, for example "evidence",
        "simulated:recall=0.85,noise=0.05,seed=0,bias=label", "transformers:/models/qwen",
        "openai:llama3.2,base_url=http://127.0.0.1:11434/v1".
    context : TeacherContext
        What it may read.

    Raises
    ------
    TeacherSpecError
        If the specification is unknown or malformed.
    TeacherError
        If the context lacks what the teacher needs, or a server that has to be asked does not answer.
    """
    return _MAKERS[(parsed := parse_spec(spec)).kind](context, parsed)


def _evidence(context: TeacherContext, spec: TeacherSpec) -> Teacher:
    return EvidenceTeacher(context)


def _simulated(context: TeacherContext, spec: TeacherSpec) -> Teacher:
    bias: Literal["none", "label"] = spec.choice("bias", ("none", "label"))
    return SimulatedTeacher(
        context,
        recall=spec.number("recall", 0.85, 0, 1),
        noise=spec.number("noise", 0.05, 0, 1),
        seed=spec.integer("seed", 0, -(2**62), 2**62),
        bias=bias,
    )


# Imported when asked for: torch and the client library take seconds, and most commands need neither.


def _transformers(context: TeacherContext, spec: TeacherSpec) -> Teacher:
    from lmtx.teacher.local import TransformersTeacher

    return TransformersTeacher(context, spec)


def _openai(context: TeacherContext, spec: TeacherSpec) -> Teacher:
    from lmtx.teacher.endpoint import EndpointTeacher

    return EndpointTeacher(context, spec)


def _cross_encoder(context: TeacherContext, spec: TeacherSpec) -> Teacher:
    from lmtx.teacher.cross_encoder import CrossEncoderTeacher

    return CrossEncoderTeacher(context, spec)


_MAKERS: dict[str, Callable[[TeacherContext, TeacherSpec], Teacher]] = {
    "evidence": _evidence,
    "simulated": _simulated,
    "transformers": _transformers,
    "openai": _openai,
    "cross-encoder": _cross_encoder,
}
