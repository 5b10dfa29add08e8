"""ICXML: a language model that has seen no labelled document names labels, which are mapped and reranked.

Four steps. It writes demonstrations; with these in context it generates labels of a document; each is mapped
to the nearest labels of the label set; it orders the candidates.

References
----------
Zhu and Zamani, "ICXML: An In-Context Learning Framework for Zero-Shot Extreme Multi-Label Classification",
Findings of NAACL 2024. Code: yaxinzhuars/icxml, of which the mapping (`src/beirtest.py`) and the order of the
steps (`content_based.sh`, `label_centroid.sh`) are public, the prompts are not: those here are our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lmtx.errors import InputError, ShapeError
from lmtx.teacher.answers import Answers
from lmtx.teacher.generation import Chat, Generated
from lmtx.teacher.prompts import Message
from lmtx.types import Document, FloatArray, Label, Progress, no_progress

Variant = Literal["content", "label"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

_PROMPTS = Path(__file__).parent / "prompts" / "icxml.v1.jinja"
_MOST_CHARACTERS = 80
"""Of a generated label: what is longer is a sentence."""

_MESSAGE = "Asking about documents"

_BULLET = re.compile(r"^\s*(?:[-*•#>]+|\(?\d{1,3}[.):\]])\s*")
_HEAD = re.compile(r"^\s*(?:tags?|labels?|title|the title|answer)\s*:\s*", re.I)
_QUOTES = " \t\"'`*_“”‘’«»[]()."
_NUMBERED = re.compile(r"^\W*(\d{1,4})\s*[.):\]\-]\s*(\S.*)$")


@dataclass(frozen=True)
class IcxmlConfig:
    """Settings.

    variant : "content": demonstrations are the nearest training documents, and the model writes their labels;
        "label": they are the nearest labels, and the model writes a title for each
    shots : demonstrations of a document
    n_written : labels that the model is asked for at most
    per_text : nearest labels of a generated one; 10 in the published code
    n_candidates : labels that it orders, and that are returned
    document_tokens, shot_tokens : tokens that are shown of a document, and of a demonstration
    label_tokens, title_tokens, rerank_tokens : tokens that it may write for labels, a title, an order
    """

    variant: Variant = "content"
    shots: int = 3
    n_written: int = 5
    per_text: int = 10
    n_candidates: int = 20
    document_tokens: int = 256
    shot_tokens: int = 96
    label_tokens: int = 48
    title_tokens: int = 32
    rerank_tokens: int = 64

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        if self.variant not in VARIANTS:
            raise InputError(f"variant: got {self.variant!r}. Known: {', '.join(VARIANTS)}.")
        for name, value in vars(self).items():
            least = 0 if name == "shots" else 1
            if name != "variant" and (not isinstance(value, int) or value < least):
                raise InputError(f"{name}: got {value!r}, expected a whole number of {least} or more.")


@dataclass(frozen=True)
class IcxmlInputs:
    """What it may read.

    documents, vectors : to label, and their unit vectors, float32 (n_docs, dim)
    pool, pool_vectors : training documents that demonstrations are taken from, float32 (n_pool, dim)
    labels, label_vectors : float32 (n_labels, dim)
    encode : vectors of generated labels, float32 (n, dim), in the space of `label_vectors`
    """

    documents: Sequence[Document]
    vectors: FloatArray
    pool: Sequence[Document]
    pool_vectors: FloatArray
    labels: Sequence[Label]
    label_vectors: FloatArray
    encode: Callable[[Sequence[str]], FloatArray]

    def __post_init__(self) -> None:
        """Check that what belongs together is of one length."""
        for what, items, vectors in (
            ("documents", self.documents, self.vectors),
            ("pool", self.pool, self.pool_vectors),
            ("labels", self.labels, self.label_vectors),
        ):
            if len(items) != len(vectors):
                raise ShapeError(
                    f"IcxmlInputs: {len(items)} {what} and {len(vectors)} vectors. Pass one each."
                )


@dataclass
class Predicted:
    """Labels of documents.

    labels : document id -> (label id, score), best first; the score is one over the place. Documents that
        were not answered to the end are left out.
    n_unmapped : documents of which no generated label could be read; their own vector was mapped instead
    n_unordered : documents whose order could not be read; that of the mapping stands
    """

    labels: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    n_unmapped: int = 0
    n_unordered: int = 0


def icxml(
    inputs: IcxmlInputs,
    answers: Answers,
    config: IcxmlConfig | None = None,
    progress: Progress = no_progress,
) -> Predicted:
    """Label documents; see the module.

    Documents go through all steps some at a time, as many as the generator answers at once: whatever ends it
    early leaves whole documents.

    Parameters
    ----------
    inputs : IcxmlInputs
    answers : Answers
        Whom to ask. Its budget may end the run; what was answered before is not asked again.
    config : IcxmlConfig, optional
    progress : callable
        Called with (documents done, n_docs, message); may raise `JobCancelled`.

    Returns
    -------
    Predicted

    Raises
    ------
    TeacherError
        If the model can't answer at all.
    """
    run = _Run(inputs, answers, config or IcxmlConfig())
    n, size = len(inputs.documents), max(1, answers.generator.concurrency)
    for start in range(0, n, size):
        if answers.stopped:
            break
        run.block(range(start, min(n, start + size)), partial(progress, start, n, _MESSAGE))
    progress(n, n, _MESSAGE)
    return run.found


class _Run:
    """One run through some documents."""

    def __init__(self, inputs: IcxmlInputs, answers: Answers, config: IcxmlConfig) -> None:
        self._inputs, self._answers, self._config = inputs, answers, config
        self._cut = answers.generator.cut
        self.found = Predicted()

    def block(self, rows: Iterable[int], heartbeat: Callable[[], None]) -> None:
        """Take some documents through all steps."""
        config, inputs = self._config, self._inputs
        shots = self._demonstrations(list(rows), heartbeat)
        asked = {
            row: [
                *_system(),
                *_turns(shown),
                _user(self._document(inputs.documents[row], config.document_tokens)),
            ]
            for row, shown in shots.items()
        }
        written = self._asked(asked, config.label_tokens, heartbeat)
        candidates = {row: self._mapped(row, answer.text) for row, answer in written.items()}
        ranked = self._asked(
            {row: self._rerank(row, shortlist) for row, shortlist in candidates.items()},
            config.rerank_tokens,
            heartbeat,
        )
        for row, answer in ranked.items():
            self._take(row, candidates[row], answer.text)

    def _asked(
        self, chats: dict[int, list[Message]], tokens: int, heartbeat: Callable[[], None]
    ) -> dict[int, Generated]:
        """Ask a chat a document; documents without an answer fall out."""
        found = self._answers.of(list(chats.values()), tokens, heartbeat)
        return {row: x for row, x in zip(chats, found, strict=True) if x is not None}

    # ---- demonstrations -----------------------------------------------------------------------

    def _demonstrations(
        self, rows: list[int], heartbeat: Callable[[], None]
    ) -> dict[int, list[tuple[str, str]]]:
        """What is shown with each document: question and answer; a document whose own are open falls out."""
        config, inputs = self._config, self._inputs
        content = config.variant == "content"
        pool: Sequence[Document] | Sequence[Label] = inputs.pool if content else inputs.labels
        near = inputs.vectors[rows] @ (inputs.pool_vectors if content else inputs.label_vectors).T
        chosen = {}
        for row, scores in zip(rows, near, strict=True):
            order = [int(i) for i in np.argsort(-scores, kind="stable")[: config.shots + 1]]
            chosen[row] = [i for i in order if not content or pool[i].id != inputs.documents[row].id]
            chosen[row] = chosen[row][: config.shots]
        items = list(dict.fromkeys(i for shown in chosen.values() for i in shown))
        if content:
            chats = [[*_system(), _user(self._shot(inputs.pool[i]))] for i in items]
            tokens = config.label_tokens
        else:
            chats = [[*_system(), _user(_block("title", label=inputs.labels[i]))] for i in items]
            tokens = config.title_tokens
        answered = dict(zip(items, self._answers.of(chats, tokens, heartbeat), strict=True))
        return {
            row: [x for i in shown if (x := self._demonstration(i, answered[i])) is not None]
            for row, shown in chosen.items()
            if all(answered[i] is not None for i in shown)
        }

    def _demonstration(self, i: int, answer: Generated | None) -> tuple[str, str] | None:
        """Question and answer of one demonstration, None where the model wrote nothing usable.

        Written labels of a document are replaced by the nearest ones that exist, so that demonstrations show
        how labels of this set are named.
        """
        assert answer is not None
        if self._config.variant == "label":
            title = self._cut(title_of(answer.text), self._config.shot_tokens)
            return (
                (self._document(Document("", title, ""), 0), self._inputs.labels[i].name) if title else None
            )
        texts = written_labels(answer.text, self._config.n_written)
        if not texts:
            return None
        nearest = mapped(self._inputs.encode(texts), self._inputs.label_vectors, 1)
        return self._shot(self._inputs.pool[i]), "\n".join(self._inputs.labels[j].name for j in nearest)

    def _shot(self, document: Document) -> str:
        return self._document(document, self._config.shot_tokens)

    def _document(self, document: Document, limit: int) -> str:
        """A document with the question for its labels; `limit` 0: whole."""
        return self._shown(document, limit) + _block("labels", n=self._config.n_written)

    def _shown(self, document: Document, limit: int) -> str:
        text = self._cut(document.full_text, limit) if limit else document.full_text
        return _block("document", document=text)

    # ---- labels -------------------------------------------------------------------------------

    def _mapped(self, row: int, answer: str) -> list[int]:
        config, inputs = self._config, self._inputs
        texts = written_labels(answer, config.n_written)
        if texts:
            vectors, per_text = inputs.encode(texts), config.per_text
        else:
            self.found.n_unmapped += 1
            vectors, per_text = inputs.vectors[[row]], config.n_candidates
        return mapped(vectors, inputs.label_vectors, per_text)[: config.n_candidates]

    def _rerank(self, row: int, candidates: Sequence[int]) -> list[Message]:
        names = [self._inputs.labels[j].name for j in candidates]
        document = self._shown(self._inputs.documents[row], self._config.document_tokens)
        return [*_system(), {"role": "user", "content": document + _block("rerank", names=names)}]

    def _take(self, row: int, candidates: Sequence[int], answer: str) -> None:
        labels = self._inputs.labels
        named = order_of(answer, [labels[j].name for j in candidates])
        self.found.n_unordered += not named
        places = [*named, *(i for i in range(len(candidates)) if i not in set(named))]
        self.found.labels[self._inputs.documents[row].id] = [
            (labels[candidates[i]].id, 1.0 / place) for place, i in enumerate(places, 1)
        ]


# ---- reading what was written -------------------------------------------------------------------


def written_labels(text: str, most: int) -> list[str]:
    """Labels that a model wrote: a line each, or behind commas in one line; each once, without numbers."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = re.split(r"[,;]", lines[0])
    found: dict[str, str] = {}
    for line in lines:
        label = _HEAD.sub("", _BULLET.sub("", line)).strip(_QUOTES)
        if any(c.isalnum() for c in label) and len(label) <= _MOST_CHARACTERS and not label.endswith(":"):
            found.setdefault(label.casefold(), label)
    return list(found.values())[:most]


def title_of(text: str) -> str:
    """The title that a model wrote: its first line with words, without quotes and a heading."""
    for line in text.splitlines():
        title = _HEAD.sub("", _BULLET.sub("", line).strip(" *_")).strip(" \t\"'`*_“”«»")
        if any(c.isalnum() for c in title) and not title.endswith(":"):
            return title
    return ""


def mapped(vectors: FloatArray, label_vectors: FloatArray, per_text: int) -> list[int]:
    """Labels nearest to generated ones: the nearest of each in turn, then the second of each, and so on.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n_texts, dim)
        Unit rows.
    label_vectors : ndarray of float32, shape (n_labels, dim)
        Unit rows.
    per_text : int

    Returns
    -------
    list of int
        Label indices, each once, at most n_texts times `per_text`.

    References
    ----------
    `src/beirtest.py` of yaxinzhuars/icxml, `self_rank`.
    """
    near = np.argsort(-(vectors @ label_vectors.T), axis=1, kind="stable")[:, :per_text]
    return list(dict.fromkeys(near.T.ravel().tolist()))


def order_of(text: str, names: Sequence[str]) -> list[int]:
    """Places (from 0) of the candidates that a model names, in its order, each once.

    Numbers and names count. Where a line is a number and something that can be read itself, that counts: many
    models number their own lines. Numbers that no candidate has are passed over.
    """
    place = {name.strip().casefold(): i for i, name in reversed(list(enumerate(names)))}
    found: list[int] = []
    for line in text.splitlines():
        numbered = _NUMBERED.match(line)
        rest = numbered[2].strip(_QUOTES).casefold() if numbered else ""
        named = _named(line.strip(_QUOTES + "-•").casefold(), place, whole=True)
        if named is None and rest:
            named = _named(rest, place, whole=False)
        if named is not None:
            found.append(named)
        elif re.fullmatch(r"[\d,;\s]+", rest):
            found += _numbers(rest)
        else:
            found += _numbers(line)
    if not any(0 <= i < len(names) for i in found):
        words = (x.strip(_QUOTES).casefold() for x in re.split(r"[,;>\n]", text))
        found = [place[x] for x in words if x in place]
    return [i for i in dict.fromkeys(found) if 0 <= i < len(names)]


def _named(text: str, place: Mapping[str, int], *, whole: bool) -> int | None:
    """Candidate of this name, or with `whole` False the longest one that the text begins with."""
    if whole or text in place:
        return place.get(text)
    begun = [name for name in place if name and re.match(rf"{re.escape(name)}\b", text)]
    return place[max(begun, key=len)] if begun else None


def _numbers(text: str) -> list[int]:
    return [int(x) - 1 for x in re.findall(r"\d{1,4}", text)]


# ---- prompts ------------------------------------------------------------------------------------


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
    return environment.from_string(_PROMPTS.read_text(encoding="utf-8"))


def _block(name: str, **values: Any) -> str:
    template = _template()
    return "".join(template.blocks[name](template.new_context(values)))


def _system() -> Chat:
    return [{"role": "system", "content": _block("system")}]


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _turns(shown: Sequence[tuple[str, str]]) -> list[Message]:
    return [
        message
        for asked, answer in shown
        for message in (_user(asked), {"role": "assistant", "content": answer})
    ]
