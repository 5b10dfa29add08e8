"""A local language model as a teacher: P(yes) from logits, or the published way of generating answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmtx.encoder.identity import folder_fingerprint, stat_signature
from lmtx.errors import TeacherSpecError
from lmtx.teacher.base import Answer, Answered, Estimate, TeacherContext, TeacherRequest, teacher_key
from lmtx.teacher.prompts import PAIR, load_few_shot, load_prompt, messages
from lmtx.teacher.spec import TeacherSpec
from lmtx.types import Label, Verdict, content_hash

if TYPE_CHECKING:
    from lmtx.teacher.language_model import Block, LanguageModel, Said, Tokens

DOCUMENT_TOKENS = 512
OFFICIAL_DOCUMENT_TOKENS = 430
OFFICIAL_NEW_TOKENS = 2048
OFFICIAL_CHARACTERS = 10
"""The published procedure looks for yes and no in this many first characters of the answer."""
EXAMPLE_TOKENS = 160
MIN_MASS = 0.05
"""Below this much probability on yes and no together, a model has not answered the question."""

_QUEUE_TOKENS = 4
"""Times the tokens of a forward that are gathered before one: short documents fill rows better then."""

_SPLIT = "\x02"


class TransformersTeacher:
    """Asks a causal language model on this machine.

    With ``strategy=logits`` (the default) a document is read once with all its questions behind it, and
    P(yes) is the share of the yes words among the yes and no words at the answer's first token. With
    ``strategy=official`` each pair is one greedy generation, and yes or no is looked for in the first ten
    characters of what it writes, as in the published code (xmc-aalto/LMTX, `LLM_inference.py`): an answer
    that begins with "unknown" or "not sure" counts as no there. Generation ends once these characters are
    there, which changes no verdict; ``full=yes`` writes answers to their end as published.

    Parameters
    ----------
    context : TeacherContext
    spec : TeacherSpec
        Kind "transformers".

    Raises
    ------
    TeacherError, TeacherSpecError
        If the prompt does not exist or a setting is not usable. A model that can't be loaded is told when it
        is first asked.
    """

    is_llm = True
    host = ""

    def __init__(self, context: TeacherContext, spec: TeacherSpec) -> None:
        self._settings = spec
        self.strategy: Literal["logits", "official"] = spec.choice("strategy", ("logits", "official"))
        official = self.strategy == "official"
        self.prompt = load_prompt(
            spec.text("prompt", "official-tag.v1" if official else PAIR), context.prompts
        )
        if self.prompt.form != "pair":
            raise TeacherSpecError(
                f"teacher {spec}: prompt {self.prompt.name!r} asks about all candidates at once, which a "
                f"local model is not asked. Choose one that asks about one label, such as {PAIR!r}."
            )
        few_shot = spec.text("few_shot", "")
        self.few_shot = load_few_shot(few_shot, context.prompts) if few_shot else None
        self.document_tokens = spec.integer(
            "document_tokens", OFFICIAL_DOCUMENT_TOKENS if official else DOCUMENT_TOKENS, 16, 1_000_000
        )
        self.full = spec.choice("full", ("no", "yes")) == "yes"
        self.spec = str(spec)
        decoding: dict[str, object] = {
            "strategy": self.strategy,
            "document_tokens": self.document_tokens,
            "few_shot": self.few_shot.hash if self.few_shot else "",
        }
        if not official:
            decoding["min_mass"] = MIN_MASS
        self.key = teacher_key(
            model=f"transformers {model_identity(spec.model, spec.text('revision', ''))}",
            prompt=self.prompt.text,
            decoding=decoding,
            label_text="prompt",
        )
        how = "one generated answer a pair, as published" if official else "P(yes) from the model's own words"
        self.description = (
            f"The language model {Path(spec.model).name} on this machine, prompt {self.prompt.name}: {how}. "
            "How good it is, a trial on your own documents tells."
        )

    @cached_property
    def model(self) -> LanguageModel:
        """The model; loaded when it is first asked."""
        from lmtx.teacher.language_model import MODES, LanguageModel

        spec = self._settings
        return LanguageModel(
            spec.model,
            revision=spec.text("revision", ""),
            device=spec.choice("device", ("auto", "cpu", "cuda", "mps")),
            dtype=spec.choice("dtype", ("auto", "float32", "bfloat16", "float16")),
            mode=spec.choice("mode", ("auto", *MODES)),
        )

    # ---- asking -------------------------------------------------------------------------------

    def judge(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        """Answer requests; see `Teacher.judge`."""
        if self.strategy == "official":
            yield from self._generated(requests)
            return
        gathered: list[tuple[TeacherRequest, Block]] = []
        n = 0
        for request in requests:
            block = self.block(request)
            gathered.append((request, block))
            n += block.n_tokens
            if n >= (self.model.budget or 1) * _QUEUE_TOKENS:
                yield from self._said(gathered)
                gathered, n = [], 0
        yield from self._said(gathered)

    def _said(self, gathered: Sequence[tuple[TeacherRequest, Block]]) -> Iterator[Answered | None]:
        if not gathered:
            return
        words = self.model.words("yes", "no")
        said = self.model.say([block for _, block in gathered], words)
        for (request, block), found in zip(gathered, said, strict=True):
            tokens = _spread(len(block.document), block.questions)
            answers = [_answer(s, n) for s, n in zip(found, tokens, strict=True)]
            yield Answered(request, tuple(answers))
        yield None

    def _generated(self, requests: Iterable[TeacherRequest]) -> Iterator[Answered | None]:
        for request in requests:
            answers = []
            for prompt in self._prompts(request):
                text, n_out = self.model.generate(
                    prompt,
                    max_new_tokens=OFFICIAL_NEW_TOKENS,
                    enough=0 if self.full else OFFICIAL_CHARACTERS,
                )
                answers.append(
                    Answer(official_verdict(text), None, len(prompt) + n_out, n_out, raw=text[:2000])
                )
                yield None
            yield Answered(request, tuple(answers))

    def estimate(self, requests: Sequence[TeacherRequest]) -> Estimate:
        """Count tokens with the model's tokenizer; see `Teacher.estimate`."""
        if self.strategy == "official":
            lengths = [len(prompt) for r in requests for prompt in self._prompts(r)]
            most = OFFICIAL_NEW_TOKENS if self.full else OFFICIAL_CHARACTERS + 2
            return Estimate(sum(lengths), len(lengths), len(lengths) * most)
        return Estimate(sum(self.block(r).n_tokens for r in requests if r.labels))

    # ---- prompts ------------------------------------------------------------------------------

    def block(self, request: TeacherRequest) -> Block:
        """Tokens of a document and of the questions about it."""
        from lmtx.teacher.language_model import Block

        _, tail = self._frame
        shared = self.model.encode(self._opening(request))
        return Block(shared, [self._question(x, tail) for x in request.labels])

    def _prompts(self, request: TeacherRequest) -> list[Tokens]:
        """Tokens of whole prompts, one a label: nothing is shared, as published."""
        opening, (_, tail) = self._opening(request), self._frame
        return [self.model.encode(opening + self._asked(x) + tail) for x in request.labels]

    def _opening(self, request: TeacherRequest) -> str:
        document = request.document
        return self._frame[0] + self._document(document.title, document.text, self.document_tokens)

    def shown_prompt(self, request: TeacherRequest) -> str:
        """Whole prompt of the first label asked, as the model reads it; for a preview."""
        tokens = self.block(request)
        return str(self.model.tokenizer.decode(tokens.document + (tokens.questions or [[]])[0]))

    def _document(self, title: str, text: str, limit: int) -> str:
        """Rendered document, cut so that title and text have so many tokens together."""
        model = self.model
        title = model.cut(model.plain(title), limit // 2)
        used = len(model.encode(title)) if title else 0
        return self.prompt.document(title, model.cut(model.plain(text), limit - used))

    @cached_property
    def _questions(self) -> dict[str, Tokens]:
        return {}

    def _question(self, label: Label, tail: str) -> Tokens:
        found = self._questions.get(label.hash)
        if found is None:
            found = self._questions[label.hash] = self.model.encode(self._asked(label) + tail)
        return found

    def _asked(self, label: Label) -> str:
        plain = self.model.plain
        safe = replace(
            label,
            name=plain(label.name),
            description=plain(label.description),
            aliases=tuple(map(plain, label.aliases)),
        )
        return self.prompt.question(safe)

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """What the chat template writes before the document and behind the question."""
        examples = []
        for x in self.few_shot.examples if self.few_shot else ():
            answer = "yes" if x.wanted else "no"
            examples.append((self._document(x.title, x.text, EXAMPLE_TOKENS), self._asked(x.label), answer))
        chat = self.model.chat(messages(self.prompt, _SPLIT, "", examples))
        head, _, tail = chat.rpartition(_SPLIT)
        return head, tail


def model_identity(name: str, revision: str) -> str:
    """What of a model is part of a key: the content of local files, else name and revision.

    Local files count by content, so that a verdict made elsewhere from the same files has the same key.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return folder_fingerprint(str(path.resolve()), stat_signature(path.resolve()))
    if path.is_file():
        return f"{path.name} {_file_fingerprint(path)}"
    return f"{name}@{revision}" if revision else name


def _file_fingerprint(path: Path, samples: int = 64, size: int = 65_536) -> str:
    total = path.stat().st_size
    with path.open("rb") as file:
        if total <= samples * size:
            return content_hash(str(total), file.read().hex())
        parts = []
        for i in range(samples):
            file.seek(i * (total - size) // (samples - 1))
            parts.append(file.read(size).hex())
    return content_hash(str(total), *parts)


def official_verdict(answer: str) -> Verdict:
    """Read an answer as the published code does: yes, else no, anywhere in its first ten characters."""
    start = answer.strip()[:OFFICIAL_CHARACTERS].lower()
    return "yes" if "yes" in start else "no" if "no" in start else "unparsed"


def _answer(said: Said, tokens: int) -> Answer:
    raw = f"yes {said.yes:.4f} no {said.no:.4f}"
    if said.mass < MIN_MASS:
        return Answer("unparsed", None, tokens, raw=raw)
    return Answer("yes" if said.probability > 0.5 else "no", said.probability, tokens, raw=raw)


def _spread(shared: int, questions: Sequence[Sequence[int]]) -> list[int]:
    """Tokens of each question with its share of the document's, which add up exactly."""
    n = max(1, len(questions))
    cuts = [round(shared * i / n) for i in range(n + 1)]
    return [b - a + len(q) for (a, b), q in zip(pairwise(cuts), questions, strict=False)]
