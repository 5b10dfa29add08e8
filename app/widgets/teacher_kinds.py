"""Teachers as one chooses them: kinds, what to say of each, and the one line that a choice comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.state import Key
from lmtx.errors import LmtxError, TeacherSpecError
from lmtx.teacher import TeacherSpec, parse_spec
from lmtx.teacher.address import Address, check_key_env, find_key

EVIDENCE, SERVER, LOCAL, RERANKER, SIMULATED = (
    "evidence",
    "openai",
    "transformers",
    "cross-encoder",
    "simulated",
)
NAMES = {
    EVIDENCE: "Evidence, no language model",
    SERVER: "A server with a language model",
    LOCAL: "A language model on this machine",
    RERANKER: "A reranker on this machine",
    SIMULATED: "Simulated from gold",
}
ABOUT = {
    EVIDENCE: "Ranks the labels by likeness of words and of meaning, and says yes to the best two of each "
    "document. Runs here, needs no network.",
    SERVER: "Ollama, LM Studio, llama.cpp, vLLM, or a service: anything with the OpenAI interface.",
    LOCAL: "A model by name, folder or .gguf file, run by this app. Wants a graphics card, or patience.",
    RERANKER: "Scores document and label together. Often the cheapest good teacher.",
    SIMULATED: "Answers from the gold labels of the training split, with errors. For planning and "
    "benchmarks.",
}
EXPECT = {
    EVIDENCE: "**The evidence teacher is no language model.** It compares words and meanings. After learning "
    "from it, the first tag was right for about two documents in five where labels are short technical tags "
    "(Debian packages), and for two in three where their names say what texts say (bills of the US "
    "Congress). "
    "It finds candidates; people make them right: forty reviewed documents raised that to about one in two, "
    "and four in five. The README has the table.",
    SERVER: "**How well it judges depends on the model.** Take one tuned to follow instructions, of 7 "
    "billion "
    "parameters or more. "
    "One of 135 million, as the tests use, says yes or no without judging.\n\nDo not guess: a **trial** "
    "of 30 pairs, which you label without seeing what it said, takes ten minutes and shows how often it "
    "is right.",
    LOCAL: "**How well it judges depends on the model.** Take one tuned to follow instructions, of 7 billion "
    "parameters or more; without a graphics card a reranker is quicker. One of 135 million parameters, "
    "such as "
    "SmolLM2-135M, writes yes or no without judging.\n\nDo not guess: a **trial** of 30 pairs shows how "
    "often it "
    "is right, and how fast it is here.",
    RERANKER: "**A reranker orders labels well, but does not know where yes begins** on your documents: its "
    "scores are no probabilities yet. It suits labels in plain words. A **trial** of 30 pairs shows how "
    "often "
    "it is right.",
    SIMULATED: "**It proves nothing about your labels.** It finds 85 % of the right ones, says yes to 5 "
    "% of the "
    "wrong ones, and shows what a good teacher would bring.",
}
STRATEGIES = {
    SERVER: {
        "": "find out (recommended)",
        "questions": "typed questions, with probabilities",
        "logprobs": "probability of the first word",
        "listwise": "all candidates of a document at once",
        "official": "as published: one written answer a pair",
    },
    LOCAL: {
        "": "probability of yes (recommended)",
        "official": "as published: one written answer a pair",
    },
}
HOW_ASKED = {
    "questions": "typed questions, whose answers are probabilities",
    "logprobs": "the probability of the first word",
    "listwise": "one list of all candidates a document, without probabilities",
    "official": "one written answer a pair",
}
LOCAL_URL = "http://127.0.0.1:11434/v1"
"""Where the most common server on one's own machine listens."""


@dataclass(frozen=True)
class Choice:
    """What the user asks for.

    teacher : specification; empty where `problem` says why there is none
    missing : what is still to be filled in; not an error yet
    """

    kind: str
    teacher: str
    top_k: int
    limit_docs: int | None
    rounds: int
    budget: Mapping[str, float] | None = None
    problem: str = ""
    missing: str = ""

    @property
    def is_llm(self) -> bool:
        """Whether a language model, or a reranker, answers."""
        return self.kind in (SERVER, LOCAL, RERANKER)

    @property
    def host(self) -> str:
        """Machine that texts would be sent to; empty where they stay on this one."""
        return host_of(self.teacher) if self.teacher else ""


CHOICE: Key[Choice | None] = Key("lmtx.teacher.choice", None)
"""What was chosen last, for the views that do not show the choice."""
VIEW = "teacher_view"
ASK, TRIAL, PROMPT, SAID = "Ask", "Trial", "Prompt", "What it said"


def composed(kind: str, model: str, values: Mapping[str, object]) -> TeacherSpec:
    """Specification of what was filled in.

    Raises
    ------
    LmtxError
        If it is not usable; nothing that may be a secret is repeated.
    """
    texts = {name: str(value).strip() for name, value in values.items() if value not in (None, "")}
    if kind == SERVER:
        Address.of(texts.get("base_url", LOCAL_URL))
        check_key_env(texts.get("key_env", ""))
    for name, text in {"the model's name": model, **texts}.items():
        if "," in text or "\n" in text:
            raise TeacherSpecError(
                f"A comma or a line break can't be part of {name}. Rename it, or link to it."
            )
    return parse_spec(str(TeacherSpec(kind, model.strip(), texts)))


def host_of(spec: str) -> str:
    """Machine that texts are sent to; empty where they stay on this one."""
    parsed = parse_spec(spec)
    return (
        Address.of(parsed.text("base_url", "https://api.openai.com/v1")).host if parsed.kind == SERVER else ""
    )


def key_problem(spec: str) -> str:
    """Why the key of a service can't be used; empty where it can, or none is needed."""
    parsed = parse_spec(spec)
    if parsed.kind != SERVER:
        return ""
    try:
        find_key(Address.of(parsed.text("base_url", "https://api.openai.com/v1")), parsed.text("key_env", ""))
    except LmtxError as error:
        return str(error)
    return ""


def short(spec: str) -> str:
    """Name of a teacher in a line of text: its model, and where it is asked."""
    try:
        parsed = parse_spec(spec)
    except LmtxError:
        return spec
    if parsed.kind in (EVIDENCE, SIMULATED):
        return {EVIDENCE: "Evidence", SIMULATED: "Simulated"}[parsed.kind]
    name = parsed.model.rstrip("/").rpartition("/")[2]
    extra = [parsed.values[x] for x in ("prompt", "few_shot") if x in parsed.values]
    return " · ".join([name, *extra])
